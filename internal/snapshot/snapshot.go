package snapshot

import (
	"iter"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// Snapshot is the identity plane at one revision. It is immutable and safe for concurrent use. A follower's first snapshot,
// before anything was loaded, is empty and at revision zero.
type Snapshot struct {
	revision store.Revision
	accounts table[*accountState]
	order    tree[string] // IDs of the accounts that have a record
	aliases  table[string]
	issuers  table[string] // account by the ID of its issuer
	users    table[*userNode]
	groups   table[*groupNode]
	roles    table[*roleNode]
	policies table[*policyNode]
	keys     table[*keyNode]
	items    table[*itemNode] // under itemID
	cache    *cache
}

// accountState is what the snapshot knows of one account. It exists while any record of the account does.
type accountState struct {
	edit   *edit
	id     string
	node   *accountNode   // nil without an account record
	epoch  store.Revision // of the epoch record; zero without one
	shared store.Revision // when something shared by several principals last changed: linked sets made before it are void

	users    names[*userNode]
	groups   names[*groupNode]
	roles    names[*roleNode]
	policies names[*policyNode]
	items    names[*itemNode] // under itemName: of all kinds
	members  links            // user → group
	attached [useKinds]links  // user, group, role → policy
	bounded  [useKinds]links  // user, role → policy that is its boundary
}

// Revision is the state of the store that s shows, as far as the identity plane goes.
func (s *Snapshot) Revision() store.Revision { return s.revision }

// Account returns the account with that ID.
func (s *Snapshot) Account(id string) (Account, bool) {
	st, ok := s.accounts.find(id)
	if !ok || st.node == nil {
		return Account{}, false
	}
	return Account{Account: &st.node.Account, s: s, st: st}, true
}

// AccountByAlias returns the account with that alias, compared as stored.
func (s *Snapshot) AccountByAlias(alias string) (Account, bool) {
	id, ok := s.aliases.find(alias)
	if !ok {
		return Account{}, false
	}
	return s.Account(id)
}

// AccountByIssuer returns the account whose issuer of tokens for services elsewhere has that ID.
func (s *Snapshot) AccountByIssuer(id string) (Account, bool) {
	account, ok := s.issuers.find(id)
	if !ok {
		return Account{}, false
	}
	return s.Account(account)
}

// Accounts yields the accounts whose IDs are greater than after, in order.
func (s *Snapshot) Accounts(after string) iter.Seq[Account] {
	return func(yield func(Account) bool) {
		for id := range s.order.from(after) {
			if id == after {
				continue
			}
			if a, ok := s.Account(id); ok && !yield(a) {
				return
			}
		}
	}
}

// AccountCount is the number of accounts.
func (s *Snapshot) AccountCount() int { return s.order.len() }

// AccessKey returns the long-term access key with that ID.
func (s *Snapshot) AccessKey(id string) (AccessKey, bool) {
	n, ok := s.keys.find(id)
	if !ok {
		return AccessKey{}, false
	}
	return AccessKey{AccessKey: &n.AccessKey, Revision: n.rev}, true
}

// ByID returns what the unique ID names: a user, group, role or customer managed policy.
func (s *Snapshot) ByID(id string) (entity.Ref, bool) {
	switch {
	case strings.HasPrefix(id, entity.PrefixUser):
		if n, ok := s.users.find(id); ok {
			return entity.Ref{Account: n.Account, Kind: entity.KindUser, ID: n.ID}, true
		}
	case strings.HasPrefix(id, entity.PrefixRole):
		if n, ok := s.roles.find(id); ok {
			return entity.Ref{Account: n.Account, Kind: entity.KindRole, ID: n.ID}, true
		}
	case strings.HasPrefix(id, entity.PrefixGroup):
		if n, ok := s.groups.find(id); ok {
			return entity.Ref{Account: n.Account, Kind: entity.KindGroup, ID: n.ID}, true
		}
	case strings.HasPrefix(id, entity.PrefixPolicy):
		if n, ok := s.policies.find(id); ok {
			return entity.Ref{Account: n.Account, Kind: entity.KindPolicy, ID: n.ID}, true
		}
	}
	return entity.Ref{}, false
}

// UserByID returns the user with that unique ID, of whatever account.
func (s *Snapshot) UserByID(id string) (User, bool) {
	n, ok := s.users.find(id)
	if !ok {
		return User{}, false
	}
	st, ok := s.accounts.find(n.Account)
	if !ok {
		return User{}, false
	}
	return user(s, st, n), true
}

// GroupByID returns the group with that unique ID, of whatever account.
func (s *Snapshot) GroupByID(id string) (Group, bool) {
	n, ok := s.groups.find(id)
	if !ok {
		return Group{}, false
	}
	st, ok := s.accounts.find(n.Account)
	if !ok {
		return Group{}, false
	}
	return group(s, st, n), true
}

// RoleByID returns the role with that unique ID, of whatever account.
func (s *Snapshot) RoleByID(id string) (Role, bool) {
	n, ok := s.roles.find(id)
	if !ok {
		return Role{}, false
	}
	st, ok := s.accounts.find(n.Account)
	if !ok {
		return Role{}, false
	}
	return role(s, st, n), true
}

// PolicyByID returns the customer managed policy with that unique ID, of whatever account.
func (s *Snapshot) PolicyByID(id string) (Policy, bool) {
	n, ok := s.policies.find(id)
	if !ok {
		return Policy{}, false
	}
	return Policy{Policy: &n.Policy, Revision: n.rev}, true
}

// IdentityPolicies returns the identity policies of a user, group or role; see [User.Identity]. For a reference to
// nothing, and for other kinds, it is an empty set that is not nil: it allows nothing.
func (s *Snapshot) IdentityPolicies(ref entity.Ref) []*policy.Policy {
	switch ref.Kind {
	case entity.KindUser:
		if u, ok := s.UserByID(ref.ID); ok {
			return u.Identity()
		}
	case entity.KindGroup:
		if g, ok := s.GroupByID(ref.ID); ok {
			return g.Identity()
		}
	case entity.KindRole:
		if r, ok := s.RoleByID(ref.ID); ok {
			return r.Identity()
		}
	}
	return []*policy.Policy{}
}

// ServiceControl is the slot of service control policies: those that bind the principals of an account, a level per step
// from the organization's root down to the account. It is nil, "none applies", until organizations are built.
func (s *Snapshot) ServiceControl(account string) [][]*policy.Policy { return nil }

// ResourceControl is the slot of resource control policies: those that bind the resources of an account, in levels as in
// [Snapshot.ServiceControl]. It is nil until organizations are built.
func (s *Snapshot) ResourceControl(account string) [][]*policy.Policy { return nil }
