package iam_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// equalShapes compares two of the SDK's structures.
var equalShapes = cmpopts.IgnoreUnexported(types.Role{}, types.Tag{}, types.AttachedPermissionsBoundary{}, types.RoleLastUsed{},
	types.Policy{}, types.PolicyVersion{}, types.AttachedPolicy{}, types.PolicyUser{}, types.PolicyGroup{}, types.PolicyRole{},
	types.UserDetail{}, types.GroupDetail{}, types.RoleDetail{}, types.ManagedPolicyDetail{}, types.PolicyDetail{},
	types.InstanceProfile{})

// shows fails where a policy document that IAM answered is not that text, percent-encoded after RFC 3986.
func shows(t testing.TB, what string, escaped *string, text string) {
	t.Helper()
	got, err := url.PathUnescape(aws.ToString(escaped))
	if err != nil || got != text {
		t.Errorf("%s: the document is\n%s, want\n%s (%v)", what, got, text, err)
	}
	if strings.ContainsAny(aws.ToString(escaped), ` "{}:/*+,`) {
		t.Errorf("%s: not percent-encoded: %s", what, aws.ToString(escaped))
	}
}

func TestRoleLifecycle(t *testing.T) {
	checklist.Shows(t, "S2-31", "S2-39", "S2-40", "S2-41", "S2-46")
	w := newWorld(t)
	ctx, name := t.Context(), aws.String("Worker")
	spaced := strings.Replace(trustNobody, `{"Version"`, "{ \"Version\"", 1) // texts are kept as written
	made := must(w.root.CreateRole(ctx, &sdk.CreateRoleInput{
		RoleName: name, Path: aws.String("/team/"), AssumeRolePolicyDocument: &spaced, Description: aws.String("works"),
		MaxSessionDuration: aws.Int32(7200), PermissionsBoundary: aws.String(readOnly), Tags: sdkTags("b", "2", "a", "1"),
	}))(t).Role
	recent(t, "CreateDate", made.CreateDate)
	shows(t, "CreateRole", made.AssumeRolePolicyDocument, spaced)
	want := &types.Role{
		Arn: aws.String(w.arn("role/team/Worker")), RoleName: name, Path: aws.String("/team/"), RoleId: made.RoleId, CreateDate: made.CreateDate,
		AssumeRolePolicyDocument: made.AssumeRolePolicyDocument, Description: aws.String("works"), MaxSessionDuration: aws.Int32(7200),
		PermissionsBoundary: &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: aws.String(readOnly), PermissionsBoundaryType: "Policy"},
		Tags:                sdkTags("b", "2", "a", "1"),
	}
	if diff := cmp.Diff(want, made, equalShapes); diff != "" {
		t.Errorf("CreateRole (-want +got):\n%s", diff)
	}
	if id := aws.ToString(made.RoleId); !strings.HasPrefix(id, "AROA") || len(id) != 21 {
		t.Errorf("RoleId is %s", id)
	}
	get := func() *types.Role {
		t.Helper()
		return must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("WORKER")}))(t).Role
	}
	want.RoleLastUsed = &types.RoleLastUsed{}
	if diff := cmp.Diff(want, get(), equalShapes); diff != "" {
		t.Errorf("GetRole (-want +got):\n%s", diff)
	}

	must(w.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(10800)}))(t)
	if r := get(); *r.Description != "works" || *r.MaxSessionDuration != 10800 {
		t.Errorf("a description that is left out became %v, the session %d", r.Description, *r.MaxSessionDuration)
	}
	must(w.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, Description: aws.String("rests")}))(t)
	if r := get(); *r.Description != "rests" || *r.MaxSessionDuration != 3600 {
		t.Errorf("description %q, a session that is left out became %d", *r.Description, *r.MaxSessionDuration)
	}
	old := must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("old")}))(t)
	if r := get(); *r.Description != "old" || *old.Role.Description != "old" || *old.Role.RoleId != *made.RoleId {
		t.Errorf("UpdateRoleDescription: %q, answered %+v", *r.Description, old.Role)
	}
	other := strings.Replace(trustNobody, "ec2", "lambda", 1)
	must(w.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &other}))(t)
	shows(t, "GetRole", get().AssumeRolePolicyDocument, other)

	must(w.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: name}))(t)
	_, err := w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
	refused(t, err, 404, "NoSuchEntity", "The role with name Worker cannot be found.")
	if n := *must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: aws.String(readOnly)}))(t).Policy.PermissionsBoundaryUsageCount; n != 0 {
		t.Errorf("the deleted role's boundary is still counted: %d", n)
	}
	again := must(w.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: &spaced}))(t).Role
	if *again.RoleId == *made.RoleId {
		t.Error("a role made again has the old unique ID")
	}
	plain := &types.Role{
		Arn: aws.String(w.arn("role/Worker")), RoleName: name, Path: aws.String("/"), RoleId: again.RoleId, CreateDate: again.CreateDate,
		AssumeRolePolicyDocument: again.AssumeRolePolicyDocument, MaxSessionDuration: aws.Int32(3600), RoleLastUsed: &types.RoleLastUsed{},
	}
	if diff := cmp.Diff(plain, get(), equalShapes); diff != "" {
		t.Errorf("GetRole of a plain role (-want +got):\n%s", diff)
	}
}

func TestPagesOfRoles(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var all, eu []string
	for i, name := range numbered("role", 250) {
		path := "/div/us/"
		if i%3 == 0 {
			path = "/div/eu/"
			eu = append(eu, name)
		}
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateRole(w.account, directory.NewRole{Name: name, Path: path, Trust: trustNobody, Boundary: readOnly})
			return err
		})
		all = append(all, name)
	}
	for _, c := range []struct {
		size   *int32
		prefix *string
		want   []string
		pages  int
	}{
		{nil, nil, all, 3}, {aws.Int32(250), nil, all, 1}, {aws.Int32(249), nil, all, 2}, {aws.Int32(7), aws.String("/div/eu/"), eu, 12},
		{nil, aws.String("/div"), all, 3}, {nil, aws.String("/other/"), nil, 1},
	} {
		var got []string
		pages := 0
		p := sdk.NewListRolesPaginator(w.root, &sdk.ListRolesInput{MaxItems: c.size, PathPrefix: c.prefix})
		for p.HasMorePages() {
			out := must(p.NextPage(ctx))(t)
			if out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("truncated %v, marker %v", out.IsTruncated, out.Marker)
			}
			pages++
			for _, r := range out.Roles {
				got = append(got, *r.RoleName)
				if r.PermissionsBoundary != nil || r.RoleLastUsed != nil || r.Tags != nil || *r.MaxSessionDuration != 3600 {
					t.Fatalf("ListRoles shows %+v", r)
				}
				shows(t, "ListRoles", r.AssumeRolePolicyDocument, trustNobody)
			}
		}
		equalNames(t, "roles", got, c.want)
		if pages != c.pages {
			t.Errorf("%d pages, want %d", pages, c.pages)
		}
	}
}

func TestRoleTags(t *testing.T) {
	w := newWorld(t)
	ctx, name := t.Context(), aws.String("idle")
	w.scene()
	list := func() []string {
		t.Helper()
		var got []string
		p := sdk.NewListRoleTagsPaginator(w.root, &sdk.ListRoleTagsInput{RoleName: name, MaxItems: aws.Int32(2)})
		for p.HasMorePages() {
			got = append(got, textTags(must(p.NextPage(ctx))(t).Tags)...)
		}
		return got
	}
	equalNames(t, "no tags", list(), nil)
	must(w.root.TagRole(ctx, &sdk.TagRoleInput{RoleName: name, Tags: sdkTags("zone", "1", "Beta", "2", "alpha", "3")}))(t)
	equalNames(t, "sorted by key", list(), []string{"alpha=3", "Beta=2", "zone=1"})
	must(w.root.TagRole(ctx, &sdk.TagRoleInput{RoleName: name, Tags: sdkTags("BETA", "4", "delta", "")}))(t)
	equalNames(t, "keys are one without case", list(), []string{"alpha=3", "BETA=4", "delta=", "zone=1"})
	must(w.root.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"ALPHA", "nothing", "zone"}}))(t)
	equalNames(t, "removed", list(), []string{"BETA=4", "delta="})
}

// TestRoleLastUsed: GetRole shows where and when a session of the role was last used; ListRoles does not.
func TestRoleLastUsed(t *testing.T) {
	w := newWorld(t)
	session := w.session("roamer", "s")
	must(session.ListUsers(t.Context(), &sdk.ListUsersInput{}))(t)
	if err := w.usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := must(w.root.GetRole(t.Context(), &sdk.GetRoleInput{RoleName: aws.String("roamer")}))(t).Role
	if aws.ToString(r.RoleLastUsed.Region) != "us-east-1" {
		t.Errorf("RoleLastUsed is %+v", r.RoleLastUsed)
	}
	recent(t, "LastUsedDate", r.RoleLastUsed.LastUsedDate)
}

// TestTrustFollowsThePrincipal: a trust policy names the entity, not its name: it shows the ARN as long as the entity exists,
// then its unique ID, and who comes after under the same name is not trusted until somebody names it again (S2-21, S2-22).
func TestTrustFollowsThePrincipal(t *testing.T) {
	w := newWorld(t)
	ctx, role, roleARN := t.Context(), aws.String("trusting"), w.arn("role/trusting")
	sts := w.sts()
	alice := w.user("alice", allow("sts:AssumeRole", "*"))
	id := *must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("alice")}))(t).User.UserId
	byName := trust(w.arn("user/alice"))
	must(w.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: &byName}))(t)
	checklist.Shows(t, "S2-21", "S2-22", "S2-23")
	shown := func(want string) {
		t.Helper()
		shows(t, "GetRole", must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: role}))(t).Role.AssumeRolePolicyDocument, want)
		shows(t, "ListRoles", must(w.root.ListRoles(ctx, &sdk.ListRolesInput{}))(t).Roles[0].AssumeRolePolicyDocument, want)
		shows(t, "UpdateRoleDescription", must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{
			RoleName: role, Description: aws.String("d")}))(t).Role.AssumeRolePolicyDocument, want)
		details := must(w.root.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{}))(t)
		shows(t, "GetAccountAuthorizationDetails", details.RoleDetailList[0].AssumeRolePolicyDocument, want)
	}
	shown(byName)
	if _, err := w.assume(sts(alice), roleARN); err != nil {
		t.Errorf("alice is trusted: %v", err)
	}

	must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("alicia"), NewPath: aws.String("/x/")}))(t)
	shown(trust(w.arn("user/x/alicia")))
	if _, err := w.assume(sts(alice), roleARN); err != nil {
		t.Errorf("alice is trusted under her new name: %v", err)
	}
	must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("alicia"), NewUserName: aws.String("alice"), NewPath: aws.String("/")}))(t)

	w.make(func(tx *directory.Tx) error {
		keys := must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: aws.String("alice")}))(t).AccessKeyMetadata
		if err := tx.DeleteAccessKey(directory.OfUser(w.account, "alice"), *keys[0].AccessKeyId); err != nil {
			return err
		}
		if err := tx.DeleteInlinePolicy(directory.OfUser(w.account, "alice"), "test"); err != nil {
			return err
		}
		return tx.DeleteUser(w.account, "alice")
	})
	shown(trust(id))
	second := w.user("alice", allow("sts:AssumeRole", "*"))
	shown(trust(id))
	_, err := w.assume(sts(second), roleARN)
	refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/alice")+" is not authorized to perform: sts:AssumeRole on resource: "+roleARN+
		" because no role trust policy allows the sts:AssumeRole action")
	must(w.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: &byName}))(t)
	shown(byName)
	if _, err := w.assume(sts(second), roleARN); err != nil {
		t.Errorf("the new alice is trusted by now: %v", err)
	}
}

// TestServiceLinkedRole: of a service-linked role only the description and the tags may be changed (S2-41, S2-251).
func TestServiceLinkedRole(t *testing.T) {
	checklist.Shows(t, "S2-41")
	w := newWorld(t)
	w.scene()
	ctx, linked := t.Context(), aws.String("linked")
	must(w.root.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: linked, Description: aws.String("new")}))(t)
	must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: linked, Description: aws.String("newer")}))(t)
	must(w.root.TagRole(ctx, &sdk.TagRoleInput{RoleName: linked, Tags: sdkTags("k", "v")}))(t)
	checklist.Shows(t, "S2-41", "S2-251")
	r := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: linked}))(t).Role
	if *r.Description != "newer" || *r.MaxSessionDuration != 3600 || len(r.Tags) != 1 {
		t.Errorf("the role is %+v", r)
	}
	must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: linked, Description: aws.String("")}))(t)
	if r := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: linked}))(t).Role; aws.ToString(r.Description) != "" {
		t.Errorf("the description is %q after it was emptied", *r.Description)
	}
}
