package policy

import (
	"slices"
)

// Verdict is what the policies of a layer, or of one level of it, say together.
type Verdict uint8

// The verdicts.
const (
	Silent Verdict = iota // no statement matched
	Allows
	Denies
)

// String returns the verdict in words.
func (v Verdict) String() string {
	switch v {
	case Allows:
		return "allows"
	case Denies:
		return "denies"
	}
	return "does not allow"
}

// LayerAccount tells what the policies of one layer said.
type LayerAccount struct {
	Layer    Layer
	Level    int    // of service and resource control policies: from 1, the organization's root, down; 0 in other layers
	Exempt   string // why the layer does not bind the caller; empty when it does. Nothing is told of the policies then
	Verdict  Verdict
	Policies []PolicyAccount

	naming    specNaming // of the strongest Allow
	policy    *Policy    // with the statement that makes the verdict
	statement int
}

// PolicyAccount tells what the statements of one policy said.
type PolicyAccount struct {
	Policy     *Policy
	Statements []StatementAccount // all, in the order of the text
}

// StatementAccount tells whether a statement matched, and if not, what did not fit.
type StatementAccount struct {
	Index   int
	Sid     string
	Effect  Effect
	Pos     Position // in the document's text; zero when the document did not come from text
	Matched bool
	Failed  *Failure // the first element that did not fit; nil when the statement matched
	// Missing are the condition keys, also of variables, that the statement asked for and the request lacks.
	Missing []string
	// Variables are the policy variables of the elements that were compared, each once, in the order of the text.
	Variables []Variable
}

// Failure is an element that did not fit.
type Failure struct {
	Element  string   // Principal, NotPrincipal, Action, NotAction, Resource, NotResource, Condition
	Operator string   // of a condition, as written: ForAnyValue:StringLike
	Key      string   // of a condition, as written
	Pos      Position // of the element's name, or the condition key
	Saw      []string // what the request has: the caller, the action, the resource, the key's values; none when the key is absent
	Wanted   []string // what the policy has, as written
	Reason   string   // in words
}

// Variable is a policy variable and what it stood for.
type Variable struct {
	Key     string
	Value   string
	Default bool   // Value is the default written in the policy, since the request lacks the key
	Problem string // why the variable has no value; empty when it has one
}

// Explanation is a decision with its reasons. It keeps nothing of the request's Context.
type Explanation struct {
	Decision Decision
	// Statements are all that took part in the outcome, by layer: of an explicit denial the Deny statements that matched, of an
	// allow the Allow statements that matched in the layers that had a say, of any other denial none.
	Statements []Match
	// Missing are the keys, spelt as in the policies and sorted, that statements asked for and the context lacks: keys of conditions
	// of statements whose principal, action and resource match, and variables in resources of those whose principal and action match.
	Missing []string
	// Layers tell what every policy said, in the order in which a denial is looked for.
	Layers []LayerAccount
	// Disagreement is not nil when the account, which a second evaluator gives, leads to another decision than Evaluate's. That is
	// a defect of this package; Decision is Evaluate's all the same. Callers should count it.
	Disagreement error

	principal        Principal
	action, resource string
}

// Explain is Evaluate with its reasons, in full. The account comes from an evaluator of its own, which is written for clearness and
// takes thousands of times as long. It may be called by any number of goroutines with the same set.
func Explain(r *Request, s *Set) *Explanation {
	x := &spec{r: r, s: s}
	own := x.run()
	out := &Explanation{Decision: Evaluate(r, s), Layers: x.layers, Missing: x.missing,
		principal: r.Principal, action: r.Action, resource: r.Resource}
	out.Disagreement = x.disagreement(out.Decision, own)
	slices.Sort(out.Missing)
	for _, a := range out.Layers {
		for _, p := range a.Policies {
			for _, st := range p.Statements {
				takesPart := st.Effect == Deny && out.Decision.Explicit || st.Effect == Allow && out.Decision.Effect == Allow
				if st.Matched && takesPart {
					out.Statements = append(out.Statements, Match{Policy: p.Policy, Statement: st.Index, Sid: st.Sid})
				}
			}
		}
	}
	return out
}
