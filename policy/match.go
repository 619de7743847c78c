package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// evaluator is one evaluation in progress. It lives on the stack.
type evaluator struct {
	r          *Request
	service    string // of the action, as written
	name       string
	lowered    [64]byte // service in lower case
	boundary   bool     // a permissions boundary binds the caller
	explaining *recorder
}

func (e *evaluator) start(r *Request, s *Set) {
	e.r = r
	e.service, e.name, _ = strings.Cut(r.Action, ":")
	for i := range min(len(e.service), len(e.lowered)) {
		e.lowered[i] = lower(e.service[i])
	}
	e.boundary = s.Boundary != nil && r.Principal.inAccount() && !r.Principal.rootLike()
}

// candidates returns the statements of p that can match the action.
func (e *evaluator) candidates(p *Policy) []int {
	if len(e.service) > len(e.lowered) {
		return p.all
	}
	if list, ok := p.byService[string(e.lowered[:len(e.service)])]; ok {
		return list
	}
	return p.rest
}

// match tells whether a statement applies to the request and, for statements with a principal, how strongly it names the caller.
// Statements without one apply to whoever they are attached to, which is as good as grantDirect.
func (e *evaluator) match(st *statement) grant {
	g := grantDirect
	if st.hasPrincipal {
		if g = e.principal(st); g == grantNone {
			return grantNone
		}
	}
	if !e.action(st) || !e.resource(st) || !e.conditions(st) {
		return grantNone
	}
	return g
}

// principal applies Principal or NotPrincipal. NotPrincipal denies whoever has a boundary, listed or not (S4-M19), and grants
// nothing.
func (e *evaluator) principal(st *statement) grant {
	if !st.notPrincipal {
		return named(st.principals, &e.r.Principal)
	}
	if st.effect == Allow || !e.boundary && spared(st.principals, &e.r.Principal) {
		return grantNone
	}
	return grantDirect
}

func (e *evaluator) action(st *statement) bool {
	for i := range st.actions {
		if st.actions[i].match(e.service, e.name) {
			return !st.notAction
		}
	}
	return st.notAction
}

// resource applies Resource or NotResource. An element with a variable that has no value matches no resource (S4-M45); an Allow
// with such a NotResource matches nothing at all, since it would allow what the missing value was to exempt.
func (e *evaluator) resource(st *statement) bool {
	if st.anyResource {
		return true
	}
	hit, unresolved := false, false
	for i := range st.resources {
		ok, resolved := e.text(&st.resources[i], e.r.Resource)
		hit, unresolved = hit || ok, unresolved || !resolved
		if hit && e.explaining == nil {
			break
		}
	}
	if !st.notResource {
		return hit
	}
	return !hit && !(unresolved && st.effect == Allow)
}

// text compares a string of the policy with a value. resolved is false when a variable has no value; then hit is false too.
func (e *evaluator) text(t *text, value string) (hit, resolved bool) {
	switch {
	case t.folded != nil:
		return e.foldedText(t, value)
	case t.pattern == nil:
		return t.literal == value, true
	case len(t.vars) == 0:
		return t.pattern.Match(value, nil), true
	case len(t.vars) > 4:
		return e.longText(t, value)
	}
	var buf [4]string
	if !e.resolve(t.vars, buf[:]) {
		return false, false
	}
	return t.pattern.Match(value, buf[:len(t.vars)]), true
}

// longText is text for many variables, apart so that the common case needs little stack.
func (e *evaluator) longText(t *text, value string) (hit, resolved bool) {
	var buf [maxVariables]string
	if !e.resolve(t.vars, buf[:]) {
		return false, false
	}
	return t.pattern.Match(value, buf[:len(t.vars)]), true
}

// resolve fills values. Only a key with exactly one value can be a variable (S4-M47); a default stands in for an absent key.
func (e *evaluator) resolve(vars []variable, values []string) bool {
	ok := true
	for i := range vars {
		v := &vars[i]
		found := e.lookup(v.key)
		switch {
		case len(found) == 1:
			values[i] = found[0]
		case len(found) == 0 && v.hasDefault:
			values[i] = v.def
		default:
			ok = false
		}
	}
	return ok
}

// lookup returns the values of a key and notes when there are none.
func (e *evaluator) lookup(key keyRef) []string {
	values, _ := e.entry(key)
	return values
}

func (e *evaluator) entry(key keyRef) ([]string, *entry) {
	if found := e.r.Context.find(key); found != nil && found.hi > found.lo {
		return e.r.Context.values[found.lo:found.hi], found
	}
	if e.explaining != nil {
		e.explaining.missing(key.name)
	}
	return nil, nil
}

// foldedText compares without regard to letter case, character by character through literals and variables.
func (e *evaluator) foldedText(t *text, value string) (hit, resolved bool) {
	var buf [maxVariables]string
	if !e.resolve(t.vars, buf[:]) {
		return false, false
	}
	for _, token := range t.folded {
		part := token.Text
		if token.Kind == glob.Slot {
			part = buf[token.Slot]
		}
		var ok bool
		if value, ok = cutFold(value, part); !ok {
			return false, true
		}
	}
	return value == "", true
}

// cutFold takes prefix, compared under simple Unicode case folding, off the front of s.
func cutFold(s, prefix string) (rest string, ok bool) {
	for prefix != "" {
		if s == "" {
			return "", false
		}
		a, n := utf8.DecodeRuneInString(s)
		b, m := utf8.DecodeRuneInString(prefix)
		if a != b && !sameFold(a, b) || a == utf8.RuneError && s[:n] != prefix[:m] {
			return "", false
		}
		s, prefix = s[n:], prefix[m:]
	}
	return s, true
}

func sameFold(a, b rune) bool {
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}
