package credential_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func TestServicePassword(t *testing.T) {
	form, seen := regexp.MustCompile(`^[A-Za-z0-9+/]{59}=$`), map[string]bool{}
	for range 100 {
		p, err := credential.NewServicePassword(nil)
		if err != nil || !form.MatchString(p.Reveal()) || seen[p.Reveal()] {
			t.Fatalf("%q, %v", p.Reveal(), err)
		}
		seen[p.Reveal()] = true
	}
	if _, err := credential.NewServicePassword(strings.NewReader("short")); err == nil {
		t.Error("made without randomness")
	}
	if _, err := credential.NewAPIKey("bedrock.amazonaws.com", "a", strings.NewReader("short")); err == nil {
		t.Error("made without randomness")
	}
}

func TestAPIKey(t *testing.T) {
	const bedrock = "bedrock.amazonaws.com"
	alias := "alice+1-at-123456789012"
	k, err := credential.NewAPIKey(bedrock, alias, nil)
	if err != nil || !regexp.MustCompile(`^ABSK[A-Za-z0-9+/]{109,269}={0,2}$`).MatchString(k.Reveal()) { // as secret scanners look for it
		t.Fatalf("%q, %v", k.Reveal(), err)
	}
	if got, ok := credential.APIKeyAlias(bedrock, k); !ok || got != alias {
		t.Errorf("alias %q, %v", got, ok)
	}
	encoded := strings.TrimPrefix(k.Reveal(), "ABSK")
	for name, text := range map[string]string{
		"nothing": "", "the prefix": "ABSK", "no prefix": encoded, "another prefix": "ACWL" + encoded, "a line end": "ABSK" + encoded + "\n",
		"no base64": "ABSK!", "no colon": "ABSK" + base64.StdEncoding.EncodeToString([]byte("alias")), "no alias": "ABSK" + base64.StdEncoding.EncodeToString([]byte(":x")),
	} {
		if got, ok := credential.APIKeyAlias(bedrock, secret.New(text)); ok {
			t.Errorf("%s: alias %q", name, got)
		}
	}
	if _, ok := credential.APIKeyAlias("codecommit.amazonaws.com", k); ok || credential.HasAPIKeys("codecommit.amazonaws.com") || !credential.HasAPIKeys(bedrock) {
		t.Error("CodeCommit has API keys")
	}
}

// FuzzAPIKeyAlias: whatever is presented, the alias that is read is the one that stands in it.
func FuzzAPIKeyAlias(f *testing.F) {
	f.Add("ABSKYTpi")
	f.Add("ABSKYTpi\n")
	f.Add("ABSK")
	f.Fuzz(func(t *testing.T, text string) {
		alias, ok := credential.APIKeyAlias("bedrock.amazonaws.com", secret.New(text))
		if !ok {
			return
		}
		plain, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "ABSK"))
		if err != nil || !strings.HasPrefix(string(plain), alias+":") || "ABSK"+base64.StdEncoding.EncodeToString(plain) != text {
			t.Errorf("%q: alias %q of %q, %v", text, alias, plain, err)
		}
	})
}
