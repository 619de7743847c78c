package sts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// world is a node that is spoken to with unmodified SDK clients and nothing else.
type world struct {
	t      *testing.T
	node   *node.Node
	url    string
	offset atomic.Int64 // of the node's clock, in nanoseconds; clients sign by the same
}

// account is an account with its root user's credentials.
type account struct {
	id   string
	root aws.Credentials
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, outbound.Config{})
}

// newWorldWith makes a node with its way to the network.
func newWorldWith(t *testing.T, out outbound.Config) *world {
	t.Helper()
	return newWorldOf(t, node.Config{Outbound: out})
}

// newWorldOf makes a node with these settings, of those that the world does not set itself.
func newWorldOf(t *testing.T, c node.Config) *world {
	t.Helper()
	w := &world{t: t}
	var handler http.Handler // there before the first request
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(s.Close)
	if c.IssuerURL == "" {
		c.IssuerURL = s.URL + "/issuers/{id}"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	c.Store, c.Now, c.MaxStale = "mem", w.now, 24*time.Hour
	n, err := node.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	handler = n.Handler()
	w.node, w.url = n, s.URL
	return w
}

func (w *world) account(name string) account {
	w.t.Helper()
	key, err := w.node.CreateAccount(w.t.Context(), server.NewAccount{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return account{key.AccountID, aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal()}}
}

func (a account) arn(resource string) string { return "arn:aws:iam::" + a.id + ":" + resource }

func static(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

// now is the time on the node's clock.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

// signer signs by the node's clock, whatever the SDK has learned of it.
type signer struct{ w *world }

func (s signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, opts ...func(*v4.SignerOptions)) error {
	return v4.NewSigner().SignHTTP(ctx, c, r, hash, service, region, s.w.now(), opts...)
}

// sts returns an STS client that does not try again.
func (w *world) sts(c aws.Credentials) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: testenv.HTTPClient(), Credentials: static(c), HTTPSignerV4: signer{w}})
}

// iam returns an IAM client that does not try again.
func (w *world) iam(p aws.CredentialsProvider) *sdkiam.Client {
	return sdkiam.New(sdkiam.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: testenv.HTTPClient(), Credentials: p, HTTPSignerV4: signer{w}})
}

// user makes a user with an inline policy of these statements.
func (w *world) user(a account, name string, statements ...string) aws.Credentials {
	w.t.Helper()
	c, ctx := w.iam(static(a.root)), w.t.Context()
	if _, err := c.CreateUser(ctx, &sdkiam.CreateUserInput{UserName: &name}); err != nil {
		w.t.Fatal(err)
	}
	if len(statements) > 0 {
		if _, err := c.PutUserPolicy(ctx, &sdkiam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("test"), PolicyDocument: document(statements...)}); err != nil {
			w.t.Fatal(err)
		}
	}
	key, err := c.CreateAccessKey(ctx, &sdkiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
}

// role makes a role with a trust policy and an inline policy of these statements, and returns its ARN.
func (w *world) role(a account, name, trust string, statements ...string) string {
	w.t.Helper()
	c, ctx := w.iam(static(a.root)), w.t.Context()
	r, err := c.CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(statements) > 0 {
		if _, err := c.PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("test"), PolicyDocument: document(statements...)}); err != nil {
			w.t.Fatal(err)
		}
	}
	return *r.Role.Arn
}

// assume asks for a session; change may be nil.
func (w *world) assume(c aws.Credentials, role string, change func(*sdk.AssumeRoleInput)) (*sdk.AssumeRoleOutput, error) {
	in := &sdk.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	if change != nil {
		change(in)
	}
	return w.sts(c).AssumeRole(w.t.Context(), in)
}

// session asks for a session that has to be given.
func (w *world) session(c aws.Credentials, role string, change func(*sdk.AssumeRoleInput)) aws.Credentials {
	w.t.Helper()
	out, err := w.assume(c, role, change)
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials(out.Credentials)
}

func credentials(c *types.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// may reports whether the caller may list users and whether it may list groups: what the sessions of these tests differ in.
func (w *world) may(c aws.Credentials) string {
	w.t.Helper()
	client := w.iam(static(c))
	_, users := client.ListUsers(w.t.Context(), &sdkiam.ListUsersInput{})
	_, groups := client.ListGroups(w.t.Context(), &sdkiam.ListGroupsInput{})
	var can []string
	for what, err := range map[string]error{"users": users, "groups": groups} {
		switch api, ok := errors.AsType[smithy.APIError](err); {
		case err == nil && what == "users":
			can = append([]string{what}, can...)
		case err == nil:
			can = append(can, what)
		case !ok || api.ErrorCode() != "AccessDenied":
			w.t.Errorf("listing %s: %v", what, err)
		}
	}
	return strings.Join(can, " ")
}

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

// trust is a statement that lets the principal do these actions, under conditions as JSON; empty: none.
func trust(principal, condition string, actions ...string) string {
	list, err := json.Marshal(actions)
	if err != nil {
		panic(err)
	}
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":%s%s}`, principal, list, condition)
}

// trusts is a trust policy that lets the principal have sessions.
func trusts(principal string) string { return *document(trust(principal, "", "sts:AssumeRole")) }

// refused expects err to be that error of the API.
func refused(t testing.TB, err error, status int, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Errorf("got %v, want %s: %s", err, code, message)
		return
	}
	got := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		got = response.HTTPStatusCode()
	}
	if got != status || api.ErrorCode() != code || api.ErrorMessage() != message {
		t.Errorf("got  %d %s: %s\nwant %d %s: %s", got, api.ErrorCode(), api.ErrorMessage(), status, code, message)
	}
}

// denied expects the sentence for a caller who may not do an action to a role; why may be empty.
func denied(t testing.TB, err error, caller, action, role, why string) {
	t.Helper()
	if why != "" {
		why = " " + why
	}
	refused(t, err, 403, "AccessDenied", "User: "+caller+" is not authorized to perform: "+action+" on resource: "+role+why)
}
