package signin_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
)

const samlAttributes = "https://aws.amazon.com/SAML/Attributes/"

// sso is a world with a SAML provider.
type sso struct {
	*world
	idp      *samltest.IdP
	provider string
}

func newSSO(t *testing.T) *sso {
	t.Helper()
	s := &sso{world: newWorld(t), idp: samltest.New("https://openidp.feide.no")}
	out := must(s.iam(s.root).CreateSAMLProvider(t.Context(), &sdkiam.CreateSAMLProviderInput{
		Name: aws.String("ExampleOrgSSOProvider"), SAMLMetadataDocument: aws.String(s.idp.Metadata())}))(t)
	s.provider = *out.SAMLProviderArn
	return s
}

// staff makes a role that the provider's people may have for the console, as the guide has it (L6524-6540).
func (s *sso) staff(name string, most int32) string {
	s.t.Helper()
	arn := s.roleTrusting(name, document(`{"Effect":"Allow","Principal":{"Federated":"`+s.provider+`"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}}`),
		allow("iam:ListUsers", "*"))
	must(s.iam(s.root).UpdateRole(s.t.Context(), &sdkiam.UpdateRoleInput{RoleName: &name, MaxSessionDuration: &most}))(s.t)
	return arn
}

// assertion offers these roles to bob@example.com.
func (s *sso) assertion(roles ...string) samltest.Assertion {
	for i, r := range roles {
		roles[i] = r + "," + s.provider
	}
	return s.idp.NewAssertion(s.now()).With(samlAttributes+"Role", roles...).With(samlAttributes+"RoleSessionName", "bob@example.com")
}

func (s *sso) response(a samltest.Assertion) string {
	return samltest.Encode(s.idp.Response(s.now(), s.idp.SignedAssertion(a)))
}

// post is what the provider's page makes a browser do: more are parameters. It comes from another site.
func (b *browser) post(response string, more ...string) answer {
	b.w.t.Helper()
	f := url.Values{"SAMLResponse": {response}}
	for i := 0; i < len(more); i += 2 {
		f.Set(more[i], more[i+1])
	}
	return b.do(http.MethodPost, "/saml", f.Encode(), "Origin", "https://openidp.feide.no", "Sec-Fetch-Site", "cross-site")
}

func TestFlowF12(t *testing.T) {
	s := newSSO(t)
	staff := s.staff("staff", 43200)
	t.Run("one role", func(t *testing.T) {
		checklist.Shows(t, "S2-212", "S2-173", "S2-185", "S2-215", "S2-216", "S2-181", "S2-218", "S2-184", "S1-406", "S1-407")
		user, response := s.browser(), s.response(s.assertion(staff).With(samlAttributes+"SessionDuration", "7200"))
		a := user.post(response, "RelayState", "https://console.aws.amazon.com/iam/home?x=1#/users")
		if a.status != http.StatusFound || a.header.Get("Location") != "/console/iam/home?x=1#/users" {
			t.Fatalf("%d %s %s", a.status, a.header.Get("Location"), a.body)
		}
		who := user.get("/console/iam/home").read(t)
		if who["Name"] != "bob@example.com" || who["Arn"] != "arn:aws:sts::"+s.id+":assumed-role/staff/bob@example.com" {
			t.Errorf("%v", who)
		}
		// The same assertion gives credentials of an hour through the API.
		out := must(s.sts(aws.Credentials{}).AssumeRoleWithSAML(t.Context(), &sdk.AssumeRoleWithSAMLInput{RoleArn: &staff, PrincipalArn: &s.provider, SAMLAssertion: &response}, func(o *sdk.Options) {
			o.Credentials = aws.AnonymousCredentials{}
		}))(t)
		s.pass(119 * time.Minute)
		if can := user.may() + ", " + s.may(credentials(out.Credentials)); can != "users, ExpiredToken" {
			t.Errorf("console and API may %s", can)
		}
		s.pass(2 * time.Minute)
		if can := user.may(); can != "over" {
			t.Errorf("the session may %q", can)
		}
	})
	t.Run("an hour where nothing is said", func(t *testing.T) {
		checklist.Shows(t, "S2-181", "S2-214")
		user := s.browser()
		if a := user.post(s.response(s.assertion(staff))); a.status != http.StatusFound || a.header.Get("Location") != "/console/" {
			t.Fatalf("%d %s", a.status, a.body)
		}
		s.pass(59 * time.Minute)
		if can := user.may(); can != "users" {
			t.Errorf("the session may %q", can)
		}
		s.pass(2 * time.Minute)
		if can := user.may(); can != "over" {
			t.Errorf("the session may %q", can)
		}
	})
	t.Run("the provider's session ends sooner", func(t *testing.T) {
		checklist.Shows(t, "S2-182")
		user, a := s.browser(), s.assertion(staff).With(samlAttributes+"SessionDuration", "7200")
		a.SessionUntil = s.now().Add(20 * time.Minute)
		if got := user.post(s.response(a)); got.status != http.StatusFound {
			t.Fatalf("%d %s", got.status, got.body)
		}
		s.pass(19 * time.Minute)
		if can := user.may(); can != "users" {
			t.Errorf("the session may %q", can)
		}
		s.pass(2 * time.Minute)
		if can := user.may(); can != "over" {
			t.Errorf("the session may %q", can)
		}
	})
	t.Run("three roles", func(t *testing.T) {
		checklist.Shows(t, "S2-213")
		other, foreign := s.staff("other", 3600), strings.Replace(staff, s.id, "123456789012", 1)
		user, response := s.browser(), s.response(s.assertion(staff, other, foreign))
		a := user.post(response)
		var choice struct {
			Roles []struct{ RoleArn, PrincipalArn string }
		}
		if err := json.Unmarshal([]byte(a.body), &choice); err != nil || a.status != http.StatusMultipleChoices || len(a.header["Set-Cookie"]) > 0 ||
			len(choice.Roles) != 2 || choice.Roles[0].RoleArn != staff || choice.Roles[1].RoleArn != other || choice.Roles[1].PrincipalArn != s.provider {
			t.Fatalf("%d %s %v", a.status, a.body, err)
		}
		if a := user.post(response, "roleIndex", other); a.status != http.StatusFound {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if who := user.get("/signin/session").read(t); who["Arn"] != "arn:aws:sts::"+s.id+":assumed-role/other/bob@example.com" {
			t.Errorf("%v", who)
		}
		for _, role := range []string{foreign, "arn:aws:iam::" + s.id + ":role/none", "x"} {
			if a := s.browser().post(response, "roleIndex", role); a.status != http.StatusForbidden || len(a.header["Set-Cookie"]) > 0 {
				t.Errorf("%s: %d %s", role, a.status, a.body)
			}
		}
	})
	t.Run("events", func(t *testing.T) {
		checklist.Shows(t, "S2-419")
		logins, calls := s.events("ConsoleLogin"), s.events("AssumeRoleWithSAML")
		if len(logins) != 4 || len(calls) != 5 {
			t.Errorf("%d logins, %d calls", len(logins), len(calls))
		}
		if id := logins[0].Identity; id.Type != "AssumedRole" || id.ARN != "arn:aws:sts::"+s.id+":assumed-role/staff/bob@example.com" || id.Session.Issuer.ARN != staff {
			t.Errorf("%+v", id)
		}
	})
}

// TestSAMLSignInRefused: what does not verify, or asks for more than there is, begins no session and offers nothing.
func TestSAMLSignInRefused(t *testing.T) {
	s := newSSO(t)
	staff := s.staff("staff", 3600)
	forger := samltest.New("https://openidp.feide.no#forged")
	good := s.assertion(staff)
	elsewhere := good
	elsewhere.Recipient = "https://signin.example.com/saml"
	for name, response := range map[string]string{
		"unsigned":                 samltest.Encode(s.idp.Response(s.now(), good.Text())),
		"signed by somebody else":  samltest.Encode(s.idp.Response(s.now(), forger.SignedAssertion(good))),
		"changed":                  samltest.Encode(strings.Replace(s.idp.Response(s.now(), s.idp.SignedAssertion(good)), "bob@example.com", "eve@example.com", 1)),
		"for elsewhere":            s.response(elsewhere),
		"longer than the role has": s.response(s.assertion(staff).With(samlAttributes+"SessionDuration", "7200")),
		"no role":                  s.response(s.idp.NewAssertion(s.now()).With(samlAttributes+"RoleSessionName", "bob")),
		"unknown provider":         s.response(s.idp.NewAssertion(s.now()).With(samlAttributes+"Role", staff+","+s.provider+"x").With(samlAttributes+"RoleSessionName", "bob")),
		"role that is not there":   s.response(s.assertion(staff + "x")),
		"no base64":                "***",
		"no XML":                   samltest.Encode("x"),
		"nothing":                  "",
	} {
		t.Run(name, func(t *testing.T) {
			b := s.browser()
			a := b.post(response)
			if a.status != 400 && a.status != 403 || len(a.header["Set-Cookie"]) > 0 || a.header.Get("Location") != "" || strings.Contains(a.body, "Roles") {
				t.Errorf("%d %v %s", a.status, a.header, a.body)
			}
			if a := b.get("/console/"); a.status != 401 {
				t.Errorf("signed in: %s", a.body)
			}
		})
	}
	t.Run("late", func(t *testing.T) {
		response := s.response(s.assertion(staff))
		s.pass(time.Hour)
		if a := s.browser().post(response); a.status != 400 || len(a.header["Set-Cookie"]) > 0 {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("RelayState leads nowhere else", func(t *testing.T) {
		for _, state := range []string{"https://evil.example.com/", "//evil.example.com", "ss:mem:0123", "javascript:alert(1)", `/\evil.example.com`} {
			if a := s.browser().post(s.response(s.assertion(staff)), "RelayState", state); a.status != 302 || a.header.Get("Location") != "/console/" {
				t.Errorf("%s: %d %s", state, a.status, a.header.Get("Location"))
			}
		}
	})
	t.Run("other ways to send it", func(t *testing.T) {
		response := s.response(s.assertion(staff))
		b := s.browser()
		if a := b.get("/saml?SAMLResponse=" + url.QueryEscape(response)); a.status != 405 {
			t.Errorf("GET: %d", a.status)
		}
		if a := b.do("POST", "/saml", `{"SAMLResponse":"x"}`, "Content-Type", "application/json"); a.status != 400 {
			t.Errorf("JSON: %d", a.status)
		}
		if a := b.post(response, "SAMLRESPONSE", response); a.status != 400 {
			t.Errorf("twice: %d", a.status)
		}
		if a := b.post(strings.Repeat("A", 600<<10)); a.status != 413 {
			t.Errorf("large: %d", a.status)
		}
	})
}
