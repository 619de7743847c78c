package testenv

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// The AWS CLI 1.29 and 2.13 and boto3 1.28 (botocore 1.31) are the first that know AWS_ENDPOINT_URL. Debian 12 has older ones.

//go:embed sitecustomize.py
var endpoints []byte

// Environment returns what is to be added to the environment of a command that runs the AWS CLI or boto3, so that those that are too old
// to know AWS_ENDPOINT_URL, and AWS_ENDPOINT_URL_STS and its like, heed it: they are programs of Python, which loads a module of ours
// first. It is empty where the tools are new enough, or not there: they run as they are then.
func Environment(t testing.TB) []string {
	t.Helper()
	if !old() {
		return nil
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sitecustomize.py"), endpoints, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"PYTHONPATH=" + dir}
}

// ToolVersion is what a tool says of itself, "aws-cli/2.9.19" for one; empty where it is not there.
func ToolVersion(name string) string {
	probe := []string{"python3", "-c", "import botocore; print('botocore/' + botocore.__version__)"}
	switch name {
	case "aws":
		probe = []string{"aws", "--version"}
	case "awscli":
		probe = []string{"python3", "-c", "import awscli; print('aws-cli/' + awscli.__version__)"}
	}
	out, err := exec.Command(probe[0], probe[1:]...).Output()
	if err != nil {
		return ""
	}
	return string(versionForm.Find(out))
}

var versionForm = regexp.MustCompile(`[a-z-]+/([0-9]+)\.([0-9]+)[0-9.]*`)

// Since are the first versions that know something: the minor numbers of the AWS CLI 1 and 2, and of botocore 1.
type Since struct{ One, Two, Botocore int }

// endpointURL is when AWS_ENDPOINT_URL came.
var endpointURL = Since{One: 29, Two: 13, Botocore: 31}

// old reports whether one of the tools is older than AWS_ENDPOINT_URL.
var old = sync.OnceValue(func() bool {
	for _, tool := range []string{"aws", "awscli", "boto3"} {
		if Older(ToolVersion(tool), endpointURL) {
			return true
		}
	}
	return false
})

// TooOld skips the test where a tool is there and older than what the test needs of it, and says so with its version. That is accepted
// where OSTIARY_REQUIRE names the tool: it asks that the tool be there.
func TooOld(t testing.TB, tool string, first Since, what string) {
	t.Helper()
	if version := ToolVersion(tool); Older(version, first) {
		t.Skipf("%s is too old: %s, which came with the AWS CLI 1.%d and 2.%d", version, what, first.One, first.Two)
	}
}

// Older reports whether a version, as [ToolVersion] gives it, is older than the first one. What is no version is not.
func Older(version string, first Since) bool {
	m := versionForm.FindStringSubmatch(version)
	if m == nil {
		return false
	}
	minor, _ := strconv.Atoi(m[2]) // digits
	switch {
	case m[0][0] == 'b':
		return minor < first.Botocore
	case m[1] == "1":
		return minor < first.One
	case m[1] == "2":
		return minor < first.Two
	}
	return false
}
