package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/internal/store"
)

var lifetimeTests = []testCase{
	{"EndedContext", testEndedContext},
	{"WaitingUpdateIsGivenUp", testWaitingUpdate},
	{"EndedTransactions", testEndedTransactions},
	{"Close", testClose},
	{"CloseWaits", testCloseWaits},
	{"CloseUnderLoad", testCloseUnderLoad},
	{"Reopen", testReopen},
}

func testEndedContext(e *env) {
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	if err := e.s.View(ctx, func(store.Reader) error { e.Error("View ran"); return nil }); !errors.Is(err, context.Canceled) {
		e.Errorf("View: %v", err)
	}
	_, err := e.s.Update(ctx, func(store.Txn) error { e.Error("Update ran"); return nil })
	if !errors.Is(err, context.Canceled) {
		e.Errorf("Update: %v", err)
	}
	if _, err := e.s.Head(ctx); !errors.Is(err, context.Canceled) {
		e.Errorf("Head: %v", err)
	}
}

// testWaitingUpdate ends the context of an Update while another one is at work. It may have begun by then, on engines
// where they run side by side; if it is given up, it must have done nothing.
func testWaitingUpdate(e *env) {
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var once sync.Once
	wg.Go(func() {
		e.try(func(tx store.Txn) error {
			once.Do(func() { close(running) })
			<-release
			tx.Put([]byte("first"), nil)
			return nil
		})
	})
	<-running
	ctx, cancel := context.WithCancel(e.ctx)
	var err error
	second := make(chan struct{})
	go func() {
		defer close(second)
		_, err = e.s.Update(ctx, func(tx store.Txn) error { tx.Put([]byte("second"), nil); return nil })
	}()
	cancel()
	<-second // ends although the first one still holds the turn
	close(release)
	wg.Wait()
	if err == nil {
		e.wantState("", "first", "", "second", "")
		return
	}
	if !errors.Is(err, context.Canceled) {
		e.Errorf("an Update that was given up says %v", err)
	}
	e.wantState("", "first", "")
	e.put("third", "")
}

func testEndedTransactions(e *env) {
	e.put("a", "1", "b", "1")
	wantEnded := func(what string, r store.Reader) {
		e.Helper()
		if _, _, err := r.Get([]byte("a")); !errors.Is(err, store.ErrEnded) {
			e.Errorf("%s, Get: %v", what, err)
		}
		for _, err := range r.Range(nil) {
			if !errors.Is(err, store.ErrEnded) {
				e.Errorf("%s, Range: %v", what, err)
			}
		}
	}
	var kept store.Reader
	e.view(func(r store.Reader) { kept = r })
	wantEnded("view", kept)
	var txn store.Txn
	e.update(func(tx store.Txn) { txn = tx; tx.Put([]byte("c"), nil) })
	wantEnded("update", txn)
	txn.Put([]byte("d"), nil)
	txn.Delete([]byte("a"))
	_, err := e.s.Update(e.ctx, func(tx store.Txn) error { txn = tx; return context.Canceled })
	if err != context.Canceled {
		e.Errorf("Update: %v", err)
	}
	wantEnded("failed update", txn)
	func() {
		defer func() { _ = recover() }()
		_ = e.s.View(e.ctx, func(r store.Reader) error { kept = r; panic("on purpose") })
	}()
	wantEnded("view that panicked", kept)
	e.wantState("", "a", "1", "b", "1", "c", "")
}

func testClose(e *env) {
	r := e.put("a", "1")
	caught, ended := make(chan struct{}), make(chan error)
	go func() {
		var once sync.Once
		var last error
		for _, err := range e.s.Watch(e.ctx, nil, r) {
			once.Do(func() { close(caught) })
			last = err
		}
		ended <- last
	}()
	<-caught
	if err := e.s.Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		e.Errorf("a watch at Close: %v", err)
	}
	if err := e.s.View(e.ctx, func(store.Reader) error { e.Error("View ran"); return nil }); !errors.Is(err, store.ErrClosed) {
		e.Errorf("View: %v", err)
	}
	_, err := e.s.Update(e.ctx, func(store.Txn) error { e.Error("Update ran"); return nil })
	if !errors.Is(err, store.ErrClosed) {
		e.Errorf("Update: %v", err)
	}
	if _, err := e.s.Head(e.ctx); !errors.Is(err, store.ErrClosed) {
		e.Errorf("Head: %v", err)
	}
	e.watch("", r).wantEnd(store.ErrClosed)
	if err := e.s.Close(); err != nil {
		e.Errorf("Close again: %v", err)
	}
}

// testCloseWaits closes while a View and an Update run.
func testCloseWaits(e *env) {
	var viewEnded, updateEnded atomic.Bool
	var running, calls sync.WaitGroup
	release := make(chan struct{})
	running.Add(2)
	var once sync.Once
	calls.Go(func() {
		err := e.s.View(e.ctx, func(r store.Reader) error {
			running.Done()
			<-release
			viewEnded.Store(true)
			_, _, err := r.Get([]byte("a"))
			return err
		})
		if err != nil {
			e.Errorf("the running View: %v", err)
		}
	})
	calls.Go(func() {
		e.try(func(tx store.Txn) error {
			once.Do(running.Done)
			<-release
			tx.Put([]byte("a"), nil)
			updateEnded.Store(true)
			return nil
		})
	})
	running.Wait()
	calls.Go(func() {
		if err := e.s.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
		if !viewEnded.Load() || !updateEnded.Load() {
			e.Error("Close returned before the running transactions did")
		}
	})
	for { // until Close has begun
		if _, err := e.s.Head(e.ctx); errors.Is(err, store.ErrClosed) {
			break
		}
		runtime.Gosched()
	}
	close(release)
	calls.Wait()
}

// testCloseUnderLoad closes while many write: each Update succeeds or is refused.
func testCloseUnderLoad(e *env) {
	acknowledged := make([]int, 8)
	var started sync.WaitGroup
	started.Add(len(acknowledged))
	parallel(len(acknowledged)+1, func(w int) {
		if w == len(acknowledged) {
			started.Wait()
			if err := e.s.Close(); err != nil {
				e.Errorf("Close: %v", err)
			}
			return
		}
		for i := 1; ; i++ {
			_, err := e.s.Update(e.ctx, func(tx store.Txn) error { putNumber(tx, fmt.Sprint("k", w), i); return nil })
			if err != nil {
				if !errors.Is(err, store.ErrClosed) {
					e.Errorf("Update at Close: %v", err)
				}
				return
			}
			acknowledged[w] = i
			if i == 1 {
				started.Done()
			}
		}
	})
	if e.o.Reopen == nil {
		return
	}
	e.s = e.o.Reopen(e.T, e.s)
	e.view(func(r store.Reader) {
		for w, want := range acknowledged {
			if n, err := number(r, fmt.Sprint("k", w)); n != want || err != nil {
				e.Errorf("worker %d: %d is there (%v), %d was acknowledged", w, n, err, want)
			}
		}
	})
}

func testReopen(e *env) {
	if e.o.Reopen == nil {
		e.Skip("the engine is not durable")
	}
	e.s = e.o.Reopen(e.T, e.s) // an empty store too
	e.wantState("")
	start := e.head()
	first := e.put("a", "1", "b", "1", "gone", "1")
	second := e.update(func(tx store.Txn) {
		tx.Put([]byte("b"), []byte("2"))
		tx.Delete([]byte("gone"))
	})
	for range 2 {
		e.s = e.o.Reopen(e.T, e.s)
		if h := e.head(); h != second {
			e.Fatalf("Head is %d after reopening, want %d", h, second)
		}
		e.wantState("", "a", "1", "b", "2")
		e.view(func(r store.Reader) {
			a, _, _ := r.Get([]byte("a"))
			b, _, _ := r.Get([]byte("b"))
			if a.Revision != first || b.Revision != second || r.Revision() != second {
				e.Errorf("a has revision %d, b %d, the view %d; want %d, %d, %d", a.Revision, b.Revision, r.Revision(), first, second, second)
			}
		})
	}
	w := e.watch("", second)
	third := e.put("c", "3")
	if third <= second {
		e.Errorf("the revision went back from %d to %d", second, third)
	}
	w.wantBatch(third, "c=3")
	// History from before may be gone; if it is not, it must be right.
	for b, err := range e.s.Watch(e.ctx, nil, start) {
		if errors.Is(err, store.ErrCompacted) {
			break
		}
		if err != nil || b.Revision != first || len(b.Changes) != 3 {
			e.Errorf("history after reopening: %+v, %v", b, err)
		}
		break
	}
	// The last revision is kept when what it wrote was the deletion of everything.
	fourth := e.update(func(tx store.Txn) {
		for _, k := range []string{"a", "b", "c"} {
			tx.Delete([]byte(k))
		}
	})
	e.s = e.o.Reopen(e.T, e.s)
	e.wantState("")
	if h := e.head(); h != fourth {
		e.Errorf("Head is %d after reopening an emptied store, want %d", h, fourth)
	}
}
