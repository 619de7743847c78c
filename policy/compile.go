package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// Policy is a compiled document: immutable and safe for concurrent use.
type Policy struct {
	name       string
	kind       Kind
	doc        *Document // for explanations
	statements []statement
	program    *program
}

// Name returns the name given to Compile.
func (p *Policy) Name() string { return p.name }

// Named returns a policy with another name that shares p's compiled form.
func (p *Policy) Named(name string) *Policy {
	q := *p
	q.name = name
	return &q
}

// Kind returns the kind given to Compile.
func (p *Policy) Kind() Kind { return p.kind }

// Len returns the number of statements.
func (p *Policy) Len() int { return len(p.statements) }

// Sid returns the Sid of statement i, or the empty string.
func (p *Policy) Sid(i int) string { return p.statements[i].sid }

// statement is a compiled statement.
type statement struct {
	effect       Effect
	sid          string
	hasPrincipal bool
	notPrincipal bool
	principals   []principalMatcher
	notAction    bool
	actions      []actionPattern
	verify       bool // the actions are more than literals and leads of one service each
	notResource  bool
	anyResource  bool // the statement has no resource element
	resources    []text
	conditions   []condition
}

// text is a string of a policy, ready to be compared: a literal, a literal and a final star, or a pattern.
type text struct {
	lead    string        // the literal, or the literal text that a pattern begins with
	pattern *glob.Pattern // nil: a literal, lead and whatever follows, or parts.folded
	parts   *textParts    // nil: none of these
	all     bool          // lead and whatever follows match
}

// textParts is what few texts have.
type textParts struct {
	vars   []variable   // for the slots
	folded []glob.Token // for comparisons without case
	body   string       // of a pattern with a wildcard or slot in front of it: the literal text behind its fifth colon
	// Of a pattern with a slot behind its lead, or at its front: slotted, the literal text behind it, and what is open then.
	slotted    bool
	behindKind candidateKind
	behind     string
}

// condition is one test of a Condition block.
type condition struct {
	op        operator
	effect    Effect // of the statement: what to do where AWS defines nothing
	anyARN    bool   // ArnLike *
	malformed bool   // an ARN pattern that no ARN can match
	yes, no   bool   // Bool, Null: which values are listed
	absent    bool   // the outcome if the key is absent
	key       keyRef
	texts     []text              // of the string and ARN operators
	exact     map[string]struct{} // StringEquals with many literals: these, and texts has the others
	*scalars                      // of the operators on numbers, dates, bytes and addresses; nil for others
}

// scalars are the values of a condition that are not text.
type scalars struct {
	numbers  []number
	integers []int64 // numbers, if all are such
	dates    []instant
	binaries [][]byte
	ranges   []netip.Prefix
	spans    []span // in place of many ranges
}

// manyLiterals is the number of literals from which on a hash set is used.
const manyLiterals = 8

// Compile makes a Policy of d for use as kind k. It fails exactly when Check does, with Check's error. The name is the caller's,
// for explanations. The Policy keeps d, which must not change any more.
func Compile(k Kind, name string, d *Document) (*Policy, error) {
	if err := d.Check(k); err != nil {
		return nil, err
	}
	p := &Policy{name: name, kind: k, doc: d}
	vars := d.EffectiveVersion() == Version2012
	for i := range d.Statements {
		st := compileStatement(&d.Statements[i], vars, d.dateAliases)
		p.statements = append(p.statements, st)
	}
	refs := make([]ref, len(p.statements))
	for i := range p.statements {
		refs[i] = ref{st: &p.statements[i], index: i}
	}
	p.program = newProgram(refs)
	return p, nil
}

func compileStatement(src *Statement, vars, aliases bool) statement {
	st := statement{effect: src.Effect, notAction: src.Actions.Not, notResource: src.Resources.Not}
	if src.Sid != nil {
		st.sid = src.Sid.Text
	}
	if src.Principals != nil {
		st.hasPrincipal, st.notPrincipal = true, src.Principals.Not
		for _, ref := range src.Principals.Refs {
			st.principals = append(st.principals, compilePrincipal(ref))
		}
	}
	for _, v := range src.Actions.Values {
		st.actions = append(st.actions, compileAction(v.Text))
	}
	st.verify = st.untied() && (st.notAction || len(st.actions) == 0) || slices.ContainsFunc(st.actions, func(a actionPattern) bool {
		_, rest := literalLead(a.name)
		return rest == restWild
	})
	st.anyResource = len(src.Resources.Values) == 0
	for _, v := range src.Resources.Values {
		st.resources = append(st.resources, compileText(shortARN(v.Text, src.Effect, src.Resources.Not), true, vars, glob.Segments))
	}
	for _, c := range src.Conditions {
		op, _ := parseOperator(c.Operator.Text, aliases)
		for _, t := range c.Tests {
			st.conditions = append(st.conditions, compileTest(op, t, src.Effect, vars))
		}
	}
	return st
}

func compileText(s string, wild, vars bool, mode glob.Mode) text {
	t, _ := parseTemplate(s, wild, vars)
	if lit, ok := t.literal(); ok {
		return text{lead: lit}
	}
	p := glob.Compile(t.tokens, mode)
	if p.AllAfterLead() {
		return text{lead: p.Lead(), all: true}
	}
	parts := textParts{vars: t.vars, body: bodyOf(t.tokens)}
	if mode == glob.Segments {
		parts.findSlot(t.tokens)
	}
	out := text{pattern: p, lead: p.Lead()}
	if len(parts.vars) > 0 || parts.body != "" {
		out.parts = &parts
	}
	return out
}

// literal reports whether t is a literal and nothing else.
func (t *text) literal() bool { return t.pattern == nil && t.parts == nil && !t.all }

// variables returns the number of variables.
func (t *text) variables() int {
	if t.parts == nil {
		return 0
	}
	return len(t.parts.vars)
}

// findSlot fills in what is known of a pattern with a slot behind its lead, or at its front.
func (t *textParts) findSlot(tokens []glob.Token) {
	if tokens[0].Kind == glob.Literal {
		tokens = tokens[1:]
	}
	if len(tokens) == 0 || tokens[0].Kind != glob.Slot {
		return
	}
	t.slotted, tokens = true, tokens[1:]
	if len(tokens) > 0 && tokens[0].Kind == glob.Literal {
		t.behind, tokens = tokens[0].Text, tokens[1:]
	}
	switch {
	case len(tokens) == 0:
		t.behindKind = wholeText
	case len(tokens) == 1 && tokens[0].Kind == glob.Many:
		t.behindKind = afterLead
	default:
		t.behindKind = fullPattern
	}
}

// bodyOf returns the literal text behind the fifth colon of a pattern that begins with less than that.
func bodyOf(tokens []glob.Token) string {
	colons := 0
	for i, t := range tokens {
		if t.Kind != glob.Literal {
			continue
		}
		for at := range len(t.Text) {
			if t.Text[at] != ':' {
				continue
			}
			if colons++; colons == 5 {
				if i == 0 {
					return ""
				}
				return t.Text[at+1:]
			}
		}
	}
	return ""
}

func compileTest(op operator, t Test, effect Effect, vars bool) condition {
	c := condition{op: op, effect: effect, key: newKeyRef(t.Key.Text)}
	switch op.family {
	case familyNumeric, familyDate, familyBinary, familyIP:
		c.scalars = &scalars{}
	}
	for _, v := range t.Values {
		switch op.family {
		case familyString:
			c.addString(v.Text, vars)
		case familyARN:
			c.addARN(v.Text, vars)
		case familyNumeric:
			n, _ := parseNumber(v.Text)
			c.numbers = append(c.numbers, n)
			if i, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
				c.integers = append(c.integers, i)
			}
		case familyDate:
			d, _ := parseDate(v.Text)
			c.dates = append(c.dates, d)
		case familyBool, familyNull:
			b, _ := parseBool(v.Text)
			c.yes, c.no = c.yes || b, c.no || !b
		case familyBinary:
			b, _ := parseBinary(v.Text)
			c.binaries = append(c.binaries, b)
		case familyIP:
			r, _ := parsePrefix(v.Text)
			c.ranges = append(c.ranges, r)
		}
	}
	c.finish()
	return c
}

// finish prepares what comparisons need once all values are there.
func (c *condition) finish() {
	c.absent = c.ifAbsent()
	if c.op.family == familyString && c.op.compare != equalFold && len(c.texts) > manyLiterals {
		c.hashLiterals()
	}
	if c.scalars == nil {
		return
	}
	if len(c.integers) < len(c.numbers) {
		c.integers = nil
	}
	if len(c.ranges) > manyLiterals {
		c.spans, c.ranges = spansOf(c.ranges), nil
	}
}

func (c *condition) addString(s string, vars bool) {
	if c.op.compare == equalFold {
		t, _ := parseTemplate(s, false, vars)
		c.texts = append(c.texts, text{parts: &textParts{folded: t.tokens, vars: t.vars}})
		return
	}
	c.texts = append(c.texts, compileText(s, c.op.wildcards(), vars, glob.Plain))
}

// addARN takes * for any ARN. A pattern with fewer than six components matches no ARN.
func (c *condition) addARN(s string, vars bool) {
	if s == "*" {
		c.anyARN = true
		return
	}
	t := compileText(s, true, vars, glob.Components)
	if t.variables() == 0 && strings.Count(s, ":") < 5 {
		c.malformed = true
		return
	}
	c.texts = append(c.texts, t)
}

func (c *condition) hashLiterals() {
	c.exact = map[string]struct{}{}
	c.texts = slices.DeleteFunc(c.texts, func(t text) bool {
		if !t.literal() {
			return false
		}
		c.exact[t.lead] = struct{}{}
		return true
	})
}
