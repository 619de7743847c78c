package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/migrate"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

var t0 = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// steps are registered nowhere but here: 2 puts a letter before the values of users, 3 takes away what is called "gone" and writes
// the rest in capitals.
var steps = []migrate.Step{
	{To: 2, What: "users", Prefix: keyenc.Encode("id", "user"), Convert: func(_, value []byte) ([]byte, bool, error) {
		if bytes.HasPrefix(value, []byte("u")) {
			return nil, false, nil
		}
		return append([]byte("u"), value...), true, nil
	}},
	{To: 3, What: "capitals", Convert: func(key, value []byte) ([]byte, bool, error) {
		if strings.Contains(string(key), "gone") {
			return nil, true, nil
		}
		upper := bytes.ToUpper(value)
		return upper, !bytes.Equal(upper, value), nil
	}},
}

type world struct {
	store.Store
	t   *testing.T
	now time.Time
}

func newWorld(t *testing.T, format string, n int) *world {
	t.Helper()
	w := &world{Store: mem.Open(mem.Config{}), t: t, now: t0}
	t.Cleanup(func() { _ = w.Close() })
	for i := range n {
		w.put(keyenc.Encode("id", "user", fmt.Sprint(i)), fmt.Sprint("v", i))
		w.put(keyenc.Encode("id", "role", fmt.Sprint(i)), fmt.Sprint("v", i))
	}
	w.put(keyenc.Encode("x", "gone"), "x")
	w.put(keyenc.Encode("y"), strings.Repeat("y", 700_000))
	w.put(keyenc.Encode("z"), strings.Repeat("z", 700_000))
	w.put(entity.SystemKey("small"), "letters")
	if format != "" {
		w.put(entity.SystemKey(entity.SysFormat), format)
	}
	return w
}

func (w *world) put(key []byte, value string) {
	w.t.Helper()
	if _, err := w.Update(context.Background(), func(tx store.Txn) error { tx.Put(key, []byte(value)); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) content() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	if err := w.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			all[keyenc.Print(e.Key)] = string(e.Value)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) config(st store.Store, id string) migrate.Config {
	return migrate.Config{Store: st, Present: 3, Steps: steps, ID: id, Now: func() time.Time { return w.now },
		Pause: func(context.Context) error { return errors.New("somebody else has the lease") }}
}

// want is the content after both steps.
func want(n int) map[string]string {
	all := map[string]string{
		keyenc.Print(keyenc.Encode("y")): strings.Repeat("Y", 700_000), keyenc.Print(keyenc.Encode("z")): strings.Repeat("Z", 700_000),
		keyenc.Print(entity.SystemKey("small")): "letters", keyenc.Print(entity.SystemKey(entity.SysFormat)): "3",
	}
	for i := range n {
		all[keyenc.Print(keyenc.Encode("id", "user", fmt.Sprint(i)))] = fmt.Sprint("UV", i)
		all[keyenc.Print(keyenc.Encode("id", "role", fmt.Sprint(i)))] = fmt.Sprint("V", i)
	}
	return all
}

func TestForward(t *testing.T) {
	w := newWorld(t, "1", 500)
	if err := migrate.Run(t.Context(), w.config(w, "a")); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(w.content(), want(500)) {
		t.Error("not what both steps make")
	}
	head, _ := w.Head(t.Context())
	if err := migrate.Run(t.Context(), w.config(w, "b")); err != nil {
		t.Fatal(err)
	}
	if again, _ := w.Head(t.Context()); again != head {
		t.Error("the present format was written to")
	}
}

// cut lets a number of Updates pass.
type cut struct {
	store.Store
	after int
}

var errCut = errors.New("cut")

func (c *cut) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if c.after--; c.after < 0 {
		return 0, errCut
	}
	return c.Store.Update(ctx, fn)
}

// TestCutOff cuts a migration off at each transaction. Another node waits until the lease has ended, and goes on; one that has the store
// alone need not wait.
func TestCutOff(t *testing.T) {
	for _, alone := range []bool{false, true} {
		for n := 0; ; n++ {
			w := newWorld(t, "1", 60)
			err := migrate.Run(t.Context(), w.config(&cut{w, n}, "a"))
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatal(err)
			}
			c := w.config(w, "b")
			if c.Alone = alone; !alone && n > 0 {
				if err := migrate.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "somebody else") {
					t.Fatalf("cut after %d, at once: %v", n, err)
				}
				w.now = w.now.Add(migrate.LeaseTime)
			}
			if format := w.content()[keyenc.Print(entity.SystemKey(entity.SysFormat))]; n > 1 && format == "1" {
				t.Errorf("cut after %d: an older version would serve", n)
			}
			if err := migrate.Run(t.Context(), c); err != nil {
				t.Fatalf("cut after %d: %v", n, err)
			}
			if !maps.Equal(w.content(), want(60)) {
				t.Errorf("cut after %d: not what both steps make", n)
			}
		}
	}
}

// TestTwoNodes: one works, the other waits; one that lost its lease does nothing any more.
func TestTwoNodes(t *testing.T) {
	w := newWorld(t, "1", 300)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c := w.config(w, fmt.Sprint(i))
			c.Pause = func(context.Context) error { return nil }
			if err := migrate.Run(context.Background(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !maps.Equal(w.content(), want(300)) {
		t.Error("not what both steps make")
	}

	// "a" is held up in the middle of its work until "b" has taken over and ended: what a does then fails, and it finds all done.
	w = newWorld(t, "1", 300)
	held := &between{Store: w, at: 6, do: func() {
		w.now = w.now.Add(2 * migrate.LeaseTime)
		if err := migrate.Run(context.Background(), w.config(w, "b")); err != nil {
			t.Error(err)
		}
		w.put(keyenc.Encode("id", "user", "new"), "written after the migration")
	}}
	if err := migrate.Run(t.Context(), w.config(held, "a")); err != nil {
		t.Error(err)
	}
	got := w.content()
	if got[keyenc.Print(keyenc.Encode("id", "user", "new"))] != "written after the migration" || held.at > 0 {
		t.Error("a went on without its lease")
	}
}

// between does something before one of the Updates.
type between struct {
	store.Store
	at int
	do func()
}

func (b *between) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	if b.at--; b.at == 0 {
		b.do()
	}
	return b.Store.Update(ctx, fn)
}

func TestRefused(t *testing.T) {
	for format, say := range map[string]string{
		"4": "a newer version of Ostiary wrote the store: it has format 4 and this version reads formats up to 3", "3>4": "newer version",
		"0": "none of Ostiary's", "x": "none of Ostiary's", "1>3": "none of Ostiary's", ">2": "none of Ostiary's", "1>": "none of Ostiary's",
	} {
		w := newWorld(t, format, 1)
		before := w.content()
		if err := migrate.Run(t.Context(), w.config(w, "a")); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("format %s: %v", format, err)
		}
		if !maps.Equal(before, w.content()) {
			t.Errorf("format %s: the store was changed", format)
		}
	}
	c := newWorld(t, "1", 1)
	late := c.config(c, "a")
	late.Steps = steps[1:]
	if err := migrate.Run(t.Context(), late); err == nil || !strings.Contains(err.Error(), "nothing so old") {
		t.Errorf("too old: %v", err)
	}
	broken := c.config(c, "a")
	broken.Steps = []migrate.Step{{To: 2, What: "x", Convert: func(_, _ []byte) ([]byte, bool, error) { return nil, false, errCut }}, steps[1]}
	if err := migrate.Run(t.Context(), broken); !errors.Is(err, errCut) || !strings.Contains(err.Error(), "migrating the store to format 2 (x)") {
		t.Errorf("a record that does not convert: %v", err)
	}
	if err := migrate.Run(t.Context(), newWorld(t, "", 0).config(newWorld(t, "", 0), "a")); err != nil {
		t.Errorf("no format: %v", err)
	}
}
