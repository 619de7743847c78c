package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/doctor"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// wants checks the level of a report of one finding, and what it says.
func wants(t *testing.T, what string, r *doctor.Report, level doctor.Level, say string) {
	t.Helper()
	if len(r.Findings) != 1 || r.Findings[0].Level != level || !strings.Contains(r.Findings[0].Text, say) || level != doctor.OK && r.Findings[0].Do == "" {
		t.Errorf("%s: %+v, want %s %q and what to do", what, r.Findings, level, say)
	}
}

func TestClock(t *testing.T) {
	for off, level := range map[time.Duration]doctor.Level{0: doctor.OK, 29 * time.Second: doctor.OK, -31 * time.Second: doctor.Warning, 6 * time.Minute: doctor.Error, -time.Hour: doctor.Error} {
		r := new(doctor.Report)
		r.Clock("it", now.Add(off), now)
		wants(t, off.String(), r, level, "it")
	}
	r := new(doctor.Report)
	r.Latest(now, now.Add(time.Hour))
	wants(t, "a store from the future", r, doctor.Error, "1h0m0s ahead")
	r = new(doctor.Report)
	r.Latest(now, now)
	wants(t, "now", r, doctor.OK, "")
}

// pair writes a certificate and a key.
func pair(t *testing.T, from, to time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "iam.example.com"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTLS(t *testing.T) {
	const day = 24 * time.Hour
	for what, tt := range map[string]struct {
		from, to time.Duration
		level    doctor.Level
		say      string
	}{
		"good":  {-day, 90 * day, doctor.OK, "matches its key"},
		"soon":  {-day, 29 * day, doctor.Warning, "ends on 2026-12-20"},
		"ended": {-2 * day, 0, doctor.Error, "has ended on 2026-11-21"},
		"later": {day, 90 * day, doctor.Error, "is not good before"},
	} {
		cert, key := pair(t, now.Add(tt.from), now.Add(tt.to))
		r := new(doctor.Report)
		r.TLS(cert, key, now)
		wants(t, what, r, tt.level, tt.say)
	}
	cert, _ := pair(t, now, now.Add(day))
	_, key := pair(t, now, now.Add(day))
	for _, key := range []string{key, cert, key + "x"} {
		r := new(doctor.Report)
		r.TLS(cert, key, now)
		wants(t, "not a pair", r, doctor.Error, cert)
	}
}

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look := func() *doctor.Report {
		r := new(doctor.Report)
		r.Files(dir, "secret", "absent")
		return r
	}
	wants(t, "good", look(), doctor.OK, "")
	if err := os.Chmod(secret, 0o640); err != nil {
		t.Fatal(err)
	}
	wants(t, "readable", look(), doctor.Error, "0640")
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if r := look(); len(r.Findings) != 2 || r.Worst() != doctor.Error || r.Findings[0].Level != doctor.Warning {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", secret); err != nil {
		t.Fatal(err)
	}
	if r := look(); r.Worst() != doctor.Error || !strings.Contains(r.Findings[1].Text, "not a regular file") {
		t.Errorf("%+v", r)
	}
	r := new(doctor.Report)
	r.Files(filepath.Join(dir, "absent"))
	wants(t, "no directory", r, doctor.Error, "no directory")
}

func TestWrite(t *testing.T) {
	r := new(doctor.Report)
	if r.Worst() != doctor.OK {
		t.Error(r.Worst())
	}
	r.Add("a", doctor.OK, "", "fine")
	r.Add("b", doctor.Warning, "see", "soon")
	r.Add("c", doctor.Error, "do", "bad")
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "error   c: bad\n        → do\nwarning b: soon\n        → see\nok      a: fine\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}
