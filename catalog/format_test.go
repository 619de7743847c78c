package catalog

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// file makes an embedded file of sections.
func file(sections ...string) []byte {
	b := append([]byte(managedMagic), make([]byte, sha256.Size)...)
	for _, raw := range sections {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestSpeed)
		w.Write([]byte(raw))
		w.Close()
		b = binary.AppendUvarint(b, uint64(packed.Len()))
		b = binary.AppendUvarint(b, uint64(len(raw)))
		b = append(b, packed.Bytes()...)
	}
	return b
}

const line = "A\t/\tv1\t2020-01-01T00:00:00Z\t2020-01-01T00:00:00Z\t1\t2\n"

func TestReadManaged(t *testing.T) {
	m, err := readManaged(file(line+strings.Replace(line, "A", "B", 1), "{}[]"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := m.ByName("A")
	b, _ := m.ByName("B")
	if a.Document() != "{}" || b.Document() != "[]" {
		t.Errorf("documents %q and %q", a.Document(), b.Document())
	}
	good := file(line, "{}")
	for name, bad := range map[string][]byte{
		"empty":                 nil,
		"other magic":           slices.Concat([]byte("X"), good[1:]),
		"no sections":           good[:len(managedMagic)+sha256.Size],
		"cut off":               good[:len(good)-1],
		"length past the end":   append(slices.Clone(good), 0x7F, 1),
		"length without an end": append(slices.Clone(good), 0x80),
		"length too large":      append(slices.Clone(good), 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F),
		"no such section":       file(strings.Replace(line, "\t1\t", "\t2\t", 1), "{}"),
		"the index as document": file(strings.Replace(line, "\t1\t", "\t0\t", 1), "{}"),
		"past the section":      file(strings.Replace(line, "\t2\n", "\t3\n", 1), "{}"),
		"negative length":       file(strings.Replace(line, "\t2\n", "\t-2\n", 1), "{}"),
		"fields missing":        file("A\t/\tv1\n", "{}"),
		"no date":               file(strings.Replace(line, "2020-01", "2020-31", 1), "{}"),
		"out of order":          file(strings.Replace(line, "A", "B", 1)+line, "{}{}"),
		"twice":                 file(line+line, "{}{}"),
	} {
		if _, err := readManaged(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzReadManaged(f *testing.F) {
	f.Add(file(line, "{}"))
	f.Add(file(line+strings.Replace(line, "A", "B", 1), "{}[]"))
	f.Add([]byte(managedMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readManaged(b)
		if err != nil {
			return
		}
		for p := range m.All() {
			if text, err := p.doc.inflate(); err == nil && len(text) >= p.start+p.size && p.Document() != text[p.start:p.start+p.size] {
				t.Errorf("%s: another document", p.Name)
			}
		}
	})
}

// BenchmarkStart is what every process pays that needs the catalog: reading the index.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readManaged(managedFile); err != nil {
			b.Fatal(err)
		}
	}
}
