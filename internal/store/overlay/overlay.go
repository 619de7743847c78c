// Package overlay is the transaction that engines hand to the functions of Update: writes kept in memory over a base that
// is only read, and the limits of package store counted on the way. What becomes of the writes is the engine's affair.
//
// A Txn keeps the slices it is given and copies none. It is used by one goroutine at a time. It counts alike on every
// engine, so that what is refused on one is refused on all.
package overlay

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// Write is the last thing that a transaction did to a key.
type Write struct {
	Key     []byte
	Value   []byte // nil when Deleted
	Deleted bool
}

// Txn implements [store.Txn] over a base.
type Txn struct {
	base   store.Reader
	writes map[string]Write
	read   map[string]struct{} // keys that the base was asked for or yielded
	bytes  int                 // of the keys read and the keys and values written
	err    error               // the first limit that was passed; it stays
	ended  bool
}

var _ store.Txn = (*Txn)(nil)

// New returns a transaction over base, which must not change before End.
func New(base store.Reader) *Txn { return &Txn{base: base} }

// Revision is the base's.
func (t *Txn) Revision() store.Revision { return t.base.Revision() }

// Get returns the transaction's own write, else the base's entry.
func (t *Txn) Get(key []byte) (store.Entry, bool, error) {
	if err := t.usable(key); err != nil {
		return store.Entry{}, false, err
	}
	if w, ok := t.writes[string(key)]; ok {
		if w.Deleted {
			return store.Entry{}, false, nil
		}
		return store.Entry{Key: w.Key, Value: w.Value}, true, nil
	}
	if err := t.countRead(key); err != nil {
		return store.Entry{}, false, err
	}
	return t.base.Get(key)
}

// Range merges the writes made before the call into the base's range.
func (t *Txn) Range(prefix []byte) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if t.ended || t.err != nil {
			yield(store.Entry{}, t.stop())
			return
		}
		own := t.ownUnder(prefix)
		for e, err := range t.base.Range(prefix) {
			if err == nil && t.ended {
				err = store.ErrEnded
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			for len(own) > 0 && bytes.Compare(own[0].Key, e.Key) < 0 {
				if !yieldWrite(own[0], yield) {
					return
				}
				own = own[1:]
			}
			if err := t.countRead(e.Key); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if len(own) > 0 && bytes.Equal(own[0].Key, e.Key) {
				if !yieldWrite(own[0], yield) {
					return
				}
				own = own[1:]
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		for _, w := range own {
			if !yieldWrite(w, yield) {
				return
			}
		}
	}
}

// yieldWrite shows one of the transaction's own writes to a range.
func yieldWrite(w Write, yield func(store.Entry, error) bool) bool {
	return w.Deleted || yield(store.Entry{Key: w.Key, Value: w.Value}, nil)
}

// ownUnder returns the writes under prefix in key order.
func (t *Txn) ownUnder(prefix []byte) []Write {
	var own []Write
	for _, w := range t.writes {
		if bytes.HasPrefix(w.Key, prefix) {
			own = append(own, w)
		}
	}
	slices.SortFunc(own, byKey)
	return own
}

// Put records a write.
func (t *Txn) Put(key, value []byte) {
	if len(value) > store.MaxValue {
		t.fail(fmt.Errorf("%w: a value of %d bytes, %d are the most", store.ErrTooLarge, len(value), store.MaxValue))
		return
	}
	t.write(Write{Key: key, Value: value})
}

// Delete records a deletion.
func (t *Txn) Delete(key []byte) { t.write(Write{Key: key, Deleted: true}) }

func (t *Txn) write(w Write) {
	if t.usable(w.Key) != nil {
		return
	}
	old, again := t.writes[string(w.Key)]
	if !again {
		if len(t.writes) == store.MaxOps {
			t.fail(fmt.Errorf("%w: more than %d keys written", store.ErrTooLarge, store.MaxOps))
			return
		}
		t.bytes += len(w.Key)
	}
	if t.bytes += len(w.Value) - len(old.Value); t.bytes > store.MaxBytes {
		t.failBytes()
		return
	}
	if t.writes == nil {
		t.writes = make(map[string]Write, 8)
	}
	t.writes[string(w.Key)] = w
}

// Writes returns what has been written, in key order. Deletions of keys that the base does not have are among them.
func (t *Txn) Writes() []Write {
	writes := make([]Write, 0, len(t.writes))
	for _, w := range t.writes {
		writes = append(writes, w)
	}
	slices.SortFunc(writes, byKey)
	return writes
}

// Bytes is the size that counts against [store.MaxBytes].
func (t *Txn) Bytes() int { return t.bytes }

// End makes the transaction refuse all further use and returns why it must not be committed: the limit that it passed, or
// nil. The writes can still be read.
func (t *Txn) End() error {
	t.ended = true
	return t.err
}

// usable says whether the transaction can still take an operation on key.
func (t *Txn) usable(key []byte) error {
	switch {
	case t.ended || t.err != nil:
		return t.stop()
	case len(key) == 0:
		return t.fail(store.ErrEmptyKey)
	case len(key) > store.MaxKey:
		return t.fail(fmt.Errorf("%w: a key of %d bytes, %d are the most", store.ErrTooLarge, len(key), store.MaxKey))
	}
	return nil
}

func (t *Txn) stop() error {
	if t.err != nil {
		return t.err
	}
	return store.ErrEnded
}

func (t *Txn) countRead(key []byte) error {
	if t.err != nil {
		return t.err
	}
	if _, ok := t.read[string(key)]; ok {
		return nil
	}
	if len(t.read) == store.MaxOps {
		return t.fail(fmt.Errorf("%w: more than %d keys read", store.ErrTooLarge, store.MaxOps))
	}
	if t.bytes += len(key); t.bytes > store.MaxBytes {
		return t.failBytes()
	}
	if t.read == nil {
		t.read = make(map[string]struct{}, 8)
	}
	t.read[string(key)] = struct{}{}
	return nil
}

func (t *Txn) failBytes() error {
	return t.fail(fmt.Errorf("%w: more than %d bytes", store.ErrTooLarge, store.MaxBytes))
}

func (t *Txn) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return t.err
}

func byKey(a, b Write) int { return bytes.Compare(a.Key, b.Key) }
