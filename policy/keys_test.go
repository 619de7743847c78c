package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/policy"
)

// TestSpan holds spans against what AWS's simulator is seen to answer: the two examples of the AWS CLI's reference, the policy
// AdministratorAccess, and a policy of two statements, of which the second begins where the first ends.
func TestSpan(t *testing.T) {
	two := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
	{"Effect":"Deny","Action":"s3:*","Resource":"é"}  ]}`
	for _, c := range []struct {
		text string
		want []string
	}{
		{`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}`,
			[]string{"1:38-1:167"}},
		{"{\n    \"Version\": \"2012-10-17\",\n    \"Statement\": [\n        {\n            \"Effect\": \"Allow\",\n            \"Action\": [\n" +
			"                \"codecommit:ListRepositories\"\n            ], \"Resource\": \"*\"\n        }\n    ]\n}", []string{"3:19-9:10"}},
		{"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
			[]string{"3:17-8:6"}},
		{two, []string{"1:38-1:84", "1:84-2:50"}},
	} {
		d := parse(t, c.text)
		var got []string
		for i := range d.Statements {
			from, to := d.Span(i)
			got = append(got, fmt.Sprintf("%d:%d-%d:%d", from.Line, from.Column, to.Line, to.Column))
			if text := c.text[from.Offset:to.Offset]; text[len(text)-1] != '}' {
				t.Errorf("the span of statement %d is %q", i, text)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s\n(-want +got):\n%s", c.text, diff)
		}
	}
	made := &policy.Document{Statements: []policy.Statement{{}}}
	if from, to := made.Span(0); from != to || from != (policy.Position{}) {
		t.Errorf("a statement without text stands from %v to %v", from, to)
	}
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"in the order of the text, each once", `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::b/${aws:username}/${saml:sub, 'x'}","arn:aws:s3:::${aws:UserName}"],
			 "Condition":{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"StringLike":{"aws:PrincipalTag/team":["${aws:userid}*","AWS:USERNAME"]}}},
			{"Effect":"Deny","Action":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}},"NotResource":"arn:aws:s3:::${s3:prefix}/*"}]}`,
			[]string{"aws:username", "saml:sub", "aws:CurrentTime", "aws:PrincipalTag/team", "aws:userid", "aws:SecureTransport", "s3:prefix"}},
		{"characters that are no variables", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${*}${?}${$}"}}`, nil},
		{"the old version knows no variables", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}",
			"Condition":{"StringEquals":{"aws:userid":"${aws:username}"}}}}`, []string{"aws:userid"}},
		{"values of a set operator", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*",
			"Condition":{"ForAllValues:StringEqualsIfExists":{"aws:TagKeys":["${aws:PrincipalTag/a}"]},"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:${aws:userid}"},
			"NumericEquals":{"s3:max-keys":"10"}}}}`, []string{"aws:TagKeys", "aws:PrincipalTag/a", "aws:SourceArn", "aws:userid", "s3:max-keys"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, parse(t, c.text).Keys()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestReads: what a value given as a number, date or address must be is what the operators can compare.
func TestReads(t *testing.T) {
	for _, c := range []struct {
		value                 string
		number, date, address bool
	}{
		{"1", true, true, false}, {"-1.5e3", true, false, false}, {"0x10", false, false, false}, {" 1 ", false, false, false}, {"", false, false, false},
		{"2020-01-01T00:00:00Z", false, true, false}, {"2020-13-01", false, false, false}, {"Infinity", false, false, false},
		{"203.0.113.7", false, false, true}, {"2001:db8::1", false, false, true}, {"203.0.113.0/24", false, false, false},
	} {
		if got := [3]bool{policy.ReadsNumber(c.value), policy.ReadsDate(c.value), policy.ReadsAddress(c.value)}; got != [3]bool{c.number, c.date, c.address} {
			t.Errorf("%q is read as number, date, address: %v", c.value, got)
		}
	}
}

// FuzzKeys: whatever the text, spans follow one another and end with the statements, and what an explanation finds missing is among
// the keys.
func FuzzKeys(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}/${a, '}'}"},{"Effect":"Deny","NotAction":"s3:*","Resource":"*","Condition":{"Null":{"aws:userid":"true"}}}]}`)
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","NotResource":"${*}","Condition":{"ForAnyValue:ArnLikeIfExists":{"A:b":["${c:d/e}","${?}"]}}}}`)
	f.Add("{\"Statement\" :\n [ {\"Effect\":\"Allow\",\"Action\":\"a:b\",\"Resource\":\"${aws:username}\"}\n , {\"Effect\":\"Deny\",\"Action\":\"a:b\",\"Resource\":\"*\"} ] }")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := policy.Options{}.ParseAs(policy.Identity, []byte(text))
		if err != nil {
			return
		}
		p, err := policy.Compile(policy.Identity, "p", d)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for i := range d.Statements {
			from, to := d.Span(i)
			if from.Offset < last || to.Offset <= from.Offset || text[to.Offset-1] != '}' {
				t.Fatalf("statement %d stands from %v to %v", i, from, to)
			}
			last = to.Offset
		}
		keys := map[string]bool{}
		for _, k := range d.Keys() {
			folded := strings.ToLower(k)
			if keys[folded] {
				t.Fatalf("%q stands twice", k)
			}
			keys[folded] = true
		}
		x := policy.Explain(&policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::123456789012:user/u", Account: "123456789012"},
			Action: "a:b", Resource: "*"}, &policy.Set{Identity: []*policy.Policy{p}})
		for _, k := range x.Missing {
			if !keys[strings.ToLower(k)] {
				t.Fatalf("the request lacks %q, which is not among the keys %q", k, d.Keys())
			}
		}
	})
}
