package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// metadataBody is the largest request with a metadata document of 10,000,000 characters, most of them escaped.
const metadataBody = 32 << 20

// samlProviderRows are the permission rows of the operations on SAML providers.
var samlProviderRows = map[string]gate.Row{
	"CreateSAMLProvider": {Decides: gate.ByPolicy, Body: metadataBody, Checks: gate.Checks(createSAMLProviderChecks)},
	"GetSAMLProvider": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(samlCheck, "iam:GetSAMLProvider", func(in *shape.GetSAMLProviderRequest) string { return in.SAMLProviderArn })},
	"ListSAMLProviders": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:ListSAMLProviders")},
	"UpdateSAMLProvider": {Decides: gate.ByPolicy, Body: metadataBody,
		Checks: on(samlCheck, "iam:UpdateSAMLProvider", func(in *shape.UpdateSAMLProviderRequest) string { return in.SAMLProviderArn })},
	"DeleteSAMLProvider": {Decides: gate.ByPolicy,
		Checks: on(samlCheck, "iam:DeleteSAMLProvider", func(in *shape.DeleteSAMLProviderRequest) string { return in.SAMLProviderArn })},
	"TagSAMLProvider": {Decides: gate.ByPolicy,
		Checks: tagging(samlCheck, "iam:TagSAMLProvider",
			func(in *shape.TagSAMLProviderRequest) (string, []shape.Tag) { return in.SAMLProviderArn, in.Tags })},
	"UntagSAMLProvider": {Decides: gate.ByPolicy,
		Checks: untagging(samlCheck, "iam:UntagSAMLProvider",
			func(in *shape.UntagSAMLProviderRequest) (string, []string) { return in.SAMLProviderArn, in.TagKeys })},
	"ListSAMLProviderTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(samlCheck, "iam:ListSAMLProviderTags", func(in *shape.ListSAMLProviderTagsRequest) string { return in.SAMLProviderArn })},
}

// createSAMLProviderChecks: making a provider with tags needs iam:TagSAMLProvider on it too, as AWS asks for it.
func createSAMLProviderChecks(c *gate.Call, in *shape.CreateSAMLProviderRequest) []authorizer.Check {
	create := authorizer.Check{
		Action: "iam:CreateSAMLProvider", Resource: entity.SAMLProviderARN(c.Account(), in.Name), RequestTags: entityTags(in.Tags),
	}
	return withTagging(create, "iam:TagSAMLProvider")
}

// samlCheck asks for an action on the SAML provider with that ARN. One of another account is that account's, as with managed
// policies: nobody reaches it from here, not even the root user.
func samlCheck(c *gate.Call, action, providerARN string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: providerARN}
	if a, err := arn.Parse(providerARN); err == nil && a.Service() == "iam" && a.Account() != "" && a.Account() != c.Account() {
		check.ResourceAccount = a.Account()
	}
	return check
}

// samlProvider is the provider of the caller's account with exactly this ARN.
func samlProvider(c *gate.Call, providerARN string) (*entity.SAMLProvider, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	a, err := arn.Parse(providerARN)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" {
		return nil, invalidProviderARN(providerARN)
	}
	kind, name := splitResource(a.Resource())
	if kind != string(entity.KindSAMLProvider) || name == "" || entity.SAMLProviderARN(account.ID, name) != providerARN {
		return nil, invalidProviderARN(providerARN)
	}
	p, ok := snapshot.ItemNamed[*entity.SAMLProvider](account, name)
	if !ok || p.Record.Name != name {
		return nil, fault.New(fault.NotFound, "Manifest not found for arn %s", providerARN)
	}
	return p.Record, nil
}

func invalidProviderARN(text string) error {
	return &fault.Error{Kind: fault.InvalidInput, Subject: text, Message: "ARN " + text + " is not valid."}
}

func revealed(text *secret.Text) secret.Text {
	if text == nil {
		return secret.Text{}
	}
	return *text
}

// CreateSAMLProvider makes a provider from its metadata (S2-162, S2-165).
func (s *service) CreateSAMLProvider(ctx context.Context, c *gate.Call, in *shape.CreateSAMLProviderRequest) (*shape.CreateSAMLProviderResponse, error) {
	metadata, err := saml.ParseMetadata(in.SAMLMetadataDocument, c.Now())
	if err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateSAMLProviderResponse, error) {
		p, err := tx.CreateSAMLProvider(c.Account(), directory.NewSAMLProvider{
			Name: in.Name, Metadata: directory.SAMLMetadata{Document: in.SAMLMetadataDocument, Parsed: metadata},
			EncryptionMode: deref(in.AssertionEncryptionMode, ""), PrivateKey: revealed(in.AddPrivateKey), Tags: entityTags(in.Tags),
		})
		if err != nil {
			return nil, err
		}
		return &shape.CreateSAMLProviderResponse{SAMLProviderArn: new(p.ARN()), Tags: shapeTags(p.Tags)}, nil
	})
}

// GetSAMLProvider shows a provider with its metadata and without its private keys (S2-163).
func (s *service) GetSAMLProvider(_ context.Context, c *gate.Call, in *shape.GetSAMLProviderRequest) (*shape.GetSAMLProviderResponse, error) {
	p, err := samlProvider(c, in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	document, err := p.Document()
	if err != nil {
		return nil, err
	}
	out := &shape.GetSAMLProviderResponse{
		SAMLMetadataDocument: &document, SAMLProviderUUID: &p.ID, CreateDate: &p.CreatedAt, ValidUntil: &p.ValidUntil, Tags: shapeTags(p.Tags),
	}
	if p.EncryptionMode != "" {
		out.AssertionEncryptionMode = &p.EncryptionMode
	}
	for _, k := range p.PrivateKeys {
		out.PrivateKeyList = append(out.PrivateKeyList, shape.SAMLPrivateKey{KeyId: &k.ID, Timestamp: &k.AddedAt})
	}
	return out, nil
}

// ListSAMLProviders lists all of the account's providers, which are few, in the order of their names.
func (s *service) ListSAMLProviders(_ context.Context, c *gate.Call, _ *shape.ListSAMLProvidersRequest) (*shape.ListSAMLProvidersResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	out := &shape.ListSAMLProvidersResponse{SAMLProviderList: []shape.SAMLProviderListEntry{}}
	for it := range snapshot.Items[*entity.SAMLProvider](account, "") {
		p := it.Record
		out.SAMLProviderList = append(out.SAMLProviderList, shape.SAMLProviderListEntry{
			Arn: new(p.ARN()), CreateDate: &p.CreatedAt, ValidUntil: &p.ValidUntil,
		})
	}
	return out, nil
}

// UpdateSAMLProvider changes metadata, the encryption mode and private keys.
func (s *service) UpdateSAMLProvider(ctx context.Context, c *gate.Call, in *shape.UpdateSAMLProviderRequest) (*shape.UpdateSAMLProviderResponse, error) {
	u := directory.SAMLProviderUpdate{
		EncryptionMode: in.AssertionEncryptionMode, AddPrivateKey: revealed(in.AddPrivateKey), RemovePrivateKey: in.RemovePrivateKey,
	}
	if in.SAMLMetadataDocument != nil {
		metadata, err := saml.ParseMetadata(*in.SAMLMetadataDocument, c.Now())
		if err != nil {
			return nil, err
		}
		u.Metadata = &directory.SAMLMetadata{Document: *in.SAMLMetadataDocument, Parsed: metadata}
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UpdateSAMLProviderResponse, error) {
		p, err := tx.UpdateSAMLProvider(c.Account(), in.SAMLProviderArn, u)
		if err != nil {
			return nil, err
		}
		return &shape.UpdateSAMLProviderResponse{SAMLProviderArn: new(p.ARN())}, nil
	})
}

// DeleteSAMLProvider deletes a provider. Roles that name it in their trust policies keep doing so.
func (s *service) DeleteSAMLProvider(ctx context.Context, c *gate.Call, in *shape.DeleteSAMLProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteSAMLProvider(c.Account(), in.SAMLProviderArn) })
}

// TagSAMLProvider adds and replaces tags; their keys differ in case.
func (s *service) TagSAMLProvider(ctx context.Context, c *gate.Call, in *shape.TagSAMLProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.TagSAMLProvider(c.Account(), in.SAMLProviderArn, entityTags(in.Tags))
	})
}

// UntagSAMLProvider removes tags.
func (s *service) UntagSAMLProvider(ctx context.Context, c *gate.Call, in *shape.UntagSAMLProviderRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.UntagSAMLProvider(c.Account(), in.SAMLProviderArn, in.TagKeys)
	})
}

// ListSAMLProviderTags lists the tags of a provider.
func (s *service) ListSAMLProviderTags(_ context.Context, c *gate.Call, in *shape.ListSAMLProviderTagsRequest) (*shape.ListSAMLProviderTagsResponse, error) {
	p, err := samlProvider(c, in.SAMLProviderArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListSAMLProviderTagsResponse{Tags: tags, IsTruncated: truncated(next), Marker: next}, nil
}
