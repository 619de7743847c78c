package directory

import (
	"bytes"
	"fmt"
	"iter"
	"time"

	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Plane is the records of another domain within a transaction of [Commit], so that they are written together with the
// comparison of the decision's guards and with the event. Whoever uses it keeps their invariants, and the store's limits,
// of which the commit itself needs a few operations.
type Plane struct {
	tx     *Tx
	prefix []byte
}

// Plane returns the records under prefix: one of those that package entity gives to other domains.
func (tx *Tx) Plane(prefix []byte) Plane { return Plane{tx: tx, prefix: prefix} }

// Now is the time of records: UTC, in whole seconds.
func (p Plane) Now() time.Time { return p.tx.now }

// Seal encrypts a secret for storage, bound to its purpose and to ad.
func (p Plane) Seal(purpose seal.Purpose, text, ad []byte) ([]byte, error) {
	return p.tx.d.ring.Seal(purpose, text, ad)
}

// Get returns the record under key; ok is false where there is none.
func (p Plane) Get(key []byte) (e store.Entry, ok bool, err error) {
	if err := p.inside(key); err != nil {
		return e, false, err
	}
	return p.tx.txn.Get(key)
}

// Range yields the records whose keys begin with prefix; see [store.Reader].
func (p Plane) Range(prefix []byte) iter.Seq2[store.Entry, error] {
	if err := p.inside(prefix); err != nil {
		return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, err) }
	}
	return p.tx.txn.Range(prefix)
}

// Put writes a record. A key outside of the plane spoils the transaction.
func (p Plane) Put(key, value []byte) {
	if p.inside(key) == nil {
		p.tx.txn.Put(key, value)
	}
}

// Delete removes a record. A key outside of the plane spoils the transaction.
func (p Plane) Delete(key []byte) {
	if p.inside(key) == nil {
		p.tx.txn.Delete(key)
	}
}

// Fail spoils the transaction with err, as a verb of Tx that fails does.
func (p Plane) Fail(err error) { p.tx.note(&err) }

func (p Plane) inside(key []byte) error {
	if bytes.HasPrefix(key, p.prefix) {
		return nil
	}
	err := fmt.Errorf("directory: %x is not in the plane %x", key, p.prefix)
	p.tx.note(&err)
	return err
}
