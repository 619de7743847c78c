//go:build linux

package supervise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func FuzzParseStat(f *testing.F) {
	f.Add("7 (redis-server) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 5 0 12345 1 1")
	f.Add("7 (a) b) (c) Z 1 2 3")
	f.Add(")")
	f.Fuzz(func(t *testing.T, s string) {
		st, err := parseStat(s)
		if err == nil && st.state == 0 {
			t.Errorf("%q: %+v", s, st)
		}
	})
}

func TestParseStat(t *testing.T) {
	st, err := parseStat("7 (a) R 9 (x) S 1 7 8 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 5 0 12345 1 1")
	if err != nil || st != (stat{'S', 8, 12345}) {
		t.Errorf("%+v %v", st, err)
	}
}

func FuzzReadIdentity(f *testing.F) {
	f.Add(`{"pid": 7, "start": 1, "boot": "x", "command": ["a"]}`)
	f.Add(`{"pid": -7, "command": ["a"]}`)
	f.Add(`{"pid": 1e3}`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string) {
		if err := os.WriteFile(filepath.Join(dir, identityFile), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if i, ok := readIdentity(dir); ok && (i.PID < 0 || len(i.Command) == 0) {
			t.Errorf("%q is %+v", s, i)
		}
	})
}

// TestStoredSpecs: what is written down compares as the Spec itself does, and holds no secret.
func TestStoredSpecs(t *testing.T) {
	s := engine.Spec{ID: "x", Engine: engine.Redis, Version: "7.0", Memory: 1, Port: 2, Admin: secret.New("planted"),
		Users: []engine.User{{Name: "u", Access: "on +get", Passwords: []secret.Text{secret.New("planted too")}}}, Parameters: map[string]string{"a": "b"}}
	dir := t.TempDir()
	if err := writeIdentity(dir, identity{Command: []string{"x"}, Started: store(s)}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil || strings.Contains(string(text), "planted") {
		t.Errorf("%v\n%s", err, text)
	}
	i, ok := readIdentity(dir)
	same := cmp.Comparer(secret.Text.Equal)
	if diff := cmp.Diff(store(s).spec(), i.Started.spec(), same, cmpopts.EquateComparable(s.Address)); !ok || diff != "" {
		t.Errorf("read again: %s", diff)
	}
	other := s.Clone()
	other.Users[0].Passwords[0] = secret.New("another")
	if store(s).spec().Users[0].Equal(store(other).spec().Users[0]) {
		t.Error("another password is not seen")
	}
	s.Users = nil
	if store(s).spec().Users != nil {
		t.Error("no users and an empty list of users are the same")
	}
}
