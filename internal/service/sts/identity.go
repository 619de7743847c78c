package sts

import (
	"context"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Lives of GetSessionToken credentials (S2-325, S2-332).
const (
	defaultUserLife = 12 * time.Hour
	maxRootLife     = time.Hour
)

// GetCallerIdentity says who the caller is. It needs no permission and no deny binds it.
func (s *service) GetCallerIdentity(_ context.Context, c *gate.Call, _ *shape.GetCallerIdentityRequest) (*shape.GetCallerIdentityResponse, error) {
	p := &c.Caller.Principal
	return &shape.GetCallerIdentityResponse{Account: &p.Account, Arn: &p.ARN, UserId: &p.UniqueID}, nil
}

// GetSessionToken gives a user, or the root user, temporary credentials with the same permissions. The root user's last an
// hour at most, whatever was asked for.
func (s *service) GetSessionToken(_ context.Context, c *gate.Call, in *shape.GetSessionTokenRequest) (*shape.GetSessionTokenResponse, error) {
	life := defaultUserLife
	if in.DurationSeconds != nil {
		life = time.Duration(*in.DurationSeconds) * time.Second
	}
	claims := &session.Claims{
		Kind: session.SessionToken, Account: c.Account(), PrincipalID: c.Caller.EntityID, Issued: c.Now(), Region: c.Region(),
		MFAAt: c.Env.MFAAt, // for the session's whole life (S2-327)
	}
	if c.Caller.Principal.Type == policy.Root {
		life = min(life, maxRootLife)
	} else if u, ok := c.Snapshot.UserByID(c.Caller.EntityID); ok {
		claims.Name = u.Name
	}
	claims.Expires = c.Now().Add(life)
	issued, err := s.issue(c, claims, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &shape.GetSessionTokenResponse{
		Credentials: issued.credentials, SessionTokenSize: &issued.size, SessionTokenUtilization: &issued.utilization,
	}, nil
}

func accessKeyInfoChecks(*gate.Call) ([]authorizer.Check, error) {
	return []authorizer.Check{{Action: "sts:GetAccessKeyInfo", Resource: "*"}}, nil
}

// GetAccessKeyInfo says which account a key ID belongs to. The ID itself says it (D21): whether the key exists is not told.
func (s *service) GetAccessKeyInfo(_ context.Context, _ *gate.Call, in *shape.GetAccessKeyInfoRequest) (*shape.GetAccessKeyInfoResponse, error) {
	account, ok := credential.AccountOf(in.AccessKeyId)
	if !ok {
		return nil, fault.New(fault.Invalid, "Invalid AccessKeyId provided: %s", in.AccessKeyId)
	}
	return &shape.GetAccessKeyInfoResponse{Account: &account}, nil
}
