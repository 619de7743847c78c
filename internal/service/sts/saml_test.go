package sts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

const (
	samlAttributes = "https://aws.amazon.com/SAML/Attributes/"
	affiliation    = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"
	idpName        = "https://openidp.feide.no"
	notAuthorized  = "Not authorized to perform sts:AssumeRoleWithSAML"
)

// sso is an account with the SAML provider ExampleOrgSSOProvider and roles that trust it.
type sso struct {
	*world
	account
	idp      *samltest.IdP
	provider string
	client   *sdk.Client // of somebody without credentials
}

func newSSO(t *testing.T) *sso {
	t.Helper()
	w := newWorld(t)
	s := &sso{world: w, account: w.account("a"), idp: samltest.New(idpName)}
	out, err := w.iam(static(s.root)).CreateSAMLProvider(t.Context(), &sdkiam.CreateSAMLProviderInput{
		Name: aws.String("ExampleOrgSSOProvider"), SAMLMetadataDocument: aws.String(s.idp.Metadata())})
	if err != nil {
		t.Fatal(err)
	}
	s.provider = *out.SAMLProviderArn
	s.client = sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &w.url, Retryer: aws.NopRetryer{}, HTTPClient: checklist.Answers(t, testenv.HTTPClient())})
	return s
}

// trusting makes a role that the provider's people may have: condition is JSON, or empty.
func (s *sso) trusting(name, condition string, actions ...string) string {
	s.t.Helper()
	if len(actions) == 0 {
		actions = []string{"sts:AssumeRoleWithSAML"}
	}
	statement := strings.Replace(trust(s.provider, condition, actions...), `"AWS"`, `"Federated"`, 1)
	return s.role(s.account, name, *document(statement), allow("iam:ListUsers", "*"))
}

// assertion is one that names the role and the session bob@example.com.
func (s *sso) assertion(role string) samltest.Assertion {
	return s.idp.NewAssertion(time.Now()).With(samlAttributes+"Role", role+","+s.provider).With(samlAttributes+"RoleSessionName", "bob@example.com")
}

// present asks for the role with a signed assertion; change may be nil.
func (s *sso) present(role string, a samltest.Assertion, change func(*sdk.AssumeRoleWithSAMLInput)) (*sdk.AssumeRoleWithSAMLOutput, error) {
	return s.send(role, s.idp.Response(time.Now(), s.idp.SignedAssertion(a)), change)
}

func (s *sso) send(role, response string, change func(*sdk.AssumeRoleWithSAMLInput)) (*sdk.AssumeRoleWithSAMLOutput, error) {
	in := &sdk.AssumeRoleWithSAMLInput{RoleArn: &role, PrincipalArn: &s.provider, SAMLAssertion: aws.String(samltest.Encode(response))}
	if change != nil {
		change(in)
	}
	return s.client.AssumeRoleWithSAML(s.t.Context(), in)
}

func (s *sso) may(t *testing.T, c *types.Credentials) string {
	t.Helper()
	return s.world.may(credentials(c))
}

// operator sets the operator's options of the provider.
func (s *sso) operator(body string) string {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.url+"/_ostiary/v1/saml-providers", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.node.OperatorToken().Reveal())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(res.Body)
	return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(out.String()))
}

func TestAssumeRoleWithSAML(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("staff", `{"StringEquals":{"saml:aud":"https://signin.aws.amazon.com/saml","saml:iss":"`+idpName+`"},"ForAllValues:StringLike":{"saml:edupersonaffiliation":["staff"]}}`)
	out, err := s.present(role, s.assertion(role).With(affiliation, "staff"), nil)
	if err != nil {
		t.Fatal(err)
	}
	qualifier := saml.NameQualifier(idpName, s.id, "ExampleOrgSSOProvider")
	t.Run("answer", func(t *testing.T) {
		checklist.Shows(t, "S2-178", "S2-205", "S2-206", "S2-208", "S2-209", "S2-204", "S2-20", "S2-19", "S2-187")
		got := fmt.Sprint(*out.Audience, *out.Issuer, *out.Subject, *out.SubjectType, *out.NameQualifier, *out.AssumedRoleUser.Arn, out.SourceIdentity == nil)
		want := fmt.Sprint(samltest.Endpoint, idpName, "bob", "persistent", qualifier, "arn:aws:sts::"+s.id+":assumed-role/staff/bob@example.com", true)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if left := time.Until(*out.Credentials.Expiration); left > time.Hour || left < 59*time.Minute {
			t.Errorf("expires in %s", left)
		}
	})
	t.Run("session", func(t *testing.T) {
		checklist.Shows(t, "S2-211")
		if can := s.may(t, out.Credentials); can != "users" {
			t.Errorf("the session may %q", can)
		}
		id, err := s.sts(credentials(out.Credentials)).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		if err != nil || *id.Arn != *out.AssumedRoleUser.Arn || *id.UserId != *out.AssumedRoleUser.AssumedRoleId {
			t.Errorf("the session is %+v, %v", id, err)
		}
	})
	t.Run("other affiliation", func(t *testing.T) {
		checklist.Shows(t, "S2-192", "S2-29", "S2-30", "S3-411")
		_, err := s.present(role, s.assertion(role).With(affiliation, "student"), nil)
		refused(t, err, 403, "AccessDenied", notAuthorized)
	})
	t.Run("event", func(t *testing.T) {
		checklist.Shows(t, "S2-385", "S2-392", "S2-396", "S2-404", "S2-414")
		checklist.Event(t, "sts AssumeRoleWithSAML")
		events := s.samlEvents()
		if len(events) != 2 {
			t.Fatalf("%d events", len(events))
		}
		e := events[0]
		if id := e.Identity; id.Type != trail.TypeSAMLUser || id.PrincipalID != qualifier+":bob" || id.UserName != "bob" || id.IdentityProvider != qualifier || e.Recipient != s.id {
			t.Errorf("the caller is recorded as %+v for %s", id, e.Recipient)
		}
		want := map[string]any{"SAMLAssertionID": "_a1", "roleSessionName": "bob@example.com", "roleArn": role, "principalArn": s.provider}
		var got, answer map[string]any
		if err := json.Unmarshal(e.RequestParameters, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the parameters are %s", e.RequestParameters)
		}
		if err := json.Unmarshal(e.ResponseElements, &answer); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"subjectType", "issuer", "credentials", "nameQualifier", "assumedRoleUser", "subject", "audience"} {
			if answer[name] == nil {
				t.Errorf("the answer has no %s: %s", name, e.ResponseElements)
			}
		}
		if strings.Contains(string(e.ResponseElements), *out.Credentials.SecretAccessKey) {
			t.Error("the event shows the secret")
		}
		if len(e.Resources) != 2 || e.Resources[0].ARN != role || e.Resources[1].ARN != s.provider || e.Resources[1].Type != "AWS::IAM::SAMLProvider" {
			t.Errorf("resources %+v", e.Resources)
		}
		if d := events[1]; d.ErrorCode != "AccessDenied" || d.Identity.UserName != "bob" || d.Additional.Decision == nil || d.Additional.Decision.Effect != "deny-implicit" {
			t.Errorf("the denial is recorded as %+v", d)
		}
	})
	t.Run("again", func(t *testing.T) { // D18: tools do
		a := s.assertion(role).With(affiliation, "staff")
		for range 2 {
			if _, err := s.present(role, a, nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func (s *sso) samlEvents() (found []*trail.Event) {
	s.t.Helper()
	all, err := s.node.Events(s.t.Context(), s.id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range all {
		if e.Name == "AssumeRoleWithSAML" {
			found = append(found, e)
		}
	}
	return found
}

// TestSAMLRefused: every error, with its code and sentence, and nothing recorded of strangers.
func TestSAMLRefused(t *testing.T) {
	s := newSSO(t)
	role, nobody := s.trusting("worker", ""), s.role(s.account, "nobody", trusts(s.id))
	other := s.world.account("b")
	const token = "InvalidIdentityToken"
	with := func(change func(*samltest.Assertion)) func() error {
		return func() error {
			a := s.assertion(role)
			change(&a)
			_, err := s.present(role, a, nil)
			return err
		}
	}
	in := func(change func(*sdk.AssumeRoleWithSAMLInput)) func() error {
		return func() error { _, err := s.present(role, s.assertion(role), change); return err }
	}
	of := func(role string) func() error {
		return func() error { _, err := s.present(role, s.assertion(role), nil); return err }
	}
	response := func(text func() string) func() error {
		return func() error { _, err := s.send(role, text(), nil); return err }
	}
	for name, c := range map[string]struct {
		status  int
		code    string
		message string
		shows   []string
		do      func() error
	}{
		"no such provider": {400, token, "Specified provider doesn't exist (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlManifestNotFoundException)", nil,
			in(func(in *sdk.AssumeRoleWithSAMLInput) { in.PrincipalArn = aws.String(s.arn("saml-provider/none")) })},
		"provider in another case": {400, token, "Specified provider doesn't exist (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlManifestNotFoundException)", nil,
			in(func(in *sdk.AssumeRoleWithSAMLInput) {
				in.PrincipalArn = aws.String(s.arn("saml-provider/exampleorgssoprovider"))
			})},
		"no provider's ARN": {400, "ValidationError", s.arn("role/worker") + " is invalid", nil, in(func(in *sdk.AssumeRoleWithSAMLInput) { in.PrincipalArn = in.RoleArn })},
		"no role's ARN":     {400, "ValidationError", s.arn("user/worker") + " is invalid", nil, of(s.arn("user/worker"))},
		"no base64":         {400, token, "Invalid base64 SAMLResponse", nil, in(func(in *sdk.AssumeRoleWithSAMLInput) { in.SAMLAssertion = aws.String("%%%%") })},
		"unsigned":          {400, token, "Response signature invalid", []string{"S3-413"}, response(func() string { return s.idp.Response(time.Now(), s.assertion(role).Text()) })},
		"another's signature": {400, token, "Response signature invalid", []string{"S3-413", "S2-187"}, response(func() string {
			evil := samltest.WithKey(idpName, samltest.RSAKey("evil"), time.Now().AddDate(-1, 0, 0), time.Now().AddDate(1, 0, 0))
			return evil.Response(time.Now(), evil.SignedAssertion(s.assertion(role)))
		})},
		"another issuer": {400, token, "Issuer not present in specified provider (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException)", []string{"S3-414", "S2-187"},
			with(func(a *samltest.Assertion) { a.Issuer = "https://evil" })},
		"audience":  {400, token, "Response does not contain the required audience.", []string{"S2-177"}, with(func(a *samltest.Assertion) { a.Audience = "https://evil" })},
		"recipient": {400, token, "Your request included an invalid SAML response.", []string{"S2-175"}, with(func(a *samltest.Assertion) { a.Recipient = "https://evil" })},
		"expired":   {400, "ExpiredTokenException", "Response has expired", []string{"S2-188"}, with(func(a *samltest.Assertion) { a.NotOnOrAfter = time.Now().Add(-time.Minute) })},
		"too old":   {400, "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance", nil, with(func(a *samltest.Assertion) { a.Issued = time.Now().Add(-6 * time.Minute) })},
		"rejected": {403, "IDPRejectedClaim", "The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid.", nil,
			response(func() string {
				return strings.Replace(s.idp.Response(time.Now(), ""), "status:Success", "status:Responder", 1)
			})},
		"no NameID":       {403, "AccessDenied", notAuthorized, []string{"S3-411"}, with(func(a *samltest.Assertion) { a.NameID = "" })},
		"no role":         {400, token, "Your request included an invalid SAML response.", []string{"S3-409"}, with(func(a *samltest.Assertion) { a.Attributes = a.Attributes[1:] })},
		"no session name": {400, token, "RoleSessionName is required in AuthnResponse", []string{"S3-410"}, with(func(a *samltest.Assertion) { a.Attributes = a.Attributes[:1] })},
		"bad session name": {400, token, "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", []string{"S3-412", "S2-180"},
			with(func(a *samltest.Assertion) { a.Attributes[1].Values = []string{"Bob Smith"} })},
		"another role asserted": {403, "AccessDenied", notAuthorized, []string{"S2-208"}, func() error { _, err := s.present(role, s.assertion(role+"2"), nil); return err }},
		"a role that is none":   {403, "AccessDenied", notAuthorized, []string{"S3-411"}, of(s.arn("role/none"))},
		"another case":          {403, "AccessDenied", notAuthorized, []string{"S3-411"}, of(s.arn("role/Worker"))},
		"a role without trust":  {403, "AccessDenied", notAuthorized, []string{"S3-411"}, of(nobody)},
		"another account's":     {403, "AccessDenied", notAuthorized, nil, of(other.arn("role/worker"))},
		"a tag":                 {403, "AccessDenied", "Not authorized to perform sts:TagSession", nil, with(func(a *samltest.Assertion) { *a = a.With(samlAttributes+"PrincipalTag:Team", "red") })},
		"a source identity":     {403, "AccessDenied", "Not authorized to perform sts:SetSourceIdentity", nil, with(func(a *samltest.Assertion) { *a = a.With(samlAttributes+"SourceIdentity", "bob") })},
		"a malformed tag":       {400, token, "The assertion states an invalid session tag.", nil, with(func(a *samltest.Assertion) { *a = a.With(samlAttributes+"PrincipalTag:a*b", "red") })},
		"encrypted":             {400, token, "The SAML assertion cannot be decrypted.", []string{"S2-186"}, response(func() string { return s.encrypted(samltest.Encryption{}, s.assertion(role)) })},
		"malformed policy": {400, "MalformedPolicyDocument", "Policy statement must contain resources.", nil, in(func(in *sdk.AssumeRoleWithSAMLInput) {
			in.Policy = document(`{"Effect":"Allow","Action":"s3:GetObject"}`)
		})},
		"too long": {400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", nil,
			in(func(in *sdk.AssumeRoleWithSAMLInput) { in.DurationSeconds = aws.Int32(3601) })},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, c.shows...)
			refused(t, c.do(), c.status, c.code, c.message)
		})
	}
	for _, e := range s.samlEvents() {
		if e.Identity.Type != trail.TypeSAMLUser || e.ErrorCode == "" {
			t.Errorf("recorded %+v", e)
		}
	}
	t.Run("packed", func(t *testing.T) {
		role := s.trusting("tagged", "", "sts:AssumeRoleWithSAML", "sts:TagSession")
		a := s.assertion(role)
		for n := range 50 {
			a = a.With(fmt.Sprintf("%sPrincipalTag:k%d%s", samlAttributes, n, samltest.Noise(60)), samltest.Noise(200))
		}
		_, err := s.present(role, a, nil)
		if err == nil || !strings.Contains(err.Error(), "PackedPolicyTooLarge: Packed size of session tags consumes") {
			t.Errorf("got %v", err)
		}
	})
}

// encrypted is a response with a signed assertion that is encrypted to the key decryption.
func (s *sso) encrypted(e samltest.Encryption, a samltest.Assertion) string {
	e.To = &samltest.RSAKey("decryption").PublicKey
	return s.idp.Sign(s.idp.Response(time.Now(), samltest.EncryptedAssertion(e, s.idp.SignedAssertion(a))), "_r1")
}

// TestSAMLTags: tags, transitive ones, and the source identity of an assertion are the session's.
func TestSAMLTags(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("tagged", `{"StringEquals":{"aws:RequestTag/Team":"red","sts:SourceIdentity":"robert","sts:RoleSessionName":"bob@example.com"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["Team"],"aws:TagKeys":["Team","Cost"]}}`,
		"sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity")
	next := s.role(s.account, "next", *document(trust(role, `{"StringEquals":{"aws:PrincipalTag/Team":"red","aws:SourceIdentity":"robert"}}`, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")),
		strings.Replace(allow("iam:ListGroups", "*"), `"Effect"`, `"Condition":{"StringEquals":{"aws:PrincipalTag/Team":"red"},"Null":{"aws:PrincipalTag/Cost":"true"}},"Effect"`, 1))
	out, err := s.present(role, s.assertion(role).With(samlAttributes+"PrincipalTag:Team", "red").With(samlAttributes+"PrincipalTag:Cost", "1").
		With(samlAttributes+"TransitiveTagKeys", "Team").With(samlAttributes+"SourceIdentity", "robert"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.SourceIdentity != "robert" || packedSAML(out) < 1 {
		t.Errorf("source identity %s, packed %d", *out.SourceIdentity, packedSAML(out))
	}
	chained := s.session(credentials(out.Credentials), next, nil)
	if can := s.world.may(chained); can != "groups" {
		t.Errorf("the chained session may %q", can)
	}
	_, err = s.present(role, s.assertion(role).With(samlAttributes+"PrincipalTag:Team", "blue").With(samlAttributes+"SourceIdentity", "robert"), nil)
	refused(t, err, 403, "AccessDenied", notAuthorized)
	_, err = s.present(role, s.assertion(role).With(samlAttributes+"PrincipalTag:Team", "red").With(samlAttributes+"TransitiveTagKeys", "Team", "Team2").With(samlAttributes+"SourceIdentity", "robert"), nil)
	refused(t, err, 403, "AccessDenied", notAuthorized)
}

func packedSAML(out *sdk.AssumeRoleWithSAMLOutput) int32 {
	//lint:ignore SA1019 clients still read it, deprecated or not
	return aws.ToInt32(out.PackedPolicySize)
}

// TestSAMLKeysOfSession: of the saml: keys the three that identify somebody stay, and work as variables.
func TestSAMLKeysOfSession(t *testing.T) {
	s := newSSO(t)
	qualifier := saml.NameQualifier(idpName, s.id, "ExampleOrgSSOProvider")
	when := func(condition string) string {
		return strings.Replace(allow("iam:ListUsers", "*"), `"Effect"`, `"Condition":`+condition+`,"Effect"`, 1)
	}
	statement := strings.Replace(trust(s.provider, "", "sts:AssumeRoleWithSAML"), `"AWS"`, `"Federated"`, 1)
	for name, c := range map[string]struct{ condition, can string }{
		"stay":     {`{"StringEquals":{"saml:namequalifier":"` + qualifier + `","saml:sub":"bob","saml:sub_type":"persistent"}}`, "users"},
		"variable": {`{"StringEquals":{"saml:sub_type":"persistent"},"StringLike":{"saml:sub":"${saml:sub}"}}`, "users"},
		"provider": {`{"StringEquals":{"aws:FederatedProvider":"` + s.provider + `"}}`, "users"},
		"aud":      {`{"Null":{"saml:aud":"false"}}`, ""},
		"iss":      {`{"Null":{"saml:iss":"false"}}`, ""},
		"other":    {`{"StringEquals":{"saml:sub":"ann"}}`, ""},
		"list":     {`{"Null":{"saml:edupersonaffiliation":"false"}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-192")
			if name == "variable" {
				checklist.Shows(t, "S2-203")
			}
			role := s.role(s.account, "keys-"+name, *document(statement), when(c.condition))
			out, err := s.present(role, s.assertion(role).With(affiliation, "staff"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if can := s.may(t, out.Credentials); can != c.can {
				t.Errorf("the session may %q, want %q", can, c.can)
			}
		})
	}
}

func TestSAMLDurations(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("worker", "")
	if _, err := s.iam(static(s.root)).UpdateRole(t.Context(), &sdkiam.UpdateRoleInput{RoleName: aws.String("worker"), MaxSessionDuration: aws.Int32(7200)}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		asked     int32
		attribute string
		session   time.Duration
		want      time.Duration
		shows     []string
	}{
		"default":                {want: time.Hour, shows: []string{"S2-207"}},
		"asked for":              {asked: 900, want: 15 * time.Minute, shows: []string{"S2-207"}},
		"up to the role's":       {asked: 7200, want: 2 * time.Hour},
		"shortened":              {attribute: "1800", want: 30 * time.Minute, shows: []string{"S2-183", "S2-207"}},
		"never lengthened":       {attribute: "7200", want: time.Hour, shows: []string{"S2-183"}},
		"the lesser":             {asked: 7200, attribute: "3600", want: time.Hour, shows: []string{"S2-183"}},
		"the provider's session": {session: 10 * time.Minute, want: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, c.shows...)
			a := s.assertion(role)
			if c.attribute != "" {
				a = a.With(samlAttributes+"SessionDuration", c.attribute)
			}
			if c.session > 0 {
				a.SessionUntil = time.Now().Add(c.session)
			}
			out, err := s.present(role, a, func(in *sdk.AssumeRoleWithSAMLInput) {
				if c.asked > 0 {
					in.DurationSeconds = &c.asked
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(*out.Credentials.Expiration); left > c.want+time.Second || left < c.want-30*time.Second {
				t.Errorf("expires in %s, want %s", left, c.want)
			}
		})
	}
	t.Run("session policy", func(t *testing.T) {
		checklist.Shows(t, "S2-210")
		out, err := s.present(role, s.assertion(role), func(in *sdk.AssumeRoleWithSAMLInput) { in.Policy = document(allow("iam:ListGroups", "*")) })
		if err != nil {
			t.Fatal(err)
		}
		if can := s.may(t, out.Credentials); can != "" {
			t.Errorf("the session may %q", can)
		}
	})
}

// TestSAMLSingleUse: an assertion of a provider with single_use is accepted once, by whoever is first (D18).
func TestSAMLSingleUse(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("worker", "")
	set := func(singleUse bool) {
		t.Helper()
		want := fmt.Sprintf(`200 {"SAMLProviderArn":%q,"SingleUse":%v,"AllowCBC":false}`, s.provider, singleUse)
		if got := s.operator(fmt.Sprintf(`{"SAMLProviderArn":%q,"SingleUse":%v}`, s.provider, singleUse)); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	const used = "The SAML assertion has been used already."
	once := func(t *testing.T, a samltest.Assertion) {
		t.Helper()
		// What is refused for another reason uses nothing up.
		if _, err := s.present(role, a, func(in *sdk.AssumeRoleWithSAMLInput) { in.DurationSeconds = aws.Int32(43200) }); err == nil {
			t.Error("too long a session is given")
		}
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for n := range errs {
			wg.Go(func() { _, errs[n] = s.present(role, a, nil) })
		}
		wg.Wait()
		given := 0
		for _, err := range errs {
			if err == nil {
				given++
			} else {
				refused(t, err, 400, "InvalidIdentityToken", used)
			}
		}
		if given != 1 {
			t.Errorf("%d of %d were given a session", given, len(errs))
		}
	}
	named := func(id string) samltest.Assertion { a := s.assertion(role); a.ID = id; return a }
	set(true)
	t.Run("operator", func(t *testing.T) { once(t, named("_one")); once(t, named("_two")) })
	set(false)
	t.Run("provider", func(t *testing.T) {
		a := named("_three")
		a.Conditions = "<saml:OneTimeUse></saml:OneTimeUse>"
		once(t, a)
	})
	a := named("_four")
	for range 2 {
		if _, err := s.present(role, a, nil); err != nil {
			t.Error(err)
		}
	}
	for body, want := range map[string]string{
		`{"SAMLProviderArn":"x","SingleUse":true}`:                                  `400 {"Error":"ARN x is not valid."}`,
		`{"SAMLProviderArn":"` + s.arn("saml-provider/none") + `","AllowCBC":true}`: `404 {"Error":"Manifest not found for arn ` + s.arn("saml-provider/none") + `"}`,
		`{"SAMLProviderArn":"` + s.provider + `","SingleUse":"yes"}`:                `400 {"Error":"The member \"SingleUse\" must be true or false."}`,
		`{"SAMLProviderArn":"` + s.provider + `","Other":true}`:                     `400 {"Error":"The member \"Other\" is not known or given twice."}`,
	} {
		if got := s.operator(body); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

// TestSAMLEncryption: assertions are encrypted to the keys of the provider, and named by its ID where that is required.
func TestSAMLEncryption(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("worker", "")
	c := s.iam(static(s.root))
	update := func(in sdkiam.UpdateSAMLProviderInput) {
		t.Helper()
		in.SAMLProviderArn = &s.provider
		if _, err := c.UpdateSAMLProvider(t.Context(), &in); err != nil {
			t.Fatal(err)
		}
	}
	update(sdkiam.UpdateSAMLProviderInput{AddPrivateKey: aws.String(samltest.PEM(samltest.RSAKey("decryption"))), AssertionEncryptionMode: iamtypes.AssertionEncryptionModeTypeAllowed})
	try := func(e samltest.Encryption, a samltest.Assertion) error {
		_, err := s.send(role, s.encrypted(e, a), nil)
		return err
	}
	gcm, cbc := samltest.Encryption{}, samltest.Encryption{CBC: true}
	if err := try(gcm, s.assertion(role)); err != nil {
		t.Error(err)
	}
	if _, err := s.present(role, s.assertion(role), nil); err != nil {
		t.Error(err)
	}
	const no = "The SAML assertion cannot be decrypted."
	refused(t, try(cbc, s.assertion(role)), 400, "InvalidIdentityToken", no)
	if got := s.operator(`{"SAMLProviderArn":"` + s.provider + `","AllowCBC":true}`); !strings.HasPrefix(got, "200") {
		t.Fatal(got)
	}
	if err := try(cbc, s.assertion(role)); err != nil {
		t.Error(err)
	}
	update(sdkiam.UpdateSAMLProviderInput{AssertionEncryptionMode: iamtypes.AssertionEncryptionModeTypeRequired})
	_, err := s.present(role, s.assertion(role), nil)
	refused(t, err, 400, "InvalidIdentityToken", "The SAML assertion is not encrypted, and the provider requires it.")
	refused(t, try(gcm, s.assertion(role)), 400, "InvalidIdentityToken", "Your request included an invalid SAML response.") // not named
	got, err := c.GetSAMLProvider(t.Context(), &sdkiam.GetSAMLProviderInput{SAMLProviderArn: &s.provider})
	if err != nil {
		t.Fatal(err)
	}
	a := s.assertion(role)
	for _, endpoint := range []string{samltest.Endpoint, "https://eu-west-1.signin.aws.amazon.com/saml"} {
		a.Recipient, a.Audience = endpoint+"/acs/"+*got.SAMLProviderUUID, endpoint
		if err := try(gcm, a); err != nil {
			t.Errorf("%s: %v", a.Recipient, err)
		}
	}
	a.Recipient = samltest.Endpoint + "/acs/OTHER"
	refused(t, try(gcm, a), 400, "InvalidIdentityToken", "Your request included an invalid SAML response.")
}

// TestSAMLProviderChanges: what becomes of assertions when the provider changes, and of sessions.
func TestSAMLProviderChanges(t *testing.T) {
	s := newSSO(t)
	role := s.trusting("worker", "")
	c := s.iam(static(s.root))
	out, err := s.present(role, s.assertion(role), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("rollover", func(t *testing.T) {
		checklist.Shows(t, "S3-413")
		next := samltest.WithKey(idpName, samltest.RSAKey("next"), time.Now().AddDate(-1, 0, 0), time.Now().AddDate(1, 0, 0))
		old := s.idp
		response := func() error {
			_, err := s.send(role, next.Response(time.Now(), next.SignedAssertion(s.assertion(role))), nil)
			return err
		}
		refused(t, response(), 400, "InvalidIdentityToken", "Response signature invalid")
		for _, m := range []string{next.Metadata(old.Certificate), next.Metadata()} {
			if _, err := c.UpdateSAMLProvider(t.Context(), &sdkiam.UpdateSAMLProviderInput{SAMLProviderArn: &s.provider, SAMLMetadataDocument: &m}); err != nil {
				t.Fatal(err)
			}
			if err := response(); err != nil {
				t.Error(err)
			}
		}
		_, err := s.present(role, s.assertion(role), nil)
		refused(t, err, 400, "InvalidIdentityToken", "Response signature invalid")
	})
	t.Run("deleted", func(t *testing.T) {
		if _, err := c.DeleteSAMLProvider(context.Background(), &sdkiam.DeleteSAMLProviderInput{SAMLProviderArn: &s.provider}); err != nil {
			t.Fatal(err)
		}
		_, err := s.present(role, s.assertion(role), nil)
		if err == nil || !strings.Contains(err.Error(), "Specified provider doesn't exist") {
			t.Errorf("got %v", err)
		}
		if can := s.may(t, out.Credentials); can != "users" {
			t.Errorf("the older session may %q", can)
		}
	})
}
