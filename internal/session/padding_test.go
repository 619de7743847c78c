package session_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
)

func TestTokensAreAsLongAsAsked(t *testing.T) {
	r := newRing(t, "store")
	claims := full()
	plain, err := session.Issue(r, claims, 0)
	if err != nil {
		t.Fatal(err)
	}
	want, err := session.Open(r, plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, minimum := range []int{1, len(plain) - 1, len(plain), len(plain) + 1, len(plain) + 2, len(plain) + 3, 1000, 2048, 4095, 4096} {
		token, err := session.Issue(r, claims, minimum)
		if err != nil {
			t.Fatalf("%d: %v", minimum, err)
		}
		if len(token) < minimum || len(token) > max(minimum+8, len(plain)) {
			t.Errorf("asked for %d, got %d (plain %d)", minimum, len(token), len(plain))
		}
		got, err := session.Open(r, token)
		if err != nil {
			t.Fatalf("%d: %v", minimum, err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
			t.Errorf("%d: claims differ:\n%s", minimum, diff)
		}
	}
}
