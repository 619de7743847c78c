package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// micro are the benchmarks of packages that belong to a budget.
var micro = []struct{ about, pkg, bench string }{
	{"decisions: one principal's documents, shared and merged", "./policy", "^(BenchmarkEvaluate|BenchmarkLayers)$"},
	{"patterns made to be slow: subjects of 100 and 1,000 bytes", "./policy", "^BenchmarkAdversarial$"},
	{"the request context: 20 keys", "./policy", "^BenchmarkContext$"},
	{"the context and the whole decision, as the gate asks for it", "./internal/authorizer", "^BenchmarkDecide$"},
	{"signatures: parsed, and verified with the key cached and not", "./sigv4", "^Benchmark(Cached|Uncached|Parse)$"},
	{"session tokens, opened", "./internal/session", "^BenchmarkOpen$"},
	{"an access key to the policies of its user", "./internal/snapshot", "^BenchmarkHot$"},
	{"an event, recorded", "./internal/trail", "^BenchmarkRecord$"},
}

// result is a line of go test -bench.
var result = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(.*)$`)

// paths runs the packages' own benchmarks and shows medians.
func paths(r *report) error {
	r.table("by package", "benchmark", "time", "B", "allocations")
	for _, m := range micro {
		args := []string{"test", "-run", "^$", "-bench", m.bench, "-benchmem", "-count", strconv.Itoa(r.rounds)}
		if r.quick {
			args = append(args, "-benchtime", "1x")
		}
		cmd := exec.Command("go", append(args, m.pkg)...)
		cmd.Dir = ".." // the module that is measured
		var failed bytes.Buffer
		cmd.Stderr = &failed
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w: %s%s", m.pkg, err, out, &failed)
		}
		times, memory := map[string][]float64{}, map[string]string{}
		var names []string
		for line := range strings.Lines(string(out)) {
			f := result.FindStringSubmatch(strings.TrimSpace(line))
			if f == nil {
				continue
			}
			t, err := strconv.ParseFloat(f[2], 64)
			if err != nil {
				return err
			}
			if times[f[1]] == nil {
				names = append(names, f[1])
			}
			times[f[1]], memory[f[1]] = append(times[f[1]], t), f[3]
		}
		if names == nil {
			return fmt.Errorf("%s has no benchmark %s", m.pkg, m.bench)
		}
		r.row("**"+m.about+"**", "", "", "")
		for _, name := range names {
			r.row(strings.ReplaceAll(name, "_", " "), short(median(times[name])), metric(memory[name], "B/op"), metric(memory[name], "allocs/op"))
		}
	}
	return nil
}

// metric is the value before a unit.
func metric(text, unit string) string {
	fields := strings.Fields(text)
	for i := 1; i < len(fields); i++ {
		if fields[i] == unit {
			return fields[i-1]
		}
	}
	return ""
}
