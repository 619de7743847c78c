package iam

import (
	"context"
	"time"

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

// signingCertificateRows are the permission rows of the operations on signing certificates: all of them are about the owner, who
// is the caller where no user is named, the root user too.
var signingCertificateRows = map[string]gate.Row{
	"UploadSigningCertificate": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:UploadSigningCertificate", gate.Input[*shape.UploadSigningCertificateRequest](c).UserName)
	}},
	"ListSigningCertificates": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:ListSigningCertificates", gate.Input[*shape.ListSigningCertificatesRequest](c).UserName)
	}},
	"UpdateSigningCertificate": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:UpdateSigningCertificate", gate.Input[*shape.UpdateSigningCertificateRequest](c).UserName)
	}},
	"DeleteSigningCertificate": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:DeleteSigningCertificate", gate.Input[*shape.DeleteSigningCertificateRequest](c).UserName)
	}},
}

// UploadSigningCertificate gives the owner a certificate that is valid now.
func (s *service) UploadSigningCertificate(ctx context.Context, c *gate.Call, in *shape.UploadSigningCertificateRequest) (*shape.UploadSigningCertificateResponse, error) {
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	cert, err := certificate.ParseSigning(in.CertificateBody, c.Now())
	if err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UploadSigningCertificateResponse, error) {
		r, err := tx.UploadSigningCertificate(t, cert)
		if err != nil {
			return nil, err
		}
		return &shape.UploadSigningCertificateResponse{Certificate: shapeSigningCertificate(r, spelled(c, t))}, nil
	})
}

func shapeSigningCertificate(c *entity.SigningCertificate, name string) shape.SigningCertificate {
	return shape.SigningCertificate{
		CertificateBody: c.Body, CertificateId: c.ID, Status: activity(c.Inactive), UploadDate: &c.UploadedAt, UserName: name,
	}
}

// ListSigningCertificates lists the owner's certificates, the oldest first.
func (s *service) ListSigningCertificates(_ context.Context, c *gate.Call, in *shape.ListSigningCertificatesRequest) (*shape.ListSigningCertificatesResponse, error) {
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	account, owned, name, err := ownedBy(c, t)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	all, key := byAge(snapshot.Owned[*entity.SigningCertificate](account, owned), func(c *entity.SigningCertificate) time.Time { return c.UploadedAt }, after)
	some, next := page.Take(all, in.MaxItems, nil, key)
	out := &shape.ListSigningCertificatesResponse{IsTruncated: truncated(next), Marker: next, Certificates: make([]shape.SigningCertificate, 0, len(some))}
	for _, r := range some {
		out.Certificates = append(out.Certificates, shapeSigningCertificate(r, name))
	}
	return out, nil
}

// UpdateSigningCertificate makes a certificate usable or unusable.
func (s *service) UpdateSigningCertificate(ctx context.Context, c *gate.Call, in *shape.UpdateSigningCertificateRequest) error {
	t, err := owner(c, in.UserName)
	if err != nil {
		return err
	}
	active, err := activate(in.Status, "a signing certificate", fault.InvalidInput)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetSigningCertificateActive(t, in.CertificateId, active)
	})
}

// DeleteSigningCertificate deletes a certificate.
func (s *service) DeleteSigningCertificate(ctx context.Context, c *gate.Call, in *shape.DeleteSigningCertificateRequest) error {
	t, err := owner(c, in.UserName)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteSigningCertificate(t, in.CertificateId) })
}
