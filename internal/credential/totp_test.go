package credential_test

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"rsc.io/qr"
	"rsc.io/qr/coding"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// rfcSeed is the key of the vectors in RFC 4226, appendix D, and RFC 6238, appendix B.
var rfcSeed = []byte("12345678901234567890")

func TestCodeVectors(t *testing.T) {
	checklist.Shows(t, "S1-204")
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := credential.Code(rfcSeed, int64(step)).Reveal(); got != want {
			t.Errorf("RFC 4226, count %d: %s, want %s", step, got, want)
		}
	}
	// RFC 6238 prints eight digits; six are the last of them.
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := credential.Code(rfcSeed, credential.StepAt(time.Unix(at, 0))).Reveal(); got != want[2:] {
			t.Errorf("RFC 6238, time %d: %s, want %s", at, got, want[2:])
		}
	}
	for at, want := range map[int64]int64{0: 0, 29: 0, 30: 1, 59: 1, 60: 2} {
		if got := credential.StepAt(time.Unix(at, 999)); got != want {
			t.Errorf("second %d is in step %d, want %d", at, got, want)
		}
	}
}

func TestFindCode(t *testing.T) {
	for _, c := range []struct {
		name string
		of   int64
		w    credential.Window
		ok   bool
	}{
		{"now", 1000, credential.Window{Near: 1000, Reach: 1}, true},
		{"the one before", 999, credential.Window{Near: 1000, Reach: 1}, true},
		{"the one after", 1001, credential.Window{Near: 1000, Reach: 1}, true},
		{"too early", 998, credential.Window{Near: 1000, Reach: 1}, false},
		{"too late", 1002, credential.Window{Near: 1000, Reach: 1}, false},
		{"used", 1000, credential.Window{Near: 1000, Reach: 1, After: 1000}, false},
		{"older than the one used", 999, credential.Window{Near: 1000, Reach: 1, After: 1000}, false},
		{"newer than the one used", 1001, credential.Window{Near: 1000, Reach: 1, After: 1000}, true},
	} {
		step, ok := credential.FindCode(rfcSeed, credential.Code(rfcSeed, c.of), c.w)
		if ok != c.ok || ok && step != c.of {
			t.Errorf("%s: found %d, %v", c.name, step, ok)
		}
	}
	for _, bad := range []string{"", "1", "75522", "7552240", " 55224", "+55224", "-55224", "75522x", "７５５２２４"} {
		if step, ok := credential.FindCode(rfcSeed, secret.New(bad), credential.Window{Near: 0, Reach: 1 << 10, After: -1}); ok {
			t.Errorf("%q is found at %d", bad, step)
		}
	}
}

func TestFindCodes(t *testing.T) {
	code := func(step int64) secret.Text { return credential.Code(rfcSeed, step) }
	for _, c := range []struct {
		name          string
		first, second int64
		w             credential.Window
		ok            bool
	}{
		{"in order", 1000, 1001, credential.Window{Near: 1000, Reach: 60}, true},
		{"long ago", 941, 942, credential.Window{Near: 1000, Reach: 60}, true},
		{"the second at the end of the window", 1059, 1060, credential.Window{Near: 1000, Reach: 60}, true},
		{"beyond the window", 1060, 1061, credential.Window{Near: 1000, Reach: 60}, false},
		{"the second at the beginning of the window", 939, 940, credential.Window{Near: 1000, Reach: 60}, true},
		{"before the window", 938, 939, credential.Window{Near: 1000, Reach: 60}, false},
		{"the wrong way round", 1001, 1000, credential.Window{Near: 1000, Reach: 60}, false},
		{"one between", 1000, 1002, credential.Window{Near: 1000, Reach: 60}, false},
		{"the same twice", 1000, 1000, credential.Window{Near: 1000, Reach: 60}, false},
		{"the first used", 1000, 1001, credential.Window{Near: 1000, Reach: 60, After: 1000}, false},
		{"both used", 1000, 1001, credential.Window{Near: 1000, Reach: 60, After: 1001}, false},
		{"just after the used one", 1001, 1002, credential.Window{Near: 1000, Reach: 60, After: 1000}, true},
	} {
		step, ok := credential.FindCodes(rfcSeed, code(c.first), code(c.second), c.w)
		if ok != c.ok || ok && step != c.first {
			t.Errorf("%s: found %d, %v", c.name, step, ok)
		}
	}
	for _, pair := range [][2]string{{"755224", "28708"}, {"75522", "287082"}, {"x55224", "287082"}} {
		if _, ok := credential.FindCodes(rfcSeed, secret.New(pair[0]), secret.New(pair[1]), credential.Window{Reach: 5, After: -9}); ok {
			t.Errorf("%q is found", pair)
		}
	}
}

// TestNearest: two steps of one code within reach, and the nearer one is meant.
func TestNearest(t *testing.T) {
	seen := make(map[string]int64)
	for step := int64(0); ; step++ {
		code := credential.Code(rfcSeed, step)
		first, again := seen[code.Reveal()]
		if !again {
			seen[code.Reveal()] = step
			continue
		}
		for near, want := range map[int64]int64{first + 1: first, step - 1: step, first: first, step: step} {
			if got, ok := credential.FindCode(rfcSeed, code, credential.Window{Near: near, Reach: step - first, After: -1}); !ok || got != want {
				t.Errorf("steps %d and %d have one code; near %d found %d, %v", first, step, near, got, ok)
			}
		}
		return
	}
}

func TestSeeds(t *testing.T) {
	text, err := credential.NewSeed(nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := text.Reveal(); len(s) != 64 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Errorf("a seed of %d characters", len(s))
	}
	if raw, err := credential.ParseSeed(text); err != nil || len(raw) != 40 {
		t.Errorf("our own seed: %d bytes, %v", len(raw), err)
	}
	if other, err := credential.NewSeed(nil); err != nil || other.Equal(text) {
		t.Error("two seeds are equal")
	}
	if _, err := credential.NewSeed(iotest.ErrReader(iotest.ErrTimeout)); err == nil {
		t.Error("a seed without randomness")
	}
	if raw, err := credential.ParseSeed(secret.New("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")); err != nil || !bytes.Equal(raw, rfcSeed) {
		t.Errorf("the seed of the RFC is %q, %v", raw, err)
	}
	for _, bad := range []string{
		"", "GEZDGNBVGY3TQOJQ", "gezdgnbvgy3tqojqgezdgnbvgy3tqojq", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n",
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ======", "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", strings.Repeat("A", 104), "GEZDGNBVGY3TQOJQGEZDGNBVGZ",
	} {
		if _, err := credential.ParseSeed(secret.New(bad)); err == nil {
			t.Errorf("%q is a seed", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the seed: %v", err)
		}
	}
}

func FuzzParseSeed(f *testing.F) {
	for _, seed := range []string{"", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n", "GEZDGNBVGY3TQOJQGEZDGNBVGZ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := credential.ParseSeed(secret.New(text))
		if err != nil {
			return
		}
		if len(raw) < 16 || len(raw) > 64 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			t.Errorf("%q is read as %d bytes", text, len(raw))
		}
	})
}

func FuzzFindCode(f *testing.F) {
	f.Add("755224", int64(0), int64(3))
	f.Add("", int64(1), int64(0))
	f.Fuzz(func(t *testing.T, code string, near, after int64) {
		near, after = near%(1<<40), after%(1<<40)
		step, ok := credential.FindCode(rfcSeed, secret.New(code), credential.Window{Near: near, Reach: 3, After: after})
		if ok && (step <= after || step < near-3 || step > near+3 || credential.Code(rfcSeed, step).Reveal() != code) {
			t.Errorf("%q is found at %d", code, step)
		}
	})
}

func TestSeedURI(t *testing.T) {
	seed := secret.New("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
	for _, c := range []struct{ device, account, want string }{
		{"ann", "111122223333", "otpauth://totp/Amazon%20Web%20Services:ann@111122223333?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Amazon%20Web%20Services"},
		{"a+b=c,d.e@f-g_h", "acme", "otpauth://totp/Amazon%20Web%20Services:a+b=c%2Cd.e@f-g_h@acme?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Amazon%20Web%20Services"},
	} {
		if got := credential.SeedURI(c.device, c.account, seed).Reveal(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// TestQRCode reads the picture back: module by module against the plan of its size.
func TestQRCode(t *testing.T) {
	checklist.Shows(t, "S1-215")
	seed, err := credential.NewSeed(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", strings.Repeat("long-name.", 22)} {
		uri := credential.SeedURI(name, "111122223333", seed)
		text, err := credential.QRCode(uri)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := readQR(t, picture); got != uri.Reveal() {
			t.Errorf("the picture says %q, want %q", got, uri.Reveal())
		}
	}
	if _, err := credential.QRCode(secret.New(strings.Repeat("x", 3000))); err == nil {
		t.Error("3,000 characters in a QR code")
	}
}

// readQR reads an undamaged QR code of level M in byte mode.
func readQR(t *testing.T, picture image.Image) string {
	t.Helper()
	dark := func(x, y int) bool { r, _, _, _ := picture.At(x, y).RGBA(); return r < 0x8000 }
	left := 0
	for !dark(left, left) {
		left++
	}
	scale := 0
	for dark(left+scale, left+scale) {
		scale++
	}
	size := (picture.Bounds().Dx() - 2*left) / scale
	version := coding.Version((size - 17) / 4)
	for mask := range coding.Mask(8) {
		plan, err := coding.NewPlan(version, coding.Level(qr.M), mask)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Pixel) != size {
			t.Fatalf("%d modules, want %d", size, len(plan.Pixel))
		}
		raw, right := make([]byte, plan.DataBytes+plan.CheckBytes), true
		for y, row := range plan.Pixel {
			for x, p := range row {
				black := dark(left+x*scale, left+y*scale)
				switch p.Role() {
				case coding.Data, coding.Check:
					if black != (p&coding.Invert != 0) {
						raw[p.Offset()/8] |= 0x80 >> (p.Offset() % 8)
					}
				case coding.Format:
					right = right && black == (p&coding.Black != 0)
				}
			}
		}
		if !right {
			continue
		}
		bits := func(from, n int) (v int) {
			for i := from; i < from+n; i++ {
				v = v<<1 | int(raw[i/8]>>(7-i%8)&1)
			}
			return v
		}
		lengthBits := 8
		if version > 9 {
			lengthBits = 16
		}
		if mode := bits(0, 4); mode != 4 {
			t.Fatalf("mode %d is not bytes", mode)
		}
		out := make([]byte, bits(4, lengthBits))
		for i := range out {
			out[i] = byte(bits(4+lengthBits+8*i, 8))
		}
		return string(out)
	}
	t.Fatal("no mask fits")
	return ""
}
