// Package telemetry is the one door to metrics and logs. No other package imports the metrics library, so that it can be
// replaced here.
//
// [Metrics] has a method for everything that is counted. It keeps a registry of its own: nothing is registered globally, and
// several servers in one process do not share counters. Label values are closed sets; a caller that has a name from outside
// must map what it does not know to "unknown" first, or strangers could fill the memory with series. What is counted on every
// request is looked up without a lock and without an allocation.
//
// docs/operating.md has a table of all metrics; a test holds it against [Metrics.Descriptions].
//
// Logs are log/slog. Secrets cannot be logged by mistake: their type, secret.Text, prints a placeholder. Lines that strangers can cause
// go through [Limit].
package telemetry

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Unknown is the label for a name that is not in the closed set.
const Unknown = "unknown"

// Metrics counts. A nil *Metrics counts nothing. All methods are safe for concurrent use.
type Metrics struct {
	registry     *prometheus.Registry
	descriptions []Description

	requests  series[requestLabels, prometheus.Counter]
	seconds   series[operationLabels, prometheus.Observer]
	decisions series[decisionLabels, prometheus.Counter]
	throttled series[decisionLabels, prometheus.Counter]

	failures      *prometheus.CounterVec
	again         prometheus.Counter
	panics        prometheus.Counter
	disagreements prometheus.Counter

	accepted prometheus.Counter
	refused  *prometheus.CounterVec
	http2    prometheus.Counter
	loads    *prometheus.CounterVec

	views         *prometheus.CounterVec
	viewSeconds   prometheus.Histogram
	commits       *prometheus.CounterVec
	commitSeconds prometheus.Histogram
	retries       prometheus.Counter

	dropped     prometheus.Counter
	lines       prometheus.Counter
	flushes     *prometheus.CounterVec
	usesWritten prometheus.Counter
	usesDropped prometheus.Counter
	reports     *prometheus.CounterVec
}

// Description says what a metric is.
type Description struct {
	Name   string   // whole: "ostiary_requests_total"
	Type   string   // "counter", "gauge" or "histogram"
	Labels []string // in the order of the documentation
	Help   string   // one sentence
}

type (
	requestLabels   struct{ service, operation, outcome string }
	operationLabels struct{ service, operation string }
	decisionLabels  struct{ first, second string }
)

// latencies are the bounds of the histograms, in seconds: from requests answered out of memory to a slow disk.
var latencies = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5}

// New returns metrics for one server.
func New(version, goVersion string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	build := m.gauge("build_info", "Always 1; the labels say which version runs.", prometheus.Labels{"version": version, "go": goVersion})
	build.Set(1)

	requests := m.counters("requests_total", "API requests answered; the outcome is ok or the error code.", "service", "operation", "outcome")
	seconds := m.histograms("request_seconds", "Time from the headers of an API request to its answer.", "service", "operation")
	decisions := m.counters("decisions_total", "Decisions of the authorizer, by effect and the layer that decided.", "effect", "layer")
	throttled := m.counters("throttled_total", "Requests refused because of their rate.", "scope", "kind")
	m.requests.make = func(l requestLabels) prometheus.Counter {
		return requests.WithLabelValues(l.service, l.operation, l.outcome)
	}
	m.seconds.make = func(l operationLabels) prometheus.Observer { return seconds.WithLabelValues(l.service, l.operation) }
	m.decisions.make = func(l decisionLabels) prometheus.Counter { return decisions.WithLabelValues(l.first, l.second) }
	m.throttled.make = func(l decisionLabels) prometheus.Counter { return throttled.WithLabelValues(l.first, l.second) }

	m.failures = m.counters("authentication_failures_total", "Requests whose caller could not be established, by the kind of the error.", "kind")
	m.again = m.counter("reauthorizations_total", "Requests decided anew because what their decision relied on had changed.")
	m.panics = m.counter("panics_total", "Requests that ended in a panic: always a defect.")
	m.disagreements = m.counter("explain_disagreements_total", "Explanations that differed from the decision: always a defect.")

	m.accepted = m.counter("connections_accepted_total", "Connections served.")
	m.refused = m.counters("connections_refused_total", "Connections closed at once because of a limit: all together, or those of one address.", "limit")
	m.http2 = m.counter("http2_errors_total", "Protocol errors and floods of HTTP/2 connections.")
	m.loads = m.counters("certificate_loads_total", "Attempts to load new certificate files; outcome is ok or refused.", "outcome")

	m.views = m.counters("store_views_total", "Reads of the store.", "outcome")
	m.viewSeconds = m.histogram("store_view_seconds", "Time of a read of the store.")
	m.commits = m.counters("store_commits_total", "Transactions of the store that were to write.", "outcome")
	m.commitSeconds = m.histogram("store_commit_seconds", "Time of a transaction of the store.")
	m.retries = m.counter("store_retries_total", "Runs of transactions beyond the first, because of conflicts.")

	m.dropped = m.counter("trail_dropped_events_total", "Events of reads and denials that could not be written.")
	m.lines = m.counter("log_lines_dropped_total", "Log lines not written because there were too many of their sort.")
	m.flushes = m.counters("usage_flushes_total", "Writings of last uses.", "outcome")
	m.usesWritten = m.counter("usage_written_total", "Records of last uses that were written.")
	m.usesDropped = m.counter("usage_dropped_total", "Last uses forgotten because too many waited to be written.")
	m.reports = m.counters("reports_total", "Reports made; kind is credentials, access or organization.", "kind", "outcome")
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Descriptions returns all metrics of this server but those that the metrics library has of the Go runtime and the process, in the order
// in which they were registered. Gauges are among them from the moment they are given something to read.
func (m *Metrics) Descriptions() []Description { return m.descriptions }

func (m *Metrics) describe(name, kind, help string, labels ...string) string {
	name = "ostiary_" + name
	m.descriptions = append(m.descriptions, Description{name, kind, labels, help})
	return name
}

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: m.describe(name, "counter", help), Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.describe(name, "counter", help, labels...), Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: m.describe(name, "histogram", help), Help: help, Buckets: latencies})
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.describe(name, "histogram", help, labels...), Help: help, Buckets: latencies,
	}, labels)
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) gauge(name, help string, constant prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: m.describe(name, "gauge", help, "version", "go"), Help: help, ConstLabels: constant})
	m.registry.MustRegister(g)
	return g
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
	m.requests.get(requestLabels{service, operation, outcome}).Inc()
	m.seconds.get(operationLabels{service, operation}).Observe(took.Seconds())
}

// Decision counts a decision of the authorizer.
func (m *Metrics) Decision(effect, layer string) {
	if m != nil {
		m.decisions.get(decisionLabels{effect, layer}).Inc()
	}
}

// Throttled counts a request that was refused because of its rate. scope says whose, "account" or "address"; kind says which: "read",
// "write", "unauthenticated" or "operator".
func (m *Metrics) Throttled(scope, kind string) {
	if m != nil {
		m.throttled.get(decisionLabels{scope, kind}).Inc()
	}
}

// AuthenticationFailure counts a request whose caller could not be established; kind is the name of a fault kind.
func (m *Metrics) AuthenticationFailure(kind string) {
	if m != nil {
		m.failures.WithLabelValues(kind).Inc()
	}
}

// Reauthorized counts a request that is decided anew.
func (m *Metrics) Reauthorized() {
	if m != nil {
		m.again.Inc()
	}
}

// Panicked counts a request that ended in a panic.
func (m *Metrics) Panicked() {
	if m != nil {
		m.panics.Inc()
	}
}

// ExplainDisagreement counts an explanation whose effect was not the decision's.
func (m *Metrics) ExplainDisagreement() {
	if m != nil {
		m.disagreements.Inc()
	}
}

// ConnectionAccepted counts a connection that is served.
func (m *Metrics) ConnectionAccepted() {
	if m != nil {
		m.accepted.Inc()
	}
}

// ConnectionRefused counts a connection that was closed at once; limit is "all" or "address".
func (m *Metrics) ConnectionRefused(limit string) {
	if m != nil {
		m.refused.WithLabelValues(limit).Inc()
	}
}

// HTTP2Error counts what is wrong with an HTTP/2 connection.
func (m *Metrics) HTTP2Error() {
	if m != nil {
		m.http2.Inc()
	}
}

// CertificateLoaded counts an attempt to load new certificate files.
func (m *Metrics) CertificateLoaded(ok bool) {
	if m == nil {
		return
	}
	result := "ok"
	if !ok {
		result = "refused"
	}
	m.loads.WithLabelValues(result).Inc()
}

// EventsDropped counts events that the trail gave up.
func (m *Metrics) EventsDropped(n int) {
	if m != nil {
		m.dropped.Add(float64(n))
	}
}

// LinesDropped counts log lines that were not written: see [Limit].
func (m *Metrics) LinesDropped() {
	if m != nil {
		m.lines.Inc()
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

// Row is the line of d in the table of docs/operating.md.
func (d Description) Row() string {
	labels := ""
	if len(d.Labels) > 0 {
		labels = "`" + strings.Join(d.Labels, "`, `") + "`"
	}
	return "| `" + d.Name + "` | " + d.Type + " | " + labels + " | " + d.Help + " |"
}
