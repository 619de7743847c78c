package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/ostiary-iam/ostiary/internal/testenv/population"
)

// curve shows what a call costs while the store fills: accounts, users and policies from 10 to 1,000,000. Calls are made by
// callers from all over the population, so that nothing is warm that would be cold in life. Processor time and allocations on
// the server's side are what must be flat; times on the clock depend on the disk and on what else the machine does.
func curve(r *report) error {
	sizes := []int{10, 100, 1000, 10_000, 100_000, 1_000_000}
	if r.quick {
		sizes = []int{10, 40}
	}
	for _, dimension := range []struct {
		name  string
		shape func(n int) population.Shape
	}{
		// Accounts are filled as far as AWS's quotas go.
		{"users", func(n int) population.Shape {
			accounts := (n + 4499) / 4500
			return population.Shape{Accounts: accounts, Users: n / accounts, Groups: 10, Roles: 5, Policies: 10, Keys: true}
		}},
		{"accounts", func(n int) population.Shape {
			return population.Shape{Accounts: n, Users: 1, Roles: 1, Policies: 1, Keys: true}
		}},
		{"policies", func(n int) population.Shape {
			accounts := (n + 1399) / 1400
			return population.Shape{Accounts: accounts, Users: 10, Roles: 1, Policies: n / accounts, Keys: true}
		}},
	} {
		r.table(dimension.name+" in the store", dimension.name, "GetCallerIdentity", "allocations", "GetUser, decided", "allocations",
			"CreateUser", "allocations", "p50", "start", "live heap")
		for _, n := range sizes {
			if err := r.point(n, dimension.shape(n)); err != nil {
				return fmt.Errorf("%d %s: %w", n, dimension.name, err)
			}
		}
	}
	r.note("Calls: processor time of the server for each. 16 connections; up to 2,000 callers; CreateUser is durable, p50 is its.")
	return nil
}

// point measures one size.
func (r *report) point(n int, shape population.Shape) (err error) {
	during, creations := 500*time.Millisecond, 2000
	if r.quick {
		during, creations = 20*time.Millisecond, 20
	}
	dir, err := os.MkdirTemp("", "ostiary-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := fill(dir, shape); err != nil {
		return err
	}
	p, err := r.start("node", dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	live, err := p.collected()
	if err != nil {
		return err
	}
	identity, user, err := callsOf(p, shape)
	if err != nil {
		return err
	}
	client := newClient(16)
	defer client.CloseIdleConnections()
	var who, get, create []*outcome
	for round := range r.rounds {
		for _, m := range []struct {
			calls []call
			into  *[]*outcome
		}{{identity, &who}, {user, &get}} {
			if _, err := load(p, client, 16, m.calls, true, 0); err != nil { // every caller is compiled and cached
				return err
			}
			o, err := load(p, client, 16, m.calls, false, during)
			if err != nil {
				return err
			}
			*m.into = append(*m.into, o)
		}
		o, err := r.creationsIn(p, shape, creations/r.rounds, round)
		if err != nil {
			return err
		}
		create = append(create, o)
	}
	cpu := func(o *outcome) float64 { return float64(o.cpu) }
	allocs := func(o *outcome) float64 { return o.allocs }
	r.row(count(float64(n)), short(mid(who, cpu)), fmt.Sprintf("%.0f", mid(who, allocs)), short(mid(get, cpu)), fmt.Sprintf("%.0f", mid(get, allocs)),
		short(mid(create, cpu)), count(mid(create, allocs)), short(mid(create, func(o *outcome) float64 { return o.quantile(.5) })),
		short(float64(p.Took)), size(float64(live.Heap)))
	return nil
}

// callsOf signs calls by up to 2,000 users, spread evenly and in no order.
func callsOf(p *proc, s population.Shape) (identity, user []call, err error) {
	total := s.Accounts * s.Users
	number := min(total, 2000)
	for i := range number {
		at := i * (total / number)
		a, n := at/s.Users, at%s.Users
		who := key{id: s.Key(a, n), secret: population.Secret}
		c, err := sign(p.URL, who, "GetCallerIdentity")
		if err != nil {
			return nil, nil, err
		}
		identity = append(identity, c)
		if c, err = sign(p.URL, who, "GetUser", "UserName", s.UserName(n)); err != nil {
			return nil, nil, err
		}
		user = append(user, c)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, list := range [][]call{identity, user} {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return identity, user, nil
}

// creationsIn makes users in accounts of the population, as many as have room, spread evenly.
func (r *report) creationsIn(p *proc, s population.Shape, calls, round int) (*outcome, error) {
	var all []call
	for i := range calls {
		a := i % min(s.Accounts, calls)
		c, err := sign(p.URL, key{id: s.Key(a*(s.Accounts/min(s.Accounts, calls)), -1), secret: population.Secret},
			"CreateUser", "UserName", fmt.Sprintf("new-%d-%d", round, i))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	client := newClient(16)
	defer client.CloseIdleConnections()
	return load(p, client, 16, all, true, 0)
}
