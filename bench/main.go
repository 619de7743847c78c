// Command bench measures Ostiary against the budgets of its design and prints the tables of docs/performance.md.
//
//	cd bench && go run . all            every part, in order; half an hour on two cores
//	cd bench && go run . requests       one part, or several
//	cd bench && go run . -quick all     in seconds: nothing to go by, but every line of the tool runs
//
// The parts are in the table below. What is measured over the network runs as a process of its own: this program starts itself
// again as a node, or as a net/http handler that does nothing, and is their client. So the server's processor time, memory and
// allocations are the server's alone; the cores are shared between both. Requests are signed before the clock runs. Each figure is
// the median of five rounds, with the least and the greatest where it says so; in a round, all contestants take turns, and ratios
// are taken within a round. Figures depend on the machine by a third and more; ratios and allocations do not.
//
// It is a module of its own so that the engines it compares do not become dependencies of Ostiary.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// parts are what can be measured. A part prints its tables into the report; with r.quick it goes through the same motions in
// about a second.
var parts = []struct {
	name, about string
	run         func(r *report) error
}{
	{"engines", "policy decisions: Ostiary's engine and others", engines},
	{"paths", "what a request passes through, each alone: go test -bench", paths},
	{"requests", "API calls over loopback, signed, at 1, 16 and 256 connections, against a handler that does nothing", requests},
	{"writes", "CreateUser, durable, against fsync", writes},
	{"memory", "heap for each entity, by kind; a million users", memory},
	{"curve", "cost of a call and start time from 10 to 1,000,000 accounts, users and policies", curve},
}

func main() {
	if mode := os.Getenv(childVariable); mode != "" {
		exit(child(mode))
	}
	quick := flag.Bool("quick", false, "go through the motions only")
	rounds := flag.Int("rounds", 5, "measurements of which the median is shown")
	profile := flag.String("profile", "", "write processor profiles of the servers into this `directory`")
	flag.Usage = usage
	flag.Parse()
	r := &report{out: os.Stdout, quick: *quick, rounds: *rounds, profiles: *profile}
	if r.quick {
		r.rounds = 1
	}
	exit(run(r, flag.Args()))
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: go run . [-quick] [-rounds n] [-profile dir] all | part …")
	for _, p := range parts {
		fmt.Fprintf(os.Stderr, "  %-10s %s\n", p.name, p.about)
	}
	flag.PrintDefaults()
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures the parts with these names.
func run(r *report, names []string) error {
	if len(names) == 0 {
		usage()
		return fmt.Errorf("say which part, or all")
	}
	for _, name := range names {
		if name != "all" && !slices.ContainsFunc(parts, func(p struct {
			name, about string
			run         func(*report) error
		}) bool {
			return p.name == name
		}) {
			return fmt.Errorf("there is no part %q", name)
		}
	}
	fmt.Fprintln(r.out, machine())
	fmt.Fprintf(r.out, "median of %d\n", r.rounds)
	for _, p := range parts {
		if !slices.Contains(names, p.name) && !slices.Contains(names, "all") {
			continue
		}
		fmt.Fprintf(r.out, "\n## %s: %s\n", p.name, p.about)
		if err := p.run(r); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// report is where tables go, and how thoroughly they are made.
type report struct {
	out      io.Writer
	quick    bool
	rounds   int
	profiles string // directory for processor profiles of servers; empty: none
}

// table begins a table.
func (r *report) table(title string, columns ...string) {
	fmt.Fprintf(r.out, "\n%s:\n\n| %s |\n|---|%s\n", title, strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)-1))
}

// row adds a row to it.
func (r *report) row(cells ...string) { fmt.Fprintf(r.out, "| %s |\n", strings.Join(cells, " | ")) }

// note adds a line that is no table's.
func (r *report) note(format string, args ...any) { fmt.Fprintf(r.out, "\n"+format+"\n", args...) }

// machine describes what this runs on.
func machine() string {
	model, memory := "unknown processor", ""
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kib int
		if _, err := fmt.Sscanf(string(text), "MemTotal: %d kB", &kib); err == nil {
			memory = fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
		}
	}
	return fmt.Sprintf("%s, %d cores%s, %s/%s, %s", model, runtime.NumCPU(), memory, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
