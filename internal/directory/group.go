package directory

import "github.com/ostiary-iam/ostiary/internal/entity"

// NewGroup is a group to be made.
type NewGroup struct {
	Name string
	Path string // empty means /
}

// CreateGroup makes a group without members and permissions.
func (tx *Tx) CreateGroup(account string, n NewGroup) (g *entity.Group, err error) {
	defer tx.note(&err)
	if err := checkName("groupName", n.Name, maxGroupName); err != nil {
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
	id, err := tx.newID(entity.PrefixGroup)
	if err != nil {
		return nil, err
	}
	g = &entity.Group{ID: id, Account: account, Name: n.Name, Path: path, CreatedAt: tx.now}
	if err := tx.enlist(acct, groupRef(g), GroupsQuota); err != nil {
		return nil, err
	}
	tx.put(entity.GroupKey(account, id), g)
	return g, nil
}

// RenameGroup changes a group's name or path; members and policies stay (S1-150). It raises the epoch: decisions about a
// group rely on its ARN, and do not compare its record, which every new member rewrites.
func (tx *Tx) RenameGroup(account, name string, to Rename) (g *entity.Group, err error) {
	defer tx.note(&err)
	g, err = tx.group(account, name)
	if err != nil {
		return nil, err
	}
	old := groupRef(g)
	if to.Name != nil {
		if err := checkName("newGroupName", *to.Name, maxGroupName); err != nil {
			return nil, err
		}
		g.Name = *to.Name
	}
	if to.Path != nil {
		if g.Path, err = checkPath(*to.Path, false); err != nil {
			return nil, err
		}
	}
	if err := tx.relist(old, groupRef(g)); err != nil {
		return nil, err
	}
	tx.put(entity.GroupKey(account, g.ID), g)
	tx.bumpEpoch(account)
	return g, nil
}

// DeleteGroup deletes a group that has neither members nor policies (S1-152). It raises the epoch as RenameGroup does: the
// name may come back with another path.
func (tx *Tx) DeleteGroup(account, name string) (err error) {
	defer tx.note(&err)
	g, err := tx.group(account, name)
	if err != nil {
		return err
	}
	if g.Members > 0 {
		return deleteConflict("Cannot delete entity, must remove users from group first.")
	}
	if err := empty(&g.Grants); err != nil {
		return err
	}
	tx.txn.Delete(entity.GroupKey(account, g.ID))
	tx.bumpEpoch(account)
	return tx.delist(groupRef(g))
}

// group returns a group that must exist.
func (tx *Tx) group(account, name string) (*entity.Group, error) {
	ref, err := tx.named(account, entity.KindGroup, name)
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return nil, notFound(entity.KindGroup, name)
	}
	return must[entity.Group](tx, entity.GroupKey(account, ref.ID))
}

func groupRef(g *entity.Group) entity.NameRef {
	return entity.NameRef{Ref: entity.Ref{Account: g.Account, Kind: entity.KindGroup, ID: g.ID}, Path: g.Path, Name: g.Name}
}
