package sts_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// at is an STS client of an endpoint by its name, signing for a region. The name leads to the world's server, as an operator's DNS
// would have it. Without credentials it does not sign.
func (w *world) at(t testing.TB, host, region string, c aws.Credentials) *sdk.Client {
	real := strings.TrimPrefix(w.url, "http://")
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, real)
		}
	})
	o := sdk.Options{Region: region, BaseEndpoint: aws.String("http://" + host), Retryer: aws.NopRetryer{}, HTTPClient: checklist.Answers(t, testenv.PlainBodies(client)), HTTPSignerV4: signer{w}}
	if c.AccessKeyID != "" {
		o.Credentials = static(c)
	}
	return sdk.New(o)
}

// in is an STS client of AWS's endpoint of a region.
func (w *world) in(t testing.TB, region string, c aws.Credentials) *sdk.Client {
	return w.at(t, "sts."+region+".amazonaws.com", region, c)
}

// activate sets whether STS is active for an account in a region.
func (w *world) activate(a account, region string, active bool) {
	w.t.Helper()
	body := `{"Active":false}`
	if active {
		body = `{"Active":true}`
	}
	if status, text := w.operator("PUT", "accounts/"+a.id+"/sts-regions/"+region, body); status != 200 {
		w.t.Fatal(status, text)
	}
}

func assumed(t testing.TB, c *sdk.Client, role string) (aws.Credentials, error) {
	t.Helper()
	out, err := c.AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")})
	if err != nil {
		return aws.Credentials{}, err
	}
	return credentials(out.Credentials), nil
}

// disabled expects the refusal of an endpoint that is not active for the account.
func disabled(t testing.TB, err error, a account) {
	t.Helper()
	refused(t, err, 403, "RegionDisabledException", "STS is not activated in this region for account:"+a.id+". Your account administrator can activate STS in this region using the IAM Console.")
}

// TestFlowF21 is the flow F21 of S2: B deactivates us-west-2.
func TestFlowF21(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	userA, userB := w.user(a, "alice", allow("sts:AssumeRole", "*")), w.user(b, "bob", allow("sts:AssumeRole", "*"))
	roleA, roleB := w.role(a, "shared", *document(trust(b.arn("root"), "", "sts:AssumeRole"), trust(a.arn("root"), "", "sts:AssumeRole"))),
		w.role(b, "shared", trusts(a.arn("root")), allow("iam:ListUsers", "*"))
	early, err := assumed(t, w.in(t, "us-west-2", userA), roleB)
	if err != nil {
		t.Fatal("while the region is active:", err)
	}
	w.activate(b, "us-west-2", false)
	west := func(c aws.Credentials) *sdk.Client { return w.in(t, "us-west-2", c) }

	t.Run("the account of the role decides", func(t *testing.T) {
		checklist.Shows(t, "S2-366", "S2-370")
		_, err := assumed(t, west(userA), roleB)
		disabled(t, err, b)
		for name, c := range map[string]aws.Credentials{"a's own role": userA, "b's user, a's role": userB} {
			if _, err := assumed(t, west(c), roleA); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("one's own session", func(t *testing.T) {
		checklist.Shows(t, "S2-366")
		_, err := west(userB).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
		disabled(t, err, b)
		_, err = west(b.root).GetFederationToken(t.Context(), &sdk.GetFederationTokenInput{Name: aws.String("carol")})
		disabled(t, err, b)
		if _, err := west(userA).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("what gives no credentials", func(t *testing.T) {
		if _, err := west(userB).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("one endpoint for all regions", func(t *testing.T) {
		checklist.Shows(t, "S2-366")
		host := strings.TrimPrefix(w.url, "http://")
		_, err := assumed(t, w.at(t, host, "us-west-2", userA), roleB)
		disabled(t, err, b)
		if _, err := assumed(t, w.at(t, host, "us-west-1", userA), roleB); err != nil {
			t.Error(err)
		}
	})
	t.Run("who may not is told nothing of regions", func(t *testing.T) {
		_, err := assumed(t, west(w.user(a, "mallory")), roleB)
		denied(t, err, a.arn("user/mallory"), "sts:AssumeRole", roleB, "because no identity-based policy allows the sts:AssumeRole action")
	})
	t.Run("credentials stay good", func(t *testing.T) {
		checklist.Shows(t, "S2-369")
		for _, region := range []string{"us-west-2", "us-east-1", "af-south-1"} {
			if _, err := w.in(t, region, early).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
				t.Errorf("in %s: %v", region, err)
			}
		}
		if can := w.may(early); can != "users" {
			t.Errorf("the session may %q", can)
		}
		ireland, err := assumed(t, w.in(t, "eu-west-1", userA), roleB)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := west(ireland).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{}); err != nil {
			t.Error("credentials of eu-west-1 in us-west-2:", err)
		}
	})
	t.Run("us-east-1", func(t *testing.T) {
		checklist.Shows(t, "S2-365")
		const say = `{"Error":"STS cannot be deactivated in us-east-1, nor at the global endpoint."}`
		if status, text := w.operator("PUT", "accounts/"+b.id+"/sts-regions/us-east-1", `{"Active":false}`); status != 400 || strings.TrimSpace(text) != say {
			t.Errorf("%d %s", status, text)
		}
		for _, host := range []string{"sts.amazonaws.com", "sts.us-east-1.amazonaws.com"} {
			if _, err := assumed(t, w.at(t, host, "us-east-1", userA), roleB); err != nil {
				t.Errorf("%s: %v", host, err)
			}
		}
	})
	t.Run("active again", func(t *testing.T) {
		w.activate(b, "us-west-2", true)
		if _, err := assumed(t, west(userA), roleB); err != nil {
			t.Error(err)
		}
	})
}

// The regions that the guide lists are active from the beginning, those that AWS has had accounts enable since are not.
func TestRegionsAtFirst(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	role, user := w.role(a, "r", trusts(a.arn("root"))), w.user(a, "u", allow("sts:AssumeRole", "*"))
	t.Run("the guide's", func(t *testing.T) {
		checklist.Shows(t, "S2-363", "S2-364", "S2-365")
		for _, region := range strings.Fields("us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ap-northeast-1 ap-northeast-2 ap-south-1 ap-southeast-1 ap-southeast-2 eu-central-1 eu-west-1 eu-west-2 sa-east-1") {
			if _, err := assumed(t, w.in(t, region, user), role); err != nil {
				t.Errorf("%s: %v", region, err)
			}
			if region == "us-east-1" {
				continue
			}
			w.activate(a, region, false)
			_, err := assumed(t, w.in(t, region, user), role)
			disabled(t, err, a)
		}
		if _, err := assumed(t, w.at(t, "sts.amazonaws.com", "us-east-1", user), role); err != nil {
			t.Errorf("the global endpoint: %v", err)
		}
	})
	t.Run("opt-in", func(t *testing.T) {
		_, err := assumed(t, w.in(t, "af-south-1", user), role)
		disabled(t, err, a)
		w.activate(a, "af-south-1", true)
		if _, err := assumed(t, w.in(t, "af-south-1", user), role); err != nil {
			t.Error(err)
		}
	})
	t.Run("the operator's list", func(t *testing.T) {
		status, text := w.operator("GET", "accounts/"+a.id+"/sts-regions", "")
		if status != 200 || strings.Count(text, `"Region":`) != 34 || strings.Count(text, `"Active":true`) != 34-13-16 {
			t.Errorf("%d %s", status, text)
		}
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "accounts/1/sts-regions", "", 404}, {"PUT", "accounts/1/sts-regions/eu-west-1", `{"Active":true}`, 404},
			{"PUT", "accounts/" + a.id + "/sts-regions/mars-1", `{"Active":true}`, 404},
		} {
			if status, text := w.operator(c.method, c.path, c.body); status != c.status {
				t.Errorf("%s %s: %d %s", c.method, c.path, status, text)
			}
		}
	})
}

// The installation's own region needs no activation, even where AWS's accounts have to enable it, until the operator deactivates it.
func TestOwnRegion(t *testing.T) {
	for _, region := range []string{"cellar-1", "af-south-1"} {
		t.Run(region, func(t *testing.T) {
			w := newWorldOf(t, node.Config{Region: region})
			a := w.account("a")
			role, user := w.role(a, "r", trusts(a.arn("root"))), w.user(a, "u", allow("sts:AssumeRole", "*"))
			if _, err := assumed(t, w.at(t, strings.TrimPrefix(w.url, "http://"), region, user), role); err != nil {
				t.Error(err)
			}
			w.activate(a, region, false)
			_, err := assumed(t, w.at(t, "sts."+region+".example.net", region, user), role)
			disabled(t, err, a)
		})
	}
}

// A signature is for the region of the endpoint that it is sent to.
func TestEndpointOfAnotherRegion(t *testing.T) {
	w := newWorld(t)
	user := w.user(w.account("a"), "u")
	for _, c := range []struct {
		host, region string
		fits         bool
	}{
		{"sts.eu-west-1.amazonaws.com", "eu-west-1", true}, {"STS.EU-WEST-1.amazonaws.com", "eu-west-1", true},
		{"sts.eu-west-1.amazonaws.com:443", "eu-west-1", true}, {"sts-fips.us-west-2.amazonaws.com", "us-west-2", true},
		{"sts.us-west-2.api.aws", "us-west-2", true}, {"sts.amazonaws.com", "us-east-1", true},
		{"sts.mars-1.example.net", "eu-west-1", true}, {"iam.eu-west-1.example.net", "us-west-2", true}, {"sts.eu-west-1", "us-west-2", true},
		{"sts.eu-west-1.amazonaws.com", "us-east-1", false}, {"sts.us-east-1.amazonaws.com", "eu-west-1", false},
		{"sts.amazonaws.com", "eu-west-1", false}, {"sts.eu-west-1.example.net", "us-west-2", false}, {"sts-fips.us-west-2.amazonaws.com", "us-west-1", false},
	} {
		_, err := w.at(t, c.host, c.region, user).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		switch {
		case c.fits && err != nil:
			t.Errorf("%s, signed for %s: %v", c.host, c.region, err)
		case !c.fits:
			refused(t, err, 403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region. ")
		}
	}
}

// aws:RequestedRegion and the events of signed calls: the global endpoint is us-east-1's, a regional one its own region's.
func TestRegionOfCalls(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "r", *document(trust(a.arn("root"), `{"StringEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]}}`, "sts:AssumeRole")))
	user := w.user(a, "u", allow("sts:AssumeRole", "*"))
	for _, c := range []struct{ host, region, item string }{
		{"sts.amazonaws.com", "us-east-1", "S2-423"}, {"sts.eu-west-1.amazonaws.com", "eu-west-1", "S2-424"}, {"sts.us-west-2.amazonaws.com", "us-west-2", ""},
	} {
		t.Run(c.host, func(t *testing.T) {
			if c.item != "" {
				checklist.Shows(t, c.item, "S2-372")
			}
			_, err := assumed(t, w.at(t, c.host, c.region, user), role)
			if c.region == "us-west-2" {
				if err == nil {
					t.Error("the region that the trust policy does not name was allowed")
				}
			} else if err != nil {
				t.Error(err)
			}
			if got := w.lastRegion(a, "AssumeRole"); got != c.region {
				t.Errorf("the event is of %q", got)
			}
		})
	}
}

// lastRegion is the region of an account's newest event of a name.
func (w *world) lastRegion(a account, name string) (region string) {
	w.t.Helper()
	all, err := w.node.Events(w.t.Context(), a.id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range all {
		if e.Name == name {
			region = e.Region
		}
	}
	return region
}

// Calls that are not signed have the region of the endpoint's name, or else the installation's own. The account of the role has to
// have it active.
func TestRegionOfUnsignedCalls(t *testing.T) {
	t.Run("OpenID Connect", func(t *testing.T) {
		f := newFederated(t, "server.example.com", "")
		role := f.role(f.a, "web", *document(trustsProvider(f.arn, `{"StringEquals":{"server.example.com:aud":"sts.amazonaws.com"}}`)))
		f.unsigned(t, f.a, "AssumeRoleWithWebIdentity", func(c *sdk.Client) error {
			_, err := c.AssumeRoleWithWebIdentity(t.Context(), &sdk.AssumeRoleWithWebIdentityInput{
				RoleArn: &role, RoleSessionName: aws.String("session"), WebIdentityToken: aws.String(f.token(nil)),
			})
			return err
		})
	})
	t.Run("SAML", func(t *testing.T) {
		s := newSSO(t)
		role := s.trusting("staff", "")
		if _, err := s.present(role, s.assertion(role), nil); err != nil {
			t.Fatal(err)
		}
		if got := s.operator(`{"SAMLProviderArn":"` + s.provider + `","SingleUse":true}`); !strings.HasPrefix(got, "200") {
			t.Fatal(got)
		}
		one := s.idp.Response(time.Now(), s.idp.SignedAssertion(s.assertion(role)))
		s.activate(s.account, "eu-central-1", false)
		_, err := s.at(t, "sts.eu-central-1.amazonaws.com", "eu-central-1", aws.Credentials{}).AssumeRoleWithSAML(t.Context(), samlInput(s, role, one))
		disabled(t, err, s.account)
		if _, err := s.send(role, one, nil); err != nil {
			t.Error("what was refused has used the assertion up:", err)
		}
		if got := s.operator(`{"SAMLProviderArn":"` + s.provider + `","SingleUse":false}`); !strings.HasPrefix(got, "200") {
			t.Fatal(got)
		}
		s.unsigned(t, s.account, "AssumeRoleWithSAML", func(c *sdk.Client) error {
			_, err := c.AssumeRoleWithSAML(t.Context(), samlInput(s, role, s.idp.Response(time.Now(), s.idp.SignedAssertion(s.assertion(role)))))
			return err
		})
	})
}

// unsigned calls an operation that is not signed at endpoints of a few names.
func (w *world) unsigned(t *testing.T, a account, operation string, call func(*sdk.Client) error) {
	t.Helper()
	w.activate(a, "us-west-2", false)
	for _, c := range []struct{ host, region string }{
		{"sts.amazonaws.com", "us-east-1"}, {"sts.eu-west-1.amazonaws.com", "eu-west-1"}, {"sts.sa-east-1.example.net:4566", "sa-east-1"},
		{"keys.example.net", "us-east-1"}, {strings.TrimPrefix(w.url, "http://"), "us-east-1"},
	} {
		if err := call(w.at(t, c.host, "us-west-2", aws.Credentials{})); err != nil {
			t.Errorf("%s: %v", c.host, err)
		}
		if got := w.lastRegion(a, operation); got != c.region {
			t.Errorf("%s: the event is of %q", c.host, got)
		}
	}
	disabled(t, call(w.at(t, "sts.us-west-2.amazonaws.com", "us-west-2", aws.Credentials{})), a)
	if got := w.lastRegion(a, operation); got != "us-west-2" {
		t.Errorf("the event of the refused call is of %q", got)
	}
}

// Tokens of version 1 are those of the global endpoint in accounts that want them, and good in regions that all accounts have.
func TestTokenVersions(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	who := func(t *testing.T, region string, c aws.Credentials) error {
		_, err := w.in(t, region, c).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
		return err
	}
	user := w.user(a, "u")
	given := func(host, region string) aws.Credentials {
		out, err := w.at(t, host, region, user).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{})
		if err != nil {
			t.Fatal(err)
		}
		return credentials(out.Credentials)
	}
	bare := strings.TrimPrefix(w.url, "http://")
	second := given("sts.amazonaws.com", "us-east-1")
	if _, err := w.iam(static(a.root)).SetSecurityTokenServicePreferences(t.Context(), &sdkiam.SetSecurityTokenServicePreferencesInput{
		GlobalEndpointTokenVersion: iamtypes.GlobalEndpointTokenVersionV1Token}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		credentials aws.Credentials
		everywhere  bool
	}{
		"before": {second, true}, "global": {given("sts.amazonaws.com", "us-east-1"), false}, "one endpoint for all": {given(bare, "us-east-1"), false},
		"us-east-1": {given("sts.us-east-1.amazonaws.com", "us-east-1"), true}, "regional": {given("sts.eu-west-1.amazonaws.com", "eu-west-1"), true},
		"one endpoint for all, regional": {given(bare, "eu-west-1"), true}, "long-term keys": {user, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, region := range []string{"us-east-1", "eu-north-1"} {
				if err := who(t, region, c.credentials); err != nil {
					t.Errorf("in %s: %v", region, err)
				}
			}
			err := who(t, "me-south-1", c.credentials)
			if c.everywhere && err != nil {
				t.Error(err)
			}
			if !c.everywhere {
				refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid.")
			}
		})
	}
}

func samlInput(s *sso, role, response string) *sdk.AssumeRoleWithSAMLInput {
	return &sdk.AssumeRoleWithSAMLInput{RoleArn: &role, PrincipalArn: &s.provider, SAMLAssertion: aws.String(samltest.Encode(response))}
}
