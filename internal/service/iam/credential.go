package iam

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/policy"
)

// What operations on SSH keys, signing certificates and service-specific credentials have in common.

// userOwner is the user that an operation speaks of, like owner, for credentials that a root user cannot have.
func userOwner(c *gate.Call, name *string) (directory.Target, error) {
	if name == nil && c.Caller.Principal.Type == policy.Root {
		return directory.Target{}, fault.New(fault.Invalid, "Must specify userName when calling with non-User credentials")
	}
	return owner(c, name)
}

// ownedBy is the list of items of a user or a root user who must exist, and the name that answers show for it: none for the
// root user.
func ownedBy(c *gate.Call, t directory.Target) (account snapshot.Account, owned entity.Owned, name string, err error) {
	account, err = home(c)
	if err != nil {
		return account, nil, "", err
	}
	if t.Kind == entity.KindAccount {
		return account, account.Owned, "", nil
	}
	u, err := user(c, t.Name)
	if err != nil {
		return account, nil, "", err
	}
	return account, u.Owned, u.Name, nil
}

// spelled is the name of an owner as the user is called, whatever case it was named in: the user may be newer than the snapshot,
// then it is called as it was named. A root user has no name.
func spelled(c *gate.Call, t directory.Target) string {
	if u, err := user(c, t.Name); err == nil {
		return u.Name
	}
	return t.Name
}

// byAge sorts items by a time and their IDs and begins after the place: the order in which credentials are listed. of
// tells an item's time.
func byAge[P entity.Item](items iter.Seq[snapshot.Item[P]], of func(P) time.Time, after string) (iter.Seq[P], func(P) string) {
	key := func(p P) string { return of(p).UTC().Format(time.RFC3339) + " " + p.Place().ID }
	var all []P
	for it := range items {
		if key(it.Record) > after {
			all = append(all, it.Record)
		}
	}
	slices.SortFunc(all, func(a, b P) int { return strings.Compare(key(a), key(b)) })
	return slices.Values(all), key
}

// activity is the API's word for whether a credential may be used.
func activity(inactive bool) string {
	if inactive {
		return statusInactive
	}
	return statusActive
}

// activate reads a status that a caller sets. The model's type of it is shared with credentials that expire; kind is that of the
// error for those.
func activate(status, what string, kind fault.Kind) (active bool, err error) {
	if status != statusActive && status != statusInactive {
		return false, &fault.Error{Kind: kind, Subject: status, Message: "The status of " + what + " must be Active or Inactive."}
	}
	return status == statusActive, nil
}
