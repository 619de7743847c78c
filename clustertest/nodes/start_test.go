package nodes_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/internal/node"
)

// TestTenNodesStartAtOnce on an empty store: there is one account, its key is handed out by one node and works on all, and so
// does the one operator's token.
func TestTenNodesStartAtOnce(t *testing.T) {
	w := newWorld(t, 10)
	var first, files, tokens int
	var token string
	for _, m := range w.nodes {
		if f, ok := m.First(); ok {
			first++
			if f.CredentialsFile != filepath.Join(m.dir, "root-credentials") {
				t.Errorf("the key was written to %s", f.CredentialsFile)
			}
		}
		if _, err := os.Stat(filepath.Join(m.dir, "root-credentials")); err == nil {
			files++
		}
		if _, err := os.Stat(filepath.Join(m.dir, "operator-token")); err == nil {
			tokens++
			token = m.OperatorToken().Reveal()
		}
		for _, never := range []string{"master.key", "ostiary.db"} {
			if _, err := os.Stat(filepath.Join(m.dir, never)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is in a node's directory (%v)", never, err)
			}
		}
	}
	if first != 1 || files != 1 || tokens != 1 {
		t.Fatalf("%d nodes made the account, %d hold its key, %d the operator's token", first, files, tokens)
	}
	for i, m := range w.nodes {
		out, err := m.stsAs(w.root).GetCallerIdentity(w.ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Errorf("node %d does not know the root user: %v", i, err)
			continue
		}
		if got := *out.Arn; got != "arn:aws:iam::"+*out.Account+":root" {
			t.Errorf("node %d: %s", i, got)
		}
		if got := m.status(token); got != http.StatusOK {
			t.Errorf("node %d answers the operator %d", i, got)
		}
		if got := m.status("ostiary-operator-other"); got != http.StatusUnauthorized {
			t.Errorf("node %d answers anybody %d", i, got)
		}
	}
}

// status asks the operator API.
func (m *member) status(token string) int {
	m.w.Helper()
	req, err := http.NewRequestWithContext(m.w.ctx, http.MethodGet, m.url+"/_ostiary/v1/status", nil)
	if err != nil {
		m.w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		m.w.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// TestNewOperatorToken: a node that is started with a new token takes the old one away from all.
func TestNewOperatorToken(t *testing.T) {
	w := newWorld(t, 2)
	var old string
	for _, m := range w.nodes {
		if text := m.OperatorToken(); !text.IsZero() {
			old = text.Reveal()
		}
	}
	w.nodes[0].stop()
	cfg := w.cfg
	w.cfg.NewOperatorToken = true
	m, err := w.start(w.nodes[0].dir)
	w.cfg = cfg
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.stop)
	token := m.OperatorToken().Reveal()
	if token == "" || token == old {
		t.Fatalf("the new token is %q", token)
	}
	if got := m.status(old); got != http.StatusUnauthorized {
		t.Errorf("the old token on the node itself: %d", got)
	}
	other := w.nodes[1]
	w.eventually("the old token is refused elsewhere", func() bool { return other.status(old) == http.StatusUnauthorized })
	if got := other.status(token); got != http.StatusOK {
		t.Errorf("the new token elsewhere: %d", got)
	}
}

// TestOtherMasterKey: a node with another master key does not start, and leaves no credentials.
func TestOtherMasterKey(t *testing.T) {
	endpoint := embedded.Start(t, embedded.Options{})
	w := worldOn(t, 1, endpoint, node.Config{})
	w.cfg.MasterKeyFile = filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(w.cfg.MasterKeyFile, []byte("ff"+masterKey[2:]), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "other")
	if m, err := w.start(dir); err == nil {
		m.stop()
		t.Fatal("a node with another master key starts")
	}
	if _, err := os.Stat(filepath.Join(dir, "root-credentials")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it has credentials (%v)", err)
	}
}
