package gate_test

import (
	"fmt"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/session"
)

// meanwhile has fn happen between the next call's decision and its write.
func (w *world) meanwhile(fn func(*directory.Tx) error) {
	hook := func() { w.commit(fn) }
	w.store.before.Store(&hook)
}

// inline makes a verb that gives a target the statements, and only them.
func inline(t directory.Target, statements ...string) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		if len(statements) == 0 {
			return tx.DeleteInlinePolicy(t, "test")
		}
		return tx.PutInlinePolicy(t, "test", document(statements...))
	}
}

func when(statement, operator, key, value string) string {
	return statement[:len(statement)-1] + fmt.Sprintf(`,"Condition":{%q:{%q:%q}}}`, operator, key, value)
}

// TestDecisionDoesNotOutliveItsReasons: between the decision and the write something that the decision rests on changes. The
// request is authorized again, and refused; nothing is written and the one event says so.
func TestDecisionDoesNotOutliveItsReasons(t *testing.T) {
	path := func(p string) directory.Rename { return directory.Rename{Path: &p} }
	const denied, unknown = "AccessDenied", "InvalidClientTokenId"
	for name, test := range map[string]struct {
		prepare   func(*world) caller
		meanwhile func(w *world, c caller) func(*directory.Tx) error
		call      []string // action and parameters; empty means CreateUser
		code      string
	}{
		"the caller's policy is gone": {
			prepare:   func(w *world) caller { return w.user("ann", allow("*", "*")) },
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error { return inline(directory.OfUser(w.account, "ann")) },
			code:      denied,
		},
		"the caller's policy denies": {
			prepare: func(w *world) caller { return w.user("ann", allow("*", "*")) },
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return inline(directory.OfUser(w.account, "ann"), allow("*", "*"), deny("iam:CreateUser", "*"))
			},
			code: denied,
		},
		"the caller gets a boundary": {
			prepare: func(w *world) caller { return w.user("ann", allow("*", "*")) },
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					return tx.PutBoundary(directory.OfUser(w.account, "ann"), "arn:aws:iam::aws:policy/AmazonS3FullAccess")
				}
			},
			code: denied,
		},
		"the caller leaves the group": {
			prepare: inGroup,
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error { return tx.RemoveFromGroup(w.account, "ann", "crew") }
			},
			code: denied,
		},
		"the group's policy is gone": {
			prepare: inGroup,
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return inline(directory.OfGroup(w.account, "crew"))
			},
			code: denied,
		},
		"an attached policy has another default version": {
			prepare: func(w *world) caller {
				c := w.user("ann")
				w.managedPolicy(allow("*", "*"))
				w.make(func(tx *directory.Tx) error {
					return tx.AttachPolicy(directory.OfUser(w.account, "ann"), w.arn("policy/managed"))
				})
				return c
			},
			meanwhile: newVersion,
			code:      denied,
		},
		"the key is deactivated": {
			prepare: func(w *world) caller { return w.user("ann", allow("*", "*")) },
			meanwhile: func(w *world, c caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					return tx.SetAccessKeyActive(directory.OfUser(w.account, "ann"), c.id, false)
				}
			},
			code: unknown,
		},
		"the root user's key is deleted": {
			prepare: func(w *world) caller { return w.root },
			meanwhile: func(w *world, c caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error { return tx.DeleteAccessKey(directory.OfRoot(w.account), c.id) }
			},
			code: unknown,
		},
		"the target's tags": {
			prepare: func(w *world) caller {
				w.make(func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bob", Tags: []entity.Tag{{Key: "team", Value: "red"}}})
					return err
				})
				return w.user("ann", when(allow("*", "*"), "StringEquals", "aws:ResourceTag/team", "red"))
			},
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					return tx.Tag(directory.OfUser(w.account, "bob"), []entity.Tag{{Key: "team", Value: "blue"}})
				}
			},
			call: []string{"DeleteUser", "UserName", "bob"},
			code: denied,
		},
		"the caller's own tags": {
			prepare: func(w *world) caller {
				c := w.user("ann", when(allow("*", "*"), "StringEquals", "aws:PrincipalTag/team", "red"))
				w.make(func(tx *directory.Tx) error {
					return tx.Tag(directory.OfUser(w.account, "ann"), []entity.Tag{{Key: "team", Value: "red"}})
				})
				return c
			},
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error { return tx.Untag(directory.OfUser(w.account, "ann"), []string{"team"}) }
			},
			code: denied,
		},
		"the target's path": {
			prepare: func(w *world) caller {
				w.make(func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bob", Path: "/team/"})
					return err
				})
				return w.user("ann", allow("*", w.arn("user/team/*")))
			},
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.RenameUser(w.account, "bob", path("/other/"))
					return err
				}
			},
			call: []string{"DeleteUser", "UserName", "bob"},
			code: denied,
		},
		"the path of a group": {
			prepare: func(w *world) caller {
				w.make(func(tx *directory.Tx) error {
					_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "crew", Path: "/team/"})
					return err
				})
				return w.user("ann", allow("*", w.arn("group/team/*")))
			},
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.RenameGroup(w.account, "crew", path("/other/"))
					return err
				}
			},
			call: []string{"DeleteGroup", "GroupName", "crew"},
			code: denied,
		},
		"a target that was not there": {
			prepare: func(w *world) caller { return w.user("ann", allow("*", w.arn("user/bob"))) },
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bob", Path: "/secret/"})
					return err
				}
			},
			call: []string{"DeleteUser", "UserName", "bob"},
			code: denied,
		},
		"the role's policy": {
			prepare: func(w *world) caller { return w.session(w.role("worker", allow("*", "*")), "s") },
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return inline(directory.OfRole(w.account, "worker"))
			},
			code: denied,
		},
		"the role is deleted": {
			prepare: func(w *world) caller {
				r := w.role("worker")
				w.make(func(tx *directory.Tx) error {
					return tx.AttachPolicy(directory.OfRole(w.account, "worker"), "arn:aws:iam::aws:policy/AdministratorAccess")
				})
				return w.session(r, "s")
			},
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					if err := tx.DetachPolicy(directory.OfRole(w.account, "worker"), "arn:aws:iam::aws:policy/AdministratorAccess"); err != nil {
						return err
					}
					return tx.DeleteRole(w.account, "worker")
				}
			},
			code: unknown,
		},
		"a managed session policy has another default version": {prepare: limited, meanwhile: newVersion, code: denied},
		"a managed session policy is deleted": {
			prepare: limited,
			meanwhile: func(w *world, _ caller) func(*directory.Tx) error {
				return func(tx *directory.Tx) error { return tx.DeletePolicy(w.account, w.arn("policy/managed")) }
			},
			code: denied,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := test.prepare(w)
			call := test.call
			if call == nil {
				call = []string{"CreateUser", "UserName", "eve"}
			}
			written := len(w.outbox())
			w.meanwhile(test.meanwhile(w, c))
			a := w.iam(c, call[0], call[1:]...)
			if a.status != 403 || a.code != test.code {
				t.Errorf("got %d %s: %s", a.status, a.code, a.message)
			}
			if n := len(w.outbox()) - written; n != 1 { // that of the change in between
				t.Errorf("%d events were written together with changes", n)
			}
			e := w.event(a)
			if e.ErrorCode != test.code || e.Identity.AccessKeyID != c.id {
				t.Errorf("recorded as %+v", e)
			}
			if d := e.Additional.Decision; test.code == denied && (d == nil || d.Effect == "allow") {
				t.Errorf("recorded with the decision %+v", d)
			}
			w.settle()
			if account, _ := w.follower.Current().Account(w.account); call[0] == "CreateUser" {
				if _, ok := account.User("eve"); ok {
					t.Error("the user was made")
				}
			}
		})
	}
}

func inGroup(w *world) caller {
	w.make(func(tx *directory.Tx) error {
		if _, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"}); err != nil {
			return err
		}
		return inline(directory.OfGroup(w.account, "crew"), allow("*", "*"))(tx)
	})
	c := w.user("ann")
	w.make(func(tx *directory.Tx) error { return tx.AddToGroup(w.account, "ann", "crew") })
	return c
}

func (w *world) managedPolicy(statements ...string) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: "managed", Document: document(statements...)})
		return err
	})
}

func newVersion(w *world, _ caller) func(*directory.Tx) error {
	return func(tx *directory.Tx) error {
		_, err := tx.CreatePolicyVersion(w.account, w.arn("policy/managed"), document(allow("s3:*", "*")), true)
		return err
	}
}

// limited is a session of a role that may do everything, with a managed session policy that allows it.
func limited(w *world) caller {
	w.managedPolicy(allow("*", "*"))
	r := w.role("worker", allow("*", "*"))
	return w.issue(w.ring, session.Claims{Kind: session.AssumedRole, Account: w.account, PrincipalID: r.ID, Name: r.Name, SessionName: "s",
		PolicyARNs: []string{w.arn("policy/managed")}})
}

// TestUnrelatedChangesDoNotDisturb: a write that was decided on an older state goes through at the first attempt when nothing
// that it rests on has changed.
func TestUnrelatedChangesDoNotDisturb(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann", allow("*", "*"))
	bob := w.user("bob")
	w.managedPolicy(allow("*", "*"))
	for i, fn := range []func(*directory.Tx) error{
		inline(directory.OfUser(w.account, "bob"), deny("*", "*")),
		func(tx *directory.Tx) error {
			return tx.SetAccessKeyActive(directory.OfUser(w.account, "bob"), bob.id, false)
		},
		func(tx *directory.Tx) error { return tx.SetAlias(w.account, "acme") },
		func(tx *directory.Tx) error { return tx.DeletePolicy(w.account, w.arn("policy/managed")) },
		func(tx *directory.Tx) error {
			_, err := tx.CreateRole(w.account, directory.NewRole{Name: "r", Trust: trusts(w.account)})
			return err
		},
		func(tx *directory.Tx) error {
			_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "g"})
			return err
		},
		func(tx *directory.Tx) error {
			_, _, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
			return err
		},
	} {
		before := w.store.updates.Load()
		w.meanwhile(fn)
		a := w.ok(w.iam(ann, "CreateUser", "UserName", fmt.Sprint("user", i)))
		if n := w.store.updates.Load() - before; n != 1 {
			t.Errorf("change %d: the write took %d attempts", i, n)
		}
		w.event(a)
	}
}

// TestAuthorizedAgain: what is still allowed after a change that it rests on goes through, and its one event has the caller
// as they are by then.
func TestAuthorizedAgain(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann", allow("*", "*"))
	before := w.store.updates.Load()
	w.meanwhile(func(tx *directory.Tx) error {
		name := "anna"
		_, err := tx.RenameUser(w.account, "ann", directory.Rename{Name: &name})
		return err
	})
	a := w.ok(w.iam(ann, "CreateUser", "UserName", "eve"))
	if n := w.store.updates.Load() - before; n != 2 {
		t.Errorf("%d attempts", n)
	}
	if e := w.event(a); e.Identity.UserName != "anna" || e.Identity.ARN != w.arn("user/anna") || e.Additional.Decision.Effect != "allow" {
		t.Errorf("recorded as %+v", e.Identity)
	}
}

// TestOvertaken: a request that others always overtake is given up.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann", allow("*", "*"))
	var hook func()
	n := 0
	hook = func() {
		n++
		w.commit(inline(directory.OfUser(w.account, "ann"), allow("*", "*"), deny("s3:*", fmt.Sprint("arn:aws:s3:::b", n))))
		w.store.before.Store(&hook)
	}
	w.store.before.Store(&hook)
	a := w.iam(ann, "CreateUser", "UserName", "eve")
	w.refused(a, 409, "ConcurrentModification", "The request was overtaken by other changes too often. Try again.")
	if e := w.event(a); e.ErrorCode != "ConcurrentModificationException" {
		t.Errorf("recorded as %s", e.ErrorCode)
	}
	if n < 10 {
		t.Errorf("given up after %d attempts", n)
	}
}

// TestReadYourWrites: the answer to a write waits until the snapshot shows it.
func TestReadYourWrites(t *testing.T) {
	checklist.Shows(t, "S1-420", "S3-384")
	w := newWorld(t)
	resume := w.store.pause()
	updates := w.store.updates.Load()
	done := make(chan answer)
	go func() { done <- w.iam(w.root, "CreateUser", "UserName", "ann") }()
	// The write is durable before it is answered.
	for w.store.updates.Load() == updates || len(w.outbox()) == 0 {
		select {
		case a := <-done:
			t.Fatalf("answered %d early", a.status)
		default:
		}
	}
	if account, _ := w.follower.Current().Account(w.account); account.UserCount() != 0 {
		t.Fatal("the snapshot moved: this test proves nothing")
	}
	for range 20 { // time enough for the answer, if nothing held it
		w.ok(w.sts(w.root, "GetCallerIdentity"))
	}
	select {
	case a := <-done:
		t.Fatalf("answered %d before the snapshot showed the write", a.status)
	default:
	}
	resume()
	w.ok(<-done)
	w.ok(w.iam(w.root, "GetUser", "UserName", "ann"))
}
