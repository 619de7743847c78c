package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/store"
)

var watchTests = []testCase{
	{"Batches", testWatchBatches},
	{"WhileWriting", testWatchWhileWriting},
	{"Resume", testWatchResume},
	{"Prefix", testWatchPrefix},
	{"Progress", testWatchProgress},
	{"ProgressInSilence", testWatchSilence},
	{"Future", testWatchFuture},
	{"Compaction", testWatchCompaction},
	{"Context", testWatchContext},
	{"ManyWatchers", testManyWatchers},
}

// watch is a watch that is pulled from.
type watch struct {
	e    *env
	next func() (store.Batch, error, bool)
	stop func()
	last store.Revision
}

// watch starts to watch at its first call of batch.
func (e *env) watch(prefix string, after store.Revision) *watch {
	w := &watch{e: e, last: after}
	w.next, w.stop = iter.Pull2(e.s.Watch(e.ctx, []byte(prefix), after))
	e.Cleanup(w.stop)
	return w
}

// batch returns the next batch, which may be a progress notice.
func (w *watch) batch() store.Batch {
	w.e.Helper()
	b, err, ok := w.next()
	if err != nil || !ok {
		w.e.Fatalf("watch: %v (yielded: %v)", err, ok)
	}
	if b.Revision < w.last || b.Revision == w.last && len(b.Changes) > 0 {
		w.e.Fatalf("watch went from revision %d to %d", w.last, b.Revision)
	}
	w.last = b.Revision
	return b
}

// changes returns the next batch that has changes.
func (w *watch) changes() store.Batch {
	w.e.Helper()
	for {
		if b := w.batch(); len(b.Changes) > 0 {
			return b
		}
	}
}

// wantEnd pulls until the watch ends and wants its error.
func (w *watch) wantEnd(want error) {
	w.e.Helper()
	for {
		_, err, ok := w.next()
		if !ok {
			w.e.Fatal("the watch ended without an error")
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, want) {
			w.e.Fatalf("the watch ended with %v, want %v", err, want)
		}
		if _, _, more := w.next(); more {
			w.e.Fatal("the watch goes on after an error")
		}
		return
	}
}

// render shows a batch for comparison.
func render(b store.Batch) (lines []string) {
	for _, c := range b.Changes {
		if c.Deleted {
			lines = append(lines, fmt.Sprintf("-%s (%d bytes)", c.Key, len(c.Value)))
		} else {
			lines = append(lines, fmt.Sprintf("%s=%s", c.Key, c.Value))
		}
	}
	return lines
}

// wantBatch compares the next batch with changes.
func (w *watch) wantBatch(r store.Revision, lines ...string) {
	w.e.Helper()
	b := w.changes()
	if diff := cmp.Diff(lines, render(b)); diff != "" || b.Revision != r {
		w.e.Fatalf("batch at revision %d, want %d (-want +got):\n%s", b.Revision, r, diff)
	}
}

func testWatchBatches(e *env) {
	start := e.head()
	w := e.watch("", start)
	first := e.put("b", "1", "a", "1", "c", "1")
	second := e.update(func(tx store.Txn) {
		tx.Put([]byte("a"), []byte("2"))
		tx.Put([]byte("a"), []byte("3"))
		tx.Delete([]byte("c"))
		tx.Delete([]byte("nothing"))
		tx.Put([]byte("d"), []byte("1"))
		tx.Delete([]byte("d"))
		tx.Delete([]byte("b"))
		tx.Put([]byte("b"), []byte("4"))
	})
	if _, err := e.s.Update(e.ctx, func(tx store.Txn) error {
		tx.Put([]byte("a"), []byte("failed"))
		return context.Canceled
	}); err != context.Canceled {
		e.Fatal(err)
	}
	e.update(func(tx store.Txn) { tx.Delete([]byte("nothing")) })
	third := e.put("a", "3", "e", "")
	w.wantBatch(first, "a=1", "b=1", "c=1")
	w.wantBatch(second, "a=3", "b=4", "-c (0 bytes)")
	w.wantBatch(third, "a=3", "e=")
	again := e.watch("", start)
	again.wantBatch(first, "a=1", "b=1", "c=1")
}

// testWatchWhileWriting follows concurrent Updates and rebuilds their state, one whole Update at a time.
func testWatchWhileWriting(e *env) {
	const workers, each = 8, 30
	w := e.watch("", e.head())
	done := make(chan store.Revision)
	go func() {
		parallel(workers, func(me int) {
			random := rand.New(rand.NewPCG(uint64(me), 1))
			for i := range each {
				e.try(func(tx store.Txn) error {
					a := random.IntN(20)
					tx.Put(key("x/%02d", a), key("%d.%d", me, i))
					tx.Put(key("y/%02d", a), key("%d.%d", me, i))
					if d := random.IntN(20); d != a {
						tx.Delete(key("x/%02d", d))
						tx.Delete(key("y/%02d", d))
					}
					return nil
				})
			}
		})
		h, err := e.s.Head(e.ctx)
		if err != nil {
			e.Error(err)
		}
		done <- h
	}()
	state := map[string]string{}
	batches := 0
	end := store.Revision(-1)
	for end < 0 || w.last < end {
		select {
		case end = <-done:
			continue
		default:
		}
		b := w.batch()
		if len(b.Changes) == 0 {
			continue
		}
		batches++
		for _, c := range b.Changes {
			if c.Deleted {
				delete(state, string(c.Key))
			} else {
				state[string(c.Key)] = string(c.Value)
			}
		}
		for k, v := range state {
			if other := map[byte]string{'x': "y", 'y': "x"}[k[0]] + k[1:]; state[other] != v {
				e.Fatalf("at revision %d %s is %q and %s is %q: half an Update", b.Revision, k, v, other, state[other])
			}
		}
	}
	if batches != workers*each {
		e.Errorf("%d Updates gave %d batches", workers*each, batches)
	}
	e.wantState("", pairs(state)...)
}

// testWatchResume watches after each revision in turn and gets exactly what came later.
func testWatchResume(e *env) {
	revisions := []store.Revision{e.head()}
	for i := range 10 {
		revisions = append(revisions, e.put("a", fmt.Sprint(i), "other", fmt.Sprint(i)))
	}
	for i, after := range revisions {
		w := e.watch("a", after)
		for j := i + 1; j < len(revisions); j++ {
			w.wantBatch(revisions[j], fmt.Sprintf("a=%d", j-1))
		}
		if last := len(revisions) - 1; i == last {
			// Nothing to deliver: the watch says so at once.
			if b := w.batch(); len(b.Changes) > 0 || b.Revision != revisions[last] {
				e.Errorf("a watch after the last change says %+v", b)
			}
		}
		w.stop()
	}
}

func testWatchPrefix(e *env) {
	start := e.head()
	w := e.watch("p/", start)
	e.put("p", "no", "p.", "no", "p0", "no", "q", "no")
	second := e.put("o", "no", "p/b", "2", "p/a", "2", "p0", "no")
	third := e.put("p/", "3")
	e.put("a", "no")
	w.wantBatch(second, "p/a=2", "p/b=2")
	w.wantBatch(third, "p/=3")
	ff := e.watch("\xff", start)
	fourth := e.put("\xff\x01", "4", "\xfe", "no")
	ff.wantBatch(fourth, "\xff\x01=4")
}

// testWatchProgress writes beside the watched prefix: the watch must learn of the revision without a change.
func testWatchProgress(e *env) {
	w := e.watch("mine/", e.head())
	if b := w.batch(); len(b.Changes) > 0 || b.Revision != e.head() {
		e.Errorf("a watch that has caught up says %+v", b)
	}
	for i := range 3 {
		r := e.put("yours/", fmt.Sprint(i))
		for w.last < r {
			if b := w.batch(); len(b.Changes) > 0 {
				e.Fatalf("changes of another prefix: %q", render(b))
			}
		}
	}
	r := e.put("mine/1", "a")
	w.wantBatch(r, "mine/1=a")
}

func testWatchSilence(e *env) {
	w := e.watch("mine/", e.put("mine/1", "a"))
	w.batch()
	before := time.Now()
	if b := w.batch(); len(b.Changes) > 0 || b.Revision != w.last {
		e.Errorf("in silence came %+v", b)
	}
	if d := time.Since(before); d > 10*store.ProgressInterval { // roughly: machines may be slow
		e.Errorf("a healthy watch was silent for %v", d)
	}
}

func testWatchFuture(e *env) {
	r := e.put("a", "1")
	w := e.watch("a", r+5)
	var last store.Revision
	for last < r+7 {
		last = e.put("a", fmt.Sprint(last))
	}
	for w.last < last {
		if b := w.batch(); b.Revision < r+5 || b.Revision == r+5 && len(b.Changes) > 0 {
			e.Fatalf("a watch after revision %d yielded %+v", r+5, b)
		}
	}
}

func testWatchCompaction(e *env) {
	if e.o.Compact == nil {
		e.Skip("the engine has no way to compact in tests")
	}
	var revisions []store.Revision
	for i := range 6 {
		revisions = append(revisions, e.put("a", fmt.Sprint(i)))
	}
	behind := e.watch("a", revisions[0])
	e.o.Compact(e.T, e.s, revisions[3])
	behind.wantEnd(store.ErrCompacted)
	e.watch("a", revisions[2]).wantEnd(store.ErrCompacted)
	w := e.watch("a", revisions[3])
	w.wantBatch(revisions[4], "a=4")
	w.wantBatch(revisions[5], "a=5")
	e.wantState("", "a", "5")
	// The way back that the contract names: load anew, then watch from there.
	var at store.Revision
	e.view(func(r store.Reader) { at = r.Revision() })
	w = e.watch("a", at)
	r := e.put("a", "6")
	w.wantBatch(r, "a=6")
}

func testWatchContext(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	caught := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		first := true
		for _, err := range e.s.Watch(ctx, nil, 0) {
			if first {
				close(caught)
				first = false
			}
			if err != nil {
				ended <- err
			}
		}
		close(ended)
	}()
	<-caught
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		e.Errorf("a watch whose context ended says %v", err)
	}
	if err, more := <-ended; more {
		e.Errorf("and then %v", err)
	}
	for _, err := range e.s.Watch(ctx, nil, 0) {
		if !errors.Is(err, context.Canceled) {
			e.Errorf("a watch with an ended context says %v", err)
		}
	}
	short, cancel := context.WithTimeout(e.ctx, time.Millisecond)
	defer cancel()
	var last error
	for _, err := range e.s.Watch(short, nil, e.head()) {
		last = err
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		e.Errorf("a watch whose deadline passed says %v", last)
	}
}

// testManyWatchers lets all of them see all.
func testManyWatchers(e *env) {
	const watchers, updates = 20, 100
	start := e.head()
	parallel(watchers+1, func(i int) {
		if i == watchers {
			for n := range updates {
				e.try(func(tx store.Txn) error { putNumber(tx, "n", n+1); return nil })
			}
			return
		}
		want := 1
		for b, err := range e.s.Watch(e.ctx, []byte("n"), start) {
			if err != nil {
				e.Errorf("watcher %d: %v", i, err)
				return
			}
			for _, c := range b.Changes {
				if got := int(c.Value[len(c.Value)-1]); got != want {
					e.Errorf("watcher %d saw %d, want %d", i, got, want)
					return
				}
				want++
			}
			if want > updates {
				return
			}
		}
	})
}
