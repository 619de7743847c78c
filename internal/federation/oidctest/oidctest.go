// Package oidctest is an OpenID Connect provider for tests: a TLS server on loopback with a discovery document and a key set, and
// a signer of tokens that shares no code with what verifies them. It signs whatever it is told to, forgeries among it.
//
// Only tests import it.
package oidctest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"     // what a thumbprint is
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Key signs tokens.
type Key struct {
	ID        string
	Algorithm string // RS256 and so on
	private   crypto.Signer
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

var curves = map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}

// NewKey makes a key for an algorithm: RS256, RS384, RS512, ES256, ES384 or ES512.
func NewKey(t testing.TB, id, algorithm string) *Key {
	t.Helper()
	k := &Key{ID: id, Algorithm: algorithm}
	var err error
	if curve := curves[algorithm]; curve != nil {
		k.private, err = ecdsa.GenerateKey(curve, rand.Reader)
	} else {
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Public is the key's public half.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// JWK is the key's public half as a member of a key set.
func (k *Key) JWK() map[string]any {
	o := map[string]any{"kid": k.ID, "use": "sig", "alg": k.Algorithm}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		o["kty"], o["n"], o["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		size := (public.Curve.Params().BitSize + 7) / 8
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		o["kty"], o["crv"], o["x"], o["y"] = "EC", public.Curve.Params().Name, encode(point[1:1+size]), encode(point[1+size:])
	}
	return o
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Header is the usual header of a token signed with the key.
func (k *Key) Header() map[string]any {
	return map[string]any{"alg": k.Algorithm, "kid": k.ID, "typ": "JWT"}
}

// Compact signs a header and a payload, which are JSON text, or values that become it.
func (k *Key) Compact(header, payload any) string {
	input := encode(jsonText(header)) + "." + encode(jsonText(payload))
	return input + "." + encode(k.Sign(input))
}

// Sign signs a signing input with the key's algorithm.
func (k *Key) Sign(input string) []byte {
	hash := hashes[k.Algorithm[2:]]
	h := hash.New()
	h.Write([]byte(input))
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		s, err := rsa.SignPKCS1v15(rand.Reader, private, hash, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		return s
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	}
	panic(fmt.Sprintf("oidctest: a key of the type %T", k.private))
}

func jsonText(v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// IdP is a running provider. Its methods may be called by several goroutines.
type IdP struct {
	Issuer string         // https://127.0.0.1:port and the path it was made with
	Roots  *x509.CertPool // that vouch for its certificate
	Leaf   *x509.Certificate

	host, address string

	mu      sync.Mutex
	keys    []*Key
	answers map[string]http.HandlerFunc
	keySets int
}

// New starts a provider, with one key, that ends with the test. path is the issuer's, such as "/realms/one"; it may be empty.
func New(t testing.TB, path string) *IdP {
	t.Helper()
	return start(t, "", path)
}

// NewAt starts a provider whose issuer is https://host and path, at a host that exists for those only who ask the provider's
// LookupNetIP and use its Dial: neither touches the network. Its address is a public one, and its certificate signed by itself.
func NewAt(t testing.TB, host, path string) *IdP {
	t.Helper()
	return start(t, host, path)
}

func start(t testing.TB, host, path string) *IdP {
	t.Helper()
	p := &IdP{answers: make(map[string]http.HandlerFunc), keys: []*Key{NewKey(t, "first", "RS256")}, host: host}
	s := httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if host != "" {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, host)}}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	p.Issuer, p.Roots, p.Leaf, p.address = s.URL+path, x509.NewCertPool(), s.Certificate(), s.Listener.Addr().String()
	if host != "" {
		p.Issuer = "https://" + host + path
	}
	p.Roots.AddCert(p.Leaf)
	p.answers[path+"/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(jsonText(map[string]any{"issuer": p.Issuer, "jwks_uri": p.Issuer + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}}))
	}
	p.answers[path+"/keys"] = func(w http.ResponseWriter, _ *http.Request) {
		p.keySets++
		all := make([]any, 0, len(p.keys))
		for _, k := range p.keys {
			all = append(all, k.JWK())
		}
		_, _ = w.Write(jsonText(map[string]any{"keys": all}))
	}
	return p
}

// certificate is a certificate for a host, signed by itself.
func certificate(t testing.TB, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2084, 1, 1, 0, 0, 0, 0, time.UTC), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// LookupNetIP knows the provider's host, and no other.
func (p *IdP) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host != p.host {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
}

// Dial connects to the provider, whatever address is asked for.
func (p *IdP) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, p.address)
}

// Thumbprint is that of the provider's certificate.
func (p *IdP) Thumbprint() string {
	sum := sha1.Sum(p.Leaf.Raw)
	return hex.EncodeToString(sum[:])
}

func (p *IdP) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer := p.answers[r.URL.Path]; answer != nil {
		answer(w, r)
		return
	}
	http.NotFound(w, r)
}

// Answer replaces what the provider answers under a path, which is the whole one.
func (p *IdP) Answer(path string, h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[path] = h
}

// SetKeys replaces the key set. The first key signs.
func (p *IdP) SetKeys(keys ...*Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

// Key is the key that signs.
func (p *IdP) Key() *Key {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[0]
}

// Fetches is how often the key set was asked for.
func (p *IdP) Fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keySets
}

// Claims are those of a good token of now: audience sts.amazonaws.com, subject alice, good for ten minutes. change, where it is
// not nil, changes them; a nil value takes a claim away.
func (p *IdP) Claims(now time.Time, change map[string]any) map[string]any {
	c := map[string]any{"iss": p.Issuer, "sub": "alice", "aud": "sts.amazonaws.com", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	for name, value := range change {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return c
}

// Token signs claims: see Claims.
func (p *IdP) Token(now time.Time, change map[string]any) string {
	k := p.Key()
	return k.Compact(k.Header(), p.Claims(now, change))
}
