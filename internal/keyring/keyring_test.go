package keyring_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

var t0 = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// world is a store with several nodes on it.
type world struct {
	t      *testing.T
	store  store.Store
	master seal.Master
	now    time.Time
	nodes  []*node
	events []string
}

type node struct {
	*keyring.Keyring
	ring *seal.Ring
	dir  *directory.Directory
}

func newWorld(t *testing.T, nodes int, settle time.Duration) *world {
	t.Helper()
	w := &world{t: t, store: mem.Open(mem.Config{}), now: t0}
	t.Cleanup(func() { _ = w.store.Close() })
	var err error
	if w.master, err = seal.NewMaster(nil); err != nil {
		t.Fatal(err)
	}
	ring, err := seal.NewRing("store", t0, nil)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := ring.Marshal(w.master)
	if err != nil {
		t.Fatal(err)
	}
	w.update(func(tx store.Txn) { tx.Put(entity.SystemKey(entity.SysRing), wrapped) })
	for range nodes {
		w.join(w.store, settle)
	}
	return w
}

// join adds a node.
func (w *world) join(st store.Store, settle time.Duration) *node {
	w.t.Helper()
	ring, err := keyring.Unwrap(w.master, w.system(entity.SysRing), w.system(entity.SysNextRing))
	if err != nil {
		w.t.Fatal(err)
	}
	now := func() time.Time { return w.now }
	n := &node{ring: ring, dir: directory.New(directory.Config{Store: w.store, Ring: ring, Now: now})}
	n.Keyring = keyring.New(keyring.Config{
		Store: st, Ring: ring, Master: w.master, Records: n.dir, Settle: settle, Now: now,
		Reload: func() (seal.Master, error) { return w.master, nil },
		Event: func(name string, key uint32) ([]byte, []byte, error) {
			w.events = append(w.events, name)
			return entity.OutboxKey(uint64(len(w.events)), name), []byte("{}"), nil
		},
	})
	w.nodes = append(w.nodes, n)
	return n
}

func (w *world) update(fn func(store.Txn)) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), func(tx store.Txn) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) system(name string) (value []byte) {
	w.t.Helper()
	if err := w.store.View(w.t.Context(), func(r store.Reader) error {
		e, _, err := r.Get(entity.SystemKey(name))
		value = e.Value
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return value
}

func (w *world) head() store.Revision {
	w.t.Helper()
	rev, err := w.store.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return rev
}

// TestLateNews: a ring that was read before the node changed it does not take the change back.
func TestLateNews(t *testing.T) {
	w := newWorld(t, 1, 0)
	n := w.nodes[0]
	at, old := w.head(), w.system(entity.SysRing)
	if _, err := n.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Saw(at, old, nil); err != nil {
		t.Fatal(err)
	}
	w.want("old current")
}

// spread lets every node see the ring that the store has.
func (w *world) spread() {
	w.t.Helper()
	for _, n := range w.nodes {
		if err := n.Saw(w.head(), w.system(entity.SysRing), w.system(entity.SysNextRing)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// change is a write without a decision.
type change struct{}

func (change) Guards() []store.Guard { return nil }
func (change) Event(any) (string, []byte, error) {
	return fmt.Sprint(rand.Uint64()), []byte("{}"), nil
}

// account makes an account on a node, and returns the ID and secret of its key.
func (w *world) account(n *node) (id, text string) {
	w.t.Helper()
	key, _, err := directory.Commit(w.t.Context(), n.dir, change{}, func(tx *directory.Tx) (*directory.IssuedKey, error) {
		_, key, err := tx.CreateAccount(directory.NewAccount{})
		return key, err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return key.ID, key.Secret.Reveal()
}

// opens reports whether a node opens the secret of a key.
func (w *world) opens(n *node, id, want string) bool {
	w.t.Helper()
	ok := false
	if err := w.store.View(w.t.Context(), func(r store.Reader) error {
		e, _, err := r.Get(entity.AccessKeyKey(id))
		if err != nil {
			return err
		}
		key, err := entity.Decode[entity.AccessKey](e.Value)
		if err != nil {
			return err
		}
		text, err := n.ring.Open(seal.AccessKeySecret, key.Sealed, []byte(id))
		ok = err == nil && string(text) == want
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return ok
}

func (w *world) token(n *node) string {
	w.t.Helper()
	token, err := session.Issue(n.ring, &session.Claims{Kind: session.SessionToken, Account: "1", PrincipalID: "1", AccessKeyID: "ASIA", Secret: secret.New("x"),
		Issued: w.now, Expires: w.now.Add(session.Longest)}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) tend(n *node) {
	w.t.Helper()
	if err := n.Tend(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// states are the keys of a node, oldest first.
func states(n *node) string {
	var all []string
	for _, k := range n.ring.Keys() {
		switch {
		case k.Current:
			all = append(all, "current")
		case k.Waiting:
			all = append(all, "waiting")
		default:
			all = append(all, "old")
		}
	}
	return strings.Join(all, " ")
}

func (w *world) want(want string) {
	w.t.Helper()
	for i, n := range w.nodes {
		if got := states(n); got != want {
			w.t.Errorf("node %d: keys are %s, want %s", i, got, want)
		}
	}
}

// TestOneNode turns a key over on one node and watches it go.
func TestOneNode(t *testing.T) {
	w := newWorld(t, 1, 0)
	n := w.nodes[0]
	ids := map[string]string{}
	for range 100 {
		id, text := w.account(n)
		ids[id] = text
	}
	old := n.ring.Current()
	token := w.token(n)
	if _, err := n.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.want("old current")
	lastOld := w.now.Add(keyring.Retention)
	for range 3 {
		w.tend(n)
		for id, text := range ids {
			if !w.opens(n, id, text) {
				t.Fatalf("%s does not open", id)
			}
		}
		if uses, err := keyring.Uses(t.Context(), w.store, n.ring); err != nil || uses[old] != 0 || uses[n.ring.Current()] != 100 {
			t.Errorf("uses %v, %v", uses, err)
		}
		if _, err := session.Open(n.ring, token); err != nil {
			t.Errorf("the session: %v", err)
		}
		w.now = w.now.Add(session.Longest / 2)
	}
	w.now = lastOld.Add(-time.Second)
	w.tend(n)
	w.want("old current")
	w.now = w.now.Add(time.Hour + time.Second) // it looks once an hour
	w.tend(n)
	w.want("current")
	if _, err := session.Open(n.ring, token); err == nil {
		t.Error("the old key opens")
	}
	for id, text := range ids {
		if !w.opens(n, id, text) {
			t.Fatalf("%s does not open", id)
		}
	}
	if got := strings.Join(w.events, " "); got != "RotateKeys DropKey" {
		t.Errorf("events: %s", got)
	}
	w.join(w.store, 0) // what is in the store is that too
	w.want("current")
}

// TestThreeNodes: nothing is sealed under a key that a node has not.
func TestThreeNodes(t *testing.T) {
	w := newWorld(t, 3, time.Minute)
	a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
	id, text := w.account(a)
	if _, err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if states(a) != "current waiting" || states(b) != "current" {
		t.Errorf("%s, %s", states(a), states(b))
	}
	for _, n := range w.nodes { // what any of them seals opens on all
		token := w.token(n)
		for _, m := range w.nodes {
			if _, err := session.Open(m.ring, token); err != nil {
				t.Error(err)
			}
		}
	}
	w.spread()
	if _, err := b.Rotate(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("another rotation: %v", err)
	}
	w.tend(c)
	w.want("current waiting")
	w.now = w.now.Add(time.Minute)
	w.tend(c)
	w.tend(b) // has not heard of it, finds it done, and knows it then
	if states(c) != "old current" || states(b) != "old current" || states(a) != "current waiting" {
		t.Errorf("%s, %s, %s", states(c), states(b), states(a))
	}
	token := w.token(c)
	if _, err := session.Open(a.ring, token); err != nil {
		t.Errorf("sealed under the key that a has and does not use yet: %v", err)
	}
	w.spread()
	w.want("old current")
	// The time of a key's end counts from when it was last current, not from when the next was made.
	if since := a.ring.Keys()[1].Created; !since.Equal(w.now) {
		t.Errorf("current since %v, want %v", since, w.now)
	}
	for _, n := range w.nodes {
		w.tend(n)
		if !w.opens(n, id, text) {
			t.Error("a secret does not open")
		}
	}
	w.now = w.now.Add(keyring.Retention + time.Hour)
	for _, n := range w.nodes[:2] {
		w.tend(n)
	}
	w.spread()
	w.tend(c)
	w.want("current")
	if got := strings.Join(w.events, " "); got != "RotateKeys PromoteKey DropKey" {
		t.Errorf("events: %s", got)
	}
}

// TestUnknownKindsKeepTheirKey: a record that the rotation cannot seal anew keeps its key, whatever its form.
func TestUnknownKindsKeepTheirKey(t *testing.T) {
	for form, encode := range map[string]func([]byte) []byte{
		"JSON": func(b []byte) []byte {
			return entity.Encode(map[string]any{"New": map[string]any{"Deep": []any{1, b}}})
		},
		"as it is": func(b []byte) []byte { return b },
	} {
		w := newWorld(t, 1, 0)
		n := w.nodes[0]
		sealed, err := n.ring.Seal(seal.Message, []byte("text"), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.update(func(tx store.Txn) { tx.Put([]byte("\x02new\x00"), encode(sealed)) })
		if _, err := n.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.now = w.now.Add(keyring.Retention)
			w.tend(n)
		}
		if got := states(n); got != "old current" {
			t.Errorf("%s: keys are %s", form, got)
		}
		uses, err := n.Uses(t.Context())
		if err != nil || uses[0].Records != 1 || uses[1].Records != 0 || uses[0].Until.IsZero() || !uses[1].Until.IsZero() {
			t.Errorf("%s: %+v, %v", form, uses, err)
		}
		w.update(func(tx store.Txn) { tx.Delete([]byte("\x02new\x00")) })
		w.now = w.now.Add(time.Hour)
		w.tend(n)
		w.want("current")
	}
}

var errCut = errors.New("cut")

// failing lets a number of Updates pass.
type failing struct {
	store.Store
	after int
}

func (f *failing) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if f.after--; f.after < 0 {
		return 0, errCut
	}
	return f.Store.Update(ctx, fn)
}

// TestCutOff cuts a rotation off at each transaction; a node that starts then takes it to its end.
func TestCutOff(t *testing.T) {
	ended := false
	for n := 0; !ended; n++ {
		w := newWorld(t, 0, 0)
		broken := &failing{Store: w.store, after: n}
		now := func() time.Time { return w.now }
		a := w.join(broken, 0)
		a.Keyring = keyring.New(keyring.Config{Store: broken, Ring: a.ring, Master: w.master, Now: now, Settle: time.Second,
			Records: directory.New(directory.Config{Store: broken, Ring: a.ring, Now: now})})
		secrets := map[string]string{}
		for range 100 {
			id, text := w.account(a)
			secrets[id] = text
		}
		_, err := a.Rotate(t.Context())
		for range 3 {
			if err == nil {
				err = a.Tend(t.Context())
			}
			w.now = w.now.Add(keyring.Retention + time.Hour)
		}
		ended = err == nil
		b := w.join(w.store, time.Second)
		for id, text := range secrets {
			if !w.opens(b, id, text) {
				t.Fatalf("cut after %d: %s does not open", n, id)
			}
		}
		for range 3 {
			w.tend(b)
			w.now = w.now.Add(keyring.Retention + time.Hour)
		}
		if got := states(b); got != "current" {
			t.Errorf("cut after %d: keys are %s", n, got)
		}
		for id, text := range secrets {
			if !w.opens(b, id, text) {
				t.Fatalf("cut after %d, at the end: %s does not open", n, id)
			}
		}
		if n > 20 {
			t.Fatal("it does not end")
		}
	}
}

// TestMaster replaces the master key: at every moment a node starts with the key that it has.
func TestMaster(t *testing.T) {
	w := newWorld(t, 1, 0)
	n := w.nodes[0]
	id, text := w.account(n)
	old := w.master
	next, _ := seal.NewMaster(nil)
	third, _ := seal.NewMaster(nil)
	starts := func(m seal.Master) bool {
		ring, err := keyring.Unwrap(m, w.system(entity.SysRing), w.system(entity.SysNextRing))
		return err == nil && w.opens(&node{ring: ring}, id, text)
	}
	if err := keyring.BeginMaster(t.Context(), w.store, old, old); fault.KindOf(err) != fault.Invalid {
		t.Errorf("to the same: %v", err)
	}
	if err := keyring.BeginMaster(t.Context(), w.store, third, next); !errors.Is(err, seal.ErrMaster) {
		t.Errorf("from another: %v", err)
	}
	if err := keyring.EndMaster(t.Context(), w.store, next); fault.KindOf(err) != fault.Conflict {
		t.Errorf("ending what was not begun: %v", err)
	}
	for _, to := range []seal.Master{third, next} { // beginning anew replaces what was begun
		if err := keyring.BeginMaster(t.Context(), w.store, old, to); err != nil {
			t.Fatal(err)
		}
	}
	if !starts(old) || !starts(next) || starts(third) {
		t.Error("not the two keys start")
	}
	if _, err := n.Rotate(t.Context()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("rotating meanwhile: %v", err)
	}
	w.spread()
	if err := keyring.EndMaster(t.Context(), w.store, old); err != nil { // gives it up
		t.Fatal(err)
	}
	if !starts(old) || starts(next) {
		t.Error("given up: not the old key starts")
	}
	if err := keyring.BeginMaster(t.Context(), w.store, old, next); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := keyring.EndMaster(t.Context(), w.store, next); err != nil {
			t.Fatal(err)
		}
		if starts(old) || !starts(next) {
			t.Error("ended: not the new key starts")
		}
	}
	// A node that runs goes on with what it has, and takes the new key when its file is there.
	if err := n.Saw(w.head(), w.system(entity.SysRing), nil); !errors.Is(err, seal.ErrMaster) || !w.opens(n, id, text) {
		t.Errorf("before the file is there: %v", err)
	}
	w.master = next
	if err := n.Saw(w.head(), w.system(entity.SysRing), nil); err != nil || n.Master() != next {
		t.Errorf("then: %v", err)
	}
	if _, err := n.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNeedle holds how uses of a key are found against how records are written.
func TestNeedle(t *testing.T) {
	for range 50 {
		w := newWorld(t, 1, 0)
		ring := w.nodes[0].ring
		sealed, err := ring.Seal(seal.TOTPSeed, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		other, err := json.Marshal(map[string]any{"Text": strings.Repeat("AQ", 50)})
		if err != nil {
			t.Fatal(err)
		}
		w.update(func(tx store.Txn) {
			tx.Put([]byte("a"), entity.Encode(&entity.MFADevice{Serial: "x", Sealed: sealed}))
			tx.Put([]byte("b"), other)
		})
		if uses, err := keyring.Uses(t.Context(), w.store, ring); err != nil || uses[ring.Current()] != 1 {
			t.Fatalf("%v, %v", uses, err)
		}
	}
}
