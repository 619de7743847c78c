package snapshot

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/entity"
)

func quickUsers() []*entity.User {
	born := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return []*entity.User{
		{ID: "AIDA1", Account: "111122223333", Name: "Ann", Path: "/", CreatedAt: born},
		{ID: "AIDA2", Account: "111122223333", Name: "Bob", Path: "/a/b/", CreatedAt: born,
			Tags: []entity.Tag{{Key: "team", Value: "Füße \"quoted\" \\ <&>"}, {Key: "empty"}},
			Grants: entity.Grants{Attached: []string{"ANPA1", "ANPA2"}, Boundary: "ANPA3",
				Inline: []entity.InlinePolicy{{Name: "one", Document: "{\n\t\"Version\": \"2012-10-17\"\r\n}"}, {Name: "two", Document: "{}"}}},
			Groups: []string{"AGPA1", "AGPA2"}, Keys: []string{"AKIA1", "AKIA2"},
			Owned: entity.Owned{entity.KindLoginProfile: {"AIDA2"}, entity.KindMFADevice: {"arn:aws:iam::111122223333:mfa/Bob", "0123"}}},
	}
}

func quickKeys() []*entity.AccessKey {
	born := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	return []*entity.AccessKey{
		{ID: "AKIA1", Account: "111122223333", User: "AIDA1", Sealed: []byte{0, 255, 7}, CreatedAt: born},
		{ID: "AKIA2", Account: "111122223333", User: "111122223333", Sealed: []byte("x"), Inactive: true, CreatedAt: born, ChangedAt: born.Add(time.Hour)},
	}
}

// What entities look like is read quickly, and right.
func TestQuick(t *testing.T) {
	d := new(decoder)
	for range 2 { // the second time out of the interner
		for _, want := range quickUsers() {
			var got entity.User
			if !d.quickUser(entity.Encode(want), &got) {
				t.Errorf("gave up on %s", entity.Encode(want))
			} else if diff := cmp.Diff(want, &got); diff != "" {
				t.Error(diff)
			}
		}
		for _, want := range quickKeys() {
			var got entity.AccessKey
			if !d.quickKey(entity.Encode(want), &got) {
				t.Errorf("gave up on %s", entity.Encode(want))
			} else if diff := cmp.Diff(want, &got); diff != "" {
				t.Error(diff)
			}
		}
	}
	for _, odd := range []string{``, `1`, `2{}`, `1{}`, `1{"ID":"a"} `, `1{"ID":"a"}{}`, `1{"ID":"a","ID":"b"}`, `1{"id":"a"}`, `1{"ID":null}`,
		`1{"Keys":[]}`, `1{"Owned":{}}`, `1{"Owned":{"mfa":[]}}`, `1{"Owned":{"mfa":["a"],"mfa":["b"]}}`, `1{"ID":"\u0041"}`, `1{"ID":"\ud800"}`, "1{\"ID\":\"\xff\"}", "1{\"ID\":\"\n\"}", `1{"ID":"a",}`, `1{"ID":"a"`, `1{"ID":"`, `1{"ID":"\`,
		`1{"CreatedAt":"2026-11-01T12:00:00+01:00"}`, `1{"Tags":[{"Key":"a","Key":"b"}]}`, `1{"Later":"x"}`} {
		if d.quickUser([]byte(odd), new(entity.User)) {
			t.Errorf("did not give up on %s", odd)
		}
	}
	for _, odd := range []string{`1{"Sealed":"?"}`, `1{"Sealed":""}`, `1{"Inactive":false}`, `1{"Inactive":truth}`, `1{"Later":"x"}`} {
		if d.quickKey([]byte(odd), new(entity.AccessKey)) {
			t.Errorf("did not give up on %s", odd)
		}
	}
}

// FuzzQuick: what quick reads, Decode reads to the same.
func FuzzQuick(f *testing.F) {
	for _, u := range quickUsers() {
		f.Add(entity.Encode(u))
	}
	for _, k := range quickKeys() {
		f.Add(entity.Encode(k))
	}
	f.Add(entity.Encode(&entity.Role{ID: "AROA1", Account: "111122223333", MaxSession: time.Hour, Trust: "{}", ServiceLinked: "x"}))
	f.Add(entity.Encode(&entity.Policy{ID: "ANPA1", Default: 1, Next: 2, Versions: []entity.PolicyVersion{{Number: 1, Document: "{}"}}, Attachments: 3}))
	f.Add([]byte(`1{"MaxSession":01,"Default":-1,"Next":1e3,"Attachments":1.0,"BoundaryUses":9999999999999999999}`))
	f.Add([]byte(`1{"ID":"\/\b\f","Sealed":"AAE=","Inactive":true}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		value = bytes.Clone(value)
		d := new(decoder)
		same(t, value, d.quickUser)
		same(t, value, d.quickKey)
		same(t, value, d.quickRole)
		same(t, value, d.quickPolicy)
	})
}

func same[T any](t *testing.T, value []byte, quick func([]byte, *T) bool) {
	t.Helper()
	got := new(T)
	if !quick(value, got) {
		return
	}
	want, err := entity.Decode[T](value)
	if err != nil {
		t.Fatalf("Decode refuses %q: %v", value, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// FuzzNode: no record and no key makes the decoder panic, and what it takes has the key it stands under.
func FuzzNode(f *testing.F) {
	for _, u := range quickUsers() {
		f.Add(entity.UserKey(u.Account, u.ID), entity.Encode(u))
	}
	for _, k := range quickKeys() {
		f.Add(entity.AccessKeyKey(k.ID), entity.Encode(k))
	}
	f.Add(entity.EpochKey("111122223333"), []byte("1{}"))
	f.Add(entity.RoleKey("111122223333", "AROA1"), entity.Encode(&entity.Role{ID: "AROA1", Account: "111122223333"}))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		node, err := new(decoder).node(key, value, 1)
		if err != nil {
			return
		}
		_, id, err := parseKey(key)
		if err != nil {
			t.Fatalf("%x gives %T, but %v", key, node, err)
		}
		has := id
		switch n := node.(type) {
		case *userNode:
			has = n.ID
		case *roleNode:
			has = n.ID
		case *keyNode:
			has = n.ID
		case *epochNode:
			has = n.account
		}
		if has != id {
			t.Fatalf("%x gives %+v", key, node)
		}
	})
}
