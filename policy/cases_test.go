package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

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
