package policy_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/policy/policytest"
)

// TestGuideRules runs the cases for what the guide states as a rule (S3). A case is named after the items that it shows.
func TestGuideRules(t *testing.T) {
	text, err := os.ReadFile("testdata/guide/rules.txtar")
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := policytest.Check(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes) < 50 {
		t.Errorf("only %d cases", len(outcomes))
	}
	item := regexp.MustCompile(`\bS3-\d+\b`)
	for _, o := range outcomes {
		t.Run(o.Name, func(t *testing.T) {
			items := item.FindAllString(o.Name, -1)
			checklist.Shows(t, items...)
			if o.Problem != "" || len(items) == 0 {
				t.Errorf("line %d, %d items\n%v", o.Line, len(items), o)
			}
		})
	}
}
