package imds_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/imds"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

const instance = "i-0123456789abcdef0"

// world is a node, an account and what administers it.
type world struct {
	t       *testing.T
	node    *node.Node
	url     string
	account string
	iam     *iam.Client
	offset  atomic.Int64 // of the clock that the node and the metadata service share
}

func newWorld(t *testing.T) *world {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	w := &world{t: t}
	n, err := node.Open(t.Context(), node.Config{Store: "mem", Now: w.now, MaxStale: 24 * time.Hour})
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
	first, _ := n.First()
	w.node, w.url, w.account = n, s.URL, first.AccountID
	w.iam = iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &w.url, HTTPClient: testenv.HTTPClient(), Credentials: credentials.NewStaticCredentialsProvider(first.AccessKeyID, first.SecretAccessKey.Reveal(), "")})
	return w
}

func (w *world) now() time.Time           { return time.Now().Add(time.Duration(w.offset.Load())) }
func (w *world) advance(by time.Duration) { w.offset.Add(int64(by)) }

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func trust(service string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)
}

// role makes a role that a service may assume and that may list users.
func (w *world) role(name, service string) {
	w.t.Helper()
	must(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust(service)}))(w.t)
	must(w.iam.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}`)}))(w.t)
}

// profile makes an instance profile, with a role unless that is empty, and returns its ID.
func (w *world) profile(name, role string) string {
	w.t.Helper()
	p := must(w.iam.CreateInstanceProfile(w.t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: &name}))(w.t)
	if role != "" {
		w.put(name, role)
	}
	return *p.InstanceProfile.InstanceProfileId
}

func (w *world) put(profile, role string) {
	w.t.Helper()
	must(w.iam.AddRoleToInstanceProfile(w.t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}))(w.t)
}

func (w *world) take(profile, role string) {
	w.t.Helper()
	must(w.iam.RemoveRoleFromInstanceProfile(w.t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role}))(w.t)
}

// serve starts a metadata service for a profile and returns its URL; change may be nil.
func (w *world) serve(profile string, change func(*imds.Config, *imds.Operator)) string {
	w.t.Helper()
	op := &imds.Operator{Endpoint: w.url, Token: w.node.OperatorToken(), InstanceProfile: profile}
	cfg := imds.Config{Roles: op, InstanceID: instance, Region: "us-east-1", ByProfile: true, Now: w.now}
	if change != nil {
		change(&cfg, op)
	}
	s := must(imds.New(cfg))(w.t)
	h := s.Metadata()
	if !cfg.Authorization.IsZero() {
		h = s.Container()
	}
	srv := httptest.NewServer(h)
	w.t.Cleanup(srv.Close)
	return srv.URL
}

// send sends one request, with headers as pairs.
func send(t *testing.T, method, url string, header ...string) (int, string) {
	t.Helper()
	r := must(http.NewRequestWithContext(t.Context(), method, url, http.NoBody))(t)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp := must(http.DefaultClient.Do(r))(t)
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(t))
}

const ttl, token = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token"

// get reads with a new token.
func get(t *testing.T, url, path string) (int, string) {
	t.Helper()
	_, text := send(t, "PUT", url+"/latest/api/token", ttl, "60")
	return send(t, "GET", url+path, token, text)
}

// read reads a document.
func read(t *testing.T, url, path string) map[string]string {
	t.Helper()
	status, text := get(t, url, path)
	var out map[string]string
	if err := json.Unmarshal([]byte(text), &out); status != 200 || err != nil {
		t.Fatalf("%s: %d %s: %v", path, status, text, err)
	}
	return out
}

const info, creds = "/latest/meta-data/iam/info", "/latest/meta-data/iam/security-credentials/"

// chain is what a program has that configures nothing but where the endpoints are.
func (w *world) chain() aws.Config {
	w.t.Helper()
	w.t.Setenv("AWS_ENDPOINT_URL", w.url)
	w.t.Setenv("AWS_REGION", "us-east-1")
	return must(config.LoadDefaultConfig(w.t.Context()))(w.t)
}

// TestChain: the SDK's own chain finds the credentials; they are the role's and nobody else's.
func TestChain(t *testing.T) {
	checklist.Shows(t, "S2-281", "S2-282", "S2-285", "S2-286", "S2-288")
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	w.profile("web", "worker")
	url := w.serve("web", nil)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
	var keys []string
	for range 2 { // two programs
		cfg := w.chain()
		who := must(sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil))(t)
		if *who.Arn != "arn:aws:sts::"+w.account+":assumed-role/worker/"+instance || !strings.HasPrefix(*who.UserId, "AROA") || !strings.HasSuffix(*who.UserId, ":"+instance) {
			t.Errorf("is %s, %s", *who.Arn, *who.UserId)
		}
		client := iam.NewFromConfig(cfg)
		if _, err := client.ListUsers(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if _, err := client.ListGroups(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("what the role may not do: %v", err)
		}
		c := must(cfg.Credentials.Retrieve(t.Context()))(t)
		if !c.CanExpire || time.Until(c.Expires) > time.Hour {
			t.Errorf("expires: %v, %s", c.CanExpire, c.Expires)
		}
		keys = append(keys, c.AccessKeyID)
	}
	if keys[0] != keys[1] {
		t.Errorf("two programs have %q", keys)
	}
	if status, _ := get(t, url, creds+"web"); status != 404 {
		t.Errorf("under the profile's name: %d", status)
	}
}

// TestLayout: what stands where.
func TestLayout(t *testing.T) {
	checklist.Shows(t, "S3-403", "S2-287")
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	id := w.profile("web", "worker")
	url := w.serve("web", nil)
	for path, want := range map[string]string{
		"/latest/": "dynamic\nmeta-data", "/latest/meta-data/": "iam/\ninstance-id\nplacement/",
		"/latest/meta-data/iam/": "info\nsecurity-credentials/", "/latest/meta-data/iam": "info\nsecurity-credentials/",
		creds: "worker", strings.TrimSuffix(creds, "/"): "worker",
		"/latest/meta-data/instance-id":                 instance,
		"/latest/meta-data/placement/region":            "us-east-1",
		"/latest/meta-data/placement/availability-zone": "us-east-1a",
		"/latest/dynamic/instance-identity/":            "document",
	} {
		if status, text := get(t, url, path); status != 200 || text != want {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
	for _, path := range []string{"/", "/latest/meta-data/nosuch", creds + "worker/", creds + "other", "/latest/user-data", "/latestx", "/2021-07-15/meta-data/"} {
		if status, _ := get(t, url, path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	in := read(t, url, info)
	if in["Code"] != "Success" || in["InstanceProfileArn"] != "arn:aws:iam::"+w.account+":instance-profile/web" || in["InstanceProfileId"] != id || in["Message"] != "" {
		t.Errorf("info: %v", in)
	}
	c := read(t, url, creds+"worker")
	if c["Code"] != "Success" || c["Type"] != "AWS-HMAC" || c["AccessKeyId"] == "" || c["SecretAccessKey"] == "" || c["Token"] == "" || len(c) != 7 {
		t.Errorf("credentials: %v", c)
	}
	for _, text := range []string{in["LastUpdated"], c["LastUpdated"], c["Expiration"]} {
		if _, err := time.Parse("2006-01-02T15:04:05Z", text); err != nil {
			t.Error(err)
		}
	}
	d := read(t, url, "/latest/dynamic/instance-identity/document")
	if d["accountId"] != w.account || d["instanceId"] != instance || d["region"] != "us-east-1" || d["availabilityZone"] != "us-east-1a" {
		t.Errorf("document: %v", d)
	}
}

// TestRotation: the next set is there long before the last one ends, and is of the role that the profile holds by then.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	w.role("second", "ec2.amazonaws.com")
	w.profile("web", "worker")
	url := w.serve("web", nil)
	t.Run("before the end", func(t *testing.T) {
		checklist.Shows(t, "S2-283", "S2-284")
		last := read(t, url, creds+"worker")
		seen := 1
		for range 12 * 12 { // twelve hours, every five minutes
			w.advance(5 * time.Minute)
			c := read(t, url, creds+"worker")
			end := must(time.Parse(time.RFC3339, c["Expiration"]))(t)
			if left := end.Sub(w.now()); left < 15*time.Minute {
				t.Fatalf("good for %s only", left)
			}
			if c["AccessKeyId"] != last["AccessKeyId"] {
				old := must(time.Parse(time.RFC3339, last["Expiration"]))(t)
				if left := old.Sub(w.now()); left < 15*time.Minute {
					t.Errorf("replaced %s before its end", left)
				}
				last = c
				seen++
			}
		}
		if seen != 25 {
			t.Errorf("%d sets in twelve hours", seen)
		}
	})
	t.Run("another role", func(t *testing.T) {
		checklist.Shows(t, "S3-400")
		w.take("web", "worker")
		w.put("web", "second")
		if status, text := get(t, url, creds); status != 200 || text != "worker" {
			t.Errorf("at once: %d %s", status, text)
		}
		w.advance(30 * time.Minute)
		if status, text := get(t, url, creds); status != 200 || text != "second" {
			t.Errorf("after the rotation: %d %s", status, text)
		}
		if c := read(t, url, creds+"second"); c["Code"] != "Success" {
			t.Errorf("%v", c)
		}
	})
}

// TestTroubles: what the guide says one sees.
func TestTroubles(t *testing.T) {
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	w.profile("web", "worker")
	url := w.serve("web", nil)
	expect := func(t *testing.T, path, code, message string) {
		t.Helper()
		w.advance(31 * time.Minute)
		if out := read(t, url, path); out["Code"] != code || !strings.HasPrefix(out["Message"], message) || out["AccessKeyId"] != "" {
			t.Errorf("%s: %v", path, out)
		}
	}
	good := func(t *testing.T) {
		t.Helper()
		w.advance(31 * time.Minute)
		if c := read(t, url, creds+"worker"); c["Code"] != "Success" || c["Token"] == "" {
			t.Errorf("%v", c)
		}
	}
	good(t)
	t.Run("trust", func(t *testing.T) {
		checklist.Shows(t, "S3-406")
		must(w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: trust("lambda.amazonaws.com")}))(t)
		expect(t, creds+"worker", "AssumeRoleUnauthorizedAccess", "ec2.amazonaws.com cannot assume the role worker.")
		expect(t, info, "Success", "")
		must(w.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: trust("ec2.amazonaws.com")}))(t)
		good(t)
	})
	t.Run("no role", func(t *testing.T) {
		checklist.Shows(t, "S3-405")
		w.take("web", "worker")
		expect(t, info, "Success", "Instance Profile does not contain a role")
		if status, _ := get(t, url, creds+"worker"); status != 404 {
			t.Errorf("credentials: %d", status)
		}
		w.put("web", "worker")
		good(t)
	})
	t.Run("no profile", func(t *testing.T) {
		checklist.Shows(t, "S3-404")
		w.take("web", "worker")
		must(w.iam.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("web")}))(t)
		expect(t, info, "InstanceProfileNotFound", "Instance Profile web cannot be found.")
		w.profile("web", "worker")
		expect(t, info, "InstanceProfileNotFound", "The instance profile AIPA")
		if status, _ := get(t, url, creds+"worker"); status != 404 {
			t.Errorf("credentials: %d", status)
		}
	})
}

// TestByRole: a role is served that is in no profile, or in one.
func TestByRole(t *testing.T) {
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	url := w.serve("", func(c *imds.Config, o *imds.Operator) { o.Role, c.ByProfile = "worker", false })
	if in := read(t, url, info); in["Code"] != "Success" || in["InstanceProfileId"] != "" {
		t.Errorf("%v", in)
	}
	id := w.profile("web", "worker")
	w.advance(30 * time.Minute)
	if in := read(t, url, info); in["Code"] != "Success" || in["InstanceProfileId"] != id {
		t.Errorf("%v", in)
	}
	if c := read(t, url, creds+"worker"); c["Code"] != "Success" {
		t.Errorf("%v", c)
	}
}

// TestTokens: version 2, and who is refused.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.role("worker", "ec2.amazonaws.com")
	w.profile("web", "worker")
	url, open := w.serve("web", nil), w.serve("web", func(c *imds.Config, _ *imds.Operator) { c.AllowV1 = true })
	api := "/latest/api/token"
	for value, want := range map[string]int{"1": 200, "21600": 200, "0": 400, "21601": 400, "-1": 400, "": 400, "+1": 400, "01": 400, "1.0": 400, " 1": 200, "x": 400, "99999999999999999999": 400} {
		if status, text := send(t, "PUT", url+api, ttl, value); status != want || want == 200 && len(text) != 64 {
			t.Errorf("TTL %q: %d %s", value, status, text)
		}
	}
	for _, c := range []struct {
		method, path string
		header       []string
		want         int
	}{
		{"PUT", api, nil, 400},
		{"PUT", api, []string{ttl, "5", ttl, "6"}, 400},
		{"PUT", api, []string{ttl, "5", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"PUT", api, []string{ttl, "5", "X-Forwarded-For", ""}, 403},
		{"PUT", api, []string{ttl, "5", "Origin", "http://a.example"}, 403},
		{"PUT", api, []string{ttl, "5", "Sec-Fetch-Site", "same-origin"}, 403},
		{"PUT", api, []string{ttl, "5", "Host", "rebound.example"}, 403},
		{"PUT", api, []string{ttl, "5", "Host", "8.8.8.8"}, 403},
		{"PUT", api, []string{ttl, "5", "Host", "169.254.169.254"}, 200},
		{"PUT", api, []string{ttl, "5", "Host", "localhost:1"}, 200},
		{"GET", api, []string{ttl, "5"}, 405},
		{"POST", api, []string{ttl, "5"}, 405},
		{"PUT", info, []string{ttl, "5"}, 405},
		{"GET", info, nil, 401},
		{"GET", "/latest/nosuch", nil, 401},
		{"GET", info, []string{token, ""}, 401},
		{"GET", info, []string{token, strings.Repeat("A", 64)}, 401},
	} {
		if status, _ := send(t, c.method, url+c.path, c.header...); status != c.want {
			t.Errorf("%s %s %q: %d, want %d", c.method, c.path, c.header, status, c.want)
		}
	}
	_, text := send(t, "PUT", url+api, ttl, "60")
	for what, got := range map[string]int{
		"it": first(send(t, "GET", url+info, token, text)), "it, from a proxy": first(send(t, "GET", url+info, token, text, "X-Forwarded-For", "10.0.0.1")),
		"it, twice": first(send(t, "GET", url+info, token, text, token, text)), "it, at another server": first(send(t, "GET", open+info, token, text)),
		"none, where version 1 is on": first(send(t, "GET", open+info)), "none, where version 1 is on, from a page": first(send(t, "GET", open+info, "Origin", "x")),
	} {
		want := map[string]int{"it": 200, "it, from a proxy": 403, "it, twice": 401, "it, at another server": 401, "none, where version 1 is on": 200, "none, where version 1 is on, from a page": 403}[what]
		if got != want {
			t.Errorf("%s: %d", what, got)
		}
	}
	w.advance(59 * time.Second)
	early := first(send(t, "GET", url+info, token, text))
	w.advance(2 * time.Second)
	if late := first(send(t, "GET", url+info, token, text)); early != 200 || late != 401 {
		t.Errorf("before its end %d, after it %d", early, late)
	}
}

func first(status int, _ string) int { return status }

// source is a server that can stop to answer.
type source struct {
	made atomic.Int64
	err  atomic.Pointer[error]
	now  func() time.Time
}

func (s *source) Profile(context.Context) (imds.Profile, error) {
	if err := s.err.Load(); err != nil {
		return imds.Profile{}, *err
	}
	return imds.Profile{ARN: "arn:aws:iam::111122223333:instance-profile/web", ID: "AIPA1", RoleARN: "arn:aws:iam::111122223333:role/worker", RoleName: "worker"}, nil
}

func (s *source) Assume(_ context.Context, in imds.Request) (imds.Credentials, error) {
	if in.SourceARN != "arn:aws:ec2:us-east-1:111122223333:instance/"+instance || in.SessionName != instance || in.Service != "ec2.amazonaws.com" {
		return imds.Credentials{}, fmt.Errorf("asked for %+v", in)
	}
	return imds.Credentials{AccessKeyID: fmt.Sprint("ASIA", s.made.Add(1)), SecretAccessKey: secret.New("s"), SessionToken: secret.New("t"), Expiration: s.now().Add(in.Life)}, nil
}

// TestOutage: while the server does not answer, the old set is served until it ends, and nothing after that.
func TestOutage(t *testing.T) {
	var offset time.Duration
	began := time.Now()
	now := func() time.Time { return began.Add(offset) }
	src := &source{now: now}
	s := must(imds.New(imds.Config{Roles: src, InstanceID: instance, AllowV1: true, ByProfile: true, Now: now}))(t)
	ask := func(path string) (int, string) {
		r := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		rec := httptest.NewRecorder()
		s.Metadata().ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	failed := errors.New("no route to host")
	src.err.Store(&failed)
	if status, _ := ask(info); status != 503 {
		t.Errorf("before the first answer: %d", status)
	}
	if err := s.Refresh(t.Context()); !errors.Is(err, failed) {
		t.Errorf("at the start: %v", err)
	}
	src.err.Store(nil)
	offset += 10 * time.Second
	if status, text := ask(creds + "worker"); status != 200 || !strings.Contains(text, "ASIA1") {
		t.Errorf("%d %s", status, text)
	}
	src.err.Store(&failed)
	offset += 59*time.Minute + 59*time.Second
	if status, text := ask(creds + "worker"); status != 200 || !strings.Contains(text, "ASIA1") {
		t.Errorf("a second before the end: %d %s", status, text)
	}
	offset += time.Second
	if status, text := ask(creds + "worker"); status != 503 || strings.Contains(text, "ASIA") {
		t.Errorf("at the end: %d %s", status, text)
	}
	src.err.Store(nil)
	offset += 10 * time.Second
	if status, text := ask(creds + "worker"); status != 200 || !strings.Contains(text, "ASIA2") {
		t.Errorf("when the server is back: %d %s", status, text)
	}
}

// TestContainer: the SDK's own chain finds a container's credentials, with the token from a file.
func TestContainer(t *testing.T) {
	w := newWorld(t)
	w.role("task", "ecs-tasks.amazonaws.com")
	w.role("other", "ec2.amazonaws.com")
	file := filepath.Join(t.TempDir(), "token")
	key := must(imds.Authorization(file, strings.NewReader(strings.Repeat("0123456789", 10))))(t)
	if again := must(imds.Authorization(file, nil))(t); !again.Equal(key) || must(os.Stat(file))(t).Mode().Perm() != 0o600 {
		t.Error("the file is not what was made")
	}
	of := func(role string) func(*imds.Config, *imds.Operator) {
		return func(c *imds.Config, o *imds.Operator) {
			o.Role, c.ByProfile, c.Service, c.Authorization = role, false, "ecs-tasks.amazonaws.com", key
		}
	}
	url := w.serve("", of("task")) + "/credentials"
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN"} {
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "")
		t.Setenv(name, map[bool]string{true: file, false: key.Reveal()}[strings.HasSuffix(name, "FILE")])
		who := must(sts.NewFromConfig(w.chain()).GetCallerIdentity(t.Context(), nil))(t)
		if *who.Arn != "arn:aws:sts::"+w.account+":assumed-role/task/"+instance {
			t.Errorf("%s: is %s", name, *who.Arn)
		}
	}
	authorization := []string{"Authorization", key.Reveal()}
	for _, c := range []struct {
		method string
		header []string
		want   int
	}{
		{"GET", authorization, 200}, {"GET", nil, 401}, {"GET", []string{"Authorization", "x"}, 401}, {"GET", []string{"Authorization", key.Reveal() + "0"}, 401},
		{"GET", append(authorization, authorization...), 401}, {"POST", authorization, 405},
		{"GET", append([]string{"Origin", "x"}, authorization...), 403}, {"GET", append([]string{"Host", "rebound.example"}, authorization...), 403},
	} {
		if status, text := send(t, c.method, url, c.header...); status != c.want || (status == 200) != strings.Contains(text, "SecretAccessKey") {
			t.Errorf("%s %q: %d %s", c.method, c.header, status, text)
		}
	}
	if status, text := send(t, "GET", w.serve("", of("other")), authorization...); status != 400 || !strings.Contains(text, `"AssumeRoleUnauthorizedAccess"`) {
		t.Errorf("a role that trusts EC2: %d %s", status, text)
	}
}

// TestConfig: what cannot be served, and where tokens do not go.
func TestConfig(t *testing.T) {
	for _, c := range []imds.Config{{Life: 29 * time.Minute}, {Life: 13 * time.Hour}, {Life: time.Hour + 1}, {InstanceID: "web"}, {InstanceID: "i-1"}} {
		if _, err := imds.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	for text, ok := range map[string]bool{
		"http://127.0.0.1:4566": true, "http://localhost:4566/": true, "https://iam.example.com": true, "http://[::1]:1": true,
		"http://iam.example.com": false, "http://10.0.0.1:4566": false, "ftp://127.0.0.1": false, "127.0.0.1:4566": false, "https://a@b": false, "https://b/x": false, "https://b?x": false, "": false,
	} {
		if _, err := imds.Endpoint(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	dir := t.TempDir()
	for text, ok := range map[string]bool{"abc\n": true, "abc": true, "abc\r\n": true, "": false, "\n": false, "a b": false, "a\nb": false, strings.Repeat("a", 5000): false} {
		file := filepath.Join(dir, "f")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := imds.ReadToken(file); (err == nil) != ok {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

// FuzzToken: only what the server gave out opens it, whatever it is changed to.
func FuzzToken(f *testing.F) {
	began := time.Unix(1700000000, 0)
	s, err := imds.New(imds.Config{Roles: &source{}, Now: func() time.Time { return began }, Rand: strings.NewReader(strings.Repeat("r", 4096))})
	if err != nil {
		f.Fatal(err)
	}
	h := s.Metadata()
	ask := func(method, path, name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
		r.Header.Set(name, value)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	good := ask("PUT", "/latest/api/token", ttl, "60").Body.String()
	if ask("GET", "/latest/meta-data/instance-id", token, good).Code != 200 {
		f.Fatal("a token does not open")
	}
	f.Add(good)
	f.Add(good + "=")
	f.Add(good[:63])
	f.Add(strings.ToLower(good))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if code := ask("GET", "/latest/meta-data/instance-id", token, text).Code; (code == 200) != (text == good) {
			t.Errorf("%q answers %d", text, code)
		}
		ask("PUT", "/latest/api/token", ttl, text)
	})
}
