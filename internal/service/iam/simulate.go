package iam

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/wire"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// simulateRows are the permission rows of the simulator. What is attached to a user, group or role is shown to whoever may simulate
// that one; policies that the caller has the text of are asked about on * (S3-128, S3-134).
var simulateRows = map[string]gate.Row{
	"SimulateCustomPolicy": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:SimulateCustomPolicy")},
	"SimulatePrincipalPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onSource("iam:SimulatePrincipalPolicy", func(in *shape.SimulatePrincipalPolicyRequest) string { return in.PolicySourceArn })},
	"GetContextKeysForCustomPolicy": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetContextKeysForCustomPolicy")},
	"GetContextKeysForPrincipalPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onSource("iam:GetContextKeysForPrincipalPolicy", func(in *shape.GetContextKeysForPrincipalPolicyRequest) string { return in.PolicySourceArn })},
}

// onSource asks for one action on the user, group or role whose policies are asked for. What names none, or one of another account,
// is refused before any decision: what is answered says nothing but what the caller has written.
func onSource[T wire.Input](action string, source func(T) string) checks {
	return func(c *gate.Call) ([]authorizer.Check, error) {
		text := source(gate.Input[T](c))
		a, _, _, ok := entityARN(text)
		if !ok {
			return nil, fault.New(fault.InvalidInput, "Invalid ARN provided in the request: %s", text)
		}
		if a.Account() != c.Account() {
			return nil, fault.New(fault.InvalidInput, "Invalid Policy Source Arn: caller's account %s does not have access to policies in account %s.",
				c.Account(), a.Account())
		}
		return []authorizer.Check{{Action: action, Resource: text}}, nil
	}
}

// entityARN reads the ARN of a user, group or role.
func entityARN(text string) (a arn.ARN, kind, name string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" || !accountID(a.Account()) {
		return arn.ARN{}, "", "", false
	}
	kind, name = splitResource(a.Resource())
	return a, kind, name, name != "" && (kind == string(entity.KindUser) || kind == string(entity.KindGroup) || kind == string(entity.KindRole))
}

// accountID reports whether text is the number of an account.
func accountID(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) == 12
}

// source is the entity whose policies are asked for: a user, a session of a role, or a group.
type source struct {
	caller *authorizer.Caller // nil of a group
	group  []*policy.Policy   // of a group
}

// findSource finds a user, group or role by its ARN, path and letter case included: the permission was asked for that ARN.
func findSource(account snapshot.Account, text string) (source, error) {
	_, kind, name, _ := entityARN(text)
	switch entity.Kind(kind) {
	case entity.KindUser:
		if u, ok := account.User(name); ok && u.ARN() == text {
			return source{caller: &authorizer.Caller{EntityID: u.ID, Principal: policy.Principal{
				Type: policy.User, ARN: text, Account: account.ID, UniqueID: u.ID}}}, nil
		}
	case entity.KindRole:
		if r, ok := account.Role(name); ok && r.ARN() == text {
			return source{caller: &authorizer.Caller{EntityID: r.ID, Principal: policy.Principal{
				Type: policy.AssumedRole, ARN: text, RoleARN: text, Account: account.ID, ServiceLinked: r.ServiceLinked != ""}}}, nil
		}
	case entity.KindGroup:
		if g, ok := account.Group(name); ok && g.ARN() == text {
			return source{group: g.Identity()}, nil
		}
	}
	return source{}, fault.New(fault.NotFound, "Unable to retrieve specified IAM entity.")
}

// SimulateCustomPolicy decides requests that nobody makes by policies that the caller has the text of.
func (s *service) SimulateCustomPolicy(ctx context.Context, c *gate.Call, in *shape.SimulateCustomPolicyRequest) (*shape.SimulatePolicyResponse, error) {
	sim, err := readSimulation(c, simulationInput{
		actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries, caller: in.CallerArn, policies: in.PolicyInputList,
		boundaries: in.PermissionsBoundaryPolicyInputList, resourcePolicy: in.ResourcePolicy, owner: in.ResourceOwner,
		handling: in.ResourceHandlingOption,
	})
	if err != nil {
		return nil, err
	}
	for i, level := range in.OrderedOrganizationPolicyInputList {
		if len(level.ServiceControlPolicyInputList) == 0 {
			return nil, fault.New(fault.InvalidInput, "Organization policy at index %d must contain at least one service control policy", i+1)
		}
		policies, err := sim.compile(policy.ServiceControl, fmt.Sprintf("OrderedOrganizationPolicyInputList.%d.", i+1), level.ServiceControlPolicyInputList)
		if err != nil {
			return nil, err
		}
		sim.request.ServiceControl = append(sim.request.ServiceControl, policies)
	}
	return s.simulate(ctx, c, sim, in.Marker, in.MaxItems)
}

// SimulatePrincipalPolicy decides requests that nobody makes by the policies of a user, with those of its groups, of a group or of a
// role, and by policies that the caller adds.
func (s *service) SimulatePrincipalPolicy(ctx context.Context, c *gate.Call, in *shape.SimulatePrincipalPolicyRequest) (*shape.SimulatePolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	from, err := findSource(account, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	if in.CallerArn == nil {
		in.CallerArn = &in.PolicySourceArn
	}
	exclusions, err := readExclusions(in.PolicyExclusionList)
	if err != nil {
		return nil, err
	}
	sim, err := readSimulation(c, simulationInput{
		actions: in.ActionNames, resources: in.ResourceArns, entries: in.ContextEntries, caller: in.CallerArn, policies: in.PolicyInputList,
		boundaries: in.PermissionsBoundaryPolicyInputList, resourcePolicy: in.ResourcePolicy, owner: in.ResourceOwner,
		handling: in.ResourceHandlingOption, source: from.caller,
	})
	if err != nil {
		return nil, err
	}
	for _, p := range from.group {
		if !exclusions.exclude(p) {
			sim.request.Identity = append(sim.request.Identity, p)
		}
	}
	if len(exclusions) > 0 {
		sim.request.Keep = func(p *policy.Policy) bool { return !exclusions.exclude(p) }
	}
	sim.request.Unbounded = exclusions.ofType(shape.PolicyIdentifierPolicyTypePermissionBoundary)
	if !exclusions.ofType(shape.PolicyIdentifierPolicyTypeScp) {
		sim.request.ServiceControl = c.Snapshot.ServiceControl(sim.request.Principal.Account)
	}
	sim.controlled = true
	return s.simulate(ctx, c, sim, in.Marker, in.MaxItems)
}

// Meter counts what must not happen.
type Meter interface {
	// ExplainDisagreement counts an explanation whose account led to another decision than the one shown.
	ExplainDisagreement()
}

type noMeter struct{}

func (noMeter) ExplainDisagreement() {}

// Bounds on the work of one call. AWS states none; a page of AWS's may hold fewer results than were asked for, and so does one of
// ours that has become too much work.
const (
	// maxSimulatedResources is how many resources a simulation may name.
	maxSimulatedResources = 1000
	// maxSimulationWork is how many comparisons of a character of the policies with one of the request a page may cost. A statement
	// is compared with the request once; nothing that policies may hold makes that cost more than the product of the two lengths.
	maxSimulationWork = 1 << 30
)

// simulate answers a page: an item for each action, with what was decided for each resource.
func (s *service) simulate(ctx context.Context, c *gate.Call, sim *simulation, marked *string, maxItems *int) (*shape.SimulatePolicyResponse, error) {
	from, err := simulationPlace(marked)
	if err != nil {
		return nil, err
	}
	if err := sim.finish(c); err != nil {
		return nil, err
	}
	out := &shape.SimulatePolicyResponse{EvaluationResults: []shape.EvaluationResult{}}
	work := 0
	for i := from; i < len(sim.actions); i++ {
		cost := sim.cost(sim.actions[i])
		if cost > maxSimulationWork {
			return nil, fault.New(fault.InvalidInput, "The simulation of %s is too large: give fewer resources or smaller policies.", sim.actions[i])
		}
		if work += cost; len(out.EvaluationResults) == page.Limit(maxItems) || work > maxSimulationWork {
			out.Marker = new(page.Marker(strconv.Itoa(i)))
			break
		}
		result, err := s.evaluate(ctx, c, sim, sim.actions[i])
		if err != nil {
			return nil, err
		}
		out.EvaluationResults = append(out.EvaluationResults, result)
	}
	out.IsTruncated = truncated(out.Marker)
	return out, nil
}

// simulationPlace reads a marker: how many actions went before.
func simulationPlace(m *string) (int, error) {
	key, err := page.Place(m)
	if err != nil || key == "" {
		return 0, err
	}
	n, err := strconv.Atoi(key)
	if err != nil || n < 0 {
		return 0, invalidMarker()
	}
	return n, nil
}
