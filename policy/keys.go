package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Document returns the document that p was compiled from. It must not be changed.
func (p *Policy) Document() *Document { return p.doc }

// Span returns where statement i stands in the text of the document, as AWS's simulator counts: from behind what was read before
// it, which is the bracket that opens the list of statements or the closing brace of the statement before, to behind its own
// closing brace. The span of the one statement that stands in no list begins behind its opening brace. Both are zero when the
// document did not come from text.
func (d *Document) Span(i int) (start, end Position) {
	st := &d.Statements[i]
	switch {
	case st.End.Line == 0:
		return Position{}, Position{}
	case i > 0:
		start = d.Statements[i-1].End
	case d.list.Line > 0:
		start = d.list
	default:
		start = Position{Offset: st.Pos.Offset + 1, Line: st.Pos.Line, Column: st.Pos.Column + 1}
	}
	return start, st.End
}

// Keys returns the condition keys that the document asks for, in conditions and through policy variables: each once without regard
// to letter case, spelt as where it stands first, in the order of the text.
func (d *Document) Keys() []string {
	type use struct {
		at  int
		key string
	}
	var uses []use
	vars := d.EffectiveVersion() == Version2012
	// Variables are read where they are replaced: in resources, and in what operators on strings and ARNs compare with (S4-143).
	variables := func(values []Value) {
		if !vars {
			return
		}
		for _, v := range values {
			t, _ := parseTemplate(v.Text, true, true)
			for i := range t.vars {
				uses = append(uses, use{v.Pos.Offset, t.vars[i].key.head + t.vars[i].key.tail})
			}
		}
	}
	for i := range d.Statements {
		st := &d.Statements[i]
		from := len(uses)
		variables(st.Resources.Values)
		for _, c := range st.Conditions {
			op, _ := parseOperator(c.Operator.Text, d.dateAliases)
			for _, t := range c.Tests {
				uses = append(uses, use{t.Key.Pos.Offset, t.Key.Text})
				if op.family == familyString || op.family == familyARN {
					variables(t.Values)
				}
			}
		}
		slices.SortStableFunc(uses[from:], func(a, b use) int { return cmp.Compare(a.at, b.at) })
	}
	var keys []string
	seen := make(map[string]bool)
	for _, u := range uses {
		if folded := strings.ToLower(u.key); !seen[folded] {
			seen[folded] = true
			keys = append(keys, u.key)
		}
	}
	return keys
}

// ReadsNumber reports whether the operators on numbers can compare a request's value: a decimal number, also with an exponent.
func ReadsNumber(value string) bool { _, ok := parseNumber(value); return ok }

// ReadsDate reports whether the operators on dates can compare a request's value: a form of ISO 8601, or seconds since 1970.
func ReadsDate(value string) bool { _, ok := parseDate(value); return ok }

// ReadsAddress reports whether the operators on addresses can compare a request's value: one IPv4 or IPv6 address.
func ReadsAddress(value string) bool { _, ok := parseAddr(value); return ok }
