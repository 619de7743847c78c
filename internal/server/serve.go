package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// DefaultDrain is how long a stopping server waits for requests in progress.
const DefaultDrain = 10 * time.Second

// Serve answers on ln until ctx ends, and then drains. From that moment /readyz says so, and every answer asks its client to close the
// connection; after [Config.DrainDelay], in which load balancers may find out, new connections are refused, and those are closed on
// which no request is in progress. Serve returns nil when the last request has ended. Requests that outlast [Config.Drain] are cut off,
// which is an error; connections that only wait are no requests. Serve closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := s.check(ln.Addr()); err != nil {
		_ = ln.Close()
		return err
	}
	conns := newConnections(ln, s.cfg.Limits, s.cfg.Meter)
	s.conns.Store(conns)
	hs := s.httpServer()
	served := make(chan error, 1)
	go func() {
		if hs.TLSConfig != nil {
			served <- hs.ServeTLS(conns, "", "")
		} else {
			served <- hs.Serve(conns)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.cfg.Logger.Info("draining", "requests", s.busy.Load(), "connections", conns.count(), "delay", s.cfg.DrainDelay)
	if s.cfg.DrainDelay > 0 {
		select {
		case err := <-served:
			return fmt.Errorf("serving: %w", err)
		case <-s.cfg.After(s.cfg.DrainDelay):
		}
	}
	conns.drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
	defer cancel()
	if err := hs.Shutdown(drain); err != nil {
		cut := s.busy.Load()
		_ = hs.Close()
		if cut > 0 {
			return fmt.Errorf("stopping: %d requests in progress were cut off: %w", cut, err)
		}
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// httpServer is net/http's server with the limits.
func (s *Server) httpServer() *http.Server {
	l := &s.cfg.Limits
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: l.Header, ReadTimeout: l.Body, WriteTimeout: l.Write, IdleTimeout: l.Idle,
		MaxHeaderBytes: l.HeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: l.Streams,
			// Requests are small and most of them have come with their headers: less than the megabyte that net/http would hold for each.
			MaxReceiveBufferPerStream: 256 << 10, MaxReceiveBufferPerConnection: 1 << 20,
			SendPingTimeout: l.Idle, PingTimeout: l.Header, WriteByteTimeout: l.Header,
			CountError: func(string) { s.cfg.Meter.HTTP2Error() },
		},
		// Failed handshakes and the like: whoever can connect can make these lines, so that they must come through a logger with a limit.
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelWarn),
	}
	if s.cfg.TLS != nil {
		hs.TLSConfig = s.cfg.TLS.Clone()
	}
	return hs
}

// Load says how many connections are open and how many requests are in progress.
func (s *Server) Load() (connections, requests int) {
	if c := s.conns.Load(); c != nil {
		connections = c.count()
	}
	return connections, int(s.busy.Load())
}
