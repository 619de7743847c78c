package acceptance_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// A bad request, and what it must be told. Unless it says otherwise it is a form, POSTed to / and signed for IAM by
// somebody who may do anything.
type badRequest struct {
	name    string
	method  string            // POST
	target  string            // /
	body    string            // after the signature has been made over it, nothing is changed
	header  map[string]string // set before signing
	unsign  func(*http.Request)
	service string // iam
	status  int
	code    string
	says    string // part of the message
}

// create is a form that would make a user.
const create = "Action=CreateUser&Version=2010-05-08&UserName=evil"

func badRequests() []badRequest {
	mib := strings.Repeat("x", 1<<20)
	return []badRequest{
		// Not an action.
		{name: "nothing", status: 400, code: "MissingAction", says: "missing an action"},
		{name: "no action", body: "Version=2010-05-08&UserName=evil", status: 400, code: "MissingAction", says: "missing an action"},
		{name: "no version", body: "Action=CreateUser&UserName=evil", status: 400, code: "InvalidAction", says: "NO_VERSION_SPECIFIED"},
		{name: "unknown action", body: "Action=CreateUsr&Version=2010-05-08", status: 400, code: "InvalidAction", says: "Could not find operation CreateUsr for version 2010-05-08"},
		{name: "action in another case", body: "Action=createuser&Version=2010-05-08&UserName=evil", status: 400, code: "InvalidAction", says: "createuser"},
		{name: "another service's version", body: "Action=CreateUser&Version=2011-06-15&UserName=evil", status: 400, code: "InvalidAction", says: "2011-06-15"},
		{name: "action twice", body: create + "&Action=DeleteUser", status: 400, code: "MalformedInput"},
		{name: "version twice", body: create + "&Version=2010-05-08", status: 400, code: "MalformedInput"},

		// Forms.
		{name: "parameter twice", body: create + "&UserName=other", status: 400, code: "MalformedInput"},
		{name: "unknown parameter", body: create + "&UserNam=x", status: 400, code: "ValidationError", says: "UserNam"},
		{name: "parameter in another case", body: create + "&path=/x/", status: 400, code: "ValidationError", says: "path"},
		{name: "bad escape", body: create + "&Path=%zz", status: 400, code: "MalformedInput"},
		{name: "cut escape", body: create + "&Path=%2", status: 400, code: "MalformedInput"},
		{name: "semicolons", body: create + ";Path=/x/", status: 400},
		{name: "broken UTF-8", body: create + "%ff%fe", status: 400},
		{name: "raw broken UTF-8", body: create + "\xff\xfe", status: 400},
		{name: "NUL", body: create + "%00", status: 400},
		{name: "raw NUL", body: create + "\x00", status: 400},
		{name: "line feed", body: create + "%0a", status: 400, code: "ValidationError"},
		{name: "list from zero", body: create + "&Tags.member.0.Key=k&Tags.member.0.Value=v", status: 400, code: "MalformedInput"},
		{name: "negative list index", body: create + "&Tags.member.-1.Key=k", status: 400, code: "MalformedInput"},
		{name: "huge list index", body: create + "&Tags.member.99999999999999999999.Key=k", status: 400, code: "MalformedInput"},
		{name: "far list index", body: create + "&Tags.member.2000000000.Key=k&Tags.member.2000000000.Value=v", status: 400},
		{name: "structure as text", body: create + "&Tags.member.1=k", status: 400, code: "MalformedInput"},
		{name: "text as structure", body: create + "&UserName.member.1=k", status: 400, code: "MalformedInput"},
		{name: "many parameters", body: create + strings.Repeat("&a=b", 100000), status: 413, code: "RequestEntityTooLarge", says: "more than 10000 parameters"},
		{name: "many tags", body: create + manyTags(2000), status: 400, code: "ValidationError"},

		// Types and constraints.
		{name: "text for a number", body: "Action=ListUsers&Version=2010-05-08&MaxItems=many", status: 400, code: "MalformedInput", says: "MaxItems"},
		{name: "number with a tail", body: "Action=ListUsers&Version=2010-05-08&MaxItems=5x", status: 400, code: "MalformedInput"},
		{name: "number out of range", body: "Action=ListUsers&Version=2010-05-08&MaxItems=99999999999999999999", status: 400, code: "MalformedInput"},
		{name: "number too large", body: "Action=ListUsers&Version=2010-05-08&MaxItems=1001", status: 400, code: "ValidationError", says: "less than or equal to 1000"},
		{name: "number too small", body: "Action=ListUsers&Version=2010-05-08&MaxItems=0", status: 400, code: "ValidationError", says: "greater than or equal to 1"},
		{name: "text for a boolean", body: "Action=CreatePolicyVersion&Version=2010-05-08&PolicyArn=arn:aws:iam::aws:policy/x&PolicyDocument={}&SetAsDefault=yes", status: 400, code: "MalformedInput", says: "SetAsDefault"},
		{name: "missing parameter", body: "Action=CreateUser&Version=2010-05-08", status: 400, code: "ValidationError", says: "must not be null"},
		{name: "empty parameter", body: "Action=CreateUser&Version=2010-05-08&UserName=", status: 400, code: "ValidationError", says: "length greater than or equal to 1"},
		{name: "several violations", body: "Action=CreateUser&Version=2010-05-08&UserName=a%20b&Path=x", status: 400, code: "ValidationError", says: "2 validation errors detected"},
		{name: "long name", body: create + strings.Repeat("x", 200), status: 400, code: "ValidationError", says: "length less than or equal to"},
		{name: "enumeration", body: "Action=UpdateAccessKey&Version=2010-05-08&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Sleeping", status: 400, code: "ValidationError", says: "Sleeping"},
		{name: "a policy that is none", body: "Action=PutUserPolicy&Version=2010-05-08&UserName=alice&PolicyName=p&PolicyDocument=%7B", status: 400, code: "MalformedPolicyDocument"},
		{name: "a policy with a member twice", body: "Action=PutUserPolicy&Version=2010-05-08&UserName=alice&PolicyName=p&PolicyDocument=" +
			url.QueryEscape(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}`), status: 400, code: "MalformedPolicyDocument"},
		{name: "a policy of brackets", body: "Action=PutUserPolicy&Version=2010-05-08&UserName=alice&PolicyName=p&PolicyDocument=" + strings.Repeat("[", 100000), status: 400},
		{name: "a policy too long", body: "Action=PutUserPolicy&Version=2010-05-08&UserName=alice&PolicyName=p&PolicyDocument=" +
			url.QueryEscape(statement("Allow", "s3:*", "arn:aws:s3:::"+strings.Repeat("x", 4000))), status: 409, code: "LimitExceeded"},

		// HTTP.
		{name: "1 MiB and one byte", body: create + "&Path=" + mib[:1<<20+1-len(create)-len("&Path=")], status: 413, code: "RequestEntityTooLarge", says: "1048576"},
		{name: "1 MiB", body: create + "&Path=" + mib[:1<<20-len(create)-len("&Path=")], status: 400, code: "ValidationError"},
		{name: "JSON", body: `{"Action":"CreateUser"}`, header: map[string]string{"Content-Type": "application/json"}, status: 415},
		{name: "multipart", body: create, header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, status: 415},
		{name: "bad content type", body: create, header: map[string]string{"Content-Type": ";;;"}, status: 415},
		{name: "compressed", body: create, header: map[string]string{"Content-Encoding": "gzip"}, status: 415},
		{name: "PUT", method: "PUT", body: create, status: 405},
		{name: "DELETE", method: "DELETE", body: create, status: 405},
		{name: "a method of one's own", method: "BREW", body: create, status: 405},
		{name: "OPTIONS", method: "OPTIONS", status: 405},
		{name: "a path", target: "/users/evil", body: create, status: 404},
		{name: "a path that climbs", target: "/../etc/passwd", body: create, status: 404},
		{name: "an escaped path", target: "/%2e%2e/%00", body: create, status: 404},
		{name: "form in both places", target: "/?Action=CreateUser&Version=2010-05-08&UserName=evil", body: create, status: 400},

		// Signatures.
		{name: "unsigned", body: create, unsign: func(r *http.Request) { r.Header.Del("Authorization") }, status: 403, code: "MissingAuthenticationToken"},
		{name: "another body", body: create, unsign: func(r *http.Request) { setBody(r, create+"2") }, status: 403, code: "SignatureDoesNotMatch"},
		{name: "another date", body: create, unsign: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, status: 403, code: "SignatureDoesNotMatch"},
		{name: "no date", body: create, unsign: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, status: 400, code: "IncompleteSignature"},
		{name: "not a signature", body: create, unsign: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 what") }, status: 400, code: "IncompleteSignature"},
		{name: "basic", body: create, unsign: func(r *http.Request) { r.SetBasicAuth("root", "root") }, status: 400, code: "IncompleteSignature", says: "hashed with SHA-256"},
		{name: "two signatures", body: create, unsign: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, status: 400, code: "IncompleteSignature"},
		{name: "another key", body: create, unsign: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=AKIA", "Credential=AKIB", 1))
		}, status: 403, code: "InvalidClientTokenId"},
		{name: "signed for another service", body: create, service: "s3", status: 400, code: "InvalidAction", says: "not served here"},
		{name: "signed for a service that does not know the action", body: create, service: "sts", status: 400, code: "InvalidAction"},
	}
}

func manyTags(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "&Tags.member.%d.Key=k%[1]d&Tags.member.%[1]d.Value=v", i)
	}
	return b.String()
}

func setBody(r *http.Request, body string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}

// signed makes the request and signs it with the SDK's signer.
func (b *badRequest) signed(t testing.TB, c *cloud, by *caller) *http.Request {
	t.Helper()
	method, target, service := b.method, b.target, b.service
	if method == "" {
		method = "POST"
	}
	if target == "" {
		target = "/"
	}
	if service == "" {
		service = "iam"
	}
	r := must(http.NewRequestWithContext(t.Context(), method, c.url, http.NoBody))(t)
	path, query, _ := strings.Cut(target, "?")
	r.URL.Opaque, r.URL.RawQuery = path, query
	setBody(r, b.body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	for name, value := range b.header {
		r.Header.Set(name, value)
		if value == "" {
			r.Header.Del(name)
		}
	}
	sum := sha256.Sum256([]byte(b.body))
	keys := aws.Credentials{AccessKeyID: by.id, SecretAccessKey: by.secret, SessionToken: by.token}
	if err := signer.NewSigner().SignHTTP(t.Context(), keys, r, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if b.unsign != nil {
		b.unsign(r)
	}
	return r
}

// queryError is an error of the Query protocol.
type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// furnished is an account in which a change would be seen.
func furnished(t *testing.T, by *caller) {
	t.Helper()
	must(by.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))(t)
	by.inline(t, "alice", "p", statement("Allow", "s3:*", "*"))
	by.group(t, "group", iamReadOnlyAccess)
	by.member(t, "alice", "group")
}

// TestBadInput: bad input of every kind gets a clear error in the protocol's form and changes nothing.
func TestBadInput(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	by := c.admin(t, a)
	furnished(t, by)
	before := everything(t, by)
	for _, b := range badRequests() {
		t.Run(b.name, func(t *testing.T) {
			resp := must(c.http.Do(b.signed(t, c, by)))(t)
			body := must(io.ReadAll(resp.Body))(t)
			_ = resp.Body.Close()
			var e queryError
			if err := xml.Unmarshal(body, &e); err != nil {
				t.Fatalf("%d: %v: %.500s", resp.StatusCode, err, body)
			}
			if resp.StatusCode != b.status || b.code != "" && e.Code != b.code || !strings.Contains(e.Message, b.says) {
				t.Errorf("got  %d %s: %.300s\nwant %d %s: …%s…", resp.StatusCode, e.Code, e.Message, b.status, b.code, b.says)
			}
			if e.Code == "" || e.Message == "" || e.RequestID == "" || e.RequestID != resp.Header.Get("X-Amzn-Requestid") || (e.Type == "Sender") != (b.status < 500) {
				t.Errorf("an unclear error: %+v", e)
			}
			if ct := resp.Header.Get("Content-Type"); ct != "text/xml" {
				t.Errorf("the error is of type %q", ct)
			}
		})
	}
	unchanged(t, "bad input", before, everything(t, by))
}

// TestBadJSON: the same for a service that speaks JSON.
func TestBadJSON(t *testing.T) {
	c, srv := newCloud(t)
	by := c.root(srv.Account(t))
	header := func(target, contentType string) map[string]string {
		return map[string]string{"X-Amz-Target": target, "Content-Type": contentType}
	}
	const name, kind = "AWSOrganizationsV20161128.CreateOrganization", "application/x-amz-json-1.1"
	for _, b := range []badRequest{
		{name: "unbuilt", header: header(name, kind), body: "{}", status: 501, code: "NotImplementedException"},
		{name: "no target", header: header("", kind), body: "{}", status: 400, code: "UnknownOperationException"},
		{name: "unknown target", header: header("AWSOrganizationsV20161128.Disorganize", kind), body: "{}", status: 400, code: "UnknownOperationException"},
		{name: "a form", header: header(name, "application/x-www-form-urlencoded"), body: create, status: 415},
		{name: "GET", method: "GET", header: header(name, kind), status: 405},
		{name: "unsigned", header: header(name, kind), body: "{}", unsign: func(r *http.Request) { r.Header.Del("Authorization") }, status: 400, code: "MissingAuthenticationTokenException"},
		{name: "another body", header: header(name, kind), body: "{}", unsign: func(r *http.Request) { setBody(r, "[]") }, status: 400, code: "InvalidSignatureException"},
	} {
		t.Run(b.name, func(t *testing.T) {
			b.service = "organizations"
			resp := must(c.http.Do(b.signed(t, c, by)))(t)
			body := must(io.ReadAll(resp.Body))(t)
			_ = resp.Body.Close()
			var e struct {
				Type    string `json:"__type"`
				Message string
			}
			err := json.Unmarshal(body, &e)
			if resp.StatusCode != b.status || b.code != "" && e.Type != b.code || err != nil || e.Type == "" || e.Message == "" {
				t.Errorf("%d %s: %v, want %d %s", resp.StatusCode, body, err, b.status, b.code)
			}
		})
	}
}

// TestBadConnections: what does not even arrive as a request is answered and changes nothing.
func TestBadConnections(t *testing.T) {
	c, srv := newCloud(t)
	by := c.admin(t, srv.Account(t))
	furnished(t, by)
	before := everything(t, by)
	address := strings.TrimPrefix(c.url, "http://")
	form := "Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for name, row := range map[string]struct {
		sent string
		want []int // one of these statuses
	}{
		"not HTTP":                 {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", []int{400}},
		"noise":                    {"\x00\x00\x00\x00\r\n\r\n", []int{400}},
		"another version":          {"POST / HTTP/9.9\r\n" + form + "\r\n", []int{505}},
		"no host":                  {"POST / HTTP/1.1\r\n\r\n", []int{400}},
		"two lengths":              {"POST / HTTP/1.1\r\n" + form + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", []int{400}},
		"negative length":          {"POST / HTTP/1.1\r\n" + form + "Content-Length: -1\r\n\r\n", []int{400}},
		"length and chunks":        {"POST / HTTP/1.1\r\n" + form + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 403}},
		"unknown encoding":         {"POST / HTTP/1.1\r\n" + form + "Transfer-Encoding: gzip\r\n\r\n", []int{501, 400}},
		"bad chunk":                {"POST / HTTP/1.1\r\n" + form + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", []int{400}},
		"truncated chunk":          {"POST / HTTP/1.1\r\n" + form + "Transfer-Encoding: chunked\r\n\r\nff\r\nAction=CreateUser", []int{400}},
		"truncated body":           {"POST / HTTP/1.1\r\n" + form + "Content-Length: 100\r\n\r\nAction=CreateUser", []int{400}},
		"half a header":            {"POST / HTTP/1.1\r\nHost: x\r\nAuthoriz", []int{400}},
		"a header with a NUL":      {"POST / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", []int{400}},
		"a header without a colon": {"POST / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", []int{400}},
		"a huge header":            {"POST / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", []int{431}},
		"many headers":             {"POST / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 200000) + "\r\n", []int{431}},
		"a huge target":            {"GET /?" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{431, 414}},
		"a control in the target":  {"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := exchange(t, address, row.sent)
			if !slices.Contains(row.want, status) {
				t.Errorf("got %d %.200s, want %v", status, body, row.want)
			}
		})
	}
	unchanged(t, "bad connections", before, everything(t, by))
}

// exchange sends text, says that no more will come, and reads the first answer; the status is 0 where there is none.
func exchange(t *testing.T, address, sent string) (status int, body []byte) {
	t.Helper()
	conn := must(net.Dial("tcp", address))(t).(*net.TCPConn)
	defer conn.Close()
	// The server may answer and hang up before it has read everything: only the answer counts.
	if _, err := conn.Write([]byte(sent)); err == nil {
		_ = conn.CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, 4096)) // a hung-up connection cuts it, and the status is known
	return resp.StatusCode, body
}

// TestSlowClients: connections that never finish their header keep nobody else out, and are closed in time.
func TestSlowClients(t *testing.T) {
	c, srv := newCloud(t)
	by := c.admin(t, srv.Account(t))
	address := strings.TrimPrefix(c.url, "http://")
	var slow []net.Conn
	for range 200 {
		conn := must(net.Dial("tcp", address))(t)
		defer conn.Close()
		must(conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nA: ")))(t)
		slow = append(slow, conn)
	}
	by.arn(t)
	if os.Getenv("OSTIARY_LONG") != "1" {
		return // the server waits ten seconds
	}
	if err := slow[0].SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, slow[0])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection without a header is open after a minute")
	}
	by.arn(t)
}

// TestChunkedBody: a body without a length is as good as one with, up to the same limit.
func TestChunkedBody(t *testing.T) {
	c, srv := newCloud(t)
	by := c.admin(t, srv.Account(t))
	send := func(body string) (int, queryError) {
		b := badRequest{body: body}
		r := b.signed(t, c, by)
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(body[:5]), strings.NewReader(body[5:]))), -1
		// The signer signs the length it saw; a client that does not know it signs none.
		r.Header.Del("Authorization")
		sum := sha256.Sum256([]byte(body))
		if err := signer.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: by.id, SecretAccessKey: by.secret}, r,
			hex.EncodeToString(sum[:]), "iam", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		resp := must(c.http.Do(r))(t)
		defer resp.Body.Close()
		text := must(io.ReadAll(resp.Body))(t)
		var e queryError
		if resp.StatusCode != http.StatusOK {
			if err := xml.NewDecoder(bytes.NewReader(text)).Decode(&e); err != nil {
				t.Errorf("%d: %v", resp.StatusCode, err)
			}
		}
		return resp.StatusCode, e
	}
	if status, e := send("Action=CreateUser&Version=2010-05-08&UserName=chunked"); status != http.StatusOK {
		t.Errorf("a chunked body: %d %+v", status, e)
	}
	if status, e := send(create + "&Path=" + strings.Repeat("x", 2<<20)); status != http.StatusRequestEntityTooLarge || e.Code != "RequestEntityTooLarge" {
		t.Errorf("2 MiB in chunks: %d %+v", status, e)
	}
}
