package policytest_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ostiary-iam/ostiary/policy/policytest"
)

const question = `principal: user arn:aws:iam::111122223333:user/a
action: s3:GetObject
resource: arn:aws:s3:::b/k
`

const document = `-- identity[0] --
{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEqualsIfExists":{"k:k":["a","b"]}}}}
`

func TestCheck(t *testing.T) {
	archive := "A comment.\n" + document +
		"-- case right --\n" + question + "expect: allow identity\nstatements: identity[0]#0\nmissing: k:k\n" +
		"-- case values --\n" + question + "context: k:k = b\nexpect: allow identity\nmissing:\n" +
		"-- case wrong decision --\n" + question + "expect: deny-implicit identity\n" +
		"-- case wrong layer --\n" + question + "expect: allow resource\n" +
		"-- case wrong statements --\n" + question + "expect: allow identity\nstatements: identity[0]#1\n" +
		"-- case wrong keys --\n" + question + "expect: allow identity\nmissing: z:z\n" +
		"-- identity[0] --\n" +
		"-- case removed --\n" + question + "expect: deny-implicit identity\n" +
		"-- refused identity right --\n{}\nerror: Syntax errors in policy.\n" +
		"-- refused identity wrong --\n{}\nerror: Something else.\n" +
		"-- refused resource accepted --\n{\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"*\",\"Principal\":\"*\"}}\nerror: Syntax errors in policy.\n"
	outcomes, err := policytest.Check([]byte(archive))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "", "expect: allow identity, want deny-implicit identity", "expect: allow identity, want allow resource", "statements: identity[0]#0, want",
		"missing: k:k, want z:z", "", "", `error "Syntax errors in policy.", want "Something else."`, "accepted, want"}
	if len(outcomes) != len(want) {
		t.Fatalf("%d outcomes: %+v", len(outcomes), outcomes)
	}
	for i, o := range outcomes {
		if (o.Problem == "") != (want[i] == "") || !strings.HasPrefix(o.Problem, want[i]) {
			t.Errorf("%s: %q, want %q", o.Name, o.Problem, want[i])
		}
	}
	if outcomes[0].Line != 4 || outcomes[0].Name != "right" {
		t.Errorf("the first case is %+v", outcomes[0])
	}
}

// TestForm holds that everything the format does not know is an error.
func TestForm(t *testing.T) {
	ok := "-- case x --\n" + question + "expect: allow identity\n"
	for archive, want := range map[string]string{
		"":                              "no files",
		document:                        "no case",
		"-- other --\n" + ok:            `unknown file "other"`,
		"-- case --\n" + question:       `unknown file "case"`,
		ok + "color: red\n":             `unknown line "color"`,
		ok + "nonsense\n":               "not of the form",
		ok + "action: s3:a\n":           "action comes twice",
		ok + "context: k\n":             "not of the form key = value",
		"-- case x --\n" + question:     "expect is missing",
		"-- case x --\nexpect: allow\n": "principal is missing",
		"-- case x --\n" + question + "expect: allow\n":                                   "needs a decision and a layer",
		"-- case x --\nprincipal: group x\naction: s3:a\nresource: *\nexpect: allow x\n":  "unknown type of principal",
		"-- case x --\nprincipal: user x y\naction: s3:a\nresource: *\nexpect: allow x\n": "unknown attribute",
		"-- identity[1] --\n{}\n" + ok:                                                    "does not follow",
		"-- scp[1][0] --\n{}\n" + ok:                                                      "does not follow",
		"-- identity[0] --\n{}\n" + ok:                                                    "Statement is missing",
		"-- trust --\n{}\n-- resource --\n{}\n" + ok:                                      "exclude each other",
		"-- refused group x --\n{}\nerror: x\n":                                           `unknown kind "group"`,
		"-- refused identity x --\n{}\n":                                                  "no line behind the document begins with",
	} {
		if _, err := policytest.Check([]byte(archive)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", archive, err, want)
		}
	}
}

func TestRun(t *testing.T) {
	fsys := fstest.MapFS{"a.txtar": {Data: []byte(document + "-- case x --\n" + question + "expect: allow identity\n")}}
	policytest.Run(t, fsys, "*.txtar")
}

func FuzzCheck(f *testing.F) {
	f.Add(document + "-- case x --\n" + question + "context: k:k = a | \"\"\nexpect: allow identity\n")
	f.Fuzz(func(t *testing.T, archive string) {
		if outcomes, err := policytest.Check([]byte(archive)); err == nil && len(outcomes) == 0 {
			t.Errorf("%q: neither outcomes nor an error", archive)
		}
	})
}
