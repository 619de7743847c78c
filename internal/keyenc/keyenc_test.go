package keyenc_test

import (
	"bytes"
	"cmp"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

// compare is the order of tuples: part by part, a string before a number, a tuple before those that it begins.
func compare(a, b []any) int {
	return slices.CompareFunc(a, b, func(x, y any) int {
		xs, xString := x.(string)
		ys, yString := y.(string)
		switch {
		case xString && yString:
			return strings.Compare(xs, ys)
		case xString:
			return -1
		case yString:
			return 1
		}
		return cmp.Compare(x.(uint64), y.(uint64))
	})
}

// begins says whether p's parts are the first parts of k.
func begins(k, p []any) bool { return len(k) >= len(p) && reflect.DeepEqual(k[:len(p)], p) }

// tuples draws short tuples over few bytes, the special ones among them, so that neighbours meet often.
func tuples() *rapid.Generator[[]any] {
	char := rapid.SampledFrom([]byte{0, 1, 2, 3, 0x15, 'a', 'b', 0xFE, 0xFF})
	text := rapid.Custom(func(t *rapid.T) any { return string(rapid.SliceOfN(char, 0, 4).Draw(t, "text")) })
	number := rapid.Custom(func(t *rapid.T) any {
		return rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 255, 256, math.MaxUint64}), rapid.Uint64()).Draw(t, "number")
	})
	return rapid.SliceOfN(rapid.OneOf(text, number), 0, 4)
}

func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := tuples().Draw(t, "a"), tuples().Draw(t, "b")
		if got, want := bytes.Compare(keyenc.Encode(a...), keyenc.Encode(b...)), compare(a, b); got != want {
			t.Fatalf("keys compare as %d, tuples as %d", got, want)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tuples().Draw(t, "tuple")
		got, err := keyenc.Decode(keyenc.Encode(want...))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v came back as %v, %v", want, got, err)
		}
	})
}

func TestPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := tuples().Draw(t, "prefix")
		k := tuples().Draw(t, "key")
		if rapid.Bool().Draw(t, "related") {
			k = append(slices.Clone(p), k...)
		}
		got := bytes.HasPrefix(keyenc.Encode(k...), keyenc.Encode(p...))
		if want := begins(k, p); got != want {
			t.Fatalf("prefix: %v, want %v", got, want)
		}
	})
}

// TestBytes holds the encoding still: stores are written in it.
func TestBytes(t *testing.T) {
	tests := []struct {
		parts []any
		key   string
		print string
	}{
		{nil, "", "()"},
		{[]any{""}, "\x02\x00", `("")`},
		{[]any{"id", "user"}, "\x02id\x00\x02user\x00", `("id", "user")`},
		{[]any{"a\x00b"}, "\x02a\x01\x01b\x00", `("a\x00b")`},
		{[]any{"\x01"}, "\x02\x01\x02\x00", `("\x01")`},
		{[]any{"out", uint64(258), "x"}, "\x02out\x00\x15\x00\x00\x00\x00\x00\x00\x01\x02\x02x\x00", `("out", 258, "x")`},
		{[]any{uint64(math.MaxUint64)}, "\x15\xff\xff\xff\xff\xff\xff\xff\xff", "(18446744073709551615)"},
	}
	for _, tt := range tests {
		key := keyenc.Encode(tt.parts...)
		if string(key) != tt.key {
			t.Errorf("Encode(%v) is %q, want %q", tt.parts, key, tt.key)
		}
		if got := keyenc.Print(key); got != tt.print {
			t.Errorf("Print(%q) is %s, want %s", key, got, tt.print)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, key := range []string{
		"\x00", "\x01a\x00", "a", "\xff", // no tag
		"\x02", "\x02a", "\x02a\x01", "\x02\x01\x01", // a string without an end
		"\x02\x01\x00\x00", "\x02\x01\x03\x00", "\x02a\x01\xff\x00", // an unknown escape
		"\x15", "\x15\x00\x00\x00\x00\x00\x00\x00", // a number without an end
		"\x02a\x00\x00", "\x02a\x00\x02", // a second part that is none
	} {
		if parts, err := keyenc.Decode([]byte(key)); err == nil {
			t.Errorf("Decode(%q) is %v, want an error", key, parts)
		}
		if got := keyenc.Print([]byte(key)); strings.HasPrefix(got, "(") {
			t.Errorf("Print(%q) is %s", key, got)
		}
	}
}

func TestEncodeRefusesOtherTypes(t *testing.T) {
	for _, part := range []any{1, int64(1), []byte("a"), nil, true} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Encode took a %T", part)
				}
			}()
			keyenc.Encode(part)
		}()
	}
}

// FuzzDecode: what decodes encodes to the same bytes, so no two keys mean one tuple; and prints without a panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range [][]byte{
		nil,
		keyenc.Encode("id", "user", "123456789012", "AIDAEXAMPLE"),
		keyenc.Encode("out", uint64(1), "event"),
		keyenc.Encode("a\x00b\x00", ""),
		[]byte("\x02a\x01\x01\x00"),
		[]byte("\x15\x00\x00"),
		[]byte("\x02a\x00\x00"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		parts, err := keyenc.Decode(key)
		if printed := keyenc.Print(key); (printed != "" && printed[0] == '(') != (err == nil) {
			t.Errorf("Print(%x) is %s, Decode says %v", key, printed, err)
		}
		if err != nil {
			return
		}
		if again := keyenc.Encode(parts...); !bytes.Equal(again, key) {
			t.Errorf("%x decodes to %v, which encodes to %x", key, parts, again)
		}
	})
}

// FuzzOrder: two tuples of a string and a number compare as their keys do.
func FuzzOrder(f *testing.F) {
	f.Add("a", uint64(1), "a", uint64(2))
	f.Add("a", uint64(1), "a\x00", uint64(0))
	f.Add("a\x00", uint64(0), "a\x01", uint64(0))
	f.Add("", uint64(0), "\xff", uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, s1 string, n1 uint64, s2 string, n2 uint64) {
		a, b := []any{s1, n1}, []any{s2, n2}
		if got, want := bytes.Compare(keyenc.Encode(a...), keyenc.Encode(b...)), compare(a, b); got != want {
			t.Errorf("keys of %q, %d and %q, %d compare as %d, tuples as %d", s1, n1, s2, n2, got, want)
		}
	})
}
