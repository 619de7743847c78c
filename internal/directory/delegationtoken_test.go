package directory_test

import (
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
)

// FuzzOpenDelegationToken: only tokens that were sealed open, for the request that they were sealed for.
func FuzzOpenDelegationToken(f *testing.F) {
	ring, err := seal.NewRing("store", time.Unix(1_800_000_000, 0), nil)
	if err != nil {
		f.Fatal(err)
	}
	const id = "111122223333-0e4cd05c-3f9e-4e53-9d4a-2f0f6a3e1d11"
	token := func(claims string) string {
		sealed, err := ring.Seal(seal.DelegationToken, []byte(claims), []byte(id))
		if err != nil {
			f.Fatal(err)
		}
		return directory.DelegationToken(&entity.DelegationRequest{ID: id, Token: sealed}).Reveal()
	}
	good := token(`{"Request":"` + id + `","Requestor":"111122223333"}`)
	if c, err := directory.OpenDelegationToken(ring, good); err != nil || c.Requestor != "111122223333" {
		f.Fatal(c, err)
	}
	for _, seed := range []string{"", ".", id, id + ".", good[:len(good)-1], token(`{"Request":"another"}`), token(`[]`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := directory.OpenDelegationToken(ring, text); err == nil || c != nil {
			t.Fatalf("%q opens as %+v", text, c)
		}
	})
}
