package policy

import (
	"slices"
	"strings"
)

// Version is the version of the policy language that a document states.
type Version string

// The two versions. A document without Version is read as Version2008, which knows no variables (S4-15 to S4-17).
const (
	Version2008 Version = "2008-10-17"
	Version2012 Version = "2012-10-17"
)

// Kind says where a policy is attached, which decides what it may contain and how it takes part in a decision.
type Kind uint8

// The kinds of policy.
const (
	Identity        Kind = iota + 1 // of a user, group or role
	Resource                        // of a resource: a bucket, a queue, a key
	Trust                           // of a role: who may assume it
	Boundary                        // the permissions boundary of a user or role
	Session                         // passed when a session was made
	ServiceControl                  // SCP of an organization
	ResourceControl                 // RCP of an organization
)

// String returns the kind's name in lower case, as in "service control".
func (k Kind) String() string {
	names := [...]string{"unknown", "identity", "resource", "trust", "boundary", "session", "service control", "resource control"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// Position is a place in the source text. Offset counts bytes from 0; Line and Column count from 1, columns in characters.
type Position struct{ Offset, Line, Column int }

// Document is a parsed document. Its grammar was checked as far as it is the same for every kind of policy; Check does the
// rest. Documents may be read by several goroutines; whoever builds or changes one by hand answers for it himself.
type Document struct {
	Version    Version // empty when the text states none
	ID         *Value  // nil when absent
	Statements []Statement

	list Position // behind the bracket that opens the list of statements; zero when there is one statement and no list
	// dateAliases accepts the operators DateGreaterThanOrEqual and DateLessThanOrEqual, see Options.
	dateAliases bool
}

// Statement is one statement. A zero Pos means that the statement did not come from text.
type Statement struct {
	Pos        Position    // of its opening brace
	End        Position    // behind its closing brace
	Sid        *Value      // nil when absent
	Effect     Effect      //
	Principals *Principals // nil when the statement names nobody
	Actions    Strings     // Action, or NotAction when Not is set; empty when the statement has neither
	Resources  Strings     // Resource or NotResource; empty when the statement has neither
	Conditions []Condition // one for each operator, in the order of the text
}

// ValueKind tells how a value was written.
type ValueKind uint8

// The ways to write a value: a JSON string, or in conditions a bare number or Boolean.
const (
	StringValue ValueKind = iota
	NumberValue
	BoolValue
)

// Value is a JSON scalar and its place. Text is the string's content, or the number or Boolean as written.
type Value struct {
	Text string
	Kind ValueKind
	Pos  Position // of the first byte, for a string its opening quote
	End  int      // offset behind the last byte
}

// Strings is an element that lists strings.
type Strings struct {
	Not    bool
	Pos    Position // of the element's name
	Values []Value
}

// present reports whether the element stands in the document, be it as an empty list.
func (s *Strings) present() bool { return s.Not || s.Pos.Line > 0 || len(s.Values) > 0 }

// Principals is a Principal or NotPrincipal element.
type Principals struct {
	Not  bool
	Pos  Position // of the element's name
	Refs []PrincipalRef
}

// PrincipalRef is a principal named in a document, with the place of the JSON string in the source.
type PrincipalRef struct {
	Type       string // AWS, Service, Federated, CanonicalUser; "*" for a bare star
	Value      string
	Start, End int // byte offsets of the JSON string including its quotes

	line, column int // of Start
}

// Condition is one operator of a Condition block with its tests; all tests must hold.
type Condition struct {
	Operator Value
	Tests    []Test
}

// Test compares the values of one condition key.
type Test struct {
	Key    Value
	Values []Value
}

// Principals lists every principal of Principal and NotPrincipal elements, in the order of the text.
func (d *Document) Principals() []PrincipalRef {
	var out []PrincipalRef
	for i := range d.Statements {
		if p := d.Statements[i].Principals; p != nil {
			out = append(out, p.Refs...)
		}
	}
	return out
}

// LikelyKind guesses what a document is meant for: Identity when no statement names a principal; otherwise Trust when every action is
// one of sts and no statement has a resource, and Resource for the rest.
func (d *Document) LikelyKind() Kind {
	named, trust := false, true
	for i := range d.Statements {
		st := &d.Statements[i]
		named = named || st.Principals != nil
		trust = trust && !st.Resources.present() && !slices.ContainsFunc(st.Actions.Values, func(v Value) bool {
			return !strings.EqualFold(service(v.Text), "sts")
		})
	}
	switch {
	case !named:
		return Identity
	case trust:
		return Trust
	}
	return Resource
}

// EffectiveVersion returns the version that rules the document: Version2008 when none is stated.
func (d *Document) EffectiveVersion() Version {
	if d.Version == "" {
		return Version2008
	}
	return d.Version
}

// Equal reports whether two documents have the same content, whatever their layout.
func (d *Document) Equal(e *Document) bool {
	return d.Version == e.Version && equalValue(d.ID, e.ID) && slices.EqualFunc(d.Statements, e.Statements, equalStatement)
}

func equalStatement(a, b Statement) bool {
	if (a.Principals == nil) != (b.Principals == nil) {
		return false
	}
	if a.Principals != nil && (a.Principals.Not != b.Principals.Not || !slices.EqualFunc(a.Principals.Refs, b.Principals.Refs,
		func(x, y PrincipalRef) bool { return x.Type == y.Type && x.Value == y.Value })) {
		return false
	}
	return equalValue(a.Sid, b.Sid) && a.Effect == b.Effect &&
		equalStrings(a.Actions, b.Actions) && equalStrings(a.Resources, b.Resources) &&
		slices.EqualFunc(a.Conditions, b.Conditions, func(x, y Condition) bool {
			return sameValue(x.Operator, y.Operator) && slices.EqualFunc(x.Tests, y.Tests, func(s, t Test) bool {
				return sameValue(s.Key, t.Key) && slices.EqualFunc(s.Values, t.Values, sameValue)
			})
		})
}

func equalStrings(a, b Strings) bool {
	return a.Not == b.Not && slices.EqualFunc(a.Values, b.Values, sameValue)
}

func equalValue(a, b *Value) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameValue(*a, *b)
}

func sameValue(a, b Value) bool { return a.Text == b.Text && a.Kind == b.Kind }
