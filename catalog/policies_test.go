package catalog_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// TestManagedPoliciesAreRead holds that the policy package reads every AWS managed policy as AWS does: it parses, may be a managed policy,
// compiles, is printed back equal in both forms, is formatted once and for all, and says the same in its normal form.
func TestManagedPoliciesAreRead(t *testing.T) {
	read := 0
	for p := range catalog.ManagedPolicies().All() {
		text := []byte(p.Document())
		d, err := policy.Options{}.ParseAs(policy.Identity, text)
		if err == nil {
			err = d.CheckManaged()
		}
		if err == nil {
			_, err = policy.Compile(policy.Identity, p.ARN, d)
		}
		if err != nil {
			t.Errorf("%s: %v", p.ARN, problems(err))
			continue
		}
		read++
		compact, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		formatted := d.Format()
		for _, form := range [][]byte{compact, formatted} {
			again, err := policy.Parse(form)
			if err != nil || !again.Equal(d) {
				t.Errorf("%s is printed as something else: %v", p.ARN, err)
				continue
			}
			if !bytes.Equal(again.Format(), formatted) {
				t.Errorf("%s is formatted otherwise the second time", p.ARN)
			}
		}
		normal := d.Normal()
		if !normal.Normal().Equal(normal) || !normal.Equivalent(d) {
			t.Errorf("%s has no normal form", p.ARN)
		}
		if _, err := policy.Compile(policy.Identity, p.ARN, normal); err != nil {
			t.Errorf("the normal form of %s: %v", p.ARN, problems(err))
		}
	}
	if read != 1485 {
		t.Errorf("%d policies read", read)
	}
}

// problems lists what is wrong with a document.
func problems(err error) []string {
	var list policy.Errors
	if !errors.As(err, &list) {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range list {
		out = append(out, e.String())
	}
	return out
}
