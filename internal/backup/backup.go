// Package backup writes all records of a store, as they are at one revision, into one file, and brings a store back from it.
//
// The file knows nothing of engines: what was taken from one restores into any other. It holds every plane, the wrapped key ring
// among them, so that secrets in it are as sealed as in the store; the master key is not in it, and without that key a backup is
// of no use. What is not sealed (names, policies, password hashes) can be read by whoever has the file.
//
// # The file
//
//	magic     8 bytes: "OSTBKUP1"
//	chunks    each
//	  kind    1 byte: 'H' header, 'R' records, 'E' end
//	  length  4 bytes, most significant first, of the body
//	  body
//	  sum     32 bytes: SHA-256 over the sum before it (of the magic, for the first), kind, length and body
//
// The header comes first and is JSON ([Header]). The body of an R is deflated; it is entries in the order of their keys, over
// the whole file: length of the key as unsigned varint, key, length of the value, value. The end is JSON: the number of
// records and of their bytes, and the sum before it sealed under the key ring that is in the backup. Nothing follows it. As each
// sum covers the one before it, the last covers the file: no byte can change, no chunk can go or change places. The seal is
// what somebody without the master key cannot make: sums show damage, the seal shows forgery.
//
// # Consistency
//
// [Take] reads in one View, so that what it writes should be fast: a slow reader of the file must read a copy, because engines
// keep what a View sees (a bolt file cannot use its free pages meanwhile, and must not be mapped anew).
//
// # Restoring
//
// [Open] reads a file whole before anything is changed. [Archive.Mark] puts a marker into the target, which must be empty unless the
// caller says otherwise; no node serves from a store that has one. [Archive.Restore] deletes what is there, writes the records in
// transactions that each compare the marker, reads the store again and compares it with the file, and takes the marker away. A
// restore that was cut off is begun anew.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Format is the version of the file's drawing.
const Format = 1

const (
	magic = "OSTBKUP1"

	kindHeader  = 'H'
	kindRecords = 'R'
	kindEnd     = 'E'

	chunkBytes = 1 << 20  // entries are collected up to this size, and one more
	maxChunk   = 4 << 20  // of any body, and of what it inflates to
	maxText    = 16 << 10 // of the header and the end
	sealLabel  = "ostiary backup v1"
)

// Errors that callers tell apart. They are wrapped with what happened.
var (
	ErrDamaged   = errors.New("the file is damaged or is no backup")
	ErrForged    = errors.New("the backup was not made by this installation: its seal does not open")
	ErrNotEmpty  = errors.New("the store is not empty")
	ErrRestoring = errors.New("the store is the target of a restore that has not ended")
	ErrEmpty     = errors.New("there is no installation in the store")
	ErrDisturbed = errors.New("somebody else writes to the store")
)

// Header says what a backup is of.
type Header struct {
	Format      int
	Version     string // of Ostiary
	Engine      string // bolt, mem, etcd
	StoreFormat string // the version of the records
	StoreID     string // of the installation, as its key ring says
	Revision    int64  // at which the store was read
	TakenAt     time.Time
}

// end is the last chunk.
type end struct {
	Records int64
	Bytes   int64  // keys and values
	Seal    []byte // of the sum of the chunk before
}

// Summary is what a file holds.
type Summary struct {
	Header
	Records int64
	Bytes   int64  // keys and values
	Sum     string // SHA-256 in hexadecimal, over everything: two files with one sum are one
}

// Source says what to take a backup of.
type Source struct {
	Store   store.Store
	Master  seal.Master
	Engine  string
	Version string
	Now     time.Time
}

// Take writes a backup to w and returns what it holds. Its errors are w's, the store's, [ErrEmpty] and [ErrRestoring]. What it
// wrote before an error is no backup: it has no end.
func Take(ctx context.Context, w io.Writer, s Source) (Summary, error) {
	var sum Summary
	err := s.Store.View(ctx, func(r store.Reader) error {
		head, ring, err := s.header(r)
		if err != nil {
			return err
		}
		out, err := newWriter(w, head)
		if err != nil {
			return err
		}
		for e, err := range r.Range(nil) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fault.Wrap(err, "reading the store")
			}
			if err := out.entry(e.Key, e.Value); err != nil {
				return err
			}
		}
		sum, err = out.end(ring)
		return err
	})
	return sum, err
}

// header reads what the store says of itself.
func (s *Source) header(r store.Reader) (Header, *seal.Ring, error) {
	h := Header{Format: Format, Version: s.Version, Engine: s.Engine, Revision: int64(r.Revision()), TakenAt: s.Now.UTC().Truncate(time.Second)}
	if _, restoring, err := r.Get(entity.SystemKey(entity.SysRestore)); err != nil || restoring {
		return h, nil, errors.Join(err, ErrRestoring)
	}
	format, ok, err := r.Get(entity.SystemKey(entity.SysFormat))
	if err != nil || !ok {
		return h, nil, errors.Join(err, ErrEmpty)
	}
	h.StoreFormat = string(format.Value)
	var rings [2][]byte
	for i, name := range []string{entity.SysRing, entity.SysNextRing} {
		e, _, err := r.Get(entity.SystemKey(name))
		if err != nil {
			return h, nil, err
		}
		rings[i] = e.Value
	}
	ring, err := openRing(s.Master, rings[0], rings[1])
	if err != nil {
		return h, nil, fmt.Errorf("opening the key ring: %w", err)
	}
	h.StoreID = ring.StoreID()
	return h, ring, nil
}

// openRing opens whichever of both the master key is for.
func openRing(master seal.Master, ring, next []byte) (*seal.Ring, error) {
	r, err := seal.Unmarshal(ring, master)
	if errors.Is(err, seal.ErrMaster) && next != nil {
		r, err = seal.Unmarshal(next, master)
	}
	return r, err
}

// chain is the running sum of a file.
type chain [sha256.Size]byte

func newChain() chain { return sha256.Sum256([]byte(magic)) }

// add returns the sum after a chunk.
func (c chain) add(kind byte, body []byte) chain {
	h := sha256.New()
	h.Write(c[:])
	h.Write(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))))
	h.Write(body)
	return chain(h.Sum(nil))
}

func encodeText(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err == nil && len(text) > maxText {
		err = errors.New("longer than it may be")
	}
	return text, fault.Wrap(err, "writing a backup's header or end")
}
