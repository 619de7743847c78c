package authorizer_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/policy"
)

const (
	acct  = "111122223333"
	other = "444455556666"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is two accounts, and one service that owns the ARNs of "shop".
type world struct {
	t        testing.TB
	store    store.Store
	dir      *directory.Directory
	follower *snapshot.Follower
	auth     *authorizer.Authorizer
	changes  int
}

// shop answers facts about its goods: the tags of "hat", and the owner of what is under "theirs".
type shop struct{}

var hatGuard = store.Guard{Key: []byte("hat"), Revision: 7}

func (shop) Facts(_ *snapshot.Snapshot, arn string) (authorizer.Facts, bool) {
	switch {
	case strings.HasSuffix(arn, ":hat"):
		return authorizer.Facts{Account: acct, Tags: []entity.Tag{{Key: "Color", Value: "red"}, {Key: "Size", Value: "big"}}, OwnTagKey: true, Guards: []store.Guard{hatGuard}}, true
	case strings.HasSuffix(arn, ":scarf"):
		return authorizer.Facts{Account: acct, Tags: []entity.Tag{{Key: "Color", Value: "red"}}}, true
	case strings.Contains(arn, ":theirs"):
		return authorizer.Facts{Account: other}, true
	}
	return authorizer.Facts{Tags: []entity.Tag{{Key: "wrong", Value: "wrong"}}}, false
}

func newWorld(t testing.TB) *world {
	t.Helper()
	s := mem.Open(mem.Config{})
	t.Cleanup(func() { _ = s.Close() })
	ring, err := seal.NewRing("test", now, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: s, auth: authorizer.New(map[string]authorizer.Resources{"shop": shop{}})}
	w.dir = directory.New(directory.Config{Store: s, Ring: ring})
	w.follower = snapshot.New(snapshot.Config{Store: s, Managed: catalog.ManagedPolicies()})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.follower.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	w.make(func(tx *directory.Tx) error {
		_, _, err := tx.CreateAccount(directory.NewAccount{ID: acct})
		return err
	})
	w.make(func(tx *directory.Tx) error {
		_, _, err := tx.CreateAccount(directory.NewAccount{ID: other})
		return err
	})
	return w
}

type change struct{ id string }

func (change) Guards() []store.Guard               { return nil }
func (c change) Event(any) (string, []byte, error) { return c.id, []byte("{}"), nil }

// make runs verbs of the directory and waits until they are seen.
func (w *world) make(fn func(*directory.Tx) error) {
	w.t.Helper()
	w.changes++
	_, rev, err := directory.Commit(context.Background(), w.dir, change{fmt.Sprint(w.changes)}, func(tx *directory.Tx) (struct{}, error) {
		return struct{}{}, fn(tx)
	})
	if err == nil {
		_, err = w.follower.Wait(context.Background(), rev)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// user makes a user and returns it as a caller.
func (w *world) user(name string, tags []entity.Tag, statements ...string) *authorizer.Caller {
	w.t.Helper()
	var u *entity.User
	w.make(func(tx *directory.Tx) (err error) {
		if u, err = tx.CreateUser(acct, directory.NewUser{Name: name, Path: "/team/", Tags: tags}); err != nil || len(statements) == 0 {
			return err
		}
		return tx.PutInlinePolicy(directory.OfUser(acct, name), "test", document(statements...))
	})
	return &authorizer.Caller{EntityID: u.ID, AccessKeyID: "AKIA",
		Principal: policy.Principal{Type: policy.User, ARN: u.ARN(), Account: acct, UniqueID: u.ID}}
}

// session makes a role and returns a session of it as a caller.
func (w *world) session(name string, tags []entity.Tag, statements ...string) *authorizer.Caller {
	w.t.Helper()
	var r *entity.Role
	w.make(func(tx *directory.Tx) (err error) {
		n := directory.NewRole{Name: name, Path: "/team/", Tags: tags, Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + acct + `"},"Action":"sts:AssumeRole"}]}`}
		if r, err = tx.CreateRole(acct, n); err != nil || len(statements) == 0 {
			return err
		}
		return tx.PutInlinePolicy(directory.OfRole(acct, name), "test", document(statements...))
	})
	return &authorizer.Caller{EntityID: r.ID, AccessKeyID: "ASIA", Temporary: true, SessionName: "s1", Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour), MFAKnown: true,
		Principal: policy.Principal{Type: policy.AssumedRole, ARN: "arn:aws:sts::" + acct + ":assumed-role/" + name + "/s1", Account: acct,
			UniqueID: r.ID + ":s1", RoleARN: r.ARN()}}
}

func root() *authorizer.Caller {
	return &authorizer.Caller{EntityID: acct, Principal: policy.Principal{Type: policy.Root, ARN: entity.RootARN(acct), Account: acct, UniqueID: acct}}
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func allow(action, resource string) string {
	return fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":%q}`, action, resource)
}

func environment() *authorizer.Environment {
	return &authorizer.Environment{Now: now, SourceIP: netip.MustParseAddr("192.0.2.7"), UserAgent: "test/1.0", Referer: "https://example.com/", Secure: true, Region: "eu-west-1"}
}

func (w *world) decide(c *authorizer.Caller, ch authorizer.Check) authorizer.Decision {
	return w.auth.Decide(w.follower.Current(), c, environment(), &ch)
}

// allKeys are the global keys of S4 sections 30 and 47, those of STS, and the tags that the tests know.
var allKeys = strings.Fields(`aws:CurrentTime aws:EpochTime aws:TokenIssueTime aws:MultiFactorAuthPresent aws:MultiFactorAuthAge aws:PrincipalType
	aws:Referer aws:SecureTransport aws:SourceAccount aws:SourceArn aws:SourceIp aws:SourceVpc aws:SourceVpce aws:TagKeys aws:UserAgent aws:userid aws:username
	aws:FederatedProvider aws:PrincipalArn aws:PrincipalAccount aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalIsAWSService aws:PrincipalServiceName
	aws:PrincipalServiceNamesList aws:AssumedRoot aws:SourceIdentity aws:ResourceAccount aws:ResourceOrgID aws:ResourceOrgPaths aws:CalledVia aws:CalledViaFirst
	aws:CalledViaLast aws:ViaAWSService aws:RequestedRegion aws:SourceOrgID aws:SourceOrgPaths aws:VpcSourceIp ec2:SourceInstanceArn sts:ExternalId
	aws:PrincipalTag/Team aws:PrincipalTag/Rank aws:PrincipalTag/Desk aws:RequestTag/Color aws:RequestTag/Size aws:ResourceTag/Color aws:ResourceTag/Size
	shop:ResourceTag/Color shop:ResourceTag/Size aws:ResourceTag/wrong`)

// keys are the keys of a check with their values.
func (w *world) keys(c *authorizer.Caller, env *authorizer.Environment, ch authorizer.Check) map[string]string {
	w.t.Helper()
	ctx, ok := w.auth.Bound(w.follower.Current(), c, env, &ch)
	if !ok {
		w.t.Fatal("the caller is not there")
	}
	found := make(map[string]string)
	for _, key := range allKeys {
		if v, ok := ctx.Lookup(strings.ToUpper(key)); ok { // letter case does not matter (S4-92)
			found[key] = strings.Join(v, ",")
		}
	}
	return found
}

// TestKeysOfTheCaller: sections 30, 31 and 47 of S4 for each kind of caller.
func TestKeysOfTheCaller(t *testing.T) {
	checklist.Shows(t, "S2-307", "S3-3")
	w := newWorld(t)
	// What every request has.
	always := map[string]string{
		"aws:CurrentTime": "2026-03-01T12:00:00Z", "aws:EpochTime": "1772366400", "aws:SecureTransport": "true", "aws:ViaAWSService": "false",
		"aws:PrincipalIsAWSService": "false", "aws:RequestedRegion": "eu-west-1", "aws:SourceIp": "192.0.2.7", "aws:UserAgent": "test/1.0",
		"aws:Referer": "https://example.com/", "aws:PrincipalAccount": acct, "aws:ResourceAccount": acct,
	}
	ann := w.user("ann", []entity.Tag{{Key: "team", Value: "red"}})
	annSession := *ann
	annSession.Temporary, annSession.Issued, annSession.MFAKnown, annSession.MFAAt = true, now.Add(-time.Hour), true, now.Add(-30*time.Minute)
	worker := w.session("worker", []entity.Tag{{Key: "team", Value: "red"}, {Key: "rank", Value: "low"}})
	tagged := *worker
	tagged.SessionTags = []entity.Tag{{Key: "TEAM", Value: "blue"}, {Key: "desk", Value: "4"}}
	tagged.SourceIdentity, tagged.Provider = "alice", "arn:aws:iam::111122223333:saml-provider/idp"
	rootSession := root()
	rootSession.Temporary, rootSession.Issued, rootSession.MFAKnown = true, now.Add(-time.Hour), true
	for name, test := range map[string]struct {
		caller *authorizer.Caller
		want   map[string]string
	}{
		"root": {root(), map[string]string{"aws:PrincipalType": "Account", "aws:userid": acct, "aws:PrincipalArn": "arn:aws:iam::" + acct + ":root"}},
		"root's session": {rootSession, map[string]string{"aws:PrincipalType": "Account", "aws:userid": acct, "aws:PrincipalArn": "arn:aws:iam::" + acct + ":root",
			"aws:TokenIssueTime": "2026-03-01T11:00:00Z", "aws:MultiFactorAuthPresent": "false"}},
		"user": {ann, map[string]string{"aws:PrincipalType": "User", "aws:userid": ann.EntityID, "aws:username": "ann",
			"aws:PrincipalArn": "arn:aws:iam::" + acct + ":user/team/ann", "aws:PrincipalTag/Team": "red"}},
		"user's session": {&annSession, map[string]string{"aws:PrincipalType": "User", "aws:userid": ann.EntityID, "aws:username": "ann",
			"aws:PrincipalArn": "arn:aws:iam::" + acct + ":user/team/ann", "aws:PrincipalTag/Team": "red", "aws:TokenIssueTime": "2026-03-01T11:00:00Z",
			"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "1800"}},
		"role": {worker, map[string]string{"aws:PrincipalType": "AssumedRole", "aws:userid": worker.EntityID + ":s1",
			"aws:PrincipalArn":      "arn:aws:iam::" + acct + ":role/team/worker", // with its path, never the session's
			"aws:PrincipalTag/Team": "red", "aws:PrincipalTag/Rank": "low", "aws:TokenIssueTime": "2026-03-01T11:00:00Z", "aws:MultiFactorAuthPresent": "false"}},
		"tagged role": {&tagged, map[string]string{"aws:PrincipalType": "AssumedRole", "aws:userid": worker.EntityID + ":s1",
			"aws:PrincipalArn":      "arn:aws:iam::" + acct + ":role/team/worker",
			"aws:PrincipalTag/Team": "blue", "aws:PrincipalTag/Rank": "low", "aws:PrincipalTag/Desk": "4", "aws:TokenIssueTime": "2026-03-01T11:00:00Z",
			"aws:MultiFactorAuthPresent": "false", "aws:SourceIdentity": "alice", "aws:FederatedProvider": "arn:aws:iam::111122223333:saml-provider/idp"}},
	} {
		want := maps.Clone(always)
		maps.Copy(want, test.want)
		if diff := cmp.Diff(want, w.keys(test.caller, environment(), authorizer.Check{Action: "shop:List", Resource: "*"})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}

	// What the request does not say is not there.
	got := w.keys(ann, &authorizer.Environment{Now: now}, authorizer.Check{Action: "shop:List", Resource: "*"})
	for _, key := range []string{"aws:SourceIp", "aws:UserAgent", "aws:Referer"} {
		if v, ok := got[key]; ok {
			t.Errorf("%s is %q", key, v)
		}
	}
	if got["aws:SecureTransport"] != "false" {
		t.Errorf("aws:SecureTransport is %q", got["aws:SecureTransport"])
	}
}

// TestKeysOfTheResource: tags and owner come from the service, tags of the request and other keys from the row.
func TestKeysOfTheResource(t *testing.T) {
	checklist.Shows(t, "S3-3")
	w := newWorld(t)
	ann := w.user("ann", nil)
	about := func(ch authorizer.Check) map[string]string {
		got := w.keys(ann, environment(), ch)
		for _, key := range slices.Sorted(maps.Keys(got)) {
			if !strings.Contains(key, "Tag") && !strings.HasPrefix(key, "sts:") && key != "aws:ResourceAccount" {
				delete(got, key)
			}
		}
		return got
	}
	for name, test := range map[string]struct {
		check authorizer.Check
		want  map[string]string
	}{
		"tags": {authorizer.Check{Resource: "arn:aws:shop:::hat"}, map[string]string{"aws:ResourceAccount": acct,
			"aws:ResourceTag/Color": "red", "aws:ResourceTag/Size": "big", "shop:ResourceTag/Color": "red", "shop:ResourceTag/Size": "big"}},
		"tags, but no key of the service's own": {authorizer.Check{Resource: "arn:aws:shop:::scarf"},
			map[string]string{"aws:ResourceAccount": acct, "aws:ResourceTag/Color": "red"}},
		"unknown thing":     {authorizer.Check{Resource: "arn:aws:shop:::coat"}, map[string]string{"aws:ResourceAccount": acct}},
		"unknown service":   {authorizer.Check{Resource: "arn:aws:bank:::hat"}, map[string]string{"aws:ResourceAccount": acct}},
		"no ARN":            {authorizer.Check{Resource: "hat"}, map[string]string{"aws:ResourceAccount": acct}},
		"the row's account": {authorizer.Check{Resource: "arn:aws:bank:::x", ResourceAccount: other}, map[string]string{"aws:ResourceAccount": other}},
		"the owner":         {authorizer.Check{Resource: "arn:aws:shop:::theirs"}, map[string]string{"aws:ResourceAccount": other}},
		"request tags": {authorizer.Check{Resource: "*", RequestTags: []entity.Tag{{Key: "color", Value: "blue"}, {Key: "size", Value: ""}}},
			map[string]string{"aws:ResourceAccount": acct, "aws:RequestTag/Color": "blue", "aws:RequestTag/Size": "", "aws:TagKeys": "color,size"}},
		"tag keys": {authorizer.Check{Resource: "*", RequestTagKeys: []string{"a", "b"}},
			map[string]string{"aws:ResourceAccount": acct, "aws:TagKeys": "a,b"}},
		"more keys": {authorizer.Check{Resource: "*", Keys: []authorizer.Key{{Name: "sts:ExternalId", Values: []string{"x"}}}},
			map[string]string{"aws:ResourceAccount": acct, "sts:ExternalId": "x"}},
	} {
		if diff := cmp.Diff(test.want, about(test.check)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNothingStays: the memory of one decision is nothing to the next.
func TestNothingStays(t *testing.T) {
	w := newWorld(t)
	s := w.session("worker", []entity.Tag{{Key: "team", Value: "red"}}, allow("*", "*"))
	limited := *s
	limited.SessionPolicies = []*policy.Policy{}
	ann := w.user("ann", nil, `{"Effect":"Allow","Action":"shop:*","Resource":"*","Condition":{"Null":{"aws:PrincipalTag/team":"true","aws:TagKeys":"true","aws:ResourceTag/Color":"true","sts:ExternalId":"true","aws:TokenIssueTime":"true"}}}`)
	for range 50 {
		full := authorizer.Check{Action: "shop:Buy", Resource: "arn:aws:shop:::hat", RequestTags: []entity.Tag{{Key: "a", Value: "b"}}, Keys: []authorizer.Key{{Name: "sts:ExternalId", Values: []string{"x"}}}}
		if d := w.decide(s, full); !d.Allowed() {
			t.Fatalf("the session may not: %s", d.Message())
		}
		if d := w.decide(&limited, full); d.Allowed() || d.Layer != policy.LayerSession {
			t.Fatalf("a session whose policies grant nothing: %+v", d.Decision)
		}
		if d := w.decide(ann, authorizer.Check{Action: "shop:Buy", Resource: "*"}); !d.Allowed() {
			t.Fatalf("something of another decision is left: %s", d.Message())
		}
	}
}

// TestVanished: a caller whose user, role or account is gone is denied, also for what needs no permission of theirs.
func TestVanished(t *testing.T) {
	w := newWorld(t)
	ann, worker := w.user("ann", nil, allow("*", "*")), w.session("worker", nil, allow("*", "*"))
	nobody := root()
	nobody.Principal.Account, nobody.EntityID = "999999999999", "999999999999"
	foreign := *ann
	foreign.Principal.Account = other
	check := authorizer.Check{Action: "shop:Buy", Resource: "*"}
	for _, c := range []*authorizer.Caller{ann, worker, root()} {
		if d := w.decide(c, check); !d.Allowed() {
			t.Errorf("%s: %s", c.Principal.ARN, d.Message())
		}
	}
	w.make(func(tx *directory.Tx) error {
		if err := tx.DeleteInlinePolicy(directory.OfUser(acct, "ann"), "test"); err != nil {
			return err
		}
		return tx.DeleteUser(acct, "ann")
	})
	w.make(func(tx *directory.Tx) error {
		if err := tx.DeleteInlinePolicy(directory.OfRole(acct, "worker"), "test"); err != nil {
			return err
		}
		return tx.DeleteRole(acct, "worker")
	})
	w.user("ann", nil, allow("*", "*")) // another one under the same name
	odd := root()
	odd.Principal.Type = policy.Anonymous
	for _, c := range []*authorizer.Caller{ann, worker, nobody, &foreign, odd} {
		d := w.decide(c, check)
		if d.Allowed() || d.Explicit {
			t.Errorf("%s: %+v", c.Principal.ARN, d.Decision)
		}
		if got, want := d.Message(), "User: "+c.Principal.ARN+" is not authorized to perform: shop:Buy on resource: *"; got != want {
			t.Errorf("got %s", got)
		}
		if e := w.auth.Explain(w.follower.Current(), c, environment(), &check); e.Decision.Effect == policy.Allow {
			t.Errorf("%s: explained as allowed", c.Principal.ARN)
		}
	}
}

// TestTrust: a role's trust policy must speak, and a role that is not there cannot.
func TestTrust(t *testing.T) {
	w := newWorld(t)
	ann := w.user("ann", nil, allow("*", "*"))
	w.session("worker", nil)
	account, _ := w.follower.Current().Account(acct)
	r, _ := account.Role("worker")
	check := authorizer.Check{Action: "sts:AssumeRole", Resource: r.ARN(), ResourceAccount: acct, Trust: true, Policy: r.Trust()}
	if d := w.decide(ann, check); !d.Allowed() {
		t.Error(d.Message())
	}
	check.Policy = nil
	for _, action := range []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"} {
		check.Action = action
		d := w.decide(ann, check)
		want := "User: " + ann.Principal.ARN + " is not authorized to perform: " + action + " on resource: " + r.ARN() + " because no role trust policy allows the " + action + " action"
		if d.Allowed() || d.Message() != want {
			t.Errorf("%s without a role: %s", action, d.Message())
		}
		if e := w.auth.Explain(w.follower.Current(), ann, environment(), &check); e.Decision != d.Decision || e.Statements != nil || e.Disagreement != nil {
			t.Errorf("%s without a role is explained as %+v", action, e.Decision)
		}
	}
}

// TestGuards: a decision names what it was made from.
func TestGuards(t *testing.T) {
	w := newWorld(t)
	ann, worker := w.user("ann", nil), w.session("worker", nil)
	print := func(guards []store.Guard) (out []string) {
		for _, g := range guards {
			out = append(out, fmt.Sprintf("%q@%d", g.Key, g.Revision))
		}
		return out
	}
	s := w.follower.Current()
	account, _ := s.Account(acct)
	u, _ := account.UserByID(ann.EntityID)
	r, _ := account.RoleByID(worker.EntityID)
	for _, test := range []struct {
		caller *authorizer.Caller
		want   []store.Guard
	}{{ann, u.Guards()}, {worker, r.Guards()}, {root(), account.Guards()}} {
		d := w.decide(test.caller, authorizer.Check{Action: "shop:Buy", Resource: "*"})
		if diff := cmp.Diff(print(test.want), print(d.Guards())); diff != "" {
			t.Error(diff)
		}
		d = w.decide(test.caller, authorizer.Check{Action: "shop:Buy", Resource: "arn:aws:shop:::hat"})
		if diff := cmp.Diff(print(append(test.want, hatGuard)), print(d.Guards())); diff != "" {
			t.Error(diff)
		}
	}
}
