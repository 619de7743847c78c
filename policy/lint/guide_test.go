package lint_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

// TestGuideWarnings holds the guide's policies that grant less than they seem to, each with the cure that it gives (S3-273 to S3-278).
func TestGuideWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		item, file, cured string
		want              []lint.Code
		about             string // in the message
	}{
		"action without resource":   {"S3-274", "004-L15710.json", "004-L15727.json", []lint.Code{lint.ActionWithoutResource}, "ec2:DescribeInstances"},
		"resource without action":   {"S3-276", "004-L15742.json", "004-L15762.json", []lint.Code{lint.ResourceWithoutAction}, "arn:aws:s3:::examplebucket"},
		"key without action":        {"S3-277", "004-L15790.json", "", []lint.Code{lint.KeyWithoutAction}, "s3:VersionId"},
		"keys of different actions": {"S3-278", "004-L15822.json", "004-L15853.json", []lint.Code{lint.KeyWithoutAction}, "all of"},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S3-273", c.item)
			findings := guideFindings(t, c.file)
			var got []lint.Code
			for _, f := range findings {
				got = append(got, f.Code)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || !strings.Contains(findings[0].Message, c.about) {
				t.Errorf("%v (-want +got)\n%s", findings, diff)
			}
			if c.cured == "" {
				return
			}
			for _, f := range guideFindings(t, c.cured) {
				switch f.Code {
				case lint.ActionWithoutResource, lint.ResourceWithoutAction, lint.KeyWithoutAction:
					t.Errorf("cured: %v", f)
				}
			}
		})
	}
}

func guideFindings(t *testing.T, file string) []lint.Finding {
	t.Helper()
	text, err := os.ReadFile("../testdata/guide/" + file)
	if err != nil {
		t.Fatal(err)
	}
	// Some of today's actions ec2:Describe* do know instances.
	today := strings.NewReplacer("ACCOUNT-ID", "123456789012", "ec2:Describe*", "ec2:DescribeInstances").Replace(string(text))
	doc, err := policy.Parse([]byte(today))
	if err != nil {
		t.Fatal(err)
	}
	return lint.Lint(doc, policy.Identity, catalog.ServiceReference())
}
