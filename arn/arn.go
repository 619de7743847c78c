// Package arn parses, prints and matches Amazon Resource Names.
//
// An ARN is written arn:partition:service:region:account:resource; the resource keeps its own colons (S4-215). A value
// of type [ARN] other than the zero value was accepted by [Parse] or [New] and cannot be invalid. A [Pattern] is an ARN in
// which * and ? stand for other text, as in the Resource element of a policy.
//
// The package imports only the standard library, holds no state and does no I/O.
package arn

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLength is the longest ARN that Parse accepts, in bytes (the limit of the IAM API's arnType).
const MaxLength = 2048

// ARN is a parsed Amazon Resource Name. It is immutable and comparable: two ARNs are == when their texts are equal.
// The zero value is no ARN at all, see [ARN.IsZero].
type ARN struct {
	text string
	end  [5]uint16 // offsets of the five colons
}

// ErrSyntax is wrapped by every error of Parse, New and ParsePattern.
var ErrSyntax = errors.New("malformed ARN")

// Parse reads an ARN. It is strict: the partition is aws or aws-NAME, the service a non-empty word of lower-case letters,
// digits and hyphens, region and account such words or empty, the resource not empty and free of control characters.
func Parse(text string) (ARN, error) {
	if len(text) > MaxLength {
		return ARN{}, fmt.Errorf("%w: longer than %d bytes", ErrSyntax, MaxLength)
	}
	a := ARN{text: text}
	at := 0
	for i := range a.end {
		n := strings.IndexByte(text[at:], ':')
		if n < 0 {
			return ARN{}, fmt.Errorf("%w: %d of 6 parts", ErrSyntax, i+1)
		}
		a.end[i] = uint16(at + n)
		at += n + 1
	}
	switch {
	case text[:a.end[0]] != "arn":
		return ARN{}, fmt.Errorf("%w: does not begin with \"arn:\"", ErrSyntax)
	case !ValidPartition(a.Partition()):
		return ARN{}, fmt.Errorf("%w: partition %q", ErrSyntax, a.Partition())
	case a.Service() == "" || !word(a.Service()):
		return ARN{}, fmt.Errorf("%w: service %q", ErrSyntax, a.Service())
	case !word(a.Region()):
		return ARN{}, fmt.Errorf("%w: region %q", ErrSyntax, a.Region())
	case !word(a.Account()):
		return ARN{}, fmt.Errorf("%w: account %q", ErrSyntax, a.Account())
	case a.Resource() == "":
		return ARN{}, fmt.Errorf("%w: no resource", ErrSyntax)
	case strings.ContainsFunc(a.Resource(), control):
		return ARN{}, fmt.Errorf("%w: control character in the resource", ErrSyntax)
	}
	return a, nil
}

// New puts an ARN together from its parts, under the rules of Parse.
func New(partition, service, region, account, resource string) (ARN, error) {
	for _, part := range [...]string{partition, service, region, account} {
		if strings.Contains(part, ":") {
			return ARN{}, fmt.Errorf("%w: colon in %q", ErrSyntax, part)
		}
	}
	return Parse("arn:" + partition + ":" + service + ":" + region + ":" + account + ":" + resource)
}

// IsZero reports whether a is the zero value, which is no ARN.
func (a ARN) IsZero() bool { return a.text == "" }

// String returns the text as it was parsed; the zero value prints as the empty string.
func (a ARN) String() string { return a.text }

// Partition returns aws, aws-cn and the like.
func (a ARN) Partition() string { return a.part(1) }

// Service returns the service's namespace, such as iam.
func (a ARN) Service() string { return a.part(2) }

// Region returns the region, empty for global services.
func (a ARN) Region() string { return a.part(3) }

// Account returns the account field: twelve digits, a word such as aws, or nothing.
func (a ARN) Account() string { return a.part(4) }

// Resource returns everything behind the fifth colon.
func (a ARN) Resource() string {
	if a.text == "" {
		return ""
	}
	return a.text[a.end[4]+1:]
}

func (a ARN) part(i int) string {
	if a.text == "" {
		return ""
	}
	return a.text[a.end[i-1]+1 : a.end[i]]
}

// MarshalText returns the text; the zero value gives an empty text.
func (a ARN) MarshalText() ([]byte, error) { return []byte(a.text), nil }

// UnmarshalText is Parse, but an empty text gives the zero value.
func (a *ARN) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = ARN{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// ValidPartition reports whether name can be a partition: aws, or aws- followed by lower-case letters, digits and hyphens.
func ValidPartition(name string) bool {
	if name == "aws" {
		return true
	}
	rest, ok := strings.CutPrefix(name, "aws-")
	return ok && rest != "" && word(rest)
}

// word reports whether s has only lower-case letters, digits and hyphens; the empty string is a word.
func word(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }
