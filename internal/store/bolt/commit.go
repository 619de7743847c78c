package bolt

import (
	"context"
	"errors"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/overlay"
)

// Bounds of a group. Past them the commit comes first, so that neither its memory nor the wait of its first member grows.
const (
	maxGroup      = 1024
	maxGroupBytes = 16 << 20
)

// request is one call of Update on its way through the commit goroutine. First either turn or result is sent; after turn,
// the caller sends done and then receives result.
type request struct {
	ctx    context.Context
	turn   chan *overlay.Txn // not buffered: a caller whose context ended is not there to take it
	done   chan error        // what came of fn
	result chan result
}

type result struct {
	revision store.Revision
	err      error
}

// errAborted stands for an fn that did not return: it panicked or ended its goroutine.
var errAborted = errors.New("the function did not return")

// Update queues, runs fn when its turn comes and waits for its group to be on disk.
func (s *Store) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	req := &request{ctx: ctx, turn: make(chan *overlay.Txn), done: make(chan error, 1), result: make(chan result, 1)}
	select {
	case s.requests <- req:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case txn := <-req.turn:
		req.run(txn, fn)
	case res := <-req.result:
		return res.revision, res.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	res := <-req.result
	return res.revision, res.err
}

// run calls fn and reports to the commit goroutine, also when fn panics.
func (r *request) run(txn *overlay.Txn, fn func(store.Txn) error) {
	err := errAborted
	defer func() {
		if limit := txn.End(); err == nil {
			err = limit
		}
		r.done <- err
	}()
	err = fn(txn)
}

// commits is the commit goroutine. It ends when requests is closed.
func (s *Store) commits() {
	defer close(s.stopped)
	for req := range s.requests {
		s.commitGroup(req)
	}
}

// commitGroup serves first and all that wait behind it.
func (s *Store) commitGroup(first *request) {
	if err := s.brokenErr(); err != nil {
		first.result <- result{err: err}
		return
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		first.result <- result{err: unavailable("beginning to write", err)}
		return
	}
	g := &group{tx: tx, records: tx.Bucket(recordsBucket)}
	g.revision = store.Revision(g.records.Sequence())
	for req := first; req != nil && err == nil; req = s.next(g) {
		err = g.serve(req)
	}
	if err != nil || len(g.batches) == 0 {
		// Nothing was written; or it was, in part, and must not be.
		if rb := tx.Rollback(); err == nil && rb != nil {
			err = unavailable("ending a transaction", rb)
		}
		g.answer(err)
		return
	}
	if err = g.records.SetSequence(uint64(g.revision)); err == nil {
		err = tx.Commit()
	} else {
		_ = tx.Rollback() // the first error is the one to report
	}
	if err != nil {
		g.answer(s.commitFailed(err))
		return
	}
	s.publish(g)
	g.answer(nil)
}

// next returns a further member for the group, nil when there is none or the group is large enough.
func (s *Store) next(g *group) *request {
	if g.served >= maxGroup || g.bytes >= maxGroupBytes {
		return nil
	}
	select {
	case req := <-s.requests: // nil when closed and empty
		return req
	default:
		return nil
	}
}

// publish shows a group that is on disk to views and watches.
func (s *Store) publish(g *group) {
	s.mu.Lock()
	s.durable.Store(int64(g.revision))
	s.settled.Broadcast()
	s.mu.Unlock()
	s.log.Load().Append(g.batches...)
}

// commitFailed finds out whether a commit that failed may yet turn up, and returns the error for its members.
func (s *Store) commitFailed(cause error) error {
	tx, err := s.db.Begin(false)
	if err == nil {
		seen := int64(tx.Bucket(recordsBucket).Sequence())
		_ = tx.Rollback() // fails only for a transaction that has ended
		if seen == s.durable.Load() {
			return unavailable("committing", cause) // it got as far as free pages
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = fmt.Errorf("%w: an earlier commit failed and the file is being opened anew: %w", store.ErrUnavailable, cause)
	s.settled.Broadcast()
	s.log.Load().End(s.broken)
	s.mending.Go(s.mend)
	return fmt.Errorf("%w: committing: %w", store.ErrUnknownOutcome, cause)
}

func (s *Store) brokenErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// group is Updates that are committed together.
type group struct {
	tx       *bbolt.Tx
	records  *bbolt.Bucket
	revision store.Revision // of the newest member that wrote
	batches  []store.Batch  // one per member that wrote
	waiting  []waiting      // members that learn their result after the commit
	served   int
	bytes    int
}

type waiting struct {
	req *request
	res result
}

// serve lets one Update run and puts what it wrote into the bbolt transaction. An error is one that spoils the whole group.
func (g *group) serve(req *request) error {
	txn := overlay.New(&reader{records: g.records, revision: g.revision})
	select {
	case req.turn <- txn:
	case <-req.ctx.Done():
		return nil // the caller has gone, or is about to
	}
	g.served++
	if err := <-req.done; err != nil {
		g.settle(req, result{err: err})
		return nil
	}
	changes, err := g.apply(txn.Writes())
	if len(changes) > 0 {
		g.revision++
		g.bytes += txn.Bytes()
		g.batches = append(g.batches, store.Batch{Revision: g.revision, Changes: changes})
	}
	g.settle(req, result{revision: g.revision, err: err})
	return err
}

// apply writes to the bbolt transaction and returns what changed.
func (g *group) apply(writes []overlay.Write) ([]store.Change, error) {
	changes := make([]store.Change, 0, len(writes))
	for _, w := range writes {
		var err error
		if !w.Deleted {
			err = g.records.Put(w.Key, stored(w.Value, g.revision+1))
		} else if g.records.Get(w.Key) != nil {
			err = g.records.Delete(w.Key)
		} else {
			continue
		}
		if err != nil {
			return nil, unavailable("writing", err)
		}
		changes = append(changes, store.Change(w))
	}
	return changes, nil
}

// settle gives a member its result: at once where it can have seen nothing but what is on disk, else after the commit.
func (g *group) settle(req *request, res result) {
	if len(g.batches) == 0 {
		req.result <- res
		return
	}
	g.waiting = append(g.waiting, waiting{req, res})
}

// answer gives the members that wait their results; with an error, all of them that error.
func (g *group) answer(err error) {
	for _, w := range g.waiting {
		if err != nil {
			w.res = result{err: err}
		}
		w.req.result <- w.res
	}
}
