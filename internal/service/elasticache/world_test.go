package elasticache_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// world is a server with one account. What a test says to it goes through aws-sdk-go-v2.
type world struct {
	*testing.T
	server  *ostiarytest.Server
	account ostiarytest.Account
	iam     *sdkiam.Client
	root    *sdk.Client
	users   int
	http    aws.HTTPClient
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, server: ostiarytest.New(t), http: testenv.HTTPClient()}
	w.account = w.server.Account(t)
	w.root = w.as(w.account.AccessKeyID, w.account.SecretAccessKey, "us-east-1")
	w.iam = sdkiam.New(sdkiam.Options{Region: "us-east-1", BaseEndpoint: &w.server.URL, HTTPClient: w.http,
		Credentials: credentials.NewStaticCredentialsProvider(w.account.AccessKeyID, w.account.SecretAccessKey, "")})
	return w
}

// as is a client with these keys in that region.
func (w *world) as(id, secret, region string) *sdk.Client {
	return sdk.New(sdk.Options{Region: region, BaseEndpoint: &w.server.URL, HTTPClient: w.http, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")})
}

// user makes a user with an inline policy of the given statements and returns its client.
func (w *world) user(statements string) *sdk.Client {
	w.Helper()
	w.users++
	name := aws.String(fmt.Sprintf("user%d", w.users))
	_, err := w.iam.CreateUser(w.Context(), &sdkiam.CreateUserInput{UserName: name})
	w.must(err)
	if statements != "" {
		_, err = w.iam.PutUserPolicy(w.Context(), &sdkiam.PutUserPolicyInput{UserName: name, PolicyName: aws.String("own"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)})
		w.must(err)
	}
	key, err := w.iam.CreateAccessKey(w.Context(), &sdkiam.CreateAccessKeyInput{UserName: name})
	w.must(err)
	return w.as(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "us-east-1")
}

// arn is the name in policies of a resource of the account.
func (w *world) arn(resource string) string {
	return "arn:aws:elasticache:us-east-1:" + w.account.AccountID + ":" + resource
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused asserts AWS's code of an error; the empty one means that there must be none.
func (w *world) refused(err error, code string) {
	w.Helper()
	if got := codeOf(err); got != code {
		w.Errorf("got %q (%v), want %q", got, err, code)
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

func tags(pairs ...string) (out []types.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}
