package iam

import (
	"context"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
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

// DefaultIssuerDomain ends the issuers of accounts unless Config says otherwise: a domain that nobody else can own.
const DefaultIssuerDomain = "tokens.sts.ostiary.internal"

// issuer is the URL of an account's issuer, in AWS's form: a host of its own for each account.
func (s *service) issuer(o *entity.Outbound) *string {
	return new("https://" + o.ID + "." + s.issuers)
}

func (s *service) EnableOutboundWebIdentityFederation(ctx context.Context, c *gate.Call, _ *shape.EnableOutboundWebIdentityFederationRequest) (*shape.EnableOutboundWebIdentityFederationResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.EnableOutboundWebIdentityFederationResponse, error) {
		o, err := tx.EnableOutbound(c.Account())
		if err != nil {
			return nil, err
		}
		return &shape.EnableOutboundWebIdentityFederationResponse{IssuerIdentifier: s.issuer(o)}, nil
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
	return &shape.GetOutboundWebIdentityFederationInfoResponse{IssuerIdentifier: s.issuer(account.Outbound), JwtVendingEnabled: new(true)}, nil
}
