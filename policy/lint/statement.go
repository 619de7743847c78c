package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// statement is a statement under examination.
type statement struct {
	*linter
	*policy.Statement
	index int
	path  string

	actions   []actionValue
	services  []*catalog.Service // of the actions, in order of appearance
	known     []*catalog.Action  // what the Action element covers, as far as the reference knows
	open      bool               // the actions are not all known: a star, NotAction, or a name that the reference lacks
	resources *cover             // of the resource patterns
	names     *cover             // of the action patterns, in lower case

	conditionText, principalText string // for comparison with other statements
}

// actionValue is one entry of Action or NotAction.
type actionValue struct {
	policy.Value
	path    string
	service *catalog.Service // nil for * and for unknown services
	actions []*catalog.Action
	all     bool // * or *:*
}

func newStatement(l *linter, i int) *statement {
	s := &statement{linter: l, Statement: &l.doc.Statements[i], index: i, path: fmt.Sprintf("Statement[%d]", i)}
	element := s.path + ".Action"
	if s.Actions.Not {
		element = s.path + ".NotAction"
	}
	seen := map[*catalog.Action]bool{}
	for j, v := range s.Actions.Values {
		a := actionValue{Value: v, path: fmt.Sprintf("%s[%d]", element, j), all: v.Text == "*" || v.Text == "*:*"}
		if !a.all {
			prefix, name, _ := strings.Cut(v.Text, ":")
			a.service, _ = l.ref.Service(prefix)
			if a.service != nil {
				a.actions = l.expand(a.service, name)
			}
			if len(a.actions) == 0 || !l.spend(20*len(a.actions)) {
				s.open = true
			}
		} else {
			s.open = true
		}
		s.actions = append(s.actions, a)
		if s.Actions.Not || a.service == nil || l.exhausted {
			continue
		}
		if !slices.Contains(s.services, a.service) {
			s.services = append(s.services, a.service)
		}
		for _, action := range a.actions {
			if !seen[action] {
				seen[action] = true
				s.known = append(s.known, action)
			}
		}
	}
	s.open = s.open || s.Actions.Not || len(s.actions) == 0
	s.names = newCover(l, s.Actions, true)
	s.resources = newCover(l, s.Resources, false)
	s.conditionText, s.principalText = conditionText(s.Conditions), principalText(s.Principals)
	return s
}

// expand returns the actions that a pattern covers.
func (l *linter) expand(service *catalog.Service, name string) []*catalog.Action {
	if !strings.ContainsAny(name, "*?") {
		if a, ok := service.Action(name); ok {
			return []*catalog.Action{a}
		}
		return nil
	}
	key := service.Prefix + ":" + strings.ToLower(name)
	if all, ok := l.expanded[key]; ok {
		return all
	}
	if !l.spend(len(name) + 50*service.NumActions()) {
		return nil
	}
	all := slices.Collect(service.Expand(name))
	l.expanded[key] = all
	return all
}

// structure judges the elements that the statement has.
func (s *statement) structure() {
	if s.Sid != nil && s.Sid.Text == "" {
		s.report(EmptySid, Suggestion, *s.Sid, s.path+".Sid",
			"The Sid is empty.", "Give the statement a name, or leave Sid out.")
	}
	if !s.grants() || s.Effect != policy.Allow {
		return
	}
	if s.Actions.Not {
		s.reportAt(AllowWithNotAction, Suggestion, s.Actions.Pos, s.path+".NotAction",
			"Allow with NotAction allows every action that is not listed, also of services that do not exist yet.",
			"List what is allowed in Action, or put the exceptions into a Deny statement.")
	}
	if s.Resources.Not {
		s.reportAt(AllowWithNotResource, Warning, s.Resources.Pos, s.path+".NotResource",
			"Allow with NotResource allows the actions on every resource that is not listed, also in other accounts that let the caller in.",
			"List what is allowed in Resource, or put the exceptions into a Deny statement.")
	}
}

// star reports whether the resources are or contain the single *.
func (s *statement) star() bool {
	return !s.Resources.Not && slices.ContainsFunc(s.Resources.Values, func(v policy.Value) bool { return v.Text == "*" })
}

// tests reports whether the statement has a condition on the key, whatever the operator.
func (s *statement) tests(key string) bool {
	for _, c := range s.Conditions {
		for _, t := range c.Tests {
			if strings.EqualFold(t.Key.Text, key) {
				return true
			}
		}
	}
	return false
}

// coversAction reports whether the statement's Action or NotAction element covers the action, and whether it is not named but
// covered by a wildcard.
func (s *statement) coversAction(name string) (covered, byWildcard bool) {
	target, _ := s.ref.Action(name)
	for i := range s.actions {
		a := &s.actions[i]
		switch {
		case a.all:
			covered, byWildcard = true, true
		case strings.EqualFold(a.Text, name):
			return !s.Actions.Not, false
		case target != nil && a.service == target.Service && slices.Contains(a.actions, target):
			covered, byWildcard = true, true
		}
	}
	if s.Actions.Not {
		return !covered, false
	}
	return covered, byWildcard
}
