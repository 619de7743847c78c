package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// scratch is the memory of one verification. It is pooled: nothing that outlives the verification may point into it.
type scratch struct {
	canonical []byte // the canonical request
	toSign    []byte // the string to sign, after room for HMAC's inner key block
	encoded   []byte // keys and values of the query, encoded
	pairs     []pair
	payload   [2 * sha256.Size]byte // the hash of the body in hexadecimal
}

// pair is a query parameter: bounds in scratch.encoded.
type pair struct{ key, eq, end int }

var scratches = sync.Pool{New: func() any {
	return &scratch{canonical: make([]byte, 0, 2048), toSign: make([]byte, 0, 512)}
}}

// maxPooled keeps the pool from holding on to the memory of unusual requests.
const maxPooled = 32 << 10

func (s *scratch) release() {
	if cap(s.canonical)+cap(s.encoded) <= maxPooled {
		scratches.Put(s)
	}
}

// rules are the differences between services in how a request is made canonical.
type rules struct {
	s3        bool // the path is taken as it is and encoded once
	dropToken bool // the session token was added to the query string after signing
}

// build fills s.canonical with the canonical request and s.toSign, from offset hmacBlock on, with the string to sign.
// It reports whether every signed header is present.
//
//	method \n path \n query \n (name:values \n)… \n signed headers \n payload hash
func (s *scratch) build(p *Presented, payload []byte, ru rules) (complete bool) {
	r := p.request
	b := s.canonical[:0]
	if r.Method == "" {
		b = append(b, http.MethodGet...)
	} else {
		b = append(b, r.Method...)
	}
	b = append(b, '\n')
	b = appendPath(b, r, ru.s3)
	b = append(b, '\n')
	b = s.appendQuery(b, r.URL.RawQuery, p.Form == FormQuery, ru.dropToken)
	b = append(b, '\n')
	b, complete = appendHeaders(b, r, p.SignedHeaders)
	b = append(b, '\n')
	b = append(b, p.SignedHeaders...)
	b = append(b, '\n')
	b = append(b, payload...)
	s.canonical = b

	sum := sha256.Sum256(b)
	t := append(s.toSign[:0], emptyBlock[:]...)
	t = append(t, p.Algorithm...)
	t = append(t, '\n')
	t = append(t, p.timestamp...)
	t = append(t, '\n')
	t = append(t, p.scope...)
	t = append(t, '\n')
	t = hex.AppendEncode(t, sum[:])
	s.toSign = t
	return complete
}

var emptyBlock [hmacBlock]byte

// appendPath appends the canonical path. Everywhere but in S3 the path as sent is normalized and encoded once more, so
// that a client's own escapes are encoded twice.
func appendPath(dst []byte, r *http.Request, s3 bool) []byte {
	if s3 {
		if r.URL.Path == "" {
			return append(dst, '/')
		}
		return appendEscaped(dst, r.URL.Path, true)
	}
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.EscapedPath()
	}
	if path == "" || path == "/" {
		return append(dst, '/')
	}
	if needsNormalizing(path) {
		path = normalize(path)
	}
	return appendEscaped(dst, path, true)
}

func needsNormalizing(path string) bool {
	return path[0] != '/' || strings.Contains(path, "//") || strings.Contains(path, "/.")
}

// normalize removes empty and dot segments (RFC 3986, 5.2.4, and repeated slashes). A slash at the end is kept.
func normalize(path string) string {
	var out []string
	last := ""
	for segment := range strings.SplitSeq(path, "/") {
		last = segment
		switch segment {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
		}
	}
	clean := "/" + strings.Join(out, "/")
	if clean != "/" && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean
}

// appendQuery appends the parameters, decoded, encoded in the one canonical way, and sorted by encoded key, then value.
// A plus sign is a space, as the decoders behind the signature read it. Invalid escapes were refused by Parse.
func (s *scratch) appendQuery(dst []byte, raw string, presigned, dropToken bool) []byte {
	if raw == "" {
		return dst
	}
	e, pairs := s.encoded[:0], s.pairs[:0]
	for rest := raw; rest != ""; {
		var text string
		if text, rest, _ = strings.Cut(rest, "&"); text == "" {
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		start := len(e)
		e = appendReencoded(e, key)
		eq := len(e)
		if presigned {
			if k := e[start:]; string(k) == nameSignature || dropToken && string(k) == nameToken {
				e = e[:start]
				continue
			}
		}
		e = appendReencoded(e, value)
		pairs = append(pairs, pair{start, eq, len(e)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := bytes.Compare(e[a.key:a.eq], e[b.key:b.eq]); c != 0 {
			return c
		}
		return bytes.Compare(e[a.eq:a.end], e[b.eq:b.end])
	})
	for i, pr := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, e[pr.key:pr.eq]...)
		dst = append(dst, '=')
		dst = append(dst, e[pr.eq:pr.end]...)
	}
	s.encoded, s.pairs = e, pairs
	return dst
}

// appendReencoded appends the canonical encoding of what a query key or value says.
func appendReencoded(dst []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(text):
			hi, lo := unhex(text[i+1]), unhex(text[i+2])
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		dst = appendEscapedByte(dst, c, false)
	}
	return dst
}

func appendEscaped(dst []byte, text string, keepSlash bool) []byte {
	for i := range len(text) {
		dst = appendEscapedByte(dst, text[i], keepSlash)
	}
	return dst
}

func appendEscapedByte(dst []byte, c byte, keepSlash bool) []byte {
	const upperHex = "0123456789ABCDEF"
	if unreserved[c] || c == '/' && keepSlash {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// unreserved are the characters that are never escaped (RFC 3986, 2.3).
var unreserved = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		set[c] = true
	}
	return set
}()

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// appendHeaders appends a line for every signed header. It reports false when one is absent; its line is then empty.
func appendHeaders(dst []byte, r *http.Request, list string) (_ []byte, complete bool) {
	complete = true
	for rest := list; rest != ""; {
		var name string
		name, rest = cutByte(rest, ';')
		dst = append(dst, name...)
		dst = append(dst, ':')
		switch {
		case name == "host":
			dst = appendTrimmed(dst, r.Host)
			complete = complete && r.Host != ""
		default:
			values, ok := lookup(r.Header, name)
			for i, v := range values {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = appendTrimmed(dst, v)
			}
			if !ok {
				dst, ok = appendImplied(dst, r, name)
			}
			complete = complete && ok
		}
		dst = append(dst, '\n')
	}
	return dst, complete
}

// appendImplied appends the value of a header that net/http keeps in a field of the request instead.
func appendImplied(dst []byte, r *http.Request, name string) ([]byte, bool) {
	switch {
	case name == "content-length" && r.ContentLength >= 0:
		return strconv.AppendInt(dst, r.ContentLength, 10), true
	case name == "transfer-encoding" && len(r.TransferEncoding) > 0:
		return append(dst, strings.Join(r.TransferEncoding, ",")...), true
	}
	return dst, false
}

// lookup finds a header by its lower-case name. It avoids the memory that http.CanonicalHeaderKey takes.
func lookup(h http.Header, name string) ([]string, bool) {
	var buf [64]byte
	if len(name) > len(buf) {
		values, ok := h[http.CanonicalHeaderKey(name)]
		return values, ok
	}
	key := append(buf[:0], name...)
	upper := true
	for i, c := range key {
		if upper && c >= 'a' && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	values, ok := h[string(key)]
	return values, ok
}

// appendTrimmed appends a header's value without white space around it and with single spaces inside. A line break is a
// space, as in a folded header: a value can never begin a new line of the canonical request.
func appendTrimmed(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t\r\n")
	if isTidy(v) {
		return append(dst, v...)
	}
	space := false
	for i := range len(v) {
		c := v[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		if c == ' ' && space {
			continue
		}
		space = c == ' '
		dst = append(dst, c)
	}
	return dst
}

// isTidy reports whether v has no line breaks and no two spaces together.
func isTidy(v string) bool {
	last := byte(0)
	for i := range len(v) {
		c := v[i]
		if c == ' ' && last == ' ' || c == '\r' || c == '\n' {
			return false
		}
		last = c
	}
	return true
}
