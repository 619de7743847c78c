package iam

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// roleRows are the permission rows of the operations on roles.
var roleRows = map[string]gate.Row{
	"CreateRole": {Decides: gate.ByPolicy, Checks: gate.Checks(createRoleChecks)},
	"GetRole": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(boundedRoleCheck, "iam:GetRole", func(in *shape.GetRoleRequest) string { return in.RoleName })},
	// The resource of a list call is all entities under its path prefix.
	"ListRoles": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, in *shape.ListRolesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListRoles", Resource: entity.RoleARN(c.Account(), orRoot(in.PathPrefix), "")}}
		})},
	"UpdateRole": {Decides: gate.ByPolicy,
		Checks: on(boundedRoleCheck, "iam:UpdateRole", func(in *shape.UpdateRoleRequest) string { return in.RoleName })},
	"UpdateRoleDescription": {Decides: gate.ByPolicy,
		Checks: on(boundedRoleCheck, "iam:UpdateRoleDescription", func(in *shape.UpdateRoleDescriptionRequest) string { return in.RoleName })},
	"DeleteRole": {Decides: gate.ByPolicy,
		Checks: on(boundedRoleCheck, "iam:DeleteRole", func(in *shape.DeleteRoleRequest) string { return in.RoleName })},
	"UpdateAssumeRolePolicy": {Decides: gate.ByPolicy,
		Checks: on(boundedRoleCheck, "iam:UpdateAssumeRolePolicy", func(in *shape.UpdateAssumeRolePolicyRequest) string { return in.RoleName })},
	"TagRole": {Decides: gate.ByPolicy,
		Checks: tagging(roleCheck, "iam:TagRole", func(in *shape.TagRoleRequest) (string, []shape.Tag) { return in.RoleName, in.Tags })},
	"UntagRole": {Decides: gate.ByPolicy,
		Checks: untagging(roleCheck, "iam:UntagRole", func(in *shape.UntagRoleRequest) (string, []string) { return in.RoleName, in.TagKeys })},
	"ListRoleTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(roleCheck, "iam:ListRoleTags", func(in *shape.ListRoleTagsRequest) string { return in.RoleName })},
}

// roleCheck asks for one action on a role, as userCheck does on a user.
func roleCheck(c *gate.Call, action, name string) authorizer.Check {
	return authorizer.Check{Action: action, Resource: roleARN(c, name), Shown: "role " + name}
}

// boundedRoleCheck asks as roleCheck, for the actions whose condition keys have the role's permissions boundary among them.
func boundedRoleCheck(c *gate.Call, action, name string) authorizer.Check {
	return withBoundary(c, roleCheck(c, action, name))
}

// createRoleChecks: making a role with tags needs iam:TagRole on it too ("Tag IAM resources").
func createRoleChecks(c *gate.Call, in *shape.CreateRoleRequest) []authorizer.Check {
	create := authorizer.Check{
		Action: "iam:CreateRole", Resource: entity.RoleARN(c.Account(), orRoot(in.Path), in.RoleName),
		Keys: boundaryKey(in.PermissionsBoundary), RequestTags: entityTags(in.Tags),
	}
	return withTagging(create, "iam:TagRole")
}

// orRoot is a path that may be left out.
func orRoot(path *string) string {
	if path == nil || *path == "" {
		return "/"
	}
	return *path
}

// CreateRole makes a role with a trust policy and without permissions.
func (s *service) CreateRole(ctx context.Context, c *gate.Call, in *shape.CreateRoleRequest) (*shape.CreateRoleResponse, error) {
	n := directory.NewRole{
		Name: in.RoleName, Path: orRoot(in.Path), Description: deref(in.Description, ""), Trust: in.AssumeRolePolicyDocument,
		Boundary: deref(in.PermissionsBoundary, ""), Tags: entityTags(in.Tags),
	}
	if in.MaxSessionDuration != nil {
		n.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateRoleResponse, error) {
		r, err := tx.CreateRole(c.Account(), n)
		if err != nil {
			return nil, err
		}
		out := shape.Role{
			Arn: r.ARN(), CreateDate: r.CreatedAt, Path: r.Path, RoleId: r.ID, RoleName: r.Name, Tags: shapeTags(r.Tags),
			AssumeRolePolicyDocument: new(escapeDocument(in.AssumeRolePolicyDocument)), PermissionsBoundary: boundaryOf(n.Boundary),
			Description: in.Description, MaxSessionDuration: in.MaxSessionDuration,
		}
		return &shape.CreateRoleResponse{Role: out}, nil
	})
}

// GetRole shows everything about a role, its last use among it.
func (s *service) GetRole(ctx context.Context, c *gate.Call, in *shape.GetRoleRequest) (*shape.GetRoleResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	out, err := s.fullRole(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &shape.GetRoleResponse{Role: *out}, nil
}

// ListRoles lists roles in the order of their names, without tags, boundaries and last uses.
func (s *service) ListRoles(_ context.Context, c *gate.Call, in *shape.ListRolesRequest) (*shape.ListRolesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	roles, next := page.Take(account.Roles(after), in.MaxItems,
		func(r snapshot.Role) bool { return inPath(r.Path, in.PathPrefix) },
		func(r snapshot.Role) string { return entity.FoldName(r.Name) })
	out := &shape.ListRolesResponse{IsTruncated: truncated(next), Marker: next, Roles: make([]shape.Role, 0, len(roles))}
	for _, r := range roles {
		out.Roles = append(out.Roles, briefRole(c.Snapshot, r.Role))
	}
	return out, nil
}

// UpdateRole sets a role's description and the longest life of its sessions. A description that is left out stays; a life
// that is left out becomes the default of one hour ("UpdateRole" in the IAM API Reference), but for a service-linked role,
// of which only the description may be changed (S2-251).
func (s *service) UpdateRole(ctx context.Context, c *gate.Call, in *shape.UpdateRoleRequest) (*shape.UpdateRoleResponse, error) {
	u := directory.RoleUpdate{Description: in.Description}
	if in.MaxSessionDuration != nil {
		u.MaxSession = new(time.Duration(*in.MaxSessionDuration) * time.Second)
	} else if r, err := role(c, in.RoleName); err == nil && r.ServiceLinked == "" {
		u.MaxSession = new(time.Hour)
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UpdateRoleResponse, error) {
		_, err := tx.UpdateRole(c.Account(), in.RoleName, u)
		return new(shape.UpdateRoleResponse), err
	})
}

// UpdateRoleDescription is the older form of UpdateRole, which answers the role.
func (s *service) UpdateRoleDescription(ctx context.Context, c *gate.Call, in *shape.UpdateRoleDescriptionRequest) (*shape.UpdateRoleDescriptionResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UpdateRoleDescriptionResponse, error) {
		r, err := tx.UpdateRole(c.Account(), in.RoleName, directory.RoleUpdate{Description: &in.Description})
		if err != nil {
			return nil, err
		}
		return &shape.UpdateRoleDescriptionResponse{Role: new(briefRole(c.Snapshot, r))}, nil
	})
}

// DeleteRole deletes a role that carries nothing any more.
func (s *service) DeleteRole(ctx context.Context, c *gate.Call, in *shape.DeleteRoleRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteRole(c.Account(), in.RoleName) })
}

// UpdateAssumeRolePolicy replaces a role's trust policy.
func (s *service) UpdateAssumeRolePolicy(ctx context.Context, c *gate.Call, in *shape.UpdateAssumeRolePolicyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		_, err := tx.UpdateTrust(c.Account(), in.RoleName, in.PolicyDocument)
		return err
	})
}

// TagRole adds tags to a role or replaces their values.
func (s *service) TagRole(ctx context.Context, c *gate.Call, in *shape.TagRoleRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.Tag(directory.OfRole(c.Account(), in.RoleName), entityTags(in.Tags))
	})
}

// UntagRole removes tags; keys that are not there are no error.
func (s *service) UntagRole(ctx context.Context, c *gate.Call, in *shape.UntagRoleRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.Untag(directory.OfRole(c.Account(), in.RoleName), in.TagKeys)
	})
}

// ListRoleTags lists a role's tags.
func (s *service) ListRoleTags(_ context.Context, c *gate.Call, in *shape.ListRoleTagsRequest) (*shape.ListRoleTagsResponse, error) {
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(r.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListRoleTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}

// role finds a role of the caller's account.
func role(c *gate.Call, name string) (snapshot.Role, error) {
	account, err := home(c)
	if err != nil {
		return snapshot.Role{}, err
	}
	r, ok := account.Role(name)
	if !ok {
		return snapshot.Role{}, fault.New(fault.NotFound, "The role with name %s cannot be found.", name)
	}
	return r, nil
}

// briefRole is a role as list calls show it.
func briefRole(s *snapshot.Snapshot, r *entity.Role) shape.Role {
	out := shape.Role{
		Arn: r.ARN(), CreateDate: r.CreatedAt, Path: r.Path, RoleId: r.ID, RoleName: r.Name,
		AssumeRolePolicyDocument: new(escapeDocument(trustText(s, r))),
		MaxSessionDuration:       new(int(r.MaxSession / time.Second)),
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out
}

// fullRole is a role as GetRole shows it.
func (s *service) fullRole(ctx context.Context, c *gate.Call, r snapshot.Role) (*shape.Role, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	out := briefRole(c.Snapshot, r.Role)
	out.Tags, out.PermissionsBoundary = shapeTags(r.Tags), s.shapeBoundary(account, r.Grants.Boundary)
	if out.RoleLastUsed, err = s.roleLastUsed(ctx, r); err != nil {
		return nil, err
	}
	return &out, nil
}

// roleLastUsed is empty for a role that was never used.
func (s *service) roleLastUsed(ctx context.Context, r snapshot.Role) (*shape.RoleLastUsed, error) {
	u, ok, err := s.usage.LastRole(ctx, r.Account, r.ID)
	if err != nil {
		return nil, fault.Wrap(err, "reading a role's last use")
	}
	if !ok {
		return new(shape.RoleLastUsed), nil
	}
	return &shape.RoleLastUsed{LastUsedDate: &u.At, Region: &u.Region}, nil
}

// trustText is a role's trust policy as its readers see it: unique IDs of principals that exist are ARNs again (S2-22).
func trustText(s *snapshot.Snapshot, r *entity.Role) string {
	return directory.ShowTrust(r.Trust, func(id string) (string, bool) {
		if u, ok := s.UserByID(id); ok {
			return u.ARN(), true
		}
		if r, ok := s.RoleByID(id); ok {
			return r.ARN(), true
		}
		return "", false
	})
}

// escapeDocument writes a policy document as IAM answers it: percent-encoded after RFC 3986.
func escapeDocument(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
