// Package server is Ostiary's HTTP: listeners, TLS, limits, health, the operator API and the graceful stop. It knows no AWS
// protocol and decides nothing about identities: every path that is not its own goes to the handler of the AWS APIs.
//
//	GET  /healthz                  200 while the process answers
//	GET  /readyz                   200 when requests can be decided; 503 before that and while the server stops
//	GET  /metrics                  the metrics handler
//	POST /_ostiary/v1/accounts     the operator API: see operator.go
//	GET  /_ostiary/v1/status
//	GET  /_ostiary/v1/events
//	/federation, /saml, /signin/…, /console/…   the sign-in handler: see package signin
//
// Plain HTTP is served on loopback addresses only, unless InsecureHTTP says otherwise; dev mode, in which the operator API
// asks for no token, on loopback addresses only, always. Both are checked on the address that a listener really has.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of every connection. MaxBody is the most that any operation of the AWS APIs accepts, a SAML metadata document in a
// form; the API's handler holds nearly all of them to less. When it reads more it gets an *http.MaxBytesError and answers that in
// the protocol of the request.
const (
	MaxBody    = 32 << 20
	MaxHeaders = 64 << 10 // presigned requests carry everything in the first line

	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute

	// DefaultDrain is how long a stopping server waits for requests in progress.
	DefaultDrain = 10 * time.Second
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
	// Operator is the operator API. Its zero value refuses everything.
	Operator Operator

	// Dev opens the operator API without its token, to requests that name a loopback host.
	Dev bool
	// InsecureHTTP allows plain HTTP on an address that is not loopback.
	InsecureHTTP bool
	// TLS, if not nil, makes every listener speak TLS: see [LoadTLS].
	TLS *tls.Config
	// Drain is how long Serve waits for requests in progress when it stops. Zero means [DefaultDrain].
	Drain time.Duration
	// Logger is told of failures; nil means no messages.
	Logger *slog.Logger
}

// Server serves. Make it with [New].
type Server struct {
	cfg      Config
	handler  http.Handler
	stopping atomic.Bool
}

// New returns a server; it listens nowhere yet.
func New(cfg Config) *Server {
	if cfg.Drain <= 0 {
		cfg.Drain = DefaultDrain
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
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
		switch path := r.URL.Path; {
		case path == "/healthz", path == "/readyz", path == "/metrics", strings.HasPrefix(path, operatorRoot):
			own.ServeHTTP(w, r)
		case s.cfg.SignIn != nil && signsIn(path):
			s.cfg.SignIn.ServeHTTP(w, r)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
			s.cfg.API.ServeHTTP(w, r)
		}
	})
}

// signsIn reports whether a path is of signing in or of the console.
func signsIn(path string) bool {
	return path == "/federation" || path == "/saml" || path == "/console" || strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/signin/")
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.stopping.Load():
		plain(w, http.StatusServiceUnavailable, "stopping")
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

// Serve answers on ln until ctx ends; then it takes no new connections, waits for the requests in progress and returns nil.
// Requests that outlast [Config.Drain] are cut off, which is an error. Serve closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.check(ln.Addr()); err != nil {
		_ = ln.Close()
		return err
	}
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: MaxHeaders,
		ErrorLog:       slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() {
		if s.cfg.TLS != nil {
			hs.TLSConfig = s.cfg.TLS.Clone()
			served <- hs.ServeTLS(ln, "", "")
		} else {
			served <- hs.Serve(ln)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	if err := hs.Shutdown(drain); err != nil {
		_ = hs.Close()
		return fmt.Errorf("stopping: requests in progress were cut off: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// LoadTLS reads a certificate chain and its key. TLS 1.2 is the oldest version spoken.
func LoadTLS(certFile, keyFile string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the TLS certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
