package directory_test

import (
	"context"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// TestPlane: what another domain writes is committed with the event, and it reaches nothing beyond its own plane, whether it
// looks at errors or not.
func TestPlane(t *testing.T) {
	w := newWorld(t)
	mine := keyenc.Encode("ec", "record", "a")
	w.do(func(tx *directory.Tx) error {
		tx.Plane(entity.CachePlane).Put(mine, []byte("1"))
		return nil
	})
	at := func(key []byte) (value string) {
		t.Helper()
		err := w.store.View(context.Background(), func(r store.Reader) error {
			e, _, err := r.Get(key)
			value = string(e.Value)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	if got := at(mine); got != "1" {
		t.Fatalf("the record is %q", got)
	}
	account := entity.AccountKey(home)
	before := at(account)
	for name, reach := range map[string]func(directory.Plane){
		"get":    func(p directory.Plane) { _, _, _ = p.Get(account) },
		"put":    func(p directory.Plane) { p.Put(account, nil) },
		"delete": func(p directory.Plane) { p.Delete(account) },
		"range": func(p directory.Plane) {
			for range p.Range(entity.IdentityPlane) {
			}
		},
	} {
		err := w.try(func(tx *directory.Tx) error {
			p := tx.Plane(entity.CachePlane)
			p.Put(mine, []byte(name))
			reach(p)
			return nil
		})
		if err == nil {
			t.Errorf("%s: a plane reached beyond itself", name)
		}
		if got := at(mine); got != "1" {
			t.Errorf("%s: %q was written all the same", name, got)
		}
	}
	if at(account) != before {
		t.Error("the account changed")
	}
}
