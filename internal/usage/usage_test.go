package usage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// flaky is a store that counts Updates and fails them while it is told to.
type flaky struct {
	store.Store
	updates atomic.Int64
	down    atomic.Bool
	// beside runs once inside the next Update, before its own work.
	beside func()
}

var errDown = errors.New("the store is down")

func (f *flaky) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	f.updates.Add(1)
	if f.down.Load() {
		return 0, errDown
	}
	if do := f.beside; do != nil {
		f.beside = nil
		do()
	}
	return f.Store.Update(ctx, fn)
}

func open(t *testing.T) *flaky {
	t.Helper()
	s := mem.Open(mem.Config{Rerun: true})
	t.Cleanup(func() { _ = s.Close() })
	return &flaky{Store: s}
}

func lastKey(t *testing.T, r *usage.Recorder, id string) entity.Usage {
	t.Helper()
	u, ok, err := r.LastKey(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return entity.Usage{}
	}
	return u
}

func flush(t *testing.T, r *usage.Recorder) {
	t.Helper()
	if err := r.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, got, want entity.Usage) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last use (-want +got):\n%s", diff)
	}
}

// TestCoalesced: what was noted is known at once, many uses are one write, and another recorder reads it afterwards.
func TestCoalesced(t *testing.T) {
	s := open(t)
	r, other := usage.New(usage.Config{Store: s}), usage.New(usage.Config{Store: s})
	if got := lastKey(t, r, "AKIA1"); got != (entity.Usage{}) {
		t.Errorf("never used, and yet %+v", got)
	}
	for i := range 1000 {
		r.Key("AKIA1", "iam", "us-east-1", noon.Add(time.Duration(i)*time.Millisecond))
	}
	r.Role("111111111111", "AROA1", "sts", "eu-west-1", noon)
	want := entity.Usage{At: noon, Service: "iam", Region: "us-east-1"} // whole seconds
	expect(t, lastKey(t, r, "AKIA1"), want)
	expect(t, lastKey(t, other, "AKIA1"), entity.Usage{})
	if n := s.updates.Load(); n != 0 {
		t.Errorf("noting made %d writes", n)
	}
	flush(t, r)
	if n := s.updates.Load(); n < 1 || n > 2 {
		t.Errorf("%d writes for two things", n)
	}
	expect(t, lastKey(t, other, "AKIA1"), want)
	role, ok, err := other.LastRole(t.Context(), "111111111111", "AROA1")
	if err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	expect(t, role, entity.Usage{At: noon, Service: "sts", Region: "eu-west-1"})
	n := s.updates.Load()
	flush(t, r)
	if s.updates.Load() != n {
		t.Error("a flush of nothing writes")
	}
}

// TestMonotonic: a last use never becomes an earlier one, in memory, in the store, or between two nodes.
func TestMonotonic(t *testing.T) {
	s := open(t)
	a, b := usage.New(usage.Config{Store: s}), usage.New(usage.Config{Store: s})
	late := entity.Usage{At: noon.Add(time.Minute), Service: "late", Region: "r"}
	a.Key("AKIA1", "late", "r", late.At)
	a.Key("AKIA1", "early", "r", noon)
	expect(t, lastKey(t, a, "AKIA1"), late)
	b.Key("AKIA1", "early", "r", noon)
	flush(t, a)
	expect(t, lastKey(t, b, "AKIA1"), late) // b has an earlier one in memory
	flush(t, b)
	expect(t, lastKey(t, b, "AKIA1"), late)
	expect(t, lastKey(t, a, "AKIA1"), late)
	a.Key("AKIA1", "early", "r", noon)
	expect(t, lastKey(t, a, "AKIA1"), late)
	a.Key("AKIA1", "same moment", "r", late.At)
	flush(t, a)
	expect(t, lastKey(t, b, "AKIA1"), entity.Usage{At: late.At, Service: "same moment", Region: "r"})
}

// TestManyKeys: a flush larger than one transaction may be.
func TestManyKeys(t *testing.T) {
	s := open(t)
	r := usage.New(usage.Config{Store: s})
	const n = 40 * store.MaxOps // more than MaxOps in every shard
	for i := range n {
		r.Key(fmt.Sprint("AKIA", i), "iam", "us-east-1", noon.Add(time.Duration(i)*time.Second))
	}
	flush(t, r)
	fresh := usage.New(usage.Config{Store: s})
	for i := range n {
		if got := lastKey(t, fresh, fmt.Sprint("AKIA", i)); !got.At.Equal(noon.Add(time.Duration(i) * time.Second)) {
			t.Fatalf("key %d: %+v", i, got)
		}
	}
}

// TestRetry: what could not be written stays known and is written later.
func TestRetry(t *testing.T) {
	s := open(t)
	r := usage.New(usage.Config{Store: s})
	want := entity.Usage{At: noon, Service: "iam", Region: "us-east-1"}
	r.Key("AKIA1", want.Service, want.Region, want.At)
	s.down.Store(true)
	if err := r.Flush(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("Flush = %v", err)
	}
	expect(t, lastKey(t, r, "AKIA1"), want)
	s.down.Store(false)
	flush(t, r)
	expect(t, lastKey(t, usage.New(usage.Config{Store: s}), "AKIA1"), want)
}

// TestUsedWhileFlushing: a use noted while an earlier one is being written is not lost with it.
func TestUsedWhileFlushing(t *testing.T) {
	s := open(t)
	r := usage.New(usage.Config{Store: s})
	r.Key("AKIA1", "iam", "us-east-1", noon)
	later := entity.Usage{At: noon.Add(time.Hour), Service: "sts", Region: "us-east-1"}
	s.beside = func() { r.Key("AKIA1", later.Service, later.Region, later.At) }
	flush(t, r)
	expect(t, lastKey(t, r, "AKIA1"), later)
	flush(t, r)
	expect(t, lastKey(t, usage.New(usage.Config{Store: s}), "AKIA1"), later)
}

// TestTwoFlushesAtOnce: neither writes what the other has, nor anything that nobody noted.
func TestTwoFlushesAtOnce(t *testing.T) {
	s := open(t)
	r := usage.New(usage.Config{Store: s})
	want := entity.Usage{At: noon, Service: "iam", Region: "us-east-1"}
	r.Key("AKIA1", want.Service, want.Region, want.At)
	s.beside = func() { flush(t, r) }
	flush(t, r)
	expect(t, lastKey(t, r, "AKIA1"), want)
	var together sync.WaitGroup
	for i := range 8 {
		together.Go(func() {
			for j := range 100 {
				r.Key(fmt.Sprint("AKIA", j), "iam", "us-east-1", noon.Add(time.Duration(i)*time.Second))
				_ = r.Flush(context.Background())
			}
		})
	}
	together.Wait()
	for j := range 100 {
		if got := lastKey(t, r, fmt.Sprint("AKIA", j)); !got.At.Equal(noon.Add(7 * time.Second)) {
			t.Errorf("key %d: %+v", j, got)
		}
	}
}

// TestDamagedRecord: a record that cannot be read is replaced, and does not hold up the others.
func TestDamagedRecord(t *testing.T) {
	s := open(t)
	if _, err := s.Update(t.Context(), func(tx store.Txn) error { tx.Put(entity.KeyUsageKey("AKIA1"), []byte("?")); return nil }); err != nil {
		t.Fatal(err)
	}
	r := usage.New(usage.Config{Store: s})
	if _, _, err := r.LastKey(t.Context(), "AKIA1"); err == nil {
		t.Error("a damaged record was read")
	}
	r.Key("AKIA1", "iam", "us-east-1", noon)
	flush(t, r)
	expect(t, lastKey(t, r, "AKIA1"), entity.Usage{At: noon, Service: "iam", Region: "us-east-1"})
}

// TestRun: uses are written every interval, also after a failure, and once more at the end.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		var log bytes.Buffer
		r := usage.New(usage.Config{Store: s, Interval: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil))})
		fresh := usage.New(usage.Config{Store: s})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx); close(ended) }()
		use := func(id string) entity.Usage {
			u := entity.Usage{At: time.Now().UTC().Truncate(time.Second), Service: "iam", Region: "us-east-1"}
			r.Key(id, u.Service, u.Region, u.At)
			return u
		}

		first := use("AKIA1")
		time.Sleep(59 * time.Second)
		synctest.Wait()
		expect(t, lastKey(t, fresh, "AKIA1"), entity.Usage{})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		expect(t, lastKey(t, fresh, "AKIA1"), first)

		s.down.Store(true)
		second := use("AKIA2")
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, lastKey(t, fresh, "AKIA2"), entity.Usage{})
		if !strings.Contains(log.String(), "the store is down") {
			t.Errorf("the failure is not logged: %s", log.String())
		}
		s.down.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, lastKey(t, fresh, "AKIA2"), second)

		third := use("AKIA3")
		stop()
		<-ended
		expect(t, lastKey(t, fresh, "AKIA3"), third)
	})
}

// TestPasswords: of several uses within five minutes the first is recorded, in memory and in the store.
func TestPasswords(t *testing.T) {
	checklist.Shows(t, "S1-273")
	s := open(t)
	r, other := usage.New(usage.Config{Store: s}), usage.New(usage.Config{Store: s})
	last := func(r *usage.Recorder, want map[string]time.Time) {
		t.Helper()
		got, err := r.LastPasswords(t.Context(), "111111111111", "AIDA1", "AIDA2", "111111111111")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("last uses (-want +got):\n%s", diff)
		}
	}
	last(r, map[string]time.Time{})
	r.Password("111111111111", "AIDA1", noon.Add(300*time.Millisecond))
	r.Password("222222222222", "AIDA2", noon) // of another account
	r.Password("111111111111", "AIDA1", noon.Add(usage.PasswordPause-time.Second))
	last(r, map[string]time.Time{"AIDA1": noon})
	flush(t, r)
	last(other, map[string]time.Time{"AIDA1": noon})
	other.Password("111111111111", "AIDA1", noon.Add(usage.PasswordPause-time.Second))
	last(other, map[string]time.Time{"AIDA1": noon})
	flush(t, other)
	last(r, map[string]time.Time{"AIDA1": noon})
	r.Password("111111111111", "AIDA1", noon.Add(usage.PasswordPause))
	r.Password("111111111111", "111111111111", noon) // the root user
	last(r, map[string]time.Time{"AIDA1": noon.Add(usage.PasswordPause), "111111111111": noon})
	flush(t, r)
	last(other, map[string]time.Time{"AIDA1": noon.Add(usage.PasswordPause), "111111111111": noon})
}
