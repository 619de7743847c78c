package snapshot

import (
	"iter"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// Account is an account as one snapshot shows it. The embedded record is shared: read it only.
type Account struct {
	*entity.Account
	s  *Snapshot
	st *accountState
}

// Revision is the one that wrote the account record.
func (a Account) Revision() store.Revision { return a.st.node.rev }

// Epoch is the revision of the account's epoch record; zero if there is none.
func (a Account) Epoch() store.Revision { return a.st.epoch }

// Snapshot is the one that a was read from.
func (a Account) Snapshot() *Snapshot { return a.s }

// UserCount, GroupCount, RoleCount and PolicyCount say how many there are, without counting.
func (a Account) UserCount() int   { return a.st.users.len() }
func (a Account) GroupCount() int  { return a.st.groups.len() }
func (a Account) RoleCount() int   { return a.st.roles.len() }
func (a Account) PolicyCount() int { return a.st.policies.len() } // customer managed

// User returns the user with that name, without regard to case.
func (a Account) User(name string) (User, bool) {
	n, ok := a.st.users.find(entity.FoldName(name))
	if !ok {
		return User{}, false
	}
	return user(a.s, a.st, n), true
}

// Group returns the group with that name, without regard to case.
func (a Account) Group(name string) (Group, bool) {
	n, ok := a.st.groups.find(entity.FoldName(name))
	if !ok {
		return Group{}, false
	}
	return group(a.s, a.st, n), true
}

// Role returns the role with that name, without regard to case.
func (a Account) Role(name string) (Role, bool) {
	n, ok := a.st.roles.find(entity.FoldName(name))
	if !ok {
		return Role{}, false
	}
	return role(a.s, a.st, n), true
}

// Policy returns the customer managed policy with that name, without regard to case.
func (a Account) Policy(name string) (Policy, bool) {
	n, ok := a.st.policies.find(entity.FoldName(name))
	if !ok {
		return Policy{}, false
	}
	return Policy{Policy: &n.Policy, Revision: n.rev}, true
}

// PolicyByARN returns the customer managed policy of this account whose ARN, path and case included, is arn.
func (a Account) PolicyByARN(arn string) (Policy, bool) {
	p, ok := a.Policy(arn[strings.LastIndexByte(arn, '/')+1:])
	if !ok || p.ARN() != arn {
		return Policy{}, false
	}
	return p, true
}

// UserByID returns the user of this account with that unique ID.
func (a Account) UserByID(id string) (User, bool) {
	n, ok := a.s.users.find(id)
	if !ok || n.Account != a.ID {
		return User{}, false
	}
	return user(a.s, a.st, n), true
}

// GroupByID returns the group of this account with that unique ID.
func (a Account) GroupByID(id string) (Group, bool) {
	n, ok := a.s.groups.find(id)
	if !ok || n.Account != a.ID {
		return Group{}, false
	}
	return group(a.s, a.st, n), true
}

// RoleByID returns the role of this account with that unique ID.
func (a Account) RoleByID(id string) (Role, bool) {
	n, ok := a.s.roles.find(id)
	if !ok || n.Account != a.ID {
		return Role{}, false
	}
	return role(a.s, a.st, n), true
}

// PolicyByID returns the customer managed policy of this account with that unique ID.
func (a Account) PolicyByID(id string) (Policy, bool) {
	n, ok := a.s.policies.find(id)
	if !ok || n.Account != a.ID {
		return Policy{}, false
	}
	return Policy{Policy: &n.Policy, Revision: n.rev}, true
}

// Users yields the users whose folded names are greater than after, in the order of folded names; "" yields all.
func (a Account) Users(after string) iter.Seq[User] {
	return func(yield func(User) bool) {
		for e := range a.st.users.after(after) {
			if !yield(user(a.s, a.st, e.node)) {
				return
			}
		}
	}
}

// Groups yields the groups as [Account.Users] yields users.
func (a Account) Groups(after string) iter.Seq[Group] {
	return func(yield func(Group) bool) {
		for e := range a.st.groups.after(after) {
			if !yield(group(a.s, a.st, e.node)) {
				return
			}
		}
	}
}

// Roles yields the roles as [Account.Users] yields users.
func (a Account) Roles(after string) iter.Seq[Role] {
	return func(yield func(Role) bool) {
		for e := range a.st.roles.after(after) {
			if !yield(role(a.s, a.st, e.node)) {
				return
			}
		}
	}
}

// Policies yields the customer managed policies as [Account.Users] yields users.
func (a Account) Policies(after string) iter.Seq[Policy] {
	return func(yield func(Policy) bool) {
		for e := range a.st.policies.after(after) {
			if !yield(Policy{Policy: &e.node.Policy, Revision: e.node.rev}) {
				return
			}
		}
	}
}

// Members yields the users of a group whose folded names are greater than after, in the order of folded names.
func (a Account) Members(groupID, after string) iter.Seq[User] {
	return func(yield func(User) bool) {
		for name := range a.st.members.of(groupID, after) {
			if n, ok := a.st.users.find(name); ok && !yield(user(a.s, a.st, n)) {
				return
			}
		}
	}
}

// Guards names the account's record and epoch, at their revisions: what a decision about the root user relies on.
func (a Account) Guards() []store.Guard {
	return []store.Guard{
		{Key: entity.AccountKey(a.ID), Revision: a.st.node.rev},
		{Key: entity.EpochKey(a.ID), Revision: a.st.epoch},
	}
}

// Vacant guards that no entity of the kind has the name: what a decision about an entity that does not exist relies on.
func (a Account) Vacant(kind entity.Kind, name string) []store.Guard {
	return []store.Guard{{Key: entity.NameKey(a.ID, kind, name)}}
}

// User is a user as one snapshot shows it. The embedded record is shared: read it only.
type User struct {
	*entity.User
	Revision store.Revision // that wrote the record
	s        *Snapshot
	st       *accountState
	node     *userNode
}

func user(s *Snapshot, st *accountState, n *userNode) User {
	return User{User: &n.User, Revision: n.rev, s: s, st: st, node: n}
}

// Identity returns the policies that grant to the user: inline, attached, then those of each group (inline, attached), in
// the order of the record, a managed policy once, and last what the account's password policy grants all users, if it does. It is
// never nil. The slice is shared: read it only. The name of a managed policy is its ARN, that of an inline policy is the kind and name
// of its holder and its own: group/crew/one.
func (u User) Identity() []*policy.Policy { return u.linked().identity }

// IdentityProgram returns Identity merged, for users that are seen often; nil for others.
func (u User) IdentityProgram() *policy.Program { return u.s.cache.merged(u.linked()) }

// Boundary returns the permissions boundary; nil if none is set. Its ID is the Boundary of the embedded Grants.
func (u User) Boundary() *policy.Policy { return u.linked().boundary }

// Guards names the user's record and the account's epoch, at their revisions: what a decision about the user relies on.
func (u User) Guards() []store.Guard {
	return []store.Guard{
		{Key: entity.UserKey(u.Account, u.ID), Revision: u.Revision},
		{Key: entity.EpochKey(u.Account), Revision: u.st.epoch},
	}
}

// Group is a group as one snapshot shows it. The embedded record is shared: read it only.
type Group struct {
	*entity.Group
	Revision store.Revision // that wrote the record
	s        *Snapshot
	st       *accountState
	node     *groupNode
}

func group(s *Snapshot, st *accountState, n *groupNode) Group {
	return Group{Group: &n.Group, Revision: n.rev, s: s, st: st, node: n}
}

// Identity returns the group's policies: inline, then attached. It is never nil. The slice is shared: read it only.
func (g Group) Identity() []*policy.Policy { return g.linked().identity }

// Role is a role as one snapshot shows it. The embedded record is shared: read it only.
type Role struct {
	*entity.Role
	Revision store.Revision // that wrote the record
	s        *Snapshot
	st       *accountState
	node     *roleNode
}

func role(s *Snapshot, st *accountState, n *roleNode) Role {
	return Role{Role: &n.Role, Revision: n.rev, s: s, st: st, node: n}
}

// Identity returns the policies that grant to the role: inline, then attached. It is never nil. The slice is shared: read
// it only.
func (r Role) Identity() []*policy.Policy { return r.linked().identity }

// IdentityProgram returns Identity merged, for roles that are seen often; nil for others.
func (r Role) IdentityProgram() *policy.Program { return r.s.cache.merged(r.linked()) }

// Boundary returns the permissions boundary; nil if none is set. Its ID is the Boundary of the embedded Grants.
func (r Role) Boundary() *policy.Policy { return r.linked().boundary }

// Trust returns the compiled trust policy, never nil. The text is r.Role.Trust.
func (r Role) Trust() *policy.Policy { return r.linked().trust }

// Guards names the role's record and the account's epoch, at their revisions: what a decision about the role relies on.
func (r Role) Guards() []store.Guard {
	return []store.Guard{
		{Key: entity.RoleKey(r.Account, r.ID), Revision: r.Revision},
		{Key: entity.EpochKey(r.Account), Revision: r.st.epoch},
	}
}

// Policy is a customer managed policy as one snapshot shows it. The embedded record is shared: read it only.
type Policy struct {
	*entity.Policy
	Revision store.Revision // that wrote the record
}

// Guards names the policy's record, at its revision: what a decision about the policy relies on.
func (p Policy) Guards() []store.Guard {
	return []store.Guard{{Key: entity.PolicyKey(p.Account, p.ID), Revision: p.Revision}}
}

// AccessKey is a long-term access key. The embedded record is shared: read it only.
type AccessKey struct {
	*entity.AccessKey
	Revision store.Revision // that wrote the record
}
