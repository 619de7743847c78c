package snapshot_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

const (
	acct  = "111122223333"
	other = "444455556666"
	allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`
)

var born = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func openStore(t testing.TB, c mem.Config) *mem.Store {
	t.Helper()
	s := mem.Open(c)
	t.Cleanup(func() { s.Close() })
	return s
}

// put writes records in one transaction; a nil value deletes.
func put(t testing.TB, s store.Store, records map[string]any) store.Revision {
	t.Helper()
	rev, err := s.Update(t.Context(), func(txn store.Txn) error {
		for _, key := range slices.Sorted(maps.Keys(records)) {
			if records[key] == nil {
				txn.Delete([]byte(key))
			} else {
				txn.Put([]byte(key), entity.Encode(records[key]))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// rec gives the records their keys.
func rec(records ...any) map[string]any {
	m := make(map[string]any)
	for _, r := range records {
		m[string(keyOf(r))] = r
	}
	return m
}

func keyOf(record any) []byte {
	switch r := record.(type) {
	case *entity.Account:
		return entity.AccountKey(r.ID)
	case *entity.User:
		return entity.UserKey(r.Account, r.ID)
	case *entity.Group:
		return entity.GroupKey(r.Account, r.ID)
	case *entity.Role:
		return entity.RoleKey(r.Account, r.ID)
	case *entity.Policy:
		return entity.PolicyKey(r.Account, r.ID)
	case *entity.AccessKey:
		return entity.AccessKeyKey(r.ID)
	case entity.Item:
		return entity.KeyOf(r)
	}
	panic(fmt.Sprintf("no key for %T", record))
}

// follow starts a follower; it ends with the test.
func follow(t testing.TB, s store.Store, change ...func(*snapshot.Config)) *snapshot.Follower {
	t.Helper()
	c := snapshot.Config{Store: s, Managed: catalog.ManagedPolicies(), RetryMin: time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	f := snapshot.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return f
}

func wait(t testing.TB, f *snapshot.Follower, rev store.Revision) *snapshot.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := f.Wait(ctx, rev)
	if err != nil {
		t.Fatalf("waiting for revision %d: %v (at %d, %v)", rev, err, f.Current().Revision(), f.Err())
	}
	return s
}

func account(t testing.TB, s *snapshot.Snapshot, id string) snapshot.Account {
	t.Helper()
	a, ok := s.Account(id)
	if !ok {
		t.Fatalf("no account %s at revision %d", id, s.Revision())
	}
	return a
}

// view is all that a snapshot's accessors say, in a form that can be compared.
type view struct {
	Accounts map[string]accountView
	Aliases  map[string]string
	Keys     map[string]entity.AccessKey
	Refs     map[string]entity.Ref
}

type accountView struct {
	Record   entity.Account
	Revision store.Revision
	Epoch    store.Revision
	Users    []entity.User
	Groups   []entity.Group
	Roles    []entity.Role
	Policies []entity.Policy
	Profiles []entity.InstanceProfile // for all kinds of items
	Members  map[string][]string
	Attached map[string][]snapshot.Use
	Bounded  map[string][]snapshot.Use
}

// look reads everything out of a snapshot. The IDs to ask the lookups for come from outside, so that what should be gone
// is asked for too.
func look(t testing.TB, s *snapshot.Snapshot, ids, aliases []string) view {
	t.Helper()
	v := view{map[string]accountView{}, map[string]string{}, map[string]entity.AccessKey{}, map[string]entity.Ref{}}
	for _, id := range ids {
		if ref, ok := s.ByID(id); ok {
			v.Refs[id] = ref
		}
		if k, ok := s.AccessKey(id); ok {
			v.Keys[id] = *k.AccessKey
		}
	}
	for _, alias := range aliases {
		if a, ok := s.AccountByAlias(alias); ok {
			v.Aliases[alias] = a.ID
		}
	}
	for a := range s.Accounts("") {
		av := accountView{Record: *a.Account, Revision: a.Revision(), Epoch: a.Epoch(),
			Members: map[string][]string{}, Attached: map[string][]snapshot.Use{}, Bounded: map[string][]snapshot.Use{}}
		for u := range a.Users("") {
			av.Users = append(av.Users, *u.User)
			if byName, ok := a.User(u.Name); !ok || byName.User != u.User {
				t.Errorf("user %s of %s is not found by name", u.Name, a.ID)
			}
		}
		for g := range a.Groups("") {
			av.Groups = append(av.Groups, *g.Group)
		}
		for r := range a.Roles("") {
			av.Roles = append(av.Roles, *r.Role)
		}
		for p := range a.Policies("") {
			av.Policies = append(av.Policies, *p.Policy)
		}
		for p := range snapshot.Items[*entity.InstanceProfile](a, "") {
			av.Profiles = append(av.Profiles, *p.Record)
			byName, ok := snapshot.ItemNamed[*entity.InstanceProfile](a, p.Record.Name)
			byID, okID := snapshot.ItemByID[*entity.InstanceProfile](a, p.Record.ID)
			if !ok || !okID || byName != p || byID != p {
				t.Errorf("instance profile %s of %s is not found by name and ID", p.Record.Name, a.ID)
			}
		}
		for range snapshot.Items[*entity.ServerCertificate](a, "") {
			t.Errorf("account %s has an item of a kind that nobody wrote", a.ID)
		}
		if n := snapshot.ItemCount[*entity.InstanceProfile](a); n != len(av.Profiles) {
			t.Errorf("account %s counts %d instance profiles", a.ID, n)
		}
		for _, id := range ids {
			for u := range a.Members(id, "") {
				av.Members[id] = append(av.Members[id], u.Name)
			}
			for u := range a.Attached(id, snapshot.UseMark{}) {
				av.Attached[id] = append(av.Attached[id], u)
			}
			for u := range a.Bounded(id, snapshot.UseMark{}) {
				av.Bounded[id] = append(av.Bounded[id], u)
			}
		}
		if n := [4]int{a.UserCount(), a.GroupCount(), a.RoleCount(), a.PolicyCount()}; n !=
			[4]int{len(av.Users), len(av.Groups), len(av.Roles), len(av.Policies)} {
			t.Errorf("account %s counts %v", a.ID, n)
		}
		v.Accounts[a.ID] = av
	}
	return v
}

// world is the plain model that a snapshot is held against: every record under its key, with the revision that wrote it.
type world map[string]written

type written struct {
	record any
	rev    store.Revision
}

func (w world) write(records map[string]any, rev store.Revision) {
	for key, r := range records {
		if r == nil {
			delete(w, key)
		} else {
			w[key] = written{r, rev}
		}
	}
}

// look says what a snapshot of w must say, by going through everything.
func (w world) look() view {
	v := view{map[string]accountView{}, map[string]string{}, map[string]entity.AccessKey{}, map[string]entity.Ref{}}
	for _, e := range w {
		a, ok := e.record.(*entity.Account)
		if !ok {
			continue
		}
		if a.Alias != "" {
			v.Aliases[a.Alias] = a.ID
		}
		v.Accounts[a.ID] = w.lookAccount(a, e.rev)
	}
	for _, e := range w {
		switch r := e.record.(type) {
		case *entity.User:
			v.Refs[r.ID] = entity.Ref{Account: r.Account, Kind: entity.KindUser, ID: r.ID}
		case *entity.Group:
			v.Refs[r.ID] = entity.Ref{Account: r.Account, Kind: entity.KindGroup, ID: r.ID}
		case *entity.Role:
			v.Refs[r.ID] = entity.Ref{Account: r.Account, Kind: entity.KindRole, ID: r.ID}
		case *entity.Policy:
			v.Refs[r.ID] = entity.Ref{Account: r.Account, Kind: entity.KindPolicy, ID: r.ID}
		case *entity.AccessKey:
			v.Keys[r.ID] = *r
		}
	}
	return v
}

func (w world) lookAccount(a *entity.Account, rev store.Revision) accountView {
	av := accountView{Record: *a, Revision: rev, Epoch: w[string(entity.EpochKey(a.ID))].rev,
		Members: map[string][]string{}, Attached: map[string][]snapshot.Use{}, Bounded: map[string][]snapshot.Use{}}
	use := func(kind entity.Kind, id, name, path string, g *entity.Grants) {
		u := snapshot.Use{Kind: kind, ID: id, Name: name, Path: path}
		for _, p := range g.Attached {
			av.Attached[p] = append(av.Attached[p], u)
		}
		if g.Boundary != "" {
			av.Bounded[g.Boundary] = append(av.Bounded[g.Boundary], u)
		}
	}
	for _, e := range w {
		switch r := e.record.(type) {
		case *entity.User:
			if r.Account == a.ID {
				av.Users = append(av.Users, *r)
				use(entity.KindUser, r.ID, r.Name, r.Path, &r.Grants)
				for _, g := range r.Groups {
					av.Members[g] = append(av.Members[g], r.Name)
				}
			}
		case *entity.Group:
			if r.Account == a.ID {
				av.Groups = append(av.Groups, *r)
				use(entity.KindGroup, r.ID, r.Name, r.Path, &r.Grants)
			}
		case *entity.Role:
			if r.Account == a.ID {
				av.Roles = append(av.Roles, *r)
				use(entity.KindRole, r.ID, r.Name, r.Path, &r.Grants)
			}
		case *entity.Policy:
			if r.Account == a.ID {
				av.Policies = append(av.Policies, *r)
			}
		case *entity.InstanceProfile:
			if r.Account == a.ID {
				av.Profiles = append(av.Profiles, *r)
			}
		}
	}
	byName := func(a, b string) int { return cmp.Compare(entity.FoldName(a), entity.FoldName(b)) }
	slices.SortFunc(av.Users, func(a, b entity.User) int { return byName(a.Name, b.Name) })
	slices.SortFunc(av.Groups, func(a, b entity.Group) int { return byName(a.Name, b.Name) })
	slices.SortFunc(av.Roles, func(a, b entity.Role) int { return byName(a.Name, b.Name) })
	slices.SortFunc(av.Policies, func(a, b entity.Policy) int { return byName(a.Name, b.Name) })
	slices.SortFunc(av.Profiles, func(a, b entity.InstanceProfile) int { return byName(a.Name, b.Name) })
	for _, names := range av.Members {
		slices.SortFunc(names, byName)
	}
	order := map[entity.Kind]int{entity.KindUser: 0, entity.KindGroup: 1, entity.KindRole: 2}
	for _, uses := range []map[string][]snapshot.Use{av.Attached, av.Bounded} {
		for _, list := range uses {
			slices.SortFunc(list, func(a, b snapshot.Use) int {
				return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), byName(a.Name, b.Name))
			})
		}
	}
	return av
}
