package policytest_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

const reports = `Who may read the reports.
-- identity[0] --
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/${aws:username}/*"}]}
-- request --
principal: user arn:aws:iam::111122223333:user/alice
action: s3:GetObject
account: 111122223333
context: aws:username = alice
-- case her own --
resource: arn:aws:s3:::reports/alice/may.pdf
expect: allow identity
-- case somebody else's --
resource: arn:aws:s3:::reports/bob/may.pdf
expect: allow identity
`

// Cases outside of Go tests: an archive from anywhere, and what came of each case.
func ExampleCheck() {
	outcomes, err := policytest.Check([]byte(reports))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range outcomes {
		fmt.Printf("line %d: %s: %q\n", o.Line, o.Name, o.Problem)
	}
	// Output:
	// line 10: her own: ""
	// line 13: somebody else's: "expect: deny-implicit identity, want allow identity"
}

// In the tests of a program that embeds the engine: every archive and every case is a subtest.
func ExampleRun() {
	var t *testing.T // the argument of a test function
	_ = func() { policytest.Run(t, os.DirFS("testdata"), "*.txtar") }
}
