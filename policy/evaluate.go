package policy

import "strings"

// Evaluate decides. It cannot fail, allocate, block or read a clock, and may be called by any number of goroutines with
// the same set.
//
// A Deny that matches in any layer that binds the caller decides. Otherwise every layer that must allow has to, in this order:
// RCPs and SCPs at each level; then in the caller's account the resource policy where it must speak or may grant alone, identity
// policies, boundary, session policies; across accounts the caller's side first and the resource policy last (S4-M1, S4-M2,
// S4-M15).
func Evaluate(r *Request, s *Set) Decision {
	var e evaluator
	e.start(r, s)
	return e.decide(s)
}

// outcome is what the policies of one layer say: a denial, or the strongest grant.
type outcome struct {
	deny   bool
	grant  grant
	policy *Policy
	index  int
}

func (o *outcome) denial(layer Layer) Decision {
	return Decision{Explicit: true, Layer: layer, Policy: o.policy, Statement: o.index}
}

func (o *outcome) allowance(layer Layer) Decision {
	return Decision{Effect: Allow, Layer: layer, Policy: o.policy, Statement: o.index}
}

func lacking(layer Layer) Decision { return Decision{Layer: layer} }

// levels evaluates the levels of an organization: allowed tells whether each allows.
func (e *evaluator) levels(levels [][]*Policy) (deny outcome, allowed bool) {
	allowed = true
	for _, level := range levels {
		var o outcome
		for _, p := range level {
			if o.scan(e, p) {
				return o, false
			}
		}
		allowed = allowed && o.grant != grantNone
	}
	return outcome{}, allowed
}

// binding says which layers bind the caller. Callers outside any account are bound by the resource's policies only (S4-M13).
// Service-linked roles are exempt from SCPs and RCPs (S4-M22, S4-M25).
type binding struct{ rcp, scp, identity, session bool }

func (p *Principal) binding(s *Set) binding {
	inside := p.inAccount()
	return binding{
		rcp:      !p.ServiceLinked,
		scp:      inside && !p.ServiceLinked,
		identity: inside && !p.rootLike(),
		session:  inside && (s.Session != nil || p.Type == FederatedUser),
	}
}

// verdicts are what the layers say when none denies.
type verdicts struct {
	bound                                 binding
	rcp, scp                              bool // every level allows
	resource, identity, boundary, session outcome
}

func (e *evaluator) decide(s *Set) Decision {
	v := verdicts{bound: e.r.Principal.binding(s)}
	if d, denied := e.denials(s, &v); denied {
		return d
	}
	p := &e.r.Principal
	switch {
	case !v.rcp:
		return lacking(LayerResourceControl)
	case !v.scp:
		return lacking(LayerServiceControl)
	case !p.inAccount() && v.resource.grant == grantNone, e.rootAssumes(s):
		return lacking(LayerResource)
	case !p.inAccount():
		return v.resource.allowance(LayerResource)
	}
	own, limit := v.own(s)
	foreign := e.foreign()
	switch {
	case foreign && own.Effect == Deny:
		return own
	case foreign:
		if v.resource.grant == grantNone || e.otherPartition() {
			return lacking(LayerResource)
		}
		return v.resource.allowance(LayerResource)
	case v.resource.grant == grantDirect:
		return v.resource.allowance(LayerResource)
	case v.resource.grant == grantRole && limit != LayerNone:
		return lacking(limit)
	case v.resource.grant == grantRole:
		return v.resource.allowance(LayerResource)
	case v.resource.grant == grantNone && e.mustSpeak(s):
		return lacking(LayerResource)
	}
	return own
}

// denials evaluates every layer that binds the caller, up to the first that denies.
func (e *evaluator) denials(s *Set, v *verdicts) (d Decision, denied bool) {
	v.rcp, v.scp = true, true
	var deny outcome
	if v.bound.rcp {
		if deny, v.rcp = e.levels(s.ResourceControl); deny.deny {
			return deny.denial(LayerResourceControl), true
		}
	}
	if v.bound.scp {
		if deny, v.scp = e.levels(s.ServiceControl); deny.deny {
			return deny.denial(LayerServiceControl), true
		}
	}
	if s.Resource != nil && v.resource.scan(e, s.Resource) {
		return v.resource.denial(LayerResource), true
	}
	if v.bound.identity {
		if e.identity(s, &v.identity) {
			return v.identity.denial(LayerIdentity), true
		}
		if s.Boundary != nil && v.boundary.scan(e, s.Boundary) {
			return v.boundary.denial(LayerBoundary), true
		}
	}
	if v.bound.session {
		for _, q := range s.Session {
			if v.session.scan(e, q) {
				return v.session.denial(LayerSession), true
			}
		}
	}
	return Decision{}, false
}

// identity adds what the identity policies say, merged or one by one.
func (e *evaluator) identity(s *Set, o *outcome) (denied bool) {
	if s.IdentityProgram != nil {
		return o.run(e, s.IdentityProgram.program, nil)
	}
	for _, p := range s.Identity {
		if o.scan(e, p) {
			return true
		}
	}
	return false
}

// own is what the caller's side decides without the resource policy; limit is the layer, boundary or session, that does not
// allow, whatever the identity policies say.
func (v *verdicts) own(s *Set) (own Decision, limit Layer) {
	switch {
	case v.bound.identity && s.Boundary != nil && v.boundary.grant == grantNone:
		limit = LayerBoundary
	case v.bound.session && v.session.grant == grantNone:
		limit = LayerSession
	}
	switch {
	case v.bound.identity && v.identity.grant == grantNone:
		return lacking(LayerIdentity), limit
	case limit != LayerNone:
		return lacking(limit), limit
	case v.bound.identity:
		return v.identity.allowance(LayerIdentity), limit
	case v.bound.session:
		return v.session.allowance(LayerSession), limit
	}
	return Decision{Effect: Allow}, limit
}

// otherPartition reports whether caller and resource are of different partitions (S4-M16).
func (e *evaluator) otherPartition() bool {
	return strings.HasPrefix(e.r.Resource, "arn:") && partitionOf(e.r.Principal.ARN) != partitionOf(e.r.Resource)
}

// foreign reports whether the resource belongs to another account than the caller (S4-M15).
func (e *evaluator) foreign() bool {
	owner := e.r.ResourceAccount
	if owner == "" {
		e.part()
		owner = e.account
		return owner != e.r.Principal.Account && accountID(owner)
	}
	return owner != e.r.Principal.Account
}

// mustSpeak reports whether the resource's policy must allow in the caller's own account too: a role's trust policy, and the
// policy of a KMS key (S4-M14, S4-M17).
func (e *evaluator) mustSpeak(s *Set) bool {
	if s.Resource != nil && s.Resource.kind == Trust || e.assumes() {
		return true
	}
	if !equalLower("kms", e.service) {
		return false
	}
	e.part()
	return strings.HasPrefix(e.behind, "key/")
}

// assumes reports whether the action asks for a session of a role.
func (e *evaluator) assumes() bool {
	return equalLower("sts", e.service) && (equalLower("assumerole", e.name) || equalLower("assumerolewithsaml", e.name) ||
		equalLower("assumerolewithwebidentity", e.name))
}

// rootAssumes reports whether root asks for a role, which no trust policy can grant (D1 in docs/design.md).
func (e *evaluator) rootAssumes(s *Set) bool {
	return e.r.Principal.Type == Root && e.assumes() && (s.Resource == nil || s.Resource.kind == Trust)
}
