// Package mem is the store that forgets: an ordered map in memory, for tests and for `serve --store mem`.
//
// Every state is an immutable tree that shares its unchanged nodes with its neighbours. A View takes the newest one and
// holds nobody up; Updates run one after the other, each on the state that the one before left.
package mem

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/google/btree"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/history"
	"github.com/ostiary-iam/ostiary/internal/store/overlay"
)

// degree of the tree: 2·degree−1 entries at most in a node, which is copied when one of them changes.
const degree = 16

// Config says how to make a store. The zero value is good.
type Config struct {
	// History bounds what a watch can resume from.
	History history.Limit
	// Rerun runs the function of every Update twice and forgets what the first run wrote, as an engine with optimistic
	// transactions does. Tests of callers use it: a function that may not run again fails there.
	Rerun bool
}

// Store implements [store.Store]. Make it with [Open].
type Store struct {
	rerun bool
	log   *history.Log
	state atomic.Pointer[state]

	turn   chan struct{} // holds a token while an Update runs
	tree   *tree         // the next state; of whoever has the turn
	gate   sync.RWMutex  // held shared by running transactions, alone by Close
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// tree holds entries that do not change. Pointers keep its nodes small, which are copied with every change.
type tree = btree.BTreeG[*store.Entry]

// state is one state of the store; neither it nor its tree changes.
type state struct {
	tree     *tree
	revision store.Revision
}

// Open returns an empty store.
func Open(c Config) *Store {
	next := btree.NewG(degree, func(a, b *store.Entry) bool { return bytes.Compare(a.Key, b.Key) < 0 })
	s := &Store{rerun: c.Rerun, log: history.New(c.History, 0), turn: make(chan struct{}, 1), tree: next}
	s.state.Store(&state{tree: next.Clone()})
	return s
}

// View runs fn on the newest state.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	r := &reader{state: s.state.Load()}
	defer func() { r.ended = true }()
	return fn(r)
}

// Update runs fn on the newest state, alone, and publishes the next one.
func (s *Store) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-s.turn }()

	now := s.state.Load()
	if s.rerun {
		// The error of this run counts as little as its writes: the transaction may be a different one the next time.
		_, _ = s.run(now, fn)
	}
	writes, err := s.run(now, fn)
	if err != nil {
		return 0, err
	}
	return s.commit(now, writes), nil
}

// run gives fn a transaction over a state and returns what it wrote.
func (s *Store) run(now *state, fn func(store.Txn) error) ([]overlay.Write, error) {
	txn := overlay.New(&reader{state: now})
	defer txn.End() // for a panic
	if err := fn(txn); err != nil {
		return nil, err
	}
	if err := txn.End(); err != nil {
		return nil, err
	}
	return txn.Writes(), nil
}

// commit makes the next state of the writes, if they change anything. The caller has the turn.
func (s *Store) commit(now *state, writes []overlay.Write) store.Revision {
	next := now.revision + 1
	changes := make([]store.Change, 0, len(writes))
	for _, w := range writes {
		if !w.Deleted {
			s.tree.ReplaceOrInsert(&store.Entry{Key: w.Key, Value: w.Value, Revision: next})
		} else if _, had := s.tree.Delete(&store.Entry{Key: w.Key}); !had {
			continue
		}
		changes = append(changes, store.Change(w))
	}
	if len(changes) == 0 {
		return now.revision
	}
	s.state.Store(&state{tree: s.tree.Clone(), revision: next})
	s.log.Append(store.Batch{Revision: next, Changes: changes})
	return next
}

// Watch serves from the history.
func (s *Store) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return s.log.Watch(ctx, prefix, after)
}

// Head returns the newest revision.
func (s *Store) Head(ctx context.Context) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	return s.state.Load().revision, nil
}

// Compact forgets the history up to and including upTo: a watch from before it gets [store.ErrCompacted].
func (s *Store) Compact(upTo store.Revision) { s.log.Compact(upTo) }

// Close ends watches and waits for running transactions.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.log.End(store.ErrClosed)
	s.gate.Lock() // those that are in go on; nobody comes in any more
	defer s.gate.Unlock()
	return nil
}

// enter lets a call in; without an error the caller leaves with s.gate.RUnlock.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	s.gate.RLock()
	if s.closed.Load() {
		s.gate.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// reader reads one state.
type reader struct {
	state *state
	probe store.Entry // what Get looks for; here, so that it need not be allocated
	ended bool
}

func (r *reader) Revision() store.Revision { return r.state.revision }

func (r *reader) Get(key []byte) (store.Entry, bool, error) {
	if r.ended {
		return store.Entry{}, false, store.ErrEnded
	}
	if len(key) == 0 {
		return store.Entry{}, false, store.ErrEmptyKey
	}
	r.probe.Key = key
	e, ok := r.state.tree.Get(&r.probe)
	if !ok {
		return store.Entry{}, false, nil
	}
	return *e, true, nil
}

func (r *reader) Range(prefix []byte) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if r.ended {
			yield(store.Entry{}, store.ErrEnded)
			return
		}
		r.state.tree.AscendGreaterOrEqual(&store.Entry{Key: prefix}, func(e *store.Entry) bool {
			if r.ended {
				yield(store.Entry{}, store.ErrEnded)
				return false
			}
			return bytes.HasPrefix(e.Key, prefix) && yield(*e, nil)
		})
	}
}
