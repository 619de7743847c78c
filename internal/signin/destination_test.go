package signin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/signin"
)

func newDestinations(t testing.TB) *signin.Destinations {
	t.Helper()
	d, err := signin.NewDestinations([]string{"https://portal.example.com/aws", "http://127.0.0.1:8080/"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDestinations(t *testing.T) {
	checklist.Shows(t, "S2-238")
	d := newDestinations(t)
	for text, want := range map[string]string{
		"/console":  "/console",
		"/console/": "/console/",
		"/console/iam/home?region=eu-west-1#/users/a%20b":                "/console/iam/home?region=eu-west-1#/users/a%20b",
		"https://console.aws.amazon.com":                                 "/console/",
		"https://console.aws.amazon.com/":                                "/console/",
		"https://console.aws.amazon.com/s":                               "/console/s",
		"https://console.aws.amazon.com/sns":                             "/console/sns",
		"https://console.aws.amazon.com/ec2/v2/home?a=b#c:d=e":           "/console/ec2/v2/home?a=b#c:d=e",
		"https://eu-west-1.console.aws.amazon.com/sns/home":              "/console/sns/home?region=eu-west-1",
		"https://us-gov-west-1.console.aws.amazon.com/?region=us-east-1": "/console/?region=us-east-1",
		"https://s3.console.aws.amazon.com/s3/home?b=1":                  "/console/s3/home?b=1",
		"https://portal.example.com/aws":                                 "https://portal.example.com/aws",
		"https://portal.example.com/aws/x?y=z#f":                         "https://portal.example.com/aws/x?y=z#f",
		"http://127.0.0.1:8080/anything":                                 "http://127.0.0.1:8080/anything",
	} {
		if got, err := d.Resolve(text); err != nil || got != want {
			t.Errorf("%s leads to %s, %v; want %s", text, got, err, want)
		}
	}
}

// evasions are ways to be sent elsewhere, or to be shown what is not the console, that browsers and servers have fallen for.
var evasions = []string{
	"", " ", "/", "//", "///", "/x", "/consolex", "/console.evil.example.com", "/Console/", "console/", "?x", "#x",
	"https://evil.example.com/", "https://evil.example.com/console/", "//evil.example.com", "//evil.example.com/console/", "///evil.example.com", "////evil.example.com",
	`\\evil.example.com`, `/\evil.example.com`, `\/evil.example.com`, `/\/evil.example.com`, `https:\\evil.example.com`, `/console/\evil.example.com`,
	"https:evil.example.com", "https:/evil.example.com", "https:///evil.example.com", "https:console.aws.amazon.com", "http:console.aws.amazon.com/",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://console.aws.amazon.com/", "blob:https://console.aws.amazon.com/x",
	"view-source:https://console.aws.amazon.com/", "http://console.aws.amazon.com/", "HTTPS://console.aws.amazon.com/", "wss://console.aws.amazon.com/",
	"https://console.aws.amazon.com.evil.example.com/", "https://evil.example.com/console.aws.amazon.com/", "https://evil.example.com?console.aws.amazon.com", "https://evil.example.com#console.aws.amazon.com",
	"https://consoleXaws.amazon.com/", "https://console.aws.amazon.com.", "https://console.aws.amazon.com./", "https://console.aws.amazon.com:443/", "https://console.aws.amazon.com:8443/", "https://console.aws.amazon.com:/",
	"https://console.aws.amazon.com@evil.example.com/", "https://user@console.aws.amazon.com/", "https://user:pass@console.aws.amazon.com/", "https://evil.example.com@console.aws.amazon.com/",
	`https://evil.example.com\@console.aws.amazon.com/`, `https://console.aws.amazon.com\.evil.example.com/`, `https://console.aws.amazon.com\evil`, "https://console.aws.amazon.com%2eevil.example.com/",
	"https://console.aws.amazon.com%00.evil.example.com/", "https://console.aws.amazon.com%0d%0a.evil.example.com/", "https://console.aws.amazon.com\x00.evil.example.com/",
	"https://console.aws.amazon.com\t/", "ht\ttps://console.aws.amazon.com/", " https://console.aws.amazon.com/", "https://console.aws.amazon.com/ ", "\thttps://console.aws.amazon.com/", "https://console.aws.amazon.com/\r\nSet-Cookie: a=b",
	"/console/\r\nSet-Cookie: a=b", "/console/%0d%0aSet-Cookie:a=b", "/console/\x00", "/console/%00",
	"/console/../x", "/console/..", "/console/..//evil.example.com", "/console/../../evil.example.com", "/console/%2e%2e/x", "/console/%2E%2E/x", "/console/.%2e/x", "/console/%252e%252e/x", "/console/..%2fx", "/console/..%5cx",
	"/console//evil.example.com", "/console/./x", "/console/%2f/evil.example.com", "/console/%2F%2Fevil.example.com", "/./console/", "//console/", "/%63onsole/../x", "/console/x//",
	"https://console.aws.amazon.com//evil.example.com", "https://console.aws.amazon.com/../x", "https://console.aws.amazon.com/%2e%2e/%2e%2e/signin/logout", "https://console.aws.amazon.com/..%2fsignin", "https://console.aws.amazon.com/../../evil",
	"https://a.b.c.console.aws.amazon.com/", "https://.console.aws.amazon.com/", "https://evilconsole.aws.amazon.com/", "https://CONSOLE.AWS.AMAZON.COM/", "https://cоnsole.aws.amazon.com/", "https://console。aws。amazon。com/",
	"https://console.aws.amazon.com／evil/", "/console/ünder", "/console/\u202e", "/console/\xff", "/console/<script>", `/console/"x`, "/console/%ff", "/console/%e2%80%ae",
	"https://[::1]/console/", "https://127.0.0.1/", "http://127.0.0.1:8081/", "http://127.0.0.1/", "https://127.0.0.1:8080/", "http://localhost:8080/", "http://127.0.0.1:8080@evil.example.com/", "http://127.1:8080/", "http://2130706433:8080/",
	"https://portal.example.com/", "https://portal.example.com/awsome", "https://portal.example.com/aws/../admin", "https://portal.example.com/aws%2f../admin", "https://portal.example.com/AWS", "https://portal.example.com:444/aws",
	"https://portal.example.com.evil.example.com/aws", "https://portal.example.com@evil.example.com/aws", "http://portal.example.com/aws", "https://Portal.example.com/aws", "https://x.portal.example.com/aws",
	"/federation?Action=login", "/signin/logout", "/_ostiary/v1/status", "/metrics", strings.Repeat("/console", 400),
}

func TestDestinationEvasions(t *testing.T) {
	d := newDestinations(t)
	for _, text := range evasions {
		if got, err := d.Resolve(text); err == nil || fault.KindOf(err) != fault.Invalid || got != "" {
			t.Errorf("%q leads to %s, %v", text, got, err)
		}
	}
	t.Logf("%d ways", len(evasions))
	for _, a := range []string{"", "/console", "console.example.com", "https://", "https://a@b/", "https://a/?x", "https://a/#x", "ftp://a/", "https://a/../b", "https://A/"} {
		if _, err := signin.NewDestinations([]string{a}); err == nil {
			t.Errorf("%q may be allowed", a)
		}
	}
}

// before is an address up to its query and fragment.
func before(address string) string {
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		return address[:i]
	}
	return address
}

// FuzzDestination: whatever the text, where it leads is the console's path here or an allowed address, as a browser reads it.
func FuzzDestination(f *testing.F) {
	for _, text := range evasions {
		f.Add(text)
	}
	for _, text := range []string{"/console/a?b#c", "https://console.aws.amazon.com/sns", "https://eu-west-1.console.aws.amazon.com/?a", "https://portal.example.com/aws/x", "/console/%41"} {
		f.Add(text)
	}
	d := newDestinations(f)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := d.Resolve(text)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		if strings.ContainsAny(got, "\\\r\n\t \x00<>\"") || strings.Contains(before(got), "/../") || strings.HasSuffix(before(got), "/..") {
			t.Fatalf("%q leads to %q", text, got)
		}
		base, _ := url.Parse("https://ostiary.example.com/federation")
		to, err := base.Parse(got)
		if err != nil {
			t.Fatalf("%q leads to %q: %v", text, got, err)
		}
		here := to.Scheme == "https" && to.Host == "ostiary.example.com" && (to.Path == "/console" || strings.HasPrefix(to.Path, "/console/"))
		portal := to.Scheme == "https" && to.Host == "portal.example.com" && (to.Path == "/aws" || strings.HasPrefix(to.Path, "/aws/"))
		local := to.Scheme == "http" && to.Host == "127.0.0.1:8080"
		if !here && !portal && !local || to.User != nil {
			t.Fatalf("%q leads to %q", text, to)
		}
	})
}
