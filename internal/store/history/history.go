// Package history keeps the newest changes of an engine in memory, bounded, and serves watches from them.
//
// It holds a log of batches in revision order. Watchers hold a position, not a queue: a slow one costs nothing and loses
// nothing until the log is cut past its position, which it learns as [store.ErrCompacted]. Appending never waits for them.
// Keys and values are kept as they were given and handed out without a copy.
package history

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// Limit bounds a log. The newest batch is always kept, whatever its size.
type Limit struct {
	Batches int // zero means 65,536
	Bytes   int // keys and values, with their overhead; zero means 64 MiB
}

// changeOverhead is what a change takes beside its key and value, roughly.
const changeOverhead = 96

// chunk is how many batches a watcher takes from the log at a time.
const chunk = 64

// Log is the history of one store. All methods are safe for concurrent use.
type Log struct {
	limit Limit

	mu      sync.Mutex
	batches []store.Batch // the first `dropped` are empty; the others are in revision order
	dropped int
	bytes   int
	floor   store.Revision // everything after floor is here
	head    store.Revision
	news    chan struct{} // closed at the next change, where somebody waits
	waiting bool
	end     error // why watches end; nil while they go on
}

// New returns the log of a store whose newest revision is head and of whose past nothing is known.
func New(limit Limit, head store.Revision) *Log {
	if limit.Batches <= 0 {
		limit.Batches = 65536
	}
	if limit.Bytes <= 0 {
		limit.Bytes = 64 << 20
	}
	return &Log{limit: limit, floor: head, head: head, news: make(chan struct{})}
}

// Append adds batches, whose revisions must rise. Their changes must be in key order and not change any more.
func (l *Log) Append(batches ...store.Batch) {
	if len(batches) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range batches {
		l.batches = append(l.batches, b)
		l.bytes += size(b)
		l.head = b.Revision
	}
	for n := len(l.batches) - l.dropped; n > 1 && (n > l.limit.Batches || l.bytes > l.limit.Bytes); n-- {
		l.dropLocked()
	}
	l.tidyLocked()
	l.wakeLocked()
}

// Compact forgets what happened up to and including revision upTo.
func (l *Log) Compact(upTo store.Revision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.dropped < len(l.batches) && l.batches[l.dropped].Revision <= upTo {
		l.dropLocked()
	}
	l.floor = max(l.floor, min(upTo, l.head))
	l.tidyLocked()
	l.wakeLocked()
}

// End ends all watches, present and future, with err. The first call counts.
func (l *Log) End(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = err
	}
	l.wakeLocked()
}

// Watch serves [store.Store.Watch].
func (l *Log) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		w := watcher{log: l, prefix: bytes.Clone(prefix), at: after}
		defer w.stopTimer()
		for {
			batches, head, news, err := l.take(w.at)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(store.Batch{}, err)
				return
			}
			if len(batches) > 0 {
				if !w.deliver(ctx, batches, yield) {
					return
				}
				continue
			}
			if w.due(head) {
				w.told, w.ticked = head, false
				if !yield(store.Batch{Revision: head}, nil) {
					return
				}
				continue // what was written meanwhile comes before waiting
			}
			w.wait(ctx, news)
		}
	}
}

// watcher is the state of one watch.
type watcher struct {
	log    *Log
	prefix []byte
	at     store.Revision // everything up to here has been looked at
	told   store.Revision // the newest revision that was yielded
	ticked bool           // the interval passed in silence
	begun  bool           // told means something
	timer  *time.Timer
}

// deliver yields what the batches hold of the prefix. It reports whether the watch goes on; a context that ended is left to
// the caller's loop.
func (w *watcher) deliver(ctx context.Context, batches []store.Batch, yield func(store.Batch, error) bool) bool {
	for _, b := range batches {
		if ctx.Err() != nil {
			return true
		}
		w.at = b.Revision
		changes := under(b.Changes, w.prefix)
		if len(changes) == 0 {
			continue
		}
		w.told, w.begun, w.ticked = b.Revision, true, false
		if !yield(store.Batch{Revision: b.Revision, Changes: changes}, nil) {
			return false
		}
	}
	return true
}

// due says whether a progress notice is to be given at head, with all before it delivered.
func (w *watcher) due(head store.Revision) bool {
	if head < w.at {
		return false // asked for the future
	}
	first := !w.begun
	w.begun = true
	return first || head > w.told || w.ticked
}

// wait returns when there is news, when the progress interval has passed or when ctx ends.
func (w *watcher) wait(ctx context.Context, news <-chan struct{}) {
	if w.timer == nil {
		w.timer = time.NewTimer(store.ProgressInterval)
	} else {
		w.timer.Reset(store.ProgressInterval)
	}
	select {
	case <-news:
	case <-w.timer.C:
		w.ticked = true
	case <-ctx.Done():
	}
}

func (w *watcher) stopTimer() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// take returns some of the batches after a revision, or none, the head and a channel that is closed at the next change.
func (l *Log) take(after store.Revision) ([]store.Batch, store.Revision, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		return nil, 0, nil, l.end
	}
	if after < l.floor {
		return nil, 0, nil, store.ErrCompacted
	}
	live := l.batches[l.dropped:]
	i := sort.Search(len(live), func(i int) bool { return live[i].Revision > after })
	if i == len(live) {
		l.waiting = true
		return nil, l.head, l.news, nil
	}
	return slices.Clone(live[i:min(i+chunk, len(live))]), l.head, nil, nil
}

func (l *Log) dropLocked() {
	b := &l.batches[l.dropped]
	l.bytes -= size(*b)
	l.floor = b.Revision
	*b = store.Batch{}
	l.dropped++
}

// tidyLocked moves the log to the front of its array when more than half of that is empty.
func (l *Log) tidyLocked() {
	if l.dropped <= len(l.batches)/2 {
		return
	}
	n := copy(l.batches, l.batches[l.dropped:])
	clear(l.batches[n:])
	l.batches, l.dropped = l.batches[:n], 0
}

func (l *Log) wakeLocked() {
	if l.waiting {
		close(l.news)
		l.news, l.waiting = make(chan struct{}), false
	}
}

// under returns the changes whose keys begin with prefix: in key order, they stand together.
func under(changes []store.Change, prefix []byte) []store.Change {
	from := sort.Search(len(changes), func(i int) bool { return bytes.Compare(changes[i].Key, prefix) >= 0 })
	to := from
	for to < len(changes) && bytes.HasPrefix(changes[to].Key, prefix) {
		to++
	}
	return changes[from:to:to]
}

func size(b store.Batch) int {
	n := changeOverhead
	for _, c := range b.Changes {
		n += len(c.Key) + len(c.Value) + changeOverhead
	}
	return n
}
