// Package netfault stands between two programs that talk TCP and makes their network bad.
//
//	p := netfault.Listen(t, netfault.Config{Target: server})
//	... the client is told p.Addr() ...
//	p.Set(netfault.Cut)                                   // nothing passes either way, and nobody is told
//	p.Set(netfault.State{ToClient: netfault.Way{Cut: true}}) // requests arrive, answers do not
//	p.Set(netfault.State{ToServer: netfault.Way{Delay: time.Second}})
//	p.Reset()                                             // connections break, with a reset
//	p.Set(netfault.Healthy)                               // what was held back passes now, as TCP would send it again
//
// A cut is silent, as a network that drops packets is: connections stay up, and new ones are taken and lead nowhere. Nothing is
// lost or changed inside a connection, whatever is set: TCP would not have that either.
//
// Where several programs call one proxy, Config.Name tells them apart, and Set and Reset take the names of those that they are for.
package netfault

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Way is one direction of a link.
type Way struct {
	Cut   bool          // nothing passes
	Delay time.Duration // everything is so late; how much passes in a second does not change
}

// State is a link. The zero value is a good one.
type State struct {
	ToServer, ToClient Way
	Refuse             bool // new connections are refused; those that are there go on
}

// States that tests use most.
var (
	Healthy = State{}
	Cut     = State{ToServer: Way{Cut: true}, ToClient: Way{Cut: true}}
)

// Config says where a proxy leads. Target must be set.
type Config struct {
	Target string // host:port
	// Name says who has connected, from the address that they call from. Nil gives all the name "".
	Name func(from net.Addr) string
}

// Proxy is one listener and what goes through it. All methods are safe for concurrent use.
type Proxy struct {
	c  Config
	ln net.Listener

	ctx     context.Context // ends with the proxy
	running sync.WaitGroup
	taken   atomic.Int64

	mu       sync.Mutex
	fallback State
	links    map[string]State // :: name → where it differs from fallback
	changed  chan struct{}    // closed, and made anew, by Set
	open     map[*link]struct{}
}

// link is one connection.
type link struct {
	name           string
	client, server net.Conn // server is nil until it has been dialled
	over           chan struct{}
	end            func() // closes over and both connections, once
}

// Listen starts a proxy on a port of its own. It ends with the test, and with it all that goes through it.
func Listen(t testing.TB, c Config) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{c: c, ln: ln, ctx: ctx, links: make(map[string]State), changed: make(chan struct{}), open: make(map[*link]struct{})}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		cancel()
		_ = ln.Close()
		p.each(nil, (*link).abort)
		p.running.Wait()
	})
	return p
}

// Addr is the address to connect to, host:port.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Connections returns how many connections have been taken.
func (p *Proxy) Connections() int { return int(p.taken.Load()) }

// Set changes the links of these names, or of all where there are none, from now on: connections that are there and new ones.
func (p *Proxy) Set(s State, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(names) == 0 {
		p.fallback = s
		clear(p.links)
	}
	for _, name := range names {
		p.links[name] = s
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset breaks the connections of these names, or all: both ends see a reset.
func (p *Proxy) Reset(names ...string) { p.each(names, (*link).abort) }

func (p *Proxy) each(names []string, do func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.open {
		if len(names) == 0 || slices.Contains(names, l.name) {
			do(l)
		}
	}
}

// abort breaks a connection. The caller holds the proxy's lock.
func (l *link) abort() {
	for _, c := range []net.Conn{l.client, l.server} {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset; it fails for what is closed already
		}
	}
	l.end()
}

// state returns a link's state and what tells of its next change.
func (p *Proxy) state(name string) (State, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.links[name]
	if !ok {
		s = p.fallback
	}
	return s, p.changed
}

func (p *Proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.serve(conn) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.taken.Add(1)
	l := &link{client: client, over: make(chan struct{})}
	if p.c.Name != nil {
		l.name = p.c.Name(client.RemoteAddr())
	}
	l.end = sync.OnceFunc(func() {
		close(l.over)
		_ = client.Close()
		if l.server != nil {
			_ = l.server.Close()
		}
	})
	p.mu.Lock()
	p.open[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, l)
		l.end()
	}()
	if s, _ := p.state(l.name); s.Refuse {
		p.mu.Lock()
		l.abort()
		p.mu.Unlock()
		return
	}
	if !p.passes(l, func(s State) Way { return s.ToServer }) {
		return
	}
	server, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(p.ctx, "tcp", p.c.Target)
	p.mu.Lock()
	if l.server = server; err != nil || p.ctx.Err() != nil {
		l.server = nil
		l.abort() // nobody listens: the client sees that its connection breaks
		p.mu.Unlock()
		if err == nil {
			_ = server.Close()
		}
		return
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(l, client, server, func(s State) Way { return s.ToServer }) })
	both.Go(func() { p.pump(l, server, client, func(s State) Way { return s.ToClient }) })
	both.Wait()
}

// passes waits until a way is not cut, and reports whether the link is still there.
func (p *Proxy) passes(l *link, way func(State) Way) bool {
	for {
		s, changed := p.state(l.name)
		if !way(s).Cut {
			return true
		}
		select {
		case <-changed:
		case <-l.over:
			return false
		case <-p.ctx.Done():
			return false
		}
	}
}

// chunk is what was read at a time; data is nil at the end of a stream.
type chunk struct {
	data []byte
	at   time.Time
	err  error
}

// pump carries one direction. Reading goes ahead of writing by a bounded amount, so that a delay does not slow down what follows.
func (p *Proxy) pump(l *link, from, to net.Conn, way func(State) Way) {
	chunks := make(chan chunk, 64)
	p.running.Go(func() {
		defer close(chunks)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			select {
			case chunks <- chunk{buf[:n], time.Now(), err}:
			case <-l.over:
				return
			}
			if err != nil {
				return
			}
		}
	})
	for c := range chunks {
		if !p.hold(l, c.at, way) {
			return
		}
		if len(c.data) > 0 {
			if _, err := to.Write(c.data); err != nil {
				l.end()
				return
			}
		}
		if c.err == io.EOF {
			if tcp, ok := to.(*net.TCPConn); ok {
				_ = tcp.CloseWrite() // it may be gone
			}
			return
		}
		if c.err != nil {
			p.mu.Lock()
			l.abort()
			p.mu.Unlock()
			return
		}
	}
}

// hold waits until what was read at a time may go on, and reports whether the link is still there.
func (p *Proxy) hold(l *link, at time.Time, way func(State) Way) bool {
	for {
		if !p.passes(l, way) {
			return false
		}
		s, changed := p.state(l.name)
		w := way(s)
		left := time.Until(at.Add(w.Delay))
		if !w.Cut && left <= 0 {
			return true
		}
		if w.Cut {
			continue
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-changed:
		case <-l.over:
			t.Stop()
			return false
		}
		t.Stop()
	}
}
