package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
)

// open opens a node that is closed when the test ends.
func open(t *testing.T, cfg node.Config) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return n
}

func close(t *testing.T, n *node.Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// change runs fn on the store file of a node that is not running.
func change(t *testing.T, dir string, fn func(store.Txn) error) {
	t.Helper()
	s, err := bolt.Open(filepath.Join(dir, "ostiary.db"), bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	n := open(t, node.Config{Dir: dir, Store: "bolt"})
	first, ok := n.First()
	if !ok {
		t.Fatal("the first start made nothing")
	}
	if account, ok := credential.AccountOf(first.AccessKeyID); !ok || account != first.AccountID || len(first.AccountID) != 12 {
		t.Errorf("account %s, key %s of account %s", first.AccountID, first.AccessKeyID, account)
	}
	want := fmt.Sprintf("# Root user of account %s.\n[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		first.AccountID, first.AccessKeyID, first.SecretAccessKey.Reveal())
	if diff := cmp.Diff(want, read(t, first.CredentialsFile)); diff != "" || first.CredentialsFile != filepath.Join(dir, "root-credentials") {
		t.Errorf("%s (-want +got):\n%s", first.CredentialsFile, diff)
	}
	if got := strings.TrimSpace(read(t, filepath.Join(dir, "operator-token"))); got != n.OperatorToken().Reveal() || len(got) < 40 {
		t.Errorf("the token's file holds %q", got)
	}
	for _, name := range []string{"master.key", "root-credentials", "operator-token", "ostiary.db"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}

	// The second start makes nothing, and does not bring back what the operator has put away.
	close(t, n)
	token := n.OperatorToken()
	if err := os.Remove(first.CredentialsFile); err != nil {
		t.Fatal(err)
	}
	n = open(t, node.Config{Dir: dir, Store: "bolt"})
	if f, ok := n.First(); ok {
		t.Errorf("the second start made %+v", f)
	}
	if _, err := os.Stat(first.CredentialsFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second start wrote the credentials: %v", err)
	}
	if !n.OperatorToken().Equal(token) {
		t.Error("the second start has another token")
	}
}

// TestCrashBeforeHandingOut: a start that was killed after the first account was committed and before its key was written is
// made good by the next one.
func TestCrashBeforeHandingOut(t *testing.T) {
	dir := t.TempDir()
	n := open(t, node.Config{Dir: dir, Store: "bolt"})
	first, _ := n.First()
	text := read(t, first.CredentialsFile)
	close(t, n)
	if err := os.Remove(first.CredentialsFile); err != nil {
		t.Fatal(err)
	}
	change(t, dir, func(tx store.Txn) error { tx.Delete(entity.SystemKey("handed-out")); return nil })

	n = open(t, node.Config{Dir: dir, Store: "bolt"})
	again, ok := n.First()
	if !ok || again.AccessKeyID != first.AccessKeyID || !again.SecretAccessKey.Equal(first.SecretAccessKey) {
		t.Errorf("the next start hands out %+v, want the same key as %+v", again, first)
	}
	if diff := cmp.Diff(text, read(t, first.CredentialsFile)); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
}

// TestRefusedDirectories: what could lose or mix up data is refused with a sentence, and the directory is free again after.
func TestRefusedDirectories(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   node.Config
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{name: "no master key", want: "master.key is missing",
			spoil: func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "master.key"))) }},
		{name: "another master key", want: "does not open the key ring", spoil: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "master.key"), []byte(strings.Repeat("ab", 32)), 0o600))
		}},
		{name: "open master key", want: "may be read by others",
			spoil: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "master.key"), 0o644)) }},
		{name: "open token", want: "may be read by others",
			spoil: func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "operator-token"), 0o640)) }},
		{name: "empty token", want: "is empty",
			spoil: func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "operator-token"), 0)) }},
		{name: "token is a link", want: "not a regular file", spoil: func(t *testing.T, dir string) {
			path := filepath.Join(dir, "operator-token")
			must(t, os.Rename(path, path+".away"))
			must(t, os.Symlink(path+".away", path))
		}},
		{name: "newer format", want: "it has format 2 and this version reads formats up to 1", spoil: func(t *testing.T, dir string) {
			change(t, dir, func(tx store.Txn) error { tx.Put(entity.SystemKey("format"), []byte("2")); return nil })
		}},
		{name: "not a store", want: "opening the store", spoil: func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "ostiary.db"), []byte("something else, long enough to be looked at"), 0o600))
		}},
		{name: "memory over a lasting store", want: "use another directory", cfg: node.Config{Store: "mem"},
			spoil: func(*testing.T, string) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			n := open(t, node.Config{Dir: dir, Store: "bolt"})
			first, _ := n.First()
			credentials := read(t, first.CredentialsFile)
			close(t, n)
			c.spoil(t, dir)
			cfg := c.cfg
			cfg.Dir = dir
			if cfg.Store == "" {
				cfg.Store = "bolt"
			}
			for range 2 { // twice: the first try must not leave the directory locked or changed
				n, err := node.Open(t.Context(), cfg)
				if err == nil {
					_ = n.Close()
					t.Fatal("opened")
				}
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %q, want it to say %q", err, c.want)
				}
			}
			if read(t, first.CredentialsFile) != credentials {
				t.Error("the credentials were overwritten")
			}
		})
	}
	for _, cfg := range []node.Config{{Store: "bolt"}, {Store: "sqlite", Dir: t.TempDir()}} {
		if _, err := node.Open(t.Context(), cfg); err == nil {
			t.Errorf("Open(%+v) = nil", cfg)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessForOneDirectory(t *testing.T) {
	for _, engine := range []string{"bolt", "mem"} {
		dir := t.TempDir()
		n := open(t, node.Config{Dir: dir, Store: engine})
		_, err := node.Open(t.Context(), node.Config{Dir: dir, Store: engine})
		if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: a second node on the directory: %v", engine, err)
		}
		close(t, n)
		open(t, node.Config{Dir: dir, Store: engine})
	}
}

// operator asks the operator API and decodes the answer.
func operator(t *testing.T, n *node.Node, method, path, body string, answer any) int {
	t.Helper()
	r := httptest.NewRequest(method, "/_ostiary/v1/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+n.OperatorToken().Reveal())
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), answer); err != nil {
			t.Fatalf("%s: %v: %s", path, err, w.Body)
		}
	}
	return w.Code
}

func TestOperatorAPI(t *testing.T) {
	n := open(t, node.Config{Version: "v1", Region: "eu-west-1"})
	var made struct{ AccountId, AccessKeyId, SecretAccessKey string }
	if status := operator(t, n, "POST", "accounts", `{"Name":"team","Email":"team@example.com","Alias":"team-a"}`, &made); status != 200 {
		t.Fatalf("accounts answers %d", status)
	}
	if account, _ := credential.AccountOf(made.AccessKeyId); account != made.AccountId || len(made.SecretAccessKey) != 40 {
		t.Errorf("made %+v", made)
	}
	var none any
	if status := operator(t, n, "POST", "accounts", `{"Alias":"team-a"}`, &none); status != 409 {
		t.Errorf("a taken alias answers %d", status)
	}
	if status := operator(t, n, "POST", "accounts", `{"Alias":"-"}`, &none); status != 400 {
		t.Errorf("a bad alias answers %d", status)
	}

	var page struct {
		Events []struct {
			EventName, EventSource, RecipientAccountId string
			ResponseElements                           map[string]string
		}
		Next string
	}
	if status := operator(t, n, "GET", "events?account="+made.AccountId, "", &page); status != 200 {
		t.Fatalf("events answers %d", status)
	}
	if len(page.Events) != 1 || page.Events[0].EventName != "CreateAccount" || page.Events[0].RecipientAccountId != made.AccountId {
		t.Fatalf("events: %+v", page)
	}
	want := map[string]string{"accountId": made.AccountId, "accessKeyId": made.AccessKeyId}
	if diff := cmp.Diff(want, page.Events[0].ResponseElements); diff != "" {
		t.Errorf("response elements (-want +got):\n%s", diff)
	}
	next := page.Next
	page.Events = nil
	if status := operator(t, n, "GET", "events?after="+next, "", &page); status != 200 || len(page.Events) != 0 || page.Next != next {
		t.Errorf("behind the last event: %d, %+v", status, page)
	}
	if status := operator(t, n, "GET", "events?after=x", "", &none); status != 400 {
		t.Errorf("a bad position answers %d", status)
	}

	var st server.Status
	if status := operator(t, n, "GET", "status", "", &st); status != 200 {
		t.Fatalf("status answers %d", status)
	}
	if st.Version != "v1" || st.Mode != "normal" || st.Store != "mem" || st.Region != "eu-west-1" || st.Snapshot.Revision == 0 {
		t.Errorf("status: %+v", st)
	}
	if len(st.Enforced) == 0 || len(st.NotEnforced) == 0 || st.Unbuilt["elasticache"] == 0 {
		t.Errorf("status says nothing of what is enforced and built: %+v", st)
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		w := httptest.NewRecorder()
		n.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}

// TestAccountsLast: what the operator API acknowledged is there after a restart, and so is its event.
func TestAccountsLast(t *testing.T) {
	dir := t.TempDir()
	n := open(t, node.Config{Dir: dir, Store: "bolt"})
	key, err := n.CreateAccount(t.Context(), server.NewAccount{Alias: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	close(t, n)
	n = open(t, node.Config{Dir: dir, Store: "bolt"})
	if _, err := n.CreateAccount(t.Context(), server.NewAccount{Alias: "kept"}); !errors.Is(err, fault.Exists) {
		t.Errorf("the alias is free again: %v", err)
	}
	events, err := n.Events(t.Context(), key.AccountID)
	if err != nil || len(events) != 1 || events[0].Name != "CreateAccount" {
		t.Errorf("events: %v, %v", events, err)
	}
}

// TestFreshAccountsAtOnce: many accounts made at the same time are all different.
func TestFreshAccountsAtOnce(t *testing.T) {
	n := open(t, node.Config{})
	var mu sync.Mutex
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			key, err := n.CreateAccount(t.Context(), server.NewAccount{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || seen[key.AccountID] {
				t.Errorf("account %s again, or %v", key.AccountID, err)
			}
			seen[key.AccountID] = true
		})
	}
	wg.Wait()
}

// TestSecretsStayOut: nothing that a node writes down, but the files made for it, holds a secret in the clear.
func TestSecretsStayOut(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var log bytes.Buffer
	lg := slog.New(slog.NewTextHandler(&locked{mu: &mu, w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := open(t, node.Config{Dir: dir, Store: "bolt", Logger: lg, Server: server.Config{Logger: lg}})
	first, _ := n.First()
	key, err := n.CreateAccount(t.Context(), server.NewAccount{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense "+key.SecretAccessKey.Reveal())
	n.Handler().ServeHTTP(w, r)
	if w.Code < 400 || w.Code > 499 {
		t.Errorf("a request with a broken signature answers %d", w.Code)
	}
	text := fmt.Sprintf("%v %+v %#v", first, first, key)
	master := strings.TrimSpace(read(t, filepath.Join(dir, "master.key")))
	close(t, n)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "root-credentials" || d.Name() == "operator-token" || d.Name() == "master.key" {
			return err
		}
		text += read(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	text += log.String()
	mu.Unlock()
	for name, s := range map[string]string{
		"root secret": first.SecretAccessKey.Reveal(), "account's secret": key.SecretAccessKey.Reveal(),
		"operator token": n.OperatorToken().Reveal(), "master key": master,
	} {
		if strings.Contains(text, s) {
			t.Errorf("the %s is in the clear", name)
		}
	}
	if !strings.Contains(text, key.AccessKeyID) {
		t.Error("the search looks at nothing: not even the key's ID is there")
	}
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// TestServeAndStop: a node over a real listener, with metrics that count.
func TestServeAndStop(t *testing.T) {
	n := open(t, node.Config{Version: "v9"})
	ln, err := n.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	for _, line := range []string{`ostiary_build_info\{.*version="v9"\} 1`, `ostiary_store_commits_total\{outcome="ok"\} [1-9]`, `ostiary_snapshot_revision [1-9]`,
		`ostiary_usage_pending 0`, `ostiary_usage_dropped_total 0`} {
		if !regexp.MustCompile(line).Match(body.Bytes()) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	close(t, n)
	if err := n.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
