package policygen

import (
	"slices"

	"github.com/ostiary-iam/ostiary/policy"
)

// Clone returns a copy that shares nothing that Shrink or Ask change.
func (c *Case) Clone() *Case {
	out := *c
	out.Keys = slices.Clone(c.Keys)
	document := func(d *policy.Document) *policy.Document {
		if d == nil {
			return nil
		}
		e := *d
		e.Statements = slices.Clone(d.Statements)
		for i := range e.Statements {
			st := &e.Statements[i]
			st.Actions.Values, st.Resources.Values = slices.Clone(st.Actions.Values), slices.Clone(st.Resources.Values)
			if st.Principals != nil {
				p := *st.Principals
				p.Refs = slices.Clone(p.Refs)
				st.Principals = &p
			}
			st.Conditions = slices.Clone(st.Conditions)
			for j := range st.Conditions {
				tests := slices.Clone(st.Conditions[j].Tests)
				for k := range tests {
					tests[k].Values = slices.Clone(tests[k].Values)
				}
				st.Conditions[j].Tests = tests
			}
		}
		return &e
	}
	list := func(l []*policy.Document) []*policy.Document {
		l = slices.Clone(l)
		for i := range l {
			l[i] = document(l[i])
		}
		return l
	}
	out.Identity, out.Session = list(c.Identity), list(c.Session)
	out.Resource, out.Boundary = document(c.Resource), document(c.Boundary)
	out.ServiceControl, out.ResourceControl = slices.Clone(c.ServiceControl), slices.Clone(c.ResourceControl)
	for _, levels := range [][][]*policy.Document{out.ServiceControl, out.ResourceControl} {
		for i := range levels {
			levels[i] = list(levels[i])
		}
	}
	return &out
}

// Shrink drops policies, statements, elements, values and keys from a copy of c for as long as fails still says yes of it, and returns
// the smallest case found.
func Shrink(c *Case, fails func(*Case) bool) *Case {
	best := c.Clone()
	for {
		smaller := false
		for n := 0; ; n++ {
			trial := best.Clone()
			if !drop(trial, n) {
				break
			}
			if _, err := trial.Set(); err == nil && fails(trial) {
				best, smaller = trial, true
				n-- // what was dropped makes room for another at its place
			}
		}
		if !smaller {
			return best
		}
	}
}

// drop removes the nth thing that can be removed. It reports whether there was one.
func drop(c *Case, n int) bool {
	at := 0
	here := func() bool { at++; return at-1 == n }
	for _, list := range []*[]*policy.Document{&c.Identity, &c.Session} {
		if dropOne(list, here) {
			return true
		}
	}
	for _, d := range []**policy.Document{&c.Resource, &c.Boundary} {
		if *d != nil && here() {
			*d = nil
			return true
		}
	}
	if c.SessionPassed && len(c.Session) == 0 && here() {
		c.SessionPassed = false
		return true
	}
	for _, levels := range []*[][]*policy.Document{&c.ServiceControl, &c.ResourceControl} {
		if dropOne(levels, here) {
			return true
		}
		for i := range *levels {
			if dropOne(&(*levels)[i], here) {
				return true
			}
		}
	}
	if dropOne(&c.Keys, here) {
		return true
	}
	for i := range c.Keys {
		if len(c.Keys[i].Values) > 0 {
			c.Keys[i].Values = slices.Clone(c.Keys[i].Values)
			if dropOne(&c.Keys[i].Values, here) {
				return true
			}
		}
	}
	done := false
	c.Documents(func(_ string, _ policy.Kind, d *policy.Document) {
		done = done || dropIn(d, here)
	})
	return done
}

// dropIn removes something from a document.
func dropIn(d *policy.Document, here func() bool) bool {
	if dropOne(&d.Statements, here) {
		return true
	}
	for i := range d.Statements {
		st := &d.Statements[i]
		if st.Sid != nil && here() {
			st.Sid = nil
			return true
		}
		if st.Principals != nil && dropOne(&st.Principals.Refs, here) || dropOne(&st.Actions.Values, here) ||
			dropOne(&st.Resources.Values, here) || dropOne(&st.Conditions, here) {
			return true
		}
		for j := range st.Conditions {
			if dropOne(&st.Conditions[j].Tests, here) {
				return true
			}
			for k := range st.Conditions[j].Tests {
				if dropOne(&st.Conditions[j].Tests[k].Values, here) {
					return true
				}
			}
		}
	}
	return false
}

// dropOne removes the element at which here says yes.
func dropOne[T any](list *[]T, here func() bool) bool {
	for i := range *list {
		if here() {
			*list = slices.Delete(*list, i, i+1)
			return true
		}
	}
	return false
}
