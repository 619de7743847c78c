// Package follow keeps a value current that is made from all records under one prefix of a store: an immutable view in memory,
// loaded once and then carried on by watch.
//
// A reader gets the newest view by one atomic load. Whoever wrote something waits until the view has reached the write. How
// fresh the view is is known, not hoped: it is as old as the last word of the watch, in monotonic time, and silence is no
// word. Where the watch breaks it is resumed; where history is gone, or a record cannot be read, everything is loaded anew; a
// reader keeps the last good view meanwhile.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// View is what is kept: a pointer to an immutable T that knows which revision it shows.
type View[T any] interface {
	*T
	Revision() store.Revision
}

// Round makes the next view from the current one.
type Round[T any] interface {
	// Apply takes in one batch; batches come in order. After an error the round is given up and everything is loaded anew.
	Apply(store.Batch) error
	// End returns the new view, at the revision of the last batch.
	End() *T
	// Published is called when readers see the new view.
	Published()
}

// Config of a [Follower]. Name, Store, Prefix, Load and Begin must be set.
type Config[T any] struct {
	Name   string // what the view is called in errors and logs
	Store  store.Store
	Prefix []byte
	Empty  *T // the view before the first load; its revision is zero
	// Load reads everything. An error that is to be cured by reading again is cured by itself.
	Load func(context.Context) (*T, error)
	// Begin begins a round on the current view. One round is at work at a time.
	Begin func(current *T) Round[T]

	Now      func() time.Time // for freshness; must carry a monotonic reading. nil means time.Now
	Log      *slog.Logger     // nil logs nothing
	RetryMin time.Duration    // first pause after a failure, doubled after each further one; zero means 50 ms
	RetryMax time.Duration    // longest pause; zero means 5 s
}

// Follower keeps a view current. Make it with [New] and call Run once. All methods are safe for concurrent use.
type Follower[T any, V View[T]] struct {
	config  Config[T]
	current atomic.Pointer[T]

	mu      sync.Mutex
	loaded  bool
	ended   error // why Run returned
	err     error // what keeps it from following right now
	fresh   time.Time
	started time.Time
	waiters map[*waiter[T]]struct{}
	stats   Stats
}

// Stats counts what a follower did.
type Stats struct {
	Loads     int // times that everything was read from the store
	Resumes   int // watches that were taken up again where they broke
	Batches   int // applied, progress notices not counted
	Published int // views made current
	Failures  int // errors that were followed by a pause
}

type waiter[T any] struct {
	rev  store.Revision
	done chan struct{} // closed when view is set, or when there will be none
	view *T
}

// New returns a follower whose view is the empty one until Run has loaded another.
func New[T any, V View[T]](config Config[T]) *Follower[T, V] {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.RetryMin == 0 {
		config.RetryMin = 50 * time.Millisecond
	}
	if config.RetryMax == 0 {
		config.RetryMax = 5 * time.Second
	}
	f := &Follower[T, V]{config: config, waiters: make(map[*waiter[T]]struct{}), started: config.Now()}
	f.current.Store(config.Empty)
	return f
}

// Current returns the newest view: one atomic load. It is never nil; before the first load it is the empty one.
func (f *Follower[T, V]) Current() *T { return f.current.Load() }

func (f *Follower[T, V]) revision() store.Revision { return V(f.Current()).Revision() }

// Loaded reports whether a view has been loaded at all. Until then Current is empty; Wait(ctx, 0) waits for it.
func (f *Follower[T, V]) Loaded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded
}

// Err says what keeps the follower from following: nil while all is well. While it is not nil, Current stays at the last
// good view and Freshness grows.
func (f *Follower[T, V]) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Freshness is how long ago the view was last known to be current, in monotonic time: when a load began, or when the store proved it
// for what the watch brought (see [store.Batch]). Silence is no proof of anything, and nor are changes that a store elsewhere has
// sent some time ago; a healthy watch brings a proof every [store.ProgressInterval]. Before the first load it is how long the follower has existed.
func (f *Follower[T, V]) Freshness() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	since := f.fresh
	if since.IsZero() {
		since = f.started
	}
	return f.config.Now().Sub(since)
}

// Stats returns the counts so far.
func (f *Follower[T, V]) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Wait returns the view as soon as it has been loaded and has reached rev. It fails with [fault.Unavailable] when ctx ends
// before or Run has returned.
func (f *Follower[T, V]) Wait(ctx context.Context, rev store.Revision) (*T, error) {
	f.mu.Lock()
	if f.loaded && f.revision() >= rev {
		defer f.mu.Unlock()
		return f.current.Load(), nil
	}
	if f.ended != nil {
		f.mu.Unlock()
		return nil, f.unavailable(f.ended)
	}
	w := &waiter[T]{rev: rev, done: make(chan struct{})}
	f.waiters[w] = struct{}{}
	f.mu.Unlock()

	select {
	case <-w.done:
		if w.view != nil {
			return w.view, nil
		}
		return nil, f.unavailable(errEnded)
	case <-ctx.Done():
		f.mu.Lock()
		delete(f.waiters, w)
		f.mu.Unlock()
		return nil, f.unavailable(context.Cause(ctx))
	}
}

// Reach is Wait for those who do not want the view.
func (f *Follower[T, V]) Reach(ctx context.Context, rev store.Revision) error {
	_, err := f.Wait(ctx, rev)
	return err
}

func (f *Follower[T, V]) unavailable(cause error) error {
	return &fault.Error{Kind: fault.Unavailable, Subject: f.config.Name, Cause: cause}
}

var errEnded = errors.New("the follower has ended")

// Run loads and follows until ctx ends or the store is closed, and returns why.
func (f *Follower[T, V]) Run(ctx context.Context) error {
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

func (f *Follower[T, V]) run(ctx context.Context) error {
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

func (f *Follower[T, V]) load(ctx context.Context) error {
	began := f.config.Now()
	f.count(func(s *Stats) { s.Loads++ })
	view, err := f.config.Load(ctx)
	if err != nil {
		return fmt.Errorf("loading the %s: %w", f.config.Name, err)
	}
	f.publish(view, began)
	return nil
}

func (f *Follower[T, V]) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.stats.Failures++
	f.mu.Unlock()
	f.config.Log.Warn("the "+f.config.Name+" cannot follow the store", "error", err, "revision", int64(f.revision()))
}

func (f *Follower[T, V]) count(do func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(&f.stats)
}

// publish makes view current. It was known to be so at the time at, which is zero where nothing is known of that.
func (f *Follower[T, V]) publish(view *T, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = nil
	if at.After(f.fresh) {
		f.fresh = at
	}
	reached := V(view).Revision()
	if f.loaded && f.revision() == reached {
		return // a progress notice without news
	}
	f.current.Store(view)
	f.loaded = true
	f.stats.Published++
	for w := range f.waiters {
		if w.rev <= reached {
			delete(f.waiters, w)
			w.view = view
			close(w.done)
		}
	}
}

// maxRound bounds how many batches are applied before they are published.
const maxRound = 1024

// follow watches from the current view on until the watch ends. moved says that it brought something.
func (f *Follower[T, V]) follow(ctx context.Context) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan store.Batch, maxRound)
	var ended error
	var watching sync.WaitGroup
	watching.Go(func() {
		defer close(news)
		ended = store.ErrLost // a sequence that ends without an error
		for batch, err := range f.config.Store.Watch(ctx, f.config.Prefix, f.revision()) {
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

	for batch := range news {
		if err := f.round(batch, news); err != nil {
			return moved, err
		}
		moved = true
	}
	return moved, fmt.Errorf("watching the store: %w", ended)
}

// round applies a batch and all that already wait behind it, and publishes once.
func (f *Follower[T, V]) round(batch store.Batch, news <-chan store.Batch) error {
	round := f.config.Begin(f.Current())
	began := f.config.Now()
	var at time.Time // the latest proof
	batches := 0
	for n := 1; ; n++ {
		if err := round.Apply(batch); err != nil {
			return fmt.Errorf("%w: %w", errRecord, err)
		}
		switch {
		case batch.Unproven:
		case batch.Proven.IsZero():
			at = began
		case batch.Proven.After(at):
			at = batch.Proven
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
	f.publish(round.End(), at)
	round.Published()
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
