package node_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// ringOf asks the operator API for the keys, or for a new one.
func ringOf(t *testing.T, n *node.Node, method string) []server.RingKey {
	t.Helper()
	w := ask(t, n, n.OperatorToken(), method, "keys")
	var out struct{ Keys []server.RingKey }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return out.Keys
}

// sessionOf calls GetSessionToken with a user's key.
func sessionOf(t *testing.T, n *node.Node, id, text string, at time.Time) (sessionID, sessionSecret, token string) {
	t.Helper()
	const body = "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=129600"
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := sigv4.Signer{AccessKeyID: id, Secret: text, Region: "us-east-1", Service: "sts"}
	if err := s.Sign(r, sha256.Sum256([]byte(body)), at); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	member := func(name string) string {
		m := regexp.MustCompile("<" + name + ">([^<]+)<").FindStringSubmatch(w.Body.String())
		if m == nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return m[1]
	}
	return member("AccessKeyId"), member("SecretAccessKey"), member("SessionToken")
}

// TestKeysAreTurnedOver rotates the key of a running node: what was sealed and handed out before stays good, also after a restart.
func TestKeysAreTurnedOver(t *testing.T) {
	dir := t.TempDir()
	cfg := node.Config{Dir: dir, Store: "bolt"}
	n := open(t, cfg)
	first, _ := n.First()
	user := fill(t, n, first.AccountID)
	if keys := ringOf(t, n, http.MethodGet); len(keys) != 1 || keys[0].State != "current" || keys[0].Records != 4 {
		t.Errorf("to begin with: %+v", keys)
	}
	// The snapshot has the new user a moment later than the store.
	if _, err := n.CreateAccount(t.Context(), server.NewAccount{}); err != nil {
		t.Fatal(err)
	}
	id, text, token := sessionOf(t, n, user.ID, user.Secret.Reveal(), time.Now())
	check := func(when string) {
		t.Helper()
		if identityStatus(t, n, id, secret.New(text), token) != http.StatusOK || identityStatus(t, n, user.ID, user.Secret, "") != http.StatusOK ||
			identityStatus(t, n, first.AccessKeyID, first.SecretAccessKey, "") != http.StatusOK {
			t.Errorf("%s: credentials are not accepted", when)
		}
	}
	check("before")
	old := backUp(t, n)
	keys := ringOf(t, n, http.MethodPost)
	if len(keys) != 2 || keys[0].State != "old" || keys[0].KeptUntil == nil || keys[1].State != "current" {
		t.Errorf("rotated: %+v", keys)
	}
	check("rotated")
	n.Tend(t)
	check("sealed anew")
	if keys := ringOf(t, n, http.MethodGet); keys[0].Records != 0 || keys[1].Records != 5 {
		t.Errorf("sealed anew: %+v", keys)
	}
	close(t, n)
	n = open(t, cfg)
	check("after a restart")
	close(t, n)

	// A node whose clock is past the last session drops the key; the old backup has a ring of its own and needs it not.
	late := cfg
	late.Now = func() time.Time { return time.Now().Add(keyring.Retention + time.Minute) }
	n = open(t, late)
	n.Tend(t)
	if keys := ringOf(t, n, http.MethodGet); len(keys) != 1 {
		t.Errorf("at the end: %+v", keys)
	}
	events, err := n.Events(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range events {
		if strings.HasSuffix(e.Name, "Keys") || strings.HasSuffix(e.Name, "Key") {
			names = append(names, e.Name)
		}
	}
	if got := strings.Join(names, " "); got != "RotateKeys DropKey" {
		t.Errorf("events: %s", got)
	}
	close(t, n)
	if _, err := restore(t, dir, old, true); err != nil {
		t.Fatal(err)
	}
	n = open(t, cfg)
	check("restored from before the rotation")
}

// TestMasterKeyIsReplaced goes through the steps of an operator.
func TestMasterKeyIsReplaced(t *testing.T) {
	dir := t.TempDir()
	cfg := node.Config{Dir: dir, Store: "bolt"}
	n := open(t, cfg)
	first, _ := n.First()
	close(t, n)
	nextFile := filepath.Join(t.TempDir(), "next.key")
	next, err := seal.LoadOrCreateMaster(nextFile)
	if err != nil {
		t.Fatal(err)
	}
	offline := func(c node.Config, do func(*node.Offline) error) {
		t.Helper()
		o, err := node.OpenOffline(t.Context(), c)
		if err == nil {
			err = do(o)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	serves := func(c node.Config) bool {
		t.Helper()
		n, err := node.Open(t.Context(), c)
		if err != nil {
			return false
		}
		defer n.Close()
		return identityStatus(t, n, first.AccessKeyID, first.SecretAccessKey, "") == http.StatusOK
	}
	fresh := cfg
	fresh.MasterKeyFile = nextFile
	if !serves(cfg) || serves(fresh) {
		t.Error("before")
	}
	offline(cfg, func(o *node.Offline) error { return o.BeginMaster(t.Context(), next) })
	if !serves(cfg) || !serves(fresh) {
		t.Error("both keys should do meanwhile")
	}
	offline(fresh, func(o *node.Offline) error { return o.EndMaster(t.Context()) })
	if serves(cfg) || !serves(fresh) {
		t.Error("the new key alone should do in the end")
	}
}
