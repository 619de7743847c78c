// Package checklist ties tests to what they show: items of the checklists that say what Ostiary must do, and operations with
// the errors they answer. Tests say so in passing; the coverage documents are made by package cover from what was said in tests
// that ran, passed and asserted something.
//
// Only tests and cover import it.
package checklist

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Directory is the environment variable that names the directory to which marks are written. Without it nothing is.
const Directory = "OSTIARY_CHECKLIST_DIR"

// Kind says what a mark is about.
type Kind string

// The kinds of marks.
const (
	ItemShown     Kind = "item"   // Subject is an item
	OperationSeen Kind = "answer" // Subject is an operation that answered; Code its error, empty for success
	ErrorExcluded Kind = "cannot" // Subject is an operation that cannot answer the modelled error Code; Detail says why
	RowChecked    Kind = "row"    // Subject is an operation whose permission row was held against the reference; Detail is its actions
	EventChecked  Kind = "event"  // Subject is an operation whose events of an allowed and a denied call were looked at
)

// Mark is one line of what a test said.
type Mark struct {
	Kind    Kind
	Subject string // "S1-57"; "iam CreateUser"
	Code    string `json:",omitempty"`
	Detail  string `json:",omitempty"`
	Package string // of the test, below the module: internal/service/iam
	Test    string // TestPassword/too_short
	File    string // base name of the file that the mark is in
	Line    int
}

// Item is an item of a checklist.
type Item struct {
	ID     string // S1-57
	Weight string // core, edge, or docs: nothing to build
	Text   string // how it begins
}

//go:embed items.txt
var itemText string

// Items yields the items of S1, S2 and S3, in order. The numbers are those of the checklists.
func Items() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for line := range strings.Lines(itemText) {
			parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
			if len(parts) != 3 {
				panic(fmt.Sprintf("checklist: items.txt has the line %q", line))
			}
			if !yield(Item{parts[0], parts[1], parts[2]}) {
				return
			}
		}
	}
}

var known = sync.OnceValue(func() map[string]bool {
	ids := make(map[string]bool)
	for item := range Items() {
		ids[item.ID] = true
	}
	return ids
})

// Shows says that the test that goes on from here shows the items: "S1-57". Call it in the innermost subtest that asserts
// what the items say, before the assertion. Items of S4 and S5 are only checked for their form: other documents list them.
func Shows(t testing.TB, items ...string) {
	t.Helper()
	for _, id := range items {
		if other := strings.HasPrefix(id, "S4-") || strings.HasPrefix(id, "S5-"); !known()[id] && !other {
			t.Fatalf("%q is no item of a checklist", id)
		}
	}
	mark(t, func(add func(Mark)) {
		for _, id := range items {
			add(Mark{Kind: ItemShown, Subject: id})
		}
	})
}

// Excludes says that an operation ("iam CreateUser") cannot answer an error that its model lists, and why; an empty code, that it
// cannot succeed.
func Excludes(t testing.TB, operation, code, why string) {
	t.Helper()
	mark(t, func(add func(Mark)) { add(Mark{Kind: ErrorExcluded, Subject: operation, Code: code, Detail: why}) })
}

// Row says that an operation's permission row was held against the service authorization reference.
func Row(t testing.TB, operation string, actions ...string) {
	t.Helper()
	mark(t, func(add func(Mark)) {
		add(Mark{Kind: RowChecked, Subject: operation, Detail: strings.Join(actions, ", ")})
	})
}

// Event says that the events of an allowed and of a denied call of an operation were looked at.
func Event(t testing.TB, operation string) {
	t.Helper()
	mark(t, func(add func(Mark)) { add(Mark{Kind: EventChecked, Subject: operation}) })
}

// mark writes marks when the test has ended well. It is called by the exported functions, which the test calls.
func mark(t testing.TB, tell func(add func(Mark))) {
	t.Helper()
	dir := os.Getenv(Directory)
	if dir == "" {
		return
	}
	pc, file, line, _ := runtime.Caller(2)
	at := Mark{Package: packageOf(runtime.FuncForPC(pc).Name()), Test: t.Name(), File: filepath.Base(file), Line: line}
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() || t.Skipped() {
			return
		}
		var text []byte
		tell(func(m Mark) {
			m.Package, m.Test, m.File, m.Line = at.Package, at.Test, at.File, at.Line
			line, err := json.Marshal(m)
			if err != nil {
				t.Error(err)
			}
			text = append(append(text, line...), '\n')
		})
		if len(text) == 0 {
			return
		}
		f, err := os.OpenFile(filepath.Join(dir, "marks.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.Write(text) // one write: other test binaries append to the same file
			if closing := f.Close(); err == nil {
				err = closing
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
}

const module = "github.com/ostiary-iam/ostiary/"

// packageOf is the directory, below the module, of a function called like module/internal/service/iam_test.TestX.func1.
func packageOf(function string) string {
	name := strings.TrimPrefix(function, module)
	slash := strings.LastIndexByte(name, '/') + 1
	last, _, _ := strings.Cut(name[slash:], ".")
	return name[:slash] + strings.TrimSuffix(last, "_test")
}
