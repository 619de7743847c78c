package main

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

// engines asks Ostiary's policy engine and other engines for Go the same questions about the same rules. Before it measures, it
// holds the engines to the same answers on some thousand questions. Requests are made beforehand in each engine's own form; what
// is measured is the decision alone. Measurements are taken in turns, so that what else the machine does falls on all engines
// alike.
func engines(r *report) error {
	each := 200 * time.Millisecond
	if r.quick {
		each = time.Millisecond
	}
	if flag.Lookup("test.benchtime") == nil {
		testing.Init()
	}
	if err := flag.Set("test.benchtime", each.String()); err != nil {
		return err
	}
	for _, size := range []struct{ policies, statements int }{{1, 6}, {10, 6}, {20, 30}} {
		if err := compare(r, size.policies, size.statements); err != nil {
			return err
		}
		if r.quick {
			break
		}
	}
	return nil
}

// contestant is an engine and what was measured.
type contestant struct {
	name   string
	build  func(rules [][]rule) (engine, error)
	engine engine
	built  time.Duration
	times  map[string][]float64
	bytes  int64
	allocs int64
}

func contestants() []*contestant {
	return []*contestant{
		{name: "Ostiary, merged for the principal", build: func(r [][]rule) (engine, error) { return newOstiary(r, true) }},
		{name: "Ostiary, shared documents", build: func(r [][]rule) (engine, error) { return newOstiary(r, false) }},
		{name: "cedar-go 1.9.0", build: newCedar},
		{name: "OPA 1.22.0", build: newOPA},
		{name: "casbin 3.10.0", build: newCasbin},
	}
}

func compare(r *report, policies, statements int) error {
	rules, asked := makeRules(policies, statements), questions(policies/2)
	all := contestants()
	for _, c := range all {
		start := time.Now()
		e, err := c.build(rules)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		c.engine, c.built, c.times = e, time.Since(start), map[string][]float64{}
	}
	if err := agree(all, asked, probes(rules)); err != nil {
		return err
	}
	for range r.rounds {
		for _, q := range asked {
			for _, c := range all {
				decide := c.engine.ask(q)
				result := testing.Benchmark(func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						decide()
					}
				})
				c.times[q.name] = append(c.times[q.name], float64(result.T.Nanoseconds())/float64(result.N))
				c.bytes, c.allocs = max(c.bytes, result.AllocedBytesPerOp()), max(c.allocs, result.AllocsPerOp())
			}
		}
	}
	tabulate(r, all, asked, policies, statements)
	return nil
}

// agree checks that all engines give the answers that the questions expect, and the same ones to the probes.
func agree(all []*contestant, asked, probes []question) error {
	for _, q := range asked {
		for _, c := range all {
			if got := c.engine.ask(q)(); got != q.allow {
				return fmt.Errorf("%s: %s: %v", c.name, q.name, got)
			}
		}
	}
	step := 1 + len(probes)/1000
	allowed := 0
	for i := 0; i < len(probes); i += step {
		want := all[0].engine.ask(probes[i])()
		if want {
			allowed++
		}
		for _, c := range all[1:] {
			if got := c.engine.ask(probes[i])(); got != want {
				return fmt.Errorf("%s: %s: %+v: %v, but %v by %s", c.name, probes[i].name, probes[i], got, want, all[0].name)
			}
		}
	}
	if allowed == 0 {
		return fmt.Errorf("no probe is allowed")
	}
	return nil
}

func tabulate(r *report, all []*contestant, asked []question, policies, statements int) {
	columns := []string{"engine"}
	for _, q := range asked {
		columns = append(columns, q.name)
	}
	r.table(fmt.Sprintf("%d statements in %d policies", policies*statements, policies), append(columns, "B, allocations", "build")...)
	for _, c := range all {
		row := []string{c.name}
		for _, q := range asked {
			t, base := median(c.times[q.name]), median(all[0].times[q.name])
			if c == all[0] {
				row = append(row, short(t))
			} else {
				row = append(row, fmt.Sprintf("%s (%s×)", short(t), ratio(t/base)))
			}
		}
		r.row(append(row, fmt.Sprintf("%d, %d", c.bytes, c.allocs), short(float64(c.built)))...)
	}
}

func median(list []float64) float64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func ratio(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.1f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

func short(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 1e4:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	case ns < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	case ns < 1e9:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	}
	return fmt.Sprintf("%.1f s", ns/1e9)
}
