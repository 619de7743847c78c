package sts

import (
	"context"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// federationTokenChecks asks for sts:GetFederationToken on the federated user's ARN, so that a policy can say which names may be
// given (S2-317), and for sts:TagSession where tags are passed.
func federationTokenChecks(c *gate.Call) ([]authorizer.Check, error) {
	in := gate.Input[*shape.GetFederationTokenRequest](c)
	check := authorizer.Check{
		Action: "sts:GetFederationToken", Resource: entity.FederatedUserARN(c.Account(), in.Name), RequestTags: entityTags(in.Tags),
	}
	return sessionChecks(check, len(in.Tags) > 0, false), nil
}

// GetFederationToken gives a user, or the root user, credentials to hand on to somebody whom their own application knows. Those may
// do what the caller's policies and the policies passed with the call both allow; where none is passed, nothing but what a
// resource's policy gives to the federated user by name (S2-313, S2-314). It takes no one-time code (S2-320).
//
// Credentials last twelve hours where nothing else is asked for, the root user's an hour at most, whatever is asked for (S2-311).
func (s *service) GetFederationToken(_ context.Context, c *gate.Call, in *shape.GetFederationTokenRequest) (*shape.GetFederationTokenResponse, error) {
	life := defaultUserLife
	if in.DurationSeconds != nil {
		life = time.Duration(*in.DurationSeconds) * time.Second
	}
	claims := &session.Claims{
		Kind: session.FederatedUser, Account: c.Account(), PrincipalID: c.Caller.EntityID, SessionName: in.Name, Issued: c.Now(), Region: c.Region(),
	}
	if c.Caller.Principal.Type == policy.Root {
		life = min(life, maxRootLife)
	} else if u, ok := c.Snapshot.UserByID(c.Caller.EntityID); ok {
		claims.Name = u.Name
	}
	claims.Expires = c.Now().Add(life)
	if err := setTags(claims, c.Caller, entityTags(in.Tags), nil); err != nil {
		return nil, err
	}
	if err := s.setPolicies(claims, c, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	issued, err := s.issue(c, claims, nil)
	if err != nil {
		return nil, err
	}
	return &shape.GetFederationTokenResponse{
		Credentials: issued.credentials, PackedPolicySize: issued.packed,
		FederatedUser: &shape.FederatedUser{Arn: entity.FederatedUserARN(claims.Account, in.Name), FederatedUserId: claims.ID()},
	}, nil
}
