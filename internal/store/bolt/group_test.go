package bolt

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// grouped starts first, waits until it runs, starts the others behind it, waits until all of them queue, and lets go: all
// are one group.
func grouped(t *testing.T, s *Store, first func(store.Txn) error, others ...func(store.Txn) error) (rs []store.Revision, errs []error) {
	t.Helper()
	rs, errs = make([]store.Revision, len(others)+1), make([]error, len(others)+1)
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		rs[0], errs[0] = s.Update(t.Context(), func(tx store.Txn) error {
			close(running)
			<-release
			return first(tx)
		})
	})
	<-running
	for i, fn := range others {
		wg.Go(func() { rs[i+1], errs[i+1] = s.Update(t.Context(), fn) })
		for len(s.requests) <= i { // one after the other, so that they stand in line in order
			runtime.Gosched()
		}
	}
	close(release)
	wg.Wait()
	return rs, errs
}

func txid(t *testing.T, s *Store) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func putKey(k string) func(store.Txn) error {
	return func(tx store.Txn) error { tx.Put([]byte(k), nil); return nil }
}

// TestGroup commits many with one commit of bbolt, each at its own revision and seeing those before it.
func TestGroup(t *testing.T) {
	s := openForTest(t)
	before := txid(t, s)
	mine := errors.New("mine")
	writers := func(until int) (n int) {
		for i := range until {
			if i%4 != 3 && i%8 != 4 {
				n++
			}
		}
		return n
	}
	var fns []func(store.Txn) error
	for i := range 40 {
		fns = append(fns, func(tx store.Txn) error {
			n := 0
			for _, err := range tx.Range([]byte("k")) {
				if err != nil {
					return err
				}
				n++
			}
			if want := writers(i); n != want {
				t.Errorf("Update %d sees what %d before it wrote, want %d", i, n, want)
			}
			switch {
			case i%4 == 3:
				tx.Put([]byte("k/failed"), nil)
				return mine
			case i%8 == 4:
				return nil // only read
			}
			tx.Put([]byte{'k', byte(n)}, nil)
			return nil
		})
	}
	rs, errs := grouped(t, s, putKey("first"), fns...)
	if d := txid(t, s) - before; d != 1 {
		t.Errorf("%d commits of bbolt, want 1", d)
	}
	want := store.Revision(1)
	if rs[0] != want || errs[0] != nil {
		t.Errorf("the first: %d, %v", rs[0], errs[0])
	}
	for i := range fns {
		switch r, err := rs[i+1], errs[i+1]; {
		case i%4 == 3:
			if err != mine {
				t.Errorf("Update %d: %v, want its own error", i, err)
			}
		case i%8 == 4:
			if r != want || err != nil {
				t.Errorf("Update %d read revision %d (%v), want %d", i, r, err, want)
			}
		default:
			if want++; r != want || err != nil {
				t.Errorf("Update %d: revision %d (%v), want %d", i, r, err, want)
			}
		}
	}
	var seen []store.Revision
	for b, err := range s.Watch(t.Context(), nil, 0) {
		if err != nil || len(b.Changes) != 1 {
			t.Fatalf("%+v, %v", b, err)
		}
		seen = append(seen, b.Revision)
		if b.Revision == want {
			break
		}
	}
	if len(seen) != int(want) || !slices.IsSorted(seen) {
		t.Errorf("the watch saw %v", seen)
	}
	// Only readers and failures: no commit at all.
	before = txid(t, s)
	grouped(t, s, func(store.Txn) error { return mine }, func(store.Txn) error { return nil })
	if _, err := putOne(t.Context(), s); err != nil { // comes after whatever the group did
		t.Fatal(err)
	}
	if d := txid(t, s) - before; d != 1 {
		t.Errorf("%d commits of bbolt for one Update that wrote", d)
	}
}

// TestGivenUp ends the context of an Update that stands in line: it returns at once, and those behind it get their turn.
func TestGivenUp(t *testing.T) {
	s := openForTest(t)
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := s.Update(t.Context(), func(store.Txn) error { close(running); <-release; return nil })
		if err != nil {
			t.Errorf("the one before: %v", err)
		}
	})
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := s.Update(ctx, func(store.Txn) error { t.Error("an Update that was given up ran"); return nil })
		gone <- err
	}()
	for len(s.requests) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that was given up: %v", err)
	}
	wg.Go(func() {
		if _, err := putOne(t.Context(), s); err != nil {
			t.Errorf("the one behind: %v", err)
		}
	})
	close(release)
	wg.Wait()
}

// TestGroupFails has a commit fail under a group: nobody may learn what an Update saw that was never on disk.
func TestGroupFails(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "store"), Config{MaxFileSize: 1 << 18})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	mine, early := errors.New("mine"), errors.New("early")
	_, errs := grouped(t, s,
		func(store.Txn) error { return early },
		func(tx store.Txn) error { tx.Put([]byte("large"), make([]byte, 1<<20)); return nil },
		func(tx store.Txn) error {
			if _, ok, _ := tx.Get([]byte("large")); ok {
				return mine // drawn from what will not be
			}
			return nil
		},
		func(store.Txn) error { return nil },
		putKey("small"),
	)
	if errs[0] != early {
		t.Errorf("one that came before any write: %v, want its own error", errs[0])
	}
	for i, err := range errs[1:] {
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, mine) {
			t.Errorf("member %d: %v", i+1, err)
		}
	}
	if r, err := putOne(t.Context(), s); r != 1 || err != nil {
		t.Errorf("the Update after the group that failed: %d, %v", r, err)
	}
}
