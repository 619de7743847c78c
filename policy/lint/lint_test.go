package lint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

// one writes a document of version 2012-10-17 with one statement of the given members.
func one(members string) string { return `{"Version":"2012-10-17","Statement":[{` + members + `}]}` }

func allow(actions, resources, condition string) string {
	return one(members("Allow", actions, resources, condition))
}

func deny(actions, resources, condition string) string {
	return one(members("Deny", actions, resources, condition))
}

// members writes a statement's members; actions and resources are separated by spaces, condition is the inside of Condition.
func members(effect, actions, resources, condition string) string {
	list := func(text string) string { return `["` + strings.Join(strings.Fields(text), `","`) + `"]` }
	s := `"Effect":"` + effect + `","Action":` + list(actions)
	if resources != "" {
		s += `,"Resource":` + list(resources)
	}
	if condition != "" {
		s += `,"Condition":{` + condition + `}`
	}
	return s
}

func two(a, b string) string {
	return `{"Version":"2012-10-17","Statement":[{` + a + `},{` + b + `}]}`
}

const (
	object   = "arn:aws:s3:::bucket/*"
	bucket   = "arn:aws:s3:::bucket"
	instance = "arn:aws:ec2:us-east-1:123456789012:instance/i-1"
	role     = "arn:aws:iam::123456789012:role/app"
)

// lintCase is a document and the codes that it earns, in the order of the text, each as "CODE" or "CODE in the message". A case
// without codes is one that must stay quiet.
type lintCase struct {
	name     string
	kind     policy.Kind
	pedantic bool
	doc      string
	want     []string
}

func (c lintCase) run(t *testing.T) []lint.Finding {
	t.Helper()
	doc, err := policy.Parse([]byte(c.doc))
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, c.doc)
	}
	kind := c.kind
	if kind == 0 {
		kind = policy.Identity
	}
	return lint.Options{Pedantic: c.pedantic}.Lint(doc, kind, catalog.ServiceReference())
}

func w(codes ...string) []string { return codes }

func TestLint(t *testing.T) {
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			findings := c.run(t)
			var got []string
			for i, f := range findings {
				text := string(f.Code)
				if i < len(c.want) {
					if code, words, ok := strings.Cut(c.want[i], " "); ok && code == text && strings.Contains(f.Message+" "+f.Remedy, words) {
						text = c.want[i]
					}
				}
				got = append(got, text)
				if f.Message == "" || f.Remedy == "" || !strings.HasSuffix(f.Message, ".") && !strings.HasSuffix(f.Message, "?") || f.Severity < lint.Error || f.Severity > lint.Suggestion {
					t.Errorf("incomplete: %+v", f)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				var all []string
				for _, f := range findings {
					all = append(all, f.String()+" => "+f.Remedy)
				}
				t.Errorf("(-want +got)\n%s\n%s\n%s", diff, c.doc, strings.Join(all, "\n"))
			}
		})
	}
}

// Every check is earned by some document, with the severity that the table of checks gives as its gravest.
func TestChecks(t *testing.T) {
	earned := map[lint.Code]lint.Severity{}
	note := func(findings []lint.Finding) {
		for _, f := range findings {
			if old, ok := earned[f.Code]; !ok || f.Severity < old {
				earned[f.Code] = f.Severity
			}
		}
	}
	for _, c := range cases {
		note(c.run(t))
	}
	for _, c := range grammarCases {
		_, err := policy.Parse([]byte(c.doc))
		note(lint.FromErrors(err))
	}
	note(lintHostile(t, hostileDocuments()["actions of one prefix"]))
	last := ""
	for _, check := range lint.Checks() {
		severity, ok := earned[check.Code]
		switch {
		case !ok:
			t.Errorf("no document earns %s", check.Code)
		case severity != check.Severity:
			t.Errorf("%s is at its gravest %v, the table says %v", check.Code, severity, check.Severity)
		}
		delete(earned, check.Code)
		if string(check.Code) <= last || check.Title == "" {
			t.Errorf("%s comes after %s", check.Code, last)
		}
		last = string(check.Code)
	}
	for code := range earned {
		t.Errorf("%s is not in the table of checks", code)
	}
}

func TestSeverities(t *testing.T) {
	for _, tt := range []struct {
		action   string
		severity lint.Severity
	}{
		{"s3:GetObjct", lint.Error},
		{"s3:GetObejct", lint.Error},
		{"S3:getobjectt", lint.Error},
		{"s3:FetchEverything", lint.Warning},
		{"dynamodbb:GetItem", lint.Error},
		{"ourown:GetThing", lint.Warning},
		{"elb:DescribeTags", lint.Error},
		{"s3:Fetch*", lint.Warning},
	} {
		findings := lintCase{name: tt.action, doc: allow(tt.action, "*", "")}.run(t)
		if len(findings) != 1 || findings[0].Severity != tt.severity {
			t.Errorf("%s: %v", tt.action, findings)
		}
	}
}

func TestPlaces(t *testing.T) {
	src := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Effect\": \"Allow\",\n    \"Action\": [\"s3:GetObject\", \"s3:PutObjct\"],\n    \"Resource\": \"arn:aws:s3:::b/*\"}}"
	doc, err := policy.Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	findings := lint.Lint(doc, policy.Identity, catalog.ServiceReference())
	if len(findings) != 1 {
		t.Fatalf("%v", findings)
	}
	f := findings[0]
	if f.Pos.Line != 4 || f.Pos.Column != 32 || src[f.Pos.Offset:f.End] != `"s3:PutObjct"` || f.Path != "Statement[0].Action[1]" {
		t.Errorf("%+v", f)
	}
	if got, want := f.String(), "4:32: Statement[0].Action[1]: error: INVALID_ACTION: Amazon S3 has no action PutObjct in the service authorization reference of 2026-09-26. Did you mean s3:PutObject?"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var b strings.Builder
	if err := lint.Write(&b, "a.json", []byte(src), findings); err != nil {
		t.Fatal(err)
	}
	want := `a.json:4:32: error: Amazon S3 has no action PutObjct in the service authorization reference of 2026-09-26. Did you mean s3:PutObject? [INVALID_ACTION]
    4 | "Action": ["s3:GetObject", "s3:PutObjct"],
      |                            ^~~~~~~~~~~~~
  in:  Statement[0].Action[1]
  fix: As it stands, it allows nothing. If so, write s3:PutObject.
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	long := strings.Repeat("x", 100)
	at := func(offset, end int) lint.Finding {
		return lint.Finding{Code: "A", Severity: lint.Suggestion, Message: "m\x1b[2J", Pos: policy.Position{Offset: offset, Line: 1, Column: offset + 1}, End: end}
	}
	for _, tt := range []struct {
		name, src string
		finding   lint.Finding
		want      string
	}{
		{"whole document", "{}", lint.Finding{Code: "A", Severity: lint.Error, Message: "m", Remedy: "r"}, "n: error: m [A]\n  fix: r\n"},
		{"control characters", "\t\x1b\u00e9x\n", at(2, 4), "n:1:3: suggestion: m?[2J [A]\n    1 | ?éx\n      |  ^\n"},
		{"long line", long + "SPOT" + long, at(100, 104), "n:1:101: suggestion: m?[2J [A]\n    1 | … " + long[:40] + "SPOT" + long[:66] + " …\n      | " + strings.Repeat(" ", 42) + "^~~~\n"},
		{"no end", "abc", at(1, 0), "n:1:2: suggestion: m?[2J [A]\n    1 | abc\n      |  ^\n"},
		{"end on another line", "ab\ncd", at(1, 5), "n:1:2: suggestion: m?[2J [A]\n    1 | ab\n      |  ^\n"},
		{"outside", "abc", at(9, 12), "n:1:10: suggestion: m?[2J [A]\n"},
		{"at the end", "abc", at(3, 4), "n:1:4: suggestion: m?[2J [A]\n    1 | abc\n      |    ^\n"},
	} {
		var b strings.Builder
		if err := lint.Write(&b, "n", []byte(tt.src), []lint.Finding{tt.finding}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// AWS's managed policies are right by definition: no finding of severity Error, and the limit on the work is far away.
func TestManagedPolicies(t *testing.T) {
	ref, n := catalog.ServiceReference(), 0
	for p := range catalog.ManagedPolicies().All() {
		doc, err := policy.Parse([]byte(p.Document()))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range (lint.Options{Pedantic: true}).Lint(doc, policy.Identity, ref) {
			if f.Severity == lint.Error || f.Code == lint.LimitReached {
				t.Errorf("%s: %v", p.Name, f)
			}
			n++
		}
	}
	if n < 1000 {
		t.Errorf("%d findings", n)
	}
}

func BenchmarkLint(b *testing.B) {
	ref := catalog.ServiceReference()
	for _, name := range []string{"AmazonS3FullAccess", "AdministratorAccess", "ReadOnlyAccess", "AWSSupportServiceRolePolicy"} {
		p, ok := catalog.ManagedPolicies().ByName(name)
		if !ok {
			b.Fatal(name)
		}
		doc, err := policy.Parse([]byte(p.Document()))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/%dKB", name, len(p.Document())>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				lint.Lint(doc, policy.Identity, ref)
			}
		})
	}
}

func TestFromErrors(t *testing.T) {
	for _, c := range grammarCases {
		_, err := policy.Parse([]byte(c.doc))
		findings := lint.FromErrors(err)
		if len(findings) != 1 || string(findings[0].Code) != c.want || findings[0].Severity != lint.Error || findings[0].Pos.Line == 0 {
			t.Errorf("%s: %v, want %s", c.doc, findings, c.want)
		}
	}
	if findings := lint.FromErrors(nil); findings != nil {
		t.Errorf("no error gives %v", findings)
	}
}
