package arn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/arn"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text                                          string
		partition, service, region, account, resource string
	}{
		{"arn:aws:iam::123456789012:root", "aws", "iam", "", "123456789012", "root"},
		{"arn:aws:iam::123456789012:user/division_abc/Bob", "aws", "iam", "", "123456789012", "user/division_abc/Bob"},
		{"arn:aws-cn:sts::123456789012:assumed-role/r/s", "aws-cn", "sts", "", "123456789012", "assumed-role/r/s"},
		{"arn:aws:s3:::bucket/key:with:colons", "aws", "s3", "", "", "bucket/key:with:colons"},
		{"arn:aws:iam::aws:policy/AdministratorAccess", "aws", "iam", "", "aws", "policy/AdministratorAccess"},
		{"arn:aws:elasticache:us-east-1:123456789012:cluster:a", "aws", "elasticache", "us-east-1", "123456789012", "cluster:a"},
	}
	for _, tt := range tests {
		a, err := arn.Parse(tt.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		got := [...]string{a.Partition(), a.Service(), a.Region(), a.Account(), a.Resource()}
		if want := [...]string{tt.partition, tt.service, tt.region, tt.account, tt.resource}; got != want {
			t.Errorf("Parse(%q) = %q, want %q", tt.text, got, want)
		}
		if a.String() != tt.text {
			t.Errorf("String() = %q, want %q", a.String(), tt.text)
		}
		if b, err := arn.New(got[0], got[1], got[2], got[3], got[4]); err != nil || b != a {
			t.Errorf("New(%q) = %v, %v", got, b, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "*", "arn", "arn:aws:s3:::", "arn:aws:s3::bucket", "ARN:aws:s3:::b", "arn:AWS:s3:::b", "arn:aws2:s3:::b",
		"arn:aws-:s3:::b", "arn::s3:::b", "arn:aws::::b", "arn:aws:S3:::b", "arn:aws:s3:*::b", "arn:aws:iam::12 4:user/b", "arn:aws:s3:::a\x00",
		"arn:aws:s3:::a\n", " arn:aws:s3:::b", "arn:aws:s3:::" + strings.Repeat("a", 2048)} {
		if a, err := arn.Parse(text); !errors.Is(err, arn.ErrSyntax) || !a.IsZero() {
			t.Errorf("Parse(%q) = %v, %v", text, a, err)
		}
	}
	if _, err := arn.New("aws", "s3", "a:b", "", "c"); !errors.Is(err, arn.ErrSyntax) {
		t.Errorf("New with a colon in the region: %v", err)
	}
}

func TestZero(t *testing.T) {
	var a arn.ARN
	if !a.IsZero() || a.String() != "" || a.Partition() != "" || a.Resource() != "" {
		t.Errorf("the zero value has content: %q", a)
	}
	if err := a.UnmarshalText([]byte("arn:aws:s3:::b")); err != nil || a.Resource() != "b" {
		t.Errorf("UnmarshalText: %v, %v", a, err)
	}
	if err := a.UnmarshalText([]byte("nonsense")); err == nil || a.Resource() != "b" {
		t.Errorf("a failed UnmarshalText changed the value: %v, %v", a, err)
	}
	if err := a.UnmarshalText(nil); err != nil || !a.IsZero() {
		t.Errorf("UnmarshalText of nothing: %v, %v", a, err)
	}
}

// TestPattern holds the rule for wildcards in resources: inside a segment, and a * that ends a segment across colons
// (S4-77, S4-78, S4-M50, S4-M51).
func TestPattern(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"*", "*", true},
		{"*", "arn:aws:s3:::b", true},
		{"*", "", true},
		{"arn:aws:s3:::*", "arn:aws:s3:::bucket/a:b:c", true},
		{"arn:aws:s3:::*", "arn:aws:s3:us-east-1:1:accesspoint/x", false},
		{"arn:aws:logs:*", "arn:aws:logs:us-east-1:123456789012:log-group:a:log-stream:b", true},
		{"arn:aws:logs:*", "arn:aws:logsx:us-east-1:123456789012:a", false},
		{"arn:aws:logs:us-east-1:123456789012:log-group:*", "arn:aws:logs:us-east-1:123456789012:log-group:a:log-stream:b", true},
		{"arn:aws:logs:us-east-1:123456789012:log-group:*:log-stream:x", "arn:aws:logs:us-east-1:123456789012:log-group:a:b:log-stream:x", true},
		{"arn:aws:sqs:*:123456789012:q", "arn:aws:sqs:eu-west-1:123456789012:q", true},
		{"arn:aws:sqs:*:123456789012:q", "arn:aws:sqs::123456789012:q", true},
		{"arn:aws:sqs:*:123456789012:q", "arn:aws:sqs:eu-west-1:210987654321:q", false},
		{"arn:aws:sqs:eu-*-1:123456789012:q", "arn:aws:sqs:eu-west-1:123456789012:q", true},
		{"arn:aws:sqs:e*t:123456789012:q", "arn:aws:sqs:e:t:123456789012:q", false},
		{"arn:aws:s3:::b*t/k", "arn:aws:s3:::bucket/x:t/k", false},
		{"arn:aws:s3:::bucket/*/test/*", "arn:aws:s3:::bucket/1/2/test/3.jpg", true},
		{"arn:aws:s3:::bucket/*/test/*", "arn:aws:s3:::bucket/test/3.jpg", false},
		{"arn:aws:s3:::bucket/?.txt", "arn:aws:s3:::bucket/é.txt", true},
		{"arn:aws:s3:::bucket/?.txt", "arn:aws:s3:::bucket/.txt", false},
		{"arn:aws:s3:::bucket/?.txt", "arn:aws:s3:::bucket/ab.txt", false},
		{"arn:aws:s3:::bucket?x", "arn:aws:s3:::bucket:x", false},
		{"arn:aws:iam::123456789012:user/Bob", "arn:aws:iam::123456789012:user/bob", false},
		{"arn:aws:s3:::bucket", "arn:aws:s3:::bucket/", false},
		{"arn:aws:s3:::*", "*", false},
	}
	for _, tt := range tests {
		p, err := arn.ParsePattern(tt.pattern)
		if err != nil {
			t.Errorf("ParsePattern(%q): %v", tt.pattern, err)
			continue
		}
		if got := p.Match(tt.text); got != tt.want {
			t.Errorf("%q on %q: %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
	if (arn.Pattern{}).Match("") {
		t.Error("the zero Pattern matches")
	}
	for _, text := range []string{"", "bucket", "arn:aws:s3", "arn:aws:s3::b", "**", "?"} {
		if _, err := arn.ParsePattern(text); !errors.Is(err, arn.ErrSyntax) {
			t.Errorf("ParsePattern(%q): %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:user/a/b")
	f.Add("arn:aws-us-gov:s3:::b:c")
	f.Add("arn:aws:s3::b")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := arn.Parse(text)
		if err != nil {
			if !a.IsZero() {
				t.Errorf("an error and an ARN: %q", a)
			}
			return
		}
		b, err := arn.New(a.Partition(), a.Service(), a.Region(), a.Account(), a.Resource())
		if err != nil || a != b || a.String() != text {
			t.Errorf("%q does not survive: %q, %v", text, b, err)
		}
		if p, err := arn.ParsePattern(text); err == nil && !strings.ContainsAny(text, "*?") && !p.Match(text) {
			t.Errorf("%q does not match itself", text)
		}
	})
}
