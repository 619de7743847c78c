package signin_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// member is the text of a member of additionalEventData.
func member(e *trail.Event, name string) string {
	for _, m := range e.Additional.Members {
		if m.Name == name {
			return string(m.Value)
		}
	}
	return ""
}

func TestEvents(t *testing.T) {
	b := newBroker(t)
	c := b.assume(b.user, b.role)
	token := b.token(c, "&SessionDuration=43200")
	user := b.browser()
	user.login(token)
	console, _ := user.credentials()
	if can := b.may(console); can != "users" {
		t.Fatalf("the session may %q", can)
	}
	t.Run("sign-in token", func(t *testing.T) {
		checklist.Shows(t, "S2-399", "S2-400", "S2-239")
		all := b.events("GetSigninToken")
		if len(all) != 1 {
			t.Fatalf("%d events", len(all))
		}
		e := all[0]
		if e.Source != "signin.amazonaws.com" || e.Type != "AwsConsoleSignIn" || e.Region != "us-east-1" || e.Recipient != b.id || e.ErrorMessage != "" || e.RequestParameters != nil || e.ReadOnly ||
			e.Identity.Type != "AssumedRole" || e.Identity.AccessKeyID != c.AccessKeyID || e.SourceIP != "127.0.0.1" {
			t.Errorf("%s", e.Append(nil))
		}
		// The console's own key is what its calls are found by.
		if want := `{"credentials":{"accessKeyId":"` + console.AccessKeyID + `"},"GetSigninToken":"Success"}`; string(e.ResponseElements) != want || console.AccessKeyID == c.AccessKeyID {
			t.Errorf("%s, want %s", e.ResponseElements, want)
		}
	})
	t.Run("login", func(t *testing.T) {
		checklist.Shows(t, "S2-419", "S2-400")
		all := b.events("ConsoleLogin")
		if len(all) != 1 {
			t.Fatalf("%d events", len(all))
		}
		e := all[0]
		if e.Source != "signin.amazonaws.com" || e.Type != "AwsConsoleSignIn" || string(e.ResponseElements) != `{"ConsoleLogin":"Success"}` || e.ErrorMessage != "" ||
			e.Identity.ARN != "arn:aws:sts::"+b.id+":assumed-role/role/AssumeRoleSession" || e.Identity.Session.Issuer.UserName != "role" ||
			member(e, "LoginTo") != `"https://console.aws.amazon.com/"` || member(e, "MFAUsed") != `"No"` || member(e, "MobileVersion") != `"No"` {
			t.Errorf("%s", e.Append(nil))
		}
	})
	t.Run("calls of the session", func(t *testing.T) {
		calls := b.events("ListUsers")
		e := calls[len(calls)-1]
		if !e.FromConsole || e.Identity.AccessKeyID != console.AccessKeyID || !e.Identity.Session.Attributes.CreationDate.Equal(b.events("GetSigninToken")[0].Identity.Session.Attributes.CreationDate) {
			t.Errorf("%s", e.Append(nil))
		}
		for _, e := range b.events("CreateRole") {
			if e.FromConsole {
				t.Errorf("an API call is one of the console: %s", e.Append(nil))
			}
		}
	})
	t.Run("failures", func(t *testing.T) {
		chained := b.assume(c, b.role)
		b.signinToken(chained, "&SessionDuration=43200")
		b.pass(16 * time.Minute)
		b.browser().get(loginURL(token))
		b.pass(time.Hour)
		b.signinToken(c, "")
		tokens, logins := b.events("GetSigninToken"), b.events("ConsoleLogin")
		if len(tokens) != 3 || len(logins) != 2 {
			t.Fatalf("%d and %d events", len(tokens), len(logins))
		}
		for i, want := range []struct{ name, message string }{
			{"GetSigninToken", "SessionDuration cannot be used with credentials of role chaining or of a service."},
			{"GetSigninToken", "The security token included in the request is expired"}, {"ConsoleLogin", "The sign-in token has expired. Ask for a new one."},
		} {
			e := append(tokens[1:], logins[1])[i]
			if e.Name != want.name || e.ErrorMessage != want.message || string(e.ResponseElements) != `{"`+want.name+`":"Failure"}` {
				t.Errorf("%s", e.Append(nil))
			}
		}
	})
	t.Run("nobody known", func(t *testing.T) {
		before := len(must(b.node.Events(t.Context(), ""))(t))
		forged := c
		forged.SecretAccessKey = strings.Repeat("x", 40)
		b.signinToken(forged, "")
		b.browser().get("/federation?Action=login&Destination=" + home + "&SigninToken=OSS1AAAA")
		b.browser().get("/federation?Action=login&Destination=" + url.QueryEscape("https://evil.example.com/") + "&SigninToken=" + token)
		if after := len(must(b.node.Events(t.Context(), ""))(t)); after != before {
			t.Errorf("%d events more", after-before)
		}
	})
	t.Run("no secrets", func(t *testing.T) {
		checklist.Shows(t, "S2-239")
		for _, e := range must(b.node.Events(t.Context(), ""))(t) {
			line := string(e.Append(nil))
			for name, secret := range map[string]string{"token": token, "key": c.SecretAccessKey, "session token": c.SessionToken, "console's key": console.SecretAccessKey, "console's token": console.SessionToken} {
				if strings.Contains(line, secret) {
					t.Errorf("the %s is in %s", name, line)
				}
			}
		}
	})
}
