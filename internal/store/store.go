// Package store is the seam between Ostiary and whatever keeps its records: an ordered map from byte keys to byte values
// with one revision counter, serializable transactions and a watch.
//
// Every successful Update that writes anything raises the store's revision by one or more; all keys it wrote carry that
// revision. Revisions never go back, not over a restart either. An engine never hands out a value it has not made durable.
// Packages mem, bolt and etcd implement [Store]; storetest proves each of them. Keys are made by package keyenc, and who
// owns which prefix is drawn in package entity.
//
// Limits are etcd's on every engine, so that what works on one works on all: see [MaxOps] and [MaxBytes]. Going past one
// fails the whole Update, also when fn does not look at the error of the read that did. A range read
// inside Update does not protect against keys that appear later ("phantoms") on engines whose compares are by key; callers
// that need it read and write a generation record beside the range.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Limits of one Update. Going past them is [ErrTooLarge], on every engine, whether or not the engine could do more.
//
// MaxBytes is below etcd's 1.5 MiB for a request because a request also holds the frames of its operations, and it covers
// the keys read because each of them travels as a compare.
const (
	MaxOps   = 128                 // distinct keys read (compares), and separately distinct keys written
	MaxBytes = 1536*1024 - 16*1024 // keys read, and keys and values written, each key counted once per side, together
	MaxKey   = 4 * 1024            // one key; a key has at least one byte
	MaxValue = MaxBytes - 16*1024  // one value
)

// ProgressInterval is the longest silence of a healthy watch that has caught up.
const ProgressInterval = time.Second

// Revision numbers the states of a store. Zero is the empty store that nobody has written to.
type Revision int64

// Entry is one record. The slices belong to the store: callers must not change them, and may keep them.
type Entry struct {
	Key      []byte
	Value    []byte
	Revision Revision // of the Update that wrote this value
}

// Reader reads one consistent state. A Reader belongs to the goroutine that runs fn.
type Reader interface {
	// Get returns the entry under key; ok is false where there is none.
	Get(key []byte) (e Entry, ok bool, err error)
	// Range yields the entries whose keys begin with prefix, in key order; an empty prefix is every key. The error, if any,
	// is yielded last. Writes that a Txn makes while it ranges are not seen by that Range.
	Range(prefix []byte) iter.Seq2[Entry, error]
	// Revision is the state that is being read.
	Revision() Revision
}

// Txn reads and writes. Reads see the transaction's own writes, which carry Revision 0 until they are committed. A read that
// its own writes answer does not count against [MaxOps]; a read of a key that is not there does, and so does each key that
// Range yields.
type Txn interface {
	Reader
	// Put stores value under key. The slices must not be changed afterwards. Storing the same value again is a write.
	Put(key, value []byte)
	// Delete removes key. A key that is not there is no error; then it is no write either, but counts as one in MaxOps.
	Delete(key []byte)
}

// Store is an engine. All methods are safe for concurrent use.
type Store interface {
	// View runs fn on one consistent state that holds every Update that returned before View was called. The Reader is
	// invalid after fn returns. fn must not call the store: engines may hold locks meanwhile.
	View(ctx context.Context, fn func(Reader) error) error

	// Update runs fn and commits what it wrote, durably, serializable with all other Updates. When fn returns an error
	// nothing is written and Update returns that error unchanged. fn may run several times and must have no effects
	// beyond the Txn and variables that it sets anew on each run; it must not call the store. fn runs in the goroutine that
	// called Update; when it panics, nothing is written, others are not disturbed and the panic goes on. The Revision is
	// the one at which the writes became visible; where fn wrote nothing, the one it read.
	//
	// When ctx ends, an Update that has not begun is given up with the context's error; one that has is finished.
	// An error that is not fn's own may come from a commit whose outcome is unknown: see [ErrUnknownOutcome].
	Update(ctx context.Context, fn func(Txn) error) (Revision, error)

	// Watch yields, in revision order, every change of a key with the given prefix made after revision `after`. It blocks
	// for new ones until ctx ends or the store is closed. A batch without changes is a progress notice: one comes as soon
	// as the watch has caught up, then within [ProgressInterval] after the store's revision moved without touching the
	// prefix, and in silence at least once in ProgressInterval. Where `after` lies in the future nothing comes before the
	// store has reached it. The sequence ends after an error: [ErrCompacted] says that the
	// history from `after` on is gone and the caller must load anew with View; [ErrLost] that the caller may resume
	// after the last revision it saw; a context error that ctx ended; [ErrClosed] that the store is closed.
	Watch(ctx context.Context, prefix []byte, after Revision) iter.Seq2[Batch, error]

	// Head returns the newest committed revision. On a replicated engine it is a linearizable read.
	Head(ctx context.Context) (Revision, error)

	// Close ends watches and waits for running transactions; Updates that wait their turn still get it. Calls that come
	// later get [ErrClosed]. Closing again does nothing.
	Close() error
}

// Batch is what one Update did to the watched prefix, or a progress notice (no changes): everything up to Revision
// has been delivered. The slices belong to the store: callers must not change them, and may keep them.
type Batch struct {
	Revision Revision
	Changes  []Change // in key order, one per key

	// Proven is when the store is known to have had nothing newer than Revision, with a monotonic reading. Zero is just now: the store is
	// in this process. Where Unproven is set nothing is known of that: what a store elsewhere sends may have been on its way
	// for long. Notices are never unproven.
	Proven   time.Time
	Unproven bool
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
	ErrEmptyKey       = errors.New("a key has at least one byte")
	ErrEnded          = errors.New("the transaction has ended: its reader must not be used any more")
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
