package signin_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/signin"
	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// broker is a world with a user who may assume a role and federate users.
type broker struct {
	*world
	user aws.Credentials
	role string
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	w := newWorld(t)
	return &broker{w, w.user("broker", allow("sts:*", "*"), allow("iam:ListUsers", "*")), w.role("role", allow("iam:ListUsers", "*"), allow("sts:*", "*"))}
}

// TestCredentialsRefused: only credentials that are whole, good and of the right kind begin a console session, and the answer does not say
// what was wrong with others.
func TestCredentialsRefused(t *testing.T) {
	checklist.Shows(t, "S2-230", "S2-221")
	b := newBroker(t)
	good := b.assume(b.user, b.role)
	other := b.assume(b.user, b.role)
	foreign := newBroker(t)
	stranger := foreign.assume(foreign.user, foreign.role)
	change := func(f func(*aws.Credentials)) aws.Credentials { c := good; f(&c); return c }
	flip := func(s string, at int) string { return s[:at] + string(s[at]^1) + s[at+1:] }
	refused := func(t *testing.T, a answer) {
		t.Helper()
		if a.status != 400 || strings.TrimSpace(a.body) != `{"Error":"Invalid credentials parameter"}` {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for name, c := range map[string]aws.Credentials{
		"long-term":             b.user,
		"root's":                b.root,
		"no token":              change(func(c *aws.Credentials) { c.SessionToken = "" }),
		"no secret":             change(func(c *aws.Credentials) { c.SecretAccessKey = "" }),
		"another secret":        change(func(c *aws.Credentials) { c.SecretAccessKey = other.SecretAccessKey }),
		"another ID":            change(func(c *aws.Credentials) { c.AccessKeyID = other.AccessKeyID }),
		"another token":         change(func(c *aws.Credentials) { c.SessionToken = other.SessionToken }),
		"a changed secret":      change(func(c *aws.Credentials) { c.SecretAccessKey = flip(c.SecretAccessKey, 7) }),
		"a longer secret":       change(func(c *aws.Credentials) { c.SecretAccessKey += "x" }),
		"a changed token":       change(func(c *aws.Credentials) { c.SessionToken = flip(c.SessionToken, 90) }),
		"another form of token": change(func(c *aws.Credentials) { c.SessionToken = "OSS1" + c.SessionToken[4:] }),
		"another installation":  stranger,
	} {
		t.Run(name, func(t *testing.T) { refused(t, b.signinToken(c, "")) })
	}
	t.Run("GetSessionToken", func(t *testing.T) {
		checklist.Shows(t, "S2-231", "S2-330")
		for _, who := range []aws.Credentials{b.user, b.root} {
			out := must(b.sts(who).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{}))(t)
			refused(t, b.signinToken(credentials(out.Credentials), ""))
		}
	})
	t.Run("malformed", func(t *testing.T) {
		id, key, token := good.AccessKeyID, good.SecretAccessKey, good.SessionToken
		for _, text := range []string{
			"", "null", "[]", "{}", `"x"`, "{", sessionJSON(good) + "x", sessionJSON(good) + "{}", strings.Replace(sessionJSON(good), "sessionId", "SESSIONID", 1),
			fmt.Sprintf(`{"sessionId":%q,"sessionKey":%q}`, id, key), fmt.Sprintf(`{"sessionId":%q,"sessionId":%q,"sessionKey":%q,"sessionToken":%q}`, id, id, key, token),
			fmt.Sprintf(`{"sessionId":[%q],"sessionKey":%q,"sessionToken":%q}`, id, key, token), fmt.Sprintf(`{"sessionId":%q,"sessionKey":%q,"sessionToken":%q,"x":1}`, id, key, token),
			fmt.Sprintf(`{"sessionId":%q,"sessionKey":true,"sessionToken":%q}`, id, token), strings.Repeat("[", 10000),
		} {
			refused(t, b.browser().get("/federation?Action=getSigninToken&Session="+url.QueryEscape(text)))
		}
	})
	t.Run("of a console session", func(t *testing.T) {
		c, ok := b.signedIn(good, "&SessionDuration=43200").credentials()
		if !ok {
			t.Fatal("nobody is signed in")
		}
		// They would make sessions without an end.
		if a := b.signinToken(c, ""); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
		again := b.assume(c, b.role)
		if a := b.signinToken(again, "&SessionDuration=43200"); a.status != 400 {
			t.Errorf("of a role assumed from it: %d %s", a.status, a.body)
		}
	})
	t.Run("role assumed with a session", func(t *testing.T) {
		checklist.Shows(t, "S2-226")
		out := must(b.sts(b.user).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{}))(t)
		for _, c := range []aws.Credentials{b.assume(credentials(out.Credentials), b.role), b.assume(good, b.role)} {
			if a := b.signinToken(c, "&SessionDuration=3600"); a.status != 400 || !strings.Contains(a.body, "SessionDuration") {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
	t.Run("expired, role gone", func(t *testing.T) {
		token := b.token(good, "")
		user := b.signedIn(good, "&SessionDuration=43200")
		b.pass(2 * time.Hour)
		refused(t, b.signinToken(good, ""))
		if a := b.browser().get(loginURL(token)); a.status != 400 || a.header.Get("Location") != "" {
			t.Errorf("%d %s", a.status, a.body)
		}
		fresh := b.assume(b.user, b.role)
		must(b.iam(b.root).DeleteRolePolicy(t.Context(), &sdkiam.DeleteRolePolicyInput{RoleName: aws.String("role"), PolicyName: aws.String("test")}))(t)
		must(b.iam(b.root).DeleteRole(t.Context(), &sdkiam.DeleteRoleInput{RoleName: aws.String("role")}))(t)
		refused(t, b.signinToken(fresh, ""))
		if a := user.get("/console/"); a.status != 302 || a.header.Get("Location") != "https://mysignin.internal.mycompany.com/" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// TestParameters: spellings that AWS's own guide mixes are taken, everything else is refused.
func TestParameters(t *testing.T) {
	b := newBroker(t)
	good := b.assume(b.user, b.role)
	session := url.QueryEscape(sessionJSON(good))
	t.Run("spellings", func(t *testing.T) {
		checklist.Shows(t, "S2-223", "S2-222", "S2-224")
		token := ""
		for _, query := range []string{"Action=getSigninToken", "Action=getSignInToken", "action=GETSIGNINTOKEN", "Action=getSigninToken&SessionType=json", "Action=get%53igninToken&"} {
			a := b.browser().get("/federation?" + query + "&Session=" + session)
			if a.status != 200 {
				t.Errorf("%s: %d %s", query, a.status, a.body)
				continue
			}
			token = a.read(t)["SigninToken"]
		}
		form := "Session=" + strings.ReplaceAll(session, "%2C", "%2C+")
		if a := b.browser().do("POST", "/federation?Action=getSigninToken", form); a.status != 200 {
			t.Errorf("POST: %d %s", a.status, a.body)
		}
		for _, name := range []string{"SigninToken", "SignInToken", "signintoken"} {
			if a := b.browser().get("/federation?Action=login&Issuer=Example.org&Destination=" + home + "&" + name + "=" + token); a.status != 302 || a.header.Get("Location") != "/console/" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
	})
	t.Run("an issuer that is no URL", func(t *testing.T) {
		checklist.Shows(t, "S2-234")
		user := b.browser()
		if a := user.get("/federation?Action=login&Issuer=Example.org&Destination=" + home + "&SigninToken=" + b.token(good, "&SessionDuration=900")); a.status != 302 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		b.pass(16 * time.Minute)
		if a := user.get("/console/"); a.status != 401 || a.header.Get("Location") != "" || a.read(t)["Issuer"] != "Example.org" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	good = b.assume(b.user, b.role)
	session = url.QueryEscape(sessionJSON(good))
	token := b.token(good, "")
	for name, query := range map[string]string{
		"no action":                  "Session=" + session,
		"another action":             "Action=logout",
		"action twice":               "Action=getSigninToken&action=login&Session=" + session,
		"session twice":              "Action=getSigninToken&Session=x&Session=" + session,
		"unknown parameter":          "Action=getSigninToken&Sesion=x&Session=" + session,
		"parameter of the other":     "Action=getSigninToken&Destination=" + home + "&Session=" + session,
		"login with a session":       "Action=login&Session=" + session + "&Destination=" + home + "&SigninToken=" + token,
		"SessionType":                "Action=getSigninToken&SessionType=xml&Session=" + session,
		"bad escape":                 "Action=getSigninToken&Session=%zz",
		"SessionDuration 0":          "Action=getSigninToken&SessionDuration=0&Session=" + session,
		"SessionDuration 899":        "Action=getSigninToken&SessionDuration=899&Session=" + session,
		"SessionDuration 43201":      "Action=getSigninToken&SessionDuration=43201&Session=" + session,
		"SessionDuration -900":       "Action=getSigninToken&SessionDuration=-900&Session=" + session,
		"SessionDuration +900":       "Action=getSigninToken&SessionDuration=%2B900&Session=" + session,
		"SessionDuration 0900":       "Action=getSigninToken&SessionDuration=0900&Session=" + session,
		"SessionDuration 1h":         "Action=getSigninToken&SessionDuration=1h&Session=" + session,
		"SessionDuration 9e2":        "Action=getSigninToken&SessionDuration=9e2&Session=" + session,
		"SessionDuration of nothing": "Action=getSigninToken&SessionDuration=&Session=" + session,
		"SessionDuration too long":   "Action=getSigninToken&SessionDuration=99999999999999999999&Session=" + session,
		"DurationSeconds of a role":  "Action=getSigninToken&DurationSeconds=900&Session=" + session,
		"no destination":             "Action=login&SigninToken=" + token,
		"no token":                   "Action=login&Destination=" + home,
		"bad token":                  "Action=login&Destination=" + home + "&SigninToken=x",
		"a session token":            "Action=login&Destination=" + home + "&SigninToken=" + url.QueryEscape(good.SessionToken),
		"token with line end":        "Action=login&Destination=" + home + "&SigninToken=" + token + "%0A",
		"token cut":                  "Action=login&Destination=" + home + "&SigninToken=" + token[:len(token)-1],
		"issuer with line end":       "Action=login&Destination=" + home + "&Issuer=https%3A%2F%2Fa%0D%0ASet-Cookie%3A+a=b&SigninToken=" + token,
		"issuer too long":            "Action=login&Destination=" + home + "&Issuer=" + strings.Repeat("a", 1025) + "&SigninToken=" + token,
	} {
		t.Run(name, func(t *testing.T) {
			a := b.browser().get("/federation?" + query)
			if a.status != 400 || len(a.header["Set-Cookie"]) > 0 || a.header.Get("Location") != "" || !strings.HasPrefix(a.body, `{"Error":"`) {
				t.Errorf("%d %v %s", a.status, a.header, a.body)
			}
		})
	}
	t.Run("every evasion, by login", func(t *testing.T) {
		for _, to := range evasions {
			a := b.browser().get("/federation?Action=login&SigninToken=" + token + "&Destination=" + url.QueryEscape(to))
			if a.status != 400 || a.header.Get("Location") != "" || len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%q: %d %s", to, a.status, a.header.Get("Location"))
			}
		}
	})
	t.Run("methods and sizes", func(t *testing.T) {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} {
			if a := b.browser().do(method, loginURL(token), ""); a.status != 405 || len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %d", method, a.status)
			}
		}
		large := "Action=getSigninToken&Session=" + strings.Repeat("a", 65<<10)
		if a := b.browser().do("POST", "/federation", large); a.status != 413 {
			t.Errorf("large body: %d", a.status)
		}
		if a := b.browser().do("POST", "/federation", "Action=getSigninToken&Session="+session, "Content-Type", "text/plain"); a.status != 400 {
			t.Errorf("plain text: %d", a.status)
		}
		if a := b.browser().get("/federation/?Action=login"); a.status != 404 {
			t.Errorf("another path: %d", a.status)
		}
	})
}

// TestConsoleRequests: what changes something or shows secrets is answered to the console's own pages only.
func TestConsoleRequests(t *testing.T) {
	b := newBroker(t)
	user := b.signedIn(b.assume(b.user, b.role), "")
	nonce := user.get(signin.SessionPath).read(t)["CsrfToken"]
	theirs := b.signedIn(b.assume(b.user, b.role), "").get(signin.SessionPath).read(t)["CsrfToken"]
	for name, header := range map[string][]string{
		"no nonce":                 nil,
		"another session's nonce":  {signin.NonceHeader, theirs},
		"cut nonce":                {signin.NonceHeader, nonce[1:]},
		"another site":             {signin.NonceHeader, nonce, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example.com"},
		"the same site":            {signin.NonceHeader, nonce, "Sec-Fetch-Site", "same-site"},
		"another origin, old ways": {signin.NonceHeader, nonce, "Origin", "https://evil.example.com"},
		"origin null":              {signin.NonceHeader, nonce, "Origin", "null"},
	} {
		for _, path := range []string{signin.CredentialsPath, signin.LogoutPath} {
			if a := user.do("POST", path, "", header...); a.status != 403 || len(a.header["Set-Cookie"]) > 0 || strings.Contains(a.body, "ASIA") {
				t.Errorf("%s %s: %d %s", name, path, a.status, a.body)
			}
		}
	}
	for _, path := range []string{signin.CredentialsPath, signin.LogoutPath} {
		if a := user.get(path, signin.NonceHeader, nonce); a.status != 405 {
			t.Errorf("GET %s: %d", path, a.status)
		}
		if a := b.browser().do("POST", path, "", signin.NonceHeader, nonce); a.status != 401 {
			t.Errorf("%s without a cookie: %d", path, a.status)
		}
	}
	if a := user.get(signin.SessionPath, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"); a.status != 403 {
		t.Errorf("another site reads the session: %d %s", a.status, a.body)
	}
	a := user.get(signin.SessionPath)
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": ""} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if a := user.do("POST", signin.LogoutPath, "", signin.NonceHeader, nonce, "Sec-Fetch-Site", "same-origin"); a.status != 204 {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
	if can := user.may(); can != "over" {
		t.Errorf("after logging out the session may %q", can)
	}
	if a := user.get("/console/"); a.status != 401 || a.header.Get("Location") != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestRates: guessing comes to an end, and takes nothing from those whose credentials are good.
func TestRates(t *testing.T) {
	w := newWorldOf(t, node.Config{Reloadable: node.Reloadable{Rates: throttle.Rates{Unauthenticated: 5}}})
	role := w.role("role", allow("iam:ListUsers", "*"))
	good := w.assume(w.user("broker", allow("sts:AssumeRole", "*")), role)
	bad := good
	bad.SecretAccessKey = strings.Repeat("x", 40)
	limited := 0
	for range 200 { // far more than a budget of five a second gives, however slow the machine
		switch a := w.signinToken(bad, ""); a.status {
		case 429:
			limited++
		case 400:
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
		if a := w.browser().post("PHg+"); a.status == 429 {
			limited++
		}
	}
	if limited == 0 {
		t.Error("guessing is never stopped")
	}
	if a := w.signinToken(good, ""); a.status != 200 {
		t.Errorf("good credentials: %d %s", a.status, a.body)
	}
}

// TestCookie: the cookie is what it should be, with and without TLS, goes in parts where it is long, and nothing else passes for it.
func TestCookie(t *testing.T) {
	plain := newBroker(t)
	c := plain.assume(plain.user, plain.role)
	cookies := func(a answer) []*http.Cookie { return (&http.Response{Header: a.header}).Cookies() }
	first := plain.browser().get(loginURL(plain.token(c, "")))
	got := cookies(first)
	if len(got) != 1 || got[0].Name != "ostiary-console" || !got[0].HttpOnly || got[0].Secure || got[0].SameSite != http.SameSiteLaxMode || got[0].Path != "/" || got[0].Domain != "" || got[0].MaxAge != 0 {
		t.Fatalf("%v", got)
	}
	show := func(header string) int { return plain.browser().get(signin.SessionPath, "Cookie", header).status }
	value := got[0].Value
	for name, header := range map[string]string{
		"cut": "ostiary-console=" + value[:len(value)-1], "longer": "ostiary-console=" + value + "A", "another name": "__Host-ostiary-console=" + value,
		"twice": "ostiary-console=" + value + "; ostiary-console=" + value, "two values": "ostiary-console=x; ostiary-console=" + value,
		"a sign-in token": "ostiary-console=" + plain.token(c, ""), "a session token": "ostiary-console=" + c.SessionToken, "a part more": "ostiary-console=" + value + "; ostiary-console-1=A",
		"nothing": "ostiary-console=", "long": "ostiary-console=" + strings.Repeat("A", 20000),
	} {
		if status := show(header); status != 401 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := show("a=b; ostiary-console=" + value); status != 200 {
		t.Errorf("the cookie itself: %d", status)
	}
	t.Run("TLS", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, loginURL(plain.token(c, "")), nil)
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
		out := httptest.NewRecorder()
		plain.node.Handler().ServeHTTP(out, r)
		got := out.Result().Cookies()
		if out.Code != 302 || len(got) != 1 || got[0].Name != "__Host-ostiary-console" || !got[0].Secure || !got[0].HttpOnly || got[0].Path != "/" || got[0].Domain != "" {
			t.Errorf("%d %v", out.Code, got)
		}
	})
	t.Run("parts", func(t *testing.T) {
		// A policy that deflates badly makes a session that is longer than a cookie.
		var words strings.Builder
		for i := range uint64(82) {
			fmt.Fprintf(&words, `"s3:x%x",`, (i+1)*0x9E3779B97F4A7C15)
		}
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"},{"Effect":"Allow","Resource":"*","Action":[` + strings.TrimSuffix(words.String(), ",") + `]}]}`
		var tags []types.Tag
		for i := range uint64(14) {
			value := ""
			for j := range uint64(7) {
				value += fmt.Sprintf("%x", (i*7+j+1)*0xC2B2AE3D27D4EB4F)
			}
			tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint("tag", i)), Value: &value})
		}
		out, err := plain.sts(plain.user).AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: &plain.role, RoleSessionName: aws.String("long"), Policy: &policy, Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
		user := plain.browser()
		long := "https://mysignin.internal.mycompany.com/" + strings.Repeat("x", 900)
		a := user.get("/federation?Action=login&Destination=" + home + "&Issuer=" + url.QueryEscape(long) + "&SigninToken=" + plain.token(credentials(out.Credentials), ""))
		got := cookies(a)
		if a.status != 302 || len(got) != 2 || got[1].Name != "ostiary-console-1" {
			t.Fatalf("%d: %d cookies, the first of %d bytes; packed policy %d %%", a.status, len(got), len(got[0].Value), *out.PackedPolicySize)
		}
		for _, c := range got {
			if len(c.Name)+len(c.Value) > 4000 || !c.HttpOnly {
				t.Errorf("%s has %d bytes", c.Name, len(c.Value))
			}
		}
		if can := user.may(); can != "users" {
			t.Errorf("the session may %q", can)
		}
		user.login(plain.token(c, "")) // a shorter one takes its place, and its second part goes
		if can := user.may(); can != "users" {
			t.Errorf("the shorter session may %q", can)
		}
	})
}
