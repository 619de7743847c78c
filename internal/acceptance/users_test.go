package acceptance_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// TestFirstAdministrator is E2 (guide L814-909): a group of administrators made by the root user, and its first member.
func TestFirstAdministrator(t *testing.T) {
	checklist.Shows(t, "S1-141", "S1-144", "S1-147", "S1-424")
	c, srv := newCloud(t)
	a := srv.Account(t)
	root, ctx, admins := c.root(a), t.Context(), aws.String("Admins")

	made := must(root.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: admins}))(t).Group
	if *made.Arn != a.ARN("group/Admins") || *made.Path != "/" || len(*made.GroupId) < 20 || made.CreateDate.IsZero() {
		t.Errorf("CreateGroup = %+v", made)
	}
	groups := must(root.iam.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups
	if diff := cmp.Diff([]types.Group{*made}, groups, cmpopts.IgnoreUnexported(types.Group{})); diff != "" {
		t.Errorf("ListGroups (-want +got):\n%s", diff)
	}
	attach := &iam.AttachGroupPolicyInput{GroupName: admins, PolicyArn: aws.String(administratorAccess)}
	must(root.iam.AttachGroupPolicy(ctx, attach))(t)
	attached := must(root.iam.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: admins}))(t)
	want := []types.AttachedPolicy{{PolicyName: aws.String("AdministratorAccess"), PolicyArn: aws.String(administratorAccess)}}
	if diff := cmp.Diff(want, attached.AttachedPolicies, cmpopts.IgnoreUnexported(types.AttachedPolicy{})); diff != "" || attached.IsTruncated {
		t.Errorf("ListAttachedGroupPolicies (-want +got):\n%s", diff)
	}
	p := must(root.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(administratorAccess)}))(t).Policy
	if *p.PolicyName != "AdministratorAccess" || *p.AttachmentCount != 1 || p.DefaultVersionId == nil || !p.IsAttachable {
		t.Errorf("GetPolicy = %+v", p)
	}

	alice := c.user(t, root, "alice")
	_, err := alice.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")})
	denied(t, err, a.ARN("user/alice"), "iam:CreateUser", a.ARN("user/bob"), noIdentityPolicy("iam:CreateUser"))
	root.member(t, "alice", "Admins")
	must(alice.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")}))(t)
	must(alice.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("bob")}))(t)
	role := alice.role(t, "anything", trusting(a.AccountID), statement("Allow", "*", "*"))
	c.assume(t, alice, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("alice")}).arn(t)
}

// TestFirstPolicy is E5 (guide L1505-1591): a customer managed policy that lets a user look at everything and change nothing.
func TestFirstPolicy(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	user := c.user(t, admin, "PolicyUser")
	arn := a.ARN("user/PolicyUser")

	_, err := user.iam.ListUsers(ctx, &iam.ListUsersInput{})
	denied(t, err, arn, "iam:ListUsers", a.ARN("user/"), noIdentityPolicy("iam:ListUsers"))
	p := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("UsersReadOnlyAccessToIAMConsole"),
		PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
			"Action": ["iam:GenerateCredentialReport", "iam:Get*", "iam:List*"], "Resource": "*"}]}`),
	}))(t).Policy
	must(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("PolicyUser"), PolicyArn: p.Arn}))(t)

	users := must(user.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users
	if diff := cmp.Diff([]string{"Administrator", "PolicyUser"}, names(users, func(u types.User) *string { return u.UserName })); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	must(user.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t)
	must(user.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{}))(t)
	version := must(user.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v1")}))(t)
	if !version.PolicyVersion.IsDefaultVersion {
		t.Error("the first version is not the default one")
	}
	entities := must(user.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: p.Arn, EntityFilter: types.EntityTypeUser}))(t)
	if len(entities.PolicyUsers) != 1 || *entities.PolicyUsers[0].UserName != "PolicyUser" {
		t.Errorf("the policy is attached to %+v", entities.PolicyUsers)
	}
	_, err = user.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("made")})
	denied(t, err, arn, "iam:CreateUser", a.ARN("user/made"), noIdentityPolicy("iam:CreateUser"))
	_, err = user.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("made")})
	denied(t, err, arn, "iam:CreateGroup", a.ARN("group/made"), noIdentityPolicy("iam:CreateGroup"))
}

// TestKeyRotation is E13 (guide L3498-3538).
func TestKeyRotation(t *testing.T) {
	checklist.Shows(t, "S1-189", "S1-192", "S1-193", "S1-198", "S1-279")
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, alice := c.admin(t, a), t.Context(), aws.String("alice")
	old := c.user(t, admin, *alice)
	if out := must(admin.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &old.id}))(t); out.AccessKeyLastUsed.LastUsedDate != nil ||
		*out.AccessKeyLastUsed.ServiceName != "N/A" || *out.UserName != *alice {
		t.Errorf("a key that was never used: %+v", out.AccessKeyLastUsed)
	}
	old.arn(t)
	fresh := c.key(t, admin, *alice)
	_, err := admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: alice})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	fresh.arn(t)
	if out := must(admin.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &old.id}))(t).AccessKeyLastUsed; out.LastUsedDate == nil ||
		*out.ServiceName != "sts" || *out.Region != "us-east-1" {
		t.Errorf("the old key's last use: %+v", out)
	}

	status := func(s types.StatusType) {
		t.Helper()
		must(admin.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: alice, AccessKeyId: &old.id, Status: s}))(t)
	}
	gone := func() {
		t.Helper()
		_, err := old.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	status(types.StatusTypeInactive)
	gone()
	status(types.StatusTypeActive)
	old.arn(t)
	status(types.StatusTypeInactive)
	must(admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: alice, AccessKeyId: &old.id}))(t)
	gone()
	keys := must(admin.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: alice}))(t).AccessKeyMetadata
	if len(keys) != 1 || *keys[0].AccessKeyId != fresh.id || keys[0].Status != types.StatusTypeActive {
		t.Errorf("keys: %+v", keys)
	}
	if info := must(fresh.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t); *info.Account != a.AccountID {
		t.Errorf("the new key is of account %s", *info.Account)
	}
}

// TestRename is E18 (guide L2718-2741, L4960-4962, L5307-5322): a user keeps everything that refers to them as a principal
// and loses what names them as a resource.
func TestRename(t *testing.T) {
	checklist.Shows(t, "S1-120", "S1-121", "S1-122", "S1-123", "S1-150")
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	bob := c.user(t, admin, "Bob")
	id := *must(admin.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("Bob")}))(t).User.UserId
	admin.inline(t, "Bob", "self-service", statement("Allow", "iam:*AccessKey*", a.ARN("user/Bob")))
	admin.inline(t, "Bob", "assume", statement("Allow", "sts:AssumeRole", "*"))
	must(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("Bob"), PolicyArn: aws.String(ownPassword)}))(t)
	admin.group(t, "Readers", iamReadOnlyAccess)
	admin.member(t, "Bob", "Readers")
	role := admin.role(t, "trusts-Bob", trusting(a.ARN("user/Bob")), "")
	assume := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("bob")}
	must(bob.sts.AssumeRole(ctx, assume))(t)
	must(bob.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{}))(t)

	must(admin.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("Bob"), NewUserName: aws.String("Robert"), NewPath: aws.String("/staff/")}))(t)
	robert := bob // the same keys
	if got := robert.arn(t); got != a.ARN("user/staff/Robert") {
		t.Errorf("the key now belongs to %s", got)
	}
	u := must(admin.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("Robert")}))(t).User
	if *u.UserId != id || *u.Path != "/staff/" {
		t.Errorf("the user is now %s with path %s, was %s", *u.UserId, *u.Path, id)
	}
	must(robert.sts.AssumeRole(ctx, assume))(t)
	if got := *must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("trusts-Bob")}))(t).Role.AssumeRolePolicyDocument; !containsEncoded(got, a.ARN("user/staff/Robert")) {
		t.Errorf("the trust policy reads %s", got)
	}
	must(robert.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t) // through the group
	inline := must(admin.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: aws.String("Robert")}))(t).PolicyNames
	if diff := cmp.Diff([]string{"assume", "self-service"}, inline); diff != "" {
		t.Errorf("inline policies (-want +got):\n%s", diff)
	}
	attached := must(admin.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: aws.String("Robert")}))(t).AttachedPolicies
	if len(attached) != 1 || *attached[0].PolicyArn != ownPassword {
		t.Errorf("attached: %+v", attached)
	}
	// The policy that names user/Bob as a resource no longer speaks of this user; the group's still does.
	_, err := robert.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("Robert")})
	denied(t, err, a.ARN("user/staff/Robert"), "iam:CreateAccessKey", "user Robert", noIdentityPolicy("iam:CreateAccessKey"))

	// Whoever bears the old name is nobody to the role.
	bob2 := c.user(t, admin, "Bob")
	admin.inline(t, "Bob", "assume", statement("Allow", "sts:AssumeRole", "*"))
	_, err = bob2.sts.AssumeRole(ctx, assume)
	denied(t, err, a.ARN("user/Bob"), "sts:AssumeRole", role, "because no role trust policy allows the sts:AssumeRole action")
	must(robert.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("bob")}))(t) // names are found without case

	// Groups keep their members, policies and ID under a new name.
	readers := must(admin.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("Readers")}))(t).Group
	admin.inline(t, "Bob", "members", statement("Allow", "iam:AddUserToGroup", a.ARN("group/Readers")))
	add := &iam.AddUserToGroupInput{GroupName: aws.String("Readers"), UserName: aws.String("Robert")}
	must(bob2.iam.AddUserToGroup(ctx, add))(t)
	must(admin.iam.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: aws.String("Readers"), NewGroupName: aws.String("Auditors")}))(t)
	add.GroupName = aws.String("Auditors")
	_, err = bob2.iam.AddUserToGroup(ctx, add)
	denied(t, err, a.ARN("user/Bob"), "iam:AddUserToGroup", "group Auditors", noIdentityPolicy("iam:AddUserToGroup"))
	auditors := must(admin.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("Auditors")}))(t)
	if *auditors.Group.GroupId != *readers.GroupId || len(auditors.Users) != 1 || *auditors.Users[0].UserName != "Robert" {
		t.Errorf("the group is now %+v with %+v", auditors.Group, auditors.Users)
	}
	must(robert.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	_, err = admin.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("Readers")})
	refused(t, err, "NoSuchEntity", "The group with name Readers cannot be found.")
}

// TestPaging walks 250 users with the SDK's paginator, in pages of several sizes and by path.
func TestPaging(t *testing.T) {
	checklist.Shows(t, "S1-419")
	c, srv := newCloud(t)
	root := c.root(srv.Account(t))
	const count = 250
	var want []string
	for i := range count {
		name, path := fmt.Sprintf("user-%03d", i), "/"
		if i%5 == 0 {
			path = "/fifth/"
		}
		must(root.iam.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name, Path: &path}))(t)
		want = append(want, name)
	}
	for _, size := range []int32{0, 1, 7, 100, 249, 250, 251, 1000} {
		in := &iam.ListUsersInput{}
		pageLength := 100 // the default
		if size > 0 {
			in.MaxItems, pageLength = &size, int(size)
		}
		all := pages(t, iam.NewListUsersPaginator(root.iam, in))
		if wantPages := (count + pageLength - 1) / pageLength; len(all) != wantPages {
			t.Errorf("MaxItems %d: %d pages, want %d", size, len(all), wantPages)
		}
		var got []string
		for i, page := range all {
			last := i == len(all)-1
			if page.IsTruncated == last || (page.Marker == nil) != last {
				t.Errorf("MaxItems %d: page %d of %d says truncated %v, marker %v", size, i, len(all), page.IsTruncated, page.Marker)
			}
			for _, u := range page.Users {
				got = append(got, *u.UserName)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("MaxItems %d (-want +got):\n%s", size, diff)
		}
	}
	fifth := pages(t, iam.NewListUsersPaginator(root.iam, &iam.ListUsersInput{PathPrefix: aws.String("/fif"), MaxItems: aws.Int32(20)}))
	n := 0
	for _, page := range fifth {
		n += len(page.Users)
	}
	if n != count/5 || len(fifth) != 3 {
		t.Errorf("%d users under the path in %d pages", n, len(fifth))
	}

	// Users that come and go between two pages neither repeat nor hide the others.
	first := must(root.iam.ListUsers(t.Context(), &iam.ListUsersInput{MaxItems: aws.Int32(100)}))(t)
	for _, gone := range []string{"user-000", "user-099", "user-100"} {
		must(root.iam.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: &gone}))(t)
	}
	rest := must(root.iam.ListUsers(t.Context(), &iam.ListUsersInput{Marker: first.Marker, MaxItems: aws.Int32(1000)}))(t)
	if diff := cmp.Diff(want[101:], names(rest.Users, func(u types.User) *string { return u.UserName })); diff != "" {
		t.Errorf("after the first page (-want +got):\n%s", diff)
	}
	_, err := root.iam.ListUsers(t.Context(), &iam.ListUsersInput{Marker: aws.String("not a marker")})
	if code(err) != "ValidationError" {
		t.Errorf("a marker of somebody's own: %v", err)
	}
}

// containsEncoded reports whether a document as the API answers it, percent-encoded, contains text.
func containsEncoded(document, text string) bool {
	plain, err := url.PathUnescape(document)
	return err == nil && strings.Contains(plain, text)
}
