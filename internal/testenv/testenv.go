// Package testenv holds what our own tests need beyond ostiarytest: an HTTP client for the AWS SDK, and the rule about tools
// that may be missing. Nothing but tests imports it.
package testenv

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// HTTPClient returns the SDK's own HTTP client behind [PlainBodies].
func HTTPClient() aws.HTTPClient { return PlainBodies(awshttp.NewBuildableClient()) }

// PlainBodies returns an HTTP client for the SDK that shows c nothing of a request's body but Read and Close. The body that the
// SDK makes has a WriteTo too, which fails with io.EOF once the answer has begun: a server that answers before the client has
// looked for the end of the body, which only one on the same machine manages, has the connection closed under its answer. The
// SDK tries again then, and a create that had succeeded becomes EntityAlreadyExists.
func PlainBodies(c aws.HTTPClient) aws.HTTPClient { return plainBodies{c} }

type plainBodies struct{ aws.HTTPClient }

func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

// Long reports whether loops that have a long form should take it (OSTIARY_LONG).
func Long() bool { return os.Getenv("OSTIARY_LONG") != "" }

// Tool returns the path of a program that a test needs. Without it the test skips and says so, unless OSTIARY_REQUIRE, a
// list with commas, names the tool: then the test fails.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, err)
	}
	return path
}

// Missing skips or fails the test for want of a tool, as [Tool] does.
func Missing(t testing.TB, name string, why error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("OSTIARY_REQUIRE"), ","), name) {
		t.Fatalf("%s is required here: %v", name, why)
	}
	t.Skipf("%s is not installed: %v", name, why)
}
