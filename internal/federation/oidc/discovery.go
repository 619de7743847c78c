package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/outbound"
)

// Getter fetches over https, with the certificate trusted by authorities or thumbprints: an *outbound.Client.
type Getter interface {
	Get(ctx context.Context, address string, thumbprints []string) (*outbound.Answer, error)
}

// Metadata is what counts of a provider's discovery document (OpenID Connect Discovery 1.0, section 3).
type Metadata struct {
	Issuer    string // with scheme; the URL that was asked
	KeySetURL string // jwks_uri; https, perhaps of another host (S2-131)
}

// WellKnown is where the discovery document of the provider at issuer stands (S2-131).
func WellKnown(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// ParseMetadata reads the discovery document of the provider at issuer. A document that names another issuer is refused
// (section 4.3): it was not written for this URL.
func ParseMetadata(document []byte, issuer string) (*Metadata, error) {
	o, err := object(document)
	if err != nil {
		return nil, fmt.Errorf("oidc: the discovery document: %w", err)
	}
	if said, ok := text(o, "issuer"); !ok || said != issuer {
		return nil, errors.New("oidc: the discovery document is not this issuer's")
	}
	keys, ok := text(o, "jwks_uri")
	u, err := url.Parse(keys)
	if !ok || err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("oidc: the discovery document names no key set under https")
	}
	return &Metadata{Issuer: issuer, KeySetURL: keys}, nil
}

// discover fetches the discovery document.
func discover(ctx context.Context, g Getter, issuer string, thumbprints []string) (*Metadata, error) {
	a, err := g.Get(ctx, WellKnown(issuer), thumbprints)
	if err != nil {
		return nil, fmt.Errorf("oidc: the discovery document: %w", err)
	}
	return ParseMetadata(a.Body, issuer)
}

// Thumbprint asks the provider at issuer what it is to be trusted by: the thumbprint of the last certificate that the host of
// its key set presents (S2-130; "CreateOpenIDConnectProvider" in the IAM API Reference). The certificate must be trusted
// already: a thumbprint taken from whoever happens to answer would be trusted for good.
func Thumbprint(ctx context.Context, g Getter, issuer string) (string, error) {
	m, err := discover(ctx, g, issuer, nil)
	if err != nil {
		return "", err
	}
	a, err := g.Get(ctx, m.KeySetURL, nil)
	if err != nil {
		return "", fmt.Errorf("oidc: the key set: %w", err)
	}
	if len(a.Chain) == 0 {
		return "", errors.New("oidc: the host of the key set presents no certificate")
	}
	return outbound.Thumbprint(a.Chain[len(a.Chain)-1]), nil
}
