// Command gen writes the embedded files of package catalog, which draws their form: managed.bin from the AWS managed policies,
// reference.bin from the service authorization reference.
//
//	go run ./catalog/gen [-dir catalog] [-managed aws-managed-policies.json] [-reference service-authorization.json]
//	go run ./catalog/gen -check [the same]
//
// Only files whose source is given are written. The sources are {"policies": {name: {Path, DefaultVersionId, CreateDate, UpdateDate,
// Document}}} and {"source", "asOf", "services": {prefix: {name, category, actions, resources, conditionKeys}}}. With -check
// nothing is written: the committed files are read back through package catalog, every entry is checked for shape, and encoding
// it anew, twice, must give the same content; with a source, the content must also be the source's. What is compared is the
// uncompressed content: another Go release may compress differently.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	managed := flag.String("managed", "", "JSON file to read the managed policies from")
	reference := flag.String("reference", "", "JSON file to read the service authorization reference from")
	dir := flag.String("dir", "catalog", "directory of the embedded files")
	check := flag.Bool("check", false, "verify the embedded files instead of writing them")
	flag.Parse()
	if err := run(*managed, *reference, *dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// product is one of the files.
type product struct {
	name, magic, source string
	fromSource          func(path string) ([]byte, error)
	fromCatalog         func() ([]byte, error)
}

func run(managed, reference, dir string, check bool) error {
	if managed == "" && reference == "" && !check {
		return errors.New("-managed or -reference is needed")
	}
	for _, p := range []product{
		{"managed.bin", managedMagic, managed,
			func(path string) ([]byte, error) {
				entries, err := readManagedSource(path)
				if err != nil {
					return nil, err
				}
				return encodeManaged(entries)
			},
			func() ([]byte, error) { return encodeManaged(managedFromCatalog()) }},
		{"reference.bin", referenceMagic, reference,
			func(path string) ([]byte, error) {
				source, err := readReferenceSource(path)
				if err != nil {
					return nil, err
				}
				return source.encode()
			},
			func() ([]byte, error) { return referenceFromCatalog().encode() }},
	} {
		if err := p.make(filepath.Join(dir, p.name), check); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (p *product) make(out string, check bool) error {
	var fromSource []byte
	if p.source != "" {
		var err error
		if fromSource, err = p.fromSource(p.source); err != nil {
			return err
		}
	}
	if !check {
		if fromSource == nil {
			return nil
		}
		return os.WriteFile(out, fromSource, 0o644)
	}
	committed, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	again, err := p.fromCatalog()
	if err != nil {
		return err
	}
	twice, err := p.fromCatalog()
	if err != nil {
		return err
	}
	if !bytes.Equal(again, twice) {
		return errors.New("encoding is not deterministic")
	}
	if err := same(p.magic, committed, again); err != nil {
		return fmt.Errorf("against its own content: %w", err)
	}
	if fromSource != nil {
		if err := same(p.magic, committed, fromSource); err != nil {
			return fmt.Errorf("against %s: %w", p.source, err)
		}
	}
	return nil
}
