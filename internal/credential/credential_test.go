package credential_test

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// TestAccountOfPublished holds the decoder against key IDs and accounts that others published: Aidan Steele's "AWS Access
// Key ID formats" (with sts:GetAccessKeyInfo's answer) and Tal Be'ery's "A short note on AWS KEY ID".
func TestAccountOfPublished(t *testing.T) {
	for id, want := range map[string]string{
		"ASIAY34FZKBOKMUTVV7A": "609629065308",
		"ASIAQNZGKIQY56JQ7WML": "029608264753",
	} {
		if got, ok := credential.AccountOf(id); !ok || got != want {
			t.Errorf("AccountOf(%s) = %q, %v; want %s", id, got, ok, want)
		}
	}
}

func TestAccountOfRefuses(t *testing.T) {
	for name, id := range map[string]string{
		"empty":                "",
		"short":                "ASIAY34FZKBOKMUTVV7",
		"long":                 "ASIAY34FZKBOKMUTVV7AA",
		"older form":           "AKIAIOSFODNN7EXAMPLE",
		"digit in prefix":      "A2IAY34FZKBOKMUTVV7A",
		"lower case":           "ASIAy34FZKBOKMUTVV7A",
		"not base32":           "ASIAY34FZKBOKMUTVV71",
		"line break":           "ASIAY34FZKBOKMUTVV7\n",
		"inner line breaks":    "ASIAY34FZKBO\r\nTVV7A\n",
		"number over 12 nines": "ASIA7777777777777777",
	} {
		if got, ok := credential.AccountOf(id); ok {
			t.Errorf("%s: AccountOf(%q) = %q, want none", name, id, got)
		}
	}
}

func TestAccessKeyCarriesAccount(t *testing.T) {
	form := regexp.MustCompile(`^(AKIA|ASIA)[Q-Z2-7][A-Z2-7]{15}$`)
	secretForm := regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`)
	seen := map[string]bool{}
	for _, prefix := range []string{entity.PrefixLongTermKey, entity.PrefixTemporaryKey} {
		for _, account := range []string{"000000000000", "000000000001", "123456789012", "999999999999"} {
			for range 50 {
				id, sec, err := credential.NewAccessKey(prefix, account, nil)
				if err != nil {
					t.Fatal(err)
				}
				if !form.MatchString(id) || !strings.HasPrefix(id, prefix) {
					t.Fatalf("id %q has the wrong form", id)
				}
				if got, ok := credential.AccountOf(id); !ok || got != account {
					t.Fatalf("AccountOf(%s) = %q, %v; want %s", id, got, ok, account)
				}
				if !secretForm.MatchString(sec.Reveal()) {
					t.Fatal("secret has the wrong form")
				}
				if seen[id] || seen[sec.Reveal()] {
					t.Fatal("the same ID or secret twice")
				}
				seen[id], seen[sec.Reveal()] = true, true
			}
		}
	}
}

// TestRandomBitsDoNotTouchAccount fills the random part with ones and with zeros.
func TestRandomBitsDoNotTouchAccount(t *testing.T) {
	for _, fill := range []byte{0x00, 0xff} {
		id, err := credential.NewAccessKeyID("AKIA", "123456789012", bytes.NewReader(bytes.Repeat([]byte{fill}, 10)))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := credential.AccountOf(id); got != "123456789012" {
			t.Errorf("random bytes %#x: account %q", fill, got)
		}
	}
}

func TestUniqueIDs(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z]{4}[A-Z2-7]{17}$`)
	for _, prefix := range []string{entity.PrefixUser, entity.PrefixRole, entity.PrefixGroup, entity.PrefixPolicy} {
		for fill := range 256 {
			id, err := credential.NewUniqueID(prefix, bytes.NewReader(bytes.Repeat([]byte{byte(fill)}, 17)))
			if err != nil {
				t.Fatal(err)
			}
			if !form.MatchString(id) || !strings.HasPrefix(id, prefix) {
				t.Fatalf("id %q has the wrong form", id)
			}
			if strings.HasPrefix(id, entity.AWSManagedPrefix) {
				t.Fatalf("id %q is one of an AWS managed policy", id)
			}
		}
	}
}

// TestAlphabets checks that every character can appear: a wrong mask would halve the randomness unseen.
func TestAlphabets(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	chars := map[rune]bool{}
	stream := bytes.NewReader(all)
	for stream.Len() >= 40 {
		sec, err := credential.NewSecret(stream)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range sec.Reveal() {
			chars[c] = true
		}
	}
	if len(chars) != 64 {
		t.Errorf("secrets use %d characters, want 64", len(chars))
	}
	chars = map[rune]bool{}
	stream = bytes.NewReader(all)
	for stream.Len() >= 17 {
		id, err := credential.NewUniqueID("AIDA", stream)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range id[5:] {
			chars[c] = true
		}
	}
	if len(chars) != 32 {
		t.Errorf("unique IDs use %d characters, want 32", len(chars))
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	short := iotest.ErrReader(broken)
	if _, _, err := credential.NewAccessKey("AKIA", "123456789012", short); !errors.Is(err, broken) {
		t.Errorf("NewAccessKey: %v", err)
	}
	if _, err := credential.NewUniqueID("AIDA", short); !errors.Is(err, broken) {
		t.Errorf("NewUniqueID: %v", err)
	}
	if _, err := credential.NewSecret(bytes.NewReader(make([]byte, 39))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("NewSecret: %v", err)
	}
	for _, account := range []string{"", "12345678901", "1234567890123", "12345678901x", "+12345678901"} {
		if _, err := credential.NewAccessKeyID("AKIA", account, nil); err == nil {
			t.Errorf("account %q accepted", account)
		}
	}
	for _, prefix := range []string{"", "AKI", "AKIAX", "akia", "A1IA"} {
		if _, err := credential.NewAccessKeyID(prefix, "123456789012", nil); err == nil {
			t.Errorf("prefix %q accepted for a key", prefix)
		}
		if _, err := credential.NewUniqueID(prefix, nil); err == nil {
			t.Errorf("prefix %q accepted for a unique ID", prefix)
		}
	}
}

func FuzzAccountOf(f *testing.F) {
	f.Add("ASIAY34FZKBOKMUTVV7A")
	f.Add("AKIAIOSFODNN7EXAMPLE")
	f.Add("ASIA7777777777777777")
	f.Fuzz(func(t *testing.T, id string) {
		account, ok := credential.AccountOf(id)
		if !ok {
			return
		}
		// What is accepted has one spelling: made anew with its own random bits, it is the same ID.
		again, err := credential.NewAccessKeyID(id[:4], account, idBits(id))
		if err != nil || again != id {
			t.Fatalf("%q carries %q but is made anew as %q, %v", id, account, again, err)
		}
	})
}

// idBits returns the ten bytes of an accepted ID, which NewAccessKeyID takes its random part from.
func idBits(id string) io.Reader {
	var raw []byte
	var acc, bits uint
	for _, c := range id[4:] {
		acc = acc<<5 | uint(strings.IndexRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", c))
		if bits += 5; bits >= 8 {
			bits -= 8
			raw = append(raw, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return bytes.NewReader(raw)
}
