package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"runtime/debug"

	bbolt "go.etcd.io/bbolt"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// revisionSize is the length of the revision in front of every value.
const revisionSize = 8

// reader reads the records bucket of one bbolt transaction. bbolt's slices die with the transaction and those of the seam
// do not, so every entry is copied, into one array.
type reader struct {
	records  *bbolt.Bucket
	revision store.Revision
	ended    bool
}

func (r *reader) Revision() store.Revision { return r.revision }

func (r *reader) Get(key []byte) (store.Entry, bool, error) {
	if r.ended {
		return store.Entry{}, false, store.ErrEnded
	}
	if len(key) == 0 {
		return store.Entry{}, false, store.ErrEmptyKey
	}
	var e store.Entry
	found := false
	err := damageOf(func() (err error) {
		stored := r.records.Get(key)
		if found = stored != nil; found {
			e, err = entry(key, stored)
		}
		return err
	})
	return e, found && err == nil, err
}

// damageOf runs a step of bbolt's, which answers pages that make no sense with a panic and, where they point outside of the file,
// with a fault of memory. Both become errors here. A step must not call back to a caller of the store.
func damageOf(step func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the store is damaged: stop, run `ostiary doctor`, and restore a backup: %v", store.ErrUnavailable, p)
		}
	}()
	return step()
}

func (r *reader) Range(prefix []byte) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if r.ended {
			yield(store.Entry{}, store.ErrEnded)
			return
		}
		c := r.records.Cursor()
		for first := true; ; first = false {
			var e store.Entry
			more := false
			err := damageOf(func() (err error) {
				var k, v []byte
				if first {
					k, v = c.Seek(prefix)
				} else {
					k, v = c.Next()
				}
				if more = k != nil && bytes.HasPrefix(k, prefix); more {
					e, err = entry(k, v)
				}
				return err
			})
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !more || !yield(e, nil) {
				return
			}
			if r.ended {
				yield(store.Entry{}, store.ErrEnded)
				return
			}
		}
	}
}

// entry copies a record out of the file.
func entry(key, stored []byte) (store.Entry, error) {
	if len(stored) < revisionSize {
		return store.Entry{}, fmt.Errorf("the store is damaged: the record under %x has no revision", key)
	}
	n := len(stored) - revisionSize
	buf := make([]byte, n+len(key))
	copy(buf, stored[revisionSize:])
	copy(buf[n:], key)
	return store.Entry{
		Key:      buf[n:],
		Value:    buf[:n:n],
		Revision: store.Revision(binary.BigEndian.Uint64(stored)),
	}, nil
}

// stored returns what the file holds for a value.
func stored(value []byte, r store.Revision) []byte {
	buf := make([]byte, 0, revisionSize+len(value))
	return append(binary.BigEndian.AppendUint64(buf, uint64(r)), value...)
}
