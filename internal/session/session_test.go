package session_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
)

var t0 = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func newRing(t testing.TB, store string) *seal.Ring {
	t.Helper()
	r, err := seal.NewRing(store, t0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func issue(t testing.TB, r *seal.Ring, c *session.Claims) string {
	t.Helper()
	token, err := session.Issue(r, c, 0)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// plain is the least of an assumed role.
func plain() *session.Claims {
	return &session.Claims{
		Kind: session.AssumedRole, Account: "123456789012", PrincipalID: "AROAQEXAMPLEEXAMPLE12", Name: "reader", SessionName: "alice",
		AccessKeyID: "ASIAY34FZKBOKMUTVV7A", Secret: secret.New("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		Issued: t0, Expires: t0.Add(time.Hour),
	}
}

// full has everything.
func full() *session.Claims {
	c := plain()
	c.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`
	c.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::123456789012:policy/team/own"}
	c.Tags = []entity.Tag{{Key: "Project", Value: "Automation"}, {Key: "empty"}, {Key: "日本", Value: "é"}}
	c.TransitiveTagKeys = []string{"Project", "日本"}
	c.SourceIdentity = "alice@example.test"
	c.MFAAt = t0.Add(-time.Minute)
	c.Chained, c.Console, c.DefaultRegions, c.Direct = true, true, true, true
	c.Region = "eu-west-1"
	c.Provider = "arn:aws:iam::123456789012:saml-provider/idp"
	c.Context = []session.ContextKey{{Key: "saml:sub", Values: []string{"alice"}}, {Key: "saml:aud", Values: []string{"a", ""}}, {Key: "none"}}
	return c
}

var equalSecrets = cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b) })

func TestRoundTrip(t *testing.T) {
	ring := newRing(t, "store-1")
	form := regexp.MustCompile(`^OST1[A-Za-z0-9_-]+$`)
	user := plain()
	user.Kind, user.SessionName, user.PrincipalID = session.SessionToken, "", "AIDAQEXAMPLEEXAMPLE12"
	root := plain()
	root.Kind, root.SessionName, root.Name, root.PrincipalID = session.SessionToken, "", "", "123456789012"
	federated := plain()
	federated.Kind = session.FederatedUser
	assumedRoot := plain()
	assumedRoot.Kind, assumedRoot.SessionName = session.AssumedRoot, ""
	delegated := full()
	delegated.Delegate = "111122223333"
	tagsOnly := plain()
	tagsOnly.Tags = []entity.Tag{{Key: "a", Value: "b"}}
	for name, c := range map[string]*session.Claims{"plain": plain(), "full": full(), "user": user, "root": root,
		"federated": federated, "assumed root": assumedRoot, "tags": tagsOnly, "delegated": delegated} {
		t.Run(name, func(t *testing.T) {
			token := issue(t, ring, c)
			if !form.MatchString(token) || !session.Recognizes(token) {
				t.Errorf("token %q has the wrong form", token)
			}
			if strings.Contains(token, c.Account) {
				t.Error("the token shows its claims")
			}
			got, err := session.Open(ring, token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, got, equalSecrets); diff != "" {
				t.Error(diff)
			}
			if again := issue(t, ring, c); again == token {
				t.Error("two tokens of one session are equal")
			}
		})
	}
}

func TestTimesAreWholeSeconds(t *testing.T) {
	ring := newRing(t, "store-1")
	c := plain()
	c.Issued = t0.Add(400 * time.Millisecond).In(time.FixedZone("", 3600))
	got, err := session.Open(ring, issue(t, ring, c))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Issued.Equal(t0) || got.Issued.Location() != time.UTC {
		t.Errorf("issued %v", got.Issued)
	}
	if got.Expired(t0.Add(time.Hour-time.Nanosecond)) || !got.Expired(t0.Add(time.Hour)) {
		t.Error("the session is not over exactly at Expires")
	}
}

func TestID(t *testing.T) {
	c := plain()
	for kind, want := range map[session.Kind]string{
		session.AssumedRole: "AROAQEXAMPLEEXAMPLE12:alice", session.FederatedUser: "123456789012:alice",
		session.SessionToken: "AROAQEXAMPLEEXAMPLE12", session.AssumedRoot: "AROAQEXAMPLEEXAMPLE12",
	} {
		c.Kind = kind
		if got := c.ID(); got != want {
			t.Errorf("%v: %q, want %q", kind, got, want)
		}
	}
	if session.Kind(9).String() != "kind 9" || session.AssumedRole.String() != "assumed-role" {
		t.Error("kinds have the wrong names")
	}
}

// refused checks that a token is refused with the one sentence.
func refused(t *testing.T, ring *seal.Ring, token string, cause error) {
	t.Helper()
	c, err := session.Open(ring, token)
	if c != nil || !errors.Is(err, fault.UnknownKey) || fault.MessageOf(err) != "The security token included in the request is invalid." {
		t.Fatalf("%.40q: %v, %v", token, c, err)
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Fatalf("%.40q: %v, want the cause %v", token, err, cause)
	}
}

func TestOpenRefuses(t *testing.T) {
	ring := newRing(t, "store-1")
	token := issue(t, ring, full())
	for _, bad := range []string{"", "OST1", "OST2" + token[4:], "ost1" + token[4:], token + "=", token + "A", token + "\n", " " + token,
		token[:50] + "\n" + token[50:], token[:len(token)-1] + "!", "FwoGZXIvYXdzEJr//////////wEaDEXAMPLE", "OST1" + strings.Repeat("A", 9000)} {
		refused(t, ring, bad, nil)
	}
	refused(t, ring, "OST1AAAA", session.ErrMalformed)
	for i := 4; i < len(token); i++ {
		changed := []byte(token)
		changed[i] = 'A'
		if token[i] == 'A' {
			changed[i] = 'B'
		}
		refused(t, ring, string(changed), nil)
	}
	for n := range token {
		refused(t, ring, token[:n], nil)
	}
	refused(t, newRing(t, "store-2"), token, session.ErrForeign)
	refused(t, newRing(t, "store-1"), token, seal.ErrUnknownKey)
}

// TestOnlyTokensOpen puts what the ring sealed for another purpose, or without the token's prefix as associated data, into
// the form of a token.
func TestOnlyTokensOpen(t *testing.T) {
	ring := newRing(t, "store-1")
	raw, err := base64.RawURLEncoding.DecodeString(issue(t, ring, plain())[4:])
	if err != nil {
		t.Fatal(err)
	}
	tag := raw[:8]
	text, err := session.Encode(plain())
	if err != nil {
		t.Fatal(err)
	}
	ad := append([]byte("OST1"), tag...)
	for _, c := range []struct {
		purpose seal.Purpose
		ad      []byte
		good    bool
	}{{seal.SessionToken, ad, true}, {seal.Message, ad, false}, {seal.SessionToken, nil, false}} {
		sealed, err := ring.Seal(c.purpose, text, c.ad)
		if err != nil {
			t.Fatal(err)
		}
		token := "OST1" + base64.RawURLEncoding.EncodeToString(append(bytes.Clone(tag), sealed...))
		if !c.good {
			refused(t, ring, token, seal.ErrOpen)
		} else if _, err := session.Open(ring, token); err != nil {
			t.Error(err) // else the other rows show nothing
		}
	}
}

func TestRotation(t *testing.T) {
	ring := newRing(t, "store-1")
	token := issue(t, ring, plain())
	if err := ring.Rotate(t0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Open(ring, token); err != nil {
		t.Errorf("a token from before the rotation: %v", err)
	}
	if err := ring.Drop(ring.Keys()[0].ID); err != nil {
		t.Fatal(err)
	}
	refused(t, ring, token, seal.ErrUnknownKey)
}

func TestIssueRefuses(t *testing.T) {
	ring := newRing(t, "store-1")
	for name, change := range map[string]func(*session.Claims){
		"no kind":                     func(c *session.Claims) { c.Kind = 0 },
		"unknown kind":                func(c *session.Claims) { c.Kind = 77 },
		"no account":                  func(c *session.Claims) { c.Account = "" },
		"no principal":                func(c *session.Claims) { c.PrincipalID = "" },
		"no access key":               func(c *session.Claims) { c.AccessKeyID = "" },
		"no secret":                   func(c *session.Claims) { c.Secret = secret.Text{} },
		"no time of issue":            func(c *session.Claims) { c.Issued = time.Time{} },
		"no end":                      func(c *session.Claims) { c.Expires = time.Time{} },
		"no life":                     func(c *session.Claims) { c.Expires = c.Issued },
		"a delegation without limits": func(c *session.Claims) { c.Delegate = "111122223333" },
		"no session name":             func(c *session.Claims) { c.SessionName = "" },
	} {
		c := plain()
		change(c)
		if token, err := session.Issue(ring, c, 0); err == nil || token != "" {
			t.Errorf("%s: issued", name)
		}
	}
	delegated := full()
	delegated.Delegate = "111122223333"
	if _, err := session.Issue(ring, delegated, 100); err == nil {
		t.Error("a delegation's token was padded, and could not be read")
	}
	c := plain()
	c.Provider = strings.Repeat("x", 7000)
	if _, err := session.Issue(ring, c, 0); !errors.Is(err, fault.PackedPolicyTooLarge) {
		t.Errorf("claims beyond the longest token: %v", err)
	}
}

// noise is text that does not deflate well.
func noise(n int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[rng.IntN(64)]
	}
	return string(b)
}

func TestPackedPolicySize(t *testing.T) {
	size := func(policy string, arns []string, tags []entity.Tag, transitive []string) int {
		t.Helper()
		n, err := session.PackedPolicySize(policy, arns, tags, transitive)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := size("", nil, nil, nil); n != 0 {
		t.Errorf("nothing weighs %d %%", n)
	}
	small := size(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`, nil, nil, nil)
	if small < 1 || small > 5 {
		t.Errorf("a small policy weighs %d %%", small)
	}
	withARN := size(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`,
		[]string{"arn:aws:iam::123456789012:policy/some/path/" + noise(100)}, nil, nil)
	if withARN <= small {
		t.Errorf("a managed policy weighs nothing: %d %% and %d %%", small, withARN)
	}
	var tags []entity.Tag
	for i := range 50 {
		tags = append(tags, entity.Tag{Key: fmt.Sprintf("key-%d", i), Value: strings.Repeat("value", 50)})
	}
	if n := size("", nil, tags, nil); n > 60 {
		t.Errorf("50 tags of repeated text weigh %d %%", n)
	}

	n, err := session.PackedPolicySize(`{"Version":"2012-10-17","Statement":[]}`+noise(4000), nil, nil, nil)
	if n <= 100 || !errors.Is(err, fault.PackedPolicyTooLarge) ||
		fault.MessageOf(err) != fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", n) {
		t.Errorf("%d %%, %v", n, err)
	}
	n, err = session.PackedPolicySize("", nil, []entity.Tag{{Key: "k", Value: noise(4000)}}, nil)
	if n <= 100 || fault.MessageOf(err) != fmt.Sprintf("Packed size of session tags consumes %d%% of allotted space.", n) {
		t.Errorf("%d %%, %v", n, err)
	}
	if _, err := session.PackedPolicySize(strings.Repeat("x", 1<<20), nil, nil, nil); !errors.Is(err, fault.PackedPolicyTooLarge) {
		t.Errorf("a policy of a megabyte: %v", err)
	}
	c := plain()
	c.Policy = noise(4000)
	if _, err := session.Issue(newRing(t, "s"), c, 0); !errors.Is(err, fault.PackedPolicyTooLarge) {
		t.Errorf("issued with a policy that does not fit: %v", err)
	}
}

// TestFullTokenStaysShort fills the packed field to the limit and the names to theirs (S5-23).
func TestFullTokenStaysShort(t *testing.T) {
	checklist.Shows(t, "S2-305")
	ring := newRing(t, strings.Repeat("s", 128))
	c := full()
	c.Name, c.SessionName, c.SourceIdentity = noise(64), noise(64), noise(64)
	c.PolicyARNs, c.Tags, c.TransitiveTagKeys = nil, nil, nil
	best := 0
	for n := 1000; n <= 4000; n += 25 {
		c.Policy = noise(n)
		percent, err := session.PackedPolicySize(c.Policy, nil, nil, nil)
		if err != nil {
			break
		}
		best = percent
		if token := issue(t, ring, c); len(token) >= 4096 {
			t.Fatalf("%d %%: the token has %d characters", percent, len(token))
		}
	}
	if best < 98 {
		t.Errorf("the fullest token was at %d %%", best)
	}
}

func FuzzOpen(f *testing.F) {
	ring := newRing(f, "store-1")
	token := issue(f, ring, full())
	f.Add(token[:40])
	f.Add("OST1" + strings.Repeat("A", 80))
	f.Add(token[:15] + strings.Repeat("B", 80))
	f.Fuzz(func(t *testing.T, token string) { refused(t, ring, token, nil) })
}

// FuzzFields reads arbitrary fields that are truly sealed, as only a faulty or a newer writer could make them: nothing
// panics, and what is understood is issued and read again as the same.
func FuzzFields(f *testing.F) {
	for _, c := range []*session.Claims{plain(), full()} {
		text, err := session.Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte("alice"), []byte("malic")))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := session.Decode(text)
		if err != nil {
			if c != nil {
				t.Fatal("claims with an error")
			}
			return
		}
		again, err := session.Encode(c)
		if errors.Is(err, fault.PackedPolicyTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := session.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, back, equalSecrets); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	for name, c := range map[string]*session.Claims{"plain": plain(), "full": full()} {
		b.Run(name, func(b *testing.B) {
			ring := newRing(b, "store-1")
			token := issue(b, ring, c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := session.Open(ring, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
