// Package outbound is the one way in which Ostiary fetches something from another host: discovery documents and key sets of
// OpenID Connect providers. Whoever may name a provider, or send a token, must not get Ostiary to speak to what only Ostiary can
// reach, nor to wait, nor to swallow what it cannot hold.
//
// What a [Client] promises of every fetch, redirects included:
//
//   - https only, certificates verified, and never through a proxy that the environment names.
//   - The address that is dialed is checked, after the name was resolved, and it is that address which is dialed: a name that
//     resolves to another address the next moment changes nothing. Addresses that are not public are refused, in whatever spelling
//     (see [Forbidden]), unless the operator allows their network.
//   - Time, size, number of redirects and of fetches under way are bounded.
//   - Connections are not kept: what one fetch trusted, by its thumbprints, no other fetch inherits.
//   - Nothing that identifies Ostiary or its users is sent: no cookies, no credentials, no referer.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Limits that hold where the configuration says nothing, and those that nothing changes.
const (
	DefaultTimeout = 5 * time.Second
	MaxBody        = 1 << 20 // bytes of one answer
	maxRedirects   = 3
	maxHeader      = 64 << 10
	maxAtOnce      = 32
)

// Resolver finds the addresses of a host: a *net.Resolver.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says how to fetch. The zero value reaches public addresses only and trusts the system's certificate authorities.
type Config struct {
	// Allow are networks that may be reached although they are not public. An address of a metadata service is reached only if
	// a prefix names it alone: fd00::/8 does not allow fd00:ec2::254.
	Allow []netip.Prefix
	// Roots are the certificate authorities to trust; nil means the system's.
	Roots *x509.CertPool
	// Timeout bounds one fetch, redirects included; zero means DefaultTimeout.
	Timeout time.Duration
	// Resolver finds addresses; nil means net.DefaultResolver.
	Resolver Resolver
	// Dial opens a connection to an address and port, both numeric; nil means a net.Dialer. It is told nothing but addresses
	// that were found fit.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock that certificates are verified by; nil means time.Now.
	Now func() time.Time
}

// Client fetches. It is safe for concurrent use.
type Client struct {
	allow    []netip.Prefix
	roots    *x509.CertPool
	timeout  time.Duration
	resolver Resolver
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	now      func() time.Time
	slots    chan struct{}
}

// New returns a Client. It does no I/O.
func New(c Config) *Client {
	client := &Client{allow: c.Allow, roots: c.Roots, timeout: c.Timeout, resolver: c.Resolver, dial: c.Dial, now: c.Now,
		slots: make(chan struct{}, maxAtOnce)}
	if client.timeout <= 0 {
		client.timeout = DefaultTimeout
	}
	if client.resolver == nil {
		client.resolver = net.DefaultResolver
	}
	if client.dial == nil {
		client.dial = (&net.Dialer{}).DialContext
	}
	if client.now == nil {
		client.now = time.Now
	}
	return client
}

// Why a fetch was refused or failed. Others are what the network said.
var (
	ErrURL       = errors.New("outbound: not an https URL with a host and without user information")
	ErrForbidden = errors.New("outbound: the address is not public and the operator does not allow it")
	ErrTooLarge  = errors.New("outbound: the answer is larger than the limit")
	ErrRedirects = errors.New("outbound: too many redirects")
	ErrStatus    = errors.New("outbound: the answer's status is not 200")
	ErrPinned    = errors.New("outbound: the certificate is of no trusted authority and has none of the thumbprints")
)

// Answer is what a fetch brought.
type Answer struct {
	Body []byte
	// Chain is the certificates that the host presented, its own first.
	Chain []*x509.Certificate
	// Header of the answer.
	Header http.Header
}

// Get fetches address, an https URL. thumbprints are SHA-1 fingerprints, 40 hexadecimal digits in any case: a host whose
// certificate no trusted authority vouches for is trusted nevertheless if a certificate of its chain has one of them and
// vouches for it. The errors are for logs: they say what the network is like.
func (c *Client) Get(ctx context.Context, address string, thumbprints []string) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("outbound: waiting for other fetches: %w", ctx.Err())
	}
	u, err := url.Parse(address)
	if err != nil || !fit(u) {
		return nil, ErrURL
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, ErrURL
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "Ostiary")
	res, err := c.client(thumbprints).Do(r)
	if err != nil {
		return nil, fmt.Errorf("outbound: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %d", ErrStatus, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("outbound: reading the answer: %w", err)
	}
	if len(body) > MaxBody {
		return nil, ErrTooLarge
	}
	if res.TLS == nil || len(res.TLS.PeerCertificates) == 0 {
		return nil, ErrURL
	}
	return &Answer{Body: body, Chain: res.TLS.PeerCertificates, Header: res.Header}, nil
}

// client returns an HTTP client for one fetch.
func (c *Client) client(thumbprints []string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,       // what the environment says is not asked
			DialContext:            c.connect, // for completeness: there is no scheme but https
			DialTLSContext:         c.secure(thumbprints),
			DisableKeepAlives:      true,
			DisableCompression:     true, // the limit is on what is read, not on what it would unfold to
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return ErrRedirects
			}
			if !fit(r.URL) {
				return ErrURL
			}
			r.Header.Del("Referer")
			return nil
		},
	}
}

// fit reports whether a URL may be fetched at all.
func fit(u *url.URL) bool {
	if u.Port() != "" {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return false
		}
	}
	return u.Scheme == "https" && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// connect resolves, checks and dials. It dials the address that it checked.
func (c *Client) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	if literal, err := netip.ParseAddr(host); err == nil {
		found = []netip.Addr{literal}
	} else if found, err = c.resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: %s", ErrForbidden, host)
	for _, a := range found {
		if !c.permitted(a) {
			continue
		}
		var conn net.Conn
		if conn, err = c.dial(ctx, network, net.JoinHostPort(a.Unmap().String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// secure dials and verifies the certificate.
func (c *Client) secure(thumbprints []string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		plain, err := c.connect(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plain, c.trust(host, thumbprints))
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, err
		}
		return conn, nil
	}
}

// permitted reports whether an address may be dialed.
func (c *Client) permitted(a netip.Addr) bool {
	if a.Zone() != "" || !a.IsValid() {
		return false
	}
	a = a.Unmap()
	if !Forbidden(a) {
		return true
	}
	for _, p := range c.allow {
		if p.Contains(a) && (p.IsSingleIP() || !isMetadata(a)) {
			return true
		}
	}
	return false
}

// IsNetwork reports whether a fetch failed because the other side could not be reached in time, and not for what it is or
// answered.
func IsNetwork(err error) bool {
	_, dial := errors.AsType[*net.OpError](err)
	_, name := errors.AsType[*net.DNSError](err)
	return dial || name || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
