package iam

import (
	"context"
	"errors"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// settingRows are the permission rows of the operations on settings of the account: they have no resource.
var settingRows = map[string]gate.Row{
	"SetSecurityTokenServicePreferences":   {Decides: gate.ByPolicy, Checks: onEverything("iam:SetSecurityTokenServicePreferences")},
	"EnableOutboundWebIdentityFederation":  {Decides: gate.ByPolicy, Checks: onEverything("iam:EnableOutboundWebIdentityFederation")},
	"DisableOutboundWebIdentityFederation": {Decides: gate.ByPolicy, Checks: onEverything("iam:DisableOutboundWebIdentityFederation")},
	"GetOutboundWebIdentityFederationInfo": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetOutboundWebIdentityFederationInfo")},
	"GetAccountProperties": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		account, ok := c.Snapshot.Account(c.Account())
		if !ok {
			return propertyChecks("iam:GetAccountProperties", nil), nil // and is denied: its account is gone
		}
		return propertyChecks("iam:GetAccountProperties", account.Properties), nil
	}},
	"PutAccountProperties": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(_ *gate.Call, in *shape.PutAccountPropertiesRequest) []authorizer.Check {
			return propertyChecks("iam:PutAccountProperties", in.Properties)
		})},
}

// propertyChecks: iam:AccountPropertyNamespaces has the namespaces of the properties that are set or shown; it is absent where
// there is none.
func propertyChecks(action string, properties map[string]string) []authorizer.Check {
	check := authorizer.Check{Action: action, Resource: "*"}
	var spaces []string
	for key := range properties {
		spaces = append(spaces, directory.PropertyNamespace(key))
	}
	if slices.Sort(spaces); len(spaces) > 0 {
		check.Keys = []authorizer.Key{{Name: "iam:AccountPropertyNamespaces", Values: slices.Compact(spaces)}}
	}
	return []authorizer.Check{check}
}

// SetSecurityTokenServicePreferences is for GetAccountSummary to show.
func (s *service) SetSecurityTokenServicePreferences(ctx context.Context, c *gate.Call, in *shape.SetSecurityTokenServicePreferencesRequest) error {
	version := map[string]int{"v1Token": 1, "v2Token": 2}[in.GlobalEndpointTokenVersion]
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.SetTokenVersion(c.Account(), version) })
}

func (s *service) GetAccountProperties(_ context.Context, c *gate.Call, _ *shape.GetAccountPropertiesRequest) (*shape.GetAccountPropertiesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	return &shape.GetAccountPropertiesResponse{Properties: account.Properties}, nil
}

func (s *service) PutAccountProperties(ctx context.Context, c *gate.Call, in *shape.PutAccountPropertiesRequest) (*shape.PutAccountPropertiesResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.PutAccountPropertiesResponse, error) {
		return &shape.PutAccountPropertiesResponse{}, tx.PutProperties(c.Account(), in.Properties)
	})
}

var errNoIssuer = errors.New("iam: the service was made without issuers")

// EnableOutboundWebIdentityFederation makes the account's keys before anybody is told of its issuer. Keys of an account whose call
// fails then wait for one that does not.
func (s *service) EnableOutboundWebIdentityFederation(ctx context.Context, c *gate.Call, _ *shape.EnableOutboundWebIdentityFederationRequest) (*shape.EnableOutboundWebIdentityFederationResponse, error) {
	if s.issuer == nil {
		return nil, errNoIssuer
	}
	if err := s.issuer.Prepare(ctx, c.Account()); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.EnableOutboundWebIdentityFederationResponse, error) {
		o, err := tx.EnableOutbound(c.Account())
		if err != nil {
			return nil, err
		}
		return &shape.EnableOutboundWebIdentityFederationResponse{IssuerIdentifier: new(s.issuer.URL(o.ID))}, nil
	})
}

func (s *service) DisableOutboundWebIdentityFederation(ctx context.Context, c *gate.Call, _ *shape.DisableOutboundWebIdentityFederationRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DisableOutbound(c.Account()) })
}

func (s *service) GetOutboundWebIdentityFederationInfo(_ context.Context, c *gate.Call, _ *shape.GetOutboundWebIdentityFederationInfoRequest) (*shape.GetOutboundWebIdentityFederationInfoResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	if account.Outbound == nil || !account.Outbound.Enabled {
		return nil, directory.OutboundDisabled(account.ID)
	}
	if s.issuer == nil {
		return nil, errNoIssuer
	}
	return &shape.GetOutboundWebIdentityFederationInfoResponse{IssuerIdentifier: new(s.issuer.URL(account.Outbound.ID)), JwtVendingEnabled: new(true)}, nil
}
