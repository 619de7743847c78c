package iam_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	stssdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
)

const (
	readOnly      = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
	// linkedPolicy is one of the policies that AWS keeps for its service-linked roles.
	linkedPolicy = "arn:aws:iam::aws:policy/aws-service-role/ElastiCacheServiceRolePolicy"

	trustNobody = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// allowNothing is a policy without effect on anything here.
var allowNothing = document(allow("s3:GetObject", "arn:aws:s3:::nowhere/*"))

// scene is what the tests of roles and policies find: the managed policy /team/plan with the versions v1 (default) and v2,
// attached to the user target, the group crew and the role worker, all in /team/; each of these has the inline policy one.
// target and worker have the boundary ReadOnlyAccess. plan, target and worker are tagged color=blue. The policy spare and the
// role idle are used by nobody; linked is a service-linked role.
func (w *world) scene() {
	w.t.Helper()
	blue := []entity.Tag{{Key: "color", Value: "blue"}}
	w.make(func(tx *directory.Tx) error {
		plan := w.arn("policy/team/plan")
		_, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: "plan", Path: "/team/", Document: allowNothing, Tags: blue})
		if err == nil {
			_, err = tx.CreatePolicyVersion(w.account, plan, allowNothing, false)
		}
		if err == nil {
			_, err = tx.CreatePolicy(w.account, directory.NewPolicy{Name: "spare", Document: allowNothing})
		}
		if err == nil {
			_, err = tx.CreateUser(w.account, directory.NewUser{Name: "target", Path: "/team/", Boundary: readOnly, Tags: blue})
		}
		if err == nil {
			_, err = tx.CreateGroup(w.account, directory.NewGroup{Name: "crew", Path: "/team/"})
		}
		if err == nil {
			_, err = tx.CreateRole(w.account, directory.NewRole{Name: "worker", Path: "/team/", Trust: trustNobody, Boundary: readOnly, Tags: blue})
		}
		if err == nil {
			_, err = tx.CreateRole(w.account, directory.NewRole{Name: "idle", Trust: trustNobody})
		}
		if err == nil {
			_, err = tx.CreateRole(w.account, directory.NewRole{
				Name: "linked", Path: "/aws-service-role/example.amazonaws.com/", Trust: trustNobody, ServiceLinked: "example.amazonaws.com",
			})
		}
		for _, t := range []directory.Target{
			directory.OfUser(w.account, "target"), directory.OfGroup(w.account, "crew"), directory.OfRole(w.account, "worker"),
		} {
			if err == nil {
				err = tx.AttachPolicy(t, plan)
			}
			if err == nil {
				err = tx.PutInlinePolicy(t, "one", allowNothing)
			}
		}
		return err
	})
}

// sts serves the STS API beside the world's IAM and returns clients for the credentials of IAM clients.
func (w *world) sts() func(*sdk.Client) *stssdk.Client {
	w.t.Helper()
	g, err := gate.New(gate.Config{
		Services:  []*gate.Service{sts.New(sts.Config{Codes: w.dir, Ring: w.ring, Managed: catalog.ManagedPolicies()})},
		Snapshots: w.follower, Store: w.store, Ring: w.ring, Managed: catalog.ManagedPolicies(), Trail: discard{}, Usage: w.usage,
		Regions: []string{"us-east-1"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(g)
	w.t.Cleanup(server.Close)
	return func(c *sdk.Client) *stssdk.Client {
		return stssdk.New(stssdk.Options{
			Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{}, HTTPClient: w.http, Credentials: c.Options().Credentials,
		})
	}
}

// assume returns an IAM client with a session of a role.
func (w *world) assume(c *stssdk.Client, roleARN string) (*sdk.Client, error) {
	out, err := c.AssumeRole(w.t.Context(), &stssdk.AssumeRoleInput{RoleArn: &roleARN, RoleSessionName: aws.String("test")})
	if err != nil {
		return nil, err
	}
	return w.client(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
}

// trust is a trust policy that trusts one principal.
func trust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}

// sdkTags is tags of keys and values in turn.
func sdkTags(pairs ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return tags
}

// textTags writes tags as key=value.
func textTags(tags []types.Tag) []string {
	var out []string
	for _, t := range tags {
		out = append(out, *t.Key+"="+*t.Value)
	}
	return out
}

// recent expects a time of this test.
func recent(t testing.TB, what string, at *time.Time) {
	t.Helper()
	if at == nil || time.Since(*at).Abs() > time.Minute {
		t.Errorf("%s is %v", what, at)
	}
}
