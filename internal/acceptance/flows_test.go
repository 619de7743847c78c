package acceptance_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// TestSessionPolicies is F2 (S2-339, S2-340): what is passed with AssumeRole filters the role's permissions and adds none.
func TestSessionPolicies(t *testing.T) {
	checklist.Shows(t, "S1-394")
	w := newTutorial(t)
	w.step2(t)
	ctx := t.Context()
	session := "arn:aws:sts::" + w.production.AccountID + ":assumed-role/UpdateApp/David-ProdUpdate"
	name, path := aws.String("picture"), aws.String("/productionapp/")

	in := w.updateApp()
	in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:CreateUser","iam:ListRoles"],"Resource":"*"}}`)
	out := must(w.david.sts.AssumeRole(ctx, in))(t)
	//lint:ignore SA1019 clients that know nothing newer still read it
	if packed := aws.ToInt32(out.PackedPolicySize); packed < 1 || packed > 100 {
		t.Errorf("PackedPolicySize is %d", packed)
	}
	putter := w.as(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	must(putter.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: path}))(t)
	_, err := putter.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	denied(t, err, session, "iam:DeleteUser", "user picture", "because no session policy allows the iam:DeleteUser action")
	_, err = putter.iam.ListRoles(ctx, &iam.ListRolesInput{})
	denied(t, err, session, "iam:ListRoles", w.production.ARN("role/"), noIdentityPolicy("iam:ListRoles"))

	in = w.updateApp()
	in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String(iamReadOnlyAccess)}}
	reader := w.assume(t, w.david, in)
	must(reader.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))(t)
	_, err = reader.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})
	denied(t, err, session, "iam:DeleteUser", "user picture", "because no session policy allows the iam:DeleteUser action")

	in = w.updateApp()
	in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*"}}`)
	_, err = w.david.sts.AssumeRole(ctx, in)
	if code(err) != "MalformedPolicyDocument" {
		t.Errorf("a session policy without a resource: %v", err)
	}
	must(w.assume(t, w.david, w.updateApp()).iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name}))(t)
}

// TestSessionTags: tags passed with a session are what a policy's variables see.
func TestSessionTags(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},
		"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:RequestTag/team":["red","blue"]}}}}`, a.AccountID)
	role := admin.role(t, "by-team", trust, statement("Allow", "iam:CreateUser", a.ARN("user/${aws:PrincipalTag/team}/*")))
	assume := func(team string) (*sts.AssumeRoleInput, string) {
		return &sts.AssumeRoleInput{
			RoleArn: &role, RoleSessionName: aws.String("session"), Tags: []ststypes.Tag{{Key: aws.String("team"), Value: &team}},
		}, a.ARN("user/Administrator")
	}
	in, who := assume("green")
	_, err := admin.sts.AssumeRole(ctx, in)
	denied(t, err, who, "sts:AssumeRole", role, "because no role trust policy allows the sts:AssumeRole action")
	in, _ = assume("red")
	red := c.assume(t, admin, in)
	must(red.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("one"), Path: aws.String("/red/")}))(t)
	_, err = red.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("two"), Path: aws.String("/blue/")})
	denied(t, err, red.arn(t), "iam:CreateUser", a.ARN("user/blue/two"), noIdentityPolicy("iam:CreateUser"))
}

// TestTrustedUser is F5 (S2-22): a trust policy means the user that bore the name when it was written.
func TestTrustedUser(t *testing.T) {
	checklist.Shows(t, "S2-22")
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	make := func() *caller { return c.user(t, admin, "trusted", powerUserAccess) }
	first := make()
	id := *must(admin.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("trusted")}))(t).User.UserId
	trust := trusting(a.ARN("user/trusted"))
	role := admin.role(t, "app", trust, "")
	assume := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	must(first.sts.AssumeRole(ctx, assume))(t)

	must(admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("trusted"), AccessKeyId: &first.id}))(t)
	must(admin.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: aws.String("trusted"), PolicyArn: aws.String(powerUserAccess)}))(t)
	must(admin.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("trusted")}))(t)
	reads := func() string {
		return *must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("app")}))(t).Role.AssumeRolePolicyDocument
	}
	if got := reads(); !containsEncoded(got, id) || containsEncoded(got, "user/trusted") {
		t.Errorf("the trust policy of a deleted user reads %s, want the ID %s", got, id)
	}
	second := make()
	_, err := second.sts.AssumeRole(ctx, assume)
	denied(t, err, a.ARN("user/trusted"), "sts:AssumeRole", role, "because no role trust policy allows the sts:AssumeRole action")
	must(admin.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("app"), PolicyDocument: &trust}))(t)
	must(second.sts.AssumeRole(ctx, assume))(t)
}

// TestTrustPolicies is F6 (S2-16, S2-32): what a trust policy may name.
func TestTrustPolicies(t *testing.T) {
	checklist.Shows(t, "S1-140", "S1-372")
	c, srv := newCloud(t)
	a, b := srv.Account(t), srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	create := func(name, trust string) error {
		_, err := admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		return err
	}
	services := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","elasticmapreduce.amazonaws.com"]},"Action":"sts:AssumeRole"}}`
	must(0, create("two-accounts", trusting(a.AccountID, b.ARN("root"))))(t)
	must(0, create("two-services", services))(t)
	refused(t, create("Two-Services", services), "EntityAlreadyExists", "Role with name Two-Services already exists.")
	for name, trust := range map[string]string{
		"not a policy":       `{`,
		"with a resource":    `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + a.AccountID + `"},"Action":"sts:AssumeRole","Resource":"*"}}`,
		"without principal":  statement("Allow", "sts:AssumeRole", "*"),
		"an unknown user":    trusting(a.ARN("user/nobody")),
		"a group":            trusting(a.ARN("group/Readers")),
		"an unknown account": trusting("000000000000"),
	} {
		if got := code(create("bad", trust)); got != "MalformedPolicyDocument" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestSessionToken is F16 (S2-329, S2-323; D1, D2).
func TestSessionToken(t *testing.T) {
	checklist.Shows(t, "S1-392", "S1-434", "S2-323", "S2-325")
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	nobody := c.user(t, admin, "nobody")
	life := func(by *caller, seconds *int32) time.Duration {
		t.Helper()
		k := must(by.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: seconds}))(t).Credentials
		return time.Until(*k.Expiration).Round(time.Hour / 4)
	}
	for want, in := range map[time.Duration]*int32{12 * time.Hour: nil, 36 * time.Hour: aws.Int32(129600), 15 * time.Minute: aws.Int32(900)} {
		if got := life(nobody, in); got != want {
			t.Errorf("a user's token lasts %s, want %s", got, want)
		}
	}
	if got := life(c.root(a), aws.Int32(43200)); got != time.Hour {
		t.Errorf("the root user's token lasts %s", got)
	}
	for _, seconds := range []int32{899, 129601} {
		if _, err := nobody.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: &seconds}); code(err) != "ValidationError" {
			t.Errorf("%d seconds: %v", seconds, err)
		}
	}

	k := must(admin.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials
	session := c.as(*k.AccessKeyId, *k.SecretAccessKey, *k.SessionToken)
	if got := session.arn(t); got != a.ARN("user/Administrator") {
		t.Errorf("the session is %s", got)
	}
	_, err := session.iam.ListUsers(ctx, &iam.ListUsersInput{})
	refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid")
	_, err = session.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	refused(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	role := admin.role(t, "app", trusting(a.AccountID), "")
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	chained := c.assume(t, session, in)

	// A chained session lasts an hour at most, and more is refused (D1).
	must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("app"), PolicyName: aws.String("chain"), PolicyDocument: aws.String(statement("Allow", "sts:AssumeRole", "*")),
	}))(t)
	must(admin.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("app"), MaxSessionDuration: aws.Int32(43200)}))(t)
	in.DurationSeconds = aws.Int32(3601)
	_, err = chained.sts.AssumeRole(ctx, in)
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	must(session.sts.AssumeRole(ctx, in))(t)
	in.DurationSeconds = aws.Int32(43201)
	if _, err = session.sts.AssumeRole(ctx, in); code(err) != "ValidationError" {
		t.Errorf("more than twelve hours: %v", err)
	}

	// Somebody else's token, or a changed one, with a good key is nobody's.
	for _, token := range []string{*k.SessionToken + "A", "A" + *k.SessionToken, strings.ToUpper(*k.SessionToken), chained.token} {
		_, err := c.as(*k.AccessKeyId, *k.SecretAccessKey, token).sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if code(err) != "InvalidClientTokenId" {
			t.Errorf("a forged token: %v", err)
		}
	}
}

// TestRevokeSessions is F17 (S2-290): the policy that the console writes for "Revoke active sessions".
func TestRevokeSessions(t *testing.T) {
	checklist.Shows(t, "S2-291", "S2-296")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: now})
	c, a := reach(t, srv.URL), srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	role := admin.role(t, "app", trusting(a.AccountID), statement("Allow", "iam:*", "*"))
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
	old := []*caller{c.assume(t, admin, in), c.assume(t, admin, in)}
	must(old[0].iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)

	ahead.Store(int64(2 * time.Second))
	revoke := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["*"],"Resource":["*"],
		"Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}}`, now().UTC().Format("2006-01-02T15:04:05.000Z"))
	must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("app"), PolicyName: aws.String("AWSRevokeOlderSessions"), PolicyDocument: &revoke,
	}))(t)
	for _, s := range old {
		_, err := s.iam.ListUsers(ctx, &iam.ListUsersInput{})
		denied(t, err, s.arn(t), "iam:ListUsers", a.ARN("user/"), explicitDeny)
	}
	ahead.Store(int64(4 * time.Second))
	must(c.assume(t, admin, in).iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
}

// TestRootKeys is F25 (S2-376, S2-381) as far as the API goes.
func TestRootKeys(t *testing.T) {
	checklist.Shows(t, "S1-19", "S2-378", "S2-381")
	c, srv := newCloud(t)
	a := srv.Account(t)
	root, ctx := c.root(a), t.Context()
	k := must(root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{}))(t).AccessKey
	second := c.as(*k.AccessKeyId, *k.SecretAccessKey, "")
	if got := second.arn(t); got != a.ARN("root") {
		t.Errorf("the second key is of %s", got)
	}
	_, err := root.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	for _, status := range []types.StatusType{types.StatusTypeInactive, types.StatusTypeActive} {
		must(root.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{AccessKeyId: &second.id, Status: status}))(t)
		_, err := second.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if want := map[types.StatusType]string{types.StatusTypeInactive: "InvalidClientTokenId"}[status]; code(err) != want {
			t.Errorf("a key that is %s: %v", status, err)
		}
	}
	must(root.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{AccessKeyId: &second.id}))(t)
	if keys := must(root.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t).AccessKeyMetadata; len(keys) != 1 || *keys[0].AccessKeyId != root.id {
		t.Errorf("keys: %+v", keys)
	}
}
