package policy

import (
	"strings"
	"unicode/utf8"
)

// actionPattern matches action names without regard to letter case (S4-63). An empty service stands for every action.
type actionPattern struct {
	service string // in lower case
	name    string // in lower case, with * and ?
	wild    bool
}

func compileAction(s string) actionPattern {
	if s == "*" || s == "*:*" {
		return actionPattern{}
	}
	service, name, _ := strings.Cut(strings.ToLower(s), ":")
	return actionPattern{service: strings.Clone(service), name: strings.Clone(name), wild: strings.ContainsAny(name, "*?")}
}

func (a *actionPattern) match(service, name string) bool {
	if a.service == "" {
		return true
	}
	if !equalLower(a.service, service) {
		return false
	}
	if a.wild {
		return matchLower(a.name, name)
	}
	return equalLower(a.name, name)
}

// equalLower reports whether s is lower but for the case of ASCII letters.
func equalLower(lowered, s string) bool {
	if len(lowered) != len(s) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lowered[i] {
			return false
		}
	}
	return true
}

// matchLower matches s with a pattern in lower case. On a mismatch it goes back to the last star only, which is enough, so
// it needs at most len(pattern) steps for each byte of s. Patterns are ASCII; in s, ? stands for one character.
func matchLower(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i += charSize(s[i:])
		case p < len(pattern) && pattern[p] == lower(s[i]):
			p++
			i++
		case star >= 0:
			mark += charSize(s[mark:])
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// charSize returns the length of the character that s begins with.
func charSize(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}
