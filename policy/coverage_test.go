package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

// fields reads the lines of a tab-separated file, without those that begin with #.
func fields(t *testing.T, name string, columns int) [][]string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		columnsOf := strings.Split(line, "\t")
		if len(columnsOf) != columns {
			t.Fatalf("%s: %q has %d columns", name, line, len(columnsOf))
		}
		out = append(out, columnsOf)
	}
	return out
}

// TestCoverage holds that every item of the requirements list has a written case, or a line in testdata/s4-coverage.txt that says what
// becomes of it, and that nothing there is out of date.
func TestCoverage(t *testing.T) {
	items := map[string]string{} // tag by item
	for _, f := range fields(t, "testdata/s4-items.txt", 3) {
		if items[f[0]] != "" {
			t.Errorf("%s is listed twice", f[0])
		}
		items[f[0]] = f[1]
	}
	if len(items) != 283 {
		t.Errorf("%d items", len(items))
	}

	cased := map[string]bool{}
	number := regexp.MustCompile(`\bS4-M?\d+\b`)
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range archives {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := policytest.Check(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, o := range outcomes {
			for _, item := range number.FindAllString(o.Name, -1) {
				cased[item] = true
			}
		}
	}

	behaviour, err := os.ReadFile("../docs/aws-behaviour.md")
	if err != nil {
		t.Fatal(err)
	}
	stated := map[string]bool{}
	for _, f := range fields(t, "testdata/s4-coverage.txt", 3) {
		item, word, text := f[0], f[1], f[2]
		switch {
		case items[item] == "":
			t.Errorf("%s is no item of s4-items.txt", item)
		case stated[item]:
			t.Errorf("%s comes twice", item)
		case cased[item]:
			t.Errorf("%s has a case; its line is out of date", item)
		}
		stated[item] = true
		switch word {
		case "test":
			file, function, _ := strings.Cut(text, ":")
			source, err := os.ReadFile(file)
			if err != nil || !strings.HasSuffix(file, "_test.go") || !strings.Contains(string(source), "\nfunc "+function+"(t *testing.T)") {
				t.Errorf("%s: there is no test %s", item, text)
			}
		case "elsewhere":
			path, _, _ := strings.Cut(text, ":")
			if info, err := os.Stat(filepath.Join("..", filepath.FromSlash(path))); err != nil || !info.IsDir() {
				t.Errorf("%s: there is no package %s", item, path)
			}
		case "rejected":
			if !slices.Contains(number.FindAllString(string(behaviour), -1), item) {
				t.Errorf("%s is rejected, and docs/aws-behaviour.md does not say so", item)
			}
		case "later", "docs":
		default:
			t.Errorf("%s: unknown word %q", item, word)
		}
		if word == "docs" != (items[item] == "docs-only") {
			t.Errorf("%s is tagged %s and called %s", item, items[item], word)
		}
	}
	for item, tag := range items {
		if !cased[item] && !stated[item] {
			t.Errorf("%s [%s] has neither a case nor a reason", item, tag)
		}
	}
}
