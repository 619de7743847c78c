// Package keyenc encodes tuples of strings and numbers as byte keys that sort as the tuples do.
//
// A string is the byte 0x02, its bytes with every 0x00 written as 0x00 0xFF, and a closing 0x00. A number is the byte 0x15
// and eight bytes, most significant first. The encoding of a tuple is the encodings of its parts one after the other, so
// the encoding of ("a", "b") is a prefix of that of ("a", "b", "c") and of no key outside that family: [Encode] serves for
// range prefixes too. Keys print readably with [Print].
package keyenc

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

const (
	tagString = 0x02
	tagUint   = 0x15
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
				if key = append(key, p[i]); p[i] == 0 {
					key = append(key, 0xFF)
				}
			}
			key = append(key, 0)
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
			var b strings.Builder
			i++
			for {
				if i >= len(key) {
					return nil, fmt.Errorf("keyenc: string without an end in %x", key)
				}
				if key[i] != 0 {
					b.WriteByte(key[i])
					i++
					continue
				}
				if i+1 < len(key) && key[i+1] == 0xFF {
					b.WriteByte(0)
					i += 2
					continue
				}
				i++
				break
			}
			parts = append(parts, b.String())
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
