package oidc_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
)

// TestKeySets: keys that are not fit to verify a token are not in the set.
func TestKeySets(t *testing.T) {
	rs, es := testKeys()["RS256"], testKeys()["ES256"]
	changed := func(k *oidctest.Key, change map[string]any) map[string]any {
		o := k.JWK()
		for name, value := range change {
			if value == nil {
				delete(o, name)
			} else {
				o[name] = value
			}
		}
		return o
	}
	for name, c := range map[string]struct {
		key  map[string]any
		want bool
	}{
		"RSA": {rs.JWK(), true}, "EC": {es.JWK(), true}, "without use and algorithm": {changed(rs, map[string]any{"use": nil, "alg": nil}), true},
		"for verifying":         {changed(rs, map[string]any{"key_ops": []string{"verify"}}), true},
		"for encryption":        {changed(rs, map[string]any{"use": "enc"}), false},
		"a use of no text":      {changed(rs, map[string]any{"use": 1}), false},
		"for signing alone":     {changed(rs, map[string]any{"key_ops": []string{"sign"}}), false},
		"for PS256":             {changed(rs, map[string]any{"alg": "PS256"}), false},
		"for HS256":             {changed(rs, map[string]any{"alg": "HS256"}), false},
		"for the wrong type":    {changed(rs, map[string]any{"alg": "ES256"}), false},
		"the wrong curve":       {changed(es, map[string]any{"alg": "ES384"}), false},
		"with its private half": {changed(rs, map[string]any{"d": "AQAB"}), false},
		"symmetric":             {map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, false},
		"Ed25519":               {map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "x"}, false},
		"RSA of 1024 bits":      {changed(rs, map[string]any{"n": rs.JWK()["n"].(string)[:172]}), false},
		"RSA exponent 1":        {changed(rs, map[string]any{"e": "AQ"}), false},
		"RSA exponent even":     {changed(rs, map[string]any{"e": "Ag"}), false},
		"EC point off curve":    {changed(es, map[string]any{"y": es.JWK()["x"]}), false},
		"EC curve unknown":      {changed(es, map[string]any{"crv": "secp256k1"}), false},
		"a key ID of no text":   {changed(rs, map[string]any{"kid": 7}), false},
	} {
		set, err := oidc.ParseKeySet(document(t, c.key))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		id, _ := c.key["kid"].(string)
		if got := set.Has(id); got != c.want {
			t.Errorf("%s: in the set: %v", name, got)
		}
	}
	many := func(k *oidctest.Key, n int) (all []any) {
		for i := range n {
			all = append(all, changed(k, map[string]any{"kid": fmt.Sprint(i)}))
		}
		return all
	}
	if _, err := oidc.ParseKeySet(document(t, append(many(rs, 100), many(es, 100)...)...)); err != nil {
		t.Errorf("a hundred of each: %v", err)
	}
	for _, k := range []*oidctest.Key{rs, es} {
		if _, err := oidc.ParseKeySet(document(t, many(k, 101)...)); err == nil {
			t.Errorf("101 keys for %s are accepted", k.Algorithm)
		}
	}
	for _, bad := range []string{"", "[]", "{}", `{"keys":{}}`, `{"keys":null}`, `{"keys":[1]}`, `{"keys":[],"keys":[]}`, `{"keys":[{"kty":"RSA","kty":"EC"}]}`, `{"KEYS":[]}`} {
		if _, err := oidc.ParseKeySet([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	// Keys that say nothing of themselves are told apart by their type and curve.
	bare := map[string]any{"alg": nil, "kid": nil, "use": nil}
	es384 := testKeys()["ES384"]
	if _, err := verify(es.Compact(map[string]any{"alg": "ES256"}, with(nil)), provider, keySet(t, changed(rs, bare), changed(es, bare), changed(es384, bare)), now); err != nil {
		t.Errorf("one key of the algorithm's type and curve: %v", err)
	}
	// Two keys that both could have signed it: neither is chosen.
	twin := oidctest.NewKey(t, es.ID, "ES256")
	for _, set := range []*oidc.KeySet{keySet(t, es, twin), keySet(t, twin, es)} {
		if _, err := verify(es.Compact(es.Header(), with(nil)), provider, set, now); err == nil {
			t.Error("one of two keys with the same ID is chosen")
		}
	}
}

func TestMetadata(t *testing.T) {
	good := map[string]any{"issuer": issuer, "jwks_uri": "https://keys.example/jwks"}
	text := func(change map[string]any) []byte {
		o := map[string]any{}
		for name, value := range good {
			o[name] = value
		}
		for name, value := range change {
			o[name] = value
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m, err := oidc.ParseMetadata(text(nil), issuer)
	if err != nil || *m != (oidc.Metadata{Issuer: issuer, KeySetURL: "https://keys.example/jwks"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for name, change := range map[string]map[string]any{
		"another issuer": {"issuer": "https://evil.example"}, "a slash": {"issuer": issuer + "/"}, "no text": {"issuer": 1},
		"http keys": {"jwks_uri": "http://keys.example"}, "file keys": {"jwks_uri": "file:///etc/passwd"}, "no host": {"jwks_uri": "https:///x"}, "no keys": {"jwks_uri": ""},
	} {
		if _, err := oidc.ParseMetadata(text(change), issuer); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := oidc.ParseMetadata([]byte(`{"issuer":"x","issuer":"`+issuer+`","jwks_uri":"https://keys.example"}`), issuer); err == nil {
		t.Error("two issuers are accepted")
	}
	if got := oidc.WellKnown("https://idp.example/"); got != "https://idp.example/.well-known/openid-configuration" {
		t.Errorf("the discovery document of an issuer with a slash is at %s", got)
	}
}

// FuzzToken: whatever is read, nothing but what the key signed is believed; what is believed names issuer and audience.
func FuzzToken(f *testing.F) {
	k := testKeys()["ES256"]
	keys := keySet(f, k)
	good := k.Compact(k.Header(), with(nil))
	f.Add(good)
	f.Add(k.Compact(`{"alg":"none"}`, `{}`))
	f.Add(k.Compact(k.Header(), `{"iss":"x","sub":"y","aud":["a","b"],"exp":1,"iat":1,"https://aws.amazon.com/tags":{"principal_tags":{"a":["b"]}}}`))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := verify(text, provider, keys, now)
		if err == nil && text != good {
			t.Errorf("%q is believed to be %+v", text, id)
		}
		// Signed, whatever it says is read without a panic, and twice alike.
		signed := k.Compact(k.Header(), text)
		one, err1 := verify(signed, provider, keys, now)
		two, err2 := verify(signed, provider, keys, now)
		if (err1 == nil) != (err2 == nil) || err1 == nil && (one.Subject == "" || one.Audience != two.Audience) {
			t.Errorf("%q: %+v, %v", text, one, err1)
		}
	})
}

func FuzzKeySet(f *testing.F) {
	f.Add(document(f, testKeys()["RS256"], testKeys()["ES512"]))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if set, err := oidc.ParseKeySet(text); err == nil && set == nil {
			t.Error("neither a set nor an error")
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"`+issuer+`","jwks_uri":"https://keys.example/jwks"}`), issuer)
	f.Fuzz(func(t *testing.T, text []byte, of string) {
		if m, err := oidc.ParseMetadata(text, of); err == nil && (m.Issuer != of || m.KeySetURL == "") {
			t.Errorf("%+v", m)
		}
	})
}
