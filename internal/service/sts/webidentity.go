package sts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/trail"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// verifyWebIdentity finds out who calls AssumeRoleWithWebIdentity: the token is verified against the provider that the role's
// account has for its issuer. Whether there is such a role is told by nothing here.
func (s *service) verifyWebIdentity(ctx context.Context, c *gate.Call) (*gate.Assertion, error) {
	in := gate.Input[*shape.AssumeRoleWithWebIdentityRequest](c)
	account, ok := roleAccount(in.RoleArn)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is invalid", in.RoleArn)
	}
	if in.ProviderId != nil {
		// An OAuth access token is nothing that could be verified here: its provider would have to be asked about it.
		return nil, fault.New(fault.RejectedClaim, "Access tokens of %s are not accepted. Leave ProviderId out for OpenID Connect ID tokens.", *in.ProviderId)
	}
	token, err := oidc.Read(in.WebIdentityToken.Reveal())
	if err != nil {
		return nil, err
	}
	if s.issuer != nil && s.issuer.Has(token.Issuer()) {
		// Such tokens are for services elsewhere, whatever providers an account has ("Getting started with outbound identity
		// federation", IAM User Guide).
		return nil, fault.New(fault.InvalidIdentityToken, "Tokens of GetWebIdentityToken cannot be used to assume a role.")
	}
	p, err := providerOf(c.Snapshot, account, token.Issuer())
	if err != nil {
		return nil, err
	}
	settings := &oidc.Provider{Issuer: token.Issuer(), ClientIDs: p.ClientIDs}
	if err := token.Check(settings, c.Now()); err != nil {
		return nil, err
	}
	if s.keys == nil {
		return nil, errors.New("sts: a provider's keys are needed and cannot be fetched")
	}
	keys, err := s.keys.Find(ctx, settings.Issuer, p.Thumbprints, token.KeyID())
	if err != nil {
		return nil, err
	}
	id, err := token.Verify(settings, keys, c.Now())
	if err != nil {
		return nil, err
	}
	if err := checkStated(id); err != nil {
		return nil, err
	}
	return webIdentity(c, in, account, p.ARN(), id), nil
}

// providerOf finds the provider of an account whose tokens have that issuer.
func providerOf(s *snapshot.Snapshot, accountID, issuer string) (*entity.OIDCProvider, error) {
	url, ok := strings.CutPrefix(issuer, "https://")
	account, exists := s.Account(accountID)
	if ok && exists {
		if p, ok := snapshot.ItemByID[*entity.OIDCProvider](account, url); ok {
			return p.Record, nil
		}
	}
	if utf8.RuneCountInString(issuer) > 255 || strings.ContainsFunc(issuer, unicode.IsControl) {
		issuer = "the token's issuer"
	}
	return nil, fault.New(fault.InvalidIdentityToken, "No OpenIDConnect provider found in your account for %s", issuer)
}

// webIdentity makes the caller and the questions of a verified token.
func webIdentity(c *gate.Call, in *shape.AssumeRoleWithWebIdentityRequest, account, provider string, id *oidc.Identity) *gate.Assertion {
	caller := &authorizer.Caller{Principal: policy.Principal{Type: policy.WebIdentity, Provider: provider}, Provider: provider}
	for _, k := range id.Keys {
		caller.Keys = append(caller.Keys, authorizer.Key{Name: k.Name, Values: k.Values})
	}
	check := authorizer.Check{
		Action: "sts:AssumeRoleWithWebIdentity", Resource: in.RoleArn, ResourceAccount: account, Trust: true, RequestTags: statedTags(id),
		Keys: []authorizer.Key{{Name: "sts:RoleSessionName", Values: []string{in.RoleSessionName}}},
	}
	if r, ok := findRole(c.Snapshot, in.RoleArn); ok {
		check.Policy = r.Trust()
	}
	if len(id.TransitiveTagKeys) > 0 {
		check.Keys = append(check.Keys, authorizer.Key{Name: "sts:TransitiveTagKeys", Values: id.TransitiveTagKeys})
	}
	if id.SourceIdentity != "" {
		check.Keys = append(check.Keys, authorizer.Key{Name: "sts:SourceIdentity", Values: []string{id.SourceIdentity}})
	}
	return &gate.Assertion{
		Caller: caller, Account: account, Checks: sessionChecks(check, len(id.Tags) > 0, id.SourceIdentity != ""), Verified: id,
		Identity: trail.Identity{ // S2-397
			Type: trail.TypeWebIdentityUser, PrincipalID: provider + ":" + id.Audience + ":" + id.Subject, UserName: id.Subject, IdentityProvider: provider,
		},
	}
}

// AssumeRoleWithWebIdentity gives credentials of a role session to somebody whom an OpenID Connect provider vouches for. Who may
// have them was decided by the role's trust policy.
func (s *service) AssumeRoleWithWebIdentity(_ context.Context, c *gate.Call, in *shape.AssumeRoleWithWebIdentityRequest) (*shape.AssumeRoleWithWebIdentityResponse, error) {
	r, ok := findRole(c.Snapshot, in.RoleArn)
	if !ok {
		return nil, &fault.Error{Kind: fault.Internal, Subject: in.RoleArn} // a role that is not there cannot have been allowed
	}
	id := c.Asserted.Verified.(*oidc.Identity)
	life, err := roleLife(c, r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	claims := roleSession(c, r, in.RoleSessionName, life)
	claims.Provider, claims.SourceIdentity, claims.Direct = c.Caller.Provider, id.SourceIdentity, true
	for _, k := range id.Keys {
		if k.Session {
			claims.Context = append(claims.Context, session.ContextKey{Key: k.Name, Values: k.Values})
		}
	}
	if err := setTags(claims, c.Caller, statedTags(id), id.TransitiveTagKeys); err != nil {
		return nil, fault.New(fault.InvalidIdentityToken, "%s", fault.MessageOf(err)) // the provider's mistake, not the caller's
	}
	if err := s.setPolicies(claims, c, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	issued, err := s.issue(c, claims, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &shape.AssumeRoleWithWebIdentityResponse{
		Credentials: issued.credentials, SessionTokenSize: &issued.size, SessionTokenUtilization: &issued.utilization, PackedPolicySize: issued.packed,
		Audience: &id.Audience, Provider: &c.Caller.Provider, SubjectFromWebIdentityToken: &id.Subject,
		AssumedRoleUser: assumed(claims), SourceIdentity: stated(claims.SourceIdentity),
	}, nil
}

// checkStated holds the tags and the source identity that a provider states to what the API's model says of those that a caller
// passes.
func checkStated(id *oidc.Identity) error {
	for _, t := range id.Tags {
		if !isStatedTag(t.Key, t.Value) {
			return fault.New(fault.InvalidIdentityToken, "The token states an invalid session tag.")
		}
	}
	if n := len(id.SourceIdentity); n > 0 && (n < 2 || n > 64 || strings.ContainsFunc(id.SourceIdentity, notInSourceIdentity) ||
		n >= 4 && strings.EqualFold(id.SourceIdentity[:4], "aws:")) {
		return fault.New(fault.InvalidIdentityToken, "The token states an invalid source identity.")
	}
	return nil
}

// isStatedTag holds a session tag to what the API's model says of those that a caller passes.
func isStatedTag(key, value string) bool {
	return key != "" && utf8.RuneCountInString(key) <= 128 && utf8.RuneCountInString(value) <= 256 && isTagText(key) && isTagText(value)
}

func isTagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.In(r, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

func notInSourceIdentity(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("_+=,.@-", r)
}

// statedTags are the session tags of a token.
func statedTags(id *oidc.Identity) []entity.Tag {
	out := make([]entity.Tag, 0, len(id.Tags))
	for _, t := range id.Tags {
		out = append(out, entity.Tag{Key: t.Key, Value: t.Value})
	}
	return slices.Clip(out)
}
