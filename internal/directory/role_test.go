package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// trust is a trust policy for principals of type AWS.
func trust(values ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["` + strings.Join(values, `","`) +
		`"]},"Action":"sts:AssumeRole"}]}`
}

func TestCreateRole(t *testing.T) {
	w := newWorld(t)
	r := get(w, func(tx *directory.Tx) (*entity.Role, error) {
		return tx.CreateRole(home, directory.NewRole{Name: "app", Path: "/x/", Description: "d", MaxSession: 2 * time.Hour, Trust: trustEC2,
			Boundary: administrator, Tags: []entity.Tag{{Key: "k", Value: "v"}}})
	})
	want := &entity.Role{ID: r.ID, Account: home, Name: "app", Path: "/x/", Description: "d", MaxSession: 2 * time.Hour, Trust: trustEC2,
		CreatedAt: start.Truncate(time.Second), Tags: []entity.Tag{{Key: "k", Value: "v"}}, Grants: entity.Grants{Boundary: "ANPAIADMIN"}}
	if diff := cmp.Diff(want, w.state().role("app")); diff != "" || !strings.HasPrefix(r.ID, "AROA") {
		t.Errorf("ID %s; stored (-want +got):\n%s", r.ID, diff)
	}
	w.do(createRole("plain"))
	if got := w.state().role("plain").MaxSession; got != time.Hour {
		t.Errorf("longest session %v, want an hour", got)
	}
	create := func(n directory.NewRole) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.CreateRole(home, n); return err }
	}
	session := "The specified value for maxSessionDuration is invalid. It must be between 3600 and 43200 seconds."
	reserved := "The path /aws-service-role/ is for service-linked roles, and for them only."
	for _, tt := range []struct {
		name    string
		kind    fault.Kind
		message string
		n       directory.NewRole
	}{
		{"taken", fault.Exists, "Role with name APP already exists.", directory.NewRole{Name: "APP", Trust: trustEC2}},
		{"name", fault.Invalid, strings.Replace(badUserName, "userName", "roleName", 1), directory.NewRole{Name: "a b", Trust: trustEC2}},
		{"path", fault.Invalid, badPath, directory.NewRole{Name: "x", Path: "x", Trust: trustEC2}},
		{"short session", fault.Invalid, session, directory.NewRole{Name: "x", MaxSession: time.Hour - 1, Trust: trustEC2}},
		{"long session", fault.Invalid, session, directory.NewRole{Name: "x", MaxSession: 12*time.Hour + time.Second, Trust: trustEC2}},
		{"half seconds", fault.Invalid, session, directory.NewRole{Name: "x", MaxSession: time.Hour + time.Second/2, Trust: trustEC2}},
		{"description", fault.Invalid, "The specified value for description is invalid. It is longer than the maximum length.",
			directory.NewRole{Name: "x", Description: strings.Repeat("é", 1001), Trust: trustEC2}},
		{"path of service-linked roles", fault.InvalidInput, reserved, directory.NewRole{Name: "x", Path: "/aws-service-role/x/", Trust: trustEC2}},
		{"service-linked elsewhere", fault.InvalidInput, reserved, directory.NewRole{Name: "x", ServiceLinked: "x.amazonaws.com", Trust: trustEC2}},
		{"boundary", fault.NotFound, "Scope ARN: " + policyARN("none") + " does not exist or is not attachable.",
			directory.NewRole{Name: "x", Boundary: policyARN("none"), Trust: trustEC2}},
		{"no trust policy", fault.MalformedDocument, "Syntax errors in policy.", directory.NewRole{Name: "x"}},
		{"an identity policy", fault.MalformedDocument, "Has prohibited field Resource", directory.NewRole{Name: "x", Trust: allowList}},
		{"trust too large", fault.LimitExceeded, "Cannot exceed quota for ACLSizePerRole: 2048",
			directory.NewRole{Name: "x", Trust: trust(slices.Repeat([]string{home}, 150)...)}},
	} {
		t.Run(tt.name, func(t *testing.T) { w.t = t; w.refuse(tt.kind, tt.message, create(tt.n)) })
	}
	w.t = t
	w.do(create(directory.NewRole{Name: "wide", Trust: trustEC2 + strings.Repeat(" \n", 4000),
		Description: strings.Repeat("é", 1000), MaxSession: 12 * time.Hour}))
	w.do(setQuota(directory.RolesQuota, 3))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for RolesPerAccount: 3", createRole("fourth"))
	w.do(create(directory.NewRole{Name: "linked", Path: "/aws-service-role/x/", ServiceLinked: "x.amazonaws.com", Trust: trustEC2}))
	w.intact()
}

func TestTrustBinding(t *testing.T) {
	w := newWorld(t)
	alice := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "Alice", Path: "/staff/"})
	})
	bob := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(abroad, directory.NewUser{Name: "bob"})
	})
	app := get(w, func(tx *directory.Tx) (*entity.Role, error) {
		return tx.CreateRole(home, directory.NewRole{Name: "app", Path: "/x/", Trust: trustEC2})
	})
	w.do(createGroup("g"))
	w.do(createRole("r"))
	update := func(document string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UpdateTrust(home, "r", document); return err }
	}
	names := map[string]string{alice.ID: alice.ARN(), bob.ID: bob.ARN(), app.ID: app.ARN()}
	show := func(stored string) string {
		return directory.ShowTrust(stored, func(id string) (string, bool) { arn, ok := names[id]; return arn, ok })
	}
	for _, tt := range []struct{ name, value, stored string }{
		{"user with a path", "arn:aws:iam::111111111111:user/staff/Alice", alice.ID},
		{"user of another account", bob.ARN(), bob.ID},
		{"role", "arn:aws:iam::111111111111:role/x/app", app.ID},
		{"role session", "arn:aws:sts::111111111111:assumed-role/app/s1", app.ID + ":s1"},
		{"account", abroad, abroad},
		{"root", "arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:root"},
		{"federated user", "arn:aws:sts::111111111111:federated-user/carol", "arn:aws:sts::111111111111:federated-user/carol"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "account" || tt.name == "root" {
				checklist.Shows(t, "S3-34") // each comes back as it was written
			}
			w.t = t
			w.do(update(trust(tt.value)))
			stored := w.state().role("r").Trust
			if stored != trust(tt.stored) {
				t.Errorf("stored %s", stored)
			}
			if got := show(stored); got != trust(tt.value) {
				t.Errorf("shown %s", got)
			}
			w.do(update(stored)) // what is stored may be sent back
			if got := w.state().role("r").Trust; got != stored {
				t.Errorf("sent back and stored as %s", got)
			}
		})
	}
	w.t = t
	kept := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"],` +
		`"Federated":"arn:aws:iam::111111111111:saml-provider/none"},"Action":["sts:AssumeRole","sts:AssumeRoleWithSAML"]}}`
	w.do(update(kept))
	if got := w.state().role("r").Trust; got != kept || show(got) != kept {
		t.Errorf("stored %s", got)
	}
	for _, value := range []string{
		"333333333333", "arn:aws:iam::333333333333:root", "arn:aws:iam::333333333333:user/x",
		"arn:aws:iam::111111111111:user/Alice", "arn:aws:iam::111111111111:user/staff/alice", "arn:aws:iam::111111111111:user/staff/nobody",
		"arn:aws:iam::111111111111:role/app", "arn:aws:iam::111111111111:role/x/App", "arn:aws:iam::222222222222:role/x/app",
		"arn:aws:iam::111111111111:group/g", "arn:aws:iam::111111111111:policy/p", "arn:aws:iam::111111111111:user/*",
		"arn:aws:sts::111111111111:assumed-role/none/s1", "arn:aws:sts::111111111111:assumed-role/App/s1",
		"arn:aws:sts::111111111111:assumed-role/app", "arn:aws:sts::111111111111:assumed-role/app/a b",
		"arn:aws:sts::333333333333:federated-user/carol", "arn:aws:sts::111111111111:federated-user/", "arn:aws:s3:::bucket",
		"arn:aws-cn:iam::111111111111:root", "AIDAAAAAAAAAAAAAAAAAA", "AROAAAAAAAAAAAAAAAAAA:s", alice.ID + ":s1", "11111111111", "alice",
	} {
		w.refuse(fault.MalformedDocument, `Invalid principal in policy: "AWS":"`+value+`"`, update(trust(abroad, value)))
	}

	// A rename does not loosen the bond; a new user of an old name does not inherit it.
	w.do(update(trust(alice.ARN())))
	w.do(func(tx *directory.Tx) error {
		_, err := tx.RenameUser(home, "alice", directory.Rename{Name: ptr("carol")})
		return err
	})
	w.do(func(tx *directory.Tx) error { return tx.DeleteUser(home, "carol") })
	w.do(createUser("Alice"))
	delete(names, alice.ID)
	if got := show(w.state().role("r").Trust); got != trust(alice.ID) {
		t.Errorf("shown after the deletion: %s", got)
	}
	w.refuse(fault.MalformedDocument, `Invalid principal in policy: "AWS":"`+alice.ID+`"`, update(trust(alice.ID)))

	w.refuse(fault.NotFound, "The role with name none cannot be found.", func(tx *directory.Tx) error {
		_, err := tx.UpdateTrust(home, "none", kept)
		return err
	})
	w.refuse(fault.MalformedDocument, `Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:role/self"`, func(tx *directory.Tx) error {
		_, err := tx.CreateRole(home, directory.NewRole{Name: "self", Trust: trust("arn:aws:iam::111111111111:role/self")})
		return err
	})
	w.do(update(trust("arn:aws:iam::111111111111:role/r"))) // itself, once it exists
	w.intact()
}

func TestTrustWithManyPrincipals(t *testing.T) {
	w := newWorld(t)
	w.do(createRole("r"))
	w.do(setQuota(directory.AssumeRolePolicySizeQuota, 8192))
	var arns []string
	for i := range 81 {
		u := get(w, func(tx *directory.Tx) (*entity.User, error) {
			return tx.CreateUser(home, directory.NewUser{Name: fmt.Sprint("u", i)})
		})
		arns = append(arns, u.ARN())
	}
	update := func(values ...string) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UpdateTrust(home, "r", trust(values...)); return err }
	}
	w.do(update(arns[:80]...))
	w.do(update(append(slices.Clone(arns[:40]), arns[:40]...)...))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for PrincipalsPerTrustPolicy: 80", update(arns...))
}

func TestUpdateAndDeleteRole(t *testing.T) {
	w := newWorld(t)
	w.do(createPolicy("edge"))
	w.do(createRole("r"))
	r := directory.OfRole(home, "r")
	update := func(u directory.RoleUpdate) func(*directory.Tx) error {
		return func(tx *directory.Tx) error { _, err := tx.UpdateRole(home, "R", u); return err }
	}
	w.do(update(directory.RoleUpdate{Description: ptr("d"), MaxSession: ptr(3 * time.Hour)}))
	w.do(update(directory.RoleUpdate{}))
	if got := w.state().role("r"); got.Description != "d" || got.MaxSession != 3*time.Hour {
		t.Errorf("updated: %+v", got)
	}
	w.do(update(directory.RoleUpdate{Description: ptr("")}))
	if got := w.state().role("r"); got.Description != "" || got.MaxSession != 3*time.Hour {
		t.Errorf("updated: %+v", got)
	}
	w.refuse(fault.Invalid, "The specified value for maxSessionDuration is invalid. It must be between 3600 and 43200 seconds.",
		update(directory.RoleUpdate{Description: ptr("new"), MaxSession: ptr(time.Minute)}))
	w.refuse(fault.Invalid, "The specified value for description is invalid. It is longer than the maximum length.",
		update(directory.RoleUpdate{Description: ptr(strings.Repeat("x", 1001))}))
	w.refuse(fault.NotFound, "The role with name none cannot be found.", func(tx *directory.Tx) error {
		_, err := tx.UpdateRole(home, "none", directory.RoleUpdate{})
		return err
	})

	remove := func(tx *directory.Tx) error { return tx.DeleteRole(home, "r") }
	w.do(func(tx *directory.Tx) error { return tx.PutInlinePolicy(r, "in", allowList) })
	w.do(func(tx *directory.Tx) error { return tx.AttachPolicy(r, administrator) })
	w.do(func(tx *directory.Tx) error { return tx.PutBoundary(r, policyARN("edge")) })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must delete policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(r, "in") })
	w.refuse(fault.DeleteConflict, "Cannot delete entity, must detach all policies first.", remove)
	w.do(func(tx *directory.Tx) error { return tx.DetachPolicy(r, administrator) })
	w.do(remove)
	w.refuse(fault.NotFound, "The role with name r cannot be found.", remove)
	w.intact()
}

// Of a service-linked role only description and tags may be changed.
func TestServiceLinkedRoleIsProtected(t *testing.T) {
	w := newWorld(t)
	w.do(func(tx *directory.Tx) error {
		_, err := tx.CreateRole(home, directory.NewRole{Name: "Linked", Path: "/aws-service-role/x/", ServiceLinked: "x.amazonaws.com", Trust: trustEC2})
		return err
	})
	r := directory.OfRole(home, "linked")
	for name, fn := range map[string]func(*directory.Tx) error{
		"session": func(tx *directory.Tx) error {
			_, err := tx.UpdateRole(home, "linked", directory.RoleUpdate{MaxSession: ptr(2 * time.Hour)})
			return err
		},
		"trust":           func(tx *directory.Tx) error { _, err := tx.UpdateTrust(home, "linked", trustEC2); return err },
		"delete":          func(tx *directory.Tx) error { return tx.DeleteRole(home, "linked") },
		"attach":          func(tx *directory.Tx) error { return tx.AttachPolicy(r, administrator) },
		"detach":          func(tx *directory.Tx) error { return tx.DetachPolicy(r, administrator) },
		"put inline":      func(tx *directory.Tx) error { return tx.PutInlinePolicy(r, "in", allowList) },
		"delete inline":   func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(r, "in") },
		"put boundary":    func(tx *directory.Tx) error { return tx.PutBoundary(r, administrator) },
		"delete boundary": func(tx *directory.Tx) error { return tx.DeleteBoundary(r) },
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.refuse(fault.Unmodifiable, "Cannot perform the operation on the protected role 'Linked' - this role is only modifiable by AWS", fn)
		})
	}
	w.t = t
	w.do(func(tx *directory.Tx) error {
		_, err := tx.UpdateRole(home, "linked", directory.RoleUpdate{Description: ptr("d")})
		return err
	})
	w.do(func(tx *directory.Tx) error { return tx.Tag(r, []entity.Tag{{Key: "k"}}) })
	w.do(func(tx *directory.Tx) error { return tx.Untag(r, []string{"k"}) })
}

// What is stored is what decides: the engine matches a caller by the IDs that the trust policy was bound to.
func TestBoundTrustDecides(t *testing.T) {
	w := newWorld(t)
	alice := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "alice"})
	})
	app := get(w, func(tx *directory.Tx) (*entity.Role, error) {
		return tx.CreateRole(home, directory.NewRole{Name: "app", Trust: trustEC2})
	})
	user := policy.Principal{Type: policy.User, ARN: alice.ARN(), Account: home, UniqueID: alice.ID}
	session := policy.Principal{Type: policy.AssumedRole, ARN: entity.AssumedRoleARN(home, "app", "s1"), Account: home,
		UniqueID: app.ID + ":s1", RoleARN: app.ARN()}
	for _, tt := range []struct {
		name, principal string
		caller          policy.Principal
		reborn          string // the unique ID of somebody else who later bears the same ARN
	}{
		{"user", alice.ARN(), user, "AIDAAAAAAAAAAAAAAAAAA"},
		{"role", app.ARN(), session, "AROAAAAAAAAAAAAAAAAAA:s1"},
		{"session", session.ARN, session, "AROAAAAAAAAAAAAAAAAAA:s1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := get(w, func(tx *directory.Tx) (*entity.Role, error) {
				return tx.CreateRole(home, directory.NewRole{Name: "to-" + tt.name, Trust: trust(tt.principal)})
			})
			doc, err := policy.Parse([]byte(r.Trust))
			if err != nil {
				t.Fatal(err)
			}
			compiled, err := policy.Compile(policy.Trust, "trust", doc)
			if err != nil {
				t.Fatal(err)
			}
			decide := func(p policy.Principal) policy.Effect {
				return policy.Evaluate(&policy.Request{Principal: p, Action: "sts:AssumeRole", Resource: r.ARN(), ResourceAccount: home, Context: &policy.Context{}},
					&policy.Set{Identity: []*policy.Policy{}, Resource: compiled}).Effect
			}
			if got := decide(tt.caller); got != policy.Allow {
				t.Error("the principal is refused")
			}
			tt.caller.UniqueID = tt.reborn
			if got := decide(tt.caller); got != policy.Deny {
				t.Error("a new entity of the same name is let in")
			}
		})
	}
}
