package gate_test

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
)

// encoded cuts the encoded message off the sentence of a denial.
func encoded(t testing.TB, a answer) (sentence, message string) {
	t.Helper()
	sentence, message, ok := strings.Cut(a.message, ". Encoded authorization failure message: ")
	if !ok {
		t.Fatalf("no encoded message in %d %s: %s", a.status, a.code, a.message)
	}
	return sentence, message
}

// account is what the tests read of a decoded message.
type account struct {
	Allowed, ExplicitDeny bool
	MatchedStatements     struct {
		Items []struct{ StatementID, Effect string }
	}
	Context struct {
		Principal        struct{ ID, Name, ARN string }
		Action, Resource string
		Conditions       struct {
			Items []struct {
				Key    string
				Values struct{ Items []struct{ Value string } }
			}
		}
	}
}

func decoded(t testing.TB, a answer) (out account) {
	t.Helper()
	if err := json.Unmarshal([]byte(html.UnescapeString(element(a.body, "DecodedMessage"))), &out); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return out
}

// TestEncodedMessages: a denial of a service that asks for it carries a message, which only who may do so can read.
func TestEncodedMessages(t *testing.T) {
	checklist.Shows(t, "S2-347")
	w := newWorld(t)
	w.shelve(func(s *gate.Service) { s.Encodes = true })
	const describe = "elasticache:DescribeUsers"
	ann := w.user("ann", allow(describe, thing(w.account, "a*")), `{"Sid":"NotThis","Effect":"Deny","Action":"elasticache:*","Resource":"`+thing(w.account, "x")+`"}`)
	reader := w.user("reader", allow("sts:DecodeAuthorizationMessage", "*"))
	w.ok(w.take(ann, "a1"))

	sentence, explicit := encoded(t, w.take(ann, "x"))
	if want := "User: " + w.arn("user/ann") + " is not authorized to perform: " + describe + " on resource: " + thing(w.account, "x") + " with an explicit deny in an identity-based policy"; sentence != want {
		t.Errorf("got  %s\nwant %s", sentence, want)
	}
	got := decoded(t, w.ok(w.sts(reader, "DecodeAuthorizationMessage", "EncodedMessage", explicit)))
	if got.Allowed || !got.ExplicitDeny || len(got.MatchedStatements.Items) != 1 || got.MatchedStatements.Items[0].StatementID != "NotThis" || got.MatchedStatements.Items[0].Effect != "DENY" ||
		got.Context.Action != describe || got.Context.Resource != thing(w.account, "x") || got.Context.Principal.ARN != w.arn("user/ann") || got.Context.Principal.Name != "ann" {
		t.Errorf("%+v", got)
	}
	keys := make(map[string]int)
	for _, k := range got.Context.Conditions.Items {
		keys[k.Key] = len(k.Values.Items)
	}
	if keys["aws:username"] != 1 || keys["elasticache:AuthenticationMode"] != 2 || keys["aws:SourceIp"] != 1 || keys["aws:CurrentTime"] != 1 {
		t.Errorf("condition keys %v", keys)
	}
	_, implicit := encoded(t, w.take(ann, "b1"))
	got = decoded(t, w.ok(w.sts(w.root, "DecodeAuthorizationMessage", "EncodedMessage", implicit)))
	if got.Allowed || got.ExplicitDeny || len(got.MatchedStatements.Items) != 0 {
		t.Errorf("%+v", got)
	}

	// Whoever was denied may not read it, nor may another account; a changed message and an old one are none.
	w.refused(w.sts(ann, "DecodeAuthorizationMessage", "EncodedMessage", explicit), 403, "AccessDenied",
		"User: "+w.arn("user/ann")+" is not authorized to perform: sts:DecodeAuthorizationMessage on resource: * because no identity-based policy allows the sts:DecodeAuthorizationMessage action")
	const code, say = "InvalidAuthorizationMessageException", "Message is not valid"
	var stranger caller
	w.make(func(tx *directory.Tx) error {
		_, key, err := tx.CreateAccount(directory.NewAccount{Name: "second"})
		stranger = caller{key.ID, key.Secret.Reveal(), ""}
		return err
	})
	w.refused(w.sts(stranger, "DecodeAuthorizationMessage", "EncodedMessage", explicit), 400, code, say)
	for _, bad := range []string{"x", explicit + "A", explicit[1:], explicit + "\n", strings.Repeat("A", 10240)} {
		w.refused(w.sts(w.root, "DecodeAuthorizationMessage", "EncodedMessage", bad), 400, code, say)
	}
	w.refused(w.sts(w.root, "DecodeAuthorizationMessage", "EncodedMessage", strings.Repeat("A", 10241)), 400, "ValidationError", "…")
	w.advance(24 * time.Hour)
	w.refused(w.sts(w.root, "DecodeAuthorizationMessage", "EncodedMessage", explicit), 400, code, say)
}

// TestNoEncodedMessage: not of services that do not ask for it, and not about the resources of other accounts.
func TestNoEncodedMessage(t *testing.T) {
	w := newWorld(t)
	owner := w.account
	w.shelve(func(s *gate.Service) {
		s.Encodes = true
		row := s.Rows["DescribeUsers"]
		row.Checks = func(*gate.Call) ([]authorizer.Check, error) {
			return []authorizer.Check{{Action: "elasticache:DescribeUsers", Resource: thing("999999999999", "x"), ResourceAccount: "999999999999"}}, nil
		}
		s.Rows["DescribeUsers"] = row
	})
	ann := w.user("ann", allow("elasticache:*", "*"))
	w.refused(w.take(ann, "x"), 403, "AccessDenied", "User: "+w.arn("user/ann")+" is not authorized to perform: elasticache:DescribeUsers on resource: "+thing("999999999999", "x"))
	bob := w.user("bob")
	for _, a := range []answer{w.iam(bob, "ListUsers"), w.sts(bob, "GetAccessKeyInfo", "AccessKeyId", w.root.id)} {
		if a.status != 403 || strings.Contains(a.message, "Encoded") {
			t.Errorf("%s: %d %s", owner, a.status, a.message)
		}
	}
}
