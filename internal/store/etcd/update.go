package etcd

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/overlay"
)

const (
	// refreshBytes bounds the values that a failed commit brings back for the next run.
	refreshBytes = 256 << 10
	// maxRequest is the size, as the seam counts it, up to which a commit also carries what the seam does not count: compares of
	// ranges, and reads for the next run.
	maxRequest = 512 << 10

	minWait = time.Millisecond
	maxWait = 64 * time.Millisecond
)

// state is what a failed commit learned: what some keys hold at a revision.
type state struct {
	revision int64
	known    map[string]known
}

// Update runs fn until what it read is still so when its writes are committed.
func (s *Store) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	var now state
	for runs := 1; ; runs++ {
		rev, next, err := s.run(ctx, fn, now)
		if err != nil || next == nil {
			return rev, err
		}
		now = *next
		if runs == 1 {
			// Those of this process that got into each other's way go on one by one.
			select {
			case s.turn <- struct{}{}:
				defer func() { <-s.turn }()
			case <-ctx.Done():
				return 0, ctx.Err()
			}
			continue // what is known may be old by now, and then costs no more than another round
		}
		wait := min(maxWait, minWait<<min(runs, 10))
		pause(ctx, rand.N(wait))
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
}

// run runs fn once and commits. A state that is not nil says that something was no longer so, and what is.
func (s *Store) run(ctx context.Context, fn func(store.Txn) error, now state) (store.Revision, *state, error) {
	r := &reader{s: s, ctx: ctx, noted: new(reads), revision: now.revision, known: now.known}
	txn := overlay.New(r)
	defer func() { // for a panic too
		txn.End()
		r.ended = true
	}()
	if err := fn(txn); err != nil {
		return 0, nil, err
	}
	if err := txn.End(); err != nil {
		return 0, nil, err
	}
	if r.failed != nil {
		return 0, nil, r.failed
	}
	writes := txn.Writes()
	if len(writes) == 0 {
		rev := r.Revision()
		return rev, nil, r.failed
	}
	return s.commit(ctx, r, writes, txn.Bytes())
}

// commit writes if all that was read is still so.
func (s *Store) commit(ctx context.Context, r *reader, writes []overlay.Write, size int) (store.Revision, *state, error) {
	compares := s.compares(r, size)
	ops := make([]clientv3.Op, 0, len(writes))
	for _, w := range writes {
		if w.Deleted {
			ops = append(ops, clientv3.OpDelete(s.records+string(w.Key)))
		} else {
			ops = append(ops, clientv3.OpPut(s.records+string(w.Key), string(w.Value)))
		}
	}
	var asked []string
	var otherwise []clientv3.Op
	if size <= maxRequest && r.noted.bytes <= refreshBytes {
		for key := range r.noted.keys {
			asked = append(asked, key)
			otherwise = append(otherwise, clientv3.OpGet(s.records+key))
		}
	}
	// An Update that has begun is finished: the caller's end does not make the outcome unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
	defer cancel()
	began := s.cfg.Now()
	resp, err := s.client.Txn(ctx).If(compares...).Then(ops...).Else(otherwise...).Commit()
	if err != nil {
		return 0, nil, commitError(err)
	}
	rev := store.Revision(resp.Header.Revision)
	s.proofs.add(proof{rev, began})
	if resp.Succeeded {
		return rev, nil, nil
	}
	if len(asked) == 0 {
		return 0, new(state), nil
	}
	next := &state{revision: resp.Header.Revision, known: make(map[string]known, len(asked))}
	for i, key := range asked {
		k := known{}
		if kvs := resp.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
			k = known{s.entry(kvs[0]), true}
		}
		next.known[key] = k
	}
	return 0, next, nil
}

// compares says that every key is as it was read, and that nothing has come into the ranges.
func (s *Store) compares(r *reader, size int) []clientv3.Cmp {
	compares := make([]clientv3.Cmp, 0, len(r.noted.keys)+len(r.noted.ranges))
	for key, rev := range r.noted.keys {
		compares = append(compares, clientv3.Compare(clientv3.ModRevision(s.records+key), "=", rev))
	}
	if size > maxRequest {
		return compares
	}
	for i, sp := range r.noted.ranges {
		if len(compares) >= store.MaxOps || slices.Contains(r.noted.ranges[:i], sp) {
			continue
		}
		compares = append(compares, clientv3.Compare(clientv3.ModRevision(sp.from).WithRange(sp.to), "<", r.revision+1))
	}
	return compares
}
