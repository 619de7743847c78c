package issuer_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/issuer"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

const (
	id      = "0e4cd05c-3f9e-4e53-9d4a-2f0f6a3e1d11"
	account = "111122223333"
	form    = "https://iam.example.com/issuers/{id}"
)

// world is a store that several keepers share, with one clock.
type world struct {
	t     testing.TB
	store store.Store
	ring  *seal.Ring
	form  oidc.IssuerForm

	mu   sync.Mutex
	now  time.Time
	text bytes.Buffer // of the logs
}

// Write takes what the nodes log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(line)
}

func (w *world) logs() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: mem.Open(mem.Config{}), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { _ = w.store.Close() })
	var err error
	if w.ring, err = seal.NewRing("store", w.now, nil); err != nil {
		t.Fatal(err)
	}
	if w.form, err = oidc.ParseIssuerForm(form); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// node is a keeper as one node has it.
func (w *world) node() *issuer.Keeper {
	return issuer.New(issuer.Config{
		Store: w.store, Ring: w.ring, Form: w.form, Now: w.clock, Log: slog.New(slog.NewTextHandler(w, nil)),
		Account: func(asked string) (string, bool) { return account, asked == id },
	})
}

func (w *world) sign(k *issuer.Keeper, algorithm string) (token string) {
	w.t.Helper()
	now := w.clock()
	payload := fmt.Sprintf(`{"iss":%q,"sub":"me","aud":"app","iat":%d,"exp":%d}`, w.form.URL(id), now.Unix(), now.Add(time.Hour).Unix())
	token, err := k.Sign(w.t.Context(), account, algorithm, []byte(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) get(k *issuer.Keeper, method, url string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, url, nil)
	if !k.Serves(r) {
		w.t.Fatalf("%s is not the keeper's", url)
	}
	rec := httptest.NewRecorder()
	k.ServeHTTP(rec, r)
	return rec
}

// published is the key set as the public gets it.
func (w *world) published(k *issuer.Keeper) []byte {
	w.t.Helper()
	rec := w.get(k, "GET", w.form.URL(id)+"/.well-known/jwks.json")
	if rec.Code != 200 {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return rec.Body.Bytes()
}

// verify holds a token against a key set at a time.
func (w *world) verify(token string, keys []byte, at time.Time) error {
	w.t.Helper()
	set, err := oidc.ParseKeySet(keys)
	if err != nil {
		w.t.Fatal(err)
	}
	read, err := oidc.Read(token)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = read.Verify(&oidc.Provider{Issuer: w.form.URL(id), ClientIDs: []string{"app"}}, set, at)
	return err
}

// keyOf is the ID of the key that a token names.
func keyOf(t testing.TB, token string) string {
	t.Helper()
	read, err := oidc.Read(token)
	if err != nil {
		t.Fatal(err)
	}
	return read.KeyID()
}

// TestNodesAgree: many nodes that need an account's first keys at the same moment make one key for each algorithm between them, and
// what one signs, the key sets of all verify.
func TestNodesAgree(t *testing.T) {
	w := newWorld(t)
	nodes := make([]*issuer.Keeper, 4)
	tokens := make([]string, 2*len(nodes))
	var wait sync.WaitGroup
	for i := range nodes {
		nodes[i] = w.node()
		for j, algorithm := range oidc.SigningAlgorithms() {
			wait.Go(func() { tokens[2*i+j] = w.sign(nodes[i], algorithm) })
		}
	}
	wait.Wait()
	kids := make(map[string]bool)
	for _, token := range tokens {
		kids[keyOf(t, token)] = true
		for i, k := range nodes {
			if err := w.verify(token, w.published(k), w.clock()); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
	}
	if len(kids) != 2 {
		t.Errorf("%d keys signed", len(kids))
	}
	all, err := nodes[3].Keys(t.Context(), account)
	if err != nil || len(all) != 2 || !all[0].Signs || !all[1].Signs {
		t.Errorf("%+v, %v", all, err)
	}
	// Another account's keys are others.
	if err := nodes[0].Prepare(t.Context(), "444455556666"); err != nil {
		t.Fatal(err)
	}
	others, err := nodes[1].Keys(t.Context(), "444455556666")
	if err != nil || len(others) != 2 || kids[others[0].ID] || kids[others[1].ID] {
		t.Errorf("%+v, %v", others, err)
	}
}

// TestRotation moves the clock over the life of a key, on a node that has seen all and on one that has not.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(), w.node()
	first := w.sign(a, oidc.ES384)
	has := func(kid string, want bool) {
		t.Helper()
		for _, k := range []*issuer.Keeper{a, b} {
			if got := bytes.Contains(w.published(k), []byte(`"`+kid+`"`)); got != want {
				t.Errorf("%s: the key %s is published: %v", w.clock(), kid, got)
			}
		}
	}
	w.advance(issuer.DefaultRotation - issuer.Lead - time.Second)
	if keyOf(t, w.sign(b, oidc.ES384)) != keyOf(t, first) || bytes.Count(w.published(a), []byte(`"kid"`)) != 2 {
		t.Error("another key too early")
	}
	w.advance(time.Second) // the next one is made, and waits
	if keyOf(t, w.sign(b, oidc.ES384)) != keyOf(t, first) {
		t.Error("a key signs before it was published")
	}
	early := w.published(a)
	if bytes.Count(early, []byte(`"kid"`)) != 4 {
		t.Errorf("published %s", early)
	}
	w.advance(issuer.Lead - time.Second)
	last := w.sign(a, oidc.ES384)
	if keyOf(t, last) != keyOf(t, first) {
		t.Error("the key changed too early")
	}
	w.advance(time.Second)
	second := w.sign(b, oidc.ES384)
	if keyOf(t, second) == keyOf(t, first) || keyOf(t, w.sign(a, oidc.ES384)) != keyOf(t, second) {
		t.Error("the key did not change")
	}
	if err := w.verify(second, early, w.clock()); err != nil { // by who fetched the key set a day ago
		t.Error(err)
	}
	w.advance(time.Hour - 2*time.Second)
	if err := w.verify(last, w.published(b), w.clock()); err != nil {
		t.Errorf("the last token of the old key: %v", err)
	}
	has(keyOf(t, first), true)
	w.advance(issuer.Overlap)
	has(keyOf(t, first), false)
	has(keyOf(t, second), true)
	// After a long silence nobody is surprised either: the old key signs until the new one was published for long enough.
	w.advance(10 * issuer.DefaultRotation)
	if keyOf(t, w.sign(a, oidc.ES384)) != keyOf(t, second) {
		t.Error("a key signs that nobody can know")
	}
	w.advance(issuer.Lead)
	if keyOf(t, w.sign(b, oidc.ES384)) == keyOf(t, second) {
		t.Error("the key did not change after a long silence")
	}
}

// TestEveryTokenVerifies: whatever happens when, short of an immediate replacement, a token verifies for all of its life by the key
// set of any moment, also by one that was fetched up to a day before it was signed.
func TestEveryTokenVerifies(t *testing.T) {
	type fetched struct {
		at   time.Time
		keys []byte
	}
	for seed := range uint64(2) {
		w := newWorld(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		nodes := []*issuer.Keeper{w.node(), w.node(), w.node()}
		w.sign(nodes[0], oidc.ES384)
		var history []fetched
		type signed struct {
			token string
			at    time.Time
		}
		var alive []signed
		for range 80 {
			k := nodes[rng.IntN(len(nodes))]
			switch rng.IntN(8) {
			case 0:
				if err := k.Rotate(t.Context(), account, false, issuer.Event{ID: fmt.Sprint(rng.Uint64()), Record: []byte("{}")}); err != nil {
					t.Fatal(err)
				}
			case 1:
				w.advance(time.Duration(rng.Int64N(int64(40 * 24 * time.Hour))))
			case 2, 3:
				w.advance(time.Duration(rng.Int64N(int64(12 * time.Hour))))
			case 4, 5:
				w.advance(time.Duration(rng.Int64N(int64(time.Hour))))
			default:
				alive = append(alive, signed{w.sign(k, oidc.ES384), w.clock()})
			}
			now := w.clock()
			history = append(history, fetched{now, w.published(nodes[rng.IntN(len(nodes))])})
			for _, s := range alive {
				if !now.Before(s.at.Add(time.Hour).Truncate(time.Second)) {
					continue
				}
				for _, f := range history {
					if f.at.After(s.at.Add(-issuer.Lead)) {
						if err := w.verify(s.token, f.keys, now); err != nil {
							t.Fatalf("seed %d: signed %s, fetched %s, verified %s: %v", seed, s.at, f.at, now, err)
						}
					}
				}
			}
		}
	}
}

// TestReplacedAtOnce: stolen keys are good for nothing from then on, on every node.
func TestReplacedAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(), w.node()
	old := w.sign(a, oidc.RS256)
	w.published(b) // b has seen the old keys
	if err := b.Rotate(t.Context(), account, true, issuer.Event{ID: "e", Record: []byte(`{"event":1}`)}); err != nil {
		t.Fatal(err)
	}
	fresh := w.sign(a, oidc.RS256)
	for _, k := range []*issuer.Keeper{a, b} {
		if w.verify(old, w.published(k), w.clock()) == nil {
			t.Error("a token of the old key is accepted")
		}
		if err := w.verify(fresh, w.published(k), w.clock()); err != nil {
			t.Error(err)
		}
	}
	found := false
	err := w.store.View(t.Context(), func(r store.Reader) error {
		for e, err := range r.Range(entity.OutboxPlane) {
			if err != nil {
				return err
			}
			found = found || string(e.Value) == `{"event":1}`
		}
		return nil
	})
	if err != nil || !found {
		t.Errorf("the event is not in the outbox: %v", err)
	}
}

// TestPublished: the documents, for everybody, and nothing else.
func TestPublished(t *testing.T) {
	w := newWorld(t)
	k := w.node()
	base := w.form.URL(id)
	if got := string(w.published(k)); got != `{"keys":[]}` {
		t.Errorf("before there are keys: %s", got)
	}
	if err := k.Prepare(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	rec := w.get(k, "GET", base+"/.well-known/openid-configuration")
	var d map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &d); err != nil || d["issuer"] != base || d["jwks_uri"] != base+"/.well-known/jwks.json" {
		t.Errorf("%s, %v", rec.Body, err)
	}
	if _, err := oidc.ParseMetadata(rec.Body.Bytes(), base); err != nil {
		t.Error(err)
	}
	for document, age := range map[string]string{"openid-configuration": "public, max-age=3600", "jwks.json": "public, max-age=300"} {
		rec = w.get(k, "HEAD", base+"/.well-known/"+document)
		h := rec.Header()
		if rec.Code != 200 || rec.Body.Len() != 0 || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != age || h.Get("Content-Length") == "" ||
			h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", document, rec.Code, h)
		}
		rec = w.get(k, "POST", base+"/.well-known/"+document)
		if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: %d", rec.Code)
		}
		other := strings.Replace(base, id, "ffffffff-ffff-4fff-8fff-ffffffffffff", 1)
		rec = w.get(k, "GET", other+"/.well-known/"+document)
		if rec.Code != 404 || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("of nobody: %d %v", rec.Code, rec.Header())
		}
	}
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"dp"`} {
		if bytes.Contains(w.published(k), []byte(private)) {
			t.Errorf("the key set has a member %s", private)
		}
	}
}

// TestKeysStaySecret looks for the private halves where they must not be: in logs, and unsealed in the store. Changed records sign
// nothing.
func TestKeysStaySecret(t *testing.T) {
	w := newWorld(t)
	k := w.node()
	token := w.sign(k, oidc.RS256)
	if err := k.Rotate(t.Context(), account, false, issuer.Event{ID: "e", Record: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	var value []byte
	if err := w.store.View(t.Context(), func(r store.Reader) error {
		e, _, err := r.Get(entity.IssuerKey(account))
		value = e.Value
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var stored struct {
		Keys []struct {
			ID, Algorithm string
			Sealed        []byte
		}
	}
	if err := json.Unmarshal(value[1:], &stored); err != nil || len(stored.Keys) != 4 {
		t.Fatalf("%s: %v", value, err)
	}
	for _, s := range stored.Keys {
		text, err := w.ring.Open(seal.TokenKey, s.Sealed, []byte(account+"/"+s.ID))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x509.ParsePKCS8PrivateKey(text); err != nil {
			t.Fatal(err) // else the next lines show nothing
		}
		for _, form := range []string{string(text[30:62]), base64.StdEncoding.EncodeToString(text[30:62]), fmt.Sprintf("%x", text[30:62])} {
			if strings.Contains(w.logs(), form) || bytes.Contains(value, []byte(form)) {
				t.Error("a private key shows")
			}
		}
		if _, err := w.ring.Open(seal.TokenKey, s.Sealed, []byte("444455556666/"+s.ID)); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("opens for another account: %v", err)
		}
		if _, err := w.ring.Open(seal.PrivateKey, s.Sealed, []byte(account+"/"+s.ID)); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("opens for another purpose: %v", err)
		}
	}
	if !strings.Contains(w.logs(), keyOf(t, token)) {
		t.Errorf("the log does not name the key that was made: %s", w.logs())
	}
	// Two records exchanged, as somebody who can write to the store but has no key ring could do.
	if _, err := w.store.Update(t.Context(), func(tx store.Txn) error {
		tx.Put(entity.IssuerKey("444455556666"), value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if token, err := k.Sign(t.Context(), "444455556666", oidc.RS256, []byte("{}")); err == nil || token != "" {
		t.Error("signed with another account's key")
	}
}

// TestKeyRingTurnsOver: the keys follow when the key ring gets a new key, and the old one can go.
func TestKeyRingTurnsOver(t *testing.T) {
	w := newWorld(t)
	k := w.node()
	token := w.sign(k, oidc.ES384)
	old := w.ring.Keys()[0].ID
	if err := w.ring.Rotate(w.clock(), nil); err != nil {
		t.Fatal(err)
	}
	dir := directory.New(directory.Config{Store: w.store, Ring: w.ring, Now: w.clock})
	if n, err := dir.Reseal(t.Context(), [][]byte{entity.IssuerKey(account)}, w.ring.Current()); err != nil || n != 1 {
		t.Fatalf("%d records sealed anew, %v", n, err)
	}
	if err := w.ring.Drop(old); err != nil {
		t.Fatal(err)
	}
	fresh := w.node()
	if err := w.verify(token, w.published(fresh), w.clock()); err != nil {
		t.Error(err)
	}
	if keyOf(t, w.sign(fresh, oidc.ES384)) != keyOf(t, token) {
		t.Error("another key signs")
	}
}

// TestStoreAway: without the store nothing is signed and nothing published.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	k := w.node()
	w.sign(k, oidc.ES384)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Sign(context.Background(), account, oidc.ES384, []byte("{}")); err == nil {
		t.Error("signed")
	}
	rec := w.get(k, "GET", w.form.URL(id)+"/.well-known/jwks.json")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
}
