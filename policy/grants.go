package policy

import (
	"iter"
	"slices"
)

// Grants reports whether an Allow statement of p is about at least one of a service's actions, whatever it says of resources and
// conditions: whether p could ever help somebody to use the service. Actions are given by name, without the service's prefix; a
// caller who asks for one action gives one. Deny statements play no part.
func (p *Policy) Grants(service string, actions iter.Seq[string]) bool {
	for i := range p.statements {
		if st := &p.statements[i]; st.effect == Allow && st.aboutAny(service, actions) {
			return true
		}
	}
	return false
}

// Withholds reports whether a Deny statement of p that names every resource and has no condition is about the action: then nothing
// that p binds is ever allowed it.
func (p *Policy) Withholds(service, action string) bool {
	for i := range p.statements {
		st := &p.statements[i]
		if st.effect == Deny && len(st.conditions) == 0 && st.everyResource() && !st.hasPrincipal && st.about(service, action) {
			return true
		}
	}
	return false
}

// aboutAny reports whether the statement's Action or NotAction element is about one of the actions. A list of actions that
// has nothing of the service is seen without looking at the actions, of which there may be hundreds.
func (st *statement) aboutAny(service string, actions iter.Seq[string]) bool {
	ofService := func(a actionPattern) bool { return a.service == "" || equalLower(a.service, service) }
	if !st.notAction && !slices.ContainsFunc(st.actions, ofService) {
		return false
	}
	for name := range actions {
		if st.about(service, name) {
			return true
		}
	}
	return false
}

// about applies the Action or NotAction element to one action, as an evaluation does.
func (st *statement) about(service, action string) bool {
	e := evaluator{service: service, name: action}
	return e.action(st)
}

// everyResource reports whether the statement is about whatever there is.
func (st *statement) everyResource() bool {
	return st.anyResource || !st.notResource && slices.ContainsFunc(st.resources, func(t text) bool { return t.all && t.lead == "" })
}
