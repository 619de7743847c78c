package iam

import (
	"context"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// inlineRows are the permission rows of inline policies. Those that change what a user or role may do have its permissions
// boundary as a condition key.
var inlineRows = map[string]gate.Row{
	"PutUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.PutUserPolicyRequest) []authorizer.Check {
		return []authorizer.Check{withBoundary(c, userCheck(c, "iam:PutUserPolicy", in.UserName))}
	})},
	"DeleteUserPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DeleteUserPolicyRequest) []authorizer.Check {
		return []authorizer.Check{withBoundary(c, userCheck(c, "iam:DeleteUserPolicy", in.UserName))}
	})},
	"GetUserPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:GetUserPolicy", func(in *shape.GetUserPolicyRequest) string { return in.UserName })},
	"ListUserPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:ListUserPolicies", func(in *shape.ListUserPoliciesRequest) string { return in.UserName })},
	"PutGroupPolicy": {Decides: gate.ByPolicy,
		Checks: on(groupCheck, "iam:PutGroupPolicy", func(in *shape.PutGroupPolicyRequest) string { return in.GroupName })},
	"DeleteGroupPolicy": {Decides: gate.ByPolicy,
		Checks: on(groupCheck, "iam:DeleteGroupPolicy", func(in *shape.DeleteGroupPolicyRequest) string { return in.GroupName })},
	"GetGroupPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(groupCheck, "iam:GetGroupPolicy", func(in *shape.GetGroupPolicyRequest) string { return in.GroupName })},
	"ListGroupPolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(groupCheck, "iam:ListGroupPolicies", func(in *shape.ListGroupPoliciesRequest) string { return in.GroupName })},
	"PutRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.PutRolePolicyRequest) []authorizer.Check {
		return []authorizer.Check{withBoundary(c, roleCheck(c, "iam:PutRolePolicy", in.RoleName))}
	})},
	"DeleteRolePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.DeleteRolePolicyRequest) []authorizer.Check {
		return []authorizer.Check{withBoundary(c, roleCheck(c, "iam:DeleteRolePolicy", in.RoleName))}
	})},
	"GetRolePolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(roleCheck, "iam:GetRolePolicy", func(in *shape.GetRolePolicyRequest) string { return in.RoleName })},
	"ListRolePolicies": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(roleCheck, "iam:ListRolePolicies", func(in *shape.ListRolePoliciesRequest) string { return in.RoleName })},
}

// PutUserPolicy embeds a policy in a user, or replaces the one of that name.
func (s *service) PutUserPolicy(ctx context.Context, c *gate.Call, in *shape.PutUserPolicyRequest) error {
	return s.putInline(ctx, c, directory.OfUser(c.Account(), in.UserName), in.PolicyName, in.PolicyDocument)
}

// PutGroupPolicy embeds a policy in a group.
func (s *service) PutGroupPolicy(ctx context.Context, c *gate.Call, in *shape.PutGroupPolicyRequest) error {
	return s.putInline(ctx, c, directory.OfGroup(c.Account(), in.GroupName), in.PolicyName, in.PolicyDocument)
}

// PutRolePolicy embeds a policy in a role.
func (s *service) PutRolePolicy(ctx context.Context, c *gate.Call, in *shape.PutRolePolicyRequest) error {
	return s.putInline(ctx, c, directory.OfRole(c.Account(), in.RoleName), in.PolicyName, in.PolicyDocument)
}

// DeleteUserPolicy removes an inline policy from a user.
func (s *service) DeleteUserPolicy(ctx context.Context, c *gate.Call, in *shape.DeleteUserPolicyRequest) error {
	return s.deleteInline(ctx, c, directory.OfUser(c.Account(), in.UserName), in.PolicyName)
}

// DeleteGroupPolicy removes an inline policy from a group.
func (s *service) DeleteGroupPolicy(ctx context.Context, c *gate.Call, in *shape.DeleteGroupPolicyRequest) error {
	return s.deleteInline(ctx, c, directory.OfGroup(c.Account(), in.GroupName), in.PolicyName)
}

// DeleteRolePolicy removes an inline policy from a role.
func (s *service) DeleteRolePolicy(ctx context.Context, c *gate.Call, in *shape.DeleteRolePolicyRequest) error {
	return s.deleteInline(ctx, c, directory.OfRole(c.Account(), in.RoleName), in.PolicyName)
}

func (s *service) putInline(ctx context.Context, c *gate.Call, t directory.Target, name, document string) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.PutInlinePolicy(t, name, document) })
}

func (s *service) deleteInline(ctx context.Context, c *gate.Call, t directory.Target, name string) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(t, name) })
}

// GetUserPolicy shows a user's inline policy with its document.
func (s *service) GetUserPolicy(_ context.Context, c *gate.Call, in *shape.GetUserPolicyRequest) (*shape.GetUserPolicyResponse, error) {
	u, err := user(c, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := inlinePolicy(u.Inline, "user", in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &shape.GetUserPolicyResponse{UserName: u.Name, PolicyName: p.Name, PolicyDocument: escapeDocument(p.Document)}, nil
}

// GetGroupPolicy shows a group's inline policy with its document.
func (s *service) GetGroupPolicy(_ context.Context, c *gate.Call, in *shape.GetGroupPolicyRequest) (*shape.GetGroupPolicyResponse, error) {
	g, err := group(c, in.GroupName)
	if err != nil {
		return nil, err
	}
	p, err := inlinePolicy(g.Inline, "group", in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &shape.GetGroupPolicyResponse{GroupName: g.Name, PolicyName: p.Name, PolicyDocument: escapeDocument(p.Document)}, nil
}

// GetRolePolicy shows a role's inline policy with its document.
func (s *service) GetRolePolicy(_ context.Context, c *gate.Call, in *shape.GetRolePolicyRequest) (*shape.GetRolePolicyResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	p, err := inlinePolicy(r.Inline, "role", in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &shape.GetRolePolicyResponse{RoleName: r.Name, PolicyName: p.Name, PolicyDocument: escapeDocument(p.Document)}, nil
}

// ListUserPolicies lists the names of a user's inline policies.
func (s *service) ListUserPolicies(_ context.Context, c *gate.Call, in *shape.ListUserPoliciesRequest) (*shape.ListUserPoliciesResponse, error) {
	u, err := user(c, in.UserName)
	if err != nil {
		return nil, err
	}
	names, next, err := inlineNames(u.Inline, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListUserPoliciesResponse{IsTruncated: truncated(next), Marker: next, PolicyNames: names}, nil
}

// ListGroupPolicies lists the names of a group's inline policies.
func (s *service) ListGroupPolicies(_ context.Context, c *gate.Call, in *shape.ListGroupPoliciesRequest) (*shape.ListGroupPoliciesResponse, error) {
	g, err := group(c, in.GroupName)
	if err != nil {
		return nil, err
	}
	names, next, err := inlineNames(g.Inline, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListGroupPoliciesResponse{IsTruncated: truncated(next), Marker: next, PolicyNames: names}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *service) ListRolePolicies(_ context.Context, c *gate.Call, in *shape.ListRolePoliciesRequest) (*shape.ListRolePoliciesResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	names, next, err := inlineNames(r.Inline, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListRolePoliciesResponse{IsTruncated: truncated(next), Marker: next, PolicyNames: names}, nil
}

// inlinePolicy finds a policy by its name, whose case counts: inline names are unique only within their entity.
func inlinePolicy(all []entity.InlinePolicy, holder, name string) (*entity.InlinePolicy, error) {
	i := slices.IndexFunc(all, func(p entity.InlinePolicy) bool { return p.Name == name })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "The %s policy with name %s cannot be found.", holder, name)
	}
	return &all[i], nil
}

// inlineNames is one page of names, in their order: that of the record.
func inlineNames(all []entity.InlinePolicy, after *string, max *int) ([]string, *string, error) {
	from, err := page.Place(after)
	if err != nil {
		return nil, nil, err
	}
	policies, next := page.Take(slices.Values(all), max,
		func(p entity.InlinePolicy) bool { return p.Name > from }, func(p entity.InlinePolicy) string { return p.Name })
	names := make([]string, 0, len(policies))
	for _, p := range policies {
		names = append(names, p.Name)
	}
	return names, next, nil
}
