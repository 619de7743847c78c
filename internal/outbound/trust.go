package outbound

import (
	"crypto/sha1" // what a thumbprint is
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Thumbprint is the SHA-1 fingerprint of a certificate as IAM writes it: 40 lower-case hexadecimal digits.
func Thumbprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// trust is how the other side's certificate is verified: by the trusted authorities, or, only where none of them knows it, by
// the thumbprints. Either way the certificate must be the host's and in its time.
func (c *Client) trust(host string, thumbprints []string) *tls.Config {
	return &tls.Config{
		ServerName: host,
		MinVersion: tls.VersionTLS12,
		// The library's own verification knows no thumbprints. VerifyConnection takes its place, and is called for every
		// connection: sessions are not resumed.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			return c.verifyChain(s.PeerCertificates, host, thumbprints)
		},
	}
}

func (c *Client) verifyChain(chain []*x509.Certificate, host string, thumbprints []string) error {
	if len(chain) == 0 {
		return ErrPinned
	}
	err := c.verify(chain, host, c.roots)
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); !unknown {
		if _, rootless := errors.AsType[x509.SystemRootsError](err); !rootless {
			return err
		}
	}
	for _, cert := range chain {
		if pinned(cert, thumbprints) {
			anchor := x509.NewCertPool()
			anchor.AddCert(cert)
			return c.verify(chain, host, anchor)
		}
	}
	return errors.Join(ErrPinned, err)
}

func pinned(cert *x509.Certificate, thumbprints []string) bool {
	own := Thumbprint(cert)
	return slices.ContainsFunc(thumbprints, func(t string) bool { return strings.EqualFold(t, own) })
}

// verify holds the presented chain against roots; nil means the system's.
func (c *Client) verify(chain []*x509.Certificate, host string, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host, CurrentTime: c.now()})
	return err
}

// LoadRoots returns the system's certificate authorities and those of a PEM file.
func LoadRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading certificate authorities: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without any
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return roots, nil
}
