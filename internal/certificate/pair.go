package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// RSA keys of server certificates have these sizes in bits ("Prerequisites for importing certificates" of AWS Certificate
// Manager; the guide shows 1024, 2048 and 4096).
const (
	minBits = 1024
	maxBits = 4096
)

// Pair is a server certificate with its private key and its chain.
type Pair struct {
	body, chain string
	key         secret.Text
	expires     time.Time
}

// Upload is what a caller sends.
type Upload struct {
	Body  string      // one certificate
	Chain string      // its issuer, the issuer of that, and so on; may be empty for a self-signed certificate only (S1-315)
	Key   secret.Text // not encrypted: PKCS #1, SEC 1 or PKCS #8
}

// ParsePair reads and checks an upload (S1-315 to S1-318): everything is PEM, the certificate is valid at that time, the key is
// one that AWS takes and the certificate's own, and the chain leads from the certificate on, each signed by the next. Its errors
// are of the kinds [fault.MalformedCertificate] and [fault.KeyPairMismatch].
func ParsePair(u Upload, now time.Time) (*Pair, error) {
	c, err := parseOne(u.Body)
	if err != nil {
		return nil, malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.", err)
	}
	if !validAt(c, now) {
		return nil, malformed("The certificate is not valid at the time of upload: "+validity(c), nil)
	}
	key, err := parseKey(u.Key)
	if err != nil {
		return nil, malformed("Invalid Private Key.", err)
	}
	if !key.Equal(c.PublicKey) {
		return nil, &fault.Error{Kind: fault.KeyPairMismatch, Message: "The public key certificate and the private key do not match."}
	}
	if err := checkChain(c, u.Chain, now); err != nil {
		return nil, err
	}
	return &Pair{u.Body, u.Chain, u.Key, c.NotAfter.UTC()}, nil
}

// Body is the certificate as it was uploaded.
func (p *Pair) Body() string { return p.body }

// Chain is the chain as it was uploaded; empty where there was none.
func (p *Pair) Chain() string { return p.chain }

// Key is the private key as it was uploaded.
func (p *Pair) Key() secret.Text { return p.key }

// Expires is when the certificate's validity ends.
func (p *Pair) Expires() time.Time { return p.expires }

// publicKey is what the public keys of the standard library have in common.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// parseKey reads a private key and returns its public half.
func parseKey(text secret.Text) (publicKey, error) {
	blocks, err := decode(text.Reveal(), maxBody, 1)
	if err != nil {
		return nil, err
	}
	var key any
	switch b := blocks[0]; b.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	default: // ENCRYPTED PRIVATE KEY among others
		return nil, errors.New("a block of the type " + b.Type)
	}
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minBits || bits > maxBits {
			return nil, fmt.Errorf("an RSA key of %d bits", bits)
		}
		return &key.PublicKey, nil
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P224() {
			return nil, errors.New("a key on the curve P-224")
		}
		return &key.PublicKey, nil
	}
	return nil, fmt.Errorf("a key of the type %T", key)
}

// checkChain follows the chain from the certificate on. AWS counts the certificate itself as index -1.
func checkChain(c *x509.Certificate, text string, now time.Time) error {
	broken := func(index int, cause error) error {
		return malformed(fmt.Sprintf("Unable to validate certificate chain. The certificate chain must start with the immediate "+
			"signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d",
			index), cause)
	}
	if isBlank(text) {
		if text != "" || !selfSigned(c) {
			return broken(-1, errors.New("no chain"))
		}
		return nil
	}
	chain, err := parseAll(text, maxChain, maxChainLinks)
	if err != nil {
		return broken(-1, err)
	}
	for i, issuer := range chain {
		if err := signed(c, issuer); err != nil {
			return broken(i-1, err)
		}
		if !validAt(issuer, now) {
			return broken(i, errors.New("expired or not valid yet"))
		}
		c = issuer
	}
	return nil
}
