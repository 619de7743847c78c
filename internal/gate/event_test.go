package gate_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// who is a caller with the identity block that its events have.
type who struct {
	caller   caller
	identity trail.Identity
	reads    bool // IAM is open to it
}

// everyone is one caller of each kind, all of whom may list users and create some. The skeletons at the end of S2 are the
// reference.
func everyone(w *world) map[string]who {
	statements := []string{allow("iam:*", "*"), deny("iam:DeleteUser", "*")}
	ann := w.user("ann", statements...)
	r := w.role("worker", statements...)
	account, _ := w.follower.Current().Account(w.account)
	user, _ := account.User("ann")
	userSession := w.issue(w.ring, session.Claims{Kind: session.SessionToken, Account: w.account, PrincipalID: user.ID, Name: "ann", MFAAt: w.now()})
	rootSession := w.issue(w.ring, session.Claims{Kind: session.SessionToken, Account: w.account, PrincipalID: w.account})
	roleSession := w.issue(w.ring, session.Claims{Kind: session.AssumedRole, Account: w.account, PrincipalID: r.ID, Name: r.Name,
		SessionName: "s1", SourceIdentity: "alice"})
	root := trail.Identity{Type: "Root", PrincipalID: w.account, ARN: w.arn("root"), AccountID: w.account}
	iamUser := trail.Identity{Type: "IAMUser", PrincipalID: user.ID, ARN: w.arn("user/ann"), AccountID: w.account, UserName: "ann"}
	role := trail.Identity{Type: "AssumedRole", PrincipalID: r.ID + ":s1", AccountID: w.account,
		ARN: "arn:aws:sts::" + w.account + ":assumed-role/worker/s1",
		Session: &trail.SessionContext{
			Issuer:         &trail.SessionIssuer{Type: "Role", PrincipalID: r.ID, ARN: w.arn("role/worker"), AccountID: w.account, UserName: "worker"},
			Attributes:     trail.SessionAttributes{CreationDate: begin},
			SourceIdentity: "alice",
		}}
	with := func(id trail.Identity, c caller, s *trail.SessionContext) trail.Identity {
		id.AccessKeyID = c.id
		if s != nil {
			id.Session = s
		}
		return id
	}
	return map[string]who{
		"root": {w.root, with(root, w.root, nil), true},
		"user": {ann, with(iamUser, ann, nil), true},
		"role": {roleSession, with(role, roleSession, nil), true},
		"user's session": {userSession, with(iamUser, userSession, &trail.SessionContext{
			Attributes: trail.SessionAttributes{CreationDate: begin, MFAAuthenticated: true}}), true},
		"root's session": {rootSession, with(root, rootSession, &trail.SessionContext{
			Attributes: trail.SessionAttributes{CreationDate: begin}}), false},
	}
}

// TestEvents: every call of every kind of caller leaves one event, whatever comes of it.
func TestEvents(t *testing.T) {
	checklist.Shows(t, "S1-412")
	w := newWorld(t)
	items := map[string][]string{
		"user": {"S2-393", "S2-403"}, "user's session": {"S2-393"}, "role": {"S2-395"},
	}
	for name, who := range everyone(w) {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, items[name]...)
			w.t = t
			check := func(a answer, want trail.Event, outbox bool) {
				t.Helper()
				e := w.event(a)
				if e.ID == "" || e.ID == e.RequestID {
					t.Errorf("event ID %q, request ID %q", e.ID, e.RequestID)
				}
				want.Identity, want.Time, want.RequestID, want.Region = who.identity, begin, a.requestID, "us-east-1"
				want.SourceIP, want.UserAgent, want.Type, want.Recipient = "127.0.0.1", "test/1.0", "AwsApiCall", w.account
				ignore := cmp.Options{cmpopts.IgnoreFields(trail.Event{}, "ID", "Additional"), cmp.Transformer("text", func(m json.RawMessage) string { return string(m) })}
				if diff := cmp.Diff(&want, e, ignore); diff != "" {
					t.Errorf("%s (-want +got):\n%s", want.Name, diff)
				}
				if committed := bytes.Contains(bytes.Join(w.outbox(), nil), []byte(e.ID)); committed != outbox {
					t.Errorf("%s: written with the change: %v", want.Name, committed)
				}
			}
			a := w.ok(w.sts(who.caller, "GetCallerIdentity"))
			check(a, trail.Event{Source: "sts.amazonaws.com", Name: "GetCallerIdentity", ReadOnly: true}, false)
			if !who.reads {
				a = w.iam(who.caller, "ListUsers")
				w.refused(a, 403, "InvalidClientTokenId", "The security token included in the request is invalid")
				check(a, trail.Event{Source: "iam.amazonaws.com", Name: "ListUsers", ReadOnly: true, ErrorCode: "InvalidClientTokenId",
					ErrorMessage: "The security token included in the request is invalid"}, false)
				return
			}
			// A read that is allowed, and one that finds nothing.
			a = w.ok(w.iam(who.caller, "ListUsers", "PathPrefix", "/x/"))
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "ListUsers", ReadOnly: true, RequestParameters: []byte(`{"pathPrefix":"/x/"}`)}, false)
			a = w.iam(who.caller, "GetUser", "UserName", "nobody")
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "GetUser", ReadOnly: true, RequestParameters: []byte(`{"userName":"nobody"}`),
				ErrorCode: "NoSuchEntityException", ErrorMessage: "The user with name nobody cannot be found."}, false)
			// A write that is allowed, and one that fails.
			a = w.ok(w.iam(who.caller, "CreateGroup", "GroupName", "crew"))
			e := w.event(a)
			var response struct {
				Group struct{ GroupName, GroupID, Arn, Path, CreateDate string }
			}
			if err := json.Unmarshal(e.ResponseElements, &response); err != nil || response.Group.Arn != w.arn("group/crew") || response.Group.CreateDate == "" {
				t.Errorf("%v in %s", err, e.ResponseElements)
			}
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "CreateGroup", RequestParameters: []byte(`{"groupName":"crew"}`),
				ResponseElements: e.ResponseElements}, true)
			a = w.iam(who.caller, "CreateGroup", "GroupName", "crew")
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "CreateGroup", RequestParameters: []byte(`{"groupName":"crew"}`),
				ErrorCode: "EntityAlreadyExistsException", ErrorMessage: "Group with name crew already exists."}, false)
			a = w.ok(w.iam(who.caller, "DeleteGroup", "GroupName", "crew"))
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "DeleteGroup", RequestParameters: []byte(`{"groupName":"crew"}`)}, true)
			// A write that is denied.
			if name == "root" {
				return
			}
			a = w.iam(who.caller, "DeleteUser", "UserName", "ann")
			message := "User: " + who.identity.ARN + " is not authorized to perform: iam:DeleteUser on resource: user ann with an explicit deny in an identity-based policy"
			w.refused(a, 403, "AccessDenied", message)
			check(a, trail.Event{Source: "iam.amazonaws.com", Name: "DeleteUser", RequestParameters: []byte(`{"userName":"ann"}`),
				ErrorCode: "AccessDenied", ErrorMessage: message}, false)
		})
	}
}

// TestDecisionInEvent: the event says what decided, and where it stands.
func TestDecisionInEvent(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann", allow("iam:GetUser", "*"), `{"Sid":"No","Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}`)
	for _, test := range []struct {
		answer answer
		want   trail.Decision
	}{
		{w.iam(ann, "GetUser"), trail.Decision{Effect: "allow", Layer: "identity", Policy: "user/ann/test"}},
		{w.iam(ann, "ListUsers"), trail.Decision{Effect: "deny-explicit", Layer: "identity", Policy: "user/ann/test", Statement: 1, Sid: "No"}},
		{w.iam(ann, "ListGroups"), trail.Decision{Effect: "deny-implicit", Layer: "identity"}},
		{w.iam(w.root, "ListGroups"), trail.Decision{Effect: "allow", Layer: "none"}},
	} {
		d := w.event(test.answer).Additional.Decision
		if d == nil || d.Revision == 0 {
			t.Fatalf("decision %+v", d)
		}
		test.want.Revision = d.Revision
		if diff := cmp.Diff(test.want, *d); diff != "" {
			t.Error(diff)
		}
	}
	if d := w.event(w.sts(ann, "GetCallerIdentity")).Additional.Decision; d != nil {
		t.Errorf("nothing was asked, and %+v recorded", d)
	}
}

// TestAssumeRoleEvents: within an account one record with the role as its resource; across accounts a second one for the role's
// owner, which shares an ID with the first and names no stranger (S2-407 to S2-410).
func TestAssumeRoleEvents(t *testing.T) {
	checklist.Shows(t, "S2-401", "S2-407", "S2-408", "S2-409", "S2-410", "S2-412")
	w := newWorld(t)
	var other string
	w.make(func(tx *directory.Tx) error {
		acct, _, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
		if err != nil {
			return err
		}
		other = acct.ID
		_, err = tx.CreateRole(other, directory.NewRole{Name: "theirs", Trust: trusts(w.account)})
		return err
	})
	w.role("ours")
	ann := w.user("ann", allow("sts:*", "*"))

	ours, theirs := w.arn("role/ours"), "arn:aws:iam::"+other+":role/theirs"
	a := w.ok(w.sts(ann, "AssumeRole", "RoleArn", ours, "RoleSessionName", "s1", "DurationSeconds", "900"))
	e := w.event(a)
	if diff := cmp.Diff([]trail.Resource{{AccountID: w.account, Type: "AWS::IAM::Role", ARN: ours}}, e.Resources); diff != "" {
		t.Error(diff)
	}
	if e.SharedID != "" || !e.ReadOnly || string(e.RequestParameters) != `{"durationSeconds":900,"roleArn":"`+ours+`","roleSessionName":"s1"}` {
		t.Errorf("recorded %s, shared ID %q", e.RequestParameters, e.SharedID)
	}
	var response struct {
		AssumedRoleUser struct{ Arn, AssumedRoleID string }
		Credentials     struct{ AccessKeyID, Expiration, SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal(e.ResponseElements, &response); err != nil {
		t.Fatal(err)
	}
	if c := response.Credentials; !strings.HasPrefix(c.AccessKeyID, "ASIA") || c.Expiration != "Mar 1, 2026, 12:15:00 PM" && c.Expiration != "Mar 1, 2026 12:15:00 PM" ||
		response.AssumedRoleUser.Arn != "arn:aws:sts::"+w.account+":assumed-role/ours/s1" {
		t.Errorf("recorded %s", e.ResponseElements)
	}

	a = w.ok(w.sts(ann, "AssumeRole", "RoleArn", theirs, "RoleSessionName", "s2"))
	all := w.events(a.requestID)
	if len(all) != 2 {
		t.Fatalf("%d records of a call across accounts", len(all))
	}
	mine, owners := all[0], all[1]
	if mine.SharedID == "" || mine.SharedID != owners.SharedID || mine.ID == owners.ID {
		t.Errorf("shared IDs %q and %q, event IDs %q and %q", mine.SharedID, owners.SharedID, mine.ID, owners.ID)
	}
	if mine.Recipient != w.account || owners.Recipient != other || mine.Identity.UserName != "ann" {
		t.Errorf("for %s and %s", mine.Recipient, owners.Recipient)
	}
	if diff := cmp.Diff(trail.Identity{Type: "AWSAccount", PrincipalID: mine.Identity.PrincipalID, AccountID: w.account}, owners.Identity); diff != "" {
		t.Error(diff)
	}
	if string(owners.ResponseElements) != string(mine.ResponseElements) || !cmp.Equal(owners.Resources, mine.Resources) {
		t.Error("the two records differ in what happened")
	}
	if text := owners.Append(nil); bytes.Contains(text, []byte("user/ann")) || bytes.Contains(text, []byte(ann.id)) {
		t.Errorf("the owner reads of the stranger: %s", text)
	}

	// A refusal is the caller's account's business alone.
	for _, arn := range []string{theirs + "x", w.arn("role/nobody")} {
		a = w.sts(w.user("u"+arn[len(arn)-1:]), "AssumeRole", "RoleArn", arn, "RoleSessionName", "s3")
		if e := w.event(a); e.ErrorCode != "AccessDenied" || e.Resources[0].ARN != arn {
			t.Errorf("recorded as %+v", e)
		}
	}
}

// TestSecretsStayOut plants every secret that passes through and looks for it in all that is kept.
func TestSecretsStayOut(t *testing.T) {
	w := newWorld(t)
	r := w.role("worker", allow("*", "*"))
	ann, s := w.user("ann", allow("*", "*")), w.session(r, "s")
	secrets := []string{w.root.secret, ann.secret, s.secret, s.token, "654321"}
	for _, a := range []answer{
		w.ok(w.iam(w.root, "CreateAccessKey", "UserName", "ann")),
		w.ok(w.sts(ann, "AssumeRole", "RoleArn", w.arn("role/worker"), "RoleSessionName", "s1")),
		w.ok(w.sts(ann, "GetSessionToken")),
		w.ok(w.iam(w.root, "CreateVirtualMFADevice", "VirtualMFADeviceName", "phone")),
	} {
		var found []string
		d := xml.NewDecoder(strings.NewReader(a.body))
		for name := ""; ; {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch token := token.(type) {
			case xml.StartElement:
				name = token.Name.Local
			case xml.CharData:
				switch name {
				case "SecretAccessKey", "SessionToken", "QRCodePNG":
					found = append(found, string(token))
				case "Base32StringSeed":
					seed, err := base64.StdEncoding.DecodeString(string(token))
					if err != nil {
						t.Fatal(err)
					}
					found = append(found, string(token), string(seed))
				}
				name = ""
			}
		}
		if len(found) == 0 || len(found[0]) < 40 {
			t.Fatalf("no secret in %s", a.body)
		}
		secrets = append(secrets, found...)
	}
	w.ok(w.iam(s, "ListUsers"))
	w.sts(ann, "GetSessionToken", "SerialNumber", w.arn("mfa/ann"), "TokenCode", "654321")
	w.sts(ann, "AssumeRole", "RoleArn", w.arn("role/worker"), "RoleSessionName", "s1", "SerialNumber", w.arn("mfa/ann"), "TokenCode", "654321")
	w.sts(ann, "GetSessionToken", "SerialNumber", "x", "TokenCode", "654321") // breaks a constraint
	w.sts(caller{s.id, "wrong", s.token}, "GetCallerIdentity")                // the answer has the token; the log may not
	w.send(request{caller: s, service: "sts", form: stsForm("GetCallerIdentity"), expires: time.Minute})
	w.send(request{caller: s, service: "sts", form: stsForm("GetCallerIdentity"), spoil: func(r *http.Request) { r.Header.Del("X-Amz-Date") }})

	kept := append(bytes.Join(append(w.outbox(), w.recorded()...), []byte("\n")), w.log.String()...)
	if len(kept) < 1000 || !bytes.Contains(kept, []byte("HIDDEN_DUE_TO_SECURITY_REASONS")) || !strings.Contains(w.log.String(), "AssumeRole") {
		t.Fatal("too little was kept: this test proves nothing")
	}
	for _, secret := range secrets {
		if i := bytes.Index(kept, []byte(secret)); i >= 0 {
			t.Errorf("kept: …%s", kept[max(0, i-200):min(len(kept), i+20)])
		}
	}
}
