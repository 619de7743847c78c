package directory

import (
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// NewInstanceProfile is an instance profile to be made.
type NewInstanceProfile struct {
	Name string
	Path string // empty means /
	Tags []entity.Tag
}

// CreateInstanceProfile makes an instance profile that holds no role (S2-266).
func (tx *Tx) CreateInstanceProfile(account string, n NewInstanceProfile) (p *entity.InstanceProfile, err error) {
	defer tx.note(&err)
	if err := checkName("instanceProfileName", n.Name, maxInstanceProfileName); err != nil {
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
	tags, err := mergeTags(acct, entity.KindInstanceProfile, nil, n.Tags)
	if err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixProfile)
	if err != nil {
		return nil, err
	}
	p = &entity.InstanceProfile{ID: id, Account: account, Name: n.Name, Path: path, CreatedAt: tx.now, Tags: tags}
	return p, tx.addItem(acct, p, InstanceProfilesQuota)
}

// AddRoleToInstanceProfile puts a role into a profile that holds none (S2-267, S2-268). Service-linked roles are for their
// service alone.
func (tx *Tx) AddRoleToInstanceProfile(account, profile, role string) (err error) {
	defer tx.note(&err)
	p, r, err := tx.profileAndRole(account, profile, role)
	if err != nil {
		return err
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	roles := 1
	if p.Role != "" {
		roles++
	}
	if err := checkQuota(acct, RolesPerInstanceProfileQuota, roles); err != nil {
		return err
	}
	p.Role = r.ID
	own(&r.Owned, p)
	tx.putItem(p)
	tx.put(entity.RoleKey(account, r.ID), r)
	return nil
}

// RemoveRoleFromInstanceProfile takes the role out of the profile that holds it.
func (tx *Tx) RemoveRoleFromInstanceProfile(account, profile, role string) (err error) {
	defer tx.note(&err)
	p, r, err := tx.profileAndRole(account, profile, role)
	if err != nil {
		return err
	}
	if p.Role != r.ID {
		return fault.New(fault.NotFound, "The role with name %s cannot be found in the instance profile %s.", role, p.Name)
	}
	if err := disown(&r.Owned, p); err != nil {
		return err
	}
	p.Role = ""
	tx.putItem(p)
	tx.put(entity.RoleKey(account, r.ID), r)
	return nil
}

// profileAndRole loads an instance profile and a role that may be put into one.
func (tx *Tx) profileAndRole(account, profile, role string) (*entity.InstanceProfile, *entity.Role, error) {
	p, err := tx.instanceProfile(account, profile)
	if err != nil {
		return nil, nil, err
	}
	r, err := tx.role(account, role)
	if err != nil {
		return nil, nil, err
	}
	if r.ServiceLinked != "" {
		return nil, nil, protected(r.Name)
	}
	return p, r, nil
}

// DeleteInstanceProfile deletes a profile that holds no role.
func (tx *Tx) DeleteInstanceProfile(account, name string) (err error) {
	defer tx.note(&err)
	p, err := tx.instanceProfile(account, name)
	if err != nil {
		return err
	}
	if p.Role != "" {
		return deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	return tx.dropItem(p)
}

// TagInstanceProfile adds tags to a profile, and replaces those with the same keys.
func (tx *Tx) TagInstanceProfile(account, name string, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	p, err := tx.instanceProfile(account, name)
	if err != nil {
		return err
	}
	return tx.tagItem(p, &p.Tags, tags)
}

// UntagInstanceProfile removes tags; keys that are not there are no error.
func (tx *Tx) UntagInstanceProfile(account, name string, keys []string) (err error) {
	defer tx.note(&err)
	p, err := tx.instanceProfile(account, name)
	if err != nil {
		return err
	}
	tx.untagItem(p, &p.Tags, keys)
	return nil
}

// instanceProfile returns an instance profile that must exist.
func (tx *Tx) instanceProfile(account, name string) (*entity.InstanceProfile, error) {
	p, err := item[entity.InstanceProfile](tx, account, name)
	if err == nil && p == nil {
		return nil, fault.New(fault.NotFound, "Instance Profile %s cannot be found.", name)
	}
	return p, err
}
