package directory

import (
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// How long a role's sessions may last (D1).
const (
	minSession = time.Hour
	maxSession = 12 * time.Hour
)

// NewRole is a role to be made.
type NewRole struct {
	Name          string
	Path          string // empty means /
	Description   string
	MaxSession    time.Duration // zero means one hour
	Trust         string        // the trust policy, required
	Boundary      string        // a policy's ARN; empty means none
	Tags          []entity.Tag
	ServiceLinked string // the service principal of a service-linked role, whose path must begin with /aws-service-role/
}

// RoleUpdate is what UpdateRole changes; nil leaves it as it is.
type RoleUpdate struct {
	Description *string
	MaxSession  *time.Duration
}

// CreateRole makes a role without permissions. Principals of the trust policy must exist and are stored by their unique
// IDs (S2-21). Service-linked roles count against the quota and may pass it (S2-253).
func (tx *Tx) CreateRole(account string, n NewRole) (r *entity.Role, err error) {
	defer tx.note(&err)
	r = &entity.Role{Account: account, Name: n.Name, Description: n.Description, MaxSession: n.MaxSession,
		ServiceLinked: n.ServiceLinked, CreatedAt: tx.now}
	if r.MaxSession == 0 {
		r.MaxSession = minSession
	}
	if err := checkRole(r, n.Path); err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if r.Tags, err = mergeTags(acct, entity.KindRole, nil, n.Tags); err != nil {
		return nil, err
	}
	if r.ID, err = tx.newID(entity.PrefixRole); err != nil {
		return nil, err
	}
	quota := RolesQuota
	if r.ServiceLinked != "" {
		quota = ""
	}
	if err := tx.enlist(acct, roleRef(r), quota); err != nil {
		return nil, err
	}
	// The name is this role's from here on, but no principal of its own trust policy: AWS refuses that at creation.
	if r.Trust, err = tx.bindTrust(acct, n.Trust, r.ID); err != nil {
		return nil, err
	}
	if n.Boundary != "" {
		if err := tx.setBoundary(account, &r.Grants, n.Boundary); err != nil {
			return nil, err
		}
	}
	tx.put(entity.RoleKey(account, r.ID), r)
	return r, nil
}

func checkRole(r *entity.Role, path string) (err error) {
	if err := checkName("roleName", r.Name, maxRoleName); err != nil {
		return err
	}
	if r.Path, err = checkPath(path, false); err != nil {
		return err
	}
	if strings.HasPrefix(r.Path, serviceLinkedPath) != (r.ServiceLinked != "") {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "path",
			Message: "The path " + serviceLinkedPath + " is for service-linked roles, and for them only."}
	}
	if err := checkDescription(r.Description); err != nil {
		return err
	}
	return checkSession(r.MaxSession)
}

func checkSession(d time.Duration) error {
	if d < minSession || d > maxSession || d%time.Second != 0 {
		return &fault.Error{Kind: fault.Invalid, Subject: "maxSessionDuration",
			Message: "The specified value for maxSessionDuration is invalid. It must be between 3600 and 43200 seconds."}
	}
	return nil
}

// UpdateRole changes a role's description or longest session. Of a service-linked role only the description may be changed
// (S2-41, S2-251).
func (tx *Tx) UpdateRole(account, name string, u RoleUpdate) (r *entity.Role, err error) {
	defer tx.note(&err)
	r, err = tx.role(account, name)
	if err != nil {
		return nil, err
	}
	if u.Description != nil {
		if err := checkDescription(*u.Description); err != nil {
			return nil, err
		}
		r.Description = *u.Description
	}
	if u.MaxSession != nil {
		if r.ServiceLinked != "" {
			return nil, protected(r.Name)
		}
		if err := checkSession(*u.MaxSession); err != nil {
			return nil, err
		}
		r.MaxSession = *u.MaxSession
	}
	tx.put(entity.RoleKey(account, r.ID), r)
	return r, nil
}

// UpdateTrust replaces a role's trust policy.
func (tx *Tx) UpdateTrust(account, name, document string) (r *entity.Role, err error) {
	defer tx.note(&err)
	r, err = tx.role(account, name)
	if err != nil {
		return nil, err
	}
	if r.ServiceLinked != "" {
		return nil, protected(r.Name)
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if r.Trust, err = tx.bindTrust(acct, document, ""); err != nil {
		return nil, err
	}
	tx.put(entity.RoleKey(account, r.ID), r)
	return r, nil
}

// DeleteRole deletes a role that has no policies left (S2-43). Service-linked roles are not deleted this way (S2-262).
func (tx *Tx) DeleteRole(account, name string) (err error) {
	defer tx.note(&err)
	r, err := tx.role(account, name)
	if err != nil {
		return err
	}
	if r.ServiceLinked != "" {
		return protected(r.Name)
	}
	if err := unowned(r.Owned); err != nil {
		return err
	}
	if err := empty(&r.Grants); err != nil {
		return err
	}
	return tx.dropRole(r)
}

// dropRole takes a role out that nothing refers to.
func (tx *Tx) dropRole(r *entity.Role) error {
	if err := tx.clearBoundary(r.Account, &r.Grants); err != nil {
		return err
	}
	tx.txn.Delete(entity.RoleKey(r.Account, r.ID))
	tx.txn.Delete(entity.RoleUsageKey(r.Account, r.ID))
	return tx.delist(roleRef(r))
}

// protected is AWS's sentence for what may not be done to a service-linked role.
func protected(name string) error {
	return &fault.Error{Kind: fault.Unmodifiable, Subject: name,
		Message: "Cannot perform the operation on the protected role '" + name + "' - this role is only modifiable by AWS"}
}

// role returns a role that must exist.
func (tx *Tx) role(account, name string) (*entity.Role, error) {
	ref, err := tx.named(account, entity.KindRole, name)
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return nil, notFound(entity.KindRole, name)
	}
	return must[entity.Role](tx, entity.RoleKey(account, ref.ID))
}

func roleRef(r *entity.Role) entity.NameRef {
	return entity.NameRef{Ref: entity.Ref{Account: r.Account, Kind: entity.KindRole, ID: r.ID}, Path: r.Path, Name: r.Name}
}
