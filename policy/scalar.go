package policy

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// instant is a point in time, exact to the nanosecond, over the range of int64 seconds.
type instant struct {
	sec  int64
	nsec int32
}

func (a instant) compare(b instant) int {
	switch {
	case a.sec != b.sec:
		return sign(a.sec < b.sec)
	case a.nsec != b.nsec:
		return sign(a.nsec < b.nsec)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// parseDate reads the forms of the W3C profile of ISO 8601 (year; year and month; date; date and time to the minute, second
// or fraction of one with zone Z or ±hh:mm) and epoch seconds (S4-109). Four digits alone are a year.
//
// Beyond the profile it reads what AWS's API is known to accept: lower-case t and z, numbers with fewer digits, a time that ends
// with the hour or behind its T, a zone of hours only, and no zone, which is taken for UTC.
func parseDate(s string) (instant, bool) {
	date := strings.ContainsAny(s, "Tt") || strings.LastIndexByte(s, '-') > 0 || len(s) == 4 && s[0] != '-' && !strings.Contains(s, ".")
	if !date {
		return parseEpoch(s)
	}
	d := dateReader{s: s}
	year, month, day := d.upTo(9), 1, 1
	if d.next('-') {
		month = d.upTo(2)
		if d.next('-') {
			day = d.upTo(2)
		}
	}
	var hour, minute, sec, nsec, offset int
	if d.next('T') || d.next('t') {
		if d.s != "" && '0' <= d.s[0] && d.s[0] <= '9' {
			hour = d.upTo(2)
			if d.next(':') {
				minute = d.upTo(2)
				if d.next(':') {
					sec = d.upTo(2)
					if d.next('.') {
						nsec = d.fraction()
					}
				}
			}
		}
		offset = d.zone()
	}
	if d.bad || d.s != "" || hour > 23 || minute > 59 || sec > 59 || month < 1 || month > 12 || day < 1 {
		return instant{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, 0, time.UTC)
	if t.Day() != day {
		return instant{}, false // 30 February
	}
	return instant{sec: t.Unix() - int64(offset)*60, nsec: int32(nsec)}, true
}

// parseEpoch reads seconds since 1970, with an optional sign and fraction, within the range of int64.
func parseEpoch(s string) (instant, bool) {
	s, negative := strings.CutPrefix(s, "-")
	whole, fraction, dot := strings.Cut(s, ".")
	if whole == "" || len(whole) > 19 || dot && fraction == "" {
		return instant{}, false
	}
	var sec uint64
	for i := range len(whole) {
		c := whole[i]
		if c < '0' || c > '9' {
			return instant{}, false
		}
		sec = sec*10 + uint64(c-'0')
	}
	if sec > 1<<63-1 {
		return instant{}, false
	}
	out := instant{sec: int64(sec)}
	if dot {
		d := dateReader{s: fraction}
		if out.nsec = int32(d.fraction()); d.bad || d.s != "" {
			return instant{}, false
		}
	}
	if negative {
		out.sec = -out.sec
		if out.nsec > 0 {
			out.sec, out.nsec = out.sec-1, 1e9-out.nsec
		}
	}
	return out, true
}

// dateReader takes parts from the front of s; bad is set when one is not there.
type dateReader struct {
	s   string
	bad bool
}

func (d *dateReader) next(c byte) bool {
	if d.s == "" || d.s[0] != c {
		return false
	}
	d.s = d.s[1:]
	return true
}

func (d *dateReader) digits(n int) int {
	if len(d.s) < n {
		d.bad = true
		return 0
	}
	v := 0
	for i := range n {
		c := d.s[i]
		if c < '0' || c > '9' {
			d.bad = true
			return 0
		}
		v = v*10 + int(c-'0')
	}
	d.s = d.s[n:]
	return v
}

// upTo reads one to n digits.
func (d *dateReader) upTo(n int) int {
	k := 0
	for k < n && k < len(d.s) && '0' <= d.s[k] && d.s[k] <= '9' {
		k++
	}
	d.bad = d.bad || k == 0
	return d.digits(k)
}

// fraction reads one to nine digits as nanoseconds.
func (d *dateReader) fraction() int {
	n := 0
	for n < len(d.s) && '0' <= d.s[n] && d.s[n] <= '9' {
		n++
	}
	if n == 0 || n > 9 {
		d.bad = true
		return 0
	}
	v := d.digits(n)
	for ; n < 9; n++ {
		v *= 10
	}
	return v
}

// zone reads Z, ±hh:mm, ±hh or nothing, and returns minutes east of UTC.
func (d *dateReader) zone() int {
	if d.s == "" || d.next('Z') || d.next('z') {
		return 0
	}
	east := 1
	if d.next('-') {
		east = -1
	} else if !d.next('+') {
		d.bad = true
		return 0
	}
	h, m := d.digits(2), 0
	if d.next(':') {
		m = d.digits(2)
	}
	d.bad = d.bad || h > 23 || m > 59
	return east * (h*60 + m)
}

// number is a decimal number of any length, compared exactly: 0.digits × 10^exp, with digits taken from text[lo:hi] without its
// dot. Zero has no digits.
type number struct {
	negative bool
	text     string // from the first digit that is not zero to the last
	exp      int
}

// parseNumber reads an integer or decimal, with an optional sign and exponent (S4-105).
func parseNumber(s string) (number, bool) {
	var n number
	switch {
	case strings.HasPrefix(s, "-"):
		n.negative, s = true, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		v, ok := parseExponent(s[i+1:])
		if !ok {
			return number{}, false
		}
		mantissa, exp = s[:i], v
	}
	dot, digits, first, last := len(mantissa), 0, -1, -1
	for i := range len(mantissa) {
		switch c := mantissa[i]; {
		case c == '.' && dot == len(mantissa):
			dot = i
		case '0' <= c && c <= '9':
			digits++
			if c != '0' {
				if first < 0 {
					first = i
				}
				last = i
			}
		default:
			return number{}, false
		}
	}
	if digits == 0 || dot == 0 || dot == len(mantissa)-1 {
		return number{}, false
	}
	if first < 0 {
		return number{}, true
	}
	n.text = mantissa[first : last+1]
	n.exp = exp + dot - first
	if first > dot {
		n.exp++
	}
	return n, true
}

// parseExponent reads a signed number of at most four digits.
func parseExponent(s string) (int, bool) {
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	d := dateReader{s: s}
	v := d.digits(len(s))
	if negative {
		v = -v
	}
	return v, !d.bad && 0 < len(s) && len(s) <= 4
}

func (n number) compare(m number) int {
	switch {
	case n.text == "" && m.text == "":
		return 0
	case n.text == "":
		return sign(!m.negative)
	case m.text == "":
		return sign(n.negative)
	case n.negative != m.negative:
		return sign(n.negative)
	case n.negative:
		n, m = m, n
	}
	if n.exp != m.exp {
		return sign(n.exp < m.exp)
	}
	i, j := 0, 0
	for i < len(n.text) && j < len(m.text) {
		switch a, b := n.text[i], m.text[j]; {
		case a == '.':
			i++
			continue
		case b == '.':
			j++
			continue
		case a != b:
			return sign(a < b)
		}
		i++
		j++
	}
	// The texts end with a digit that is not zero, so the longer one is the larger.
	switch {
	case i < len(n.text):
		return 1
	case j < len(m.text):
		return -1
	}
	return 0
}

// parseBool reads true or false in any letter case of ASCII.
func parseBool(s string) (value, ok bool) {
	switch {
	case equalLower("true", s):
		return true, true
	case equalLower("false", s):
		return false, true
	}
	return false, false
}

// parseAddr reads an IP address without zone; an IPv4 address in its IPv6 form is taken as IPv4. It accepts what netip.ParseAddr
// does, and unlike that allocates nothing for what it refuses, which may come with a request.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, ':') < 0 {
		v4, ok := parseIPv4(s)
		return netip.AddrFrom4(v4), ok
	}
	var out [16]byte
	n, gap := 0, -1 // bytes read, and where :: stands
	if strings.HasPrefix(s, "::") {
		gap, s = 0, s[2:]
	}
	for s != "" {
		if n == len(out) {
			return netip.Addr{}, false
		}
		digits, v := 0, 0
		for digits < len(s) && digits < 5 && hexDigit(s[digits]) >= 0 {
			v = v<<4 | hexDigit(s[digits])
			digits++
		}
		if digits > 0 && digits < len(s) && s[digits] == '.' {
			v4, ok := parseIPv4(s)
			if !ok || n > len(out)-4 || gap < 0 && n != len(out)-4 {
				return netip.Addr{}, false
			}
			n += copy(out[n:], v4[:])
			break
		}
		if digits == 0 || digits > 4 {
			return netip.Addr{}, false
		}
		out[n], out[n+1] = byte(v>>8), byte(v)
		n += 2
		if s = s[digits:]; s == "" {
			break
		}
		if s[0] != ':' || len(s) == 1 {
			return netip.Addr{}, false
		}
		if s = s[1:]; s[0] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap, s = n, s[1:]
		}
	}
	switch {
	case gap < 0 && n < len(out), gap >= 0 && n == len(out):
		return netip.Addr{}, false
	case gap >= 0:
		moved := copy(out[len(out)-(n-gap):], out[gap:n])
		clear(out[gap : len(out)-moved])
	}
	return netip.AddrFrom16(out).Unmap(), true
}

// parseIPv4 reads four decimal numbers without leading zeros.
func parseIPv4(s string) (out [4]byte, ok bool) {
	for i := range out {
		n, v := 0, 0
		for n < len(s) && n < 4 && '0' <= s[n] && s[n] <= '9' {
			v = v*10 + int(s[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && s[0] == '0' {
			return out, false
		}
		out[i] = byte(v)
		if s = s[n:]; i < len(out)-1 {
			if s == "" || s[0] != '.' {
				return out, false
			}
			s = s[1:]
		}
	}
	return out, s == ""
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= lower(c) && lower(c) <= 'f':
		return int(lower(c)-'a') + 10
	}
	return -1
}

// parsePrefix reads a range in CIDR form; an address alone is a range of one (S4-116, S4-284).
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return netip.Prefix{}, false
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), true
	}
	a, ok := parseAddr(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

func parseBinary(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}
