package signin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
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

	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/signin"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// world is a node with an account. Brokers are AWS's SDK and plain HTTP requests, users are browsers with cookies.
type world struct {
	t      *testing.T
	node   *node.Node
	url    string
	id     string // of the account
	root   aws.Credentials
	offset atomic.Int64 // of the node's clock, in nanoseconds; clients sign by the same
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, node.Config{})
}

// newWorldOf is a world with these settings, of those that it does not set itself.
func newWorldOf(t *testing.T, c node.Config) *world {
	t.Helper()
	w := &world{t: t}
	c.Store, c.Now, c.MaxStale, c.Logger = "mem", w.now, 72*time.Hour, slog.New(slog.NewTextHandler(io.Discard, nil))
	n, err := node.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewServer(n.Handler())
	t.Cleanup(s.Close)
	w.node, w.url = n, s.URL
	w.id, w.root = w.account("a")
	return w
}

func (w *world) account(name string) (id string, root aws.Credentials) {
	w.t.Helper()
	key, err := w.node.CreateAccount(w.t.Context(), server.NewAccount{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return key.AccountID, aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal()}
}

// now is the time on the node's clock; pass lets it pass.
func (w *world) now() time.Time       { return time.Now().Add(time.Duration(w.offset.Load())) }
func (w *world) pass(d time.Duration) { w.offset.Add(int64(d)) }

// signer signs by the node's clock.
type signer struct{ w *world }

func (s signer) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions)) error {
	return v4.NewSigner().SignHTTP(ctx, c, r, hash, service, region, at.Add(time.Duration(s.w.offset.Load())), opts...)
}

func static(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

func (w *world) sts(c aws.Credentials) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: testenv.HTTPClient(), Credentials: static(c), HTTPSignerV4: signer{w}})
}

func (w *world) iam(c aws.Credentials) *sdkiam.Client {
	return sdkiam.New(sdkiam.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: testenv.HTTPClient(), Credentials: static(c), HTTPSignerV4: signer{w}})
}

// must returns v where err is nil.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

// user makes a user with an inline policy and an access key.
func (w *world) user(name string, statements ...string) aws.Credentials {
	w.t.Helper()
	ctx := w.t.Context()
	must(w.iam(w.root).CreateUser(ctx, &sdkiam.CreateUserInput{UserName: &name}))(w.t)
	must(w.iam(w.root).PutUserPolicy(ctx, &sdkiam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("test"), PolicyDocument: document(statements...)}))(w.t)
	key := must(w.iam(w.root).CreateAccessKey(ctx, &sdkiam.CreateAccessKeyInput{UserName: &name}))(w.t)
	return aws.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
}

// role makes a role that the account may assume, with an inline policy.
func (w *world) role(name string, statements ...string) string {
	w.t.Helper()
	trust := document(fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":["sts:AssumeRole","sts:TagSession"]}`, w.id))
	return w.roleTrusting(name, trust, statements...)
}

func (w *world) roleTrusting(name string, trust *string, statements ...string) string {
	w.t.Helper()
	ctx := w.t.Context()
	r := must(w.iam(w.root).CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust}))(w.t)
	must(w.iam(w.root).PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("test"), PolicyDocument: document(statements...)}))(w.t)
	return *r.Role.Arn
}

func credentials(c *types.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// assume asks for credentials of a role.
func (w *world) assume(c aws.Credentials, role string) aws.Credentials {
	w.t.Helper()
	out := must(w.sts(c).AssumeRole(w.t.Context(), &sdk.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("AssumeRoleSession")}))(w.t)
	return credentials(out.Credentials)
}

// may says which of users and groups the caller may list, or why nothing can be said.
func (w *world) may(c aws.Credentials) string {
	w.t.Helper()
	// A client each: one that has seen an answer corrects its clock by it, and the signer does already.
	_, users := w.iam(c).ListUsers(w.t.Context(), &sdkiam.ListUsersInput{})
	_, groups := w.iam(c).ListGroups(w.t.Context(), &sdkiam.ListGroupsInput{})
	var can []string
	for i, err := range []error{users, groups} {
		what := []string{"users", "groups"}[i]
		api, ok := errors.AsType[smithy.APIError](err)
		switch {
		case err == nil:
			can = append(can, what)
		case !ok:
			w.t.Errorf("listing %s: %v", what, err)
		case api.ErrorCode() != "AccessDenied":
			return api.ErrorCode()
		}
	}
	return strings.Join(can, " ")
}

// answer is what HTTP answered.
type answer struct {
	status int
	body   string
	header http.Header
}

// read returns the body as JSON, by member.
func (a answer) read(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

// browser is somebody's browser. It follows no redirect by itself.
type browser struct {
	w *world
	c *http.Client
}

func (w *world) browser() *browser {
	jar := must(cookiejar.New(nil))(w.t)
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends a request; header are names and values.
func (b *browser) do(method, to, body string, header ...string) answer {
	b.w.t.Helper()
	if !strings.Contains(to, "://") {
		to = b.w.url + to
	}
	r := must(http.NewRequestWithContext(b.w.t.Context(), method, to, strings.NewReader(body)))(b.w.t)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res := must(b.c.Do(r))(b.w.t)
	defer res.Body.Close()
	text := must(io.ReadAll(res.Body))(b.w.t)
	return answer{res.StatusCode, string(text), res.Header}
}

func (b *browser) get(to string, header ...string) answer {
	b.w.t.Helper()
	return b.do(http.MethodGet, to, "", header...)
}

// sessionJSON is the Session parameter of the guide.
func sessionJSON(c aws.Credentials) string {
	return fmt.Sprintf(`{"sessionId":%q,"sessionKey":%q,"sessionToken":%q}`, c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
}

// signinToken asks for a sign-in token as a broker does; more are parameters.
func (w *world) signinToken(c aws.Credentials, more string) answer {
	w.t.Helper()
	return w.browser().get("/federation?Action=getSigninToken" + more + "&Session=" + url.QueryEscape(sessionJSON(c)))
}

// token asks for one that has to be given.
func (w *world) token(c aws.Credentials, more string) string {
	w.t.Helper()
	a := w.signinToken(c, more)
	if a.status != http.StatusOK {
		w.t.Fatalf("getSigninToken: %d %s", a.status, a.body)
	}
	return a.read(w.t)["SigninToken"]
}

const home = "https%3A%2F%2Fconsole.aws.amazon.com%2F"

func loginURL(token string) string {
	return "/federation?Action=login&Issuer=https%3A%2F%2Fmysignin.internal.mycompany.com%2F&Destination=" + home + "&SigninToken=" + url.QueryEscape(token)
}

// login signs a browser in; it has to work.
func (b *browser) login(token string) {
	b.w.t.Helper()
	if a := b.get(loginURL(token)); a.status != http.StatusFound {
		b.w.t.Fatalf("login: %d %s", a.status, a.body)
	}
}

// signedIn is a browser that is signed in with these credentials.
func (w *world) signedIn(c aws.Credentials, more string) *browser {
	w.t.Helper()
	b := w.browser()
	b.login(w.token(c, more))
	return b
}

// credentials are those that a page of the console gets; ok is false where it gets none.
func (b *browser) credentials() (c aws.Credentials, ok bool) {
	b.w.t.Helper()
	who := b.get(signin.SessionPath)
	if who.status != http.StatusOK {
		return c, false
	}
	a := b.do(http.MethodPost, signin.CredentialsPath, "", signin.NonceHeader, who.read(b.w.t)["CsrfToken"], "Sec-Fetch-Site", "same-origin")
	if a.status != http.StatusOK {
		b.w.t.Fatalf("credentials: %d %s", a.status, a.body)
	}
	m := a.read(b.w.t)
	return aws.Credentials{AccessKeyID: m["AccessKeyId"], SecretAccessKey: m["SecretAccessKey"], SessionToken: m["SessionToken"]}, true
}

// may says what the console session may do, or that it is over.
func (b *browser) may() string {
	b.w.t.Helper()
	c, ok := b.credentials()
	if !ok {
		return "over"
	}
	return b.w.may(c)
}

// events are the account's events of that name.
func (w *world) events(name string) (found []*trail.Event) {
	w.t.Helper()
	for _, e := range must(w.node.Events(w.t.Context(), w.id))(w.t) {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}
