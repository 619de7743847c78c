package gate_test

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/policy"
)

// shelf is a service that others could have registered: its things are named by DescribeUsers' UserId, and some have a policy of
// their own. Unlike IAM and STS it is open to federated users.
type shelf struct {
	policies map[string]*policy.Policy
}

// shelve puts a gate with a shelf in the place of the world's gate. change may be nil.
func (w *world) shelve(change func(*gate.Service)) *shelf {
	w.t.Helper()
	s := &shelf{policies: make(map[string]*policy.Policy)}
	service := &gate.Service{
		API: elasticache.API, Source: "elasticache.amazonaws.com",
		Handlers: map[string]wire.Handler[*gate.Call]{
			"DescribeUsers": func(context.Context, *gate.Call, wire.Input) (wire.Output, error) {
				return &elasticache.DescribeUsersResult{}, nil
			},
		},
		Rows: map[string]gate.Row{"DescribeUsers": {Decides: gate.ByPolicy, ReadOnly: true, Checks: s.checks}},
	}
	if change != nil {
		change(service)
	}
	c := w.config()
	c.Services[3] = service
	g, err := gate.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	w.t.Cleanup(server.Close)
	w.url = server.URL
	return s
}

func (s *shelf) checks(c *gate.Call) ([]authorizer.Check, error) {
	id := *gate.Input[*elasticache.DescribeUsersMessage](c).UserId
	return []authorizer.Check{{
		Action: "elasticache:DescribeUsers", Resource: thing(c.Account(), id), Policy: s.policies[id],
		Keys: []authorizer.Key{{Name: "elasticache:AuthenticationMode", Values: []string{"iam", "password"}}},
	}}, nil
}

// thing is the ARN of a thing on the shelf.
func thing(account, id string) string {
	return "arn:aws:elasticache:us-east-1:" + account + ":user:" + id
}

// give puts a policy on a thing.
func (s *shelf) give(t testing.TB, id, document string) {
	t.Helper()
	doc, err := policy.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if s.policies[id], err = policy.Compile(policy.Resource, id, doc); err != nil {
		t.Fatal(err)
	}
}

// take asks for a thing of the shelf.
func (w *world) take(c caller, id string) answer {
	w.t.Helper()
	return w.send(request{caller: c, service: "elasticache", form: url.Values{"Action": {"DescribeUsers"}, "Version": {"2015-02-02"}, "UserId": {id}}})
}

// element returns the text of an element of an answer.
func element(body, name string) string {
	_, rest, _ := strings.Cut(body, "<"+name+">")
	text, _, _ := strings.Cut(rest, "</")
	return text
}

// federated gets credentials of the federated user Bob.
func (w *world) federated(c caller, values ...string) caller {
	w.t.Helper()
	a := w.ok(w.sts(c, "GetFederationToken", append([]string{"Name", "Bob"}, values...)...))
	return caller{element(a.body, "AccessKeyId"), element(a.body, "SecretAccessKey"), element(a.body, "SessionToken")}
}

// TestFederatedUsers: what a federated user may do is what the user who made the session and the policies of the session both
// allow, as they stand when the request comes.
func TestFederatedUsers(t *testing.T) {
	w := newWorld(t)
	s := w.shelve(nil)
	const describe = "elasticache:DescribeUsers"
	ann := w.user("ann", allow("sts:*", "*"), allow(describe, thing(w.account, "a*")))
	bob := "arn:aws:sts::" + w.account + ":federated-user/Bob"
	no := func(a answer, id, why string) {
		t.Helper()
		w.refused(a, 403, "AccessDenied", "User: "+bob+" is not authorized to perform: "+describe+" on resource: "+thing(w.account, id)+" "+why)
	}
	const noIdentity = "because no identity-based policy allows the " + describe + " action"
	const noSession = "because no session policy allows the " + describe + " action"

	t.Run("both must allow", func(t *testing.T) {
		checklist.Shows(t, "S2-313")
		w.t = t
		c := w.federated(ann, "Policy", document(allow(describe, thing(w.account, "*1"))))
		w.ok(w.take(c, "a1"))
		no(w.take(c, "a2"), "a2", noSession)
		no(w.take(c, "b1"), "b1", noIdentity)
		w.ok(w.take(ann, "a2"))
		managed := w.federated(ann, "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/AdministratorAccess")
		w.ok(w.take(managed, "a2"))
		no(w.take(managed, "b1"), "b1", noIdentity)
	})
	t.Run("nothing without a policy", func(t *testing.T) {
		checklist.Shows(t, "S2-314")
		w.t = t
		s.give(t, "a-given", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+bob+`"},"Action":"*","Resource":"*"}]}`)
		s.give(t, "a-other", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::`+w.account+`:federated-user/Eve"},"Action":"*","Resource":"*"}]}`)
		s.give(t, "a-user", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+w.arn("user/ann")+`"},"Action":"*","Resource":"*"}]}`)
		for _, maker := range []caller{ann, w.root} {
			c := w.federated(maker)
			no(w.take(c, "a1"), "a1", noSession)
			no(w.take(c, "a-other"), "a-other", noSession)
			w.ok(w.take(c, "a-given"))
		}
		no(w.take(w.federated(ann), "a-user"), "a-user", noSession)
	})
	t.Run("tags", func(t *testing.T) {
		w.t = t
		tagged := w.user("tagged", allow("sts:*", "*"),
			`{"Effect":"Allow","Action":"`+describe+`","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red","aws:PrincipalTag/site":"here","aws:PrincipalType":"FederatedUser"},"Null":{"aws:username":"true"}}}`)
		w.make(func(tx *directory.Tx) error {
			return tx.Tag(directory.OfUser(w.account, "tagged"), []entity.Tag{{Key: "team", Value: "blue"}, {Key: "site", Value: "here"}})
		})
		all := document(allow("*", "*"))
		no(w.take(w.federated(tagged, "Policy", all), "a1"), "a1", noIdentity)
		w.ok(w.take(w.federated(tagged, "Policy", all, "Tags.member.1.Key", "team", "Tags.member.1.Value", "red"), "a1"))
	})
	t.Run("no one-time code", func(t *testing.T) {
		checklist.Shows(t, "S2-320")
		w.t = t
		a := w.sts(ann, "GetFederationToken", "Name", "Bob", "SerialNumber", w.arn("mfa/phone"), "TokenCode", "123456")
		w.refused(a, 400, "ValidationError", "…")
		about := func(value string) string {
			return document(when(allow(describe, "*"), "Bool", "aws:MultiFactorAuthPresent", value), when(deny("*", "*"), "Null", "aws:MultiFactorAuthAge", "false"))
		}
		w.ok(w.take(w.federated(ann, "Policy", about("false")), "a1"))
		no(w.take(w.federated(ann, "Policy", about("true")), "a1"), "a1", noSession)
	})
	t.Run("the user's policies as they are now", func(t *testing.T) {
		checklist.Shows(t, "S2-318")
		w.t = t
		c := w.federated(ann, "Policy", document(allow("*", "*")))
		w.ok(w.take(c, "a1"))
		no(w.take(c, "b1"), "b1", noIdentity)
		w.make(inline(directory.OfUser(w.account, "ann"), allow(describe, thing(w.account, "b*"))))
		w.ok(w.take(c, "b1"))
		no(w.take(c, "a1"), "a1", noIdentity)
		w.make(inline(directory.OfUser(w.account, "ann"), deny("*", "*")))
		no(w.take(c, "b1"), "b1", "with an explicit deny in an identity-based policy")
	})
	t.Run("nobody limits root's", func(t *testing.T) {
		checklist.Shows(t, "S2-319")
		w.t = t
		c := w.federated(w.root, "Policy", document(allow(describe, thing(w.account, "a*"))))
		w.ok(w.take(c, "a1"))
		no(w.take(c, "b1"), "b1", noSession)
	})
}

// TestFederatedUserEvents: what a federated user does is recorded under their name, with who made the session.
func TestFederatedUserEvents(t *testing.T) {
	w := newWorld(t)
	w.shelve(nil)
	ann := w.user("ann", allow("sts:*", "*"))
	account, _ := w.follower.Current().Account(w.account)
	user, _ := account.User("ann")
	made := w.event(w.ok(w.sts(ann, "GetFederationToken", "Name", "Bob", "DurationSeconds", "900")))
	if made.Identity.Type != "IAMUser" || !made.ReadOnly || string(made.RequestParameters) != `{"name":"Bob","durationSeconds":900}` &&
		string(made.RequestParameters) != `{"durationSeconds":900,"name":"Bob"}` {
		t.Errorf("recorded as %+v with %s", made, made.RequestParameters)
	}
	for name, test := range map[string]struct {
		maker  caller
		issuer trail.SessionIssuer
	}{
		"user": {ann, trail.SessionIssuer{Type: "IAMUser", PrincipalID: user.ID, ARN: w.arn("user/ann"), AccountID: w.account, UserName: "ann"}},
		"root": {w.root, trail.SessionIssuer{Type: "Root", PrincipalID: w.account, ARN: w.arn("root"), AccountID: w.account}},
	} {
		c := w.federated(test.maker)
		e := w.event(w.take(c, "a1"))
		id := e.Identity
		if id.Type != "FederatedUser" || id.PrincipalID != w.account+":Bob" || id.ARN != "arn:aws:sts::"+w.account+":federated-user/Bob" ||
			id.AccountID != w.account || id.AccessKeyID != c.id || id.UserName != "" || id.Session == nil || id.Session.Issuer == nil || *id.Session.Issuer != test.issuer {
			t.Errorf("%s: recorded as %+v, %+v", name, id, id.Session)
		}
	}
}

// TestFederatedUserOfNobody: a session whose user is gone, or never was, is no session.
func TestFederatedUserOfNobody(t *testing.T) {
	w := newWorld(t)
	c := w.issue(w.ring, session.Claims{Kind: session.FederatedUser, Account: w.account, PrincipalID: "AIDAQEXAMPLEEXAMPLE12", Name: "ann", SessionName: "Bob"})
	w.refused(w.sts(c, "GetCallerIdentity"), 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
}
