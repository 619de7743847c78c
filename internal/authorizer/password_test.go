package authorizer_test

import (
	"slices"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// TestOwnPasswordGrant: the account's setting grants every user iam:ChangePassword on themselves and
// iam:GetAccountPasswordPolicy, and nobody anything else; explanations say where it is from.
func TestOwnPasswordGrant(t *testing.T) {
	const grant = "account/password-policy/AllowUsersToChangePassword"
	w := newWorld(t)
	ann, bob := w.user("Ann", nil), w.user("ann2", nil)
	denied := w.user("denied", nil, `{"Effect":"Deny","Action":"iam:ChangePassword","Resource":"*"}`)
	bound := w.user("bound", nil)
	role := w.session("worker", nil)
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreatePolicy(acct, directory.NewPolicy{Name: "narrow", Document: document(allow("s3:*", "*"))})
		if err == nil {
			err = tx.PutBoundary(directory.OfUser(acct, "bound"), entity.PolicyARN(acct, "/", "narrow"))
		}
		return err
	})
	federated := &authorizer.Caller{EntityID: ann.EntityID, Temporary: true, SessionPolicies: []*policy.Policy{everything(t)}, Principal: policy.Principal{
		Type: policy.FederatedUser, IssuerUserARN: ann.Principal.ARN, ARN: "arn:aws:sts::" + acct + ":federated-user/Ann", Account: acct, UniqueID: acct + ":Ann"}}
	session := *ann
	session.Temporary, session.MFAKnown, session.MFAAt = true, true, now
	set := func(may bool) {
		w.make(func(tx *directory.Tx) error {
			return tx.SetPasswordPolicy(acct, entity.PasswordPolicy{MinimumLength: 6, UsersMayChange: may})
		})
	}
	change := func(resource string) authorizer.Check {
		return authorizer.Check{Action: "iam:ChangePassword", Resource: resource}
	}
	own := func(c *authorizer.Caller) authorizer.Check { return change(c.Principal.ARN) }
	read := authorizer.Check{Action: "iam:GetAccountPasswordPolicy", Resource: "*"}
	ask := func(c *authorizer.Caller, ch authorizer.Check, want bool) {
		t.Helper()
		d := w.decide(c, ch)
		if d.Allowed() != want {
			t.Errorf("%s, %s on %s: %+v", c.Principal.ARN, ch.Action, ch.Resource, d.Decision)
		}
		x := w.auth.Explain(w.follower.Current(), c, environment(), &ch)
		if (x.Decision.Effect == policy.Allow) != want {
			t.Errorf("explained otherwise: %+v", x.Decision)
		}
		if want && (d.Policy == nil || d.Policy.Name() != grant || len(x.Statements) == 0) {
			t.Errorf("granted by %+v, explained by %+v", d.Decision, x.Statements)
		}
	}
	for _, c := range []*authorizer.Caller{ann, bob, &session} {
		ask(c, own(c), false)
		ask(c, read, false)
	}
	set(true)
	checklist.Shows(t, "S1-171", "S1-172")
	for _, c := range []*authorizer.Caller{ann, bob, &session} {
		ask(c, own(c), true)
		ask(c, read, true)
		ask(c, authorizer.Check{Action: "iam:UpdateLoginProfile", Resource: c.Principal.ARN}, false)
		ask(c, authorizer.Check{Action: "iam:UpdateAccountPasswordPolicy", Resource: "*"}, false)
	}
	ask(ann, own(bob), false)
	for _, other := range []string{"*", entity.UserARN(acct, "/", "ann"), entity.UserARN(acct, "/Ann/", "bob"), entity.UserARN(acct, "/", "Ann2"),
		entity.UserARN(other, "/", "Ann"), entity.RoleARN(acct, "/", "Ann"), entity.RootARN(acct)} {
		ask(ann, change(other), false)
	}
	for _, c := range []*authorizer.Caller{role, federated} {
		ask(c, own(ann), false)
		ask(c, read, false)
	}
	if d := w.decide(denied, own(denied)); d.Allowed() || !d.Explicit {
		t.Errorf("an explicit deny: %+v", d.Decision)
	}
	if d := w.decide(bound, own(bound)); d.Allowed() || d.Layer != policy.LayerBoundary {
		t.Errorf("a boundary without the permission: %+v", d.Decision)
	}
	before := w.decide(ann, own(ann))
	set(false)
	ask(ann, own(ann), false)
	ask(ann, read, false)
	// A decision on the setting is no good after it changed: the write that it allowed finds a guard broken.
	guards, after := before.Guards(), w.decide(ann, own(ann))
	if same := equalGuards(guards, after.Guards()); same {
		t.Error("the setting changed and no guard did")
	}
	w.make(func(tx *directory.Tx) error { return tx.DeletePasswordPolicy(acct) })
	ask(ann, own(ann), false)
}

// everything is a session policy that takes nothing away.
func everything(t *testing.T) *policy.Policy {
	doc, err := policy.Parse([]byte(document(allow("*", "*"))))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.Session, "session", doc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func equalGuards(a, b []store.Guard) bool {
	return slices.EqualFunc(a, b, func(x, y store.Guard) bool { return x.Revision == y.Revision && string(x.Key) == string(y.Key) })
}
