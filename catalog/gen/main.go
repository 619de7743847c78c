// Command gen writes catalog/managed.bin, the embedded form of the AWS managed policies (drawn in package catalog).
//
//	go run ./catalog/gen -source aws-managed-policies.json -out catalog/managed.bin
//	go run ./catalog/gen -check [-source aws-managed-policies.json] [-out catalog/managed.bin]
//
// The source is {"policies": {name: {Path, DefaultVersionId, CreateDate, UpdateDate, Document}}}. With -check nothing is
// written: the committed file is read back through package catalog, every entry is checked for shape, and encoding it anew,
// twice, must give the same content; with a source, the content must also be the source's. What is compared is the
// uncompressed content: another Go release may compress differently.
package main

import (
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
)

const (
	magic       = "OSTIARY-MANAGED-1\n"
	sectionSize = 64 << 10
)

func main() {
	source := flag.String("source", "", "JSON file to read the policies from")
	out := flag.String("out", "catalog/managed.bin", "embedded file")
	check := flag.Bool("check", false, "verify the embedded file instead of writing it")
	flag.Parse()
	if err := run(*source, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(source, out string, check bool) error {
	if source == "" && !check {
		return errors.New("-source is needed")
	}
	var fromSource []byte
	if source != "" {
		entries, err := readSource(source)
		if err != nil {
			return err
		}
		if fromSource, err = encode(entries); err != nil {
			return err
		}
		if !check {
			return os.WriteFile(out, fromSource, 0o644)
		}
	}
	committed, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	entries := readCatalog()
	again, err := encode(entries)
	if err != nil {
		return err
	}
	twice, err := encode(entries)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, twice) {
		return errors.New("encoding is not deterministic")
	}
	if err := same(committed, again); err != nil {
		return fmt.Errorf("%s against its own content: %w", out, err)
	}
	if fromSource != nil {
		if err := same(committed, fromSource); err != nil {
			return fmt.Errorf("%s against %s: %w", out, source, err)
		}
	}
	return nil
}

// entry is one policy in the order of the fields in the index.
type entry struct {
	name, path, version string
	created, updated    time.Time
	document            string
}

var (
	nameForm    = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,128}$`)
	pathForm    = regexp.MustCompile(`^/([A-Za-z0-9.,+@=_-]+/)*$`)
	versionForm = regexp.MustCompile(`^v[1-9][0-9]*$`)
)

func (e *entry) check() error {
	switch {
	case !nameForm.MatchString(e.name):
		return fmt.Errorf("%q is no policy name", e.name)
	case !pathForm.MatchString(e.path):
		return fmt.Errorf("%s: %q is no path", e.name, e.path)
	case !versionForm.MatchString(e.version):
		return fmt.Errorf("%s: %q is no version", e.name, e.version)
	case e.created.IsZero() || e.updated.Before(e.created):
		return fmt.Errorf("%s: created %v, updated %v", e.name, e.created, e.updated)
	case !strings.HasPrefix(e.document, `{"Version":"20`) || !json.Valid([]byte(e.document)):
		return fmt.Errorf("%s: the document is no policy", e.name)
	}
	return nil
}

func readSource(path string) ([]entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Policies map[string]struct {
			Path                   string
			DefaultVersion         string `json:"DefaultVersionId"`
			CreateDate, UpdateDate time.Time
			Document               json.RawMessage
		} `json:"policies"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	var all []entry
	for name, p := range file.Policies {
		document, err := arrange(p.Document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, entry{name, p.Path, p.DefaultVersion, p.CreateDate.UTC(), p.UpdateDate.UTC(), document})
	}
	return all, nil
}

func readCatalog() []entry {
	var all []entry
	for p := range catalog.ManagedPolicies().All() {
		all = append(all, entry{p.Name, p.Path, p.DefaultVersion, p.CreateDate.UTC(), p.UpdateDate.UTC(), p.Document()})
	}
	return all
}

// Elements in the order in which AWS prints them. An element that is not listed is an error.
var (
	documentOrder  = []string{"Version", "Id", "Statement"}
	statementOrder = []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

// arrange returns the document as compact JSON with its elements in order; what is inside them stays as it stands.
func arrange(raw json.RawMessage) (string, error) {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(raw, &document); err != nil {
		return "", err
	}
	var statements []map[string]json.RawMessage
	if err := json.Unmarshal(document["Statement"], &statements); err != nil {
		statements = make([]map[string]json.RawMessage, 1)
		if err := json.Unmarshal(document["Statement"], &statements[0]); err != nil {
			return "", err
		}
	}
	var list bytes.Buffer
	for i, s := range statements {
		list.WriteByte("[,"[min(i, 1)])
		if err := arrangeObject(&list, s, statementOrder); err != nil {
			return "", err
		}
	}
	list.WriteByte(']')
	document["Statement"] = list.Bytes()
	var b bytes.Buffer
	if err := arrangeObject(&b, document, documentOrder); err != nil {
		return "", err
	}
	return b.String(), nil
}

func arrangeObject(b *bytes.Buffer, object map[string]json.RawMessage, order []string) error {
	written := 0
	for _, name := range order {
		value, ok := object[name]
		if !ok {
			continue
		}
		fmt.Fprintf(b, `%c"%s":`, "{,"[min(written, 1)], name)
		if err := json.Compact(b, value); err != nil {
			return err
		}
		written++
	}
	if b.WriteByte('}'); written != len(object) {
		return fmt.Errorf("an element besides %s", strings.Join(order, ", "))
	}
	return nil
}

// encode writes the embedded form.
func encode(entries []entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	var index bytes.Buffer
	sections := [][]byte{nil}
	var current []byte
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return nil, err
		}
		if len(current) > 0 && len(current)+len(e.document) > sectionSize {
			sections, current = append(sections, current), nil
		}
		current = append(current, e.document...)
		fmt.Fprintf(&index, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", e.name, e.path, e.version,
			e.created.Format(time.RFC3339), e.updated.Format(time.RFC3339), len(sections), len(e.document))
	}
	sections = append(sections, current)
	sections[0] = index.Bytes()

	sum := sha256.New()
	var body bytes.Buffer
	for _, raw := range sections {
		sum.Write(raw)
		packed, err := deflate(raw)
		if err != nil {
			return nil, err
		}
		body.Write(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(packed))), uint64(len(raw))))
		body.Write(packed)
	}
	return slices.Concat([]byte(magic), sum.Sum(nil), body.Bytes()), nil
}

func deflate(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// same compares the uncompressed content of two files and their sums.
func same(a, b []byte) error {
	x, err := inflate(a)
	if err != nil {
		return err
	}
	y, err := inflate(b)
	if err != nil {
		return err
	}
	if len(x) != len(y) {
		return fmt.Errorf("%d sections, not %d", len(x), len(y))
	}
	for i := range x {
		if !bytes.Equal(x[i], y[i]) {
			return fmt.Errorf("section %d differs", i)
		}
	}
	return nil
}

func inflate(file []byte) ([][]byte, error) {
	rest, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return nil, errors.New("not a managed policy file")
	}
	want, rest := rest[:sha256.Size], rest[sha256.Size:]
	sum := sha256.New()
	var all [][]byte
	r := bytes.NewReader(rest)
	for r.Len() > 0 {
		packed, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		if packed > uint64(r.Len()) {
			return nil, errors.New("a section is cut off")
		}
		body := make([]byte, packed)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(body)))
		if err != nil {
			return nil, err
		}
		if uint64(len(raw)) != size {
			return nil, fmt.Errorf("section %d has %d bytes, not %d", len(all), len(raw), size)
		}
		sum.Write(raw)
		all = append(all, raw)
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return nil, errors.New("the sum does not match")
	}
	return all, nil
}
