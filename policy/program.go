package policy

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
	"unsafe"
)

// program is the index of the statements of one policy, or of several that are evaluated together: it leads from a request to the
// few statements that can match it, so that the cost of a decision follows these and not what is attached.
//
// A table of services and for each a trie over the leads of action patterns give the action's class: the statements that may name the action. The
// resource patterns of a class stand in a group, which is indexed once more:
//
//   - in a trie over the literal text that a pattern begins with; a walk along the request's ARN meets just the patterns whose
//     lead the ARN has;
//   - for patterns with a wildcard in the first five parts of the ARN, in a trie over the literal text behind the fifth colon.
//     An ARN with five colons matches such a pattern only if the two fifth colons coincide, because every colon of the pattern
//     takes one of the ARN's. For ARNs with more colons all patterns of that trie are tried.
//
// Statements that are not tied to a service (Action *, NotAction) have a group of their own, which every request visits. What the
// index finds is a superset of what matches; the entries say what remains to be checked.
//
// A program is immutable. Statements are shared between the programs that index them.
type program struct {
	refs     []ref
	services []serviceTrie // a hash table with open addressing, of a power of two
	actions  forest        // lo of a node: the class of the action that ends there; hi: of those that go on and find no child
	classes  []class       // by number
	groups   []group
	loose    int32  // the group of statements that are not tied to a service, or none
	tries    forest // of all groups; lo and hi of a node: its candidates
	found    []candidate
}

// serviceTrie is a service that statements name, in lower case, and the trie of its actions. A slot of the table without a name is free.
type serviceTrie struct {
	name string
	hash uint32
	root int32
}

// ref is a statement and its place.
type ref struct {
	st     *statement
	policy *Policy // nil: the policy that is being evaluated
	index  int
}

// class is a group and the number of the class with the rest of the groups, or none.
type class struct{ group, rest int32 }

// group is the resource patterns of some statements. Small groups are lists; others have two tries.
type group struct {
	lead, body     int32 // roots in program.tries, or none
	lo, hi         int32 // candidates of the list, or of the trie of bodies
	allows, denies bool
}

// smallGroup is the number of candidates up to which a list is faster than a trie.
const smallGroup = 2

// candidate is a resource pattern of a statement, or stands for all of them.
type candidate struct {
	text   *text // nil for anyResource and wholeElement
	number int32 // of the statement in program.refs; for behindSlot the root of a trie in program.tries
	kind   candidateKind
	deny   bool
	verify bool // the index does not tell whether the statement's actions match
}

// candidateKind tells what has to be checked of a resource.
type candidateKind uint8

const (
	anyResource  candidateKind = iota // nothing
	wholeText                         // the text is a literal
	afterLead                         // the text's lead, and whatever follows
	fullPattern                       // the text's pattern
	wholeElement                      // the statement's element as a whole: NotResource
	behindSlot                        // none of one statement: the resource goes on with the value of text's first variable
)

// Program is a list of policies merged into one index, for a principal that is seen often: evaluating it costs the same
// however many policies there are. It is immutable and safe for concurrent use.
type Program struct {
	policies []*Policy
	program  *program
}

// Merge makes a Program of policies, which share their compiled statements with it.
func Merge(policies []*Policy) *Program {
	m := &Program{policies: slices.Clone(policies)}
	n := 0
	for _, p := range policies {
		n += len(p.statements)
	}
	refs := make([]ref, 0, n)
	for _, p := range m.policies {
		for i := range p.statements {
			refs = append(refs, ref{st: &p.statements[i], policy: p, index: i})
		}
	}
	m.program = newProgram(refs)
	return m
}

// Policies returns the policies that were merged. The slice must not be changed.
func (m *Program) Policies() []*Policy { return m.policies }

// Size returns how many bytes the Program takes beyond its policies.
func (m *Program) Size() int {
	return int(unsafe.Sizeof(*m)) + cap(m.policies)*int(unsafe.Sizeof(m.policies[0])) + m.program.size()
}

func (g *program) size() int {
	n := int(unsafe.Sizeof(*g)) + g.actions.size() + g.tries.size()
	n += cap(g.refs)*int(unsafe.Sizeof(ref{})) + cap(g.services)*int(unsafe.Sizeof(serviceTrie{}))
	n += cap(g.classes) * int(unsafe.Sizeof(class{}))
	return n + cap(g.groups)*int(unsafe.Sizeof(group{})) + cap(g.found)*int(unsafe.Sizeof(candidate{}))
}

func (f *forest) size() int { return cap(f.nodes)*int(unsafe.Sizeof(node{})) + cap(f.first) }

func newProgram(refs []ref) *program {
	b := &builder{program: &program{refs: refs, loose: none}, known: map[string]int32{}}
	b.actionTries()
	b.clip()
	return b.program
}

// builder makes a program.
type builder struct {
	*program
	named []actionKey      // of the services one after another, as the nodes of their tries say
	known map[string]int32 // groups, by their statements
	apart bool             // a group for each place in the trie of actions, so that it does not grow beyond measure
}

// actionKey is the statements with an action pattern of a lead.
type actionKey struct {
	exact  []int32 // the pattern is the lead
	beyond []int32 // something may follow
}

// actionTries makes the table of services, their tries, and from these the classes and groups.
func (b *builder) actionTries() {
	leads := map[string]map[string]*actionKey{}
	var loose []int32
	for i := range b.refs {
		st, n := b.refs[i].st, int32(i)
		if st.untied() {
			loose = append(loose, n)
			continue
		}
		for j := range st.actions {
			a := &st.actions[j]
			if leads[a.service] == nil {
				leads[a.service] = map[string]*actionKey{}
			}
			lead, rest := literalLead(a.name)
			key := leads[a.service][lead]
			if key == nil {
				key = &actionKey{}
				leads[a.service][lead] = key
			}
			if rest == restNone {
				key.exact = appendNew(key.exact, n)
			} else {
				key.beyond = appendNew(key.beyond, n)
			}
		}
	}
	if len(loose) > 0 {
		b.loose = b.group(loose)
	}
	if len(leads) == 0 {
		return
	}
	b.services = make([]serviceTrie, tableSize(len(leads)))
	var roots []int32
	for _, name := range slices.Sorted(maps.Keys(leads)) {
		root := b.actionTrie(leads[name])
		roots = append(roots, root)
		hash, _ := hashKey(name)
		at := int(uint32(hash))
		for b.services[at&(len(b.services)-1)].name != "" {
			at++
		}
		b.services[at&(len(b.services)-1)] = serviceTrie{name: name, hash: uint32(hash), root: root}
	}
	room := maxGrowth*(len(b.named)+len(b.refs)) + 4096
	for _, root := range roots {
		b.apart = b.apart || b.measure(root, 0, &room)
	}
	for _, root := range roots {
		b.classify(root, nil)
	}
}

// tableSize returns the size of a hash table with open addressing for n entries, at most half full.
func tableSize(n int) int { return 1 << bits.Len(uint(2*n-1)) }

// actionTrie makes the trie of a service's actions.
func (b *builder) actionTrie(leads map[string]*actionKey) int32 {
	keys, base := slices.Sorted(maps.Keys(leads)), int32(len(b.named))
	for _, lead := range keys {
		b.named = append(b.named, *leads[lead])
	}
	return b.actions.plant(keys, func(n int32, lo, hi int) {
		b.actions.nodes[n].lo, b.actions.nodes[n].hi = base+int32(lo), base+int32(hi)
	})
}

// appendNew appends n, which is not less than any number of list, unless it is there.
func appendNew(list []int32, n int32) []int32 {
	if len(list) > 0 && list[len(list)-1] == n {
		return list
	}
	return append(list, n)
}

// maxGrowth bounds how often a resource pattern may stand in the groups, on average.
const maxGrowth = 16

// measure takes from room what the classes at n and below would hold, counting equal ones each time, and reports whether
// it is used up. above is the resource patterns of the statements that apply to all actions below n.
func (b *builder) measure(n int32, above int, room *int) bool {
	at := &b.actions.nodes[n]
	exact := 0
	if at.hi > at.lo {
		above += b.weigh(b.named[at.lo].beyond)
		exact = b.weigh(b.named[at.lo].exact)
	}
	*room -= above + exact
	for i := range int32(at.count) {
		if *room < 0 || b.measure(int32(at.children)+i, above, room) {
			return true
		}
	}
	return *room < 0
}

func (b *builder) weigh(set []int32) int {
	n := 0
	for _, i := range set {
		n += 1 + len(b.refs[i].st.resources)
	}
	return n
}

// classify numbers the classes of the actions at n and below. above is the statements that apply to all of them, or if groups
// stand apart the number of the class with these.
func (b *builder) classify(n int32, above []int32) {
	at := b.actions.nodes[n]
	here := above
	if at.hi > at.lo {
		key := &b.named[at.lo]
		above = b.with(above, key.beyond)
		here = b.with(above, key.exact)
	}
	b.actions.nodes[n].lo, b.actions.nodes[n].hi = b.class(here), b.class(above)
	for i := range int32(at.count) {
		b.classify(int32(at.children)+i, above)
	}
}

// with adds statements to a set, or if groups stand apart to a class.
func (b *builder) with(set, more []int32) []int32 {
	switch {
	case len(more) == 0:
		return set
	case b.apart:
		b.classes = append(b.classes, class{group: b.group(more), rest: b.class(set)})
		return []int32{int32(len(b.classes) - 1)}
	case len(set) == 0:
		return more
	}
	out := make([]int32, 0, len(set)+len(more))
	out = append(append(out, set...), more...)
	slices.Sort(out)
	return slices.Compact(out)
}

// class returns the number of the class with these statements; if groups stand apart, set is that number.
func (b *builder) class(set []int32) int32 {
	switch {
	case len(set) == 0:
		return none
	case b.apart:
		return set[0]
	}
	return b.group(set)
}

func setKey(set []int32) string {
	var key strings.Builder
	key.Grow(4 * len(set))
	for _, n := range set {
		key.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	}
	return key.String()
}

// keyed is a candidate and the literal text it is found by.
type keyed struct {
	key string
	candidate
}

// group returns the group of these statements.
func (b *builder) group(set []int32) int32 {
	name := setKey(set)
	if n, ok := b.known[name]; ok {
		return n
	}
	g := group{lead: none, body: none}
	var leads, bodies []keyed
	for _, n := range set {
		st := b.refs[n].st
		g.allows, g.denies = g.allows || st.effect == Allow, g.denies || st.effect == Deny
		l, o := st.candidates(n)
		leads, bodies = append(leads, l...), append(bodies, o...)
	}
	if len(leads)+len(bodies) <= smallGroup {
		g.lo = int32(len(b.found))
		for _, k := range append(leads, bodies...) {
			b.found = append(b.found, k.candidate)
		}
		g.hi = int32(len(b.found))
	} else {
		g.lead = b.plant(b.slots(leads))
		g.lo = int32(len(b.found))
		g.body = b.plant(bodies)
		g.hi = int32(len(b.found))
	}
	b.groups = append(b.groups, g)
	b.known[name] = int32(len(b.groups) - 1)
	return b.known[name]
}

// slots takes from a list the candidates whose pattern has a variable behind its lead. For those of one lead and one variable it
// puts one candidate into the list, which leads to a trie of the literal text behind the variable.
func (b *builder) slots(list []keyed) []keyed {
	type place struct {
		key  string
		head string
		tail string
		def  string
	}
	at := map[place]int{}
	var behind [][]keyed
	var out, heads []keyed
	for _, k := range list {
		if k.text == nil || k.text.parts == nil || !k.text.parts.slotted {
			out = append(out, k)
			continue
		}
		v := &k.text.parts.vars[0]
		p := place{key: k.key, head: v.key.head, tail: v.key.tail, def: "'" + v.def}
		if !v.hasDefault {
			p.def = ""
		}
		i, ok := at[p]
		if !ok {
			i = len(heads)
			at[p] = i
			heads = append(heads, keyed{key: k.key, candidate: candidate{kind: behindSlot, text: k.text}})
			behind = append(behind, nil)
		}
		k.key, k.kind = k.text.parts.behind, k.text.parts.behindKind
		behind[i] = append(behind[i], k)
	}
	for i := range heads {
		heads[i].number = b.plant(behind[i])
	}
	return append(out, heads...)
}

// plant makes a trie of candidates. Those of one node stand in the order of their statements.
func (b *builder) plant(list []keyed) int32 {
	slices.SortStableFunc(list, func(x, y keyed) int { return strings.Compare(x.key, y.key) })
	keys, base := make([]string, len(list)), int32(len(b.found))
	for i := range list {
		keys[i] = list[i].key
		b.found = append(b.found, list[i].candidate)
	}
	return b.tries.plant(keys, func(n int32, lo, hi int) {
		b.tries.nodes[n].lo, b.tries.nodes[n].hi = base+int32(lo), base+int32(hi)
	})
}

func (b *builder) clip() {
	b.actions.clip()
	b.tries.clip()
	b.classes, b.groups, b.found = slices.Clip(b.classes), slices.Clip(b.groups), slices.Clip(b.found)
}

// untied reports whether the statement may name actions of any service.
func (st *statement) untied() bool {
	return st.notAction || slices.ContainsFunc(st.actions, func(a actionPattern) bool { return a.service == "" })
}

// candidates returns what stands for the statement in the tries of leads and of bodies.
func (st *statement) candidates(n int32) (leads, bodies []keyed) {
	c := candidate{number: n, deny: st.effect == Deny, verify: st.verify}
	switch {
	case st.notResource:
		c.kind = wholeElement
		return []keyed{{candidate: c}}, nil
	case st.anyResource || slices.ContainsFunc(st.resources, func(t text) bool { return t.all && t.lead == "" }):
		return []keyed{{candidate: c}}, nil
	}
	for i := range st.resources {
		t := &st.resources[i]
		c.text = t
		switch {
		case t.all:
			c.kind = afterLead
			leads = append(leads, keyed{key: t.lead, candidate: c})
		case t.pattern == nil:
			c.kind = wholeText
			leads = append(leads, keyed{key: t.lead, candidate: c})
		case t.parts != nil && t.parts.body != "":
			c.kind = fullPattern
			bodies = append(bodies, keyed{key: t.parts.body, candidate: c})
		default:
			c.kind = fullPattern
			leads = append(leads, keyed{key: t.lead, candidate: c})
		}
	}
	return leads, bodies
}
