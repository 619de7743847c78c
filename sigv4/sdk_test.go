package sigv4_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// alphabet is what names, values and paths are made of: unreserved, reserved, white space, beyond ASCII.
var alphabet = []rune("abzAZ09-._~ !*'();:@&=+$,/?#[]%\"<>\\^`{|}éሴ😀")

func word(rng *rand.Rand, most int) string {
	var b strings.Builder
	for range rng.IntN(most + 1) {
		b.WriteRune(alphabet[rng.IntN(len(alphabet))])
	}
	return b.String()
}

// generated makes a request as a program with the AWS SDK would.
func generated(t *testing.T, rng *rand.Rand) (r *http.Request, body string) {
	t.Helper()
	// The SDK's signer leaves dot and empty segments as they are; no request to a service that normalizes has any.
	u := url.URL{Scheme: "https", Host: "iam.example.test:8443", Path: "/"}
	if rng.IntN(2) == 0 {
		u.Path += "p" + strings.NewReplacer("/", "", ".", "").Replace(word(rng, 8)) + "/x"
	}
	q := url.Values{}
	for range rng.IntN(5) {
		q.Add("k"+word(rng, 3), word(rng, 6))
	}
	u.RawQuery = q.Encode()
	method := []string{"GET", "POST", "PUT"}[rng.IntN(3)]
	if method != "GET" {
		body = word(rng, 40)
	}
	r, err := http.NewRequest(method, u.String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "not signed")
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for i := range rng.IntN(4) {
		r.Header.Add(fmt.Sprintf("X-Amz-Meta-%d", i%2), strings.Join([]string{" a", "b", " c "}, strings.Repeat(" ", rng.IntN(4))))
	}
	return r, body
}

// overTheWire is the request that a server reads after a client wrote it.
func overTheWire(t *testing.T, r *http.Request) (*http.Request, [32]byte) {
	t.Helper()
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&buf))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, sha256.Sum256(body)
}

// TestSDK verifies requests that aws-sdk-go-v2's own signer signed and net/http carried.
func TestSDK(t *testing.T) {
	verifier := &sigv4.Verifier{Now: clock(suiteTime.Add(time.Minute)), Cache: sigv4.NewCache(100)}
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		creds := aws.Credentials{AccessKeyID: suiteKey, SecretAccessKey: suiteSecret}
		if rng.IntN(2) == 0 {
			creds.SessionToken = "token/" + strings.Repeat("x+=", rng.IntN(20))
		}
		r, body := generated(t, rng)
		sum := sha256.Sum256([]byte(body))
		hash := hex.EncodeToString(sum[:])
		signer := v4.NewSigner()
		query := rng.IntN(2) == 0
		if query {
			if rng.IntN(2) == 0 {
				q := r.URL.Query()
				q.Set("X-Amz-Expires", "300")
				r.URL.RawQuery = q.Encode()
			}
			signed, header, err := signer.PresignHTTP(t.Context(), creds, r, hash, "iam", "eu-west-1", suiteTime)
			if err != nil {
				t.Fatal(err)
			}
			if r.URL, err = url.Parse(signed); err != nil {
				t.Fatal(err)
			}
			for name, values := range header {
				if name != "Host" {
					r.Header[http.CanonicalHeaderKey(name)] = values
				}
			}
		} else if err := signer.SignHTTP(t.Context(), creds, r, hash, "iam", "eu-west-1", suiteTime); err != nil {
			t.Fatal(err)
		}
		got, sum := overTheWire(t, r)
		p, err := sigv4.Parse(got)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := verifier.Verify(p, suiteSecret, sum); err != nil {
			t.Fatalf("seed %d: %s", seed, reply(err))
		}
		if p.Region != "eu-west-1" || p.Service != "iam" || p.SecurityToken != creds.SessionToken || (p.Form == sigv4.FormQuery) != query {
			t.Errorf("seed %d: parsed %+v", seed, p)
		}
		sum[0] ^= 1
		if err := verifier.Verify(p, suiteSecret, sum); err == nil {
			t.Errorf("seed %d: accepted with another body", seed)
		}
	}
}

// TestSDKWithoutExpires presigns as the SDK's STS client does, without a life: it is good for 15 minutes.
func TestSDKWithoutExpires(t *testing.T) {
	r, _ := http.NewRequest("GET", "https://sts.example.test/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: suiteKey, SecretAccessKey: suiteSecret},
		r, hex.EncodeToString(emptySum[:]), "sts", "us-east-1", suiteTime)
	if err != nil {
		t.Fatal(err)
	}
	if r.URL, err = url.Parse(signed); err != nil {
		t.Fatal(err)
	}
	if err := check(&sigv4.Verifier{Now: clock(suiteTime.Add(15 * time.Minute))}, r); err != nil {
		t.Error(reply(err))
	}
	want(t, check(&sigv4.Verifier{Now: clock(suiteTime.Add(15*time.Minute + time.Second))}, r), sigv4.Expired, "Signature expired: …")
}

// TestSignerAgreesWithSDK holds our signer against the SDK's: the same request gets the same Authorization header.
func TestSignerAgreesWithSDK(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		ours, body := generated(t, rng)
		theirs, _ := generated(t, rand.New(rand.NewPCG(seed, 2)))
		// The SDK signs Content-Length, ours does not.
		ours.ContentLength, theirs.ContentLength = 0, 0
		sum := sha256.Sum256([]byte(body))
		s := sigv4.Signer{AccessKeyID: suiteKey, Secret: suiteSecret, Token: "token", Region: "us-east-1", Service: "iam"}
		if err := s.Sign(ours, sum, suiteTime); err != nil {
			t.Fatal(err)
		}
		creds := aws.Credentials{AccessKeyID: suiteKey, SecretAccessKey: suiteSecret, SessionToken: "token"}
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, theirs, hex.EncodeToString(sum[:]), "iam", "us-east-1", suiteTime); err != nil {
			t.Fatal(err)
		}
		if a, b := ours.Header.Get("Authorization"), theirs.Header.Get("Authorization"); a != b {
			t.Errorf("seed %d:\nours   %s\ntheirs %s", seed, a, b)
		}
	}
}
