package policy

import "strings"

// scan is a search for the statements of a program that decide. Of the denials, and of the strongest grants, it takes the one
// that stands first, in whatever order the index finds them.
type scan struct {
	e       *evaluator
	g       *program
	denial  int32 // the first statement found that denies, or last
	grant   grant // the strongest grant found
	allower int32 // the first statement that gives it
	settled bool  // no stronger grant is of use
	all     bool  // every group is visited, so that actions have to be compared
}

const last = 1<<31 - 1

// scan adds what p says and reports whether it denies.
func (o *outcome) scan(e *evaluator, p *Policy) bool { return o.run(e, p.program, p) }

// run adds what a program says, which is p's own or of several policies.
func (o *outcome) run(e *evaluator, g *program, p *Policy) bool {
	s := scan{e: e, g: g, denial: last, allower: last, settled: o.grant == grantDirect}
	if e.length > 0 {
		s.visit()
	} else {
		s.all = true
		for i := range g.groups {
			s.group(&g.groups[i])
		}
	}
	switch {
	case s.denial != last:
		at := &g.refs[s.denial]
		*o = outcome{deny: true, policy: p, index: at.index}
		if at.policy != nil {
			o.policy = at.policy
		}
		return true
	case s.grant > o.grant:
		at := &g.refs[s.allower]
		*o = outcome{grant: s.grant, policy: p, index: at.index}
		if at.policy != nil {
			o.policy = at.policy
		}
	}
	return false
}

// visit searches the groups of the action's class.
func (s *scan) visit() {
	g := s.g
	if g.loose != none {
		s.group(&g.groups[g.loose])
	}
	c := s.class()
	if c == none {
		return
	}
	for _, n := range g.lists[g.classes[c].lo:g.classes[c].hi] {
		s.group(&g.groups[n])
	}
}

// class walks along the action.
func (s *scan) class() int32 {
	g := s.g
	if g.root == none {
		return none
	}
	text := s.e.lowered[:s.e.length]
	best := int32(none)
	n := &g.actions.nodes[g.root]
	for n != nil {
		if len(text) < len(n.label) || string(text[:len(n.label)]) != n.label {
			return best
		}
		if text = text[len(n.label):]; len(text) == 0 {
			return n.lo
		}
		best = n.hi
		n = g.actions.child(n, text[0])
	}
	return best
}

func (s *scan) group(gr *group) {
	if s.settled && !gr.denies {
		return
	}
	if gr.lead == none && gr.body == none {
		s.candidates(gr.lo, gr.hi, false)
		return
	}
	text := s.e.r.Resource
	if gr.lead != none {
		s.walk(gr.lead, text, true)
	}
	if gr.body == none {
		return
	}
	switch s.e.part(); {
	case s.e.colons == 5:
		s.walk(gr.body, s.e.behind, false)
	case s.e.colons > 5:
		s.candidates(gr.lo, gr.hi, false)
	}
}

// walk visits the candidates whose key text begins with. With led, the key is the pattern's lead.
func (s *scan) walk(root int32, text string, led bool) {
	f := &s.g.tries
	n := &f.nodes[root]
	for n != nil && strings.HasPrefix(text, n.label) {
		if n.lo < n.hi {
			s.candidates(n.lo, n.hi, led)
		}
		if text = text[len(n.label):]; text == "" {
			return
		}
		n = f.child(n, text[0])
	}
}

// candidates tries found[lo:hi].
func (s *scan) candidates(lo, hi int32, led bool) {
	list := s.g.found[lo:hi]
	for i := range list {
		c := &list[i]
		if c.deny {
			if c.number >= s.denial {
				continue
			}
		} else if s.settled || s.denial != last || s.grant == grantDirect && c.number >= s.allower {
			continue
		}
		st := s.g.refs[c.number].st
		if !s.resource(c, st, led) || (c.verify || s.all) && !s.e.action(st) {
			continue
		}
		grant := s.e.rest(st)
		switch {
		case grant == grantNone:
		case c.deny:
			s.denial = c.number
		case grant > s.grant || grant == s.grant && c.number < s.allower:
			s.grant, s.allower = grant, c.number
		}
	}
}

// resource checks what the index has left open of the resource.
func (s *scan) resource(c *candidate, st *statement, led bool) bool {
	e, t := s.e, c.text
	switch c.kind {
	case wholeText:
		return len(e.r.Resource) == len(t.literal) && (led || e.r.Resource == t.literal)
	case afterLead:
		return led || strings.HasPrefix(e.r.Resource, t.lead)
	case fullPattern:
		if !led && !strings.HasPrefix(e.r.Resource, t.lead) {
			return false
		}
		if len(t.vars) > 0 {
			hit, _ := e.slots(t, e.r.Resource, true)
			return hit
		}
		return t.pattern.MatchAfterLead(e.r.Resource, nil)
	case wholeElement:
		return e.resource(st)
	}
	return true
}

// part finds the colons of the resource.
func (e *evaluator) part() {
	if e.parted {
		return
	}
	e.parted = true
	rest := e.r.Resource
	for e.colons < 6 {
		i := strings.IndexByte(rest, ':')
		if i < 0 {
			i = len(rest)
		}
		if e.colons == 4 {
			e.account = rest[:i]
		}
		if i == len(rest) {
			return
		}
		rest = rest[i+1:]
		if e.colons++; e.colons == 5 {
			e.behind = rest
		}
	}
}
