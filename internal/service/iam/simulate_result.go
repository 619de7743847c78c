package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/arn/glob"
	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// What AWS calls the types of policy in matched statements and decision details; the enumeration of the API's description has other
// names, which AWS does not use.
const (
	sourceIdentity = "IAM Policy"
	sourceResource = "Resource Policy"
	sourceBoundary = "Permissions Boundary Policy"
)

// finish finds out what takes part in all requests of the simulation, once its policies are complete.
func (sim *simulation) finish(c *gate.Call) error {
	sub, ok := sim.request.Subject(c.Snapshot)
	if !ok {
		return fault.New(fault.NotFound, "Unable to retrieve specified IAM entity.")
	}
	known := make(map[string]bool)
	for _, key := range sub.Keys {
		known[strings.ToLower(key)] = true
	}
	known["aws:resourceaccount"] = known["aws:resourceaccount"] || !sim.stranger
	policies := slices.Clone(sub.Identity)
	for _, p := range []*policy.Policy{sub.Boundary, sim.policy} {
		if p != nil {
			policies = append(policies, p)
		}
	}
	sim.documents = 0
	for _, p := range policies {
		sim.documents += documentSize(p)
		for _, key := range p.Document().Keys() {
			if folded := strings.ToLower(key); !known[folded] {
				known[folded] = true
				sim.missing = append(sim.missing, key)
			}
		}
	}
	for _, level := range slices.Concat(sim.request.ServiceControl, sim.request.ResourceControl) {
		for _, p := range level {
			sim.documents += documentSize(p)
		}
	}
	return nil
}

// documentSize is about how many bytes a policy's text has.
func documentSize(p *policy.Policy) int {
	statements := p.Document().Statements
	return statements[len(statements)-1].End.Offset + 1
}

// cost is what an action may cost over all resources; see maxSimulationWork.
func (sim *simulation) cost(action string) int {
	const overhead = 64 // of a comparison, as so many characters
	texts := 0
	for _, r := range sim.targets() {
		texts += overhead + len(action) + len(r) + sim.entries
	}
	return sim.documents * texts
}

// targets are the resources to be asked about.
func (sim *simulation) targets() []string {
	if len(sim.resources) == 0 {
		return []string{"*"}
	}
	return sim.resources
}

// account is whose a resource is; empty where nobody in particular calls.
func (sim *simulation) account(resource string) string {
	if sim.stranger {
		return ""
	}
	if a, err := arn.Parse(resource); err == nil && accountID(a.Account()) {
		return a.Account()
	}
	if sim.owner != "" {
		return sim.owner
	}
	return sim.request.Principal.Account
}

// outcome is what was decided on one action and one resource.
type outcome struct {
	decision     string
	matched      []shape.Statement
	details      map[string]string // across accounts only
	boundary     *bool             // it allows; nil: there is none
	organization *bool             // its policies allow; nil: there is none
}

// evaluate decides one action on every resource.
func (s *service) evaluate(ctx context.Context, c *gate.Call, sim *simulation, action string) (shape.EvaluationResult, error) {
	all := outcome{decision: shape.PolicyEvaluationDecisionTypeAllowed}
	out := shape.EvaluationResult{EvalActionName: action, EvalResourceName: new(sim.resourceName(action))}
	for _, resource := range sim.targets() {
		if err := ctx.Err(); err != nil {
			return shape.EvaluationResult{}, fault.Wrap(err, "simulating "+action)
		}
		one, err := s.decide(c, sim, action, resource)
		if err != nil {
			return shape.EvaluationResult{}, err
		}
		all.add(&one)
		if len(sim.resources) == 0 {
			continue
		}
		out.ResourceSpecificResults = append(out.ResourceSpecificResults, shape.ResourceSpecificResult{
			EvalResourceName: resource, EvalResourceDecision: one.decision, EvalDecisionDetails: one.details, MatchedStatements: one.matched,
			MissingContextValues: one.missing(sim), PermissionsBoundaryDecisionDetail: boundaryDetail(one.boundary),
		})
	}
	out.EvalDecision, out.EvalDecisionDetails = all.decision, all.details
	if len(sim.resources) > 0 && all.details == nil && (all.organization == nil || *all.organization) {
		out.EvalDecisionDetails = map[string]string{} // AWS answers an empty one within an account
	}
	out.MatchedStatements = append([]shape.Statement{}, all.matched...)
	out.MissingContextValues = append([]string{}, all.missing(sim)...)
	out.PermissionsBoundaryDecisionDetail = boundaryDetail(all.boundary)
	if all.organization != nil {
		out.OrganizationsDecisionDetail = &shape.OrganizationsDecisionDetail{AllowedByOrganizations: all.organization}
	}
	return out, nil
}

func boundaryDetail(allowed *bool) *shape.PermissionsBoundaryDecisionDetail {
	if allowed == nil {
		return nil
	}
	return &shape.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: allowed}
}

// missing are the condition keys that policies ask for and the request lacks. Where the organization denies, the simulation ends before
// any policy that the caller may know of.
func (o *outcome) missing(sim *simulation) []string {
	if o.organization != nil && !*o.organization {
		return nil
	}
	return sim.missing
}

// add makes o the outcome over all resources: the most restrictive decision, and the statements that made it. A denial by statements
// shows those alone.
func (o *outcome) add(one *outcome) {
	switch {
	case strictness(one.decision) > strictness(o.decision):
		if o.decision = one.decision; one.decision == shape.PolicyEvaluationDecisionTypeExplicitDeny {
			o.matched = nil
		}
		o.addMatched(one.matched)
	case strictness(one.decision) == strictness(o.decision) || o.decision != shape.PolicyEvaluationDecisionTypeExplicitDeny:
		o.addMatched(one.matched)
	}
	for kind, decision := range one.details {
		if o.details == nil {
			o.details = make(map[string]string)
		}
		if before, ok := o.details[kind]; !ok || strictness(decision) > strictness(before) {
			o.details[kind] = decision
		}
	}
	o.boundary, o.organization = both(o.boundary, one.boundary), both(o.organization, one.organization)
}

// addMatched adds statements that are not there yet.
func (o *outcome) addMatched(more []shape.Statement) {
	for _, m := range more {
		if !slices.ContainsFunc(o.matched, func(st shape.Statement) bool {
			return *st.SourcePolicyId == *m.SourcePolicyId && *st.SourcePolicyType == *m.SourcePolicyType && *st.StartPosition.Line == *m.StartPosition.Line &&
				*st.StartPosition.Column == *m.StartPosition.Column
		}) {
			o.matched = append(o.matched, m)
		}
	}
}

// both joins what may be unknown: nil.
func both(a, b *bool) *bool {
	if a == nil || b != nil && !*b {
		return b
	}
	return a
}

// strictness orders decisions.
func strictness(decision string) int {
	return slices.Index([]string{shape.PolicyEvaluationDecisionTypeAllowed, shape.PolicyEvaluationDecisionTypeImplicitDeny,
		shape.PolicyEvaluationDecisionTypeExplicitDeny}, decision)
}

// decide explains one action on one resource.
func (s *service) decide(c *gate.Call, sim *simulation, action, resource string) (outcome, error) {
	check := authorizer.Check{Action: action, Resource: resource, ResourceAccount: sim.account(resource), Policy: sim.policy}
	request := sim.request
	if sim.controlled {
		request.ResourceControl = c.Snapshot.ResourceControl(check.ResourceAccount)
	}
	x, ok := authorizer.Simulate(c.Snapshot, &request, &check)
	if !ok {
		return outcome{}, fault.New(fault.NotFound, "Unable to retrieve specified IAM entity.")
	}
	if x.Disagreement != nil {
		s.meter.ExplainDisagreement()
	}
	out := outcome{decision: decisionName(&x.Decision)}
	if organized(x) {
		out.organization = new(!slices.ContainsFunc(x.Layers, func(l policy.LayerAccount) bool {
			return (l.Layer == policy.LayerServiceControl || l.Layer == policy.LayerResourceControl) && l.Exempt == "" && l.Verdict != policy.Allows
		}))
		if !*out.organization {
			return out, nil // the simulation ends there
		}
	}
	foreign := check.ResourceAccount != "" && check.ResourceAccount != sim.request.Principal.Account
	if foreign {
		out.details = map[string]string{sourceResource: shape.PolicyEvaluationDecisionTypeImplicitDeny}
	}
	for i := range x.Layers {
		l := &x.Layers[i]
		source, ok := sources[l.Layer]
		if !ok || l.Exempt != "" {
			continue
		}
		if foreign {
			out.details[source] = verdictName(l.Verdict)
		}
		if l.Layer == policy.LayerBoundary {
			out.boundary = new(l.Verdict == policy.Allows)
		}
	}
	// Statements as a reader expects them: the caller's own first, then the resource's, then the boundary's.
	for _, layer := range []policy.Layer{policy.LayerIdentity, policy.LayerResource, policy.LayerBoundary} {
		for i := range x.Layers {
			if x.Layers[i].Layer == layer {
				out.matched = append(out.matched, matched(&x.Layers[i], &x.Decision)...)
			}
		}
	}
	return out, nil
}

// sources are the layers whose policies a simulation shows.
var sources = map[policy.Layer]string{
	policy.LayerIdentity: sourceIdentity, policy.LayerResource: sourceResource, policy.LayerBoundary: sourceBoundary,
}

// organized reports whether policies of an organization took part.
func organized(x *policy.Explanation) bool {
	return slices.ContainsFunc(x.Layers, func(l policy.LayerAccount) bool {
		return l.Layer == policy.LayerServiceControl || l.Layer == policy.LayerResourceControl
	})
}

// matched are the statements of a layer that made the decision: those that deny of an explicit denial, those that grant of an allow.
// A boundary grants nothing; what nothing allows has none.
func matched(l *policy.LayerAccount, d *policy.Decision) (out []shape.Statement) {
	if d.Effect == policy.Deny && !d.Explicit || d.Effect == policy.Allow && l.Layer == policy.LayerBoundary {
		return nil
	}
	for _, p := range l.Policies {
		for _, st := range p.Statements {
			if !st.Matched || st.Effect != d.Effect {
				continue
			}
			start, end := p.Policy.Document().Span(st.Index)
			out = append(out, shape.Statement{
				SourcePolicyId: new(sourceID(p.Policy.Name())), SourcePolicyType: new(sources[l.Layer]),
				StartPosition: position(start), EndPosition: position(end),
			})
		}
	}
	return out
}

func position(p policy.Position) *shape.Position {
	return &shape.Position{Line: new(p.Line), Column: new(p.Column)}
}

// sourceID is how AWS calls a policy: one that was given by its place, a managed one by its name, an inline one by its holder and name,
// as in user_alice_home.
func sourceID(name string) string {
	if _, ok := policyOwner(name); ok {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return strings.ReplaceAll(name, "/", "_")
}

func decisionName(d *policy.Decision) string {
	switch {
	case d.Effect == policy.Allow:
		return shape.PolicyEvaluationDecisionTypeAllowed
	case d.Explicit:
		return shape.PolicyEvaluationDecisionTypeExplicitDeny
	}
	return shape.PolicyEvaluationDecisionTypeImplicitDeny
}

func verdictName(v policy.Verdict) string {
	switch v {
	case policy.Allows:
		return shape.PolicyEvaluationDecisionTypeAllowed
	case policy.Denies:
		return shape.PolicyEvaluationDecisionTypeExplicitDeny
	}
	return shape.PolicyEvaluationDecisionTypeImplicitDeny
}

// resourceName is what the result over all resources is called: the resource when there is one, otherwise how ARNs of the action's
// resources look, or * where it knows none.
func (sim *simulation) resourceName(action string) string {
	switch len(sim.resources) {
	case 0:
		return "*"
	case 1:
		return sim.resources[0]
	}
	a, ok := catalog.ServiceReference().Action(action)
	if !ok {
		return "*"
	}
	name := "*"
	for _, use := range a.Resources {
		for _, form := range use.Type.ARNs {
			if fits := formPattern(form).Match(sim.resources[0], nil); fits || name == "*" {
				if name = form; fits {
					return name
				}
			}
		}
	}
	return name
}

// formPattern matches ARNs of a form such as arn:${Partition}:s3:::${BucketName}.
func formPattern(form string) *glob.Pattern {
	var tokens []glob.Token
	for form != "" {
		text, rest, open := strings.Cut(form, "${")
		tokens = append(tokens, glob.Token{Kind: glob.Literal, Text: text})
		if open {
			_, rest, _ = strings.Cut(rest, "}")
			tokens = append(tokens, glob.Token{Kind: glob.Many})
		}
		form = rest
	}
	return glob.Compile(tokens, glob.Segments)
}
