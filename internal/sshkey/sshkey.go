// Package sshkey reads and writes the SSH public keys of users, which are RSA keys in one of two encodings:
//
//	SSH   ssh-rsa, a blank, base64 of string "ssh-rsa", mpint e, mpint n (RFC 4253, section 6.6); a comment may follow
//	PEM   one block, PUBLIC KEY (PKIX) or RSA PUBLIC KEY (PKCS #1)
//
// A [Key] that was parsed is within the limits and has exactly one text in each encoding. The package is strict: what it would
// not have written, apart from comments and white space around the whole, it does not read. It knows no users and no storage.
//
// It does not use golang.org/x/crypto/ssh, so that a server does not link a whole protocol for three fields; its tests do.
package sshkey

import (
	"bytes"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// The sizes of a key in bits (S1-306).
const (
	MinBits = 2048
	MaxBits = 16384
)

const (
	maxText     = 16384 // characters (publicKeyMaterialType of the API's model)
	algorithm   = "ssh-rsa"
	maxExponent = 24 // bits; OpenSSH and x/crypto take no more
)

// Key is an RSA public key. The zero value is not one; [Parse] makes them.
type Key struct {
	e, n *big.Int
}

// Parse reads a key in either encoding. Its errors are of the kinds [fault.UnknownEncoding], for a text in neither encoding or
// of another algorithm, and [fault.InvalidPublicKey], for a key that is damaged or not of a size that is accepted.
func Parse(text string) (*Key, error) {
	if len(text) > maxText {
		return nil, invalid("The public key is longer than 16384 characters.")
	}
	text = strings.Trim(text, " \t\r\n")
	if strings.HasPrefix(text, "-----BEGIN ") {
		return parsePEM(text)
	}
	name, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	if name != algorithm || strings.ContainsAny(text, "\r\n") {
		return nil, &fault.Error{Kind: fault.UnknownEncoding, Message: "The key format is not valid. The public key must be encoded in ssh-rsa or PEM format."}
	}
	encoded, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	wire, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, damaged()
	}
	return parseWire(wire)
}

func parsePEM(text string) (*Key, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || len(block.Headers) > 0 || strings.Count(text, "-----BEGIN ") != 1 {
		return nil, damaged()
	}
	var public any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, &fault.Error{Kind: fault.UnknownEncoding, Message: "The key format is not valid. The PEM block is not a public key."}
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidPublicKey, Message: damaged().Message, Cause: err}
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, invalid("The public key must be an RSA key.")
	}
	return check(big.NewInt(int64(key.E)), key.N)
}

// parseWire reads the three fields and nothing after them.
func parseWire(wire []byte) (*Key, error) {
	name, wire, ok := field(wire)
	if !ok || string(name) != algorithm {
		return nil, damaged()
	}
	e, wire, ok := number(wire)
	if !ok {
		return nil, damaged()
	}
	n, wire, ok := number(wire)
	if !ok || len(wire) > 0 {
		return nil, damaged()
	}
	return check(e, n)
}

// field reads a length and so many bytes.
func field(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	size := uint64(binary.BigEndian.Uint32(b))
	if b = b[4:]; size > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}

// number reads a positive mpint in its shortest form (RFC 4251, section 5).
func number(b []byte) (value *big.Int, rest []byte, ok bool) {
	digits, rest, ok := field(b)
	if !ok || len(digits) == 0 || digits[0]&0x80 != 0 || digits[0] == 0 && (len(digits) == 1 || digits[1]&0x80 == 0) {
		return nil, nil, false
	}
	return new(big.Int).SetBytes(digits), rest, true
}

// check holds a key to its limits.
func check(e, n *big.Int) (*Key, error) {
	if bits := n.BitLen(); bits < MinBits || bits > MaxBits {
		return nil, invalid("The public key must be an RSA key of 2048 to 16384 bits.")
	}
	if e.BitLen() > maxExponent || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 || n.Bit(0) == 0 {
		return nil, damaged()
	}
	return &Key{e, n}, nil
}

func invalid(message string) *fault.Error {
	return &fault.Error{Kind: fault.InvalidPublicKey, Message: message}
}

func damaged() *fault.Error { return invalid("The public key is malformed.") }

// wire is the key as SSH sends it.
func (k *Key) wire() []byte {
	b := appendField(nil, []byte(algorithm))
	for _, n := range []*big.Int{k.e, k.n} {
		digits := n.Bytes()
		if digits[0]&0x80 != 0 {
			digits = append([]byte{0}, digits...)
		}
		b = appendField(b, digits)
	}
	return b
}

func appendField(b, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

// SSH is the key in the SSH encoding, without a comment and without a line end.
func (k *Key) SSH() string { return algorithm + " " + base64.StdEncoding.EncodeToString(k.wire()) }

// PEM is the key as a PEM block of the type PUBLIC KEY, with a line end.
func (k *Key) PEM() string {
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: k.n, E: int(k.e.Int64())})
	if err != nil {
		panic("sshkey: " + err.Error()) // an RSA key has a PKIX form
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Fingerprint is the MD5 digest of the key as SSH sends it, in pairs of hexadecimal digits with colons: what
// ssh-keygen -l -E md5 shows ("SSHPublicKey" in the IAM API Reference: "the MD5 message digest of the SSH public key"). It is
// for people to compare, and protects nothing.
func (k *Key) Fingerprint() string {
	sum := md5.Sum(k.wire())
	pairs := make([]string, len(sum))
	for i := range sum {
		pairs[i] = hex.EncodeToString(sum[i : i+1])
	}
	return strings.Join(pairs, ":")
}
