package directory_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

const badUserName = "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"

const badPath = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."

func ptr[T any](v T) *T { return &v }

func TestCreateUser(t *testing.T) {
	w := newWorld(t)
	got := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "Alice", Path: "/a/b/", Boundary: readOnly, Tags: []entity.Tag{{Key: "K", Value: ""}}})
	})
	want := &entity.User{Account: home, Name: "Alice", Path: "/a/b/", CreatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Tags: []entity.Tag{{Key: "K"}}, Grants: entity.Grants{Boundary: "ANPAIREADONLY"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(entity.User{}, "ID")); diff != "" {
		t.Errorf("returned (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.ID, "AIDA") || len(got.ID) != 21 {
		t.Errorf("ID %q, want AIDA and 17 more", got.ID)
	}
	if diff := cmp.Diff(got, w.state().user("Alice")); diff != "" {
		t.Errorf("stored (-returned +stored):\n%s", diff)
	}
	if got := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "bob"})
	}); got.Path != "/" {
		t.Errorf("path %q, want the root", got.Path)
	}
	w.intact()
}

func TestCreateUserRefusals(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("Alice"))
	create := func(account string, n directory.NewUser) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreateUser(account, n); return err }
	}
	for _, tt := range []struct {
		name    string
		kind    fault.Kind
		message string
		fn      func(*directory.Tx) error
	}{
		{"taken", fault.Exists, "User with name Alice already exists.", createUser("Alice")},
		{"taken in another case", fault.Exists, "User with name aLICE already exists.", createUser("aLICE")},
		{"taken under another path", fault.Exists, "User with name alice already exists.", create(home, directory.NewUser{Name: "alice", Path: "/x/"})},
		{"no name", fault.Invalid, badUserName, createUser("")},
		{"space", fault.Invalid, badUserName, createUser("a b")},
		{"slash", fault.Invalid, badUserName, createUser("a/b")},
		{"not ASCII", fault.Invalid, badUserName, createUser("é")},
		{"65 characters", fault.Invalid, "The specified value for userName is invalid. It is longer than the maximum length.", createUser(strings.Repeat("a", 65))},
		{"path without slash at the end", fault.Invalid, badPath, create(home, directory.NewUser{Name: "x", Path: "/a"})},
		{"path without slash at the start", fault.Invalid, badPath, create(home, directory.NewUser{Name: "x", Path: "a/"})},
		{"path with a space", fault.Invalid, badPath, create(home, directory.NewUser{Name: "x", Path: "/a b/"})},
		{"path of two slashes", fault.Invalid, badPath, create(home, directory.NewUser{Name: "x", Path: "//"})},
		{"path of 513", fault.Invalid, badPath, create(home, directory.NewUser{Name: "x", Path: "/" + strings.Repeat("a", 511) + "/"})},
		{"no such account", fault.NotFound, "The account 333333333333 cannot be found.", create("333333333333", directory.NewUser{Name: "x"})},
		{"boundary is no ARN", fault.InvalidInput, "ARN nonsense is not valid.", create(home, directory.NewUser{Name: "x", Boundary: "nonsense"})},
		{"no such boundary", fault.NotFound, "Scope ARN: arn:aws:iam::111111111111:policy/none does not exist or is not attachable.",
			create(home, directory.NewUser{Name: "x", Boundary: policyARN("none")})},
		{"service role policy as boundary", fault.NotAttachable, "The policy " + linkedPolicy + " cannot be used as a permissions boundary.",
			create(home, directory.NewUser{Name: "x", Boundary: linkedPolicy})},
		{"duplicate tags", fault.InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
			create(home, directory.NewUser{Name: "x", Tags: []entity.Tag{{Key: "a"}, {Key: "A"}}})},
	} {
		t.Run(tt.name, func(t *testing.T) { w.t = t; w.refuse(tt.kind, tt.message, tt.fn) })
	}
	w.t = t
	t.Run("every character", func(t *testing.T) {
		checklist.Shows(t, "S1-100", "S1-441")
		for _, good := range []string{"a", "Z9", "+=,.@_-", "under_score", strings.Repeat("u", 64)} {
			w.do(create(home, directory.NewUser{Name: good}))
			if u := w.state().user(good); u == nil || u.Name != good {
				t.Errorf("%q became %+v", good, u)
			}
			w.refuse(fault.Exists, "User with name "+strings.ToUpper(good)+" already exists.", createUser(strings.ToUpper(good)))
		}
		for _, bad := range strings.Split(" !#$%^&*()[]{}|'\"`~<>?/\\:;", "") {
			w.refuse(fault.Invalid, badUserName, createUser("a"+bad))
		}
		w.refuse(fault.Invalid, "The specified value for userName is invalid. It is longer than the maximum length.", createUser(strings.Repeat("u", 65)))
	})
	// The same name elsewhere is another name.
	w.do(create(abroad, directory.NewUser{Name: "Alice"}))
	w.do(createGroup("Alice"))
	w.do(create(home, directory.NewUser{Name: strings.Repeat("a", 64), Path: "/" + strings.Repeat("a", 510) + "/"}))
	w.do(setQuota(directory.UsersQuota, 7))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for UsersPerAccount: 7", createUser("one-more"))
	w.intact()
}

func TestRenameUser(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("bob"))
	w.do(createUser("alice"))
	w.do(createGroup("g"))
	w.do(func(tx *directory.Tx) error { return tx.AddToGroup(home, "alice", "g") })
	key := get(w, func(tx *directory.Tx) (*directory.IssuedKey, error) {
		return tx.CreateAccessKey(directory.OfUser(home, "alice"))
	})
	before := w.state().user("alice")
	rename := func(name string, to directory.Rename) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.RenameUser(home, name, to); return err }
	}

	w.do(rename("ALICE", directory.Rename{Name: ptr("carol"), Path: ptr("/x/")}))
	after := w.state().user("carol")
	want := *before
	want.Name, want.Path = "carol", "/x/"
	if diff := cmp.Diff(&want, after); diff != "" {
		t.Errorf("renaming changed more than name and path (-want +got):\n%s", diff)
	}
	if w.state().keys[key.ID].User != after.ID {
		t.Error("the key belongs to somebody else")
	}
	w.intact()
	w.refuse(fault.NotFound, "The user with name alice cannot be found.", rename("alice", directory.Rename{Name: ptr("x")}))

	w.do(rename("carol", directory.Rename{Name: ptr("CAROL")})) // the case of one's own name
	w.intact()
	w.do(rename("carol", directory.Rename{Path: ptr("/y/")})) // the path alone
	w.do(rename("carol", directory.Rename{}))                 // nothing
	if u := w.state().user("CAROL"); u.Path != "/y/" {
		t.Errorf("path %q", u.Path)
	}
	w.intact()
	w.refuse(fault.Exists, "User with name BOB already exists.", rename("carol", directory.Rename{Name: ptr("BOB")}))
	w.refuse(fault.Invalid, strings.Replace(badUserName, "userName", "newUserName", 1), rename("carol", directory.Rename{Name: ptr("a b")}))
	w.refuse(fault.Invalid, badPath, rename("carol", directory.Rename{Path: ptr("x")}))
	w.do(createUser("alice")) // the old name is free again
	w.intact()
}

func TestDeleteUser(t *testing.T) {
	w := newWorld(t)
	alice := directory.OfUser(home, "alice")
	w.do(createPolicy("edge"))
	w.do(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(home, directory.NewUser{Name: "alice", Boundary: policyARN("edge")})
		return err
	})
	w.do(createGroup("g"))
	w.do(func(tx *directory.Tx) error { return tx.AddToGroup(home, "alice", "g") })
	w.do(func(tx *directory.Tx) error { return tx.AttachPolicy(alice, administrator) })
	w.do(func(tx *directory.Tx) error { return tx.PutInlinePolicy(alice, "in", allowList) })
	key := get(w, func(tx *directory.Tx) (*directory.IssuedKey, error) { return tx.CreateAccessKey(alice) })
	remove := func(tx *directory.Tx) error { return tx.DeleteUser(home, "alice") }

	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete access keys first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DeleteAccessKey(alice, key.ID) })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(alice, "in") })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must detach all policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DetachPolicy(alice, administrator) })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must remove users from group first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.RemoveFromGroup(home, "alice", "g") })
	w.do(remove)
	w.intact()
	if s := w.state(); s.user("alice") != nil || s.policy("edge").BoundaryUses != 0 {
		t.Error("something of alice is left")
	}
	w.refuse(fault.NotFound, "The user with name alice cannot be found.", remove)
	w.do(createUser("alice"))
}

func TestMemberships(t *testing.T) {
	checklist.Shows(t, "S1-11")
	w := newWorld(t)
	w.do(createUser("alice"))
	add := func(user, group string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.AddToGroup(home, user, group) }
	}
	drop := func(user, group string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { return tx.RemoveFromGroup(home, user, group) }
	}
	names := strings.Split("abcdefghijk", "")
	for _, name := range names {
		w.do(createGroup(name))
	}
	for _, name := range names[:10] {
		w.do(add("alice", name))
	}
	w.intact()
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for GroupsPerUser: 10", add("alice", "k"))
	if keys := w.changed(add("ALICE", "A")); len(keys) != 0 {
		t.Errorf("joining again changed %v", keys)
	}
	if raised := w.epoch(drop("alice", "a")); raised {
		t.Error("a membership is the user's own: the epoch need not rise")
	}
	if keys := w.changed(drop("alice", "a")); len(keys) != 0 {
		t.Errorf("leaving again changed %v", keys)
	}
	w.do(add("alice", "k"))
	w.refuse(fault.NotFound, "The user with name bob cannot be found.", add("bob", "a"))
	w.refuse(fault.NotFound, "The group with name zoo cannot be found.", add("alice", "zoo"))
	w.refuse(fault.NotFound, "The user with name bob cannot be found.", drop("bob", "a"))
	w.refuse(fault.NotFound, "The group with name zoo cannot be found.", drop("alice", "zoo"))
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must remove users from group first.",
		func(tx *directory.Tx) error { return tx.DeleteGroup(home, "k") })
	w.intact()
}

func TestGroups(t *testing.T) {
	w := newWorld(t)
	g := get(w, func(tx *directory.Tx) (*entity.Group, error) {
		return tx.CreateGroup(home, directory.NewGroup{Name: "Admins", Path: "/p/"})
	})
	if !strings.HasPrefix(g.ID, "AGPA") || g.ARN() != "arn:aws:iam::111111111111:group/p/Admins" {
		t.Errorf("made %+v", g)
	}
	w.refuse(fault.Exists, "Group with name admins already exists.", createGroup("admins"))
	w.refuse(fault.Invalid, strings.Replace(badUserName, "userName", "groupName", 1), createGroup("a*"))
	w.do(createGroup(strings.Repeat("g", 128)))
	w.refuse(fault.Invalid, "The specified value for groupName is invalid. It is longer than the maximum length.", createGroup(strings.Repeat("g", 129)))
	w.refuse(fault.Invalid, badPath, func(tx *directory.Tx) error {
		_, err := tx.CreateGroup(home, directory.NewGroup{Name: "x", Path: "x"})
		return err
	})

	t.Run("names", func(t *testing.T) {
		checklist.Shows(t, "S1-142", "S1-441")
		for _, good := range []string{"ADMINS-2", "+=,.@_-", strings.Repeat("n", 128)} {
			w.do(createGroup(good))
			w.refuse(fault.Exists, "Group with name "+strings.ToLower(good)+" already exists.", createGroup(strings.ToLower(good)))
			w.do(func(tx *directory.Tx) error { return tx.DeleteGroup(home, good) })
		}
		for _, bad := range strings.Split(" !#$%^&*()[]{}|'<>?/:", "") {
			w.refuse(fault.Invalid, strings.Replace(badUserName, "userName", "groupName", 1), createGroup("a"+bad))
		}
	})
	rename := func(name string, to directory.Rename) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.RenameGroup(home, name, to); return err }
	}
	w.do(createUser("alice"))
	w.do(func(tx *directory.Tx) error { return tx.AddToGroup(home, "alice", "admins") })
	w.do(rename("admins", directory.Rename{Name: ptr("ops"), Path: ptr("/")}))
	if ops := w.state().group("ops"); ops == nil || ops.ID != g.ID || ops.Members != 1 || ops.Path != "/" {
		t.Errorf("renamed: %+v", ops)
	}
	w.do(createGroup("other"))
	w.refuse(fault.Exists, "Group with name OTHER already exists.", rename("ops", directory.Rename{Name: ptr("OTHER")}))
	w.refuse(fault.NotFound, "The group with name admins cannot be found.", rename("admins", directory.Rename{}))
	w.intact()

	ops := directory.OfGroup(home, "ops")
	remove := func(tx *directory.Tx) error { return tx.DeleteGroup(home, "ops") }
	w.do(func(tx *directory.Tx) error { return tx.RemoveFromGroup(home, "alice", "ops") })
	w.do(func(tx *directory.Tx) error { return tx.PutInlinePolicy(ops, "in", allowList) })
	w.do(func(tx *directory.Tx) error { return tx.AttachPolicy(ops, readOnly) })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(ops, "in") })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must detach all policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DetachPolicy(ops, readOnly) })
	w.do(remove)
	w.refuse(fault.NotFound, "The group with name ops cannot be found.", remove)
	w.do(setQuota(directory.GroupsQuota, 2))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for GroupsPerAccount: 2", createGroup("third"))
	w.intact()
}

// TestGroupARNIsGuarded: decisions about a group have no guard of its own, so that what ends its ARN raises the epoch.
func TestGroupARNIsGuarded(t *testing.T) {
	w := newWorld(t)
	if w.epoch(createGroup("crew")) {
		t.Error("a new group raised the epoch")
	}
	move := func(tx *directory.Tx) error {
		path := "/eu/"
		_, err := tx.RenameGroup(home, "crew", directory.Rename{Path: &path})
		return err
	}
	if !w.epoch(move) {
		t.Error("a new path did not raise the epoch")
	}
	if !w.epoch(func(tx *directory.Tx) error { return tx.DeleteGroup(home, "crew") }) {
		t.Error("a deletion did not raise the epoch")
	}
}
