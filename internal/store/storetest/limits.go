package storetest

import (
	"errors"
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/store"
)

var limitTests = []testCase{
	{"KeysWritten", testKeysWritten},
	{"KeysRead", testKeysRead},
	{"KeysInRange", testKeysInRange},
	{"Bytes", testBytes},
	{"KeyAndValue", testKeyAndValue},
	{"EmptyKey", testEmptyKey},
	{"FunctionErrorComesFirst", testFunctionErrorFirst},
}

// wantRefused runs an Update that must fail and must leave nothing under "k", and returns its error.
func (e *env) wantRefused(want error, what string, fn func(tx store.Txn) error) {
	e.Helper()
	before := e.head()
	_, err := e.s.Update(e.ctx, func(tx store.Txn) error {
		tx.Put([]byte("k"), []byte("must not be written"))
		return fn(tx)
	})
	if !errors.Is(err, want) {
		e.Errorf("%s: %v, want %v", what, err, want)
	}
	e.wantState("k")
	if h := e.head(); h != before {
		e.Errorf("%s: the revision moved from %d to %d", what, before, h)
	}
}

func testKeysWritten(e *env) {
	e.update(func(tx store.Txn) {
		for round := range 2 { // the same keys again are no more keys
			for i := range store.MaxOps - 1 {
				tx.Put(key("w/%d", i), key("%d", round))
			}
		}
		tx.Delete([]byte("w/absent"))
	})
	e.wantRefused(store.ErrTooLarge, "one key too many", func(tx store.Txn) error {
		for i := range store.MaxOps {
			tx.Put(key("k/%d", i), nil)
		}
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "one deletion too many", func(tx store.Txn) error {
		for i := range store.MaxOps {
			tx.Delete(key("absent/%d", i))
		}
		return nil
	})
}

func testKeysRead(e *env) {
	// As many of both as there may be; what own writes answer does not count.
	e.update(func(tx store.Txn) {
		for i := range store.MaxOps {
			tx.Put(key("own/%d", i), nil)
		}
		for range 2 {
			for i := range store.MaxOps {
				for _, k := range [][]byte{key("absent/%d", i), key("own/%d", i)} {
					if _, _, err := tx.Get(k); err != nil {
						e.Errorf("reading %s: %v", k, err)
					}
				}
			}
		}
	})
	e.wantRefused(store.ErrTooLarge, "one key too many, with a look at the error", func(tx store.Txn) error {
		for i := range store.MaxOps + 1 {
			_, _, err := tx.Get(key("absent/%d", i))
			if (err != nil) != (i == store.MaxOps) {
				e.Errorf("read %d: %v", i, err)
			}
			if err != nil {
				return fmt.Errorf("reading: %w", err)
			}
		}
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "one key too many, without a look", func(tx store.Txn) error {
		for i := range store.MaxOps + 1 {
			_, _, _ = tx.Get(key("absent/%d", i))
		}
		return nil
	})
	e.view(func(r store.Reader) { // a view has no limits
		for i := range 2 * store.MaxOps {
			if _, _, err := r.Get(key("absent/%d", i)); err != nil {
				e.Fatalf("view, read %d: %v", i, err)
			}
		}
	})
}

func testKeysInRange(e *env) {
	for batch := range 2 {
		e.update(func(tx store.Txn) {
			for i := range store.MaxOps {
				tx.Put(key("r/%d/%03d", batch, i), nil)
			}
		})
	}
	read := func(r store.Reader, prefix string) (n int, err error) {
		for _, err := range r.Range([]byte(prefix)) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	e.update(func(tx store.Txn) {
		for range 2 {
			if n, err := read(tx, "r/0/"); n != store.MaxOps || err != nil {
				e.Errorf("a range of as many keys as allowed: %d, %v", n, err)
			}
		}
	})
	e.update(func(tx store.Txn) { // only what was yielded counts
		n := 0
		for _, err := range tx.Range([]byte("r/")) {
			if err != nil {
				e.Errorf("Range: %v", err)
			}
			if n++; n == store.MaxOps {
				break
			}
		}
	})
	e.wantRefused(store.ErrTooLarge, "range and get together", func(tx store.Txn) error {
		_, err := read(tx, "r/0/")
		_, _, err2 := tx.Get([]byte("r/1/000"))
		if err != nil || err2 == nil {
			e.Errorf("Range: %v, Get: %v", err, err2)
		}
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "a long range", func(tx store.Txn) error {
		n, err := read(tx, "r/")
		if n != store.MaxOps || !errors.Is(err, store.ErrTooLarge) {
			e.Errorf("a long range ends after %d with %v", n, err)
		}
		return nil
	})
	e.view(func(r store.Reader) {
		if n, err := read(r, "r/"); n != 2*store.MaxOps || err != nil {
			e.Errorf("a view's range: %d, %v", n, err)
		}
	})
}

func testBytes(e *env) {
	half := make([]byte, store.MaxBytes/2)
	// "h/1" and "h/2" written, "h/x" read: nine bytes of keys.
	e.update(func(tx store.Txn) {
		tx.Put([]byte("h/1"), half)
		tx.Put([]byte("h/2"), half[:len(half)-100])
		tx.Put([]byte("h/2"), half[:len(half)-9]) // the last value counts
		_, _, err := tx.Get([]byte("h/x"))
		if err != nil {
			e.Errorf("Get: %v", err)
		}
	})
	e.wantRefused(store.ErrTooLarge, "values together too large", func(tx store.Txn) error {
		tx.Put([]byte("k/1"), half)
		tx.Put([]byte("k/2"), half)
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "one key read too many", func(tx store.Txn) error {
		tx.Delete([]byte("k")) // takes back what wantRefused wrote, but not its key
		tx.Put([]byte("k/1"), half)
		tx.Put([]byte("k/2"), half[:len(half)-9])
		_, _, err := tx.Get([]byte("h/x"))
		if err == nil {
			e.Error("a read past the limit was answered")
		}
		return nil
	})
}

func testKeyAndValue(e *env) {
	e.wantRefused(store.ErrTooLarge, "a long key put", func(tx store.Txn) error {
		tx.Put(make([]byte, store.MaxKey+1), nil)
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "a long key deleted", func(tx store.Txn) error {
		tx.Delete(make([]byte, store.MaxKey+1))
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "a long key read", func(tx store.Txn) error {
		if _, _, err := tx.Get(make([]byte, store.MaxKey+1)); err == nil {
			e.Error("a key past the limit was read")
		}
		return nil
	})
	e.wantRefused(store.ErrTooLarge, "a large value", func(tx store.Txn) error {
		tx.Put([]byte("k/1"), make([]byte, store.MaxValue+1))
		return nil
	})
}

func testEmptyKey(e *env) {
	e.wantRefused(store.ErrEmptyKey, "put", func(tx store.Txn) error { tx.Put(nil, nil); return nil })
	e.wantRefused(store.ErrEmptyKey, "delete", func(tx store.Txn) error { tx.Delete([]byte{}); return nil })
	e.wantRefused(store.ErrEmptyKey, "get", func(tx store.Txn) error { _, _, err := tx.Get(nil); return err })
	e.view(func(r store.Reader) {
		if _, _, err := r.Get(nil); !errors.Is(err, store.ErrEmptyKey) {
			e.Errorf("a view reads the empty key: %v", err)
		}
	})
}

func testFunctionErrorFirst(e *env) {
	mine := errors.New("mine")
	_, err := e.s.Update(e.ctx, func(tx store.Txn) error {
		tx.Put(make([]byte, store.MaxKey+1), nil)
		return mine
	})
	if err != mine {
		e.Errorf("Update returned %v, want the function's own error", err)
	}
}
