package denial_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/denial"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/policy"
)

var t0 = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

const account = "123456789012"

func newRing(t testing.TB) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing("store", t0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// denied is the account of a request that a statement denied, with that many condition keys of some length.
func denied(t testing.TB, keys, length int) *denial.Account {
	t.Helper()
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"No","Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::a","*"],
		"Condition":{"StringLike":{"aws:username":"a*"}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.Identity, "p", doc)
	if err != nil {
		t.Fatal(err)
	}
	caller := &authorizer.Caller{EntityID: "AIDA1", Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::" + account + ":user/x/ann", Account: account, UniqueID: "AIDA1"}}
	context := []authorizer.Key{{Name: "aws:username", Values: []string{"ann"}}}
	for i := range keys {
		// Text that hardly deflates, the same in every run.
		var b strings.Builder
		for n := uint64(i + 1); b.Len() < length; n = n*6364136223846793005 + 1442695040888963407 {
			b.WriteString(strconv.FormatUint(n, 36))
		}
		context = append(context, authorizer.Key{Name: "x:key" + strconv.Itoa(i), Values: []string{b.String()}})
	}
	x := &policy.Explanation{Decision: policy.Decision{Effect: policy.Deny, Explicit: true}, Statements: []policy.Match{{Policy: p}}}
	return denial.Of(caller, &authorizer.Check{Action: "s3:GetObject", Resource: "arn:aws:s3:::a"}, x, context)
}

func sealed(t testing.TB, ring *seal.Ring, a *denial.Account) string {
	t.Helper()
	m, err := a.Seal(ring, account, t0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func refused(t *testing.T, ring *seal.Ring, id, message string, now time.Time) {
	t.Helper()
	text, err := denial.Open(ring, id, message, now)
	if text != "" || !errors.Is(err, fault.InvalidMessage) || fault.MessageOf(err) != "Message is not valid" {
		t.Fatalf("%.40q: %q, %v", message, text, err)
	}
}

// TestForm is the whole account in AWS's form.
func TestForm(t *testing.T) {
	ring := newRing(t)
	const want = `{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"No","effect":"DENY",` +
		`"principals":{"items":[{"value":"AIDA1"}]},"principalGroups":{"items":[]},"actions":{"items":[{"value":"s3:*"}]},` +
		`"resources":{"items":[{"value":"arn:aws:s3:::a"},{"value":"*"}]},"conditions":{"items":[{"key":"aws:username","values":{"items":[{"value":"a*"}]}}]}}]},` +
		`"failures":{"items":[]},"context":{"principal":{"id":"AIDA1","name":"ann","arn":"arn:aws:iam::123456789012:user/x/ann"},"action":"s3:GetObject",` +
		`"resource":"arn:aws:s3:::a","conditions":{"items":[{"key":"aws:username","values":{"items":[{"value":"ann"}]}}]}}}`
	got, err := denial.Open(ring, account, sealed(t, ring, denied(t, 0, 0)), t0)
	if err != nil || got != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

// TestOpenRefuses: whoever changes a message, sends it from another account or too late learns nothing.
func TestOpenRefuses(t *testing.T) {
	ring := newRing(t)
	m := sealed(t, ring, denied(t, 0, 0))
	if _, err := denial.Open(ring, account, m, t0.Add(denial.Life-time.Second)); err != nil {
		t.Error(err)
	}
	refused(t, ring, account, m, t0.Add(denial.Life))
	refused(t, ring, "210987654321", m, t0)
	refused(t, newRing(t), account, m, t0)
	for _, bad := range []string{"", "AAAA", m + "A", m + "=", m[1:], m[:10] + "\n" + m[10:], m + "\n", strings.Repeat("A", 20000)} {
		refused(t, ring, account, bad, t0)
	}
	for i := range m {
		changed := []byte(m)
		if changed[i]++; changed[i] == '[' {
			changed[i] = 'A'
		}
		refused(t, ring, account, string(changed), t0)
	}
	// What the ring sealed for another use is no message.
	other, err := ring.Seal(seal.SessionToken, []byte("x"), []byte("ostiary authorization message v1 "+account))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ring, account, string(other), t0)
}

// TestLong: a message is never longer than the API takes; what does not fit is left out, statements first.
func TestLong(t *testing.T) {
	ring := newRing(t)
	statements, conditions := make(map[int]bool), make(map[int]bool)
	for _, keys := range []int{0, 10, 20, 28, 40, 400} {
		m := sealed(t, ring, denied(t, keys, 250))
		if len(m) > denial.MaxMessage {
			t.Fatalf("%d keys: %d characters", keys, len(m))
		}
		text, err := denial.Open(ring, account, m, t0)
		if err != nil {
			t.Fatal(err)
		}
		var a denial.Account
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		statements[len(a.MatchedStatements.Items)], conditions[len(a.Context.Conditions.Items)] = true, true
		if a.Context.Action != "s3:GetObject" || !a.ExplicitDeny {
			t.Errorf("%d keys: %s", keys, text)
		}
	}
	if !statements[0] || !statements[1] || !conditions[0] || !conditions[1] {
		t.Errorf("left out: %v, %v", statements, conditions)
	}
}

func FuzzOpen(f *testing.F) {
	ring := newRing(f)
	m := sealed(f, ring, denied(f, 0, 0))
	f.Add(m[:40])
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, message string) { refused(t, ring, account, message, t0) })
}
