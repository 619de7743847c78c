package policy

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/arn/glob"
)

func TestParseDate(t *testing.T) {
	utc := func(y int, m time.Month, d, h, min, s, ns int) instant {
		t := time.Date(y, m, d, h, min, s, ns, time.UTC)
		return instant{t.Unix(), int32(t.Nanosecond())}
	}
	for text, want := range map[string]instant{
		"2013":                                utc(2013, 1, 1, 0, 0, 0, 0),
		"2013-06":                             utc(2013, 6, 1, 0, 0, 0, 0),
		"2012-02-29":                          utc(2012, 2, 29, 0, 0, 0, 0),
		"2013-06-30T10:20Z":                   utc(2013, 6, 30, 10, 20, 0, 0),
		"2013-06-30T10:20:30Z":                utc(2013, 6, 30, 10, 20, 30, 0),
		"2013-06-30t10:20:30z":                utc(2013, 6, 30, 10, 20, 30, 0),
		"2013-06-30T10:20:30.5+02:30":         utc(2013, 6, 30, 7, 50, 30, 5e8),
		"2013-06-30T10:20:30.123456789-11:00": utc(2013, 6, 30, 21, 20, 30, 123456789),
		"2013-06-30T10:20":                    utc(2013, 6, 30, 10, 20, 0, 0),
		"2013-6-3t1:2:3-02":                   utc(2013, 6, 3, 3, 2, 3, 0),
		"2013-06-30T10Z":                      utc(2013, 6, 30, 10, 0, 0, 0),
		"2013-06-30T":                         utc(2013, 6, 30, 0, 0, 0, 0),
		"2013-06T10:20Z":                      utc(2013, 6, 1, 10, 20, 0, 0),
		"01T":                                 utc(1, 1, 1, 0, 0, 0, 0),
		"0":                                   {},
		"-1":                                  {sec: -1},
		"-1.25":                               {sec: -2, nsec: 75e7},
		"1372550400":                          {sec: 1372550400},
		"1372550400.5":                        {sec: 1372550400, nsec: 5e8},
		"9223372036854775807":                 {sec: 1<<63 - 1},
	} {
		if got, ok := parseDate(text); !ok || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "x", "2013-", "2013-13", "2013-00", "2013-02-29", "2013-06-31", "2013-06-30Z", "2013-06-30TT",
		"2013-06-30T24:00Z", "2013-06-30T10:60Z", "2013-06-30T10:20:60Z", "2013-06-30T10:20:30.Z", "2013-06-30T10:20:30.1234567890Z",
		"2013-06-30T10:20+2", "2013-06-30T10:20+24:00", "2013-06-30 10:20Z", "T10:20Z", "-2013-06-30", "2013-123", "1234567890-01", "2013*", "20a3", "9223372036854775808", "1.", "--1", "1e3"} {
		if got, ok := parseDate(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("2013-06-30T10:20:30.5+02:30")
	f.Add("1372550400.5")
	f.Add("2013")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseDate(text)
		if ref, err := time.Parse(time.RFC3339Nano, text); err == nil && len(text) <= 35 && ref.Year() > 0 {
			fraction := strings.Count(text, ",") > 0 // time.Parse takes a comma for a dot
			if !fraction && (!ok || got != (instant{ref.Unix(), int32(ref.Nanosecond())})) {
				t.Errorf("%q: %v, %v, want %v", text, got, ok, ref)
			}
		}
	})
}

func FuzzNumber(f *testing.F) {
	f.Add("10.50", "1.05e1")
	f.Add("-0.001", "0")
	f.Add("9007199254740993", "9007199254740992")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, okX := parseNumber(a)
		y, okY := parseNumber(b)
		if !okX || !okY || len(a)+len(b) > 200 {
			return
		}
		p, okP := new(big.Rat).SetString(a)
		q, okQ := new(big.Rat).SetString(b)
		if !okP || !okQ {
			t.Fatalf("%q and %q are numbers here only", a, b)
		}
		if got, want := x.compare(y), p.Cmp(q); got != want {
			t.Errorf("%s against %s: %d, want %d", a, b, got, want)
		}
	})
}

func TestParseNumberRefuses(t *testing.T) {
	for _, text := range []string{"", "-", ".", ".5", "5.", "1.2.3", "0x10", "1e", "e1", "1e99999", "1_000", " 1", "∞", "NaN", "+-1"} {
		if _, ok := parseNumber(text); ok {
			t.Errorf("%q is a number", text)
		}
	}
}

// FuzzTemplate holds that the pieces of a string are all of it, in order.
func FuzzTemplate(f *testing.F) {
	f.Add("a${aws:username, 'x}'}*${*}?${$}")
	f.Add("${a${b}}")
	f.Add("$${}")
	f.Fuzz(func(t *testing.T, text string) {
		for _, wild := range []bool{false, true} {
			var b strings.Builder
			plain, problem := parseTemplate(text, wild, false)
			if problem != "" || len(plain.vars) > 0 {
				t.Fatalf("%q without variables: %s", text, problem)
			}
			for _, token := range plain.tokens {
				b.WriteString([...]string{token.Text, "?", "*"}[token.Kind])
			}
			if b.String() != text {
				t.Errorf("%q comes back as %q", text, b.String())
			}
			vars, problem := parseTemplate(text, wild, true)
			if problem != "" {
				continue
			}
			slots := 0
			for _, token := range vars.tokens {
				if token.Kind == glob.Slot {
					if token.Slot != slots || vars.vars[slots].key.head == "" {
						t.Errorf("%q: slot %d", text, token.Slot)
					}
					slots++
				}
			}
			if slots != len(vars.vars) || slots > strings.Count(text, "${") {
				t.Errorf("%q: %d slots, %d variables", text, slots, len(vars.vars))
			}
		}
	})
}

func FuzzAction(f *testing.F) {
	f.Add("a*b?c*", "AxxbYc")
	f.Add("***", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		for _, s := range []string{pattern, name} {
			for i := range len(s) {
				if s[i] >= 0x80 {
					return
				}
			}
		}
		if len(pattern) > 200 || len(name) > 200 {
			return
		}
		lowered := strings.ToLower(pattern)
		want := glob.Compile(glob.Tokens(lowered), glob.Plain).Match(strings.ToLower(name), nil)
		if got := matchLower(lowered, name); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
		}
	})
}
