// Package samltest is a SAML identity provider for tests. It writes assertions and responses as text that is its own
// canonical form and signs that text with the standard library alone, so that it shares nothing with the code that verifies.
// Tests change what it writes in whatever way an enemy would. Only tests import it, and it panics where the machine fails it.
package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// What AWS's sign-in calls itself.
const (
	Endpoint = "https://signin.aws.amazon.com/saml"
	Audience = "urn:amazon:webservices"
)

// IdP is an identity provider with one signing key.
type IdP struct {
	EntityID    string
	Key         crypto.Signer
	Certificate []byte // DER
}

// keys are made once for a test binary: making them takes long.
var keys sync.Map // name → *rsa.PrivateKey

// RSAKey returns a key of 2,048 bits; the same one for the same name.
func RSAKey(name string) *rsa.PrivateKey {
	if k, ok := keys.Load(name); ok {
		return k.(*rsa.PrivateKey)
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	kept, _ := keys.LoadOrStore(name, k)
	return kept.(*rsa.PrivateKey)
}

// PEM is the key as PKCS #8.
func PEM(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// New returns an identity provider with an RSA key, named after the entity ID.
func New(entityID string) *IdP {
	return WithKey(entityID, RSAKey(entityID), long, forever)
}

// NewECDSA returns an identity provider with a P-256 key.
func NewECDSA(entityID string) *IdP {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return WithKey(entityID, key, long, forever)
}

// Certificates of New are good at all times that tests have.
var (
	long    = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	forever = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// WithKey returns an identity provider with that key, whose certificate is good between two times.
func WithKey(entityID string, key crypto.Signer, from, to time.Time) *IdP {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test identity provider"},
		NotBefore: from, NotAfter: to,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &IdP{EntityID: entityID, Key: key, Certificate: der}
}

// KeyDescriptor is the metadata's element for a signing certificate.
func KeyDescriptor(certificate []byte) string {
	return `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
		base64.StdEncoding.EncodeToString(certificate) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

// Entity is an EntityDescriptor with these attributes beside its ID and these certificates.
func Entity(entityID, attributes string, certificates ...[]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID=%q%s>`, entityID, attributes)
	b.WriteString(`<md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`)
	for _, c := range certificates {
		b.WriteString(KeyDescriptor(c))
	}
	b.WriteString(`<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"></md:SingleSignOnService>` +
		`</md:IDPSSODescriptor></md:EntityDescriptor>`)
	return b.String()
}

// Metadata describes the provider with its certificate and those given beside it, for a rollover.
func (i *IdP) Metadata(others ...[]byte) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + Entity(i.EntityID, "", append([][]byte{i.Certificate}, others...)...) + "\n"
}

// Attribute is an attribute of an assertion.
type Attribute struct {
	Name   string
	Values []string
}

// Assertion is what an assertion says. Texts are written as they are: escaping is the test's business.
type Assertion struct {
	ID           string
	Issuer       string
	Issued       time.Time
	NameID       string // empty: no NameID
	Format       string // of the NameID; empty: none
	Recipient    string
	InResponseTo string
	Audience     string // empty: no AudienceRestriction
	NotBefore    time.Time
	NotOnOrAfter time.Time
	SessionUntil time.Time // SessionNotOnOrAfter; zero: none
	Conditions   string    // more elements in Conditions
	Attributes   []Attribute
}

// Stamp writes a time as SAML does.
func Stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// NewAssertion returns an assertion about bob that AWS would accept at now.
func (i *IdP) NewAssertion(now time.Time) Assertion {
	return Assertion{
		ID: "_a1", Issuer: i.EntityID, Issued: now, NameID: "bob", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		Recipient: Endpoint, Audience: Audience, NotBefore: now.Add(-time.Minute), NotOnOrAfter: now.Add(5 * time.Minute),
	}
}

// With returns a with one more attribute.
func (a Assertion) With(name string, values ...string) Assertion {
	a.Attributes = append(a.Attributes[:len(a.Attributes):len(a.Attributes)], Attribute{name, values})
	return a
}

// Text is the assertion, unsigned, in canonical form.
func (a Assertion) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="%s" IssueInstant="%s" Version="2.0">`, a.ID, Stamp(a.Issued))
	fmt.Fprintf(&b, `<saml:Issuer>%s</saml:Issuer><saml:Subject>`, a.Issuer)
	if a.NameID != "" {
		format := ""
		if a.Format != "" {
			format = ` Format="` + a.Format + `"`
		}
		fmt.Fprintf(&b, `<saml:NameID%s>%s</saml:NameID>`, format, a.NameID)
	}
	inResponseTo := ""
	if a.InResponseTo != "" {
		inResponseTo = ` InResponseTo="` + a.InResponseTo + `"`
	}
	fmt.Fprintf(&b, `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData%s NotOnOrAfter="%s" Recipient="%s">`+
		`</saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>`, inResponseTo, Stamp(a.NotOnOrAfter), a.Recipient)
	fmt.Fprintf(&b, `<saml:Conditions NotBefore="%s" NotOnOrAfter="%s">`, Stamp(a.NotBefore), Stamp(a.NotOnOrAfter))
	if a.Audience != "" {
		fmt.Fprintf(&b, `<saml:AudienceRestriction><saml:Audience>%s</saml:Audience></saml:AudienceRestriction>`, a.Audience)
	}
	b.WriteString(a.Conditions + `</saml:Conditions>`)
	until := ""
	if !a.SessionUntil.IsZero() {
		until = ` SessionNotOnOrAfter="` + Stamp(a.SessionUntil) + `"`
	}
	fmt.Fprintf(&b, `<saml:AuthnStatement AuthnInstant="%s"%s><saml:AuthnContext><saml:AuthnContextClassRef>`+
		`urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
		Stamp(a.Issued), until)
	if len(a.Attributes) > 0 {
		b.WriteString(`<saml:AttributeStatement>`)
		for _, at := range a.Attributes {
			fmt.Fprintf(&b, `<saml:Attribute Name="%s">`, at.Name)
			for _, v := range at.Values {
				fmt.Fprintf(&b, `<saml:AttributeValue>%s</saml:AttributeValue>`, v)
			}
			b.WriteString(`</saml:Attribute>`)
		}
		b.WriteString(`</saml:AttributeStatement>`)
	}
	b.WriteString(`</saml:Assertion>`)
	return b.String()
}

// Algorithms of signatures.
const (
	ExclusiveC14n = "http://www.w3.org/2001/10/xml-exc-c14n#"
	Enveloped     = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	RSASHA256     = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	ECDSASHA256   = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	SHA256        = "http://www.w3.org/2001/04/xmlenc#sha256"
)

// Signed is what the SignedInfo of a signature says.
type Signed struct {
	Method     string // empty: by the kind of key
	Transforms []string
	References string // the Reference elements; empty: one to ID
	ID         string
	KeyInfo    string // after the value
}

// Signature returns a Signature element over canonical text.
func (i *IdP) Signature(canonical string, s Signed) string {
	if s.Method == "" {
		s.Method = RSASHA256
		if _, ok := i.Key.(*ecdsa.PrivateKey); ok {
			s.Method = ECDSASHA256
		}
	}
	if s.References == "" {
		s.References = Reference("#"+s.ID, canonical, s.Transforms)
	}
	info := func(ns string) string {
		return `<ds:SignedInfo` + ns + `><ds:CanonicalizationMethod Algorithm="` + ExclusiveC14n + `"></ds:CanonicalizationMethod>` +
			`<ds:SignatureMethod Algorithm="` + s.Method + `"></ds:SignatureMethod>` + s.References + `</ds:SignedInfo>`
	}
	const ns = ` xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`
	value := base64.StdEncoding.EncodeToString(i.sign([]byte(info(ns))))
	return `<ds:Signature` + ns + `>` + info("") + `<ds:SignatureValue>` + value + `</ds:SignatureValue>` + s.KeyInfo + `</ds:Signature>`
}

// Reference is a Reference element whose digest is that of canonical text. No transforms means the usual two.
func Reference(uri, canonical string, transforms []string) string {
	if transforms == nil {
		transforms = []string{Enveloped, ExclusiveC14n}
	}
	var b strings.Builder
	for _, tr := range transforms {
		b.WriteString(`<ds:Transform Algorithm="` + tr + `"></ds:Transform>`)
	}
	digest := sha256.Sum256([]byte(canonical))
	return `<ds:Reference URI="` + uri + `"><ds:Transforms>` + b.String() + `</ds:Transforms><ds:DigestMethod Algorithm="` + SHA256 +
		`"></ds:DigestMethod><ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest[:]) + `</ds:DigestValue></ds:Reference>`
}

// KeyInfo names a certificate.
func KeyInfo(certificate []byte) string {
	return `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(certificate) +
		`</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
}

// sign makes the value of a signature in the form of XML signatures: for ECDSA, r and s one after the other.
func (i *IdP) sign(text []byte) []byte {
	digest := sha256.Sum256(text)
	if key, ok := i.Key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			panic(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	value, err := i.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return value
}

// Insert puts a signature behind the first Issuer of an element, where SAML wants it.
func Insert(element, signature string) string {
	const end = `</saml:Issuer>`
	at := strings.Index(element, end) + len(end)
	return element[:at] + signature + element[at:]
}

// Sign returns the element with an enveloped signature of it.
func (i *IdP) Sign(element, id string) string {
	return Insert(element, i.Signature(element, Signed{ID: id}))
}

// SignedAssertion is the assertion with its signature.
func (i *IdP) SignedAssertion(a Assertion) string {
	return i.Sign(a.Text(), a.ID)
}

// Response wraps an assertion, in canonical form as long as the assertion is. Its ID is _r1.
func (i *IdP) Response(now time.Time, assertion string) string {
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="` + Endpoint + `" ID="_r1" IssueInstant="` + Stamp(now) + `" Version="2.0">` +
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + i.EntityID + `</saml:Issuer>` +
		`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"></samlp:StatusCode></samlp:Status>` +
		assertion + `</samlp:Response>`
}

// Encode is a response as AssumeRoleWithSAML takes it.
func Encode(response string) string { return base64.StdEncoding.EncodeToString([]byte(response)) }

// Noise is random letters and digits, which cannot be packed.
func Noise(n int) string {
	text := ""
	for len(text) < n {
		text += rand.Text()
	}
	return text[:n]
}
