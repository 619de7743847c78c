package sts

import (
	"context"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// sayTradeIn is all that is told of an exchange token that cannot be used, whatever is wrong with it.
const sayTradeIn = "The trade-in token is not valid."

func delegatedChecks(*gate.Call) ([]authorizer.Check, error) {
	return []authorizer.Check{{Action: "sts:GetDelegatedAccessToken", Resource: "*"}}, nil
}

// GetDelegatedAccessToken exchanges the token of a finalized delegation request for credentials that act as whoever approved it, within
// the request's policy. Only the account that made the request can, as often as it likes; all credentials end together, when the time
// that was approved is over since the token was sent ("Exchange Tokens", IAM User Guide).
func (s *service) GetDelegatedAccessToken(_ context.Context, c *gate.Call, in *shape.GetDelegatedAccessTokenRequest) (*shape.GetDelegatedAccessTokenResponse, error) {
	token, err := directory.OpenDelegationToken(s.ring, in.TradeInToken.Reveal())
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "TradeInToken", Message: sayTradeIn, Cause: err}
	}
	r, ok := s.traded(c, token)
	if !ok {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "TradeInToken", Message: sayTradeIn}
	}
	if !c.Now().Before(token.Expires) {
		return nil, fault.New(fault.ExpiredTradeIn, "The trade-in token has expired. Request a new token and retry the operation.")
	}
	claims, arn, ok := approver(c.Snapshot, r)
	if !ok {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "TradeInToken", Message: sayTradeIn} // who approved is gone
	}
	claims.Issued, claims.Expires, claims.Region = c.Now(), token.Expires, c.Region()
	claims.Policy, claims.Delegate = r.Policy, r.Account
	issued, err := s.issue(c, claims, nil)
	if err != nil {
		return nil, err
	}
	return &shape.GetDelegatedAccessTokenResponse{Credentials: issued.credentials, PackedPolicySize: issued.packed, AssumedPrincipal: &arn}, nil
}

// traded finds the request that a token is for. The token must be the one that was sent last, and the caller of the account that asked.
func (s *service) traded(c *gate.Call, token *directory.DelegationClaims) (*entity.DelegationRequest, bool) {
	account, ok := c.Snapshot.Account(token.Requestor)
	if !ok || token.Requestor != c.Account() {
		return nil, false
	}
	it, ok := snapshot.ItemByID[*entity.DelegationRequest](account, token.Request)
	if !ok {
		return nil, false
	}
	r := it.Record
	if r.State != entity.DelegationFinalized || r.OwnerAccount != token.Owner || r.ApproverID != token.Approver || r.Policy == "" {
		return nil, false
	}
	owner, ok := c.Snapshot.Account(r.OwnerAccount)
	return r, ok && !owner.Suspended
}

// approver begins the claims of a session as whoever approved a request, with their ARN; ok is false where there is nobody any more, or
// somebody else under the same name.
func approver(s *snapshot.Snapshot, r *entity.DelegationRequest) (claims *session.Claims, arn string, ok bool) {
	claims = &session.Claims{Kind: session.SessionToken, Account: r.OwnerAccount, PrincipalID: r.ApproverID}
	if r.ApproverID == r.OwnerAccount {
		return claims, entity.RootARN(r.OwnerAccount), true
	}
	if id, name, isRole := strings.Cut(r.ApproverID, ":"); isRole {
		role, ok := s.RoleByID(id)
		if !ok || role.Account != r.OwnerAccount {
			return nil, "", false
		}
		claims.Kind, claims.PrincipalID, claims.Name, claims.SessionName = session.AssumedRole, role.ID, role.Name, name
		return claims, entity.AssumedRoleARN(role.Account, role.Name, name), true
	}
	u, ok := s.UserByID(r.ApproverID)
	if !ok || u.Account != r.OwnerAccount {
		return nil, "", false
	}
	claims.Name = u.Name
	return claims, u.ARN(), true
}
