package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxTable bounds the table of the longest common subsequence; what is larger is shown as one replacement.
const maxTable = 16 << 20

// writeDiff writes the difference between a file and its formatted text, in the form of diff -u.
func writeDiff(w io.Writer, name string, before, after []byte) {
	a, b := diffLines(before), diffLines(after)
	fmt.Fprintf(w, "--- %s\n+++ %s (formatted)\n", printable(name), printable(name))
	const context = 3
	steps := diffSteps(a, b)
	for i := 0; i < len(steps); {
		if steps[i].kind == ' ' {
			i++
			continue
		}
		first, last, quiet := max(0, i-context), i, 0
		for j := i; j < len(steps) && quiet <= 2*context; j++ {
			if steps[j].kind != ' ' {
				last, quiet = j, 0
			} else {
				quiet++
			}
		}
		end := min(len(steps), last+1+context)
		hunk := steps[first:end]
		var olds, news int
		for _, s := range hunk {
			if s.kind != '+' {
				olds++
			}
			if s.kind != '-' {
				news++
			}
		}
		fmt.Fprintf(w, "@@ -%s +%s @@\n", diffRange(hunk[0].a, olds), diffRange(hunk[0].b, news))
		for _, s := range hunk {
			text, cut := strings.CutSuffix(s.text, noNewline)
			fmt.Fprintf(w, "%c%s\n", s.kind, printable(text))
			if cut {
				io.WriteString(w, noNewline[1:]+"\n")
			}
		}
		i = end
	}
}

// diffRange writes where a hunk begins, counted from 1, and how many lines it has.
func diffRange(start, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", start)
	case 1:
		return fmt.Sprint(start + 1)
	}
	return fmt.Sprintf("%d,%d", start+1, n)
}

// diffStep is a line that stays (a space), goes (-) or comes (+), with the numbers of lines before it in both texts.
type diffStep struct {
	kind byte
	text string
	a, b int
}

// diffSteps leads from a to b along a longest common subsequence.
func diffSteps(a, b []string) []diffStep {
	var out []diffStep
	i, j := 0, 0
	step := func(kind byte, text string) {
		out = append(out, diffStep{kind, text, i, j})
		if kind != '+' {
			i++
		}
		if kind != '-' {
			j++
		}
	}
	for i < len(a) && j < len(b) && a[i] == b[j] {
		step(' ', a[i])
	}
	endA, endB := len(a), len(b)
	for endA > i && endB > j && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	rows, columns := endA-i, endB-j
	if rows*columns <= maxTable {
		// common[r][c] is the length of the longest common subsequence of what follows line r and line c.
		common := make([][]int32, rows+1)
		for r := range common {
			common[r] = make([]int32, columns+1)
		}
		fromA, fromB := i, j
		for r := rows - 1; r >= 0; r-- {
			for c := columns - 1; c >= 0; c-- {
				if a[fromA+r] == b[fromB+c] {
					common[r][c] = common[r+1][c+1] + 1
				} else {
					common[r][c] = max(common[r+1][c], common[r][c+1])
				}
			}
		}
		for i < endA && j < endB {
			switch {
			case a[i] == b[j]:
				step(' ', a[i])
			case common[i-fromA+1][j-fromB] >= common[i-fromA][j-fromB+1]:
				step('-', a[i])
			default:
				step('+', b[j])
			}
		}
	}
	for i < endA {
		step('-', a[i])
	}
	for j < endB {
		step('+', b[j])
	}
	for i < len(a) {
		step(' ', a[i])
	}
	return out
}

// noNewline ends a line that ends the text without a newline, so that it differs from one with it.
const noNewline = "\n\\ No newline at end of file"

// diffLines splits a text into lines without their newlines.
func diffLines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	whole, ended := bytes.CutSuffix(text, []byte("\n"))
	lines := strings.Split(string(whole), "\n")
	if !ended {
		lines[len(lines)-1] += noNewline
	}
	return lines
}

// printable replaces what a terminal would obey; tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
