package wire

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// maxParameters bounds the parameters of one request; the largest legitimate calls have a few hundred.
const maxParameters = 10_000

// pair is one parameter.
type pair struct{ key, value string }

// FormReader is a cursor over the parameters of a Query request. The parameters are sorted segment by segment, numbers by value, so
// that what belongs together stands together; generated code walks them once:
//
//	for d.Next() {
//		switch d.Name() {
//		case "UserName":
//			v.UserName, got = d.String(), got|1
//		default:
//			d.Unknown()
//		}
//	}
//	d.Need(got, "userName")
//
// The first error ends the walk: Next returns false from then on. Strings and pointers it gives out point into the form,
// which lives as long as they do. A FormReader is used once, by one goroutine.
type FormReader struct {
	pairs   []pair
	missing missing
	err     error

	// The current level: the groups of pairs in [at, end) with the same segment at offset off of their keys. The current group
	// is [lo, at), its segment is name; deeper says that a member's key goes on behind the segment.
	off, lo, at, end int
	name             string
}

// parseForm appends the parameters of an encoded query or body to dst. Percent signs and plus signs are decoded; ';' is an
// ordinary character.
func parseForm(dst []pair, text string) ([]pair, error) {
	for text != "" {
		var item string
		item, text, _ = strings.Cut(text, "&")
		if item == "" {
			continue
		}
		if len(dst) == maxParameters {
			return nil, fault.New(fault.TooLarge, "The request has more than %d parameters.", maxParameters)
		}
		key, value, _ := strings.Cut(item, "=")
		key, err := unescape(key)
		if err != nil {
			return nil, err
		}
		value, err = unescape(value)
		if err != nil {
			return nil, err
		}
		if key == "" {
			return nil, fault.New(fault.MalformedInput, "A parameter of the request has no name.")
		}
		dst = append(dst, pair{key, value})
	}
	return dst, nil
}

func unescape(s string) (string, error) {
	if strings.ContainsAny(s, "%+") {
		t, err := url.QueryUnescape(s)
		if err != nil {
			return "", &fault.Error{Kind: fault.MalformedInput, Message: "The request's parameters are not encoded correctly.", Cause: err}
		}
		s = t
	}
	if !utf8.ValidString(s) {
		return "", fault.New(fault.MalformedInput, "The request's parameters are not valid UTF-8.")
	}
	return s, nil
}

// begin sorts the parameters and sets the cursor before the first.
func (d *FormReader) begin() {
	if !slices.IsSortedFunc(d.pairs, comparePairs) {
		slices.SortStableFunc(d.pairs, comparePairs)
	}
	d.end = len(d.pairs)
}

func comparePairs(a, b pair) int { return compareKeys(a.key, b.key) }

// compareKeys orders keys by segments; a key comes before its extensions, and numbers are ordered by value.
func compareKeys(a, b string) int {
	for {
		sa, ra, ma := strings.Cut(a, ".")
		sb, rb, mb := strings.Cut(b, ".")
		if sa != sb {
			return compareSegments(sa, sb)
		}
		switch {
		case !ma && !mb:
			return 0
		case !ma:
			return -1
		case !mb:
			return 1
		}
		a, b = ra, rb
	}
}

func compareSegments(a, b string) int {
	switch ia, ib := isIndex(a), isIndex(b); {
	case ia && ib && len(a) != len(b):
		return len(a) - len(b)
	case ia && !ib:
		return -1
	case ib && !ia:
		return 1
	}
	return strings.Compare(a, b)
}

// isIndex reports whether s can be a list's index: 1, 2, … without leading zeros.
func isIndex(s string) bool {
	if s == "" || len(s) > 9 || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || '9' < s[i] {
			return false
		}
	}
	return true
}

// Next moves to the next member of the current structure.
func (d *FormReader) Next() bool {
	if d.err != nil || d.at == d.end {
		return false
	}
	d.lo = d.at
	rest := d.pairs[d.lo].key[d.off:]
	d.name, _, _ = strings.Cut(rest, ".")
	for d.at++; d.at < d.end; d.at++ {
		key := d.pairs[d.at].key[d.off:]
		if !strings.HasPrefix(key, d.name) || len(key) > len(d.name) && key[len(d.name)] != '.' {
			break
		}
	}
	return true
}

// Name is the wire name of the current member.
func (d *FormReader) Name() string { return d.name }

// frame is a level to come back to.
type frame struct {
	off, lo, at, end int
	name             string
}

// down makes the current group the level: its members are the segments behind its own. It fails where the group is a plain
// value.
func (d *FormReader) down() (frame, bool) {
	f := frame{d.off, d.lo, d.at, d.end, d.name}
	first := &d.pairs[d.lo]
	if len(first.key) == d.off+len(d.name) {
		d.wrong("a structure or list is expected")
		return f, false
	}
	d.off += len(d.name) + 1
	d.at, d.end = d.lo, d.at
	return f, true
}

func (d *FormReader) up(f frame) { d.off, d.lo, d.at, d.end, d.name = f.off, f.lo, f.at, f.end, f.name }

// empty reports whether the current group is "Name=" alone: an empty list or map in the form SDKs send.
func (d *FormReader) empty() bool {
	p := &d.pairs[d.lo]
	return d.at == d.lo+1 && len(p.key) == d.off+len(d.name) && p.value == ""
}

// value is the current member's text. It stays valid with the form.
func (d *FormReader) value() *string {
	p := &d.pairs[d.lo]
	if len(p.key) != d.off+len(d.name) {
		d.wrong("a single value is expected")
	} else if d.at != d.lo+1 {
		d.wrong("it is given more than once")
	}
	return &p.value
}

// wrong ends the walk: the current parameter cannot be decoded.
func (d *FormReader) wrong(why string) {
	d.fail(&fault.Error{Kind: fault.MalformedInput, Subject: d.key(),
		Message: "The parameter " + quote(d.key()) + " cannot be read: " + why + "."})
}

// Unknown ends the walk: the operation has no such parameter.
func (d *FormReader) Unknown() {
	key := d.pairs[d.lo].key
	d.fail(&fault.Error{Kind: fault.Invalid, Subject: key, Message: "The parameter " + quote(key) + " is not known to this operation."})
}

func (d *FormReader) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// key is the current group's key.
func (d *FormReader) key() string { return d.pairs[d.lo].key[:d.off+len(d.name)] }

// Need notes the required members whose bit is not set in got, in the order of names. They become constraint violations
// when the input is checked.
func (d *FormReader) Need(got uint, names ...string) {
	for i, name := range names {
		if got&(1<<i) == 0 {
			d.missing.add(d.path() + name)
		}
	}
}

// missing is a set of paths; the zero value is empty.
type missing struct{ paths map[string]bool }

func (m *missing) add(path string) {
	if m.paths == nil {
		m.paths = map[string]bool{}
	}
	m.paths[path] = true
}

// path is the current level in the form of constraint messages, with its dot: "tags.1.member.".
func (d *FormReader) path() string {
	if d.off == 0 || d.end == 0 {
		return ""
	}
	prefix := d.pairs[d.end-1].key[:d.off-1]
	var b strings.Builder
	segments := strings.Split(prefix, ".")
	for i := 0; i < len(segments); i++ {
		s := segments[i]
		switch {
		case i+1 < len(segments) && isIndex(segments[i+1]) && s == "entry":
			key := strings.Join(segments[:i+2], ".") + ".key"
			for _, p := range d.pairs {
				if p.key == key {
					b.WriteString(p.value + ".member.")
				}
			}
			i += 2 // the index and "value"
		case i+1 < len(segments) && isIndex(segments[i+1]):
			b.WriteString(segments[i+1] + ".member.")
			i++
		default:
			b.WriteString(lowerFirst(s) + ".")
		}
	}
	return b.String()
}

func lowerFirst(s string) string {
	if s != "" && 'A' <= s[0] && s[0] <= 'Z' {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}

// quote writes a name that a stranger chose: in quotes, cut at 128 bytes.
func quote(s string) string {
	if len(s) > 128 {
		s = s[:128]
	}
	return "'" + strings.ToValidUTF8(s, "") + "'"
}

// number parses the current member as a decimal number that fits 32 bits, which is what the models call an integer.
func (d *FormReader) number() int {
	s := d.value()
	n, err := strconv.ParseInt(*s, 10, 32)
	if err != nil || (*s)[0] == '+' {
		d.wrong("an integer is expected")
	}
	return int(n)
}
