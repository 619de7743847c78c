package directory

import (
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Tx is one transaction. Its methods are the domain's verbs; several may be used in one Commit, as long as together they
// stay within the store's limits. Records that verbs return belong to the caller. A Tx is for one goroutine and is invalid
// once the function it was given to returns.
type Tx struct {
	d       *Directory
	txn     store.Txn
	instant time.Time // when this attempt began
	now     time.Time // the same in UTC and whole seconds: the time of records
	failed  error     // the first error of a verb; with it nothing is committed
}

func (d *Directory) begin(txn store.Txn) *Tx {
	at := d.now()
	return &Tx{d: d, txn: txn, instant: at, now: at.UTC().Truncate(time.Second)}
}

// note remembers that a verb failed; every exported verb defers it.
func (tx *Tx) note(err *error) {
	if *err != nil && tx.failed == nil {
		tx.failed = *err
	}
}

// compare fails with fault.Stale unless every guarded record stands at the revision it was seen at.
func (tx *Tx) compare(guards []store.Guard) error {
	for _, g := range guards {
		e, ok, err := tx.txn.Get(g.Key)
		if err != nil {
			return fault.Wrap(err, "comparing a guard")
		}
		var at store.Revision
		if ok {
			at = e.Revision
		}
		if at != g.Revision {
			return &fault.Error{Kind: fault.Stale, Subject: keyenc.Print(g.Key),
				Message: "The request was rejected because multiple requests to change this object were submitted " +
					"simultaneously. Wait a few minutes and submit your request again."}
		}
	}
	return nil
}

// read returns the record under key, nil where there is none.
func read[T any](tx *Tx, key []byte) (*T, error) {
	e, ok, err := tx.txn.Get(key)
	if err != nil {
		return nil, fault.Wrap(err, "reading "+keyenc.Print(key))
	}
	if !ok {
		return nil, nil
	}
	record, err := entity.Decode[T](e.Value)
	if err != nil {
		return nil, fault.Wrap(err, "reading "+keyenc.Print(key))
	}
	return record, nil
}

// must returns the record under a key that another record refers to: it is there, or the store is damaged.
func must[T any](tx *Tx, key []byte) (*T, error) {
	record, err := read[T](tx, key)
	if err == nil && record == nil {
		return nil, fmt.Errorf("directory: %s is referred to and missing", keyenc.Print(key))
	}
	return record, err
}

func (tx *Tx) put(key []byte, record any) { tx.txn.Put(key, entity.Encode(record)) }

// bumpEpoch says that something several principals of the account share has changed.
func (tx *Tx) bumpEpoch(account string) { tx.put(entity.EpochKey(account), &entity.Epoch{}) }

// named returns what a name stands for, nil where it is free.
func (tx *Tx) named(account string, kind entity.Kind, name string) (*entity.NameRef, error) {
	return read[entity.NameRef](tx, entity.NameKey(account, kind, name))
}

// count adds n to the number of entities of a kind and returns the new number.
func (tx *Tx) count(account string, kind entity.Kind, n int) (int, error) {
	key := entity.CountKey(account, kind)
	c, err := read[entity.Count](tx, key)
	if err != nil {
		return 0, err
	}
	if c == nil {
		c = &entity.Count{}
	}
	if c.N += n; c.N < 0 {
		return 0, fmt.Errorf("directory: %s would be %d", keyenc.Print(key), c.N)
	}
	tx.put(key, c)
	return c.N, nil
}

// newID returns an unused unique ID.
func (tx *Tx) newID(prefix string) (string, error) {
	for {
		id, err := credential.NewUniqueID(prefix, tx.d.rand)
		if err != nil {
			return "", fault.Wrap(err, "making a unique ID")
		}
		taken, err := read[entity.Ref](tx, entity.UniqueIDKey(id))
		if err != nil {
			return "", err
		}
		if taken == nil {
			return id, nil
		}
	}
}

// enlist enters a new entity: its name, which must be free, its ID and its place in the count, which must be within the
// quota; an empty quota is none. The entity itself is the caller's to write.
func (tx *Tx) enlist(acct *entity.Account, ref entity.NameRef, quota string) error {
	if err := tx.enter(acct, ref, quota); err != nil {
		return err
	}
	tx.put(entity.UniqueIDKey(ref.ID), &ref.Ref)
	return nil
}

// enter is enlist for what is found by its name only.
func (tx *Tx) enter(acct *entity.Account, ref entity.NameRef, quota string) error {
	taken, err := tx.named(ref.Account, ref.Kind, ref.Name)
	if err != nil {
		return err
	}
	if taken != nil {
		return alreadyExists(ref.Kind, ref.Name)
	}
	n, err := tx.count(ref.Account, ref.Kind, 1)
	if err != nil {
		return err
	}
	if quota != "" {
		if err := checkQuota(acct, quota, n); err != nil {
			return err
		}
	}
	tx.put(entity.NameKey(ref.Account, ref.Kind, ref.Name), &ref)
	return nil
}

// delist undoes enlist.
func (tx *Tx) delist(ref entity.NameRef) error {
	tx.txn.Delete(entity.UniqueIDKey(ref.ID))
	return tx.leave(ref)
}

// leave undoes enter.
func (tx *Tx) leave(ref entity.NameRef) error {
	tx.txn.Delete(entity.NameKey(ref.Account, ref.Kind, ref.Name))
	_, err := tx.count(ref.Account, ref.Kind, -1)
	return err
}

// relist moves an entity to a new name or path. Only its own name, in whatever case, may be taken (by itself).
func (tx *Tx) relist(old, ref entity.NameRef) error {
	if entity.FoldName(old.Name) != entity.FoldName(ref.Name) {
		taken, err := tx.named(ref.Account, ref.Kind, ref.Name)
		if err != nil {
			return err
		}
		if taken != nil {
			return alreadyExists(ref.Kind, ref.Name)
		}
		tx.txn.Delete(entity.NameKey(old.Account, old.Kind, old.Name))
	}
	tx.put(entity.NameKey(ref.Account, ref.Kind, ref.Name), &ref)
	return nil
}
