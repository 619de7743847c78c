// Package severed is a wire to an etcd that a test can cut, or make deaf in one direction.
package severed

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Wire is a proxy on loopback. Its methods are safe for concurrent use.
type Wire struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	cut   bool
	mute  bool
	conns map[net.Conn]bool
}

// New returns a wire to an address, host:port. It is gone at the end of the test.
func New(t testing.TB, target string) *Wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{ln: ln, target: target, conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(in) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		w.Cut(true)
		serving.Wait()
	})
	return w
}

// Addr is where to connect to, host:port.
func (w *Wire) Addr() string { return w.ln.Addr().String() }

// Cut ends all connections and refuses new ones, or lets them through again.
func (w *Wire) Cut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

// Mute drops what the target answers from now on, or no longer: requests arrive and nobody learns what came of them.
func (w *Wire) Mute(mute bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mute = mute
}

func (w *Wire) muted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mute
}

func (w *Wire) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer out.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.conns[in], w.conns[out] = true, true
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	})
	both.Go(func() {
		defer in.Close()
		for buf := make([]byte, 32<<10); ; {
			n, err := out.Read(buf)
			if n > 0 && !w.muted() {
				if _, err := in.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	both.Wait()
	w.mu.Lock()
	delete(w.conns, in)
	delete(w.conns, out)
	w.mu.Unlock()
}
