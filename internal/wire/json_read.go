package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// JSONReader is a cursor over the body of a JSON request, used like [FormReader]. Names given twice and text that is not UTF-8 are
// errors; a member whose value is null counts as absent. A JSONReader is used once, by one goroutine.
type JSONReader struct {
	dec     *jsontext.Decoder
	name    string
	missing missing
	err     error
}

// newJSON makes a cursor over a body, which must be one object; an empty body is an empty one.
func newJSON(body []byte) *JSONReader {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	return &JSONReader{dec: jsontext.NewDecoder(bytes.NewBuffer(body))}
}

// decode reads the whole body.
func (d *JSONReader) decode(members func(*JSONReader)) error {
	if d.begin('{', "a structure") {
		members(d)
	}
	if d.err == nil {
		if _, err := d.dec.ReadToken(); err == nil {
			d.err = malformedJSON(nil)
		} else if !errors.Is(err, io.EOF) {
			d.err = malformedJSON(err)
		}
	}
	return d.err
}

func malformedJSON(cause error) error {
	return &fault.Error{Kind: fault.MalformedInput, Message: "The request body is not one well-formed JSON object.", Cause: cause}
}

// Next moves to the next member of the current structure and, at its end, out of it.
func (d *JSONReader) Next() bool {
	for d.err == nil {
		t, ok := d.token()
		if !ok || t.Kind() == '}' {
			return false
		}
		d.name = t.String()
		if d.dec.PeekKind() != 'n' {
			return true
		}
		d.token()
	}
	return false
}

// Name is the name of the current member.
func (d *JSONReader) Name() string { return d.name }

// Unknown ends the walk: the operation has no such member.
func (d *JSONReader) Unknown() {
	d.fail(&fault.Error{Kind: fault.MalformedInput, Subject: d.name, Message: "The member " + quote(d.at()) + " is not known to this operation."})
}

func (d *JSONReader) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *JSONReader) token() (jsontext.Token, bool) {
	if d.err != nil {
		return jsontext.Token{}, false
	}
	t, err := d.dec.ReadToken()
	if err != nil {
		d.err = malformedJSON(err)
		return jsontext.Token{}, false
	}
	return t, true
}

// scalar reads the current value, which must be of one kind: '"', '0' or 't' (for either boolean).
func (d *JSONReader) scalar(kind jsontext.Kind, what string) (jsontext.Token, bool) {
	if d.err != nil {
		return jsontext.Token{}, false
	}
	have := d.dec.PeekKind()
	if have == 'f' {
		have = 't'
	}
	if have != kind && have != 0 {
		d.wrong(what)
		return jsontext.Token{}, false
	}
	return d.token()
}

// begin reads the opening of an object or array.
func (d *JSONReader) begin(kind jsontext.Kind, what string) bool {
	if d.err != nil {
		return false
	}
	if have := d.dec.PeekKind(); have != kind && have != 0 {
		d.wrong(what)
		return false
	}
	_, ok := d.token()
	return ok
}

func (d *JSONReader) wrong(expected string) {
	d.fail(&fault.Error{Kind: fault.MalformedInput, Subject: d.name, Message: "The value at " + quote(d.at()) + " is not " + expected + "."})
}

// Need notes the required members whose bit is not set in got, as [FormReader.Need] does.
func (d *JSONReader) Need(got uint, names ...string) {
	if d.err != nil {
		return
	}
	for i, name := range names {
		if got&(1<<i) == 0 {
			d.missing.add(d.path() + name)
		}
	}
}

// path is the place of the value or name read last, in the form of constraint messages with a dot behind.
func (d *JSONReader) path() string { return camelPointer(d.dec.StackPointer()) }

// at is path without the dot.
func (d *JSONReader) at() string { return strings.TrimSuffix(d.path(), ".") }

// camelPointer writes a JSON pointer in the form of constraint messages: "/Tags/0/Key" gives "tags.1.member.key.".
func camelPointer(p jsontext.Pointer) string {
	var b strings.Builder
	for s := range p.Tokens() {
		if n, err := strconv.Atoi(s); err == nil {
			b.WriteString(strconv.Itoa(n+1) + ".member.")
		} else {
			b.WriteString(lowerFirst(s) + ".")
		}
	}
	return b.String()
}

// String reads a string.
func (d *JSONReader) String() string {
	t, ok := d.scalar('"', "a string")
	if !ok {
		return ""
	}
	return t.String()
}

// StringPtr reads a string.
func (d *JSONReader) StringPtr() *string { return new(d.String()) }

// Secret reads a string, wrapped.
func (d *JSONReader) Secret() secret.Text { return secret.New(d.String()) }

// SecretPtr reads a string, wrapped.
func (d *JSONReader) SecretPtr() *secret.Text { return new(d.Secret()) }

// Int reads a whole number that fits 32 bits.
func (d *JSONReader) Int() int {
	t, ok := d.scalar('0', "an integer")
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(t.String(), 10, 32)
	if err != nil {
		d.wrong("an integer")
	}
	return int(n)
}

// IntPtr is like Int.
func (d *JSONReader) IntPtr() *int { return new(d.Int()) }

// Bool reads true or false.
func (d *JSONReader) Bool() bool {
	t, ok := d.scalar('t', "true or false")
	return ok && t.Bool()
}

// BoolPtr is like Bool.
func (d *JSONReader) BoolPtr() *bool { return new(d.Bool()) }

// Float reads a number.
func (d *JSONReader) Float() float64 {
	t, ok := d.scalar('0', "a number")
	if !ok {
		return 0
	}
	f, err := strconv.ParseFloat(t.String(), 64)
	if err != nil || math.IsInf(f, 0) {
		d.wrong("a number")
	}
	return f
}

// FloatPtr is like Float.
func (d *JSONReader) FloatPtr() *float64 { return new(d.Float()) }

// Time reads seconds since 1970, with or without a fraction.
func (d *JSONReader) Time() time.Time {
	t, ok := fromEpoch(d.Float())
	if !ok {
		d.wrong("a time")
	}
	return t
}

// TimePtr is like Time.
func (d *JSONReader) TimePtr() *time.Time { return new(d.Time()) }

// Blob reads base64 text.
func (d *JSONReader) Blob() []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(d.String())
	if err != nil {
		d.wrong("base64")
	}
	return b
}

// Strings reads a list of strings. The name is the Query protocol's and means nothing here.
func (d *JSONReader) Strings(string) []string { return jsonScalars(d, (*JSONReader).String) }

// Secrets reads a list of secrets.
func (d *JSONReader) Secrets(string) []secret.Text { return jsonScalars(d, (*JSONReader).Secret) }

// Ints reads a list of numbers.
func (d *JSONReader) Ints(string) []int { return jsonScalars(d, (*JSONReader).Int) }

func jsonScalars[T any](d *JSONReader, read func(*JSONReader) T) []T {
	list := []T{}
	if !d.begin('[', "a list") {
		return nil
	}
	for d.err == nil && d.dec.PeekKind() != ']' {
		list = append(list, read(d))
	}
	d.token()
	return list
}

// JSONList reads a list of structures.
func JSONList[T any](d *JSONReader, _ string, decode func(*T, *JSONReader)) []T {
	return jsonScalars(d, func(d *JSONReader) T {
		var v T
		JSONInto(d, &v, decode)
		return v
	})
}

// JSONInto reads a structure into v.
func JSONInto[T any](d *JSONReader, v *T, decode func(*T, *JSONReader)) {
	name := d.name
	if d.begin('{', "a structure") {
		decode(v, d)
	}
	d.name = name
}

// JSONStruct is like JSONInto for a new T.
func JSONStruct[T any](d *JSONReader, decode func(*T, *JSONReader)) *T {
	v := new(T)
	JSONInto(d, v, decode)
	return v
}
