// Package ostiarytest runs a whole Ostiary server inside a Go test: IAM and STS as AWS clients know them, with real
// signatures, real policies and real refusals.
//
//	srv := ostiarytest.New(t) // in memory, on loopback, stopped at the end of the test
//	acct := srv.Account(t)    // a fresh account, empty but for its root user, in well under a millisecond
//	client := iam.New(iam.Options{
//		Region: srv.Region, BaseEndpoint: aws.String(srv.URL),
//		Credentials: credentials.NewStaticCredentialsProvider(acct.AccessKeyID, acct.SecretAccessKey, ""),
//	})
//
// The server is the one that the command `ostiary serve` runs. Nothing is switched off in it, and it keeps nothing on disk.
// Accounts are separate worlds: tests that run in parallel share one server, kept by TestMain with [Open], and take an
// account each, or have a server each. Everything here may be used by several goroutines.
//
// Tokens of GetWebIdentityToken can be verified as they are elsewhere: an account's issuer is URL + "/issuers/ID", which answers
// discovery and keys.
//
// The package imports no AWS SDK. Any client that takes an endpoint URL will do, in any language: see [Account.Env].
package ostiarytest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// Config says what server to start. The zero value is what New uses.
type Config struct {
	// Region is the server's default region; empty means us-east-1. IAM and STS answer requests for any region.
	Region string
	// Now is the server's clock; nil means time.Now. It must be safe for concurrent use. Requests must be signed within five
	// minutes of it, whichever clock the client has: AWS's SDKs notice the difference and sign again, so that credentials can
	// be made to expire without waiting.
	Now func() time.Time
	// OutboundAllow are networks in which OpenID Connect providers may be although they are not public: 127.0.0.0/8 for one
	// that is a httptest.Server with TLS. Nil means none: see `ostiary serve --outbound-allow`.
	OutboundAllow []netip.Prefix
	// OutboundRoots are the certificate authorities that vouch for such providers; nil means the system's. One that none of
	// them vouches for is trusted by its thumbprints, as on AWS.
	OutboundRoots *x509.CertPool
	// Logger is told what the server has to say. Nil means that Start shows warnings and errors in the test's output, and
	// that Open shows nothing.
	Logger *slog.Logger
}

// Server is a running server. Its fields are set by New, Start or Open and not changed afterwards.
type Server struct {
	// URL is the endpoint of every service, such as http://127.0.0.1:41327.
	URL string
	// Region is the default region.
	Region string
	// OperatorToken is the bearer token of the operator API under URL + "/_ostiary/v1/", with which a test in another
	// process or language makes accounts of its own.
	OperatorToken string

	node    *node.Node
	stop    context.CancelFunc
	stopped chan error // what Serve returned
	closing func() error
}

// drain is how long a server that stops waits for requests in progress. A test that ends has no use for their answers.
const drain = 200 * time.Millisecond

// New starts a server that is stopped when the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	return Start(t, Config{})
}

// Start starts a server that is stopped when the test ends. The test fails at once if that is not possible.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Logger == nil {
		out := &testOutput{w: t.Output()}
		t.Cleanup(out.close) // runs after the server has stopped
		cfg.Logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Open starts a server that outlives a test: for TestMain, or a program. The context bounds the start only. Close the server.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	ln, err := listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("ostiarytest: %w", err)
	}
	url := "http://" + ln.Addr().String()
	n, err := node.Open(ctx, node.Config{
		Region: cfg.Region, Now: cfg.Now, Outbound: outbound.Config{Allow: cfg.OutboundAllow, Roots: cfg.OutboundRoots},
		Logger: cfg.Logger, Version: "ostiarytest", Server: server.Config{Drain: drain}, IssuerURL: url + "/issuers/{id}",
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ostiarytest: starting a server: %w", err), ln.Close())
	}
	s := &Server{
		URL: url, Region: cfg.Region, OperatorToken: n.OperatorToken().Reveal(),
		node: n, stopped: make(chan error, 1),
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.closing = sync.OnceValue(s.close)
	go func() { s.stopped <- n.Serve(serving, ln) }()
	return s, nil
}

// listen takes a free port of the IPv4 loopback address, or of the IPv6 one where there is no other.
func listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil {
		return ln, nil
	}
	if six, err6 := lc.Listen(ctx, "tcp", "[::1]:0"); err6 == nil {
		return six, nil
	}
	return nil, err
}

// Close stops the server. Requests that are still in progress a moment later are cut off. It can be called again.
func (s *Server) Close() error { return s.closing() }

func (s *Server) close() error {
	s.stop()
	err := <-s.stopped
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // requests were cut off: nobody waits for them
	}
	if err = errors.Join(err, s.node.Close()); err != nil {
		return fmt.Errorf("ostiarytest: stopping the server: %w", err)
	}
	return nil
}

// Account makes a fresh account. The test fails at once if that is not possible.
func (s *Server) Account(t testing.TB) Account {
	t.Helper()
	a, err := s.NewAccount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// NewAccount makes a fresh account, where there is no test that could fail. The account's key works at once.
func (s *Server) NewAccount(ctx context.Context) (Account, error) {
	key, err := s.node.CreateAccount(ctx, server.NewAccount{})
	if err != nil {
		return Account{}, fmt.Errorf("ostiarytest: making an account: %w", err)
	}
	return Account{
		AccountID: key.AccountID, AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal(),
		url: s.URL, region: s.Region,
	}, nil
}

// testOutput is a test's output while the test runs: what comes later is nobody's.
type testOutput struct {
	mu sync.Mutex
	w  io.Writer // nil once the test has ended
}

func (o *testOutput) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return len(line), nil
	}
	return o.w.Write(line)
}

func (o *testOutput) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = nil
}
