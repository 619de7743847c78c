package elasticache

import (
	"context"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var userRows = map[string]gate.Row{
	"CreateUser": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.CreateUserMessage) []authorizer.Check {
		return withTagging(authorizer.Check{Action: "elasticache:CreateUser", Resource: named(c, inventory.User, in.UserId).ARN(), RequestTags: entityTags(in.Tags),
			Keys: authenticationKeys(in.AuthenticationMode, in.NoPasswordRequired, in.Passwords)})
	})},
	"ModifyUser": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.ModifyUserMessage) []authorizer.Check {
		return []authorizer.Check{{Action: "elasticache:ModifyUser", Resource: named(c, inventory.User, in.UserId).ARN(),
			Keys: authenticationKeys(in.AuthenticationMode, in.NoPasswordRequired, in.Passwords)}}
	})},
	"DeleteUser": {Decides: gate.ByPolicy, Checks: on(inventory.User, "elasticache:DeleteUser",
		func(in *shape.DeleteUserMessage) string { return in.UserId })},
	"DescribeUsers": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.User, "elasticache:DescribeUsers",
		func(in *shape.DescribeUsersMessage) *string { return in.UserId })},
}

// The types of authentication that requests name; answers call the second one "no-password".
const (
	typePassword   = "password"
	typeNoPassword = "no-password-required"
	typeIAM        = "iam"
)

// authenticationKeys is elasticache:UserAuthenticationMode. The older parameters, which say the same, set it too: a policy against users
// without a password holds however they are asked for.
func authenticationKeys(mode *shape.AuthenticationMode, none *bool, passwords []secret.Text) []authorizer.Key {
	t := ""
	switch {
	case mode != nil && mode.Type != nil:
		t = *mode.Type
	case deref(none, false):
		t = typeNoPassword
	case passwords != nil:
		t = typePassword
	default:
		return nil
	}
	return []authorizer.Key{{Name: "elasticache:UserAuthenticationMode", Values: []string{t}}}
}

// secrets are what a request says about authentication: nil where it says nothing.
func secrets(mode *shape.AuthenticationMode, none *bool, passwords []secret.Text) (*inventory.Secrets, error) {
	ways := 0
	for _, given := range []bool{mode != nil, none != nil && *none, passwords != nil} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, inventory.Combination("Only one of AuthenticationMode, NoPasswordRequired and Passwords can be given.")
	case mode != nil:
		types := map[string]inventory.Authentication{typePassword: inventory.ByPassword, typeNoPassword: inventory.ByNothing, typeIAM: inventory.ByIAM}
		way, ok := types[deref(mode.Type, "")]
		if !ok {
			return nil, fault.New(fault.InvalidInput, "The parameter AuthenticationMode.Type must be password, no-password-required or iam.")
		}
		return &inventory.Secrets{Authentication: way, Passwords: mode.Passwords}, nil
	case deref(none, false):
		return &inventory.Secrets{Authentication: inventory.ByNothing}, nil
	case passwords != nil:
		return &inventory.Secrets{Authentication: inventory.ByPassword, Passwords: passwords}, nil
	}
	return nil, nil
}

func (s *service) CreateUser(ctx context.Context, c *gate.Call, in *shape.CreateUserMessage) (*shape.User, error) {
	if err := checkName("UserId", in.UserId, maxUserID); err != nil {
		return nil, err
	}
	how, err := secrets(in.AuthenticationMode, in.NoPasswordRequired, in.Passwords)
	if err != nil {
		return nil, err
	}
	if how == nil {
		return nil, inventory.Combination("One of AuthenticationMode, NoPasswordRequired and Passwords must be given.")
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.User, error) {
		u := &inventory.UserRecord{Meta: meta(c, in.UserId, in.Tags), UserName: in.UserName, Engine: strings.ToLower(in.Engine), Access: in.AccessString}
		if err := inventory.In(tx).CreateUser(u, *how); err != nil {
			return nil, err
		}
		return user(u), nil
	})
}

func (s *service) ModifyUser(ctx context.Context, c *gate.Call, in *shape.ModifyUserMessage) (*shape.User, error) {
	how, err := secrets(in.AuthenticationMode, in.NoPasswordRequired, in.Passwords)
	if err != nil {
		return nil, err
	}
	if in.AccessString != nil && in.AppendAccessString != nil {
		return nil, inventory.Combination("Only one of AccessString and AppendAccessString can be given.")
	}
	ch := inventory.UserChange{Access: in.AccessString, Append: in.AppendAccessString, Secrets: how}
	if in.Engine != nil {
		ch.Engine = new(strings.ToLower(*in.Engine))
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.User, error) {
		u, err := inventory.In(tx).ModifyUser(c.Account(), c.Region(), in.UserId, ch)
		if err != nil {
			return nil, err
		}
		return user(u), nil
	})
}

func (s *service) DeleteUser(ctx context.Context, c *gate.Call, in *shape.DeleteUserMessage) (*shape.User, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.User, error) {
		u, err := inventory.In(tx).DeleteUser(c.Account(), c.Region(), in.UserId)
		if err != nil {
			return nil, err
		}
		out := user(u)
		out.Status = new("deleting")
		return out, nil
	})
}

func (s *service) DescribeUsers(_ context.Context, c *gate.Call, in *shape.DescribeUsersMessage) (*shape.DescribeUsersResult, error) {
	keep, err := userFilter(in.Engine, in.Filters)
	if err != nil {
		return nil, err
	}
	v := s.view()
	users, next, err := describedAmong(v, c, in.UserId, in.MaxRecords, in.Marker, keep,
		[]*inventory.UserRecord{inventory.UserOf(v, c.Account(), c.Region(), inventory.DefaultUser)})
	if err != nil {
		return nil, err
	}
	return &shape.DescribeUsersResult{Marker: next, Users: shown(users, user)}, nil
}

// userFilter reads what users are asked for.
func userFilter(engine *string, filters []shape.Filter) (func(*inventory.UserRecord) bool, error) {
	of := map[string]func(*inventory.UserRecord) string{
		"user-id":   func(u *inventory.UserRecord) string { return u.Name },
		"user-name": func(u *inventory.UserRecord) string { return u.UserName },
		"engine":    func(u *inventory.UserRecord) string { return u.Engine },
	}
	for _, f := range filters {
		if of[f.Name] == nil {
			return nil, fault.New(fault.InvalidInput, "Unrecognized filter name: %s. Use user-id, user-name or engine.", f.Name)
		}
	}
	return func(u *inventory.UserRecord) bool {
		if engine != nil && !strings.EqualFold(*engine, u.Engine) {
			return false
		}
		return !slices.ContainsFunc(filters, func(f shape.Filter) bool { return !slices.Contains(f.Values, of[f.Name](u)) })
	}, nil
}

// maxUserID is the longest ID of a user and of a user group.
const maxUserID = 40

// minimumVersions are the oldest versions that know users.
var minimumVersions = map[string]string{inventory.Redis: "6.0", inventory.Valkey: "7.2"}

func user(u *inventory.UserRecord) *shape.User {
	out := &shape.User{
		ARN: new(inventory.ARN(u)), UserId: new(u.Name), UserName: new(u.UserName), Engine: new(u.Engine), AccessString: new(u.Access), Status: new("active"),
		MinimumEngineVersion: new(minimumVersions[u.Engine]), UserGroupIds: slices.Sorted(slices.Values(u.Groups)),
		Authentication: &shape.Authentication{Type: new(string(u.Authentication))},
	}
	if u.Authentication == inventory.ByPassword {
		out.Authentication.PasswordCount = new(len(u.Passwords))
	}
	return out
}
