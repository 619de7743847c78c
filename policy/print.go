package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// MarshalJSON writes the canonical form: without white space, elements in a fixed order, Statement always an array, every
// other list of one as the value alone. Parse of the result is Equal to d.
func (d *Document) MarshalJSON() ([]byte, error) {
	w := &printer{}
	w.document(d)
	return w.out, nil
}

// Format writes the canonical form for people: as MarshalJSON, with each member and each element of a list on a line of its own,
// indented by two spaces a level, and a newline at the end. Parse of the result is Equal to d, and formatting it again changes nothing.
func (d *Document) Format() []byte {
	w := &printer{lines: true}
	w.document(d)
	return append(w.out, '\n')
}

type printer struct {
	out   []byte
	lines bool // one member or element a line
	depth int
}

func (w *printer) document(d *Document) {
	w.open('{')
	if d.Version != "" {
		w.member("Version")
		w.text(string(d.Version))
	}
	if d.ID != nil {
		w.member("Id")
		w.text(d.ID.Text)
	}
	w.member("Statement")
	w.open('[')
	for i := range d.Statements {
		w.element()
		w.statement(&d.Statements[i])
	}
	w.close(']')
	w.close('}')
}

func (w *printer) byte(c byte) { w.out = append(w.out, c) }

// empty reports whether the object or array being written has nothing in it yet.
func (w *printer) empty() bool {
	last := w.out[len(w.out)-1]
	return last == '{' || last == '['
}

func (w *printer) open(c byte) {
	w.byte(c)
	w.depth++
}

func (w *printer) close(c byte) {
	w.depth--
	if !w.empty() {
		w.newline()
	}
	w.byte(c)
}

func (w *printer) newline() {
	if !w.lines {
		return
	}
	w.byte('\n')
	for range w.depth {
		w.out = append(w.out, "  "...)
	}
}

// element begins the next member or element, with a comma where one is due.
func (w *printer) element() {
	if !w.empty() {
		w.byte(',')
	}
	w.newline()
}

// text writes a JSON string. Characters that documents may not hold as they stand are escaped.
func (w *printer) text(s string) {
	w.byte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.out = append(w.out, '\\', byte(r))
		case r < 0x20 || r > 0xff && r < 0x10000:
			w.out = fmt.Appendf(w.out, `\u%04x`, r)
		case r >= 0x10000:
			r -= 0x10000
			w.out = fmt.Appendf(w.out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	w.byte('"')
}

// member begins a member of an object.
func (w *printer) member(name string) {
	w.element()
	w.text(name)
	w.byte(':')
	if w.lines {
		w.byte(' ')
	}
}

func (w *printer) statement(st *Statement) {
	w.open('{')
	if st.Sid != nil {
		w.member("Sid")
		w.text(st.Sid.Text)
	}
	w.member("Effect")
	w.text(st.Effect.String())
	if st.Principals != nil {
		w.member(not(st.Principals.Not) + "Principal")
		w.principals(st.Principals.Refs)
	}
	if st.Actions.present() {
		w.member(not(st.Actions.Not) + "Action")
		w.values(st.Actions.Values)
	}
	if st.Resources.present() {
		w.member(not(st.Resources.Not) + "Resource")
		w.values(st.Resources.Values)
	}
	if len(st.Conditions) > 0 {
		w.member("Condition")
		w.open('{')
		for _, c := range st.Conditions {
			w.member(c.Operator.Text)
			w.open('{')
			for _, t := range c.Tests {
				w.member(t.Key.Text)
				w.values(t.Values)
			}
			w.close('}')
		}
		w.close('}')
	}
	w.close('}')
}

func not(b bool) string {
	if b {
		return "Not"
	}
	return ""
}

// principals groups the references by type, in the order in which the types first come.
func (w *printer) principals(refs []PrincipalRef) {
	if len(refs) == 1 && refs[0].Type == "*" {
		w.text(refs[0].Value)
		return
	}
	w.open('{')
	var done []string
	for _, first := range refs {
		if slices.Contains(done, first.Type) {
			continue
		}
		done = append(done, first.Type)
		var values []Value
		for _, r := range refs {
			if r.Type == first.Type {
				values = append(values, Value{Text: r.Value})
			}
		}
		w.member(first.Type)
		w.values(values)
	}
	w.close('}')
}

func (w *printer) values(values []Value) {
	if len(values) == 1 {
		w.value(values[0])
		return
	}
	w.open('[')
	for _, v := range values {
		w.element()
		w.value(v)
	}
	w.close(']')
}

func (w *printer) value(v Value) {
	if v.Kind == StringValue {
		w.text(v.Text)
		return
	}
	w.out = append(w.out, v.Text...)
}

// Size counts the characters of a document as AWS's quotas do: white space does not count (S4-3, S4-249).
func Size(text string) int {
	n := 0
	for _, r := range text {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			n++
		}
	}
	return n
}

// Rewrite returns src with some of its JSON strings replaced and everything else as it was, so that a trust policy can have
// its ARNs replaced by unique IDs and back. The keys of repl are the offsets of the strings' opening quotes
// (PrincipalRef.Start, Value.Pos.Offset), the values their new content, not quoted. It fails when no string begins at an offset.
func Rewrite(src []byte, repl map[int]string) ([]byte, error) {
	out := make([]byte, 0, len(src))
	at := 0
	for _, start := range slices.Sorted(maps.Keys(repl)) {
		end := stringEnd(src, start)
		if start < at || end < 0 {
			return nil, fmt.Errorf("no string at offset %d", start)
		}
		w := &printer{out: append(out, src[at:start]...)}
		w.text(repl[start])
		out, at = w.out, end
	}
	return append(out, src[at:]...), nil
}

// stringEnd returns the offset behind the JSON string that begins at start, or -1.
func stringEnd(src []byte, start int) int {
	if start < 0 || start >= len(src) || src[start] != '"' {
		return -1
	}
	for i := start + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			if !json.Valid(src[start : i+1]) {
				return -1
			}
			return i + 1
		}
	}
	return -1
}
