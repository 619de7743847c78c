// Package store is the seam between Ostiary and whatever keeps its records: an ordered map from byte keys to byte values
// with one revision counter, serializable transactions and a watch.
//
// Every successful Update that writes anything raises the store's revision by one or more; all keys it wrote carry that
// revision. Revisions never go back, not over a restart either. An engine never hands out a value it has not made durable.
// Packages mem, bolt and etcd implement [Store]; storetest proves each of them. Keys are made by package keyenc, and who
// owns which prefix is drawn in package entity.
//
// Limits are etcd's on every engine, so that what works on one works on all: see [MaxOps] and [MaxBytes]. A range read
// inside Update does not protect against keys that appear later ("phantoms") on engines whose compares are by key; callers
// that need it read and write a generation record beside the range.
package store

import (
	"context"
	"errors"
	"iter"
)

// Limits of one Update. Going past them is [ErrTooLarge], on every engine, whether or not the engine could do more.
const (
	MaxOps   = 128              // distinct keys read (compares), and separately distinct keys written
	MaxBytes = 1536 * 1024      // keys and values written, together
	MaxKey   = 4 * 1024         // one key
	MaxValue = MaxBytes - 16384 // one value
)

// Revision numbers the states of a store. Zero is the empty store that nobody has written to.
type Revision int64

// Entry is one record. The slices belong to the store: callers must not change them, and may keep them.
type Entry struct {
	Key      []byte
	Value    []byte
	Revision Revision // of the Update that wrote this value
}

// Reader reads one consistent state.
type Reader interface {
	// Get returns the entry under key; ok is false where there is none.
	Get(key []byte) (e Entry, ok bool, err error)
	// Range yields the entries whose keys begin with prefix, in key order. The error, if any, is yielded last.
	Range(prefix []byte) iter.Seq2[Entry, error]
	// Revision is the state that is being read.
	Revision() Revision
}

// Txn reads and writes. Reads see the transaction's own writes.
type Txn interface {
	Reader
	// Put stores value under key. The slices must not be changed afterwards.
	Put(key, value []byte)
	// Delete removes key; a key that is not there is no error.
	Delete(key []byte)
}

// Store is an engine. All methods are safe for concurrent use.
type Store interface {
	// View runs fn on one consistent state. The Reader is invalid after fn returns.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits what it wrote, durably, serializable with all other Updates. When fn returns an error
	// nothing is written and Update returns that error unchanged. fn may run several times and must have no effects
	// beyond the Txn and variables that it sets anew on each run. The Revision is the one at which the writes became
	// visible; where fn wrote nothing, the one it read.
	//
	// An error that is not fn's own may come from a commit whose outcome is unknown: see [ErrUnknownOutcome].
	Update(ctx context.Context, fn func(Txn) error) (Revision, error)

	// Watch yields, in revision order, every change of a key with the given prefix made after revision `after`. It blocks
	// for new ones until ctx ends or the store is closed. The sequence ends after an error: [ErrCompacted] says that the
	// history from `after` on is gone and the caller must load anew with View; [ErrLost] that the caller may resume
	// after the last revision it saw; a context error that ctx ended; [ErrClosed] that the store is closed.
	Watch(ctx context.Context, prefix []byte, after Revision) iter.Seq2[Batch, error]

	// Head returns the newest committed revision. On a replicated engine it is a linearizable read.
	Head(ctx context.Context) (Revision, error)

	// Close ends watches and waits for running transactions.
	Close() error
}

// Batch is what one Update did to the watched prefix, or a progress notice (no changes): everything up to Revision
// has been delivered.
type Batch struct {
	Revision Revision
	Changes  []Change
}

// Change is one key's new state.
type Change struct {
	Key     []byte
	Value   []byte // nil when Deleted
	Deleted bool
}

// Errors of the seam. Engines wrap them with what happened.
var (
	ErrCompacted      = errors.New("the history asked for is gone: load anew")
	ErrLost           = errors.New("the watch broke: resume after the last revision seen")
	ErrClosed         = errors.New("the store is closed")
	ErrTooLarge       = errors.New("the transaction is larger than the store's limits")
	ErrUnknownOutcome = errors.New("it is not known whether the transaction was committed")
	ErrUnavailable    = errors.New("the store cannot be reached")
	ErrLocked         = errors.New("the store is in use by another process")
)

// Guard names a record and the revision at which a decision saw it; zero means that it was absent. A transaction that
// relies on the decision compares its guards and fails when one no longer holds.
type Guard struct {
	Key      []byte
	Revision Revision
}
