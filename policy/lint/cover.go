package lint

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// cover answers which pattern of a list covers a given one: matches everything that it matches. It may miss a pair, but what it says
// is true.
type cover struct {
	*linter
	texts   []string
	exact   map[string][]int // the places of each text
	wild    map[string][]int // patterns with wildcards by the literal text before the first
	lengths []int            // the lengths of those literals, ascending
	all     bool             // a pattern is the single star
	not     bool
	actions bool
}

// newCover makes the index of an element's values. Actions compare in lower case, and their stars know no colons to stop at.
func newCover(l *linter, list policy.Strings, actions bool) *cover {
	c := &cover{linter: l, exact: map[string][]int{}, wild: map[string][]int{}, not: list.Not, actions: actions}
	for i, v := range list.Values {
		text := v.Text
		if actions {
			text = strings.ToLower(text)
		}
		c.texts = append(c.texts, text)
		c.exact[text] = append(c.exact[text], i)
		if text == "*" || actions && text == "*:*" {
			c.all = true
		}
		if wild := strings.IndexAny(text, "*?"); wild >= 0 {
			c.lengths = append(c.lengths, wild)
			c.wild[text[:wild]] = append(c.wild[text[:wild]], i)
		}
	}
	slices.Sort(c.lengths)
	c.lengths = slices.Compact(c.lengths)
	return c
}

// find returns the place of a pattern that covers text, other than the one at skip (-1 for none); of equal texts the first.
func (c *cover) find(text string, skip int) (place int, ok bool) {
	c.each(text, func(i int) bool {
		if i == skip {
			return true
		}
		place, ok = i, true
		return false
	})
	return place, ok
}

// each yields the places of the patterns that cover text until yield says no: equal ones first.
func (c *cover) each(text string, yield func(place int) bool) {
	for _, i := range c.exact[text] {
		if !c.spend(1) || !yield(i) {
			return
		}
	}
	literal := strings.IndexAny(text, "*?")
	if literal < 0 {
		literal = len(text)
	}
	for _, n := range c.lengths {
		if n > literal {
			return
		}
		for _, i := range c.wild[text[:n]] {
			if c.texts[i] == text {
				continue
			}
			if !c.spend(min(len(text)*(1+strings.Count(c.texts[i], "*"))+len(c.texts[i]), 1<<30)) {
				return
			}
			if covers(c.texts[i], text, !c.actions) && !yield(i) {
				return
			}
		}
	}
}

// contains reports whether everything that d names is named by c.
func (c *cover) contains(d *cover) bool {
	if c.not || d.not {
		return c.not == d.not && len(c.exact) == len(d.exact) && c.sameTexts(d) || !c.not && c.all
	}
	if c.all {
		return true
	}
	for _, text := range d.texts {
		if !c.spend(1) {
			return false
		}
		if _, ok := c.find(text, -1); !ok {
			return false
		}
	}
	return len(d.texts) > 0 || len(c.texts) == 0
}

func (c *cover) sameTexts(d *cover) bool {
	for text := range d.exact {
		if _, ok := c.exact[text]; !ok {
			return false
		}
	}
	return true
}

// covers reports whether pattern wide matches every text that pattern narrow matches. A star of the narrow one can be matched by a star
// only, a question mark by either. With segments, a star stops at colons unless it ends a segment (D7 in docs/design.md). Taking
// the shortest run for each star may overlook a way, so false means "not seen".
func covers(wide, narrow string, segments bool) bool {
	if strings.Contains(narrow, "${") && wide != narrow && strings.IndexAny(wide, "*?") != len(wide)-1 {
		return false // what stands for a variable is unknown: only a star behind everything else surely covers it
	}
	crosses := func(s string, i int) bool { return !segments || i+1 == len(s) || s[i+1] == ':' }
	w, n := 0, 0
	star, back := -1, 0 // the last star of wide, and where in narrow its run ends
	for n < len(narrow) {
		switch {
		case w < len(wide) && wide[w] == '*':
			star, back = w, n
			w++
			continue
		case w < len(wide) && (wide[w] == narrow[n] && wide[w] != '?' || wide[w] == '?' && one(narrow[n], segments)):
			w++
			n++
			continue
		}
		if star < 0 || !crosses(wide, star) && (narrow[back] == ':' || narrow[back] == '*' && crosses(narrow, back)) {
			return false
		}
		back++
		w, n = star+1, back
	}
	for w < len(wide) && wide[w] == '*' {
		w++
	}
	return w == len(wide)
}

// one reports whether a question mark covers a byte of a pattern.
func one(c byte, segments bool) bool { return c < 0x80 && c != '*' && (c != ':' || !segments) }
