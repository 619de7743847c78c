package iam

import (
	"context"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// oidcRows are the permission rows of the operations on OpenID Connect providers.
var oidcRows = map[string]gate.Row{
	"CreateOpenIDConnectProvider": {Decides: gate.ByPolicy, Checks: gate.Checks(createOIDCChecks)},
	"GetOpenIDConnectProvider": {Decides: gate.ByPolicy, ReadOnly: true, Checks: on(oidcCheck, "iam:GetOpenIDConnectProvider",
		func(in *shape.GetOpenIDConnectProviderRequest) string { return in.OpenIDConnectProviderArn })},
	// AWS's denials name all providers of the account, where the reference has no resource.
	"ListOpenIDConnectProviders": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, _ *shape.ListOpenIDConnectProvidersRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListOpenIDConnectProviders", Resource: entity.OIDCProviderARN(c.Account(), "*")}}
		})},
	"DeleteOpenIDConnectProvider": {Decides: gate.ByPolicy, Checks: on(oidcCheck, "iam:DeleteOpenIDConnectProvider",
		func(in *shape.DeleteOpenIDConnectProviderRequest) string { return in.OpenIDConnectProviderArn })},
	"AddClientIDToOpenIDConnectProvider": {Decides: gate.ByPolicy,
		Checks: on(oidcCheck, "iam:AddClientIDToOpenIDConnectProvider",
			func(in *shape.AddClientIDToOpenIDConnectProviderRequest) string { return in.OpenIDConnectProviderArn })},
	"RemoveClientIDFromOpenIDConnectProvider": {Decides: gate.ByPolicy,
		Checks: on(oidcCheck, "iam:RemoveClientIDFromOpenIDConnectProvider",
			func(in *shape.RemoveClientIDFromOpenIDConnectProviderRequest) string {
				return in.OpenIDConnectProviderArn
			})},
	"UpdateOpenIDConnectProviderThumbprint": {Decides: gate.ByPolicy,
		Checks: on(oidcCheck, "iam:UpdateOpenIDConnectProviderThumbprint",
			func(in *shape.UpdateOpenIDConnectProviderThumbprintRequest) string {
				return in.OpenIDConnectProviderArn
			})},
	"TagOpenIDConnectProvider": {Decides: gate.ByPolicy,
		Checks: tagging(oidcCheck, "iam:TagOpenIDConnectProvider", func(in *shape.TagOpenIDConnectProviderRequest) (string, []shape.Tag) {
			return in.OpenIDConnectProviderArn, in.Tags
		})},
	"UntagOpenIDConnectProvider": {Decides: gate.ByPolicy,
		Checks: untagging(oidcCheck, "iam:UntagOpenIDConnectProvider", func(in *shape.UntagOpenIDConnectProviderRequest) (string, []string) {
			return in.OpenIDConnectProviderArn, in.TagKeys
		})},
	"ListOpenIDConnectProviderTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(oidcCheck, "iam:ListOpenIDConnectProviderTags",
			func(in *shape.ListOpenIDConnectProviderTagsRequest) string { return in.OpenIDConnectProviderArn })},
}

// oidcCheck asks for an action on the provider with that ARN. One of another account is that account's, as with policies.
func oidcCheck(c *gate.Call, action, arn string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: arn}
	if owner, _, ok := directory.ParseOIDCProviderARN(arn); ok && owner != c.Account() {
		check.ResourceAccount = owner
	}
	return check
}

// createOIDCChecks: making a provider with tags needs iam:TagOpenIDConnectProvider on it too ("Tag IAM resources").
func createOIDCChecks(c *gate.Call, in *shape.CreateOpenIDConnectProviderRequest) []authorizer.Check {
	create := authorizer.Check{Action: "iam:CreateOpenIDConnectProvider", Resource: entity.OIDCProviderARN(c.Account(), withoutScheme(in.Url)),
		RequestTags: entityTags(in.Tags)}
	return withTagging(create, "iam:TagOpenIDConnectProvider")
}

// withoutScheme is a provider's URL as it stands in its ARN.
func withoutScheme(url string) string {
	const scheme = "https://"
	if len(url) > len(scheme) && url[:len(scheme)] == scheme {
		return url[len(scheme):]
	}
	return url
}

// CreateOpenIDConnectProvider makes a provider. Without thumbprints the provider is asked for its certificate.
func (s *service) CreateOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.CreateOpenIDConnectProviderRequest) (*shape.CreateOpenIDConnectProviderResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	n := directory.NewOIDCProvider{URL: in.Url, ClientIDs: in.ClientIDList, Thumbprints: in.ThumbprintList, Tags: entityTags(in.Tags)}
	if err := n.Check(); err != nil {
		return nil, err
	}
	if _, taken := snapshot.ItemByID[*entity.OIDCProvider](account, withoutScheme(in.Url)); len(n.Thumbprints) == 0 && !taken {
		if n.Thumbprints, err = s.askThumbprint(ctx, in.Url); err != nil {
			return nil, err
		}
	} else if taken && len(n.Thumbprints) == 0 {
		return nil, fault.New(fault.Exists, "Provider with url %s already exists.", in.Url)
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateOpenIDConnectProviderResponse, error) {
		p, err := tx.CreateOIDCProvider(account.ID, n)
		if err != nil {
			return nil, err
		}
		return &shape.CreateOpenIDConnectProviderResponse{OpenIDConnectProviderArn: new(p.ARN()), Tags: shapeTags(p.Tags)}, nil
	})
}

// askThumbprint returns the one thumbprint that the provider at url is to be trusted by.
func (s *service) askThumbprint(ctx context.Context, url string) ([]string, error) {
	refuse := func(cause error) error {
		return &fault.Error{Kind: fault.Unreachable, Subject: url, Cause: cause,
			Message: "The request failed because IAM cannot connect to the OpenID Connect identity provider URL."}
	}
	if s.thumbprint == nil {
		return nil, refuse(nil)
	}
	t, err := s.thumbprint(ctx, url)
	if err != nil {
		return nil, refuse(err)
	}
	return []string{t}, nil
}

// GetOpenIDConnectProvider shows a provider. Its URL is without the scheme, as AWS shows it.
func (s *service) GetOpenIDConnectProvider(_ context.Context, c *gate.Call, in *shape.GetOpenIDConnectProviderRequest) (*shape.GetOpenIDConnectProviderResponse, error) {
	p, err := oidcProvider(c, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	return &shape.GetOpenIDConnectProviderResponse{
		Url: new(p.URL), CreateDate: new(p.CreatedAt), Tags: shapeTags(p.Tags),
		ClientIDList: append([]string{}, p.ClientIDs...), ThumbprintList: append([]string{}, p.Thumbprints...),
	}, nil
}

// ListOpenIDConnectProviders lists the ARNs of all providers in their order. It has no pages.
func (s *service) ListOpenIDConnectProviders(_ context.Context, c *gate.Call, _ *shape.ListOpenIDConnectProvidersRequest) (*shape.ListOpenIDConnectProvidersResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	var arns []string
	for p := range snapshot.Items[*entity.OIDCProvider](account, "") {
		arns = append(arns, p.Record.ARN())
	}
	slices.Sort(arns)
	out := &shape.ListOpenIDConnectProvidersResponse{OpenIDConnectProviderList: make([]shape.OpenIDConnectProviderListEntry, 0, len(arns))}
	for _, arn := range arns {
		out.OpenIDConnectProviderList = append(out.OpenIDConnectProviderList, shape.OpenIDConnectProviderListEntry{Arn: new(arn)})
	}
	return out, nil
}

// DeleteOpenIDConnectProvider deletes a provider; that there is none is no error.
func (s *service) DeleteOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.DeleteOpenIDConnectProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeleteOIDCProvider(c.Account(), in.OpenIDConnectProviderArn)
	})
}

// AddClientIDToOpenIDConnectProvider adds an audience; one that is there is no error.
func (s *service) AddClientIDToOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.AddClientIDToOpenIDConnectProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.AddClientID(c.Account(), in.OpenIDConnectProviderArn, in.ClientID)
	})
}

// RemoveClientIDFromOpenIDConnectProvider removes an audience; one that is not there is no error.
func (s *service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.RemoveClientIDFromOpenIDConnectProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.RemoveClientID(c.Account(), in.OpenIDConnectProviderArn, in.ClientID)
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces all thumbprints.
func (s *service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, c *gate.Call, in *shape.UpdateOpenIDConnectProviderThumbprintRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetThumbprints(c.Account(), in.OpenIDConnectProviderArn, in.ThumbprintList)
	})
}

// TagOpenIDConnectProvider adds tags or replaces their values; keys count with case.
func (s *service) TagOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.TagOpenIDConnectProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.TagOIDCProvider(c.Account(), in.OpenIDConnectProviderArn, entityTags(in.Tags))
	})
}

// UntagOpenIDConnectProvider removes tags; keys that are not there are no error.
func (s *service) UntagOpenIDConnectProvider(ctx context.Context, c *gate.Call, in *shape.UntagOpenIDConnectProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.UntagOIDCProvider(c.Account(), in.OpenIDConnectProviderArn, in.TagKeys)
	})
}

// ListOpenIDConnectProviderTags lists a provider's tags.
func (s *service) ListOpenIDConnectProviderTags(_ context.Context, c *gate.Call, in *shape.ListOpenIDConnectProviderTagsRequest) (*shape.ListOpenIDConnectProviderTagsResponse, error) {
	p, err := oidcProvider(c, in.OpenIDConnectProviderArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListOpenIDConnectProviderTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}

// oidcProvider finds a provider of the caller's account by its ARN, in which case counts.
func oidcProvider(c *gate.Call, arn string) (*entity.OIDCProvider, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	owner, url, ok := directory.ParseOIDCProviderARN(arn)
	if !ok {
		return nil, fault.New(fault.InvalidInput, "ARN %s is not valid.", arn)
	}
	if p, ok := snapshot.ItemByID[*entity.OIDCProvider](account, url); ok && owner == account.ID {
		return p.Record, nil
	}
	return nil, directory.OIDCProviderNotFound(arn)
}
