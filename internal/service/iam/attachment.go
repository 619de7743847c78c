package iam

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

var attachmentRows = map[string]gate.Row{
	"AttachUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachUserPolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:AttachUserPolicy", userARN(c, in.UserName), in.PolicyArn)
	})},
	"DetachUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachUserPolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:DetachUserPolicy", userARN(c, in.UserName), in.PolicyArn)
	})},
	"AttachGroupPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachGroupPolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:AttachGroupPolicy", groupARN(c, in.GroupName), in.PolicyArn)
	})},
	"DetachGroupPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachGroupPolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:DetachGroupPolicy", groupARN(c, in.GroupName), in.PolicyArn)
	})},
	"AttachRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachRolePolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:AttachRolePolicy", roleARN(c, in.RoleName), in.PolicyArn)
	})},
	"DetachRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachRolePolicyRequest) []authorizer.Check {
		return attachChecks(c, "iam:DetachRolePolicy", roleARN(c, in.RoleName), in.PolicyArn)
	})},
	"ListAttachedUserPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: gate.Checks(func(c *gate.Call, in *shape.ListAttachedUserPoliciesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListAttachedUserPolicies", Resource: userARN(c, in.UserName)}}
		})},
	"ListAttachedGroupPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: gate.Checks(func(c *gate.Call, in *shape.ListAttachedGroupPoliciesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListAttachedGroupPolicies", Resource: groupARN(c, in.GroupName)}}
		})},
	"ListAttachedRolePolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onRole("iam:ListAttachedRolePolicies", func(in *shape.ListAttachedRolePoliciesRequest) string { return in.RoleName })},
	"ListEntitiesForPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: gate.Checks(func(_ *gate.Call, in *shape.ListEntitiesForPolicyRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListEntitiesForPolicy", Resource: in.PolicyArn}}
		})},
}

// attachChecks asks whether the caller may attach that policy to, or detach it from, that entity: the resource is the entity,
// the policy a condition key, and the entity's own boundary another.
func attachChecks(c *gate.Call, action, target, policyARN string) []authorizer.Check {
	keys := []authorizer.Key{{Name: "iam:PolicyARN", Values: []string{policyARN}}}
	return []authorizer.Check{{Action: action, Resource: target, Keys: append(keys, ownBoundaryKey(c, target)...)}}
}

// AttachUserPolicy attaches a managed policy to a user; one that is attached already stays so.
func (s *service) AttachUserPolicy(ctx context.Context, c *gate.Call, in *shape.AttachUserPolicyRequest) error {
	return s.attach(ctx, c, directory.OfUser(c.Account(), in.UserName), in.PolicyArn)
}

// AttachGroupPolicy attaches a managed policy to a group.
func (s *service) AttachGroupPolicy(ctx context.Context, c *gate.Call, in *shape.AttachGroupPolicyRequest) error {
	return s.attach(ctx, c, directory.OfGroup(c.Account(), in.GroupName), in.PolicyArn)
}

// AttachRolePolicy attaches a managed policy to a role.
func (s *service) AttachRolePolicy(ctx context.Context, c *gate.Call, in *shape.AttachRolePolicyRequest) error {
	return s.attach(ctx, c, directory.OfRole(c.Account(), in.RoleName), in.PolicyArn)
}

// DetachUserPolicy takes a managed policy from a user.
func (s *service) DetachUserPolicy(ctx context.Context, c *gate.Call, in *shape.DetachUserPolicyRequest) error {
	return s.detach(ctx, c, directory.OfUser(c.Account(), in.UserName), in.PolicyArn)
}

// DetachGroupPolicy takes a managed policy from a group.
func (s *service) DetachGroupPolicy(ctx context.Context, c *gate.Call, in *shape.DetachGroupPolicyRequest) error {
	return s.detach(ctx, c, directory.OfGroup(c.Account(), in.GroupName), in.PolicyArn)
}

// DetachRolePolicy takes a managed policy from a role.
func (s *service) DetachRolePolicy(ctx context.Context, c *gate.Call, in *shape.DetachRolePolicyRequest) error {
	return s.detach(ctx, c, directory.OfRole(c.Account(), in.RoleName), in.PolicyArn)
}

func (s *service) attach(ctx context.Context, c *gate.Call, t directory.Target, policyARN string) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.AttachPolicy(t, policyARN) })
}

func (s *service) detach(ctx context.Context, c *gate.Call, t directory.Target, policyARN string) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DetachPolicy(t, policyARN) })
}

// ListAttachedUserPolicies lists the managed policies attached to a user, not those of its groups.
func (s *service) ListAttachedUserPolicies(_ context.Context, c *gate.Call, in *shape.ListAttachedUserPoliciesRequest) (*shape.ListAttachedUserPoliciesResponse, error) {
	u, err := user(c, in.UserName)
	if err != nil {
		return nil, err
	}
	some, next, err := s.attachedPage(c, u.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedUserPoliciesResponse{AttachedPolicies: some, IsTruncated: new(next != nil), Marker: next}, nil
}

// ListAttachedGroupPolicies lists the managed policies attached to a group.
func (s *service) ListAttachedGroupPolicies(_ context.Context, c *gate.Call, in *shape.ListAttachedGroupPoliciesRequest) (*shape.ListAttachedGroupPoliciesResponse, error) {
	g, err := group(c, in.GroupName)
	if err != nil {
		return nil, err
	}
	some, next, err := s.attachedPage(c, g.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedGroupPoliciesResponse{AttachedPolicies: some, IsTruncated: new(next != nil), Marker: next}, nil
}

// ListAttachedRolePolicies lists the managed policies attached to a role.
func (s *service) ListAttachedRolePolicies(_ context.Context, c *gate.Call, in *shape.ListAttachedRolePoliciesRequest) (*shape.ListAttachedRolePoliciesResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	some, next, err := s.attachedPage(c, r.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedRolePoliciesResponse{AttachedPolicies: some, IsTruncated: new(next != nil), Marker: next}, nil
}

// attachedPage is one page of an entity's attached policies in the order of their ARNs.
func (s *service) attachedPage(c *gate.Call, ids []string, prefix, after *string, max *int) ([]shape.AttachedPolicy, *string, error) {
	account, err := home(c)
	if err != nil {
		return nil, nil, err
	}
	from, err := place(after)
	if err != nil {
		return nil, nil, err
	}
	some, next := page(slices.Values(s.attachedPolicies(account, ids)), max,
		func(p shape.AttachedPolicy) bool {
			return *p.PolicyArn > from && inPath(policyPath(*p.PolicyArn), prefix)
		},
		func(p shape.AttachedPolicy) string { return *p.PolicyArn })
	if some == nil {
		some = []shape.AttachedPolicy{}
	}
	return some, next, nil
}

// attachedPolicies is ARN and name of managed policies, in the order of their ARNs.
func (s *service) attachedPolicies(account snapshot.Account, ids []string) []shape.AttachedPolicy {
	all := make([]shape.AttachedPolicy, 0, len(ids))
	for _, id := range ids {
		arn, name := s.policyName(account, id)
		all = append(all, shape.AttachedPolicy{PolicyArn: &arn, PolicyName: &name})
	}
	slices.SortFunc(all, func(a, b shape.AttachedPolicy) int { return strings.Compare(*a.PolicyArn, *b.PolicyArn) })
	return all
}

// policyPath is the path in a policy's ARN, with both slashes.
func policyPath(arn string) string {
	_, rest, _ := strings.Cut(arn, ":policy")
	return rest[:strings.LastIndexByte(rest, '/')+1]
}

// ListEntitiesForPolicy lists who has a managed policy attached, or as a permissions boundary.
func (s *service) ListEntitiesForPolicy(_ context.Context, c *gate.Call, in *shape.ListEntitiesForPolicyRequest) (*shape.ListEntitiesForPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	id, err := s.policyID(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	from, err := place(in.Marker)
	if err != nil {
		return nil, err
	}
	some, next := page(usesAfter(account, id, in.PolicyUsageFilter, from), in.MaxItems,
		func(u usedAs) bool { return inPath(u.Path, in.PathPrefix) && keepsEntity(in.EntityFilter, u) }, usedAs.place)
	out := &shape.ListEntitiesForPolicyResponse{
		IsTruncated: new(next != nil), Marker: next,
		PolicyGroups: []shape.PolicyGroup{}, PolicyRoles: []shape.PolicyRole{}, PolicyUsers: []shape.PolicyUser{},
	}
	for _, u := range some {
		switch u.Kind {
		case entity.KindUser:
			out.PolicyUsers = append(out.PolicyUsers, shape.PolicyUser{UserId: &u.ID, UserName: &u.Name})
		case entity.KindGroup:
			out.PolicyGroups = append(out.PolicyGroups, shape.PolicyGroup{GroupId: &u.ID, GroupName: &u.Name})
		case entity.KindRole:
			out.PolicyRoles = append(out.PolicyRoles, shape.PolicyRole{RoleId: &u.ID, RoleName: &u.Name})
		}
	}
	return out, nil
}

// policyID is the ID of the managed policy with that ARN, AWS's or the account's.
func (s *service) policyID(account snapshot.Account, policyARN string) (string, error) {
	if p, ok := s.managed.ByARN(policyARN); ok {
		return p.ID, nil
	}
	p, err := customerPolicy(account, policyARN)
	if err != nil {
		return "", err
	}
	return p.ID, nil
}

// usedAs is a use of a policy and in which way.
type usedAs struct {
	snapshot.Use
	boundary bool
}

// place orders uses: attachments before boundaries.
func (u usedAs) place() string {
	way := "a"
	if u.boundary {
		way = "b"
	}
	return way + "/" + string(u.Kind) + "/" + entity.FoldName(u.Name)
}

// usesAfter yields the uses of a policy that the usage filter asks for, after a place.
func usesAfter(account snapshot.Account, id string, usage *string, from string) iter.Seq[usedAs] {
	way, rest, _ := strings.Cut(from, "/")
	kind, name, _ := strings.Cut(rest, "/")
	mark := snapshot.UseMark{Kind: entity.Kind(kind), Name: name}
	attached := (usage == nil || *usage == "PermissionsPolicy") && way != "b"
	bounded := usage == nil || *usage == "PermissionsBoundary"
	return func(yield func(usedAs) bool) {
		if attached {
			for u := range account.Attached(id, mark) {
				if !yield(usedAs{u, false}) {
					return
				}
			}
		}
		if !bounded {
			return
		}
		if way != "b" {
			mark = snapshot.UseMark{}
		}
		for u := range account.Bounded(id, mark) {
			if !yield(usedAs{u, true}) {
				return
			}
		}
	}
}

// keepsEntity applies EntityFilter. LocalManagedPolicy and AWSManagedPolicy are values of the same type that name no entity.
func keepsEntity(filter *string, u usedAs) bool {
	if filter == nil {
		return true
	}
	switch *filter {
	case "User":
		return u.Kind == entity.KindUser
	case "Group":
		return u.Kind == entity.KindGroup
	case "Role":
		return u.Kind == entity.KindRole
	}
	return false
}

// customerPolicy finds a customer managed policy of the account by its ARN.
func customerPolicy(account snapshot.Account, policyARN string) (snapshot.Policy, error) {
	p, ok := account.Policy(policyARN[strings.LastIndexByte(policyARN, '/')+1:])
	if !ok || p.ARN() != policyARN {
		return snapshot.Policy{}, fault.New(fault.NotFound, "Policy %s was not found.", policyARN)
	}
	return p, nil
}
