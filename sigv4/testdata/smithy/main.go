// Command smithy writes smithy.json: requests signed with SigV4A by smithy-go's aws-http-auth. Run by hand, in a module of
// its own that requires github.com/aws/smithy-go/aws-http-auth: go run . > ../smithy.json. The tests only read the result.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
	"github.com/aws/smithy-go/aws-http-auth/sigv4a"
	v4 "github.com/aws/smithy-go/aws-http-auth/v4"
)

type vector struct {
	Name    string      `json:"name"`
	Form    string      `json:"form"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Query   string      `json:"query"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

func main() {
	var out []vector
	for _, c := range []struct {
		name, method, url, body, token string
		regions                        []string
	}{
		{"one-region", "GET", "https://example.amazonaws.com/", "", "", []string{"us-east-1"}},
		{"all-regions", "GET", "https://example.amazonaws.com/?b=2&a=1&a=0", "", "", []string{"*"}},
		{"several-regions", "POST", "https://example.amazonaws.com/path/to%20it", "Action=ListUsers", "", []string{"eu-west-1", "us-west-*"}},
		{"session-token", "POST", "https://example.amazonaws.com:8443/", "{}", "a/token+with=signs", []string{"us-east-1"}},
	} {
		for form, kind := range map[string]v4.SignatureType{"header": v4.SignatureTypeHeader, "query": v4.SignatureTypeQueryString} {
			r, err := http.NewRequest(c.method, c.url, strings.NewReader(c.body))
			if err != nil {
				log.Fatal(err)
			}
			sum := sha256.Sum256([]byte(c.body))
			err = sigv4a.New().SignRequest(&sigv4a.SignRequestInput{
				Request: r, PayloadHash: sum[:], Service: "service", RegionSet: c.regions, SignatureType: kind,
				Time:        time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC),
				Credentials: credentials.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: c.token},
			})
			if err != nil {
				log.Fatal(err)
			}
			v := vector{Name: c.name, Form: form, Method: c.method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: c.body}
			for name, values := range r.Header {
				for _, value := range values {
					v.Headers = append(v.Headers, [2]string{name, value})
				}
			}
			out = append(out, v)
		}
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		log.Fatal(err)
	}
}
