// Command gen writes the packages under internal/wire/shape from the API models.
//
// Run it from anywhere in the module:
//
//	go run ./internal/wire/gen          write the packages
//	go run ./internal/wire/gen -check   exit with status 1 where what is committed differs
//
// models/*.json are the API models as AWS publishes them, without prose and unchanged. models/*.overlay.json add what the SDK
// knows beyond them; each says where its additions were read. unbuilt.txt lists, with its reason, every operation that is
// not built; an operation that is not listed there gets a method in its package's Service interface, so that a missing
// implementation is a compile error. The output depends on these files alone.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// services are the packages to write.
var services = []string{"iam", "sts", "organizations", "elasticache"}

func main() {
	check := flag.Bool("check", false, "compare with what is committed instead of writing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	wire, err := wireDir()
	if err != nil {
		return err
	}
	for _, name := range services {
		s, err := load(wire, name)
		if err != nil {
			return err
		}
		files, err := s.render()
		if err != nil {
			return err
		}
		dir := filepath.Join(wire, "shape", name)
		if check {
			err = compare(dir, files)
		} else {
			err = replace(dir, files)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads all that the package of one service is made from.
func load(wire, name string) (*service, error) {
	m, err := readModel(filepath.Join(wire, "gen", "models"), name)
	if err != nil {
		return nil, err
	}
	unbuilt, err := readUnbuilt(filepath.Join(wire, "gen", "unbuilt.txt"))
	if err != nil {
		return nil, err
	}
	return plan(name, m, unbuilt[name])
}

// wireDir finds internal/wire from the working directory upward.
func wireDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		wire := filepath.Join(dir, "internal", "wire")
		if _, err := os.Stat(filepath.Join(wire, "gen", "unbuilt.txt")); err == nil {
			return wire, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no internal/wire above the working directory")
		}
		dir = up
	}
}

// replace writes the files and removes generated files that are no longer made.
func replace(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(dir, "zz_*.go"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if _, ok := files[filepath.Base(path)]; !ok {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare says which files differ from what is generated.
func compare(dir string, files map[string][]byte) error {
	var differ []string
	for name, text := range files {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(have, text) {
			differ = append(differ, name)
		}
	}
	have, err := filepath.Glob(filepath.Join(dir, "zz_*.go"))
	if err != nil {
		return err
	}
	for _, path := range have {
		if _, ok := files[filepath.Base(path)]; !ok {
			differ = append(differ, filepath.Base(path))
		}
	}
	if len(differ) > 0 {
		slices.Sort(differ)
		return fmt.Errorf("%s: not what the generator writes: %v; run go run ./internal/wire/gen", dir, differ)
	}
	return nil
}
