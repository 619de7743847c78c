package sigv4_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// refusal checks the form of an error: its type, a kind that has a name, a message of one line.
func refusal(t *testing.T, err error) {
	t.Helper()
	var e *sigv4.Error
	if !errors.As(err, &e) || e.Message == "" || e.Kind.String() == "unknown kind" {
		t.Fatalf("error %T %v", err, err)
	}
}

func FuzzAuthorization(f *testing.F) {
	for _, vec := range vectors(f, "botocore.json") {
		for _, h := range vec.Headers {
			if h[0] == "Authorization" {
				f.Add(h[1], "20150830T123600Z")
			}
		}
	}
	f.Add("Basic dXNlcjpwYXNz", "")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=A/20150830/iam/aws4_request,SignedHeaders=host;x-amz-date,Signature=3000", "20150830T123600Z")
	f.Fuzz(func(t *testing.T, auth, date string) {
		r := vector{Method: "GET", Path: "/"}.request()
		r.Header["Authorization"] = []string{auth}
		r.Header["X-Amz-Date"] = []string{date}
		r.Header["X-Amz-Region-Set"] = []string{"*"}
		p, err := sigv4.Parse(r)
		if err != nil {
			refusal(t, err)
			return
		}
		if p.AccessKeyID == "" || !strings.HasPrefix(p.Time.Format(sigv4.TimeFormat), p.Date) {
			t.Fatalf("accepted %q: %+v", auth, p)
		}
		if err := (&sigv4.Verifier{Now: clock(p.Time)}).Verify(p, "a secret that signed nothing", emptySum); err == nil {
			t.Fatalf("verified %q", auth)
		} else {
			refusal(t, err)
		}
	})
}

// FuzzCanonical signs arbitrary requests and asks that the verifier agrees, that it still agrees when the parameters come in
// another order, and that it disagrees when a parameter is added.
func FuzzCanonical(f *testing.F) {
	f.Add("GET", "/", "a=1&b=2", "value", false)
	f.Add("POST", "/a//b/../c%2F", "a&&=&%e1%88%b4=+", "  two  spaces\n line ", true)
	f.Add("GET", "/\u1234 ", "X-Amz-Expires=1&x-amz-date=1", "", false)
	f.Fuzz(func(t *testing.T, method, path, query, value string, s3 bool) {
		request := func(rawQuery string) *http.Request {
			r := &http.Request{Method: method, Host: "h", Header: http.Header{"X-Amz-Meta-A": {value}}, URL: &url.URL{RawQuery: rawQuery}}
			r.URL.RawPath = path
			r.URL.Path, _ = url.PathUnescape(path)
			return r
		}
		v := &sigv4.Verifier{Now: clock(suiteTime), S3: s3}
		s := &sigv4.Signer{AccessKeyID: suiteKey, Secret: suiteSecret, Region: "r", Service: "s", S3: s3}
		r := request(query)
		if err := s.Sign(r, emptySum, suiteTime); err != nil {
			t.Fatal(err)
		}
		if err := check(v, r); err != nil {
			refusal(t, err)
			if errors.Is(err, sigv4.Mismatch) {
				t.Fatalf("our own signature of %s %q?%q does not match:\n%s", method, path, query, reply(err))
			}
			return
		}
		parts := strings.Split(query, "&")
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
		again := request(strings.Join(parts, "&"))
		again.Header = r.Header
		if err := check(v, again); err != nil {
			t.Fatalf("the order of parameters changes the canonical form: %s", reply(err))
		}
		again = request(strings.TrimPrefix(query+"&added=1", "&"))
		again.Header = r.Header
		if check(v, again) == nil {
			t.Fatal("a parameter was added and the signature still matches")
		}
	})
}

func FuzzPresigned(f *testing.F) {
	for _, vec := range vectors(f, "botocore.json") {
		if vec.Form == "query" {
			f.Add(vec.Query)
		}
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := vector{Method: "GET", Path: "/", Query: query}.request()
		p, err := sigv4.Parse(r)
		if err != nil {
			refusal(t, err)
			return
		}
		if p.Form != sigv4.FormQuery || p.Expires < 0 || p.Expires > sigv4.MaxExpires {
			t.Fatalf("accepted %q: %+v", query, p)
		}
		if (&sigv4.Verifier{Now: clock(p.Time)}).Verify(p, "a secret that signed nothing", emptySum) == nil {
			t.Fatalf("verified %q", query)
		}
	})
}
