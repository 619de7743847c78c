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
	if e.short {
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
	switch {
	case c == none:
		return
	case len(g.classes) == 0:
		s.group(&g.groups[c])
		return
	}
	for c != none {
		s.group(&g.groups[g.classes[c].group])
		c = g.classes[c].rest
	}
}

// class finds the service and walks along the action's name.
func (s *scan) class() int32 {
	e, g := s.e, s.g
	if len(g.services) == 0 {
		return none
	}
	at := e.hash
	mask := uint32(len(g.services) - 1)
	for {
		sv := &g.services[at&mask]
		if sv.name == "" {
			return none
		}
		if sv.hash == e.hash && sv.name == string(e.lowered[:len(e.service)]) {
			return g.named(sv.root, e.lowered[e.skip:e.length])
		}
		at++
	}
}

// named returns the class of the action of that name in the trie of its service.
func (g *program) named(root int32, name []byte) int32 {
	f := &g.actions
	n, best := &f.nodes[root], int32(none)
	for {
		if len(name) < len(n.label) || string(name[:len(n.label)]) != n.label {
			return best
		}
		if name = name[len(n.label):]; len(name) == 0 {
			return n.lo
		}
		best = n.hi
		first := f.first[n.children : n.children+uint32(n.count)]
		c := name[0]
		i := 0
		for i < len(first) && first[i] != c {
			i++
		}
		if i == len(first) {
			return best
		}
		n = &f.nodes[n.children+uint32(i)]
	}
}

func (s *scan) group(gr *group) {
	if s.settled && !gr.denies {
		return
	}
	if gr.lead == none && gr.body == none {
		s.candidates(gr.lo, gr.hi, s.e.r.Resource, false)
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
	case !s.e.whole:
	case strings.IndexByte(s.e.behind, ':') < 0:
		s.walk(gr.body, s.e.behind, false)
	default:
		s.candidates(gr.lo, gr.hi, text, false)
	}
}

// walk visits the candidates whose key text begins with. With led, all of the pattern up to the key's end has matched what
// stands in the resource before the rest of text.
func (s *scan) walk(root int32, text string, led bool) {
	f := &s.g.tries
	n := &f.nodes[root]
	for n != nil && strings.HasPrefix(text, n.label) {
		text = text[len(n.label):]
		if n.lo < n.hi {
			s.candidates(n.lo, n.hi, text, led)
		}
		if text == "" {
			return
		}
		n = f.child(n, text[0])
	}
}

// candidates tries found[lo:hi]. With led, rest is what their keys have left over of the resource.
func (s *scan) candidates(lo, hi int32, rest string, led bool) {
	list := s.g.found[lo:hi]
	for i := range list {
		c := &list[i]
		if c.kind == behindSlot {
			s.slot(c, rest)
			continue
		}
		if c.deny {
			if c.number >= s.denial {
				continue
			}
		} else if s.settled || s.denial != last || s.grant == grantDirect && c.number >= s.allower {
			continue
		}
		st := s.g.refs[c.number].st
		if !s.resource(c, st, rest, led) || (c.verify || s.all) && !s.e.action(st) {
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

// slot goes on behind the value of a variable.
func (s *scan) slot(c *candidate, rest string) {
	var room [textRoom]byte
	v, ok := s.e.resolve(&c.text.parts.vars[0], room[:0])
	if ok && strings.HasPrefix(rest, v) {
		s.walk(c.number, rest[len(v):], true)
	}
}

// resource checks what the index has left open of the resource.
func (s *scan) resource(c *candidate, st *statement, rest string, led bool) bool {
	e, t := s.e, c.text
	switch c.kind {
	case wholeText:
		if led {
			return rest == ""
		}
		return e.r.Resource == t.lead
	case afterLead:
		return led || strings.HasPrefix(e.r.Resource, t.lead)
	case fullPattern:
		if !led && !strings.HasPrefix(e.r.Resource, t.lead) {
			return false
		}
		if t.variables() > 0 {
			hit, _ := e.slots(t, e.r.Resource, true)
			return hit
		}
		return t.pattern.MatchAfterLead(e.r.Resource, nil)
	case wholeElement:
		return e.resource(st)
	}
	return true
}

// part finds the first five colons of the resource.
func (e *evaluator) part() {
	if e.parted {
		return
	}
	e.parted = true
	text, colons, from := e.r.Resource, 0, 0
	for i := range len(text) {
		if text[i] != ':' {
			continue
		}
		if colons++; colons == 4 {
			from = i + 1
		} else if colons == 5 {
			e.account, e.behind, e.whole = text[from:i], text[i+1:], true
			return
		}
	}
	if colons == 4 {
		e.account = text[from:]
	}
}
