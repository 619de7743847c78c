package directory

import (
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// passwordServices are the services whose credentials are a user name and a password; those that have API keys are
// [credential.HasAPIKeys] ("CreateServiceSpecificCredential" and "API keys for AWS services" in AWS's documentation).
var passwordServices = map[string]bool{"codecommit.amazonaws.com": true, "cassandra.amazonaws.com": true}

// CheckCredentialService fails unless there are service-specific credentials for a service.
func CheckCredentialService(service string) error {
	if passwordServices[service] || credential.HasAPIKeys(service) {
		return nil
	}
	return &fault.Error{Kind: fault.UnsupportedService, Subject: service,
		Message: "No such service " + service + " is supported for Service Specific Credentials"}
}

// IssuedServiceCredential is a service-specific credential with its secret in the clear: the only time that it is.
type IssuedServiceCredential struct {
	*entity.ServiceCredential
	Secret secret.Text
}

// NewServiceCredential is a service-specific credential to be made.
type NewServiceCredential struct {
	Service string // codecommit.amazonaws.com
	Days    int    // until it expires; zero means never. API keys only
}

const (
	maxCredentialDays = 36600
	aliasesInOrder    = 8 // names that are tried before a random one is taken
)

// CreateServiceCredential makes a credential for one service, active at once (S1-300 to S1-303). Its alias is the user's name at
// the account, with a number where that is taken: an alias stays as it is when the user is renamed (S1-304), so that another
// user may come by the name.
func (tx *Tx) CreateServiceCredential(account, user string, n NewServiceCredential) (c *IssuedServiceCredential, err error) {
	defer tx.note(&err)
	if err := CheckCredentialService(n.Service); err != nil {
		return nil, err
	}
	if n.Days < 0 || n.Days > maxCredentialDays || n.Days > 0 && !credential.HasAPIKeys(n.Service) {
		return nil, &fault.Error{Kind: fault.Invalid, Subject: "credentialAgeDays",
			Message: "CredentialAgeDays must be 1 to 36600, and is valid only for services that support long-term API keys."}
	}
	u, err := tx.user(account, user)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	same := 1
	for _, id := range u.Owned[entity.KindServiceCredential] {
		have, err := itemByID[entity.ServiceCredential](tx, account, id)
		if err != nil {
			return nil, err
		}
		if have.Service == n.Service {
			same++
		}
	}
	if err := checkQuota(acct, ServiceSpecificCredentialsPerUserQuota, same); err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixCredential)
	if err != nil {
		return nil, err
	}
	alias, err := tx.newAlias(account, n.Service, u.Name, id)
	if err != nil {
		return nil, err
	}
	record := &entity.ServiceCredential{ID: id, Account: account, User: u.ID, Service: n.Service, Alias: alias, CreatedAt: tx.now}
	if n.Days > 0 {
		record.ExpiresAt = tx.now.Add(time.Duration(n.Days) * 24 * time.Hour)
	}
	text, err := tx.newServiceSecret(record)
	if err != nil {
		return nil, err
	}
	own(&u.Owned, record)
	tx.put(entity.UserKey(account, u.ID), u)
	return &IssuedServiceCredential{record, text}, tx.addItem(acct, record, "")
}

// newAlias returns an alias that nobody of the account has for the service: alice-at-123456789012, then
// alice+1-at-123456789012. After a few, the credential's own ID makes one.
func (tx *Tx) newAlias(account, service, user, id string) (string, error) {
	for i := range aliasesInOrder {
		name := user
		if i > 0 {
			name = fmt.Sprintf("%s+%d", user, i)
		}
		alias := name + "-at-" + account
		taken, err := tx.named(account, entity.KindServiceCredential, entity.ServiceCredentialName(service, alias))
		if err != nil {
			return "", err
		}
		if taken == nil {
			return alias, nil
		}
	}
	return user + "+" + id + "-at-" + account, nil
}

// newServiceSecret gives a credential a new secret and returns it.
func (tx *Tx) newServiceSecret(c *entity.ServiceCredential) (secret.Text, error) {
	var text secret.Text
	var err error
	if credential.HasAPIKeys(c.Service) {
		text, err = credential.NewAPIKey(c.Service, c.Alias, tx.d.rand)
	} else {
		text, err = credential.NewServicePassword(tx.d.rand)
	}
	if err != nil {
		return secret.Text{}, fault.Wrap(err, "making the secret of a service-specific credential")
	}
	c.Sealed, err = tx.d.ring.Seal(seal.ServiceSecret, credential.ServiceSecretDigest(text), []byte(c.ID))
	return text, fault.Wrap(err, "sealing the digest of a service-specific credential")
}

// ResetServiceCredential gives a credential a new secret: the old one is not valid any more (S1-301). All else stays, the
// time at which it expires too.
func (tx *Tx) ResetServiceCredential(t Target, id string) (c *IssuedServiceCredential, err error) {
	defer tx.note(&err)
	_, record, err := ownItem[entity.ServiceCredential](tx, t, id, noServiceCredential)
	if err != nil {
		return nil, err
	}
	text, err := tx.newServiceSecret(record)
	if err != nil {
		return nil, err
	}
	tx.putItem(record)
	return &IssuedServiceCredential{record, text}, nil
}

// SetServiceCredentialActive makes a credential usable or unusable (S1-302). One that has expired stays unusable.
func (tx *Tx) SetServiceCredentialActive(t Target, id string, active bool) (err error) {
	defer tx.note(&err)
	_, c, err := ownItem[entity.ServiceCredential](tx, t, id, noServiceCredential)
	if err != nil || c.Inactive == !active {
		return err
	}
	c.Inactive = !active
	tx.putItem(c)
	return nil
}

// DeleteServiceCredential deletes a credential for good.
func (tx *Tx) DeleteServiceCredential(t Target, id string) (err error) {
	defer tx.note(&err)
	o, c, err := ownItem[entity.ServiceCredential](tx, t, id, noServiceCredential)
	if err != nil {
		return err
	}
	return tx.removeOwned(o, c)
}

func noServiceCredential(id string) string { return "No such credential " + id + " exists" }

// ServiceCredentialExpired reports whether a credential has expired by then.
func ServiceCredentialExpired(c *entity.ServiceCredential, now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

// VerifyServiceCredential reports whether what was presented to a service is the secret of this credential, which must be active
// and not expired. It is for services, which find the record by the alias that came with the secret
// ([entity.ServiceCredentialName], [credential.APIKeyAlias]); a nil record verifies nothing. The comparison takes the same time
// whatever is presented. An error says that the record cannot be opened; then nothing is verified.
func VerifyServiceCredential(ring Sealer, c *entity.ServiceCredential, presented secret.Text, now time.Time) (bool, error) {
	digest := credential.ServiceSecretDigest(presented)
	if c == nil || c.Inactive || ServiceCredentialExpired(c, now) {
		return false, nil
	}
	kept, err := ring.Open(seal.ServiceSecret, c.Sealed, []byte(c.ID))
	if err != nil {
		return false, fault.Wrap(err, "opening the digest of a service-specific credential")
	}
	return subtle.ConstantTimeCompare(kept, digest) == 1, nil
}
