// Package trail keeps the record of who did what: events in CloudTrail's record form, in an append-only log of bounded size.
//
// An [Event] is one record. It is encoded by hand in CloudTrail's member order and decoded strictly enough to be read back
// ([Decode]). A [Log] is a directory of JSON-lines files, or the same in memory:
//
//	DIR/trail/events-00000000000000000001.jsonl     one event per line, oldest file first
//	DIR/trail/events-00000000000000000002.jsonl     the newest file is the one being written
//
// A file is closed when the next record would take it past [Config.FileBytes], and the oldest files are removed so that all
// of them together stay within [Config.TotalBytes]. Nothing in a file is ever rewritten, with one exception: a last line
// without its end, left by a crash in the middle of a write, is cut off when the log is opened. Lines that do not decode are
// skipped by readers.
//
// Records come on two ways. The event of a change is committed in the same transaction as the change, in the store's outbox
// plane; a [Mover] appends it here, makes it durable and only then deletes it there, so that none is lost. The event of a
// read or a denial is buffered ([Log.Record]) and written at least once a second; a crash loses what the buffer held, a full
// buffer makes the caller write it out, and only a disk that refuses writes makes the log drop records, which are counted.
//
// The mover appends an event twice only if a crash comes between appending and deleting and the record has since left the
// part of the log that is searched at start ([Log] keeps the last 64 MiB in view). Both have the same event ID.
//
// With several nodes on one store each node has its own log and the outbox is shared: movers must then agree who moves what
// (a lease on the plane or a part of it). The mover here is correct for one node.
package trail

import (
	"crypto/rand"
	"encoding/hex"
	"io"
)

// NewID returns a random (version 4) UUID in the form in which CloudTrail writes event IDs, read from r; nil means
// crypto/rand. A reader that fails is an impossible state for crypto/rand, and panics.
func NewID(r io.Reader) string {
	var b [16]byte
	if r == nil || r == rand.Reader {
		_, _ = rand.Read(b[:]) // never fails, and keeps b off the heap
	} else {
		b = read16(r)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

func read16(r io.Reader) (b [16]byte) {
	if _, err := io.ReadFull(r, b[:]); err != nil {
		panic("trail: no randomness: " + err.Error())
	}
	return b
}
