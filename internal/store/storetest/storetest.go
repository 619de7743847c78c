// Package storetest proves a store: every engine runs [Run], and what it asserts is the contract of package store.
//
// Tests use only what the seam promises. They assume nothing about absolute revisions, so that an engine may share its
// counter with others, and nothing about timing but that a healthy store answers within [patience].
package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// patience is how long a test waits for anything before it fails.
const patience = time.Minute

// Options say what else an engine can do. A nil function is a declared gap: its tests are skipped, visibly.
type Options struct {
	// Reopen closes a durable store and opens it again; the new one is closed by the end of the test.
	Reopen func(t *testing.T, s store.Store) store.Store
	// Compact forgets the history up to and including a revision.
	Compact func(t *testing.T, s store.Store, upTo store.Revision)
}

// Run runs the tests, each on a store of its own. open makes an empty store that is closed at the latest by the end of the
// test; tests may close it before.
func Run(t *testing.T, open func(t testing.TB) store.Store, o Options) {
	groups := []struct {
		name  string
		tests []testCase
	}{
		{"State", stateTests},
		{"Isolation", isolationTests},
		{"Limits", limitTests},
		{"Watch", watchTests},
		{"Lifetime", lifetimeTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					c.run(&env{T: t, ctx: ctx, s: open(t), o: o})
				})
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*env)
}

// env is one test on one store. Its methods fail the test on any error that the test does not ask for.
type env struct {
	*testing.T
	ctx context.Context
	s   store.Store
	o   Options
}

func (e *env) update(fn func(tx store.Txn)) store.Revision {
	e.Helper()
	r, err := e.s.Update(e.ctx, func(tx store.Txn) error { fn(tx); return nil })
	if err != nil {
		e.Fatalf("Update: %v", err)
	}
	return r
}

// put writes pairs of keys and values in one Update.
func (e *env) put(pairs ...string) store.Revision {
	e.Helper()
	return e.update(func(tx store.Txn) {
		for i := 0; i < len(pairs); i += 2 {
			tx.Put([]byte(pairs[i]), []byte(pairs[i+1]))
		}
	})
}

func (e *env) view(fn func(r store.Reader)) {
	e.Helper()
	if err := e.s.View(e.ctx, func(r store.Reader) error { fn(r); return nil }); err != nil {
		e.Fatalf("View: %v", err)
	}
}

func (e *env) head() store.Revision {
	e.Helper()
	r, err := e.s.Head(e.ctx)
	if err != nil {
		e.Fatalf("Head: %v", err)
	}
	return r
}

// wantState compares everything under prefix with pairs of keys and values.
func (e *env) wantState(prefix string, pairs ...string) {
	e.Helper()
	var got []string
	e.view(func(r store.Reader) { got = list(e.T, r, prefix) })
	if diff := cmp.Diff(pairs, got); diff != "" {
		e.Fatalf("state under %q (-want +got):\n%s", prefix, diff)
	}
}

// list reads a range as keys and values in turn.
func list(t *testing.T, r store.Reader, prefix string) (pairs []string) {
	t.Helper()
	for entry, err := range r.Range([]byte(prefix)) {
		if err != nil {
			t.Errorf("Range(%q): %v", prefix, err)
			return pairs
		}
		pairs = append(pairs, string(entry.Key), string(entry.Value))
	}
	return pairs
}

// get reads a value, "" where there is none.
func get(t *testing.T, r store.Reader, key string) string {
	t.Helper()
	entry, _, err := r.Get([]byte(key))
	if err != nil {
		t.Errorf("Get(%q): %v", key, err)
	}
	return string(entry.Value)
}

// number reads a number, 0 where there is none. Its error is for the function of an Update to return.
func number(r store.Reader, key string) (int, error) {
	entry, ok, err := r.Get([]byte(key))
	if err != nil || !ok {
		return 0, err
	}
	return int(binary.BigEndian.Uint64(entry.Value)), nil
}

func putNumber(tx store.Txn, key string, n int) {
	tx.Put([]byte(key), binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// pairs flattens a map in key order.
func pairs(m map[string]string) (flat []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		flat = append(flat, k, m[k])
	}
	return flat
}

func key(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }
