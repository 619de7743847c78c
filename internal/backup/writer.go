package backup

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
)

// writer writes a file.
type writer struct {
	w       io.Writer
	sum     chain
	summary Summary
	plain   []byte // entries of the next chunk
	packed  bytes.Buffer
	deflate *flate.Writer
}

func newWriter(w io.Writer, h Header) (*writer, error) {
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return nil, fault.Wrap(err, "preparing to deflate")
	}
	out := &writer{w: w, sum: newChain(), summary: Summary{Header: h}, deflate: deflate, plain: make([]byte, 0, chunkBytes+1<<16)}
	text, err := encodeText(h)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, magic); err != nil {
		return nil, fmt.Errorf("writing the backup: %w", err)
	}
	return out, out.chunk(kindHeader, text)
}

// chunk writes a chunk.
func (w *writer) chunk(kind byte, body []byte) error {
	if len(body) > maxChunk {
		return fmt.Errorf("backup: a chunk of %d bytes", len(body))
	}
	w.sum = w.sum.add(kind, body)
	for _, part := range [][]byte{binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body, w.sum[:]} {
		if _, err := w.w.Write(part); err != nil {
			return fmt.Errorf("writing the backup: %w", err)
		}
	}
	return nil
}

// entry adds a record. Keys come in their order.
func (w *writer) entry(key, value []byte) error {
	w.plain = append(binary.AppendUvarint(w.plain, uint64(len(key))), key...)
	w.plain = append(binary.AppendUvarint(w.plain, uint64(len(value))), value...)
	w.summary.Records++
	w.summary.Bytes += int64(len(key) + len(value))
	if len(w.plain) < chunkBytes {
		return nil
	}
	return w.flush()
}

// flush writes the collected entries.
func (w *writer) flush() error {
	if len(w.plain) == 0 {
		return nil
	}
	w.packed.Reset()
	w.deflate.Reset(&w.packed)
	if _, err := w.deflate.Write(w.plain); err != nil {
		return fault.Wrap(err, "deflating records")
	}
	if err := w.deflate.Close(); err != nil {
		return fault.Wrap(err, "deflating records")
	}
	w.plain = w.plain[:0]
	return w.chunk(kindRecords, w.packed.Bytes())
}

// end closes the file.
func (w *writer) end(ring *seal.Ring) (Summary, error) {
	if err := w.flush(); err != nil {
		return Summary{}, err
	}
	sealed, err := ring.Seal(seal.Backup, w.sum[:], []byte(sealLabel))
	if err != nil {
		return Summary{}, err
	}
	text, err := encodeText(end{Records: w.summary.Records, Bytes: w.summary.Bytes, Seal: sealed})
	if err != nil {
		return Summary{}, err
	}
	if err := w.chunk(kindEnd, text); err != nil {
		return Summary{}, err
	}
	w.summary.Sum = hex.EncodeToString(w.sum[:])
	return w.summary, nil
}
