package elasticache

import (
	"context"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

// Who changes a user group needs the permission on the group and on every user that is named (Service Authorization Reference; S5-63).
var userGroupRows = map[string]gate.Row{
	"CreateUserGroup": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.CreateUserGroupMessage) []authorizer.Check {
		made := withTagging(authorizer.Check{Action: "elasticache:CreateUserGroup", Resource: named(c, inventory.UserGroup, in.UserGroupId).ARN(), RequestTags: entityTags(in.Tags)})
		return append(made, onUsers(c, "elasticache:CreateUserGroup", in.UserIds)...)
	})},
	"ModifyUserGroup": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.ModifyUserGroupMessage) []authorizer.Check {
		all := []authorizer.Check{{Action: "elasticache:ModifyUserGroup", Resource: named(c, inventory.UserGroup, in.UserGroupId).ARN()}}
		return append(append(all, onUsers(c, "elasticache:ModifyUserGroup", in.UserIdsToAdd)...), onUsers(c, "elasticache:ModifyUserGroup", in.UserIdsToRemove)...)
	})},
	"DeleteUserGroup": {Decides: gate.ByPolicy, Checks: on(inventory.UserGroup, "elasticache:DeleteUserGroup",
		func(in *shape.DeleteUserGroupMessage) string { return in.UserGroupId })},
	"DescribeUserGroups": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.UserGroup, "elasticache:DescribeUserGroups",
		func(in *shape.DescribeUserGroupsMessage) *string { return in.UserGroupId })},
}

func onUsers(c *gate.Call, action string, ids []string) []authorizer.Check {
	var all []authorizer.Check
	for _, id := range ids {
		all = append(all, authorizer.Check{Action: action, Resource: named(c, inventory.User, id).ARN()})
	}
	return all
}

// maxUsers bounds how many users one request may name: each is a question and a record to compare.
const maxUsers = 50

func tooMany(lists ...[]string) error {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	if n > maxUsers {
		return fault.New(fault.InvalidInput, "A request can name %d users at most.", maxUsers)
	}
	return nil
}

func (s *service) CreateUserGroup(ctx context.Context, c *gate.Call, in *shape.CreateUserGroupMessage) (*shape.UserGroup, error) {
	if err := checkName("UserGroupId", in.UserGroupId, maxUserID); err != nil {
		return nil, err
	}
	if err := tooMany(in.UserIds); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UserGroup, error) {
		g := &inventory.UserGroupRecord{Meta: meta(c, in.UserGroupId, in.Tags), Engine: strings.ToLower(in.Engine)}
		if err := inventory.In(tx).CreateUserGroup(g, in.UserIds); err != nil {
			return nil, err
		}
		return userGroup(g), nil
	})
}

func (s *service) ModifyUserGroup(ctx context.Context, c *gate.Call, in *shape.ModifyUserGroupMessage) (*shape.UserGroup, error) {
	if in.UserIdsToAdd == nil && in.UserIdsToRemove == nil && in.Engine == nil {
		return nil, inventory.Combination("No modifications were requested.")
	}
	if err := tooMany(in.UserIdsToAdd, in.UserIdsToRemove); err != nil {
		return nil, err
	}
	var engine *string
	if in.Engine != nil {
		engine = new(strings.ToLower(*in.Engine))
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UserGroup, error) {
		g, err := inventory.In(tx).ModifyUserGroup(c.Account(), c.Region(), in.UserGroupId, engine, in.UserIdsToAdd, in.UserIdsToRemove)
		if err != nil {
			return nil, err
		}
		return userGroup(g), nil
	})
}

func (s *service) DeleteUserGroup(ctx context.Context, c *gate.Call, in *shape.DeleteUserGroupMessage) (*shape.UserGroup, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UserGroup, error) {
		g, err := inventory.In(tx).DeleteUserGroup(c.Account(), c.Region(), in.UserGroupId)
		if err != nil {
			return nil, err
		}
		out := userGroup(g)
		out.Status = new("deleting")
		return out, nil
	})
}

func (s *service) DescribeUserGroups(_ context.Context, c *gate.Call, in *shape.DescribeUserGroupsMessage) (*shape.DescribeUserGroupsResult, error) {
	groups, next, err := described[inventory.UserGroupRecord](s.view(), c, in.UserGroupId, in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeUserGroupsResult{Marker: next, UserGroups: shown(groups, userGroup)}, nil
}

func userGroup(g *inventory.UserGroupRecord) *shape.UserGroup {
	return &shape.UserGroup{ARN: new(inventory.ARN(g)), UserGroupId: new(g.Name), Engine: new(g.Engine), Status: new("active"),
		MinimumEngineVersion: new(minimumVersions[g.Engine]), UserIds: g.Users}
}
