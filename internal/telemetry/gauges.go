package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is read when metrics are collected. Each of these methods is called at most once, before the first collection; what it is given
// must be cheap, or bounded, and safe for concurrent use.

func (m *Metrics) read(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.describe(name, "gauge", help), Help: help}, value))
}

// Snapshot registers where the snapshot's revision and age are read.
func (m *Metrics) Snapshot(read func() (revision int64, age time.Duration)) {
	if m == nil {
		return
	}
	m.read("snapshot_revision", "Revision of the store that decisions are made from.", func() float64 { revision, _ := read(); return float64(revision) })
	m.read("snapshot_age_seconds", "Time since the snapshot was last known to be up to date.", func() float64 { _, age := read(); return age.Seconds() })
}

// Load registers where open connections and requests in progress are counted.
func (m *Metrics) Load(read func() (connections, requests int)) {
	if m == nil {
		return
	}
	m.read("connections", "Connections that are open.", func() float64 { n, _ := read(); return float64(n) })
	m.read("requests_in_progress", "Requests in progress, of every kind.", func() float64 { _, n := read(); return float64(n) })
}

// Certificate registers where the end of the certificate in use is read.
func (m *Metrics) Certificate(expires func() time.Time) {
	if m != nil {
		m.read("certificate_expiry_timestamp_seconds", "When the TLS certificate in use is valid no longer, in Unix time.",
			func() float64 { return float64(expires().Unix()) })
	}
}

// Outbox registers where events are counted that are committed and not yet in the trail, and how old the first of them is.
func (m *Metrics) Outbox(read func() (events int, age time.Duration)) {
	if m == nil {
		return
	}
	m.read("outbox_events", "Events of writes that are not in the trail yet; counted up to 10,000.", func() float64 { n, _ := read(); return float64(n) })
	m.read("outbox_age_seconds", "Age of the oldest event that is not in the trail yet; 0 where there is none.", func() float64 { _, age := read(); return age.Seconds() })
}

// TrailPending registers where events are counted that the trail holds in memory.
func (m *Metrics) TrailPending(read func() int) {
	if m != nil {
		m.read("trail_pending_events", "Events of reads and denials that wait to be written.", func() float64 { return float64(read()) })
	}
}

// UsagePending registers where the number of last uses that wait to be written is read.
func (m *Metrics) UsagePending(read func() int) {
	if m != nil {
		m.read("usage_pending", "Last uses that wait to be written.", func() float64 { return float64(read()) })
	}
}

// ReportsPending registers where reports are counted that were asked for and are not made.
func (m *Metrics) ReportsPending(read func() int) {
	if m != nil {
		m.read("reports_pending", "Accounts with reports that are asked for and not made yet.", func() float64 { return float64(read()) })
	}
}

// RatesTracked registers where is counted whose rates are remembered.
func (m *Metrics) RatesTracked(accounts, addresses func() int) {
	if m == nil {
		return
	}
	m.read("throttle_accounts", "Accounts whose rates are remembered.", func() float64 { return float64(accounts()) })
	m.read("throttle_addresses", "Addresses whose unauthenticated requests are remembered.", func() float64 { return float64(addresses()) })
}

// Engine names the engine that keeps the records.
func (m *Metrics) Engine(name string) {
	if m == nil {
		return
	}
	const help = "The engine that keeps the records."
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: m.describe("store_info", "gauge", help, "engine"), Help: help, ConstLabels: prometheus.Labels{"engine": name},
	}, func() float64 { return 1 }))
}

// Staleness registers how old the snapshot may become, and where it is read whether it is older.
func (m *Metrics) Staleness(bound time.Duration, closed func() bool) {
	if m == nil {
		return
	}
	m.read("snapshot_max_age_seconds", "The age of the snapshot past which every request is refused.", bound.Seconds)
	m.read("fails_closed", "1 while the snapshot is too old and every request is refused.", func() float64 {
		if closed() {
			return 1
		}
		return 0
	})
}
