package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// serve runs a server on a loopback listener until the test ends, and returns its address.
func serve(t *testing.T, cfg server.Config) string {
	t.Helper()
	if cfg.API == nil {
		cfg.API = http.NotFoundHandler()
	}
	s := server.New(cfg)
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return ln.Addr().String()
}

func do(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestPaths(t *testing.T) {
	ready := errors.New("the snapshot is not loaded: planted-detail")
	addr := "http://" + serve(t, server.Config{
		API:     http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "api "+r.URL.Path) }),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
		Ready:   func() error { return ready },
	})
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"HEAD", "/healthz", 200, ""},
		{"POST", "/healthz", 405, "Method Not Allowed\n"},
		{"GET", "/readyz", 503, "not ready\n"},
		{"GET", "/metrics", 200, "metrics"},
		{"POST", "/", 200, "api /"},
		{"GET", "/?Action=ListUsers", 200, "api /"},
		{"GET", "/healthz/x", 200, "api /healthz/x"},
		{"GET", "/_ostiary", 200, "api /_ostiary"},
		{"GET", "/_ostiary/v2/status", 404, "404 page not found\n"},
		{"GET", "/_ostiary/v1/status", 401, `{"Error":"The operator's token is missing or wrong."}` + "\n"},
	} {
		status, body, _ := do(t, c.method, addr+c.path, "")
		if status != c.status || body != c.body {
			t.Errorf("%s %s answers %d %q, want %d %q", c.method, c.path, status, body, c.status, c.body)
		}
	}
	ready = nil
	if status, body, _ := do(t, "GET", addr+"/readyz", ""); status != 200 || body != "ready\n" {
		t.Errorf("/readyz answers %d %q", status, body)
	}
}

// TestBodyLimit: the API's handler reads exactly MaxBody bytes and is told when there are more.
func TestBodyLimit(t *testing.T) {
	addr := "http://" + serve(t, server.Config{API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			n = large.Limit
		} else if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, big.NewInt(n).String())
	})})
	for size, want := range map[int]int{0: 200, server.MaxBody: 200, server.MaxBody + 1: 413} {
		status, body, _ := do(t, "POST", addr, strings.Repeat("x", size))
		if status != want || status == 413 && body != strconv.Itoa(server.MaxBody) || status == 200 && body != big.NewInt(int64(size)).String() {
			t.Errorf("a body of %d bytes: %d %s", size, status, body)
		}
	}
	if status, _, _ := do(t, "GET", addr, "", "X-Long", strings.Repeat("x", server.MaxHeaders+8192)); status != 431 {
		t.Errorf("a header past the limit: %d", status)
	}
}

func TestListenChecks(t *testing.T) {
	tlsConfig := certificate(t, t.TempDir())
	for _, c := range []struct {
		name    string
		cfg     server.Config
		address string
		want    string // empty: allowed
	}{
		{"loopback", server.Config{}, "127.0.0.1:0", ""},
		{"the name of loopback", server.Config{Dev: true}, "localhost:0", ""},
		{"everywhere", server.Config{}, "0.0.0.0:0", "plain HTTP is for loopback addresses"},
		{"everywhere, said so", server.Config{InsecureHTTP: true}, "0.0.0.0:0", ""},
		{"everywhere with TLS", server.Config{TLS: tlsConfig}, "0.0.0.0:0", ""},
		{"dev everywhere", server.Config{Dev: true, InsecureHTTP: true, TLS: tlsConfig}, "0.0.0.0:0", "dev mode is for loopback addresses"},
		{"not an address", server.Config{}, "127.0.0.1", "listening"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := server.New(c.cfg).Listen(t.Context(), c.address)
			if err == nil {
				defer ln.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Listen(%s) = %v, want %q", c.address, err, c.want)
			}
		})
	}
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.New(server.Config{Dev: true}).Serve(t.Context(), ln); err == nil {
		t.Error("Serve takes a listener that Listen refuses")
	}
}

// certificate writes a new certificate for 127.0.0.1 and loads it as the server does.
func certificate(t *testing.T, dir string) *tls.Config {
	t.Helper()
	certFile, keyFile := writePair(t, dir, issue(t, 1, time.Now().Add(time.Hour)))
	cfg, err := server.LoadTLS(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTLS(t *testing.T) {
	checklist.Shows(t, "S1-414")
	cfg := certificate(t, t.TempDir())
	addr := serve(t, server.Config{TLS: cfg, API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, tls.VersionName(r.TLS.Version))
	})})
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(cfg.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "TLS 1.3" || resp.ProtoMajor != 2 {
		t.Errorf("answer %q over HTTP/%d", body, resp.ProtoMajor)
	}
	if conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	if status, body, _ := do(t, "GET", "http://"+addr, ""); status != 400 || !strings.Contains(body, "HTTPS") {
		t.Errorf("plain HTTP on a TLS port: %d %q", status, body)
	}
	if _, err := server.LoadTLS("/no/such/cert", "/no/such/key"); err == nil {
		t.Error("LoadTLS reads files that are not there")
	}
}

// TestStopDrains: a stopping server takes no new connections, lets the request in progress finish, and ends without error.
func TestStopDrains(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := server.New(server.Config{API: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "finished")
	})})
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Post("http://"+ln.Addr().String(), "text/plain", http.NoBody)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-arrived
	stop()
	for { // until the listener is closed
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
		runtime.Gosched()
	}
	select {
	case err := <-ended:
		t.Fatalf("Serve ended with a request in progress: %v", err)
	default:
	}
	close(release)
	if got := <-answered; got != "finished" {
		t.Errorf("the request in progress got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

// TestStopCutsOff: a request that does not end does not keep the server for ever, and the stop says so.
func TestStopCutsOff(t *testing.T) {
	arrived := make(chan struct{})
	s := server.New(server.Config{Drain: time.Millisecond, API: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})})
	ln, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	go func() {
		if resp, err := http.Get("http://" + ln.Addr().String()); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-arrived
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Serve = %v", err)
	}
}

// TestPanicIsContained: a handler that panics costs its connection, not the server.
func TestPanicIsContained(t *testing.T) {
	addr := "http://" + serve(t, server.Config{
		API: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("planted panic") }),
	})
	if resp, err := http.Get(addr); err == nil {
		_ = resp.Body.Close()
		t.Errorf("a panic answers %d", resp.StatusCode)
	}
	if status, _, _ := do(t, "GET", addr+"/healthz", ""); status != 200 {
		t.Errorf("after a panic /healthz answers %d", status)
	}
}
