package directory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
)

// NewUser is a user to be made.
type NewUser struct {
	Name     string
	Path     string // empty means /
	Boundary string // a policy's ARN; empty means none
	Tags     []entity.Tag
}

// Rename is a new name, a new path or both; nil leaves it as it is.
type Rename struct {
	Name *string
	Path *string
}

// CreateUser makes a user without credentials and permissions (S1-102).
func (tx *Tx) CreateUser(account string, n NewUser) (u *entity.User, err error) {
	defer tx.note(&err)
	if err := checkName("userName", n.Name, maxUserName); err != nil {
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
	tags, err := mergeTags(acct, entity.KindUser, nil, n.Tags)
	if err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixUser)
	if err != nil {
		return nil, err
	}
	u = &entity.User{ID: id, Account: account, Name: n.Name, Path: path, CreatedAt: tx.now, Tags: tags}
	if err := tx.enlist(acct, userRef(u), UsersQuota); err != nil {
		return nil, err
	}
	if n.Boundary != "" {
		if err := tx.setBoundary(account, &u.Grants, n.Boundary); err != nil {
			return nil, err
		}
	}
	tx.put(entity.UserKey(account, id), u)
	return u, nil
}

// RenameUser changes a user's name or path. Everything the user has stays (S1-121); policies that name the user as a
// resource are not rewritten (S1-123).
func (tx *Tx) RenameUser(account, name string, to Rename) (u *entity.User, err error) {
	defer tx.note(&err)
	u, err = tx.user(account, name)
	if err != nil {
		return nil, err
	}
	old := userRef(u)
	if to.Name != nil {
		if err := checkName("newUserName", *to.Name, maxUserName); err != nil {
			return nil, err
		}
		u.Name = *to.Name
	}
	if to.Path != nil {
		if u.Path, err = checkPath(*to.Path, false); err != nil {
			return nil, err
		}
	}
	if err := tx.relist(old, userRef(u)); err != nil {
		return nil, err
	}
	tx.put(entity.UserKey(account, u.ID), u)
	return u, nil
}

// DeleteUser deletes a user who has nothing left: nothing is removed in passing (S1-128). A boundary goes with the user.
func (tx *Tx) DeleteUser(account, name string) (err error) {
	defer tx.note(&err)
	u, err := tx.user(account, name)
	if err != nil {
		return err
	}
	if len(u.Keys) > 0 {
		return deleteConflict("Cannot delete entity, must delete access keys first.")
	}
	if err := unowned(u.Owned); err != nil {
		return err
	}
	if err := empty(&u.Grants); err != nil {
		return err
	}
	if len(u.Groups) > 0 {
		return deleteConflict("Cannot delete entity, must remove users from group first.")
	}
	if err := tx.clearBoundary(account, &u.Grants); err != nil {
		return err
	}
	tx.txn.Delete(entity.UserKey(account, u.ID))
	return tx.delist(userRef(u))
}

// AddToGroup makes a user a member of a group; a member stays one.
func (tx *Tx) AddToGroup(account, user, group string) (err error) {
	defer tx.note(&err)
	u, err := tx.user(account, user)
	if err != nil {
		return err
	}
	g, err := tx.group(account, group)
	if err != nil {
		return err
	}
	if slices.Contains(u.Groups, g.ID) {
		return nil
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	if err := checkQuota(acct, GroupsPerUserQuota, len(u.Groups)+1); err != nil {
		return err
	}
	if err := checkQuota(acct, UsersPerGroupQuota, g.Members+1); err != nil {
		return err
	}
	u.Groups = append(u.Groups, g.ID)
	g.Members++
	tx.put(entity.UserKey(account, u.ID), u)
	tx.put(entity.GroupKey(account, g.ID), g)
	return nil
}

// RemoveFromGroup ends a membership; one that does not exist is no error.
func (tx *Tx) RemoveFromGroup(account, user, group string) (err error) {
	defer tx.note(&err)
	u, err := tx.user(account, user)
	if err != nil {
		return err
	}
	g, err := tx.group(account, group)
	if err != nil {
		return err
	}
	i := slices.Index(u.Groups, g.ID)
	if i < 0 {
		return nil
	}
	u.Groups = slices.Delete(u.Groups, i, i+1)
	g.Members--
	tx.put(entity.UserKey(account, u.ID), u)
	tx.put(entity.GroupKey(account, g.ID), g)
	return nil
}

// user returns a user who must exist.
func (tx *Tx) user(account, name string) (*entity.User, error) {
	ref, err := tx.named(account, entity.KindUser, name)
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return nil, notFound(entity.KindUser, name)
	}
	return must[entity.User](tx, entity.UserKey(account, ref.ID))
}

func userRef(u *entity.User) entity.NameRef {
	return entity.NameRef{Ref: entity.Ref{Account: u.Account, Kind: entity.KindUser, ID: u.ID}, Path: u.Path, Name: u.Name}
}
