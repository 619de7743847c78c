package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// accountCapacity is how many users are made in one account: it holds 5,000.
const accountCapacity = 4500

// writes measures CreateUser on bbolt from 64 connections, in one account and in 64 at a time, and beside it, in the same
// directory and round, what one fsync of one page takes: the floor under a commit that is not shared.
func writes(r *report) (err error) {
	connections, calls := 64, accountCapacity
	if r.quick {
		connections, calls = 8, 64
	}
	dir, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := r.start("node", dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	client := newClient(connections)
	defer client.CloseIdleConnections()
	var syncs []float64
	rounds := map[int][]*outcome{}
	for round := range r.rounds {
		took, err := syncTime(filepath.Join(dir, "floor"), calls/10)
		if err != nil {
			return err
		}
		syncs = append(syncs, float64(took))
		for _, together := range []int{1, connections} {
			all, err := creations(server, together, calls, round)
			if err != nil {
				return err
			}
			o, err := load(server, client, connections, all, true, 0)
			if err != nil {
				return err
			}
			rounds[together] = append(rounds[together], o)
		}
	}
	floor := median(syncs)
	r.table(fmt.Sprintf("CreateUser, %d connections; a page written and synced takes %s", connections, short(floor)),
		"users made in", "calls/s", "calls for each sync of the disk's", "p50", "p99", "processor", "allocations")
	for _, together := range []int{1, connections} {
		list, in := rounds[together], "one account"
		if together > 1 {
			in = fmt.Sprintf("%d accounts", together)
		}
		r.row(in, spread(list, (*outcome).perSecond, count), ratio(mid(list, (*outcome).perSecond)*floor/1e9),
			short(mid(list, func(o *outcome) float64 { return o.quantile(.5) })), short(mid(list, func(o *outcome) float64 { return o.quantile(.99) })),
			short(mid(list, func(o *outcome) float64 { return float64(o.cpu) })), count(mid(list, func(o *outcome) float64 { return o.allocs })))
	}
	return nil
}

// creations signs calls that make users, dealt out to fresh accounts.
func creations(p *proc, accounts, calls, round int) ([]call, error) {
	roots := make([]key, accounts)
	for i := range roots {
		a, err := p.account()
		if err != nil {
			return nil, err
		}
		roots[i] = key{id: a.KeyID, secret: a.Secret}
	}
	var all []call
	for n := range calls {
		c, err := sign(p.URL, roots[n%accounts], "CreateUser", "UserName", fmt.Sprintf("user-%d-%d", round, n))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// syncTime is the median of so many writes of a page, each followed by fsync.
func syncTime(path string, times int) (time.Duration, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	var all []float64
	for n := range max(times, 1) {
		began := time.Now()
		if _, err := f.WriteAt(page, int64(n%256)*4096); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		all = append(all, float64(time.Since(began)))
	}
	return time.Duration(median(all)), nil
}
