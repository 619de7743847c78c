package directory

import (
	"encoding/base32"
	"io"
	"slices"
	"strings"
	"time"

	"crypto/rand"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Limits of SAML providers.
const (
	maxProviderName = 128
	maxPrivateKeys  = 2
	// maxStoredMetadata is what a metadata document may weigh when deflated: more does not fit in one transaction of every
	// store. Documents of identity providers deflate to a few thousand bytes.
	maxStoredMetadata = 900_000
	// Metadata that states no end of validity is good for a hundred years, as on AWS.
	unlimitedYears = 100
)

// The encryption modes of a SAML provider.
const (
	EncryptionRequired = "Required"
	EncryptionAllowed  = "Allowed"
)

// SAMLMetadata is a metadata document with what was read from it.
type SAMLMetadata struct {
	Document string
	Parsed   *saml.Metadata
}

// NewSAMLProvider is a SAML provider to be made.
type NewSAMLProvider struct {
	Name           string
	Metadata       SAMLMetadata
	EncryptionMode string      // empty, EncryptionAllowed or EncryptionRequired
	PrivateKey     secret.Text // PEM; zero means none
	Tags           []entity.Tag
}

// SAMLProviderUpdate is what UpdateSAMLProvider changes; what is nil or zero stays.
type SAMLProviderUpdate struct {
	Metadata         *SAMLMetadata
	EncryptionMode   *string
	AddPrivateKey    secret.Text
	RemovePrivateKey *string // the ID of a key
}

// SAMLOptions are the operator's settings of a SAML provider; nil leaves one as it is (D18, D19).
type SAMLOptions struct {
	SingleUse *bool // an assertion is accepted once
	AllowCBC  *bool // assertions encrypted with AES-CBC are accepted
}

// CreateSAMLProvider makes a SAML provider (S2-162). Its private key is checked and sealed.
func (tx *Tx) CreateSAMLProvider(account string, n NewSAMLProvider) (p *entity.SAMLProvider, err error) {
	defer tx.note(&err)
	if err := checkProviderName(n.Name); err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	p = &entity.SAMLProvider{Account: account, Name: n.Name, EncryptionMode: n.EncryptionMode, CreatedAt: tx.now}
	if p.ID, err = tx.opaqueID(); err != nil {
		return nil, err
	}
	if p.Tags, err = mergeTags(acct, entity.KindSAMLProvider, nil, n.Tags); err != nil {
		return nil, err
	}
	if err := tx.setMetadata(acct, p, n.Metadata); err != nil {
		return nil, err
	}
	if !n.PrivateKey.IsZero() {
		if err := tx.addPrivateKey(p, n.PrivateKey); err != nil {
			return nil, err
		}
	}
	if err := checkEncryption(p); err != nil {
		return nil, err
	}
	return p, tx.addItem(acct, p, SAMLProvidersQuota)
}

// checkProviderName holds a name to [\w._-]+ (S4-M56).
func checkProviderName(name string) error {
	ok := name != "" && len(name) <= maxProviderName
	for i := range len(name) {
		ok = ok && (isAlphanumeric(name[i]) || strings.IndexByte("._-", name[i]) >= 0)
	}
	if !ok {
		return &fault.Error{Kind: fault.Invalid, Subject: "name", Message: "The specified value for name is invalid. " +
			"It must contain only alphanumeric characters and/or the following: ._-"}
	}
	return nil
}

// opaqueID returns an ID of 26 capital letters and digits, for what AWS identifies by [A-Z0-9]{22,64}.
func (tx *Tx) opaqueID() (string, error) {
	source := tx.d.rand
	if source == nil {
		source = rand.Reader
	}
	var raw [16]byte
	if _, err := io.ReadFull(source, raw[:]); err != nil {
		return "", fault.Wrap(err, "making an ID")
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:]), nil
}

// setMetadata gives p a document and what it says.
func (tx *Tx) setMetadata(acct *entity.Account, p *entity.SAMLProvider, m SAMLMetadata) error {
	p.IdPs, p.ValidUntil = nil, m.Parsed.ValidUntil.UTC()
	if m.Parsed.ValidUntil.IsZero() {
		p.ValidUntil = tx.now.AddDate(unlimitedYears, 0, 0)
	}
	p.ValidUntil = p.ValidUntil.Truncate(time.Second)
	keys := 0
	for _, idp := range m.Parsed.IdPs {
		p.IdPs = append(p.IdPs, entity.SAMLIdP{EntityID: idp.EntityID, Certificates: idp.Certificates})
		keys += len(idp.Certificates)
	}
	if err := checkQuota(acct, IdPsPerSAMLProviderQuota, len(p.IdPs)); err != nil {
		return err
	}
	if err := checkQuota(acct, KeysPerSAMLProviderQuota, keys); err != nil {
		return err
	}
	if err := p.SetDocument(m.Document); err != nil {
		return err
	}
	if len(p.Metadata) > maxStoredMetadata {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: "SAMLMetadataDocument",
			Message: "The SAML metadata document is too large to be stored."}
	}
	return nil
}

// addPrivateKey seals one more key of p.
func (tx *Tx) addPrivateKey(p *entity.SAMLProvider, text secret.Text) error {
	if len(p.PrivateKeys) >= maxPrivateKeys {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: "AddPrivateKey", Message: "Private key limit of 2 is reached."}
	}
	if _, err := saml.ParsePrivateKey([]byte(text.Reveal())); err != nil {
		return err
	}
	id, err := tx.opaqueID()
	if err != nil {
		return err
	}
	sealed, err := tx.d.ring.Seal(seal.PrivateKey, []byte(text.Reveal()), []byte(id))
	if err != nil {
		return fault.Wrap(err, "sealing a private key")
	}
	p.PrivateKeys = append(p.PrivateKeys, entity.SAMLPrivateKey{ID: id, AddedAt: tx.now, Sealed: sealed})
	return nil
}

func removePrivateKey(p *entity.SAMLProvider, id string) error {
	i := slices.IndexFunc(p.PrivateKeys, func(k entity.SAMLPrivateKey) bool { return k.ID == id })
	if i < 0 {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "RemovePrivateKey",
			Message: "Failed to remove private key because the Key ID does not match a private key."}
	}
	if p.PrivateKeys = slices.Delete(p.PrivateKeys, i, i+1); len(p.PrivateKeys) == 0 && p.EncryptionMode == EncryptionRequired {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "RemovePrivateKey", Message: "Failed to remove private key."}
	}
	return nil
}

// checkEncryption holds the mode to what the provider can do.
func checkEncryption(p *entity.SAMLProvider) error {
	switch p.EncryptionMode {
	case "", EncryptionAllowed:
		return nil
	case EncryptionRequired:
		if len(p.PrivateKeys) > 0 {
			return nil
		}
		return &fault.Error{Kind: fault.InvalidInput, Subject: "AssertionEncryptionMode",
			Message: "Unable to set assertion encryption mode to Required because no private key is provided."}
	}
	return &fault.Error{Kind: fault.Invalid, Subject: "assertionEncryptionMode", Message: "The specified value for assertionEncryptionMode is invalid."}
}

// UpdateSAMLProvider changes a SAML provider. Keys are added and removed in requests of their own ("UpdateSAMLProvider" in the
// IAM API Reference; sentences: "Troubleshoot SAML federation with IAM").
func (tx *Tx) UpdateSAMLProvider(account, arn string, u SAMLProviderUpdate) (p *entity.SAMLProvider, err error) {
	defer tx.note(&err)
	if p, err = tx.samlProvider(account, arn); err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	adds, removes := !u.AddPrivateKey.IsZero(), u.RemovePrivateKey != nil
	switch {
	case u.Metadata == nil && u.EncryptionMode == nil && !adds && !removes:
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: arn,
			Message: "Unable to update identity provider. No updates are defined for metadata or encryption assertion."}
	case adds && removes:
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: arn,
			Message: "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."}
	}
	if u.Metadata != nil {
		if err := tx.setMetadata(acct, p, *u.Metadata); err != nil {
			return nil, err
		}
	}
	if u.EncryptionMode != nil {
		p.EncryptionMode = *u.EncryptionMode
	}
	switch {
	case adds:
		err = tx.addPrivateKey(p, u.AddPrivateKey)
	case removes:
		err = removePrivateKey(p, *u.RemovePrivateKey)
	}
	if err == nil {
		err = checkEncryption(p)
	}
	if err != nil {
		return nil, err
	}
	tx.putItem(p)
	return p, nil
}

// DeleteSAMLProvider deletes a SAML provider, whatever roles name it: nobody can use them with it any more.
func (tx *Tx) DeleteSAMLProvider(account, arn string) (err error) {
	defer tx.note(&err)
	p, err := tx.samlProvider(account, arn)
	if err != nil {
		return err
	}
	return tx.dropItem(p)
}

// TagSAMLProvider adds tags, and replaces those with the same keys.
func (tx *Tx) TagSAMLProvider(account, arn string, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	p, err := tx.samlProvider(account, arn)
	if err != nil {
		return err
	}
	return tx.tagItem(p, &p.Tags, tags)
}

// UntagSAMLProvider removes tags; keys that it does not have are no error.
func (tx *Tx) UntagSAMLProvider(account, arn string, keys []string) (err error) {
	defer tx.note(&err)
	p, err := tx.samlProvider(account, arn)
	if err != nil {
		return err
	}
	tx.untagItem(p, &p.Tags, keys)
	return nil
}

// SetSAMLOptions is the operator's verb.
func (tx *Tx) SetSAMLOptions(account, arn string, o SAMLOptions) (p *entity.SAMLProvider, err error) {
	defer tx.note(&err)
	if p, err = tx.samlProvider(account, arn); err != nil {
		return nil, err
	}
	if o.SingleUse != nil {
		p.SingleUse = *o.SingleUse
	}
	if o.AllowCBC != nil {
		p.AllowCBC = *o.AllowCBC
	}
	tx.putItem(p)
	return p, nil
}

// samlProvider returns the provider with exactly this ARN, to be changed.
func (tx *Tx) samlProvider(account, arn string) (*entity.SAMLProvider, error) {
	name, ok := strings.CutPrefix(arn, entity.SAMLProviderARN(account, ""))
	if !ok || checkProviderName(name) != nil {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: arn, Message: "ARN " + arn + " is not valid."}
	}
	p, err := item[entity.SAMLProvider](tx, account, name)
	if err != nil {
		return nil, err
	}
	if p == nil || p.Name != name {
		return nil, &fault.Error{Kind: fault.NotFound, Subject: arn, Message: "Manifest not found for arn " + arn}
	}
	return p, nil
}
