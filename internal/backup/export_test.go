package backup

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/seal"
)

// Swap writes a file again with another value under a key. Its sums hold; its seal is another's.
func Swap(t testing.TB, file []byte, key, value string) []byte {
	t.Helper()
	return rewrite(t, file, func(map[string]any) {}, func(k, v []byte) []byte {
		if string(k) == key {
			return []byte(value)
		}
		return v
	})
}

// Rewrite writes a file again with another header.
func Rewrite(t testing.TB, file []byte, change func(header map[string]any)) []byte {
	t.Helper()
	return rewrite(t, file, change, func(_, v []byte) []byte { return v })
}

func rewrite(t testing.TB, file []byte, header func(map[string]any), value func(k, v []byte) []byte) []byte {
	t.Helper()
	in, err := newReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := newWriter(&out, in.summary.Header)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(in.summary.Header)
	if err != nil {
		t.Fatal(err)
	}
	members := make(map[string]any)
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	header(members)
	if text, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	out.WriteString(magic)
	w.sum = newChain()
	if err := w.chunk(kindHeader, text); err != nil {
		t.Fatal(err)
	}
	for e, err := range in.entries() {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.entry(e.Key, value(e.Key, e.Value)); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := seal.NewRing("forger", in.summary.TakenAt, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.end(ring); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
