package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// userRows are the permission rows of the operations on users.
var userRows = map[string]gate.Row{
	"CreateUser": {Decides: gate.ByPolicy, Checks: gate.Checks(createUserChecks)},
	"GetUser": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:GetUser", gate.Input[*shape.GetUserRequest](c).UserName)
	}},
	"ListUsers": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, in *shape.ListUsersRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListUsers", Resource: entity.UserARN(c.Account(), prefix(in.PathPrefix), "")}}
		})},
	"UpdateUser": {Decides: gate.ByPolicy, Checks: gate.Checks(updateUserChecks)},
	"DeleteUser": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:DeleteUser", func(in *shape.DeleteUserRequest) string { return in.UserName })},
	"TagUser": {Decides: gate.ByPolicy,
		Checks: tagging(userCheck, "iam:TagUser", func(in *shape.TagUserRequest) (string, []shape.Tag) { return in.UserName, in.Tags })},
	"UntagUser": {Decides: gate.ByPolicy,
		Checks: untagging(userCheck, "iam:UntagUser", func(in *shape.UntagUserRequest) (string, []string) { return in.UserName, in.TagKeys })},
	"ListUserTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:ListUserTags", func(in *shape.ListUserTagsRequest) string { return in.UserName })},
}

// createUserChecks: making a user with tags needs iam:TagUser on it too, as AWS asks for it.
func createUserChecks(c *gate.Call, in *shape.CreateUserRequest) []authorizer.Check {
	create := authorizer.Check{
		Action:      "iam:CreateUser",
		Resource:    entity.UserARN(c.Account(), deref(in.Path, "/"), in.UserName),
		RequestTags: entityTags(in.Tags),
	}
	if in.PermissionsBoundary != nil {
		create.Keys = []authorizer.Key{{Name: "iam:PermissionsBoundary", Values: []string{*in.PermissionsBoundary}}}
	}
	return withTagging(create, "iam:TagUser")
}

// updateUserChecks: a new name or path needs permission on the user as it is and as it will be (UpdateUser, API Reference).
func updateUserChecks(c *gate.Call, in *shape.UpdateUserRequest) []authorizer.Check {
	old := userCheck(c, "iam:UpdateUser", in.UserName)
	name, path := in.UserName, "/"
	if u, err := user(c, in.UserName); err == nil {
		name, path = u.Name, u.Path
	}
	name = deref(in.NewUserName, name)
	to := authorizer.Check{Action: old.Action, Resource: entity.UserARN(c.Account(), deref(in.NewPath, path), name), Shown: "user " + name}
	if to.Resource == old.Resource {
		return []authorizer.Check{old}
	}
	return []authorizer.Check{old, to}
}

// deref is the value of an optional member, or what holds without it.
func deref(member *string, absent string) string {
	if member == nil {
		return absent
	}
	return *member
}

// prefix is the path prefix that a list call asks for.
func prefix(member *string) string { return deref(member, "/") }

// owner is the user that an operation speaks of: the named one, or without a name the caller. A role session is nobody's user.
func owner(c *gate.Call, name *string) (directory.Target, error) {
	if name != nil {
		return directory.OfUser(c.Account(), *name), nil
	}
	switch c.Caller.Principal.Type {
	case policy.Root:
		return directory.OfRoot(c.Account()), nil
	case policy.User:
		if u, ok := c.Snapshot.UserByID(c.Caller.EntityID); ok {
			return directory.OfUser(c.Account(), u.Name), nil
		}
	}
	return directory.Target{}, fault.New(fault.Invalid, "Must specify userName when calling with non-User credentials")
}

// ownerChecks are the checks of an operation on the owner.
func ownerChecks(c *gate.Call, action string, name *string) ([]authorizer.Check, error) {
	t, err := owner(c, name)
	if err != nil {
		return nil, err
	}
	if t.Kind == entity.KindAccount {
		return []authorizer.Check{{Action: action, Resource: entity.RootARN(t.Account)}}, nil
	}
	return []authorizer.Check{userCheck(c, action, t.Name)}, nil
}

// user returns a user of the caller's account who must exist.
func user(c *gate.Call, name string) (snapshot.User, error) {
	account, err := home(c)
	if err != nil {
		return snapshot.User{}, err
	}
	u, ok := account.User(name)
	if !ok {
		return snapshot.User{}, &fault.Error{Kind: fault.NotFound, Subject: name, Message: "The user with name " + name + " cannot be found."}
	}
	return u, nil
}

// listedUser is a user as list calls show it: without tags and boundary (ListUsers, API Reference). When the password was last
// used is for lastPasswords to say.
func listedUser(u *entity.User) shape.User {
	return shape.User{Arn: u.ARN(), CreateDate: u.CreatedAt, Path: u.Path, UserId: u.ID, UserName: u.Name}
}

func (s *service) CreateUser(ctx context.Context, c *gate.Call, in *shape.CreateUserRequest) (*shape.CreateUserResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateUserResponse, error) {
		u, err := tx.CreateUser(c.Account(), directory.NewUser{
			Name: in.UserName, Path: deref(in.Path, ""), Boundary: deref(in.PermissionsBoundary, ""), Tags: entityTags(in.Tags),
		})
		if err != nil {
			return nil, err
		}
		out := listedUser(u)
		out.Tags, out.PermissionsBoundary = shapeTags(u.Tags), boundaryOf(deref(in.PermissionsBoundary, ""))
		return &shape.CreateUserResponse{User: &out}, nil
	})
}

func (s *service) GetUser(ctx context.Context, c *gate.Call, in *shape.GetUserRequest) (*shape.GetUserResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	if t.Kind == entity.KindAccount {
		// The root user has no name and no path.
		root := []shape.User{{Arn: entity.RootARN(account.ID), CreateDate: account.CreatedAt, UserId: account.ID}}
		if err := s.lastPasswords(ctx, account, root, account.Owned); err != nil {
			return nil, err
		}
		return &shape.GetUserResponse{User: root[0]}, nil
	}
	u, err := user(c, t.Name)
	if err != nil {
		return nil, err
	}
	out := []shape.User{listedUser(u.User)}
	out[0].Tags, out[0].PermissionsBoundary = shapeTags(u.Tags), s.shapeBoundary(account, u.Grants.Boundary)
	if err := s.lastPasswords(ctx, account, out, u.Owned); err != nil {
		return nil, err
	}
	return &shape.GetUserResponse{User: out[0]}, nil
}

func (s *service) ListUsers(ctx context.Context, c *gate.Call, in *shape.ListUsersRequest) (*shape.ListUsersResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	users, next := page.Take(account.Users(after), in.MaxItems,
		func(u snapshot.User) bool { return inPath(u.Path, in.PathPrefix) },
		func(u snapshot.User) string { return entity.FoldName(u.Name) })
	out := &shape.ListUsersResponse{IsTruncated: truncated(next), Marker: next, Users: make([]shape.User, 0, len(users))}
	owned := make([]entity.Owned, 0, len(users))
	for _, u := range users {
		out.Users, owned = append(out.Users, listedUser(u.User)), append(owned, u.Owned)
	}
	if err := s.lastPasswords(ctx, account, out.Users, owned...); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *service) UpdateUser(ctx context.Context, c *gate.Call, in *shape.UpdateUserRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		_, err := tx.RenameUser(c.Account(), in.UserName, directory.Rename{Name: in.NewUserName, Path: in.NewPath})
		return err
	})
}

func (s *service) DeleteUser(ctx context.Context, c *gate.Call, in *shape.DeleteUserRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteUser(c.Account(), in.UserName) })
}

func (s *service) TagUser(ctx context.Context, c *gate.Call, in *shape.TagUserRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.Tag(directory.OfUser(c.Account(), in.UserName), entityTags(in.Tags))
	})
}

func (s *service) UntagUser(ctx context.Context, c *gate.Call, in *shape.UntagUserRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.Untag(directory.OfUser(c.Account(), in.UserName), in.TagKeys)
	})
}

func (s *service) ListUserTags(_ context.Context, c *gate.Call, in *shape.ListUserTagsRequest) (*shape.ListUserTagsResponse, error) {
	u, err := user(c, in.UserName)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(u.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListUserTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}
