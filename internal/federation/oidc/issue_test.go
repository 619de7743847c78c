package oidc_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
)

// TestSigningKeys: what is signed here, our own verifier accepts with what is published, and the private half comes back from its
// stored form.
func TestSigningKeys(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	payload := fmt.Appendf(nil, `{"iss":"https://issuer.example","sub":"me","aud":"app","iat":%d,"exp":%d}`, now.Unix(), now.Unix()+60)
	var keys []*oidc.SigningKey
	for _, algorithm := range oidc.SigningAlgorithms() {
		k, err := oidc.NewSigningKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := oidc.ParseSigningKey(algorithm, text)
		if err != nil || again.ID() != k.ID() || again.Algorithm() != algorithm {
			t.Fatalf("%v, %v", again, err)
		}
		for _, other := range append(oidc.SigningAlgorithms(), "RS512", "none", "") {
			if _, err := oidc.ParseSigningKey(other, text); other != algorithm && err == nil {
				t.Errorf("a key for %s is one for %s", algorithm, other)
			}
		}
		for _, printed := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), fmt.Sprintf("%q", k)} {
			if !strings.Contains(printed, k.ID()) || len(printed) > 60 {
				t.Errorf("prints as %s", printed)
			}
		}
		keys = append(keys, again)
	}
	document, err := oidc.KeySetDocument(keys)
	if err != nil {
		t.Fatal(err)
	}
	set, err := oidc.ParseKeySet(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !set.Has(k.ID()) || !bytes.Contains(document, []byte(`"alg":"`+k.Algorithm()+`"`)) {
			t.Errorf("%s lacks %s", document, k)
		}
		token, err := k.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		read, err := oidc.Read(token)
		if err != nil || read.KeyID() != k.ID() {
			t.Fatal(read, err)
		}
		if _, err := read.Verify(&oidc.Provider{Issuer: "https://issuer.example", ClientIDs: []string{"app"}}, set, now); err != nil {
			t.Error(err)
		}
	}
	if _, err := oidc.NewSigningKey("HS256"); err == nil {
		t.Error("a key for HS256")
	}
}

// TestUnfitSigningKeys: a stored key of another size or curve is not used.
func TestUnfitSigningKeys(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range map[string]any{"ES384": p256, "RS256": small} {
		text, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := oidc.ParseSigningKey(algorithm, text); err == nil {
			t.Errorf("%s: accepted", algorithm)
		}
		if _, err := oidc.ParseSigningKey(algorithm, text[1:]); err == nil {
			t.Errorf("%s: what is no key is accepted", algorithm)
		}
	}
}

const someIssuer = "0e4cd05c-3f9e-4e53-9d4a-2f0f6a3e1d11"

func TestIssuerForms(t *testing.T) {
	for text, want := range map[string]struct{ issuer, host, path string }{
		oidc.DefaultIssuers:                    {"https://ID.tokens.sts.ostiary.internal", "ID.tokens.sts.ostiary.internal", ""},
		"https://{id}.tokens.example.com:8443": {"https://ID.tokens.example.com:8443", "ID.Tokens.Example.com:8443", ""},
		"https://{id}.x":                       {"https://ID.x", "ID.x.", ""},
		"https://iam.example.com/issuers/{id}": {"https://iam.example.com/issuers/ID", "anything", "/issuers/ID"},
		"https://iam.example.com/{id}":         {"https://iam.example.com/ID", "iam.example.com", "/ID"},
		"http://127.0.0.1:4566/a/b-c/{id}":     {"http://127.0.0.1:4566/a/b-c/ID", "127.0.0.1:4566", "/a/b-c/ID"},
		"http://localhost/{id}":                {"http://localhost/ID", "localhost", "/ID"},
		"http://[::1]:1/{id}":                  {"http://[::1]:1/ID", "[::1]:1", "/ID"},
		"http://{id}.localhost:4566":           {"http://ID.localhost:4566", "ID.localhost:4566", ""},
	} {
		f, err := oidc.ParseIssuerForm(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		fill := func(s string) string { return strings.ReplaceAll(s, "ID", someIssuer) }
		if got := f.URL(someIssuer); got != fill(want.issuer) || !f.Has(got) || f.Has(got+"/") || f.Has(strings.Replace(got, someIssuer, "x", 1)) {
			t.Errorf("%s: issuer %s", text, got)
		}
		for suffix, document := range map[string]oidc.Document{"/.well-known/openid-configuration": oidc.Discovery, "/.well-known/jwks.json": oidc.KeySetJSON} {
			if id, d, ok := f.Find(fill(want.host), fill(want.path)+suffix); !ok || id != someIssuer || d != document {
				t.Errorf("%s: %s is %q, %v, %v", text, suffix, id, d, ok)
			}
		}
		for _, path := range []string{"", "/", fill(want.path), fill(want.path) + "/.well-known/", fill(want.path) + "/.well-known/jwks.json/", "/x" + fill(want.path) + "/.well-known/jwks.json"} {
			if _, _, ok := f.Find(fill(want.host), path); ok {
				t.Errorf("%s: %s is a document", text, path)
			}
		}
		if want.path == "" {
			for _, host := range []string{"tokens.example.com", ".tokens.example.com", "x.tokens.example.com", someIssuer, someIssuer + ".example.com", "x." + fill(want.host)} {
				if _, _, ok := f.Find(host, "/.well-known/jwks.json"); ok {
					t.Errorf("%s: the host %s is an issuer", text, host)
				}
			}
		}
	}
	for _, bad := range []string{"", "{id}", "https://iam.example.com", "https://iam.example.com/issuers", "https://{id}.{id}.example.com", "https://{id}..", "https://{id}.a..b", "https://iam.example.com./issuers/{id}", "https://iam.{id}.example.com",
		"https://x{id}.example.com", "https://{id}", "https://{id}/", "https://{id}.example.com/", "https://{id}.example.com/x", "https://iam.example.com/{id}/", "https://iam.example.com/x{id}",
		"https://iam.example.com//{id}", "https://iam.example.com/../{id}", "https://iam.example.com/%41/{id}", "https://iam.example.com/?x={id}", "https://iam.example.com/#{id}",
		"https://iam.example.com/{id}?", "https://iam.example.com/{id}#", "https://me@iam.example.com/{id}", "https://IAM.example.com/{id}", "http://iam.example.com/{id}", "http://{id}.example.com",
		"ftp://iam.example.com/{id}", "iam.example.com/{id}", "/issuers/{id}", "https:///{id}"} {
		if f, err := oidc.ParseIssuerForm(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
}

// FuzzIssuerForm: a form that is read makes issuers that it knows again, and finds their documents under their own URLs.
func FuzzIssuerForm(f *testing.F) {
	for _, seed := range []string{oidc.DefaultIssuers, "https://iam.example.com/issuers/{id}", "http://[::1]:1/{id}", "https://{id}.a:1", "https://a/%41/{id}", "{id}"} {
		f.Add(seed, "host", "/path")
	}
	f.Fuzz(func(t *testing.T, text, host, path string) {
		form, err := oidc.ParseIssuerForm(text)
		if err != nil {
			return
		}
		issuer := form.URL(someIssuer)
		if !form.Has(issuer) {
			t.Fatalf("%q does not know %q", text, issuer)
		}
		_, rest, _ := strings.Cut(issuer, "://")
		at, where, _ := strings.Cut(rest, "/")
		if where != "" {
			where = "/" + where
		}
		if id, _, ok := form.Find(at, where+"/.well-known/jwks.json"); !ok || id != someIssuer {
			t.Fatalf("%q: nothing is found at %q %q", text, at, where)
		}
		if id, _, ok := form.Find(host, path); ok && !form.Has(form.URL(id)) {
			t.Fatalf("%q finds %q", text, id)
		}
	})
}
