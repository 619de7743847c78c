package saml_test

import (
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
)

const corp = "https://idp.example.com"

// trust is what the tests believe of identity providers, each with its one certificate.
func trust(idps ...*samltest.IdP) *saml.Trust {
	t := &saml.Trust{
		Recipient: func(url string) bool { return url == samltest.Endpoint },
		Audience:  func(name string) bool { return name == samltest.Audience || name == samltest.Endpoint },
	}
	for _, i := range idps {
		t.IdPs = append(t.IdPs, saml.IdP{EntityID: i.EntityID, Certificates: [][]byte{i.Certificate}})
	}
	return t
}

// signings are the three ways to sign a response.
var signings = map[string]func(i *samltest.IdP, a samltest.Assertion) string{
	"assertion": func(i *samltest.IdP, a samltest.Assertion) string { return i.Response(now, i.SignedAssertion(a)) },
	"response":  func(i *samltest.IdP, a samltest.Assertion) string { return i.Sign(i.Response(now, a.Text()), "_r1") },
	"both": func(i *samltest.IdP, a samltest.Assertion) string {
		return i.Sign(i.Response(now, i.SignedAssertion(a)), "_r1")
	},
}

// accepted verifies a response that has to be good.
func accepted(t testing.TB, response string, tr *saml.Trust) *saml.Assertion {
	t.Helper()
	a, err := saml.Verify([]byte(response), tr, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refused verifies a response that must not be.
func refused(t testing.TB, response string, tr *saml.Trust, kind fault.Kind, say string) {
	t.Helper()
	a, err := saml.Verify([]byte(response), tr, now)
	if fault.KindOf(err) != kind || fault.MessageOf(err) != say {
		t.Errorf("got %+v, %v; want %s: %s", a, err, kind, say)
	}
}

func TestVerify(t *testing.T) {
	i := samltest.New(corp)
	for name, sign := range signings {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-176", "S2-187")
			a := i.NewAssertion(now).With("color", "red", "blue").With("empty")
			a.SessionUntil, a.InResponseTo = now.Add(time.Hour), "_q1"
			got := accepted(t, sign(i, a), trust(i))
			want := &saml.Assertion{
				ID: "_a1", Issuer: corp, Subject: "bob", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", Recipient: samltest.Endpoint,
				InResponseTo: "_q1", Issued: now, Expires: now.Add(5 * time.Minute), SessionUntil: now.Add(time.Hour),
				Attributes: []saml.Attribute{{Name: "color", Values: []string{"red", "blue"}}, {Name: "empty"}}, Forget: now.Add(5*time.Minute + time.Second),
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(saml.Assertion{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestKeys: which keys may have signed.
func TestKeysThatSign(t *testing.T) {
	i := samltest.New(corp)
	good := signings["assertion"](i, i.NewAssertion(now))
	t.Run("elliptic curve", func(t *testing.T) {
		e := samltest.NewECDSA(corp)
		accepted(t, signings["both"](e, e.NewAssertion(now)), trust(e))
	})
	t.Run("rollover", func(t *testing.T) {
		checklist.Shows(t, "S3-413")
		old := samltest.WithKey(corp, samltest.RSAKey("old"), now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0))
		both := trust(old)
		both.IdPs[0].Certificates = append(both.IdPs[0].Certificates, i.Certificate)
		accepted(t, good, both)
		accepted(t, signings["assertion"](old, old.NewAssertion(now)), both)
		refused(t, good, trust(old), fault.InvalidIdentityToken, "Response signature invalid")
	})
	t.Run("expired certificate", func(t *testing.T) {
		old := samltest.WithKey(corp, samltest.RSAKey(corp), now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0))
		refused(t, good, trust(old), fault.InvalidIdentityToken, "Response signature invalid")
	})
	t.Run("the metadata's certificate in the signature", func(t *testing.T) {
		a := i.NewAssertion(now)
		text := a.Text()
		signed := samltest.Insert(text, i.Signature(text, samltest.Signed{ID: a.ID, KeyInfo: samltest.KeyInfo(i.Certificate)}))
		accepted(t, i.Response(now, signed), trust(i))
	})
	t.Run("another's key", func(t *testing.T) {
		other := samltest.New("https://other.example.com")
		both := trust(i, other)
		a := i.NewAssertion(now) // says that it is from i, and is signed by the other
		refused(t, i.Response(now, other.SignedAssertion(a)), both, fault.InvalidIdentityToken, "Response signature invalid")
		accepted(t, signings["both"](other, other.NewAssertion(now)), both)
		// The response is the other's, the assertion in it i's.
		mixed := other.Sign(other.Response(now, i.SignedAssertion(a)), "_r1")
		if _, err := saml.Verify([]byte(mixed), both, now); fault.KindOf(err) != fault.InvalidIdentityToken {
			t.Errorf("two issuers: %v", err)
		}
		mixed = other.Sign(other.Response(now, a.Text()), "_r1")
		if _, err := saml.Verify([]byte(mixed), both, now); fault.KindOf(err) != fault.InvalidIdentityToken {
			t.Errorf("two issuers: %v", err)
		}
	})
	t.Run("weak key that was stored", func(t *testing.T) {
		weak := trust(i)
		weak.IdPs[0].Certificates = [][]byte{certificate(t, "rsa1024.pem")}
		refused(t, good, weak, fault.InvalidIdentityToken, "Response signature invalid")
	})
}

// TestConditions: what the assertion must say, and when.
func TestConditions(t *testing.T) {
	i := samltest.New(corp)
	const invalid = "Your request included an invalid SAML response."
	in, expired, denied := fault.InvalidIdentityToken, fault.ExpiredIdentityToken, fault.Denied
	confirmation := func(a samltest.Assertion) string {
		text := a.Text()
		from, to := strings.Index(text, "<saml:SubjectConfirmation "), strings.Index(text, "</saml:Subject>")
		return text[from:to]
	}
	ok := fault.Kind(255)
	for name, c := range map[string]struct {
		kind   fault.Kind
		say    string
		shows  []string
		change func(*samltest.Assertion)
		text   func(string) string // changes what is signed
	}{
		"another audience":     {kind: in, say: "Response does not contain the required audience.", shows: []string{"S2-177"}, change: func(a *samltest.Assertion) { a.Audience = "https://other" }},
		"no audience":          {kind: in, say: "Response does not contain the required audience.", shows: []string{"S2-177"}, change: func(a *samltest.Assertion) { a.Audience = "" }},
		"the endpoint":         {kind: ok, shows: []string{"S2-177"}, change: func(a *samltest.Assertion) { a.Audience = samltest.Endpoint }},
		"one of two audiences": {kind: ok, change: func(a *samltest.Assertion) { a.Audience = "x</saml:Audience><saml:Audience>" + samltest.Audience }},
		"a second restriction": {kind: in, say: "Response does not contain the required audience.", change: func(a *samltest.Assertion) {
			a.Conditions = "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"
		}},
		"another recipient": {kind: in, say: invalid, shows: []string{"S2-175"}, change: func(a *samltest.Assertion) { a.Recipient = "https://other" }},
		"no recipient":      {kind: in, say: invalid, shows: []string{"S2-174"}, text: func(s string) string { return strings.Replace(s, ` Recipient="`+samltest.Endpoint+`"`, "", 1) }},
		"no end":            {kind: in, say: invalid, shows: []string{"S2-174"}, text: func(s string) string { return strings.Replace(s, ` NotOnOrAfter="`, ` NotOnOrAftr="`, 1) }},
		"expired":           {kind: expired, say: "Response has expired", shows: []string{"S2-188"}, change: func(a *samltest.Assertion) { a.NotOnOrAfter = now.Add(-30 * time.Second) }},
		"just not expired":  {kind: ok, change: func(a *samltest.Assertion) { a.NotOnOrAfter = now.Add(-29 * time.Second) }},
		"too old": {kind: expired, say: "Token must be redeemed within 5 minutes of issuance", change: func(a *samltest.Assertion) {
			a.Issued = now.Add(-5*time.Minute - time.Second)
			a.NotOnOrAfter = now.Add(time.Hour)
		}},
		"old enough":         {kind: ok, change: func(a *samltest.Assertion) { a.Issued = now.Add(-5 * time.Minute); a.NotOnOrAfter = now.Add(time.Hour) }},
		"not yet":            {kind: in, say: "Response is not yet valid", change: func(a *samltest.Assertion) { a.NotBefore = now.Add(31 * time.Second) }},
		"just yet":           {kind: ok, change: func(a *samltest.Assertion) { a.NotBefore = now.Add(30 * time.Second) }},
		"made in the future": {kind: in, say: "Response is not yet valid", change: func(a *samltest.Assertion) { a.Issued = now.Add(31 * time.Second) }},
		"session over":       {kind: expired, say: "Response has expired", change: func(a *samltest.Assertion) { a.SessionUntil = now }},
		"no NameID":          {kind: denied, say: saml.NotAuthorized, shows: []string{"S3-411"}, change: func(a *samltest.Assertion) { a.NameID = "" }},
		"an empty NameID":    {kind: denied, say: saml.NotAuthorized, change: func(a *samltest.Assertion) { a.NameID = " " }},
		"no subject": {kind: denied, say: saml.NotAuthorized, shows: []string{"S3-411"}, text: func(s string) string {
			return s[:strings.Index(s, "<saml:Subject>")] + s[strings.Index(s, "</saml:Subject>")+15:]
		}},
		"two confirmations":   {kind: in, say: invalid, shows: []string{"S2-174"}, text: func(s string) string { c := confirmation(i.NewAssertion(now)); return strings.Replace(s, c, c+c, 1) }},
		"no confirmation":     {kind: in, say: invalid, shows: []string{"S2-174"}, text: func(s string) string { return strings.Replace(s, confirmation(i.NewAssertion(now)), "", 1) }},
		"holder of key":       {kind: in, say: invalid, shows: []string{"S2-174"}, text: func(s string) string { return strings.Replace(s, "cm:bearer", "cm:holder-of-key", 1) }},
		"two NameIDs":         {kind: in, say: invalid, change: func(a *samltest.Assertion) { a.NameID = "bob</saml:NameID><saml:NameID>admin" }},
		"an encrypted ID":     {kind: in, say: invalid, text: func(s string) string { return strings.ReplaceAll(s, "saml:NameID", "saml:EncryptedID") }},
		"element in NameID":   {kind: in, say: invalid, change: func(a *samltest.Assertion) { a.NameID = "bob<saml:x></saml:x>" }},
		"another's assertion": {kind: in, say: "Issuer not present in specified provider (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException)", shows: []string{"S3-414", "S2-187"}, change: func(a *samltest.Assertion) { a.Issuer = "https://evil.example.com" }},
		"version 1.1":         {kind: in, say: invalid, text: func(s string) string { return strings.Replace(s, `Version="2.0"`, `Version="1.1"`, 1) }},
		"a time with offset":  {kind: in, say: invalid, text: func(s string) string { return strings.Replace(s, `Z" Version`, `+01:00" Version`, 1) }},
		"no conditions": {kind: in, say: invalid, text: func(s string) string {
			return s[:strings.Index(s, "<saml:Conditions")] + s[strings.Index(s, "</saml:Conditions>")+18:]
		}},
		"a strange condition": {kind: in, say: invalid, change: func(a *samltest.Assertion) { a.Conditions = "<saml:Condition></saml:Condition>" }},
		"a proxy restriction": {kind: ok, change: func(a *samltest.Assertion) {
			a.Conditions = `<saml:ProxyRestriction Count="0"></saml:ProxyRestriction>`
		}},
		"no authentication": {kind: in, say: invalid, text: func(s string) string { return strings.ReplaceAll(s, "saml:AuthnStatement", "saml:AuthnStatemen") }},
		"encrypted attribute": {kind: in, say: invalid, change: func(a *samltest.Assertion) { *a = a.With("x", "y") }, text: func(s string) string {
			return strings.NewReplacer(`<saml:Attribute Name="x">`, "<saml:EncryptedAttribute>", "</saml:Attribute>", "</saml:EncryptedAttribute>").Replace(s)
		}},
		"a structured value": {kind: in, say: invalid, change: func(a *samltest.Assertion) { *a = a.With("x", "<a></a>") }},
		"a nameless value":   {kind: in, say: invalid, change: func(a *samltest.Assertion) { *a = a.With("", "x") }},
		"a NameID as value": {kind: ok, change: func(a *samltest.Assertion) {
			*a = a.With("x", `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">t</saml:NameID>`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, c.shows...)
			for way := range signings {
				a := i.NewAssertion(now)
				if c.change != nil {
					c.change(&a)
				}
				text := a.Text()
				if c.text != nil {
					if was := text; c.text(was) == was {
						t.Fatal("nothing changed")
					}
					text = c.text(text)
				}
				var response string
				switch way {
				case "assertion":
					response = i.Response(now, i.Sign(text, a.ID))
				case "response":
					response = i.Sign(i.Response(now, text), "_r1")
				case "both":
					response = i.Sign(i.Response(now, i.Sign(text, a.ID)), "_r1")
				}
				if c.kind == ok {
					accepted(t, response, trust(i))
				} else {
					refused(t, response, trust(i), c.kind, c.say)
				}
			}
		})
	}
}

func TestResponseRefused(t *testing.T) {
	i := samltest.New(corp)
	good := signings["assertion"](i, i.NewAssertion(now))
	tr := trust(i)
	const invalid = "Your request included an invalid SAML response."
	t.Run("status", func(t *testing.T) {
		refused(t, strings.Replace(good, "status:Success", "status:AuthnFailed", 1), tr, fault.RejectedClaim,
			"The identity provider (IdP) reported that authentication failed. This might be because the claim is invalid.")
	})
	t.Run("stale metadata", func(t *testing.T) {
		checklist.Shows(t, "S2-169")
		stale := trust(i)
		stale.ValidUntil = now
		refused(t, good, stale, fault.InvalidIdentityToken, "The metadata of the identity provider has expired.")
		stale.ValidUntil = now.Add(time.Second)
		accepted(t, good, stale)
	})
	for name, response := range map[string]string{
		"nothing": "", "an assertion alone": i.SignedAssertion(i.NewAssertion(now)), "too large": good + strings.Repeat(" ", 75_000),
		"version": strings.Replace(good, `Version="2.0"`, `Version="2.1"`, 1), "no status": strings.ReplaceAll(good, "samlp:Status>", "samlp:Stat>"),
		"two statuses": strings.Replace(good, "<samlp:Status>", "<samlp:Status></samlp:Status><samlp:Status>", 1),
		"no assertion": i.Sign(i.Response(now, ""), "_r1"), "a logout": strings.ReplaceAll(good, "samlp:Response", "samlp:LogoutResponse"),
		"another namespace": strings.Replace(good, "SAML:2.0:protocol", "SAML:1.0:protocol", 1),
	} {
		t.Run(name, func(t *testing.T) { refused(t, response, tr, fault.InvalidIdentityToken, invalid) })
	}
	t.Run("base64", func(t *testing.T) {
		encoded := samltest.Encode(good)
		if raw, err := saml.Decode(encoded[:76] + "\r\n" + encoded[76:]); err != nil || string(raw) != good {
			t.Errorf("%v", err)
		}
		for _, bad := range []string{"%", encoded[:len(encoded)-1], encoded + "A", strings.Replace(encoded, "P", "-", 1) + "_"} {
			if _, err := saml.Decode(bad); fault.KindOf(err) != fault.InvalidIdentityToken || fault.MessageOf(err) != "Invalid base64 SAMLResponse" {
				t.Errorf("%.20q: %v", bad, err)
			}
		}
	})
}

func TestClaims(t *testing.T) {
	i := samltest.New(corp)
	const aws = "https://aws.amazon.com/SAML/Attributes/"
	role, provider := "arn:aws:iam::123456789012:role/r", "arn:aws:iam::123456789012:saml-provider/p"
	claims := func(t *testing.T, change func(samltest.Assertion) samltest.Assertion) (*saml.Claims, error) {
		a := change(i.NewAssertion(now))
		return accepted(t, signings["assertion"](i, a), trust(i)).Claims()
	}
	full := func(a samltest.Assertion) samltest.Assertion {
		return a.With(aws+"Role", role+","+provider).With(aws+"RoleSessionName", "bob@example.com")
	}
	t.Run("all", func(t *testing.T) {
		checklist.Shows(t, "S2-179", "S2-180", "S2-181", "S2-191")
		got, err := claims(t, func(a samltest.Assertion) samltest.Assertion {
			return a.With(aws+"Role", role+","+provider, " "+provider+" , "+role+"2 ").With(aws+"RoleSessionName", "bob").
				With(aws+"SessionDuration", "7200").With(aws+"PrincipalTag:Team", "red").With(aws+"PrincipalTag:Empty", "").
				With(aws+"TransitiveTagKeys", "Team", "Empty").With(aws+"SourceIdentity", "robert")
		})
		want := &saml.Claims{Roles: []saml.RolePair{{Role: role, Provider: provider}, {Role: role + "2", Provider: provider}}, SessionName: "bob",
			Duration: 2 * time.Hour, Tags: []saml.Tag{{Key: "Team", Value: "red"}, {Key: "Empty"}}, TransitiveTags: []string{"Team", "Empty"}, SourceIdentity: "robert"}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
	t.Run("first of two", func(t *testing.T) {
		checklist.Shows(t, "S2-189")
		got, err := claims(t, func(a samltest.Assertion) samltest.Assertion { return full(a).With(aws+"RoleSessionName", "second") })
		if err != nil || got.SessionName != "bob@example.com" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	const (
		noRole  = "Your request included an invalid SAML response."
		noName  = "RoleSessionName is required in AuthnResponse"
		badName = "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}"
		badTime = "SessionDuration in AuthnResponse must be an integer between 900 and 43200"
		badID   = `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`
		badTag  = "A PrincipalTag attribute in AuthnResponse must have exactly one value"
	)
	named := func(values ...string) func(a samltest.Assertion) samltest.Assertion {
		return func(a samltest.Assertion) samltest.Assertion {
			return a.With(aws+"Role", role+","+provider).With(aws+"RoleSessionName", values...)
		}
	}
	with := func(name string, values ...string) func(a samltest.Assertion) samltest.Assertion {
		return func(a samltest.Assertion) samltest.Assertion { return full(a).With(aws+name, values...) }
	}
	roles := func(values ...string) func(a samltest.Assertion) samltest.Assertion {
		return func(a samltest.Assertion) samltest.Assertion {
			return a.With(aws+"RoleSessionName", "bob").With(aws+"Role", values...)
		}
	}
	for name, c := range map[string]struct {
		say    string
		shows  []string
		change func(samltest.Assertion) samltest.Assertion
	}{
		"no role": {noRole, []string{"S3-409", "S2-179"}, func(a samltest.Assertion) samltest.Assertion { return a.With(aws+"RoleSessionName", "bob") }},
		"another case": {noRole, []string{"S2-190"}, func(a samltest.Assertion) samltest.Assertion {
			return a.With(aws+"role", role+","+provider).With(aws+"RoleSessionName", "bob")
		}},
		"no values":       {noRole, []string{"S2-179"}, roles()},
		"a role alone":    {noRole, []string{"S2-179"}, roles(role)},
		"two roles":       {noRole, nil, roles(role + "," + role)},
		"three ARNs":      {noRole, nil, roles(role + "," + provider + "," + provider)},
		"one bad value":   {noRole, nil, roles(role+","+provider, "x")},
		"no session name": {noName, []string{"S3-410"}, func(a samltest.Assertion) samltest.Assertion { return a.With(aws+"Role", role+","+provider) }},
		"two names":       {noName, []string{"S2-180"}, named("bob", "alice")},
		"short name":      {badName, []string{"S3-412", "S2-180"}, named("b")},
		"long name":       {badName, []string{"S3-412"}, named(strings.Repeat("b", 65))},
		"a space":         {badName, []string{"S3-412", "S2-180"}, named("Bob Smith")},
		"a line end":      {badName, nil, named("bob\nx")},
		"short duration":  {badTime, nil, with("SessionDuration", "899")},
		"long duration":   {badTime, []string{"S2-181"}, with("SessionDuration", "43201")},
		"no number":       {badTime, []string{"S2-181"}, with("SessionDuration", "1h")},
		"two durations":   {badTime, []string{"S2-181"}, with("SessionDuration", "900", "1000")},
		"source aws:":     {badID, nil, with("SourceIdentity", "aws:x")},
		"two sources":     {badID, nil, with("SourceIdentity", "ann", "bob")},
		"two tag values":  {badTag, nil, with("PrincipalTag:Team", "a", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, c.shows...)
			got, err := claims(t, c.change)
			if fault.KindOf(err) != fault.InvalidIdentityToken || fault.MessageOf(err) != c.say {
				t.Errorf("got %+v, %v; want %s", got, err, c.say)
			}
		})
	}
}

func TestConditionKeys(t *testing.T) {
	i := samltest.New(corp)
	t.Run("name qualifier", func(t *testing.T) {
		checklist.Shows(t, "S2-200")
		if got := saml.NameQualifier("https://example.com/saml", "123456789012", "MySAMLIdP"); got != "1uAJanUnBc2XeUkHURMht+xam2c=" {
			t.Errorf("got %s", got)
		}
	})
	keys := func(a samltest.Assertion) map[string][]string {
		all := make(map[string][]string)
		for _, k := range accepted(t, signings["assertion"](i, a), trust(i)).Keys("123456789012", "p") {
			if all[k.Name] != nil {
				t.Errorf("%s twice", k.Name)
			}
			all[k.Name] = k.Values
		}
		return all
	}
	base := map[string][]string{
		"saml:aud": {samltest.Endpoint}, "saml:iss": {corp}, "saml:sub": {"bob"}, "saml:sub_type": {"persistent"}, "saml:doc": {"123456789012/p"},
		"saml:namequalifier": {saml.NameQualifier(corp, "123456789012", "p")},
	}
	t.Run("always", func(t *testing.T) {
		checklist.Shows(t, "S2-178", "S2-198", "S2-199", "S2-200", "S2-201", "S2-202")
		if diff := cmp.Diff(base, keys(i.NewAssertion(now))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("subject types", func(t *testing.T) {
		checklist.Shows(t, "S2-202")
		for format, want := range map[string]string{
			"urn:oasis:names:tc:SAML:2.0:nameid-format:transient":    "transient",
			"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
			"": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
		} {
			a := i.NewAssertion(now)
			a.Format = format
			if got := keys(a)["saml:sub_type"]; len(got) != 1 || got[0] != want {
				t.Errorf("%s is %q, want %q", format, got, want)
			}
		}
	})
	// Every attribute of the guide's tables with its key; those with a star keep all values.
	for item, table := range map[string]string{
		"S2-193": `urn:oid:1.3.6.1.4.1.5923.1.1.1.1 saml:edupersonaffiliation*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.2 saml:edupersonnickname*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.3 saml:edupersonorgdn
			urn:oid:1.3.6.1.4.1.5923.1.1.1.4 saml:edupersonorgunitdn*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.5 saml:edupersonprimaryaffiliation
			urn:oid:1.3.6.1.4.1.5923.1.1.1.6 saml:edupersonprincipalname
			urn:oid:1.3.6.1.4.1.5923.1.1.1.7 saml:edupersonentitlement*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.8 saml:edupersonprimaryorgunitdn
			urn:oid:1.3.6.1.4.1.5923.1.1.1.9 saml:edupersonscopedaffiliation*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.10 saml:edupersontargetedid*
			urn:oid:1.3.6.1.4.1.5923.1.1.1.11 saml:edupersonassurance*`,
		"S2-194": `urn:oid:1.3.6.1.4.1.5923.1.2.1.2 saml:eduorghomepageuri*
			urn:oid:1.3.6.1.4.1.5923.1.2.1.3 saml:eduorgidentityauthnpolicyuri*
			urn:oid:1.3.6.1.4.1.5923.1.2.1.4 saml:eduorglegalname*
			urn:oid:1.3.6.1.4.1.5923.1.2.1.5 saml:eduorgsuperioruri*
			urn:oid:1.3.6.1.4.1.5923.1.2.1.6 saml:eduorgwhitepagesuri*
			urn:oid:2.5.4.3 saml:cn*`,
		"S2-195": `http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name saml:name
			http://schemas.xmlsoap.org/claims/CommonName saml:commonName
			http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname saml:givenName
			http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname saml:surname
			http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress saml:mail
			http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid saml:uid
			http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid saml:primaryGroupSID`,
		"S2-196": `2.5.4.3 saml:commonName
			2.5.4.4 saml:surname
			2.4.5.42 saml:givenName
			2.5.4.45 saml:x500UniqueIdentifier
			0.9.2342.19200300100.1.1 saml:uid
			0.9.2342.19200300100.1.3 saml:mail
			0.9.2342.19200300.100.1.45 saml:organizationStatus`,
	} {
		t.Run(item, func(t *testing.T) {
			checklist.Shows(t, item, "S2-197")
			for line := range strings.Lines(table) {
				parts := strings.Fields(line)
				key, list := strings.CutSuffix(parts[1], "*")
				want := []string{"one"}
				if list {
					want = []string{"one", "two"}
				}
				a := i.NewAssertion(now).With(parts[0], "one", "two").With(parts[0], "again")
				if diff := cmp.Diff(want, keys(a)[key]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", key, diff)
				}
			}
		})
	}
}

func decryption(t testing.TB) *rsa.PrivateKey { t.Helper(); return samltest.RSAKey("decryption") }

func FuzzVerify(f *testing.F) {
	i := samltest.New(corp)
	for _, sign := range signings {
		f.Add([]byte(sign(i, i.NewAssertion(now).With("a", "b"))))
	}
	f.Add([]byte(i.Response(now, samltest.EncryptedAssertion(samltest.Encryption{To: &decryption(f).PublicKey}, i.SignedAssertion(i.NewAssertion(now))))))
	tr := trust(i)
	tr.DecryptionKeys, tr.AllowCBC = []*rsa.PrivateKey{decryption(f)}, true
	f.Fuzz(func(t *testing.T, response []byte) {
		a, err := saml.Verify(response, tr, now)
		switch {
		case err != nil && fault.MessageOf(err) == "":
			t.Errorf("an error without a sentence: %v", err)
		case err == nil && (a.Subject != "bob" || a.Issuer != corp || a.ID != "_a1"):
			t.Errorf("nobody signed %+v", a)
		case err == nil:
			if _, err := a.Claims(); err != nil && fault.MessageOf(err) == "" {
				t.Errorf("an error without a sentence: %v", err)
			}
			_ = fmt.Sprint(a.Keys("123456789012", "p"))
		}
	})
}
