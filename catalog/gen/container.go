package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const sectionSize = 64 << 10

// sections collects entries.
type sections struct{ raw [][]byte }

// add appends an entry and returns the number of its section, where the index is section 0.
func (s *sections) add(entry string) int {
	if n := len(s.raw); n == 0 || len(s.raw[n-1]) > 0 && len(s.raw[n-1])+len(entry) > sectionSize {
		s.raw = append(s.raw, nil)
	}
	last := &s.raw[len(s.raw)-1]
	*last = append(*last, entry...)
	return len(s.raw)
}

// file returns the embedded form.
func (s *sections) file(magic string, index []byte) ([]byte, error) {
	sum := sha256.New()
	var body bytes.Buffer
	for _, raw := range slices.Concat([][]byte{index}, s.raw) {
		sum.Write(raw)
		packed, err := deflate(raw)
		if err != nil {
			return nil, err
		}
		body.Write(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(packed))), uint64(len(raw))))
		body.Write(packed)
	}
	return slices.Concat([]byte(magic), sum.Sum(nil), body.Bytes()), nil
}

func deflate(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// same compares the uncompressed content of two files and their sums.
func same(magic string, a, b []byte) error {
	x, err := inflate(magic, a)
	if err != nil {
		return err
	}
	y, err := inflate(magic, b)
	if err != nil {
		return err
	}
	if len(x) != len(y) {
		return fmt.Errorf("%d sections, not %d", len(x), len(y))
	}
	for i := range x {
		if !bytes.Equal(x[i], y[i]) {
			return fmt.Errorf("section %d differs", i)
		}
	}
	return nil
}

func inflate(magic string, file []byte) ([][]byte, error) {
	rest, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("another kind of file")
	}
	want, rest := rest[:sha256.Size], rest[sha256.Size:]
	sum := sha256.New()
	var all [][]byte
	r := bytes.NewReader(rest)
	for r.Len() > 0 {
		packed, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		if packed > uint64(r.Len()) {
			return nil, errors.New("a section is cut off")
		}
		body := make([]byte, packed)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(body)))
		if err != nil {
			return nil, err
		}
		if uint64(len(raw)) != size {
			return nil, fmt.Errorf("section %d has %d bytes, not %d", len(all), len(raw), size)
		}
		sum.Write(raw)
		all = append(all, raw)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return nil, errors.New("the sum does not match")
	}
	return all, nil
}
