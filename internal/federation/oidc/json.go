package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and arrays may lie in each other.
const maxDepth = 16

var errJSON = errors.New("not one JSON object of valid UTF-8 in which no member occurs twice")

// object reads one JSON object. Names count with case. An object in which a member occurs twice, at any depth, is refused:
// parsers differ on which of the two counts, and one of them may be somebody's gatekeeper.
func object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errJSON
	}
	if err := members(d, 1); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, errJSON
	}
	return out, nil
}

// members reads the rest of an object.
func members(d *json.Decoder, depth int) error {
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[name] {
			return errJSON
		}
		seen[name] = true
		if err := value(d, depth); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// value reads one value.
func value(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errJSON
	}
	if depth == maxDepth {
		if _, nested := t.(json.Delim); nested {
			return errJSON
		}
	}
	switch t {
	case json.Delim('{'):
		return members(d, depth+1)
	case json.Delim('['):
		for d.More() {
			if err := value(d, depth+1); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}

// text is the string under a name; ok is false where there is none or it is no string.
func text(o map[string]json.RawMessage, name string) (s string, ok bool) {
	raw, ok := o[name]
	if !ok || len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
