package iam_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// allDetails goes through the pages of GetAccountAuthorizationDetails and names what it finds, in order.
func allDetails(t *testing.T, w *world, size int32, filter ...types.EntityType) (found []string, all sdk.GetAccountAuthorizationDetailsOutput) {
	t.Helper()
	p := sdk.NewGetAccountAuthorizationDetailsPaginator(w.root, &sdk.GetAccountAuthorizationDetailsInput{MaxItems: &size, Filter: filter})
	for p.HasMorePages() {
		out := must(p.NextPage(t.Context()))(t)
		if n := len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList) + len(out.Policies); n > int(size) {
			t.Fatalf("%d entities in a page of %d", n, size)
		}
		for _, u := range out.UserDetailList {
			found = append(found, "user/"+*u.UserName)
		}
		for _, g := range out.GroupDetailList {
			found = append(found, "group/"+*g.GroupName)
		}
		for _, r := range out.RoleDetailList {
			found = append(found, "role/"+*r.RoleName)
		}
		for _, p := range out.Policies {
			found = append(found, "policy/"+*p.PolicyName)
		}
		all.UserDetailList, all.GroupDetailList = append(all.UserDetailList, out.UserDetailList...), append(all.GroupDetailList, out.GroupDetailList...)
		all.RoleDetailList, all.Policies = append(all.RoleDetailList, out.RoleDetailList...), append(all.Policies, out.Policies...)
	}
	return found, all
}

func TestAuthorizationDetails(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "Bench"})
		for _, group := range []string{"crew", "Bench"} {
			if err == nil {
				err = tx.AddToGroup(w.account, "target", group)
			}
		}
		if err == nil {
			err = tx.AttachPolicy(directory.OfUser(w.account, "target"), administrator)
		}
		return err
	})
	policies := "policy/plan policy/spare"
	managed := "policy/AdministratorAccess policy/ReadOnlyAccess" // of AWS's, those in use
	for name, c := range map[string]struct {
		filter []types.EntityType
		want   string
	}{
		"everything": {nil, "user/target group/Bench group/crew role/idle role/linked role/worker " + policies + " " + managed},
		"users":      {[]types.EntityType{types.EntityTypeUser}, "user/target"},
		"groups":     {[]types.EntityType{types.EntityTypeGroup}, "group/Bench group/crew"},
		"two kinds":  {[]types.EntityType{types.EntityTypeLocalManagedPolicy, types.EntityTypeRole}, "role/idle role/linked role/worker " + policies},
		"AWS":        {[]types.EntityType{types.EntityTypeAWSManagedPolicy}, managed},
	} {
		for _, size := range []int32{1, 2, 5, 100} {
			got, _ := allDetails(t, w, size, c.filter...)
			equalNames(t, fmt.Sprintf("%s, %d at a time", name, size), got, strings.Fields(c.want))
		}
	}

	escaped := aws.String(strings.ReplaceAll(url.QueryEscape(allowNothing), "+", "%20"))
	inline := []types.PolicyDetail{{PolicyName: aws.String("one"), PolicyDocument: escaped}}
	attachedPlan := types.AttachedPolicy{PolicyArn: aws.String(w.arn("policy/team/plan")), PolicyName: aws.String("plan")}
	boundary := &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: aws.String(readOnly), PermissionsBoundaryType: "Policy"}
	_, all := allDetails(t, w, 100)

	user := must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("target")}))(t).User
	if diff := cmp.Diff(types.UserDetail{
		Arn: user.Arn, UserName: user.UserName, UserId: user.UserId, Path: user.Path, CreateDate: user.CreateDate, Tags: user.Tags,
		AttachedManagedPolicies: []types.AttachedPolicy{{PolicyArn: aws.String(administrator), PolicyName: aws.String("AdministratorAccess")}, attachedPlan},
		GroupList:               []string{"Bench", "crew"}, PermissionsBoundary: boundary, UserPolicyList: inline,
	}, all.UserDetailList[0], equalShapes); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	group := must(w.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: aws.String("crew")}))(t).Group
	if diff := cmp.Diff(types.GroupDetail{
		Arn: group.Arn, GroupName: group.GroupName, GroupId: group.GroupId, Path: group.Path, CreateDate: group.CreateDate,
		AttachedManagedPolicies: []types.AttachedPolicy{attachedPlan}, GroupPolicyList: inline,
	}, all.GroupDetailList[1], equalShapes); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
	role := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("worker")}))(t).Role
	if diff := cmp.Diff(types.RoleDetail{
		Arn: role.Arn, RoleName: role.RoleName, RoleId: role.RoleId, Path: role.Path, CreateDate: role.CreateDate, Tags: role.Tags,
		AssumeRolePolicyDocument: role.AssumeRolePolicyDocument, AttachedManagedPolicies: []types.AttachedPolicy{attachedPlan},
		InstanceProfileList: []types.InstanceProfile{}, PermissionsBoundary: boundary, RoleLastUsed: &types.RoleLastUsed{}, RolePolicyList: inline,
	}, all.RoleDetailList[2], equalShapes); diff != "" {
		t.Errorf("role (-want +got):\n%s", diff)
	}
	plan := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: attachedPlan.PolicyArn}))(t).Policy
	versions := must(w.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: plan.Arn}))(t).Versions
	for i := range versions {
		versions[i].Document = escaped
	}
	if diff := cmp.Diff(types.ManagedPolicyDetail{
		Arn: plan.Arn, PolicyName: plan.PolicyName, PolicyId: plan.PolicyId, Path: plan.Path, CreateDate: plan.CreateDate, UpdateDate: plan.UpdateDate,
		AttachmentCount: aws.Int32(3), PermissionsBoundaryUsageCount: aws.Int32(0), DefaultVersionId: aws.String("v1"), IsAttachable: true,
		PolicyVersionList: versions,
	}, all.Policies[0], equalShapes); diff != "" || len(versions) != 2 {
		t.Errorf("policy with %d versions (-want +got):\n%s", len(versions), diff)
	}
	known, _ := catalog.ManagedPolicies().ByARN(readOnly)
	aws0 := all.Policies[3]
	if *aws0.AttachmentCount != 0 || *aws0.PermissionsBoundaryUsageCount != 2 || len(aws0.PolicyVersionList) != 1 || !aws0.IsAttachable {
		t.Errorf("ReadOnlyAccess is %+v", aws0)
	}
	shows(t, "ReadOnlyAccess", aws0.PolicyVersionList[0].Document, known.Document())
}

// TestForeignMarkers: an operation takes back only markers of its own.
func TestForeignMarkers(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	plan, target := aws.String(w.arn("policy/team/plan")), aws.String("target")
	policies := must(w.root.ListPolicies(ctx, &sdk.ListPoliciesInput{MaxItems: aws.Int32(1)}))(t).Marker
	entities := must(w.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: plan, MaxItems: aws.Int32(1)}))(t).Marker
	versions := must(w.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: plan, MaxItems: aws.Int32(1)}))(t).Marker
	details := must(w.root.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1)}))(t).Marker
	invented := aws.String("AAAA")
	refuse := func(what string, markers []*string, list func(*string) error) {
		t.Helper()
		for _, marker := range markers {
			t.Log(what, *marker)
			refused(t, list(marker), 400, "ValidationError", "Invalid Marker.")
		}
	}
	refuse("ListPolicies", []*string{entities, versions, details, invented}, func(m *string) error {
		_, err := w.root.ListPolicies(ctx, &sdk.ListPoliciesInput{Marker: m})
		return err
	})
	refuse("ListEntitiesForPolicy", []*string{policies, versions, details, invented}, func(m *string) error {
		_, err := w.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: plan, Marker: m})
		return err
	})
	refuse("ListPolicyVersions", []*string{policies, entities, details, invented}, func(m *string) error {
		_, err := w.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: plan, Marker: m})
		return err
	})
	refuse("GetAccountAuthorizationDetails", []*string{policies, entities, versions, invented}, func(m *string) error {
		_, err := w.root.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{Marker: m})
		return err
	})
	refuse("ListAttachedUserPolicies", []*string{entities, versions, details, invented}, func(m *string) error {
		_, err := w.root.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: target, Marker: m})
		return err
	})
	refuse("ListRoles", []*string{invented}, func(m *string) error {
		_, err := w.root.ListRoles(ctx, &sdk.ListRolesInput{Marker: m})
		return err
	})
	refuse("ListUserPolicies", []*string{invented}, func(m *string) error {
		_, err := w.root.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: target, Marker: m})
		return err
	})
	refuse("ListRoleTags", []*string{policies, invented}, func(m *string) error {
		_, err := w.root.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: aws.String("worker"), Marker: m})
		return err
	})
	refuse("ListPolicyTags", []*string{policies, invented}, func(m *string) error {
		_, err := w.root.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: plan, Marker: m})
		return err
	})
}
