package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Limits of metadata and keys.
const (
	// MaxMetadata is the size of the largest metadata document, as the model of CreateSAMLProvider has it.
	MaxMetadata = 10_000_000
	// MinRSABits is the size of the smallest RSA key that is trusted. AWS takes 1,024 bits, which is no safe size any more.
	MinRSABits = 2048
	maxRSABits = 16384
)

// AWS's sentences for metadata (S2-167, S3-415).
const (
	sayMetadata = "Could not parse metadata."
	sayKeySize  = "Unable to parse metadata"
)

// Metadata is what a checked metadata document says. Only [ParseMetadata] makes one.
type Metadata struct {
	IdPs []IdP // in the order of the document, at least one
	// ValidUntil is the earliest end of validity that the document states; zero where it states none.
	ValidUntil time.Time
}

// IdP is one identity provider of a metadata document.
type IdP struct {
	EntityID     string   // what it calls itself: the issuer of its assertions
	Certificates [][]byte // DER, of its signing keys, in the order of the document, each once
	SignOn       []Endpoint
}

// Endpoint is where an identity provider takes authentication requests.
type Endpoint struct{ Binding, Location string }

// ParseMetadata reads and checks a metadata document: one EntityDescriptor, or an EntitiesDescriptor of several, with
// IDPSSODescriptors for SAML 2.0 that have a name, signing certificates and places to sign on. It must not have expired at now.
// Errors are faults of kind InvalidInput with AWS's sentences; their causes say more.
func ParseMetadata(document string, now time.Time) (*Metadata, error) {
	m, err := parseMetadata([]byte(document))
	if err != nil {
		if small, ok := errors.AsType[*weakKey](err); ok {
			return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "SAMLMetadataDocument", Message: sayKeySize, Cause: small}
		}
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "SAMLMetadataDocument", Message: sayMetadata, Cause: err}
	}
	if !m.ValidUntil.IsZero() && !now.Before(m.ValidUntil) {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "SAMLMetadataDocument", Message: sayMetadata,
			Cause: fmt.Errorf("saml: the metadata was valid until %s", m.ValidUntil)}
	}
	return m, nil
}

func parseMetadata(document []byte) (*Metadata, error) {
	root, err := parse(document, MaxMetadata)
	if err != nil {
		return nil, err
	}
	m := new(Metadata)
	var entities []*etree.Element
	switch {
	case is(root, nsMetadata, "EntityDescriptor"):
		entities = []*etree.Element{root}
	case is(root, nsMetadata, "EntitiesDescriptor"):
		if err := m.until(root); err != nil {
			return nil, err
		}
		if entities = children(root, nsMetadata, "EntityDescriptor"); len(children(root, nsMetadata, "EntitiesDescriptor")) > 0 {
			return nil, errors.New("saml: groups of entities inside groups")
		}
	default:
		return nil, fmt.Errorf("saml: metadata does not begin with %s", root.Tag)
	}
	for _, entity := range entities {
		if err := m.entity(entity); err != nil {
			return nil, err
		}
	}
	if len(m.IdPs) == 0 {
		return nil, errors.New("saml: the metadata describes no identity provider")
	}
	return m, nil
}

// until takes an element's end of validity into account.
func (m *Metadata) until(el *etree.Element) error {
	value, ok := attr(el, "validUntil")
	if !ok {
		return nil
	}
	at, err := instant(value)
	if err == nil && (m.ValidUntil.IsZero() || at.Before(m.ValidUntil)) {
		m.ValidUntil = at
	}
	return err
}

// instant reads a time as SAML writes it: UTC, with a Z.
func instant(value string) (time.Time, error) {
	at, err := time.Parse("2006-01-02T15:04:05Z", value) // the parser takes fractions of a second after any second
	if err != nil {
		return time.Time{}, fmt.Errorf("saml: %q is no time in UTC", value)
	}
	return at, nil
}

// entity reads an EntityDescriptor. One that is no identity provider is skipped: groups list service providers too.
func (m *Metadata) entity(el *etree.Element) error {
	var roles []*etree.Element
	for _, d := range children(el, nsMetadata, "IDPSSODescriptor") {
		if protocols, _ := attr(d, "protocolSupportEnumeration"); slices.Contains(strings.Fields(protocols), nsProtocol) {
			roles = append(roles, d)
		}
	}
	if len(roles) == 0 {
		return nil
	}
	id, _ := attr(el, "entityID")
	if id == "" || len(id) > 1024 || strings.TrimSpace(id) != id {
		return errors.New("saml: an entity without an entityID of up to 1,024 characters")
	}
	if slices.ContainsFunc(m.IdPs, func(known IdP) bool { return known.EntityID == id }) {
		return fmt.Errorf("saml: the entity %s twice", id)
	}
	idp := IdP{EntityID: id}
	if err := m.until(el); err != nil {
		return err
	}
	for _, d := range roles {
		if err := m.until(d); err != nil {
			return err
		}
		if err := idp.role(d); err != nil {
			return err
		}
	}
	if len(idp.Certificates) == 0 {
		return fmt.Errorf("saml: the entity %s has no signing certificate", id)
	}
	if len(idp.SignOn) == 0 {
		return fmt.Errorf("saml: the entity %s has no SingleSignOnService", id)
	}
	m.IdPs = append(m.IdPs, idp)
	return nil
}

// role reads an IDPSSODescriptor.
func (i *IdP) role(d *etree.Element) error {
	for _, key := range children(d, nsMetadata, "KeyDescriptor") {
		switch use, _ := attr(key, "use"); use {
		case "encryption":
			continue
		case "", "signing":
		default:
			return fmt.Errorf("saml: a key for %q", use)
		}
		if err := i.key(key); err != nil {
			return err
		}
	}
	for _, s := range children(d, nsMetadata, "SingleSignOnService") {
		binding, _ := attr(s, "Binding")
		location, _ := attr(s, "Location")
		u, err := url.Parse(location)
		if binding == "" || err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("saml: a SingleSignOnService with binding %q at %q", binding, location)
		}
		i.SignOn = append(i.SignOn, Endpoint{binding, location})
	}
	return nil
}

// key reads a KeyDescriptor. Of the certificates of one X509Data the first is the key's own; others are those that vouch for
// it, and are not trusted to sign assertions.
func (i *IdP) key(descriptor *etree.Element) error {
	info, err := need(descriptor, nsSignature, "KeyInfo")
	if err != nil {
		return err
	}
	for _, data := range children(info, nsSignature, "X509Data") {
		certificates := children(data, nsSignature, "X509Certificate")
		if len(certificates) == 0 {
			continue
		}
		encoded, err := text(certificates[0])
		if err != nil {
			return err
		}
		der, err := base64.StdEncoding.DecodeString(withoutSpace(encoded))
		if err != nil {
			return fmt.Errorf("saml: a certificate that is not base64: %w", err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("saml: a certificate: %w", err)
		}
		if err := checkPublicKey(c.PublicKey); err != nil {
			return err
		}
		if !slices.ContainsFunc(i.Certificates, func(known []byte) bool { return bytes.Equal(known, c.Raw) }) {
			i.Certificates = append(i.Certificates, c.Raw)
		}
	}
	return nil
}

func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s)
}

// weakKey is a key of a kind or size that is not trusted.
type weakKey struct{ what string }

func (k *weakKey) Error() string { return "saml: " + k.what }

// checkPublicKey takes RSA keys of at least MinRSABits and the three elliptic curves that XML signatures know.
func checkPublicKey(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < MinRSABits || bits > maxRSABits {
			return &weakKey{fmt.Sprintf("an RSA key of %d bits", bits)}
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521() {
			return nil
		}
		return &weakKey{"an elliptic curve that is not trusted"}
	}
	return &weakKey{fmt.Sprintf("a key of the kind %T", key)}
}
