package saml

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Algorithms that are trusted. SHA-1 and MACs are not; of canonicalizations and transforms, only those that SAML needs.
const (
	exclusiveC14n = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped     = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
)

var (
	signatureMethods = []string{
		dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod,
		dsig.ECDSASHA256SignatureMethod, dsig.ECDSASHA384SignatureMethod, dsig.ECDSASHA512SignatureMethod,
	}
	digestMethods = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
)

// ownSignature is the signature directly in an element; checkStructure has seen to it that there is one at most in the
// elements that are asked about, or refuses several here.
func ownSignature(el *etree.Element) (*etree.Element, bool) {
	all := children(el, nsSignature, "Signature")
	if len(all) == 0 {
		return nil, false
	}
	return all[0], true
}

// checkSignature holds a Signature element to the one form that is accepted: one reference, to the element that the signature
// stands in, with the two transforms that SAML signatures have, trusted algorithms, and nothing beside.
func checkSignature(sig *etree.Element) error {
	signs := sig.Parent()
	if len(children(signs, nsSignature, "Signature")) != 1 {
		return errors.New("saml: several signatures of one element")
	}
	if err := walk(sig, func(el *etree.Element) error {
		for _, c := range el.Child {
			if _, ok := c.(*etree.Comment); ok {
				return errors.New("saml: a comment in a signature")
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := only(sig, "SignedInfo", "SignatureValue", "KeyInfo"); err != nil {
		return err
	}
	if _, err := need(sig, nsSignature, "SignatureValue"); err != nil {
		return err
	}
	info, err := need(sig, nsSignature, "SignedInfo")
	if err != nil {
		return err
	}
	if err := only(info, "CanonicalizationMethod", "SignatureMethod", "Reference"); err != nil {
		return err
	}
	if err := algorithm(info, "CanonicalizationMethod", exclusiveC14n); err != nil {
		return err
	}
	if err := algorithm(info, "SignatureMethod", signatureMethods...); err != nil {
		return err
	}
	reference, err := need(info, nsSignature, "Reference")
	if err != nil {
		return err
	}
	return checkReference(reference, signs)
}

func checkReference(reference, signs *etree.Element) error {
	id, _ := attr(signs, "ID")
	if uri, _ := attr(reference, "URI"); !ncName.MatchString(id) || uri != "#"+id {
		return fmt.Errorf("saml: a signature in %q refers to %q", id, uri)
	}
	if err := only(reference, "Transforms", "DigestMethod", "DigestValue"); err != nil {
		return err
	}
	if err := algorithm(reference, "DigestMethod", digestMethods...); err != nil {
		return err
	}
	digest, err := need(reference, nsSignature, "DigestValue")
	if err != nil {
		return err
	}
	if _, err := text(digest); err != nil {
		return err
	}
	transforms, err := need(reference, nsSignature, "Transforms")
	if err != nil {
		return err
	}
	if err := only(transforms, "Transform"); err != nil {
		return err
	}
	var named []string
	for _, tr := range transforms.ChildElements() {
		name, _ := attr(tr, "Algorithm")
		named = append(named, name)
		for _, c := range tr.ChildElements() {
			if name != exclusiveC14n || !is(c, exclusiveC14n, "InclusiveNamespaces") {
				return fmt.Errorf("saml: a transform with %s", c.Tag)
			}
		}
	}
	if !slices.Equal(named, []string{enveloped, exclusiveC14n}) {
		return fmt.Errorf("saml: the transforms %q", named)
	}
	return nil
}

// only refuses children of el that are not elements of XML Signature with these names.
func only(el *etree.Element, names ...string) error {
	for _, c := range el.ChildElements() {
		if c.NamespaceURI() != nsSignature || !slices.Contains(names, c.Tag) {
			return fmt.Errorf("saml: %s in %s", c.Tag, el.Tag)
		}
	}
	return nil
}

// algorithm refuses an element of el that names an algorithm other than these. Parameters change what an algorithm is: none.
func algorithm(el *etree.Element, name string, trusted ...string) error {
	a, err := need(el, nsSignature, name)
	if err != nil {
		return err
	}
	if value, _ := attr(a, "Algorithm"); !slices.Contains(trusted, value) {
		return fmt.Errorf("saml: %s %q", name, value)
	}
	for _, c := range a.ChildElements() {
		if !is(c, exclusiveC14n, "InclusiveNamespaces") {
			return fmt.Errorf("saml: %s with %s", name, c.Tag)
		}
	}
	return nil
}

// verify returns el as its signature covers it: read again from the bytes that were signed. The issuer that el names must
// have signed, and all signatures of a response must be one issuer's.
func (v *verification) verify(el *etree.Element) (*etree.Element, error) {
	idp, err := v.issuer(el)
	if err != nil {
		return nil, err
	}
	if v.idp != nil && v.idp != idp {
		return nil, refuse(fault.InvalidIdentityToken, sayIssuer, errors.New("saml: response and assertion are of two issuers"))
	}
	sig, _ := ownSignature(el)
	certificates, err := trusted(sig, idp)
	if err != nil {
		return nil, refuse(fault.InvalidIdentityToken, saySignature, err)
	}
	var problems []error
	for _, c := range certificates {
		covered, err := v.verifyWith(el, c)
		if err == nil {
			v.idp = idp
			return covered, nil
		}
		problems = append(problems, err)
	}
	return nil, refuse(fault.InvalidIdentityToken, saySignature, errors.Join(problems...))
}

// trusted are the certificates of the metadata that may have made a signature. Those that the signature itself brings are
// not believed; where it brings some, one of them has to be of the metadata.
func trusted(sig *etree.Element, idp *IdP) ([]*x509.Certificate, error) {
	var brought [][]byte
	if err := walk(sig, func(el *etree.Element) error {
		if !is(el, nsSignature, "X509Certificate") {
			return nil
		}
		encoded, err := text(el)
		if err != nil {
			return err
		}
		der, err := base64.StdEncoding.DecodeString(withoutSpace(encoded))
		brought = append(brought, der)
		return err
	}); err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for _, der := range idp.Certificates {
		if len(brought) > 0 && !slices.ContainsFunc(brought, func(b []byte) bool { return bytes.Equal(b, der) }) {
			continue
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("saml: a stored certificate: %w", err)
		}
		if err := checkPublicKey(c.PublicKey); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("saml: the signing certificate is none of the metadata's")
	}
	return all, nil
}

// verifyWith checks the signature of el with one certificate, on a copy of el that stands for itself: without the key that the
// signature brings, and with its value in the form that crypto/x509 reads.
func (v *verification) verifyWith(el *etree.Element, c *x509.Certificate) (*etree.Element, error) {
	ns, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, err
	}
	alone, err := etreeutils.NSDetatch(ns, el)
	if err != nil {
		return nil, err
	}
	sig, _ := ownSignature(alone)
	for _, info := range children(sig, nsSignature, "KeyInfo") {
		sig.RemoveChild(info)
	}
	if err := plainValue(sig, c); err != nil {
		return nil, err
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
	ctx.Clock = dsig.NewFakeClockAt(v.now)
	return ctx.Validate(alone)
}

// plainValue rewrites the value of a signature: without white space, and for ECDSA as ASN.1. XML signatures hold the two
// numbers one after the other, each as long as the curve.
func plainValue(sig *etree.Element, c *x509.Certificate) error {
	element, err := need(sig, nsSignature, "SignatureValue")
	if err != nil {
		return err
	}
	encoded, err := text(element)
	if err != nil {
		return err
	}
	value, err := base64.StdEncoding.DecodeString(withoutSpace(encoded))
	if err != nil {
		return err
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		size := (key.Curve.Params().BitSize + 7) / 8
		if len(value) != 2*size {
			return errors.New("saml: the value of an ECDSA signature has the wrong length")
		}
		r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
		if value, err = asn1.Marshal(struct{ R, S *big.Int }{r, s}); err != nil {
			return err
		}
	}
	element.SetText(base64.StdEncoding.EncodeToString(value))
	return nil
}
