package node_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/migrate"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

var update = flag.Bool("update-format", false, "write the store of the present format anew: only when the format is raised")

// quiet is a change whose event nobody looks at.
type quiet struct{ id string }

func (quiet) Guards() []store.Guard { return nil }
func (q quiet) Event(any) (string, []byte, error) {
	return q.id, []byte(`{"eventID":"` + q.id + `"}`), nil
}

// fixture is a store of format 1, as a backup, with its master key and the access keys in it. It is written once for each format and
// then kept: later versions must read it.
const fixture = "testdata/format-1"

// fill makes one of many things in an account.
func fill(t *testing.T, n *node.Node, account string) (key *directory.IssuedKey) {
	t.Helper()
	const allow = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	verbs := []func(*directory.Tx) error{
		func(tx *directory.Tx) error {
			_, err := tx.CreateUser(account, directory.NewUser{Name: "Ann", Path: "/staff/", Tags: []entity.Tag{{Key: "team", Value: "red"}}})
			return err
		},
		func(tx *directory.Tx) (err error) {
			key, err = tx.CreateAccessKey(directory.OfUser(account, "Ann"))
			return err
		},
		func(tx *directory.Tx) error {
			_, err := tx.CreateGroup(account, directory.NewGroup{Name: "Readers"})
			return err
		},
		func(tx *directory.Tx) error { return tx.AddToGroup(account, "Ann", "Readers") },
		func(tx *directory.Tx) error {
			_, err := tx.CreatePolicy(account, directory.NewPolicy{Name: "Read", Document: allow})
			return err
		},
		func(tx *directory.Tx) error {
			return tx.AttachPolicy(directory.Target{Account: account, Kind: entity.KindGroup, Name: "Readers"}, entity.PolicyARN(account, "/", "Read"))
		},
		func(tx *directory.Tx) error {
			_, err := tx.CreateRole(account, directory.NewRole{Name: "Worker", Trust: trust})
			return err
		},
		func(tx *directory.Tx) error {
			_, err := tx.CreateInstanceProfile(account, directory.NewInstanceProfile{Name: "Worker"})
			return err
		},
		func(tx *directory.Tx) error { return tx.AddRoleToInstanceProfile(account, "Worker", "Worker") },
		func(tx *directory.Tx) error {
			_, err := tx.CreateVirtualMFADevice(account, directory.NewVirtualMFA{Name: "phone"})
			return err
		},
		func(tx *directory.Tx) error {
			return tx.LoadToken("token-0001", secret.New("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"))
		},
	}
	for i, verb := range verbs {
		if _, _, err := directory.Commit(t.Context(), n.Directory(), quiet{fmt.Sprint(account, "-", i)}, func(tx *directory.Tx) (struct{}, error) { return struct{}{}, verb(tx) }); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	return key
}

func writeFixture(t *testing.T) {
	dir := t.TempDir()
	n := open(t, node.Config{Dir: dir, Store: "bolt", Version: "v1"})
	first, _ := n.First()
	key := fill(t, n, first.AccountID)
	for name, text := range map[string][]byte{
		".backup": backUp(t, n), ".master": []byte(read(t, filepath.Join(dir, "master.key"))),
		".keys": fmt.Appendf(nil, "%s %s\n%s %s\n", first.AccessKeyID, first.SecretAccessKey.Reveal(), key.ID, key.Secret.Reveal()),
	} {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(fixture+name, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// fixtureDir restores the fixture into a directory.
func fixtureDir(t *testing.T) (cfg node.Config, keys [][]string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master.key"), []byte(read(t, fixture+".master")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, dir, []byte(read(t, fixture+".backup")), false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(read(t, fixture+".keys")) {
		keys = append(keys, strings.Fields(line))
	}
	return node.Config{Dir: dir, Store: "bolt"}, keys
}

// TestOlderStore opens a store that the first version of the format wrote.
func TestOlderStore(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	cfg, keys := fixtureDir(t)
	n := open(t, cfg)
	for _, k := range keys {
		if status := identityStatus(t, n, k[0], secret.New(k[1]), ""); status != 200 {
			t.Errorf("%s: %d", k[0], status)
		}
	}
}

// TestMigration lets a version to come have the store, and then this one, which refuses it.
func TestMigration(t *testing.T) {
	cfg, keys := fixtureDir(t)
	looked := 0
	step := migrate.Step{To: 2, What: "descriptions of roles", Prefix: keyenc.Encode("id", "role"), Convert: func(_, value []byte) ([]byte, bool, error) {
		looked++
		r, err := entity.Decode[entity.Role](value)
		if err != nil || r.Description != "" {
			return nil, false, err
		}
		r.Description = "migrated"
		return entity.Encode(r), true, nil
	}}
	n := open(t, node.WithFormats(cfg, []migrate.Step{step}))
	for _, k := range keys {
		if status := identityStatus(t, n, k[0], secret.New(k[1]), ""); status != 200 {
			t.Errorf("%s: %d", k[0], status)
		}
	}
	file := backUp(t, n)
	close(t, n)
	if looked == 0 || !bytes.Contains(file, []byte(`"StoreFormat":"2"`)) {
		t.Errorf("the step looked at %d records", looked)
	}
	if _, err := node.Open(t.Context(), cfg); !errors.Is(err, migrate.ErrNewer) || !strings.Contains(err.Error(), "reads formats up to 1: use that version") {
		t.Errorf("this version: %v", err)
	}
	if _, err := restore(t, cfg.Dir, file, true); !errors.Is(err, migrate.ErrNewer) {
		t.Errorf("this version restores it: %v", err)
	}
	before := looked
	close(t, open(t, node.WithFormats(cfg, []migrate.Step{step})))
	if looked != before {
		t.Error("migrated again")
	}
}
