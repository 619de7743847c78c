// Package server is Ostiary's HTTP: listeners, TLS, limits, health, the operator API and the graceful stop. It knows no AWS
// protocol and decides nothing about identities: every path that is not its own goes to the handler of the AWS APIs.
//
//	GET  /healthz                  200 while the process answers
//	GET  /readyz                   200 when requests can be decided; 503 before that, and from the moment the server is told to stop
//	GET  /metrics                  the metrics handler
//	POST /_ostiary/v1/accounts     the operator API: see operator.go
//	GET  /_ostiary/v1/status
//	GET  /_ostiary/v1/events
//	/federation, /saml, /static/saml-metadata.xml, /signin/…, /console/…   the sign-in handler: see package signin
//	GET  …/.well-known/…           what accounts publish as issuers of tokens, where Config.Issuers says
//
// Plain HTTP is served on loopback addresses only, unless InsecureHTTP says otherwise; dev mode, in which the operator API
// asks for no token, on loopback addresses only, always. Both are checked on the address that a listener really has.
package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// Config is what a server is made of. API must be set.
type Config struct {
	// API answers every path that is not the server's own.
	API http.Handler
	// SignIn answers the paths at which people sign in, and those of the console; see package signin. Nil leaves them to API.
	SignIn http.Handler
	// Ready returns nil when requests can be decided. Nil means always.
	Ready func() error
	// Metrics answers GET /metrics. Nil answers 404.
	Metrics http.Handler
	// Issuers answers what accounts publish as issuers of tokens, to anybody, as often as Throttle allows. Nil publishes nothing.
	Issuers Issuers
	// Operator is the operator API. Its zero value refuses everything.
	Operator Operator

	// Dev opens the operator API without its token, to requests that name a loopback host.
	Dev bool
	// InsecureHTTP allows plain HTTP on an address that is not loopback.
	InsecureHTTP bool
	// TLS, if not nil, makes every listener speak TLS: see [LoadTLS] and [Certificates].
	TLS *tls.Config
	// DrainDelay is how long a server that is to stop still accepts connections although it says that it is not ready: for load
	// balancers. Zero means not at all.
	DrainDelay time.Duration
	// Drain is how long Serve waits then for requests in progress. Zero means [DefaultDrain].
	Drain time.Duration
	// Limits bound what clients can hold; its zero value means the defaults.
	Limits Limits
	// Throttle bounds how many requests of an address may have a wrong operator's token, or ask for an issuer's documents; nil:
	// nothing does.
	Throttle *throttle.Throttle
	// Meter counts connections, and what is refused; nil counts nothing.
	Meter Meter
	// After is for the delay of a drain; nil means time.After.
	After func(time.Duration) <-chan time.Time
	// Logger is told of failures; nil means no messages. Strangers can cause such messages: a logger that writes should limit them.
	Logger *slog.Logger
}

// Issuers answers the public documents of issuers.
type Issuers interface {
	http.Handler
	// Serves reports whether a request asks for such a document.
	Serves(r *http.Request) bool
}

// Server serves. Make it with [New].
type Server struct {
	cfg      Config
	handler  http.Handler
	stopping atomic.Bool
	busy     atomic.Int64                // requests in progress
	conns    atomic.Pointer[connections] // nil before Serve
}

// New returns a server; it listens nowhere yet.
func New(cfg Config) *Server {
	if cfg.Drain <= 0 {
		cfg.Drain = DefaultDrain
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	cfg.Limits = cfg.Limits.filled()
	s := &Server{cfg: cfg}
	s.handler = s.routes()
	return s
}

// Handler returns all that the server answers, for a listener that the caller has. In dev mode that must be a loopback one.
func (s *Server) Handler() http.Handler { return s.handler }

// routes puts the server's own paths before the API. The two sides share no middleware: what defends one from browsers would
// only be in the way of the other.
func (s *Server) routes() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	own.HandleFunc("GET /readyz", s.ready)
	if s.cfg.Metrics != nil {
		own.Handle("GET /metrics", s.cfg.Metrics)
	}
	own.Handle(operatorPrefix, s.operator())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.busy.Add(1)
		defer s.busy.Add(-1)
		defer s.contain(r)
		if s.stopping.Load() {
			w.Header().Set("Connection", "close") // over HTTP/2 too: there it becomes a GOAWAY
		}
		switch path := r.URL.Path; {
		case path == "/healthz", path == "/readyz", path == "/metrics", strings.HasPrefix(path, operatorRoot):
			own.ServeHTTP(w, r)
		case s.cfg.SignIn != nil && signsIn(path):
			s.bounded(w, r)
			s.cfg.SignIn.ServeHTTP(w, r)
		case s.cfg.Issuers != nil && s.cfg.Issuers.Serves(r):
			s.bounded(w, r)
			s.publish(w, r)
		default:
			s.bounded(w, r)
			s.cfg.API.ServeHTTP(w, r)
		}
	})
}

// publish answers an issuer's document. Anybody may ask, and an answer reads the store: an address has its budget of such requests.
func (s *Server) publish(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.Throttle.Address(source(r)) {
		s.cfg.Meter.Throttled("address", "issuer")
		w.Header().Set("Retry-After", "1")
		plain(w, http.StatusTooManyRequests, "Rate exceeded")
		return
	}
	s.cfg.Issuers.ServeHTTP(w, r)
}

// signsIn reports whether a path is of signing in or of the console.
func signsIn(path string) bool {
	return path == "/federation" || path == "/saml" || path == "/static/saml-metadata.xml" || path == "/console" || strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/signin/")
}

// contain ends a request that panics with its connection, and says where it happened. The API answers panics of its own before they come
// here.
func (s *Server) contain(r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p != http.ErrAbortHandler {
		s.cfg.Meter.Panicked()
		s.cfg.Logger.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.stopping.Load():
		plain(w, http.StatusServiceUnavailable, "draining")
	case s.cfg.Ready == nil:
		plain(w, http.StatusOK, "ready")
	default:
		if err := s.cfg.Ready(); err != nil {
			s.cfg.Logger.Debug("not ready", "error", err)
			plain(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		plain(w, http.StatusOK, "ready")
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// Listen opens the address and checks that the server may be reached there.
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	if err := s.check(ln.Addr()); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// check holds the address that a listener has against what the server may do there.
func (s *Server) check(a net.Addr) error {
	tcp, ok := a.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	switch {
	case loopback:
		return nil
	case s.cfg.Dev:
		return fmt.Errorf("listening on %s: dev mode is for loopback addresses", a)
	case s.cfg.TLS == nil && !s.cfg.InsecureHTTP:
		return fmt.Errorf("listening on %s: plain HTTP is for loopback addresses", a)
	}
	return nil
}
