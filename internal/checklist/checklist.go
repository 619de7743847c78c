// Package checklist ties tests to the checklists that say what Ostiary must do. A test that shows an item says so with
// [Shows]; the coverage documents are made from what was said in tests that ran, passed and asserted something.
//
// Only tests import it.
package checklist

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

// Directory is the environment variable that names the directory to which marks are written. Without it nothing is.
const Directory = "OSTIARY_CHECKLIST_DIR"

// Mark is one line of what Shows writes.
type Mark struct {
	Item string // S1-57
	Test string // TestPassword/too_short
	File string // the file of the call, as the compiler named it
	Line int
}

var item = regexp.MustCompile(`^S[1-5]-[A-Z]?[0-9]+$`)

// Shows says that the test that goes on from here shows the items: "S1-57". Call it in the innermost subtest that asserts
// what the item says, before the assertion.
func Shows(t testing.TB, items ...string) {
	t.Helper()
	for _, name := range items {
		if !item.MatchString(name) {
			t.Fatalf("%q is no number of a checklist's item", name)
		}
	}
	dir := os.Getenv(Directory)
	if dir == "" {
		return
	}
	_, file, line, _ := runtime.Caller(1)
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		f, err := os.OpenFile(filepath.Join(dir, "marks.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}()
		for _, name := range items {
			text, err := json.Marshal(Mark{name, t.Name(), file, line})
			if err == nil {
				_, err = f.Write(append(text, '\n')) // one write each: other test binaries append too
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
}
