package sshkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/sshkey"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// public makes the public half of an RSA key of so many bits; nobody needs its factors.
func public(t testing.TB, bits int) *rsa.PublicKey {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1)
	n.SetBit(n, 0, 1)
	return &rsa.PublicKey{N: n, E: 65537}
}

// line is the key as x/crypto/ssh writes it, with a line end.
func line(t testing.TB, key any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(k))
}

// pemOf is the key as a PEM block.
func pemOf(t testing.TB, key *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return testenv.PEM("PUBLIC KEY", der)
}

func TestEncodings(t *testing.T) {
	checklist.Shows(t, "S1-306")
	for _, bits := range []int{2048, 2049, 3072, 4096, 16384} {
		want := public(t, bits)
		text := line(t, want)
		pkix, err := x509.MarshalPKIXPublicKey(want)
		if err != nil {
			t.Fatal(err)
		}
		block := testenv.PEM("PUBLIC KEY", pkix)
		foreign, err := ssh.NewPublicKey(want)
		if err != nil {
			t.Fatal(err)
		}
		for name, in := range map[string]string{
			"as written": text, "a comment": strings.TrimSpace(text) + " alice@example.com two words\n", "tabs": strings.ReplaceAll(text, " ", "\t"),
			"white space": "\n  " + text + "\r\n", "PKIX": block, "PKCS #1": testenv.PEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(want)),
			"CRLF": strings.ReplaceAll(block, "\n", "\r\n"),
		} {
			k, err := sshkey.Parse(in)
			if err != nil {
				t.Errorf("%d bits, %s: %v", bits, name, err)
				continue
			}
			if k.SSH() != strings.TrimSpace(text) || k.PEM() != block {
				t.Errorf("%d bits, %s: written as\n%s\n%s", bits, name, k.SSH(), k.PEM())
			}
			if got := "MD5:" + k.Fingerprint(); got != "MD5:"+ssh.FingerprintLegacyMD5(foreign) {
				t.Errorf("%d bits, %s: fingerprint %s", bits, name, got)
			}
		}
	}
}

// TestSSHKeygen: OpenSSH's keys are read, and the fingerprint is the one it shows.
func TestSSHKeygen(t *testing.T) {
	keygen := testenv.Tool(t, "ssh-keygen")
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command(keygen, "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "somebody", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	k, err := sshkey.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keygen, "-l", "-E", "md5", "-f", file+".pub").Output()
	if err != nil || !strings.Contains(string(out), " MD5:"+k.Fingerprint()+" ") {
		t.Errorf("%s; ssh-keygen says %s, %v", k.Fingerprint(), out, err)
	}
	out, err = exec.Command(keygen, "-e", "-m", "PKCS8", "-f", file+".pub").Output()
	if err != nil || string(out) != k.PEM() {
		t.Errorf("%s; ssh-keygen says %s, %v", k.PEM(), out, err)
	}
}

func TestRefusals(t *testing.T) {
	good := line(t, public(t, 2048))
	blob, err := base64.StdEncoding.DecodeString(strings.Fields(good)[1])
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(blob []byte) string { return "ssh-rsa " + base64.StdEncoding.EncodeToString(blob) }
	wire := func(name string, e, n []byte) string {
		var b []byte
		for _, field := range [][]byte{[]byte(name), e, n} {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
		}
		return encoded(b)
	}
	n := append([]byte{0}, public(t, 2048).N.Bytes()...)
	f4 := []byte{1, 0, 1}
	if _, err := sshkey.Parse(wire("ssh-rsa", f4, n)); err != nil {
		t.Fatal(err) // or the cases below show nothing
	}
	even := append([]byte{}, n...)
	even[len(even)-1] = 2
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecPKIX, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	const (
		size  = "The public key must be an RSA key of 2048 to 16384 bits."
		torn  = "The public key is malformed."
		coded = "The key format is not valid. The public key must be encoded in ssh-rsa or PEM format."
	)
	for name, c := range map[string]struct {
		text    string
		kind    fault.Kind
		message string
	}{
		"nothing":            {"", fault.UnknownEncoding, coded},
		"words":              {"a public key", fault.UnknownEncoding, coded},
		"ECDSA":              {line(t, ec.Public()), fault.UnknownEncoding, coded},
		"two lines":          {good + good, fault.UnknownEncoding, coded},
		"options":            {`no-pty ` + good, fault.UnknownEncoding, coded},
		"RFC 4716":           {"---- BEGIN SSH2 PUBLIC KEY ----\n" + strings.Fields(good)[1] + "\n---- END SSH2 PUBLIC KEY ----\n", fault.UnknownEncoding, coded},
		"a certificate":      {testenv.Issue(t, testenv.CertificateOf{}).Body, fault.UnknownEncoding, "The key format is not valid. The PEM block is not a public key."},
		"a private key":      {testenv.Issue(t, testenv.CertificateOf{}).PEM, fault.UnknownEncoding, "The key format is not valid. The PEM block is not a public key."},
		"ECDSA in PEM":       {testenv.PEM("PUBLIC KEY", ecPKIX), fault.InvalidPublicKey, "The public key must be an RSA key."},
		"broken PEM":         {testenv.PEM("PUBLIC KEY", []byte("x")), fault.InvalidPublicKey, torn},
		"half a block":       {"-----BEGIN PUBLIC KEY-----\nMA==", fault.InvalidPublicKey, torn},
		"two blocks":         {testenv.PEM("PUBLIC KEY", ecPKIX) + testenv.PEM("PUBLIC KEY", ecPKIX), fault.InvalidPublicKey, torn},
		"a broken block":     {"-----BEGIN PUBLIC KEY-----\nxx\n" + pemOf(t, public(t, 2048)), fault.InvalidPublicKey, torn},
		"no key":             {"ssh-rsa", fault.InvalidPublicKey, torn},
		"no base64":          {"ssh-rsa not-base64!", fault.InvalidPublicKey, torn},
		"padding bits":       {"ssh-rsa AAAAB3NzaC1yc2F=", fault.InvalidPublicKey, torn},
		"another algorithm":  {wire("ssh-dss", f4, n), fault.InvalidPublicKey, torn},
		"bytes after":        {encoded(append(append([]byte{}, blob...), 0)), fault.InvalidPublicKey, torn},
		"cut":                {encoded(blob[:len(blob)-1]), fault.InvalidPublicKey, torn},
		"a long length":      {encoded([]byte{0xFF, 0xFF, 0xFF, 0xFF}), fault.InvalidPublicKey, torn},
		"a negative modulus": {wire("ssh-rsa", f4, n[1:]), fault.InvalidPublicKey, torn},
		"zeros in front":     {wire("ssh-rsa", f4, append([]byte{0}, n...)), fault.InvalidPublicKey, torn},
		"no exponent":        {wire("ssh-rsa", nil, n), fault.InvalidPublicKey, torn},
		"exponent 1":         {wire("ssh-rsa", []byte{1}, n), fault.InvalidPublicKey, torn},
		"exponent 4":         {wire("ssh-rsa", []byte{4}, n), fault.InvalidPublicKey, torn},
		"a large exponent":   {wire("ssh-rsa", []byte{1, 0, 0, 1}, n), fault.InvalidPublicKey, torn},
		"an even modulus":    {wire("ssh-rsa", f4, even), fault.InvalidPublicKey, torn},
		"1024 bits":          {line(t, public(t, 1024)), fault.InvalidPublicKey, size},
		"2047 bits":          {line(t, public(t, 2047)), fault.InvalidPublicKey, size},
		"16385 bits":         {wire("ssh-rsa", f4, public(t, 16385).N.Bytes()), fault.InvalidPublicKey, size},
		"too long":           {good + strings.Repeat(" ", 16384), fault.InvalidPublicKey, "The public key is longer than 16384 characters."},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S1-306")
			_, err := sshkey.Parse(c.text)
			if !errors.Is(err, c.kind) || fault.MessageOf(err) != c.message {
				t.Errorf("%v, want %v: %s", err, c.kind, c.message)
			}
		})
	}
}

// FuzzParse: a key that is accepted is one to x/crypto/ssh too, of the same fingerprint, and comes back from both of its texts.
func FuzzParse(f *testing.F) {
	key := public(f, 2048)
	pkix, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line(f, key))
	f.Add(line(f, key) + "comment")
	f.Add(testenv.PEM("PUBLIC KEY", pkix))
	f.Add(testenv.PEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(key)))
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := sshkey.Parse(text)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.InvalidPublicKey && kind != fault.UnknownEncoding || fault.MessageOf(err) == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		foreign, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.SSH()))
		if err != nil {
			t.Fatalf("%q is written as %s: %v", text, k.SSH(), err)
		}
		if got := fmt.Sprintf("%x", md5.Sum(foreign.Marshal())); got != strings.ReplaceAll(k.Fingerprint(), ":", "") {
			t.Errorf("%q: fingerprint %s", text, k.Fingerprint())
		}
		for _, again := range []string{k.SSH(), k.PEM()} {
			if l, err := sshkey.Parse(again); err != nil || l.SSH() != k.SSH() || l.PEM() != k.PEM() {
				t.Errorf("%q is written as %q, which is read as %v, %v", text, again, l, err)
			}
		}
	})
}
