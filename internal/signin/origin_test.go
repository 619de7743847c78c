package signin_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// TestOrigins: whose credentials of a role may begin which console session.
func TestOrigins(t *testing.T) {
	s := newSSO(t)
	staff := s.staff("staff", 3600)
	t.Run("AssumeRoleWithSAML", func(t *testing.T) {
		checklist.Shows(t, "S2-229")
		response := s.response(s.assertion(staff))
		out := must(s.sts(aws.Credentials{}).AssumeRoleWithSAML(t.Context(), &sdk.AssumeRoleWithSAMLInput{RoleArn: &staff, PrincipalArn: &s.provider, SAMLAssertion: &response}, func(o *sdk.Options) {
			o.Credentials = aws.AnonymousCredentials{}
		}))(t)
		user := s.signedIn(credentials(out.Credentials), "&SessionDuration=43200")
		s.pass(11 * time.Hour)
		if can := user.may(); can != "users" {
			t.Errorf("the session may %q", can)
		}
	})
	t.Run("instance", func(t *testing.T) {
		checklist.Shows(t, "S2-229")
		role := s.roleTrusting("instance", document(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`), allow("iam:ListUsers", "*"))
		a := s.browser().do("POST", "/_ostiary/v1/service-credentials", fmt.Sprintf(`{"Service":"ec2.amazonaws.com","RoleArn":%q,"SessionName":"i-0123456789abcdef0"}`, role),
			"Authorization", "Bearer "+s.node.OperatorToken().Reveal(), "Content-Type", "application/json")
		var c struct {
			AccessKeyID                   string `json:"AccessKeyId"`
			SecretAccessKey, SessionToken string
		}
		if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != 200 {
			t.Fatalf("%d %s %v", a.status, a.body, err)
		}
		given := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
		if a := s.signinToken(given, "&SessionDuration=3600"); a.status != 400 {
			t.Errorf("%d %s", a.status, a.body)
		}
		user := s.signedIn(given, "")
		if can := user.may(); can != "users" {
			t.Errorf("the session may %q", can)
		}
		s.pass(time.Hour)
		if can := user.may(); can != "over" {
			t.Errorf("the session may %q", can)
		}
	})
	t.Run("another account's role, with an external ID", func(t *testing.T) {
		checklist.Shows(t, "S2-241")
		id, root := s.account("other")
		trust := document(fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"12345"}}}`, s.id))
		r := must(s.iam(root).CreateRole(t.Context(), &sdkiam.CreateRoleInput{RoleName: aws.String("theirs"), AssumeRolePolicyDocument: trust}))(t)
		must(s.iam(root).PutRolePolicy(t.Context(), &sdkiam.PutRolePolicyInput{RoleName: aws.String("theirs"), PolicyName: aws.String("p"), PolicyDocument: document(allow("iam:ListGroups", "*"))}))(t)
		out := must(s.sts(s.user("broker", allow("sts:AssumeRole", "*"))).AssumeRole(t.Context(), &sdk.AssumeRoleInput{RoleArn: r.Role.Arn, RoleSessionName: aws.String("ann"), ExternalId: aws.String("12345")}))(t)
		user := s.signedIn(credentials(out.Credentials), "")
		if who := user.get("/signin/session").read(t); who["Account"] != id || user.may() != "groups" {
			t.Errorf("%v may %q", who, user.may())
		}
	})
}

// TestServiceProviderMetadata: identity providers read where to send assertions.
func TestServiceProviderMetadata(t *testing.T) {
	checklist.Shows(t, "S2-172")
	a := newWorld(t).browser().get("/static/saml-metadata.xml")
	var m struct {
		EntityID string `xml:"entityID,attr"`
		SP       struct {
			Services []struct {
				Binding  string `xml:",attr"`
				Location string `xml:",attr"`
			} `xml:"AssertionConsumerService"`
			Attributes []struct {
				Name string `xml:",attr"`
			} `xml:"AttributeConsumingService>RequestedAttribute"`
		} `xml:"SPSSODescriptor"`
	}
	if err := xml.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "xml") {
		t.Fatalf("%d %s %v", a.status, a.body, err)
	}
	if len(m.SP.Services) != 1 || m.SP.Services[0].Location != "https://signin.aws.amazon.com/saml" || !strings.HasSuffix(m.SP.Services[0].Binding, ":HTTP-POST") ||
		m.EntityID != "urn:amazon:webservices" || len(m.SP.Attributes) != 2 || m.SP.Attributes[0].Name != samlAttributes+"Role" {
		t.Errorf("%+v", m)
	}
}
