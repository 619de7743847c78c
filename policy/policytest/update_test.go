package policytest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

// outdated has every kind of expectation, none of them right; updated is what Update makes of it.
const (
	outdated = `A comment, which stays.

-- identity[0] --
{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqualsIfExists":{"k:k":["a","b"]}}}}
-- request --
principal: user arn:aws:iam::111122223333:user/a
resource: arn:aws:s3:::b/k
context: k:k = c
-- case one --
expect:     deny-explicit boundary
action: s3:GetObject
statements: identity[0]#0
missing: x:y
context: K:K = a
-- case two --
action: s3:PutObject
expect: allow identity
-- case three, without a newline at the end of the archive --
action: sqs:SendMessage
expect: deny-implicit identity
missing:
-- refused identity four --
{"Statement":{"Effect":"Permit","Action":"x","Resource":"*"}}
error:  Something else.
at: 9:9: nowhere
-- refused trust five --
{"Statement":{"Effect":"Allow","Action":"x:y","Principal":"*"}}
error: Something else.`
	updated = `A comment, which stays.

-- identity[0] --
{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqualsIfExists":{"k:k":["a","b"]}}}}
-- request --
principal: user arn:aws:iam::111122223333:user/a
resource: arn:aws:s3:::b/k
context: k:k = c
-- case one --
expect:     allow identity
action: s3:GetObject
statements: identity[0]#0
missing:
context: K:K = a
-- case two --
action: s3:PutObject
expect: deny-implicit identity
-- case three, without a newline at the end of the archive --
action: sqs:SendMessage
expect: deny-implicit identity
missing:
-- refused identity four --
{"Statement":{"Effect":"Permit","Action":"x","Resource":"*"}}
error:  Syntax errors in policy.
at: 1:24: Statement[0].Effect: must be Allow or Deny
at: 1:42: Statement[0].Action[0]: an action has the form service:name
-- refused trust five --
{"Statement":{"Effect":"Allow","Action":"x:y","Principal":"*"}}
error: AssumeRole policy may only specify STS AssumeRole actions.
`
)

func TestUpdate(t *testing.T) {
	got, err := policytest.Update([]byte(outdated), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(updated, string(got)); diff != "" {
		t.Error(diff)
	}
	again, err := policytest.Update(got, nil)
	if err != nil || string(again) != updated {
		t.Errorf("a second update changes something: %v\n%s", err, cmp.Diff(updated, string(again)))
	}
	outcomes, err := policytest.Check(got)
	if err != nil || len(outcomes) != 5 {
		t.Fatalf("%v, %v", outcomes, err)
	}
	for _, o := range outcomes {
		if o.Problem != "" || o.String() != "" {
			t.Errorf("%s after the update: %s", o.Name, o)
		}
	}
	one, err := policytest.Update([]byte(outdated), func(name string) bool { return name == "two" })
	if want := strings.Replace(outdated, "expect: allow identity", "expect: deny-implicit identity", 1); err != nil || string(one) != want {
		t.Errorf("of one case: %v\n%s", err, cmp.Diff(want, string(one)))
	}
	if _, err := policytest.Update([]byte("-- case x --\n"), nil); err == nil {
		t.Error("an archive that is wrong is updated")
	}
}

// TestUpdateKeepsVerdicts holds that no update turns a refused document into an accepted one, or the other way round.
func TestUpdateKeepsVerdicts(t *testing.T) {
	const archive = `-- accepted identity one --
{"Statement":{"Effect":"Permit","Action":"*","Resource":"*"}}
-- refused identity two --
{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}
error: Syntax errors in policy.
`
	got, err := policytest.Update([]byte(archive), nil)
	if err != nil || string(got) != archive {
		t.Errorf("%v\n%s", err, got)
	}
	outcomes, err := policytest.Check(got)
	if err != nil || outcomes[0].Problem == "" || outcomes[1].Problem == "" {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

// TestOutcome holds what a person reads of a case that failed.
func TestOutcome(t *testing.T) {
	outcomes, err := policytest.Check([]byte(outdated))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"want  expect: deny-explicit boundary\ngot   expect: allow identity\n      ALLOWED\n",
		"want  expect: allow identity\ngot   expect: deny-implicit identity\n      DENIED, ",
		"",
		"want  refused: Something else.\ngot   refused: Syntax errors in policy.\n",
		"want  refused: Something else.\ngot   refused: AssumeRole policy may only specify STS AssumeRole actions.\n",
	} {
		if got := outcomes[i].String(); !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s:\n%s\nwant\n%s", outcomes[i].Name, got, want)
		}
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(outdated)
	f.Add("-- case x --\r\nprincipal: user a\r\naction: a:b\r\nresource: *\r\nexpect: x y\r\n")
	f.Fuzz(func(t *testing.T, archive string) {
		got, err := policytest.Update([]byte(archive), nil)
		if err != nil {
			return
		}
		again, err := policytest.Update(got, nil)
		if err != nil || string(again) != string(got) {
			t.Errorf("%q is updated to %q and then to %q, %v", archive, got, again, err)
		}
	})
}
