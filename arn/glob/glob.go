// Package glob matches text against patterns of literals, ?, * and slots, in time linear in the text for any one
// pattern, without recursion and without allocation.
//
// A slot is a hole that the caller fills when matching. Its value is compared as it stands: a * in the value is the
// character *, never a wildcard. That is how policy variables work (S4-M45); splicing values into the pattern's text is the
// mistake this package exists to prevent.
//
// ? stands for one character of UTF-8 text (a byte that is not part of valid UTF-8 counts as one character), * for any run of
// characters, also an empty one. What the two may stand for depends on the [Mode].
package glob

import (
	"strings"
	"unicode/utf8"
)

// Kind is the kind of a Token.
type Kind uint8

// The kinds of token.
const (
	Literal Kind = iota // Text as it stands
	One                 // ?
	Many                // *
	Slot                // the value at index Slot of the values given to Match
)

// Token is a piece of a pattern.
type Token struct {
	Kind Kind
	Text string // Literal only
	Slot int    // Slot only
}

// Mode says which characters ? and * may stand for.
type Mode uint8

const (
	// Plain lets ? and * stand for anything.
	Plain Mode = iota
	// Segments keeps them inside a segment, the text between two colons, except that a * directly before a colon or at the
	// end of the pattern may run across colons. This is the rule for the Resource element.
	Segments
	// Components keeps them inside the component as far as the fifth colon of the text; behind it they stand for anything. A
	// text with fewer than five colons never matches. This is the rule of the ARN condition operators (S4-120).
	Components
)

// Tokens splits text at its * and ?, without any way to write them literally.
func Tokens(text string) []Token {
	var out []Token
	for text != "" {
		i := strings.IndexAny(text, "*?")
		if i < 0 {
			return append(out, Token{Kind: Literal, Text: text})
		}
		if i > 0 {
			out = append(out, Token{Kind: Literal, Text: text[:i]})
		}
		kind := Many
		if text[i] == '?' {
			kind = One
		}
		out = append(out, Token{Kind: kind})
		text = text[i+1:]
	}
	return out
}

// Pattern is a compiled pattern: immutable and safe for concurrent use.
//
// It is a list of runs. Between two runs stands a gap, a * that may run across colons; the run after a gap begins with a
// colon. A run is a list of pieces with a * between each two; a piece is a list of literals, slots and characters. Taking
// the leftmost place for each piece, and the leftmost for each run, is right: a later place leaves less text to what
// follows. Inside a segment the next colon bounds the search, so a run costs no more than the segments it spans.
type Pattern struct {
	mode Mode
	runs []run
	open bool // a gap stands at the end
}

type run struct{ pieces []piece }

type piece struct {
	elems  []elem
	chars  *charSearch // set for pieces with ? and without slots that have to be searched for
	joined bool        // several literals and slots and no ?, to be searched for as one
}

// elem is a literal (lit), a slot (slot, when slot >= 0) or a number of single characters (one > 0).
type elem struct {
	lit  string
	slot int
	one  int
}

// Compile builds a pattern.
func Compile(tokens []Token, mode Mode) *Pattern {
	tokens = normalize(tokens)
	p := &Pattern{mode: mode}
	cur := run{pieces: []piece{{}}}
	for i, t := range tokens {
		if t.Kind != Many {
			last := &cur.pieces[len(cur.pieces)-1]
			last.add(t)
			continue
		}
		gap := mode == Segments && (i == len(tokens)-1 || tokens[i+1].Kind == Literal && tokens[i+1].Text[0] == ':')
		if !gap {
			cur.pieces = append(cur.pieces, piece{})
			continue
		}
		p.runs = append(p.runs, cur)
		cur = run{pieces: []piece{{}}}
		p.open = i == len(tokens)-1
	}
	if !p.open {
		p.runs = append(p.runs, cur)
	}
	for _, r := range p.runs {
		for i := range r.pieces {
			if i > 0 {
				r.pieces[i].prepare()
			}
		}
	}
	return p
}

// normalize joins literals and drops empty ones and repeated stars.
func normalize(tokens []Token) []Token {
	out := make([]Token, 0, len(tokens))
	for _, t := range tokens {
		n := len(out)
		switch {
		case t.Kind == Literal && t.Text == "":
		case t.Kind == Many && n > 0 && out[n-1].Kind == Many:
		case t.Kind == Literal && n > 0 && out[n-1].Kind == Literal:
			out[n-1].Text += t.Text
		default:
			out = append(out, t)
		}
	}
	return out
}

func (p *piece) add(t Token) {
	switch t.Kind {
	case Literal:
		p.elems = append(p.elems, elem{lit: t.Text, slot: -1})
	case Slot:
		p.elems = append(p.elems, elem{slot: t.Slot})
	case One:
		if n := len(p.elems); n > 0 && p.elems[n-1].one > 0 {
			p.elems[n-1].one++
			return
		}
		p.elems = append(p.elems, elem{slot: -1, one: 1})
	}
}

// prepare sets up the bit-parallel search for pieces that cannot be found with strings.Index.
func (p *piece) prepare() {
	ones, slots := false, false
	for _, e := range p.elems {
		slots = slots || e.slot >= 0
		ones = ones || e.one > 0
	}
	switch {
	case ones && !slots:
		p.chars = newCharSearch(p.elems)
	case !ones:
		p.joined = len(p.elems) > 1
	}
}

// Match reports whether the pattern matches the whole of text. values fills the slots; a slot beyond its end matches nothing.
func (p *Pattern) Match(text string, values []string) bool { return p.match(text, values, 0) }

// Lead returns the literal text that the pattern begins with.
func (p *Pattern) Lead() string {
	if len(p.runs) > 0 {
		if elems := p.runs[0].pieces[0].elems; len(elems) > 0 && elems[0].slot < 0 {
			return elems[0].lit
		}
	}
	return ""
}

// AllAfterLead reports whether the pattern matches every text that begins with its lead.
func (p *Pattern) AllAfterLead() bool {
	if len(p.runs) != 1 {
		return false
	}
	pieces := p.runs[0].pieces
	n := 0
	if p.Lead() != "" {
		n = 1
	}
	if len(pieces[0].elems) > n {
		return false
	}
	return p.open && len(pieces) == 1 || p.mode == Plain && len(pieces) == 2 && len(pieces[1].elems) == 0
}

// MatchAfterLead is Match for a text that is known to begin with the pattern's lead.
func (p *Pattern) MatchAfterLead(text string, values []string) bool {
	return p.match(text, values, len(p.Lead()))
}

// match is Match without the first lead bytes of text, which are known to be the pattern's lead.
func (p *Pattern) match(text string, values []string, lead int) bool {
	m := matcher{text: text, values: values, from: 1}
	switch p.mode {
	case Plain:
		m.free = -1
	case Segments:
		m.free = len(text)
	case Components:
		if m.free = fifthColon(text); m.free < 0 {
			return false
		}
	}
	at := 0
	for i := range p.runs {
		toEnd := i == len(p.runs)-1 && !p.open
		if i == 0 {
			if at = m.run(&p.runs[i], 0, lead, toEnd); at < 0 {
				return false
			}
			continue
		}
		for {
			colon := strings.IndexByte(text[at:], ':')
			if colon < 0 {
				return false
			}
			end := m.run(&p.runs[i], at+colon, 0, toEnd)
			if end >= 0 {
				at = end
				break
			}
			at += colon + 1
		}
	}
	return true
}

func fifthColon(text string) int {
	at := 0
	for range 5 {
		i := strings.IndexByte(text[at:], ':')
		if i < 0 {
			return -1
		}
		at += i + 1
	}
	return at - 1
}

// matcher is one match in progress. Colons at offsets beyond free are characters like any other.
type matcher struct {
	text   string
	values []string
	free   int
	// No colon stands in text[from:colon], and one at colon or the text ends there. Kept so that a run of many pieces inside
	// one segment looks for its end once.
	from, colon int
}

// run matches r from offset at and returns where it ends, or -1. The first lead bytes from there are known to match the first
// literal of r, if lead is not 0.
func (m *matcher) run(r *run, at, lead int, toEnd bool) int {
	last := len(r.pieces) - 1
	elems := r.pieces[0].elems
	if lead > 0 {
		elems, at = elems[1:], at+lead
	}
	at = m.elemsAt(elems, at)
	if at < 0 || last == 0 {
		if at >= 0 && toEnd && at != len(m.text) {
			return -1
		}
		return at
	}
	for i := 1; i < last || i == last && !toEnd; i++ {
		if at = m.find(&r.pieces[i], at); at < 0 {
			return -1
		}
	}
	if !toEnd {
		return at
	}
	start := m.pieceBefore(&r.pieces[last], len(m.text))
	if start < at || at <= m.free && m.limit(at) < start {
		return -1
	}
	return len(m.text)
}

// limit returns the last offset at which a piece behind a star that begins at offset at may start.
func (m *matcher) limit(at int) int {
	if at > m.free {
		return len(m.text)
	}
	if at < m.from || at > m.colon {
		m.from, m.colon = at, len(m.text)
		if i := strings.IndexByte(m.text[at:], ':'); i >= 0 {
			m.colon = at + i
		}
	}
	return m.colon
}

// find returns the end of the leftmost place of p that a star beginning at offset at can reach, or -1.
func (m *matcher) find(p *piece, at int) int {
	limit := m.limit(at)
	if len(p.elems) == 0 {
		return at
	}
	switch {
	case p.chars != nil:
		return p.chars.find(m, at, limit)
	case p.joined:
		return m.findJoined(p, at, limit)
	}
	lead := ""
	if e := p.elems[0]; e.one == 0 {
		v, ok := m.value(&p.elems[0])
		if !ok {
			return -1
		}
		lead = v
	}
	for at <= limit {
		if lead != "" {
			i := strings.Index(m.text[at:min(len(m.text), limit+len(lead))], lead)
			if i < 0 {
				return -1
			}
			at += i
		}
		if end := m.elemsAt(p.elems, at); end >= 0 {
			return end
		}
		if at == len(m.text) {
			return -1
		}
		_, size := utf8.DecodeRuneInString(m.text[at:])
		at += size
	}
	return -1
}

// findJoined is find for literals and slots. It compares a rolling hash of the text with the hash of them all (Rabin and Karp),
// since a search for the first of them could find it at every offset and the rest at none.
func (m *matcher) findJoined(p *piece, at, limit int) int {
	size, want, factor := 0, uint32(0), uint32(1)
	for i := range p.elems {
		v, ok := m.value(&p.elems[i])
		if !ok {
			return -1
		}
		for j := range len(v) {
			want = want*hashPrime + uint32(v[j])
			factor *= hashPrime
		}
		size += len(v)
	}
	limit = min(limit, len(m.text)-size)
	if at > limit {
		return -1
	}
	have := uint32(0)
	for i := at; i < at+size; i++ {
		have = have*hashPrime + uint32(m.text[i])
	}
	for {
		if have == want && m.elemsAt(p.elems, at) >= 0 {
			return at + size
		}
		if at == limit {
			return -1
		}
		have = have*hashPrime + uint32(m.text[at+size]) - factor*uint32(m.text[at])
		at++
	}
}

const hashPrime = 16777619

// value returns what a literal or a slot stands for.
func (m *matcher) value(e *elem) (string, bool) {
	if e.slot < 0 {
		return e.lit, true
	}
	if e.slot >= len(m.values) {
		return "", false
	}
	return m.values[e.slot], true
}

// elemsAt matches elems at offset at and returns their end, or -1.
func (m *matcher) elemsAt(elems []elem, at int) int {
	for i := range elems {
		e := &elems[i]
		for range e.one {
			if at >= len(m.text) || m.text[at] == ':' && at <= m.free {
				return -1
			}
			_, size := utf8.DecodeRuneInString(m.text[at:])
			at += size
		}
		if e.one > 0 {
			continue
		}
		v, ok := m.value(e)
		if !ok || !strings.HasPrefix(m.text[at:], v) {
			return -1
		}
		at += len(v)
	}
	return at
}

// pieceBefore matches p so that it ends at offset end and returns its start, or -1.
func (m *matcher) pieceBefore(p *piece, end int) int {
	for i := len(p.elems) - 1; i >= 0; i-- {
		e := &p.elems[i]
		for range e.one {
			if end == 0 || m.text[end-1] == ':' && end-1 <= m.free {
				return -1
			}
			_, size := utf8.DecodeLastRuneInString(m.text[:end])
			end -= size
		}
		if e.one > 0 {
			continue
		}
		v, ok := m.value(e)
		if !ok || !strings.HasSuffix(m.text[:end], v) {
			return -1
		}
		end -= len(v)
	}
	return end
}
