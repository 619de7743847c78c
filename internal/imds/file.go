package imds

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// maxSecretFile is the largest file that a token is read from.
const maxSecretFile = 4096

// ReadToken reads a token from a file: one line, without spaces.
func ReadToken(path string) (secret.Text, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.Text{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return secret.Text{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" || len(text) > maxSecretFile || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secret.Text{}, fmt.Errorf("%s does not hold one line with a token", path)
	}
	return secret.New(text), nil
}

// Authorization reads the token that containers present from a file, which it makes with mode 0600 and 256 random bits where there is
// none.
func Authorization(path string, random io.Reader) (secret.Text, error) {
	token, err := ReadToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return secret.Text{}, err
	}
	text := hex.EncodeToString(b[:])
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return secret.Text{}, err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return secret.Text{}, err
	}
	return secret.New(text), nil
}

// Endpoint checks the URL of a server whose operator API is to be asked, and returns it without a slash at its end. The operator's
// token goes there: plain HTTP is for loopback alone.
func Endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%q is not the URL of a server, such as http://127.0.0.1:4566", text)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	here := err == nil && addr.IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")
	if u.Scheme != "https" && (u.Scheme != "http" || !here) {
		return "", fmt.Errorf("%s: the operator's token goes over https, or to a loopback address", text)
	}
	return u.Scheme + "://" + u.Host, nil
}
