package policy

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// FuzzParseAddr holds parseAddr against netip.ParseAddr.
func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{"", ":", "::", ":::", "1.2.3.4", "01.2.3.4", "1.2.3.256", "1.2.3.4.5", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:8", "1::8:", "1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "fe80::1%eth0", "::ffff:1.2.3.4", "12345::", "2001:DB8::1", "1:2:3:4:5:6:7:1.2.3.4", "1::2::3", "a.b.c.d", "::1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(checkAddr)
}

func checkAddr(t *testing.T, s string) {
	got, ok := parseAddr(s)
	want, err := netip.ParseAddr(s)
	if ok != (err == nil && want.Zone() == "") || ok && got != want.Unmap() {
		t.Errorf("%q: %v, %v; netip: %v, %v", s, got, ok, want, err)
	}
}

// TestParseAddr holds parseAddr against netip.ParseAddr on text that is nearly an address.
func TestParseAddr(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2))
	words := []string{":", "::", ".", "0", "1", "ff", "255", "256", "1234", "12345", "1.2.3.4", "g", ":1:2:3", "%"}
	for range 200_000 {
		var b strings.Builder
		for range g.IntN(12) {
			b.WriteString(words[g.IntN(len(words))])
		}
		checkAddr(t, b.String())
	}
	for _, s := range []string{"localhost", "1.2.3", "::g", "1:2"} {
		if n := testing.AllocsPerRun(10, func() { parseAddr(s) }); n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}
