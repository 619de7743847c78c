package policy

import (
	"fmt"
	"strings"
)

// The specification evaluator: the language as its documentation tells it, sentence by sentence, applied to the Document itself.
// Items such as S4-M8 stand beside the sentences they are. It is slow and meant to be obvious: it gives Explain its account and
// the tests their oracle, so it shares no matching code with the compiled engine, not even the reading of numbers and dates
// (a test holds that), and it is never optimised. One pattern costs at most the length of the text times that of the pattern, and a
// pattern with more characters than the text is not tried, so no document within AWS's size quotas keeps it busy for long.

// spec is one evaluation.
type spec struct {
	r       *Request
	s       *Set
	layers  []LayerAccount
	missing []string
}

// specNaming is how a statement of a resource's policy names the caller (S4-M7 to S4-M12).
type specNaming int

const (
	notNamed       specNaming = iota
	namedByAccount            // delegates to the account's own policies
	namedByRole               // the session's role, the federated session's user
	namedItself               // the caller, or everyone; also a statement without principals, attached to the caller
)

// inAccount: users, root and sessions belong to an account; services, anonymous callers and holders of an identity provider's token
// that is no session yet do not.
func (x *spec) inAccount() bool {
	switch p := &x.r.Principal; p.Type {
	case User, Root, AssumedRole, FederatedUser:
		return true
	case WebIdentity, SAML:
		return p.RoleARN != ""
	}
	return false
}

func (x *spec) isRoleSession() bool { return x.inAccount() && x.is(AssumedRole, WebIdentity, SAML) }

func (x *spec) is(types ...PrincipalType) bool {
	for _, t := range types {
		if x.r.Principal.Type == t {
			return true
		}
	}
	return false
}

// isRoot: root, and the federated sessions that root makes, are bound by no identity policy and no boundary (S4-M4, D14).
func (x *spec) isRoot() bool {
	return x.is(Root) || x.is(FederatedUser) && strings.HasSuffix(x.r.Principal.IssuerUserARN, ":root")
}

// bounded: a permissions boundary binds the caller.
func (x *spec) bounded() bool { return x.s.Boundary != nil && x.inAccount() && !x.isRoot() }

// exempt says why a layer does not bind the caller, or nothing when it does.
func (x *spec) exempt(l Layer) string {
	switch {
	case l == LayerResource:
		return ""
	case l == LayerResourceControl && x.r.Principal.ServiceLinked: // S4-M25
		return "service-linked roles are exempt from resource control policies"
	case l == LayerResourceControl:
		return ""
	case !x.inAccount(): // S4-M13
		return "the caller belongs to no account, so only the resource's own policies bind it"
	case l == LayerServiceControl && x.r.Principal.ServiceLinked: // S4-M22
		return "service-linked roles are exempt from service control policies"
	case (l == LayerIdentity || l == LayerBoundary) && x.isRoot():
		return "no identity policy and no boundary binds the root user"
	case l == LayerBoundary && x.s.Boundary == nil:
		return "there is none"
	case l == LayerSession && x.s.Session == nil && !x.is(FederatedUser): // S4-M3
		return "none was passed"
	}
	return ""
}

// run gives the account of every layer, in the order in which a denial is looked for, and the decision.
func (x *spec) run() Decision {
	for i, level := range x.s.ResourceControl {
		x.layer(LayerResourceControl, i+1, level)
	}
	for i, level := range x.s.ServiceControl {
		x.layer(LayerServiceControl, i+1, level)
	}
	if x.s.Resource != nil {
		x.layer(LayerResource, 0, []*Policy{x.s.Resource})
	}
	x.layer(LayerIdentity, 0, x.s.Identity)
	if x.s.Boundary != nil {
		x.layer(LayerBoundary, 0, []*Policy{x.s.Boundary})
	}
	if x.s.Session != nil || x.is(FederatedUser) {
		x.layer(LayerSession, 0, x.s.Session)
	}
	return x.decide()
}

// layer adds the account of the policies of one layer, or of one level of it.
func (x *spec) layer(l Layer, level int, policies []*Policy) {
	a := LayerAccount{Layer: l, Level: level, Exempt: x.exempt(l)}
	if a.Exempt == "" {
		for _, p := range policies {
			pa := PolicyAccount{Policy: p}
			for i := range p.doc.Statements {
				st, naming := x.statement(p, i)
				pa.Statements = append(pa.Statements, st)
				switch {
				case !st.Matched || a.Verdict == Denies:
				case st.Effect == Deny:
					a.Verdict, a.policy, a.statement = Denies, p, i
				case naming > a.naming:
					a.Verdict, a.naming, a.policy, a.statement = Allows, naming, p, i
				}
			}
			a.Policies = append(a.Policies, pa)
		}
	}
	x.layers = append(x.layers, a)
}

// statement: principal, action, resource and all conditions must fit; otherwise the statement is as if absent (S4-26, S4-90, S4-152).
func (x *spec) statement(p *Policy, i int) (StatementAccount, specNaming) {
	st := &p.doc.Statements[i]
	a := StatementAccount{Index: i, Effect: st.Effect, Pos: st.Pos}
	if st.Sid != nil {
		a.Sid = st.Sid.Text
	}
	m := &specStatement{spec: x, st: st, vars: p.doc.EffectiveVersion() == Version2012, account: &a}
	naming := namedItself
	if st.Principals != nil {
		naming = m.principal()
	}
	switch {
	case naming == notNamed:
		a.Failed = m.principalFailure()
	case !m.action():
		a.Failed = m.failure(st.Actions, "Action", x.r.Action)
	case !m.resource():
		a.Failed = m.failure(st.Resources, "Resource", x.r.Resource)
	default:
		a.Failed = m.conditions()
	}
	a.Matched = a.Failed == nil
	return a, naming
}

func (m *specStatement) failure(element Strings, name, saw string) *Failure {
	f := &Failure{Element: not(element.Not) + name, Pos: element.Pos, Saw: []string{saw}, Reason: "none of the values matches"}
	if element.Not {
		f.Reason = "it is among the values"
	}
	for _, v := range element.Values {
		f.Wanted = append(f.Wanted, v.Text)
	}
	return f
}

// of returns the account of a layer that has no levels. Layers that are not there are silent.
func (x *spec) of(l Layer) LayerAccount {
	for _, a := range x.layers {
		if a.Layer == l {
			return a
		}
	}
	return LayerAccount{Layer: l, Exempt: x.exempt(l)}
}

func (a *LayerAccount) binds() bool { return a.Exempt == "" }

func (a *LayerAccount) decision() Decision {
	return Decision{Effect: Allow, Layer: a.Layer, Policy: a.policy, Statement: a.statement}
}

// decide draws the conclusion from the layers.
func (x *spec) decide() Decision {
	// An explicit deny in any layer ends with deny (S4-33, S4-155, S4-M1).
	for _, a := range x.layers {
		if a.binds() && a.Verdict == Denies {
			return Decision{Explicit: true, Layer: a.Layer, Policy: a.policy, Statement: a.statement}
		}
	}
	// Then RCPs and SCPs must allow, at every level (S4-M2, S4-M22).
	for _, l := range []Layer{LayerResourceControl, LayerServiceControl} {
		for _, a := range x.layers {
			if a.Layer == l && a.binds() && a.Verdict != Allows {
				return Decision{Layer: l}
			}
		}
	}
	resource := x.of(LayerResource)
	switch {
	case !x.inAccount() && resource.Verdict != Allows:
		return Decision{Layer: LayerResource}
	case x.is(Root) && x.asksForRole() && (x.s.Resource == nil || x.s.Resource.kind == Trust): // D1: root cannot assume roles
		return Decision{Layer: LayerResource}
	case !x.inAccount(): // S4-M13
		return resource.decision()
	case x.crossAccount(): // both sides must allow, however directly the resource's policy names the caller (S4-M15)
		if own := x.ownSide(); own.Effect != Allow {
			return own
		}
		if resource.Verdict != Allows || x.crossPartition() {
			return Decision{Layer: LayerResource}
		}
		return resource.decision()
	}
	switch {
	case resource.naming == namedItself: // S4-M7, S4-M9, S4-M11
		return resource.decision()
	case resource.naming == namedByRole: // identity policies are not needed, boundary and session policies are (S4-M8, S4-M10)
		for _, l := range []Layer{LayerBoundary, LayerSession} {
			if a := x.of(l); a.binds() && a.Verdict != Allows {
				return Decision{Layer: l}
			}
		}
		return resource.decision()
	case resource.naming == notNamed && x.resourceMustAllow():
		return Decision{Layer: LayerResource}
	}
	return x.ownSide() // also where the account is named, which delegates (S4-M12)
}

// ownSide: identity policies, then the boundary, then session policies must allow, as far as they bind (S4-M2). Root needs none.
func (x *spec) ownSide() Decision {
	grants := Decision{Effect: Allow}
	for _, l := range []Layer{LayerIdentity, LayerBoundary, LayerSession} {
		a := x.of(l)
		switch {
		case !a.binds():
		case a.Verdict != Allows:
			return Decision{Layer: l}
		case grants.Layer == LayerNone:
			grants = a.decision()
		}
	}
	return grants
}

// resourceMustAllow: trust policies and the policies of KMS keys must speak; an identity allow alone never suffices (S4-M14, S4-M17).
func (x *spec) resourceMustAllow() bool {
	if x.s.Resource != nil && x.s.Resource.kind == Trust || x.asksForRole() {
		return true
	}
	part := strings.SplitN(x.r.Resource, ":", 6)
	return strings.HasPrefix(specLower(x.r.Action), "kms:") && len(part) == 6 && strings.HasPrefix(part[5], "key/")
}

func (x *spec) asksForRole() bool {
	switch specLower(x.r.Action) {
	case "sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity":
		return true
	}
	return false
}

// crossAccount: the resource's owner is the one stated, or the account in its ARN, or else the caller's account.
func (x *spec) crossAccount() bool {
	owner := x.r.ResourceAccount
	if owner == "" {
		part := strings.SplitN(x.r.Resource, ":", 6)
		if len(part) < 5 || !specAccount.MatchString(part[4]) {
			return false
		}
		owner = part[4]
	}
	return owner != x.r.Principal.Account
}

// crossPartition: delegation never crosses partitions (S4-M16).
func (x *spec) crossPartition() bool {
	return strings.HasPrefix(x.r.Resource, "arn:") && specPartition(x.r.Resource) != specPartition(x.r.Principal.ARN)
}

func specPartition(name string) string {
	part := strings.Split(strings.TrimPrefix(name, "arn:"), ":")
	return part[0]
}

// disagreement compares the engine's decision with the specification's. The deciding statement may be any that decides as well.
func (x *spec) disagreement(engine, own Decision) error {
	if engine.Effect != own.Effect || engine.Explicit != own.Explicit || engine.Layer != own.Layer {
		return fmt.Errorf("the engine decides %s, the specification %s", engine.brief(), own.brief())
	}
	if engine.Policy == nil {
		if own.Policy != nil {
			return fmt.Errorf("the engine decides %s by no statement, the specification by one of %s", engine.brief(), own.Policy.name)
		}
		return nil
	}
	for _, a := range x.layers {
		if a.Layer != engine.Layer {
			continue
		}
		for _, p := range a.Policies {
			if p.Policy == engine.Policy && engine.Statement < len(p.Statements) {
				if st := &p.Statements[engine.Statement]; st.Matched && (st.Effect == Deny) == engine.Explicit {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("the engine decides %s by statement %d of %s, which by the specification does not decide it",
		engine.brief(), engine.Statement, engine.Policy.name)
}

func (d Decision) brief() string {
	switch {
	case d.Effect == Allow:
		return "allow " + d.Layer.String()
	case d.Explicit:
		return "deny-explicit " + d.Layer.String()
	}
	return "deny-implicit " + d.Layer.String()
}
