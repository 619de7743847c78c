package main

import (
	"os"
	"strings"
	"testing"
)

// TestMain lets this test's program be the servers, as the tool itself does.
func TestMain(m *testing.M) {
	if mode := os.Getenv(childVariable); mode != "" {
		exit(child(mode))
	}
	os.Exit(m.Run())
}

// Every part goes through its motions and prints tables with a figure in every cell.
func TestQuick(t *testing.T) {
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			var out strings.Builder
			r := &report{out: &out, quick: true, rounds: 1}
			if err := run(r, []string{p.name}); err != nil {
				t.Fatal(err)
			}
			rows := 0
			for line := range strings.Lines(out.String()) {
				cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
				if len(cells) < 2 || strings.Contains(line, "---") {
					continue
				}
				rows++
				for _, cell := range cells[1:] {
					if cell = strings.TrimSpace(cell); cell == "NaN" || strings.Contains(cell, "Inf") || strings.HasPrefix(cell, "-") {
						t.Errorf("no figure: %s", line)
					}
				}
			}
			if rows < 3 {
				t.Errorf("%d rows:\n%s", rows, &out)
			}
		})
	}
}

// What is not there is refused, before anything is measured.
func TestParts(t *testing.T) {
	for _, names := range [][]string{nil, {"speed"}, {"all", "speed"}} {
		if err := run(&report{out: t.Output()}, names); err == nil {
			t.Errorf("%q: no error", names)
		}
	}
}
