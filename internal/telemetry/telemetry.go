// Package telemetry is the one door to metrics and logs. No other package imports the metrics library, so that it can be
// replaced here.
//
// [Metrics] has a method for everything that is counted. It keeps a registry of its own: nothing is registered globally, and
// several servers in one process do not share counters. Label values are closed sets; a caller that has a name from outside
// must map what it does not know to "unknown" first, or strangers could fill the memory with series.
//
// Logs are log/slog. Secrets cannot be logged by mistake: their type, secret.Text, prints a placeholder.
package telemetry

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// Unknown is the label for a name that is not in the closed set.
const Unknown = "unknown"

// Metrics counts. A nil *Metrics counts nothing. All methods are safe for concurrent use.
//
//	ostiary_build_info{version,go}                             always 1
//	ostiary_requests_total{service,operation,outcome}          outcome is "ok" or the error code that was answered
//	ostiary_request_seconds{service}                           histogram
//	ostiary_decisions_total{effect,layer}
//	ostiary_authentication_failures_total{kind}                kind is a fault kind's name
//	ostiary_explain_disagreements_total                        Explain and Evaluate differed: always a defect
//	ostiary_store_commits_total{outcome}                       outcome is "ok" or "error"
//	ostiary_store_commit_seconds                               histogram of commits
//	ostiary_trail_dropped_events_total                         records of reads and denials that the disk refused
//	ostiary_usage_flushes_total{outcome}                       writings of last uses; outcome is "ok" or "error"
//	ostiary_usage_written_total                                records of last uses that were written
//	ostiary_usage_dropped_total                                last uses forgotten because too many waited to be written
//	ostiary_usage_pending                                      last uses that wait to be written
//	ostiary_reports_total{kind,outcome}                        reports made; kind is credentials, access or organization
//	ostiary_snapshot_revision, ostiary_snapshot_age_seconds    what decisions are made from, and how old that may be
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	decisions     *prometheus.CounterVec
	failures      *prometheus.CounterVec
	disagreements prometheus.Counter
	commits       *prometheus.CounterVec
	commitSeconds prometheus.Histogram
	dropped       prometheus.Counter
	flushes       *prometheus.CounterVec
	usesWritten   prometheus.Counter
	usesDropped   prometheus.Counter
	reports       *prometheus.CounterVec
}

// latencies are the bounds of the histograms, in seconds: from requests answered out of memory to a slow disk.
var latencies = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5}

// New returns metrics for one server.
func New(version, goVersion string) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ostiary_" + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ostiary_" + name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: counters("requests_total", "API requests answered.", "service", "operation", "outcome"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ostiary_request_seconds", Help: "Time to answer an API request.", Buckets: latencies,
		}, []string{"service"}),
		decisions:     counters("decisions_total", "Authorization decisions.", "effect", "layer"),
		failures:      counters("authentication_failures_total", "Requests whose caller could not be established.", "kind"),
		disagreements: counter("explain_disagreements_total", "Explanations that differed from the decision."),
		commits:       counters("store_commits_total", "Transactions of the store that were to write.", "outcome"),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ostiary_store_commit_seconds", Help: "Time of a transaction of the store.", Buckets: latencies,
		}),
		dropped:     counter("trail_dropped_events_total", "Events of reads and denials that could not be written."),
		flushes:     counters("usage_flushes_total", "Writings of last uses.", "outcome"),
		usesWritten: counter("usage_written_total", "Records of last uses that were written."),
		usesDropped: counter("usage_dropped_total", "Last uses forgotten because too many waited to be written."),
		reports:     counters("reports_total", "Reports made.", "kind", "outcome"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ostiary_build_info", Help: "The version that runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": goVersion},
	})
	build.Set(1)
	m.registry.MustRegister(build, m.requests, m.seconds, m.decisions, m.failures, m.disagreements, m.commits, m.commitSeconds,
		m.dropped, m.flushes, m.usesWritten, m.usesDropped, m.reports, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers GET /metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Request counts an answered API request. outcome is an error code out of the service's table, or empty for success; an
// empty operation is one that was not recognized.
func (m *Metrics) Request(service, operation, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	if operation == "" {
		operation = Unknown
	}
	if outcome == "" {
		outcome = "ok"
	}
	m.requests.WithLabelValues(service, operation, outcome).Inc()
	m.seconds.WithLabelValues(service).Observe(took.Seconds())
}

// Decision counts a decision of the authorizer.
func (m *Metrics) Decision(effect, layer string) {
	if m != nil {
		m.decisions.WithLabelValues(effect, layer).Inc()
	}
}

// AuthenticationFailure counts a request whose caller could not be established; kind is the name of a fault kind.
func (m *Metrics) AuthenticationFailure(kind string) {
	if m != nil {
		m.failures.WithLabelValues(kind).Inc()
	}
}

// ExplainDisagreement counts an explanation whose effect was not the decision's.
func (m *Metrics) ExplainDisagreement() {
	if m != nil {
		m.disagreements.Inc()
	}
}

// EventsDropped counts events that the trail gave up.
func (m *Metrics) EventsDropped(n int) {
	if m != nil {
		m.dropped.Add(float64(n))
	}
}

// UsageFlushed counts a writing of last uses.
func (m *Metrics) UsageFlushed(records int, err error) {
	if m == nil {
		return
	}
	m.flushes.WithLabelValues(outcome(err == nil)).Inc()
	m.usesWritten.Add(float64(records))
}

// UsageDropped counts a last use that was forgotten.
func (m *Metrics) UsageDropped() {
	if m != nil {
		m.usesDropped.Inc()
	}
}

// UsagePending registers where the number of last uses that wait to be written is read. It is called once.
func (m *Metrics) UsagePending(read func() int) {
	if m == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ostiary_usage_pending", Help: "Last uses that wait to be written.",
	}, func() float64 { return float64(read()) }))
}

// ReportMade counts a report; kind is one of package report's.
func (m *Metrics) ReportMade(kind string, ok bool) {
	if m != nil {
		m.reports.WithLabelValues(kind, outcome(ok)).Inc()
	}
}

func outcome(ok bool) string {
	if ok {
		return "ok"
	}
	return "error"
}

// Snapshot registers where the snapshot's revision and age are read when metrics are collected. It is called once.
func (m *Metrics) Snapshot(read func() (revision int64, age time.Duration)) {
	if m == nil {
		return
	}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ostiary_snapshot_revision", Help: "Revision of the store that decisions are made from.",
		}, func() float64 { revision, _ := read(); return float64(revision) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ostiary_snapshot_age_seconds", Help: "Time since the snapshot was last known to be up to date.",
		}, func() float64 { _, age := read(); return age.Seconds() }),
	)
}

// Store returns s with its updates counted and timed. now is the clock; nil means time.Now.
func (m *Metrics) Store(s store.Store, now func() time.Time) store.Store {
	if m == nil {
		return s
	}
	if now == nil {
		now = time.Now
	}
	return &measured{s, m, now}
}

type measured struct {
	store.Store
	m   *Metrics
	now func() time.Time
}

// Update does not count what fn itself refused: nothing was to be written.
func (s *measured) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	refused := false
	begin := s.now()
	rev, err := s.Store.Update(ctx, func(tx store.Txn) error {
		err := fn(tx)
		refused = err != nil
		return err
	})
	switch {
	case refused:
		return rev, err
	case err != nil:
		s.m.commits.WithLabelValues("error").Inc()
	default:
		s.m.commits.WithLabelValues("ok").Inc()
	}
	s.m.commitSeconds.Observe(s.now().Sub(begin).Seconds())
	return rev, err
}
