package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/policy/policytest"
)

var update = flag.Bool("update", false, "write what really comes out into testdata/*.txtar")

// TestCases runs the written cases, which are named after the checklist items they hold.
func TestCases(t *testing.T) {
	if *update {
		names, err := filepath.Glob("testdata/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err == nil {
				text, err = policytest.Update(text, nil)
			}
			if err == nil {
				err = os.WriteFile(name, text, 0o666)
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	policytest.Run(t, os.DirFS("testdata"), "*.txtar")
}

// itemsFirst are the items of S1 to S3 that the name of a case begins with.
var itemsFirst = regexp.MustCompile(`^(?:S[123]-[0-9]+ )+`)

// TestItems runs the cases that show items of the checklists of users, roles and policies, and says so.
func TestItems(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := policytest.Check(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, o := range outcomes {
			items := strings.Fields(itemsFirst.FindString(o.Name))
			if len(items) == 0 {
				continue
			}
			ran++
			t.Run(o.Name, func(t *testing.T) {
				checklist.Shows(t, items...)
				if o.Problem != "" {
					t.Errorf("%s:%d:\n%s", name, o.Line, o)
				}
			})
		}
	}
	if ran < 50 {
		t.Errorf("only %d cases", ran)
	}
}
