package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// groupRows are the permission rows of the operations on groups. Changing who is in a group needs permission on the group,
// none on the user (S1, section 35).
var groupRows = map[string]gate.Row{
	"CreateGroup": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.CreateGroupRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:CreateGroup", Resource: entity.GroupARN(c.Account(), deref(in.Path, "/"), in.GroupName)}}
		})},
	"GetGroup": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(groupCheck, "iam:GetGroup", func(in *shape.GetGroupRequest) string { return in.GroupName })},
	"ListGroups": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, in *shape.ListGroupsRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListGroups", Resource: entity.GroupARN(c.Account(), prefix(in.PathPrefix), "")}}
		})},
	"UpdateGroup": {Decides: gate.ByPolicy, Checks: gate.Checks(updateGroupChecks)},
	"DeleteGroup": {Decides: gate.ByPolicy,
		Checks: on(groupCheck, "iam:DeleteGroup", func(in *shape.DeleteGroupRequest) string { return in.GroupName })},
	"AddUserToGroup": {Decides: gate.ByPolicy,
		Checks: on(groupCheck, "iam:AddUserToGroup", func(in *shape.AddUserToGroupRequest) string { return in.GroupName })},
	"RemoveUserFromGroup": {Decides: gate.ByPolicy,
		Checks: on(groupCheck, "iam:RemoveUserFromGroup", func(in *shape.RemoveUserFromGroupRequest) string { return in.GroupName })},
	"ListGroupsForUser": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:ListGroupsForUser", func(in *shape.ListGroupsForUserRequest) string { return in.UserName })},
}

// updateGroupChecks: as updateUserChecks (UpdateGroup, API Reference).
func updateGroupChecks(c *gate.Call, in *shape.UpdateGroupRequest) []authorizer.Check {
	old := groupCheck(c, "iam:UpdateGroup", in.GroupName)
	name, path := in.GroupName, "/"
	if g, err := group(c, in.GroupName); err == nil {
		name, path = g.Name, g.Path
	}
	name = deref(in.NewGroupName, name)
	to := authorizer.Check{Action: old.Action, Resource: entity.GroupARN(c.Account(), deref(in.NewPath, path), name), Shown: "group " + name}
	if to.Resource == old.Resource {
		return []authorizer.Check{old}
	}
	return []authorizer.Check{old, to}
}

// group returns a group of the caller's account that must exist.
func group(c *gate.Call, name string) (snapshot.Group, error) {
	account, err := home(c)
	if err != nil {
		return snapshot.Group{}, err
	}
	g, ok := account.Group(name)
	if !ok {
		return snapshot.Group{}, &fault.Error{Kind: fault.NotFound, Subject: name, Message: "The group with name " + name + " cannot be found."}
	}
	return g, nil
}

func shapeGroup(g *entity.Group) shape.Group {
	return shape.Group{Arn: g.ARN(), CreateDate: g.CreatedAt, GroupId: g.ID, GroupName: g.Name, Path: g.Path}
}

func (s *service) CreateGroup(ctx context.Context, c *gate.Call, in *shape.CreateGroupRequest) (*shape.CreateGroupResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateGroupResponse, error) {
		g, err := tx.CreateGroup(c.Account(), directory.NewGroup{Name: in.GroupName, Path: deref(in.Path, "")})
		if err != nil {
			return nil, err
		}
		return &shape.CreateGroupResponse{Group: shapeGroup(g)}, nil
	})
}

// GetGroup answers the group with a page of its members.
func (s *service) GetGroup(_ context.Context, c *gate.Call, in *shape.GetGroupRequest) (*shape.GetGroupResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	g, err := group(c, in.GroupName)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	users, next := page.Take(account.Members(g.ID, after), in.MaxItems, nil,
		func(u snapshot.User) string { return entity.FoldName(u.Name) })
	out := &shape.GetGroupResponse{
		Group: shapeGroup(g.Group), IsTruncated: truncated(next), Marker: next, Users: make([]shape.User, 0, len(users)),
	}
	for _, u := range users {
		out.Users = append(out.Users, listedUser(u.User))
	}
	return out, nil
}

func (s *service) ListGroups(_ context.Context, c *gate.Call, in *shape.ListGroupsRequest) (*shape.ListGroupsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	groups, next := page.Take(account.Groups(after), in.MaxItems,
		func(g snapshot.Group) bool { return inPath(g.Path, in.PathPrefix) },
		func(g snapshot.Group) string { return entity.FoldName(g.Name) })
	out := &shape.ListGroupsResponse{IsTruncated: truncated(next), Marker: next, Groups: make([]shape.Group, 0, len(groups))}
	for _, g := range groups {
		out.Groups = append(out.Groups, shapeGroup(g.Group))
	}
	return out, nil
}

func (s *service) UpdateGroup(ctx context.Context, c *gate.Call, in *shape.UpdateGroupRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		_, err := tx.RenameGroup(c.Account(), in.GroupName, directory.Rename{Name: in.NewGroupName, Path: in.NewPath})
		return err
	})
}

func (s *service) DeleteGroup(ctx context.Context, c *gate.Call, in *shape.DeleteGroupRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteGroup(c.Account(), in.GroupName) })
}

func (s *service) AddUserToGroup(ctx context.Context, c *gate.Call, in *shape.AddUserToGroupRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.AddToGroup(c.Account(), in.UserName, in.GroupName) })
}

func (s *service) RemoveUserFromGroup(ctx context.Context, c *gate.Call, in *shape.RemoveUserFromGroupRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.RemoveFromGroup(c.Account(), in.UserName, in.GroupName) })
}

// ListGroupsForUser lists in the order of names, so that a marker holds while memberships change.
func (s *service) ListGroupsForUser(_ context.Context, c *gate.Call, in *shape.ListGroupsForUserRequest) (*shape.ListGroupsForUserResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	u, err := user(c, in.UserName)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	var all []snapshot.Group
	for _, id := range u.Groups {
		if g, ok := account.GroupByID(id); ok && entity.FoldName(g.Name) > after {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b snapshot.Group) int {
		return strings.Compare(entity.FoldName(a.Name), entity.FoldName(b.Name))
	})
	groups, next := page.Take(slices.Values(all), in.MaxItems, nil, func(g snapshot.Group) string { return entity.FoldName(g.Name) })
	out := &shape.ListGroupsForUserResponse{IsTruncated: truncated(next), Marker: next, Groups: make([]shape.Group, 0, len(groups))}
	for _, g := range groups {
		out.Groups = append(out.Groups, shapeGroup(g.Group))
	}
	return out, nil
}
