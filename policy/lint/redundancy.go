package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// redundancy compares the statements: those that another one makes superfluous, and those that a Deny makes void.
func (l *linter) redundancy() {
	var values policy.Strings
	var owners []int
	var exceptions []*statement // Deny statements with NotAction that nothing limits
	for _, s := range l.statements {
		if s.Actions.Not {
			if s.Effect == policy.Deny && len(s.Conditions) == 0 && s.resources.all && !s.Resources.Not {
				exceptions = append(exceptions, s)
			}
			continue
		}
		for _, v := range s.Actions.Values {
			values.Values = append(values.Values, v)
			owners = append(owners, s.index)
		}
	}
	all := newCover(l, values, true)
	for _, s := range l.statements {
		if l.exhausted {
			return
		}
		if s.Actions.Not || len(s.names.texts) == 0 {
			continue
		}
		redundant, void := false, false
		all.each(s.names.texts[0], func(place int) bool {
			other := l.statements[owners[place]]
			if other == s || !l.spend(20) {
				return !l.exhausted
			}
			switch {
			case !redundant && other.Effect == s.Effect && other.makesRedundant(s):
				redundant = true
				l.reportAt(RedundantStatement, Suggestion, s.Pos, s.path,
					fmt.Sprintf("Everything that the statement says is said by %s.", other.name()), "Remove one of them.")
			case !void && s.Effect == policy.Allow && other.makesVoid(s):
				void = true
				s.reportVoid(other)
			}
			return !redundant && !void
		})
		if void || s.Effect != policy.Allow {
			continue
		}
		for _, other := range exceptions {
			if other.deniesAllBut(s) {
				s.reportVoid(other)
				break
			}
		}
	}
}

// name is how messages call a statement.
func (s *statement) name() string {
	if s.Sid != nil && s.Sid.Text != "" {
		return s.path + " (" + short(s.Sid.Text) + ")"
	}
	return s.path
}

func (s *statement) reportVoid(by *statement) {
	s.reportAt(UnreachableStatement, Warning, s.Pos, s.path,
		fmt.Sprintf("The statement never allows anything: %s denies all of it without a condition.", by.name()),
		"Remove the statement, or narrow the Deny.")
}

// makesRedundant reports whether s says all that t says. Of two that say the same the later one is redundant.
func (s *statement) makesRedundant(t *statement) bool {
	return s.says(t) && s.principalText == t.principalText && (s.index < t.index || !t.says(s))
}

func (s *statement) says(t *statement) bool {
	return s.names.contains(t.names) && s.resources.contains(t.resources) && (len(s.Conditions) == 0 || s.conditionText == t.conditionText)
}

// makesVoid reports whether s, a Deny, denies all that t allows.
func (s *statement) makesVoid(t *statement) bool {
	return s.Effect == policy.Deny && len(s.Conditions) == 0 && s.forSame(t) && s.names.contains(t.names) && s.resources.contains(t.resources)
}

// forSame reports whether s is for everyone that t is for.
func (s *statement) forSame(t *statement) bool {
	return s.principalText == t.principalText || s.Principals != nil && !s.Principals.Not &&
		slices.ContainsFunc(s.Principals.Refs, func(r policy.PrincipalRef) bool { return r.Value == "*" })
}

// deniesAllBut reports whether s, a Deny with NotAction, spares nothing of t.
func (s *statement) deniesAllBut(t *statement) bool {
	if !s.forSame(t) {
		return false
	}
	for _, text := range t.names.texts {
		for _, spared := range s.names.texts {
			if !s.spend(len(text)) || s.meet(text, spared) || text == "*" || text == "*:*" {
				return false
			}
		}
	}
	return !s.exhausted
}

// conditionText is the same for conditions that say the same in another order.
func conditionText(conditions []policy.Condition) string {
	var all []string
	for _, c := range conditions {
		for _, t := range c.Tests {
			var values []string
			for _, v := range t.Values {
				values = append(values, fmt.Sprintf("%q", v.Text))
			}
			slices.Sort(values)
			all = append(all, fmt.Sprintf("%s %q %s", c.Operator.Text, strings.ToLower(t.Key.Text), strings.Join(values, ",")))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// principalText is the same for principals that are the same in another order.
func principalText(ps *policy.Principals) string {
	if ps == nil {
		return ""
	}
	all := []string{fmt.Sprint(ps.Not)}
	for _, r := range ps.Refs {
		all = append(all, fmt.Sprintf("%s %q", r.Type, r.Value))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
