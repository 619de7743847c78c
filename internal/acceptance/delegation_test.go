package acceptance_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// appBucket is the policy of the tutorial (guide L1211-1239). No service here has buckets: the users under the path
// /productionapp/ stand for the objects of the bucket.
const appBucket = `{
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "arn:aws:s3:::*"},
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": "arn:aws:s3:::productionapp"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::productionapp/*"},
        {"Effect": "Allow", "Action": ["iam:GetUser", "iam:CreateUser", "iam:DeleteUser"], "Resource": "arn:aws:iam::*:user/productionapp/*"}
    ]
}`

// tutorial is the two accounts of the guide's tutorial "Delegate Access Across AWS Accounts Using IAM Roles" (E4, F1;
// L1147-1503) after its second step.
type tutorial struct {
	*cloud
	srv                 *ostiarytest.Server
	production, dev     ostiarytest.Account
	prodAdmin, devAdmin *caller
	role                string // the ARN of UpdateApp
	david, theresa      *caller
}

// member puts a user into a group.
func (c *caller) member(t testing.TB, user, group string) {
	t.Helper()
	must(c.iam.AddUserToGroup(t.Context(), &iam.AddUserToGroupInput{UserName: &user, GroupName: &group}))(t)
}

// group makes a group with a managed policy.
func (c *caller) group(t testing.TB, name, policy string) {
	t.Helper()
	must(c.iam.CreateGroup(t.Context(), &iam.CreateGroupInput{GroupName: &name}))(t)
	must(c.iam.AttachGroupPolicy(t.Context(), &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: &policy}))(t)
}

func newTutorial(t *testing.T) *tutorial {
	t.Helper()
	c, srv := newCloud(t)
	w := &tutorial{cloud: c, srv: srv, production: srv.Account(t), dev: srv.Account(t)}
	w.prodAdmin, w.devAdmin = c.admin(t, w.production), c.admin(t, w.dev)
	ctx := t.Context()

	// Step 1: a policy and a role in Production that trusts Development. An account that does not exist cannot be trusted.
	p := must(w.prodAdmin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("read-write-app-bucket"), PolicyDocument: aws.String(appBucket),
	}))(t).Policy
	in := &iam.CreateRoleInput{
		RoleName: aws.String("UpdateApp"), Description: aws.String("Updates the production app"),
		AssumeRolePolicyDocument: aws.String(trusting("arn:aws:iam::111111111111:root")),
	}
	_, err := w.prodAdmin.iam.CreateRole(ctx, in)
	refused(t, err, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:root"`)
	in.AssumeRolePolicyDocument = aws.String(trusting(w.dev.ARN("root")))
	w.role = *must(w.prodAdmin.iam.CreateRole(ctx, in))(t).Role.Arn
	must(w.prodAdmin.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: in.RoleName, PolicyArn: p.Arn}))(t)

	// Development: two users, two groups of power users.
	w.devAdmin.group(t, "Developers", powerUserAccess)
	w.devAdmin.group(t, "Testers", powerUserAccess)
	w.david, w.theresa = c.user(t, w.devAdmin, "David"), c.user(t, w.devAdmin, "Theresa")
	return w
}

// step2 is the tutorial's: Developers are allowed to use the role, Testers denied.
func (w *tutorial) step2(t *testing.T) {
	t.Helper()
	for group, policy := range map[string][2]string{
		"Developers": {"allow-assume-S3-role-in-production", "Allow"}, "Testers": {"deny-assume-S3-role-in-production", "Deny"},
	} {
		must(w.devAdmin.iam.PutGroupPolicy(t.Context(), &iam.PutGroupPolicyInput{
			GroupName: &group, PolicyName: &policy[0], PolicyDocument: aws.String(statement(policy[1], "sts:AssumeRole", w.role)),
		}))(t)
	}
	w.devAdmin.member(t, "David", "Developers")
}

func (w *tutorial) updateApp() *sts.AssumeRoleInput {
	return &sts.AssumeRoleInput{RoleArn: &w.role, RoleSessionName: aws.String("David-ProdUpdate")}
}

func TestDelegationTutorial(t *testing.T) {
	checklist.Shows(t, "S1-6", "S1-374", "S1-375", "S1-376", "S1-395", "S2-3", "S2-5", "S2-15", "S2-338")
	w := newTutorial(t)
	ctx := t.Context()

	// Before membership David is refused. Theresa's power user rights reach the role: that is why Testers need the deny.
	_, err := w.david.sts.AssumeRole(ctx, w.updateApp())
	denied(t, err, w.dev.ARN("user/David"), "sts:AssumeRole", w.role, noIdentityPolicy("sts:AssumeRole"))
	w.devAdmin.member(t, "Theresa", "Testers")
	must(w.theresa.sts.AssumeRole(ctx, w.updateApp()))(t)

	w.step2(t)
	out := must(w.david.sts.AssumeRole(ctx, w.updateApp()))(t)
	role := must(w.prodAdmin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("UpdateApp")}))(t).Role
	session := "arn:aws:sts::" + w.production.AccountID + ":assumed-role/UpdateApp/David-ProdUpdate"
	if *out.AssumedRoleUser.Arn != session || *out.AssumedRoleUser.AssumedRoleId != *role.RoleId+":David-ProdUpdate" {
		t.Errorf("assumed %s (%s)", *out.AssumedRoleUser.Arn, *out.AssumedRoleUser.AssumedRoleId)
	}
	prod := w.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	if got := prod.arn(t); got != session {
		t.Errorf("the session is %s, want %s", got, session)
	}

	// What the role may do, and nothing else: not elsewhere in Production, and none of David's own rights.
	object := &iam.CreateUserInput{UserName: aws.String("picture"), Path: aws.String("/productionapp/")}
	must(prod.iam.CreateUser(ctx, object))(t)
	must(prod.iam.GetUser(ctx, &iam.GetUserInput{UserName: object.UserName}))(t)
	_, err = prod.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("other")})
	denied(t, err, session, "iam:CreateUser", w.production.ARN("user/other"), noIdentityPolicy("iam:CreateUser"))
	_, err = prod.iam.ListRoles(ctx, &iam.ListRolesInput{})
	denied(t, err, session, "iam:ListRoles", w.production.ARN("role/"), noIdentityPolicy("iam:ListRoles"))
	must(w.david.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t) // "Back to David"

	// Theresa: the deny wins, also over the allow of a second group.
	_, err = w.theresa.sts.AssumeRole(ctx, w.updateApp())
	denied(t, err, w.dev.ARN("user/Theresa"), "sts:AssumeRole", w.role, explicitDeny)
	w.devAdmin.member(t, "Theresa", "Developers")
	_, err = w.theresa.sts.AssumeRole(ctx, w.updateApp())
	denied(t, err, w.dev.ARN("user/Theresa"), "sts:AssumeRole", w.role, explicitDeny)
	must(w.devAdmin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: aws.String("Theresa"), GroupName: aws.String("Testers")}))(t)
	must(w.theresa.sts.AssumeRole(ctx, w.updateApp()))(t)

	// Root cannot switch (S2-376).
	_, err = w.root(w.dev).sts.AssumeRole(ctx, w.updateApp())
	refused(t, err, "AccessDenied", "Roles may not be assumed by root accounts.")
	w.checkEvents(t, session)
}

// checkEvents: both accounts see David's switch; the owner of the role learns no name of the other account (S2-407).
func (w *tutorial) checkEvents(t *testing.T, session string) {
	t.Helper()
	type record struct {
		SharedEventID    string
		UserIdentity     struct{ Type, AccountID, Arn, UserName string }
		ResponseElements json.RawMessage
	}
	find := func(account string) (ok []record, failed int) {
		for _, e := range w.srv.Events(t, account) {
			switch {
			case e.Name != "AssumeRole":
			case e.ErrorCode != "":
				failed++
			default:
				var r record
				if err := json.Unmarshal(e.Record, &r); err != nil {
					t.Fatal(err)
				}
				ok = append(ok, r)
			}
		}
		return ok, failed
	}
	dev, refusals := find(w.dev.AccountID)
	prod, foreign := find(w.production.AccountID)
	if len(dev) != 3 || refusals != 4 || len(prod) != 3 || foreign != 0 {
		t.Fatalf("AssumeRole: %d and %d refusals in Development, %d and %d in Production", len(dev), refusals, len(prod), foreign)
	}
	for i := range dev {
		if dev[i].SharedEventID == "" || dev[i].SharedEventID != prod[i].SharedEventID || dev[i].UserIdentity.UserName == "" {
			t.Errorf("records of one call:\n%+v\n%+v", dev[i], prod[i])
		}
		if who := prod[i].UserIdentity; who.Type != "AWSAccount" || who.AccountID != w.dev.AccountID || who.Arn+who.UserName != "" {
			t.Errorf("the owner of the role sees %+v", who)
		}
	}
	if !strings.Contains(string(dev[1].ResponseElements), session) {
		t.Errorf("David's record does not show the session: %s", dev[1].ResponseElements)
	}
}

// TestExternalID: a role that asks for an external ID (E4 step 9, F3; S2-113).
func TestExternalID(t *testing.T) {
	w := newTutorial(t)
	w.step2(t)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"sts:ExternalId":"12345"}}}}`, w.dev.AccountID)
	must(w.prodAdmin.iam.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("UpdateApp"), PolicyDocument: &trust,
	}))(t)
	for _, id := range []*string{nil, aws.String("67890"), aws.String("12345")} {
		in := w.updateApp()
		in.ExternalId = id
		_, err := w.david.sts.AssumeRole(t.Context(), in)
		if aws.ToString(id) == "12345" {
			must(0, err)(t)
		} else {
			denied(t, err, w.dev.ARN("user/David"), "sts:AssumeRole", w.role, "") // why is the owner's business
		}
	}
	role := must(w.prodAdmin.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("UpdateApp")}))(t).Role
	checklist.Shows(t, "S2-115")
	if got, err := url.PathUnescape(*role.AssumeRolePolicyDocument); err != nil || got != trust {
		t.Errorf("the trust policy reads %s, %v", got, err)
	}
}

// TestBoundary: a permissions boundary caps an administrator, and goes on capping what the administrator is given later.
func TestBoundary(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin := c.admin(t, a)
	ctx, capped := t.Context(), aws.String("capped")
	must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: capped, PermissionsBoundary: aws.String(iamReadOnlyAccess)}))(t)
	user := c.key(t, admin, *capped)
	arn := a.ARN("user/capped")

	_, err := user.iam.GetUser(ctx, &iam.GetUserInput{})
	denied(t, err, arn, "iam:GetUser", "user capped", noIdentityPolicy("iam:GetUser")) // a boundary grants nothing
	must(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: capped, PolicyArn: aws.String(administratorAccess)}))(t)
	got := must(user.iam.GetUser(ctx, &iam.GetUserInput{}))(t).User.PermissionsBoundary
	if got == nil || *got.PermissionsBoundaryArn != iamReadOnlyAccess || got.PermissionsBoundaryType != "Policy" {
		t.Errorf("the boundary reads %+v", got) // AWS answers Policy, whatever the model's list of values says
	}
	create := &iam.CreateUserInput{UserName: aws.String("made")}
	_, err = user.iam.CreateUser(ctx, create)
	denied(t, err, arn, "iam:CreateUser", a.ARN("user/made"), "because no permissions boundary allows the iam:CreateUser action")
	_, err = user.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: capped})
	denied(t, err, arn, "iam:DeleteUserPermissionsBoundary", "user capped", "because no permissions boundary allows the iam:DeleteUserPermissionsBoundary action")

	must(admin.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: capped}))(t)
	must(user.iam.CreateUser(ctx, create))(t)
}
