package credential

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"rsc.io/qr"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// One-time codes are those of RFC 6238 with HMAC-SHA-1, six digits and steps of 30 seconds since 1970: what every
// authenticator app makes, and what AWS takes (S1-204).
const (
	// CodeStep is how long a code is shown.
	CodeStep = 30 * time.Second

	codeDigits  = 6
	codeModulus = 1_000_000

	// seedLen is the length of the seeds that we make, in bytes: 64 characters of base32, as AWS's.
	seedLen = 40
	// Seeds that others made may have 128 bits (RFC 4226, requirement 6) to 512.
	minSeedLen, maxSeedLen = 16, 64
)

// NewSeed returns a seed for one-time codes as 64 characters of base32, 320 random bits. random nil means crypto/rand.
func NewSeed(random io.Reader) (secret.Text, error) {
	var raw [seedLen]byte
	if err := fill(raw[:], random); err != nil {
		return secret.Text{}, err
	}
	return secret.New(base32NoPad.EncodeToString(raw[:])), nil
}

// errSeed does not repeat the text: it is a secret.
var errSeed = errors.New("credential: a seed is 128 to 512 bits in base32, in capitals and without padding")

// ParseSeed reads a seed: base32 in capitals without padding or spaces, 16 to 64 bytes. One seed has one spelling.
func ParseSeed(text secret.Text) ([]byte, error) {
	raw, err := base32NoPad.DecodeString(text.Reveal())
	if err != nil || len(raw) < minSeedLen || len(raw) > maxSeedLen || base32NoPad.EncodeToString(raw) != text.Reveal() {
		return nil, errSeed // the decoder skips line ends, and bits behind the last byte
	}
	return raw, nil
}

// StepAt is the number of the step that t is in.
func StepAt(t time.Time) int64 { return t.Unix() / int64(CodeStep/time.Second) }

// Code is the code of a seed in a step, as six digits.
func Code(seed []byte, step int64) secret.Text {
	return secret.New(fmt.Sprintf("%0*d", codeDigits, codeAt(seed, step)))
}

// codeAt is RFC 4226, section 5.3, on a counter of steps.
func codeAt(seed []byte, step int64) uint32 {
	mac := hmac.New(sha1.New, seed)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff % codeModulus
}

// Window is a run of steps in which codes are looked for.
type Window struct {
	Near  int64 // the step that is expected; of several matches the nearest to it counts, the earlier one of two
	Reach int64 // how many steps before and after it are looked at
	After int64 // only steps after this one count: those up to it have been used
}

// FindCode returns the step of which code is the code. How long it takes depends on the window alone.
func FindCode(seed []byte, code secret.Text, w Window) (step int64, ok bool) {
	want, valid := parseCode(code)
	return w.find(func(step int64) bool { return equalCodes(codeAt(seed, step), want) && valid })
}

// FindCodes returns the step of which first is the code while second is that of the step after it (S1-207). How long it
// takes depends on the window alone.
func FindCodes(seed []byte, first, second secret.Text, w Window) (step int64, ok bool) {
	one, valid1 := parseCode(first)
	two, valid2 := parseCode(second)
	previous := codeAt(seed, w.Near-w.Reach-1)
	found, ok := w.find(func(step int64) bool { // steps come in order: the second code's is looked for
		current := codeAt(seed, step)
		match := equalCodes(previous, one)
		match = equalCodes(current, two) && match && valid1 && valid2 && step-1 > w.After
		previous = current
		return match
	})
	return found - 1, ok
}

// find asks about every step of the window, in order, whatever the answers.
func (w Window) find(match func(step int64) bool) (step int64, ok bool) {
	best := w.Reach + 1
	for s := w.Near - w.Reach; s <= w.Near+w.Reach; s++ {
		distance := max(s-w.Near, w.Near-s)
		if match(s) && s > w.After && distance < best {
			step, best, ok = s, distance, true
		}
	}
	return step, ok
}

func equalCodes(a, b uint32) bool { return subtle.ConstantTimeEq(int32(a), int32(b)) == 1 }

// parseCode reads exactly six digits.
func parseCode(code secret.Text) (n uint32, ok bool) {
	text := code.Reveal()
	if len(text) != codeDigits {
		return 0, false
	}
	for i := range codeDigits {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = 10*n + uint32(text[i]-'0')
	}
	return n, true
}

// codeIssuer is what authenticator apps show as the issuer: AWS's own, so that apps and scripts find what they expect.
const codeIssuer = "Amazon%20Web%20Services"

// SeedURI is what a QR code for authenticator apps says, in AWS's form (the type VirtualMFADevice in the IAM API Reference):
// account is the account's alias, or its ID where it has none.
func SeedURI(device, account string, seed secret.Text) secret.Text {
	return secret.New("otpauth://totp/" + codeIssuer + ":" + url.PathEscape(device+"@"+account) +
		"?secret=" + seed.Reveal() + "&issuer=" + codeIssuer)
}

// QRCode draws text as a QR code, in PNG.
func QRCode(text secret.Text) ([]byte, error) {
	code, err := qr.Encode(text.Reveal(), qr.M)
	if err != nil {
		return nil, fmt.Errorf("credential: drawing a QR code: %w", err)
	}
	return code.PNG(), nil
}
