// Package bolt is the embedded engine: one bbolt file, owned by one process.
//
// The file holds two buckets:
//
//	"store"     "format" → 4 bytes, most significant first: the version of this drawing, 1
//	"records"   key → 8 bytes, most significant first: the revision of the Update that wrote it; then the value
//	            the bucket's sequence number is the revision of the newest Update in the file
//
// A file with a newer format, a bbolt file of somebody else and a file that lost its end are refused at Open, with a sentence.
//
// # Commits
//
// One goroutine commits. It takes all Updates that wait, lets each run in its caller's goroutine over what the ones before
// it wrote, and makes them durable together, with one bbolt commit. Each gets its own revision. An Update that fails or
// panics leaves nothing behind. Nobody learns anything from a group, not even an error of his own function that an earlier
// member may have caused, before the group is on disk.
//
// bbolt shows a commit to readers a moment before it is on disk. View and Head wait for that moment to pass, so that
// nothing is handed out that a power failure could take back. Syncing cannot be turned off.
//
// When a commit fails before it could become visible (a full disk, a sync of its pages that failed), its Updates fail with
// [store.ErrUnavailable] and the store goes on: what comes next writes all its pages anew. When it fails later, nobody knows what is on
// disk: its Updates get [store.ErrUnknownOutcome], and the store refuses all service while it opens its file anew, again and again until
// that succeeds. Opening writes the page that says which commit is the newest once more before it syncs: a system whose sync has
// failed may take a page for written that is on no disk, and a later sync of it would prove nothing.
//
// # Watches
//
// Are served from a bounded history in memory, which begins when the file is opened, also when that is for a commit that failed: a watch
// from an earlier revision gets [store.ErrCompacted].
package bolt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/history"
)

// Config says how to open a store. The zero value is good.
type Config struct {
	// History bounds what a watch can resume from.
	History history.Limit
	// MaxFileSize, in bytes, is what the file does not grow beyond; zero is no bound. Updates that would make it grow fail
	// with [store.ErrUnavailable].
	MaxFileSize int
}

// Store implements [store.Store]. Make it with [Open].
type Store struct {
	path     string
	config   Config
	db       *bbolt.DB // guarded by gate; nil while the file cannot be opened anew
	log      atomic.Pointer[history.Log]
	requests chan *request
	stopped  chan struct{} // closed when the commit goroutine has ended

	gate    sync.RWMutex // held shared by running transactions, alone by Close and reopen
	closed  atomic.Bool
	close   func() error  // runs once
	closing chan struct{} // closed when Close begins
	mending sync.WaitGroup

	durable atomic.Int64 // the newest revision that is on disk
	mu      sync.Mutex
	settled sync.Cond // durable rose or broken was set; its lock is mu
	broken  error     // why the store refuses service; guarded by mu
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the file at path and makes it, readable by its owner only, where there is none; the directory must
// be there. [store.ErrLocked] says that another process has it open.
func Open(path string, c Config) (*Store, error) {
	db, head, err := openFile(path, c.MaxFileSize, true)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	s := &Store{
		path:     path,
		config:   c,
		db:       db,
		requests: make(chan *request, maxGroup),
		stopped:  make(chan struct{}),
		closing:  make(chan struct{}),
	}
	s.log.Store(history.New(c.History, head))
	s.settled.L = &s.mu
	s.durable.Store(int64(head))
	s.close = sync.OnceValue(func() error {
		err := s.shut()
		s.mending.Wait()
		return err
	})
	go s.commits()
	return s, nil
}

// View runs fn on a read transaction of bbolt.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.gate.RUnlock()
	if err := s.brokenErr(); err != nil {
		return err
	}
	tx, err := s.db.Begin(false)
	if err != nil {
		return fmt.Errorf("%w: beginning to read: %w", store.ErrUnavailable, err)
	}
	r := &reader{records: tx.Bucket(recordsBucket)}
	defer func() {
		r.ended = true
		_ = tx.Rollback() // fails only for a transaction that has ended
	}()
	r.revision = store.Revision(r.records.Sequence())
	if err := s.awaitDurable(r.revision); err != nil {
		return err
	}
	return fn(r)
}

// awaitDurable returns when a revision that a reader has come upon is on disk.
func (s *Store) awaitDurable(r store.Revision) error {
	if int64(r) <= s.durable.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.broken == nil && int64(r) > s.durable.Load() {
		s.settled.Wait()
	}
	if int64(r) <= s.durable.Load() {
		return nil
	}
	return s.broken
}

// Watch serves from the history.
func (s *Store) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return s.log.Load().Watch(ctx, prefix, after)
}

// Head returns the newest revision that is on disk.
func (s *Store) Head(ctx context.Context) (store.Revision, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.gate.RUnlock()
	if err := s.brokenErr(); err != nil {
		return 0, err
	}
	return store.Revision(s.durable.Load()), nil
}

// Compact forgets the history up to and including upTo: a watch from before it gets [store.ErrCompacted].
func (s *Store) Compact(upTo store.Revision) { s.log.Load().Compact(upTo) }

// Close ends watches, waits for running transactions and gives the file free.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.closed.Store(true)
	close(s.closing)
	s.log.Load().End(store.ErrClosed)
	s.gate.Lock() // those that are in go on; nobody comes in any more
	defer s.gate.Unlock()
	close(s.requests)
	<-s.stopped
	s.log.Load().End(store.ErrClosed) // the file may have been opened anew meanwhile
	if s.db == nil {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
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

// unavailable wraps what bbolt answered when nothing was changed by it.
func unavailable(step string, err error) error {
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return fmt.Errorf("%w: the file has reached its largest size", store.ErrUnavailable)
	}
	return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, step, err)
}
