package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/throttle"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// edgeMeter keeps what the gate counts, as text.
type edgeMeter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (m *edgeMeter) add(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = make(map[string]int)
	}
	m.counts[fmt.Sprintf(format, args...)]++
}

func (m *edgeMeter) count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts[what]
}

func (m *edgeMeter) Request(api, operation, code string, _ time.Duration) {
	m.add("%s %s %s", api, operation, code)
}
func (m *edgeMeter) Decision(string, string)           {}
func (m *edgeMeter) AuthenticationFailure(kind string) { m.add("failure %s", kind) }
func (m *edgeMeter) Throttled(scope, kind string)      { m.add("throttled %s %s", scope, kind) }
func (m *edgeMeter) Reauthorized()                     { m.add("again") }
func (m *edgeMeter) Panicked()                         { m.add("panic") }

// edge is a world whose gate has rates, an access log and a meter.
type edge struct {
	*world
	meter  *edgeMeter
	rates  *throttle.Throttle
	access atomic.Bool
	time   time.Time // of the rates
}

func newEdge(t *testing.T, rates throttle.Rates, change func(*gate.Config)) *edge {
	t.Helper()
	e := &edge{world: newWorld(t), meter: new(edgeMeter), time: time.Unix(1e9, 0)}
	e.rates = throttle.New(rates, func() time.Time { return e.time })
	cfg := e.config()
	cfg.Throttle, cfg.Meter, cfg.AccessLog = e.rates, e.meter, &e.access
	if change != nil {
		change(&cfg)
	}
	g, err := gate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// TestRateOfAccounts: reads and writes have budgets of their own, of each account; a throttled call leaves an event, and nothing else.
func TestRateOfAccounts(t *testing.T) {
	e := newEdge(t, throttle.Rates{Reads: 2, Writes: 1}, nil)
	ann := e.user("ann", allow("iam:*", "*"))
	e.ok(e.sts(e.root, "GetCallerIdentity"))
	e.ok(e.iam(ann, "ListUsers")) // of the same account
	throttled := e.iam(ann, "ListUsers")
	e.refused(throttled, 400, "Throttling", "Rate exceeded")
	e.refused(e.sts(e.root, "GetCallerIdentity"), 400, "Throttling", "Rate exceeded")
	e.ok(e.iam(ann, "CreateUser", "UserName", "made"))
	e.refused(e.iam(ann, "CreateUser", "UserName", "unmade"), 400, "Throttling", "Rate exceeded")
	e.settle()
	if account, _ := e.follower.Current().Account(e.account); account.UserCount() != 2 {
		t.Errorf("there are %d users", account.UserCount())
	}
	ev := e.event(throttled)
	if ev.ErrorCode != "Throttling" || ev.ErrorMessage != "Rate exceeded" || ev.Name != "ListUsers" || ev.Identity.AccountID != e.account || ev.Additional.Decision != nil {
		t.Errorf("the event of a throttled call: %+v", ev)
	}
	if !strings.Contains(throttled.body, "<Type>Sender</Type>") {
		t.Errorf("the answer is\n%s", throttled.body)
	}

	// Another account has budgets of its own.
	var other caller
	e.make(func(tx *directory.Tx) error {
		_, key, err := tx.CreateAccount(directory.NewAccount{Name: "other"})
		if err != nil {
			return err
		}
		other = caller{key.ID, key.Secret.Reveal(), ""}
		return nil
	})
	e.ok(e.sts(other, "GetCallerIdentity"))

	// JSON has its own name for it; an operation that is not built counts too.
	e.time = e.time.Add(time.Second)
	ask := func() answer {
		return e.send(request{caller: e.root, service: "organizations", target: "AWSOrganizationsV20161128.ListAccounts", body: "{}"})
	}
	for range 2 {
		if a := ask(); a.code == "ThrottlingException" {
			t.Errorf("a budget that was filled again is empty")
		}
	}
	e.refused(ask(), 400, "ThrottlingException", "Rate exceeded")

	if got := e.meter.count("throttled account read"); got != 3 {
		t.Errorf("%d throttled reads are counted", got)
	}
	if got := e.meter.count("throttled account write"); got != 1 {
		t.Errorf("%d throttled writes are counted", got)
	}
	if got := e.meter.count("iam ListUsers Throttling"); got != 1 {
		t.Errorf("%d answers of that sort are counted", got)
	}
}

// TestRatesOfOneAccount: an account's own rates win over the server's.
func TestRatesOfOneAccount(t *testing.T) {
	e := newEdge(t, throttle.Rates{Reads: 1}, nil)
	set := func(name string, n int) {
		e.make(func(tx *directory.Tx) error {
			_, err := tx.SetQuota(e.account, name, &n)
			return err
		})
	}
	set(directory.ReadsPerSecondQuota, 3)
	for range 3 {
		e.ok(e.sts(e.root, "GetCallerIdentity"))
	}
	e.refused(e.sts(e.root, "GetCallerIdentity"), 400, "Throttling", "Rate exceeded")
	set(directory.WritesPerSecondQuota, 0)
	e.refused(e.iam(e.root, "CreateUser", "UserName", "unmade"), 400, "Throttling", "Rate exceeded")
}

// TestThrottledEvents: a flood of throttled calls leaves a few events, not as many as there are calls.
func TestThrottledEvents(t *testing.T) {
	e := newEdge(t, throttle.Rates{Reads: 1}, nil)
	e.ok(e.sts(e.root, "GetCallerIdentity"))
	before := len(e.recorded())
	for range 40 {
		e.refused(e.sts(e.root, "GetCallerIdentity"), 400, "Throttling", "Rate exceeded")
	}
	if n := len(e.recorded()) - before; n != 10 {
		t.Errorf("40 throttled calls left %d events", n)
	}
}

// TestRateOfStrangers: whoever cannot be known uses the budget of the address, and whoever is known does not need it.
func TestRateOfStrangers(t *testing.T) {
	e := newEdge(t, throttle.Rates{Unauthenticated: 4}, nil)
	wrong := caller{e.root.id, e.root.secret + "x", ""}
	e.refused(e.sts(wrong, "GetCallerIdentity"), 403, "SignatureDoesNotMatch", "The request signature we calculated…")
	e.refused(e.send(request{form: stsForm("AssumeRoleWithWebIdentity"), raw: func(*http.Request) bool { return false }}), 400, "ValidationError", "…")
	e.refused(e.send(request{form: stsForm("GetCallerIdentity"), raw: func(*http.Request) bool { return false }}), 403, "MissingAuthenticationToken", "Request is missing Authentication Token")
	e.refused(e.send(request{caller: e.root, form: iamForm("NoSuchThing")}), 400, "InvalidAction", "Could not find operation…")
	for what, q := range map[string]request{
		"a wrong signature":         {caller: wrong, service: "sts", form: stsForm("GetCallerIdentity")},
		"no signature":              {form: stsForm("GetCallerIdentity"), raw: func(*http.Request) bool { return false }},
		"an assertion":              {form: stsForm("AssumeRoleWithWebIdentity"), raw: func(*http.Request) bool { return false }},
		"an unknown operation":      {caller: e.root, form: iamForm("NoSuchThing")},
		"what is no request at all": {form: iamForm(""), raw: func(*http.Request) bool { return false }},
	} {
		t.Run(what, func(t *testing.T) { e.refused(e.send(q), 400, "Throttling", "Rate exceeded") })
	}
	for range 10 {
		e.ok(e.sts(e.root, "GetCallerIdentity")) // from the same address
	}
	if got := e.meter.count("throttled address unauthenticated"); got != 5 {
		t.Errorf("%d are counted", got)
	}
	if n := len(e.recorded()); n != 10 {
		t.Errorf("there are %d events, want those of the caller who is known", n)
	}
	e.time = e.time.Add(time.Second)
	e.refused(e.sts(wrong, "GetCallerIdentity"), 403, "SignatureDoesNotMatch", "The request signature we calculated…")
}

// TestHeads: URLs and headers larger than any client's are refused before the body is read, in the request's protocol.
func TestHeads(t *testing.T) {
	e := newEdge(t, throttle.Rates{}, nil)
	headers := func(n int) func(*http.Request) bool {
		return func(r *http.Request) bool {
			for i := range n {
				r.Header.Add("X-Many", fmt.Sprint(i))
			}
			return true
		}
	}
	for _, c := range []struct {
		what    string
		q       request
		status  int
		message string
	}{
		{"headers", request{caller: e.root, form: iamForm("ListUsers"), raw: headers(101)}, 431, "The request has more than 100 headers."},
		{"headers, in JSON", request{caller: e.root, service: "organizations", target: "AWSOrganizationsV20161128.ListAccounts", body: "{}", raw: headers(101)}, 431, "The request has more than 100 headers."},
		{"a URL", request{caller: e.root, form: iamForm("ListUsers", "PathPrefix", strings.Repeat("x", 32<<10)), expires: time.Minute}, 414, "The URL of the request is longer than 32768 bytes."},
	} {
		t.Run(c.what, func(t *testing.T) {
			e.refused(e.send(c.q), c.status, "RequestHeaderSectionTooLarge", c.message)
		})
	}
	e.ok(e.send(request{caller: e.root, form: iamForm("ListUsers"), raw: headers(80)}))
	e.ok(e.send(request{caller: e.root, form: iamForm("ListUsers", "PathPrefix", "/"+strings.Repeat("x", 500)+"/"), expires: time.Minute}))
}

// late is a body that does not come in time.
type late struct{ io.Reader }

func (l late) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err == io.EOF {
		err = fmt.Errorf("reading from 192.0.2.1: %w", os.ErrDeadlineExceeded)
	}
	return n, err
}

// TestSlowBody: a body that does not come in time has AWS's answer to that, which the SDKs send again.
func TestSlowBody(t *testing.T) {
	e := newEdge(t, throttle.Rates{}, nil)
	g, err := gate.New(e.config())
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]string{"iam": "RequestTimeout", "organizations": "RequestTimeoutException"} {
		r := e.build(request{caller: e.root, service: service, form: iamForm("ListUsers")})
		r.Body = io.NopCloser(late{strings.NewReader("Action=List")})
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		res := w.Result()
		e.refused(read(t, res, w.Body.String()), 408, want, "The request body did not come in time.")
		if res.Header.Get("Connection") != "close" {
			t.Error("the connection is kept")
		}
	}
}

// TestPanics: a method, a row and a parser that panic are answered as AWS answers failures, with an event where somebody is known, and
// the log says where.
func TestPanics(t *testing.T) {
	e := newEdge(t, throttle.Rates{}, func(cfg *gate.Config) {
		iam := cfg.Services[0]
		row := iam.Rows["ListRoles"]
		iam.Handlers["ListGroups"] = func(context.Context, *gate.Call, wire.Input) (wire.Output, error) { panic("planted panic") }
		row.Checks = func(*gate.Call) ([]authorizer.Check, error) { panic(errors.New("planted error")) }
		iam.Rows["ListRoles"] = row
		iam.Admit = func(c *gate.Call) error {
			if c.Request.Operation.Name == "ListPolicies" {
				var none *gate.Call
				_ = none.Request.Operation // a nil pointer
			}
			return nil
		}
	})
	const say = "The request processing has failed because of an unknown error, exception or failure."
	for _, operation := range []string{"ListGroups", "ListRoles"} {
		a := e.iam(e.root, operation)
		e.refused(a, 500, "ServiceFailure", say)
		if ev := e.event(a); ev.ErrorCode != "ServiceFailureException" && ev.ErrorCode != "ServiceFailure" {
			t.Errorf("the event of %s has %q", operation, ev.ErrorCode)
		}
		log := e.log.String()
		if !strings.Contains(log, "a request panicked") || !strings.Contains(log, a.requestID) || !strings.Contains(log, "edge_test.go") {
			t.Errorf("the log of %s is\n%s", operation, log)
		}
	}
	e.refused(e.iam(e.root, "ListPolicies"), 500, "ServiceFailure", say)
	if n := e.meter.count("panic"); n != 3 {
		t.Errorf("%d panics are counted", n)
	}
	e.ok(e.iam(e.root, "ListUsers"))
}

// TestRequestLines: each request has one line, with the ID that its answer has; an access log has them at level info.
func TestRequestLines(t *testing.T) {
	var out logBuffer
	e := newEdge(t, throttle.Rates{}, func(cfg *gate.Config) {
		cfg.Log = slog.New(slog.NewJSONHandler(&out, nil)) // from level info on
	})
	ann := e.user("ann", allow("iam:ListUsers", "*"))
	e.ok(e.iam(ann, "ListUsers"))
	if out.String() != "" {
		t.Errorf("without an access log there is\n%s", out.String())
	}
	e.access.Store(true)
	for _, c := range []struct {
		what string
		a    answer
		want map[string]any
	}{
		{"success", e.iam(ann, "ListUsers"), map[string]any{"operation": "ListUsers", "service": "iam", "outcome": "ok", "account": e.account,
			"principal": e.arn("user/ann"), "key": ann.id, "source": "127.0.0.1"}},
		{"denial", e.iam(ann, "ListRoles"), map[string]any{"operation": "ListRoles", "outcome": "AccessDenied", "key": ann.id}},
		{"a wrong secret", e.iam(caller{ann.id, ann.secret + "x", ""}, "ListUsers"), map[string]any{"outcome": "SignatureDoesNotMatch", "source": "127.0.0.1"}},
		{"an unknown operation", e.iam(ann, "Unheard"), map[string]any{"outcome": "InvalidAction", "service": "iam"}},
	} {
		var line map[string]any
		found := 0
		for text := range strings.Lines(out.String()) {
			if strings.Contains(text, c.a.requestID) {
				found++
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
			}
		}
		if found != 1 || line["msg"] != "request" || line["level"] != "INFO" || line["request"] != c.a.requestID || line["took"] == nil {
			t.Errorf("%s: %d lines, %v", c.what, found, line)
		}
		for name, want := range c.want {
			if line[name] != want {
				t.Errorf("%s: %s is %v, want %v", c.what, name, line[name], want)
			}
		}
	}
	if out := out.String(); strings.Contains(out, ann.secret) || strings.Contains(out, "Unheard") {
		t.Errorf("the log has what it should not:\n%s", out)
	}
}
