package gate_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/store"
)

const (
	sayInvalidToken = "The security token included in the request is invalid."
	sayExpiredToken = "The security token included in the request is expired"
	sayMismatch     = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// strangers are the ways in which a request may fail to say who sends it.
func strangers(w *world) map[string]struct {
	request
	kind    string // the row of codes below
	message string
} {
	type row = struct {
		request
		kind    string
		message string
	}
	user := w.user("stranger")
	gone := w.user("gone")
	w.make(func(tx *directory.Tx) error {
		if err := tx.DeleteAccessKey(directory.OfUser(w.account, "gone"), gone.id); err != nil {
			return err
		}
		return tx.DeleteUser(w.account, "gone")
	})
	idle := w.user("idle")
	w.make(func(tx *directory.Tx) error {
		return tx.SetAccessKeyActive(directory.OfUser(w.account, "idle"), idle.id, false)
	})
	r := w.role("worker")
	live, other := w.session(r, "live"), w.session(r, "other")
	dead := w.session(w.role("dead"), "dead")
	w.make(func(tx *directory.Tx) error { return tx.DeleteRole(w.account, "dead") })
	foreign, err := seal.NewRing("another installation", begin, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	claims := session.Claims{Kind: session.AssumedRole, Account: w.account, PrincipalID: r.ID, Name: r.Name, SessionName: "x"}
	elsewhere := w.issue(foreign, claims)
	lost := w.issue(w.ring, session.Claims{Kind: session.SessionToken, Account: w.account, PrincipalID: "AIDAQQQQQQQQQQQQQQQQQ", Name: "lost"})
	claims.Expires = begin.Add(time.Minute)
	expired := w.issue(w.ring, claims)
	unknown, err := credential.NewAccessKeyID(entity.PrefixLongTermKey, w.account, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.advance(time.Minute)
	last := live.token[len(live.token)-2:]
	tampered := live.token[:len(live.token)-2] + map[bool]string{true: "BB", false: "AA"}[last == "AA"]
	with := func(c caller, token string) request { return request{caller: caller{c.id, c.secret, token}} }
	drop := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	authorization := func(text string) func(*http.Request) bool {
		return func(r *http.Request) bool { r.Header.Set("Authorization", text); return false }
	}
	return map[string]row{
		"no signature":               {request{raw: func(*http.Request) bool { return false }}, "missing", "Request is missing Authentication Token"},
		"another scheme":             {request{raw: authorization("Bearer abc")}, "incomplete", "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256…"},
		"parts missing":              {request{raw: authorization("AWS4-HMAC-SHA256 Credential=x")}, "incomplete", "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. …"},
		"unknown key":                {request{caller: caller{unknown, "x", ""}}, "key", sayInvalidToken},
		"a key of no form":           {request{caller: caller{"nobody", "x", ""}}, "key", sayInvalidToken},
		"deleted user's key":         {request{caller: gone}, "key", sayInvalidToken},
		"inactive key":               {request{caller: idle}, "key", sayInvalidToken},
		"long-term key, token":       {with(user, live.token), "key", sayInvalidToken},
		"temporary key, no token":    {with(live, ""), "key", sayInvalidToken},
		"tampered token":             {with(live, tampered), "key", sayInvalidToken},
		"no token of ours":           {with(live, "IQoJb3JpZ2luX2VjEAAaCXVzLWVhc3QtMSJH"), "key", sayInvalidToken},
		"token of another key":       {with(live, other.token), "key", sayInvalidToken},
		"token of elsewhere":         {request{caller: elsewhere}, "key", sayInvalidToken},
		"deleted role's session":     {request{caller: dead}, "key", sayInvalidToken},
		"deleted user's session":     {request{caller: lost}, "key", sayInvalidToken},
		"wrong secret":               {request{caller: caller{user.id, "wrong", ""}}, "signature", sayMismatch + "\n\nThe Canonical String for this request should have been\n'POST\n/\n…"},
		"wrong secret of a session":  {request{caller: caller{live.id, "wrong", live.token}}, "signature", sayMismatch + "…"},
		"expired session":            {request{caller: expired}, "expired", sayExpiredToken},
		"expired, wrong secret":      {request{caller: caller{expired.id, "wrong", expired.token}}, "signature", sayMismatch + "…"},
		"another body":               {request{caller: user, spoil: func(r *http.Request) { r.URL.RawQuery = "x=1" }}, "signature", sayMismatch + "…"},
		"signed long ago":            {request{caller: user, at: begin.Add(-time.Hour)}, "signature", "Signature expired: 20260301T110000Z is now earlier than 20260301T115600Z (20260301T120100Z - 5 min.)"},
		"signed in the future":       {request{caller: user, at: begin.Add(time.Hour)}, "signature", "Signature not yet current: 20260301T130000Z is still later than 20260301T120600Z (20260301T120100Z + 5 min.)"},
		"a region that is not there": {request{caller: user, region: "mars-north-1"}, "signature", "Credential should be scoped to a valid region. "},
		"regions that are not there": {request{caller: user, regions: "mars-*,moon-1"}, "signature", "Credential should be scoped to a valid region. "},
		"date missing":               {request{caller: user, spoil: drop("X-Amz-Date")}, "incomplete", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. …"},
	}
}

// TestStrangersQuery is the error table of the Query protocol for callers that cannot be authenticated. Such calls leave no
// event, whatever they ask for.
func TestStrangersQuery(t *testing.T) {
	checklist.Shows(t, "S1-332")
	codes := map[string]struct {
		status int
		code   string
	}{
		"missing": {403, "MissingAuthenticationToken"}, "incomplete": {400, "IncompleteSignature"}, "key": {403, "InvalidClientTokenId"},
		"signature": {403, "SignatureDoesNotMatch"}, "expired": {403, "ExpiredToken"},
	}
	items := map[string][]string{
		"temporary key, no token": {"S2-300"}, "token of another key": {"S2-300"}, "tampered token": {"S2-300"}, "expired session": {"S2-301"},
	}
	w := newWorld(t)
	for name, s := range strangers(w) {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, items[name]...)
			w.t = t
			q, want := s.request, codes[s.kind]
			q.form = iamForm("GetUser")
			a := w.send(q)
			w.refused(a, want.status, want.code, s.message)
			if len(w.events(a.requestID)) != 0 {
				t.Error("a call of nobody was recorded")
			}
		})
	}
	w.t = t
	w.checkLog()
}

// TestStrangersJSON is the same for the JSON protocol.
func TestStrangersJSON(t *testing.T) {
	codes := map[string]string{
		"missing": "MissingAuthenticationTokenException", "incomplete": "IncompleteSignatureException", "key": "UnrecognizedClientException",
		"signature": "InvalidSignatureException", "expired": "ExpiredTokenException",
	}
	w := newWorld(t)
	for name, s := range strangers(w) {
		t.Run(name, func(t *testing.T) {
			w.t = t
			q := s.request
			q.service, q.target, q.body = "organizations", "AWSOrganizationsV20161128.DescribeOrganization", "{}"
			a := w.send(q)
			w.refused(a, 400, codes[s.kind], s.message)
			if got := a.header.Get("X-Amzn-ErrorType"); got != codes[s.kind] {
				t.Errorf("X-Amzn-ErrorType: %q", got)
			}
			if len(w.events(a.requestID)) != 0 {
				t.Error("a call of nobody was recorded")
			}
		})
	}
}

// checkLog fails where the log holds what only the sender may see.
func (w *world) checkLog() {
	w.t.Helper()
	log := w.log.String()
	if !strings.Contains(log, "request") {
		w.t.Fatal("nothing was logged: this test proves nothing")
	}
	for _, bad := range []string{"Canonical String", "OST1", "String-to-Sign", w.root.secret} {
		if strings.Contains(log, bad) {
			w.t.Errorf("the log has %q", bad)
		}
	}
}

// TestWaysToSign are the forms of a good signature.
func TestWaysToSign(t *testing.T) {
	checklist.Shows(t, "S2-299")
	w := newWorld(t)
	s := w.session(w.role("worker", allow("*", "*")), "s")
	for name, q := range map[string]request{
		"header":                {},
		"presigned":             {expires: time.Minute},
		"header, SigV4A":        {regions: "us-east-1"},
		"SigV4A, wildcard":      {regions: "eu-*,us-*"},
		"presigned, SigV4A":     {expires: time.Minute, regions: "*"},
		"another region":        {region: "eu-west-1"},
		"skewed":                {at: begin.Add(4*time.Minute + 59*time.Second)},
		"presigned a while ago": {at: begin.Add(-50 * time.Minute), expires: time.Hour},
	} {
		for who, c := range map[string]caller{"root": w.root, "session": s} {
			t.Run(name+", "+who, func(t *testing.T) {
				w.t = t
				q.caller, q.service, q.form = c, "sts", stsForm("GetCallerIdentity")
				w.ok(w.send(q))
			})
		}
	}
	w.t = t
	q := request{caller: w.root, service: "sts", form: stsForm("GetCallerIdentity"), at: begin.Add(-2 * time.Minute), expires: time.Minute}
	w.refused(w.send(q), 403, "SignatureDoesNotMatch", "Signature expired: 20260301T115800Z is now earlier than 20260301T115900Z (20260301T120000Z - 1 min.)")
	// The token may stand in one place only (S2-299).
	q = request{caller: s, service: "sts", form: stsForm("GetCallerIdentity"), expires: time.Minute, spoil: func(r *http.Request) {
		r.Header.Set("X-Amz-Security-Token", s.token)
	}}
	w.refused(w.send(q), 400, "IncompleteSignature", "'X-Amz-Security-Token' must be given once, as a header or as a query-string parameter.")
}

// TestWhichRegion: IAM is in one region, STS in that of the signature.
func TestWhichRegion(t *testing.T) {
	checklist.Shows(t, "S2-372", "S2-424")
	w := newWorld(t)
	for region, set := range map[string]string{"eu-west-1": "", "": "eu-*"} {
		a := w.ok(w.send(request{caller: w.root, region: region, regions: set, form: iamForm("ListUsers")}))
		if got := w.event(a).Region; got != "us-east-1" {
			t.Errorf("an IAM call in %s", got)
		}
		a = w.ok(w.send(request{caller: w.root, region: region, regions: set, service: "sts", form: stsForm("GetCallerIdentity")}))
		if got := w.event(a).Region; got != "eu-west-1" {
			t.Errorf("an STS call in %s", got)
		}
	}
}

// TestTemporaryCredentials: every service takes them.
func TestTemporaryCredentials(t *testing.T) {
	w := newWorld(t)
	s := w.session(w.role("worker", allow("*", "*")), "s")
	checklist.Shows(t, "S2-308")
	w.ok(w.iam(s, "ListUsers"))
	w.ok(w.sts(s, "GetCallerIdentity"))
	a := w.send(request{caller: s, service: "organizations", target: "AWSOrganizationsV20161128.DescribeOrganization", body: "{}"})
	b := w.send(request{caller: w.root, service: "organizations", target: "AWSOrganizationsV20161128.DescribeOrganization", body: "{}"})
	if a.status != b.status || a.header.Get("X-Amzn-ErrorType") != b.header.Get("X-Amzn-ErrorType") {
		t.Errorf("a session is answered %d %s, a long-term key %d %s", a.status, a.body, b.status, b.body)
	}
}

// TestWrongService: a signature for one service opens no other.
func TestWrongService(t *testing.T) {
	w := newWorld(t)
	w.refused(w.send(request{caller: w.root, service: "sts", form: iamForm("ListUsers")}), 400, "InvalidAction",
		"Could not find operation ListUsers for version 2010-05-08")
	w.refused(w.send(request{caller: w.root, service: "s3", form: iamForm("ListUsers")}), 400, "InvalidAction",
		"The service 's3', for which the request is signed, is not served here.")
	if n := len(w.recorded()); n != 0 {
		t.Errorf("%d events", n)
	}
}

// TestSuspendedAccount: the holder of the secret is told, others are not.
func TestSuspendedAccount(t *testing.T) {
	w := newWorld(t)
	s := w.session(w.role("worker"), "s")
	_, err := w.base.Update(t.Context(), func(tx store.Txn) error {
		e, _, err := tx.Get(entity.AccountKey(w.account))
		if err != nil {
			return err
		}
		acct, err := entity.Decode[entity.Account](e.Value)
		if err != nil {
			return err
		}
		acct.Suspended = true
		tx.Put(e.Key, entity.Encode(acct))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	for _, c := range []caller{w.root, s} {
		w.refused(w.sts(c, "GetCallerIdentity"), 403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service")
		c.secret = "wrong"
		w.refused(w.sts(c, "GetCallerIdentity"), 403, "SignatureDoesNotMatch", sayMismatch+"…")
	}
	a := w.send(request{caller: w.root, service: "organizations", target: "AWSOrganizationsV20161128.DescribeOrganization", body: "{}"})
	w.refused(a, 403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service")
	if n := len(w.recorded()); n != 0 {
		t.Errorf("%d events", n)
	}
}

// TestKeyOfAnotherNode: a key that the store has and the snapshot has not seen yet is found, with one look at the store.
func TestKeyOfAnotherNode(t *testing.T) {
	w := newWorld(t)
	resume := w.store.pause()
	var fresh caller
	w.commit(func(tx *directory.Tx) error {
		if _, err := tx.CreateUser(w.account, directory.NewUser{Name: "fresh"}); err != nil {
			return err
		}
		key, err := tx.CreateAccessKey(directory.OfUser(w.account, "fresh"))
		if err == nil {
			fresh = caller{key.ID, key.Secret.Reveal(), ""}
		}
		return err
	})
	views := w.store.views.Load()
	done := make(chan answer)
	go func() { done <- w.sts(fresh, "GetCallerIdentity") }()
	for w.store.views.Load() == views { // the request has asked the store
		select {
		case a := <-done:
			t.Fatalf("answered %d before the snapshot had the key: %s", a.status, a.body)
		default:
			runtime.Gosched()
		}
	}
	resume()
	w.ok(<-done)
	if n := w.store.views.Load() - views; n != 1 {
		t.Errorf("the store was asked %d times", n)
	}
	w.ok(w.sts(fresh, "GetCallerIdentity"))
	if n := w.store.views.Load() - views; n != 1 {
		t.Errorf("the store was asked again for a key that is known")
	}
}

// TestRoleOfAnotherNode: the session of a role that the snapshot has not seen yet is served.
func TestRoleOfAnotherNode(t *testing.T) {
	w := newWorld(t)
	resume := w.store.pause()
	var r *entity.Role
	w.commit(func(tx *directory.Tx) (err error) {
		r, err = tx.CreateRole(w.account, directory.NewRole{Name: "fresh", Trust: trusts(w.account)})
		return err
	})
	s := w.session(r, "s")
	heads := w.store.heads.Load()
	done := make(chan answer)
	go func() { done <- w.sts(s, "GetCallerIdentity") }()
	for w.store.heads.Load() == heads {
		select {
		case a := <-done:
			t.Fatalf("answered %d before the snapshot had the role: %s", a.status, a.body)
		default:
			runtime.Gosched()
		}
	}
	resume()
	w.ok(<-done)
}

// TestGuessingKeys: what cannot be a key never reaches the store, and what can does so at a bounded rate.
func TestGuessingKeys(t *testing.T) {
	w := newWorld(t)
	idle := w.user("idle")
	w.make(func(tx *directory.Tx) error {
		return tx.SetAccessKeyActive(directory.OfUser(w.account, "idle"), idle.id, false)
	})
	before := w.store.views.Load() + w.store.heads.Load()
	for _, id := range []string{"x", "AKIA", "AKIAIOSFODNN7EXAMPLE", strings.Repeat("A", 4000), "ASIAQQQQQQQQQQQQQQQQ", idle.id} {
		w.refused(w.sts(caller{id, "x", ""}, "GetCallerIdentity"), 403, "InvalidClientTokenId", sayInvalidToken)
	}
	w.refused(w.sts(caller{"ASIAQQQQQQQQQQQQQQQQ", "x", "nonsense"}, "GetCallerIdentity"), 403, "InvalidClientTokenId", sayInvalidToken)
	if n := w.store.views.Load() + w.store.heads.Load() - before; n != 0 {
		t.Errorf("%d looks at the store for what cannot be a key, or is known", n)
	}
	const guesses = 200
	start := time.Now()
	for range guesses {
		id, err := credential.NewAccessKeyID(entity.PrefixLongTermKey, w.account, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.refused(w.sts(caller{id, "x", ""}, "GetCallerIdentity"), 403, "InvalidClientTokenId", sayInvalidToken)
	}
	// The burst, and then as many as the rate gives for the time that went by.
	bound := gate.UnknownKeyLookups + int64(time.Since(start).Seconds()*gate.UnknownKeyLookups) + 1
	if n := w.store.views.Load() + w.store.heads.Load() - before; n > bound || n < gate.UnknownKeyLookups {
		t.Errorf("%d guesses made %d looks at the store; at most %d were due", guesses, n, bound)
	}
}

// TestUses: who used what is noted, for denied calls too, and not for what is no decision: a wrong signature, a parameter that is
// missing.
func TestUses(t *testing.T) {
	w := newWorld(t)
	r := w.role("worker")
	u := w.user("ann")
	w.iam(u, "ListUsers") // denied
	w.sts(w.session(r, "s"), "GetCallerIdentity")
	uid := w.follower.Current()
	acct, _ := uid.Account(w.account)
	user, _ := acct.User("ann")
	w.sts(w.issue(w.ring, session.Claims{Kind: session.SessionToken, Account: w.account, PrincipalID: user.ID, Name: "ann"}), "GetCallerIdentity")
	w.sts(caller{u.id, "wrong", ""}, "GetCallerIdentity")
	w.iam(w.root, "CreateUser") // without a name
	const at = " us-east-1 2026-03-01T12:00:00Z"
	access := "access " + w.account + " "
	want := strings.Join([]string{
		"key " + u.id + " iam" + at, access + user.ID + " iam:ListUsers" + at,
		"role " + w.account + " " + r.ID + " sts" + at, access + r.ID + " sts:GetCallerIdentity" + at,
		access + user.ID + " sts:GetCallerIdentity" + at,
		"key " + w.root.id + " iam" + at,
	}, "\n")
	if got := strings.Join(w.uses.all, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
