package policy

import (
	"slices"
	"strings"
)

// Explain is Evaluate with its reasons. It may be called by any number of goroutines with the same set.
func Explain(r *Request, s *Set) *Explanation {
	out := &Explanation{Decision: Evaluate(r, s)}
	rec := &recorder{}
	var e evaluator
	e.start(r, s)
	e.explaining = rec
	e.walk(s)
	for _, m := range rec.matches {
		effect := m.Policy.statements[m.Statement].effect
		if effect == Deny && out.Decision.Explicit || effect == Allow && out.Decision.Effect == Allow {
			out.Statements = append(out.Statements, m)
		}
	}
	slices.Sort(rec.keys)
	out.Missing = rec.keys
	return out
}

// recorder collects while an evaluator explains; its presence also stops the evaluator from taking short cuts.
type recorder struct {
	matches []Match
	keys    []string
}

func (rec *recorder) missing(key string) {
	if !slices.ContainsFunc(rec.keys, func(k string) bool { return strings.EqualFold(k, key) }) {
		rec.keys = append(rec.keys, key)
	}
}

// walk matches every statement of the layers that bind the caller, in the order of the decision.
func (e *evaluator) walk(s *Set) {
	bound := e.r.Principal.binding(s)
	if bound.rcp {
		for _, level := range s.ResourceControl {
			e.walkAll(level)
		}
	}
	if bound.scp {
		for _, level := range s.ServiceControl {
			e.walkAll(level)
		}
	}
	if s.Resource != nil {
		e.walkAll([]*Policy{s.Resource})
	}
	if bound.identity {
		e.walkAll(s.Identity)
		if s.Boundary != nil {
			e.walkAll([]*Policy{s.Boundary})
		}
	}
	if bound.session {
		e.walkAll(s.Session)
	}
}

func (e *evaluator) walkAll(policies []*Policy) {
	for _, p := range policies {
		for _, i := range e.candidates(p) {
			if e.match(&p.statements[i]) != grantNone {
				e.explaining.matches = append(e.explaining.matches, Match{Policy: p, Statement: i, Sid: p.statements[i].sid})
			}
		}
	}
}
