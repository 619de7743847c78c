package policy

import (
	"net/netip"
	"slices"
	"strings"
	"unsafe"
)

// conditions reports whether all tests of a statement hold.
func (e *evaluator) conditions(st *statement) bool {
	for i := range st.conditions {
		if !e.condition(&st.conditions[i]) {
			return false
		}
	}
	return true
}

// condition applies the rules that are the same for all operators: for absent keys, quantifiers and values without meaning.
//
//	              key absent           several values
//	plain         negated operators    undefined on AWS: false in an Allow, true in a Deny (D16 in docs/design.md)
//	...IfExists   true                 the same
//	ForAllValues  true                 every value must pass
//	ForAnyValue   false                one value must pass
//
// A value that is not of the operator's type passes in a Deny and fails in an Allow. For the set operators the single value ""
// is the empty set (S4-135, S4-282).
func (e *evaluator) condition(c *condition) bool {
	found := e.r.Context.find(&c.key)
	switch {
	case found == nil || found.lo == found.hi:
		return c.absent
	case c.op.family == familyNull:
		return c.no
	case found.typed != typeText:
		return e.passTyped(c, found)
	}
	values := e.r.Context.values[found.lo:found.hi]
	if c.op.set == single {
		if len(values) > 1 {
			return c.effect == Deny
		}
		return e.pass(c, values[0])
	}
	null := len(values) == 1 && values[0] == ""
	if c.op.set == forAll {
		return null || e.allPass(c, values)
	}
	return !null && e.anyPass(c, values)
}

// ifAbsent is the outcome of a condition whose key is absent.
func (c *condition) ifAbsent() bool {
	if c.op.family == familyNull {
		return c.yes
	}
	return c.op.ifExists || c.op.set == forAll || c.op.set == single && c.op.negate
}

func (e *evaluator) allPass(c *condition, values []string) bool {
	for _, v := range values {
		if !e.pass(c, v) {
			return false
		}
	}
	return true
}

func (e *evaluator) anyPass(c *condition, values []string) bool {
	for _, v := range values {
		if e.pass(c, v) {
			return true
		}
	}
	return false
}

// pass tests one value of the request. Positive operators want one of the policy's values to match, negated ones none
// (S4-M42, S4-M43).
func (e *evaluator) pass(c *condition, value string) bool {
	hit, sound := e.compare(c, value)
	if !sound {
		return c.effect == Deny
	}
	return hit != c.op.negate
}

// passTyped is pass for a value that is not kept as text. Where the operator compares other types, the value's text decides.
func (e *evaluator) passTyped(c *condition, found *entry) bool {
	switch {
	case found.typed == typeTime && c.op.family == familyDate:
		return compareDate(c, instant{sec: found.number}) != c.op.negate
	case found.typed == typeAddr && c.op.family == familyIP:
		return compareAddr(c, e.r.Context.addrs[found.number]) != c.op.negate
	case found.typed == typeInt && c.op.family == familyNumeric && c.integers != nil:
		return compareInteger(c, found.number) != c.op.negate
	case found.typed == typeBool && c.op.family == familyBool:
		return (found.number != 0 && c.yes || found.number == 0 && c.no) != c.op.negate
	}
	var buf [textRoom]byte
	hit, sound := e.compareTyped(c, found.typed, view(e.r.Context.appendText(buf[:0], found)))
	if !sound {
		return c.effect == Deny
	}
	return hit != c.op.negate
}

// compareTyped is compare for the text of a value of a type: of those, only the texts of integers can be numbers and dates too.
func (e *evaluator) compareTyped(c *condition, t valueType, value string) (hit, sound bool) {
	switch f := c.op.family; {
	case f == familyString, f == familyARN, f == familyBinary:
		return e.compareText(c, value)
	case f == familyNumeric && t == typeInt:
		n, ok := parseNumber(value)
		return ok && compareNumber(c, n), ok
	case f == familyDate && t == typeInt:
		d, ok := parseDate(value)
		return ok && compareDate(c, d), ok
	}
	return false, false
}

// textRoom holds the text of any value that is not kept as text: the longest are IPv6 addresses.
const textRoom = 48

// view returns b as a string without copying. It is used for text on the stack of an evaluation that nothing keeps.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// compare reports whether value matches one of the policy's values; sound is false when value is not of the operator's type.
func (e *evaluator) compare(c *condition, value string) (hit, sound bool) {
	switch c.op.family {
	case familyString, familyARN, familyBinary:
		return e.compareText(c, value)
	case familyNumeric:
		n, ok := parseNumber(value)
		return ok && compareNumber(c, n), ok
	case familyDate:
		d, ok := parseDate(value)
		return ok && compareDate(c, d), ok
	case familyBool:
		b, ok := parseBool(value)
		return b && c.yes || !b && c.no, ok
	case familyIP:
		a, ok := parseAddr(value)
		return ok && compareAddr(c, a), ok
	}
	return false, false
}

// compareText is compare for the families that compare text.
func (e *evaluator) compareText(c *condition, value string) (hit, sound bool) {
	switch c.op.family {
	case familyString:
		return e.compareString(c, value), true
	case familyARN:
		return e.compareARN(c, value)
	}
	for _, b := range c.binaries {
		if string(b) == value {
			return true, true
		}
	}
	return false, true
}

func (e *evaluator) compareString(c *condition, value string) bool {
	if c.exact != nil {
		if _, ok := c.exact[value]; ok {
			return true
		}
	}
	return e.anyText(c, value)
}

// anyText compares value with the texts of c. Those with variables that have no value match nothing (S4-M45).
func (e *evaluator) anyText(c *condition, value string) bool {
	for i := range c.texts {
		if hit, _ := e.text(&c.texts[i], value); hit {
			return true
		}
	}
	return false
}

func (e *evaluator) compareARN(c *condition, value string) (hit, sound bool) {
	if !strings.HasPrefix(value, "arn:") || strings.Count(value, ":") < 5 {
		return false, false
	}
	hit = c.anyARN || e.anyText(c, value)
	return hit, hit || !c.malformed || !c.op.negate
}

func compareNumber(c *condition, n number) bool {
	for _, m := range c.numbers {
		if ordered(c.op.compare, n.compare(m)) {
			return true
		}
	}
	return false
}

func compareInteger(c *condition, n int64) bool {
	for _, m := range c.integers {
		order := 0
		if n != m {
			order = sign(n < m)
		}
		if ordered(c.op.compare, order) {
			return true
		}
	}
	return false
}

func compareDate(c *condition, d instant) bool {
	for _, m := range c.dates {
		if ordered(c.op.compare, d.compare(m)) {
			return true
		}
	}
	return false
}

// ordered applies a comparison to the sign of request value minus policy value.
func ordered(op comparison, order int) bool {
	switch op {
	case less:
		return order < 0
	case lessEqual:
		return order <= 0
	case greater:
		return order > 0
	case greaterEqual:
		return order >= 0
	}
	return order == 0
}

func compareAddr(c *condition, a netip.Addr) bool {
	for _, r := range c.ranges {
		if r.Contains(a) {
			return true
		}
	}
	if len(c.spans) == 0 {
		return false
	}
	i, exact := slices.BinarySearchFunc(c.spans, a, func(s span, a netip.Addr) int { return s.first.Compare(a) })
	return exact || i > 0 && a.Compare(c.spans[i-1].last) <= 0
}

// span is a run of addresses, both ends included.
type span struct{ first, last netip.Addr }

// spansOf returns ranges as spans in order that do not overlap. IPv4 addresses come before all others.
func spansOf(ranges []netip.Prefix) []span {
	all := make([]span, 0, len(ranges))
	for _, r := range ranges {
		all = append(all, span{first: r.Addr(), last: lastAddr(r)})
	}
	slices.SortFunc(all, func(a, b span) int { return a.first.Compare(b.first) })
	out := all[:0]
	for _, s := range all {
		// Ranges either contain one another or are apart.
		if n := len(out); n > 0 && s.last.Compare(out[n-1].last) <= 0 {
			continue
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}

// lastAddr returns the last address of a range.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
