package policy_test

import (
	"os"
	"testing"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

// TestCases runs the written cases, which are named after the checklist items they hold.
func TestCases(t *testing.T) { policytest.Run(t, os.DirFS("testdata"), "*.txtar") }
