package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Bounds of one transaction of a restore, well within the store's, and how many run at once: engines commit such groups together.
const (
	batchKeys  = 100
	batchBytes = 1 << 20
	workers    = 16
	// clearKeys is how many keys are looked up at a time when a store is emptied.
	clearKeys = 10_000
	attempts  = 5 // of a transaction whose outcome is unknown; writing it again does no harm
)

// Mark begins a restore: from now on no node serves from st. It wraps [ErrNotEmpty] where there is anything in st and overwrite is
// false, also what another restore left. id names the attempt.
func (a *Archive) Mark(ctx context.Context, st store.Store, id string, overwrite bool, now time.Time) error {
	if !overwrite {
		empty, err := Empty(ctx, st)
		if err != nil {
			return err
		}
		if !empty {
			return ErrNotEmpty
		}
	}
	marker := entity.Encode(&entity.Restoring{
		ID: id, StartedAt: now.UTC().Truncate(time.Second), TakenAt: a.TakenAt, Revision: a.Revision, Records: a.Records,
	})
	_, err := st.Update(ctx, func(tx store.Txn) error {
		tx.Put(entity.SystemKey(entity.SysRestore), marker)
		return nil
	})
	return fault.Wrap(err, "marking the store as the target of a restore")
}

// Empty reports whether there is nothing at all in a store.
func Empty(ctx context.Context, st store.Store) (empty bool, err error) {
	err = st.View(ctx, func(r store.Reader) error {
		empty = true
		for _, err := range r.Range(nil) {
			empty = false
			return err
		}
		return nil
	})
	return empty, fault.Wrap(err, "looking whether the store is empty")
}

// Restoration is how to restore.
type Restoration struct {
	Store store.Store
	ID    string // as given to Mark
	Now   time.Time
	// Event makes the record that the restore leaves in the outbox, and its key; nil leaves none.
	Event func(Summary) (key, record []byte, err error)
	// Progress is told how many records are written, now and then; nil means nobody is.
	Progress func(done, all int64)
}

// Restore brings the marked store to the state of the backup, and unmarks it. When it fails or is cut off the store stays marked.
// It wraps [ErrDisturbed] where another restore has taken the store over, or what was written is not what is there.
func (a *Archive) Restore(ctx context.Context, r Restoration) error {
	if err := clearStore(ctx, &r); err != nil {
		return fault.Wrap(err, "emptying the store")
	}
	if err := a.write(ctx, &r); err != nil {
		return fault.Wrap(err, "writing records")
	}
	if err := a.compare(ctx, r.Store); err != nil {
		return fault.Wrap(err, "comparing the store with the backup")
	}
	return fault.Wrap(a.end(ctx, &r), "ending the restore")
}

// end unmarks the store.
func (a *Archive) end(ctx context.Context, r *Restoration) error {
	var key, record []byte
	if r.Event != nil {
		var err error
		if key, record, err = r.Event(a.Summary); err != nil {
			return err
		}
	}
	now := entity.Encode(&entity.Incarnation{ID: r.ID, RestoredAt: r.Now.UTC().Truncate(time.Second), TakenAt: a.TakenAt, Revision: a.Revision})
	_, err := r.update(ctx, func(tx store.Txn) {
		tx.Put(entity.SystemKey(entity.SysIncarnation), now)
		tx.Delete(entity.SystemKey(entity.SysRestore))
		if key != nil {
			tx.Put(key, record)
		}
	})
	return err
}

// update runs fn in a transaction that sees to it that the restore is still this one.
func (r *Restoration) update(ctx context.Context, fn func(store.Txn)) (rev store.Revision, err error) {
	for n := 1; ; n++ {
		rev, err = r.Store.Update(ctx, func(tx store.Txn) error {
			e, ok, err := tx.Get(entity.SystemKey(entity.SysRestore))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("%w: the restore's marker is gone", ErrDisturbed)
			}
			marker, err := entity.Decode[entity.Restoring](e.Value)
			if err != nil {
				return err
			}
			if marker.ID != r.ID {
				return fmt.Errorf("%w: another restore was begun at %s", ErrDisturbed, marker.StartedAt.Format(time.RFC3339))
			}
			fn(tx)
			return nil
		})
		if !errors.Is(err, store.ErrUnknownOutcome) || n == attempts || ctx.Err() != nil {
			return rev, err
		}
	}
}

// parallel runs do for each of what feed yields, several at once, until the first error.
func parallel[T any](ctx context.Context, feed iter.Seq2[T, error], do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan T)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for one := range work {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	for one, err := range feed {
		if err != nil {
			cancel(err)
			break
		}
		select {
		case work <- one:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// clearStore deletes everything but the marker.
func clearStore(ctx context.Context, r *Restoration) error {
	marker := string(entity.SystemKey(entity.SysRestore))
	for {
		var keys [][]byte
		err := r.Store.View(ctx, func(rd store.Reader) error {
			keys = nil
			for e, err := range rd.Range(nil) {
				if err != nil {
					return err
				}
				if string(e.Key) != marker {
					keys = append(keys, bytes.Clone(e.Key)) // the entry's own has the value behind it
				}
				if len(keys) == clearKeys {
					break
				}
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		batches := func(yield func([][]byte, error) bool) {
			for ; len(keys) > 0; keys = keys[min(batchKeys, len(keys)):] {
				if !yield(keys[:min(batchKeys, len(keys))], nil) {
					return
				}
			}
		}
		if err := parallel(ctx, batches, func(ctx context.Context, batch [][]byte) error {
			_, err := r.update(ctx, func(tx store.Txn) {
				for _, k := range batch {
					tx.Delete(k)
				}
			})
			return err
		}); err != nil {
			return err
		}
	}
}

// write writes all records.
func (a *Archive) write(ctx context.Context, r *Restoration) error {
	var done atomic.Int64
	var mu sync.Mutex // Progress is called by one at a time
	return parallel(ctx, a.batches(), func(ctx context.Context, batch []store.Entry) error {
		_, err := r.update(ctx, func(tx store.Txn) {
			for _, e := range batch {
				tx.Put(e.Key, e.Value)
			}
		})
		if n := done.Add(int64(len(batch))); err == nil && r.Progress != nil {
			mu.Lock()
			r.Progress(n, a.Records)
			mu.Unlock()
		}
		return err
	})
}

// batches yields the records in what fits into a transaction.
func (a *Archive) batches() iter.Seq2[[]store.Entry, error] {
	return func(yield func([]store.Entry, error) bool) {
		var batch []store.Entry
		size := 0
		for e, err := range a.entries() {
			if err != nil {
				yield(nil, err)
				return
			}
			if n := len(e.Key) + len(e.Value); len(batch) == batchKeys || len(batch) > 0 && size+n > batchBytes {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
			batch, size = append(batch, e), size+len(e.Key)+len(e.Value)
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// compare holds the store against the file, record by record.
func (a *Archive) compare(ctx context.Context, st store.Store) error {
	next, stop := iter.Pull2(a.entries())
	defer stop()
	marker := entity.SystemKey(entity.SysRestore)
	return st.View(ctx, func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if bytes.Equal(e.Key, marker) {
				continue
			}
			want, err, ok := next()
			if err != nil {
				return err
			}
			if !ok || !bytes.Equal(want.Key, e.Key) || !bytes.Equal(want.Value, e.Value) {
				return fmt.Errorf("%w: %s is not as in the backup", ErrDisturbed, keyenc.Print(e.Key))
			}
		}
		if want, err, ok := next(); ok || err != nil {
			return errors.Join(err, fmt.Errorf("%w: %s is missing", ErrDisturbed, keyenc.Print(want.Key)))
		}
		return nil
	})
}
