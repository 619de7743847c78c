package acceptance_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// The tests of this file are what Terraform's AWS provider does with a resource, call by call: create, read, update in place,
// read, delete, and a read that finds nothing, which is how the provider knows that it is gone. They look at what the
// provider keeps in its state.

// state compares what a read gave with what the provider would expect.
func state(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b types.Tag) bool { return *a.Key < *b.Key }),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// missing expects the error that makes the provider forget a resource.
func missing(t *testing.T, err error) {
	t.Helper()
	if got := code(err); got != "NoSuchEntity" {
		t.Errorf("reading what was deleted: %v", err)
	}
}

func tags(pairs ...string) []types.Tag {
	var all []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return all
}

// plain decodes a policy document as the API answers it.
func plain(t *testing.T, document *string) string {
	t.Helper()
	return must(url.QueryUnescape(*document))(t)
}

func TestLifecycleUser(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	by, ctx := c.admin(t, a), t.Context()
	type fields struct {
		Arn, Name, Path, ID, Boundary string
		Tags                          []types.Tag
	}
	read := func(name string) (fields, error) {
		out, err := by.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
		if err != nil {
			return fields{}, err
		}
		u, f := out.User, fields{}
		f.Arn, f.Name, f.Path, f.ID, f.Tags = *u.Arn, *u.UserName, *u.Path, *u.UserId, u.Tags
		if u.PermissionsBoundary != nil {
			f.Boundary = *u.PermissionsBoundary.PermissionsBoundaryArn
		}
		return f, nil
	}
	made := must(by.iam.CreateUser(ctx, &iam.CreateUserInput{
		UserName: aws.String("deployer"), Path: aws.String("/ci/"), Tags: tags("env", "dev"), PermissionsBoundary: aws.String(powerUserAccess),
	}))(t).User
	want := fields{a.ARN("user/ci/deployer"), "deployer", "/ci/", *made.UserId, powerUserAccess, tags("env", "dev")}
	state(t, "created", must(read("deployer"))(t), want)

	must(by.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("deployer"), NewUserName: aws.String("Releaser"), NewPath: aws.String("/cd/")}))(t)
	must(by.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("Releaser"), PermissionsBoundary: aws.String(iamReadOnlyAccess)}))(t)
	must(by.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: aws.String("Releaser"), TagKeys: []string{"env"}}))(t)
	must(by.iam.TagUser(ctx, &iam.TagUserInput{UserName: aws.String("Releaser"), Tags: tags("team", "a", "owner", "")}))(t)
	want = fields{a.ARN("user/cd/Releaser"), "Releaser", "/cd/", *made.UserId, iamReadOnlyAccess, tags("owner", "", "team", "a")}
	state(t, "updated", must(read("Releaser"))(t), want)
	_, err := read("deployer")
	missing(t, err)

	must(by.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("Releaser")}))(t)
	want.Boundary = ""
	state(t, "without a boundary", must(read("Releaser"))(t), want)
	if groups := must(by.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: aws.String("Releaser")}))(t).Groups; len(groups) != 0 {
		t.Errorf("groups: %+v", groups)
	}
	must(by.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("Releaser")}))(t)
	_, err = read("Releaser")
	missing(t, err)
}

func TestLifecycleGroup(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	by, ctx := c.admin(t, a), t.Context()
	type fields struct{ Arn, Name, Path, ID string }
	read := func(name string) (fields, error) {
		out, err := by.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: &name})
		if err != nil {
			return fields{}, err
		}
		return fields{*out.Group.Arn, *out.Group.GroupName, *out.Group.Path, *out.Group.GroupId}, nil
	}
	made := must(by.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("ops"), Path: aws.String("/a/")}))(t).Group
	state(t, "created", must(read("ops"))(t), fields{a.ARN("group/a/ops"), "ops", "/a/", *made.GroupId})
	must(by.iam.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: aws.String("ops"), NewGroupName: aws.String("sre"), NewPath: aws.String("/")}))(t)
	state(t, "updated", must(read("sre"))(t), fields{a.ARN("group/sre"), "sre", "/", *made.GroupId})

	// aws_iam_group_policy
	read1 := func(name string) (string, error) {
		out, err := by.iam.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: aws.String("sre"), PolicyName: &name})
		if err != nil {
			return "", err
		}
		return plain(t, out.PolicyDocument), nil
	}
	for _, doc := range []string{statement("Allow", "s3:*", "*"), statement("Deny", "s3:Put*", "arn:aws:s3:::b/ä b+c%2F*")} {
		must(by.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: aws.String("sre"), PolicyName: aws.String("own"), PolicyDocument: &doc}))(t)
		state(t, "inline policy", must(read1("own"))(t), doc)
	}
	must(by.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: aws.String("sre"), PolicyName: aws.String("own")}))(t)
	_, err := read1("own")
	missing(t, err)
	must(by.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("sre")}))(t)
	_, err = read("sre")
	missing(t, err)
}

func TestLifecycleRole(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	by, ctx, name := c.admin(t, a), t.Context(), aws.String("app")
	type fields struct {
		Arn, Path, ID, Description, Trust, Boundary string
		MaxSession                                  int32
		Tags                                        []types.Tag
		Inline                                      []string
		Attached                                    []string
	}
	read := func() (fields, error) {
		out, err := by.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
		if err != nil {
			return fields{}, err
		}
		r := out.Role
		f := fields{Arn: *r.Arn, Path: *r.Path, ID: *r.RoleId, Description: aws.ToString(r.Description), Trust: plain(t, r.AssumeRolePolicyDocument),
			MaxSession: *r.MaxSessionDuration, Tags: r.Tags}
		if r.PermissionsBoundary != nil {
			f.Boundary = *r.PermissionsBoundary.PermissionsBoundaryArn
		}
		f.Inline = must(by.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t).PolicyNames
		f.Attached = names(must(by.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies,
			func(p types.AttachedPolicy) *string { return p.PolicyArn })
		return f, nil
	}
	ec2 := `{"Version":"2012-10-17","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}`
	made := must(by.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, Path: aws.String("/svc/"), AssumeRolePolicyDocument: &ec2, Tags: tags("a", "1"), PermissionsBoundary: aws.String(powerUserAccess),
	}))(t).Role
	want := fields{Arn: a.ARN("role/svc/app"), Path: "/svc/", ID: *made.RoleId, Trust: ec2, Boundary: powerUserAccess, MaxSession: 3600,
		Tags: tags("a", "1"), Inline: []string{}, Attached: []string{}}
	state(t, "created", must(read())(t), want)

	trust := trusting(a.ARN("root"))
	must(by.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &trust}))(t)
	must(by.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("runs the app")}))(t)
	must(by.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200)}))(t)
	must(by.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	must(by.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("a", "2", "b", "3")}))(t)
	must(by.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("own"), PolicyDocument: aws.String(statement("Allow", "s3:*", "*"))}))(t)
	must(by.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
	want.Trust, want.Description, want.MaxSession, want.Boundary = trust, "runs the app", 7200, ""
	want.Tags, want.Inline, want.Attached = tags("a", "2", "b", "3"), []string{"own"}, []string{iamReadOnlyAccess}
	state(t, "updated", must(read())(t), want)

	must(by.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
	must(by.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("own")}))(t)
	must(by.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
	_, err := read()
	missing(t, err)
}

// TestLifecyclePolicy: the provider updates a policy by a new default version, and deletes the oldest where there are five.
func TestLifecyclePolicy(t *testing.T) {
	checklist.Shows(t, "S3-104", "S3-110")
	c, srv := newCloud(t)
	a := srv.Account(t)
	by, ctx := c.admin(t, a), t.Context()
	doc := func(n int) string {
		return statement("Allow", "s3:GetObject", fmt.Sprintf("arn:aws:s3:::bucket-%d/*", n))
	}
	p := must(by.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("read"), Path: aws.String("/app/"), Description: aws.String("reads"), PolicyDocument: aws.String(doc(1)), Tags: tags("k", "v"),
	}))(t).Policy
	type fields struct {
		Arn, Name, Path, ID, Description, Version, Document string
		Attachments                                         int32
		Tags                                                []types.Tag
	}
	read := func() (fields, error) {
		out, err := by.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Arn})
		if err != nil {
			return fields{}, err
		}
		got := out.Policy
		v := must(by.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: got.DefaultVersionId}))(t).PolicyVersion
		return fields{*got.Arn, *got.PolicyName, *got.Path, *got.PolicyId, aws.ToString(got.Description), *got.DefaultVersionId, plain(t, v.Document),
			*got.AttachmentCount, got.Tags}, nil
	}
	want := fields{a.ARN("policy/app/read"), "read", "/app/", *p.PolicyId, "reads", "v1", doc(1), 0, tags("k", "v")}
	state(t, "created", must(read())(t), want)
	for n := 2; n <= 7; n++ {
		versions := must(by.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: p.Arn}))(t).Versions
		if len(versions) == 5 {
			in := &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: aws.String(doc(n))}
			if _, err := by.iam.CreatePolicyVersion(ctx, in); code(err) != "LimitExceeded" {
				t.Errorf("a sixth version: %v", err)
			}
			oldest := versions[len(versions)-1]
			must(by.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: oldest.VersionId}))(t)
		}
		must(by.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: aws.String(doc(n)), SetAsDefault: true}))(t)
	}
	want.Version, want.Document = "v7", doc(7)
	state(t, "updated", must(read())(t), want)

	// aws_iam_user_policy_attachment
	attached := func() []string {
		return names(must(by.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: aws.String("Administrator"), PathPrefix: aws.String("/app/")}))(t).AttachedPolicies,
			func(p types.AttachedPolicy) *string { return p.PolicyArn })
	}
	attach := &iam.AttachUserPolicyInput{UserName: aws.String("Administrator"), PolicyArn: p.Arn}
	must(by.iam.AttachUserPolicy(ctx, attach))(t)
	must(by.iam.AttachUserPolicy(ctx, attach))(t)
	state(t, "attached", attached(), []string{*p.Arn})
	want.Attachments = 1
	state(t, "attached once", must(read())(t), want)
	detach := &iam.DetachUserPolicyInput{UserName: aws.String("Administrator"), PolicyArn: p.Arn}
	must(by.iam.DetachUserPolicy(ctx, detach))(t)
	_, err := by.iam.DetachUserPolicy(ctx, detach)
	missing(t, err)
	state(t, "detached", attached(), []string{})

	for _, v := range must(by.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: p.Arn}))(t).Versions {
		if !v.IsDefaultVersion {
			must(by.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: v.VersionId}))(t)
		}
	}
	must(by.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn}))(t)
	_, err = read()
	missing(t, err)
}

// TestLifecycleKeyAndAlias: an access key, which the provider finds in the user's list, and the account alias.
func TestLifecycleKeyAndAlias(t *testing.T) {
	c, srv := newCloud(t)
	by, ctx, user := c.admin(t, srv.Account(t)), t.Context(), aws.String("deployer")
	must(by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: user}))(t)
	k := must(by.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user}))(t).AccessKey
	if k.Status != types.StatusTypeActive || len(*k.SecretAccessKey) != 40 || len(*k.AccessKeyId) != 20 || k.CreateDate.IsZero() {
		t.Errorf("a key of status %s", k.Status)
	}
	read := func() types.StatusType {
		for _, m := range must(by.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user}))(t).AccessKeyMetadata {
			if *m.AccessKeyId == *k.AccessKeyId && m.CreateDate.Equal(*k.CreateDate) {
				return m.Status
			}
		}
		return "missing"
	}
	state(t, "created", read(), types.StatusTypeActive)
	must(by.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: k.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	state(t, "updated", read(), types.StatusTypeInactive)
	must(by.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: k.AccessKeyId}))(t)
	state(t, "deleted", read(), types.StatusType("missing"))
	_, err := by.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: k.AccessKeyId})
	missing(t, err)
	must(by.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user}))(t)
	_, err = by.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user})
	missing(t, err)

	alias := func() []string {
		return must(by.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases
	}
	must(by.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: aws.String("our-account")}))(t)
	state(t, "alias", alias(), []string{"our-account"})
	must(by.iam.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: aws.String("our-account")}))(t)
	state(t, "alias", alias(), []string{})
	_, err = by.iam.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: aws.String("our-account")})
	missing(t, err)
}
