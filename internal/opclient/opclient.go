// Package opclient asks the operator API of a running server, for the commands that work on one. It knows the API's form and
// nothing of what it is asked for.
package opclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	// maxAnswer is the largest answer of [Client.Call].
	maxAnswer = 16 << 20
	// stall is how long a server may take to begin an answer: a backup of a large store is made before it is sent.
	stall = 30 * time.Minute
)

// Client asks one server.
type Client struct {
	Endpoint string       // "http://127.0.0.1:4566", without a slash at the end
	Token    secret.Text  // empty in dev mode
	HTTP     *http.Client // nil means one that follows no redirects and goes through no proxy
}

// Answer is what a server says besides the body.
type Answer struct {
	Header http.Header
	Length int64     // -1 where it is not known
	At     time.Time // the server's clock, whole seconds; zero where it did not say
	Ends   time.Time // when the server's certificate ends; zero without TLS
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{
		Transport:     &http.Transport{Proxy: nil, ResponseHeaderTimeout: stall},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the operator API does not redirect") },
	}
}

// Open sends a request without a body and returns the body of the answer, which the caller closes. A refusal is a fault with the
// server's sentence, of the kind Denied, NotFound, Conflict or Unavailable where the status says so.
func (c *Client) Open(ctx context.Context, method, path string) (io.ReadCloser, Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Endpoint+"/_ostiary/v1/"+path, nil)
	if err != nil {
		return nil, Answer{}, fmt.Errorf("asking the operator API: %w", err)
	}
	if !c.Token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	}
	resp, err := c.client().Do(r)
	if err != nil {
		return nil, Answer{}, fmt.Errorf("asking the operator API: %w", err)
	}
	a := Answer{Header: resp.Header, Length: resp.ContentLength}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		a.Ends = resp.TLS.PeerCertificates[0].NotAfter
	}
	a.At, _ = http.ParseTime(resp.Header.Get("Date")) // zero is the answer where there is none
	if resp.StatusCode == http.StatusOK {
		return resp.Body, a, nil
	}
	defer resp.Body.Close()
	var refusal struct{ Error string }
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil || json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
		return nil, a, fmt.Errorf("the operator API answers %s", resp.Status)
	}
	kinds := map[int]fault.Kind{http.StatusForbidden: fault.Denied, http.StatusUnauthorized: fault.Denied, http.StatusNotFound: fault.NotFound,
		http.StatusConflict: fault.Conflict, http.StatusServiceUnavailable: fault.Unavailable}
	if kind, ok := kinds[resp.StatusCode]; ok {
		return nil, a, fault.New(kind, "%s", refusal.Error)
	}
	return nil, a, fmt.Errorf("the operator API answers %s: %s", resp.Status, refusal.Error)
}

// Call sends a request and reads the JSON of the answer into out.
func (c *Client) Call(ctx context.Context, method, path string, out any) (Answer, error) {
	body, a, err := c.Open(ctx, method, path)
	if err != nil {
		return a, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("it is too long")
	}
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return a, fmt.Errorf("reading the operator API's answer: %w", err)
	}
	return a, nil
}

// DateOf asks any HTTP server what time it is there.
func DateOf(ctx context.Context, url string) (time.Time, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	defer resp.Body.Close()
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%s did not say what time it is: %w", url, err)
	}
	return at, nil
}
