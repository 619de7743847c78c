package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/ostiary-iam/ostiary/internal/store"
)

var isolationTests = []testCase{
	{"Counters", testCounters},
	{"WriteSkew", testWriteSkew},
	{"Snapshots", testSnapshots},
	{"PhantomsWithGeneration", testPhantoms},
	{"FailingNeighbours", testNeighbours},
	{"RunsAgain", testRunsAgain},
	{"OwnUpdatesAreSeen", testOwnUpdatesAreSeen},
}

// parallel runs fn n times at once and waits.
func parallel(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

// try is update for goroutines of the test, which must not end it. It returns the function's error.
func (e *env) try(fn func(tx store.Txn) error) store.Revision {
	r, err := e.s.Update(e.ctx, fn)
	if err != nil {
		e.Errorf("Update: %v", err)
	}
	return r
}

// testCounters loses no increment, and gives each a revision of its own.
func testCounters(e *env) {
	const workers, each = 16, 20
	var mu sync.Mutex
	var revisions []store.Revision
	parallel(workers, func(w int) {
		for range each {
			r := e.try(func(tx store.Txn) error {
				n, err := number(tx, "counter")
				own, err2 := number(tx, fmt.Sprint("own", w))
				putNumber(tx, "counter", n+1)
				putNumber(tx, fmt.Sprint("own", w), own+1)
				return errors.Join(err, err2)
			})
			mu.Lock()
			revisions = append(revisions, r)
			mu.Unlock()
		}
	})
	e.view(func(r store.Reader) {
		if n, err := number(r, "counter"); n != workers*each || err != nil {
			e.Errorf("%d increments made %d (%v)", workers*each, n, err)
		}
		for w := range workers {
			if n, err := number(r, fmt.Sprint("own", w)); n != each || err != nil {
				e.Errorf("worker %d: %d (%v)", w, n, err)
			}
		}
	})
	slices.Sort(revisions)
	if len(slices.Compact(revisions)) != workers*each {
		e.Error("two Updates that wrote returned the same revision")
	}
}

// testWriteSkew has two doctors on call; each may leave when the other stays. Under snapshot isolation both leave.
func testWriteSkew(e *env) {
	for round := range 60 {
		e.update(func(tx store.Txn) {
			putNumber(tx, "on call/0", 1)
			putNumber(tx, "on call/1", 1)
		})
		parallel(2, func(me int) {
			e.try(func(tx store.Txn) error {
				a, err := number(tx, "on call/0")
				runtime.Gosched()
				b, err2 := number(tx, "on call/1")
				if a+b == 2 {
					putNumber(tx, fmt.Sprint("on call/", me), 0)
				}
				return errors.Join(err, err2)
			})
		})
		e.view(func(r store.Reader) {
			a, _ := number(r, "on call/0")
			b, _ := number(r, "on call/1")
			if a+b != 1 {
				e.Fatalf("round %d: %d on call", round, a+b)
			}
		})
	}
}

// testSnapshots moves units between accounts; every state that anyone reads has the same sum.
func testSnapshots(e *env) {
	const accounts, total = 8, 800
	name := func(i int) string { return fmt.Sprint("account/", i%accounts) }
	e.update(func(tx store.Txn) {
		for i := range accounts {
			putNumber(tx, name(i), total/accounts)
		}
	})
	sum := func(r store.Reader) (n int, err error) {
		for entry, err := range r.Range([]byte("account/")) {
			if err != nil {
				return 0, err
			}
			one, err := number(r, string(entry.Key))
			if err != nil {
				return 0, err
			}
			n += one
			runtime.Gosched()
		}
		return n, nil
	}
	parallel(12, func(w int) {
		last := store.Revision(0)
		for i := range 30 {
			if w%3 == 0 {
				err := e.s.View(e.ctx, func(r store.Reader) error {
					if r.Revision() < last {
						e.Errorf("a view went back from revision %d to %d", last, r.Revision())
					}
					last = r.Revision()
					n, err := sum(r)
					if n != total && err == nil {
						err = fmt.Errorf("a view saw a sum of %d", n)
					}
					return err
				})
				if err != nil {
					e.Error(err)
				}
				continue
			}
			e.try(func(tx store.Txn) error {
				from, err := number(tx, name(i*w))
				putNumber(tx, name(i*w), from-1)
				to, err2 := number(tx, name(i+w))
				putNumber(tx, name(i+w), to+1)
				n, err3 := sum(tx)
				if n != total && err3 == nil {
					err3 = fmt.Errorf("an Update saw a sum of %d", n)
				}
				return errors.Join(err, err2, err3)
			})
		}
	})
}

// testPhantoms keeps the number of a collection's members in a record that is computed from a range. Keys that appear do
// not conflict with a range on every engine, nor do keys that vanish conflict with an etcd range compare; with the
// generation record, read beside the range and rewritten by every insert and delete, they do.
func testPhantoms(e *env) {
	const workers, rounds, members = 8, 25, 5
	count := func(r store.Reader) (n int, err error) {
		for _, err := range r.Range([]byte("member/")) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	parallel(workers, func(w int) {
		for i := range rounds {
			e.try(func(tx store.Txn) error {
				generation, err := number(tx, "generation")
				if err != nil {
					return err
				}
				member := key("member/%d", (i*7+w)%members)
				n, err := count(tx)
				if err != nil {
					return err
				}
				recorded, err := number(tx, "count")
				if err == nil && recorded != n {
					err = fmt.Errorf("a transaction saw %d members and a count of %d", n, recorded)
				}
				if _, ok, _ := tx.Get(member); ok {
					tx.Delete(member)
					putNumber(tx, "count", n-1)
				} else {
					tx.Put(member, nil)
					putNumber(tx, "count", n+1)
				}
				putNumber(tx, "generation", generation+1)
				return err
			})
		}
	})
	e.view(func(r store.Reader) {
		n, err := count(r)
		recorded, err2 := number(r, "count")
		generation, err3 := number(r, "generation")
		if err := errors.Join(err, err2, err3); err != nil || n != recorded || generation != workers*rounds {
			e.Errorf("%d members, count %d, generation %d of %d (%v)", n, recorded, generation, workers*rounds, err)
		}
	})
}

// testNeighbours mixes Updates that succeed, fail, panic, end their goroutine and ask for too much.
func testNeighbours(e *env) {
	const n = 120
	mine := errors.New("mine")
	parallel(n, func(i int) {
		defer func() {
			if p := recover(); (p == "on purpose") != (i%6 == 2) {
				e.Errorf("Update %d panicked with %v", i, p)
			}
		}()
		if i%6 == 3 {
			// Goexit ends a goroutine of its own, as FailNow does in a test.
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = e.s.Update(e.ctx, func(tx store.Txn) error {
					tx.Put(key("k/%03d", i), nil)
					runtime.Goexit()
					return nil
				})
				e.Error("Update returned though its function did not")
			}()
			<-ended
			return
		}
		_, err := e.s.Update(e.ctx, func(tx store.Txn) error {
			tx.Put(key("k/%03d", i), nil)
			tx.Put(key("l/%03d", i), nil)
			tx.Delete([]byte("k/000"))
			switch i % 6 {
			case 1:
				return mine
			case 2:
				panic("on purpose")
			case 4:
				tx.Put(make([]byte, store.MaxKey+1), nil)
			}
			return nil
		})
		want := map[int]error{1: mine, 4: store.ErrTooLarge}[i%6]
		if !errors.Is(err, want) {
			e.Errorf("Update %d: %v, want %v", i, err, want)
		}
	})
	var want []string
	for i := range n {
		if i > 0 && (i%6 == 0 || i%6 == 5) {
			want = append(want, fmt.Sprintf("k/%03d", i), "")
		}
	}
	e.wantState("k/", want...)
	e.view(func(r store.Reader) {
		for entry := range r.Range([]byte("l/")) {
			k, ok, _ := r.Get(append([]byte("k"), entry.Key[1:]...))
			if string(entry.Key) != "l/000" && (!ok || k.Revision != entry.Revision) {
				e.Errorf("%s stands alone", entry.Key)
			}
		}
	})
}

// testRunsAgain has functions that set their variables anew on each run: however often they run, they count once.
func testRunsAgain(e *env) {
	results := make([]int, 16)
	parallel(len(results), func(i int) {
		runs := 0
		e.try(func(tx store.Txn) error {
			runs++
			n, err := number(tx, "counter")
			results[i] = n + 1
			putNumber(tx, "counter", n+1)
			tx.Put(key("run/%d/%d", i, runs), nil)
			return err
		})
		e.view(func(r store.Reader) {
			if got := list(e.T, r, fmt.Sprintf("run/%d/", i)); len(got) != 2 || got[0] != fmt.Sprintf("run/%d/%d", i, runs) {
				e.Errorf("of %d runs these left something: %q", runs, got)
			}
		})
	})
	slices.Sort(results)
	for i, n := range results {
		if n != i+1 {
			e.Fatalf("the counter was handed out as %v", results)
		}
	}
}

// testOwnUpdatesAreSeen reads what it has just written, beside others who write.
func testOwnUpdatesAreSeen(e *env) {
	parallel(8, func(w int) {
		k := fmt.Sprint("k", w)
		for i := range 25 {
			rev := e.try(func(tx store.Txn) error { putNumber(tx, k, i+1); return nil })
			err := e.s.View(e.ctx, func(r store.Reader) error {
				if n, err := number(r, k); n != i+1 || r.Revision() < rev || err != nil {
					return fmt.Errorf("after revision %d a view at %d reads %d, want %d (%v)", rev, r.Revision(), n, i+1, err)
				}
				return nil
			})
			if err != nil {
				e.Error(err)
			}
			if h, err := e.s.Head(e.ctx); h < rev || err != nil {
				e.Errorf("after revision %d Head is %d (%v)", rev, h, err)
			}
		}
	})
}
