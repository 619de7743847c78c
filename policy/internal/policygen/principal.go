package policygen

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// principals makes Principal or NotPrincipal, with the entries of a type together, as they stand in a text.
func (g *Generator) principals(k policy.Kind, effect policy.Effect, fits bool) *policy.Principals {
	out := g.anyOrder(k, effect, fits)
	slices.SortStableFunc(out.Refs, func(a, b policy.PrincipalRef) int { return strings.Compare(a.Type, b.Type) })
	return out
}

func (g *Generator) anyOrder(k policy.Kind, effect policy.Effect, fits bool) *policy.Principals {
	out := &policy.Principals{}
	if g.chance(6) && fits {
		out.Refs = []policy.PrincipalRef{{Type: "*", Value: "*"}}
		return out
	}
	if k == policy.Resource && effect == policy.Deny && g.chance(40) {
		out.Not = true
		out.Refs = g.spare(fits)
		return out
	}
	for range pick(g, 1, 1, 2) {
		out.Refs = append(out.Refs, g.stranger(k))
	}
	if caller := g.caller(); fits && len(caller) > 0 {
		out.Refs[g.IntN(len(out.Refs))] = pick(g, caller...)
	}
	return out
}

// caller lists the entries that name the caller of the case, those that a document may hold.
func (g *Generator) caller() []policy.PrincipalRef {
	p := &g.c.Request.Principal
	var out []policy.PrincipalRef
	aws := func(values ...string) {
		for _, v := range values {
			if v != "" && !strings.ContainsAny(v, "*?") && strings.ToValidUTF8(v, "") == v {
				out = append(out, policy.PrincipalRef{Type: "AWS", Value: v})
			}
		}
	}
	partition := "aws"
	if strings.HasPrefix(p.ARN, "arn:aws-cn:") {
		partition = "aws-cn"
	}
	if p.Account != "" {
		aws(p.Account, "arn:"+partition+":iam::"+p.Account+":root")
	}
	if p.Type != policy.Root {
		aws(p.ARN, p.ARN, p.RoleARN, p.RoleARN)
		if !strings.HasSuffix(p.IssuerUserARN, ":root") {
			aws(p.IssuerUserARN, p.IssuerUserARN)
		}
	}
	if strings.HasPrefix(p.UniqueID, "A") {
		id, _, _ := strings.Cut(p.UniqueID, ":")
		aws(p.UniqueID, id)
	}
	if p.Provider != "" {
		out = append(out, policy.PrincipalRef{Type: "Federated", Value: p.Provider}, policy.PrincipalRef{Type: "Federated", Value: p.Provider})
	}
	if p.Service != "" {
		out = append(out, policy.PrincipalRef{Type: "Service", Value: p.Service})
	}
	if g.chance(15) {
		out = append(out, policy.PrincipalRef{Type: "AWS", Value: "*"})
	}
	return out
}

// stranger names somebody else, often somebody very like the caller.
func (g *Generator) stranger(k policy.Kind) policy.PrincipalRef {
	if caller := g.caller(); len(caller) > 0 && g.chance(40) {
		ref := pick(g, caller...)
		if ref.Value != "*" {
			ref.Value = pick(g, ref.Value+"x", g.caseOf(ref.Value), strings.Replace(ref.Value, home, abroad, 1),
				strings.Replace(ref.Value, "arn:aws:", "arn:aws-cn:", 1))
			if (&policy.Document{Statements: []policy.Statement{{Actions: policy.Strings{Values: []policy.Value{{Text: "sts:*"}}},
				Principals: &policy.Principals{Refs: []policy.PrincipalRef{ref}}}}}).Check(k) == nil {
				return ref
			}
		}
	}
	if k == policy.Resource && g.chance(3) {
		return policy.PrincipalRef{Type: "CanonicalUser", Value: strings.Repeat("0a", 32)}
	}
	if g.chance(25) {
		return pick(g, policy.PrincipalRef{Type: "Service", Value: "sns.amazonaws.com"}, policy.PrincipalRef{Type: "Federated", Value: "www.amazon.com"},
			policy.PrincipalRef{Type: "Federated", Value: "arn:aws:iam::" + home + ":saml-provider/other"})
	}
	return policy.PrincipalRef{Type: "AWS", Value: pick(g, abroad, "arn:aws:iam::"+abroad+":root", "arn:aws:iam::"+home+":user/zoe",
		"arn:aws:iam::"+home+":role/other", "AIDAEXAMPLE99999", "AROAEXAMPLE99999", "AROAEXAMPLE99999:s1",
		"arn:aws:sts::"+home+":assumed-role/app/s2", "arn:aws:sts::"+home+":federated-user/other")}
}

// spare lists whom a NotPrincipal leaves out: strangers and the caller at every level, or when it is to hit, not at every level.
func (g *Generator) spare(hits bool) []policy.PrincipalRef {
	out := g.caller()
	g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if hits && len(out) > 0 {
		out = out[:g.IntN(len(out))]
	}
	if len(out) == 0 || g.chance(40) {
		out = append(out, g.stranger(policy.Resource))
	}
	return out
}
