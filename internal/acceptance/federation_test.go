package acceptance_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// TestFederationGuide runs the sh blocks of docs/federation.md in their order against the command, word for word but for the names of
// providers and the port. What its bash blocks ask a provider for lies in files that the test has written.
func TestFederationGuide(t *testing.T) {
	t.Parallel()
	needs(t, "aws")
	needs(t, "curl")
	testenv.TooOld(t, "aws", testenv.Since{One: 33, Two: 17}, "the guide makes OIDC providers without a list of thumbprints")
	text := string(must(os.ReadFile("../../docs/federation.md"))(t))
	text, _, ok := strings.Cut(text, "\n## When it does not work\n")
	if !ok {
		t.Fatal("the guide has no end of its steps")
	}
	dir, now := t.TempDir(), time.Now()
	put := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string // what the guide calls things, each followed by its name in this test
	for _, c := range []struct {
		issuer, path, file string
		claims             map[string]any
	}{
		{"keycloak.example.com/realms/acme", "/realms/acme", "keycloak.token", map[string]any{"aud": "ostiary", "sub": "f3a1c2d4-alice"}},
		{"token.actions.githubusercontent.com", "", "github.token", map[string]any{"sub": "repo:acme/shop:ref:refs/heads/main"}},
		{"kubernetes.example.com", "", "kubernetes.token", map[string]any{"aud": []string{"sts.amazonaws.com"}, "sub": "system:serviceaccount:shop:cart"}},
	} {
		idp := oidctest.New(t, c.path)
		put(c.file, idp.Token(now, c.claims))
		put("company-ca.pem", testenv.PEM("CERTIFICATE", idp.Leaf.Raw)) // the same one for all
		names = append(names, c.issuer, must(url.Parse(idp.Issuer))(t).Host+c.path)
	}
	saml := samltest.New("https://keycloak.example.com/realms/acme")
	put("metadata.xml", saml.Metadata())

	p := serve(t, filepath.Join(dir, "ostiary-data"), "--outbound-allow", "127.0.0.1/32", "--outbound-ca-file", filepath.Join(dir, "company-ca.pem"))
	credentials := string(must(os.ReadFile(filepath.Join(p.dir, "root-credentials")))(t))
	if !strings.Contains(credentials, "[default]") {
		t.Fatal("root-credentials has no default profile")
	}
	who := p.first(t)
	id := *must(who.sts.GetCallerIdentity(t.Context(), nil))(t).Account
	const attributes = "https://aws.amazon.com/SAML/Attributes/"
	assertion := saml.NewAssertion(now).With(attributes+"Role", "arn:aws:iam::"+id+":role/staff,arn:aws:iam::"+id+":saml-provider/keycloak").
		With(attributes+"RoleSessionName", "alice@example.com")
	put("response.base64", samltest.Encode(saml.Response(now, saml.SignedAssertion(assertion))))

	var script strings.Builder
	blocks := 0
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "sh":
			blocks++
			script.WriteString(m[2])
		case "bash", "yaml", "go": // a provider's business, or a service's
		default:
			t.Errorf("a block of %s", m[1])
		}
	}
	if blocks < 8 {
		t.Fatalf("only %d blocks were found", blocks)
	}
	env := slices.DeleteFunc(ostiarytest.Account{}.Env(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	s := &shell{dir: dir, env: append(append(env, testenv.Environment(t)...), "HOME="+dir, "AWS_PAGER=")}
	names = append(names, "http://127.0.0.1:4566", p.url)
	stdout, stderr, failed := s.run(t, strings.NewReplacer(names...).Replace(script.String()))
	if failed {
		t.Fatalf("a command failed:\n%s\n%s", stdout, stderr)
	}
	for role, sessions := range map[string]int{"people/alice": 2, "deploy/build-42": 1, "cart/cart-1": 1, "staff/alice@example.com": 1, "desk/alice": 1} {
		arn := fmt.Sprintf(`"arn:aws:sts::%s:assumed-role/%s"`, id, role)
		if got := len(regexp.MustCompile(regexp.QuoteMeta(arn)).FindAllString(stdout, -1)); got != sessions {
			t.Errorf("%s is in the output %d times, not %d", arn, got, sessions)
		}
	}
	if !strings.Contains(stdout, p.url+"/console/iam/home\n") {
		t.Errorf("the login does not lead to the console:\n%s", stdout)
	}
	if c := string(must(os.ReadFile(filepath.Join(dir, "console.json")))(t)); !strings.Contains(c, `"AccessKeyId":"ASIA`) {
		t.Errorf("a page of the console gets %s", c)
	}
	p.stop(t)
}
