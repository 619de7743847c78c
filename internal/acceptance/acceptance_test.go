package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/diskfault"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

func TestMain(m *testing.M) {
	diskfault.Launcher()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		removeBuilt()
		os.Exit(code)
	}))
}

// long multiplies the loops of tests that find more the longer they run.
func long(short, factor int) int {
	if os.Getenv("OSTIARY_LONG") == "1" {
		return short * factor
	}
	return short
}

// cloud is an endpoint and the connections of one test to it.
type cloud struct {
	url  string
	http *http.Client
	sdk  aws.HTTPClient // the same for the SDK
}

// reach returns the endpoint for one test, whose connections end with it.
func reach(t testing.TB, url string) *cloud {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 64
	t.Cleanup(tr.CloseIdleConnections)
	c := &http.Client{Transport: tr}
	return &cloud{url: url, http: c, sdk: checklist.Answers(t, testenv.PlainBodies(c))}
}

// newCloud starts a server for one test.
func newCloud(t testing.TB) (*cloud, *ostiarytest.Server) {
	srv := ostiarytest.New(t)
	return reach(t, srv.URL), srv
}

// caller is somebody with credentials: the clients of the SDK as they come.
type caller struct {
	iam               *iam.Client
	sts               *sts.Client
	id, secret, token string
}

func (c *cloud) as(id, secret, token string) *caller {
	keys := aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(id, secret, token))
	return &caller{
		iam: iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: c.sdk}),
		sts: sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: c.sdk}),
		id:  id, secret: secret, token: token,
	}
}

func (c *cloud) root(a ostiarytest.Account) *caller {
	return c.as(a.AccessKeyID, a.SecretAccessKey, "")
}

// key makes an access key for a user.
func (c *cloud) key(t testing.TB, by *caller, user string) *caller {
	t.Helper()
	k := must(by.iam.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &user}))(t).AccessKey
	return c.as(*k.AccessKeyId, *k.SecretAccessKey, "")
}

// user makes a user with an access key and the managed policies of these ARNs.
func (c *cloud) user(t testing.TB, by *caller, name string, policies ...string) *caller {
	t.Helper()
	must(by.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t)
	for _, p := range policies {
		must(by.iam.AttachUserPolicy(t.Context(), &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: &p}))(t)
	}
	return c.key(t, by, name)
}

// admin makes the user Administrator of an account.
func (c *cloud) admin(t testing.TB, a ostiarytest.Account) *caller {
	t.Helper()
	return c.user(t, c.root(a), "Administrator", administratorAccess)
}

// assume returns a session of the role.
func (c *cloud) assume(t testing.TB, by *caller, in *sts.AssumeRoleInput) *caller {
	t.Helper()
	k := must(by.sts.AssumeRole(t.Context(), in))(t).Credentials
	return c.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
}

func (c *caller) arn(t testing.TB) string {
	t.Helper()
	return *must(c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t).Arn
}

// inline gives a user an inline policy.
func (c *caller) inline(t testing.TB, user, name, document string) {
	t.Helper()
	must(c.iam.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &user, PolicyName: &name, PolicyDocument: &document}))(t)
}

// role makes a role with an inline policy; an empty document gives it none.
func (c *caller) role(t testing.TB, name, trust, document string) string {
	t.Helper()
	r := must(c.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))(t).Role
	if document != "" {
		must(c.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: &document}))(t)
	}
	return *r.Arn
}

const (
	administratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"
	powerUserAccess     = "arn:aws:iam::aws:policy/PowerUserAccess"
	iamReadOnlyAccess   = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
	ownPassword         = "arn:aws:iam::aws:policy/IAMUserChangePassword"
)

// statement writes a policy with one statement.
func statement(effect, action, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Action":%q,"Resource":%q}}`, effect, action, resource)
}

// trusting writes a trust policy for principals of type AWS.
func trusting(principals ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["%s"]},"Action":"sts:AssumeRole"}}`,
		strings.Join(principals, `","`))
}

// must returns out of a call that has to succeed.
func must[T any](out T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// code is the error code of a call, or empty where it succeeded.
func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

// refused expects err to be that error of the API, with that sentence.
func refused(t testing.TB, err error, wantCode, wantMessage string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("got %v\nwant %s: %s", err, wantCode, wantMessage)
		return
	}
	if e.ErrorCode() != wantCode || e.ErrorMessage() != wantMessage {
		t.Errorf("got  %s: %s\nwant %s: %s", e.ErrorCode(), e.ErrorMessage(), wantCode, wantMessage)
	}
}

// denied expects AWS's sentence for a denial: why is its end.
func denied(t testing.TB, err error, who, action, resource, why string) {
	t.Helper()
	sentence := "User: " + who + " is not authorized to perform: " + action + " on resource: " + resource
	if why != "" {
		sentence += " " + why
	}
	refused(t, err, "AccessDenied", sentence)
}

// noIdentityPolicy is why, where nothing allows it.
func noIdentityPolicy(action string) string {
	return "because no identity-based policy allows the " + action + " action"
}

const explicitDeny = "with an explicit deny in an identity-based policy"

// pages collects what a paginator of the SDK gives.
func pages[P any](t testing.TB, p interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*iam.Options)) (P, error)
}) []P {
	t.Helper()
	var all []P
	for p.HasMorePages() {
		all = append(all, must(p.NextPage(t.Context()))(t))
	}
	return all
}

// names maps a slice to sorted names.
func names[T any](of []T, name func(T) *string) []string {
	all := make([]string, 0, len(of))
	for _, x := range of {
		all = append(all, *name(x))
	}
	slices.Sort(all)
	return all
}
