package directory

import (
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Target names the entity that a verb works on: a user, group or role by its name (in any case), or an account's root user.
type Target struct {
	Account string
	Kind    entity.Kind
	Name    string // empty for the root user
}

// OfUser is a user as a target.
func OfUser(account, name string) Target { return Target{account, entity.KindUser, name} }

// OfGroup is a group as a target.
func OfGroup(account, name string) Target { return Target{account, entity.KindGroup, name} }

// OfRole is a role as a target.
func OfRole(account, name string) Target { return Target{account, entity.KindRole, name} }

// OfRoot is an account's root user as a target: of credentials, not of policies.
func OfRoot(account string) Target { return Target{account, entity.KindAccount, ""} }

// holder is a user, group or role as what they have in common: something that policies are put on.
type holder struct {
	tx      *Tx
	account string
	kind    entity.Kind
	name    string
	grants  *entity.Grants
	tags    *[]entity.Tag // nil for groups, which have none
	key     []byte
	record  any
	linked  bool // a service-linked role
}

// holder loads a target.
func (tx *Tx) holder(t Target) (*holder, error) {
	h := &holder{tx: tx, account: t.Account, kind: t.Kind}
	switch t.Kind {
	case entity.KindUser:
		u, err := tx.user(t.Account, t.Name)
		if err != nil {
			return nil, err
		}
		h.name, h.grants, h.tags, h.record, h.key = u.Name, &u.Grants, &u.Tags, u, entity.UserKey(u.Account, u.ID)
	case entity.KindGroup:
		g, err := tx.group(t.Account, t.Name)
		if err != nil {
			return nil, err
		}
		h.name, h.grants, h.record, h.key = g.Name, &g.Grants, g, entity.GroupKey(g.Account, g.ID)
	case entity.KindRole:
		r, err := tx.role(t.Account, t.Name)
		if err != nil {
			return nil, err
		}
		h.name, h.grants, h.tags, h.record, h.key = r.Name, &r.Grants, &r.Tags, r, entity.RoleKey(r.Account, r.ID)
		h.linked = r.ServiceLinked != ""
	default:
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: string(t.Kind),
			Message: "Policies and tags belong to users, groups and roles."}
	}
	return h, nil
}

// unprotected refuses service-linked roles, whose grants are their service's alone (S3-101, S3-102, S2-249, S2-250).
func (h *holder) unprotected() error {
	if h.linked {
		return protected(h.name)
	}
	return nil
}

// save writes the record. The grants of a group are its members' too, so that a group's writes raise the epoch.
func (h *holder) save() {
	h.tx.put(h.key, h.record)
	if h.kind == entity.KindGroup {
		h.tx.bumpEpoch(h.account)
	}
}

// empty fails unless all policies are gone: the condition for deleting a holder.
func empty(g *entity.Grants) error {
	if len(g.Inline) > 0 {
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	if len(g.Attached) > 0 {
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	return nil
}
