package glob

import "unicode/utf8"

// maxWords bounds the state that charSearch keeps on the stack: 10,240 characters, the size of the largest policy.
const maxWords = 160

// charSearch finds a piece of literals and ? by simulating all its places at once, one bit for each character of the
// piece (the Shift-And algorithm): a text of n characters costs n steps of one word for every 64 characters of the piece.
type charSearch struct {
	words int
	size  int               // characters in the piece
	masks map[rune][]uint64 // bit i: the character may stand at place i
	other []uint64          // for characters that the piece does not name: the places of ?
}

// broken stands for a byte that is not valid UTF-8, so that it differs from a real U+FFFD.
const broken rune = -1

// newCharSearch returns nil for pieces too long for the state.
func newCharSearch(elems []elem) *charSearch {
	size := 0
	for _, e := range elems {
		size += e.one + utf8.RuneCountInString(e.lit)
	}
	words := (size + 63) / 64
	if words > maxWords {
		return nil
	}
	s := &charSearch{words: words, size: size, masks: map[rune][]uint64{}, other: make([]uint64, words)}
	at := 0
	for _, e := range elems {
		for range e.one {
			s.other[at/64] |= 1 << (at % 64)
			at++
		}
		for i, r := range e.lit {
			if r == utf8.RuneError {
				if _, n := utf8.DecodeRuneInString(e.lit[i:]); n == 1 {
					return nil // the slow search compares bytes
				}
			}
			m := s.masks[r]
			if m == nil {
				m = make([]uint64, words)
				s.masks[r] = m
			}
			m[at/64] |= 1 << (at % 64)
			at++
		}
	}
	for _, m := range s.masks {
		for i := range m {
			m[i] |= s.other[i]
		}
	}
	return s
}

// find returns the end of the leftmost place that starts at offset at or later, but not behind limit; or -1.
func (s *charSearch) find(m *matcher, at, limit int) int {
	var state [maxWords]uint64
	live := state[:s.words]
	final, finalBit := (s.size-1)/64, uint64(1)<<((s.size-1)%64)
	for at < len(m.text) {
		r, n := rune(m.text[at]), 1
		if r >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(m.text[at:]); r == utf8.RuneError && n == 1 {
				r = broken
			}
		}
		mask, named := s.masks[r]
		if !named {
			mask = s.other
		}
		colon := r == ':' && at <= m.free
		var carry uint64
		if at <= limit {
			carry = 1
		}
		any := uint64(0)
		for w := range live {
			next := live[w] >> 63
			bits := mask[w]
			if colon {
				bits &^= s.other[w] // ? does not stand for this colon; a literal colon at the same place cannot exist
			}
			live[w] = (live[w]<<1 | carry) & bits
			any |= live[w]
			carry = next
		}
		at += n
		if live[final]&finalBit != 0 {
			return at
		}
		if any == 0 && at > limit {
			return -1
		}
	}
	return -1
}
