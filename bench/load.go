package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// call is a signed request that can be sent, again and again.
type call struct {
	request *http.Request
	body    string
}

// key is who signs.
type key struct{ id, secret, token string }

// Versions of the APIs.
const (
	iamVersion = "2010-05-08"
	stsVersion = "2011-06-15"
)

// sign makes a call; form has the operation's name first: "GetUser", then parameters by pairs.
func sign(to string, k key, form ...string) (call, error) {
	service, version := "iam", iamVersion
	if form[0] == "GetCallerIdentity" || form[0] == "AssumeRole" {
		service, version = "sts", stsVersion
	}
	values := url.Values{"Action": {form[0]}, "Version": {version}}
	for i := 1; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	body := values.Encode()
	r, err := http.NewRequest(http.MethodPost, to, nil)
	if err != nil {
		return call{}, err
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.6 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/iam#1.64.7")
	if k.token != "" {
		r.Header.Set("X-Amz-Security-Token", k.token)
	}
	s := sigv4.Signer{AccessKeyID: k.id, Secret: k.secret, Region: "us-east-1", Service: service}
	if err := s.Sign(r, sha256.Sum256([]byte(body)), time.Now()); err != nil {
		return call{}, err
	}
	return call{r, body}, nil
}

func newClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}
}

// send posts the call and returns the answer's body, which is an error unless its status is 200.
func send(client *http.Client, c call, into *bytes.Buffer) error {
	again := *c.request
	again.Body = io.NopCloser(strings.NewReader(c.body))
	res, err := client.Do(&again)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	into.Reset()
	if _, err := into.ReadFrom(res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%.40s: status %d: %s", c.body, res.StatusCode, into)
	}
	return nil
}

// ask sends one call and reads an element out of the answer, by name: for preparations.
func ask(to string, k key, element string, form ...string) (string, error) {
	c, err := sign(to, k, form...)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := send(http.DefaultClient, c, &b); err != nil || element == "" {
		return "", err
	}
	for dec := xml.NewDecoder(&b); ; {
		token, err := dec.Token()
		if err != nil {
			return "", fmt.Errorf("the answer to %s has no %s: %w", form[0], element, err)
		}
		if s, ok := token.(xml.StartElement); ok && s.Name.Local == element {
			var text string
			return text, dec.DecodeElement(&text, &s)
		}
	}
}

// run is what a load did.
type outcome struct {
	calls    int64
	took     time.Duration
	latency  []time.Duration // sorted
	cpu      time.Duration   // of the server, for each call
	allocs   float64         // of the server, for each call
	bytes    float64
	gcShare  float64
	sampling int
}

func (o *outcome) perSecond() float64 { return float64(o.calls) / o.took.Seconds() }

// quantile is in nanoseconds.
func (o *outcome) quantile(q float64) float64 {
	if len(o.latency) == 0 {
		return 0
	}
	return float64(o.latency[min(int(q*float64(len(o.latency))), len(o.latency)-1)])
}

// load sends calls over so many connections: each of them once where once says so, or else in turn until the time is over.
func load(p *proc, client *http.Client, connections int, calls []call, once bool, during time.Duration) (*outcome, error) {
	before, err := p.stats()
	if err != nil {
		return nil, err
	}
	var next, done atomic.Int64
	var mu sync.Mutex
	var failed error
	o := &outcome{}
	began := time.Now()
	var work sync.WaitGroup
	for range connections {
		work.Go(func() {
			var b bytes.Buffer
			var latency []time.Duration
			var err error
			for at := began; err == nil; {
				n := next.Add(1) - 1
				if once && n >= int64(len(calls)) || !once && at.Sub(began) >= during {
					break
				}
				err = send(client, calls[n%int64(len(calls))], &b)
				now := time.Now()
				latency = append(latency, now.Sub(at))
				at = now
				done.Add(1)
			}
			mu.Lock()
			defer mu.Unlock()
			o.latency = append(o.latency, latency...)
			if failed == nil {
				failed = err
			}
		})
	}
	work.Wait()
	o.took, o.calls = time.Since(began), done.Load()
	if failed != nil {
		return nil, failed
	}
	after, err := p.stats()
	if err != nil {
		return nil, err
	}
	slices.Sort(o.latency)
	o.cpu = (after.CPU - before.CPU) / time.Duration(o.calls)
	o.allocs = float64(after.Allocations-before.Allocations) / float64(o.calls)
	o.bytes = float64(after.AllocatedBytes-before.AllocatedBytes) / float64(o.calls)
	return o, nil
}

// issue makes an access key for a user.
func issue(to string, root key, user string) (key, error) {
	c, err := sign(to, root, "CreateAccessKey", "UserName", user)
	if err != nil {
		return key{}, err
	}
	var b bytes.Buffer
	if err := send(http.DefaultClient, c, &b); err != nil {
		return key{}, err
	}
	var answer struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := xml.Unmarshal(b.Bytes(), &answer); err != nil {
		return key{}, err
	}
	return key{id: answer.ID, secret: answer.Secret}, nil
}
