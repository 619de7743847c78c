// Command cover makes docs/spec-coverage.md and docs/iam-coverage.md from what the tests said with package checklist.
//
//	go run ./internal/checklist/cover            run the tests that say something, and write the documents
//	go run ./internal/checklist/cover -marks DIR take what a run of all tests with OSTIARY_CHECKLIST_DIR=DIR left
//	… -check                                     write nothing; fail where the documents on disk differ
//
// It fails, and writes nothing, on a mark that did not run or that nothing follows, on an item that is neither shown nor said to
// wait, on one that is both, and on a hole in the table of operations. -open lists what is missing instead.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

func main() {
	marks := flag.String("marks", "", "directory of marks; without it the tests are run")
	check := flag.Bool("check", false, "compare with the documents instead of writing them")
	open := flag.Bool("open", false, "list what is missing and write nothing")
	flag.Parse()
	if err := run(*marks, *check, *open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string, check, open bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp("", "marks"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := runTests(root, dir); err != nil {
			return err
		}
	}
	marks, err := readMarks(filepath.Join(dir, "marks.jsonl"))
	if err != nil {
		return err
	}
	waits, err := readWaits(filepath.Join(root, "internal/checklist/waits.txt"))
	if err != nil {
		return err
	}
	calls, err := markCalls(root)
	if err != nil {
		return err
	}
	problems := checkCalls(calls, marks)
	spec, missing := specDocument(marks, waits)
	problems = append(problems, missing...)
	table, missing := operationsDocument(marks)
	problems = append(problems, missing...)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	switch {
	case open:
		fmt.Fprintf(os.Stderr, "%d open\n", len(problems))
		return nil
	case len(problems) > 0:
		return fmt.Errorf("%d problems", len(problems))
	}
	return errors.Join(
		write(filepath.Join(root, "docs/spec-coverage.md"), spec, check),
		write(filepath.Join(root, "docs/iam-coverage.md"), table, check))
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// runTests runs the packages whose tests import package checklist.
func runTests(root, dir string) error {
	list := exec.Command("go", "list", "-f", `{{range .TestImports}}{{if eq . "`+module+`internal/checklist"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}`+
		`{{range .XTestImports}}{{if eq . "`+module+`internal/checklist"}}{{$.ImportPath}}{{"\n"}}{{end}}{{end}}`, "./...")
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		return err
	}
	test := exec.Command("go", append([]string{"test", "-count=1"}, strings.Fields(string(out))...)...)
	test.Dir, test.Stdout, test.Stderr = root, os.Stderr, os.Stderr
	test.Env = append(os.Environ(), checklist.Directory+"="+dir)
	return test.Run()
}

const module = "github.com/ostiary-iam/ostiary/"

func readMarks(path string) ([]checklist.Mark, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var marks []checklist.Mark
	seen := make(map[checklist.Mark]bool)
	for line := range bytes.Lines(text) {
		var m checklist.Mark
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !seen[m] {
			seen[m] = true
			marks = append(marks, m)
		}
	}
	return marks, nil
}

// wait is why an item is not shown.
type wait struct{ word, reason string }

var waitWords = map[string]bool{"console": true, "federation": true, "organizations": true, "elasticache": true, "elsewhere": true, "differs": true}

func readWaits(path string) (map[string]wait, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	for item := range checklist.Items() {
		known[item.ID] = true
	}
	waits := make(map[string]wait)
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) != 3 || parts[2] == "" || !waitWords[parts[1]] || !known[parts[0]] {
			return nil, fmt.Errorf("%s:%d: want an item, a word of the list and a reason, with tabs between them: %q", path, n, line)
		}
		if _, twice := waits[parts[0]]; twice {
			return nil, fmt.Errorf("%s:%d: %s stands there twice", path, n, parts[0])
		}
		waits[parts[0]] = wait{parts[1], parts[2]}
	}
	return waits, nil
}

func write(path string, text []byte, check bool) error {
	if !check {
		return os.WriteFile(path, text, 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s is not what the tests say: run go run ./internal/checklist/cover", path)
	}
	return nil
}
