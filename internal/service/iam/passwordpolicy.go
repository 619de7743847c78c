package iam

import (
	"context"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// passwordPolicyRows are the permission rows of the operations on the account's password policy: they have no resource.
var passwordPolicyRows = map[string]gate.Row{
	"GetAccountPasswordPolicy":    {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetAccountPasswordPolicy")},
	"UpdateAccountPasswordPolicy": {Decides: gate.ByPolicy, Checks: onEverything("iam:UpdateAccountPasswordPolicy")},
	"DeleteAccountPasswordPolicy": {Decides: gate.ByPolicy, Checks: onEverything("iam:DeleteAccountPasswordPolicy")},
}

const day = 24 * time.Hour

// GetAccountPasswordPolicy answers the policy that was set. AWS's default, which holds without one, is not answered.
func (s *service) GetAccountPasswordPolicy(_ context.Context, c *gate.Call, _ *shape.GetAccountPasswordPolicyRequest) (*shape.GetAccountPasswordPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	p := account.PasswordPolicy
	if p == nil {
		return nil, &fault.Error{Kind: fault.NotFound, Subject: "PasswordPolicy",
			Message: "The Password Policy with domain name " + account.ID + " cannot be found."}
	}
	out := shape.PasswordPolicy{
		MinimumPasswordLength: new(p.MinimumLength), RequireSymbols: new(p.Symbols), RequireNumbers: new(p.Numbers),
		RequireUppercaseCharacters: new(p.Upper), RequireLowercaseCharacters: new(p.Lower), AllowUsersToChangePassword: new(p.UsersMayChange),
		ExpirePasswords: new(p.MaximumAge > 0), HardExpiry: new(p.HardExpiry),
	}
	if p.MaximumAge > 0 {
		out.MaxPasswordAge = new(int(p.MaximumAge / day))
	}
	if p.ReusePrevention > 0 {
		out.PasswordReusePrevention = new(p.ReusePrevention)
	}
	return &shape.GetAccountPasswordPolicyResponse{PasswordPolicy: out}, nil
}

// UpdateAccountPasswordPolicy replaces the whole policy: what the request leaves out has its default afterwards.
func (s *service) UpdateAccountPasswordPolicy(ctx context.Context, c *gate.Call, in *shape.UpdateAccountPasswordPolicyRequest) error {
	is := func(member *bool) bool { return member != nil && *member }
	number := func(member *int, absent int) int {
		if member == nil {
			return absent
		}
		return *member
	}
	p := entity.PasswordPolicy{
		MinimumLength: number(in.MinimumPasswordLength, directory.DefaultMinimumLength), MaximumAge: time.Duration(number(in.MaxPasswordAge, 0)) * day,
		ReusePrevention: number(in.PasswordReusePrevention, 0), Symbols: is(in.RequireSymbols), Numbers: is(in.RequireNumbers),
		Upper: is(in.RequireUppercaseCharacters), Lower: is(in.RequireLowercaseCharacters),
		UsersMayChange: is(in.AllowUsersToChangePassword), HardExpiry: is(in.HardExpiry),
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.SetPasswordPolicy(c.Account(), p) })
}

func (s *service) DeleteAccountPasswordPolicy(ctx context.Context, c *gate.Call, _ *shape.DeleteAccountPasswordPolicyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeletePasswordPolicy(c.Account()) })
}
