package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/server"
)

// issued is a certificate with its key, as files hold them.
type issued struct{ cert, key []byte }

// issue makes a certificate of its own for 127.0.0.1 that is valid until a time.
func issue(t *testing.T, serial int64, until time.Time) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: until.Add(-2 * time.Hour),
		NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return issued{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// writePair writes what is not nil.
func writePair(t *testing.T, dir string, i issued) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{certFile: i.cert, keyFile: i.key} {
		if text == nil {
			continue
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

type loads struct{ ok, refused atomic.Int64 }

func (l *loads) CertificateLoaded(ok bool) {
	if ok {
		l.ok.Add(1)
	} else {
		l.refused.Add(1)
	}
}

// serial is of the certificate that a new connection is shown.
func serial(t *testing.T, addr string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestReload goes through what happens to certificate files, good and bad.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	hour := time.Now().Add(time.Hour).Truncate(time.Second)
	first, second, third := issue(t, 1, hour), issue(t, 2, hour.Add(time.Minute)), issue(t, 3, hour.Add(2*time.Minute))
	certFile, keyFile := writePair(t, dir, first)
	var log bytes.Buffer
	counts := new(loads)
	certs, err := server.OpenCertificates(server.CertificatesConfig{CertFile: certFile, KeyFile: keyFile, Meter: counts, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, server.Config{TLS: certs.TLS()})
	open, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	look := func() {
		ctx, stop := context.WithCancel(t.Context())
		tick, watched := make(chan time.Time), make(chan struct{})
		go func() {
			defer close(watched)
			certs.Watch(ctx, tick)
		}()
		tick <- time.Time{}
		stop()
		<-watched
	}
	for _, c := range []struct {
		what        string
		write       issued
		serial      int64
		ok, refused int64
	}{
		{"nothing changed", issued{}, 1, 0, 0},
		{"the certificate without its key", issued{cert: second.cert}, 1, 0, 1},
		{"its key", issued{key: second.key}, 2, 1, 1},
		{"no certificate", issued{cert: []byte("planted-text")}, 2, 1, 2},
		{"a certificate that has run out", issue(t, 9, time.Now().Add(-time.Minute)), 2, 1, 3},
		{"a certificate that is not valid yet", issue(t, 9, time.Now().Add(10*time.Hour)), 2, 1, 4},
		{"another one", third, 3, 2, 4},
	} {
		writePair(t, dir, c.write)
		look()
		if got := serial(t, addr); got != c.serial {
			t.Errorf("%s: connections are shown number %d, want %d", c.what, got, c.serial)
		}
		if ok, refused := counts.ok.Load(), counts.refused.Load(); ok != c.ok || refused != c.refused {
			t.Errorf("%s: counted are %d loaded and %d refused, want %d and %d", c.what, ok, refused, c.ok, c.refused)
		}
	}
	if want := hour.Add(2 * time.Minute); !certs.Expires().Equal(want) {
		t.Errorf("it expires at %s, want %s", certs.Expires(), want)
	}
	if n := strings.Count(log.String(), "is refused and the old one stays"); n != 4 {
		t.Errorf("the log speaks of %d refusals:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "planted-text") || bytes.Contains(log.Bytes(), third.key[40:60]) {
		t.Errorf("the log repeats what is in the files:\n%s", log.String())
	}

	// The connection that was there before goes on.
	if _, err := open.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if answer := rest(t, open); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("a connection from before got %q", answer)
	}

	// What an operator asks for is done although nothing changed, and says what is wrong.
	if err := certs.Reload(); err != nil || counts.ok.Load() != 3 {
		t.Errorf("Reload = %v, %d loaded", err, counts.ok.Load())
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if err := certs.Reload(); !errors.Is(err, os.ErrNotExist) || serial(t, addr) != 3 {
		t.Errorf("without its key: %v, number %d", err, serial(t, addr))
	}
	if _, err := server.OpenCertificates(server.CertificatesConfig{CertFile: certFile, KeyFile: keyFile}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenCertificates = %v", err)
	}
}
