package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// boundaryRows are the permission rows of permissions boundaries. For a call that sets one, the condition key is the new
// one; for a call that removes one, the one that is there (S4-M20).
var boundaryRows = map[string]gate.Row{
	"PutUserPermissionsBoundary": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.PutUserPermissionsBoundaryRequest) []authorizer.Check {
			check := userCheck(c, "iam:PutUserPermissionsBoundary", in.UserName)
			check.Keys = boundaryKey(&in.PermissionsBoundary)
			return []authorizer.Check{check}
		})},
	"DeleteUserPermissionsBoundary": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.DeleteUserPermissionsBoundaryRequest) []authorizer.Check {
			return []authorizer.Check{withBoundary(c, userCheck(c, "iam:DeleteUserPermissionsBoundary", in.UserName))}
		})},
	"PutRolePermissionsBoundary": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.PutRolePermissionsBoundaryRequest) []authorizer.Check {
			check := roleCheck(c, "iam:PutRolePermissionsBoundary", in.RoleName)
			check.Keys = boundaryKey(&in.PermissionsBoundary)
			return []authorizer.Check{check}
		})},
	"DeleteRolePermissionsBoundary": {Decides: gate.ByPolicy,
		Checks: on(boundedRoleCheck, "iam:DeleteRolePermissionsBoundary",
			func(in *shape.DeleteRolePermissionsBoundaryRequest) string { return in.RoleName })},
}

// boundaryKey is the condition key iam:PermissionsBoundary with that ARN; absent where there is no boundary.
func boundaryKey(policyARN *string) []authorizer.Key {
	if policyARN == nil || *policyARN == "" {
		return nil
	}
	return []authorizer.Key{{Name: "iam:PermissionsBoundary", Values: []string{*policyARN}}}
}

// withBoundary adds to a question about an existing user or role the boundary that it has as iam:PermissionsBoundary. It lets
// an administrator delegate only over entities that keep theirs (S4-M20). The record it is read from is among the guards of
// the decision, as that of the tags.
func withBoundary(c *gate.Call, check authorizer.Check) authorizer.Check {
	a, err := arn.Parse(check.Resource)
	if err != nil {
		return check
	}
	account, ok := c.Snapshot.Account(a.Account())
	if !ok {
		return check
	}
	var boundary *policy.Policy
	switch kind, name := splitResource(a.Resource()); kind {
	case "user":
		if u, ok := account.User(name); ok {
			boundary = u.Boundary()
		}
	case "role":
		if r, ok := account.Role(name); ok {
			boundary = r.Boundary()
		}
	}
	if boundary != nil {
		check.Keys = append(check.Keys, boundaryKey(new(boundary.Name()))...) // managed policies are named by their ARN
	}
	return check
}

// PutUserPermissionsBoundary sets a user's permissions boundary.
func (s *service) PutUserPermissionsBoundary(ctx context.Context, c *gate.Call, in *shape.PutUserPermissionsBoundaryRequest) error {
	return s.putBoundary(ctx, c, directory.OfUser(c.Account(), in.UserName), in.PermissionsBoundary)
}

// PutRolePermissionsBoundary sets a role's permissions boundary.
func (s *service) PutRolePermissionsBoundary(ctx context.Context, c *gate.Call, in *shape.PutRolePermissionsBoundaryRequest) error {
	return s.putBoundary(ctx, c, directory.OfRole(c.Account(), in.RoleName), in.PermissionsBoundary)
}

// DeleteUserPermissionsBoundary removes a user's permissions boundary.
func (s *service) DeleteUserPermissionsBoundary(ctx context.Context, c *gate.Call, in *shape.DeleteUserPermissionsBoundaryRequest) error {
	return s.deleteBoundary(ctx, c, directory.OfUser(c.Account(), in.UserName))
}

// DeleteRolePermissionsBoundary removes a role's permissions boundary.
func (s *service) DeleteRolePermissionsBoundary(ctx context.Context, c *gate.Call, in *shape.DeleteRolePermissionsBoundaryRequest) error {
	return s.deleteBoundary(ctx, c, directory.OfRole(c.Account(), in.RoleName))
}

func (s *service) putBoundary(ctx context.Context, c *gate.Call, t directory.Target, policyARN string) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.PutBoundary(t, policyARN) })
}

func (s *service) deleteBoundary(ctx context.Context, c *gate.Call, t directory.Target) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteBoundary(t) })
}
