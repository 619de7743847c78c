package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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
		`ostiary_request_seconds_bucket{service="iam",le="0.0025"} 1`,
		`ostiary_request_seconds_count{service="iam"} 3`,
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

// updates is a store that runs fn and then fails as told.
type updates struct {
	store.Store
	err error
}

func (u *updates) Update(_ context.Context, fn func(store.Txn) error) (store.Revision, error) {
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
		`ostiary_store_commits_total{outcome="error"} 1`,
		`ostiary_store_commit_seconds_bucket{le="0.001"} 0`,
		`ostiary_store_commit_seconds_bucket{le="0.0025"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
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
