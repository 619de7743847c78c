package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// String is the current member's text.
func (d *FormReader) String() string { return *d.value() }

// StringPtr is the current member's text.
func (d *FormReader) StringPtr() *string { return d.value() }

// Secret is the current member's text, wrapped.
func (d *FormReader) Secret() secret.Text { return secret.New(*d.value()) }

// SecretPtr is the current member's text, wrapped.
func (d *FormReader) SecretPtr() *secret.Text { return new(d.Secret()) }

// Int is the current member as a number.
func (d *FormReader) Int() int { return d.number() }

// IntPtr is the current member as a number.
func (d *FormReader) IntPtr() *int { return new(d.number()) }

// Bool is the current member as "true" or "false", in any case (boto 2 sent "True").
func (d *FormReader) Bool() bool {
	switch s := *d.value(); {
	case strings.EqualFold(s, "true"):
		return true
	case !strings.EqualFold(s, "false"):
		d.wrong("true or false is expected")
	}
	return false
}

// BoolPtr is like Bool.
func (d *FormReader) BoolPtr() *bool { return new(d.Bool()) }

// Float is the current member as a finite decimal number.
func (d *FormReader) Float() float64 {
	f, err := strconv.ParseFloat(*d.value(), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		d.wrong("a number is expected")
		return 0
	}
	return f
}

// FloatPtr is like Float.
func (d *FormReader) FloatPtr() *float64 { return new(d.Float()) }

// Time is the current member as a time: ISO 8601 with a zone, a date, or seconds since 1970.
func (d *FormReader) Time() time.Time {
	t, ok := parseTime(*d.value())
	if !ok {
		d.wrong("a time is expected")
	}
	return t
}

// TimePtr is like Time.
func (d *FormReader) TimePtr() *time.Time { return new(d.Time()) }

// Blob is the current member's base64 text, decoded.
func (d *FormReader) Blob() []byte {
	b, err := base64.StdEncoding.Strict().DecodeString(*d.value())
	if err != nil {
		d.wrong("base64 is expected")
	}
	return b
}

// elements goes down to the elements of a list: "NAME.1", "NAME.2" … below the current member, where NAME is the model's
// element name or "member" (S5-26), but not both in one list. Gaps in the numbers are closed. It returns their number and
// the level to go back to with up.
func (d *FormReader) elements(name string) (n int, back frame) {
	back, ok := d.down()
	if !ok {
		return 0, back
	}
	d.Next()
	if d.name != name && d.name != "member" {
		d.Unknown()
		return 0, back
	}
	if d.at != d.end {
		d.Next()
		d.Unknown() // a second name beside the first
		return 0, back
	}
	if _, ok = d.down(); !ok {
		return 0, back
	}
	first := frame{d.off, d.lo, d.at, d.end, d.name}
	for ; d.Next(); n++ {
		if !isIndex(d.name) {
			d.wrong("the list's index is not a number from 1")
		}
	}
	d.up(first)
	return n, back
}

// FormList reads the current member as a list of structures. name is the element's name in the model.
func FormList[T any](d *FormReader, name string, decode func(*T, *FormReader)) []T {
	if d.empty() {
		return []T{}
	}
	n, back := d.elements(name)
	if d.err != nil {
		return nil
	}
	list := make([]T, 0, n)
	for d.Next() {
		list = append(list, *new(T))
		FormInto(d, &list[len(list)-1], decode)
	}
	d.up(back)
	return list
}

// Strings reads the current member as a list of strings.
func (d *FormReader) Strings(name string) []string { return formScalars(d, name, (*FormReader).String) }

// Secrets reads the current member as a list of secrets.
func (d *FormReader) Secrets(name string) []secret.Text {
	return formScalars(d, name, (*FormReader).Secret)
}

// Ints reads the current member as a list of numbers.
func (d *FormReader) Ints(name string) []int { return formScalars(d, name, (*FormReader).Int) }

func formScalars[T any](d *FormReader, name string, read func(*FormReader) T) []T {
	if d.empty() {
		return []T{}
	}
	n, back := d.elements(name)
	if d.err != nil {
		return nil
	}
	list := make([]T, 0, n)
	for d.Next() {
		list = append(list, read(d))
	}
	d.up(back)
	return list
}

// FormInto reads the current member as a structure into v.
func FormInto[T any](d *FormReader, v *T, decode func(*T, *FormReader)) {
	f, ok := d.down()
	if ok {
		decode(v, d)
	}
	d.up(f)
}

// FormStruct is like FormInto for a new T.
func FormStruct[T any](d *FormReader, decode func(*T, *FormReader)) *T {
	v := new(T)
	FormInto(d, v, decode)
	return v
}

// StringMap reads the current member as a map: "entry.1.key", "entry.1.value" … below it.
func (d *FormReader) StringMap() map[string]string {
	m := map[string]string{}
	d.entries(func(key string) { m[key] = d.String() })
	return m
}

// FormMap reads the current member as a map to structures.
func FormMap[T any](d *FormReader, decode func(*T, *FormReader)) map[string]T {
	m := map[string]T{}
	d.entries(func(key string) {
		var v T
		FormInto(d, &v, decode)
		m[key] = v
	})
	return m
}

// entries calls value for each entry of a map, with the cursor at the entry's value.
func (d *FormReader) entries(value func(key string)) {
	if d.empty() {
		return
	}
	_, back := d.elements("entry")
	seen := map[string]bool{}
	for d.Next() {
		f, ok := d.down()
		if !ok {
			break
		}
		if !d.Next() || d.name != "key" {
			d.wrong("an entry without a key")
			break
		}
		key := d.String()
		if seen[key] {
			d.wrong("the key comes twice")
		}
		seen[key] = true
		if !d.Next() || d.name != "value" {
			d.wrong("an entry without a value")
			break
		}
		value(key)
		if d.Next() {
			d.Unknown()
		}
		d.up(f)
	}
	d.up(back)
}
