package main

import (
	"fmt"
	"regexp"
	"strings"
)

// translation is a Java pattern in Go's syntax.
type translation struct {
	text    string
	without string // a text that must not occur besides
}

// special are the patterns that no rule below can translate.
var special = map[string]translation{
	// Account aliases. Go has no look-ahead; what it says is that no two hyphens stand together.
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: {`[a-z0-9][a-z0-9-]{1,61}[a-z0-9]`, "--"},
	// The characters of XML 1.0. \u takes four digits in Java, so that \u10000 is a Tibetan letter and a zero there; what
	// is meant, and documented for the session policies of STS, is the range of the supplementary planes.
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: {
		`[\x{9}\x{A}\x{D}\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`, ""},
}

var javaEscape = regexp.MustCompile(`^\\u[0-9A-Fa-f]{4}`)

// translate writes a Java pattern of the models in Go's syntax. Four things differ: \uXXXX; \s, which has the vertical tab in
// Java; the dot, which stops at more line ends in Java; and look-ahead, which Go lacks. What it does not know, it refuses.
func translate(java string) (translation, error) {
	if t, ok := special[java]; ok {
		return t, nil
	}
	for _, no := range []string{"(?", "&&", "\\b", "\\B", "\\h", "\\R", "++", "*+", "?+", "\\Q"} {
		if strings.Contains(java, no) {
			return translation{}, fmt.Errorf("pattern %s: %s is not translated", java, no)
		}
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(java); i++ {
		c := java[i]
		switch {
		case c == '\\' && i+1 < len(java):
			n := 2
			if u := javaEscape.FindString(java[i:]); u != "" {
				n = len(u)
				b.WriteString(`\x{` + u[2:] + `}`)
			} else if err := escape(&b, java, i, class); err != nil {
				return translation{}, err
			}
			i += n - 1
		case class && c == '[':
			return translation{}, fmt.Errorf("pattern %s: a class inside a class is not translated", java)
		case c == '[' || c == ']':
			class = c == '['
			b.WriteByte(c)
		case c == '.' && !class:
			b.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
		default:
			b.WriteByte(c)
		}
	}
	return translation{text: b.String()}, nil
}

// escape writes an escape of two characters.
func escape(b *strings.Builder, java string, i int, class bool) error {
	switch e := java[i+1]; {
	case e == 's' && class:
		b.WriteString(`\s\x{B}`)
	case e == 's':
		b.WriteString(`[\s\x{B}]`)
	case e == 'S' && class:
		if !strings.Contains(java, `[\s\S]`) {
			return fmt.Errorf("pattern %s: \\S in a class is not translated", java)
		}
		b.WriteString(`\S`) // together with \s: everything
	case e == 'S':
		b.WriteString(`[^\s\x{B}]`)
	default:
		b.WriteString(java[i : i+2])
	}
	return nil
}
