package testenv_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/testenv"
)

func TestOlder(t *testing.T) {
	first := testenv.Since{One: 29, Two: 13, Botocore: 31}
	for version, want := range map[string]bool{
		"aws-cli/2.9.19": true, "aws-cli/2.12.99": true, "aws-cli/2.13.0": false, "aws-cli/2.31.1": false,
		"aws-cli/1.28.7": true, "aws-cli/1.29.0": false, "aws-cli/1.45.11": false, "aws-cli/3.0.0": false,
		"botocore/1.29.27": true, "botocore/1.31.0": false, "botocore/1.43.11": false, "": false, "luck": false,
	} {
		if got := testenv.Older(version, first); got != want {
			t.Errorf("%q is older: %v", version, got)
		}
	}
}
