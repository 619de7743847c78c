package directory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// IssuedKey is a new access key with its secret in the clear: the only time that it is.
type IssuedKey struct {
	*entity.AccessKey
	Secret secret.Text
}

// keyOwner is a user or an account's root user as what they have in common: a list of keys.
type keyOwner struct {
	userID string
	keys   *[]string
	key    []byte
	record any
}

func (tx *Tx) keyOwner(t Target) (*keyOwner, error) {
	switch t.Kind {
	case entity.KindAccount:
		acct, err := tx.account(t.Account)
		if err != nil {
			return nil, err
		}
		return &keyOwner{acct.ID, &acct.RootKeys, entity.AccountKey(acct.ID), acct}, nil
	case entity.KindUser:
		u, err := tx.user(t.Account, t.Name)
		if err != nil {
			return nil, err
		}
		return &keyOwner{u.ID, &u.Keys, entity.UserKey(u.Account, u.ID), u}, nil
	default:
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: string(t.Kind), Message: "Access keys belong to users."}
	}
}

// CreateAccessKey makes an active access key for a user or a root user (S1-189, S1-190).
func (tx *Tx) CreateAccessKey(t Target) (k *IssuedKey, err error) {
	defer tx.note(&err)
	owner, err := tx.keyOwner(t)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return nil, err
	}
	if err := checkQuota(acct, AccessKeysPerUserQuota, len(*owner.keys)+1); err != nil {
		return nil, err
	}
	id, err := tx.newKeyID(t.Account)
	if err != nil {
		return nil, err
	}
	text, err := credential.NewSecret(tx.d.rand)
	if err != nil {
		return nil, fault.Wrap(err, "making a secret access key")
	}
	sealed, err := tx.d.ring.Seal(seal.AccessKeySecret, []byte(text.Reveal()), []byte(id))
	if err != nil {
		return nil, fault.Wrap(err, "sealing a secret access key")
	}
	k = &IssuedKey{&entity.AccessKey{ID: id, Account: t.Account, User: owner.userID, Sealed: sealed, CreatedAt: tx.now}, text}
	*owner.keys = append(*owner.keys, id)
	tx.put(owner.key, owner.record)
	tx.put(entity.AccessKeyKey(id), k.AccessKey)
	return k, nil
}

// newKeyID returns an unused access key ID.
func (tx *Tx) newKeyID(account string) (string, error) {
	for {
		id, err := credential.NewAccessKeyID(entity.PrefixLongTermKey, account, tx.d.rand)
		if err != nil {
			return "", fault.Wrap(err, "making an access key ID")
		}
		taken, err := read[entity.AccessKey](tx, entity.AccessKeyKey(id))
		if err != nil {
			return "", err
		}
		if taken == nil {
			return id, nil
		}
	}
}

// SetAccessKeyActive makes a key usable or unusable; its ID and secret stay (S1-192).
func (tx *Tx) SetAccessKeyActive(t Target, id string, active bool) (err error) {
	defer tx.note(&err)
	if _, _, err := tx.ownKey(t, id); err != nil {
		return err
	}
	k, err := must[entity.AccessKey](tx, entity.AccessKeyKey(id))
	if err != nil {
		return err
	}
	if k.Inactive == !active {
		return nil
	}
	k.Inactive, k.ChangedAt = !active, tx.now
	tx.put(entity.AccessKeyKey(id), k)
	return nil
}

// DeleteAccessKey deletes a key for good (S1-196).
func (tx *Tx) DeleteAccessKey(t Target, id string) (err error) {
	defer tx.note(&err)
	owner, i, err := tx.ownKey(t, id)
	if err != nil {
		return err
	}
	*owner.keys = slices.Delete(*owner.keys, i, i+1)
	tx.put(owner.key, owner.record)
	tx.txn.Delete(entity.AccessKeyKey(id))
	tx.txn.Delete(entity.KeyUsageKey(id))
	return nil
}

// ownKey finds a key among its owner's: one of somebody else does not exist here.
func (tx *Tx) ownKey(t Target, id string) (*keyOwner, int, error) {
	owner, err := tx.keyOwner(t)
	if err != nil {
		return nil, 0, err
	}
	i := slices.Index(*owner.keys, id)
	if i < 0 {
		return nil, 0, &fault.Error{Kind: fault.NotFound, Subject: id, Message: "The Access Key with id " + id + " cannot be found."}
	}
	return owner, i, nil
}
