// Package credential makes what IAM hands out (access key IDs, secret access keys, unique IDs, and the passwords and API keys of
// service-specific credentials), and hashes passwords; see [Hasher].
//
// An access key ID is a prefix of four letters and 16 characters of base32, 80 bits:
//
//	bit  79      always 1: tells IDs that carry an account from AWS's older ones
//	bits 78..39  the account ID as a number
//	bits 38..0   random
//
// So [AccountOf] needs no storage (D21 of the design), and tools that read the account out of an AWS key ID read it out of
// ours. The layout is AWS's, found by Tal Be'ery ("A short note on AWS KEY ID") and Aidan Steele ("AWS Access Key ID formats").
// Nothing here is a secret but the secret; nothing here stores anything.
package credential

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"io"
	"strconv"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	keyIDLen    = 20
	uniqueIDLen = 21 // S4-229: AIDAJQABLZS4A3QDU576Q
	secretLen   = 40

	prefixLen  = 4
	accountLen = 12

	// accountShift is where the account stands in the first six bytes.
	accountShift = 7
	accountMask  = 0x7fffffffff80
	modernBit    = 1 << 47
	maxAccount   = 999_999_999_999
)

const (
	base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	secretAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// base32NoPad has a code of its own so that the alphabet above is the only one.
var base32NoPad = base32.NewEncoding(base32Alphabet).WithPadding(base32.NoPadding)

// NewAccessKey returns an access key ID that begins with prefix (AKIA or ASIA) and carries account, and a secret.
// random is the source of randomness; nil means crypto/rand.
func NewAccessKey(prefix, account string, random io.Reader) (id string, sec secret.Text, err error) {
	id, err = NewAccessKeyID(prefix, account, random)
	if err != nil {
		return "", secret.Text{}, err
	}
	sec, err = NewSecret(random)
	if err != nil {
		return "", secret.Text{}, err
	}
	return id, sec, nil
}

// NewAccessKeyID returns an access key ID of 20 characters. 39 bits of it are random: a writer checks that a long-term ID
// is not taken.
func NewAccessKeyID(prefix, account string, random io.Reader) (string, error) {
	if err := checkPrefix(prefix); err != nil {
		return "", err
	}
	number, ok := parseAccount(account)
	if !ok {
		return "", fmt.Errorf("credential: %q is no account ID", account)
	}
	var raw [10]byte
	if err := fill(raw[:], random); err != nil {
		return "", err
	}
	head := modernBit | number<<accountShift | uint64(raw[5]&0x7f)
	for i := range 6 {
		raw[i] = byte(head >> (8 * (5 - i)))
	}
	return prefix + base32NoPad.EncodeToString(raw[:]), nil
}

// AccountOf returns the account ID that an access key ID carries. It reports false for anything that is not an access key
// ID of 20 characters, and for IDs of AWS's older form, which carry none. It does not say that the key exists.
func AccountOf(id string) (account string, ok bool) {
	if len(id) != keyIDLen || checkPrefix(id[:prefixLen]) != nil {
		return "", false
	}
	var raw [10]byte
	// The decoder skips line breaks, which would make the result shorter.
	if n, err := base32NoPad.Decode(raw[:], []byte(id[prefixLen:])); err != nil || n != len(raw) {
		return "", false
	}
	var head uint64
	for _, b := range raw[:6] {
		head = head<<8 | uint64(b)
	}
	number := head & accountMask >> accountShift
	if head&modernBit == 0 || number > maxAccount {
		return "", false
	}
	return fmt.Sprintf("%0*d", accountLen, number), true
}

// NewSecret returns a secret access key: 40 characters of A-Z, a-z, 0-9, + and /, 240 random bits.
func NewSecret(random io.Reader) (secret.Text, error) {
	var raw [secretLen]byte
	if err := fill(raw[:], random); err != nil {
		return secret.Text{}, err
	}
	for i, b := range raw {
		raw[i] = secretAlphabet[b&63]
	}
	return secret.New(string(raw[:])), nil
}

// NewUniqueID returns a unique ID of 21 characters that begins with prefix (AIDA, AROA, AGPA, ANPA; S4-229, S4-232).
// 84 bits of it are random. The ID of a customer managed policy never begins with ANPAI: those are AWS's own policies.
func NewUniqueID(prefix string, random io.Reader) (string, error) {
	if err := checkPrefix(prefix); err != nil {
		return "", err
	}
	var raw [uniqueIDLen - prefixLen]byte
	if err := fill(raw[:], random); err != nil {
		return "", err
	}
	// AWS's older IDs go on with I or J and its own policies with I; newer ones go on with a character from Q to 7, whose
	// highest bit is 1, as in access key IDs. Ours are of the newer form.
	raw[0] |= 16
	for i, b := range raw {
		raw[i] = base32Alphabet[b&31]
	}
	return prefix + string(raw[:]), nil
}

func checkPrefix(prefix string) error {
	if len(prefix) != prefixLen {
		return fmt.Errorf("credential: prefix %q has not four letters", prefix)
	}
	for i := range len(prefix) {
		if prefix[i] < 'A' || prefix[i] > 'Z' {
			return fmt.Errorf("credential: prefix %q has not four letters", prefix)
		}
	}
	return nil
}

func parseAccount(account string) (uint64, bool) {
	if len(account) != accountLen {
		return 0, false
	}
	for i := range len(account) {
		if account[i] < '0' || account[i] > '9' {
			return 0, false
		}
	}
	number, err := strconv.ParseUint(account, 10, 64)
	return number, err == nil
}

func fill(buf []byte, random io.Reader) error {
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, buf); err != nil {
		return fmt.Errorf("credential: reading randomness: %w", err)
	}
	return nil
}
