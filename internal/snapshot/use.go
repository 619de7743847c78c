package snapshot

import (
	"iter"

	"github.com/ostiary-iam/ostiary/internal/entity"
)

// Kinds of entities that use policies, in the order in which uses are listed.
const (
	useUser = iota
	useGroup
	useRole
	useKinds
)

var useKind = [useKinds]entity.Kind{entity.KindUser, entity.KindGroup, entity.KindRole}

// Use is an entity that has a policy attached or as its boundary.
type Use struct {
	Kind entity.Kind // KindUser, KindGroup or KindRole
	ID   string
	Name string
	Path string
}

// UseMark is a place in a listing of uses: after the entity of that kind with that folded name. The zero mark is the
// beginning.
type UseMark struct {
	Kind entity.Kind
	Name string
}

// Mark is the place after u.
func (u Use) Mark() UseMark { return UseMark{u.Kind, entity.FoldName(u.Name)} }

// Attached yields the account's entities to which the policy is attached: users, then groups, then roles, each in the
// order of folded names, beginning after the mark. The ID may be that of an AWS managed policy. A mark of a kind that
// does not use policies yields nothing.
func (a Account) Attached(policyID string, after UseMark) iter.Seq[Use] {
	return a.uses(&a.st.attached, policyID, after)
}

// Bounded yields the account's users and roles that have the policy as their permissions boundary, as [Account.Attached].
func (a Account) Bounded(policyID string, after UseMark) iter.Seq[Use] {
	return a.uses(&a.st.bounded, policyID, after)
}

func (a Account) uses(by *[useKinds]links, policyID string, after UseMark) iter.Seq[Use] {
	return func(yield func(Use) bool) {
		started := after == UseMark{}
		for kind := range useKinds {
			from := ""
			if !started {
				if after.Kind != useKind[kind] {
					continue
				}
				started, from = true, after.Name
			}
			for name := range by[kind].of(policyID, from) {
				if u, ok := a.use(kind, name); ok && !yield(u) {
					return
				}
			}
		}
	}
}

func (a Account) use(kind int, folded string) (Use, bool) {
	switch kind {
	case useUser:
		if n, ok := a.st.users.find(folded); ok {
			return Use{entity.KindUser, n.ID, n.Name, n.Path}, true
		}
	case useGroup:
		if n, ok := a.st.groups.find(folded); ok {
			return Use{entity.KindGroup, n.ID, n.Name, n.Path}, true
		}
	case useRole:
		if n, ok := a.st.roles.find(folded); ok {
			return Use{entity.KindRole, n.ID, n.Name, n.Path}, true
		}
	}
	return Use{}, false
}
