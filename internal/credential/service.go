package credential

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// The secrets of service-specific credentials are random, 352 bits of them. So that a fast digest is safe to keep: there is
// nothing to guess. It is kept sealed nonetheless, which makes it a keyed one: who has the store alone cannot even check a guess,
// and a digest that was copied into another record does not open there.

const servicePasswordBytes = 44 // 60 characters of base64

// apiKeyPrefixes are what API keys begin with, by service. Amazon Bedrock's is documented; the others are as seen.
var apiKeyPrefixes = map[string]string{
	"bedrock.amazonaws.com": "ABSK", "logs.amazonaws.com": "ACWL", "cloudwatch.amazonaws.com": "APIAACWM",
	"aws-external-anthropic.amazonaws.com": "AEAA",
}

// NewServicePassword returns a password of 60 characters for services that ask for a user name and a password.
// random is the source of randomness; nil means crypto/rand.
func NewServicePassword(random io.Reader) (secret.Text, error) {
	var raw [servicePasswordBytes]byte
	if err := fill(raw[:], random); err != nil {
		return secret.Text{}, err
	}
	return secret.New(base64.StdEncoding.EncodeToString(raw[:])), nil
}

// HasAPIKeys reports whether a service's credentials are API keys: one text, sent as a bearer token, that names the credential
// and proves it.
func HasAPIKeys(service string) bool { return apiKeyPrefixes[service] != "" }

// NewAPIKey returns an API key of a service that has them: the service's prefix and base64 of the alias, a colon and a password.
func NewAPIKey(service, alias string, random io.Reader) (secret.Text, error) {
	password, err := NewServicePassword(random)
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(apiKeyPrefixes[service] + base64.StdEncoding.EncodeToString([]byte(alias+":"+password.Reveal()))), nil
}

// APIKeyAlias reads the alias out of an API key of a service. It says nothing about whether the key is one.
func APIKeyAlias(service string, key secret.Text) (alias string, ok bool) {
	prefix := apiKeyPrefixes[service]
	encoded, ok := strings.CutPrefix(key.Reveal(), prefix)
	if prefix == "" || !ok || strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return "", false
	}
	text, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", false
	}
	alias, _, ok = strings.Cut(string(text), ":")
	return alias, ok && alias != ""
}

// ServiceSecretDigest is what is kept, sealed, of a service-specific credential's secret.
func ServiceSecretDigest(s secret.Text) []byte {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return sum[:]
}
