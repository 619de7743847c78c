package storetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/store"
)

var stateTests = []testCase{
	{"Empty", testEmpty},
	{"Order", testOrder},
	{"Prefixes", testPrefixes},
	{"Revisions", testRevisions},
	{"DeleteOfNothing", testDeleteOfNothing},
	{"OwnWrites", testOwnWrites},
	{"OwnWritesInRange", testOwnWritesInRange},
	{"EntriesMayBeKept", testEntriesMayBeKept},
	{"EmptyValue", testEmptyValue},
	{"LargeValues", testLargeValues},
	{"FunctionError", testFunctionError},
	{"Model", testModel},
}

func testEmpty(e *env) {
	e.wantState("")
	head := e.head()
	e.view(func(r store.Reader) {
		if r.Revision() != head {
			e.Errorf("Revision is %d, Head %d", r.Revision(), head)
		}
		if _, ok, err := r.Get([]byte("a")); ok || err != nil {
			e.Errorf("Get on an empty store: %v, %v", ok, err)
		}
	})
}

func testOrder(e *env) {
	keys := []string{"b", "a", "ab", "a\x00", "a\x00\x00", "a\xff", "\x00", "\xff", "\xff\xff", "aa", "A"}
	e.update(func(tx store.Txn) {
		for _, k := range keys {
			tx.Put([]byte(k), []byte("v"+k))
		}
	})
	slices.Sort(keys)
	var want []string
	for _, k := range keys {
		want = append(want, k, "v"+k)
	}
	e.wantState("", want...)
}

func testPrefixes(e *env) {
	e.put("a", "1", "a/", "2", "a/x", "3", "a/y", "4", "a0", "5", "\xff", "6", "\xffz", "7")
	e.wantState("a/", "a/", "2", "a/x", "3", "a/y", "4")
	e.wantState("a/x", "a/x", "3")
	e.wantState("a/z")
	e.wantState("\xff", "\xff", "6", "\xffz", "7")
	e.wantState("\xff\xff")
	e.view(func(r store.Reader) {
		n := 0
		for range r.Range(nil) {
			if n++; n == 2 {
				break
			}
		}
		if n != 2 {
			e.Errorf("a range that was left after 2 entries yielded %d", n)
		}
	})
}

func testRevisions(e *env) {
	start := e.head()
	first := e.put("a", "1", "b", "1")
	second := e.put("b", "2")
	same := e.put("b", "2")
	if start >= first || first >= second || second >= same {
		e.Fatalf("revisions do not rise: %d, %d, %d, %d", start, first, second, same)
	}
	read := e.update(func(tx store.Txn) {
		if tx.Revision() != same {
			e.Errorf("an Update reads revision %d, want %d", tx.Revision(), same)
		}
		get(e.T, tx, "a")
	})
	if read != same {
		e.Errorf("an Update that only read returned revision %d, want the one it read, %d", read, same)
	}
	if h := e.head(); h != same {
		e.Errorf("Head is %d, want %d", h, same)
	}
	e.view(func(r store.Reader) {
		a, _, _ := r.Get([]byte("a"))
		b, _, _ := r.Get([]byte("b"))
		if a.Revision != first || b.Revision != same || r.Revision() != same {
			e.Errorf("a has revision %d, b %d, the view %d; want %d, %d, %d", a.Revision, b.Revision, r.Revision(), first, same, same)
		}
		for entry, err := range r.Range(nil) {
			if got, _, _ := r.Get(entry.Key); err != nil || got.Revision != entry.Revision {
				e.Errorf("Range gives %q revision %d, Get %d (%v)", entry.Key, entry.Revision, got.Revision, err)
			}
		}
	})
}

func testDeleteOfNothing(e *env) {
	before := e.put("a", "1")
	r := e.update(func(tx store.Txn) {
		tx.Delete([]byte("b"))
		tx.Put([]byte("c"), nil)
		tx.Delete([]byte("c"))
	})
	if r != before || e.head() != before {
		e.Errorf("deleting nothing moved the revision from %d to %d, Head %d", before, r, e.head())
	}
	if r := e.update(func(tx store.Txn) { tx.Delete([]byte("a")) }); r <= before {
		e.Errorf("deleting a left revision %d at %d", before, r)
	}
	e.wantState("")
}

func testOwnWrites(e *env) {
	e.put("a", "1", "b", "1")
	e.update(func(tx store.Txn) {
		tx.Put([]byte("a"), []byte("2"))
		tx.Delete([]byte("b"))
		tx.Put([]byte("c"), []byte("2"))
		entry, ok, err := tx.Get([]byte("a"))
		if err != nil || !ok || string(entry.Value) != "2" || string(entry.Key) != "a" || entry.Revision != 0 {
			e.Errorf("own write: %+v, %v, %v", entry, ok, err)
		}
		if _, ok, _ := tx.Get([]byte("b")); ok {
			e.Error("a key deleted in the transaction is still there")
		}
		tx.Put([]byte("b"), []byte("3"))
		tx.Delete([]byte("c"))
		if got := get(e.T, tx, "b"); got != "3" {
			e.Errorf("a key put after its deletion is %q", got)
		}
		if got := get(e.T, tx, "c"); got != "" {
			e.Errorf("a key deleted after its put is %q", got)
		}
	})
	e.wantState("", "a", "2", "b", "3")
}

func testOwnWritesInRange(e *env) {
	e.put("a1", "old", "a3", "old", "a5", "old", "b", "old")
	e.update(func(tx store.Txn) {
		tx.Put([]byte("a0"), []byte("new"))
		tx.Delete([]byte("a1"))
		tx.Put([]byte("a3"), []byte("new"))
		tx.Put([]byte("a4"), []byte("new"))
		tx.Put([]byte("a6"), []byte("new"))
		tx.Put([]byte("c"), []byte("new"))
		want := []string{"a0", "new", "a3", "new", "a4", "new", "a5", "old", "a6", "new"}
		if diff := cmp.Diff(want, list(e.T, tx, "a")); diff != "" {
			e.Errorf("range with own writes (-want +got):\n%s", diff)
		}
		var seen []string
		for entry, err := range tx.Range([]byte("a")) {
			if err != nil {
				e.Errorf("Range: %v", err)
			}
			seen = append(seen, string(entry.Key), string(entry.Value))
			tx.Put([]byte("a5"), []byte("later"))
			tx.Put([]byte("a7"), []byte("later"))
			tx.Delete([]byte("a4"))
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			e.Errorf("a range sees writes made while it runs (-want +got):\n%s", diff)
		}
	})
	e.wantState("a", "a0", "new", "a3", "new", "a5", "later", "a6", "new", "a7", "later")
}

func testEntriesMayBeKept(e *env) {
	e.put("a", "one", "b", "two")
	var kept []store.Entry
	asked := []byte("a")
	e.view(func(r store.Reader) {
		entry, _, _ := r.Get(asked)
		kept = append(kept, entry)
		for entry := range r.Range(nil) {
			kept = append(kept, entry)
		}
	})
	asked[0] = 'x'
	for i := range 200 { // gives the engine reason to use its memory and pages again
		e.put("a", strings.Repeat("x", i), "b", strings.Repeat("y", i))
	}
	want := []string{"a", "one", "a", "one", "b", "two"}
	var got []string
	for _, entry := range kept {
		got = append(got, string(entry.Key), string(entry.Value))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		e.Errorf("kept entries changed (-want +got):\n%s", diff)
	}
}

func testEmptyValue(e *env) {
	e.update(func(tx store.Txn) {
		tx.Put([]byte("nil"), nil)
		tx.Put([]byte("empty"), []byte{})
	})
	e.view(func(r store.Reader) {
		for _, k := range []string{"nil", "empty"} {
			if entry, ok, err := r.Get([]byte(k)); !ok || err != nil || len(entry.Value) != 0 {
				e.Errorf("%s: %+v, %v, %v", k, entry, ok, err)
			}
		}
	})
}

func testLargeValues(e *env) {
	random := rand.New(rand.NewPCG(1, 2))
	values := map[string][]byte{}
	for _, size := range []int{1, 4095, 4096, 4097, 70_000, 500_000, store.MaxValue} {
		v := make([]byte, size)
		for i := range v {
			v[i] = byte(random.Uint32())
		}
		k := string(key("value of %d", size))
		values[k] = v
		e.put(k, string(v))
	}
	long := bytes.Repeat([]byte("k"), store.MaxKey)
	values[string(long)] = []byte("under a long key")
	e.put(string(long), "under a long key")
	e.view(func(r store.Reader) {
		for k, want := range values {
			if got, ok, err := r.Get([]byte(k)); err != nil || !ok || !bytes.Equal(got.Value, want) {
				e.Errorf("%.20s: %d bytes, %v, %v; want %d", k, len(got.Value), ok, err, len(want))
			}
		}
	})
}

func testFunctionError(e *env) {
	before := e.put("a", "1")
	mine := errors.New("mine")
	_, err := e.s.Update(e.ctx, func(tx store.Txn) error {
		tx.Put([]byte("a"), []byte("2"))
		tx.Put([]byte("b"), []byte("2"))
		tx.Delete([]byte("a"))
		return mine
	})
	if err != mine { // unchanged, not only wrapped
		e.Errorf("Update returned %v, want the function's own error", err)
	}
	if err := e.s.View(e.ctx, func(store.Reader) error { return mine }); err != mine {
		e.Errorf("View returned %v, want the function's own error", err)
	}
	e.wantState("", "a", "1")
	if h := e.head(); h != before {
		e.Errorf("a failed Update moved the revision from %d to %d", before, h)
	}
}

// testModel holds random transactions against a map.
func testModel(e *env) {
	seed := rand.Uint64()
	e.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	model := map[string]string{}
	alphabet := []string{"", "a", "b", "\x00", "\xff", "aa", "ab"}
	newKey := func() string {
		k := alphabet[random.IntN(len(alphabet))] + alphabet[random.IntN(len(alphabet))]
		return "k"[:1-min(1, len(k))] + k // never empty
	}
	under := func(m map[string]string, prefix string) []string {
		part := map[string]string{}
		for k, v := range m {
			if strings.HasPrefix(k, prefix) {
				part[k] = v
			}
		}
		return pairs(part)
	}
	fail := errors.New("fail")
	for range 150 {
		// The plan is drawn first, for the function may run again.
		type step struct{ op, key, value string }
		var steps []step
		for range random.IntN(12) {
			op := []string{"put", "put", "delete", "get", "range"}[random.IntN(5)]
			steps = append(steps, step{op, newKey(), alphabet[random.IntN(len(alphabet))] + "v"})
		}
		failing := random.IntN(4) == 0
		var next map[string]string
		_, err := e.s.Update(e.ctx, func(tx store.Txn) error {
			next = map[string]string{}
			for k, v := range model {
				next[k] = v
			}
			for _, st := range steps {
				switch st.op {
				case "put":
					tx.Put([]byte(st.key), []byte(st.value))
					next[st.key] = st.value
				case "delete":
					tx.Delete([]byte(st.key))
					delete(next, st.key)
				case "get":
					if got := get(e.T, tx, st.key); got != next[st.key] {
						e.Errorf("Get(%q) is %q, want %q", st.key, got, next[st.key])
					}
				case "range":
					if diff := cmp.Diff(under(next, st.key), list(e.T, tx, st.key)); diff != "" {
						e.Errorf("Range(%q) (-want +got):\n%s", st.key, diff)
					}
				}
			}
			if failing {
				return fail
			}
			return nil
		})
		switch {
		case failing && err != fail, !failing && err != nil:
			e.Fatalf("Update: %v", err)
		case err == nil:
			model = next
		}
		prefix := alphabet[random.IntN(len(alphabet))]
		e.wantState(prefix, under(model, prefix)...)
	}
}
