package sts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/trail"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Issuer signs tokens in the name of accounts: an *issuer.Keeper.
type Issuer interface {
	// URL is the issuer with that ID.
	URL(id string) string
	// Has reports whether a URL is an issuer of this installation.
	Has(issuer string) bool
	// Sign returns the token with that payload, signed by a key of the account.
	Sign(ctx context.Context, account, algorithm string, payload []byte) (string, error)
}

const (
	// defaultTokenLife is how long a token lives where nothing else is asked for ("GetWebIdentityToken", API Reference); that it is
	// at most an hour is a constraint of the model.
	defaultTokenLife = 5 * time.Minute
	// maxTokenPayload is the largest set of claims, in bytes. AWS publishes none; larger tokens do not fit in the headers that
	// servers read.
	maxTokenPayload = 8 << 10

	sayNotGlobal = "Could not find operation GetWebIdentityToken for version 2011-06-15: it is not available on the STS global endpoint"
)

// identityTokenChecks asks for sts:GetWebIdentityToken on the caller's own session, and for sts:TagGetWebIdentityToken where the
// token is to carry tags. sts:DurationSeconds has the life that the token will have, asked for or not: a policy that limits it
// limits the default too.
func identityTokenChecks(c *gate.Call) ([]authorizer.Check, error) {
	in := gate.Input[*shape.GetWebIdentityTokenRequest](c)
	if !slices.Contains(oidc.SigningAlgorithms(), in.SigningAlgorithm) {
		return nil, fault.New(fault.Invalid, "1 validation error detected: Value '%s' at 'signingAlgorithm' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [%s]", in.SigningAlgorithm, strings.Join(oidc.SigningAlgorithms(), ", "))
	}
	check := authorizer.Check{
		Action: "sts:GetWebIdentityToken", Resource: "arn:" + entity.Partition + ":sts::" + c.Account() + ":self", RequestTags: entityTags(in.Tags),
		Keys: []authorizer.Key{
			{Name: "sts:IdentityTokenAudience", Values: in.Audience},
			{Name: "sts:SigningAlgorithm", Values: []string{in.SigningAlgorithm}},
			{Name: "sts:DurationSeconds", Values: []string{strconv.Itoa(int(tokenLife(in) / time.Second))}},
		},
	}
	checks := []authorizer.Check{check}
	if len(in.Tags) > 0 {
		check.Action = "sts:TagGetWebIdentityToken"
		checks = append(checks, check)
	}
	return checks, nil
}

func tokenLife(in *shape.GetWebIdentityTokenRequest) time.Duration {
	if in.DurationSeconds == nil {
		return defaultTokenLife
	}
	return time.Duration(*in.DurationSeconds) * time.Second
}

// admitIdentityToken says who may have a token about themselves: users with their keys, and roles. Root is no identity to be known
// by elsewhere; whoever acts for somebody else, by a delegation, is not them.
func admitIdentityToken(c *gate.Call) error {
	switch {
	case c.AtGlobalEndpoint():
		return fault.New(fault.UnknownOperation, sayNotGlobal)
	case c.Caller.Principal.Type == policy.Root:
		return fault.New(fault.Denied, "Cannot call GetWebIdentityToken with root user credentials")
	}
	return nil
}

// identityClaims is the payload of a token ("Understanding token claims", IAM User Guide).
type identityClaims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience any         `json:"aud"` // a text, or a list of several
	Issued   int64       `json:"iat"`
	Expires  int64       `json:"exp"`
	ID       string      `json:"jti"`
	AWS      callerClaim `json:"https://sts.amazonaws.com/"`
}

// callerClaim is what a token says of the caller. What is not known of a caller is absent.
type callerClaim struct {
	Account       string            `json:"aws_account"`
	Region        string            `json:"source_region"`
	PrincipalID   string            `json:"principal_id"` // the ARN again, as AWS writes it
	Organization  string            `json:"org_id,omitempty"`
	Path          []string          `json:"ou_path,omitempty"`
	PrincipalTags map[string]string `json:"principal_tags,omitempty"`
	RequestTags   map[string]string `json:"request_tags,omitempty"`

	SessionEnd     string `json:"original_session_exp,omitempty"`
	Provider       string `json:"federated_provider,omitempty"`
	SourceIdentity string `json:"source_identity,omitempty"`
	Instance       string `json:"ec2_source_instance_arn,omitempty"`
	Function       string `json:"lambda_source_function_arn,omitempty"`
}

// GetWebIdentityToken gives the caller a signed token that says who they are, for a service elsewhere that trusts the account's
// issuer. It is no credential here: AssumeRoleWithWebIdentity refuses it.
func (s *service) GetWebIdentityToken(ctx context.Context, c *gate.Call, in *shape.GetWebIdentityTokenRequest) (*shape.GetWebIdentityTokenResponse, error) {
	account, ok := c.Snapshot.Account(c.Account())
	switch {
	case !ok:
		return nil, &fault.Error{Kind: fault.Internal, Subject: c.Account()} // its principal was found
	case account.Outbound == nil || !account.Outbound.Enabled:
		return nil, directory.OutboundDisabled(account.ID)
	case s.issuer == nil:
		return nil, errors.New("sts: a token is to be signed and there is no issuer")
	}
	if err := checkTags(entityTags(in.Tags)); err != nil {
		return nil, err
	}
	issued := c.Now().UTC().Truncate(time.Second)
	expires := issued.Add(tokenLife(in))
	if c.Caller.Temporary && expires.After(c.Caller.Expires) {
		return nil, fault.New(fault.OutlivesSession, "The requested token duration would extend the session beyond its original expiration time.")
	}
	payload, err := s.identityPayload(c, in, s.issuer.URL(account.Outbound.ID), issued, expires)
	if err != nil {
		return nil, err
	}
	if len(payload) > maxTokenPayload {
		return nil, fault.New(fault.TokenTooLarge, "The requested token payload has %d bytes and exceeds the maximum of %d. Reduce the number of request tags.",
			len(payload), maxTokenPayload)
	}
	token, err := s.issuer.Sign(ctx, account.ID, in.SigningAlgorithm, payload)
	if err != nil {
		return nil, err
	}
	return &shape.GetWebIdentityTokenResponse{WebIdentityToken: new(secret.New(token)), Expiration: &expires}, nil
}

func (s *service) identityPayload(c *gate.Call, in *shape.GetWebIdentityTokenRequest, issuer string, issued, expires time.Time) ([]byte, error) {
	p := &c.Caller.Principal
	claims := identityClaims{
		Issuer: issuer, Subject: p.ARN, Audience: in.Audience, Issued: issued.Unix(), Expires: expires.Unix(), ID: trail.NewID(s.rand),
		AWS: callerClaim{
			Account: p.Account, Region: c.Region(), PrincipalTags: principalTags(c), RequestTags: tagMap(entityTags(in.Tags)),
			Provider: c.Caller.Provider, SourceIdentity: c.Caller.SourceIdentity,
		},
	}
	if p.RoleARN != "" {
		claims.Subject = p.RoleARN // never the session's ARN
	}
	claims.AWS.PrincipalID = claims.Subject
	if len(in.Audience) == 1 {
		claims.Audience = in.Audience[0]
	}
	if c.Caller.Temporary {
		claims.AWS.SessionEnd = c.Caller.Expires.UTC().Format(time.RFC3339)
	}
	for _, k := range c.Caller.Keys {
		switch {
		case len(k.Values) != 1:
		case k.Name == "ec2:SourceInstanceARN":
			claims.AWS.Instance = k.Values[0]
		case k.Name == "lambda:SourceFunctionArn":
			claims.AWS.Function = k.Values[0]
		}
	}
	if s.organizations != nil {
		if o, ok := s.organizations.Of(c.Snapshot, p.Account); ok {
			if claims.AWS.Organization = o.ID; o.Path != "" {
				claims.AWS.Path = []string{o.Path}
			}
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&claims); err != nil {
		return nil, fault.Wrap(err, "writing a token")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// principalTags are the tags that aws:PrincipalTag has: the user's or the role's, and the session's in place of those with the same
// key, in whatever case.
func principalTags(c *gate.Call) map[string]string {
	var own []entity.Tag
	if u, ok := c.Snapshot.UserByID(c.Caller.EntityID); ok {
		own = u.Tags
	} else if r, ok := c.Snapshot.RoleByID(c.Caller.EntityID); ok {
		own = r.Tags
	}
	kept := slices.Clone(c.Caller.SessionTags)
	for _, t := range own {
		if !slices.ContainsFunc(c.Caller.SessionTags, func(s entity.Tag) bool { return strings.EqualFold(s.Key, t.Key) }) {
			kept = append(kept, t)
		}
	}
	return tagMap(kept)
}

func tagMap(tags []entity.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}
