package directory

import (
	"fmt"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Items of all kinds are entered, found and taken out here, so that the indexes, the counts and the lists of their owners hold
// for every kind. What is particular to a kind is in the kind's own file.

// addItem enters a new item. Its name must be free and the count of its kind within the quota; an empty quota is none. Its
// owner, if it has one, is the caller's to save with the item in its list.
func (tx *Tx) addItem(acct *entity.Account, it entity.Item, quota string) error {
	p := it.Place()
	enter := tx.enter
	if p.Unique {
		enter = tx.enlist
	}
	if err := enter(acct, p.NameRef(it.Kind()), quota); err != nil {
		return err
	}
	tx.putItem(it)
	return nil
}

// putItem writes an item that is there already and keeps its ID, name and path.
func (tx *Tx) putItem(it entity.Item) { tx.put(entity.KeyOf(it), it) }

// moveItem writes an item that had another name or path: was is its place before.
func (tx *Tx) moveItem(was entity.Place, it entity.Item) error {
	if err := tx.relist(was.NameRef(it.Kind()), it.Place().NameRef(it.Kind())); err != nil {
		return err
	}
	tx.putItem(it)
	return nil
}

// dropItem takes an item out. Its owner, if it has one, is the caller's to save without it.
func (tx *Tx) dropItem(it entity.Item) error {
	p := it.Place()
	tx.txn.Delete(entity.KeyOf(it))
	if p.Unique {
		return tx.delist(p.NameRef(it.Kind()))
	}
	return tx.leave(p.NameRef(it.Kind()))
}

// item returns the item of that name, in any case; nil where there is none.
func item[T any, P interface {
	*T
	entity.Item
}](tx *Tx, account, name string) (P, error) {
	ref, err := tx.named(account, P(nil).Kind(), name)
	if err != nil || ref == nil {
		return nil, err
	}
	return itemByID[T, P](tx, account, ref.ID)
}

// itemByID returns an item that another record refers to.
func itemByID[T any, P interface {
	*T
	entity.Item
}](tx *Tx, account, id string) (P, error) {
	record, err := must[T](tx, entity.ItemKey(account, P(nil).Kind(), id))
	return P(record), err
}

// own enters an item into its owner's list.
func own(list *entity.Owned, it entity.Item) {
	if *list == nil {
		*list = make(entity.Owned)
	}
	(*list)[it.Kind()] = append((*list)[it.Kind()], it.Place().ID)
}

// disown takes an item out of its owner's list.
func disown(list *entity.Owned, it entity.Item) error {
	ids := (*list)[it.Kind()]
	i := slices.Index(ids, it.Place().ID)
	if i < 0 {
		return fmt.Errorf("directory: the owner of %s %s does not list it", it.Kind(), it.Place().ID)
	}
	if ids = slices.Delete(ids, i, i+1); len(ids) > 0 {
		(*list)[it.Kind()] = ids
		return nil
	}
	if delete(*list, it.Kind()); len(*list) == 0 {
		*list = nil
	}
	return nil
}

// conflicts says, in the order in which they are looked for, what must go before a user or role does (S1-128, S3-128).
var conflicts = []struct {
	kind    entity.Kind
	message string
}{
	{entity.KindLoginProfile, "Cannot delete entity, must delete login profile first."},
	{entity.KindMFADevice, "Cannot delete entity, must delete MFA device first."},
	{entity.KindSigningCertificate, "Cannot delete entity, must delete signing certificate first."},
	{entity.KindSSHKey, "Cannot delete entity, must delete SSH public keys first."},
	{entity.KindServiceCredential, "Cannot delete entity, must delete service specific credentials first."},
	{entity.KindInstanceProfile, "Cannot delete entity, must remove roles from instance profile first."},
}

// unowned fails while a user or role has items.
func unowned(owned entity.Owned) error {
	for _, c := range conflicts {
		if len(owned[c.kind]) > 0 {
			return deleteConflict(c.message)
		}
	}
	if len(owned) > 0 {
		return fmt.Errorf("directory: nobody said what is in the way of a deletion: %v", owned)
	}
	return nil
}

// owner is a user or a root user as what they have in common: a list of items.
type owner struct {
	id    string
	owned *entity.Owned
	save  func()
}

// owner loads the target that items belong to: a user or a root user.
func (tx *Tx) owner(t Target) (*owner, error) {
	if t.Kind == entity.KindAccount {
		acct, err := tx.account(t.Account)
		if err != nil {
			return nil, err
		}
		return &owner{acct.ID, &acct.Owned, func() { tx.put(entity.AccountKey(acct.ID), acct) }}, nil
	}
	u, err := tx.user(t.Account, t.Name)
	if err != nil {
		return nil, err
	}
	return &owner{u.ID, &u.Owned, func() { tx.put(entity.UserKey(u.Account, u.ID), u) }}, nil
}

// ownItem finds an item among those of its owner: one of somebody else does not exist here. missing is AWS's sentence for that.
func ownItem[T any, P interface {
	*T
	entity.Item
}](tx *Tx, t Target, id string, missing func(id string) string) (*owner, P, error) {
	o, err := tx.owner(t)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains((*o.owned)[P(nil).Kind()], id) {
		return nil, nil, &fault.Error{Kind: fault.NotFound, Subject: id, Message: missing(id)}
	}
	it, err := itemByID[T, P](tx, t.Account, id)
	return o, it, err
}

// removeOwned takes an item out of its owner's list and out of the store.
func (tx *Tx) removeOwned(o *owner, it entity.Item) error {
	if err := disown(o.owned, it); err != nil {
		return err
	}
	o.save()
	return tx.dropItem(it)
}
