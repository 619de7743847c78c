package server

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// Why a connection is refused.
const (
	refusedAll     = "all"     // as many are open as may be
	refusedAddress = "address" // its address has as many as it may have
)

// Meter counts what the server itself refuses. Every method must be cheap.
type Meter interface {
	// ConnectionAccepted counts a connection that is served.
	ConnectionAccepted()
	// ConnectionRefused counts one that was closed at once; why is "all" or "address".
	ConnectionRefused(why string)
	// Throttled counts a request refused because of its rate: "address", "operator" for a wrong token.
	Throttled(scope, kind string)
	// Panicked counts a request that ended in a panic.
	Panicked()
	// HTTP2Error counts what is wrong with HTTP/2 connections and streams: protocol errors, floods, time-outs.
	HTTP2Error()
}

type noMeter struct{}

func (noMeter) ConnectionAccepted()      {}
func (noMeter) ConnectionRefused(string) {}
func (noMeter) Throttled(string, string) {}
func (noMeter) Panicked()                {}
func (noMeter) HTTP2Error()              {}

// connections is a listener that holds its connections to the limits and knows those that are open. What it keeps is bounded by their
// number.
type connections struct {
	net.Listener
	all, perAddress int
	meter           Meter

	mu        sync.Mutex
	open      map[*connection]bool
	byAddress map[netip.Addr]int // :: address, or network of an IPv6 address → open connections
	draining  bool               // nothing new
}

func newConnections(ln net.Listener, l Limits, meter Meter) *connections {
	return &connections{
		Listener: ln, all: l.Connections, perAddress: l.PerAddress, meter: meter,
		open: make(map[*connection]bool), byAddress: make(map[netip.Addr]int),
	}
}

// Accept returns the next connection that is within the limits. Others are closed: there is no request yet that could be answered, and
// a client that is not worth a connection is not worth waiting for.
func (c *connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		admitted, why := c.admit(conn)
		if admitted != nil {
			c.meter.ConnectionAccepted()
			return admitted, nil
		}
		_ = conn.Close()
		if why != "" {
			c.meter.ConnectionRefused(why)
		}
	}
}

// admit counts a connection in, or says why it is not.
func (c *connections) admit(conn net.Conn) (admitted *connection, why string) {
	from := network(conn.RemoteAddr())
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.draining:
		return nil, ""
	case len(c.open) >= c.all:
		return nil, refusedAll
	case c.byAddress[from] >= c.perAddress:
		return nil, refusedAddress
	}
	admitted = &connection{Conn: conn, of: c, from: from}
	c.open[admitted] = true
	c.byAddress[from]++
	return admitted, ""
}

// drain takes no more connections, and closes those on which nothing has ever come: they would only be waited for.
func (c *connections) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	for conn := range c.open {
		if !conn.spoke.Load() {
			_ = conn.Conn.Close() // its owner will close it again, and count it out
		}
	}
}

// count is how many connections are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// connection is one of the open connections.
type connection struct {
	net.Conn
	of     *connections
	from   netip.Addr
	spoke  atomic.Bool // something has come
	closed sync.Once
}

// Read reads, and notes that something came.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.spoke.Load() {
		c.spoke.Store(true)
	}
	return n, err
}

// Close closes the connection and counts it out, once.
func (c *connection) Close() error {
	c.closed.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		delete(c.of.open, c)
		if c.of.byAddress[c.from]--; c.of.byAddress[c.from] == 0 {
			delete(c.of.byAddress, c.from)
		}
	})
	return c.Conn.Close()
}

// CloseWrite lets the HTTP server end an answer properly before it stops reading: see net/http, which looks for this method.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// network is what a connection is counted by; the zero value for what is no IP address.
func network(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return throttle.Network(tcp.AddrPort().Addr())
}
