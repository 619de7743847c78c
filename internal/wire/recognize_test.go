package wire_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

var all = wire.NewAPIs(iam.API, sts.API, organizations.API, elasticache.API)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/x-amz-json-1.1"
)

// scope is the header of a request signed for a service.
func scope(service string) string {
	return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
}

func post(body string, headers ...string) (*http.Request, []byte) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r, []byte(body)
}

func TestRecognize(t *testing.T) {
	presigned := "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape("AKID/20260101/us-east-1/sts/aws4_request") +
		"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00&X-Amz-Security-Token=t"
	for _, c := range []struct {
		name    string
		method  string
		target  string
		body    string
		headers []string
		want    string // "api Operation", or a part of the error
		code    string // of a refusal
	}{
		{name: "by scope", method: "POST", body: "Action=ListUsers&Version=2010-05-08", headers: []string{"Authorization", scope("iam")}, want: "iam ListUsers"},
		{name: "spaces in the header", method: "POST", body: "Action=ListUsers&Version=2010-05-08",
			headers: []string{"Authorization", "AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AKID/20260101/us-east-1/iam/aws4_request , Signature=00"}, want: "iam ListUsers"},
		{name: "asymmetric scope without region", method: "POST", body: "Action=GetCallerIdentity&Version=2011-06-15",
			headers: []string{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/sts/aws4_request, SignedHeaders=host, Signature=00"}, want: "sts GetCallerIdentity"},
		{name: "GET", method: "GET", target: "/?Action=ListUsers&Version=2010-05-08", headers: []string{"Authorization", scope("iam")}, want: "iam ListUsers"},
		{name: "presigned", method: "GET", target: "/?Action=GetCallerIdentity&Version=2011-06-15" + presigned, want: "sts GetCallerIdentity"},
		{name: "presigned POST with a body", method: "POST", target: "/?" + presigned[1:], body: "Action=GetCallerIdentity&Version=2011-06-15", want: "sts GetCallerIdentity"},
		{name: "POST with a query and no body", method: "POST", target: "/?Action=GetUser&Version=2010-05-08", headers: []string{"Content-Type", ""}, want: "iam GetUser"},
		{name: "charset", method: "POST", body: "Action=GetUser&Version=2010-05-08", headers: []string{"Content-Type", formType + "; charset=utf-8"}, want: "iam GetUser"},
		{name: "unsigned by version", method: "POST", body: "Action=AssumeRoleWithSAML&Version=2011-06-15", want: "sts AssumeRoleWithSAML"},
		{name: "ElastiCache", method: "POST", body: "Action=DescribeUsers&Version=2015-02-02", headers: []string{"Authorization", scope("elasticache")}, want: "elasticache DescribeUsers"},
		{name: "target", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType, "X-Amz-Target", "AWSOrganizationsV20161128.ListRoots"}, want: "organizations ListRoots"},
		{name: "target and scope", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType + "; charset=utf-8",
			"X-Amz-Target", "AWSOrganizationsV20161128.ListRoots", "Authorization", scope("organizations")}, want: "organizations ListRoots"},

		{name: "no action", method: "POST", body: "Version=2010-05-08", want: "missing an action", code: "MissingAction"},
		{name: "empty action", method: "POST", body: "Action=&Version=2010-05-08", want: "missing an action", code: "MissingAction"},
		{name: "unknown action", method: "POST", body: "Action=Frobnicate&Version=2010-05-08", want: "Could not find operation Frobnicate for version 2010-05-08"},
		{name: "wrong version", method: "POST", body: "Action=ListUsers&Version=2011-06-15", headers: []string{"Authorization", scope("iam")}, want: "Could not find operation ListUsers for version 2011-06-15"},
		{name: "no version", method: "POST", body: "Action=ListUsers", headers: []string{"Authorization", scope("iam")}, want: "Could not find operation ListUsers for version NO_VERSION_SPECIFIED"},
		{name: "another service's action", method: "POST", body: "Action=GetCallerIdentity&Version=2010-05-08", want: "Could not find operation GetCallerIdentity"},
		{name: "a service not here", method: "POST", body: "Action=X&Version=1", headers: []string{"Authorization", scope("s3")}, want: "The service 's3', for which the request is signed, is not served here."},
		{name: "unknown target", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType, "X-Amz-Target", "AWSOrganizationsV20161128.Frobnicate"}, want: "X-Amz-Target header names is not known"},
		{name: "unknown target service", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType, "X-Amz-Target", "DynamoDB_20120810.ListTables"}, want: "X-Amz-Target header names is not known"},
		{name: "scope but no target", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType, "Authorization", scope("organizations")}, want: "X-Amz-Target header names is not known"},
		{name: "action twice", method: "POST", body: "Action=ListUsers&Version=2010-05-08&Action=DeleteUser", want: "The parameter 'Action' cannot be read: it is given more than once."},
		{name: "version twice", method: "POST", body: "Action=ListUsers&Version=2010-05-08&Version=2010-05-08", want: "The parameter 'Version' cannot be read"},
		{name: "a path", method: "POST", target: "/users/alice", body: "Action=ListUsers&Version=2010-05-08", want: "nothing at the path '/users/alice'", code: "NotFound"},
		{name: "slashes", method: "POST", target: "//", body: "Action=GetUser&Version=2010-05-08", want: "iam GetUser"},
		{name: "packed", method: "POST", body: "Action=ListUsers&Version=2010-05-08", headers: []string{"Content-Encoding", "gzip"}, want: "content encoding", code: "UnsupportedMediaType"},
		{name: "PUT", method: "PUT", body: "Action=ListUsers&Version=2010-05-08", want: "The method 'PUT' is not allowed.", code: "MethodNotAllowed"},
		{name: "JSON by GET", method: "GET", headers: []string{"X-Amz-Target", "AWSOrganizationsV20161128.ListRoots"}, want: "not allowed", code: "MethodNotAllowed"},
		{name: "GET with a body", method: "GET", body: "Action=ListUsers&Version=2010-05-08", want: "must not have a body"},
		{name: "JSON to Query", method: "POST", body: "{}", headers: []string{"Content-Type", jsonType, "Authorization", scope("iam")}, want: "content type must be " + formType, code: "UnsupportedMediaType"},
		{name: "form to JSON", method: "POST", body: "a=b", headers: []string{"X-Amz-Target", "AWSOrganizationsV20161128.ListRoots"}, want: "content type must be " + jsonType, code: "UnsupportedMediaType"},
		{name: "other charset", method: "POST", body: "Action=GetUser&Version=2010-05-08", headers: []string{"Content-Type", formType + "; charset=latin1"}, want: "content type", code: "UnsupportedMediaType"},
		{name: "bad escape", method: "POST", body: "Action=ListUsers&Version=2010-05-08&Path=%zz", want: "not encoded correctly"},
		{name: "not UTF-8", method: "POST", body: "Action=ListUsers&Version=2010-05-08&Path=%ff", want: "not valid UTF-8"},
		{name: "no name", method: "POST", body: "Action=ListUsers&Version=2010-05-08&=x", want: "has no name"},
		{name: "too many", method: "POST", body: "Action=ListUsers&Version=2010-05-08" + strings.Repeat("&a=b", 10_000), want: "more than 10000 parameters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := c.target
			if target == "" {
				target = "/"
			}
			r := httptest.NewRequest(c.method, target, strings.NewReader(c.body))
			r.Header.Set("Content-Type", formType)
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			call, err := all.Recognize(r, []byte(c.body))
			if err != nil {
				if !strings.Contains(fault.MessageOf(err), c.want) || fault.KindOf(err) == fault.Internal {
					t.Fatalf("%v, want %s", err, c.want)
				}
				refusal, _ := errors.AsType[*wire.Refusal](err)
				if (refusal == nil) != (c.code == "") || refusal != nil && (refusal.Code != c.code || refusal.Status < 400) {
					t.Errorf("refused with %+v, want %q", refusal, c.code)
				}
				if all.Guess(r) == nil {
					t.Error("no guess")
				}
				return
			}
			if got := call.API.Name + " " + call.Operation.Name; got != c.want {
				t.Fatalf("recognized as %s, want %s", got, c.want)
			}
			if err := call.Validate(); err != nil && fault.KindOf(err) != fault.Invalid {
				t.Error(err)
			}
		})
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct {
		target  string
		headers []string
		want    *wire.API
	}{
		{"/", []string{"Authorization", scope("elasticache")}, elasticache.API},
		{"/", []string{"X-Amz-Target", "AWSOrganizationsV20161128.Frobnicate"}, organizations.API},
		{"/?Action=X&Version=2010-05-08", nil, iam.API},
		{"/", nil, sts.API}, // the one that takes calls without a signature
		{"/", []string{"Authorization", scope("s3")}, sts.API},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		if got := all.Guess(r); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.target, c.headers, got.Name, c.want.Name)
		}
	}
	if api := wire.NewAPIs().Guess(httptest.NewRequest("GET", "/", nil)); api == nil {
		t.Error("no APIs, no guess")
	}
}
