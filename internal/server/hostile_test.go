package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/server"
)

// Clients that are slow, or mean it. Limits are small, but longer than a loaded machine takes to send what a test has ready; the verdict
// is that the server closes or answers, however long that takes.
const soon = 500 * time.Millisecond

// dial connects, and sends text.
func dial(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// rest reads all that comes until the server closes. A reset is a close too.
func rest(t *testing.T, conn net.Conn) string {
	t.Helper()
	text, err := io.ReadAll(conn)
	if _, ok := errors.AsType[*net.OpError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(text)
}

// read answers with what it read, and 408 to whoever was too slow.
func read(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.WriteHeader(http.StatusRequestTimeout)
		return
	}
	_, _ = fmt.Fprintf(w, "%s %d %q", r.Method, len(text), text[:min(len(text), 20)])
}

func TestSlowClients(t *testing.T) {
	addr := serve(t, server.Config{
		Limits: server.Limits{Header: soon, Body: 2 * soon, BodyRate: 1 << 40, Idle: soon},
		API:    http.HandlerFunc(read),
	})
	large := server.SmallBody + 1
	for _, c := range []struct{ name, sent, want string }{
		{"says nothing", "", ""},
		{"never ends its first line", "GET /" + strings.Repeat("x", 100), "HTTP/1.1 400 Bad Request"},
		{"never ends its headers", "GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n", ""},
		{"never ends a small body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 Request Timeout"},
		{"never ends a large body", fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc", large), "HTTP/1.1 408 Request Timeout"},
		{"never ends a body in pieces", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP/1.1 408 Request Timeout"},
		{"keeps its connection", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer := rest(t, dial(t, addr, c.sent))
			if first, _, _ := strings.Cut(answer, "\r\n"); first != c.want {
				t.Errorf("the answer begins with %q, want %q", first, c.want)
			}
		})
	}
}

// TestSlowHandshake: whoever connects to a port with TLS and does not begin.
func TestSlowHandshake(t *testing.T) {
	addr := serve(t, server.Config{TLS: certificate(t, t.TempDir()), Limits: server.Limits{Header: soon}})
	for _, sent := range []string{"", "\x16\x03\x01\x02\x00"} {
		if got := rest(t, dial(t, addr, sent)); got != "" {
			t.Errorf("after %q the server says %q", sent, got)
		}
	}
}

// TestSlowReader: a client that does not take its answer costs the time for writing, and no more.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	addr := serve(t, server.Config{Limits: server.Limits{Write: soon}, API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for {
			if _, err := w.Write(piece); err != nil {
				ended <- err
				return
			}
		}
	})})
	dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing ended with %v", err)
	}
}

// deadlines records what a handler does to the deadlines of its connection.
type deadlines struct {
	http.ResponseWriter
	read, write []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = append(d.read, at)
	return nil
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, at)
	return nil
}

// TestBodyRate: what has come gives a large body more time, and the answer too; a small body is not watched.
func TestBodyRate(t *testing.T) {
	s := server.New(server.Config{
		Limits: server.Limits{Body: time.Minute, BodyRate: 1000, Write: time.Hour},
		API: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for _, n := range []int{500, 2000} {
				if _, err := io.ReadFull(r.Body, make([]byte, n)); err != nil {
					t.Error(err)
				}
			}
		}),
	})
	ask := func(size int) *deadlines {
		r, err := http.NewRequest("POST", "http://x/", bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		d := &deadlines{ResponseWriter: noWriter{}}
		s.Handler().ServeHTTP(d, r)
		return d
	}
	if d := ask(server.SmallBody); len(d.read) != 0 {
		t.Errorf("a small body moved its deadline to %v", d.read)
	}
	d := ask(server.SmallBody + 1)
	if len(d.read) != 2 || d.read[1].Sub(d.read[0]) != 2*time.Second {
		t.Errorf("after 500 and 2000 bytes at 1000 a second the deadlines are %v", d.read)
	}
	if len(d.write) != 2 || d.write[1].Sub(d.read[1]) != time.Hour {
		t.Errorf("the answers' deadlines are %v", d.write)
	}
}

type noWriter struct{}

func (noWriter) Header() http.Header         { return http.Header{} }
func (noWriter) Write(p []byte) (int, error) { return len(p), nil }
func (noWriter) WriteHeader(int)             {}

// meter counts what the server refuses.
type meter struct{ accepted, all, address, http2, throttled, panics atomic.Int64 }

func (m *meter) ConnectionAccepted() { m.accepted.Add(1) }
func (m *meter) HTTP2Error()         { m.http2.Add(1) }
func (m *meter) Panicked()           { m.panics.Add(1) }
func (m *meter) Throttled(scope, kind string) {
	if scope == "address" && kind == "operator" {
		m.throttled.Add(1)
	}
}
func (m *meter) ConnectionRefused(why string) {
	map[string]*atomic.Int64{"all": &m.all, "address": &m.address}[why].Add(1)
}

// from connects from one of the machine's loopback addresses, sends a request, and reports whether it was answered.
func from(t *testing.T, source, addr string) (conn net.Conn, answered bool) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return conn, false
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return conn, line == "HTTP/1.1 200 OK\r\n"
}

// TestConnections: connections over the limits are closed, and room is there again when one ends.
func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  server.Limits
		sources []string // of the connections that are open
		refused string   // the one that may not be open
		let     string   // another one, that may
		all     int64    // refusals counted
	}{
		{"in all", server.Limits{Connections: 2}, []string{"127.0.0.1", "127.0.0.2"}, "127.0.0.3", "", 1},
		{"of an address", server.Limits{Connections: 4, PerAddress: 2}, []string{"127.0.0.2", "127.0.0.2"}, "127.0.0.2", "127.0.0.1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := new(meter)
			addr := serve(t, server.Config{Limits: c.limits, Meter: m, API: http.HandlerFunc(read)})
			var open []net.Conn
			for _, s := range c.sources {
				conn, ok := from(t, s, addr)
				if !ok {
					t.Fatalf("the connection from %s is refused", s)
				}
				open = append(open, conn)
			}
			if _, ok := from(t, c.refused, addr); ok {
				t.Error("a connection over the limit is served")
			}
			if all, address := m.all.Load(), m.address.Load(); all != c.all || address != 1-c.all {
				t.Errorf("refused are %d and %d", all, address)
			}
			if c.let != "" {
				if _, ok := from(t, c.let, addr); !ok {
					t.Errorf("a connection from %s is refused", c.let)
				}
			}
			_ = open[0].Close()
			for { // until the server has seen the end
				if _, ok := from(t, c.refused, addr); ok {
					break
				}
				runtime.Gosched()
			}
		})
	}
}

// TestSmuggling: requests whose end two readers could see in different places. They are refused, or read in the one way that RFC 9112
// gives and the connection closed.
func TestSmuggling(t *testing.T) {
	var calls atomic.Int64
	addr := serve(t, server.Config{Limits: server.Limits{Idle: soon}, API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		read(w, r)
	})})
	const begin = "POST / HTTP/1.1\r\nHost: x\r\n"
	inner := "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, sent := range map[string]string{
		"two lengths":                        begin + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc" + inner,
		"two lengths in one":                 begin + "Content-Length: 3, 4\r\n\r\nabc" + inner,
		"a length with a sign":               begin + "Content-Length: +3\r\n\r\nabc" + inner,
		"a length that is none":              begin + "Content-Length: 0x3\r\n\r\nabc" + inner,
		"a length of less than nothing":      begin + "Content-Length: -1\r\n\r\n" + inner,
		"an unknown encoding":                begin + "Transfer-Encoding: xchunked\r\n\r\n" + inner,
		"two encodings":                      begin + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"encodings in a list":                begin + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + inner,
		"an encoding that does nothing":      begin + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc" + inner,
		"a space before the colon":           begin + "Content-Length : 3\r\n\r\nabc" + inner,
		"a space before a name":              "POST / HTTP/1.1\r\n Host: x\r\n\r\n",
		"two hosts":                          begin + "Host: y\r\n\r\n" + inner,
		"no host":                            "POST / HTTP/1.1\r\n\r\n",
		"a character that is no part of it":  begin + "X-A: a\x00b\r\n\r\n",
		"a version that is none":             "POST / HTTP/3.7\r\nHost: x\r\n\r\n",
		"a piece with a length that is none": begin + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			before := calls.Load()
			answers := rest(t, dial(t, addr, sent))
			if got := calls.Load() - before; got != 0 && !strings.HasPrefix(name, "a piece") || got > 1 {
				t.Errorf("%d requests were taken out of it", got)
			}
			if n := strings.Count(answers, "HTTP/1."); n != 1 || !strings.Contains(answers, "Connection: close") {
				t.Errorf("%d answers, of which one must close the connection:\n%s", n, answers)
			}
		})
	}
	t.Run("pieces and a length", func(t *testing.T) {
		answers := rest(t, dial(t, addr, begin+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
		if !strings.Contains(answers, `POST 3 "abc"`) || strings.Count(answers, "HTTP/1.") != 1 {
			t.Errorf("it was not read in pieces:\n%s", answers)
		}
	})
}

// frame is an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	f := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(f, stream), payload...)
}

// Kinds of frames, and the code with which a flood is answered (RFC 9113, sections 6 and 7).
const (
	frameHeaders, frameReset, frameSettings, frameGoAway = 0x1, 0x3, 0x4, 0x7
	enhanceYourCalm                                      = 0xb
)

// TestRapidReset: a client that resets each request as soon as it has sent it gets no more handlers than it may have streams, and then
// its connection is closed.
func TestRapidReset(t *testing.T) {
	var running, most atomic.Int64
	release := make(chan struct{})
	m := new(meter)
	addr := serve(t, server.Config{
		TLS: certificate(t, t.TempDir()), Limits: server.Limits{Streams: 4}, Meter: m,
		API: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release // the work that a reset does not stop
			running.Add(-1)
		}),
	})
	defer close(release)
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_, _ = conn.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(frameSettings, 0, 0, nil)...))
		headers := append([]byte{0x82, 0x87, 0x84, 0x01, 1}, 'x') // GET https / with the authority x
		for stream := uint32(1); ; stream += 2 {
			both := append(frame(frameHeaders, 0x5, stream, headers), frame(frameReset, 0, stream, []byte{0, 0, 0, 8})...)
			if _, err := conn.Write(both); err != nil {
				return
			}
		}
	}()
	var goAway []byte
	for r := bufio.NewReader(conn); ; {
		head := make([]byte, 9)
		if _, err := io.ReadFull(r, head); err != nil {
			break // closed
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(r, payload); err != nil {
			break
		}
		if head[3] == frameGoAway {
			goAway = payload
		}
	}
	if len(goAway) < 8 || binary.BigEndian.Uint32(goAway[4:]) != enhanceYourCalm {
		t.Errorf("the connection ended with %x", goAway)
	}
	if n := most.Load(); n > 4 {
		t.Errorf("%d handlers ran at the same time", n)
	}
	if m.http2.Load() == 0 {
		t.Error("nothing was counted")
	}
}

// TestDrain: what a load balancer and a client see of a server that is told to stop.
func TestDrain(t *testing.T) {
	delay, begun := make(chan time.Time), make(chan time.Duration, 1)
	s := server.New(server.Config{
		DrainDelay: time.Minute, API: http.HandlerFunc(read),
		After: func(d time.Duration) <-chan time.Time {
			begun <- d
			return delay
		},
	})
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	kept := dial(t, ln.Addr().String(), "")
	reader := bufio.NewReader(kept)
	ask := func(path string) *http.Response {
		t.Helper()
		if _, err := io.WriteString(kept, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	if resp := ask("/readyz"); resp.StatusCode != 200 || resp.Close {
		t.Errorf("before the stop it is ready: %d, and closes: %v", resp.StatusCode, resp.Close)
	}
	silent := dial(t, ln.Addr().String(), "")
	half := dial(t, ln.Addr().String(), "GET / HT")
	for connections := 0; connections < 3; connections, _ = s.Load() { // the one that is kept, and these two
		runtime.Gosched()
	}
	stop()
	if d := <-begun; d != time.Minute {
		t.Errorf("the delay is %s", d)
	}
	for path, want := range map[string]string{"/readyz": "503", "/healthz": "200", "/": "200"} { // on connections that are new
		answer := rest(t, dial(t, ln.Addr().String(), "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want) || !strings.Contains(answer, "Connection: close\r\n") {
			t.Errorf("while it drains %s answers\n%s", path, answer)
		}
	}
	if resp := ask("/readyz"); resp.StatusCode != 503 || !resp.Close { // on one that was there before
		t.Errorf("while it drains it is ready: %d, and keeps its connection: %v", resp.StatusCode, !resp.Close)
	}
	close(delay)
	if got := rest(t, silent); got != "" {
		t.Errorf("the silent connection got %q", got)
	}
	_ = half.Close() // net/http gives a request that has begun five seconds to go on
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("connections are accepted after the end")
	}
}

// TestDrainHalfRequest: a request of which only a part has come does not keep the server longer than it waits, and is no error.
func TestDrainHalfRequest(t *testing.T) {
	s := server.New(server.Config{Drain: time.Millisecond, API: http.HandlerFunc(read)})
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	conn := dial(t, ln.Addr().String(), "GET / HT")
	for connections := 0; connections < 1; connections, _ = s.Load() {
		runtime.Gosched()
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if got := rest(t, conn); got != "" {
		t.Errorf("the connection got %q", got)
	}
}
