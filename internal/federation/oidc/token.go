package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Token is a token that was read. Nothing in it is proved.
type Token struct {
	text      string
	algorithm jose.SignatureAlgorithm
	keyID     string // empty: the header names no key
	hasKeyID  bool
	claims    *claims
}

// Issuer is whose token it claims to be.
func (t *Token) Issuer() string { return t.claims.issuer }

// KeyID is the key that it names; empty where it names none.
func (t *Token) KeyID() string { return t.keyID }

// encoding is base64url as JWS has it. Strict does not mean that line ends are refused: they are looked for apart.
var encoding = base64.RawURLEncoding.Strict()

// Read takes a token in the compact form apart. The error is of kind InvalidIdentityToken.
func Read(text string) (*Token, error) {
	if len(text) > maxToken || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" ||
		strings.ContainsAny(text, "\r\n") {
		return nil, invalid(sayNotJWT, errors.New("too long, or not in the alphabet"))
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, invalid(sayNotJWT, fmt.Errorf("%d parts", len(parts)))
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = encoding.DecodeString(part); err != nil || len(part) == 0 {
			return nil, invalid(sayNotJWT, fmt.Errorf("part %d: %w", i, errors.Join(err)))
		}
	}
	t := &Token{text: text}
	if err := t.readHeader(decoded[0]); err != nil {
		return nil, invalid(sayNotJWT, fmt.Errorf("header: %w", err))
	}
	o, err := object(decoded[1])
	if err != nil {
		return nil, invalid(sayNotJWT, fmt.Errorf("payload: %w", err))
	}
	t.claims, err = readClaims(o)
	return t, err
}

// readHeader reads the protected header (RFC 7515, section 4). Headers that carry or point to a key (jwk, jku, x5c, x5u) are not
// looked at; crit and b64 change what a token means, and are refused.
func (t *Token) readHeader(header []byte) error {
	o, err := object(header)
	if err != nil {
		return err
	}
	alg, _ := text(o, "alg")
	t.algorithm = jose.SignatureAlgorithm(alg)
	if algorithms[t.algorithm] == "" {
		return fmt.Errorf("the algorithm %.20q is not accepted", alg)
	}
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, ok := o[name]; ok {
			return fmt.Errorf("a header %s", name)
		}
	}
	if _, ok := o["typ"]; ok { // a token of another type was not made to sign anybody in
		if typ, ok := text(o, "typ"); !ok || !strings.EqualFold(typ, "JWT") {
			return fmt.Errorf("the type %.20q", typ)
		}
	}
	if _, t.hasKeyID = o["kid"]; t.hasKeyID {
		var ok bool
		if t.keyID, ok = text(o, "kid"); !ok || t.keyID == "" {
			return errors.New("a key ID that is none")
		}
	}
	return nil
}

// Provider is what an account says of an OpenID Connect provider.
type Provider struct {
	Issuer    string // with scheme
	ClientIDs []string
}

// Check holds the claims against the provider and the time, and proves nothing: it saves looking for keys in vain.
func (t *Token) Check(p *Provider, now time.Time) error {
	c := t.claims
	if c.issuer != p.Issuer {
		return invalid(sayIssuer, nil)
	}
	if err := c.checkAudience(p.ClientIDs); err != nil {
		return err
	}
	switch {
	case !now.Before(c.expires):
		return &fault.Error{Kind: fault.ExpiredIdentityToken, Message: fmt.Sprintf(
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), c.expires.Unix())}
	case now.Sub(c.issued) > maxAge:
		return &fault.Error{Kind: fault.ExpiredIdentityToken, Message: fmt.Sprintf("Token too old: %d", int64(now.Sub(c.issued)/time.Second))}
	case c.issued.Sub(now) > skew:
		return invalid(fmt.Sprintf("Token issued in the future: current date/time %d must be after the issue date/time %d", now.Unix(), c.issued.Unix()), nil)
	case c.notBefore.Sub(now) > skew:
		return invalid(fmt.Sprintf("Token not yet valid: current date/time %d must be after %d", now.Unix(), c.notBefore.Unix()), nil)
	case !c.issued.Before(c.expires):
		return invalid(sayClaim+"exp", nil)
	}
	return nil
}

// checkAudience holds the audience to the client IDs. Where the token names an authorized party, that party is the audience that
// counts, and must be a client ID ("Available keys for AWS OIDC federation": aud is azp where that is set); one of those that
// the token was made for must be one too, so that nobody else to whom such tokens are sent can use them here. A token made for
// several that names no party is refused (OpenID Connect Core 1.0, section 3.1.3.7).
func (c *claims) checkAudience(clientIDs []string) error {
	known := func(id string) bool { return slices.Contains(clientIDs, id) }
	if !slices.ContainsFunc(c.audiences, known) || c.party != "" && !known(c.party) || c.party == "" && len(c.audiences) > 1 {
		return invalid(sayAudience, nil)
	}
	return nil
}

// Verify proves that the token is the provider's, by its keys, and returns what it says.
func (t *Token) Verify(p *Provider, keys *KeySet, now time.Time) (*Identity, error) {
	if err := t.Check(p, now); err != nil {
		return nil, err
	}
	key, err := keys.choose(t)
	if err != nil {
		return nil, err
	}
	signed, err := jose.ParseSignedCompact(t.text, []jose.SignatureAlgorithm{t.algorithm})
	if err != nil {
		return nil, invalid(sayNotJWT, err)
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return nil, invalid(saySigned, err)
	}
	// What the signature covers is read again: nothing comes from bytes that it does not cover.
	o, err := object(payload)
	if err != nil {
		return nil, invalid(sayNotJWT, err)
	}
	c, err := readClaims(o)
	if err != nil {
		return nil, err
	}
	return c.identity(p), nil
}

// number reads a NumericDate (RFC 7519, section 2): seconds, perhaps with a fraction, which is cut.
func number(o map[string]json.RawMessage, name string) (t time.Time, ok bool) {
	whole, fraction, _ := strings.Cut(string(o[name]), ".")
	if whole == "" || len(whole) > 11 || strings.Trim(whole, "0123456789") != "" || len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	var seconds int64
	for i := range len(whole) {
		seconds = 10*seconds + int64(whole[i]-'0')
	}
	return time.Unix(seconds, 0).UTC(), true
}
