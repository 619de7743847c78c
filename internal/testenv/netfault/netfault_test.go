package netfault_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/testenv/netfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers every line with the same line, and tells the test of each that arrives.
func server(t *testing.T) (addr string, arrived chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived = make(chan string, 100)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					arrived <- lines.Text()
					if _, err := fmt.Fprintln(conn, lines.Text()); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	return ln.Addr().String(), arrived
}

// client is one connection.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, p *netfault.Proxy) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) say(line string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.conn, line); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) hears(want string) {
	c.t.Helper()
	if got, err := c.in.ReadString('\n'); got != want+"\n" {
		c.t.Fatalf("heard %q (%v), want %q", got, err, want)
	}
}

// silent looks whether something has come. It cannot tell silence from slowness; what it is asked about has had its time.
func (c *client) silent() {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
		c.t.Fatal(err)
	}
	if b, err := c.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("heard %q (%v)", b, err)
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		c.t.Fatal(err)
	}
}

// refused expects a connection to break, at once or as soon as it is used.
func refused(t *testing.T, p *netfault.Proxy) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("somebody answers")
	}
}

func TestProxy(t *testing.T) {
	target, arrived := server(t)
	p := netfault.Listen(t, netfault.Config{Target: target})
	c := dial(t, p)
	c.say("one")
	c.hears("one")
	<-arrived

	p.Set(netfault.Cut)
	c.say("two")
	late := dial(t, p) // taken, and leads nowhere
	late.say("three")
	c.silent()
	if len(arrived) > 0 {
		t.Fatalf("%q passed a cut", <-arrived)
	}
	p.Set(netfault.Healthy)
	c.hears("two")
	late.hears("three")
	<-arrived
	<-arrived

	p.Set(netfault.State{ToClient: netfault.Way{Cut: true}})
	c.say("four")
	if got := <-arrived; got != "four" {
		t.Fatalf("%q arrived", got)
	}
	c.silent()
	p.Set(netfault.State{ToServer: netfault.Way{Cut: true}})
	c.hears("four")
	c.say("five")
	c.silent()
	p.Set(netfault.Healthy)
	c.hears("five")
	<-arrived

	p.Set(netfault.State{ToServer: netfault.Way{Delay: 50 * time.Millisecond}})
	before := time.Now()
	c.say("six")
	c.hears("six")
	if took := time.Since(before); took < 50*time.Millisecond {
		t.Errorf("a delay of 50 ms took %s", took)
	}
	<-arrived

	p.Reset()
	if _, err := c.in.ReadByte(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a reset is seen as %v", err)
	}
	p.Set(netfault.State{Refuse: true})
	refused(t, p)
	p.Set(netfault.Healthy)
	c = dial(t, p)
	c.say("seven")
	c.hears("seven")
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of a stream is seen as %v", err)
	}
}

// TestNames cuts off one of two callers.
func TestNames(t *testing.T) {
	target, _ := server(t)
	var mu sync.Mutex
	names := []string{"b", "a"}
	p := netfault.Listen(t, netfault.Config{Target: target, Name: func(net.Addr) string {
		mu.Lock()
		defer mu.Unlock()
		name := names[len(names)-1]
		names = names[:len(names)-1]
		return name
	}})
	a := dial(t, p)
	a.say("1")
	a.hears("1")
	b := dial(t, p)
	b.say("1")
	b.hears("1")
	p.Set(netfault.Cut, "a")
	a.say("2")
	b.say("2")
	b.hears("2")
	a.silent()
	p.Set(netfault.Healthy)
	a.hears("2")
	p.Reset("b")
	if _, err := b.in.ReadByte(); err == nil {
		t.Error("b is still connected")
	}
	a.say("3")
	a.hears("3")
	if p.Connections() != 2 {
		t.Errorf("%d connections", p.Connections())
	}
}

// TestNobodyListens leads to a port that is closed.
func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	p := netfault.Listen(t, netfault.Config{Target: ln.Addr().String()})
	refused(t, p)
}
