package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/testenv/population"
)

// memory shows what each kind of entity takes in a node's heap and in a store, and what a million users take together.
func memory(r *report) error {
	scale := 50
	if r.quick {
		scale = 1
	}
	// Each shape is compared with the one it is built on: what one more of a kind takes.
	r.table("one more of each kind", "kind", "heap of the snapshot, B", "records and keys in the store, B", "records")
	accounts := population.Shape{Accounts: 2000 * scale}
	base := population.Shape{Accounts: scale}
	for _, k := range []struct {
		name        string
		with, after population.Shape
		n           int
	}{
		{"account with its root key", accounts, population.Shape{Accounts: 1}, accounts.Accounts - 1},
		{"user: one tag, one inline policy", population.Shape{Accounts: scale, Users: 1000}, base, 1000 * scale},
		{"access key", population.Shape{Accounts: scale, Users: 1000, Keys: true}, population.Shape{Accounts: scale, Users: 1000}, 1000 * scale},
		{"role: trust policy", population.Shape{Accounts: scale, Roles: 1000}, base, 1000 * scale},
		{"customer managed policy of 400 B", population.Shape{Accounts: scale, Policies: 1000}, base, 1000 * scale},
		{"group", population.Shape{Accounts: scale, Groups: 300}, base, 300 * scale},
	} {
		heap, bytes, records, err := weigh(k.with)
		if err != nil {
			return err
		}
		heap0, bytes0, records0, err := weigh(k.after)
		if err != nil {
			return err
		}
		n := float64(k.n)
		r.row(k.name, count(max(float64(heap-heap0), 0)/n), count(float64(bytes-bytes0)/n), fmt.Sprintf("%.1f", float64(records-records0)/n))
	}
	return million(r)
}

// weigh loads a snapshot of a population and returns its heap, and what the records take in the store.
func weigh(s population.Shape) (heap, bytes int64, records int, err error) {
	st := mem.Open(mem.Config{})
	defer st.Close()
	if err := population.Write(context.Background(), st, s); err != nil {
		return 0, 0, 0, err
	}
	if err := st.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			bytes += int64(len(e.Key) + len(e.Value))
			records++
		}
		return nil
	}); err != nil {
		return 0, 0, 0, err
	}
	before := liveHeap()
	ctx, stop := context.WithCancel(context.Background())
	f := snapshot.New(snapshot.Config{Store: st, Managed: catalog.ManagedPolicies()})
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() { stop(); <-ended }()
	head, err := st.Head(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	if _, err := f.Wait(ctx, head); err != nil {
		return 0, 0, 0, err
	}
	heap = liveHeap() - before
	runtime.KeepAlive(f)
	return heap, bytes, records, nil
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// crowd is the million of the budget: 200 accounts with 5,000 users and 500 roles each.
func crowd(quick bool) population.Shape {
	if quick {
		return population.Shape{Accounts: 2, Users: 50, Groups: 5, Roles: 10, Policies: 5, Keys: true}
	}
	return population.Shape{Accounts: 200, Users: 5000, Groups: 100, Roles: 500, Policies: 100, Keys: true}
}

// million starts a node on bbolt with a million users and 100,000 roles.
func million(r *report) (err error) {
	shape := crowd(r.quick)
	dir, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	filled, err := fill(dir, shape)
	if err != nil {
		return err
	}
	file, err := os.Stat(filepath.Join(dir, "ostiary.db"))
	if err != nil {
		return err
	}
	var took, heap, resident, mapped []float64
	for range r.rounds {
		p, err := r.start("node", dir)
		if err != nil {
			return err
		}
		began, err := p.stats() // as it is when it has started, before anything is collected
		if err != nil {
			return errors.Join(err, p.stop())
		}
		s, err := p.collected()
		if err := errors.Join(err, p.stop()); err != nil {
			return err
		}
		took, heap = append(took, float64(p.Took)), append(heap, float64(s.Heap))
		resident, mapped = append(resident, float64(began.Resident)), append(mapped, float64(began.Mapped))
	}
	r.table(fmt.Sprintf("%s users and %s roles in %d accounts, on bbolt", count(float64(shape.Accounts*shape.Users)), count(float64(shape.Accounts*shape.Roles)), shape.Accounts),
		"", "")
	r.row("start: from nothing to deciding", short(median(took)))
	r.row("live heap", size(median(heap)))
	r.row("resident after the start, the process's own", size(median(resident)))
	r.row("resident beside it: pages of the store's file, which the system takes back at need", size(median(mapped)))
	r.row("the store's file", size(float64(file.Size())))
	r.row("filling it, which is this tool's work", short(float64(filled)))
	return nil
}

// fill makes a node's directory with a population whose keys work.
func fill(dir string, s population.Shape) (time.Duration, error) {
	ctx := context.Background()
	n, err := node.Open(ctx, node.Config{Store: "bolt", Dir: dir}) // makes the ring and the first account
	if err != nil {
		return 0, err
	}
	if err := n.Close(); err != nil {
		return 0, err
	}
	began := time.Now()
	st, err := bolt.Open(filepath.Join(dir, "ostiary.db"), bolt.Config{})
	if err != nil {
		return 0, err
	}
	if s.Sealer, err = ring(ctx, st, dir); err == nil {
		err = population.Write(ctx, st, s)
	}
	return time.Since(began), errors.Join(err, st.Close())
}

func ring(ctx context.Context, st store.Store, dir string) (*seal.Ring, error) {
	master, err := seal.LoadMaster(filepath.Join(dir, "master.key"))
	if err != nil {
		return nil, err
	}
	var wrapped []byte
	if err := st.View(ctx, func(r store.Reader) error {
		e, _, err := r.Get(entity.SystemKey("keyring"))
		wrapped = e.Value
		return err
	}); err != nil {
		return nil, err
	}
	return seal.Unmarshal(wrapped, master)
}

// size prints bytes.
func size(b float64) string {
	switch {
	case b < 1<<20:
		return fmt.Sprintf("%.0f KiB", b/(1<<10))
	case b < 1<<30:
		return fmt.Sprintf("%.0f MiB", b/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", b/(1<<30))
}
