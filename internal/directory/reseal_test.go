package directory_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// sealedNow is every sealed value of the store with its text, by record and place in it, and the keys of all records.
func (w *world) sealedNow() (texts map[string]string, under map[uint32]int, keys [][]byte, purposes map[seal.Purpose]int) {
	w.t.Helper()
	texts, under, purposes = map[string]string{}, map[uint32]int{}, map[seal.Purpose]int{}
	err := w.store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			keys = append(keys, bytes.Clone(e.Key))
			values, err := directory.SealedValues(e.Key, e.Value)
			if err != nil {
				return err
			}
			for i, v := range values {
				text, err := w.ring.Open(v.Purpose, v.Value, []byte(v.Associated))
				if err != nil {
					return fmt.Errorf("%s: %w", keyenc.Print(e.Key), err)
				}
				id, _ := seal.KeyOf(v.Value)
				under[id]++
				purposes[v.Purpose]++
				texts[fmt.Sprint(keyenc.Print(e.Key), i)] = string(text)
			}
			if n := strings.Count(string(e.Value), `"Sealed":`) + strings.Count(string(e.Value), `"Token":`); n != len(values) {
				w.t.Errorf("%s has %d sealed values and %d are known", keyenc.Print(e.Key), n, len(values))
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return texts, under, keys, purposes
}

func (w *world) resealAll(keys [][]byte) (written int) {
	w.t.Helper()
	for some := range slices.Chunk(keys, 40) {
		n, err := w.dir.Reseal(context.Background(), some, w.ring.Current())
		if err != nil {
			w.t.Fatal(err)
		}
		written += n
	}
	return written
}

// TestReseal turns the key over in stores that random steps made: every text is what it was, the store is intact, and nothing but
// exchange tokens that were sent stays under the old key.
func TestReseal(t *testing.T) {
	verbs := slices.Sorted(maps.Keys(steps))
	all := map[seal.Purpose]int{}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 99))
		w := newWorld(t)
		s := w.state()
		for range 8 * len(verbs) {
			verb, d := verbs[r.IntN(len(verbs))], draw(r)
			if first := prepare[verb]; first != nil {
				proof, _ := first(w, d, s)
				s = w.state()
				s.proof = proof
			}
			if w.try(func(tx *directory.Tx) error { return steps[verb](tx, d, s) }) == nil {
				s = w.state()
			}
		}
		// Another package makes the keys of issuers.
		issuer := &entity.IssuerKeys{}
		for _, id := range []string{"a", "b"} {
			sealed, err := w.ring.Seal(seal.TokenKey, []byte("key "+id), []byte(entity.IssuerKeyBinding(home, id)))
			if err != nil {
				t.Fatal(err)
			}
			issuer.Keys = append(issuer.Keys, entity.IssuerSigningKey{ID: id, Sealed: sealed})
		}
		if _, err := w.store.Update(t.Context(), func(tx store.Txn) error { tx.Put(entity.IssuerKey(home), entity.Encode(issuer)); return nil }); err != nil {
			t.Fatal(err)
		}
		before, _, keys, purposes := w.sealedNow()
		for p, n := range purposes {
			all[p] += n
		}
		old := w.ring.Current()
		if err := w.ring.Rotate(w.now, nil); err != nil {
			t.Fatal(err)
		}
		if n := w.resealAll(keys); n == 0 {
			t.Error("nothing was sealed anew")
		}
		after, under, _, purposes := w.sealedNow()
		if !maps.Equal(before, after) {
			t.Error("texts have changed")
		}
		if under[old] != purposes[seal.DelegationToken] {
			t.Errorf("%d values are under the old key, and %d exchange tokens there", under[old], purposes[seal.DelegationToken])
		}
		w.intact()
		head := w.head()
		if n := w.resealAll(keys); n != 0 || w.head() != head {
			t.Errorf("a second time %d records were written", n)
		}
		// An exchange token that nobody can use any more is sealed anew too.
		w.now = w.now.Add(30 * 24 * time.Hour)
		w.resealAll(keys)
		if _, under, _, _ := w.sealedNow(); under[old] != 0 {
			t.Errorf("later, %d values are under the old key", under[old])
		}
		w.intact()
	}
	for _, p := range []seal.Purpose{seal.AccessKeySecret, seal.TOTPSeed, seal.PrivateKey, seal.ServiceSecret, seal.DelegationToken, seal.TokenKey} {
		if all[p] == 0 {
			t.Errorf("no %s was sealed", p)
		}
	}
}

// TestEveryItemIsKnown walks the fields of all items: one that is called like a sealed value must be known to the rotation of keys.
func TestEveryItemIsKnown(t *testing.T) {
	known := map[string]bool{
		"MFADevice.Sealed": true, "ServerCertificate.Sealed": true, "ServiceCredential.Sealed": true, "SAMLPrivateKey.Sealed": true,
		"DelegationRequest.Token": true, "AccessKey.Sealed": true, "HardwareToken.Sealed": true, "IssuerSigningKey.Sealed": true,
	}
	seen := 0
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		switch ty.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(ty.Elem())
		case reflect.Struct:
			if ty.PkgPath() != reflect.TypeFor[entity.User]().PkgPath() {
				return
			}
			for i := range ty.NumField() {
				f := ty.Field(i)
				if f.Type == reflect.TypeFor[[]byte]() && (strings.Contains(f.Name, "Sealed") || strings.Contains(f.Name, "Token")) {
					if seen++; !known[ty.Name()+"."+f.Name] {
						t.Errorf("%s.%s looks sealed: add it to sealedIn", ty.Name(), f.Name)
					}
				}
				walk(f.Type)
			}
		}
	}
	for _, ty := range []any{
		entity.Account{}, entity.User{}, entity.Group{}, entity.Role{}, entity.Policy{}, entity.AccessKey{}, entity.HardwareToken{}, entity.OneTime{},
		entity.LoginProfile{}, entity.MFADevice{}, entity.SSHKey{}, entity.SigningCertificate{}, entity.ServiceCredential{}, entity.ServerCertificate{},
		entity.SAMLProvider{}, entity.OIDCProvider{}, entity.InstanceProfile{}, entity.RoleDeletion{}, entity.DelegationTemplate{},
		entity.DelegationRequest{}, entity.DelegationAssignment{}, entity.IssuerKeys{}, entity.Restoring{}, entity.Incarnation{},
	} {
		walk(reflect.TypeOf(ty))
	}
	if seen != len(known) {
		t.Errorf("%d fields were seen, %d are known", seen, len(known))
	}
}
