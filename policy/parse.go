package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Options change how documents are read. The zero value accepts what AWS's API accepts.
type Options struct {
	// DateAliases accepts DateGreaterThanOrEqual and DateLessThanOrEqual, which the 2018 user guide prints and AWS refuses, as
	// other names of DateGreaterThanEquals and DateLessThanEquals (S4-108, S4-273).
	DateAliases bool
}

// Parse reads one document with the zero Options.
func Parse(src []byte) (*Document, error) { return Options{}.Parse(src) }

// Parse reads one document and checks what is the same for every kind of policy and every element: that the text is JSON with the
// elements of the grammar, each of the right type. It is stricter than a general JSON decoder: names written twice, text behind the
// document, invalid UTF-8, characters beyond U+00FF and unknown elements are errors. The error is of type Errors and lists all problems
// found; text that is not JSON ends the list. Whether the document can be a policy is for Check.
func (o Options) Parse(src []byte) (*Document, error) {
	d, problems, _ := o.parse(src)
	if len(problems) > 0 {
		return nil, problems.err()
	}
	return d, nil
}

// ParseAs is Parse and Check in one, and lists the problems of both at once. What Check has to say of an element that Parse could not
// read is left out. Kind 0 stands for the LikelyKind of what can be read.
func (o Options) ParseAs(k Kind, src []byte) (*Document, error) {
	d, problems, readable := o.parse(src)
	if !readable {
		return nil, problems.err()
	}
	if k == 0 {
		k = d.LikelyKind()
	}
	c := &checker{doc: d, kind: k}
	c.document()
	known := problems
	for _, e := range c.errs {
		if !slices.ContainsFunc(known, func(p *SyntaxError) bool { return within(e.Path, p.Path) || within(p.Path, e.Path) }) {
			problems = append(problems, e)
		}
	}
	if len(problems) > 0 {
		return nil, problems.err()
	}
	return d, nil
}

// within reports whether a path leads through another, neither being the document.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && outer != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// parse reads a document as far as it can be read; readable is false when the text is not JSON or has no statements.
func (o Options) parse(src []byte) (d *Document, problems Errors, readable bool) {
	p := &parser{src: src, dec: jsontext.NewDecoder(bytes.NewReader(src), jsontext.AllowDuplicateNames(true))}
	p.characters()
	d = &Document{dateAliases: o.DateAliases}
	if err := p.document(d); err != nil {
		p.jsonError(err)
		return d, p.errs, false
	}
	if _, err := p.dec.ReadToken(); err != io.EOF {
		p.fail(int(p.dec.InputOffset()), "", "text behind the document")
	}
	return d, p.errs, len(d.Statements) > 0
}

// parser walks the tokens. Its methods return an error only when the text is not JSON; everything else goes to errs.
type parser struct {
	src  []byte
	dec  *jsontext.Decoder
	last Position // that pos returned last
	errs Errors
}

// What a hostile text can make of problems is bounded: their number, and how much of a name of its own they repeat.
const (
	maxProblems = 200
	maxPathName = 128
)

// pos returns the place of an offset. Offsets mostly ascend, so it counts on from the last one.
func (p *parser) pos(offset int) Position {
	if p.last.Line == 0 || offset < p.last.Offset {
		p.last = Position{Line: 1, Column: 1}
	}
	passed := p.src[p.last.Offset:offset]
	if i := bytes.LastIndexByte(passed, '\n'); i >= 0 {
		p.last.Line += bytes.Count(passed, []byte{'\n'})
		p.last.Column, passed = 1, passed[i+1:]
	}
	p.last.Column += utf8.RuneCount(passed)
	p.last.Offset = offset
	return p.last
}

// characters reports the first character outside the range that IAM admits (S4-2).
func (p *parser) characters() {
	for i := 0; i < len(p.src); {
		r, n := utf8.DecodeRune(p.src[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			p.fail(i, "", "invalid UTF-8")
			return
		case r > 0xff || r < 0x20 && r != '\t' && r != '\n' && r != '\r':
			p.fail(i, "", fmt.Sprintf("character %U is not allowed", r))
			return
		}
		i += n
	}
}

func (p *parser) fail(offset int, path, detail string) {
	p.failAs(offset, path, rankSyntax, msgSyntax, detail)
}

func (p *parser) failAs(offset int, path string, rank int, msg, detail string) {
	if len(p.errs) < maxProblems {
		p.errs = append(p.errs, &SyntaxError{Pos: p.pos(offset), Path: path, Msg: msg, Detail: detail, rank: rank})
	}
}

// inPath returns a name as paths show it.
func inPath(name string) string {
	if len(name) <= maxPathName {
		return name
	}
	n := maxPathName
	for !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n] + "…"
}

func (p *parser) jsonError(err error) {
	offset := int(p.dec.InputOffset())
	detail := "not JSON: " + err.Error()
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		offset, detail = len(p.src), "not JSON: the text ends too early"
	case errors.As(err, &syntax):
		offset, detail = int(syntax.ByteOffset), "not JSON: "+syntax.Err.Error()
	}
	p.fail(min(offset, len(p.src)), "", detail)
}

// scalar reads a string, number, Boolean or null.
func (p *parser) scalar() (Value, error) {
	raw, err := p.dec.ReadValue()
	if err != nil {
		return Value{}, err
	}
	end := int(p.dec.InputOffset())
	v := Value{Pos: p.pos(end - len(raw)), End: end, Text: string(raw)}
	switch raw.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return Value{}, err
		}
		v.Text = string(text)
	case '0':
		v.Kind = NumberValue
	case 't', 'f':
		v.Kind = BoolValue
	}
	return v, nil
}

// start returns the offset at which the next token begins.
func (p *parser) start() int {
	p.dec.PeekKind()
	at := int(p.dec.InputOffset())
	for at < len(p.src) && strings.IndexByte(" \t\r\n:,", p.src[at]) >= 0 {
		at++
	}
	return at
}

// object calls member for each member of the object that comes next, and reports names that come twice. It reports another
// value and skips it.
func (p *parser) object(path string, member func(name Value, path string) error) error {
	if p.dec.PeekKind() != '{' {
		at := p.start()
		if err := p.dec.SkipValue(); err != nil {
			return err
		}
		p.fail(at, path, "must be an object")
		return nil
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.PeekKind() != '}' {
		name, err := p.scalar()
		if err != nil {
			return err
		}
		sub := inPath(name.Text)
		if path != "" {
			sub = path + "." + sub
		}
		if seen[name.Text] {
			p.fail(name.Pos.Offset, sub, "written twice")
		}
		seen[name.Text] = true
		if err := member(name, sub); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// list reads one value or an array of values with item.
func (p *parser) list(path string, item func(path string) error) (count int, err error) {
	if p.dec.PeekKind() != '[' {
		return 1, item(path)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return 0, err
	}
	for ; p.dec.PeekKind() != ']'; count++ {
		if err := item(fmt.Sprintf("%s[%d]", path, count)); err != nil {
			return count, err
		}
	}
	_, err = p.dec.ReadToken()
	return count, err
}

// text reads a string; another value is reported and skipped, and ok is false.
func (p *parser) text(path string) (v Value, ok bool, err error) {
	if p.dec.PeekKind() != '"' {
		at := p.start()
		if err := p.dec.SkipValue(); err != nil {
			return Value{}, false, err
		}
		p.fail(at, path, "must be a string")
		return Value{}, false, nil
	}
	v, err = p.scalar()
	return v, err == nil, err
}

func (p *parser) unknown(name Value, path string) error {
	p.fail(name.Pos.Offset, path, fmt.Sprintf("unknown element %q", inPath(name.Text)))
	return p.dec.SkipValue()
}

func (p *parser) document(d *Document) error {
	at, statements := p.start(), false
	err := p.object("", func(name Value, path string) error {
		switch name.Text {
		case "Version":
			v, ok, err := p.text(path)
			if ok && v.Text != string(Version2008) && v.Text != string(Version2012) {
				p.fail(v.Pos.Offset, path, "must be 2012-10-17 or 2008-10-17")
			}
			d.Version = Version(v.Text)
			return err
		case "Id":
			v, ok, err := p.text(path)
			if ok {
				d.ID = &v
			}
			return err
		case "Statement":
			statements = true
			at := p.start()
			if p.dec.PeekKind() == '[' {
				d.list = p.pos(at + 1)
			}
			n, err := p.list(path, func(path string) error {
				if !strings.HasSuffix(path, "]") {
					path += "[0]"
				}
				return p.statement(d, path)
			})
			if err == nil && n == 0 {
				p.fail(at, path, "holds no statement")
			}
			return err
		}
		return p.unknown(name, path)
	})
	if err == nil && !statements && len(p.errs) == 0 {
		p.fail(at, "", "Statement is missing")
	}
	return err
}

func (p *parser) statement(d *Document, path string) error {
	at := p.start()
	st := Statement{Pos: p.pos(at)}
	seen := map[string]bool{}
	isObject := p.dec.PeekKind() == '{'
	err := p.object(path, func(name Value, path string) error {
		seen[name.Text] = true
		switch name.Text {
		case "Sid":
			v, ok, err := p.text(path)
			if ok {
				st.Sid = &v
			}
			return err
		case "Effect":
			return p.effect(&st, path)
		case "Principal", "NotPrincipal":
			ps, err := p.principals(path)
			ps.Not, ps.Pos = name.Text[0] == 'N', name.Pos
			st.Principals = ps
			return err
		case "Action", "NotAction":
			values, err := p.texts(path)
			st.Actions = Strings{Not: name.Text[0] == 'N', Pos: name.Pos, Values: values}
			return err
		case "Resource", "NotResource":
			values, err := p.texts(path)
			st.Resources = Strings{Not: name.Text[0] == 'N', Pos: name.Pos, Values: values}
			return err
		case "Condition":
			return p.conditions(&st, path)
		}
		return p.unknown(name, path)
	})
	if err != nil || !isObject {
		return err
	}
	st.End = p.pos(int(p.dec.InputOffset()))
	if !seen["Effect"] {
		p.fail(at, path, "Effect is missing")
	}
	for _, name := range [...]string{"Principal", "Action", "Resource"} {
		if seen[name] && seen["Not"+name] {
			p.fail(at, path, name+" and Not"+name+" exclude each other")
		}
	}
	d.Statements = append(d.Statements, st)
	return nil
}

func (p *parser) effect(st *Statement, path string) error {
	v, ok, err := p.text(path)
	switch {
	case !ok:
	case v.Text == "Allow":
		st.Effect = Allow
	case v.Text == "Deny":
		st.Effect = Deny
	case strings.EqualFold(v.Text, "Allow") || strings.EqualFold(v.Text, "Deny"):
		p.failAs(v.Pos.Offset, path, rankLegacy, msgLegacy, "must be Allow or Deny, with a capital letter")
	default:
		p.fail(v.Pos.Offset, path, "must be Allow or Deny")
	}
	return err
}

// texts reads a string or an array of strings, which may be empty.
func (p *parser) texts(path string) ([]Value, error) {
	var out []Value
	_, err := p.list(path, func(path string) error {
		v, ok, err := p.text(path)
		if ok {
			out = append(out, v)
		}
		return err
	})
	return out, err
}

func (p *parser) principals(path string) (*Principals, error) {
	out := &Principals{}
	if p.dec.PeekKind() == '"' {
		v, err := p.scalar()
		if err == nil && v.Text != "*" {
			p.fail(v.Pos.Offset, path, `must be "*" or an object`)
		}
		out.Refs = []PrincipalRef{{Type: "*", Value: v.Text, Start: v.Pos.Offset, End: v.End, line: v.Pos.Line, column: v.Pos.Column}}
		return out, err
	}
	at, members := p.start(), 0
	isObject := p.dec.PeekKind() == '{'
	err := p.object(path, func(name Value, path string) error {
		members++
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, name.Text) {
			return p.unknown(name, path)
		}
		at := p.start()
		before := len(p.errs)
		values, err := p.texts(path)
		if err == nil && len(values) == 0 && len(p.errs) == before {
			p.fail(at, path, "an empty list")
		}
		for _, v := range values {
			out.Refs = append(out.Refs, PrincipalRef{Type: name.Text, Value: v.Text, Start: v.Pos.Offset, End: v.End, line: v.Pos.Line, column: v.Pos.Column})
		}
		return err
	})
	if err == nil && isObject && members == 0 {
		p.fail(at, path, "names nobody")
	}
	return out, err
}

func (p *parser) conditions(st *Statement, path string) error {
	return p.object(path, func(operator Value, path string) error {
		c := Condition{Operator: operator}
		keys := map[string]string{}
		err := p.object(path, func(key Value, path string) error {
			if first, ok := keys[foldKey(key.Text)]; ok && first != key.Text {
				p.fail(key.Pos.Offset, path, fmt.Sprintf("the same key as %q, whose letter case does not matter", inPath(first)))
			}
			keys[foldKey(key.Text)] = key.Text
			values, err := p.values(path)
			c.Tests = append(c.Tests, Test{Key: key, Values: values})
			return err
		})
		st.Conditions = append(st.Conditions, c)
		return err
	})
}

// values reads the values of a condition key: strings, numbers and Booleans (S4-4, S4-88). A list without any is accepted, as AWS's
// API does: no value is among none.
func (p *parser) values(path string) ([]Value, error) {
	var out []Value
	_, err := p.list(path, func(path string) error {
		switch p.dec.PeekKind() {
		case '"', '0', 't', 'f':
			v, err := p.scalar()
			if err == nil {
				out = append(out, v)
			}
			return err
		}
		at := p.start()
		if err := p.dec.SkipValue(); err != nil {
			return err
		}
		p.fail(at, path, "must be a string, a number or a Boolean")
		return nil
	})
	return out, err
}
