package directory_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// FuzzTrust: whatever a trust policy says, it is either refused with a sentence or stored as a document that is valid, may
// be sent back, and differs from what was sent in its principals only.
func FuzzTrust(f *testing.F) {
	w := newWorld(f)
	alice := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "alice", Path: `/a"\b/`})
	})
	app := get(w, func(tx *directory.Tx) (*entity.Role, error) {
		return tx.CreateRole(home, directory.NewRole{Name: "app", Trust: trustEC2})
	})
	w.do(createRole("r"))
	names := map[string]string{alice.ID: alice.ARN(), app.ID: app.ARN()}
	arn, err := json.Marshal(alice.ARN())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(trustEC2)
	f.Add(trust(home, app.ARN()))
	f.Add(trust("arn:aws:sts::111111111111:assumed-role/app/s1", app.ID, "*"))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":{"AWS":` + string(arn) + `},"Action":"sts:AssumeRole"}}`)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/\u0061pp"},"Action":"sts:AssumeRole"}}`)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		w.t = t
		update := func(document string) error {
			return w.try(func(tx *directory.Tx) error { _, err := tx.UpdateTrust(home, "r", document); return err })
		}
		if err := update(text); err != nil {
			if kind := fault.KindOf(err); kind != fault.MalformedDocument && kind != fault.LimitExceeded || fault.MessageOf(err) == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		stored := w.state().role("r").Trust
		if err := update(stored); err != nil || w.state().role("r").Trust != stored {
			t.Fatalf("%q is stored as %q, which sent back gives %v", text, stored, err)
		}
		shown := directory.ShowTrust(stored, func(id string) (string, bool) { arn, ok := names[id]; return arn, ok })
		if err := update(shown); err != nil || w.state().role("r").Trust != stored {
			t.Fatalf("%q is shown as %q, which sent back gives %v", stored, shown, err)
		}
		sent, err := policy.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := policy.Parse([]byte(stored))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := sent.Principals(), kept.Principals(); len(a) != len(b) {
			t.Fatalf("%d principals became %d", len(a), len(b))
		}
	})
}

// FuzzPolicyARN: nothing but the ARN of a policy that exists is attached.
func FuzzPolicyARN(f *testing.F) {
	w := newWorld(f)
	w.do(createUser("alice"))
	w.do(createPolicy("P"))
	alice := directory.OfUser(home, "alice")
	for _, arn := range []string{administrator, linkedPolicy, policyARN("P"), policyARN("p"), policyARN("a/P"), "arn:aws:iam::222222222222:policy/P",
		"arn:aws:iam::111111111111:policy//P", "arn:aws:iam::111111111111:policy/", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:policy:policy/P"} {
		f.Add(arn)
	}
	f.Add(policyARN(strings.Repeat("\xf0", 2000)))
	f.Fuzz(func(t *testing.T, arn string) {
		w.t = t
		err := w.try(func(tx *directory.Tx) error {
			if err := tx.AttachPolicy(alice, arn); err != nil {
				return err
			}
			return tx.DetachPolicy(alice, arn)
		})
		switch kind := fault.KindOf(err); {
		case err == nil && arn != administrator && arn != readOnly && arn != policyARN("P"):
			t.Errorf("%q was attached", arn)
		case err != nil && kind != fault.Invalid && kind != fault.NotFound && kind != fault.NotAttachable:
			t.Errorf("%q: %v", arn, err)
		}
	})
}
