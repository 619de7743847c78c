package saml

import (
	"crypto/sha1" // AWS's name qualifier is made with it, and identifies without protecting
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Names of the attributes that AWS reads (S2-179 to S2-181; "Configure SAML assertions for the authentication response").
const (
	prefixAWS       = "https://aws.amazon.com/SAML/Attributes/"
	attrRole        = prefixAWS + "Role"
	attrSessionName = prefixAWS + "RoleSessionName"
	attrDuration    = prefixAWS + "SessionDuration"
	attrTransitive  = prefixAWS + "TransitiveTagKeys"
	attrSource      = prefixAWS + "SourceIdentity"
	attrTag         = prefixAWS + "PrincipalTag:"
)

// Claims are what an assertion asks for.
type Claims struct {
	Roles          []RolePair
	SessionName    string
	Duration       time.Duration // the longest that the session may last; zero: the assertion does not say
	Tags           []Tag
	TransitiveTags []string
	SourceIdentity string
}

// Offer is what a verified response offers its subject at the sign-in endpoint.
type Offer struct {
	Roles []RolePair // at least one
	// Duration is how long the console session should last, from the SessionDuration attribute (S2-181); zero: it does not say.
	Duration time.Duration
}

// RolePair is a role that the subject may have, and the provider that says so.
type RolePair struct{ Role, Provider string }

// Tag is a session tag.
type Tag struct{ Key, Value string }

// The shortest and the longest session that an assertion can ask for.
const (
	minDuration = 900
	maxDuration = 43200
)

var sessionName = regexp.MustCompile(`^[a-zA-Z_0-9+=,.@-]{2,64}$`)

// Claims reads the attributes for AWS. Sentences are AWS's (S3-409 to S3-412).
func (a *Assertion) Claims() (*Claims, error) {
	c := new(Claims)
	for _, value := range a.Values(attrRole) {
		pair, err := rolePair(value)
		if err != nil {
			return nil, invalid(err)
		}
		c.Roles = append(c.Roles, pair)
	}
	if len(c.Roles) == 0 {
		return nil, invalid(errors.New("saml: no role"))
	}
	names := a.Values(attrSessionName)
	if len(names) != 1 {
		return nil, refuse(fault.InvalidIdentityToken, "RoleSessionName is required in AuthnResponse", nil)
	}
	if c.SessionName = names[0]; !sessionName.MatchString(c.SessionName) {
		return nil, refuse(fault.InvalidIdentityToken, "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", nil)
	}
	if durations := a.Values(attrDuration); durations != nil {
		n, err := strconv.Atoi(strings.Join(durations, " "))
		if err != nil || n < minDuration || n > maxDuration {
			return nil, refuse(fault.InvalidIdentityToken, "SessionDuration in AuthnResponse must be an integer between 900 and 43200", err)
		}
		c.Duration = time.Duration(n) * time.Second
	}
	if sources := a.Values(attrSource); sources != nil {
		if c.SourceIdentity = strings.Join(sources, " "); !sessionName.MatchString(c.SourceIdentity) || reserved(c.SourceIdentity) {
			return nil, refuse(fault.InvalidIdentityToken, `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`, nil)
		}
	}
	for _, at := range a.Attributes {
		key, ok := strings.CutPrefix(at.Name, attrTag)
		if !ok {
			continue
		}
		if len(at.Values) != 1 {
			return nil, refuse(fault.InvalidIdentityToken, "A PrincipalTag attribute in AuthnResponse must have exactly one value", nil)
		}
		c.Tags = append(c.Tags, Tag{key, at.Values[0]})
	}
	c.TransitiveTags = a.Values(attrTransitive)
	return c, nil
}

func reserved(s string) bool { return len(s) >= 4 && strings.EqualFold(s[:4], "aws:") }

// rolePair reads the ARNs of a role and of a provider, in either order (S2-191).
func rolePair(value string) (RolePair, error) {
	first, second, ok := strings.Cut(value, ",")
	first, second = strings.TrimSpace(first), strings.TrimSpace(second)
	if strings.Contains(first, ":saml-provider/") {
		first, second = second, first
	}
	if !ok || !strings.Contains(first, ":role/") || !strings.Contains(second, ":saml-provider/") || strings.Contains(second, ",") {
		return RolePair{}, errors.New("saml: a role attribute that is no pair of a role and a provider")
	}
	return RolePair{first, second}, nil
}

// SubjectType is the format of the subject as AWS shows it: persistent, transient, or the URI; the prefix of SAML 2.0's own
// formats is left out (AssumeRoleWithSAML, API Reference; S2-202).
func (a *Assertion) SubjectType() string {
	return strings.TrimPrefix(a.Format, "urn:oasis:names:tc:SAML:2.0:nameid-format:")
}

// NameQualifier identifies an issuer in an account: with the subject it identifies a person (S2-200).
func NameQualifier(issuer, account, provider string) string {
	sum := sha1.Sum([]byte(issuer + account + "/" + provider))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Key is a condition key with its values.
type Key struct {
	Name   string
	Values []string
}

// StayingKeys are the condition keys that go on with the session (S4-211): they say who somebody is, not what the provider
// knows of them.
func (a *Assertion) StayingKeys(account, provider string) []Key {
	return []Key{
		{"saml:namequalifier", []string{NameQualifier(a.Issuer, account, provider)}},
		{"saml:sub", []string{a.Subject}},
		{"saml:sub_type", []string{a.SubjectType()}},
	}
}

// Keys are all condition keys of the assertion, for the trust policy of a role (S2-192 to S2-202, S4-208 to S4-210, S4-M37).
// Of a key with one value the first is taken, and of several attributes for a key the first (S2-189).
func (a *Assertion) Keys(account, provider string) []Key {
	keys := append(a.StayingKeys(account, provider),
		Key{"saml:aud", []string{a.Recipient}}, // not the audience (S2-178)
		Key{"saml:iss", []string{a.Issuer}},
		Key{"saml:doc", []string{account + "/" + provider}})
	given := make(map[string]bool)
	for _, at := range a.Attributes {
		for _, to := range attributeKeys[at.Name] {
			if len(at.Values) == 0 || given[to.name] {
				continue
			}
			given[to.name] = true
			values := at.Values
			if !to.list {
				values = values[:1]
			}
			keys = append(keys, Key{to.name, values})
		}
	}
	return keys
}

type attributeKey struct {
	name string
	list bool
}

// attributeKeys are the condition keys of attributes (S2-193 to S2-196). The guide has primarygroupsid as uid; the key
// saml:primaryGroupSID of today has no attribute named for it but that one.
var attributeKeys = map[string][]attributeKey{
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.1":  {{"saml:edupersonaffiliation", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.2":  {{"saml:edupersonnickname", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.3":  {{"saml:edupersonorgdn", false}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.4":  {{"saml:edupersonorgunitdn", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.5":  {{"saml:edupersonprimaryaffiliation", false}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.6":  {{"saml:edupersonprincipalname", false}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.7":  {{"saml:edupersonentitlement", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.8":  {{"saml:edupersonprimaryorgunitdn", false}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.9":  {{"saml:edupersonscopedaffiliation", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.10": {{"saml:edupersontargetedid", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.11": {{"saml:edupersonassurance", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.2":  {{"saml:eduorghomepageuri", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.3":  {{"saml:eduorgidentityauthnpolicyuri", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.4":  {{"saml:eduorglegalname", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.5":  {{"saml:eduorgsuperioruri", true}},
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.6":  {{"saml:eduorgwhitepagesuri", true}},
	"urn:oid:2.5.4.3":                   {{"saml:cn", true}},

	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":              {{"saml:name", false}},
	"http://schemas.xmlsoap.org/claims/CommonName":                            {{"saml:commonName", false}},
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname":         {{"saml:givenName", false}},
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":           {{"saml:surname", false}},
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress":      {{"saml:mail", false}},
	"http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": {{"saml:uid", false}, {"saml:primaryGroupSID", false}},

	"2.5.4.3":                    {{"saml:commonName", false}},
	"2.5.4.4":                    {{"saml:surname", false}},
	"2.4.5.42":                   {{"saml:givenName", false}},
	"2.5.4.45":                   {{"saml:x500UniqueIdentifier", false}},
	"0.9.2342.19200300100.1.1":   {{"saml:uid", false}},
	"0.9.2342.19200300100.1.3":   {{"saml:mail", false}},
	"0.9.2342.19200300.100.1.45": {{"saml:organizationStatus", false}},
}
