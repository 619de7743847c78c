package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Engines that know users.
const (
	Redis  = "redis"
	Valkey = "valkey"
)

// Authentication is how a user proves who it is.
type Authentication string

// The ways ("Role-Based Access Control", ElastiCache user guide).
const (
	ByPassword Authentication = "password"
	ByNothing  Authentication = "no-password"
	ByIAM      Authentication = "iam"
)

// UserRecord is a user of caches: a name to log in with, what it may do there, and how it proves who it is.
type UserRecord struct {
	Meta
	UserName       string // of several users with one name only one can be in a group
	Engine         string
	Access         string // the access string as it was given
	Authentication Authentication
	Passwords      [][]byte `json:",omitempty"` // sealed SHA-256 digests in hexadecimal, at most two
	Groups         []string `json:",omitempty"` // the user groups it is in, by name
}

// Type returns [User].
func (*UserRecord) Type() Type { return User }

// DefaultUser is the ID and the name of the user that every account has in every region without having made it. It can be put into
// groups, and neither be changed nor deleted.
const DefaultUser = "default"

// defaultUser is the user as it is before any group has it.
func defaultUser(account, region string) *UserRecord {
	return &UserRecord{Meta: Meta{Account: account, Region: region, Name: DefaultUser}, UserName: DefaultUser, Engine: Redis,
		Access: "on ~* +@all", Authentication: ByNothing}
}

// UserOf returns the user with that ID, nil where there is none. The default user is always there.
func UserOf(v *View, account, region, name string) *UserRecord {
	u := Get[UserRecord](v, account, region, name)
	if u == nil && strings.EqualFold(name, DefaultUser) {
		u = defaultUser(account, region)
	}
	return u
}

// user is UserOf within a transaction; it fails where there is none.
func (tx Tx) user(account, region, name string) (*UserRecord, error) {
	u, err := find[UserRecord](tx, account, region, name)
	switch {
	case err != nil:
		return nil, err
	case u != nil:
		return u, nil
	case strings.EqualFold(name, DefaultUser):
		return defaultUser(account, region), nil
	}
	return nil, tx.fail(NotFound(User, name))
}

// putUser writes a user. The default user has a record only while a group has it.
func (tx Tx) putUser(u *UserRecord) {
	if u.Name == DefaultUser && len(u.Groups) == 0 {
		tx.plane.Delete(IDOf(u).key())
		return
	}
	tx.put(u)
}

// Secrets says how a user is to prove who it is. Nil passwords leave those that the user has.
type Secrets struct {
	Authentication Authentication
	Passwords      []secret.Text
}

// CreateUser makes a user. Its Authentication and Passwords come from s.
func (tx Tx) CreateUser(u *UserRecord, s Secrets) error {
	if err := tx.prove(u, s); err != nil {
		return tx.fail(err)
	}
	if err := checkUser(u); err != nil {
		return tx.fail(err)
	}
	if NewID(u.Account, u.Region, User, u.Name).Name == DefaultUser {
		return tx.fail(alreadyExists(User, DefaultUser))
	}
	return tx.create(u)
}

// UserChange is what is to be changed of a user; nil leaves it.
type UserChange struct {
	Engine, Access *string
	Append         *string // rules that are put behind those that the user has
	Secrets        *Secrets
}

// ModifyUser changes a user and returns it as it is then.
func (tx Tx) ModifyUser(account, region, name string, ch UserChange) (*UserRecord, error) {
	u, err := tx.changeable(account, region, name)
	if err != nil {
		return nil, err
	}
	if ch.Access != nil {
		u.Access = *ch.Access
	}
	if ch.Append != nil {
		u.Access = strings.TrimSpace(u.Access + " " + *ch.Append)
	}
	if ch.Engine != nil && *ch.Engine != u.Engine {
		u.Engine = *ch.Engine
		for _, name := range u.Groups {
			g, err := must[UserGroupRecord](tx, account, region, name)
			if err != nil {
				return nil, err
			}
			if err := fits(g, u); err != nil {
				return nil, tx.fail(err)
			}
		}
	}
	if ch.Secrets != nil {
		if err := tx.prove(u, *ch.Secrets); err != nil {
			return nil, tx.fail(err)
		}
	}
	if err := checkUser(u); err != nil {
		return nil, tx.fail(err)
	}
	tx.put(u)
	return u, nil
}

// DeleteUser takes a user out, and out of its groups: not where it is a group's default user, without which the group cannot be.
func (tx Tx) DeleteUser(account, region, name string) (*UserRecord, error) {
	u, err := tx.changeable(account, region, name)
	if err != nil {
		return nil, err
	}
	for _, name := range u.Groups {
		g, err := must[UserGroupRecord](tx, account, region, name)
		if err != nil {
			return nil, err
		}
		if u.UserName == DefaultUser && g.Engine == Redis {
			return nil, tx.fail(&fault.Error{Kind: fault.DeleteConflict, Subject: SubjectDefaultUser,
				Message: "User " + u.Name + " is the default user of the user group " + g.Name + "."})
		}
		g.Users = slices.DeleteFunc(g.Users, func(id string) bool { return id == u.Name })
		tx.put(g)
	}
	return u, tx.drop(u)
}

// changeable returns a user of the account's own making.
func (tx Tx) changeable(account, region, name string) (*UserRecord, error) {
	u, err := tx.user(account, region, name)
	if err == nil && u.Name == DefaultUser {
		return nil, tx.fail(fault.New(fault.InvalidInput, "The user default cannot be modified or deleted."))
	}
	return u, err
}

// prove sets how a user proves who it is.
func (tx Tx) prove(u *UserRecord, s Secrets) error {
	u.Authentication = s.Authentication
	switch {
	case s.Authentication != ByPassword && s.Passwords != nil:
		return Combination("Passwords can be given only with the authentication type password.")
	case s.Authentication != ByPassword:
		u.Passwords = nil
		return nil
	case s.Passwords == nil && len(u.Passwords) > 0:
		return nil
	case len(s.Passwords) == 0 || len(s.Passwords) > 2:
		return fault.New(fault.InvalidInput, "A user with the authentication type password must have one or two passwords.")
	}
	u.Passwords = nil
	for _, p := range s.Passwords {
		if err := checkPassword(p); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(p.Reveal()))
		sealed, err := tx.plane.Seal(seal.CachePassword, []byte(hex.EncodeToString(sum[:])), IDOf(u).key())
		if err != nil {
			return fmt.Errorf("sealing the password of a cache's user: %w", err)
		}
		u.Passwords = append(u.Passwords, sealed)
	}
	return nil
}

// checkPassword holds a password to 16 to 128 printable characters.
func checkPassword(p secret.Text) error {
	text := p.Reveal()
	if len(text) < 16 || len(text) > 128 || strings.ContainsFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return fault.New(fault.InvalidInput, "Passwords must be 16 to 128 printable characters.")
	}
	return nil
}

// checkUser holds a user's parts to what they must be, and against each other.
func checkUser(u *UserRecord) error {
	if u.Engine != Redis && u.Engine != Valkey {
		return fault.New(fault.InvalidInput, "Unsupported engine: %s. Use redis or valkey.", u.Engine)
	}
	if n := len(u.UserName); n == 0 || n > 120 || strings.ContainsFunc(u.UserName, func(r rune) bool { return r < 0x21 || r > 0x7e || strings.ContainsRune(`"'\`, r) }) {
		return fault.New(fault.InvalidInput, "The user name must be 1 to 120 printable characters without quotes.")
	}
	if u.Authentication == ByIAM && !strings.EqualFold(u.UserName, u.Name) {
		return Combination("The user ID and the user name must be the same for users with the authentication type iam.")
	}
	if _, err := engine.ParseAccess(u.Access); err != nil {
		return fault.New(fault.InvalidInput, "Invalid access string: %s", strings.TrimPrefix(err.Error(), "access string: "))
	}
	return nil
}
