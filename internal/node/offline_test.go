package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// ask sends a request to the operator API of a node.
func ask(t *testing.T, n *node.Node, token secret.Text, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/_ostiary/v1/"+path, nil)
	if !token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	return w
}

// backUp takes a backup of a running node.
func backUp(t *testing.T, n *node.Node) []byte {
	t.Helper()
	w := ask(t, n, n.OperatorToken(), http.MethodPost, "backup")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// masterOf copies the master key of a node's directory into another.
func masterOf(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "master.key"), []byte(read(t, filepath.Join(from, "master.key"))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// works reports whether a root key's credentials are accepted.
func works(t *testing.T, n *node.Node, key server.RootKey) bool {
	t.Helper()
	return identityStatus(t, n, key.AccessKeyID, key.SecretAccessKey, "") == http.StatusOK
}

// identityStatus calls GetCallerIdentity with credentials and returns the status of the answer.
func identityStatus(t *testing.T, n *node.Node, id string, text secret.Text, token string) int {
	t.Helper()
	const body = "Action=GetCallerIdentity&Version=2011-06-15"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := sigv4.Signer{AccessKeyID: id, Secret: text.Reveal(), Token: token, Region: "us-east-1", Service: "sts"}
	if err := s.Sign(r, sha256.Sum256([]byte(body)), time.Now()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	return w.Code
}

func restore(t *testing.T, dir string, file []byte, overwrite bool) (*node.Restored, error) {
	t.Helper()
	return node.Restore(t.Context(), bytes.NewReader(file), node.Restoration{Config: node.Config{Dir: dir, Store: "bolt"}, Overwrite: overwrite})
}

// TestBackupAndRestore takes a backup of a running node, goes on, and brings the earlier state back elsewhere and in its place.
func TestBackupAndRestore(t *testing.T) {
	old, other := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "other")
	n := open(t, node.Config{Dir: old, Store: "bolt", Version: "v1"})
	before, err := n.CreateAccount(t.Context(), server.NewAccount{Name: "before"})
	if err != nil {
		t.Fatal(err)
	}
	file := backUp(t, n)
	after, err := n.CreateAccount(t.Context(), server.NewAccount{Name: "after"})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(old, ".backup-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	events, err := n.Events(t.Context(), "")
	if err != nil || events[len(events)-2].Name != "CreateBackup" {
		t.Errorf("%v, %v", events, err)
	}
	close(t, n)

	if _, err := restore(t, other, file, false); err == nil || !strings.Contains(err.Error(), "master.key is missing") {
		t.Errorf("without the master key: %v", err)
	}
	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.CreateMaster(filepath.Join(other, "master.key"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, other, file, false); !errors.Is(err, seal.ErrMaster) || !strings.Contains(err.Error(), "not the one that the backup was made under") {
		t.Errorf("with another master key: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(other, "ostiary.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("refused, and there is a store: %v", err)
	}
	masterOf(t, old, other)
	out, err := restore(t, other, file, false)
	if err != nil || out.Aside != "" || out.Engine != "bolt" || out.Version != "v1" {
		t.Fatalf("%+v, %v", out, err)
	}
	for dir, overwrite := range map[string]bool{other: false, old: true} {
		if overwrite {
			if _, err := restore(t, dir, file, false); !errors.Is(err, backup.ErrNotEmpty) || !strings.Contains(err.Error(), "--overwrite") {
				t.Errorf("over a store that is there: %v", err)
			}
			out, err := restore(t, dir, file, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(out.Aside); err != nil || !strings.Contains(out.Aside, "ostiary.db.before-") {
				t.Errorf("the old store: %v", err)
			}
		}
		m := open(t, node.Config{Dir: dir, Store: "bolt"})
		if _, first := m.First(); first {
			t.Error("a restored store was bootstrapped")
		}
		if !works(t, m, before) || works(t, m, after) {
			t.Error("the accounts are not those of the backup")
		}
		events, err := m.Events(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		events = slices.DeleteFunc(events, func(e *trail.Event) bool { return e.Name == "GetCallerIdentity" })
		if last := events[len(events)-1]; last.Name != "RestoreBackup" || !strings.Contains(string(last.RequestParameters), out.Sum) {
			t.Errorf("the last event is %s %s", last.Name, last.RequestParameters)
		}
		// The event of the first account was in the outbox of the backup, or in the trail before: it is there once.
		seen := 0
		for _, e := range events {
			if e.Name == "CreateAccount" && e.Recipient == before.AccountID {
				seen++
			}
		}
		if dir == old && seen != 1 || seen > 1 {
			t.Errorf("CreateAccount is %d times in the trail", seen)
		}
		close(t, m)
	}
}

// TestBackupIsTheOperators: nobody else gets one.
func TestBackupIsTheOperators(t *testing.T) {
	n := open(t, node.Config{})
	for _, token := range []secret.Text{{}, secret.New("wrong")} {
		for _, call := range [][2]string{{http.MethodPost, "backup"}, {http.MethodGet, "keys"}, {http.MethodPost, "keys"}} {
			if w := ask(t, n, token, call[0], call[1]); w.Code != http.StatusUnauthorized || bytes.Contains(w.Body.Bytes(), []byte("OSTBKUP")) {
				t.Errorf("%v: %d %s", call, w.Code, w.Body)
			}
		}
	}
	if w := ask(t, n, n.OperatorToken(), http.MethodGet, "backup"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

// TestOfflineBackup takes a backup without a server, and not beside one.
func TestOfflineBackup(t *testing.T) {
	dir := t.TempDir()
	cfg := node.Config{Dir: dir, Store: "bolt"}
	if _, err := node.OpenOffline(t.Context(), cfg); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if names, _ := os.ReadDir(dir); len(names) > 0 {
		t.Errorf("made %v", names)
	}
	n := open(t, cfg)
	if _, err := node.OpenOffline(t.Context(), cfg); !errors.Is(err, store.ErrLocked) {
		t.Errorf("beside a server: %v", err)
	}
	close(t, n)
	o, err := node.OpenOffline(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	path := filepath.Join(t.TempDir(), "a.backup")
	write := func(w io.Writer) error { _, err := o.Backup(t.Context(), w); return err }
	if _, err := backup.Save(path, false, write); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Save(path, false, write); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	before := read(t, path)
	broken := errors.New("broken")
	if _, err := backup.Save(path, true, func(w io.Writer) error { _, _ = w.Write([]byte("OST")); return broken }); !errors.Is(err, broken) || read(t, path) != before {
		t.Errorf("a backup that failed: %v", err)
	}
	if _, err := backup.Save(path, true, func(w io.Writer) error { _, err := w.Write([]byte(before[:200])); return err }); !errors.Is(err, backup.ErrDamaged) || read(t, path) != before {
		t.Errorf("a backup that was cut off: %v", err)
	}
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestHalfRestored: a store that a restore was cut off in is never served, and says what to do.
func TestHalfRestored(t *testing.T) {
	dir := t.TempDir()
	cfg := node.Config{Dir: dir, Store: "bolt"}
	n := open(t, cfg)
	file := backUp(t, n)
	close(t, n)
	change(t, dir, func(tx store.Txn) error {
		tx.Put(entity.SystemKey(entity.SysRestore), entity.Encode(&entity.Restoring{ID: "x", StartedAt: time.Unix(1e9, 0).UTC()}))
		return nil
	})
	const say = "the target of a restore that was begun at 2001-09-09T01:46:40Z and has not ended"
	if _, err := node.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), say) || !strings.Contains(err.Error(), "run `ostiary restore --overwrite` again") {
		t.Errorf("serving: %v", err)
	}
	if _, err := restore(t, dir, file, false); err == nil || !strings.Contains(err.Error(), say) {
		t.Errorf("restoring: %v", err)
	}
	o, err := node.OpenOffline(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Backup(t.Context(), io.Discard); !errors.Is(err, backup.ErrRestoring) {
		t.Errorf("backing up: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := restore(t, dir, file, true); err != nil {
		t.Fatal(err)
	}
	close(t, open(t, cfg))

	// Cut off before the new file took the old one's place.
	if err := os.WriteFile(filepath.Join(dir, "ostiary.db.restoring"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "run `ostiary restore` again, or delete") {
		t.Errorf("serving: %v", err)
	}
	if _, err := restore(t, dir, file, true); err != nil {
		t.Fatal(err)
	}
	close(t, open(t, cfg))
}

// TestStoreIsRestoredUnderfoot lets the store of a running node become another one: the node answers nothing any more.
func TestStoreIsRestoredUnderfoot(t *testing.T) {
	for what, record := range map[string]struct {
		name  string
		value []byte
		say   string
	}{
		"a restore begins": {entity.SysRestore, entity.Encode(&entity.Restoring{ID: "x"}), "has not ended"},
		"a restore ended":  {entity.SysIncarnation, entity.Encode(&entity.Incarnation{ID: "x"}), "start the node again"},
		"a newer format":   {entity.SysFormat, []byte("99"), "start a newer version"},
	} {
		t.Run(what, func(t *testing.T) {
			n := open(t, node.Config{})
			key, err := n.CreateAccount(t.Context(), server.NewAccount{})
			if err != nil {
				t.Fatal(err)
			}
			if !works(t, n, key) {
				t.Fatal("it does not work to begin with")
			}
			ln, err := n.Listen(t.Context(), "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- n.Serve(context.Background(), ln) }()
			n.PutSystem(t, record.name, record.value)
			if err := <-served; err == nil || !strings.Contains(err.Error(), record.say) {
				t.Errorf("Serve = %v", err)
			}
			if works(t, n, key) {
				t.Error("it goes on deciding")
			}
			w := httptest.NewRecorder()
			n.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("/readyz answers %d", w.Code)
			}
		})
	}
}
