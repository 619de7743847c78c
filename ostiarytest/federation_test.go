package ostiarytest_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/federation/oidctest"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// TestOpenIDConnect: a provider inside the test is registered, trusted and asked for its keys, where the server may reach it.
func TestOpenIDConnect(t *testing.T) {
	idp := oidctest.New(t, "/realms/test")
	for _, allowed := range []bool{true, false} {
		cfg := ostiarytest.Config{OutboundRoots: idp.Roots}
		if allowed {
			cfg.OutboundAllow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}
		srv := ostiarytest.Start(t, cfg)
		c, s := root(t, srv, srv.Account(t))
		p, err := c.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: &idp.Issuer, ClientIDList: []string{"sts.amazonaws.com"},
			ThumbprintList: []string{idp.Thumbprint()}})
		if err != nil {
			t.Fatal(err)
		}
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity"}]}`, *p.OpenIDConnectProviderArn)
		role, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("web"), AssumeRolePolicyDocument: &trust})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: role.Role.Arn, RoleSessionName: aws.String("test"), WebIdentityToken: aws.String(idp.Token(time.Now(), nil)),
		})
		if (err == nil) != allowed {
			t.Errorf("loopback allowed: %v; %v", allowed, err)
		}
	}
}
