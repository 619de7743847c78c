package sigv4_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/sigv4"
)

var emptySum = sha256.Sum256(nil)

// signed returns a request of our own signer; change runs before signing.
func signed(t testing.TB, change func(*http.Request, *sigv4.Signer)) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", "http://iam.example.test:4566/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := &sigv4.Signer{AccessKeyID: suiteKey, Secret: suiteSecret, Region: "us-east-1", Service: "iam"}
	if change != nil {
		change(r, s)
	}
	if err := s.Sign(r, emptySum, suiteTime); err != nil {
		t.Fatal(err)
	}
	return r
}

func presigned(t testing.TB, expires time.Duration, change func(*http.Request, *sigv4.Signer)) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", "http://sts.example.test/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &sigv4.Signer{AccessKeyID: suiteKey, Secret: suiteSecret, Region: "us-east-1", Service: "sts"}
	if change != nil {
		change(r, s)
	}
	if err := s.Presign(r, emptySum, suiteTime, expires); err != nil {
		t.Fatal(err)
	}
	return r
}

func check(v *sigv4.Verifier, r *http.Request) error {
	p, err := sigv4.Parse(r)
	if err != nil {
		return err
	}
	return v.Verify(p, suiteSecret, emptySum)
}

// want checks kind and message; a message that ends in "…" is a prefix.
func want(t *testing.T, err error, kind sigv4.Kind, message string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	prefix, cut := strings.CutSuffix(message, "…")
	if got := err.Error(); got != message && !(cut && strings.HasPrefix(got, prefix)) {
		t.Errorf("got  %q\nwant %q", got, message)
	}
}

func TestParsed(t *testing.T) {
	r := signed(t, func(_ *http.Request, s *sigv4.Signer) { s.Token = "token" })
	p, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %s %s %s %s %s %q %s %v %v %s", p.Form, p.Algorithm, p.AccessKeyID, p.Date, p.Region, p.Service, p.RegionSet,
		p.SignedHeaders, p.Time, p.Expires, p.SecurityToken)
	const header = `header AWS4-HMAC-SHA256 AKIDEXAMPLE 20150830 us-east-1 iam "" content-type;host;x-amz-date;x-amz-security-token ` +
		`2015-08-30 12:36:00 +0000 UTC 0s token`
	if got != header {
		t.Errorf("got  %s\nwant %s", got, header)
	}
	r = presigned(t, time.Minute, func(_ *http.Request, s *sigv4.Signer) { s.Token, s.RegionSet = "token", "us-*,eu-west-1" })
	if p, err = sigv4.Parse(r); err != nil {
		t.Fatal(err)
	}
	got = fmt.Sprintf("%v %s %s %s %q %s %s %s %v %v %s", p.Form, p.Algorithm, p.AccessKeyID, p.Date, p.Region, p.Service, p.RegionSet,
		p.SignedHeaders, p.Time, p.Expires, p.SecurityToken)
	const query = `query AWS4-ECDSA-P256-SHA256 AKIDEXAMPLE 20150830 "" sts us-*,eu-west-1 host 2015-08-30 12:36:00 +0000 UTC 1m0s token`
	if got != query {
		t.Errorf("got  %s\nwant %s", got, query)
	}
	for _, r := range []*http.Request{signed(t, nil), presigned(t, time.Minute, nil),
		signed(t, func(_ *http.Request, s *sigv4.Signer) { s.RegionSet = "*" })} {
		if err := check(&sigv4.Verifier{Now: clock(suiteTime)}, r); err != nil {
			t.Errorf("%v", reply(err))
		}
	}
}

// TestHeaderSentences walks what can be wrong with a header. Sentences are AWS's where AWS has one.
func TestHeaderSentences(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct {
		name, auth string
		kind       sigv4.Kind
		message    string
	}{
		{"nothing", "", sigv4.Missing, "Request is missing Authentication Token"},
		{"another scheme", "Bearer abc.def", sigv4.Incomplete, "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '…"},
		{"basic", "Basic dXNlcjpwYXNzd29yZA==", sigv4.Incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed with SHA-256 and encoded with Base64) Authorization=…"},
		{"scheme only", "AWS4-HMAC-SHA256", sigv4.Incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. (Hashed…"},
		{"no signature", replace(", Signature=00", ""), sigv4.Incomplete, "Authorization header requires 'Signature' parameter. (Hashed…"},
		{"no credential", replace("Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, ", ""), sigv4.Incomplete, "Authorization header requires 'Credential' parameter. (Hashed…"},
		{"no pair", replace("Signature=00", "Signature"), sigv4.Incomplete, "Invalid key=value pair…"},
		{"comma at the end", good + ",", sigv4.Incomplete, ""},
		{"doubled", good + ", Signature=00", sigv4.Incomplete, "Authorization header must have 'Signature' parameter only once."},
		{"unknown parameter", good + ", Foo=00", sigv4.Incomplete, "Authorization header has a parameter that is not Credential, SignedHeaders or Signature."},
		{"algorithm", replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), sigv4.Incomplete, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."},
		{"short credential", replace("/us-east-1", ""), sigv4.Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDEXAMPLE/20150830/iam/aws4_request'"},
		{"long credential", replace("/us-east-1", "/us/east/1"), sigv4.Incomplete, "Credential must have exactly 5…"},
		{"no key ID", replace("AKIDEXAMPLE", ""), sigv4.Incomplete, "Credential must have exactly 5…"},
		{"empty credential", replace("AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request", ""), sigv4.Incomplete, "Credential must have exactly 5…"},
		{"five of SigV4A", replace("HMAC-SHA256", "ECDSA-P256-SHA256"), sigv4.Incomplete, "Credential must have exactly 4 slash-delimited elements, e.g. keyid/date/service/term, got '…"},
		{"terminator", replace("aws4_request", "aws5_request"), sigv4.Scope, "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "},
		{"date", replace("20150830", "20150831"), sigv4.Scope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != '20150830', from '20150830T123600Z'."},
		{"host unsigned", replace("host;", ""), sigv4.Unsigned, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"nothing signed", replace("host;x-amz-date", ""), sigv4.Unsigned, "'Host' or ':authority' must be…"},
		{"date unsigned", replace(";x-amz-date", ""), sigv4.Unsigned, "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization."},
		{"upper case", replace("host", "Host"), sigv4.Incomplete, "SignedHeaders must be lower-case…"},
		{"order", replace("host;x-amz-date", "x-amz-date;host"), sigv4.Incomplete, "SignedHeaders must be…"},
		{"twice", replace("host;", "host;host;"), sigv4.Incomplete, "SignedHeaders must be…"},
		{"empty name", replace("host;", "host;;"), sigv4.Incomplete, "SignedHeaders must be…"},
		{"semicolon at the end", replace("x-amz-date", "x-amz-date;"), sigv4.Incomplete, "SignedHeaders must be…"},
		{"line break in a name", replace("host;", "host;my\n:x;"), sigv4.Incomplete, "SignedHeaders must be…"},
		{"short signature", good, sigv4.Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."},
		{"no hexadecimal", replace("=00", "=zz"), sigv4.Mismatch, "The request signature we calculated does not match…"},
		{"empty signature", replace("=00", "="), sigv4.Mismatch, "The request signature we calculated does not match…"},
		{"endless", good + strings.Repeat(" ", 20000) + "x", sigv4.Incomplete, "Authorization header is too long."},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := vector{Method: "GET", Path: "/"}.request()
			r.Header.Set("X-Amz-Date", "20150830T123600Z")
			if c.auth != "" {
				r.Header.Set("Authorization", c.auth)
			}
			err := check(&sigv4.Verifier{Now: clock(suiteTime)}, r)
			if c.message == "" { // only that it is refused
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			want(t, err, c.kind, c.message)
			if strings.Contains(err.Error(), "dXNlcjpwYXNzd29yZA") || strings.Contains(err.Error(), "abc.def") {
				t.Error("the message shows a credential")
			}
		})
	}
}

// TestRequestSentences changes a signed request.
func TestRequestSentences(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*http.Request)
		kind    sigv4.Kind
		message string
	}{
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.Incomplete,
			"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=…"},
		{"two dates", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20150830T123600Z") }, sigv4.Incomplete, "'X-Amz-Date' header must be given once."},
		{"another form of date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "2015-08-30T12:36:00Z") }, sigv4.Incomplete,
			"Date must be in ISO-8601 'basic format'. Got '2015-08-30T12:36:00Z'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"fraction of a second", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123600.1Z") }, sigv4.Incomplete, "Date must be…"},
		{"no such day", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150231T123600Z") }, sigv4.Incomplete, "Date must be…"},
		{"two headers", func(r *http.Request) { r.Header["Authorization"] = append(r.Header["Authorization"], "x") }, sigv4.Incomplete, "Authorization header must be given once."},
		{"both mechanisms", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00" }, sigv4.Incomplete, "Only one auth mechanism allowed;…"},
		{"target unsigned", func(r *http.Request) { r.Header.Set("X-Amz-Target", "T.Op") }, sigv4.Unsigned, "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
		{"region set unsigned", func(r *http.Request) { r.Header.Set("X-Amz-Region-Set", "*") }, sigv4.Unsigned, "'X-Amz-Region-Set' must be…"},
		{"token unsigned", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, sigv4.Unsigned, "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization."},
		{"token in two places", func(r *http.Request) {
			r.Header.Set("X-Amz-Security-Token", "t")
			r.URL.RawQuery = "X-Amz-Security-Token=t"
		}, sigv4.Incomplete, "'X-Amz-Security-Token' must be given once, as a header or as a query-string parameter."},
		{"two tokens", func(r *http.Request) { r.Header["X-Amz-Security-Token"] = []string{"a", "b"} }, sigv4.Incomplete, "'X-Amz-Security-Token' must be given once…"},
		{"a signed header is gone", func(r *http.Request) { r.Header.Del("Content-Type") }, sigv4.Mismatch, "The request signature…"},
		{"a signed header has two values", func(r *http.Request) { r.Header.Add("Content-Type", "x") }, sigv4.Mismatch, "The request signature…"},
		{"bad escape", func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, sigv4.MalformedQuery, "The query string contains a syntax error."},
		{"cut escape", func(r *http.Request) { r.URL.RawQuery = "a=%4" }, sigv4.MalformedQuery, "The query string contains a syntax error."},
		{"unsigned payload", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, sigv4.Unsupported, "UNSIGNED-PAYLOAD is not accepted here: the payload must be signed."},
		{"chunks", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, sigv4.Unsupported, "Signatures of chunked payloads are not accepted:…"},
		{"another hash", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }, sigv4.PayloadHash, "The request signature…"},
		{"short hash", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "00") }, sigv4.PayloadHash, "The request signature…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signed(t, nil)
			c.change(r)
			want(t, check(&sigv4.Verifier{Now: clock(suiteTime)}, r), c.kind, c.message)
		})
	}
}

// TestQuerySentences changes the parameters of a presigned request.
func TestQuerySentences(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(url.Values)
		kind    sigv4.Kind
		message string
	}{
		{"no algorithm", func(q url.Values) { q.Del("X-Amz-Algorithm") }, sigv4.Incomplete, "AWS query-string parameters must include 'X-Amz-Algorithm'. Re-examine the query-string parameters."},
		{"credential only", func(q url.Values) {
			for _, n := range []string{"X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
				q.Del(n)
			}
		}, sigv4.Incomplete, "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."},
		{"twice", func(q url.Values) { q.Add("X-Amz-Date", "20150830T123600Z") }, sigv4.Incomplete, "AWS query-string parameters must include 'X-Amz-Date' only once."},
		{"algorithm", func(q url.Values) { q.Set("X-Amz-Algorithm", "AWS") }, sigv4.Incomplete, "Unsupported AWS 'algorithm': 'AWS'."},
		{"expires is no number", func(q url.Values) { q.Set("X-Amz-Expires", "soon") }, sigv4.Incomplete, "X-Amz-Expires should be a number"},
		{"expires below zero", func(q url.Values) { q.Set("X-Amz-Expires", "-1") }, sigv4.Incomplete, "X-Amz-Expires should be a number"},
		{"expires is empty", func(q url.Values) { q.Set("X-Amz-Expires", "") }, sigv4.Incomplete, "X-Amz-Expires should be a number"},
		{"expires after a week", func(q url.Values) { q.Set("X-Amz-Expires", "604801") }, sigv4.Incomplete, "X-Amz-Expires must be less than a week…"},
		{"HTTP date", func(q url.Values) { q.Set("X-Amz-Date", "Sun, 30 Aug 2015 12:36:00 GMT") }, sigv4.Incomplete, "Date must be in ISO-8601 'basic format'…"},
		{"longer life than signed", func(q url.Values) { q.Set("X-Amz-Expires", "600") }, sigv4.Mismatch, "The request signature…"},
		{"region set without SigV4A", func(q url.Values) { q.Set("X-Amz-Region-Set", "*") }, sigv4.Mismatch, "The request signature…"},
		{"SigV4A without region set", func(q url.Values) {
			q.Set("X-Amz-Algorithm", sigv4.AlgorithmECDSA)
			q.Set("X-Amz-Credential", "AKIDEXAMPLE/20150830/sts/aws4_request")
		}, sigv4.Incomplete, "AWS4-ECDSA-P256-SHA256 requires existence of a 'X-Amz-Region-Set' header or query-string parameter."},
		{"host unsigned", func(q url.Values) { q.Set("X-Amz-SignedHeaders", "x-other") }, sigv4.Unsigned, "'Host' or ':authority' must be…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := presigned(t, time.Minute, nil)
			q := r.URL.Query()
			c.change(q)
			r.URL.RawQuery = q.Encode()
			want(t, check(&sigv4.Verifier{Now: clock(suiteTime)}, r), c.kind, c.message)
		})
	}
}

func TestTimes(t *testing.T) {
	at := func(d time.Duration) *sigv4.Verifier { return &sigv4.Verifier{Now: clock(suiteTime.Add(d))} }
	ok := func(v *sigv4.Verifier, r *http.Request) {
		t.Helper()
		if err := check(v, r); err != nil {
			t.Error(err)
		}
	}
	ok(at(5*time.Minute), signed(t, nil))
	ok(at(-5*time.Minute), signed(t, nil))
	want(t, check(at(5*time.Minute+time.Second), signed(t, nil)), sigv4.Expired,
		"Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)")
	want(t, check(at(-5*time.Minute-time.Second), signed(t, nil)), sigv4.NotYet,
		"Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)")
	wide := &sigv4.Verifier{Now: clock(suiteTime.Add(15*time.Minute + time.Second)), Skew: 15 * time.Minute}
	want(t, check(wide, signed(t, nil)), sigv4.Expired,
		"Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)")

	ok(at(90*time.Second), presigned(t, 90*time.Second, nil))
	ok(at(-5*time.Minute), presigned(t, 90*time.Second, nil))
	ok(at(7*24*time.Hour), presigned(t, sigv4.MaxExpires, nil))
	want(t, check(at(91*time.Second), presigned(t, 90*time.Second, nil)), sigv4.Expired,
		"Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T123731Z - 90 sec.)")
	want(t, check(at(-6*time.Minute), presigned(t, time.Minute, nil)), sigv4.NotYet, "Signature not yet current: …")
	want(t, check(at(time.Second), presigned(t, 0, nil)), sigv4.Expired, "Signature expired: …")

	r, _ := http.NewRequest("GET", "http://h/", nil)
	if err := (&sigv4.Signer{}).Presign(r, emptySum, suiteTime, sigv4.MaxExpires+1); err == nil {
		t.Error("signed for more than a week")
	}
}

// TestDateHeader signs with Date in place of X-Amz-Date, as old clients do. The signature is botocore's.
func TestDateHeader(t *testing.T) {
	r := vector{Method: "GET", Path: "/"}.request()
	r.Header.Set("Date", "Sun, 30 Aug 2015 12:36:00 GMT")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=date;host, Signature="+
		"1262aceaf1a79c7f0b69fda81cd744572fcbe2e4c23b647b4de183cd5a0f1075")
	if err := check(&sigv4.Verifier{Now: clock(suiteTime)}, r); err != nil {
		t.Error(reply(err))
	}
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "date;host", "host", 1))
	want(t, check(&sigv4.Verifier{Now: clock(suiteTime)}, r), sigv4.Unsigned, "'Date' must be a 'SignedHeader' in the AWS Authorization.")
}

func TestMismatchReply(t *testing.T) {
	r := signed(t, func(_ *http.Request, s *sigv4.Signer) { s.Token, s.Secret = "a-token", "another" })
	err := check(&sigv4.Verifier{Now: clock(suiteTime)}, r)
	var e *sigv4.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if strings.Contains(e.Error(), "a-token") {
		t.Error("the message, which is logged, shows the token")
	}
	const wantReply = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and " +
		"signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n" +
		"content-type:application/x-www-form-urlencoded\nhost:iam.example.test:4566\nx-amz-date:20150830T123600Z\nx-amz-security-token:a-token\n\n" +
		"content-type;host;x-amz-date;x-amz-security-token\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\n" +
		"The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
	if got := e.Reply(); !strings.HasPrefix(got, wantReply) || !strings.HasSuffix(got, "'\n") {
		t.Errorf("got %q", got)
	}
}

func TestScope(t *testing.T) {
	p, err := sigv4.Parse(signed(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckService("iam"); err != nil {
		t.Error(err)
	}
	want(t, p.CheckService("sts"), sigv4.Scope, "Credential should be scoped to correct service: 'sts'. ")
	if err := p.CheckRegion("us-east-1"); err != nil {
		t.Error(err)
	}
	want(t, p.CheckRegion("eu-west-1"), sigv4.Scope, "Credential should be scoped to a valid region, not 'us-east-1'. ")

	for set, regions := range map[string]string{
		"*":                    "us-east-1 us-west-2 eu-west-1",
		"us-east-1":            "us-east-1",
		"us-east-1, eu-west-1": "us-east-1 eu-west-1",
		"us-*":                 "us-east-1 us-west-2",
		"*-1":                  "us-east-1 eu-west-1",
		"us-*-2":               "us-west-2",
		"*w*t-*2":              "us-west-2",
		"eu-west,us-east":      "",
		",":                    "",
		"us-east-1*1":          "",
	} {
		p, err := sigv4.Parse(signed(t, func(_ *http.Request, s *sigv4.Signer) { s.RegionSet = set }))
		if err != nil {
			t.Fatal(err)
		}
		for _, region := range []string{"us-east-1", "us-west-2", "eu-west-1"} {
			good := strings.Contains(regions, region)
			if err := p.CheckRegion(region); (err == nil) != good {
				t.Errorf("%s in %q: %v", region, set, err)
			} else if err != nil {
				want(t, err, sigv4.Scope, "Credential should be scoped to a valid region, not '"+set+"'. ")
			}
		}
	}
}

func TestS3(t *testing.T) {
	v := &sigv4.Verifier{Now: clock(suiteTime), S3: true, UnsignedPayload: true}
	sign := func(change func(*http.Request)) *http.Request {
		return signed(t, func(r *http.Request, s *sigv4.Signer) {
			s.S3 = true
			r.URL.Path, r.URL.RawPath = "/bucket/a b//../c", "/bucket/a%20b//../c"
			change(r)
		})
	}
	if err := check(v, sign(func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") })); err != nil {
		t.Error(reply(err))
	}
	r := sign(func(*http.Request) {})
	r.Header.Set("X-Amz-Acl", "public-read")
	want(t, check(v, r), sigv4.Unsigned, "There were headers present in the request which were not signed: x-amz-acl")
	r = presigned(t, time.Minute, func(r *http.Request, s *sigv4.Signer) {
		s.S3 = true
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	})
	if err := check(v, r); err != nil {
		t.Error(reply(err))
	}
}

func TestCacheNoticesSecret(t *testing.T) {
	for _, set := range []string{"", "us-east-1"} {
		c := sigv4.NewCache(100)
		v := &sigv4.Verifier{Now: clock(suiteTime), Cache: c}
		with := func(secret string) error {
			p, err := sigv4.Parse(signed(t, func(_ *http.Request, s *sigv4.Signer) { s.Secret, s.RegionSet = "first", set }))
			if err != nil {
				t.Fatal(err)
			}
			return v.Verify(p, secret, emptySum)
		}
		want(t, with("wrong"), sigv4.Mismatch, "The request signature…")
		if c.Len() != 0 {
			t.Error("a failure was cached")
		}
		for range 2 {
			if err := with("first"); err != nil {
				t.Fatal(err)
			}
		}
		if c.Len() != 1 {
			t.Errorf("%d keys cached", c.Len())
		}
		want(t, with("second"), sigv4.Mismatch, "The request signature…")
		if err := with("first"); err != nil {
			t.Error(err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := sigv4.NewCache(64)
	v := &sigv4.Verifier{Now: clock(suiteTime), Cache: c}
	for i := range 1000 {
		r := signed(t, func(_ *http.Request, s *sigv4.Signer) { s.AccessKeyID = fmt.Sprintf("AKID%d", i) })
		if err := check(v, r); err != nil {
			t.Fatal(err)
		}
		hot := signed(t, nil)
		if err := check(v, hot); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Len(); n < 16 || n > 64 {
		t.Errorf("%d keys cached, want 16 to 64", n)
	}
}

func TestCacheConcurrently(t *testing.T) {
	v := &sigv4.Verifier{Now: clock(suiteTime), Cache: sigv4.NewCache(32)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				r := signed(t, func(_ *http.Request, s *sigv4.Signer) { s.Service = fmt.Sprint("s", i%7) })
				if err := check(v, r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for k := sigv4.Missing; k <= sigv4.NotYet; k++ {
		if name := k.String(); name == "unknown kind" || seen[name] || k.Error() != name {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if sigv4.Kind(0).String() != "unknown kind" || sigv4.Kind(99).String() != "unknown kind" {
		t.Error("a kind that is none has a name")
	}
	if sigv4.FormHeader.String() != "header" || sigv4.FormQuery.String() != "query" {
		t.Error("forms have the wrong names")
	}
}
