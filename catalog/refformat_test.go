package catalog

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
)

const (
	refIndex = "2026-01-01\tsomewhere\ns1\tOne\tstorage\t1\t%\t2\tsaml\n"
	refBody  = "ks1:key\t*A\nksaml:x\tS\ns0 1\nrbucket\tarn:${Partition}:s1:::${B}\t1\nu0!:1\naGet\tR\t1\t1\naPut\tP\t0\t0\n"
)

// reference makes an embedded reference of one service.
func reference(index, body string) []byte {
	index = strings.Replace(index, "%", itoa(len(body)), 1)
	return append([]byte(referenceMagic), file(index, body)[len(managedMagic):]...)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func TestReadReference(t *testing.T) {
	r, err := readReference(reference(refIndex, refBody))
	if err != nil {
		t.Fatal(err)
	}
	a, ok := r.Action("s1:get")
	if !ok || a.Level != Read || a.Resources[0].Type.ARNs[0] != "arn:${Partition}:s1:::${B}" || !a.Resources[0].Required ||
		len(a.Keys) != 2 || len(a.Resources[0].Keys) != 2 || !a.Keys[0].Multi || a.Keys[0].Type != ARNKey {
		t.Errorf("%+v", a)
	}
	if b, ok := r.Action("s1:Put"); !ok || b.Level != PermissionsManagement || b.Keys != nil || b.Resources != nil || r.ActionAt(1) != b {
		t.Errorf("%+v", b)
	}
	if _, ok := r.Key("SAML:x"); !ok {
		t.Error("a key of another prefix is not found")
	}
	good := reference(refIndex, refBody)
	replaced := func(old, new string) []byte { return reference(strings.Replace(refIndex, old, new, 1), refBody) }
	for name, bad := range map[string][]byte{
		"empty":                nil,
		"managed policies":     file(line, "{}"),
		"no sections":          good[:len(referenceMagic)+sha256.Size],
		"cut off":              good[:len(good)-1],
		"no heading":           reference("2026-01-01\n", refBody),
		"fields missing":       replaced("\tsaml", ""),
		"no such section":      replaced("\t1\t", "\t2\t"),
		"the index as entry":   replaced("\t1\t", "\t0\t"),
		"past the section":     replaced("%", "1000"),
		"negative length":      replaced("%", "-1"),
		"no number":            replaced("\t2\t", "\tx\t"),
		"too many actions":     replaced("\t2\t", "\t2000\t"),
		"negative actions":     replaced("\t2\t", "\t-2\t"),
		"a service twice":      reference(refIndex+"s1\tOne\tstorage\t1\t0\t0\t\n", refBody),
		"compressed badly":     slices.Concat(good[:len(referenceMagic)+sha256.Size], []byte{1, 1, 0xFF}),
		"a length without end": append(slices.Clone(good), 0x80),
	} {
		if _, err := readReference(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadService(t *testing.T) {
	s := &Service{Prefix: "s1", count: 2}
	for name, bad := range map[string]string{
		"an empty line":       "\n" + refBody,
		"an unknown line":     "x\n" + refBody,
		"key type":            strings.Replace(refBody, "*A", "*X", 1),
		"no key type":         strings.Replace(refBody, "*A", "", 1),
		"key order":           strings.Replace(refBody, "saml:x", "a:x", 1),
		"key number":          strings.Replace(refBody, "s0 1", "s0 2", 1),
		"no key number":       strings.Replace(refBody, "s0 1", "s0 ", 1),
		"set of a type":       strings.Replace(refBody, "${B}\t1", "${B}\t2", 1),
		"type order":          strings.Replace(refBody, "u0", "rbucket\tarn:\t0\nu0", 1),
		"type number":         strings.Replace(refBody, "u0", "u1", 1),
		"set of a use":        strings.Replace(refBody, "!:1", "!:2", 1),
		"access level":        strings.Replace(refBody, "R\t1", "X\t1", 1),
		"no access level":     strings.Replace(refBody, "R\t1", "\t1", 1),
		"two levels":          strings.Replace(refBody, "R\t1", "RW\t1", 1),
		"set of an action":    strings.Replace(refBody, "R\t1", "R\t2", 1),
		"list of an action":   strings.Replace(refBody, "R\t1\t1", "R\t1\t2", 1),
		"action order":        strings.Replace(refBody, "aPut", "aGET", 1),
		"an action too many":  refBody + "aQ\tR\t0\t0\n",
		"an action too few":   strings.Replace(refBody, "aGet\tR\t1\t1\n", "", 1),
		"action without rest": "aGet\n",
	} {
		if _, err := s.read(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzReadReference(f *testing.F) {
	f.Add(reference(refIndex, refBody), refBody)
	f.Add(reference(refIndex+"s2\tTwo\tx\t1\t0\t0\t\n", refBody), "ka:b\tS\n")
	f.Fuzz(func(t *testing.T, b []byte, body string) {
		if r, err := readReference(b); err == nil {
			for s := range r.Services() {
				if _, ok := r.Service(s.Prefix); !ok {
					t.Errorf("%q is not found", s.Prefix)
				}
			}
		}
		s := &Service{Prefix: "s1", count: 2}
		tables, err := s.read(body)
		if err != nil {
			return
		}
		s.once.Do(func() { s.tables = tables })
		for a := range s.Actions() {
			if found, ok := s.Action(a.Name); !ok || found != a {
				t.Errorf("%q is not found", a.Name)
			}
		}
	})
}

// BenchmarkReference is what the first use costs: reading the index, one service with it, all services.
func BenchmarkReference(b *testing.B) {
	read := func(b *testing.B) *Reference {
		r, err := readReference(referenceFile)
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	b.Run("index", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b)
		}
	})
	b.Run("one service", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := read(b).Action("s3:GetObject"); !ok {
				b.Fatal("s3:GetObject is unknown")
			}
		}
	})
	b.Run("all services", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for s := range read(b).Services() {
				s.load()
			}
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	r := ServiceReference()
	for range r.Expand("*") {
		continue
	}
	for _, pattern := range []string{"s3:GetObject", "s3:Get*", "iam:*User", "*"} {
		b.Run(pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range r.Expand(pattern) {
					continue
				}
			}
		})
	}
}
