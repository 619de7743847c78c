package directory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
)

const maxCertificateName = 128

// NewServerCertificate is a server certificate to be kept.
type NewServerCertificate struct {
	Name string
	Path string // empty means /
	Pair *certificate.Pair
	Tags []entity.Tag
}

// UploadServerCertificate keeps a server certificate and its private key, which is sealed and leaves the record for services
// only (S1-313, S1-322).
func (tx *Tx) UploadServerCertificate(account string, n NewServerCertificate) (c *entity.ServerCertificate, err error) {
	defer tx.note(&err)
	if err := checkName("serverCertificateName", n.Name, maxCertificateName); err != nil {
		return nil, err
	}
	path, err := checkPath(n.Path, false)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(acct, entity.KindServerCertificate, nil, n.Tags)
	if err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixCertificate)
	if err != nil {
		return nil, err
	}
	sealed, err := tx.d.ring.Seal(seal.PrivateKey, []byte(n.Pair.Key().Reveal()), []byte(id))
	if err != nil {
		return nil, fault.Wrap(err, "sealing a private key")
	}
	c = &entity.ServerCertificate{ID: id, Account: account, Name: n.Name, Path: path, UploadedAt: tx.now, ExpiresAt: n.Pair.Expires(),
		Body: n.Pair.Body(), Chain: n.Pair.Chain(), Sealed: sealed, Tags: tags}
	return c, tx.addItem(acct, c, ServerCertificatesQuota)
}

// RenameServerCertificate changes a certificate's name or path; its ID stays (S1-324).
func (tx *Tx) RenameServerCertificate(account, name string, to Rename) (err error) {
	defer tx.note(&err)
	c, err := tx.serverCertificate(account, name)
	if err != nil {
		return err
	}
	was := c.Place()
	if to.Name != nil {
		if err := checkName("newServerCertificateName", *to.Name, maxCertificateName); err != nil {
			return err
		}
		c.Name = *to.Name
	}
	if to.Path != nil {
		if c.Path, err = checkPath(*to.Path, false); err != nil {
			return err
		}
	}
	return tx.moveItem(was, c)
}

// DeleteServerCertificate deletes a certificate that nothing uses, and its private key with it.
func (tx *Tx) DeleteServerCertificate(account, name string) (err error) {
	defer tx.note(&err)
	c, err := tx.serverCertificate(account, name)
	if err != nil {
		return err
	}
	if len(c.UsedBy) > 0 {
		return deleteConflict("Certificate: " + c.ID + " is currently in use by " + c.UsedBy[0] + ". Please remove it first before deleting it from IAM.")
	}
	return tx.dropItem(c)
}

// UseServerCertificate notes that the resource with that ARN uses a certificate: it cannot be deleted before
// [Tx.ReleaseServerCertificate]. It is for services, in the transaction that makes the resource use it. Twice is once.
func (tx *Tx) UseServerCertificate(account, name, resource string) (c *entity.ServerCertificate, err error) {
	defer tx.note(&err)
	c, err = tx.serverCertificate(account, name)
	if err != nil {
		return nil, err
	}
	if i, found := slices.BinarySearch(c.UsedBy, resource); !found {
		c.UsedBy = slices.Insert(c.UsedBy, i, resource)
		tx.putItem(c)
	}
	return c, nil
}

// ReleaseServerCertificate notes that a resource does not use a certificate any more; one that did not is no error.
func (tx *Tx) ReleaseServerCertificate(account, name, resource string) (err error) {
	defer tx.note(&err)
	c, err := tx.serverCertificate(account, name)
	if err != nil {
		return err
	}
	if i, found := slices.BinarySearch(c.UsedBy, resource); found {
		c.UsedBy = slices.Delete(c.UsedBy, i, i+1)
		tx.putItem(c)
	}
	return nil
}

// TagServerCertificate adds tags to a certificate, and replaces those with the same keys.
func (tx *Tx) TagServerCertificate(account, name string, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	c, err := tx.serverCertificate(account, name)
	if err != nil {
		return err
	}
	return tx.tagItem(c, &c.Tags, tags)
}

// UntagServerCertificate removes tags from a certificate; keys that it does not have are no error.
func (tx *Tx) UntagServerCertificate(account, name string, keys []string) (err error) {
	defer tx.note(&err)
	c, err := tx.serverCertificate(account, name)
	if err != nil {
		return err
	}
	tx.untagItem(c, &c.Tags, keys)
	return nil
}

// serverCertificate returns a certificate that must exist.
func (tx *Tx) serverCertificate(account, name string) (*entity.ServerCertificate, error) {
	c, err := item[entity.ServerCertificate](tx, account, name)
	if err == nil && c == nil {
		return nil, &fault.Error{Kind: fault.NotFound, Subject: name, Message: "The Server Certificate with name " + name + " cannot be found."}
	}
	return c, err
}
