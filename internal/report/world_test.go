package report_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// noon is when the clock of these tests stands at first.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an installation with one account, its snapshot, its last uses and a maker of reports.
type world struct {
	t        testing.TB
	store    *hooked
	dir      *directory.Directory
	follower *snapshot.Follower
	usage    *usage.Recorder
	maker    *report.Maker
	account  string
	passed   atomic.Int64 // how far the clock has gone since noon
	changes  int
	made     made

	organizations report.Organizations // what makers are made with
}

// hooked lets a test step in before an Update, which fails with the hook's error.
type hooked struct {
	store.Store
	mu     sync.Mutex
	before func(n int) error // n counts Updates since the hook was set
	n      int
}

// hook sets what comes before Updates; nil is nothing.
func (h *hooked) hook(before func(n int) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before, h.n = before, 0
}

func (h *hooked) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	h.mu.Lock()
	h.n++
	before, n := h.before, h.n
	h.mu.Unlock()
	if before != nil {
		if err := before(n); err != nil {
			return 0, err
		}
	}
	return h.Store.Update(ctx, fn)
}

// made counts reports.
type made struct{ credentials, access, organization, failed atomic.Int64 }

func (m *made) ReportMade(kind string, ok bool) {
	switch {
	case !ok:
		m.failed.Add(1)
	case kind == "credentials":
		m.credentials.Add(1)
	case kind == "access":
		m.access.Add(1)
	default:
		m.organization.Add(1)
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	base := mem.Open(mem.Config{Rerun: true})
	t.Cleanup(func() { _ = base.Close() })
	w := &world{t: t, store: &hooked{Store: base}}
	ring, err := seal.NewRing("test", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.dir = directory.New(directory.Config{Store: base, Ring: ring, Managed: managed{catalog.ManagedPolicies()}, Now: w.now})
	w.follower = snapshot.New(snapshot.Config{Store: base, Managed: catalog.ManagedPolicies()})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.follower.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	w.usage = usage.New(usage.Config{Store: base, Now: w.now})
	w.maker = w.newMaker()
	acct, _, _, err := w.dir.Bootstrap(t.Context(), directory.NewAccount{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	w.account = acct.ID
	return w
}

func (w *world) newMaker() *report.Maker {
	return report.New(report.Config{
		Store: w.store, Snapshots: w.follower, Usage: w.usage, Managed: catalog.ManagedPolicies(), Reference: catalog.ServiceReference(),
		Tracked: func(string) []string { return []string{"Do"} }, Organizations: w.organizations, Meter: &w.made, Now: w.now,
	})
}

func (w *world) now() time.Time { return noon.Add(time.Duration(w.passed.Load())) }

// later moves the clock.
func (w *world) later(d time.Duration) { w.passed.Add(int64(d)) }

type managed struct{ *catalog.Managed }

func (m managed) ByARN(arn string) (string, bool) {
	p, ok := m.Managed.ByARN(arn)
	if !ok {
		return "", false
	}
	return p.ID, true
}

type change struct{ id string }

func (change) Guards() []store.Guard               { return nil }
func (c change) Event(any) (string, []byte, error) { return c.id, []byte("{}"), nil }

// commit runs verbs of the directory.
func (w *world) commit(fn func(*directory.Tx) error) {
	w.t.Helper()
	w.changes++
	_, _, err := directory.Commit(w.t.Context(), w.dir, change{fmt.Sprint("c", w.changes)}, func(tx *directory.Tx) (struct{}, error) {
		return struct{}{}, fn(tx)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask asks for a credential report and returns what is answered.
func (w *world) ask() (state directory.ReportState) {
	w.t.Helper()
	w.commit(func(tx *directory.Tx) (err error) { state, err = tx.StartCredentialReport(w.account); return err })
	return state
}

func (w *world) work(m *report.Maker) {
	w.t.Helper()
	if _, err := m.Work(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// users makes n users.
func (w *world) users(n int) {
	w.t.Helper()
	for i := 0; i < n; i += 20 {
		w.commit(func(tx *directory.Tx) error {
			for j := i; j < min(i+20, n); j++ {
				name := fmt.Sprintf("user-%05d-%s", j, strings.Repeat("x", 50))
				if _, err := tx.CreateUser(w.account, directory.NewUser{Name: name}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// keys counts the records under a prefix.
func (w *world) keys(prefix []byte) (n int) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range r.Range(prefix) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// credentials is the finished report; it has to be there.
func (w *world) credentials(m *report.Maker) (*entity.CredentialReport, string) {
	w.t.Helper()
	r, csv, err := m.Credentials(w.t.Context(), w.account)
	if err != nil || r == nil {
		w.t.Fatalf("%+v, %v", r, err)
	}
	return r, string(csv)
}

var errDown = errors.New("the store is down")
