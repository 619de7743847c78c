package snapshot_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// The pools that random histories draw from are small, so that names, IDs and references meet often.
var (
	poolAccounts = []string{acct, other}
	poolNames    = []string{"ann", "Ann2", "bob", "Cleo", "dan"}
	poolAliases  = []string{"", "one", "two"}
	poolGroups   = []string{"AGPAG1", "AGPAG2"}
	poolPolicies = []string{"ANPAB1", "ANPAB2", "ANPAIAWS"}
)

func draw[T any](t *rapid.T, from []T) T { return rapid.SampledFrom(from).Draw(t, "of") }

func subset(t *rapid.T, from []string) []string {
	all := rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID[string]).Draw(t, "subset")
	if len(all) == 0 {
		return nil
	}
	return all
}

func grants(t *rapid.T, boundary bool) (g entity.Grants) {
	g.Attached = subset(t, poolPolicies)
	if boundary && rapid.Bool().Draw(t, "bounded") {
		g.Boundary = draw(t, poolPolicies)
	}
	return g
}

// change draws a record or its deletion.
func change(t *rapid.T) (key string, record any) {
	account, n := draw(t, poolAccounts), rapid.IntRange(1, 5).Draw(t, "n")
	suffix := fmt.Sprint(account[:1], n) // IDs are unique over accounts
	name := draw(t, poolNames)
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		a := &entity.Account{ID: account, Alias: draw(t, poolAliases), CreatedAt: born}
		if n == 1 {
			a.PasswordPolicy = &entity.PasswordPolicy{MinimumLength: 6, UsersMayChange: true}
		}
		record = a
	case 1, 2:
		record = &entity.User{ID: "AIDA" + suffix, Account: account, Name: name, Path: "/", CreatedAt: born, Grants: grants(t, true),
			Groups: subset(t, poolGroups)}
	case 3:
		record = &entity.Group{ID: "AGPAG" + suffix, Account: account, Name: name, Path: "/x/", CreatedAt: born, Grants: grants(t, false)}
	case 4:
		record = &entity.Role{ID: "AROA" + suffix, Account: account, Name: name, Path: "/", CreatedAt: born, Trust: trust, Grants: grants(t, true)}
	case 5:
		record = &entity.Policy{ID: "ANPAB" + suffix, Account: account, Name: name, Path: "/", CreatedAt: born, UpdatedAt: born}
	case 7:
		// Two accounts may have an item of one kind and ID: serial numbers and URLs are IDs too.
		record = &entity.InstanceProfile{ID: fmt.Sprint("AIPA", n), Account: account, Name: name, Path: "/", CreatedAt: born}
	case 6:
		if rapid.Bool().Draw(t, "epoch") {
			key, record = string(entity.EpochKey(account)), &entity.Epoch{}
		} else {
			record = &entity.AccessKey{ID: "AKIA" + suffix, Account: account, User: "AIDA" + suffix, CreatedAt: born}
		}
	}
	if rec, ok := record.(*entity.User); ok && n == 2 {
		rec.Owned = entity.Owned{entity.KindSSHKey: {"APKA" + suffix}}
	}
	if key == "" {
		key = string(keyOf(record))
	}
	if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
		return key, nil
	}
	return key, record
}

// valid reports what the directory would refuse: two of a kind with one name in an account, or an alias given twice.
func (w world) valid() bool {
	seen := map[string]bool{}
	for _, e := range w {
		var name string
		switch r := e.record.(type) {
		case *entity.Account:
			if r.Alias == "" {
				continue
			}
			name = "alias " + r.Alias
		case *entity.User:
			name = "user " + r.Account + entity.FoldName(r.Name)
		case *entity.Group:
			name = "group " + r.Account + entity.FoldName(r.Name)
		case *entity.Role:
			name = "role " + r.Account + entity.FoldName(r.Name)
		case *entity.Policy:
			name = "policy " + r.Account + entity.FoldName(r.Name)
		case *entity.InstanceProfile:
			name = "profile " + r.Account + entity.FoldName(r.Name)
		default:
			continue
		}
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

func ids() (all []string) {
	for _, account := range poolAccounts {
		for n := 1; n <= 5; n++ {
			for _, prefix := range []string{"AIDA", "AGPAG", "AROA", "ANPAB", "AKIA"} {
				all = append(all, fmt.Sprint(prefix, account[:1], n))
			}
		}
	}
	return slices.Concat(all, poolGroups, poolPolicies)
}

// TestWatchIsLoadIsModel holds three things against each other after random histories: the snapshot that followed every
// change, one that was loaded at the end, and what a walk through all records says.
func TestWatchIsLoadIsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := mem.Open(mem.Config{})
		defer s.Close()
		f := follow(t, s)
		w := world{}
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			records := map[string]any{}
			for range rapid.IntRange(1, 6).Draw(rt, "changes") {
				key, record := change(rt)
				records[key] = record // in the middle of a transaction names may be double, at its end not
			}
			next := world{}
			next.write(flatten(w), 0)
			next.write(records, 0)
			if !next.valid() {
				continue
			}
			w.write(records, put(t, s, records))
			if rapid.Bool().Draw(rt, "look") {
				head, _ := s.Head(t.Context())
				if diff := cmp.Diff(w.look(), look(t, wait(t, f, head), ids(), poolAliases)); diff != "" {
					rt.Fatalf("followed (-model +snapshot):\n%s", diff)
				}
			}
		}
		head, _ := s.Head(t.Context())
		want := w.look()
		if diff := cmp.Diff(want, look(t, wait(t, f, head), ids(), poolAliases)); diff != "" {
			rt.Fatalf("followed (-model +snapshot):\n%s", diff)
		}
		if diff := cmp.Diff(want, look(t, wait(t, follow(t, s), head), ids(), poolAliases)); diff != "" {
			rt.Fatalf("loaded (-model +snapshot):\n%s", diff)
		}
	})
}

func flatten(w world) map[string]any {
	m := make(map[string]any, len(w))
	for key, e := range w {
		m[key] = e.record
	}
	return m
}
