package etcd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// # Progress is proven
//
// A watch that says nothing may be healthy or dead, and a member that is cut off from the others goes on to answer for a
// while. So a progress notice has two parts. One goroutine of the store asks the quorum for the newest revision, twice in
// [store.ProgressInterval] while anybody watches; with the time at which it asked, that is a proof (the answer to a commit
// is one too). A watch gives a notice when it has delivered everything up to the revision of a proof that is younger than the
// interval: the state that its reader has was the newest one at that time.
//
// That a watch has delivered everything up to a revision it knows from a change of this revision, or from etcd's own
// progress notice. etcd documents for the latter that "all future events received in this stream are guaranteed to have a
// higher revision number"; it sends them along the same way as events, and only when all watches of the stream have
// caught up. By itself it sends one every ten minutes, so a watch that has not seen the revision of a proof asks for one. One
// watch to a stream, so that none waits for another.

const (
	proveEvery = store.ProgressInterval / 2

	// askAfter is how long a watch waits for a change to bring it to a revision before it asks; askGap is the pause between
	// questions, and askAgain how long an answer may take.
	askAfter = 3 * time.Millisecond
	askGap   = 10 * time.Millisecond
	askAgain = 200 * time.Millisecond
)

// proof says that revision was the newest one at some time after at.
type proof struct {
	revision store.Revision
	at       time.Time
}

// proofs hands the newest proof to the watches.
type proofs struct {
	mu      sync.Mutex
	last    proof
	highest store.Revision // that this process has come upon
	epoch   int            // how often the store went back
	news    chan struct{}  // closed at the next one
}

func (p *proofs) seen(r store.Revision) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.highest = max(p.highest, r)
}

func (p *proofs) newest() store.Revision {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.highest
}

func (p *proofs) add(n proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.highest = max(p.highest, n.revision)
	if n.at.After(p.last.at) {
		p.last = n
	}
	close(p.news)
	p.news = make(chan struct{})
}

// wentBack begins a new count: the cluster is not the one it was, or is it as it was before.
func (p *proofs) wentBack(n proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.highest, p.last = n.revision, n
	p.epoch++
	close(p.news)
	p.news = make(chan struct{})
}

func (p *proofs) get() (last proof, highest store.Revision, epoch int, news <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.highest, p.epoch, p.news
}

// prove asks the quorum while anybody watches, until ctx ends.
func (s *Store) prove(ctx context.Context) {
	tick := time.NewTicker(proveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wanted:
		case <-tick.C:
		}
		if s.watchers.Load() == 0 {
			continue
		}
		before, began := s.proofs.newest(), s.cfg.Now()
		head, err := s.head(ctx)
		switch {
		case err != nil: // the watches' silence says it
		case head < before:
			s.lg.Error("etcd went back in time: it was restored from a copy or replaced; everything is loaded anew", "from", int64(before), "to", int64(head))
			s.proofs.wentBack(proof{head, began})
		default:
			s.proofs.add(proof{head, began})
		}
	}
}

// Watch yields what etcd's watch brings, and proofs.
func (s *Store) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		if err := s.watch(ctx, prefix, after, yield); err != nil {
			yield(store.Batch{}, err)
		}
	}
}

// watch returns nil when yield wanted no more.
func (s *Store) watch(ctx context.Context, prefix []byte, after store.Revision, yield func(store.Batch, error) bool) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.watchers.Add(1)
	defer s.watchers.Add(-1)
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() { // lets a watch that is being made end with the store
		select {
		case <-s.ending:
			cancel()
		case <-ended:
		}
	}()
	streamCtx = metadata.AppendToOutgoingContext(streamCtx, "ostiary-watch", strconv.FormatInt(s.streams.Add(1), 10))
	streamCtx = clientv3.WithRequireLeader(streamCtx) // a member without one ends its watches
	_, _, epoch, _ := s.proofs.get()
	w := &watcher{s: s, ctx: streamCtx, at: after, from: after, epoch: epoch, yield: yield}
	w.events = s.client.Watch(streamCtx, s.records+string(prefix), clientv3.WithPrefix(), clientv3.WithRev(int64(after)+1), clientv3.WithFragment())
	select {
	case s.wanted <- struct{}{}: // the first proof comes now, not at the next tick
	default:
	}
	more, err := true, error(nil)
	for more && err == nil {
		more, err = w.step()
	}
	switch {
	case err == nil:
		return nil
	case s.closed.Load():
		return store.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// watcher is the state of one watch.
type watcher struct {
	s      *Store
	ctx    context.Context // of the stream
	events clientv3.WatchChan
	yield  func(store.Batch, error) bool
	epoch  int

	from  store.Revision // nothing is told before the store has reached it
	at    store.Revision // everything up to here has been delivered
	begun bool
	told  store.Revision // the newest one that was yielded
	since time.Time      // of the last notice: when it was proven
	aside proof          // one to reach

	ask   time.Time // when to ask for progress; zero is not
	asked time.Time // when it was asked for last, and no answer came; zero is not
	last  time.Time // when it was asked for last
}

// step waits for something and yields what it brings. more is false when the caller wants no more.
func (w *watcher) step() (more bool, err error) {
	last, highest, epoch, news := w.s.proofs.get()
	if epoch != w.epoch {
		return true, fmt.Errorf("%w: the store went back", store.ErrCompacted)
	}
	now := w.s.cfg.Now()
	if p := w.reachable(last, now); w.due(p, now) {
		w.told, w.since, w.begun, w.aside = w.at, p.at, true, proof{}
		return w.yield(store.Batch{Revision: w.at, Proven: p.at}, nil), nil
	}
	w.plan(highest, now)
	timer := time.NewTimer(w.wait(now))
	defer timer.Stop()
	select {
	case <-w.ctx.Done():
		return true, w.ctx.Err()
	case <-w.s.ending:
		return true, store.ErrClosed
	case resp, ok := <-w.events:
		if !ok {
			return true, fmt.Errorf("%w: etcd ended the stream", store.ErrLost)
		}
		return w.take(&resp)
	case <-news:
	case <-timer.C:
	}
	if !w.ask.IsZero() && !w.s.cfg.Now().Before(w.ask) {
		w.request()
	}
	return true, nil
}

// reachable returns the newest proof, or while the watch is behind it one that was set aside earlier: where much is written there is always
// a newer one, and a watch that only looked at that would never have anything to say.
func (w *watcher) reachable(last proof, now time.Time) proof {
	if w.at >= last.revision {
		return last
	}
	if !w.aside.at.After(w.since) || now.Sub(w.aside.at) > store.ProgressInterval {
		w.aside = last
	}
	return w.aside
}

// due says whether the proof is one for this watch, and worth telling.
func (w *watcher) due(p proof, now time.Time) bool {
	if p.at.IsZero() || p.revision < w.from || w.at < p.revision || now.Sub(p.at) > store.ProgressInterval || !p.at.After(w.since) {
		return false
	}
	return !w.begun || w.at > w.told || p.at.Sub(w.since) >= proveEvery/2
}

// plan decides when to ask for progress.
func (w *watcher) plan(highest store.Revision, now time.Time) {
	switch {
	case w.at >= highest:
		w.ask, w.asked = time.Time{}, time.Time{}
	case !w.asked.IsZero():
		w.ask = w.asked.Add(askAgain)
	case w.ask.IsZero():
		w.ask = now.Add(askAfter)
		if next := w.last.Add(askGap); next.After(w.ask) {
			w.ask = next
		}
	}
}

func (w *watcher) wait(now time.Time) time.Duration {
	if w.ask.IsZero() {
		return time.Hour // a proof comes long before
	}
	return max(0, w.ask.Sub(now))
}

// request asks for progress. The client's library holds the call up while it has no connection, and then there is none.
func (w *watcher) request() {
	ctx, cancel := context.WithTimeout(w.ctx, askAgain/2)
	defer cancel()
	_ = w.s.client.RequestProgress(ctx) // asked again if nothing comes
	w.last = w.s.cfg.Now()
	w.asked, w.ask = w.last, time.Time{}
}

// take yields an answer of the stream, one batch to a revision.
func (w *watcher) take(resp *clientv3.WatchResponse) (more bool, err error) {
	switch err := resp.Err(); {
	case err == nil:
	case resp.CompactRevision != 0 || errors.Is(err, rpctypes.ErrCompacted):
		return true, fmt.Errorf("%w: etcd has compacted up to revision %d", store.ErrCompacted, resp.CompactRevision)
	default:
		return true, fmt.Errorf("%w: etcd: %w", store.ErrLost, err)
	}
	if resp.IsProgressNotify() {
		w.at = max(w.at, store.Revision(resp.Header.Revision))
		w.asked = time.Time{}
		return true, nil
	}
	for events := resp.Events; len(events) > 0; {
		n := 1
		for n < len(events) && events[n].Kv.ModRevision == events[0].Kv.ModRevision {
			n++
		}
		b := w.s.batch(events[:n])
		events = events[n:]
		if b.Revision <= w.at {
			// No etcd that keeps its word sends this. What came before cannot be relied on either.
			return true, fmt.Errorf("%w: etcd sent revision %d after %d", store.ErrCompacted, b.Revision, w.at)
		}
		w.at, w.told, w.begun = b.Revision, b.Revision, true
		if !w.yield(b, nil) {
			return false, nil
		}
		if err := w.ctx.Err(); err != nil {
			return true, err
		}
	}
	return true, nil
}

// batch makes a batch of the events of one revision.
func (s *Store) batch(events []*clientv3.Event) store.Batch {
	b := store.Batch{Revision: store.Revision(events[0].Kv.ModRevision), Changes: make([]store.Change, 0, len(events)), Unproven: true}
	for _, e := range events {
		c := store.Change{Key: s.trim(e.Kv.Key), Value: e.Kv.Value}
		if e.Type == mvccpb.Event_DELETE {
			c.Value, c.Deleted = nil, true
		}
		b.Changes = append(b.Changes, c)
	}
	slices.SortFunc(b.Changes, func(a, b store.Change) int { return cmp.Or(bytes.Compare(a.Key, b.Key)) })
	return b
}
