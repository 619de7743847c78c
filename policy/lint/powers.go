package lint

import (
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// power is an action that hands out more than itself.
type power struct {
	action, key string // a condition on the key limits it
	severity    Severity
	what        string
	// Codes by how the action is named (itself, by a wildcard, by NotAction), first for Resource, then for NotResource.
	codes [2][3]Code
}

var powers = []power{
	{"iam:PassRole", "iam:PassedToService", SecurityWarning, "pass any role to any service, and so gain what the role may", [2][3]Code{
		{PassRoleStar, PassRoleStarInAction, PassRoleStarNotAction},
		{PassRoleNotResource, PassRoleStarInActionNotResource, PassRoleNotActionNotResource}}},
	{"iam:CreateServiceLinkedRole", "iam:AWSServiceName", Warning, "create service-linked roles for any service", [2][3]Code{
		{CreateSLRStar, CreateSLRStarInAction, CreateSLRStarNotAction},
		{CreateSLRNotResource, CreateSLRStarInActionNotResource, CreateSLRNotActionNotResource}}},
}

// checkPowers finds far-reaching actions on all resources, and roles of any account.
func (s *statement) checkPowers() {
	if s.Effect != policy.Allow || !s.grants() || s.kind == policy.Trust || s.kind == policy.Resource {
		return
	}
	for i := range powers {
		p := &powers[i]
		covered, byWildcard := s.coversAction(p.action)
		if !covered || s.tests(p.key) {
			continue
		}
		how, where := 0, 0
		switch {
		case s.Actions.Not:
			how = 2
		case byWildcard:
			how = 1
		}
		at, path := policy.Value{Pos: s.Resources.Pos}, s.path+".Resource"
		if s.Resources.Not {
			where, path = 1, s.path+".NotResource"
		} else {
			wide := s.wideRole()
			if wide == nil {
				continue
			}
			at = *wide
		}
		s.report(p.codes[where][how], p.severity, at, path,
			"The statement allows "+p.action+" on every role: whoever has it can "+p.what+".",
			"Name the roles in Resource, or add a condition on "+p.key+".")
	}
	if covered, _ := s.coversAction("sts:AssumeRole"); covered && !s.open {
		for i, v := range s.Resources.Values {
			fields := strings.SplitN(v.Text, ":", 6)
			if !s.Resources.Not && len(fields) == 6 && fields[2] == "iam" && strings.Trim(fields[4], "*?") == "" &&
				strings.HasPrefix(fields[5], "role/") {
				s.report(WildcardAccount, Warning, v, fmt.Sprintf("%s.Resource[%d]", s.path, i),
					"The caller may assume roles of that name in every account, also in one that a stranger made for it.",
					"Name the account.")
			}
		}
	}
}

// wideRole returns the first resource that stands for every role, if there is one.
func (s *statement) wideRole() *policy.Value {
	for i := range s.Resources.Values {
		v := &s.Resources.Values[i]
		fields := strings.SplitN(v.Text, ":", 6)
		last := fields[len(fields)-1]
		switch {
		case v.Text == "*",
			len(fields) < 6 && strings.HasSuffix(last, "*") && (len(fields) < 3 || strings.Trim(fields[2], "*") == "" || fields[2] == "iam"),
			len(fields) == 6 && fields[2] == "iam" && (strings.Trim(last, "*") == "" || strings.Trim(last, "*") == "role/"):
			return v
		}
	}
	return nil
}
