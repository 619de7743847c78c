package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
)

// console is a console session with everything.
func console() *session.Console {
	return &session.Console{Claims: *full(), Nonce: "nonce-1", Issuer: "https://mysignin.internal.mycompany.com/?a=b&c"}
}

func TestConsoleForms(t *testing.T) {
	ring := newRing(t, "store-1")
	plainConsole := plain()
	plainConsole.Console = true
	for name, want := range map[string]*session.Console{"full": console(), "least": {Claims: *plainConsole, Nonce: "n"}} {
		t.Run(name, func(t *testing.T) {
			cookie, err := session.IssueConsole(ring, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := session.OpenConsole(ring, cookie)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, equalSecrets); diff != "" {
				t.Error(diff)
			}
			asked := &session.SigninToken{Claims: want.Claims, Until: t0.Add(15 * time.Minute)}
			token, err := session.IssueSignin(ring, asked)
			if err != nil {
				t.Fatal(err)
			}
			again, err := session.OpenSignin(ring, token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asked, again, equalSecrets); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("what is incomplete is not issued", func(t *testing.T) {
		noNonce, api, nobody := console(), console(), console()
		noNonce.Nonce = ""
		api.Claims.Console = false
		nobody.Claims.PrincipalID = ""
		for _, c := range []*session.Console{noNonce, api, nobody} {
			if _, err := session.IssueConsole(ring, c); err == nil {
				t.Errorf("%+v was issued", c)
			}
		}
		for _, c := range []*session.Console{api, nobody} {
			if _, err := session.IssueSignin(ring, &session.SigninToken{Claims: c.Claims, Until: t0}); err == nil {
				t.Errorf("%+v was issued as a sign-in token", c)
			}
		}
		long := console()
		long.Issuer = strings.Repeat("x", session.MaxConsole)
		if _, err := session.IssueConsole(ring, long); err == nil {
			t.Error("one that is too long was issued")
		}
	})
}

// TestConsoleFormsAreApart: none of the three forms of token passes for another, whatever it is called, and none that was changed or
// made elsewhere opens.
func TestConsoleFormsAreApart(t *testing.T) {
	ring, other := newRing(t, "store-1"), newRing(t, "store-2")
	cookie, err := session.IssueConsole(ring, console())
	if err != nil {
		t.Fatal(err)
	}
	token, err := session.IssueSignin(ring, &session.SigninToken{Claims: *full(), Until: t0.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"session token": issue(t, ring, full()), "sign-in token": token, "console session": cookie}
	openers := map[string]func(*seal.Ring, string) error{
		"session token":   func(r *seal.Ring, s string) error { _, err := session.Open(r, s); return err },
		"sign-in token":   func(r *seal.Ring, s string) error { _, err := session.OpenSignin(r, s); return err },
		"console session": func(r *seal.Ring, s string) error { _, err := session.OpenConsole(r, s); return err },
	}
	refused := func(t *testing.T, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.UnknownKey || fault.MessageOf(err) != "The security token included in the request is invalid." {
			t.Errorf("got %v", err)
		}
	}
	for is, text := range all {
		for as, open := range openers {
			if is == as {
				if err := open(ring, text); err != nil {
					t.Fatalf("%s: %v", is, err)
				}
				refused(t, open(other, text))
				for _, changed := range []string{"", text[:4], text[:len(text)-1], text + "A", text + "\n", " " + text, strings.Repeat("A", 20000)} {
					refused(t, open(ring, changed))
				}
				flipped := []byte(text)
				for at := range flipped {
					flipped[at] ^= 1
					refused(t, open(ring, string(flipped)))
					flipped[at] ^= 1
				}
				continue
			}
			refused(t, open(ring, text))
			refused(t, open(ring, all[as][:4]+text[4:]))
		}
	}
}

// FuzzConsole opens texts as they are, which must fail, and sealed, which gets past the seal to the fields.
func FuzzConsole(f *testing.F) {
	ring := newRing(f, "store-1")
	cookie, err := session.IssueConsole(ring, console())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(cookie))
	f.Add([]byte("OSC1"))
	claims, err := session.Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{1, byte(len(claims) | 0x80), byte(len(claims) >> 7)}, claims...))
	f.Add([]byte{2, 1, 5, 2, 1, 5})
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := session.OpenConsole(ring, string(text)); err == nil && string(text) != cookie {
			t.Errorf("%q opened", text)
		}
		sealed, err := session.Write(ring, "OSC1", seal.ConsoleSession, text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := session.OpenConsole(ring, sealed)
		if err != nil {
			if !errors.Is(err, fault.UnknownKey) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if c.Nonce == "" || !c.Claims.Console || c.Claims.AccessKeyID == "" {
			t.Errorf("%q opened as %+v", text, c)
		}
	})
}
