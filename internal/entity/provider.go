package entity

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"time"
)

// SAMLProvider is a SAML 2.0 identity provider that an account trusts as far as its roles say so.
type SAMLProvider struct {
	ID             string // unique in the account; a provider made anew under the same name has another
	Account        string
	Name           string
	Metadata       []byte    // the document as uploaded, deflated: see Document
	IdPs           []SAMLIdP // what it says of whom to believe
	CreatedAt      time.Time
	ValidUntil     time.Time
	EncryptionMode string           `json:",omitempty"` // Required, Allowed, or empty: never set
	PrivateKeys    []SAMLPrivateKey `json:",omitempty"` // oldest first, two at most
	SingleUse      bool             `json:",omitempty"` // an assertion is accepted once (an operator's choice)
	AllowCBC       bool             `json:",omitempty"` // assertions encrypted with AES-CBC are accepted (an operator's choice)
	Tags           []Tag            `json:",omitempty"`
}

// SAMLIdP is an identity provider of a metadata document.
type SAMLIdP struct {
	EntityID     string
	Certificates [][]byte // DER, of its signing keys
}

// SetDocument keeps a metadata document of up to maxDocument bytes.
func (p *SAMLProvider) SetDocument(text string) error {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("entity: deflating a metadata document: %w", err)
	}
	p.Metadata = out.Bytes()
	return nil
}

// maxDocument is the size of the largest metadata document.
const maxDocument = 10_000_000

// Document is the metadata document as it was uploaded.
func (p *SAMLProvider) Document() (string, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(p.Metadata)), 4*maxDocument))
	if err != nil {
		return "", fmt.Errorf("entity: inflating the metadata document of %s: %w", p.ID, err)
	}
	return string(text), nil
}

// SAMLPrivateKey decrypts what a SAML provider encrypts for us.
type SAMLPrivateKey struct {
	ID      string
	AddedAt time.Time
	Sealed  []byte // PEM, sealed for seal.PrivateKey with ID as the associated data
}

// Kind implements Item.
func (*SAMLProvider) Kind() Kind { return KindSAMLProvider }

// Place implements Item.
func (p *SAMLProvider) Place() Place {
	return Place{Account: p.Account, ID: p.ID, Name: p.Name, Path: "/"}
}

// ARN of p.
func (p *SAMLProvider) ARN() string { return SAMLProviderARN(p.Account, p.Name) }

// SAMLProviderARN is the ARN of a SAML provider.
func SAMLProviderARN(account, name string) string {
	return iamARN(account, string(KindSAMLProvider), "/", name)
}

// OIDCProvider is an OpenID Connect identity provider that an account trusts as far as its roles say so.
type OIDCProvider struct {
	Account     string
	URL         string // without scheme, as AWS shows it: the issuer
	CreatedAt   time.Time
	ClientIDs   []string `json:",omitempty"` // audiences, in the order given
	Thumbprints []string `json:",omitempty"` // SHA-1 of certificates, 40 hexadecimal digits, in the order given
	Tags        []Tag    `json:",omitempty"`
}

// Kind implements Item.
func (*OIDCProvider) Kind() Kind { return KindOIDCProvider }

// Place implements Item.
func (p *OIDCProvider) Place() Place {
	return Place{Account: p.Account, ID: p.URL, Name: OIDCProviderName(p.URL), Path: "/"}
}

// OIDCProviderName is the name of a provider among others: its URL in a form in which names without case still tell URLs apart
// that differ in case (S2-126). A ^, which no URL has, stands before each upper-case letter.
func OIDCProviderName(url string) string {
	name := make([]byte, 0, len(url)+8)
	for i := range len(url) {
		if c := url[i]; 'A' <= c && c <= 'Z' {
			name = append(name, '^')
		}
		name = append(name, url[i])
	}
	return string(name)
}

// ARN of p.
func (p *OIDCProvider) ARN() string { return OIDCProviderARN(p.Account, p.URL) }

// OIDCProviderARN is the ARN of an OpenID Connect provider; url is without scheme.
func OIDCProviderARN(account, url string) string {
	return iamARN(account, string(KindOIDCProvider), "/", url)
}

// InstanceProfile hands a role to machines.
type InstanceProfile struct {
	ID        string // AIPA…
	Account   string
	Name      string
	Path      string
	CreatedAt time.Time
	Role      string `json:",omitempty"` // role ID; one at most
	Tags      []Tag  `json:",omitempty"`
}

// Kind implements Item.
func (*InstanceProfile) Kind() Kind { return KindInstanceProfile }

// Place implements Item. A role lists the profiles that it is in.
func (p *InstanceProfile) Place() Place {
	return Place{Account: p.Account, ID: p.ID, Name: p.Name, Path: p.Path, Owner: p.Role, Unique: true}
}

// ARN of p.
func (p *InstanceProfile) ARN() string {
	return InstanceProfileARN(p.Account, p.Path, p.Name)
}

// InstanceProfileARN is the ARN of an instance profile.
func InstanceProfileARN(account, path, name string) string {
	return iamARN(account, string(KindInstanceProfile), path, name)
}

// Labels are the tags of p.
func (p *SAMLProvider) Labels() []Tag { return p.Tags }

// Labels are the tags of p.
func (p *OIDCProvider) Labels() []Tag { return p.Tags }

// Labels are the tags of p.
func (p *InstanceProfile) Labels() []Tag { return p.Tags }
