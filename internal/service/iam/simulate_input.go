package iam

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// simulationInput is what the two operations have in common.
type simulationInput struct {
	actions, resources              []string
	entries                         []shape.ContextEntry
	caller                          *string
	policies, boundaries            []string
	resourcePolicy, owner, handling *string
	source                          *authorizer.Caller // nil: a group's, or none
}

// simulation is a simulation ready to be run.
type simulation struct {
	request    authorizer.Simulation
	actions    []string
	resources  []string // ARNs; none stands for *
	policy     *policy.Policy
	owner      string // of resources whose ARNs do not say; empty: the caller's account, or nobody's
	controlled bool   // the installation's resource control policies bind
	stranger   bool   // nobody in particular calls

	missing   []string // the condition keys that the policies ask for and the request lacks
	documents int      // bytes of the policies
	entries   int      // bytes of the condition keys given
}

// readSimulation checks the input and compiles the policies. What is wrong is InvalidInput, with AWS's sentences where they are known.
func readSimulation(c *gate.Call, in simulationInput) (*simulation, error) {
	sim := &simulation{actions: in.actions, request: authorizer.Simulation{Source: in.source}}
	for _, check := range []func() error{
		func() error { return checkActions(in.actions) },
		func() error { return sim.readResources(in.resources) },
		func() error { return checkHandling(in) },
		func() error { return sim.readEntries(in.entries) },
		func() error { return sim.readCaller(c, in.caller) },
		func() error { return sim.readOwner(in.owner) },
		func() error { return sim.readPolicies(in) },
		func() error { return sim.readResourcePolicy(in) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return sim, nil
}

// checkActions: an action is a service and a name, without wildcards.
func checkActions(actions []string) error {
	for _, action := range actions {
		service, name, ok := strings.Cut(action, ":")
		if !ok || service == "" || name == "" || strings.ContainsAny(action, "*?") {
			return fault.New(fault.InvalidInput, "Invalid action: %s. An action is a service and the name of an operation, as in iam:CreateUser, without wildcards.", action)
		}
	}
	return nil
}

// readResources: ARNs, or * alone, which is also what no resource stands for.
func (sim *simulation) readResources(resources []string) error {
	if len(resources) > maxSimulatedResources {
		return fault.New(fault.InvalidInput, "A simulation can have at most %d resources.", maxSimulatedResources)
	}
	if len(resources) == 1 && resources[0] == "*" {
		return nil
	}
	for _, r := range resources {
		if a, err := arn.Parse(r); err != nil || a.Service() == "" || a.Resource() == "" {
			return fault.New(fault.InvalidInput, "ResourceNames are not in a valid ARN format: %s.", r)
		}
	}
	sim.resources = resources
	return nil
}

// launches are the values of ResourceHandlingOption with the types of EC2 resources that each requires (S3-138).
var launches = map[string][]string{
	"EC2-Classic-InstanceStore":    {"instance", "image", "security-group"},
	"EC2-Classic-EBS":              {"instance", "image", "security-group", "volume"},
	"EC2-VPC-InstanceStore":        {"instance", "image", "security-group", "network-interface"},
	"EC2-VPC-InstanceStore-Subnet": {"instance", "image", "security-group", "network-interface", "subnet"},
	"EC2-VPC-EBS":                  {"instance", "image", "security-group", "network-interface", "volume"},
	"EC2-VPC-EBS-Subnet":           {"instance", "image", "security-group", "network-interface", "subnet", "volume"},
}

// checkHandling: a scenario is one of actions of EC2 and needs its resources.
func checkHandling(in simulationInput) error {
	if in.handling == nil {
		return nil
	}
	needed, ok := launches[*in.handling]
	if !ok {
		return fault.New(fault.InvalidInput, "Invalid input resource handling options: %s.", *in.handling)
	}
	for _, action := range in.actions {
		if service, _, _ := strings.Cut(action, ":"); !strings.EqualFold(service, "ec2") {
			return fault.New(fault.InvalidInput, "Invalid input resource handling options. Action does not support resource handling options: %s.", action)
		}
	}
	for _, kind := range needed {
		if !slices.ContainsFunc(in.resources, func(r string) bool {
			a, err := arn.Parse(r)
			if err != nil || a.Service() != "ec2" {
				return false
			}
			got, _, _ := strings.Cut(a.Resource(), "/")
			return got == kind
		}) {
			return fault.New(fault.InvalidInput, "The resource handling option %s requires a resource of the type %s.", *in.handling, kind)
		}
	}
	return nil
}

// formats say what the values of a type of context key must be.
var formats = map[string]struct {
	format string
	reads  func(string) bool
}{
	shape.ContextKeyTypeEnumString:  {"text", func(string) bool { return true }},
	shape.ContextKeyTypeEnumNumeric: {"numeric format", policy.ReadsNumber},
	shape.ContextKeyTypeEnumBoolean: {"boolean format", func(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") }},
	shape.ContextKeyTypeEnumIp:      {"IP address", policy.ReadsAddress},
	shape.ContextKeyTypeEnumDate:    {"DateTime format", policy.ReadsDate},
	shape.ContextKeyTypeEnumBinary: {"base-64 encoded binary format", func(v string) bool {
		_, err := base64.StdEncoding.Strict().DecodeString(v)
		return err == nil
	}},
}

// readEntries takes the condition keys of the request. A key of a list type has one or more values, any other key one.
func (sim *simulation) readEntries(entries []shape.ContextEntry) error {
	seen := make(map[string]bool)
	for _, e := range entries {
		if e.ContextKeyName == nil && e.ContextKeyType == nil && len(e.ContextKeyValues) == 0 {
			continue // what a client sends of an empty structure
		}
		if e.ContextKeyName == nil || *e.ContextKeyName == "" {
			return fault.New(fault.InvalidInput, "ContextKeyName cannot be null or empty.")
		}
		name, folded := *e.ContextKeyName, strings.ToLower(*e.ContextKeyName)
		if seen[folded] {
			return fault.New(fault.InvalidInput, "Duplicate context key: %s.", name)
		}
		seen[folded] = true
		if e.ContextKeyType == nil {
			return fault.New(fault.InvalidInput, "Context key %s has invalid type null.", name)
		}
		values, err := entryValues(name, *e.ContextKeyType, e.ContextKeyValues)
		if err != nil {
			return err
		}
		sim.request.Keys = append(sim.request.Keys, authorizer.Key{Name: name, Values: values})
		sim.entries += len(name)
		for _, v := range values {
			sim.entries += len(v)
		}
	}
	return nil
}

// entryValues checks the values of one key. Binary values come as base64 and are compared as what that stands for.
func entryValues(name, kind string, values []string) ([]string, error) {
	base, list := strings.CutSuffix(kind, "List")
	f, ok := formats[base]
	switch {
	case !ok: // the model's constraint refuses it before
		return nil, fault.New(fault.InvalidInput, "Context key %s has invalid type %s.", name, kind)
	case len(values) == 0:
		return nil, fault.New(fault.InvalidInput, "Context values for context key %s cannot be null or empty.", name)
	case !list && len(values) > 1:
		return nil, fault.New(fault.InvalidInput, "Context key %s expected a single value, but received %d.", name, len(values))
	}
	out := make([]string, len(values))
	for i, v := range values {
		if !f.reads(v) {
			return nil, fault.New(fault.InvalidInput, "Invalid context value for key %s: expected %s.", name, f.format)
		}
		if base == shape.ContextKeyTypeEnumBinary {
			raw, _ := base64.StdEncoding.DecodeString(v) // it was read a moment ago
			v = string(raw)
		}
		out[i] = v
	}
	return out, nil
}

// readCaller: who calls. Of the entity whose policies are simulated all is known that its requests carry; of anybody else, what the
// ARN says: the caller may not be allowed to see more. Without a caller the account is the only thing known.
func (sim *simulation) readCaller(c *gate.Call, caller *string) error {
	if caller == nil {
		sim.request.Principal = policy.Principal{Type: policy.User, Account: c.Account()}
		sim.stranger = true
		return nil
	}
	if from := sim.request.Source; from != nil && from.Principal.ARN == *caller {
		sim.request.Principal = from.Principal
		return nil
	}
	a, kind, name, ok := entityARN(*caller)
	if !ok {
		return fault.New(fault.InvalidInput, "Invalid caller - Caller must be an IAM user, role or group in this context.")
	}
	p := policy.Principal{Type: policy.User, ARN: *caller, Account: a.Account()}
	known := []authorizer.Key{{Name: "aws:PrincipalArn", Values: []string{*caller}}, {Name: "aws:PrincipalAccount", Values: []string{a.Account()}}}
	switch kind {
	case "user":
		known = append(known, authorizer.Key{Name: "aws:PrincipalType", Values: []string{"User"}}, authorizer.Key{Name: "aws:username", Values: []string{name}})
	case "role":
		p.Type, p.RoleARN = policy.AssumedRole, *caller
		known = append(known, authorizer.Key{Name: "aws:PrincipalType", Values: []string{"AssumedRole"}})
	}
	sim.request.Principal, sim.request.Known = p, known
	return nil
}

// readOwner: whose the resources are whose ARNs do not say.
func (sim *simulation) readOwner(owner *string) error {
	if owner == nil {
		return nil
	}
	a, err := arn.Parse(*owner)
	if err != nil || a.Service() != "iam" || a.Region() != "" || a.Resource() != "root" || !accountID(a.Account()) {
		return fault.New(fault.InvalidInput, "Invalid Resource Owner.")
	}
	sim.owner = a.Account()
	return nil
}

// readPolicies compiles the identity policies and the boundary that are given.
func (sim *simulation) readPolicies(in simulationInput) (err error) {
	if sim.request.Identity, err = sim.compile(policy.Identity, "PolicyInputList.", in.policies); err != nil {
		return err
	}
	if len(in.boundaries) > 1 {
		return fault.New(fault.InvalidInput, "The list of Permissions Boundary policies cannot exceed 1 items.")
	}
	boundary, err := sim.compile(policy.Boundary, "PermissionsBoundaryPolicyInputList.", in.boundaries)
	if err == nil && len(boundary) > 0 {
		sim.request.Boundary = boundary[0]
	}
	return err
}

// compile reads documents, which are named by their place in the list.
func (sim *simulation) compile(kind policy.Kind, list string, documents []string) ([]*policy.Policy, error) {
	var out []*policy.Policy
	for i, text := range documents {
		p, err := compileInput(kind, fmt.Sprint(list, i+1), text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// compileInput reads one document that the caller gave.
func compileInput(kind policy.Kind, name, text string) (*policy.Policy, error) {
	doc, err := policy.Options{}.ParseAs(kind, []byte(text))
	if err == nil {
		var p *policy.Policy
		if p, err = policy.Compile(kind, name, doc); err == nil {
			return p, nil
		}
	}
	return nil, invalidDocument(name, err)
}

// invalidDocument refuses a document that the caller gave.
func invalidDocument(name string, err error) error {
	return fault.New(fault.InvalidInput, "%s has invalid content: %s", name, err)
}

// resourcePolicyName is what matched statements call the resource's policy.
const resourcePolicyName = "ResourcePolicy"

// readResourcePolicy compiles the policy that every resource is taken to have. It takes a user to call, and resources to belong to
// all of which it applies ("SimulatePrincipalPolicy" in the IAM API Reference).
func (sim *simulation) readResourcePolicy(in simulationInput) error {
	if in.resourcePolicy == nil {
		return nil
	}
	if in.caller == nil {
		return fault.New(fault.InvalidInput, "Invalid caller - Caller cannot be null or empty.")
	}
	if _, kind, _, ok := entityARN(*in.caller); !ok || kind != "user" {
		return fault.New(fault.InvalidInput, "Invalid caller - Caller must be an IAM user in this context.")
	}
	if len(sim.resources) == 0 {
		return fault.New(fault.InvalidInput, "Invalid Entity Arn: * does not clearly define entity type and name.")
	}
	p, err := compileInput(policy.Resource, resourcePolicyName, *in.resourcePolicy)
	if err != nil {
		return err
	}
	for _, r := range sim.resources {
		a, _ := arn.Parse(r) // readResources has read it
		if kind, _ := splitResource(a.Resource()); a.Service() == "iam" && kind == "role" {
			return fault.New(fault.InvalidInput, "Simulation of resource-based policies is not supported for IAM roles: %s.", r)
		}
		if !appliesTo(p.Document(), r) {
			return fault.New(fault.InvalidInput, "The resource policy does not apply to the resource %s.", r)
		}
	}
	sim.policy = p
	return nil
}

// appliesTo reports whether a resource's policy speaks of the resource at all: one of its patterns names that service. Which of the
// service's resources a statement means is for the decision.
func appliesTo(doc *policy.Document, resource string) bool {
	service := strings.SplitN(resource, ":", 4)[2]
	for i := range doc.Statements {
		for _, v := range doc.Statements[i].Resources.Values {
			parts := strings.SplitN(v.Text, ":", 4)
			if len(parts) < 3 || parts[2] == service || strings.ContainsAny(parts[2], "*?$") {
				return true
			}
		}
	}
	return false
}
