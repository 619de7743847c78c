package policy

import (
	"net/netip"
	"strings"
)

// conditions reports whether all tests of a statement hold.
func (e *evaluator) conditions(st *statement) bool {
	ok := true
	for i := range st.conditions {
		if !e.condition(&st.conditions[i]) {
			if ok = false; e.explaining == nil {
				break
			}
		}
	}
	return ok
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
	values, found := e.entry(c.key)
	if c.op.family == familyNull {
		return len(values) == 0 && c.yes || len(values) > 0 && c.no
	}
	if len(values) == 0 {
		return c.op.ifExists || c.op.set == forAll || c.op.set == single && c.op.negate
	}
	null := len(values) == 1 && values[0] == ""
	switch {
	case c.op.set == forAll:
		return null || e.allPass(c, values)
	case c.op.set == forAny:
		return !null && e.anyPass(c, values)
	case len(values) > 1:
		return c.effect == Deny
	}
	return e.pass(c, values[0], found)
}

func (e *evaluator) allPass(c *condition, values []string) bool {
	for _, v := range values {
		if !e.pass(c, v, nil) {
			return false
		}
	}
	return true
}

func (e *evaluator) anyPass(c *condition, values []string) bool {
	for _, v := range values {
		if e.pass(c, v, nil) {
			return true
		}
	}
	return false
}

// pass tests one value of the request. Positive operators want one of the policy's values to match, negated ones none
// (S4-M42, S4-M43).
func (e *evaluator) pass(c *condition, value string, found *entry) bool {
	hit, sound := e.compare(c, value, found)
	if !sound {
		return c.effect == Deny
	}
	return hit != c.op.negate
}

// compare reports whether value matches one of the policy's values; sound is false when value is not of the operator's type.
func (e *evaluator) compare(c *condition, value string, found *entry) (hit, sound bool) {
	switch c.op.family {
	case familyString:
		return e.compareString(c, value), true
	case familyARN:
		return e.compareARN(c, value)
	case familyNumeric:
		n, ok := parseNumber(value)
		return ok && compareNumber(c, n), ok
	case familyDate:
		if found != nil && found.typed == typeTime {
			return compareDate(c, found.when), true
		}
		d, ok := parseDate(value)
		return ok && compareDate(c, d), ok
	case familyBool:
		b, ok := parseBool(value)
		return b && c.yes || !b && c.no, ok
	case familyBinary:
		for _, b := range c.binaries {
			if string(b) == value {
				return true, true
			}
		}
		return false, true
	case familyIP:
		if found != nil && found.typed == typeAddr {
			return compareAddr(c, found.addr), true
		}
		a, ok := parseAddr(value)
		return ok && compareAddr(c, a), ok
	}
	return false, false
}

func (e *evaluator) compareString(c *condition, value string) bool {
	if _, ok := c.exact[value]; ok {
		return true
	}
	return e.anyText(c, value)
}

// anyText compares value with the texts of c. Those with variables that have no value match nothing (S4-M45).
func (e *evaluator) anyText(c *condition, value string) bool {
	hit := false
	for i := range c.texts {
		ok, _ := e.text(&c.texts[i], value)
		if hit = hit || ok; hit && e.explaining == nil {
			break
		}
	}
	return hit
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
	return false
}
