package directory

import (
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/sshkey"
)

// UploadSSHKey gives a user an SSH public key, active at once (S1-306, S1-307). The same key in another text is the same key;
// other users may have it too ("UploadSSHPublicKey" in the IAM API Reference).
func (tx *Tx) UploadSSHKey(account, user string, key *sshkey.Key) (k *entity.SSHKey, err error) {
	defer tx.note(&err)
	u, err := tx.user(account, user)
	if err != nil {
		return nil, err
	}
	body := key.SSH()
	for _, id := range u.Owned[entity.KindSSHKey] {
		have, err := itemByID[entity.SSHKey](tx, account, id)
		if err != nil {
			return nil, err
		}
		if have.Body == body {
			return nil, &fault.Error{Kind: fault.DuplicatePublicKey, Subject: id,
				Message: "The SSH public key is already associated with the user " + u.Name + "."}
		}
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if err := checkQuota(acct, SSHPublicKeysPerUserQuota, len(u.Owned[entity.KindSSHKey])+1); err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixPublicKey)
	if err != nil {
		return nil, err
	}
	k = &entity.SSHKey{ID: id, Account: account, User: u.ID, UploadedAt: tx.now, Body: body, Fingerprint: key.Fingerprint()}
	own(&u.Owned, k)
	tx.put(entity.UserKey(account, u.ID), u)
	return k, tx.addItem(acct, k, "")
}

// SetSSHKeyActive makes a key usable or unusable.
func (tx *Tx) SetSSHKeyActive(account, user, id string, active bool) (err error) {
	defer tx.note(&err)
	_, k, err := ownItem[entity.SSHKey](tx, OfUser(account, user), id, noPublicKey)
	if err != nil || k.Inactive == !active {
		return err
	}
	k.Inactive = !active
	tx.putItem(k)
	return nil
}

// DeleteSSHKey deletes a key for good.
func (tx *Tx) DeleteSSHKey(account, user, id string) (err error) {
	defer tx.note(&err)
	o, k, err := ownItem[entity.SSHKey](tx, OfUser(account, user), id, noPublicKey)
	if err != nil {
		return err
	}
	return tx.removeOwned(o, k)
}

func noPublicKey(id string) string { return "The Public Key with id " + id + " cannot be found." }
