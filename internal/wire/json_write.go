package wire

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// The JSON functions append one member of an object that begins in b, with a comma where one is due, or nothing where an
// optional value is absent. They serve responses and events; the two differ in the names they pass, in the writing of
// times and in what they hide.

// JSONName appends a member's name, with a comma before it unless it is the first.
func JSONName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// JSONString appends a string.
func JSONString(b []byte, name, v string) []byte { return appendJSONText(JSONName(b, name), v) }

// JSONStringPtr appends an optional string.
func JSONStringPtr(b []byte, name string, v *string) []byte {
	if v == nil {
		return b
	}
	return JSONString(b, name, *v)
}

// JSONSecret appends a secret in the clear: it is the answer's purpose.
func JSONSecret(b []byte, name string, v secret.Text) []byte { return JSONString(b, name, v.Reveal()) }

// JSONSecretPtr appends an optional secret in the clear.
func JSONSecretPtr(b []byte, name string, v *secret.Text) []byte {
	if v == nil {
		return b
	}
	return JSONSecret(b, name, *v)
}

// JSONInt appends a number.
func JSONInt(b []byte, name string, v int) []byte {
	return strconv.AppendInt(JSONName(b, name), int64(v), 10)
}

// JSONIntPtr appends an optional number.
func JSONIntPtr(b []byte, name string, v *int) []byte {
	if v == nil {
		return b
	}
	return JSONInt(b, name, *v)
}

// JSONBool appends a truth value.
func JSONBool(b []byte, name string, v bool) []byte { return strconv.AppendBool(JSONName(b, name), v) }

// JSONBoolPtr appends an optional truth value.
func JSONBoolPtr(b []byte, name string, v *bool) []byte {
	if v == nil {
		return b
	}
	return JSONBool(b, name, *v)
}

// JSONFloat appends a finite number.
func JSONFloat(b []byte, name string, v float64) []byte {
	return strconv.AppendFloat(JSONName(b, name), v, 'g', -1, 64)
}

// JSONFloatPtr appends an optional finite number.
func JSONFloatPtr(b []byte, name string, v *float64) []byte {
	if v == nil {
		return b
	}
	return JSONFloat(b, name, *v)
}

// JSONTime appends a time as seconds since 1970.
func JSONTime(b []byte, name string, v time.Time) []byte { return appendEpoch(JSONName(b, name), v) }

// JSONTimePtr appends an optional time.
func JSONTimePtr(b []byte, name string, v *time.Time) []byte {
	if v == nil {
		return b
	}
	return JSONTime(b, name, *v)
}

// JSONBlob appends bytes in base64; nil is absent.
func JSONBlob(b []byte, name string, v []byte) []byte {
	if v == nil {
		return b
	}
	b = append(JSONName(b, name), '"')
	b = base64.StdEncoding.AppendEncode(b, v)
	return append(b, '"')
}

// JSONStrings appends a list of strings; nil is absent.
func JSONStrings(b []byte, name string, v []string) []byte {
	if v == nil {
		return b
	}
	b = append(JSONName(b, name), '[')
	for i, s := range v {
		b = appendJSONText(JSONNext(b, i), s)
	}
	return append(b, ']')
}

// JSONInts appends a list of numbers; nil is absent.
func JSONInts(b []byte, name string, v []int) []byte {
	if v == nil {
		return b
	}
	b = append(JSONName(b, name), '[')
	for i, n := range v {
		b = strconv.AppendInt(JSONNext(b, i), int64(n), 10)
	}
	return append(b, ']')
}

// JSONNext appends the comma before a list's element i, counted from 0.
func JSONNext(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// JSONStringMap appends a map in the order of its keys; nil is absent.
func JSONStringMap(b []byte, name string, m map[string]string) []byte {
	if m == nil {
		return b
	}
	b = append(JSONName(b, name), '{')
	for i, key := range sortedKeys(m) {
		b = append(appendJSONText(JSONNext(b, i), key), ':')
		b = appendJSONText(b, m[key])
	}
	return append(b, '}')
}

// JSONIntMap appends a map in the order of its keys; nil is absent.
func JSONIntMap(b []byte, name string, m map[string]int) []byte {
	if m == nil {
		return b
	}
	b = append(JSONName(b, name), '{')
	for i, key := range sortedKeys(m) {
		b = append(appendJSONText(JSONNext(b, i), key), ':')
		b = strconv.AppendInt(b, int64(m[key]), 10)
	}
	return append(b, '}')
}

// EventMap appends a map to structures, whose values append writes, in the order of its keys; nil is absent.
func EventMap[T any](b []byte, name string, m map[string]T, write func(*T, []byte) []byte) []byte {
	if m == nil {
		return b
	}
	b = append(JSONName(b, name), '{')
	for i, key := range sortedKeys(m) {
		v := m[key]
		b = append(appendJSONText(JSONNext(b, i), key), ':')
		b = write(&v, b)
	}
	return append(b, '}')
}

// Stand-ins for what events must not show.
const (
	hiddenSecret   = "HIDDEN_DUE_TO_SECURITY_REASONS"
	hiddenPersonal = "****"
)

// EventSecret appends CloudTrail's stand-in for a credential, where there is one.
func EventSecret(b []byte, name string, given bool) []byte {
	return eventHidden(b, name, given, hiddenSecret)
}

// EventPersonal appends CloudTrail's stand-in for personal data, where there is any (AWS Organizations user guide, "Logging
// AWS Organizations API calls with AWS CloudTrail").
func EventPersonal(b []byte, name string, given bool) []byte {
	return eventHidden(b, name, given, hiddenPersonal)
}

func eventHidden(b []byte, name string, given bool, with string) []byte {
	if !given {
		return b
	}
	return JSONString(b, name, with)
}

// EventTime appends a time as CloudTrail's records of IAM and STS have it: "Aug 1, 2024, 11:45:22 AM".
func EventTime(b []byte, name string, v time.Time) []byte {
	b = append(JSONName(b, name), '"')
	b = v.UTC().AppendFormat(b, "Jan 2, 2006, 3:04:05 PM")
	return append(b, '"')
}

// EventTimePtr appends an optional time.
func EventTimePtr(b []byte, name string, v *time.Time) []byte {
	if v == nil {
		return b
	}
	return EventTime(b, name, *v)
}

// appendJSONText appends a JSON string. Text that is not UTF-8 becomes U+FFFD; what would be markup in a page is escaped.
func appendJSONText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, s[last:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			last = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == '\u2028' || r == '\u2029' {
			b = append(b, s[last:i]...)
			if n == 1 {
				b = append(b, "\uFFFD"...)
			} else {
				b = append(b, `\u202`...)
				b = append(b, hex[r&15])
			}
			last = i + n
		}
		i += n
	}
	b = append(b, s[last:]...)
	return append(b, '"')
}
