package ostiarytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// childVariable makes the test binary a child process that asks who it is: see TestEnv.
const childVariable = "OSTIARYTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// transport returns an HTTP client whose connections end with the test.
func transport(t testing.TB) *http.Client {
	tr := new(http.Transport)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func static(id, secret, token string) aws.CredentialsProvider {
	return aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(id, secret, token))
}

func clients(t testing.TB, srv *ostiarytest.Server, c aws.CredentialsProvider) (*iam.Client, *sts.Client) {
	h := transport(t)
	return iam.New(iam.Options{Region: srv.Region, BaseEndpoint: &srv.URL, Credentials: c, HTTPClient: testenv.PlainBodies(h)}),
		sts.New(sts.Options{Region: srv.Region, BaseEndpoint: &srv.URL, Credentials: c, HTTPClient: testenv.PlainBodies(h)})
}

func root(t testing.TB, srv *ostiarytest.Server, a ostiarytest.Account) (*iam.Client, *sts.Client) {
	return clients(t, srv, static(a.AccessKeyID, a.SecretAccessKey, ""))
}

func refused(t testing.TB, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestAccountIsReal(t *testing.T) {
	srv := ostiarytest.New(t)
	acct := srv.Account(t)
	i, s := root(t, srv, acct)
	who, err := s.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *who.Account != acct.AccountID || *who.Arn != acct.ARN("root") {
		t.Errorf("the key of %s belongs to %s of %s", acct.AccountID, *who.Arn, *who.Account)
	}
	users, err := i.ListUsers(t.Context(), &iam.ListUsersInput{})
	if err != nil || len(users.Users) != 0 {
		t.Errorf("a fresh account has users %v, %v", users, err)
	}
	_, forger := clients(t, srv, static(acct.AccessKeyID, "not the secret", ""))
	_, err = forger.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "SignatureDoesNotMatch")
}

// TestParallel: tests that run at the same time, with one server or several, do not see each other.
func TestParallel(t *testing.T) {
	shared := ostiarytest.New(t)
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			srv := shared
			if n%2 == 1 {
				srv = ostiarytest.New(t)
			}
			acct := srv.Account(t)
			i, _ := root(t, srv, acct)
			for k := range n + 1 {
				if _, err := i.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String(fmt.Sprint("user-", k))}); err != nil {
					t.Fatal(err)
				}
			}
			users, err := i.ListUsers(t.Context(), &iam.ListUsersInput{})
			if err != nil || len(users.Users) != n+1 {
				t.Errorf("%d users, %v; want %d", len(users.Users), err, n+1)
			}
			if got := len(srv.Events(t, acct.AccountID)); got != n+3 {
				t.Errorf("%d events, want one for the account, %d users and a list", got, n+1)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	srv := ostiarytest.New(t)
	acct := srv.Account(t)
	i, _ := root(t, srv, acct)
	if _, err := i.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")}); err != nil {
		t.Fatal(err)
	}
	_, err := i.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("bob")})
	refused(t, err, "NoSuchEntity")

	type line struct{ Name, Source, Type, ARN, Key, Code, Parameters string }
	var got []line
	for _, e := range srv.Events(t, acct.AccountID) {
		got = append(got, line{e.Name, e.Source, e.PrincipalType, e.PrincipalARN, e.AccessKeyID, e.ErrorCode, string(e.Parameters)})
		if e.Time.IsZero() || e.Region != "us-east-1" || e.ReadOnly != (e.Name == "GetUser") {
			t.Errorf("%+v", e)
		}
		var record struct{ EventVersion, RecipientAccountID string }
		if err := json.Unmarshal(e.Record, &record); err != nil || record.EventVersion == "" || record.RecipientAccountID != acct.AccountID {
			t.Errorf("%s: %v", e.Record, err)
		}
	}
	want := []line{
		{"CreateAccount", "operator.ostiary", "AWSService", "", "", "", "{}"},
		{"CreateUser", "iam.amazonaws.com", "Root", acct.ARN("root"), acct.AccessKeyID, "", `{"userName":"alice"}`},
		{"GetUser", "iam.amazonaws.com", "Root", acct.ARN("root"), acct.AccessKeyID, "NoSuchEntityException", `{"userName":"bob"}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if all := srv.Events(t, ""); len(all) != len(want) {
		t.Errorf("%d events of all accounts, want %d", len(all), len(want))
	}
}

// TestClock: credentials expire when the test says so.
func TestClock(t *testing.T) {
	checklist.Shows(t, "S1-394")
	var ahead atomic.Int64
	srv := ostiarytest.Start(t, ostiarytest.Config{
		Region: "eu-west-1", Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	_, s := root(t, srv, srv.Account(t))
	out, err := s.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	_, session := clients(t, srv, static(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken))
	if _, err := session.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
	ahead.Store(int64(15 * time.Minute))
	_, err = session.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken")
}

func TestOperatorToken(t *testing.T) {
	srv := ostiarytest.New(t)
	for token, want := range map[string]int{srv.OperatorToken: http.StatusOK, "wrong": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/_ostiary/v1/accounts", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := transport(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("status %d, want %d", resp.StatusCode, want)
		}
	}
}

// child prints the identity that the process's own configuration gives it.
func child() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err == nil {
		var who *sts.GetCallerIdentityOutput
		if who, err = sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); err == nil {
			fmt.Print(*who.Arn, " ", cfg.Region)
			return
		}
	}
	fmt.Fprint(os.Stderr, err)
	os.Exit(1)
}

// TestEnv: a child process finds the server and the account, whatever the developer's environment says.
func TestEnv(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "left over", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
		"AWS_ENDPOINT_URL_STS": "http://192.0.2.1", "AWS_REGION": "mars-north-1", "HTTP_PROXY": "http://192.0.2.1", "NO_PROXY": "example.org",
	} {
		t.Setenv(name, value)
	}
	srv := ostiarytest.Start(t, ostiarytest.Config{Region: "eu-central-1"})
	acct := srv.Account(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(acct.Env(), childVariable+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if want := acct.ARN("root") + " eu-central-1"; err != nil || string(out) != want {
		t.Errorf("the child is %q, want %q: %v %s", out, want, err, &stderr)
	}
	for _, v := range cmd.Environ() {
		if v == "NO_PROXY=example.org,127.0.0.1,::1,localhost" {
			return
		}
	}
	t.Error("NO_PROXY is not kept")
}

// TestClose: a server stops although a client is in the middle of a request, once, and its port is free then.
func TestClose(t *testing.T) {
	srv, err := ostiarytest.Open(t.Context(), ostiarytest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(srv.URL, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := srv.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("something still listens")
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		srv, err := ostiarytest.Open(b.Context(), ostiarytest.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if err := srv.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccount(b *testing.B) {
	srv := ostiarytest.New(b)
	for b.Loop() {
		srv.Account(b)
	}
}
