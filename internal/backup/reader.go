package backup

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// reader reads a file strictly, from its beginning to its end.
type reader struct {
	r       *bufio.Reader
	sum     chain
	summary Summary
	last    []byte // key
	sealed  []byte
	signed  chain // what the seal is of
}

// damaged says what is wrong with a file.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// newReader reads the header.
func newReader(r io.Reader) (*reader, error) {
	in := &reader{r: bufio.NewReaderSize(r, 1<<16), sum: newChain()}
	var first [len(magic)]byte
	if _, err := io.ReadFull(in.r, first[:]); err != nil || string(first[:]) != magic {
		return nil, in.readError(err, "it does not begin as backups do")
	}
	kind, body, err := in.chunk()
	if err != nil {
		return nil, err
	}
	if kind != kindHeader {
		return nil, damaged("it has no header")
	}
	if err := decodeText(body, &in.summary.Header); err != nil {
		// A later format may have members of its own: its number comes first.
		var h struct{ Format int }
		if json.Unmarshal(body, &h) == nil && h.Format > Format {
			in.summary.Format = h.Format
		} else {
			return nil, err
		}
	}
	if f := in.summary.Format; f != Format {
		return nil, fmt.Errorf("the backup has format %d and this version of Ostiary knows format %d only", f, Format)
	}
	return in, nil
}

// readError is what reading gave, unless the file simply has no more.
func (in *reader) readError(err error, short string) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading the backup: %w", err)
	}
	return damaged("%s", short)
}

// chunk reads a chunk and compares its sum. The body is not valid any more after the next call.
func (in *reader) chunk() (kind byte, body []byte, err error) {
	const cut = "it has lost its end"
	var head [5]byte
	if _, err := io.ReadFull(in.r, head[:]); err != nil {
		return 0, nil, in.readError(err, cut)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxChunk {
		return 0, nil, damaged("a chunk says that it has %d bytes", n)
	}
	var buf bytes.Buffer // grows with what is there, whatever the length says
	if _, err := io.CopyN(&buf, in.r, int64(n)); err != nil {
		return 0, nil, in.readError(err, cut)
	}
	var sum chain
	if _, err := io.ReadFull(in.r, sum[:]); err != nil {
		return 0, nil, in.readError(err, cut)
	}
	if in.sum = in.sum.add(head[0], buf.Bytes()); in.sum != sum {
		return 0, nil, damaged("a checksum does not hold, after %d records", in.summary.Records)
	}
	return head[0], buf.Bytes(), nil
}

// entries yields all records in the order of their keys, and then checks that the file ends as it should. An error is yielded last.
func (in *reader) entries() iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for {
			before := in.sum
			kind, body, err := in.chunk()
			switch {
			case err != nil:
			case kind == kindRecords:
				more, problem := in.records(body, yield)
				if !more {
					return
				}
				err = problem
			case kind == kindEnd:
				if err = in.finish(body, before); err == nil {
					return
				}
			default:
				err = damaged("there is a chunk of kind %q", kind)
			}
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
		}
	}
}

// records yields the entries of a chunk; more is false when yield wants no more.
func (in *reader) records(body []byte, yield func(store.Entry, error) bool) (more bool, err error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), maxChunk+1))
	if err != nil || len(plain) > maxChunk {
		return true, damaged("a chunk does not inflate")
	}
	for len(plain) > 0 {
		var e store.Entry
		if e.Key, plain, err = field(plain, store.MaxKey); err != nil {
			return true, err
		}
		if e.Value, plain, err = field(plain, store.MaxValue); err != nil {
			return true, err
		}
		if bytes.Compare(e.Key, in.last) <= 0 {
			return true, damaged("its records are out of order")
		}
		in.last = e.Key
		in.summary.Records++
		in.summary.Bytes += int64(len(e.Key) + len(e.Value))
		if !yield(e, nil) {
			return false, nil
		}
	}
	return true, nil
}

// field reads a length and so many bytes.
func field(b []byte, most int) (value, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(most) || n > uint64(len(b)-used) {
		return nil, nil, damaged("a record has no length that can be")
	}
	return b[used : used+int(n) : used+int(n)], b[used+int(n):], nil
}

// finish reads the end. before is the sum that it seals.
func (in *reader) finish(body []byte, before chain) error {
	var e end
	if err := decodeText(body, &e); err != nil {
		return err
	}
	if e.Records != in.summary.Records || e.Bytes != in.summary.Bytes {
		return damaged("it says that it has %d records of %d bytes and has %d of %d", e.Records, e.Bytes, in.summary.Records, in.summary.Bytes)
	}
	if _, err := in.r.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("reading the backup: %w", err)
		}
		return damaged("something follows its end")
	}
	in.sealed, in.signed = e.Seal, before
	in.summary.Sum = hex.EncodeToString(in.sum[:])
	return nil
}

// decodeText reads JSON strictly.
func decodeText(text []byte, v any) error {
	if len(text) > maxText {
		return damaged("its header or end is too long")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return damaged("its header or end cannot be read")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return damaged("something follows its header or end")
	}
	return nil
}

// Archive is a file that was read whole and found good.
type Archive struct {
	Summary
	// Proven says that the file's seal was opened: it was made by who has the master key.
	Proven bool
	file   io.ReadSeeker
}

// Open reads a file from its beginning to its end and checks everything. With a master key it opens the key ring in the backup and
// the seal with that; without one forgery goes unnoticed, and only damage is found. It wraps [ErrDamaged], [ErrForged] and, for
// a master key that does not fit, [seal.ErrMaster].
func Open(file io.ReadSeeker, master *seal.Master) (*Archive, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the backup: %w", err)
	}
	in, err := newReader(file)
	if err != nil {
		return nil, err
	}
	system := map[string][]byte{string(entity.SystemKey(entity.SysRing)): nil, string(entity.SystemKey(entity.SysNextRing)): nil, string(entity.SystemKey(entity.SysFormat)): nil}
	for e, err := range in.entries() {
		if err != nil {
			return nil, err
		}
		if _, wanted := system[string(e.Key)]; wanted {
			system[string(e.Key)] = bytes.Clone(e.Value)
		}
		if string(e.Key) == string(entity.SystemKey(entity.SysRestore)) {
			return nil, damaged("it is of a store that was being restored")
		}
	}
	ring, next := system[string(entity.SystemKey(entity.SysRing))], system[string(entity.SystemKey(entity.SysNextRing))]
	if format := system[string(entity.SystemKey(entity.SysFormat))]; ring == nil || string(format) != in.summary.StoreFormat {
		return nil, damaged("it has no key ring, or another format than it says")
	}
	a := &Archive{Summary: in.summary, file: file}
	if master == nil {
		return a, nil
	}
	keys, err := openRing(*master, ring, next)
	if err != nil {
		return nil, err
	}
	sum, err := keys.Open(seal.Backup, in.sealed, []byte(sealLabel))
	if err != nil || string(sum) != string(in.signed[:]) || keys.StoreID() != in.summary.StoreID {
		return nil, ErrForged
	}
	a.Proven = true
	return a, nil
}

// entries reads the file once more. It checks as Open did: the file may have changed since.
func (a *Archive) entries() iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if _, err := a.file.Seek(0, io.SeekStart); err != nil {
			yield(store.Entry{}, fmt.Errorf("reading the backup: %w", err))
			return
		}
		in, err := newReader(a.file)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for e, err := range in.entries() {
			if !yield(e, err) || err != nil {
				return
			}
		}
		if in.summary.Sum != a.Sum {
			yield(store.Entry{}, damaged("it changed while it was read"))
		}
	}
}
