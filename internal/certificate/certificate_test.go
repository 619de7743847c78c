package certificate_test

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/certificate"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func refused(t *testing.T, what string, err error, kind fault.Kind, message string) {
	t.Helper()
	if !errors.Is(err, kind) || fault.MessageOf(err) != message {
		t.Errorf("%s: %v\nwant %v: %s", what, err, kind, message)
	}
}

func TestSigning(t *testing.T) {
	c := testenv.Issue(t, testenv.CertificateOf{Name: "alice", Start: now})
	s, err := certificate.ParseSigning(c.Body, now)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(s.ID()) || s.Text() != c.Body {
		t.Errorf("ID %s, text %s", s.ID(), s.Text())
	}
	again, err := certificate.ParseSigning("\r\n "+strings.ReplaceAll(c.Body, "\n", "\r\n")+"\n\n", now)
	if err != nil || again.ID() != s.ID() {
		t.Errorf("the same certificate in another text: %v", err)
	}
	other, err := certificate.ParseSigning(testenv.Issue(t, testenv.CertificateOf{Name: "alice", Start: now}).Body, now)
	if err != nil || other.ID() == s.ID() {
		t.Errorf("another certificate has the same ID: %v", err)
	}

	// The first and the last instant are inside.
	for at, valid := range map[time.Time]bool{
		now: true, now.Add(-time.Second): false, now.Add(24 * time.Hour): true, now.Add(24*time.Hour + time.Second): false,
	} {
		_, err := certificate.ParseSigning(c.Body, at)
		if valid && err != nil {
			t.Errorf("at %v: %v", at, err)
		} else if !valid {
			refused(t, at.String(), err, fault.InvalidCertificate,
				"The certificate is not valid: its validity period is from 2026-03-01T12:00:00Z to 2026-03-02T12:00:00Z.")
		}
	}
	for what, text := range map[string]string{
		"nothing":          "",
		"words":            "invalid-certificate-body",
		"a key":            c.PEM,
		"two certificates": c.Body + c.Body,
		"text before":      "Certificate:\n" + c.Body,
		"text after":       c.Body + "x",
		"headers":          strings.Replace(c.Body, "CERTIFICATE-----\n", "CERTIFICATE-----\nProc-Type: 4,CLEAR\n\n", 1),
		"damaged":          testenv.PEM("CERTIFICATE", c.X509.Raw[:len(c.X509.Raw)-1]),
		"bytes after":      testenv.PEM("CERTIFICATE", append(append([]byte{}, c.X509.Raw...), 0)),
		"a broken block":   "-----BEGIN CERTIFICATE-----\nxx\n" + c.Body,
		"too long":         c.Body + strings.Repeat("\n", 16384),
	} {
		_, err := certificate.ParseSigning(text, now)
		refused(t, what, err, fault.MalformedCertificate, "Certificate "+text+" is malformed.")
	}
}

// TestOpenSSL: certificates that another implementation made are read, and their IDs are its digests.
func TestOpenSSL(t *testing.T) {
	openssl := testenv.Tool(t, "openssl")
	dir := t.TempDir()
	run := func(t *testing.T, args ...string) string {
		t.Helper()
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %s: %v", args, err)
		}
		return string(out)
	}
	for name, generate := range map[string][]string{
		"RSA":   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"},
		"P-384": {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, append([]string{"genpkey", "-out", "key.pem"}, generate...)...)
			body := run(t, "req", "-x509", "-key", "key.pem", "-subj", "/CN=example", "-days", "2")
			for _, text := range []string{run(t, "pkey", "-in", "key.pem", "-traditional"), run(t, "pkey", "-in", "key.pem")} {
				if _, err := certificate.ParsePair(certificate.Upload{Body: body, Key: hidden(text)}, time.Now()); err != nil {
					t.Error(err)
				}
			}
			for _, text := range []string{
				run(t, "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:secret"),
				run(t, "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:secret", "-traditional"),
			} {
				_, err := certificate.ParsePair(certificate.Upload{Body: body, Key: hidden(text)}, time.Now())
				refused(t, "an encrypted key", err, fault.MalformedCertificate, "Invalid Private Key.")
			}
		})
	}
}
