package lint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/lint"
)

// hostileDocuments are about a megabyte each and made to be slow.
func hostileDocuments() map[string]string {
	many := func(n int, format string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return strings.Join(out, " ")
	}
	statements := func(n int, format string) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return `{"Version":"2012-10-17","Statement":[` + strings.Join(out, ",") + `]}`
	}
	stars := strings.Repeat("a*", 20000)
	documents := map[string]string{
		"actions of one prefix": allow(many(50000, "ec2:*a%d*b"), "*", ""),
		"unknown actions":       allow(many(40000, "ec2:DescribeInstancesOf%d"), "*", ""),
		"unknown services":      allow(many(40000, "nosuchservice%d:Get"), "*", ""),
		"resources and types":   allow("ec2:* s3:* iam:* sagemaker:* glue:*", many(20000, "arn:aws:*:*:*:*%d*"), ""),
		"resources":             allow("s3:GetObject", many(20000, "arn:aws:s3:::*x%d*"), ""),
		"long patterns":         allow("s3:GetObject", "arn:aws:s3:::"+stars+" arn:aws:s3:::"+stars+"b arn:aws:s3:::"+strings.Repeat("a", 40000)+"b*", ""),
		"long actions":          allow("ec2:"+stars+" ec2:"+stars+"b ec2:"+strings.Repeat("a", 40000)+" ec2:"+strings.Repeat("?", 40000), "*", ""),
		"statements":            statements(8000, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b%d/*"}`),
		"denials":               statements(8000, `{"Effect":"Deny","NotAction":"s3:Get%d*","Resource":"*"},{"Effect":"Allow","Action":"ec2:Run*","Resource":"*"}`),
		"conditions":            statements(4000, `{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"ec2:NoSuchKey%d":"x"}}}`),
		"keys":                  allow("ec2:*", "*", `"StringEquals":{`+strings.TrimSuffix(strings.ReplaceAll(many(20000, `"ec2:ResourceTag/%d":"x",`), " ", ""), ",")+`}`),
		"variables":             allow("s3:GetObject", "arn:aws:s3:::"+strings.Repeat("${aws:usernam}", 20000), ""),
	}
	lines := strings.NewReplacer(`","`, "\",\n\"", `},{`, "},\n{")
	for name, text := range documents {
		documents[name] = lines.Replace(text)
	}
	return documents
}

func lintHostile(t *testing.T, text string) []lint.Finding {
	t.Helper()
	doc, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return lint.Lint(doc, policy.Identity, catalog.ServiceReference())
}

// The work is bounded: the clock is not asked, but a quadratic step anywhere makes this test run into the test's time limit.
func TestHostile(t *testing.T) {
	for name, text := range hostileDocuments() {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			if findings := lintHostile(t, text); len(findings) == 0 {
				t.Error("nothing found")
			}
		})
	}
}

// Documents that the 2018 user guide prints: no panic, and no name in them is called an error but those that are known to be wrong.
func TestGuideDocuments(t *testing.T) {
	files, err := filepath.Glob("../testdata/guide/*.json")
	if err != nil || len(files) < 250 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	read := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := policy.Options{DateAliases: true}.Parse(text)
		if err != nil {
			continue // fragments, and placeholders in the place of values
		}
		kind := policy.Identity
		for i := range doc.Statements {
			if doc.Statements[i].Principals != nil {
				kind = policy.Resource
			}
		}
		findings := lint.Lint(doc, kind, catalog.ServiceReference())
		if doc.Check(kind) != nil {
			continue // not grammatical for this kind of policy, and the guide says so
		}
		read++
		for _, f := range findings {
			switch f.Code {
			case lint.InvalidAction, lint.InvalidServiceInAction, lint.InvalidGlobalConditionKey, lint.InvalidServiceConditionKey, lint.MissingQualifier:
				if f.Severity == lint.Error && !knownWrong[filepath.Base(name)] {
					t.Errorf("%s: %v", filepath.Base(name), f)
				}
			}
		}
	}
	if read < 150 {
		t.Errorf("%d documents read", read)
	}
}

// knownWrong are documents of the guide whose names are wrong.
var knownWrong = map[string]bool{"004-L14287.json": true, "004-L14832-intended.json": true}

func FuzzLint(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.doc), byte(c.kind))
	}
	ref := catalog.ServiceReference()
	f.Fuzz(func(t *testing.T, text []byte, kind byte) {
		doc, err := policy.Options{DateAliases: true}.Parse(text)
		if err != nil {
			if len(lint.FromErrors(err)) == 0 {
				t.Errorf("no finding for %v", err)
			}
			return
		}
		findings := lint.Options{Pedantic: true}.Lint(doc, policy.Kind(kind%8), ref)
		last := 0
		for _, x := range findings {
			if x.Pos.Offset < last || x.End > len(text) || x.End != 0 && x.End < x.Pos.Offset {
				t.Errorf("place %d to %d after %d in %d bytes: %v", x.Pos.Offset, x.End, last, len(text), x)
			}
			last = x.Pos.Offset
		}
		var b strings.Builder
		if err := lint.Write(&b, "f", text, findings); err != nil || !json.Valid([]byte(`"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(b.String())+`"`)) {
			t.Errorf("printed %q: %v", b.String(), err)
		}
		if len(doc.Statements) > 0 {
			var list policy.Errors
			if errors.As(doc.Check(policy.Identity), &list) != (len(lint.FromErrors(doc.Check(policy.Identity))) > 0) {
				t.Error("problems of the grammar are lost")
			}
		}
	})
}
