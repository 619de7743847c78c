package integrity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/integrity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// load makes a store of the one that is kept for tests of formats.
func load(t *testing.T) store.Store {
	t.Helper()
	file, err := os.ReadFile("../node/testdata/format-1.backup")
	if err != nil {
		t.Fatal(err)
	}
	a, err := backup.Open(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := mem.Open(mem.Config{})
	t.Cleanup(func() { _ = s.Close() })
	err = errors.Join(a.Mark(t.Context(), s, "x", false, time.Now()), a.Restore(t.Context(), backup.Restoration{Store: s, ID: "x"}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// problems checks a store as it is after change.
func problems(t *testing.T, s store.Store) (all []integrity.Problem, stats integrity.Stats) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) (err error) {
		stats, err = integrity.Check(r, func(p integrity.Problem) { all = append(all, p) })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all, stats
}

func update(t *testing.T, s store.Store, fn func(store.Txn)) {
	t.Helper()
	if _, err := s.Update(context.Background(), func(tx store.Txn) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

func entries(t *testing.T, s store.Store) (all []store.Entry) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			all = append(all, e)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhole(t *testing.T) {
	s := load(t)
	found, stats := problems(t, s)
	if len(found) > 0 || stats.Records != len(entries(t, s)) || stats.Latest.Year() < 2026 {
		t.Errorf("%+v, %+v", found, stats)
	}
	empty := mem.Open(mem.Config{})
	defer empty.Close()
	if found, stats := problems(t, empty); len(found) > 0 || stats.Records != 0 {
		t.Errorf("an empty store: %+v", found)
	}
}

// TestEveryRecord takes each record away in turn, makes it unreadable, puts it under another key, and one of its place.
func TestEveryRecord(t *testing.T) {
	s := load(t)
	planes := map[string]int{}
	for _, e := range entries(t, s) {
		parts, err := keyenc.Decode(e.Key)
		if err != nil {
			t.Fatal(err)
		}
		plane := fmt.Sprint(parts[0])
		if plane == "out" || plane == "sys" {
			continue
		}
		planes[plane]++
		name := keyenc.Print(e.Key)
		for what, change := range map[string]func(store.Txn){
			"gone":       func(tx store.Txn) { tx.Delete(e.Key) },
			"unreadable": func(tx store.Txn) { tx.Put(e.Key, []byte("1{")) },
			"cut":        func(tx store.Txn) { tx.Put(e.Key, e.Value[:len(e.Value)-1]) },
			"empty":      func(tx store.Txn) { tx.Put(e.Key, nil) },
			"twice":      func(tx store.Txn) { tx.Put(append(bytes.Clone(e.Key[:len(e.Key)-1]), "x\x00"...), e.Value) },
		} {
			if strings.Contains(name, `"epoch"`) && (what == "gone" || what == "twice") || strings.Contains(name, `"otp", "token"`) && what == "gone" {
				continue // nothing is lost, or nobody has the token
			}
			update(t, s, change)
			found, _ := problems(t, s)
			if len(found) == 0 {
				t.Errorf("%s %s: nothing was found", name, what)
			}
			for _, p := range found {
				if p.Key == "" || p.Text == "" {
					t.Errorf("%s %s: %+v", name, what, p)
				}
			}
			update(t, s, func(tx store.Txn) {
				tx.Delete(append(bytes.Clone(e.Key[:len(e.Key)-1]), "x\x00"...))
				tx.Put(e.Key, e.Value)
			})
		}
	}
	if found, _ := problems(t, s); len(found) > 0 {
		t.Fatalf("put back: %+v", found)
	}
	if planes["id"] < 10 || planes["ix"] < 15 || planes["otp"] == 0 {
		t.Errorf("planes %v", planes)
	}
}

// TestNumbers changes what records say of others.
func TestNumbers(t *testing.T) {
	for what, tt := range map[string]struct {
		part string // of the printed key
		old  string
		new  string
		say  string
	}{
		"members":    {`"group"`, `"Members":1`, `"Members":2`, "counts 2 members and has 1"},
		"attachment": {`"id", "policy"`, `"Attachments":1`, `"Attachments":3`, "counts 3 attachments"},
		"group":      {`"id", "user"`, `"Groups":["AGPA`, `"Groups":["AGPB`, "which is not in its account"},
		"count":      {`"count"`, `{"N":1}`, `{"N":7}`, "it counts 7 and there are 1"},
		"name":       {`"ix", "name"`, `"Path":"/staff/"`, `"Path":"/"`, "does not say what the record"},
		"owner":      {`"instance-profile"`, `"Role":"AROA`, `"Role":"AROB`, "not its own"},
		"version":    {`"id", "policy"`, `"Default":1`, `"Default":2`, "versions do not hold together"},
		"key":        {`"id", "user"`, `"Keys":["AKIA`, `"Keys":["AKIB`, "it lists the access key AKIB"},
	} {
		s := load(t)
		done := false
		for _, e := range entries(t, s) {
			if !done && strings.Contains(keyenc.Print(e.Key), tt.part) && bytes.Contains(e.Value, []byte(tt.old)) {
				update(t, s, func(tx store.Txn) { tx.Put(e.Key, bytes.Replace(e.Value, []byte(tt.old), []byte(tt.new), 1)) })
				done = true
			}
		}
		found, _ := problems(t, s)
		said := false
		for _, p := range found {
			said = said || strings.Contains(p.Text, tt.say)
		}
		if !done || !said {
			t.Errorf("%s (changed %v): %+v", what, done, found)
		}
	}
	s := load(t)
	update(t, s, func(tx store.Txn) {
		tx.Put([]byte("what"), nil)
		tx.Put(keyenc.Encode("new", "plane"), nil)
		tx.Put(entity.RoleUsageKey("1", "AROAX"), entity.Encode(&entity.Usage{}))
		tx.Put(entity.OneTimeKey("gone"), entity.Encode(&entity.OneTime{}))
		tx.Put(entity.OpenJobsKey("1"), entity.Encode(&entity.OpenJobs{Access: []string{"x"}}))
	})
	if found, _ := problems(t, s); len(found) != 5 {
		t.Errorf("%+v", found)
	}
}
