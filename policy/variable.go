package policy

import (
	"strings"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// maxVariables bounds the variables of one string, so that their values fit on the stack.
const maxVariables = 64

// variable is ${key} or ${key, 'default'} (S4-139, S4-M46).
type variable struct {
	key        keyRef
	def        string
	hasDefault bool
}

// template is a string of a policy with its variables. Variables become slots, in order of appearance.
type template struct {
	tokens []glob.Token
	vars   []variable
}

// literal returns the text of a template without variables and wildcards.
func (t *template) literal() (string, bool) {
	switch {
	case len(t.tokens) == 0:
		return "", true
	case len(t.tokens) == 1 && t.tokens[0].Kind == glob.Literal:
		return t.tokens[0].Text, true
	}
	return "", false
}

// parseTemplate splits a string. With wild, * and ? are wildcards. With vars, ${...} is a variable and ${*}, ${?}, ${$} are
// the characters themselves; without (the old version of the language) ${ has no meaning (S4-17, S4-147). The problem
// returned is empty if there is none.
func parseTemplate(text string, wild, vars bool) (t template, problem string) {
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t.tokens = append(t.tokens, glob.Token{Kind: glob.Literal, Text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case wild && c == '*':
			flush()
			t.tokens = append(t.tokens, glob.Token{Kind: glob.Many})
		case wild && c == '?':
			flush()
			t.tokens = append(t.tokens, glob.Token{Kind: glob.One})
		case vars && strings.HasPrefix(text[i:], "${"):
			body, rest, problem := cutVariable(text[i+2:])
			if problem != "" {
				return template{}, problem
			}
			i = len(text) - len(rest) - 1
			if body == "*" || body == "?" || body == "$" {
				lit.WriteString(body)
				continue
			}
			v, problem := parseVariable(body)
			if problem != "" {
				return template{}, problem
			}
			if len(t.vars) == maxVariables {
				return template{}, "more than 64 variables in one string"
			}
			flush()
			t.tokens = append(t.tokens, glob.Token{Kind: glob.Slot, Slot: len(t.vars)})
			t.vars = append(t.vars, v)
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return t, ""
}

// cutVariable splits text behind ${ into what stands before the closing brace and the rest behind it. A quoted default
// may hold braces.
func cutVariable(text string) (body, rest, problem string) {
	quoted := false
	for i := range len(text) {
		switch {
		case text[i] == '\'':
			quoted = !quoted
		case text[i] == '}' && !quoted:
			return text[:i], text[i+1:], ""
		}
	}
	if quoted {
		return "", "", "a variable's default lacks its closing quote"
	}
	return "", "", "a variable lacks its closing brace"
}

func parseVariable(body string) (variable, string) {
	key, def, hasDefault := strings.Cut(body, ",")
	v := variable{hasDefault: hasDefault}
	if hasDefault {
		def = strings.TrimLeft(def, " ")
		if len(def) < 2 || def[0] != '\'' || def[len(def)-1] != '\'' || strings.Contains(def[1:len(def)-1], "'") {
			return variable{}, "a variable's default must stand in single quotes, as in ${key, 'default'}"
		}
		v.def = def[1 : len(def)-1]
	}
	switch {
	case key == "":
		return variable{}, "a variable without a name"
	case strings.TrimSpace(key) != key:
		return variable{}, "a space around a variable's name"
	case strings.ContainsAny(key, "${'"):
		return variable{}, "a variable inside a variable"
	}
	v.key = newKeyRef(key)
	return v, ""
}
