package directory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// UploadSigningCertificate gives a user or a root user a signing certificate, active at once (S1-310). A certificate belongs to
// one owner of an account: uploaded again by the same owner it is [fault.Exists], by another [fault.DuplicateCertificate].
func (tx *Tx) UploadSigningCertificate(t Target, cert *certificate.Signing) (c *entity.SigningCertificate, err error) {
	defer tx.note(&err)
	o, err := tx.owner(t)
	if err != nil {
		return nil, err
	}
	taken, err := tx.named(t.Account, entity.KindSigningCertificate, cert.ID())
	if err != nil {
		return nil, err
	}
	if taken != nil {
		if slices.Contains((*o.owned)[entity.KindSigningCertificate], taken.ID) {
			return nil, &fault.Error{Kind: fault.Exists, Subject: taken.ID, Message: "The Certificate with id " + taken.ID + " already exists."}
		}
		return nil, &fault.Error{Kind: fault.DuplicateCertificate, Subject: taken.ID,
			Message: "The certificate is already associated with another user of the account."}
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return nil, err
	}
	if err := checkQuota(acct, SigningCertificatesPerUserQuota, len((*o.owned)[entity.KindSigningCertificate])+1); err != nil {
		return nil, err
	}
	c = &entity.SigningCertificate{ID: cert.ID(), Account: t.Account, User: o.id, UploadedAt: tx.now, Body: cert.Text()}
	own(o.owned, c)
	o.save()
	return c, tx.addItem(acct, c, "")
}

// SetSigningCertificateActive makes a certificate usable or unusable.
func (tx *Tx) SetSigningCertificateActive(t Target, id string, active bool) (err error) {
	defer tx.note(&err)
	_, c, err := ownItem[entity.SigningCertificate](tx, t, id, noCertificate)
	if err != nil || c.Inactive == !active {
		return err
	}
	c.Inactive, c.ChangedAt = !active, tx.now
	tx.putItem(c)
	return nil
}

// DeleteSigningCertificate deletes a certificate for good.
func (tx *Tx) DeleteSigningCertificate(t Target, id string) (err error) {
	defer tx.note(&err)
	o, c, err := ownItem[entity.SigningCertificate](tx, t, id, noCertificate)
	if err != nil {
		return err
	}
	return tx.removeOwned(o, c)
}

func noCertificate(id string) string { return "The Certificate with id " + id + " cannot be found." }
