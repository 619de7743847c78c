package directory_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// drawn is what a random step is made of: few names, so that steps meet.
type drawn struct {
	account, other string // an account ID
	name, to       string // names of entities, in any case
	path           string
	arn            string // of a managed policy, or of none
	document       string
	target         directory.Target
	owner          directory.Target
	number         int
	flag           bool
}

func draw(t *rapid.T) drawn {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	names := []string{"a", "A", "b", "c"}
	account := pick("account", home, home, abroad)
	d := drawn{
		account: account, other: pick("other", home, abroad, "333333333333"),
		name: pick("name", names...), to: pick("to", names...), path: pick("path", "/", "/p/"),
		arn:      pick("arn", administrator, readOnly, entity.PolicyARN(account, "/", "a"), entity.PolicyARN(account, "/", "b"), entity.PolicyARN(account, "/p/", "a"), entity.PolicyARN(account, "/", "none")),
		document: pick("document", allowList, allowGet, sized(1500), trustEC2, "{"),
		number:   rapid.IntRange(1, 6).Draw(t, "number"), flag: rapid.Bool().Draw(t, "flag"),
	}
	kind := rapid.SampledFrom([]entity.Kind{entity.KindUser, entity.KindGroup, entity.KindRole}).Draw(t, "kind")
	d.target = directory.Target{Account: account, Kind: kind, Name: d.name}
	if d.owner = directory.OfUser(account, d.name); d.number == 6 {
		d.owner = directory.OfRoot(account)
	}
	return d
}

// steps are all verbs. A step may fail; what it may not do is checked after each.
var steps = map[string]func(*directory.Tx, drawn, *state) error{
	"create user": func(tx *directory.Tx, d drawn, _ *state) error {
		n := directory.NewUser{Name: d.name, Path: d.path, Tags: []entity.Tag{{Key: d.name}}}
		if d.flag {
			n.Boundary = d.arn
		}
		_, err := tx.CreateUser(d.account, n)
		return err
	},
	"rename user": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.RenameUser(d.account, d.name, directory.Rename{Name: &d.to, Path: &d.path})
		return err
	},
	"delete user": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteUser(d.account, d.name) },
	"create group": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreateGroup(d.account, directory.NewGroup{Name: d.name, Path: d.path})
		return err
	},
	"rename group": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.RenameGroup(d.account, d.name, directory.Rename{Name: &d.to})
		return err
	},
	"delete group": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteGroup(d.account, d.name) },
	"join":         func(tx *directory.Tx, d drawn, _ *state) error { return tx.AddToGroup(d.account, d.name, d.to) },
	"leave":        func(tx *directory.Tx, d drawn, _ *state) error { return tx.RemoveFromGroup(d.account, d.name, d.to) },
	"create role": func(tx *directory.Tx, d drawn, _ *state) error {
		n := directory.NewRole{Name: d.name, Path: d.path, Trust: trust(entity.UserARN(d.other, "/", d.to))}
		if d.flag {
			n.Trust, n.Boundary = trustEC2, d.arn
		}
		_, err := tx.CreateRole(d.account, n)
		return err
	},
	"update trust": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UpdateTrust(d.account, d.name, trust(d.other, entity.RoleARN(d.other, d.path, d.to)))
		return err
	},
	"update role": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.UpdateRole(d.account, d.name, directory.RoleUpdate{Description: &d.to})
		return err
	},
	"delete role": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteRole(d.account, d.name) },
	"create policy": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreatePolicy(d.account, directory.NewPolicy{Name: d.name, Path: d.path, Document: d.document})
		return err
	},
	"create version": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.CreatePolicyVersion(d.account, d.arn, d.document, d.flag)
		return err
	},
	"set default": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.SetDefaultVersion(d.account, d.arn, d.number)
	},
	"delete version": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.DeletePolicyVersion(d.account, d.arn, d.number)
	},
	"delete policy": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeletePolicy(d.account, d.arn) },
	"tag policy": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.TagPolicy(d.account, d.arn, []entity.Tag{{Key: d.name, Value: d.to}})
	},
	"untag policy": func(tx *directory.Tx, d drawn, _ *state) error {
		return tx.UntagPolicy(d.account, d.arn, []string{d.name})
	},
	"attach":          func(tx *directory.Tx, d drawn, _ *state) error { return tx.AttachPolicy(d.target, d.arn) },
	"detach":          func(tx *directory.Tx, d drawn, _ *state) error { return tx.DetachPolicy(d.target, d.arn) },
	"put inline":      func(tx *directory.Tx, d drawn, _ *state) error { return tx.PutInlinePolicy(d.target, d.to, d.document) },
	"delete inline":   func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteInlinePolicy(d.target, d.to) },
	"put boundary":    func(tx *directory.Tx, d drawn, _ *state) error { return tx.PutBoundary(d.target, d.arn) },
	"delete boundary": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteBoundary(d.target) },
	"tag":             func(tx *directory.Tx, d drawn, _ *state) error { return tx.Tag(d.target, []entity.Tag{{Key: d.to}}) },
	"untag":           func(tx *directory.Tx, d drawn, _ *state) error { return tx.Untag(d.target, []string{d.to}) },
	"create key":      func(tx *directory.Tx, d drawn, _ *state) error { _, err := tx.CreateAccessKey(d.owner); return err },
	"key status": func(tx *directory.Tx, d drawn, s *state) error {
		return tx.SetAccessKeyActive(d.owner, anyKey(d, s), d.flag)
	},
	"delete key":   func(tx *directory.Tx, d drawn, s *state) error { return tx.DeleteAccessKey(d.owner, anyKey(d, s)) },
	"set alias":    func(tx *directory.Tx, d drawn, _ *state) error { return tx.SetAlias(d.account, "alias-"+d.to) },
	"delete alias": func(tx *directory.Tx, d drawn, _ *state) error { return tx.DeleteAlias(d.account, "alias-"+d.to) },
	"quota": func(tx *directory.Tx, d drawn, _ *state) error {
		_, err := tx.SetQuota(d.account, rapidQuotas[d.number%len(rapidQuotas)], &d.number)
		return err
	},
	// Two verbs in one transaction, of which the second may fail.
	"user in group": func(tx *directory.Tx, d drawn, _ *state) error {
		if _, err := tx.CreateUser(d.account, directory.NewUser{Name: d.name}); err != nil {
			return err
		}
		if err := tx.AttachPolicy(directory.OfUser(d.account, d.name), d.arn); err != nil {
			return err
		}
		return tx.AddToGroup(d.account, d.name, d.to)
	},
	// A caller who goes on after a verb failed.
	"careless": func(tx *directory.Tx, d drawn, _ *state) error {
		_ = tx.DeleteUser(d.account, d.name)
		_, _ = tx.CreateUser(d.account, directory.NewUser{Name: d.name, Boundary: d.arn})
		return nil
	},
}

var rapidQuotas = []string{directory.UsersQuota, directory.AttachedPoliciesPerUserQuota, directory.VersionsPerPolicyQuota}

// anyKey picks an access key of anybody.
func anyKey(d drawn, s *state) string {
	ids := slices.Sorted(maps.Keys(s.keys))
	if len(ids) == 0 {
		return "AKIANONE"
	}
	return ids[d.number%len(ids)]
}

// Whatever is done in whatever order, the store stays intact, and what is refused changes nothing.
func TestRandomSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		verbs := slices.Sorted(maps.Keys(steps))
		done := 0
		for range rapid.IntRange(1, 60).Draw(t, "length") {
			verb, d, s := rapid.SampledFrom(verbs).Draw(t, "verb"), draw(t), w.state()
			before := w.dump()
			err := w.try(func(tx *directory.Tx) error { return steps[verb](tx, d, s) })
			if err == nil {
				done++
			} else {
				if kind := fault.KindOf(err); kind == fault.Internal || kind == fault.Unavailable || fault.MessageOf(err) == "" {
					t.Fatalf("%s %+v: %v", verb, d, err)
				}
				if diff := cmp.Diff(before, w.dump()); diff != "" {
					t.Fatalf("%s was refused (%v) and wrote:\n%s", verb, err, diff)
				}
			}
			if w.intact(); t.Failed() {
				t.Fatalf("after %s %s, %d steps done", verb, fmt.Sprintf("%+v", d), done)
			}
		}
	})
}
