package lint

import (
	"iter"
	"strings"
)

// nearest returns the candidate with the smallest edit distance to name, letter case aside, and the distance; candidates further
// away than a third of the name's length do not count. The first of several equally near wins.
func (l *linter) nearest(name string, candidates iter.Seq[string]) (best string, distance int) {
	limit := max(1, len(name)/3)
	name = strings.ToLower(name)
	for c := range candidates {
		if d := len(c) - len(name); d > limit || -d > limit {
			continue
		}
		if !l.spend(len(name) * (2*limit + 1)) {
			return "", 0
		}
		if d := editDistance(name, strings.ToLower(c), limit); d <= limit {
			best, distance, limit = c, d, d-1
			if d <= 1 {
				break
			}
		}
	}
	return best, distance
}

// misspelt reports whether a distance is so small that the name was surely meant to be the other.
func misspelt(name string, distance int) bool {
	return distance == 1 && len(name) > 3 || distance == 2 && len(name) >= 10
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours, by bytes. Distances above the limit are given
// as limit+1.
func editDistance(a, b string, limit int) int {
	const far = 1 << 20
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		from, to := max(1, i-limit), min(len(b), i+limit)
		for j := range row {
			row[j] = far
		}
		if i <= limit {
			row[0] = i
		}
		smallest := row[0]
		for j := from; j <= to; j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(last[j-1]+cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
			smallest = min(smallest, d)
		}
		if smallest > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}
