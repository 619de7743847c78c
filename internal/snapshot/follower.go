package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Config of a [Follower]. Store and Managed must be set; the rest has usable zero values.
type Config struct {
	Store   store.Store
	Managed Managed          // AWS managed policies
	Now     func() time.Time // for freshness; must carry a monotonic reading. nil means time.Now
	Log     *slog.Logger     // nil logs nothing

	// CompileFailed is told of every document that became a policy that denies everything, if it is not nil. It must not
	// block, and it may be called by several goroutines.
	CompileFailed func(name string, err error)

	CacheBytes int64         // bound of the compiled policies, as estimated; zero means 256 MiB
	RetryMin   time.Duration // first pause after a failure, doubled after each further one; zero means 50 ms
	RetryMax   time.Duration // longest pause; zero means 5 s
}

// Follower keeps a snapshot current. Make it with [New] and call Run once. All methods are safe for concurrent use.
type Follower struct {
	config  Config
	cache   *cache
	current atomic.Pointer[Snapshot]

	mu      sync.Mutex
	loaded  bool
	ended   error // why Run returned
	err     error // what keeps it from following right now
	fresh   time.Time
	started time.Time
	waiters map[*waiter]struct{}
	stats   Stats
}

// Stats counts what a follower did.
type Stats struct {
	Loads     int // times that everything was read from the store
	Resumes   int // watches that were taken up again where they broke
	Batches   int // applied, progress notices not counted
	Published int // snapshots made current
	Failures  int // errors that were followed by a pause

	Documents int   // compiled policies in memory
	Linked    int   // principals whose policies are linked
	Bytes     int64 // estimate for both
}

type waiter struct {
	rev      store.Revision
	done     chan struct{} // closed when snapshot is set, or when there will be none
	snapshot *Snapshot
}

// New returns a follower whose snapshot is empty until Run has loaded one.
func New(config Config) *Follower {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	orDefault(&config.CacheBytes, 256<<20)
	orDefault(&config.RetryMin, 50*time.Millisecond)
	orDefault(&config.RetryMax, 5*time.Second)
	f := &Follower{config: config, waiters: make(map[*waiter]struct{}), started: config.Now()}
	f.cache = &cache{
		managed:  config.Managed,
		budget:   config.CacheBytes,
		compiled: make(map[docKey]*compiled),
		failed: func(name string, err error) {
			config.Log.Error("a policy cannot be used and denies everything", "policy", name, "error", err)
			if config.CompileFailed != nil {
				config.CompileFailed(name, err)
			}
		},
	}
	f.current.Store(emptySnapshot(f.cache))
	return f
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Current returns the newest snapshot: one atomic load. It is never nil; before the first load it is empty.
func (f *Follower) Current() *Snapshot { return f.current.Load() }

// Loaded reports whether a snapshot has been loaded at all. Until then Current is empty; Wait(ctx, 0) waits for it.
func (f *Follower) Loaded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded
}

// Err says what keeps the follower from following: nil while all is well. While it is not nil, Current stays at the last
// good snapshot and Freshness grows.
func (f *Follower) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Freshness is how long ago the snapshot was last known to be current, in monotonic time: when a load began, or when the
// watch brought changes or a progress notice. Silence is no proof of anything; a healthy watch speaks up every
// [store.ProgressInterval]. Before the first load it is how long the follower has existed.
func (f *Follower) Freshness() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := f.fresh
	if since.IsZero() {
		since = f.started
	}
	return f.config.Now().Sub(since)
}

// Stats returns the counts so far.
func (f *Follower) Stats() Stats {
	f.mu.Lock()
	s := f.stats
	f.mu.Unlock()
	s.Documents, s.Linked, s.Bytes = f.cache.stats()
	return s
}

// Wait returns the snapshot as soon as it has been loaded and has reached rev. It fails with [fault.Unavailable] when ctx
// ends before or Run has returned.
func (f *Follower) Wait(ctx context.Context, rev store.Revision) (*Snapshot, error) {
	f.mu.Lock()
	if s := f.current.Load(); f.loaded && s.revision >= rev {
		f.mu.Unlock()
		return s, nil
	}
	if f.ended != nil {
		f.mu.Unlock()
		return nil, &fault.Error{Kind: fault.Unavailable, Subject: "snapshot", Cause: f.ended}
	}
	w := &waiter{rev: rev, done: make(chan struct{})}
	f.waiters[w] = struct{}{}
	f.mu.Unlock()

	select {
	case <-w.done:
		if w.snapshot != nil {
			return w.snapshot, nil
		}
		return nil, &fault.Error{Kind: fault.Unavailable, Subject: "snapshot", Cause: errEnded}
	case <-ctx.Done():
		f.mu.Lock()
		delete(f.waiters, w)
		f.mu.Unlock()
		return nil, &fault.Error{Kind: fault.Unavailable, Subject: "snapshot", Cause: context.Cause(ctx)}
	}
}

var errEnded = errors.New("the follower has ended")

// Run loads and follows until ctx ends or the store is closed, and returns why.
func (f *Follower) Run(ctx context.Context) error {
	err := f.run(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = errors.Join(errEnded, err)
	for w := range f.waiters {
		delete(f.waiters, w)
		close(w.done)
	}
	return err
}

func (f *Follower) run(ctx context.Context) error {
	pause := f.config.RetryMin
	for reload := true; ; {
		var moved bool
		var err error
		if reload {
			err = f.load(ctx)
		}
		if err == nil {
			reload = false
			moved, err = f.follow(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, store.ErrClosed) {
			return err
		}
		if moved {
			pause = f.config.RetryMin
		}
		f.fail(err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, f.config.RetryMax)
		if errors.Is(err, store.ErrCompacted) || errors.Is(err, errRecord) {
			reload = true
		}
		if !reload {
			f.count(func(s *Stats) { s.Resumes++ })
		}
	}
}

// errRecord marks a record that cannot be used. Everything is loaded anew until it is gone: what was coalesced with it is
// not known to be consistent without it.
var errRecord = errors.New("a record cannot be read")

func (f *Follower) load(ctx context.Context) error {
	began := f.config.Now()
	f.count(func(s *Stats) { s.Loads++ })
	s, err := load(ctx, f.config.Store, f.cache)
	if err != nil {
		return fmt.Errorf("loading the snapshot: %w", err)
	}
	f.publish(s, began)
	f.config.Log.Info("snapshot loaded", "revision", int64(s.revision), "accounts", s.AccountCount(), "users", s.users.len(),
		"roles", s.roles.len(), "took", f.config.Now().Sub(began))
	return nil
}

func (f *Follower) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.stats.Failures++
	f.mu.Unlock()
	f.config.Log.Warn("the snapshot cannot follow the store", "error", err, "revision", int64(f.Current().revision))
}

func (f *Follower) count(do func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(&f.stats)
}

// publish makes s current. It was known to be so at the time at.
func (f *Follower) publish(s *Snapshot, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.fresh = nil, at
	if f.loaded && f.current.Load().revision == s.revision {
		return // a progress notice without news
	}
	f.current.Store(s)
	f.loaded = true
	f.stats.Published++
	for w := range f.waiters {
		if w.rev <= s.revision {
			delete(f.waiters, w)
			w.snapshot = s
			close(w.done)
		}
	}
}

// maxRound bounds how many batches are applied before they are published.
const maxRound = 1024

// follow watches from the current snapshot on until the watch ends. moved says that it brought something.
func (f *Follower) follow(ctx context.Context) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan store.Batch, maxRound)
	var ended error
	var watching sync.WaitGroup
	watching.Go(func() {
		defer close(news)
		ended = store.ErrLost // a sequence that ends without an error
		for batch, err := range f.config.Store.Watch(ctx, entity.IdentityPlane, f.Current().revision) {
			if err != nil {
				ended = err
				return
			}
			select {
			case news <- batch:
			case <-ctx.Done():
				return
			}
		}
	})
	defer watching.Wait()
	defer cancel()

	d := new(decoder)
	for batch := range news {
		if err := f.round(d, batch, news); err != nil {
			return moved, err
		}
		moved = true
	}
	return moved, fmt.Errorf("watching the store: %w", ended)
}

// round applies a batch and all that already wait behind it, and publishes once.
func (f *Follower) round(d *decoder, batch store.Batch, news <-chan store.Batch) error {
	e := f.Current().edit(d)
	at := f.config.Now()
	batches := 0
	for n := 1; ; n++ {
		if err := e.apply(batch); err != nil {
			return fmt.Errorf("%w: %w", errRecord, err)
		}
		if len(batch.Changes) > 0 {
			batches++
		}
		var more bool
		if n < maxRound {
			select {
			case batch, more = <-news:
			default:
			}
		}
		if !more {
			break
		}
	}
	f.count(func(s *Stats) { s.Batches += batches })
	f.publish(e.finish(), at)
	f.cache.drop(e.stale)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
