package population_test

import (
	"context"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/testenv/population"
)

// A snapshot finds what a shape says: everything by name, keys with their users, numbers that fit.
func TestWrite(t *testing.T) {
	s := mem.Open(mem.Config{})
	defer s.Close()
	shape := population.Shape{Accounts: 3, Users: 70, Groups: 4, Roles: 9, Policies: 5, Keys: true}
	if err := population.Write(t.Context(), s, shape); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := snapshot.New(snapshot.Config{Store: s, Managed: catalog.ManagedPolicies()})
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() { stop(); <-ended }()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, err := f.Wait(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	for a := range shape.Accounts {
		account, ok := snap.Account(shape.Account(a))
		if !ok {
			t.Fatalf("no account %d", a)
		}
		for n := range shape.Users {
			u, ok := account.User(shape.UserName(n))
			if !ok || len(u.Identity()) < 2 { // its own and the attached one; a group's may be the same
				t.Fatalf("user %d of account %d: found %v, %d policies", n, a, ok, len(u.Identity()))
			}
			id := shape.Key(a, n)
			if k, ok := snap.AccessKey(id); !ok || k.User != u.ID {
				t.Fatalf("the key of user %d of account %d: found %v", n, a, ok)
			}
			if of, ok := credential.AccountOf(id); !ok || of != account.ID {
				t.Fatalf("key %s says that it is of account %q", id, of)
			}
		}
	}
	for _, kind := range []struct {
		kind entity.Kind
		n    int
	}{{entity.KindUser, shape.Users}, {entity.KindGroup, shape.Groups}, {entity.KindRole, shape.Roles}, {entity.KindPolicy, shape.Policies}} {
		count, names := 0, 0
		err := s.View(t.Context(), func(r store.Reader) error {
			e, _, err := r.Get(entity.CountKey(shape.Account(1), kind.kind))
			if err != nil {
				return err
			}
			c, err := entity.Decode[entity.Count](e.Value)
			if err != nil {
				return err
			}
			count = c.N
			for _, err := range r.Range(keyenc.Encode("ix", "name", shape.Account(1), string(kind.kind))) {
				if err != nil {
					return err
				}
				names++
			}
			return nil
		})
		if err != nil || count != kind.n || names != kind.n {
			t.Errorf("%s: %d counted, %d names, want %d: %v", kind.kind, count, names, kind.n, err)
		}
	}
}
