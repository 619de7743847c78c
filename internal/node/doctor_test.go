package node_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/doctor"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// said reports whether a report has an error or a warning from a check that says something.
func said(r *doctor.Report, check string, level doctor.Level, say string) bool {
	for _, f := range r.Findings {
		if f.Check == check && f.Level == level && strings.Contains(f.Text, say) {
			return true
		}
	}
	return false
}

// TestExamine looks at an installation that is well, and at one with each kind of illness.
func TestExamine(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{Dir: dir, Store: "bolt"}
	if _, err := node.Examine(t.Context(), cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	n := open(t, cfg)
	first, _ := n.First()
	key := fill(t, n, first.AccountID)
	if err := os.Remove(first.CredentialsFile); err != nil {
		t.Fatal(err)
	}
	var online doctor.Report
	if w := ask(t, n, n.OperatorToken(), http.MethodGet, "doctor"); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &online) != nil || online.Worst() != doctor.OK || len(online.Findings) < 7 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := node.Examine(t.Context(), cfg); !errors.Is(err, store.ErrLocked) {
		t.Errorf("beside a server: %v", err)
	}
	close(t, n)
	path := filepath.Join(dir, "ostiary.db")
	whole := []byte(read(t, path))
	look := func(c node.Config) *doctor.Report {
		t.Helper()
		r, err := node.Examine(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := look(cfg); r.Worst() != doctor.OK || len(r.Findings) < 7 {
		t.Errorf("well: %+v", r)
	}
	late := cfg
	late.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	if r := look(late); !said(r, "clock", doctor.Error, "ahead of this machine's clock") {
		t.Errorf("clock: %+v", r)
	}
	wrong := cfg
	wrong.MasterKeyFile = filepath.Join(t.TempDir(), "other.key")
	if _, err := seal.CreateMaster(wrong.MasterKeyFile, nil); err != nil {
		t.Fatal(err)
	}
	if r := look(wrong); !said(r, "keys", doctor.Error, "does not open the key ring") {
		t.Errorf("master key: %+v", r)
	}
	for what, tt := range map[string]struct {
		change func(store.Txn)
		check  string
		level  doctor.Level
		say    string
	}{
		"restore": {func(tx store.Txn) {
			tx.Put(entity.SystemKey(entity.SysRestore), entity.Encode(&entity.Restoring{}))
		}, "store", doctor.Error, "has not ended"},
		"format":  {func(tx store.Txn) { tx.Put(entity.SystemKey(entity.SysFormat), []byte("9")) }, "format", doctor.Error, "format 9"},
		"next":    {func(tx store.Txn) { tx.Put(entity.SystemKey(entity.SysNextRing), []byte("x")) }, "keys", doctor.Warning, "was begun and has not ended"},
		"secret":  {func(tx store.Txn) { changeKey(t, tx, key.ID, 40) }, "secrets", doctor.Error, "does not open: seal: changed"},
		"lost":    {func(tx store.Txn) { changeKey(t, tx, key.ID, 2) }, "secrets", doctor.Error, "a key that the ring does not hold"},
		"record":  {func(tx store.Txn) { tx.Delete(entity.UniqueIDKey(key.User)) }, "records", doctor.Error, "it is missing"},
		"garbage": {func(tx store.Txn) { tx.Put(entity.AccessKeyKey(key.ID), []byte("2")) }, "records", doctor.Error, "cannot be read"},
	} {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		change(t, dir, func(tx store.Txn) error { tt.change(tx); return nil })
		if r := look(cfg); !said(r, tt.check, tt.level, tt.say) {
			t.Errorf("%s: %+v", what, r)
		}
	}
	damaged := bytes.Clone(whole)
	for page := 2; page < 12; page++ {
		copy(damaged[page*os.Getpagesize():], bytes.Repeat([]byte{0xAB}, 32))
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := look(cfg); !said(r, "pages", doctor.Error, "page ") || read(t, path) != string(damaged) {
		t.Errorf("pages: %+v", r)
	}
}

// changeKey changes a byte of a key's sealed secret.
func changeKey(t *testing.T, tx store.Txn, id string, at int) {
	t.Helper()
	e, _, err := tx.Get(entity.AccessKeyKey(id))
	if err != nil {
		t.Fatal(err)
	}
	k, err := entity.Decode[entity.AccessKey](e.Value)
	if err != nil {
		t.Fatal(err)
	}
	k.Sealed[at] ^= 1
	tx.Put(entity.AccessKeyKey(id), entity.Encode(k))
}
