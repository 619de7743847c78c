package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// opaEngine has a Rego rule for each combination of a rule's actions and resources, in a query prepared once, with the input parsed
// once.
type opaEngine struct{ query rego.PreparedEvalQuery }

func newOPA(rules [][]rule) (engine, error) {
	var b strings.Builder
	b.WriteString("package iam\n\ndefault decision := false\n\ndecision if {\n\tallow\n\tnot deny\n}\n\n")
	for _, list := range rules {
		for _, r := range list {
			for _, action := range r.actions {
				for _, resource := range r.resources {
					writeRego(&b, r, action, resource)
				}
			}
		}
	}
	query, err := rego.New(rego.Query("data.iam.decision"), rego.Module("iam.rego", b.String())).PrepareForEval(context.Background())
	return &opaEngine{query}, err
}

func writeRego(b *strings.Builder, r rule, action, resource string) {
	name := "allow"
	if r.deny {
		name = "deny"
	}
	fmt.Fprintf(b, "%s if {\n", name)
	line := func(format string, args ...any) { fmt.Fprintf(b, "\t"+format+"\n", args...) }
	if lead, ok := strings.CutSuffix(action, "*"); ok {
		line("startswith(input.action, %q)", lead)
	} else {
		line("input.action == %q", action)
	}
	lead, open := strings.CutSuffix(resource, "*")
	switch before, behind, variable := strings.Cut(lead, "{}"); {
	case resource == "*":
	case r.region:
		line(`glob.match(%q, [":"], input.resource)`, resource)
	case variable:
		line(`startswith(input.resource, concat("", [%q, input.%s, %q]))`, before, r.owner, behind)
	case open:
		line("startswith(input.resource, %q)", lead)
	default:
		line("input.resource == %q", resource)
	}
	if r.ips != nil {
		line("some range in [%s]", quoted(r.ips))
		line("net.cidr_contains(range, input.ip)")
	}
	if r.teams != nil {
		line("input.team in {%s}", quoted(r.teams))
	}
	if r.agent != "" {
		line("contains(input.agent, %q)", r.agent)
	}
	if r.secure {
		line("input.secure")
	}
	if r.mfaAge != 0 {
		line("input.mfaAge > %d", r.mfaAge)
	}
	b.WriteString("}\n\n")
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

func (o *opaEngine) ask(q question) func() bool {
	input, err := ast.InterfaceToValue(map[string]any{
		"action": q.action, "resource": q.resource, "username": "alice", "project": "apollo", "team": "blue", "ip": "203.0.113.7",
		"agent": "Mozilla/5.0 console.amazonaws.com", "secure": true, "mfaAge": 4000,
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	return func() bool {
		result, err := o.query.Eval(ctx, rego.EvalParsedInput(input))
		if err != nil {
			panic(err)
		}
		return result.Allowed()
	}
}
