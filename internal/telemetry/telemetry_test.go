package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/telemetry"
)

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("/metrics answers %d", w.Code)
	}
	return w.Body.String()
}

func TestCounters(t *testing.T) {
	m := telemetry.New("v1", "go1")
	m.Request("iam", "CreateUser", "", 3*time.Millisecond)
	m.Request("iam", "CreateUser", "", 3*time.Millisecond)
	m.Request("sts", "", "InvalidAction", time.Millisecond)
	m.Request("iam", "CreateUser", "AccessDenied", time.Millisecond)
	m.Decision("allow", "identity")
	m.AuthenticationFailure("unknown key")
	m.ExplainDisagreement()
	m.EventsDropped(3)
	m.Snapshot(func() (int64, time.Duration) { return 42, 1500 * time.Millisecond })
	text := scrape(t, m)
	for _, line := range []string{
		`ostiary_build_info{go="go1",version="v1"} 1`,
		`ostiary_requests_total{operation="CreateUser",outcome="ok",service="iam"} 2`,
		`ostiary_requests_total{operation="CreateUser",outcome="AccessDenied",service="iam"} 1`,
		`ostiary_requests_total{operation="unknown",outcome="InvalidAction",service="sts"} 1`,
		`ostiary_request_seconds_bucket{operation="CreateUser",service="iam",le="0.0025"} 1`,
		`ostiary_request_seconds_count{operation="CreateUser",service="iam"} 3`,
		`ostiary_decisions_total{effect="allow",layer="identity"} 1`,
		`ostiary_authentication_failures_total{kind="unknown key"} 1`,
		`ostiary_explain_disagreements_total 1`,
		`ostiary_trail_dropped_events_total 3`,
		`ostiary_snapshot_revision 42`,
		`ostiary_snapshot_age_seconds 1.5`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	if other := scrape(t, telemetry.New("v1", "go1")); strings.Contains(other, "CreateUser") {
		t.Error("two servers share counters")
	}
}

// TestNil: everything that takes metrics works without.
func TestNil(t *testing.T) {
	var m *telemetry.Metrics
	m.Request("iam", "CreateUser", "ok", 0)
	m.Decision("allow", "identity")
	m.AuthenticationFailure("unknown key")
	m.ExplainDisagreement()
	m.EventsDropped(1)
	m.Snapshot(nil)
	m.UsageFlushed(1, nil)
	m.UsageDropped()
	m.UsagePending(nil)
	m.ReportMade("access", true)
	m.Throttled("account", "read")
	m.Reauthorized()
	m.Panicked()
	m.ConnectionAccepted()
	m.ConnectionRefused("all")
	m.HTTP2Error()
	m.CertificateLoaded(true)
	m.LinesDropped()
	m.Load(nil)
	m.Certificate(nil)
	m.Outbox(nil)
	m.TrailPending(nil)
	m.ReportsPending(nil)
	m.RatesTracked(nil, nil)
	s := &updates{}
	if m.Store(s, nil) != store.Store(s) {
		t.Error("a store without metrics is wrapped")
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 404 {
		t.Errorf("/metrics answers %d without metrics", w.Code)
	}
}

// updates is a store that runs fn, as often as it is told, and then fails as told.
type updates struct {
	store.Store
	err  error
	runs int // besides one
}

func (u *updates) View(_ context.Context, fn func(store.Reader) error) error {
	if err := fn(nil); err != nil {
		return err
	}
	return u.err
}

func (u *updates) Update(_ context.Context, fn func(store.Txn) error) (store.Revision, error) {
	for range u.runs {
		_ = fn(nil)
	}
	if err := fn(nil); err != nil {
		return 0, err
	}
	return 7, u.err
}

func TestStore(t *testing.T) {
	m := telemetry.New("v1", "go1")
	now := time.Unix(0, 0)
	clock := func() time.Time { now = now.Add(2 * time.Millisecond); return now }
	inner := &updates{}
	s := m.Store(inner, clock)
	fine := func(store.Txn) error { return nil }
	if rev, err := s.Update(t.Context(), fine); rev != 7 || err != nil {
		t.Fatalf("Update = %d, %v", rev, err)
	}
	refusal := errors.New("refused")
	if _, err := s.Update(t.Context(), func(store.Txn) error { return refusal }); err != refusal {
		t.Fatalf("Update = %v, want fn's own error", err)
	}
	inner.err = store.ErrUnavailable
	if _, err := s.Update(t.Context(), fine); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("Update = %v", err)
	}
	text := scrape(t, m)
	for _, line := range []string{
		`ostiary_store_commits_total{outcome="ok"} 1`,
		`ostiary_store_commits_total{outcome="unavailable"} 1`,
		`ostiary_store_commit_seconds_bucket{le="0.001"} 0`,
		`ostiary_store_commit_seconds_bucket{le="0.0025"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// TestStoreOutcomes: how reads and writes ended, and how often transactions ran again.
func TestStoreOutcomes(t *testing.T) {
	m := telemetry.New("v1", "go1")
	inner := &updates{runs: 2}
	s := m.Store(inner, nil)
	refusal := errors.New("refused")
	for _, err := range []error{nil, refusal, store.ErrUnavailable, fmt.Errorf("commit: %w", store.ErrUnknownOutcome), context.Canceled, store.ErrTooLarge} {
		inner.err = err
		if err == refusal {
			inner.err = nil
		}
		fn := func() error {
			if err == refusal {
				return refusal
			}
			return nil
		}
		if got := s.View(t.Context(), func(store.Reader) error { return fn() }); got != err {
			t.Errorf("View = %v, want %v", got, err)
		}
		if _, got := s.Update(t.Context(), func(store.Txn) error { return fn() }); got != err {
			t.Errorf("Update = %v, want %v", got, err)
		}
	}
	text := scrape(t, m)
	for _, line := range []string{
		`ostiary_store_views_total{outcome="ok"} 2`, `ostiary_store_views_total{outcome="unavailable"} 1`,
		`ostiary_store_views_total{outcome="unknown"} 1`, `ostiary_store_views_total{outcome="given up"} 1`,
		`ostiary_store_views_total{outcome="error"} 1`, `ostiary_store_view_seconds_count 6`,
		`ostiary_store_commits_total{outcome="ok"} 1`, `ostiary_store_commits_total{outcome="given up"} 1`,
		`ostiary_store_commit_seconds_count 5`, `ostiary_store_retries_total 12`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// TestEdge: what the edge of a server counts.
func TestEdge(t *testing.T) {
	m := telemetry.New("v1", "go1")
	m.Throttled("account", "write")
	m.Throttled("address", "unauthenticated")
	m.ConnectionAccepted()
	m.ConnectionRefused("address")
	m.HTTP2Error()
	m.CertificateLoaded(true)
	m.CertificateLoaded(false)
	m.Panicked()
	m.Reauthorized()
	m.LinesDropped()
	m.Load(func() (int, int) { return 3, 2 })
	m.Certificate(func() time.Time { return time.Unix(1e9, 0) })
	m.Outbox(func() (int, time.Duration) { return 5, 2 * time.Second })
	m.TrailPending(func() int { return 6 })
	m.ReportsPending(func() int { return 8 })
	m.RatesTracked(func() int { return 9 }, func() int { return 10 })
	text := scrape(t, m)
	for _, line := range []string{
		`ostiary_throttled_total{kind="write",scope="account"} 1`, `ostiary_throttled_total{kind="unauthenticated",scope="address"} 1`,
		`ostiary_connections_accepted_total 1`, `ostiary_connections_refused_total{limit="address"} 1`, `ostiary_http2_errors_total 1`,
		`ostiary_certificate_loads_total{outcome="ok"} 1`, `ostiary_certificate_loads_total{outcome="refused"} 1`,
		`ostiary_panics_total 1`, `ostiary_reauthorizations_total 1`, `ostiary_log_lines_dropped_total 1`,
		`ostiary_connections 3`, `ostiary_requests_in_progress 2`, `ostiary_certificate_expiry_timestamp_seconds 1e+09`,
		`ostiary_outbox_events 5`, `ostiary_outbox_age_seconds 2`, `ostiary_trail_pending_events 6`, `ostiary_reports_pending 8`,
		`ostiary_throttle_accounts 9`, `ostiary_throttle_addresses 10`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// TestRequestAllocations: counting a request and its decision is on the path of every request.
func TestRequestAllocations(t *testing.T) {
	m := telemetry.New("v1", "go1")
	if n := testing.AllocsPerRun(100, func() {
		m.Request("sts", "GetCallerIdentity", "", time.Millisecond)
		m.Decision("allow", "identity")
		m.Throttled("account", "read")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestLimit: strangers can cause only so many lines, none of which is lost without being counted.
func TestLimit(t *testing.T) {
	var out bytes.Buffer
	base, err := telemetry.NewLogger(&out, telemetry.LogConfig{Level: "debug"})
	if err != nil {
		t.Fatal(err)
	}
	dropped := 0
	lg := telemetry.Limit(base, func() { dropped++ })
	at := time.Unix(1e9, 0)
	say := func(level slog.Level, message string) {
		t.Helper()
		r := slog.NewRecord(at, level, message, 0)
		if err := lg.With("with", "attr").Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		say(slog.LevelWarn, "flood")
		say(slog.LevelInfo, "asked for")
	}
	if n := strings.Count(out.String(), "msg=flood"); n != 50 || dropped != 950 {
		t.Errorf("%d lines of a flood are written, %d are counted", n, dropped)
	}
	if n := strings.Count(out.String(), "msg=\"asked for\""); n != 1000 {
		t.Errorf("%d lines of a lower level are written", n)
	}
	out.Reset()
	at = at.Add(time.Second)
	say(slog.LevelError, "later")
	if got := out.String(); !strings.Contains(got, "suppressed=950") || !strings.Contains(got, "with=attr") {
		t.Errorf("the next line is %s", got)
	}
	out.Reset()
	say(slog.LevelError, "again")
	if got := out.String(); !strings.Contains(got, "msg=again") || strings.Contains(got, "suppressed") {
		t.Errorf("the line after that is %s", got)
	}
	out.Reset()
	for range 1000 {
		base.Warn("not limited")
	}
	if n := strings.Count(out.String(), "not limited"); n != 1000 {
		t.Errorf("of the logger itself %d lines are written", n)
	}
}

// TestLevelChanges: the level of a logger that runs.
func TestLevelChanges(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	lg, err := telemetry.NewLogger(&out, telemetry.LogConfig{Level: "warn", Var: level})
	if err != nil {
		t.Fatal(err)
	}
	lg.Info("before")
	debug, err := telemetry.ParseLevel("debug")
	if err != nil {
		t.Fatal(err)
	}
	level.Set(debug)
	lg.Debug("after")
	if got := out.String(); strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("the log is %s", got)
	}
}

// TestTable holds the table of docs/operating.md against what there is.
func TestTable(t *testing.T) {
	m := telemetry.New("v1", "go1")
	zero := func() int { return 0 }
	m.Snapshot(func() (int64, time.Duration) { return 0, 0 })
	m.Staleness(time.Minute, func() bool { return false })
	m.Engine("bolt")
	m.Load(func() (int, int) { return 0, 0 })
	m.Certificate(func() time.Time { return time.Time{} })
	m.Outbox(func() (int, time.Duration) { return 0, 0 })
	m.TrailPending(zero)
	m.UsagePending(zero)
	m.ReportsPending(zero)
	m.RatesTracked(zero, zero)
	var want []string
	for _, d := range m.Descriptions() {
		want = append(want, d.Row())
	}
	slices.Sort(want)
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `ostiary_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table of metrics in docs/operating.md (-is +says):\n%s", diff)
	}
}

// TestUsageAndReports: what shows an operator that last uses are written and reports made.
func TestUsageAndReports(t *testing.T) {
	m := telemetry.New("v1", "go1")
	m.UsageFlushed(3, nil)
	m.UsageFlushed(2, nil)
	m.UsageFlushed(1, errors.New("down"))
	m.UsageDropped()
	m.UsagePending(func() int { return 7 })
	m.ReportMade("access", true)
	m.ReportMade("access", false)
	m.ReportMade("credentials", true)
	text := scrape(t, m)
	for _, line := range []string{
		`ostiary_usage_flushes_total{outcome="ok"} 2`,
		`ostiary_usage_flushes_total{outcome="error"} 1`,
		`ostiary_usage_written_total 6`,
		`ostiary_usage_dropped_total 1`,
		`ostiary_usage_pending 7`,
		`ostiary_reports_total{kind="access",outcome="ok"} 1`,
		`ostiary_reports_total{kind="access",outcome="error"} 1`,
		`ostiary_reports_total{kind="credentials",outcome="ok"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		cfg  telemetry.LogConfig
		want []string
		not  []string
	}{
		{telemetry.LogConfig{}, []string{"level=INFO", "msg=hello", "key=[secret]"}, []string{"level=DEBUG", "mode=dev"}},
		{telemetry.LogConfig{Level: "debug", Dev: true}, []string{"level=DEBUG", "mode=dev"}, nil},
		{telemetry.LogConfig{Format: "json", Level: "info"}, []string{`"msg":"hello"`, `"key":"[secret]"`}, nil},
		{telemetry.LogConfig{Format: "text", Level: "warn"}, []string{"level=WARN"}, []string{"hello"}},
		{telemetry.LogConfig{Level: "error"}, nil, []string{"WARN"}},
	} {
		var out bytes.Buffer
		lg, err := telemetry.NewLogger(&out, c.cfg)
		if err != nil {
			t.Fatalf("%+v: %v", c.cfg, err)
		}
		lg.Debug("detail")
		lg.Info("hello", "key", secret.New("planted-secret"))
		lg.Warn("careful")
		text := out.String()
		if strings.Contains(text, "planted-secret") {
			t.Errorf("%+v: the log shows a secret: %s", c.cfg, text)
		}
		for _, s := range c.want {
			if !strings.Contains(text, s) {
				t.Errorf("%+v: lacks %s: %s", c.cfg, s, text)
			}
		}
		for _, s := range c.not {
			if strings.Contains(text, s) {
				t.Errorf("%+v: has %s: %s", c.cfg, s, text)
			}
		}
	}
	for _, cfg := range []telemetry.LogConfig{{Format: "xml"}, {Level: "loud"}} {
		if _, err := telemetry.NewLogger(&bytes.Buffer{}, cfg); err == nil {
			t.Errorf("NewLogger(%+v) accepts it", cfg)
		}
	}
}
