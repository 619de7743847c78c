package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// serverCertificateRows are the permission rows of the operations on server certificates.
var serverCertificateRows = map[string]gate.Row{
	"UploadServerCertificate": {Decides: gate.ByPolicy, Checks: gate.Checks(uploadServerCertificateChecks)},
	"GetServerCertificate": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(serverCertificateCheck, "iam:GetServerCertificate",
			func(in *shape.GetServerCertificateRequest) string { return in.ServerCertificateName })},
	// The resource of a list call is all entities under its path prefix.
	"ListServerCertificates": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, in *shape.ListServerCertificatesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListServerCertificates", Resource: entity.ServerCertificateARN(c.Account(), orRoot(in.PathPrefix), "")}}
		})},
	"UpdateServerCertificate": {Decides: gate.ByPolicy, Checks: gate.Checks(updateServerCertificateChecks)},
	"DeleteServerCertificate": {Decides: gate.ByPolicy,
		Checks: on(serverCertificateCheck, "iam:DeleteServerCertificate",
			func(in *shape.DeleteServerCertificateRequest) string { return in.ServerCertificateName })},
	"TagServerCertificate": {Decides: gate.ByPolicy,
		Checks: tagging(serverCertificateCheck, "iam:TagServerCertificate", func(in *shape.TagServerCertificateRequest) (string, []shape.Tag) {
			return in.ServerCertificateName, in.Tags
		})},
	"UntagServerCertificate": {Decides: gate.ByPolicy,
		Checks: untagging(serverCertificateCheck, "iam:UntagServerCertificate", func(in *shape.UntagServerCertificateRequest) (string, []string) {
			return in.ServerCertificateName, in.TagKeys
		})},
	"ListServerCertificateTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(serverCertificateCheck, "iam:ListServerCertificateTags",
			func(in *shape.ListServerCertificateTagsRequest) string { return in.ServerCertificateName })},
}

// serverCertificateCheck asks for one action on a server certificate, as userCheck does on a user.
func serverCertificateCheck(c *gate.Call, action, name string) authorizer.Check {
	arn := entity.ServerCertificateARN(c.Account(), "/", name)
	if r, err := serverCertificate(c, name); err == nil {
		arn = r.ARN()
	}
	return authorizer.Check{Action: action, Resource: arn, Shown: "server certificate " + name}
}

// uploadServerCertificateChecks: a certificate with tags needs iam:TagServerCertificate on it too ("Tag IAM resources").
func uploadServerCertificateChecks(c *gate.Call, in *shape.UploadServerCertificateRequest) []authorizer.Check {
	upload := authorizer.Check{
		Action: "iam:UploadServerCertificate", Resource: entity.ServerCertificateARN(c.Account(), orRoot(in.Path), in.ServerCertificateName),
		RequestTags: entityTags(in.Tags),
	}
	return withTagging(upload, "iam:TagServerCertificate")
}

// updateServerCertificateChecks: a new name or path needs permission on the certificate as it is and as it will be
// (UpdateServerCertificate, API Reference).
func updateServerCertificateChecks(c *gate.Call, in *shape.UpdateServerCertificateRequest) []authorizer.Check {
	old := serverCertificateCheck(c, "iam:UpdateServerCertificate", in.ServerCertificateName)
	name, path := in.ServerCertificateName, "/"
	if r, err := serverCertificate(c, name); err == nil {
		name, path = r.Name, r.Path
	}
	name = deref(in.NewServerCertificateName, name)
	to := authorizer.Check{Action: old.Action, Shown: "server certificate " + name,
		Resource: entity.ServerCertificateARN(c.Account(), deref(in.NewPath, path), name)}
	if to.Resource == old.Resource {
		return []authorizer.Check{old}
	}
	return []authorizer.Check{old, to}
}

// UploadServerCertificate keeps a certificate with its private key; the answer is about the certificate alone (S1-319).
func (s *service) UploadServerCertificate(ctx context.Context, c *gate.Call, in *shape.UploadServerCertificateRequest) (*shape.UploadServerCertificateResponse, error) {
	pair, err := certificate.ParsePair(certificate.Upload{Body: in.CertificateBody, Chain: deref(in.CertificateChain, ""), Key: in.PrivateKey}, c.Now())
	if err != nil {
		return nil, err
	}
	n := directory.NewServerCertificate{Name: in.ServerCertificateName, Path: orRoot(in.Path), Pair: pair, Tags: entityTags(in.Tags)}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UploadServerCertificateResponse, error) {
		r, err := tx.UploadServerCertificate(c.Account(), n)
		if err != nil {
			return nil, err
		}
		return &shape.UploadServerCertificateResponse{ServerCertificateMetadata: new(certificateMetadata(r)), Tags: shapeTags(r.Tags)}, nil
	})
}

// certificateMetadata is what there is to know of a certificate beside itself.
func certificateMetadata(c *entity.ServerCertificate) shape.ServerCertificateMetadata {
	return shape.ServerCertificateMetadata{
		Arn: c.ARN(), Expiration: &c.ExpiresAt, Path: c.Path, ServerCertificateId: c.ID, ServerCertificateName: c.Name, UploadDate: &c.UploadedAt,
	}
}

// GetServerCertificate answers the certificate and its chain; nothing answers the private key (S1-321).
func (s *service) GetServerCertificate(_ context.Context, c *gate.Call, in *shape.GetServerCertificateRequest) (*shape.GetServerCertificateResponse, error) {
	r, err := serverCertificate(c, in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	out := shape.ServerCertificate{CertificateBody: r.Body, ServerCertificateMetadata: certificateMetadata(r), Tags: shapeTags(r.Tags)}
	if r.Chain != "" {
		out.CertificateChain = &r.Chain
	}
	if out.Tags == nil {
		out.Tags = []shape.Tag{} // as AWS answers it
	}
	return &shape.GetServerCertificateResponse{ServerCertificate: out}, nil
}

// ListServerCertificates lists certificates in the order of their names, without themselves and their tags.
func (s *service) ListServerCertificates(_ context.Context, c *gate.Call, in *shape.ListServerCertificatesRequest) (*shape.ListServerCertificatesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	type item = snapshot.Item[*entity.ServerCertificate]
	some, next := page.Take(snapshot.Items[*entity.ServerCertificate](account, after), in.MaxItems,
		func(it item) bool { return inPath(it.Record.Path, in.PathPrefix) },
		func(it item) string { return entity.FoldName(it.Record.Name) })
	out := &shape.ListServerCertificatesResponse{IsTruncated: truncated(next), Marker: next,
		ServerCertificateMetadataList: make([]shape.ServerCertificateMetadata, 0, len(some))}
	for _, it := range some {
		out.ServerCertificateMetadataList = append(out.ServerCertificateMetadataList, certificateMetadata(it.Record))
	}
	return out, nil
}

// UpdateServerCertificate changes a certificate's name or path.
func (s *service) UpdateServerCertificate(ctx context.Context, c *gate.Call, in *shape.UpdateServerCertificateRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.RenameServerCertificate(c.Account(), in.ServerCertificateName, directory.Rename{Name: in.NewServerCertificateName, Path: in.NewPath})
	})
}

// DeleteServerCertificate deletes a certificate that nothing uses.
func (s *service) DeleteServerCertificate(ctx context.Context, c *gate.Call, in *shape.DeleteServerCertificateRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeleteServerCertificate(c.Account(), in.ServerCertificateName)
	})
}

// TagServerCertificate adds tags to a certificate or replaces their values.
func (s *service) TagServerCertificate(ctx context.Context, c *gate.Call, in *shape.TagServerCertificateRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.TagServerCertificate(c.Account(), in.ServerCertificateName, entityTags(in.Tags))
	})
}

// UntagServerCertificate removes tags; keys that are not there are no error.
func (s *service) UntagServerCertificate(ctx context.Context, c *gate.Call, in *shape.UntagServerCertificateRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.UntagServerCertificate(c.Account(), in.ServerCertificateName, in.TagKeys)
	})
}

// ListServerCertificateTags lists a certificate's tags.
func (s *service) ListServerCertificateTags(_ context.Context, c *gate.Call, in *shape.ListServerCertificateTagsRequest) (*shape.ListServerCertificateTagsResponse, error) {
	r, err := serverCertificate(c, in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(r.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListServerCertificateTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}

// serverCertificate finds a server certificate of the caller's account.
func serverCertificate(c *gate.Call, name string) (*entity.ServerCertificate, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	r, ok := snapshot.ItemNamed[*entity.ServerCertificate](account, name)
	if !ok {
		return nil, fault.New(fault.NotFound, "The Server Certificate with name %s cannot be found.", name)
	}
	return r.Record, nil
}
