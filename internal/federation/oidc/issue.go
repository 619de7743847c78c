package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// The algorithms that tokens are signed with here ("GetWebIdentityToken" in the STS API Reference).
const (
	RS256 = "RS256" // RSA of 2048 bits with SHA-256
	ES384 = "ES384" // ECDSA on P-384 with SHA-384
)

// SigningAlgorithms are the algorithms of tokens that are made here.
func SigningAlgorithms() []string { return []string{RS256, ES384} }

// issuedRSA is the size in bits of RSA keys that are made here.
const issuedRSA = 2048

// SigningKey signs the tokens of an issuer of this installation. It is immutable and safe for concurrent use. Its text forms show
// nothing of the private half.
type SigningKey struct {
	id, algorithm string
	private       crypto.Signer
	signer        jose.Signer
}

// NewSigningKey makes a key for one of [SigningAlgorithms], from the system's randomness.
func NewSigningKey(algorithm string) (*SigningKey, error) {
	var private crypto.Signer
	var err error
	switch algorithm {
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, issuedRSA)
	case ES384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		return nil, fmt.Errorf("oidc: no key is made for the algorithm %.20q", algorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("oidc: making a key: %w", err)
	}
	return newSigningKey(algorithm, private)
}

// ParseSigningKey reads the private half as [SigningKey.Marshal] wrote it. A key that is not of the algorithm's type and size is
// refused.
func ParseSigningKey(algorithm string, pkcs8 []byte) (*SigningKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("oidc: a signing key cannot be read") // the cause could show a part of it
	}
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		if algorithm == RS256 && k.N.BitLen() >= issuedRSA {
			return newSigningKey(algorithm, k)
		}
	case *ecdsa.PrivateKey:
		if algorithm == ES384 && k.Curve == elliptic.P384() {
			return newSigningKey(algorithm, k)
		}
	}
	return nil, fmt.Errorf("oidc: a signing key that is not for %.20q", algorithm)
}

func newSigningKey(algorithm string, private crypto.Signer) (*SigningKey, error) {
	sum, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("oidc: naming a key: %w", err)
	}
	k := &SigningKey{id: base64.RawURLEncoding.EncodeToString(sum), algorithm: algorithm, private: private}
	k.signer, err = jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(algorithm), Key: jose.JSONWebKey{Key: private, KeyID: k.id},
	}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("oidc: preparing a key: %w", err)
	}
	return k, nil
}

// ID is the key's ID: the thumbprint of its public half (RFC 7638), so that two keys never share one.
func (k *SigningKey) ID() string { return k.id }

// Algorithm is the one algorithm that it signs with.
func (k *SigningKey) Algorithm() string { return k.algorithm }

// String names the key; with GoString it keeps the private half out of whatever is printed.
func (k *SigningKey) String() string { return k.algorithm + " " + k.id }

// GoString is String.
func (k *SigningKey) GoString() string { return k.String() }

// Marshal returns the private half as PKCS #8, to be sealed at once.
func (k *SigningKey) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

// Sign returns the token, in the compact form, whose claims are the payload.
func (k *SigningKey) Sign(payload []byte) (string, error) {
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("oidc: signing: %w", err)
	}
	return signed.CompactSerialize()
}

// KeySetDocument is the JSON Web Key Set of the keys' public halves (RFC 7517).
func KeySetDocument(keys []*SigningKey) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(keys))}
	for _, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: k.algorithm, Use: "sig"})
	}
	return json.Marshal(set)
}

// KeySetURL is where the key set of an issuer here stands.
func KeySetURL(issuer string) string { return issuer + keySetPath }

// DiscoveryDocument is the discovery document of an issuer here (OpenID Connect Discovery 1.0, section 3). Nobody signs in there: it
// has what a verifier of tokens needs, and what the specification demands.
func DiscoveryDocument(issuer string) ([]byte, error) {
	return json.Marshal(struct {
		Issuer     string   `json:"issuer"`
		Keys       string   `json:"jwks_uri"`
		Responses  []string `json:"response_types_supported"`
		Subjects   []string `json:"subject_types_supported"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
		Scopes     []string `json:"scopes_supported"`
		Claims     []string `json:"claims_supported"`
	}{
		issuer, KeySetURL(issuer), []string{"id_token"}, []string{"public"}, SigningAlgorithms(), []string{"openid"},
		[]string{"iss", "sub", "aud", "iat", "exp", "jti"},
	})
}
