// Package oidc verifies the tokens of OpenID Connect providers, and fetches the keys to do it with; and it signs tokens.
//
// Verification is a function of the token, the provider's settings, its keys and the time: [Read] takes a token apart and proves
// nothing, [Token.Check] holds its claims against the provider, [Token.Verify] its signature against the keys. Only what Verify
// returns may be used. What it promises:
//
//   - Signatures are RS256, RS384, RS512, ES256, ES384 or ES512 (D20). The algorithm is bound to the type of the key, and to the
//     key's curve, so that no key is used for what it was not made for; a key comes from the provider's key set and from nowhere
//     else, whatever the token's header says.
//   - A token has one spelling and one meaning: strict base64url, no member twice at any depth, names with case, no critical
//     headers.
//   - The issuer is the provider, character by character; the audience is one of its client IDs; it is neither too early, too
//     late nor too old.
//
// Errors are [fault.Error]s with AWS's sentences; their causes are for logs. [Keys] is the only part that does I/O.
//
// The other direction is here too, because one package has to know JOSE: [SigningKey] signs the tokens that accounts of this
// installation show elsewhere, [KeySetDocument] and [DiscoveryDocument] are what is published for those who verify them, and
// [IssuerForm] is where. Keys are kept, and tokens written, by others.
package oidc

import (
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Limits.
const (
	maxToken   = 20000            // characters; the API model's
	maxSubject = 255              // characters; the API model's
	maxKeys    = 100              // of each type in a key set ("AssumeRoleWithWebIdentity" in the STS API Reference)
	minRSA     = 2048             // bits
	maxRSA     = 8192             // bits; verification takes time
	maxAge     = 24 * time.Hour   // since iat, however late the token expires
	skew       = 60 * time.Second // how far the provider's clock may be ahead. None is given at the end of a token's life
)

// algorithms are those of D20, and what each needs of a key.
var algorithms = map[jose.SignatureAlgorithm]string{
	jose.RS256: "RSA", jose.RS384: "RSA", jose.RS512: "RSA",
	jose.ES256: "P-256", jose.ES384: "P-384", jose.ES512: "P-521",
}

// AWS's sentences.
const (
	sayNotJWT   = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
	sayAudience = "Incorrect token audience"
	sayIssuer   = "Token issuer does not match the identity provider"
	sayKey      = "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
	sayPinned   = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
	saySigned   = "The token's signature could not be verified"
	sayMissing  = "Missing a required claim: "
	sayClaim    = "Invalid value of the claim: "
)

func invalid(message string, cause error) error {
	return &fault.Error{Kind: fault.InvalidIdentityToken, Subject: "WebIdentityToken", Message: message, Cause: cause}
}
