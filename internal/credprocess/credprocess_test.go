package credprocess_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/credprocess"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// TestProfiles: what a file of profiles says, in both forms.
func TestProfiles(t *testing.T) {
	const text = "# a comment\n[default]\nAWS_ACCESS_KEY_ID = AKIA1\naws_secret_access_key=a/b=c#d ; a comment\ns3 =\n  aws_access_key_id = inside\n\n" +
		"[profile  dev] # a comment\nregion = x\n[dev]\naws_access_key_id = AKIA2\n[sso-session s]\naws_access_key_id = AKIA3\n[dev]\nregion = y\r\n"
	base := map[string]string{"aws_access_key_id": "AKIA1", "aws_secret_access_key": "a/b=c#d", "s3": ""}
	for configuration, want := range map[bool]map[string]map[string]string{
		true:  {"default": base, "dev": {"region": "x"}},
		false: {"default": base, "profile  dev": {"region": "x"}, "dev": {"aws_access_key_id": "AKIA2", "region": "y"}, "sso-session s": {"aws_access_key_id": "AKIA3"}},
	} {
		got, err := credprocess.Profiles(text, configuration)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("configuration %v: %s", configuration, d)
		}
	}
	for text, want := range map[string]string{
		"a = b": "line 1: a setting before the first section", " a = b": "line 1: a setting before the first section", "[a": "line 1: a section is [NAME]", "[a] b": "line 1: a section is [NAME]",
		"[a]\nsecret": "line 2: a setting is NAME = VALUE", "[a]\n= planted": "line 2: a setting is NAME = VALUE",
	} {
		if _, err := credprocess.Profiles(text, false); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestSource: whose keys come first.
func TestSource(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"credentials": "[default]\naws_access_key_id=D\naws_secret_access_key=s\n[both]\naws_access_key_id=C\naws_secret_access_key=s\naws_session_token=t\n[half]\naws_access_key_id=H\n",
		"config":      "[profile both]\naws_access_key_id=X\naws_secret_access_key=s\n[profile only]\naws_access_key_id=O\naws_secret_access_key=s\n[profile role]\nrole_arn=r\nsource_profile=both\n",
	} {
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	full := map[string]string{"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "s", "AWS_PROFILE": "both"}
	for _, c := range []struct {
		env           map[string]string
		profile, want string // the key, or what is wrong
	}{
		{full, "", "E"}, {full, "both", "C"}, {nil, "", "D"}, {map[string]string{"AWS_PROFILE": "only"}, "", "O"}, {nil, "only", "O"},
		{map[string]string{"AWS_ACCESS_KEY_ID": "E"}, "", "only one is set"}, {nil, "half", "has only one"}, {nil, "role", "no keys"}, {nil, "nobody", "no keys"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "nosuch")}, "both", "X"},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": home}, "both", "is a directory"},
	} {
		got, err := credprocess.Source(func(name string) string { return c.env[name] }, home, c.profile)
		if got.AccessKeyID != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, %q: %q, %v; want %q", c.env, c.profile, got.AccessKeyID, err, c.want)
		}
		if err == nil && (got.SecretAccessKey.Reveal() != "s" || got.SessionToken.IsZero() == (got.AccessKeyID == "C")) {
			t.Errorf("%v, %q: another's secret or token", c.env, c.profile)
		}
	}
}

// TestAnswers: answers that are none.
func TestAnswers(t *testing.T) {
	const whole = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId>` +
		`<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	for _, c := range []struct {
		status     int
		body, want string // empty: good
	}{
		{200, whole, ""},
		{200, strings.Replace(whole, "<SessionToken>t</SessionToken>", "", 1), "holds no credentials"},
		{200, strings.Replace(whole, "2026-01-01T00:00:00Z", "tomorrow", 1), "reading the answer"},
		{200, strings.ReplaceAll(whole, "AssumeRoleResponse", "Other"), "reading the answer"},
		{200, "", "reading the answer"},
		{200, strings.Repeat(" ", 1<<20) + whole, "too long"},
		{403, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>No.</Message></Error></ErrorResponse>`, "AccessDenied: No."},
		{500, whole, "the server answers 500"},
		{302, "", "does not redirect"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("RoleArn") != "r" || r.FormValue("Action") != "AssumeRole" || r.FormValue("DurationSeconds") != "900" || r.Form.Has("ExternalId") {
				t.Errorf("asked %v", r.Form)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		got, err := credprocess.AssumeRole(t.Context(), credprocess.Request{RoleARN: "r", SessionName: "s", Duration: 15 * time.Minute, Endpoint: srv.URL, Region: "us-east-1",
			Source: credprocess.Keys{AccessKeyID: "AKIA", SecretAccessKey: secret.New("s")}})
		srv.Close()
		if c.want == "" {
			doc, docErr := got.Document()
			if want := "{\n  \"Version\": 1,\n  \"AccessKeyId\": \"A\",\n  \"SecretAccessKey\": \"s\",\n  \"SessionToken\": \"t\",\n  \"Expiration\": \"2026-01-01T00:00:00Z\"\n}\n"; err != nil || docErr != nil || string(doc) != want {
				t.Errorf("%v, %v, %s", err, docErr, doc)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %.60q: %v, want %s", c.status, c.body, err, c.want)
		}
	}
}

// FuzzProfiles: no file breaks it, and what it reads is plain.
func FuzzProfiles(f *testing.F) {
	f.Add("[default]\na = b\n", false)
	f.Add("[profile x]\na = b # c\n  d = e\n[y]\n", true)
	f.Add("[\n]", true)
	f.Add("=", false)
	f.Fuzz(func(t *testing.T, text string, configuration bool) {
		all, err := credprocess.Profiles(text, configuration)
		if err != nil && all != nil {
			t.Error("an error, and profiles")
		}
		for name, p := range all {
			if name == "" || strings.ContainsAny(name, "\n]") {
				t.Errorf("a profile %q", name)
			}
			for k, v := range p {
				if k == "" || k != strings.ToLower(k) || strings.Contains(k, "=") || strings.ContainsAny(k+v, "\n") {
					t.Errorf("%q = %q", k, v)
				}
			}
		}
	})
}
