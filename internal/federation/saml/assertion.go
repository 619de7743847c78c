package saml

import (
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Assertion is what a verified assertion says.
type Assertion struct {
	ID           string
	Issuer       string
	Subject      string // the NameID
	Format       string // of the NameID, a URI; unspecified where it says none
	Recipient    string
	InResponseTo string // the request that it answers; empty where nobody asked
	Issued       time.Time
	Expires      time.Time // the earliest end that it states
	SessionUntil time.Time // when the provider's own session with the subject ends; zero: it does not say
	OneTimeUse   bool      // the provider wants it to be used once
	Attributes   []Attribute

	// Forget is when nobody can use the assertion any more, whatever clocks say: so long is it remembered that was used.
	Forget time.Time

	notBefore time.Time  // the latest beginning that it states
	audiences [][]string // of each AudienceRestriction
}

// Attribute is one attribute. A name may come more than once.
type Attribute struct {
	Name   string
	Values []string
}

const (
	methodBearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	formatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	maxSubject        = 1024
)

// NotAuthorized is AWS's sentence where an assertion does not say who it speaks of, or names another role (S3-411).
const NotAuthorized = "Not authorized to perform sts:AssumeRoleWithSAML"

// readAssertion reads a verified Assertion element.
func readAssertion(el *etree.Element) (*Assertion, error) {
	a := new(Assertion)
	for _, read := range []func(*etree.Element) error{a.readHead, a.readSubject, a.readConditions, a.readStatements} {
		if err := read(el); err != nil {
			if _, ok := errors.AsType[*fault.Error](err); ok {
				return nil, err
			}
			return nil, invalid(err)
		}
	}
	return a, nil
}

func (a *Assertion) readHead(el *etree.Element) (err error) {
	if version, _ := attr(el, "Version"); version != "2.0" {
		return fmt.Errorf("saml: an assertion of version %q", version)
	}
	a.ID, _ = attr(el, "ID")
	at, _ := attr(el, "IssueInstant")
	if a.Issued, err = instant(at); err != nil {
		return err
	}
	issuer, err := need(el, nsAssertion, "Issuer")
	if err != nil {
		return err
	}
	a.Issuer, err = text(issuer)
	return err
}

// readSubject reads who is spoken of, and the one confirmation that whoever bears the assertion is that somebody (S2-174).
func (a *Assertion) readSubject(el *etree.Element) error {
	subject, err := child(el, nsAssertion, "Subject")
	if err != nil {
		return err
	}
	if subject == nil {
		return refuse(fault.Denied, NotAuthorized, errors.New("saml: no subject"))
	}
	for _, c := range subject.ChildElements() {
		if c.NamespaceURI() != nsAssertion || c.Tag != "NameID" && c.Tag != "SubjectConfirmation" {
			return fmt.Errorf("saml: %s in the subject", c.Tag)
		}
	}
	name, err := child(subject, nsAssertion, "NameID")
	if err != nil {
		return err
	}
	if name == nil {
		return refuse(fault.Denied, NotAuthorized, errors.New("saml: no NameID"))
	}
	if a.Subject, err = text(name); err != nil {
		return err
	}
	if a.Subject == "" || len(a.Subject) > maxSubject {
		return refuse(fault.Denied, NotAuthorized, errors.New("saml: an empty or overlong NameID"))
	}
	if a.Format, _ = attr(name, "Format"); a.Format == "" {
		a.Format = formatUnspecified
	}
	return a.readConfirmation(subject)
}

func (a *Assertion) readConfirmation(subject *etree.Element) error {
	confirmation, err := need(subject, nsAssertion, "SubjectConfirmation")
	if err != nil {
		return err
	}
	if method, _ := attr(confirmation, "Method"); method != methodBearer {
		return fmt.Errorf("saml: the subject is confirmed by %q", method)
	}
	data, err := need(confirmation, nsAssertion, "SubjectConfirmationData")
	if err != nil {
		return err
	}
	if a.Recipient, _ = attr(data, "Recipient"); a.Recipient == "" {
		return errors.New("saml: no recipient")
	}
	a.InResponseTo, _ = attr(data, "InResponseTo")
	if _, ok := attr(data, "NotOnOrAfter"); !ok {
		return errors.New("saml: the confirmation has no end")
	}
	return a.window(data)
}

// window narrows the time in which the assertion holds to that of an element.
func (a *Assertion) window(el *etree.Element) error {
	if value, ok := attr(el, "NotBefore"); ok {
		at, err := instant(value)
		if err != nil {
			return err
		}
		if at.After(a.notBefore) {
			a.notBefore = at
		}
	}
	if value, ok := attr(el, "NotOnOrAfter"); ok {
		at, err := instant(value)
		if err != nil {
			return err
		}
		if a.Expires.IsZero() || at.Before(a.Expires) {
			a.Expires = at
		}
	}
	return nil
}

// readConditions reads for when and for whom the assertion is made. A condition that is not understood may be broken, and so
// is refused (SAML core, 2.5.1).
func (a *Assertion) readConditions(el *etree.Element) error {
	conditions, err := need(el, nsAssertion, "Conditions")
	if err != nil {
		return err
	}
	if err := a.window(conditions); err != nil {
		return err
	}
	for _, c := range conditions.ChildElements() {
		switch {
		case is(c, nsAssertion, "AudienceRestriction"):
			audiences := []string{}
			for _, e := range children(c, nsAssertion, "Audience") {
				audience, err := text(e)
				if err != nil {
					return err
				}
				audiences = append(audiences, audience)
			}
			a.audiences = append(a.audiences, audiences)
		case is(c, nsAssertion, "OneTimeUse"):
			a.OneTimeUse = true
		case is(c, nsAssertion, "ProxyRestriction"): // nobody is vouched for on the strength of it
		default:
			return fmt.Errorf("saml: the condition %s", c.Tag)
		}
	}
	if len(a.audiences) == 0 {
		return refuse(fault.InvalidIdentityToken, sayAudience, errors.New("saml: no audience"))
	}
	return nil
}

// readStatements reads when the subject's session with the provider ends, and the attributes.
func (a *Assertion) readStatements(el *etree.Element) error {
	statements := children(el, nsAssertion, "AuthnStatement")
	if len(statements) == 0 {
		return errors.New("saml: nobody says that the subject was authenticated")
	}
	for _, s := range statements {
		value, ok := attr(s, "SessionNotOnOrAfter")
		if !ok {
			continue
		}
		at, err := instant(value)
		if err != nil {
			return err
		}
		if a.SessionUntil.IsZero() || at.Before(a.SessionUntil) {
			a.SessionUntil = at
		}
	}
	for _, s := range children(el, nsAssertion, "AttributeStatement") {
		for _, c := range s.ChildElements() {
			if !is(c, nsAssertion, "Attribute") {
				return fmt.Errorf("saml: %s among the attributes", c.Tag)
			}
			if err := a.readAttribute(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Assertion) readAttribute(el *etree.Element) error {
	name, _ := attr(el, "Name")
	if name == "" {
		return errors.New("saml: an attribute without a name")
	}
	at := Attribute{Name: name}
	for _, v := range children(el, nsAssertion, "AttributeValue") {
		if inner := v.ChildElements(); len(inner) == 1 && is(inner[0], nsAssertion, "NameID") {
			v = inner[0] // as eduPersonTargetedID has it
		}
		value, err := text(v)
		if err != nil {
			return err
		}
		at.Values = append(at.Values, value)
	}
	a.Attributes = append(a.Attributes, at)
	return nil
}

// Values are those of the first attribute with that name, and how they are written matters; nil where there is none (S2-189,
// S2-190).
func (a *Assertion) Values(name string) []string {
	for _, at := range a.Attributes {
		if at.Name == name {
			return at.Values
		}
	}
	return nil
}
