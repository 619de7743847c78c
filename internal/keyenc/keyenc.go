// Package keyenc encodes tuples of strings and numbers as byte keys that sort as the tuples do.
//
// A string is the byte 0x02, its bytes with every 0x00 written as 0x01 0x01 and every 0x01 as 0x01 0x02, and a closing
// 0x00. A number is the byte 0x15 and eight bytes, most significant first. The encoding of a tuple is the encodings of its
// parts one after the other, so the encoding of ("a", "b") is a prefix of that of ("a", "b", "c") and of no key outside that
// family: [Encode] serves for range prefixes too. Keys print readably with [Print].
package keyenc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	tagString = 0x02
	tagUint   = 0x15

	closing = 0x00 // ends a string
	escape  = 0x01 // before 0x01 it stands for 0x00, before 0x02 for 0x01
)

// Encode returns the key of a tuple. Parts are strings and uint64s; any other type is a programming error and panics.
func Encode(parts ...any) []byte {
	n := 0
	for _, p := range parts {
		if s, ok := p.(string); ok {
			n += len(s) + 2
		} else {
			n += 9
		}
	}
	key := make([]byte, 0, n)
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			key = append(key, tagString)
			for i := 0; i < len(p); i++ {
				if p[i] <= escape {
					key = append(key, escape, p[i]+1)
				} else {
					key = append(key, p[i])
				}
			}
			key = append(key, closing)
		case uint64:
			key = binary.BigEndian.AppendUint64(append(key, tagUint), p)
		default:
			panic(fmt.Sprintf("keyenc: part of type %T", p))
		}
	}
	return key
}

// Decode returns the parts of a key: strings and uint64s. It accepts only what [Encode] writes.
func Decode(key []byte) ([]any, error) {
	var parts []any
	for i := 0; i < len(key); {
		switch key[i] {
		case tagString:
			text, n, err := decodeString(key[i+1:])
			if err != nil {
				return nil, fmt.Errorf("%w in %x", err, key)
			}
			parts = append(parts, text)
			i += 1 + n
		case tagUint:
			if len(key)-i < 9 {
				return nil, fmt.Errorf("keyenc: number without an end in %x", key)
			}
			parts = append(parts, binary.BigEndian.Uint64(key[i+1:]))
			i += 9
		default:
			return nil, fmt.Errorf("keyenc: unknown tag %#x in %x", key[i], key)
		}
	}
	return parts, nil
}

// decodeString reads a string after its tag and returns how many bytes it took, its closing one included.
func decodeString(b []byte) (text string, n int, err error) {
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case closing:
			return out.String(), i + 1, nil
		case escape:
			if i++; i >= len(b) || b[i] < 1 || b[i] > 2 {
				return "", 0, errors.New("keyenc: unknown escape")
			}
			out.WriteByte(b[i] - 1)
		default:
			out.WriteByte(b[i])
		}
	}
	return "", 0, errors.New("keyenc: string without an end")
}

// Print renders a key for people: ("id", "user", 7). A key that does not decode is printed in hexadecimal.
func Print(key []byte) string {
	parts, err := Decode(key)
	if err != nil {
		return fmt.Sprintf("%x", key)
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		if s, ok := p.(string); ok {
			texts[i] = strconv.Quote(s)
		} else {
			texts[i] = fmt.Sprint(p)
		}
	}
	return "(" + strings.Join(texts, ", ") + ")"
}
