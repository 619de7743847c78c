package cell_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/cell"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// world is an installation of cells: a store and a node each, a directory, and routers.
type world struct {
	t         testing.TB
	directory *mem.Store
	cells     map[string]*cellWorld
	names     []string
	doors     map[string]http.Handler
	router    *cell.Router // whose map is as old as it may be
	sentOn    atomic.Int64 // calls that an old map had misdirected
}

type cellWorld struct {
	store *mem.Store
	node  *node.Node
	door  *cell.Door
}

func newWorld(t testing.TB, cells int) *world {
	w := &world{t: t, directory: mem.Open(mem.Config{}), cells: map[string]*cellWorld{}, doors: map[string]http.Handler{}}
	t.Cleanup(func() { _ = w.directory.Close() })
	master := filepath.Join(t.TempDir(), "master.key")
	if _, err := seal.CreateMaster(master, nil); err != nil {
		t.Fatal(err)
	}
	var ring [][2][]byte // the first cell's key ring, which is everybody's
	for i := range cells {
		name := fmt.Sprintf("cell-%d", i)
		c := &cellWorld{store: mem.Open(mem.Config{})}
		t.Cleanup(func() { _ = c.store.Close() })
		w.put(c.store, ring)
		n, err := node.Open(t.Context(), node.Config{Opened: cell.Fenced{Store: c.store}, MasterKeyFile: master})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		c.node, c.door = n, cell.NewDoor(c.store, n.Handler(), nil)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = c.door.Run(ctx) }()
		t.Cleanup(func() { stop(); <-ended })
		if ring == nil {
			ring = w.records(c.store, entity.SystemKey("keyring"), entity.SystemKey("format"))
		}
		w.cells[name], w.doors[name] = c, c.door
		w.names = append(w.names, name)
	}
	w.router = w.newRouter()
	return w
}

func (w *world) newRouter() *cell.Router {
	return &cell.Router{Map: cell.NewMap(w.directory), Cells: w.doors, Default: w.names[0], Misdirected: func(string) { w.sentOn.Add(1) }}
}

func (w *world) put(st store.Store, records [][2][]byte) {
	if _, err := st.Update(context.Background(), func(txn store.Txn) error {
		for _, r := range records {
			txn.Put(r[0], r[1])
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) records(st store.Store, keys ...[]byte) (found [][2][]byte) {
	if err := st.View(context.Background(), func(r store.Reader) error {
		for _, key := range keys {
			e, ok, err := r.Get(key)
			if err != nil || !ok {
				return errors.Join(err, fmt.Errorf("%x: found %v", key, ok))
			}
			found = append(found, [2][]byte{e.Key, e.Value})
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return found
}

// mover returns a mover that has every cell. through may put something between it and its stores.
func (w *world) mover(through func(store.Store) store.Store) *cell.Mover {
	if through == nil {
		through = func(s store.Store) store.Store { return s }
	}
	m := &cell.Mover{Directory: through(w.directory), Cells: map[string]cell.Cell{}}
	for name, c := range w.cells {
		m.Cells[name] = cell.Cell{Store: through(c.store), Settled: func(ctx context.Context, at store.Revision) error {
			return errors.Join(c.node.Reached(ctx, at), c.door.Reached(ctx, at))
		}}
	}
	return m
}

// key is who signs.
type key struct{ account, id, secret string }

// account makes an account in a cell, and returns its root user's key.
func (w *world) account(in string) key {
	w.t.Helper()
	k, err := w.cells[in].node.CreateAccount(w.t.Context(), server.NewAccount{})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.router.Map.Place(w.t.Context(), k.AccountID, in); err != nil {
		w.t.Fatal(err)
	}
	return key{k.AccountID, k.AccessKeyID, k.SecretAccessKey.Reveal()}
}

// answer is what came back.
type answer struct {
	status int
	code   string // of an error
	body   []byte
}

// call signs and sends a call: form has the operation's name first, then parameters by pairs.
func call(to http.Handler, k key, form ...string) answer {
	values := url.Values{"Action": {form[0]}, "Version": {"2010-05-08"}}
	for i := 1; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	body := values.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://iam.ostiary.test/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := sigv4.Signer{AccessKeyID: k.id, Secret: k.secret, Region: "us-east-1", Service: "iam"}
	if err := s.Sign(r, sha256.Sum256([]byte(body)), time.Now()); err != nil {
		panic(err) // the request is of our own making
	}
	w := httptest.NewRecorder()
	to.ServeHTTP(w, r)
	a := answer{status: w.Code, body: w.Body.Bytes()}
	if a.status != http.StatusOK {
		a.code = a.element("Code")
	}
	return a
}

// element is the text of the first element with that name.
func (a answer) element(name string) string {
	for _, text := range a.elements(name) {
		return text
	}
	return ""
}

func (a answer) elements(name string) (all []string) {
	dec := xml.NewDecoder(bytes.NewReader(a.body))
	for {
		token, err := dec.Token()
		if err != nil {
			return all
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == name {
			var text string
			if dec.DecodeElement(&text, &s) == nil {
				all = append(all, text)
			}
		}
	}
}

func (a answer) String() string { return fmt.Sprintf("%d %s %.300s", a.status, a.code, a.body) }

// must calls until the account is open, and fails on any other refusal.
func (w *world) must(to http.Handler, k key, form ...string) answer {
	w.t.Helper()
	for range 10_000 {
		a := call(to, k, form...)
		if a.status == http.StatusOK {
			return a
		}
		if a.status != http.StatusServiceUnavailable {
			w.t.Fatalf("%q: %s", form, a)
		}
	}
	w.t.Fatalf("%q: the account does not open again", form)
	return answer{}
}

// homes are the cells whose store has something of an account.
func (w *world) homes(account string) (in []string) {
	for _, name := range w.names {
		if len(w.of(name, account)) > 0 {
			in = append(in, name)
		}
	}
	return in
}

// of returns the keys in a cell's store that name the account or one of its access keys.
func (w *world) of(name, account string) (keys []string) {
	if err := w.cells[name].store.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			if cell.AccountOf(e.Key) == account {
				keys = append(keys, string(e.Key))
			}
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// settle waits until nodes and doors show what is in their stores.
func (w *world) settle() {
	w.t.Helper()
	for _, c := range w.cells {
		head, err := c.store.Head(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if err := errors.Join(c.node.Reached(w.t.Context(), head), c.door.Reached(w.t.Context(), head)); err != nil {
			w.t.Fatal(err)
		}
	}
}
