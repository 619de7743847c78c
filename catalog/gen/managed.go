package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
)

const managedMagic = "OSTIARY-MANAGED-1\n"

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

func readManagedSource(path string) ([]entry, error) {
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

func managedFromCatalog() []entry {
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

// encodeManaged writes managed.bin.
func encodeManaged(entries []entry) ([]byte, error) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	var index bytes.Buffer
	var all sections
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return nil, err
		}
		at := all.add(e.document)
		fmt.Fprintf(&index, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", e.name, e.path, e.version,
			e.created.Format(time.RFC3339), e.updated.Format(time.RFC3339), at, len(e.document))
	}
	return all.file(managedMagic, index.Bytes())
}
