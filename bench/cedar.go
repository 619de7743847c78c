package main

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// cedarEngine has a permit or forbid for each rule. Cedar's like takes no variables: where a rule has one, the application
// passes that part of the resource as an attribute, and the policy compares the two.
type cedarEngine struct{ set *cedar.PolicySet }

func newCedar(rules [][]rule) (engine, error) {
	var b strings.Builder
	for _, list := range rules {
		for _, r := range list {
			writeCedar(&b, r)
		}
	}
	set, err := cedar.NewPolicySetFromBytes("rules.cedar", []byte(b.String()))
	if err != nil {
		return nil, err
	}
	return &cedarEngine{set}, nil
}

func writeCedar(b *strings.Builder, r rule) {
	effect := "permit"
	if r.deny {
		effect = "forbid"
	}
	like := func(attribute string, patterns []string) string {
		var parts []string
		for _, p := range patterns {
			p = strings.ReplaceAll(p, "{}", "*")
			switch {
			case p == "*":
				return "true"
			case strings.Contains(p, "*"):
				parts = append(parts, fmt.Sprintf("context.%s like %q", attribute, p))
			default:
				parts = append(parts, fmt.Sprintf("context.%s == %q", attribute, p))
			}
		}
		return "(" + strings.Join(parts, " || ") + ")"
	}
	tests := []string{like("action", r.actions), like("resource", r.resources)}
	if r.owner != "" {
		tests = append(tests, "context.owner == context."+r.owner)
	}
	var ips, teams []string
	for _, ip := range r.ips {
		ips = append(ips, fmt.Sprintf("context.ip.isInRange(ip(%q))", ip))
	}
	for _, team := range r.teams {
		teams = append(teams, fmt.Sprintf("context.team == %q", team))
	}
	for _, any := range [][]string{ips, teams} {
		if any != nil {
			tests = append(tests, "("+strings.Join(any, " || ")+")")
		}
	}
	if r.agent != "" {
		tests = append(tests, fmt.Sprintf("context.agent like %q", "*"+r.agent+"*"))
	}
	if r.secure {
		tests = append(tests, "context.secure")
	}
	if r.mfaAge != 0 {
		tests = append(tests, fmt.Sprintf("context.mfaAge > %d", r.mfaAge))
	}
	fmt.Fprintf(b, "%s(principal, action, resource) when { %s };\n", effect, strings.Join(tests, " && "))
}

func (c *cedarEngine) ask(q question) func() bool {
	ip, err := types.ParseIPAddr("203.0.113.7")
	if err != nil {
		panic(err)
	}
	request := cedar.Request{
		Principal: cedar.NewEntityUID("User", "alice"),
		Action:    cedar.NewEntityUID("Action", types.String(q.action)),
		Resource:  cedar.NewEntityUID("Resource", types.String(q.resource)),
		Context: cedar.NewRecord(cedar.RecordMap{
			"action": types.String(q.action), "resource": types.String(q.resource), "owner": types.String(q.owner()),
			"username": types.String("alice"), "project": types.String("apollo"), "team": types.String("blue"),
			"ip": ip, "agent": types.String("Mozilla/5.0 console.amazonaws.com"), "secure": types.Boolean(true), "mfaAge": types.Long(4000),
		}),
	}
	return func() bool {
		decision, _ := cedar.Authorize(c.set, nil, request)
		return decision == cedar.Allow
	}
}
