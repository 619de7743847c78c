package arn

import (
	"fmt"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// Pattern is an ARN with wildcards. * stands for any run of characters and ? for exactly one character, both inside one
// colon-separated segment; a * that ends a segment may also run across colons, so that arn:aws:logs:* and arn:aws:s3:::*
// mean what their writers expect. The slash has no meaning. The single character * matches every text (S4-77, S4-M50, S4-M51).
//
// A Pattern is immutable and safe for concurrent use.
type Pattern struct {
	text string
	glob *glob.Pattern
}

// ParsePattern reads a pattern: * alone, or text that begins with arn: and has either six parts or fewer and a final *.
func ParsePattern(text string) (Pattern, error) {
	if text != "*" {
		if len(text) < 4 || text[:4] != "arn:" {
			return Pattern{}, fmt.Errorf("%w: %q is neither * nor an ARN", ErrSyntax, text)
		}
		colons := 0
		for i := range len(text) {
			if text[i] == ':' {
				colons++
			}
		}
		if colons < 5 && text[len(text)-1] != '*' {
			return Pattern{}, fmt.Errorf("%w: %d of 6 parts and no * at the end", ErrSyntax, colons+1)
		}
	}
	return Pattern{text: text, glob: glob.Compile(glob.Tokens(text), glob.Segments)}, nil
}

// String returns the pattern's text.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches the whole of text, which need not be a valid ARN. The zero Pattern matches
// nothing. The time is linear in the length of text, whatever the pattern.
func (p Pattern) Match(text string) bool { return p.glob != nil && p.glob.Match(text, nil) }
