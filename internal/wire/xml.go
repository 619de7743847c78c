package wire

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// The XML functions append one element, or nothing where an optional value is absent. Names come from the models and need
// no escaping; text is escaped, and what XML 1.0 cannot carry is written as U+FFFD.

// XMLOpen appends a start tag.
func XMLOpen(b []byte, name string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	return append(b, '>')
}

// XMLClose appends an end tag.
func XMLClose(b []byte, name string) []byte {
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}

// XMLString appends a string.
func XMLString(b []byte, name, v string) []byte {
	b = XMLOpen(b, name)
	b = appendXMLText(b, v)
	return XMLClose(b, name)
}

// XMLStringPtr appends an optional string.
func XMLStringPtr(b []byte, name string, v *string) []byte {
	if v == nil {
		return b
	}
	return XMLString(b, name, *v)
}

// XMLSecret appends a secret in the clear: it is the answer's purpose.
func XMLSecret(b []byte, name string, v secret.Text) []byte { return XMLString(b, name, v.Reveal()) }

// XMLSecretPtr appends an optional secret in the clear.
func XMLSecretPtr(b []byte, name string, v *secret.Text) []byte {
	if v == nil {
		return b
	}
	return XMLSecret(b, name, *v)
}

// XMLInt appends a number.
func XMLInt(b []byte, name string, v int) []byte {
	b = XMLOpen(b, name)
	b = strconv.AppendInt(b, int64(v), 10)
	return XMLClose(b, name)
}

// XMLIntPtr appends an optional number.
func XMLIntPtr(b []byte, name string, v *int) []byte {
	if v == nil {
		return b
	}
	return XMLInt(b, name, *v)
}

// XMLBool appends a truth value.
func XMLBool(b []byte, name string, v bool) []byte {
	b = XMLOpen(b, name)
	b = strconv.AppendBool(b, v)
	return XMLClose(b, name)
}

// XMLBoolPtr appends an optional truth value.
func XMLBoolPtr(b []byte, name string, v *bool) []byte {
	if v == nil {
		return b
	}
	return XMLBool(b, name, *v)
}

// XMLFloat appends a number.
func XMLFloat(b []byte, name string, v float64) []byte {
	b = XMLOpen(b, name)
	b = strconv.AppendFloat(b, v, 'g', -1, 64)
	return XMLClose(b, name)
}

// XMLFloatPtr appends an optional number.
func XMLFloatPtr(b []byte, name string, v *float64) []byte {
	if v == nil {
		return b
	}
	return XMLFloat(b, name, *v)
}

// XMLTime appends a time in ISO 8601. The zero time is absent, although the model requires the member: AWS leaves out when a job
// ended that has not.
func XMLTime(b []byte, name string, v time.Time) []byte {
	if v.IsZero() {
		return b
	}
	b = XMLOpen(b, name)
	b = appendISO(b, v)
	return XMLClose(b, name)
}

// XMLTimePtr appends an optional time.
func XMLTimePtr(b []byte, name string, v *time.Time) []byte {
	if v == nil {
		return b
	}
	return XMLTime(b, name, *v)
}

// XMLBlob appends bytes in base64; nil is absent.
func XMLBlob(b []byte, name string, v []byte) []byte {
	if v == nil {
		return b
	}
	b = XMLOpen(b, name)
	b = base64.StdEncoding.AppendEncode(b, v)
	return XMLClose(b, name)
}

// XMLStrings appends a list of strings; nil is absent.
func XMLStrings(b []byte, name, element string, v []string) []byte {
	if v == nil {
		return b
	}
	b = XMLOpen(b, name)
	for _, s := range v {
		b = XMLString(b, element, s)
	}
	return XMLClose(b, name)
}

// XMLSecrets appends a list of secrets in the clear; nil is absent.
func XMLSecrets(b []byte, name, element string, v []secret.Text) []byte {
	if v == nil {
		return b
	}
	b = XMLOpen(b, name)
	for _, s := range v {
		b = XMLSecret(b, element, s)
	}
	return XMLClose(b, name)
}

// XMLInts appends a list of numbers; nil is absent.
func XMLInts(b []byte, name, element string, v []int) []byte {
	if v == nil {
		return b
	}
	b = XMLOpen(b, name)
	for _, n := range v {
		b = XMLInt(b, element, n)
	}
	return XMLClose(b, name)
}

// XMLStringMap appends a map in the order of its keys; nil is absent.
func XMLStringMap(b []byte, name string, m map[string]string) []byte {
	if m == nil {
		return b
	}
	b = XMLOpen(b, name)
	for _, key := range sortedKeys(m) {
		b = append(b, "<entry>"...)
		b = XMLString(b, "key", key)
		b = XMLString(b, "value", m[key])
		b = append(b, "</entry>"...)
	}
	return XMLClose(b, name)
}

// XMLIntMap appends a map in the order of its keys; nil is absent.
func XMLIntMap(b []byte, name string, m map[string]int) []byte {
	if m == nil {
		return b
	}
	b = XMLOpen(b, name)
	for _, key := range sortedKeys(m) {
		b = append(b, "<entry>"...)
		b = XMLString(b, "key", key)
		b = XMLInt(b, "value", m[key])
		b = append(b, "</entry>"...)
	}
	return XMLClose(b, name)
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// appendXMLText escapes text. Line ends and tabs are written as references, so that no reader normalises them away.
func appendXMLText(b []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'' {
			i++
			continue
		}
		width, repl := 1, ""
		switch c {
		case '&':
			repl = "&amp;"
		case '<':
			repl = "&lt;"
		case '>':
			repl = "&gt;"
		case '"':
			repl = "&quot;"
		case '\'':
			repl = "&#39;"
		case '\t':
			repl = "&#x9;"
		case '\n':
			repl = "&#xA;"
		case '\r':
			repl = "&#xD;"
		default:
			var r rune
			r, width = utf8.DecodeRuneInString(s[i:])
			if inXML(r) && (r != utf8.RuneError || width > 1) {
				i += width
				continue
			}
			repl = "\uFFFD"
		}
		b = append(b, s[last:i]...)
		b = append(b, repl...)
		i += width
		last = i
	}
	return append(b, s[last:]...)
}

// inXML reports whether XML 1.0 can carry r (production Char).
func inXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0x10FFFF
}
