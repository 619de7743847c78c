package inventory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// UserGroupRecord is the users that may log in to the caches that name the group.
type UserGroupRecord struct {
	Meta
	Engine string
	Users  []string // IDs, in the order in which they came
	Uses   int      `json:",omitempty"` // replication groups and serverless caches that name it
}

// Type returns [UserGroup].
func (*UserGroupRecord) Type() Type { return UserGroup }

// usersPerGroup is how many users a group may have ("Quotas for ElastiCache").
const usersPerGroup = 100

// CreateUserGroup makes a user group of users that are there.
func (tx Tx) CreateUserGroup(g *UserGroupRecord, users []string) error {
	if g.Engine != Redis && g.Engine != Valkey {
		return tx.fail(fault.New(fault.InvalidInput, "Unsupported engine: %s. Use redis or valkey.", g.Engine))
	}
	g.Name = NewID(g.Account, g.Region, UserGroup, g.Name).Name
	if err := tx.changeMembers(g, users, nil); err != nil {
		return err
	}
	return tx.create(g)
}

// ModifyUserGroup changes who is in a group, and its engine where that is not nil, and returns the group as it is then.
func (tx Tx) ModifyUserGroup(account, region, name string, engine *string, add, remove []string) (*UserGroupRecord, error) {
	g, err := must[UserGroupRecord](tx, account, region, name)
	if err != nil {
		return nil, err
	}
	if engine != nil {
		if *engine != g.Engine && !(g.Engine == Redis && *engine == Valkey) {
			return nil, tx.fail(Combination("A user group can be changed from redis to valkey only."))
		}
		g.Engine = *engine
	}
	if err := tx.changeMembers(g, add, remove); err != nil {
		return nil, err
	}
	tx.put(g)
	return g, nil
}

// DeleteUserGroup takes a group out that nothing uses, and returns it.
func (tx Tx) DeleteUserGroup(account, region, name string) (*UserGroupRecord, error) {
	g, err := must[UserGroupRecord](tx, account, region, name)
	if err != nil {
		return nil, err
	}
	if g.Uses > 0 {
		return nil, tx.fail(&fault.Error{Kind: fault.TemporarilyUnchanged, Subject: string(UserGroup),
			Message: "User group " + g.Name + " is associated with a replication group or serverless cache."})
	}
	for _, id := range g.Users {
		u, err := tx.user(account, region, id)
		if err != nil {
			return nil, err
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == g.Name })
		tx.putUser(u)
	}
	return g, tx.drop(g)
}

// changeMembers adds and removes users, and leaves a group that can be: every user is there, fits the group's engine and has a name of
// its own; a group for Redis has a default user.
func (tx Tx) changeMembers(g *UserGroupRecord, add, remove []string) error {
	for _, id := range remove {
		u, err := tx.user(g.Account, g.Region, id)
		if err != nil {
			return err
		}
		i := slices.Index(g.Users, u.Name)
		if i < 0 {
			return tx.fail(fault.New(fault.InvalidInput, "User %s is not a member of user group %s.", u.Name, g.Name))
		}
		g.Users = slices.Delete(g.Users, i, i+1)
		u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == g.Name })
		tx.putUser(u)
	}
	names := make(map[string]bool)
	check := func(u *UserRecord) error {
		if names[u.UserName] {
			return tx.fail(&fault.Error{Kind: fault.Exists, Subject: SubjectUserName, Message: "Two users of the user group have the user name " + u.UserName + "."})
		}
		names[u.UserName] = true
		if err := fits(g, u); err != nil {
			return tx.fail(err)
		}
		return nil
	}
	for _, id := range g.Users {
		u, err := tx.user(g.Account, g.Region, id)
		if err != nil {
			return err
		}
		if err := check(u); err != nil {
			return err
		}
	}
	for _, id := range add {
		u, err := tx.user(g.Account, g.Region, id)
		if err != nil {
			return err
		}
		if slices.Contains(g.Users, u.Name) {
			return tx.fail(fault.New(fault.InvalidInput, "User %s is already a member of user group %s.", u.Name, g.Name))
		}
		if err := check(u); err != nil {
			return err
		}
		g.Users = append(g.Users, u.Name)
		u.Groups = append(u.Groups, g.Name)
		tx.putUser(u)
	}
	if len(g.Users) > usersPerGroup {
		return tx.fail(fault.New(fault.InvalidInput, "A user group can have %d users at most.", usersPerGroup))
	}
	if g.Engine == Redis && !names[DefaultUser] {
		return tx.fail(&fault.Error{Kind: fault.InvalidInput, Subject: SubjectDefaultUser, Message: "You must add default user to a user group."})
	}
	return nil
}

// fits says why a user cannot be in a group: users for Valkey cannot be in one for Redis.
func fits(g *UserGroupRecord, u *UserRecord) error {
	if g.Engine == Redis && u.Engine == Valkey {
		return Combination("User " + u.Name + " is for the engine valkey and cannot be in the user group " + g.Name + " for redis.")
	}
	return nil
}
