package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// KeySet is the keys of a provider that can verify tokens. It is immutable.
type KeySet struct{ keys []publicKey }

// publicKey is one key of a set.
type publicKey struct {
	id        string
	fits      string // what algorithms want: RSA, or the name of a curve
	algorithm string // the one algorithm it is for; empty: any that fits
	key       any    // *rsa.PublicKey or *ecdsa.PublicKey
}

// ParseKeySet reads a JSON Web Key Set (RFC 7517). Keys that cannot verify a token here are left out: those of other types, for
// other uses, too short or too long, and those that are published with their private half. A set with more than a hundred
// RSA keys or a hundred of elliptic curves is refused.
func ParseKeySet(document []byte) (*KeySet, error) {
	o, err := object(document)
	if err != nil {
		return nil, fmt.Errorf("oidc: the key set: %w", err)
	}
	var all []json.RawMessage
	if raw := o["keys"]; len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return nil, errors.New("oidc: the key set has no list of keys")
	}
	set, rsaKeys, ecKeys := new(KeySet), 0, 0
	for _, raw := range all {
		o, err := object(raw)
		if err != nil {
			return nil, fmt.Errorf("oidc: a key: %w", err)
		}
		switch kty, _ := text(o, "kty"); kty {
		case "RSA":
			rsaKeys++
		case "EC":
			ecKeys++
		default:
			continue
		}
		if rsaKeys > maxKeys || ecKeys > maxKeys {
			return nil, fmt.Errorf("oidc: the key set has more than %d keys of a type", maxKeys)
		}
		if k, ok := readKey(o, raw); ok {
			set.keys = append(set.keys, k)
		}
	}
	return set, nil
}

// readKey reads one RSA or EC key; ok is false for one that is not to be used.
func readKey(o map[string]json.RawMessage, raw []byte) (k publicKey, ok bool) {
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, there := o[private]; there {
			return k, false
		}
	}
	if _, there := o["use"]; there {
		if use, _ := text(o, "use"); use != "sig" {
			return k, false
		}
	}
	if _, there := o["key_ops"]; there {
		if ops, ok := texts(o, "key_ops"); !ok || !slices.Contains(ops, "verify") {
			return k, false
		}
	}
	if _, there := o["alg"]; there {
		if k.algorithm, _ = text(o, "alg"); algorithms[jose.SignatureAlgorithm(k.algorithm)] == "" {
			return k, false
		}
	}
	if _, there := o["kid"]; there {
		if k.id, ok = text(o, "kid"); !ok {
			return k, false
		}
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(raw) != nil || !jwk.Valid() {
		return k, false
	}
	switch key := jwk.Key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA || key.E < 3 || key.E%2 == 0 {
			return k, false
		}
		k.fits, k.key = "RSA", key
	case *ecdsa.PublicKey:
		k.fits, k.key = key.Curve.Params().Name, key
	default:
		return k, false
	}
	return k, k.algorithm == "" || algorithms[jose.SignatureAlgorithm(k.algorithm)] == k.fits
}

// Has reports whether a key with that ID is in the set.
func (s *KeySet) Has(id string) bool {
	return slices.ContainsFunc(s.keys, func(k publicKey) bool { return k.id == id })
}

// choose finds the one key that can have signed the token: of the algorithm's type and with the ID that the token names. A token
// that names no key needs a set that leaves no choice.
func (s *KeySet) choose(t *Token) (any, error) {
	var chosen any
	for _, k := range s.keys {
		if k.fits != algorithms[t.algorithm] || k.algorithm != "" && k.algorithm != string(t.algorithm) || t.hasKeyID && k.id != t.keyID {
			continue
		}
		if chosen != nil {
			return nil, invalid(sayKey, errors.New("more than one key fits"))
		}
		chosen = k.key
	}
	if chosen == nil {
		return nil, invalid(sayKey, errors.New("no key fits"))
	}
	return chosen, nil
}
