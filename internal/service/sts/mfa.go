package sts

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// AWS's sentences about one-time codes.
const (
	sayBothParts   = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
	sayWrongDevice = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
	sayWrongCode   = "MultiFactorAuthentication failed with invalid MFA one time pass code."
)

// prove verifies the one-time code that came with AssumeRole or GetSessionToken; no other operation takes one (S1-252). The
// code is used up even if the role does not trust the caller: only a user who shows who they are gets that far.
//
// The device must be enabled for the user who calls (S1-265), with a long-term key or a session of GetSessionToken. Role
// sessions have no device, and the root user's is for signing in: root cannot use MFA-protected API access (S1-263).
func (s *service) prove(ctx context.Context, c *gate.Call) error {
	var serial *string
	var code *secret.Text
	switch in := c.Request.Input.(type) {
	case *shape.AssumeRoleRequest:
		serial, code = in.SerialNumber, in.TokenCode
	case *shape.GetSessionTokenRequest:
		serial, code = in.SerialNumber, in.TokenCode
	}
	switch {
	case serial == nil && code == nil:
		return nil
	case serial == nil || code == nil:
		return &fault.Error{Kind: fault.Denied, Subject: "SerialNumber", Message: sayBothParts}
	case c.Caller.Principal.Type != policy.User:
		return &fault.Error{Kind: fault.Denied, Subject: "SerialNumber", Message: sayWrongDevice}
	}
	err := s.codes.VerifyCode(ctx, c.Account(), c.Caller.EntityID, *serial, *code)
	switch fault.KindOf(err) {
	case fault.NotFound:
		return &fault.Error{Kind: fault.Denied, Subject: "SerialNumber", Message: sayWrongDevice, Cause: err}
	case fault.WrongCode:
		return &fault.Error{Kind: fault.Denied, Subject: "TokenCode", Message: sayWrongCode, Cause: err}
	}
	if err != nil {
		return err
	}
	c.Env.MFAAt = c.Now()
	return nil
}
