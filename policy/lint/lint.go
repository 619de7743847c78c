// Package lint finds what is wrong with a policy although its grammar is right: names that no service knows, statements that can
// never apply, conditions that do not do what they seem to, grants that are wider than they look.
//
// Findings carry the codes and severities of AWS's own validation ("IAM Access Analyzer policy check reference") wherever AWS has
// the check; checks that AWS does not have are marked in [Checks]. What is judged is one document alone: whether other policies
// allow or deny the same is not asked.
//
// Severity Error is kept for what certainly fails. The service authorization reference is of a certain day and a policy may name
// what is newer, retired or not AWS's at all, so an unknown name is an Error only when a known one is close enough to call it
// misspelt, and else a Warning. No AWS managed policy has an Error.
//
// AWS's checks for private addresses in aws:SourceIp are left out: where this engine runs, callers often do have such addresses.
//
// The work for one document is bounded (see [LimitReached]): a hostile document costs a fraction of a second, not more.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// Severity ranks findings, with the names of AWS's finding types.
type Severity uint8

// The severities, the gravest first.
const (
	Error           Severity = iota + 1 // does not work
	SecurityWarning                     // allows more than it seems to
	Warning                             // probably not what was meant
	Suggestion                          // could be simpler or clearer
)

// String returns the severity for people: "security warning".
func (s Severity) String() string {
	names := [...]string{"unknown", "error", "security warning", "warning", "suggestion"}
	if int(s) >= len(names) {
		s = 0
	}
	return names[s]
}

// Finding is one thing to look at.
type Finding struct {
	Code     Code
	Severity Severity
	Pos      policy.Position // zero when the document did not come from text or the finding is about the whole document
	End      int             // offset behind the spot; 0 when the spot has no known end
	Path     string          // like Statement[2].Action[0]; empty for the document
	Message  string          // what is wrong and what comes of it
	Remedy   string          // what to do
}

// String returns the finding in one line without the remedy.
func (f Finding) String() string {
	s := fmt.Sprintf("%s: %s: %s", f.Severity, f.Code, f.Message)
	if f.Path != "" {
		s = f.Path + ": " + s
	}
	if f.Pos.Line > 0 {
		s = fmt.Sprintf("%d:%d: %s", f.Pos.Line, f.Pos.Column, s)
	}
	return s
}

// Options choose what is reported. The zero value leaves out the checks that are a matter of taste.
type Options struct {
	// Pedantic adds suggestions that sound policies often earn: a star as resource where the actions know resources, a wildcard
	// as account in an ARN, another account in a trust policy without an external ID.
	Pedantic bool
}

// Lint examines a document as a policy of kind k with the zero Options. ref must not be nil; catalog.ServiceReference() gives it.
// What [policy.Document.Check] refuses is among the findings. They are in the order of the text.
func Lint(doc *policy.Document, k policy.Kind, ref *catalog.Reference) []Finding {
	return Options{}.Lint(doc, k, ref)
}

// Lint examines a document as a policy of kind k.
func (o Options) Lint(doc *policy.Document, k policy.Kind, ref *catalog.Reference) []Finding {
	return newLinter(doc, k, ref, o.Pedantic).run()
}

// workLimit bounds the work for a document. A unit is a step over a byte or a name, some nanoseconds; the largest AWS managed
// policy spends about a fifteenth of it.
const workLimit = 30_000_000

type linter struct {
	doc        *policy.Document
	kind       policy.Kind
	ref        *catalog.Reference
	pedantic   bool
	statements []*statement
	out        []Finding

	budget    int
	exhausted bool

	// What is asked again and again.
	expanded map[string][]*catalog.Action
	types    map[typeQuery][]*catalog.ResourceType
	keys     map[keyQuery][]*catalog.Key
}

func newLinter(doc *policy.Document, k policy.Kind, ref *catalog.Reference, pedantic bool) *linter {
	return &linter{doc: doc, kind: k, ref: ref, pedantic: pedantic, budget: workLimit,
		expanded: map[string][]*catalog.Action{}, types: map[typeQuery][]*catalog.ResourceType{}, keys: map[keyQuery][]*catalog.Key{}}
}

func (l *linter) run() []Finding {
	l.document()
	for i := range l.doc.Statements {
		l.statements = append(l.statements, newStatement(l, i))
	}
	for _, s := range l.statements {
		s.structure()
		s.checkActions()
		s.checkResources()
		s.checkConditions()
		s.checkPrincipals()
		s.checkPowers()
	}
	l.redundancy()
	l.addGrammar()
	if l.exhausted {
		l.out = append(l.out, Finding{Code: LimitReached, Severity: Warning, Message: "The document is too large to be checked in full.",
			Remedy: "Split it, or take the repetition out of it; what is reported is right, but more may be wrong."})
	}
	slices.SortStableFunc(l.out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.Offset, b.Pos.Offset), cmp.Compare(a.Severity, b.Severity))
	})
	return l.out
}

type typeQuery struct {
	service  *catalog.Service
	resource string
}

type keyQuery struct {
	service *catalog.Service
	key     string
}

// spend takes work from the budget. Once it says no it says no for good.
func (l *linter) spend(n int) bool {
	if l.exhausted || n > l.budget {
		l.exhausted = true
		return false
	}
	l.budget -= n
	return true
}

// report adds a finding at a value.
func (l *linter) report(code Code, severity Severity, v policy.Value, path, message, remedy string) {
	l.out = append(l.out, Finding{code, severity, v.Pos, v.End, path, message, remedy})
}

// reportAt adds a finding at a position without a known end.
func (l *linter) reportAt(code Code, severity Severity, pos policy.Position, path, message, remedy string) {
	l.out = append(l.out, Finding{Code: code, Severity: severity, Pos: pos, Path: path, Message: message, Remedy: remedy})
}

// grants reports whether an Allow of this kind of policy gives something by itself. Boundaries and organization policies only limit.
func (l *linter) grants() bool {
	switch l.kind {
	case policy.Identity, policy.Resource, policy.Trust, policy.Session:
		return true
	}
	return false
}

// quotas are the characters that a policy of a kind may have (S4-M24, S4-M57, S4-M58, S4-M25).
var quotas = map[policy.Kind]struct {
	code  Code
	limit int
	white bool // white space counts
}{
	policy.Identity:        {SizeIdentity, 6144, false},
	policy.Boundary:        {SizeIdentity, 6144, false},
	policy.Trust:           {SizeResource, 4096, false},
	policy.ServiceControl:  {SizeControl, 10240, true},
	policy.ResourceControl: {SizeControl, 5120, true},
}

// document checks what belongs to no statement.
func (l *linter) document() {
	if l.doc.Version == "" {
		l.reportAt(MissingVersion, Warning, policy.Position{}, "",
			"The policy states no Version, so it is read in the language of 2008, which knows no variables.",
			`Add "Version": "2012-10-17".`)
	}
	quota, ok := quotas[l.kind]
	if !ok {
		return
	}
	text, err := l.doc.MarshalJSON()
	if err != nil {
		return
	}
	if n := policy.Size(string(text)); n > quota.limit {
		l.reportAt(quota.code, Warning, policy.Position{}, "",
			fmt.Sprintf("The policy has %d characters; policies of kind %v have at most %d.", n, l.kind, quota.limit),
			"Split it into several policies, or write shorter patterns.")
	}
}
