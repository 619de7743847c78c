package saml

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// ParsePrivateKey reads the private key with which a provider's encrypted assertions are decrypted: one PEM block with an RSA
// key of at least [MinRSABits], PKCS #1 or PKCS #8, not encrypted, and nothing around it but white space. The error is a
// fault of kind InvalidInput with AWS's sentence.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	key, err := parsePrivateKey(text)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: "AddPrivateKey", Message: "Invalid private key.", Cause: err}
	}
	return key, nil
}

func parsePrivateKey(text []byte) (*rsa.PrivateKey, error) {
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, errors.New("saml: the private key does not begin with a PEM block")
	}
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || len(block.Headers) > 0 {
		return nil, errors.New("saml: the private key is not one plain PEM block")
	}
	var key *rsa.PrivateKey
	switch block.Type {
	case "RSA PRIVATE KEY":
		k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("saml: the private key is no PKCS #1") // the cause may quote the key
		}
		key = k
	case "PRIVATE KEY":
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("saml: the private key is no PKCS #8")
		}
		var ok bool
		if key, ok = k.(*rsa.PrivateKey); !ok {
			return nil, fmt.Errorf("saml: the private key is a %T", k)
		}
	default:
		return nil, fmt.Errorf("saml: the PEM block is a %.40q", block.Type)
	}
	if err := checkPublicKey(&key.PublicKey); err != nil {
		return nil, err
	}
	return key, nil
}
