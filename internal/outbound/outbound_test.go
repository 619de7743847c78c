package outbound_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/outbound"
)

// fakeNet stands in for the network: names resolve to what the test says, and every address is one and the same TLS server.
type fakeNet struct {
	t      *testing.T
	server *httptest.Server
	roots  *x509.CertPool // that vouch for the server

	mu     sync.Mutex
	names  map[string][]string // the answers in turn, each a list with spaces; the last stays
	asked  []string
	dialed []string
}

// begin is a time in which the test's certificates are valid.
var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCertificate(t *testing.T, name string, parent *authority, ca bool, names ...string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: begin.Add(-time.Hour), NotAfter: begin.Add(24 * time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if a, err := netip.ParseAddr(n); err == nil {
			c.IPAddresses = append(c.IPAddresses, a.AsSlice())
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	signer := &authority{c, key}
	if parent != nil {
		signer = parent
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{made, key}
}

// newNet serves h with a chain of certificates, leaf first.
func newNet(t *testing.T, h http.HandlerFunc, chain ...*authority) *fakeNet {
	t.Helper()
	n := &fakeNet{t: t, names: make(map[string][]string)}
	n.server = httptest.NewUnstartedServer(h)
	n.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	root := newCertificate(t, "root", nil, true)
	if len(chain) == 0 {
		chain = []*authority{newCertificate(t, "leaf", root, false, "idp.example", "other.example", "203.0.113.7", "8.8.8.8", "2606:4700::1111")}
	}
	n.roots = x509.NewCertPool()
	n.roots.AddCert(root.cert)
	cert := tls.Certificate{PrivateKey: chain[0].key}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.cert.Raw)
	}
	n.server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	n.server.StartTLS()
	t.Cleanup(n.server.Close)
	return n
}

func (n *fakeNet) LookupNetIP(_ context.Context, _, host string) (all []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	turns := n.names[host]
	if len(turns) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if len(turns) > 1 {
		n.names[host] = turns[1:]
	}
	for _, text := range strings.Fields(turns[0]) {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

func (n *fakeNet) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	n.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, n.server.Listener.Addr().String())
}

// client returns a client of the fake network; change may be nil.
func (n *fakeNet) client(change func(*outbound.Config)) *outbound.Client {
	c := outbound.Config{Roots: n.roots, Resolver: n, Dial: n.dial, Now: func() time.Time { return begin }}
	if change != nil {
		change(&c)
	}
	return outbound.New(c)
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"hello":1}`) }

func TestGet(t *testing.T) {
	n := newNet(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Cookie", "Authorization", "Referer"} {
			if r.Header.Get(name) != "" {
				t.Errorf("sends %s", name)
			}
		}
		hello(w, r)
	})
	n.names["idp.example"] = []string{"8.8.8.8"}
	a, err := n.client(nil).Get(t.Context(), "https://idp.example:8443/x?y=z", nil)
	if err != nil || string(a.Body) != `{"hello":1}` || len(a.Chain) != 1 || a.Chain[0].Subject.CommonName != "leaf" {
		t.Fatalf("%+v, %v", a, err)
	}
	if !slices.Equal(n.dialed, []string{"8.8.8.8:8443"}) {
		t.Errorf("dialed %v", n.dialed)
	}
}

// attacks are URLs, with what names in them resolve to, that must not lead to a connection.
var attacks = []struct {
	url   string
	names string // what "idp.example" resolves to; empty: it is not in the URL
}{
	// Literal addresses, in every spelling that some parser takes for one.
	{"https://127.0.0.1/", ""}, {"https://127.1/", ""}, {"https://2130706433/", ""}, {"https://0x7f000001/", ""}, {"https://0177.0.0.1/", ""},
	{"https://0/", ""}, {"https://0.0.0.0/", ""}, {"https://[::]/", ""}, {"https://[::1]/", ""}, {"https://[::ffff:127.0.0.1]/", ""},
	{"https://[::ffff:7f00:1]/", ""}, {"https://[::127.0.0.1]/", ""}, {"https://localhost/", ""}, {"https://127.0.0.1.:443/", ""},
	{"https://１２７.0.0.1/", ""}, {"https://127。0。0。1/", ""}, {"https://[fe80::1%25eth0]/", ""}, {"https://[::1%25lo]/", ""},
	{"https://169.254.169.254/latest/meta-data/", ""}, {"https://[::ffff:169.254.169.254]/", ""}, {"https://[::ffff:a9fe:a9fe]/", ""},
	{"https://2852039166/", ""}, {"https://0xa9fea9fe/", ""}, {"https://[fd00:ec2::254]/", ""}, {"https://[fd20:ce::254]/", ""},
	{"https://169.254.170.2/", ""}, {"https://100.100.100.200/", ""}, {"https://168.63.129.16/", ""}, {"https://192.0.0.192/", ""},
	{"https://10.0.0.1/", ""}, {"https://172.16.0.1/", ""}, {"https://172.31.255.255/", ""}, {"https://192.168.1.1/", ""},
	{"https://100.64.0.1/", ""}, {"https://198.18.0.1/", ""}, {"https://224.0.0.1/", ""}, {"https://255.255.255.255/", ""}, {"https://240.0.0.1/", ""},
	{"https://[fc00::1]/", ""}, {"https://[fd12:3456::1]/", ""}, {"https://[fe80::1]/", ""}, {"https://[fec0::1]/", ""}, {"https://[ff02::1]/", ""},
	{"https://[64:ff9b::7f00:1]/", ""}, {"https://[64:ff9b::a9fe:a9fe]/", ""}, {"https://[64:ff9b:1::a00:1]/", ""}, {"https://[2002:7f00:1::]/", ""},
	{"https://[2002:a9fe:a9fe::1]/", ""}, {"https://[2001:0:7f00:1::]/", ""}, {"https://[2001:db8::1]/", ""}, {"https://[100::1]/", ""},
	{"https://[4000::1]/", ""}, {"https://[5f00::1]/", ""},
	// Names that resolve to such addresses.
	{"https://idp.example/", "127.0.0.1"}, {"https://idp.example/", "169.254.169.254"}, {"https://idp.example/", "10.1.2.3 192.168.0.1 ::1"},
	{"https://idp.example/", "fd00:ec2::254"}, {"https://idp.example/", "::ffff:10.0.0.1"}, {"https://idp.example/", "64:ff9b::a00:1"},
	{"https://idp.example./", "127.0.0.1"}, {"https://IDP.example/", "127.0.0.1"}, {"https://idp.example/", "fe80::1"},
	// URLs that are none of ours.
	{"http://8.8.8.8/", ""}, {"ftp://8.8.8.8/", ""}, {"file:///etc/passwd", ""}, {"gopher://8.8.8.8/", ""}, {"https:8.8.8.8", ""}, {"//8.8.8.8/", ""},
	{"https://user@8.8.8.8/", ""}, {"https://8.8.8.8:80@127.0.0.1/", ""}, {"https://", ""}, {"https:///path", ""}, {"https://8.8.8.8:99999/", ""},
	{"https://8.8.8.8\\@127.0.0.1/", ""}, {"https://8.8.8.8 /", ""}, {"https://127.0.0.1#@8.8.8.8/", ""}, {"https://127.0.0.1?@8.8.8.8/", ""}, {"", ""},
}

// TestAttacks: nothing is dialed for any of them.
func TestAttacks(t *testing.T) {
	served := newNet(t, hello)
	for _, a := range attacks {
		n := served.again()
		if a.names != "" {
			for _, name := range []string{"idp.example", "idp.example.", "IDP.example"} {
				n.names[name] = []string{a.names}
			}
		}
		// A resolver of the kind that takes numbers for addresses, and one that knows localhost.
		for _, name := range []string{"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost", "127.0.0.1.", "１２７.0.0.1", "127。0。0。1", "127.0.0.1"} {
			n.names[name] = []string{"127.0.0.1"}
		}
		n.names["2852039166"], n.names["0xa9fea9fe"] = []string{"169.254.169.254"}, []string{"169.254.169.254"}
		answer, err := n.client(nil).Get(t.Context(), a.url, nil)
		if err == nil || answer != nil || len(n.dialed) > 0 {
			t.Errorf("%s (%s): dialed %v, %v", a.url, a.names, n.dialed, err)
		}
	}
	t.Logf("%d URLs led to no connection", len(attacks))
	if len(attacks) < 75 {
		t.Errorf("only %d attacks", len(attacks))
	}
}

// again is the same server with names and records of its own.
func (n *fakeNet) again() *fakeNet {
	return &fakeNet{t: n.t, server: n.server, roots: n.roots, names: make(map[string][]string)}
}

// TestRebinding: a name that is public when asked first and private when asked again is asked once, and the address that was
// checked is the one that is dialed; an answer with both kinds leads to the public one only.
func TestRebinding(t *testing.T) {
	n := newNet(t, hello)
	n.names["idp.example"] = []string{"8.8.8.8", "127.0.0.1"}
	if _, err := n.client(nil).Get(t.Context(), "https://idp.example/", nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(n.dialed, []string{"8.8.8.8:443"}) || len(n.asked) != 1 {
		t.Errorf("dialed %v after asking %v", n.dialed, n.asked)
	}
	// The next fetch asks again, and is refused.
	if _, err := n.client(nil).Get(t.Context(), "https://idp.example/", nil); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("got %v", err)
	}
	n.names["idp.example"], n.dialed = []string{"127.0.0.1 10.0.0.1 8.8.8.8"}, nil
	if _, err := n.client(nil).Get(t.Context(), "https://idp.example/", nil); err != nil || !slices.Equal(n.dialed, []string{"8.8.8.8:443"}) {
		t.Errorf("dialed %v, %v", n.dialed, err)
	}
}

func TestRedirects(t *testing.T) {
	hops := 0
	var to string
	n := newNet(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Error("sends a referer")
		}
		if hops--; hops >= 0 {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		hello(w, r)
	})
	n.names["idp.example"], n.names["other.example"], n.names["inside.example"] = []string{"8.8.8.8"}, []string{"8.8.8.8"}, []string{"10.0.0.1"}
	for _, c := range []struct {
		hops int
		to   string
		want error
	}{
		{1, "https://other.example/", nil},
		{3, "https://other.example/", nil},
		{4, "https://other.example/", outbound.ErrRedirects},
		{1, "http://other.example/", outbound.ErrURL},
		{1, "https://user:pass@other.example/", outbound.ErrURL},
		{1, "https://inside.example/", outbound.ErrForbidden},
		{1, "https://169.254.169.254/latest/", outbound.ErrForbidden},
		{1, "https://[::ffff:127.0.0.1]/", outbound.ErrForbidden},
		{1, "//127.0.0.1/", outbound.ErrForbidden},
	} {
		hops, to, n.dialed = c.hops, c.to, nil
		_, err := n.client(nil).Get(t.Context(), "https://idp.example/", nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%d times to %s: %v, want %v", c.hops, c.to, err, c.want)
		}
		for _, d := range n.dialed {
			if d != "8.8.8.8:443" {
				t.Errorf("%s: dialed %s", c.to, d)
			}
		}
	}
}

func TestAllowedNetworks(t *testing.T) {
	served := newNet(t, hello)
	for _, c := range []struct {
		allow, address string
		want           bool
	}{
		{"10.0.0.0/8", "10.1.2.3", true},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"10.0.0.0/8", "192.168.0.1", false},
		{"127.0.0.0/8", "127.0.0.1", true},
		{"169.254.0.0/16", "169.254.1.1", true},
		{"169.254.0.0/16", "169.254.169.254", false},
		{"0.0.0.0/0", "169.254.169.254", false},
		{"169.254.169.254/32", "169.254.169.254", true},
		{"fd00::/8", "fd00::1", true},
		{"fd00::/8", "fd00:ec2::254", false},
		{"fd00:ec2::254/128", "fd00:ec2::254", true},
		{"::/0", "::ffff:10.0.0.1", false},
		{"64:ff9b::/96", "64:ff9b::a00:1", true}, // whoever allows the translator's network means it
	} {
		n := served.again()
		n.names["idp.example"] = []string{c.address}
		_, err := n.client(func(o *outbound.Config) { o.Allow = []netip.Prefix{netip.MustParsePrefix(c.allow)} }).Get(t.Context(), "https://idp.example/", nil)
		if (err == nil) != c.want || len(n.dialed) > 0 != c.want {
			t.Errorf("%s with %s allowed: %v, dialed %v", c.address, c.allow, err, n.dialed)
		}
	}
}

func TestLimits(t *testing.T) {
	n := newNet(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/full":
			_, _ = w.Write(make([]byte, outbound.MaxBody))
		case "/more":
			_, _ = w.Write(make([]byte, outbound.MaxBody+1))
		case "/zip":
			if r.Header.Get("Accept-Encoding") != "" {
				t.Error("asks for compression")
			}
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 100<<10))
		case "/slow":
			<-r.Context().Done()
		case "/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/created":
			w.WriteHeader(http.StatusCreated)
		}
	})
	n.names["idp.example"] = []string{"8.8.8.8"}
	c := n.client(nil)
	for path, want := range map[string]error{"/full": nil, "/more": outbound.ErrTooLarge, "/zip": nil, "/missing": outbound.ErrStatus, "/created": outbound.ErrStatus} {
		if _, err := c.Get(t.Context(), "https://idp.example"+path, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := c.Get(t.Context(), "https://idp.example/header", nil); err == nil {
		t.Error("a header of any size is read")
	}
	short := n.client(func(o *outbound.Config) { o.Timeout = 50 * time.Millisecond })
	if _, err := short.Get(t.Context(), "https://idp.example/slow", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer that does not come: %v", err)
	}
}

// TestTrust: certificates are verified against the trusted authorities, and against thumbprints only where no authority is
// trusted; names and times count always.
func TestTrust(t *testing.T) {
	own := newCertificate(t, "own root", nil, true)
	middle := newCertificate(t, "middle", own, true)
	leaf := newCertificate(t, "leaf", middle, false, "idp.example")
	self := newCertificate(t, "self", nil, false, "idp.example")
	elsewhere := newCertificate(t, "self", nil, false, "elsewhere.example")
	// A forged chain: the certificate with the thumbprint is public and did not sign the leaf.
	forged := newCertificate(t, "leaf", newCertificate(t, "own root", nil, true), false, "idp.example")
	print := func(a *authority) string { return outbound.Thumbprint(a.cert) }
	for name, c := range map[string]struct {
		chain  []*authority
		prints []string
		now    time.Time
		want   bool
	}{
		"no authority, no thumbprint":   {chain: []*authority{leaf, middle, own}},
		"the root's thumbprint":         {chain: []*authority{leaf, middle, own}, prints: []string{print(own)}, want: true},
		"the thumbprint in upper case":  {chain: []*authority{leaf, middle, own}, prints: []string{"00", strings.ToUpper(print(own))}, want: true},
		"the intermediate's thumbprint": {chain: []*authority{leaf, middle}, prints: []string{print(middle)}, want: true},
		"the leaf's thumbprint":         {chain: []*authority{leaf, middle}, prints: []string{print(leaf)}, want: true},
		"a root that is not presented":  {chain: []*authority{leaf, middle}, prints: []string{print(own)}},
		"another's thumbprint":          {chain: []*authority{leaf, middle, own}, prints: []string{print(self)}},
		"self-signed":                   {chain: []*authority{self}, prints: []string{print(self)}, want: true},
		"self-signed, not pinned":       {chain: []*authority{self}, prints: []string{print(leaf)}},
		"pinned, for another host":      {chain: []*authority{elsewhere}, prints: []string{print(elsewhere)}},
		"pinned, expired":               {chain: []*authority{self}, prints: []string{print(self)}, now: begin.Add(48 * time.Hour)},
		"pinned, not yet":               {chain: []*authority{self}, prints: []string{print(self)}, now: begin.Add(-48 * time.Hour)},
		"pinned and appended":           {chain: []*authority{forged, own}, prints: []string{print(own)}},
		"pinned root, no chain to it":   {chain: []*authority{leaf, own}, prints: []string{print(own)}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t, hello, c.chain...)
			n.names["idp.example"] = []string{"8.8.8.8"}
			client := n.client(func(o *outbound.Config) {
				if !c.now.IsZero() {
					o.Now = func() time.Time { return c.now }
				}
			})
			if _, err := client.Get(t.Context(), "https://idp.example/", c.prints); (err == nil) != c.want {
				t.Errorf("got %v", err)
			}
		})
	}

	t.Run("a trusted authority needs no thumbprint", func(t *testing.T) {
		n := newNet(t, hello, leaf, middle)
		n.names["idp.example"], n.names["other.example"] = []string{"8.8.8.8"}, []string{"8.8.8.8"}
		client := n.client(func(o *outbound.Config) { o.Roots = x509.NewCertPool(); o.Roots.AddCert(own.cert) })
		if _, err := client.Get(t.Context(), "https://idp.example/", []string{print(self)}); err != nil {
			t.Error(err)
		}
		if _, err := client.Get(t.Context(), "https://other.example/", []string{print(leaf)}); err == nil {
			t.Error("the name on the certificate does not count")
		}
	})

	t.Run("trust is not inherited", func(t *testing.T) {
		n := newNet(t, hello, self)
		n.names["idp.example"] = []string{"8.8.8.8"}
		client := n.client(nil)
		if _, err := client.Get(t.Context(), "https://idp.example/", []string{print(self)}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(t.Context(), "https://idp.example/", nil); !errors.Is(err, outbound.ErrPinned) {
			t.Errorf("without the thumbprint: %v", err)
		}
	})
}

// TestAddressInURL: hosts may be addresses, and their certificates are theirs.
func TestAddressInURL(t *testing.T) {
	n := newNet(t, hello)
	for _, host := range []string{"8.8.8.8", "[2606:4700::1111]"} {
		if _, err := n.client(nil).Get(t.Context(), "https://"+host+"/", nil); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := n.client(nil).Get(t.Context(), "https://8.8.4.4/", nil); err == nil {
		t.Error("a certificate for another address is taken")
	}
}

// TestNoProxy: what the environment says about proxies is not followed.
func TestNoProxy(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	n := newNet(t, hello)
	n.names["idp.example"] = []string{"8.8.8.8"}
	if _, err := n.client(nil).Get(t.Context(), "https://idp.example/", nil); err != nil || !slices.Equal(n.dialed, []string{"8.8.8.8:443"}) {
		t.Errorf("dialed %v, %v", n.dialed, err)
	}
}

// TestForbidden names the borders of networks.
func TestForbidden(t *testing.T) {
	public := []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "2606:4700::1", "2a00::1",
		"64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"}
	for _, text := range public {
		if outbound.Forbidden(netip.MustParseAddr(text)) {
			t.Errorf("%s is public", text)
		}
	}
	if !outbound.Forbidden(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// FuzzForbidden: whatever is not global unicast in the library's eyes, or private in them, is not public in ours.
func FuzzForbidden(f *testing.F) {
	for _, a := range attacks {
		if b, err := netip.ParseAddr(strings.Trim(strings.TrimPrefix(a.url, "https://"), "[]/")); err == nil {
			f.Add(b.AsSlice())
		}
	}
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		u := a.Unmap()
		suspicious := !u.IsGlobalUnicast() || u.IsPrivate()
		if suspicious && !outbound.Forbidden(a) {
			t.Errorf("%s is forbidden to nobody", a)
		}
		if outbound.Forbidden(a) != outbound.Forbidden(u) {
			t.Errorf("%s and %s differ", a, u)
		}
	})
}

func ExampleClient_Get() {
	c := outbound.New(outbound.Config{})
	_, err := c.Get(context.Background(), "https://169.254.169.254/latest/meta-data/", nil)
	fmt.Println(errors.Is(err, outbound.ErrForbidden))
	// Output: true
}

// TestLoadRoots: a file's authorities are trusted beside the system's; a file without any is a mistake.
func TestLoadRoots(t *testing.T) {
	root := newCertificate(t, "own root", nil, true)
	leaf := newCertificate(t, "leaf", root, false, "idp.example")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := outbound.LoadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	n := newNet(t, hello, leaf)
	n.names["idp.example"] = []string{"8.8.8.8"}
	if _, err := n.client(func(o *outbound.Config) { o.Roots = roots }).Get(t.Context(), "https://idp.example/", nil); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := outbound.LoadRoots(file); err == nil {
		t.Error("a file without certificates is accepted")
	}
	if _, err := outbound.LoadRoots(file + ".missing"); err == nil {
		t.Error("a file that is missing is accepted")
	}
}
