package backup_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// engines make empty stores.
var engines = map[string]func(testing.TB) store.Store{
	"mem": func(t testing.TB) store.Store {
		s := mem.Open(mem.Config{})
		t.Cleanup(func() { _ = s.Close() })
		return s
	},
	"bolt": func(t testing.TB) store.Store {
		s, err := bolt.Open(filepath.Join(t.TempDir(), "store"), bolt.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	},
}

// world is an installation with its master key.
type world struct {
	store.Store
	master seal.Master
	ring   *seal.Ring
}

func newWorld(t testing.TB, engine string) *world {
	t.Helper()
	master, err := seal.NewMaster(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Store: engines[engine](t), master: master}
	if w.ring, err = seal.NewRing("store-1", now, nil); err != nil {
		t.Fatal(err)
	}
	wrapped, err := w.ring.Marshal(master)
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, string(entity.SystemKey(entity.SysRing)), string(wrapped))
	put(t, w, string(entity.SystemKey(entity.SysFormat)), "1")
	return w
}

func put(t testing.TB, s store.Store, key, value string) store.Revision {
	t.Helper()
	r, err := s.Update(t.Context(), func(tx store.Txn) error { tx.Put([]byte(key), []byte(value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fill puts in n records of all sizes.
func (w *world) fill(t testing.TB, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := 0; i < n; {
		_, err := w.Update(t.Context(), func(tx store.Txn) error {
			for range 100 {
				if i++; i > n {
					break
				}
				value := make([]byte, r.IntN(300))
				if i%1000 == 7 {
					value = make([]byte, 200_000)
				}
				for j := range value {
					value[j] = byte(r.IntN(40))
				}
				tx.Put(keyenc.Encode("id", "user", fmt.Sprint(i%7), fmt.Sprintf("AIDA%06d", i)), value)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) source() backup.Source {
	return backup.Source{Store: w, Master: w.master, Engine: "test", Version: "v0", Now: now}
}

func (w *world) take(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := backup.Take(t.Context(), &b, w.source()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// content is all that is in a store, but for what a restore leaves behind.
func content(t testing.TB, s store.Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := s.View(t.Context(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			all[keyenc.Print(e.Key)] = string(e.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// restored is the content of a restored store, without what the restore left; it says whether that was there.
func restored(t testing.TB, s store.Store) (map[string]string, bool) {
	all := content(t, s)
	key := keyenc.Print(entity.SystemKey(entity.SysIncarnation))
	_, ok := all[key]
	delete(all, key)
	return all, ok
}

func open(t testing.TB, file []byte, master *seal.Master) *backup.Archive {
	t.Helper()
	a, err := backup.Open(bytes.NewReader(file), master)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func restore(t testing.TB, a *backup.Archive, st store.Store, overwrite bool) {
	t.Helper()
	if err := a.Mark(t.Context(), st, "attempt", overwrite, now); err != nil {
		t.Fatal(err)
	}
	if err := a.Restore(t.Context(), backup.Restoration{Store: st, ID: "attempt", Now: now}); err != nil {
		t.Fatal(err)
	}
}

func TestThereAndBack(t *testing.T) {
	for from := range engines {
		for to := range engines {
			t.Run(from+" to "+to, func(t *testing.T) {
				w := newWorld(t, from)
				w.fill(t, 3500)
				put(t, w, "\x02empty\x00", "")
				head, _ := w.Head(t.Context())
				a := open(t, w.take(t), &w.master)
				want := content(t, w)
				if a.Records != int64(len(want)) || a.Revision != int64(head) || a.StoreID != "store-1" || !a.Proven || a.StoreFormat != "1" || !a.TakenAt.Equal(now) {
					t.Errorf("%+v", a.Summary)
				}
				target := engines[to](t)
				var last int64
				if err := a.Mark(t.Context(), target, "x", false, now); err != nil {
					t.Fatal(err)
				}
				err := a.Restore(t.Context(), backup.Restoration{Store: target, ID: "x", Now: now,
					Progress: func(done, all int64) { last = max(last, done) },
					Event: func(s backup.Summary) ([]byte, []byte, error) {
						return keyenc.Encode("out", uint64(1), "e"), []byte(s.Sum), nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				got, anew := restored(t, target)
				want[keyenc.Print(keyenc.Encode("out", uint64(1), "e"))] = a.Sum
				if !anew || last != a.Records {
					t.Errorf("incarnation %v, progress %d", anew, last)
				}
				if !maps.Equal(want, got) {
					t.Errorf("%d records became %d", len(want), len(got))
				}
			})
		}
	}
}

// TestOverwrite restores over other data, and over what a restore that was cut off has left.
func TestOverwrite(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			w := newWorld(t, engine)
			w.fill(t, 300)
			a := open(t, w.take(t), &w.master)
			want := content(t, w)
			w.fill(t, 12_500) // others under the same keys, and more
			put(t, w, "zzz", "")
			if err := a.Mark(t.Context(), w, "1", false, now); !errors.Is(err, backup.ErrNotEmpty) {
				t.Fatalf("a target with data: %v", err)
			}
			restore(t, a, w, true)
			if got, _ := restored(t, w); !maps.Equal(want, got) {
				t.Errorf("%d records became %d", len(want), len(got))
			}
		})
	}
}

// TestCutOff cuts a restore off at each of its transactions: the store stays marked, a second restore ends it.
func TestCutOff(t *testing.T) {
	w := newWorld(t, "mem")
	w.fill(t, 850)
	file := w.take(t)
	want := content(t, w)
	cuts := 0
	for n := 0; ; n++ {
		target := engines["mem"](t)
		put(t, target, "old", "1")
		a := open(t, file, &w.master)
		if err := a.Mark(t.Context(), target, "first", true, now); err != nil {
			t.Fatal(err)
		}
		err := a.Restore(t.Context(), backup.Restoration{Store: &failing{Store: target, after: n}, ID: "first", Now: now})
		if err == nil {
			break
		}
		cuts++
		if !errors.Is(err, errCut) {
			t.Fatalf("cut after %d: %v", n, err)
		}
		if _, marked := content(t, target)[keyenc.Print(entity.SystemKey(entity.SysRestore))]; !marked {
			t.Fatalf("cut after %d: the marker is gone", n)
		}
		if _, err := backup.Take(t.Context(), io.Discard, backup.Source{Store: target, Master: w.master}); !errors.Is(err, backup.ErrRestoring) {
			t.Errorf("a backup of it: %v", err)
		}
		if err := a.Mark(t.Context(), target, "second", false, now); !errors.Is(err, backup.ErrNotEmpty) {
			t.Errorf("marking again: %v", err)
		}
		restore(t, a, target, true)
		if got, _ := restored(t, target); !maps.Equal(want, got) {
			t.Errorf("cut after %d: %d records became %d", n, len(want), len(got))
		}
	}
	if cuts < 10 {
		t.Errorf("%d transactions were cut", cuts)
	}
}

var errCut = errors.New("cut")

// failing lets a number of Updates pass.
type failing struct {
	store.Store
	mu    sync.Mutex
	after int
}

func (f *failing) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.after == 0 {
		return 0, errCut
	}
	f.after--
	return f.Store.Update(ctx, fn)
}

// TestTwoRestores lets a second restore take the store from the first.
func TestTwoRestores(t *testing.T) {
	w := newWorld(t, "mem")
	w.fill(t, 500)
	a := open(t, w.take(t), &w.master)
	target := engines["mem"](t)
	if err := a.Mark(t.Context(), target, "first", false, now); err != nil {
		t.Fatal(err)
	}
	if err := a.Mark(t.Context(), target, "second", true, now); err != nil {
		t.Fatal(err)
	}
	if err := a.Restore(t.Context(), backup.Restoration{Store: target, ID: "first", Now: now}); !errors.Is(err, backup.ErrDisturbed) {
		t.Errorf("the first goes on: %v", err)
	}
	if err := a.Restore(t.Context(), backup.Restoration{Store: target, ID: "second", Now: now}); err != nil {
		t.Error(err)
	}
	if err := a.Restore(t.Context(), backup.Restoration{Store: target, ID: "second", Now: now}); !errors.Is(err, backup.ErrDisturbed) {
		t.Errorf("again, without a marker: %v", err)
	}
}

// TestDisturbed lets somebody write into the target meanwhile: each kind of difference is found, and the store stays marked.
func TestDisturbed(t *testing.T) {
	w := newWorld(t, "mem")
	w.fill(t, 500)
	a := open(t, w.take(t), &w.master)
	some := keyenc.Encode("id", "user", "3", "AIDA000003")
	for what, do := range map[string]func(store.Txn){
		"one more":       func(tx store.Txn) { tx.Put([]byte("x"), nil) },
		"one more, last": func(tx store.Txn) { tx.Put([]byte("\xff"), nil) },
		"one changed":    func(tx store.Txn) { tx.Put(some, []byte("?")) },
		"one less":       func(tx store.Txn) { tx.Delete(some) },
		"the last less":  func(tx store.Txn) { tx.Delete(entity.SystemKey(entity.SysRing)) },
	} {
		target := engines["mem"](t)
		if err := a.Mark(t.Context(), target, "1", false, now); err != nil {
			t.Fatal(err)
		}
		err := a.Restore(t.Context(), backup.Restoration{Store: target, ID: "1", Now: now, Progress: func(done, all int64) {
			if done != all {
				return
			}
			if _, err := target.Update(t.Context(), func(tx store.Txn) error { do(tx); return nil }); err != nil {
				t.Error(err)
			}
		}})
		if !errors.Is(err, backup.ErrDisturbed) {
			t.Errorf("%s: %v", what, err)
		}
		if _, marked := content(t, target)[keyenc.Print(entity.SystemKey(entity.SysRestore))]; !marked {
			t.Errorf("%s: the marker is gone", what)
		}
	}
}

// TestEveryByte changes each byte of a small backup in turn, and cuts it at each.
func TestEveryByte(t *testing.T) {
	w := newWorld(t, "mem")
	w.fill(t, 5)
	file := w.take(t)
	for i := range file {
		for _, bit := range []byte{0x01, 0x80} {
			changed := bytes.Clone(file)
			changed[i] ^= bit
			if _, err := backup.Open(bytes.NewReader(changed), nil); !errors.Is(err, backup.ErrDamaged) {
				t.Fatalf("byte %d of %d changed: %v", i, len(file), err)
			}
		}
		if _, err := backup.Open(bytes.NewReader(file[:i]), nil); !errors.Is(err, backup.ErrDamaged) {
			t.Fatalf("cut to %d of %d bytes: %v", i, len(file), err)
		}
	}
	for what, foreign := range map[string][]byte{
		"more": append(bytes.Clone(file), 0), "twice": append(bytes.Clone(file), file...), "nothing": nil, "text": []byte("hello, world"),
		"a store": bytes.Repeat([]byte{0}, 1<<16), "a magic number": []byte("OSTBKUP1"),
	} {
		if _, err := backup.Open(bytes.NewReader(foreign), nil); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// chunks cuts a file up.
func chunks(file []byte) (parts [][]byte) {
	for rest := file[8:]; len(rest) > 0; {
		n := 5 + int(binary.BigEndian.Uint32(rest[1:])) + 32
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return parts
}

// TestForged makes files whose sums hold, but which somebody without the master key made.
func TestForged(t *testing.T) {
	w := newWorld(t, "mem")
	w.fill(t, 10)
	before := w.take(t)
	other := newWorld(t, "mem")
	other.fill(t, 10)

	if _, err := backup.Open(bytes.NewReader(before), &other.master); !errors.Is(err, seal.ErrMaster) {
		t.Errorf("another's master key: %v", err)
	}
	// The forger has a backup, and Ostiary, and so can write any records with right sums; what he cannot do is seal them.
	put(t, w, string(keyenc.Encode("id", "user", "evil")), "{}")
	wrapped := content(t, w)[keyenc.Print(entity.SystemKey(entity.SysRing))]
	forger := &world{Store: engines["mem"](t), master: other.master}
	for k, v := range content(t, other) {
		if !strings.Contains(k, "keyring") {
			put(t, forger, k, v)
		}
	}
	put(t, forger, string(entity.SystemKey(entity.SysRing)), content(t, other)[keyenc.Print(entity.SystemKey(entity.SysRing))])
	put(t, forger, string(entity.SystemKey(entity.SysFormat)), "1")
	file := backup.Swap(t, forger.take(t), string(entity.SystemKey(entity.SysRing)), wrapped)
	if _, err := backup.Open(bytes.NewReader(file), nil); err != nil {
		t.Fatalf("the forged file's sums: %v", err)
	}
	if _, err := backup.Open(bytes.NewReader(file), &w.master); !errors.Is(err, backup.ErrForged) {
		t.Errorf("a forged file: %v", err)
	}
	// Chunks of two files that belong to one installation, put together.
	w.fill(t, 9000)
	long := chunks(w.take(t))
	if len(long) < 4 {
		t.Fatalf("%d chunks", len(long))
	}
	join := func(parts ...[]byte) []byte { return append([]byte("OSTBKUP1"), bytes.Join(parts, nil)...) }
	for what, file := range map[string][]byte{
		"without a chunk": join(append([][]byte{long[0]}, long[2:]...)...),
		"chunks swapped":  join(append([][]byte{long[0], long[2], long[1]}, long[3:]...)...),
		"another header":  join(append([][]byte{chunks(before)[0]}, long[1:]...)...),
		"another end":     join(append(long[:len(long)-1:len(long)-1], chunks(before)[2])...),
		"without header":  join(long[1:]...),
	} {
		if _, err := backup.Open(bytes.NewReader(file), nil); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNewerFormat is a file of a version to come.
func TestNewerFormat(t *testing.T) {
	w := newWorld(t, "mem")
	file := backup.Rewrite(t, w.take(t), func(h map[string]any) { h["Format"], h["New"] = 2, "x" })
	_, err := backup.Open(bytes.NewReader(file), nil)
	if err == nil || !strings.Contains(err.Error(), "has format 2 and this version of Ostiary knows format 1 only") {
		t.Error(err)
	}
	file = backup.Rewrite(t, w.take(t), func(h map[string]any) { h["New"] = "x" })
	if _, err := backup.Open(bytes.NewReader(file), nil); !errors.Is(err, backup.ErrDamaged) {
		t.Error(err)
	}
}

func TestNothingToTake(t *testing.T) {
	s := engines["mem"](t)
	if _, err := backup.Take(t.Context(), io.Discard, backup.Source{Store: s}); !errors.Is(err, backup.ErrEmpty) {
		t.Error(err)
	}
	w := newWorld(t, "mem")
	src := w.source()
	src.Master, _ = seal.NewMaster(nil)
	if _, err := backup.Take(t.Context(), io.Discard, src); !errors.Is(err, seal.ErrMaster) {
		t.Error(err)
	}
	full := errors.New("full")
	if _, err := backup.Take(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full }), w.source()); !errors.Is(err, full) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Take(ctx, io.Discard, w.source()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestNextRing takes and opens backups while one master key replaces another: either opens them.
func TestNextRing(t *testing.T) {
	w := newWorld(t, "mem")
	next, _ := seal.NewMaster(nil)
	wrapped, err := w.ring.Marshal(next)
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, string(entity.SystemKey(entity.SysNextRing)), string(wrapped))
	for _, taker := range []seal.Master{w.master, next} {
		src := w.source()
		src.Master = taker
		var b bytes.Buffer
		if _, err := backup.Take(t.Context(), &b, src); err != nil {
			t.Fatal(err)
		}
		for _, opener := range []*seal.Master{&w.master, &next} {
			if a := open(t, b.Bytes(), opener); !a.Proven {
				t.Error("not proven")
			}
		}
	}
}

// TestUnderLoad takes backups while others write, and holds each against the state that a model says the store had at its revision.
func TestUnderLoad(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			w := newWorld(t, engine)
			w.fill(t, 200)
			var mu sync.Mutex
			history := map[store.Revision]map[string]string{} // what each Update wrote; "\x00" stands for a deletion
			base, from := content(t, w), must(w.Head(t.Context()))
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(7, uint64(g)))
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						wrote := map[string]string{}
						rev, err := w.Update(context.Background(), func(tx store.Txn) error {
							clear(wrote)
							for range 1 + r.IntN(5) {
								key := keyenc.Encode("w", uint64(r.IntN(300)))
								if r.IntN(3) == 0 {
									tx.Delete(key)
									wrote[keyenc.Print(key)] = "\x00"
								} else {
									value := fmt.Sprint(g, n)
									tx.Put(key, []byte(value))
									wrote[keyenc.Print(key)] = value
								}
							}
							return nil
						})
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if old := history[rev]; old == nil { // an Update that deleted nothing has another's revision
							history[rev] = map[string]string{}
						}
						maps.Copy(history[rev], wrote)
						mu.Unlock()
					}
				})
			}
			var files [][]byte
			for range 12 {
				files = append(files, w.take(t))
			}
			close(stop)
			wg.Wait()
			moved := 0
			for _, file := range files {
				a := open(t, file, &w.master)
				want := maps.Clone(base)
				for rev := from + 1; rev <= store.Revision(a.Revision); rev++ {
					for k, v := range history[rev] {
						if v == "\x00" {
							delete(want, k)
						} else {
							want[k] = v
						}
					}
				}
				moved += int(store.Revision(a.Revision) - from)
				target := engines["mem"](t)
				restore(t, a, target, false)
				if got, _ := restored(t, target); !maps.Equal(want, got) {
					t.Errorf("revision %d: %s", a.Revision, cmp.Diff(want, got))
				}
			}
			if moved == 0 {
				t.Error("nothing was written meanwhile")
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzOpen(f *testing.F) {
	w := newWorld(f, "mem")
	w.fill(f, 3)
	file := w.take(f)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte("OSTBKUP1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := backup.Open(bytes.NewReader(data), nil)
		if err != nil {
			return
		}
		target := engines["mem"](t)
		restore(t, a, target, false)
		if got, _ := restored(t, target); int64(len(got)) != a.Records {
			t.Errorf("%d records of %d", len(got), a.Records)
		}
	})
}
