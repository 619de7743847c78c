package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// evaluator is one evaluation in progress. It lives on the stack.
type evaluator struct {
	r        *Request
	service  string // of the action, as written
	name     string
	boundary bool   // a permissions boundary binds the caller
	parted   bool   // part was called, which fills in the next three
	whole    bool   // the resource has five colons
	account  string // in the resource: the fifth part
	behind   string // in the resource: what stands behind the fifth colon
	short    bool   // the action is not longer than lowered, and the next four are filled in
	hash     uint32 // of the service
	skip     int    // the length of what stands before the action's name in lowered
	length   int    // of the whole
	lowered  [96]byte
}

func (e *evaluator) start(r *Request, s *Set) {
	e.r = r
	e.service = r.Action
	if i := strings.IndexByte(r.Action, ':'); i >= 0 {
		e.service, e.name = r.Action[:i], r.Action[i+1:]
	}
	if e.length = len(r.Action); e.length <= len(e.lowered) {
		e.short, e.skip = true, min(len(e.service)+1, e.length)
		hash, _ := hashKey(e.service)
		e.hash = uint32(hash)
		for i := range e.length {
			e.lowered[i] = lower(r.Action[i])
		}
	}
	e.boundary = s.Boundary != nil && r.Principal.inAccount() && !r.Principal.rootLike()
}

// rest tells whether a statement whose action and resource match applies to the request and, for statements with a principal, how
// strongly it names the caller. Statements without one apply to whoever they are attached to, which is as good as grantDirect.
func (e *evaluator) rest(st *statement) grant {
	g := grantDirect
	if st.hasPrincipal {
		if g = e.principal(st); g == grantNone {
			return grantNone
		}
	}
	if !e.conditions(st) {
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
		if hit {
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
	case t.all:
		return strings.HasPrefix(value, t.lead), true
	case t.pattern == nil && t.parts == nil:
		return t.lead == value, true
	case t.pattern == nil:
		return e.foldedText(t.parts, value)
	case t.parts == nil || len(t.parts.vars) == 0:
		return t.pattern.Match(value, nil), true
	}
	return e.slots(t, value, false)
}

// slots compares value with a pattern with variables. With led, value is known to begin with the pattern's lead.
//
// Slices of this function's arrays are filled here and in no function that it calls: so the compiler can see that they need
// not be allocated.
func (e *evaluator) slots(t *text, value string, led bool) (hit, resolved bool) {
	vars := t.parts.vars
	if len(vars) > 2 {
		return e.manySlots(t, value, led)
	}
	var values [2]string
	var room [2][textRoom]byte
	resolved = true
	for i := range vars {
		v, ok := e.resolve(&vars[i], room[i][:0])
		values[i], resolved = v, resolved && ok
	}
	switch {
	case !resolved:
		return false, false
	case led:
		return t.pattern.MatchAfterLead(value, values[:len(vars)]), true
	}
	return t.pattern.Match(value, values[:len(vars)]), true
}

// manySlots is slots for many variables, apart so that the common case needs little stack.
func (e *evaluator) manySlots(t *text, value string, led bool) (hit, resolved bool) {
	vars := t.parts.vars
	var values [maxVariables]string
	var room [maxVariables][textRoom]byte
	resolved = true
	for i := range vars {
		v, ok := e.resolve(&vars[i], room[i][:0])
		values[i], resolved = v, resolved && ok
	}
	switch {
	case !resolved:
		return false, false
	case led:
		return t.pattern.MatchAfterLead(value, values[:len(vars)]), true
	}
	return t.pattern.Match(value, values[:len(vars)]), true
}

// resolve returns what a variable stands for; room is for text that is not there yet. Only a key with exactly one value can be a
// variable (S4-M47); a default stands in for an absent key. What is no UTF-8 has no value, so that no character is put together
// from parts that request and policy have.
func (e *evaluator) resolve(v *variable, room []byte) (value string, ok bool) {
	found := e.r.Context.find(&v.key)
	switch {
	case found == nil || found.lo == found.hi:
		return v.def, v.hasDefault
	case found.typed != typeText:
		return view(e.r.Context.appendText(room, found)), true
	case found.hi-found.lo == 1:
		value = e.r.Context.values[found.lo]
		return value, utf8.ValidString(value)
	}
	return "", false
}

// foldedText compares without regard to letter case, character by character through literals and variables.
func (e *evaluator) foldedText(t *textParts, value string) (hit, resolved bool) {
	if len(t.vars) == 0 {
		return e.foldedTokens(t, value, nil), true
	}
	var buf [maxVariables]string
	var room [maxVariables][textRoom]byte
	resolved = true
	for i := range t.vars {
		v, ok := e.resolve(&t.vars[i], room[i][:0])
		buf[i], resolved = v, resolved && ok
	}
	if !resolved {
		return false, false
	}
	return e.foldedTokens(t, value, buf[:]), true
}

func (e *evaluator) foldedTokens(t *textParts, value string, slots []string) bool {
	for _, token := range t.folded {
		part := token.Text
		if token.Kind == glob.Slot {
			part = slots[token.Slot]
		}
		var ok bool
		if value, ok = cutFold(value, part); !ok {
			return false
		}
	}
	return value == ""
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
