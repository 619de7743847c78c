package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// formatVersion is the first byte of every encoded record.
const formatVersion = '1'

// Encode returns the stored form of a record. Records always encode: they hold nothing that JSON refuses.
func Encode(record any) []byte {
	var b bytes.Buffer
	b.WriteByte(formatVersion)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil {
		panic(fmt.Sprintf("entity: %T does not encode: %v", record, err))
	}
	return b.Bytes()[:b.Len()-1]
}

// Decode reads a stored record. A record of a newer format, or with a member that this version does not know, is an error:
// writing it back would lose what is not understood.
func Decode[T any](value []byte) (*T, error) {
	if len(value) == 0 {
		return nil, errors.New("entity: empty record")
	}
	if value[0] != formatVersion {
		return nil, fmt.Errorf("entity: record format %q is not known to this version", value[0])
	}
	dec := json.NewDecoder(bytes.NewReader(value[1:]))
	dec.DisallowUnknownFields()
	record := new(T)
	if err := dec.Decode(record); err != nil {
		return nil, fmt.Errorf("entity: decoding %T: %w", *record, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("entity: decoding %T: data after the record", *record)
	}
	return record, nil
}
