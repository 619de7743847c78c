package gate_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// belongs says of accounts which organization they belong to.
type belongs map[string]*iam.Organization

func (b belongs) Of(_ *snapshot.Snapshot, account string) (iam.Organization, bool) {
	o, ok := b[account]
	if !ok {
		return iam.Organization{}, false
	}
	return *o, true
}

// organize puts a gate that knows of organizations in the place of the world's gate.
func (w *world) organize(b belongs) {
	w.t.Helper()
	c := w.config()
	dir := directory.New(directory.Config{Store: w.store, Ring: w.ring, Managed: managed{catalog.ManagedPolicies()}, Now: w.now})
	c.Services[0] = iam.New(iam.Config{Directory: dir, Managed: catalog.ManagedPolicies(), Usage: usage.New(usage.Config{Store: w.base}), Organizations: b})
	c.Services[1] = sts.New(sts.Config{Codes: w.dir, Ring: w.ring, Managed: catalog.ManagedPolicies(), Organizations: b})
	g, err := gate.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	w.t.Cleanup(server.Close)
	w.url = server.URL
}

// another makes an account and returns its ID and its root user's key.
func (w *world) another(name string) (id string, root caller) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		acct, key, err := tx.CreateAccount(directory.NewAccount{Name: name})
		if err == nil {
			id, root = acct.ID, caller{key.ID, key.Secret.Reveal(), ""}
		}
		return err
	})
	return id, root
}

const tasks = "arn:aws:iam::aws:policy/root-task/"

// task gets a session of root for a task.
func (w *world) task(c caller, target, task string) caller {
	w.t.Helper()
	a := w.ok(w.sts(c, "AssumeRoot", "TargetPrincipal", target, "TaskPolicyArn.arn", tasks+task))
	return caller{element(a.body, "AccessKeyId"), element(a.body, "SecretAccessKey"), element(a.body, "SessionToken")}
}

// TestWhoMayAssumeRoot: the caller's policies and centralized root access both have to allow it, and what is missing is not told.
func TestWhoMayAssumeRoot(t *testing.T) {
	w := newWorld(t)
	member, memberRoot := w.another("member")
	other, _ := w.another("other")
	loner, _ := w.another("loner")
	o := &iam.Organization{ID: "o-1", Management: w.account, AllFeatures: true, Trusted: true}
	b := belongs{w.account: o, member: o, other: {ID: "o-2", Management: other, AllFeatures: true, Trusted: true}}
	w.organize(b)
	ann := w.user("ann", allow("sts:AssumeRoot", "*"))
	nobody := w.user("nobody")
	picky := w.user("picky", when(allow("sts:AssumeRoot", "arn:aws:iam::"+member+":root"), "StringEquals", "sts:TaskPolicyArn", tasks+"S3UnlockBucketPolicy"))
	assume := func(c caller, target, task string) answer {
		t.Helper()
		return w.sts(c, "AssumeRoot", "TargetPrincipal", target, "TaskPolicyArn.arn", tasks+task)
	}
	const audit = "IAMAuditRootUserCredentials"
	denied := func(a answer, user, target, why string) {
		t.Helper()
		w.refused(a, 403, "AccessDenied", strings.TrimSpace("User: "+w.arn("user/"+user)+" is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::"+target+":root "+why))
	}
	denied(assume(ann, member, audit), "ann", member, "") // the feature is off
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetRootFeature(w.account, directory.RootSessions, true)
		return err
	})
	w.ok(assume(ann, member, audit))
	w.ok(assume(ann, "arn:aws:iam::"+member+":root", audit))
	w.ok(assume(picky, member, "S3UnlockBucketPolicy"))
	const noIdentity = "because no identity-based policy allows the sts:AssumeRoot action"
	denied(assume(picky, member, audit), "picky", member, noIdentity)
	denied(assume(nobody, member, audit), "nobody", member, noIdentity)
	denied(assume(nobody, loner, audit), "nobody", loner, noIdentity)
	for _, target := range []string{other, loner, "999999999999"} {
		denied(assume(ann, target, audit), "ann", target, "")
	}
	if a := assume(ann, w.account, audit); a.status != 403 || a.code != "AccessDenied" {
		t.Errorf("the management account's own root: %d %s", a.status, a.code)
	}
	for name, change := range map[string]func(o *iam.Organization){
		"not the management account": func(o *iam.Organization) { o.Management = other },
		"not all features":           func(o *iam.Organization) { o.AllFeatures = false },
		"no trusted access":          func(o *iam.Organization) { o.Trusted = false },
	} {
		changed := *o
		change(&changed)
		b[w.account] = &changed
		if a := assume(ann, member, audit); a.status != 403 || a.code != "AccessDenied" {
			t.Errorf("%s: %d %s", name, a.status, a.code)
		}
		b[w.account] = o
	}
	w.refused(assume(w.root, member, audit), 403, "AccessDenied", "Cannot call AssumeRoot with root user credentials")
	w.refused(assume(memberRoot, w.account, audit), 403, "AccessDenied", "Cannot call AssumeRoot with root user credentials")
	w.refused(assume(w.task(ann, member, audit), member, audit), 403, "AccessDenied", "Cannot call AssumeRoot with root user credentials")
	w.refused(assume(w.federated(w.user("all", allow("*", "*"))), member, audit), 403, "AccessDenied", "Cannot call AssumeRoot with session credentials")

	for _, bad := range []string{"arn:aws:iam::" + member + ":user/x", "11112222333x", member + "4"} {
		w.refused(assume(ann, bad, audit), 400, "ValidationError", bad+" is invalid")
	}
	for _, bad := range []string{tasks + "NoSuchTask", "arn:aws:iam::aws:policy/AdministratorAccess"} {
		a := w.sts(ann, "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", bad)
		w.refused(a, 400, "InvalidParameterValue", bad+" is not a task policy of AssumeRoot.")
	}
	w.refused(w.sts(ann, "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", tasks+audit, "DurationSeconds", "901"), 400, "ValidationError", "…")
	w.refused(w.sts(ann, "AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", tasks+audit, "DurationSeconds", "0"), 400, "ValidationError",
		"The requested DurationSeconds leaves the session no time.")

	// A delegated administrator, who may not reach up.
	boss, _ := w.another("boss")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetRootFeature(boss, directory.RootSessions, true)
		return err
	})
	deputy := &iam.Organization{ID: "o-1", Management: boss, Delegated: []string{w.account}, AllFeatures: true, Trusted: true}
	b[w.account], b[member], b[boss] = deputy, deputy, deputy
	w.ok(assume(ann, member, audit))
	denied(assume(ann, boss, audit), "ann", boss, "")

	delete(b, w.account)
	denied(assume(ann, member, audit), "ann", member, "")
}

// TestTasksOfRoot: a session of root does what its task leaves and nothing else, for a quarter of an hour, and its events say what it is.
func TestTasksOfRoot(t *testing.T) {
	w := newWorld(t)
	member, memberRoot := w.another("member")
	o := &iam.Organization{ID: "o-1", Management: w.account, AllFeatures: true, Trusted: true}
	w.organize(belongs{w.account: o, member: o})
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetRootFeature(w.account, directory.RootSessions, true)
		return err
	})
	ann := w.user("ann", allow("sts:AssumeRoot", "*"))
	w.ok(w.iam(memberRoot, "CreateUser", "UserName", "bob"))
	root := "arn:aws:iam::" + member + ":root"
	no := func(a answer, action string) {
		t.Helper()
		if a.status != 403 || a.code != "AccessDenied" || !strings.HasPrefix(a.message, "User: "+root+" is not authorized to perform: "+action+" on resource: ") ||
			!strings.HasSuffix(a.message, " with an explicit deny in a session policy") {
			t.Errorf("%s: %d %s %s", action, a.status, a.code, a.message)
		}
	}
	audit := w.task(ann, member, "IAMAuditRootUserCredentials")
	a := w.ok(w.iam(audit, "GetUser"))
	if element(a.body, "Arn") != root {
		t.Errorf("who: %s", a.body)
	}
	if e := w.event(a); e.Identity.Type != "Root" || e.Identity.AccountID != member || e.Recipient != member || e.Identity.Session == nil || !e.Identity.Session.AssumedRoot {
		t.Errorf("recorded as %+v, %+v", e.Identity, e.Identity.Session)
	}
	if a = w.ok(w.sts(audit, "GetCallerIdentity")); element(a.body, "Arn") != root {
		t.Errorf("who: %s", a.body)
	}
	a = w.ok(w.iam(audit, "ListAccessKeys"))
	if !strings.Contains(a.body, memberRoot.id) {
		t.Errorf("keys: %s", a.body)
	}
	w.ok(w.iam(audit, "ListMFADevices"))
	w.ok(w.iam(audit, "ListSigningCertificates"))
	w.ok(w.iam(audit, "GetAccountSummary"))
	w.refused(w.iam(audit, "GetLoginProfile"), 404, "NoSuchEntity", "Login Profile for User root cannot be found.")
	no(w.iam(audit, "GetUser", "UserName", "bob"), "iam:GetUser")
	no(w.iam(audit, "ListUsers"), "iam:ListUsers")
	no(w.iam(audit, "DeleteAccessKey", "AccessKeyId", memberRoot.id), "iam:DeleteAccessKey")
	no(w.iam(audit, "CreateLoginProfile"), "iam:CreateLoginProfile")
	w.refused(w.sts(audit, "GetSessionToken"), 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")

	// A way back in.
	create := w.task(ann, member, "IAMCreateRootUserPassword")
	w.refused(w.iam(create, "CreateLoginProfile", "Password", "Horse-staple-1"), 400, "ValidationError", "The password must be left out when calling with a session of AssumeRoot.")
	w.ok(w.iam(create, "CreateLoginProfile"))
	w.refused(w.iam(create, "CreateLoginProfile"), 409, "EntityAlreadyExists", "…")
	w.ok(w.iam(create, "GetLoginProfile"))
	no(w.iam(create, "DeleteLoginProfile"), "iam:DeleteLoginProfile")
	no(w.iam(create, "CreateLoginProfile", "UserName", "bob"), "iam:CreateLoginProfile")
	no(w.iam(create, "CreateAccessKey"), "iam:CreateAccessKey")

	// And none.
	remove := w.task(ann, member, "IAMDeleteRootUserCredentials")
	no(w.iam(remove, "DeleteLoginProfile", "UserName", "bob"), "iam:DeleteLoginProfile")
	w.ok(w.iam(remove, "DeleteLoginProfile"))
	w.refused(w.iam(remove, "DeactivateMFADevice", "SerialNumber", "arn:aws:iam::"+member+":mfa/none"), 404, "NoSuchEntity", "…")
	w.refused(w.iam(remove, "DeleteSigningCertificate", "CertificateId", strings.Repeat("A", 24)), 404, "NoSuchEntity", "…")
	w.ok(w.iam(remove, "DeleteAccessKey", "AccessKeyId", memberRoot.id))
	w.refused(w.iam(memberRoot, "ListUsers"), 403, "InvalidClientTokenId", "…")
	for _, task := range []string{"S3UnlockBucketPolicy", "SQSUnlockQueuePolicy"} {
		no(w.iam(w.task(ann, member, task), "GetUser"), "iam:GetUser")
	}

	// The root user without a session of AssumeRoot still names a user.
	w.refused(w.iam(w.root, "GetLoginProfile"), 400, "ValidationError", "Must specify userName when calling with root user credentials")
	// A session without its task is none.
	bare := w.issue(w.ring, session.Claims{Kind: session.AssumedRoot, Account: member, PrincipalID: member})
	w.refused(w.iam(bare, "ListUsers"), 403, "InvalidClientTokenId", "…")
	w.advance(15 * time.Minute)
	w.refused(w.iam(audit, "GetUser"), 403, "ExpiredToken", "…")
}

// TestRegionOfAssumeRoot: the account whose root is assumed has to have the region, not the caller's.
func TestRegionOfAssumeRoot(t *testing.T) {
	w := newWorld(t)
	member, _ := w.another("member")
	o := &iam.Organization{ID: "o-1", Management: w.account, AllFeatures: true, Trusted: true}
	w.organize(belongs{w.account: o, member: o})
	ann := w.user("ann", allow("sts:AssumeRoot", "*"))
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetRootFeature(w.account, directory.RootSessions, true)
		return err
	})
	deactivate := func(account, region string) {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.SetSTSRegion(account, region, false)
			return err
		})
	}
	form := stsForm("AssumeRoot", "TargetPrincipal", member, "TaskPolicyArn.arn", tasks+"IAMAuditRootUserCredentials")
	deactivate(w.account, "eu-west-1")
	w.ok(w.send(request{caller: ann, service: "sts", region: "eu-west-1", form: form}))
	checklist.Shows(t, "S2-366")
	deactivate(member, "eu-west-1")
	w.refused(w.send(request{caller: ann, service: "sts", region: "eu-west-1", form: form}), 403, "RegionDisabledException",
		"STS is not activated in this region for account:"+member+". Your account administrator can activate STS in this region using the IAM Console.")
	w.ok(w.send(request{caller: ann, service: "sts", form: form}))
}
