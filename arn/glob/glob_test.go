package glob_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

// symbol is a character of a resolved pattern: r as it stands, or with wild set '*', '?' or 'G', a star that crosses colons.
type symbol struct {
	r    string
	wild byte
}

// resolve spells a pattern out, character by character.
func resolve(tokens []glob.Token, mode glob.Mode, values []string) []symbol {
	var out []symbol
	for i, t := range tokens {
		switch t.Kind {
		case glob.Literal, glob.Slot:
			text := t.Text
			if t.Kind == glob.Slot {
				text = values[t.Slot]
			}
			for text != "" {
				_, n := utf8.DecodeRuneInString(text)
				out = append(out, symbol{r: text[:n]})
				text = text[n:]
			}
		case glob.One:
			out = append(out, symbol{wild: '?'})
		case glob.Many:
			// A star ends a segment when what is written next, skipping further stars, is a colon or nothing.
			j := i + 1
			for j < len(tokens) && (tokens[j].Kind == glob.Many || tokens[j].Kind == glob.Literal && tokens[j].Text == "") {
				j++
			}
			ends := j == len(tokens) || tokens[j].Kind == glob.Literal && tokens[j].Text[0] == ':'
			if mode == glob.Plain || mode == glob.Components || ends {
				out = append(out, symbol{wild: 'G'})
			} else {
				out = append(out, symbol{wild: '*'})
			}
		}
	}
	return out
}

// naive matches by trying everything, remembering what failed. colons says that ? may be a colon.
func naive(p []symbol, text []string, colons bool) bool {
	// ok[i] tells whether p[i:] matches the text from the current place.
	next := make([]bool, len(p)+1)
	for at := len(text); at >= 0; at-- {
		cur := make([]bool, len(p)+1)
		cur[len(p)] = at == len(text)
		for i := len(p) - 1; i >= 0; i-- {
			switch s := p[i]; {
			case s.wild == 'G':
				cur[i] = cur[i+1] || at < len(text) && next[i]
			case s.wild == '*':
				cur[i] = cur[i+1] || at < len(text) && text[at] != ":" && next[i]
			case s.wild == '?':
				cur[i] = at < len(text) && (colons || text[at] != ":") && next[i+1]
			default:
				cur[i] = at < len(text) && text[at] == s.r && next[i+1]
			}
		}
		next = cur
	}
	return next[0]
}

func characters(text string) []string {
	var out []string
	for text != "" {
		_, n := utf8.DecodeRuneInString(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// components splits at the first five colons.
func components[T any](list []T, colon func(T) bool) [][]T {
	var out [][]T
	begin := 0
	for i, x := range list {
		if colon(x) && len(out) < 5 {
			out = append(out, list[begin:i])
			begin = i + 1
		}
	}
	return append(out, list[begin:])
}

func slow(tokens []glob.Token, mode glob.Mode, values []string, text string) bool {
	p, chars := resolve(tokens, mode, values), characters(text)
	if mode != glob.Components {
		return naive(p, chars, mode == glob.Plain)
	}
	ps := components(p, func(s symbol) bool { return s.r == ":" })
	ts := components(chars, func(s string) bool { return s == ":" })
	if len(ps) != 6 || len(ts) != 6 {
		return false
	}
	for i := range ps {
		if !naive(ps[i], ts[i], true) {
			return false
		}
	}
	return true
}

// generate makes a pattern, values for its slots and a text that is often close to matching.
func generate(r *rand.Rand) (tokens []glob.Token, values []string, text string) {
	alphabet := []string{"a", "b", ":", ":", "é", "*", "?"}
	word := func(n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	values = []string{word(4), word(3), ":", ""}
	var b strings.Builder
	for range r.IntN(12) {
		switch r.IntN(7) {
		case 0, 1:
			tokens = append(tokens, glob.Token{Kind: glob.Many})
			b.WriteString(word(4))
		case 2:
			tokens = append(tokens, glob.Token{Kind: glob.One})
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		case 3:
			slot := r.IntN(len(values))
			tokens = append(tokens, glob.Token{Kind: glob.Slot, Slot: slot})
			b.WriteString(values[slot])
		default:
			lit := word(3)
			tokens = append(tokens, glob.Token{Kind: glob.Literal, Text: lit})
			b.WriteString(lit)
		}
	}
	text = b.String()
	switch r.IntN(6) {
	case 0:
		text = word(10)
	case 1:
		text += word(2)
	case 2:
		text = text[:r.IntN(len(text)+1)] // may cut a character in two
	}
	return tokens, values, text
}

func TestAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var hits [3]int
	for range 300_000 {
		tokens, values, text := generate(r)
		mode := glob.Mode(r.IntN(3))
		if mode == glob.Components && r.IntN(2) == 0 {
			tokens = append([]glob.Token{{Kind: glob.Literal, Text: "a:b:"}, {Kind: glob.Many}, {Kind: glob.Literal, Text: "::"}}, tokens...)
			text = "a:b:bb::" + text
		}
		got := glob.Compile(tokens, mode).Match(text, values)
		if want := slow(tokens, mode, values, text); got != want {
			t.Fatalf("mode %d: %+v with %q on %q: %v, want %v", mode, tokens, values, text, got, want)
		}
		if got {
			hits[mode]++
		}
	}
	for mode, n := range hits {
		if n < 5000 {
			t.Errorf("mode %d: only %d matches; the test proves little", mode, n)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("arn:aws:s3:::b/*", "arn:aws:s3:::b/x:y", byte(1))
	f.Add("*a?a*é?b*", "xaxaxéxb", byte(0))
	f.Add("arn:*:a*b:::*:c", "arn:aws:axb:::d:e:c", byte(1))
	f.Add("arn:aws:*:*:1*2:a*", "arn:aws:s3::12:a:b", byte(2))
	f.Fuzz(func(t *testing.T, pattern, text string, mode byte) {
		if len(pattern)*len(text) > 1<<16 || !utf8.ValidString(pattern) {
			return
		}
		m := glob.Mode(mode % 3)
		tokens := glob.Tokens(pattern)
		if got, want := glob.Compile(tokens, m).Match(text, nil), slow(tokens, m, nil, text); got != want {
			t.Errorf("mode %d: %q on %q: %v, want %v", m, pattern, text, got, want)
		}
	})
}

func TestMissingSlot(t *testing.T) {
	p := glob.Compile([]glob.Token{{Kind: glob.Many}, {Kind: glob.Slot, Slot: 1}, {Kind: glob.Many}}, glob.Plain)
	if p.Match("abc", []string{"a"}) {
		t.Error("a slot without a value matched")
	}
}

// TestHostile matches patterns made to be slow against a megabyte. Work that grows with the square of the text would not end
// within the test's deadline.
func TestHostile(t *testing.T) {
	const n = 1 << 20
	tests := map[string]struct{ pattern, text string }{
		"stars":     {strings.Repeat("*a", n/2) + "b", strings.Repeat("a", n)},
		"pieces":    {"*" + strings.Repeat("a", 50) + "b*c", strings.Repeat("a", n)},
		"long":      {"*" + strings.Repeat("a", n/2) + "b*c", strings.Repeat("a", n)},
		"questions": {"*" + strings.Repeat("a?", 200) + "b*", strings.Repeat("a", n)},
		"colons":    {"*:a*" + strings.Repeat(":*:a", 20) + ":b", strings.Repeat(":a", n/2)},
		"mixed":     {"*:a?b*c*:" + strings.Repeat("*a?", 10), strings.Repeat(":aabc", n/5)},
	}
	for name, tt := range tests {
		for mode := range 3 {
			p := glob.Compile(glob.Tokens(tt.pattern), glob.Mode(mode))
			if p.Match(tt.text, nil) {
				t.Errorf("%s, mode %d: matches", name, mode)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	p := glob.Compile(append(glob.Tokens("arn:aws:s3:::*/a?c*/"), glob.Token{Kind: glob.Slot}, glob.Token{Kind: glob.Many}), glob.Segments)
	text := "arn:aws:s3:::bucket/x/abcd/user/file"
	if !p.Match(text, []string{"user"}) {
		t.Fatal("no match")
	}
	if n := testing.AllocsPerRun(100, func() {
		v := [1]string{"user"}
		p.Match(text, v[:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
