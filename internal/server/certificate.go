package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// LoadTLS reads a certificate chain and its key, once: what changes in the files later does not show. TLS 1.2 is the oldest version
// spoken.
func LoadTLS(certFile, keyFile string) (*tls.Config, error) {
	pair, err := readPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{*pair.cert}, MinVersion: tls.VersionTLS12}, nil
}

// CertificatesConfig says where a server's certificate is. Files must be set.
type CertificatesConfig struct {
	CertFile, KeyFile string
	// Logger is told what was loaded and what was refused; nil means no messages.
	Logger *slog.Logger
	// Meter counts attempts to load; nil counts nothing.
	Meter CertificateMeter
	Now   func() time.Time // nil means time.Now
}

// CertificateMeter counts attempts to load a new certificate.
type CertificateMeter interface{ CertificateLoaded(ok bool) }

// Certificates is a certificate with its key, in two files that may be replaced while the server runs. New connections get the new
// certificate; those that are open go on. A pair that cannot be used (one file unreadable, a key of another certificate, a certificate
// that is not valid now) is refused, and the old one stays.
type Certificates struct {
	cfg     CertificatesConfig
	current atomic.Pointer[pair]

	mu    sync.Mutex
	tried [sha256.Size]byte // of the files' text, when they were last looked at
}

// pair is a certificate with its key as read from the files.
type pair struct {
	cert   *tls.Certificate
	digest [sha256.Size]byte
}

// readPair reads the files. The digest is there whenever both could be read.
func readPair(certFile, keyFile string) (p pair, err error) {
	chain, err := os.ReadFile(certFile)
	if err != nil {
		return pair{}, fmt.Errorf("loading the TLS certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return pair{}, fmt.Errorf("loading the TLS certificate: %w", err)
	}
	of := sha256.Sum256(chain)
	p.digest = sha256.Sum256(append(of[:], key...))
	cert, err := tls.X509KeyPair(chain, key) // parses the leaf too, and its errors repeat nothing of the key
	if err != nil {
		return p, fmt.Errorf("loading the TLS certificate: %w", err)
	}
	p.cert = &cert
	return p, nil
}

// OpenCertificates reads the files for the first time. A certificate that is out of date is accepted here: a server with it is more than
// none.
func OpenCertificates(cfg CertificatesConfig) (*Certificates, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p, err := readPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	c := &Certificates{cfg: cfg, tried: p.digest}
	c.current.Store(&p)
	if err := c.valid(&p); err != nil {
		cfg.Logger.Warn("the TLS certificate is used although clients will refuse it", "error", err)
	}
	return c, nil
}

// TLS is the configuration of a server that shows the newest certificate.
func (c *Certificates) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load().cert, nil },
	}
}

// Expires is when the certificate in use is valid no longer.
func (c *Certificates) Expires() time.Time { return c.current.Load().cert.Leaf.NotAfter }

// Reload reads the files again, whether or not they changed, and uses what is in them from the next connection on. An error says why the
// old certificate stays; it has been logged and counted.
func (c *Certificates) Reload() error { return c.reload(true) }

// Watch looks at the files at every tick until ctx ends, and reloads them when what they hold has changed. What was refused is not tried
// again before it changes once more.
func (c *Certificates) Watch(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			_ = c.reload(false) // logged
		}
	}
}

func (c *Certificates) reload(always bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := readPair(c.cfg.CertFile, c.cfg.KeyFile)
	if !always && p.digest == c.tried {
		return nil
	}
	c.tried = p.digest // the zero value where a file could not be read: as long as that lasts it is said once
	if err == nil {
		err = c.valid(&p)
	}
	if c.cfg.Meter != nil {
		c.cfg.Meter.CertificateLoaded(err == nil)
	}
	if err != nil {
		c.cfg.Logger.Error("the new TLS certificate is refused and the old one stays in use", "error", err, "expires", c.Expires())
		return err
	}
	changed := p.digest != c.current.Swap(&p).digest
	c.cfg.Logger.Info("the TLS certificate was loaded", "changed", changed, "serial", p.cert.Leaf.SerialNumber.String(), "expires", c.Expires())
	return nil
}

var errNotNow = errors.New("the certificate is not valid now")

func (c *Certificates) valid(p *pair) error {
	leaf, now := p.cert.Leaf, c.cfg.Now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("%w, only from %s to %s", errNotNow, leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
