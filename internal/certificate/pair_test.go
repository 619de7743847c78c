package certificate_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

func hidden(text string) secret.Text { return secret.New(text) }

// brokenAt is AWS's sentence for a chain that breaks after that certificate.
func brokenAt(index int) string {
	return "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any " +
		"intermediaries in order. The index within the chain of the invalid certificate is: " + strconv.Itoa(index)
}

const (
	noCertificate = "Unable to parse certificate. Please ensure the certificate is in PEM format."
	noKey         = "Invalid Private Key."
	noMatch       = "The public key certificate and the private key do not match."
)

func TestPair(t *testing.T) {
	root := testenv.Issue(t, testenv.CertificateOf{Name: "root", Start: now, CA: true})
	inner := testenv.Issue(t, testenv.CertificateOf{Name: "inner", Start: now, CA: true, By: root})
	leaf := testenv.Issue(t, testenv.CertificateOf{Name: "leaf", Start: now, By: inner})
	own := testenv.Issue(t, testenv.CertificateOf{Name: "own", Start: now})
	p, err := certificate.ParsePair(certificate.Upload{Body: leaf.Body, Chain: inner.Body + root.Body, Key: hidden(leaf.PEM)}, now)
	if err != nil {
		t.Fatal(err)
	}
	if p.Body() != leaf.Body || p.Chain() != inner.Body+root.Body || p.Key().Reveal() != leaf.PEM || !p.Expires().Equal(now.Add(24*time.Hour)) {
		t.Errorf("%s %s %s", p.Body(), p.Chain(), p.Expires())
	}
	for what, u := range map[string]certificate.Upload{
		"self-signed":                {Body: own.Body, Key: hidden(own.PEM)},
		"a chain without its root":   {Body: leaf.Body, Chain: inner.Body, Key: hidden(leaf.PEM)},
		"an authority":               {Body: inner.Body, Chain: root.Body, Key: hidden(inner.PEM)},
		"white space between blocks": {Body: "\n" + leaf.Body, Chain: inner.Body + "\r\n\n" + root.Body + " ", Key: hidden(leaf.PEM + "\n")},
	} {
		if _, err := certificate.ParsePair(u, now); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPairRefusals(t *testing.T) {
	issue := func(of testenv.CertificateOf) *testenv.Certificate {
		if of.Start.IsZero() {
			of.Start = now
		}
		return testenv.Issue(t, of)
	}
	root := issue(testenv.CertificateOf{Name: "root", CA: true})
	twin := issue(testenv.CertificateOf{Name: "root", CA: true}) // the same name, another key
	inner := issue(testenv.CertificateOf{Name: "inner", CA: true, By: root})
	old := issue(testenv.CertificateOf{Name: "inner", CA: true, By: root, Key: inner.Key, Start: now.Add(-25 * time.Hour)})
	leaf := issue(testenv.CertificateOf{Name: "leaf", By: inner})
	under := issue(testenv.CertificateOf{Name: "under", By: leaf}) // a leaf is no authority
	own := issue(testenv.CertificateOf{Name: "own"})
	kept := func(c *testenv.Certificate) secret.Text { return hidden(c.PEM) }
	long := strings.Repeat(root.Body, 32)
	for what, c := range map[string]struct {
		u       certificate.Upload
		at      time.Time
		kind    fault.Kind
		message string
	}{
		"no certificate":          {certificate.Upload{Body: "x", Key: kept(own)}, now, fault.MalformedCertificate, noCertificate},
		"DER":                     {certificate.Upload{Body: string(own.X509.Raw), Key: kept(own)}, now, fault.MalformedCertificate, noCertificate},
		"the chain in the body":   {certificate.Upload{Body: leaf.Body + inner.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, noCertificate},
		"no key":                  {certificate.Upload{Body: own.Body, Key: hidden("x")}, now, fault.MalformedCertificate, noKey},
		"the certificate as key":  {certificate.Upload{Body: own.Body, Key: hidden(own.Body)}, now, fault.MalformedCertificate, noKey},
		"two keys":                {certificate.Upload{Body: own.Body, Key: hidden(own.PEM + leaf.PEM)}, now, fault.MalformedCertificate, noKey},
		"a damaged key":           {certificate.Upload{Body: own.Body, Key: hidden(testenv.PEM("PRIVATE KEY", []byte{1}))}, now, fault.MalformedCertificate, noKey},
		"an encrypted key":        {certificate.Upload{Body: own.Body, Key: hidden(strings.ReplaceAll(own.PEM, "PRIVATE", "ENCRYPTED PRIVATE"))}, now, fault.MalformedCertificate, noKey},
		"another key":             {certificate.Upload{Body: own.Body, Key: kept(leaf)}, now, fault.KeyPairMismatch, noMatch},
		"before its time":         {certificate.Upload{Body: own.Body, Key: kept(own)}, now.Add(-time.Second), fault.MalformedCertificate, "The certificate is not valid at the time of upload: its validity period is from 2026-03-01T12:00:00Z to 2026-03-02T12:00:00Z."},
		"after its time":          {certificate.Upload{Body: own.Body, Key: kept(own)}, now.Add(25 * time.Hour), fault.MalformedCertificate, "The certificate is not valid at the time of upload: its validity period is from 2026-03-01T12:00:00Z to 2026-03-02T12:00:00Z."},
		"no chain":                {certificate.Upload{Body: leaf.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"a blank chain":           {certificate.Upload{Body: own.Body, Chain: " \n", Key: kept(own)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"a chain of words":        {certificate.Upload{Body: leaf.Body, Chain: "x", Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"text in the chain":       {certificate.Upload{Body: leaf.Body, Chain: inner.Body + "root:\n" + root.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"a key in the chain":      {certificate.Upload{Body: leaf.Body, Chain: inner.Body + root.PEM, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"itself in the chain":     {certificate.Upload{Body: leaf.Body, Chain: leaf.Body + inner.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"the wrong order":         {certificate.Upload{Body: leaf.Body, Chain: root.Body + inner.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"a link left out":         {certificate.Upload{Body: leaf.Body, Chain: root.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"the wrong root":          {certificate.Upload{Body: leaf.Body, Chain: inner.Body + twin.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(0)},
		"something after the end": {certificate.Upload{Body: leaf.Body, Chain: inner.Body + root.Body + own.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(1)},
		"an expired link":         {certificate.Upload{Body: leaf.Body, Chain: old.Body + root.Body, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(0)},
		"no authority":            {certificate.Upload{Body: under.Body, Chain: leaf.Body + inner.Body, Key: kept(under)}, now, fault.MalformedCertificate, brokenAt(-1)},
		"too many links":          {certificate.Upload{Body: leaf.Body, Chain: inner.Body + long, Key: kept(leaf)}, now, fault.MalformedCertificate, brokenAt(-1)},
	} {
		_, err := certificate.ParsePair(c.u, c.at)
		refused(t, what, err, c.kind, c.message)
	}
	if _, err := certificate.ParsePair(certificate.Upload{Body: leaf.Body, Chain: inner.Body + long[:31*len(root.Body)], Key: kept(leaf)}, now); err != nil {
		t.Errorf("32 links: %v", err)
	}
}

// TestKeys: what kinds and sizes of keys there are.
func TestKeys(t *testing.T) {
	rsaKey := func(bits int) crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ec := func(c elliptic.Curve) crypto.Signer {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key crypto.Signer
		ok  bool
	}{
		"RSA 1024": {rsaKey(1024), true}, "RSA 2048": {rsaKey(2048), true}, "RSA 4104": {rsaKey(4104), false},
		"P-224": {ec(elliptic.P224()), false}, "P-256": {ec(elliptic.P256()), true}, "P-384": {ec(elliptic.P384()), true},
		"P-521": {ec(elliptic.P521()), true}, "Ed25519": {ed, false},
	} {
		made := testenv.Issue(t, testenv.CertificateOf{Name: name, Start: now, Key: c.key})
		_, err := certificate.ParsePair(certificate.Upload{Body: made.Body, Key: hidden(made.PEM)}, now)
		if c.ok && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.ok {
			refused(t, name, err, fault.MalformedCertificate, noKey)
		}
	}
}

// TestHugeIssuer: nobody checks signatures with a key that takes seconds.
func TestHugeIssuer(t *testing.T) {
	ca := testenv.Issue(t, testenv.CertificateOf{Name: "ca", Start: now, CA: true})
	leaf := testenv.Issue(t, testenv.CertificateOf{Name: "leaf", Start: now, By: ca})
	spki, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1_000_000), big.NewInt(1)), E: 1<<31 - 1})
	if err != nil {
		t.Fatal(err)
	}
	// The authority's certificate with another public key in it: who signed it does not matter.
	var outer struct{ TBS, Algorithm, Signature asn1.RawValue }
	var inner struct {
		Version                                           int `asn1:"explicit,tag:0"`
		Serial, Algorithm, Issuer, Validity, Subject, Key asn1.RawValue
		Extensions                                        asn1.RawValue
	}
	if _, err = asn1.Unmarshal(ca.X509.Raw, &outer); err == nil {
		_, err = asn1.Unmarshal(outer.TBS.FullBytes, &inner)
	}
	inner.Key = asn1.RawValue{FullBytes: spki}
	if err == nil {
		outer.TBS.FullBytes, err = asn1.Marshal(inner)
	}
	var der []byte
	if err == nil {
		der, err = asn1.Marshal(outer)
	}
	if err != nil {
		t.Fatal(err)
	}
	huge, err := x509.ParseCertificate(der)
	if err != nil || huge.PublicKey.(*rsa.PublicKey).N.BitLen() != 1_000_000 {
		t.Fatal(err)
	}
	_, err = certificate.ParsePair(certificate.Upload{Body: leaf.Body, Chain: testenv.PEM("CERTIFICATE", der), Key: hidden(leaf.PEM)}, now)
	refused(t, "huge", err, fault.MalformedCertificate, brokenAt(-1))
	if f, ok := errors.AsType[*fault.Error](err); ok && !strings.Contains(fmt.Sprint(f.Cause), "too large") {
		t.Errorf("the signature was looked at: %v", f.Cause)
	}
}

// TestChainAgainstStandard: every chain that is accepted is one that the standard library follows from the certificate to the
// last link, for every order of every selection of certificates.
func TestChainAgainstStandard(t *testing.T) {
	root := testenv.Issue(t, testenv.CertificateOf{Name: "a", Start: now, CA: true})
	inner := testenv.Issue(t, testenv.CertificateOf{Name: "b", Start: now, CA: true, By: root})
	cross := testenv.Issue(t, testenv.CertificateOf{Name: "b", Start: now, CA: true, Key: inner.Key}) // the same authority, self-signed
	leaf := testenv.Issue(t, testenv.CertificateOf{Name: "c", Start: now, By: inner})
	accepted := 0
	all := []*testenv.Certificate{root, inner, cross, leaf}
	for _, i := range all {
		for _, j := range all {
			for n := 1; n <= 2; n++ {
				chain := []*testenv.Certificate{i, j}[:n]
				text := i.Body
				if n == 2 {
					text += j.Body
				}
				_, err := certificate.ParsePair(certificate.Upload{Body: leaf.Body, Chain: text, Key: hidden(leaf.PEM)}, now)
				if err != nil {
					continue
				}
				accepted++
				roots, inters := x509.NewCertPool(), x509.NewCertPool()
				roots.AddCert(chain[n-1].X509)
				for _, c := range chain[:n-1] {
					inters.AddCert(c.X509)
				}
				chains, err := leaf.X509.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inters, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
				whole := slices.ContainsFunc(chains, func(c []*x509.Certificate) bool { return len(c) == n+1 })
				again := n == 2 && chain[0].X509.PublicKey.(*ecdsa.PublicKey).Equal(chain[1].X509.PublicKey) // which Verify never follows
				if err != nil || !whole && !again {
					t.Errorf("%s then %s of %d: %v", i.X509.Subject, j.X509.Subject, n, err)
				}
			}
		}
	}
	if accepted < 6 { // b; b a; cross; cross cross; …
		t.Errorf("%d chains were accepted: this shows little", accepted)
	}
}

func FuzzSigning(f *testing.F) {
	c := testenv.Issue(f, testenv.CertificateOf{Name: "seed", Start: now})
	f.Add(c.Body)
	f.Add("")
	f.Add("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nkey: value\n\nMA==\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := certificate.ParseSigning(text, now)
		if err != nil {
			if k := fault.KindOf(err); k != fault.MalformedCertificate && k != fault.InvalidCertificate || fault.MessageOf(err) == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := certificate.ParseSigning(strings.TrimSpace(s.Text()), now); err != nil || again.ID() != s.ID() || len(s.ID()) != 32 {
			t.Errorf("%q: ID %s; without white space %v", text, s.ID(), err)
		}
	})
}

func FuzzPair(f *testing.F) {
	root := testenv.Issue(f, testenv.CertificateOf{Name: "root", Start: now, CA: true})
	leaf := testenv.Issue(f, testenv.CertificateOf{Name: "leaf", Start: now, By: root})
	f.Add(leaf.Body, root.Body, leaf.PEM)
	f.Add(root.Body, "", root.PEM)
	f.Add(leaf.Body, root.Body+root.Body, leaf.PEM)
	f.Add(leaf.Body, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", root.PEM)
	f.Fuzz(func(t *testing.T, body, chain, key string) {
		p, err := certificate.ParsePair(certificate.Upload{Body: body, Chain: chain, Key: hidden(key)}, now)
		if err != nil {
			if k := fault.KindOf(err); k != fault.MalformedCertificate && k != fault.KeyPairMismatch || fault.MessageOf(err) == "" {
				t.Errorf("%v", err)
			}
			return
		}
		if now.After(p.Expires()) || p.Body() != body || p.Chain() != chain {
			t.Errorf("accepted %q with %q until %v", body, chain, p.Expires())
		}
	})
}
