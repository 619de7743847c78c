package gate_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// TestTablesAreTotal: every kind of error has a code in every protocol, and none that is not one.
func TestTablesAreTotal(t *testing.T) {
	for name, table := range map[string]gate.Codes{"Query": gate.QueryCodes, "JSON": gate.JSONCodes} {
		for _, k := range fault.Kinds() {
			c, ok := table[k]
			if !ok {
				t.Errorf("%s has no code for %v", name, k)
				continue
			}
			if c.Code == "" || http.StatusText(c.Status) == "" || c.Status < 400 {
				t.Errorf("%s answers %v with %d %q", name, k, c.Status, c.Code)
			}
			server := k == fault.Internal || k == fault.Unavailable || k == fault.Stale || k == fault.Unbuilt
			if (c.Status >= 500) != server {
				t.Errorf("%s blames the wrong side for %v: %d", name, k, c.Status)
			}
		}
		if len(table) != len(fault.Kinds()) {
			t.Errorf("%s lists %d kinds of %d", name, len(table), len(fault.Kinds()))
		}
	}
}

// TestBodyLimit: 1 MiB and not a byte more.
func TestBodyLimit(t *testing.T) {
	const limit = 1 << 20
	w := newWorld(t)
	f := iamForm("GetUser").Encode() + "&UserName=x"
	full := f + strings.Repeat("x", limit-len(f))
	a := w.send(request{caller: w.root, body: full})
	if a.status != 400 || a.code != "ValidationError" {
		t.Errorf("a body of 1 MiB: %d %s: %s", a.status, a.code, a.message)
	}
	w.refused(w.send(request{caller: w.root, body: full + "x"}), 413, "RequestEntityTooLarge", "Request body is larger than the limit of 1048576 bytes.")
	q := request{caller: w.root, service: "organizations", target: "AWSOrganizationsV20161128.DescribeOrganization", body: strings.Repeat(" ", limit+1)}
	w.refused(w.send(q), 413, "RequestEntityTooLargeException", "Request body is larger than the limit of 1048576 bytes.")
}

// TestOrderOfErrors: what is wrong with the request as HTTP, then the signature, then the parameters, then the permission,
// then the state.
func TestOrderOfErrors(t *testing.T) {
	w := newWorld(t)
	nobody, ann, admin := caller{w.root.id, "wrong", ""}, w.user("ann"), w.user("admin", allow("*", "*"))
	bad := []string{"UserName", "no such/name", "Colour", "blue"}
	w.refused(w.iam(nobody, "NoSuchAction", bad...), 400, "InvalidAction", "Could not find operation NoSuchAction for version 2010-05-08")
	w.refused(w.iam(nobody, "CreateUser", bad...), 403, "SignatureDoesNotMatch", sayMismatch+"…")
	w.refused(w.iam(ann, "CreateUser", bad...), 400, "ValidationError", "…")
	w.refused(w.iam(ann, "CreateUser", "UserName", "ann"), 403, "AccessDenied", "User: "+w.arn("user/ann")+
		" is not authorized to perform: iam:CreateUser on resource: "+w.arn("user/ann")+" because no identity-based policy allows the iam:CreateUser action")
	w.refused(w.iam(admin, "CreateUser", "UserName", "ann"), 409, "EntityAlreadyExists", "User with name ann already exists.")
}

// TestBadParameters: each is refused with its own error, and recorded as far as it was read.
func TestBadParameters(t *testing.T) {
	w := newWorld(t)
	for name, q := range map[string]struct {
		values  []string
		code    string
		message string
	}{
		"unknown":    {[]string{"UserName", "eve", "Colour", "blue"}, "ValidationError", ""},
		"too long":   {[]string{"UserName", strings.Repeat("x", 65)}, "ValidationError", "1 validation error detected: …"},
		"missing":    {nil, "ValidationError", "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		"not a list": {[]string{"UserName", "eve", "Tags.member.x.Key", "k"}, "MalformedInput", "…"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			a := w.iam(w.root, "CreateUser", q.values...)
			if q.message == "" {
				q.message = a.message
			}
			w.refused(a, 400, q.code, q.message)
			if name == "unknown" && !strings.Contains(a.message, "Colour") {
				t.Errorf("the message does not name the parameter: %s", a.message)
			}
			e := w.event(a)
			if e.ErrorCode != q.code || e.ResponseElements != nil {
				t.Errorf("recorded %s with %s", e.ErrorCode, e.ResponseElements)
			}
			if want := strings.Repeat("x", 65); name == "too long" && string(e.RequestParameters) != `{"userName":"`+want+`"}` {
				t.Errorf("recorded %s", e.RequestParameters)
			}
		})
	}
	w.t = t
	w.refused(w.iam(w.root, "GetUser", "UserName", "eve"), 404, "NoSuchEntity", "The user with name eve cannot be found.")
}

// TestNotBuilt: an operation that is known and not built says so, to callers who are known, and is recorded.
func TestNotBuilt(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	cache := func(action string) answer {
		return w.send(request{caller: u, service: "elasticache", form: url.Values{"Action": {action}, "Version": {"2015-02-02"}}})
	}
	a := cache("DescribeCacheClusters")
	w.refused(a, 501, "NotImplemented", "DescribeCacheClusters of elasticache is not built yet: …")
	if e := w.event(a); e.ErrorCode != "NotImplemented" || !e.ReadOnly || e.RequestParameters != nil || e.Identity.UserName != "ann" {
		t.Errorf("recorded as %+v", e)
	}
	a = cache("DeleteCacheCluster")
	w.refused(a, 501, "NotImplemented", "DeleteCacheCluster of elasticache is not built yet: …")
	if e := w.event(a); e.ReadOnly {
		t.Error("a change that is not built is recorded as read-only")
	}
	a = w.send(request{caller: u, service: "organizations", target: "AWSOrganizationsV20161128.DescribeOrganization", body: "{}"})
	w.refused(a, 501, "NotImplementedException", "DescribeOrganization of organizations is not built yet: …")
	if e := w.event(a); e.Source != "organizations.amazonaws.com" || e.Region != "us-east-1" {
		t.Errorf("recorded as %+v", e)
	}
	a = w.send(request{caller: u, service: "organizations", target: "AWSOrganizationsV20161128.NoSuch", body: "{}"})
	w.refused(a, 400, "UnknownOperationException", "The operation that the X-Amz-Target header names is not known.")

	// What comes without a signature belongs to nobody.
	for _, name := range []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"} {
		a = w.send(request{form: stsForm(name), raw: func(*http.Request) bool { return false }})
		if o := sts.New(sts.Config{}).API.Operations[name]; o.Unbuilt != "" {
			w.refused(a, 501, "NotImplemented", name+" of sts is not built yet: …")
		} else if a.status != 400 || a.code != "ValidationError" { // it has no parameters
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if all := w.events(a.requestID); len(all) != 0 {
			t.Errorf("recorded %v", all)
		}
	}
}

// TestServiceWithoutRow: a handler without a row, a row that does not ask and a row without a handler are refused at the start.
func TestServiceWithoutRow(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(*gate.Service){
		"no row":     func(s *gate.Service) { delete(s.Rows, "GetCallerIdentity") },
		"no kind":    func(s *gate.Service) { s.Rows["GetCallerIdentity"] = gate.Row{} },
		"no checks":  func(s *gate.Service) { s.Rows["AssumeRole"] = gate.Row{Decides: gate.ByTrust} },
		"checks":     func(s *gate.Service) { r := s.Rows["AssumeRole"]; r.Decides = gate.Always; s.Rows["AssumeRole"] = r },
		"no handler": func(s *gate.Service) { delete(s.Handlers, "GetCallerIdentity") },
		"no assertion": func(s *gate.Service) {
			s.Rows["AssumeRoleWithWebIdentity"] = gate.Row{Decides: gate.ByAssertion}
		},
		"an assertion": func(s *gate.Service) {
			r := s.Rows["AssumeRole"]
			r.Verify = s.Rows["AssumeRoleWithWebIdentity"].Verify
			s.Rows["AssumeRole"] = r
		},
	} {
		c := w.config()
		rows, handlers := make(map[string]gate.Row), c.Services[1].Handlers
		for n, r := range c.Services[1].Rows {
			rows[n] = r
		}
		c.Services[1].Rows, c.Services[1].Handlers = rows, handlers
		if _, err := gate.New(c); err != nil {
			t.Fatal(err)
		}
		spoil(c.Services[1])
		if _, err := gate.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestStoreIsDown: a change that cannot be committed is a server's error that shows nothing of the cause.
func TestStoreIsDown(t *testing.T) {
	w := newWorld(t)
	w.ok(w.iam(w.root, "ListUsers"))
	down := errors.New("disk sda1 is on fire")
	w.store.down.Store(&down)
	a := w.iam(w.root, "CreateUser", "UserName", "ann")
	w.refused(a, 500, "ServiceFailure", "The request processing has failed because of an unknown error, exception or failure.")
	if e := w.event(a); e.ErrorCode != "ServiceFailureException" || strings.Contains(e.ErrorMessage, "sda1") {
		t.Errorf("recorded as %+v", e)
	}
	if !strings.Contains(w.log.String(), "sda1") {
		t.Error("the operator is not told the cause")
	}
}

// TestUnknownOutcome: a change of which nobody knows whether it was committed fails with an error that clients try again after. It may have
// been, with its event; that the call failed is another event, so that neither takes the other's place where events are told apart by ID.
func TestUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	down := fmt.Errorf("committing: %w", store.ErrUnknownOutcome)
	w.store.late.Store(true)
	w.store.down.Store(&down)
	a := w.iam(w.root, "CreateUser", "UserName", "ann")
	w.refused(a, 503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
	events := w.events(a.requestID)
	if len(events) != 2 || events[0].ErrorCode != "" || events[1].ErrorCode != "ServiceUnavailable" || events[0].ID == events[1].ID {
		t.Errorf("the events are %+v", events)
	}
}
