package wire

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Rule is what a model demands of the values of one shape. Rules are immutable and shared.
type Rule struct {
	Min, Max *int     // value of a number, elements of a list, characters of a string; nil: unbounded
	Pattern  *Pattern // nil: none
	Enum     []string // in the model's order; nil: any value
	Hidden   bool     // the value must not be repeated in messages
}

// allows reports whether a string keeps the rule; it is the fast way for what nearly always holds.
func (r *Rule) allows(v string) bool {
	if r.Min != nil || r.Max != nil {
		n := utf8.RuneCountInString(v)
		if r.Max != nil && n > *r.Max || r.Min != nil && n < *r.Min {
			return false
		}
	}
	return (r.Pattern == nil || r.Pattern.Match(v)) && (r.Enum == nil || slices.Contains(r.Enum, v))
}

// broken lists the constraints that v does not satisfy.
func (r *Rule) broken(v string) []string {
	var list []string
	if r.Pattern != nil && !r.Pattern.Match(v) {
		list = append(list, r.patternSentence())
	}
	n := utf8.RuneCountInString(v)
	if r.Max != nil && n > *r.Max {
		list = append(list, r.maxSentence())
	}
	if r.Min != nil && n < *r.Min {
		list = append(list, r.minSentence())
	}
	if r.Enum != nil && !slices.Contains(r.Enum, v) {
		list = append(list, r.enumSentence())
	}
	return list
}

// sentences lists all constraints, in the order in which AWS names those of a list's elements.
func (r *Rule) sentences() []string {
	var list []string
	if r.Max != nil {
		list = append(list, r.maxSentence())
	}
	if r.Min != nil {
		list = append(list, r.minSentence())
	}
	if r.Pattern != nil {
		list = append(list, r.patternSentence())
	}
	if r.Enum != nil {
		list = append(list, r.enumSentence())
	}
	return list
}

func (r *Rule) maxSentence() string {
	return "Member must have length less than or equal to " + strconv.Itoa(*r.Max)
}

func (r *Rule) minSentence() string {
	return "Member must have length greater than or equal to " + strconv.Itoa(*r.Min)
}

func (r *Rule) patternSentence() string {
	return "Member must satisfy regular expression pattern: " + r.Pattern.Model
}

func (r *Rule) enumSentence() string {
	return "Member must satisfy enum value set: [" + strings.Join(r.Enum, ", ") + "]"
}

// Pattern is a model's regular expression. AWS matches the whole value, whatever anchors the text has.
type Pattern struct {
	Model   string // as the model writes it, in Java's syntax; messages show it
	Go      string // the same language in Go's syntax
	Without string // where not empty: values that contain it do not match

	once   sync.Once
	class  []rune // pairs of bounds, where the pattern is one repeated character class; nil: use the expression
	empty  bool   // with class: the empty string matches
	ascii  [128]bool
	regexp *regexp.Regexp
}

// Match reports whether the whole of v matches. The expression is compiled at the first call.
func (p *Pattern) Match(v string) bool {
	p.once.Do(p.compile)
	if p.Without != "" && strings.Contains(v, p.Without) {
		return false
	}
	if p.class == nil {
		return p.regexp.MatchString(v)
	}
	if v == "" {
		return p.empty
	}
	for i := 0; i < len(v); {
		if c := v[i]; c < utf8.RuneSelf {
			if !p.ascii[c] {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(v[i:])
		if !inClass(p.class, r) || r == utf8.RuneError && n == 1 {
			return false
		}
		i += n
	}
	return true
}

// compile recognises the commonest form, one character class repeated, which needs no automaton: a policy of six thousand
// characters is then checked in microseconds.
func (p *Pattern) compile() {
	tree, err := syntax.Parse(p.Go, syntax.Perl)
	if err != nil {
		panic("unreachable: the tests compile every pattern: " + err.Error())
	}
	if (tree.Op == syntax.OpPlus || tree.Op == syntax.OpStar) && tree.Sub[0].Op == syntax.OpCharClass {
		p.class, p.empty = tree.Sub[0].Rune, tree.Op == syntax.OpStar
		for c := range p.ascii {
			p.ascii[c] = inClass(p.class, rune(c))
		}
		return
	}
	p.regexp = regexp.MustCompile(`\A(?:` + p.Go + `)\z`)
}

// inClass looks r up in sorted pairs of bounds.
func inClass(class []rune, r rune) bool {
	lo, hi := 0, len(class)/2
	for lo < hi {
		mid := (lo + hi) / 2
		switch {
		case r < class[2*mid]:
			hi = mid
		case r > class[2*mid+1]:
			lo = mid + 1
		default:
			return true
		}
	}
	return false
}
