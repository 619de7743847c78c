// Package certificate reads the X.509 certificates that users and accounts upload: signing certificates ([Signing]), and server
// certificates with their chain and private key ([Pair]). A value that was parsed fulfils what AWS asks of an upload, so that
// nobody has to ask again.
//
// Parsing is a pure function of the texts and the time. The package knows no users and no storage, and trusts nobody: whether a
// chain ends at an authority that anybody believes in is not its business.
//
// It is strict: a text is PEM blocks of the expected type, with nothing but white space between and around them and without
// headers. Work is bounded before it is done: texts, certificates of a chain and RSA keys have largest sizes.
package certificate

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base32"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Largest sizes. Texts are held to the API's model (certificateBodyType, certificateChainType, privateKeyType); the others are
// our own.
const (
	maxBody       = 16384
	maxChain      = 2 << 20
	maxChainLinks = 32
	maxIssuerBits = 16384 // of an RSA key that signatures are checked with
)

const typeCertificate = "CERTIFICATE"

// Signing is a certificate with which a user signs requests.
type Signing struct {
	text string
	id   string
}

// ParseSigning reads the one certificate of a text. Its errors are of the kinds [fault.MalformedCertificate] and, for one that is
// not valid at that time, [fault.InvalidCertificate].
func ParseSigning(text string, now time.Time) (*Signing, error) {
	c, err := parseOne(text)
	if err != nil {
		return nil, &fault.Error{Kind: fault.MalformedCertificate, Message: "Certificate " + text + " is malformed.", Cause: err}
	}
	if !validAt(c, now) {
		return nil, &fault.Error{Kind: fault.InvalidCertificate, Message: "The certificate is not valid: " + validity(c)}
	}
	sum := sha1.Sum(c.Raw)
	return &Signing{text, base32.StdEncoding.EncodeToString(sum[:])}, nil
}

// Text is the certificate as it was uploaded.
func (s *Signing) Text() string { return s.text }

// ID names the certificate: the SHA-1 digest of its DER form in base32, 32 characters without padding, as AWS's IDs of
// certificates are. The same certificate has the same ID, whatever its text.
func (s *Signing) ID() string { return s.id }

// parseOne reads a text that holds one certificate.
func parseOne(text string) (*x509.Certificate, error) {
	all, err := parseAll(text, maxBody, 1)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// parseAll reads a text that holds between one and so many certificates.
func parseAll(text string, size, most int) ([]*x509.Certificate, error) {
	blocks, err := decode(text, size, most)
	if err != nil {
		return nil, err
	}
	all := make([]*x509.Certificate, len(blocks))
	for i, b := range blocks {
		if b.Type != typeCertificate {
			return nil, errors.New("a block of the type " + b.Type)
		}
		if all[i], err = x509.ParseCertificate(b.Bytes); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// decode splits a text into its PEM blocks: at least one, at most so many. Unlike [pem.Decode] it skips nothing but white space.
func decode(text string, size, most int) ([]*pem.Block, error) {
	const begin = "-----BEGIN "
	if len(text) > size {
		return nil, errors.New("the text is too long")
	}
	rest := bytes.TrimSpace([]byte(text))
	var blocks []*pem.Block
	for len(rest) > 0 {
		block, after := pem.Decode(rest)
		if block == nil || len(block.Headers) > 0 {
			return nil, errors.New("not PEM, or PEM with headers")
		}
		if used := rest[:len(rest)-len(after)]; !bytes.HasPrefix(used, []byte(begin)) || bytes.Count(used, []byte(begin)) != 1 {
			return nil, errors.New("something other than PEM blocks")
		}
		if blocks = append(blocks, block); len(blocks) > most {
			return nil, errors.New("too many blocks")
		}
		rest = bytes.TrimSpace(after)
	}
	if len(blocks) == 0 {
		return nil, errors.New("nothing")
	}
	return blocks, nil
}

func validAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

func validity(c *x509.Certificate) string {
	return "its validity period is from " + c.NotBefore.UTC().Format(time.RFC3339) + " to " + c.NotAfter.UTC().Format(time.RFC3339) + "."
}

// selfSigned reports whether a certificate is signed with its own key in its own name.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer) && verifiable(c) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// signed fails unless issuer is a certificate authority that signed c. SHA-1 and older are no signatures.
func signed(c, issuer *x509.Certificate) error {
	if !bytes.Equal(c.RawIssuer, issuer.RawSubject) {
		return errors.New("the issuer has another name")
	}
	if !verifiable(issuer) {
		return errors.New("the issuer's key is too large")
	}
	return c.CheckSignatureFrom(issuer)
}

// verifiable says that a signature by c can be checked in reasonable time.
func verifiable(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return !ok || key.N.BitLen() <= maxIssuerBits
}

func malformed(message string, cause error) error {
	return &fault.Error{Kind: fault.MalformedCertificate, Message: message, Cause: cause}
}

// isBlank reports whether a text has nothing but white space.
func isBlank(text string) bool { return strings.TrimSpace(text) == "" }
