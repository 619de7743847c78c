package lint

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Write prints findings for people: place, severity, code and message, the line of the source with a caret under the spot, the path
// and what to do. src is the text that was parsed, name what to call it. Characters that a terminal would obey are replaced.
func Write(w io.Writer, name string, src []byte, findings []Finding) error {
	b := bufio.NewWriter(w)
	for i, f := range findings {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(plain(name))
		if f.Pos.Line > 0 {
			fmt.Fprintf(b, ":%d:%d", f.Pos.Line, f.Pos.Column)
		}
		fmt.Fprintf(b, ": %s: %s [%s]\n", f.Severity, plain(f.Message), f.Code)
		writeSpot(b, src, f)
		if f.Path != "" {
			fmt.Fprintf(b, "  in:  %s\n", plain(f.Path))
		}
		if f.Remedy != "" {
			fmt.Fprintf(b, "  fix: %s\n", plain(f.Remedy))
		}
	}
	return b.Flush()
}

// How much of a line is shown: documents are often one line.
const (
	before = 40
	after  = 70
)

func writeSpot(b *bufio.Writer, src []byte, f Finding) {
	at := f.Pos.Offset
	if f.Pos.Line == 0 || at < 0 || at > len(src) {
		return
	}
	// Only the neighbourhood is looked at: a document may be one line of a megabyte with a finding in every word.
	start, end := max(0, at-utf8.UTFMax*(before+1)), min(len(src), at+utf8.UTFMax*(after+1))
	if i := bytes.LastIndexByte(src[start:at], '\n'); i >= 0 {
		start += i + 1
	}
	if i := bytes.IndexByte(src[at:end], '\n'); i >= 0 {
		end = at + i
	}
	left, cutLeft := lastRunes(string(src[start:at]), before)
	right, cutRight := firstRunes(string(src[at:end]), after)
	marked := 1
	if f.End > at {
		marked = utf8.RuneCount(src[at:min(f.End, end)])
	}
	marked = max(1, min(marked, utf8.RuneCountInString(right)))
	left, right = plain(left), plain(right)
	if cutLeft {
		left = "… " + left
	} else {
		left = strings.TrimLeft(left, " ")
	}
	if cutRight {
		right += " …"
	}
	number := fmt.Sprintf("%5d | ", f.Pos.Line)
	fmt.Fprintf(b, "%s%s%s\n", number, left, strings.TrimRight(right, " "))
	fmt.Fprintf(b, "%s| %s^%s\n", strings.Repeat(" ", len(number)-2), strings.Repeat(" ", utf8.RuneCountInString(left)),
		strings.Repeat("~", marked-1))
}

func firstRunes(text string, n int) (string, bool) {
	for i := range text {
		if n == 0 {
			return text[:i], true
		}
		n--
	}
	return text, false
}

func lastRunes(text string, n int) (string, bool) {
	i := len(text)
	for ; i > 0 && n > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
	}
	return text[i:], i > 0
}

// plain puts a space in the place of tabs and other white space, and a question mark in the place of what cannot be printed; a
// character stays one character.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}
