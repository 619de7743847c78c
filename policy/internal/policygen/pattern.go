package policygen

import (
	"strings"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/policy"
)

// rules say what a string of a policy may hold.
type rules struct {
	wild   bool // * and ? are wildcards
	vars   bool // variables are known
	colons int  // wildcards keep inside a segment up to this many colons; -1: they need not
	after  int  // variables may stand behind this many colons
}

// cover writes a pattern that text fits: parts of it become wildcards, variables that have its value, or defaults.
func (g *Generator) cover(text string, r rules) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	var out strings.Builder
	seen := 0 // colons
	edits := pick(g, 0, 1, 1, 2, 3)
	if g.chance(1) {
		edits = 40
	}
	for text != "" {
		if edits > 0 && g.IntN(6) == 0 {
			edits--
			if part, pattern := g.piece(text, seen, r); pattern != "" {
				out.WriteString(pattern)
				seen += strings.Count(part, ":")
				text = text[len(part):]
				continue
			}
		}
		c, n := utf8.DecodeRuneInString(text)
		g.literal(&out, c, r, seen)
		if c == ':' {
			seen++
		}
		text = text[n:]
	}
	if edits > 0 && r.wild && g.chance(40) {
		out.WriteByte('*') // stands for nothing
	}
	return out.String()
}

// literal writes a character, with an escape where it would mean something else.
func (g *Generator) literal(out *strings.Builder, c rune, r rules, seen int) {
	escapable := r.vars && seen >= r.after && (c == '*' || c == '?' || c == '$')
	switch {
	case escapable && (c == '$' || g.chance(80)):
		out.WriteString("${" + string(c) + "}")
	default:
		out.WriteRune(c)
	}
}

// piece takes a part off the front of text and returns a pattern for it, or nothing.
func (g *Generator) piece(text string, seen int, r rules) (part, pattern string) {
	runes := []rune(text)
	part = string(runes[:1+g.IntN(min(len(runes), pick(g, 1, 4, 60)))])
	confined := r.colons < 0 || seen < r.colons
	if r.colons >= 0 && confined {
		if i := strings.IndexByte(part, ':'); i >= 0 && !g.chance(10) {
			part = part[:i]
		}
	}
	if part == "" {
		return "", ""
	}
	switch n := g.IntN(10); {
	case r.vars && seen >= r.after && n < 4:
		for _, i := range g.Perm(len(g.c.Keys)) {
			k := g.c.Keys[i]
			if len(k.Values) == 1 && k.Values[0] != "" && strings.HasPrefix(text, k.Values[0]) && utf8.ValidString(k.Name) && !strings.ContainsAny(k.Name, "${},'") {
				if g.chance(20) {
					return k.Values[0], "${" + g.caseOf(k.Name) + ", 'other'}"
				}
				return k.Values[0], "${" + g.caseOf(k.Name) + "}"
			}
		}
		if !strings.Contains(part, "'") && g.chance(15) {
			return part, "${test:Absent,'" + part + "'}"
		}
		return "", ""
	case r.vars && seen >= r.after && n == 4:
		return part, pick(g, "${test:Absent}", "${aws:username}", "${aws:TagKeys}", "*", "*")
	case r.wild && n < 7:
		return part, "*"
	case r.wild && n < 9:
		return part, strings.Repeat("?", utf8.RuneCountInString(part))
	case r.wild:
		return part, "*" + pick(g, "", "*", "?*")
	case n == 9 && g.chance(20):
		return part, pick(g, "${aws:username}", "${*}", "*", "${test:Absent}")
	}
	return "", ""
}

// actions makes Action or NotAction.
func (g *Generator) actions(k policy.Kind, fits bool) policy.Strings {
	out := policy.Strings{Not: k != policy.Trust && k != policy.ResourceControl && g.chance(15)}
	hit := fits != out.Not
	for range pick(g, 1, 1, 1, 2, 3) {
		out.Values = append(out.Values, value(g.action(k, false)))
	}
	if hit {
		out.Values[g.IntN(len(out.Values))] = value(g.action(k, true))
	}
	return out
}

// action makes a pattern that the action of the case fits, or another.
func (g *Generator) action(k policy.Kind, fits bool) string {
	service, name, _ := strings.Cut(g.c.Request.Action, ":")
	if k == policy.Trust && !strings.EqualFold(service, "sts") {
		service, name = "sts", "AssumeRole"
	}
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f || r == ':' {
			return 'x'
		}
		return r
	}, name)
	if !fits {
		switch g.IntN(4) {
		case 0:
			service = pick(g, "ec2", "s3x", "sq", "sts")
		case 1:
			name = pick(g, "Describe*", "PutItem", "*Tagging", "???")
		default:
			name = strings.Map(func(r rune) rune {
				if r < 0x20 || r >= 0x7f || r == ':' {
					return 'x'
				}
				return r
			}, g.changed(name))
		}
		if k == policy.Trust {
			service = "sts"
		}
		if name == "" {
			name = "x"
		}
	}
	switch g.IntN(12) {
	case 0:
		if k != policy.Trust && fits {
			return pick(g, "*", "*:*")
		}
	case 1, 2:
		if fits {
			return service + ":*"
		}
	case 3:
		service = g.caseOf(service)
	}
	if g.chance(20) {
		name = g.caseOf(name)
	}
	if pattern := g.cover(name, rules{wild: true, colons: -1}); pattern != "" {
		name = pattern
	}
	return service + ":" + name
}

// resources makes Resource or NotResource.
func (g *Generator) resources(fits bool) policy.Strings {
	out := policy.Strings{Not: g.chance(15)}
	hit := fits != out.Not
	for range pick(g, 1, 1, 1, 2, 3) {
		out.Values = append(out.Values, value(g.resource(false)))
	}
	if hit {
		out.Values[g.IntN(len(out.Values))] = value(g.resource(true))
	}
	return out
}

// resource makes a pattern that the resource of the case fits, or nearly fits.
func (g *Generator) resource(fits bool) string {
	text := strings.ToValidUTF8(g.c.Request.Resource, "\ufffd")
	r := rules{wild: true, vars: g.vars, colons: 1 << 10, after: 5}
	switch {
	case !strings.HasPrefix(text, "arn:") || strings.Count(text, ":") < 5:
		if fits {
			return "*"
		}
		return pick(g, "arn:aws:s3:::*", "arn:aws:*", "arn:aws:s3:::b")
	case fits && g.chance(8):
		return "*"
	case fits && g.chance(8): // cut short behind a star that ends a segment
		parts := strings.Split(text, ":")
		n := 3 + g.IntN(len(parts)-2)
		return strings.Join(parts[:n], ":") + pick(g, ":*", "*")
	case fits && g.chance(5): // a star that runs across colons in the middle
		parts := strings.Split(text, ":")
		if len(parts) > 7 {
			return strings.Join(parts[:5], ":") + ":*:" + parts[len(parts)-1]
		}
	case g.chance(2): // fewer than six parts
		parts := strings.Split(text, ":")
		return strings.Join(parts[:3+g.IntN(2)], ":") + ":" + pick(g, "x", parts[5], "x*y")
	}
	head, tail := text, ""
	if i := nthColon(text, 3); i >= 0 { // partition and service stay
		head, tail = text[:i+1], text[i+1:]
	}
	if !fits {
		tail = g.changed(tail)
	}
	if strings.HasPrefix(head, "arn:aws:iam:") {
		head, tail = text[:nthColon(text, 5)+1], text[nthColon(text, 5)+1:]
		typ, name, _ := strings.Cut(tail, "/")
		if !fits {
			name = g.changed(name)
		}
		return head + typ + "/" + g.coverFrom(name, r, 5)
	}
	return head + g.coverFrom(tail, r, 3)
}

// coverFrom is cover of text that stands behind some colons.
func (g *Generator) coverFrom(text string, r rules, colons int) string {
	r.after -= colons
	return g.cover(text, r)
}

func nthColon(text string, n int) int {
	for i := range len(text) {
		if text[i] == ':' {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}
