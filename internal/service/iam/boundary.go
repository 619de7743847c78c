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

var boundaryRows = map[string]gate.Row{
	"PutUserPermissionsBoundary": {Decides: gate.ByPolicy,
		Checks: gate.Checks(func(c *gate.Call, in *shape.PutUserPermissionsBoundaryRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:PutUserPermissionsBoundary", Resource: userARN(c, in.UserName), Keys: boundaryKey(&in.PermissionsBoundary)}}
		})},
	"DeleteUserPermissionsBoundary": {Decides: gate.ByPolicy,
		Checks: gate.Checks(func(c *gate.Call, in *shape.DeleteUserPermissionsBoundaryRequest) []authorizer.Check {
			target := userARN(c, in.UserName)
			return []authorizer.Check{{Action: "iam:DeleteUserPermissionsBoundary", Resource: target, Keys: ownBoundaryKey(c, target)}}
		})},
	"PutRolePermissionsBoundary": {Decides: gate.ByPolicy,
		Checks: gate.Checks(func(c *gate.Call, in *shape.PutRolePermissionsBoundaryRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:PutRolePermissionsBoundary", Resource: roleARN(c, in.RoleName), Keys: boundaryKey(&in.PermissionsBoundary)}}
		})},
	"DeleteRolePermissionsBoundary": {Decides: gate.ByPolicy,
		Checks: gate.Checks(func(c *gate.Call, in *shape.DeleteRolePermissionsBoundaryRequest) []authorizer.Check {
			target := roleARN(c, in.RoleName)
			return []authorizer.Check{{Action: "iam:DeleteRolePermissionsBoundary", Resource: target, Keys: ownBoundaryKey(c, target)}}
		})},
}

// ownBoundaryKey is iam:PermissionsBoundary for a call that changes what an existing user or role may do: the boundary that
// the entity has. It lets an administrator delegate only over entities that keep theirs (S4-M20).
func ownBoundaryKey(c *gate.Call, target string) []authorizer.Key {
	a, err := arn.Parse(target)
	if err != nil {
		return nil
	}
	account, ok := c.Snapshot.Account(a.Account())
	if !ok {
		return nil
	}
	boundary := ""
	switch kind, name := splitResource(a.Resource()); kind {
	case "user":
		if u, ok := account.User(name); ok {
			boundary = boundaryARN(u.Boundary())
		}
	case "role":
		if r, ok := account.Role(name); ok {
			boundary = boundaryARN(r.Boundary())
		}
	}
	return boundaryKey(&boundary)
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

// boundaryARN is the ARN of a compiled boundary: managed policies are named by it.
func boundaryARN(p *policy.Policy) string {
	if p == nil {
		return ""
	}
	return p.Name()
}
