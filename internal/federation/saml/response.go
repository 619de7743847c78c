package saml

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Limits of responses.
const (
	// maxResponse is what 100,000 characters of base64 hold: the longest SAMLAssertion of AssumeRoleWithSAML.
	maxResponse = 75_000
	// MaxAge is how long after an assertion was made it may be used; AWS has the same five minutes.
	MaxAge = 5 * time.Minute
	// Skew is how far a provider's clock may be off.
	Skew = 30 * time.Second
)

// What a caller reads. Sentences are AWS's where one is known ("Troubleshoot SAML federation with IAM", S3-409 to S3-414).
const (
	sayBase64     = "Invalid base64 SAMLResponse"
	sayInvalid    = "Your request included an invalid SAML response."
	saySignature  = "Response signature invalid"
	sayIssuer     = "Issuer not present in specified provider (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException)"
	sayAudience   = "Response does not contain the required audience."
	sayExpired    = "Response has expired"
	sayTooOld     = "Token must be redeemed within 5 minutes of issuance"
	sayNotYet     = "Response is not yet valid"
	sayRejected   = "The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid."
	sayDecryption = "The SAML assertion cannot be decrypted."
	sayPlain      = "The SAML assertion is not encrypted, and the provider requires it."
	sayStale      = "The metadata of the identity provider has expired."
)

// statusSuccess is the status of a response that vouches for somebody.
const statusSuccess = "urn:oasis:names:tc:SAML:2.0:status:Success"

// Trust is what is believed of a provider, and what its responses must be made for.
type Trust struct {
	IdPs       []IdP
	ValidUntil time.Time              // of the metadata; zero: for ever
	Recipient  func(url string) bool  // whether assertions may be sent there
	Audience   func(name string) bool // whether assertions may be made for it

	DecryptionKeys    []*rsa.PrivateKey
	RequireEncryption bool
	AllowCBC          bool // assertions encrypted with AES-CBC, in signed responses (D19)
}

func refuse(kind fault.Kind, say string, cause error) error {
	return &fault.Error{Kind: kind, Subject: "SAMLAssertion", Message: say, Cause: cause}
}

func invalid(cause error) error { return refuse(fault.InvalidIdentityToken, sayInvalid, cause) }

// Decode reads a response as it is handed on: base64 with or without line ends.
func Decode(encoded string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(withoutSpace(encoded))
	if err != nil {
		return nil, refuse(fault.InvalidIdentityToken, sayBase64, err)
	}
	return raw, nil
}

// Verify returns the one assertion of a response, if the response or the assertion is signed with a key of t and everything
// holds at now: the rules are in the package comment. Errors are faults of the kinds InvalidIdentityToken,
// ExpiredIdentityToken, RejectedClaim and Denied.
func Verify(response []byte, t *Trust, now time.Time) (*Assertion, error) {
	root, err := parse(response, maxResponse)
	if err != nil {
		return nil, invalid(err)
	}
	if !t.ValidUntil.IsZero() && !now.Before(t.ValidUntil) {
		return nil, refuse(fault.InvalidIdentityToken, sayStale, nil)
	}
	if err := checkResponse(root); err != nil {
		return nil, err
	}
	if err := checkStructure(root); err != nil {
		return nil, invalid(err)
	}
	v := verification{t: t, now: now}
	element, err := v.signed(root)
	if err != nil {
		return nil, err
	}
	a, err := readAssertion(element)
	if err != nil {
		return nil, err
	}
	if err := v.holds(a); err != nil {
		return nil, err
	}
	return a, nil
}

// Providers returns the ARNs of the providers that a response's Role attribute names, each once, of which nothing is verified: it is for
// finding out whose keys to verify the response with, and good for nothing else. A response that is no response, or whose assertion is
// encrypted, is refused as by [Verify].
func Providers(response []byte) ([]string, error) {
	root, err := parse(response, maxResponse)
	if err != nil {
		return nil, invalid(err)
	}
	if err := checkResponse(root); err != nil {
		return nil, err
	}
	if err := checkStructure(root); err != nil {
		return nil, invalid(err)
	}
	assertion, err := child(root, nsAssertion, "Assertion")
	if err == nil && assertion == nil {
		err = errors.New("saml: only who is told the provider can decrypt")
	}
	if err != nil {
		return nil, invalid(err)
	}
	a := new(Assertion)
	if err := a.readStatements(assertion); err != nil {
		return nil, invalid(err)
	}
	var found []string
	for _, value := range a.Values(attrRole) {
		pair, err := rolePair(value)
		if err != nil {
			return nil, invalid(err)
		}
		if !slices.Contains(found, pair.Provider) {
			found = append(found, pair.Provider)
		}
	}
	return found, nil
}

// checkResponse looks at what the response says of itself. It can only refuse: nothing of it is believed.
func checkResponse(root *etree.Element) error {
	if !is(root, nsProtocol, "Response") {
		return invalid(fmt.Errorf("saml: the document is a %s", root.Tag))
	}
	if version, _ := attr(root, "Version"); version != "2.0" {
		return invalid(fmt.Errorf("saml: version %q", version))
	}
	status, err := need(root, nsProtocol, "Status")
	if err != nil {
		return invalid(err)
	}
	code, err := need(status, nsProtocol, "StatusCode")
	if err != nil {
		return invalid(err)
	}
	if value, _ := attr(code, "Value"); value != statusSuccess {
		return refuse(fault.RejectedClaim, sayRejected, fmt.Errorf("saml: status %q", value))
	}
	return nil
}

// ncName is what an ID may be, as far as references can name it.
var ncName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,255}$`)

// checkStructure holds a response, or what an assertion was decrypted to, to the shape in which signatures can be checked:
// every ID once; one assertion, which is root or directly in it; signatures only directly in root and the assertion.
func checkStructure(root *etree.Element) error {
	ids := make(map[string]bool)
	assertions, encrypted := 0, 0
	return errors.Join(walk(root, func(el *etree.Element) error {
		for _, a := range el.Attr {
			if a.Space != "" || !strings.EqualFold(a.Key, "id") {
				continue
			}
			if ids[a.Value] || !ncName.MatchString(a.Value) {
				return fmt.Errorf("saml: the ID %q is taken or none", a.Value)
			}
			ids[a.Value] = true
		}
		direct := el == root || el.Parent() == root
		switch el.Tag { // in whatever namespace: nothing else is called so
		case "Assertion":
			if assertions++; !direct || !is(el, nsAssertion, "Assertion") {
				return errors.New("saml: an assertion in the wrong place")
			}
			if id, _ := attr(el, "ID"); id == "" {
				return errors.New("saml: an assertion without an ID")
			}
		case "EncryptedAssertion":
			if encrypted++; el.Parent() != root || !is(el, nsAssertion, "EncryptedAssertion") {
				return errors.New("saml: an encrypted assertion in the wrong place")
			}
		case "Signature":
			signs := el.Parent()
			if !is(el, nsSignature, "Signature") || signs == nil || signs != root && (signs.Parent() != root || !is(signs, nsAssertion, "Assertion")) {
				return errors.New("saml: a signature in the wrong place")
			}
			return checkSignature(el)
		}
		return nil
	}), exactlyOne(&assertions, &encrypted))
}

func exactlyOne(assertions, encrypted *int) error {
	if *assertions+*encrypted != 1 {
		return fmt.Errorf("saml: %d assertions and %d encrypted ones", *assertions, *encrypted)
	}
	return nil
}

// verification is one response on its way.
type verification struct {
	t   *Trust
	now time.Time
	idp *IdP // that signed
}

// signed returns the assertion of a response from the bytes that a signature covers.
func (v *verification) signed(root *etree.Element) (*etree.Element, error) {
	_, whole := ownSignature(root)
	if whole {
		if _, ok := attr(root, "ID"); !ok {
			return nil, invalid(errors.New("saml: a signed response without an ID"))
		}
		covered, err := v.verify(root)
		if err != nil {
			return nil, err
		}
		// From here on the verified bytes are all there is.
		if root = covered; !is(root, nsProtocol, "Response") {
			return nil, invalid(errors.New("saml: what was signed is no response"))
		}
		if err := checkStructure(root); err != nil {
			return nil, invalid(err)
		}
	}
	assertion, err := child(root, nsAssertion, "Assertion")
	if err != nil {
		return nil, invalid(err)
	}
	if assertion == nil {
		if assertion, err = v.decrypt(root, whole); err != nil {
			return nil, err
		}
	} else if v.t.RequireEncryption {
		return nil, refuse(fault.InvalidIdentityToken, sayPlain, nil)
	}
	_, own := ownSignature(assertion)
	if !own && !whole {
		return nil, refuse(fault.InvalidIdentityToken, saySignature, errors.New("saml: neither response nor assertion is signed"))
	}
	if !own {
		return assertion, nil
	}
	covered, err := v.verify(assertion)
	if err == nil && !is(covered, nsAssertion, "Assertion") {
		err = invalid(errors.New("saml: what was signed is no assertion"))
	}
	return covered, err
}

// issuer is the provider that an element says it is from. The signature has to show it.
func (v *verification) issuer(el *etree.Element) (*IdP, error) {
	issuer, err := need(el, nsAssertion, "Issuer")
	if err != nil {
		return nil, invalid(err)
	}
	name, err := text(issuer)
	if err != nil {
		return nil, invalid(err)
	}
	i := slices.IndexFunc(v.t.IdPs, func(idp IdP) bool { return idp.EntityID == name })
	if i < 0 {
		return nil, refuse(fault.InvalidIdentityToken, sayIssuer, fmt.Errorf("saml: the issuer %q", name))
	}
	return &v.t.IdPs[i], nil
}

// holds checks what the assertion says against what it must be made for.
func (v *verification) holds(a *Assertion) error {
	if a.Issuer != v.idp.EntityID {
		return refuse(fault.InvalidIdentityToken, sayIssuer, fmt.Errorf("saml: %s signed an assertion of %q", v.idp.EntityID, a.Issuer))
	}
	for _, audiences := range a.audiences {
		if !slices.ContainsFunc(audiences, v.t.Audience) {
			return refuse(fault.InvalidIdentityToken, sayAudience, fmt.Errorf("saml: the audiences %q", audiences))
		}
	}
	if !v.t.Recipient(a.Recipient) {
		return refuse(fault.InvalidIdentityToken, sayInvalid, fmt.Errorf("saml: the recipient %q", a.Recipient))
	}
	switch {
	case v.now.Add(Skew).Before(a.notBefore) || v.now.Add(Skew).Before(a.Issued):
		return refuse(fault.InvalidIdentityToken, sayNotYet, nil)
	case !v.now.Add(-Skew).Before(a.Expires):
		return refuse(fault.ExpiredIdentityToken, sayExpired, nil)
	case v.now.Sub(a.Issued) > MaxAge:
		return refuse(fault.ExpiredIdentityToken, sayTooOld, nil)
	case !a.SessionUntil.IsZero() && !v.now.Before(a.SessionUntil):
		return refuse(fault.ExpiredIdentityToken, sayExpired, errors.New("saml: the provider's session is over"))
	}
	if last := a.Issued.Add(MaxAge); last.Before(a.Expires.Add(Skew)) {
		a.Forget = last.Add(time.Second)
	} else {
		a.Forget = a.Expires.Add(Skew)
	}
	return nil
}
