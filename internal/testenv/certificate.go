package testenv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Certificate is a certificate with its private key, both also as PEM.
type Certificate struct {
	X509 *x509.Certificate
	Key  crypto.Signer
	Body string // CERTIFICATE
	PEM  string // the key as PRIVATE KEY (PKCS #8)
}

// CertificateOf says what is to be made. The zero value is a self-signed leaf that is valid for a day, with a key on P-256.
type CertificateOf struct {
	Name  string
	Start time.Time // of its validity; zero means an hour ago
	CA    bool
	By    *Certificate  // its issuer; nil means itself
	Key   crypto.Signer // nil means a new one
	Edit  func(*x509.Certificate)
}

// Issue makes a certificate.
func Issue(t testing.TB, of CertificateOf) *Certificate {
	t.Helper()
	if of.Start.IsZero() {
		of.Start = time.Now().Add(-time.Hour)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	key := of.Key
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: of.Name}, NotBefore: of.Start, NotAfter: of.Start.Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: of.CA, DNSNames: []string{"www.example.com"},
	}
	if of.CA {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	if of.Edit != nil {
		of.Edit(template)
	}
	parent, signer := template, key
	if of.By != nil {
		parent, signer = of.By.X509, of.By.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &Certificate{c, key, PEM("CERTIFICATE", der), PEM("PRIVATE KEY", private)}
}

// PEM is one block.
func PEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// SSHKey makes the public half of an RSA key in SSH's encoding, with a comment; nobody has its private half.
func SSHKey(t testing.TB, bits int) string {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1)
	n.SetBit(n, 0, 1)
	var wire []byte
	for _, field := range [][]byte{[]byte("ssh-rsa"), {1, 0, 1}, append([]byte{0}, n.Bytes()...)} {
		wire = append(binary.BigEndian.AppendUint32(wire, uint32(len(field))), field...)
	}
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(wire) + " somebody@example.com\n"
}
