package iam

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// attachmentRows are the permission rows of attaching and detaching managed policies.
var attachmentRows = map[string]gate.Row{
	"AttachUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachUserPolicyRequest) []authorizer.Check {
		return attachChecks(c, userCheck(c, "iam:AttachUserPolicy", in.UserName), in.PolicyArn)
	})},
	"DetachUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachUserPolicyRequest) []authorizer.Check {
		return attachChecks(c, userCheck(c, "iam:DetachUserPolicy", in.UserName), in.PolicyArn)
	})},
	"AttachGroupPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachGroupPolicyRequest) []authorizer.Check {
		return attachChecks(c, groupCheck(c, "iam:AttachGroupPolicy", in.GroupName), in.PolicyArn)
	})},
	"DetachGroupPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachGroupPolicyRequest) []authorizer.Check {
		return attachChecks(c, groupCheck(c, "iam:DetachGroupPolicy", in.GroupName), in.PolicyArn)
	})},
	"AttachRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.AttachRolePolicyRequest) []authorizer.Check {
		return attachChecks(c, roleCheck(c, "iam:AttachRolePolicy", in.RoleName), in.PolicyArn)
	})},
	"DetachRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DetachRolePolicyRequest) []authorizer.Check {
		return attachChecks(c, roleCheck(c, "iam:DetachRolePolicy", in.RoleName), in.PolicyArn)
	})},
	"ListAttachedUserPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:ListAttachedUserPolicies", func(in *shape.ListAttachedUserPoliciesRequest) string { return in.UserName })},
	"ListAttachedGroupPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(groupCheck, "iam:ListAttachedGroupPolicies", func(in *shape.ListAttachedGroupPoliciesRequest) string { return in.GroupName })},
	"ListAttachedRolePolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(roleCheck, "iam:ListAttachedRolePolicies", func(in *shape.ListAttachedRolePoliciesRequest) string { return in.RoleName })},
	"ListEntitiesForPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(policyCheck, "iam:ListEntitiesForPolicy", func(in *shape.ListEntitiesForPolicyRequest) string { return in.PolicyArn })},
}

// attachChecks asks whether the caller may attach that policy to, or detach it from, an entity: the resource is the entity,
// the policy a condition key, and the entity's own boundary another. Groups have none.
func attachChecks(c *gate.Call, check authorizer.Check, policyARN string) []authorizer.Check {
	check.Keys = []authorizer.Key{{Name: "iam:PolicyARN", Values: []string{policyARN}}}
	return []authorizer.Check{withBoundary(c, check)}
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
	policies, next, err := s.attachedPage(c, u.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedUserPoliciesResponse{AttachedPolicies: policies, IsTruncated: truncated(next), Marker: next}, nil
}

// ListAttachedGroupPolicies lists the managed policies attached to a group.
func (s *service) ListAttachedGroupPolicies(_ context.Context, c *gate.Call, in *shape.ListAttachedGroupPoliciesRequest) (*shape.ListAttachedGroupPoliciesResponse, error) {
	g, err := group(c, in.GroupName)
	if err != nil {
		return nil, err
	}
	policies, next, err := s.attachedPage(c, g.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedGroupPoliciesResponse{AttachedPolicies: policies, IsTruncated: truncated(next), Marker: next}, nil
}

// ListAttachedRolePolicies lists the managed policies attached to a role.
func (s *service) ListAttachedRolePolicies(_ context.Context, c *gate.Call, in *shape.ListAttachedRolePoliciesRequest) (*shape.ListAttachedRolePoliciesResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	policies, next, err := s.attachedPage(c, r.Attached, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttachedRolePoliciesResponse{AttachedPolicies: policies, IsTruncated: truncated(next), Marker: next}, nil
}

// attachedPage is one page of an entity's attached policies, in the order of ListPolicies.
func (s *service) attachedPage(c *gate.Call, ids []string, prefix, after *string, max *int) ([]shape.AttachedPolicy, *string, error) {
	account, err := home(c)
	if err != nil {
		return nil, nil, err
	}
	from, err := policyPlaceOf(after)
	if err != nil {
		return nil, nil, err
	}
	policies, next := page.Take(slices.Values(s.attached(account, ids)), max,
		func(p managedPolicy) bool { return p.place().compare(from) > 0 && inPath(p.path(), prefix) },
		func(p managedPolicy) string { return p.place().key() })
	return attachedShapes(policies), next, nil
}

// attached is the managed policies with these IDs, in the order of ListPolicies. A policy that is attached exists.
func (s *service) attached(account snapshot.Account, ids []string) []managedPolicy {
	all := make([]managedPolicy, 0, len(ids))
	for _, id := range ids {
		if p, ok := s.managedByID(account, id); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, comparePolicies)
	return all
}

func attachedShapes(policies []managedPolicy) []shape.AttachedPolicy {
	out := make([]shape.AttachedPolicy, 0, len(policies))
	for _, p := range policies {
		out = append(out, shape.AttachedPolicy{PolicyArn: new(p.arn()), PolicyName: new(p.name())})
	}
	return out
}

// ListEntitiesForPolicy lists who has a managed policy attached, or as a permissions boundary; who has it as both is listed
// once.
func (s *service) ListEntitiesForPolicy(_ context.Context, c *gate.Call, in *shape.ListEntitiesForPolicyRequest) (*shape.ListEntitiesForPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	p, err := s.managedByARN(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	after, err := useMark(in.Marker)
	if err != nil {
		return nil, err
	}
	users, next := page.Take(usesAfter(account, p.id(), in.PolicyUsageFilter, after), in.MaxItems,
		func(u snapshot.Use) bool {
			return inPath(u.Path, in.PathPrefix) && entityFilter(in.EntityFilter, u.Kind)
		},
		func(u snapshot.Use) string { return string(u.Kind) + "/" + entity.FoldName(u.Name) })
	out := &shape.ListEntitiesForPolicyResponse{
		IsTruncated: truncated(next), Marker: next,
		PolicyGroups: []shape.PolicyGroup{}, PolicyRoles: []shape.PolicyRole{}, PolicyUsers: []shape.PolicyUser{},
	}
	for _, u := range users {
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

// useKinds is the order in which uses of a policy are listed.
var useKinds = []entity.Kind{entity.KindUser, entity.KindGroup, entity.KindRole}

// useMark reads a marker of ListEntitiesForPolicy: kind and folded name.
func useMark(marker *string) (snapshot.UseMark, error) {
	key, err := page.Place(marker)
	if err != nil || key == "" {
		return snapshot.UseMark{}, err
	}
	kind, name, _ := strings.Cut(key, "/")
	if !slices.Contains(useKinds, entity.Kind(kind)) || name == "" {
		return snapshot.UseMark{}, invalidMarker()
	}
	return snapshot.UseMark{Kind: entity.Kind(kind), Name: name}, nil
}

// usesAfter yields the uses of a policy that the usage filter asks for, after a mark, an entity once.
func usesAfter(account snapshot.Account, policyID string, usage *string, after snapshot.UseMark) iter.Seq[snapshot.Use] {
	attached, bounded := usageFilter(usage)
	switch {
	case !bounded:
		return account.Attached(policyID, after)
	case !attached:
		return account.Bounded(policyID, after)
	}
	both := merge(account.Attached(policyID, after), account.Bounded(policyID, after), func(a, b snapshot.Use) int {
		return cmp.Or(cmp.Compare(slices.Index(useKinds, a.Kind), slices.Index(useKinds, b.Kind)),
			strings.Compare(entity.FoldName(a.Name), entity.FoldName(b.Name)))
	})
	return func(yield func(snapshot.Use) bool) {
		last := ""
		for u := range both {
			if u.ID != last && !yield(u) {
				return
			}
			last = u.ID
		}
	}
}

// entityFilter applies EntityFilter. LocalManagedPolicy and AWSManagedPolicy are values of the same type that name no entity.
func entityFilter(filter *string, kind entity.Kind) bool {
	switch deref(filter, "") {
	case "":
		return true
	case "User":
		return kind == entity.KindUser
	case "Group":
		return kind == entity.KindGroup
	case "Role":
		return kind == entity.KindRole
	}
	return false
}
