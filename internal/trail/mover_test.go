package trail_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// faulty is a store whose calls fail as told.
type faulty struct {
	store.Store
	view   func() error // before a View
	update func() error // before an Update: nothing is committed
	after  func() error // after an Update: it is committed, and the caller is told otherwise
}

func (f *faulty) View(ctx context.Context, fn func(store.Reader) error) error {
	if f.view != nil {
		if err := f.view(); err != nil {
			return err
		}
	}
	return f.Store.View(ctx, fn)
}

func (f *faulty) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if f.update != nil {
		if err := f.update(); err != nil {
			return 0, err
		}
	}
	rev, err := f.Store.Update(ctx, fn)
	if err == nil && f.after != nil {
		if err := f.after(); err != nil {
			return 0, err
		}
	}
	return rev, err
}

// commit puts events into the outbox, as a change does. The key's time is the number n, so that keys can be out of order.
func commit(t *testing.T, s store.Store, n uint64, ids ...string) {
	t.Helper()
	_, err := s.Update(t.Context(), func(tx store.Txn) error {
		for _, id := range ids {
			tx.Put(entity.OutboxKey(n, id), event(id).Append(nil))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func left(t *testing.T, s store.Store) int {
	t.Helper()
	n := 0
	err := s.View(t.Context(), func(r store.Reader) error {
		for _, err := range r.Range(entity.OutboxPlane) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func numbered(from, to int) []string {
	var ids []string
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprintf("e%04d", i))
	}
	return ids
}

func TestDrain(t *testing.T) {
	kinds(t, func(t *testing.T, dir string) {
		s := mem.Open(mem.Config{})
		l := open(t, trail.Config{Dir: dir})
		m := trail.NewMover(trail.MoverConfig{Store: s, Log: l})
		if err := m.Drain(t.Context()); err != nil {
			t.Fatalf("an empty outbox: %v", err)
		}
		all := numbered(0, 300) // more than two transactions can delete
		for i, id := range all {
			commit(t, s, uint64(i), id)
		}
		if err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "the log", ids(t, l, trail.Query{}), all...)
		if n := left(t, s); n != 0 {
			t.Errorf("%d events left in the outbox", n)
		}
	})
}

// TestLargeEvents: a step is bounded in bytes too, and a single event larger than a step is moved.
func TestLargeEvents(t *testing.T) {
	s := mem.Open(mem.Config{})
	l := open(t, trail.Config{Dir: t.TempDir()})
	all := numbered(0, 60)
	for i, id := range all {
		e := event(id)
		e.RequestParameters = fmt.Appendf(nil, `"%0*d"`, 100_000, i)
		_, err := s.Update(t.Context(), func(tx store.Txn) error {
			tx.Put(entity.OutboxKey(uint64(i), id), e.Append(nil))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := trail.NewMover(trail.MoverConfig{Store: s, Log: l}).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "the log", ids(t, l, trail.Query{}), all...)
}

var errStep = errors.New("the step failed")

// TestEveryStepFails lets each step of moving fail once, with the process going on and with a crash after it (a new log and
// a new mover on what is durable). Nothing is lost, nothing is moved twice, the order holds.
func TestEveryStepFails(t *testing.T) {
	once := func(f func()) func() error {
		first := true
		return func() error {
			if !first {
				return nil
			}
			first = false
			f()
			return errStep
		}
	}
	steps := map[string]func(f *faulty, d *trail.FaultyDisk){
		"first look":  func(f *faulty, _ *trail.FaultyDisk) { f.view = once(func() {}) },
		"second look": func(f *faulty, _ *trail.FaultyDisk) { f.view = func() error { f.view = once(func() {}); return nil } },
		"append, nothing written": func(_ *faulty, d *trail.FaultyDisk) {
			d.SetFails(func(op string, _ int) (int, error) { return 0, errStep })
		},
		"append, half written and not cut": func(_ *faulty, d *trail.FaultyDisk) {
			d.SetFails(func(op string, n int) (int, error) {
				if op == "write" || op == "truncate" {
					return n / 2, errStep
				}
				return 0, nil
			})
		},
		"append, written and not synced": func(_ *faulty, d *trail.FaultyDisk) {
			d.SetFails(func(op string, n int) (int, error) {
				if op == "sync" || op == "truncate" {
					return n, errStep
				}
				return n, nil
			})
		},
		"append, second file": func(_ *faulty, d *trail.FaultyDisk) {
			creates := 0
			d.SetFails(func(op string, n int) (int, error) {
				if op == "create" {
					if creates++; creates == 2 {
						return 0, errStep
					}
				}
				return n, nil
			})
		},
		"delete, not committed": func(f *faulty, _ *trail.FaultyDisk) { f.update = once(func() {}) },
		"delete, committed":     func(f *faulty, _ *trail.FaultyDisk) { f.after = once(func() {}) },
	}
	for name, inject := range steps {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, crash %v", name, crash), func(t *testing.T) {
				dir := t.TempDir()
				cfg := trail.Config{Dir: dir, FileBytes: 20_000}
				disk := new(trail.FaultyDisk)
				l, err := trail.OpenFaulty(cfg, disk)
				if err != nil {
					t.Fatal(err)
				}
				f := &faulty{Store: mem.Open(mem.Config{})}
				all := numbered(0, 200)
				for i, id := range all {
					commit(t, f, uint64(10+i), id)
				}
				inject(f, disk)
				m := trail.NewMover(trail.MoverConfig{Store: f, Log: l})
				if err := m.Drain(t.Context()); !errors.Is(err, errStep) {
					t.Fatalf("Drain = %v, want the injected error", err)
				}
				f.view, f.update, f.after = nil, nil, nil
				disk.SetFails(nil)
				if crash {
					// The old log is left as it is, unflushed and unclosed, as a killed process leaves it.
					l = open(t, cfg)
					m = trail.NewMover(trail.MoverConfig{Store: f, Log: l})
				}
				commit(t, f, 1, "early") // comes before everything that may have been appended
				if err := m.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := ids(t, l, trail.Query{})
				if n := left(t, f); n != 0 {
					t.Errorf("%d events left in the outbox", n)
				}
				if !slices.Contains(got, "early") {
					t.Error("an event that came after the failure is lost")
				}
				got = slices.DeleteFunc(got, func(id string) bool { return id == "early" })
				want(t, "the log", got, all...)
			})
		}
	}
}

// TestCrashWithBufferedEventsBehind: what Record wrote after the append does not hide it from the search at the next start.
func TestCrashWithBufferedEventsBehind(t *testing.T) {
	dir := t.TempDir()
	l := open(t, trail.Config{Dir: dir, FileBytes: 5000})
	f := &faulty{Store: mem.Open(mem.Config{}), after: nil}
	commit(t, f, 1, "a", "b")
	f.update = func() error { return errStep }
	m := trail.NewMover(trail.MoverConfig{Store: f, Log: l})
	for range 3 { // the store stays away; the events are appended once
		if err := m.Drain(t.Context()); !errors.Is(err, errStep) {
			t.Fatalf("Drain = %v", err)
		}
	}
	for _, id := range numbered(0, 50) {
		l.Record(event(id).Append(nil))
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	f.update = nil
	l = open(t, trail.Config{Dir: dir, FileBytes: 5000})
	if err := trail.NewMover(trail.MoverConfig{Store: f, Log: l}).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "the log", ids(t, l, trail.Query{}), append([]string{"a", "b"}, numbered(0, 50)...)...)
}

// TestRun: events are moved as they come, and after the store came back; the mover ends with its context.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		f := &faulty{Store: mem.Open(mem.Config{})}
		f.view = func() error {
			if down.Load() {
				return store.ErrUnavailable
			}
			return nil
		}
		l, err := trail.Open(trail.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- trail.NewMover(trail.MoverConfig{Store: f, Log: l}).Run(ctx) }()

		commit(t, f.Store, 1, "a")
		time.Sleep(trail.DefaultLinger + time.Millisecond)
		synctest.Wait()
		want(t, "after the first event", ids(t, l, trail.Query{}), "a")

		down.Store(true)
		commit(t, f.Store, 2, "b")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want(t, "while the store is away", ids(t, l, trail.Query{}), "a")

		down.Store(false)
		commit(t, f.Store, 3, "c")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want(t, "after the store came back", ids(t, l, trail.Query{}), "a", "b", "c")
		if n := left(t, f.Store); n != 0 {
			t.Errorf("%d events left in the outbox", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v after its context ended", err)
		}
		_ = l.Close()
		_ = f.Close()
	})
}

// TestRunEndsWithTheStore: a closed store is the one error that Run does not try again.
func TestRunEndsWithTheStore(t *testing.T) {
	s := mem.Open(mem.Config{})
	l := open(t, trail.Config{})
	ended := make(chan error, 1)
	go func() { ended <- trail.NewMover(trail.MoverConfig{Store: s, Log: l}).Run(t.Context()) }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Errorf("Run = %v", err)
	}
}

// TestForeignKeyInOutbox: a key that is no outbox key of ours is moved like the others, not looked at for ever.
func TestForeignKeyInOutbox(t *testing.T) {
	s := mem.Open(mem.Config{})
	_, err := s.Update(t.Context(), func(tx store.Txn) error {
		tx.Put(slices.Concat(entity.OutboxPlane, []byte("odd")), event("a").Append(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, trail.Config{})
	if err := trail.NewMover(trail.MoverConfig{Store: s, Log: l}).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, "the log", ids(t, l, trail.Query{}), "a")
	if n := left(t, s); n != 0 {
		t.Errorf("%d left", n)
	}
}
