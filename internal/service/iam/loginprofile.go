package iam

import (
	"context"
	"crypto/rand"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// loginProfileRows are the permission rows of the operations on passwords: all of them are about the user whose it is. That an
// account lets its users change their own passwords is not here but among the policies that a decision finds; see
// snapshot.User.Identity.
var loginProfileRows = map[string]gate.Row{
	"CreateLoginProfile": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return profileChecks(c, "iam:CreateLoginProfile", gate.Input[*shape.CreateLoginProfileRequest](c).UserName)
	}},
	"GetLoginProfile": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return profileChecks(c, "iam:GetLoginProfile", gate.Input[*shape.GetLoginProfileRequest](c).UserName)
	}},
	"UpdateLoginProfile": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:UpdateLoginProfile", func(in *shape.UpdateLoginProfileRequest) string { return in.UserName })},
	"DeleteLoginProfile": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return profileChecks(c, "iam:DeleteLoginProfile", gate.Input[*shape.DeleteLoginProfileRequest](c).UserName)
	}},
	"ChangePassword": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		t, err := self(c)
		if err != nil {
			return nil, err
		}
		return []authorizer.Check{userCheck(c, "iam:ChangePassword", t.Name)}, nil
	}},
}

// profileOwner is the user whose password an operation speaks of: the named one, or without a name the caller. The root user
// has to name a user: its own password is for sessions of AssumeRoot ("CreateLoginProfile", API Reference).
func profileOwner(c *gate.Call, name *string) (directory.Target, error) {
	t, err := owner(c, name)
	if err == nil && t.Kind == entity.KindAccount && !c.Caller.AssumedRoot {
		return directory.Target{}, fault.New(fault.Invalid, "Must specify userName when calling with root user credentials")
	}
	return t, err
}

func profileChecks(c *gate.Call, action string, name *string) ([]authorizer.Check, error) {
	if _, err := profileOwner(c, name); err != nil {
		return nil, err
	}
	return ownerChecks(c, action, name)
}

// self is the caller, who has to be a user: with their own keys, or a session of theirs with MFA (others do not get here).
func self(c *gate.Call) (directory.Target, error) {
	if c.Caller.Principal.Type == policy.User {
		if u, ok := c.Snapshot.UserByID(c.Caller.EntityID); ok {
			return directory.OfUser(c.Account(), u.Name), nil
		}
	}
	return directory.Target{}, fault.New(fault.WrongCaller, "Only IAM Users can change their own password")
}

func (s *service) CreateLoginProfile(ctx context.Context, c *gate.Call, in *shape.CreateLoginProfileRequest) (*shape.CreateLoginProfileResponse, error) {
	t, err := profileOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Caller.AssumedRoot && in.Password != nil:
		return nil, fault.New(fault.Invalid, "The password must be left out when calling with a session of AssumeRoot.")
	case c.Caller.AssumedRoot:
		// A password that nobody knows: the root user recovers it ("CreateLoginProfile", API Reference).
		in.Password = new(secret.New("a1-" + rand.Text()))
	case in.Password == nil:
		// It may be left out by sessions of AssumeRoot alone.
		return nil, &fault.Error{Kind: fault.Invalid, Subject: "password", Message: "1 validation error detected: Value null at 'password' " +
			"failed to satisfy constraint: Member must not be null"}
	}
	password, err := s.dir.FirstPassword(ctx, t, *in.Password)
	if err != nil {
		return nil, err
	}
	reset := in.PasswordResetRequired != nil && *in.PasswordResetRequired
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateLoginProfileResponse, error) {
		p, err := tx.CreateLoginProfile(password, reset)
		if err != nil {
			return nil, err
		}
		return &shape.CreateLoginProfileResponse{LoginProfile: shapeProfile(p, t.Name)}, nil
	})
}

func shapeProfile(p *entity.LoginProfile, name string) shape.LoginProfile {
	return shape.LoginProfile{CreateDate: p.CreatedAt, PasswordResetRequired: new(p.ResetRequired), UserName: name}
}

func (s *service) GetLoginProfile(_ context.Context, c *gate.Call, in *shape.GetLoginProfileRequest) (*shape.GetLoginProfileResponse, error) {
	t, err := profileOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	id, name, called := account.ID, "", "root"
	if t.Kind == entity.KindUser {
		u, err := user(c, t.Name)
		if err != nil {
			return nil, err
		}
		id, name, called = u.ID, u.Name, t.Name
	}
	p, ok := snapshot.ItemByID[*entity.LoginProfile](account, id)
	if !ok {
		return nil, &fault.Error{Kind: fault.NotFound, Subject: t.Name, Message: "Login Profile for User " + called + " cannot be found."}
	}
	return &shape.GetLoginProfileResponse{LoginProfile: shapeProfile(p.Record, name)}, nil
}

func (s *service) UpdateLoginProfile(ctx context.Context, c *gate.Call, in *shape.UpdateLoginProfileRequest) error {
	t := directory.OfUser(c.Account(), in.UserName)
	var password *directory.NewPassword
	if in.Password != nil {
		var err error
		if password, err = s.dir.NextPassword(ctx, t, *in.Password); err != nil {
			return err
		}
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.UpdateLoginProfile(t, password, in.PasswordResetRequired) })
}

func (s *service) DeleteLoginProfile(ctx context.Context, c *gate.Call, in *shape.DeleteLoginProfileRequest) error {
	t, err := profileOwner(c, in.UserName)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteLoginProfile(t) })
}

func (s *service) ChangePassword(ctx context.Context, c *gate.Call, in *shape.ChangePasswordRequest) error {
	t, err := self(c)
	if err != nil {
		return err
	}
	password, err := s.dir.OwnPassword(ctx, t, in.OldPassword, in.NewPassword)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.ChangePassword(password) })
}

// lastPasswords fills in when the passwords of users were last used; it stays empty for users without one (S1-274). owned is
// what each of the users has.
func (s *service) lastPasswords(ctx context.Context, account snapshot.Account, users []shape.User, owned ...entity.Owned) error {
	var ids []string
	for i := range users {
		if len(owned[i][entity.KindLoginProfile]) > 0 {
			ids = append(ids, users[i].UserId)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	last, err := s.usage.LastPasswords(ctx, account.ID, ids...)
	if err != nil {
		return fault.Wrap(err, "reading the last uses of passwords")
	}
	for i := range users {
		if at, ok := last[users[i].UserId]; ok {
			users[i].PasswordLastUsed = &at
		}
	}
	return nil
}
