package iam_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/service/iam"
)

// grantPermissions are the operations on roles, policies and what is granted, with the one permission that opens each. They
// are called on a scene.
func grantPermissions(w *world) []permission {
	target, crew, worker, one := aws.String("target"), aws.String("crew"), aws.String("worker"), aws.String("one")
	plan, spare := w.arn("policy/team/plan"), w.arn("policy/spare")
	return []permission{
		{"CreateRole", "role/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("fresh"), Path: aws.String("/new/"), AssumeRolePolicyDocument: aws.String(trustNobody)})
			return err
		}},
		{"GetRole", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: worker})
			return err
		}},
		{"ListRoles", "role/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListRoles(ctx, &sdk.ListRolesInput{})
			return err
		}},
		{"UpdateRole", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: worker})
			return err
		}},
		{"UpdateRoleDescription", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: worker, Description: aws.String("d")})
			return err
		}},
		{"DeleteRole", "role/idle", "role idle", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("idle")})
			return err
		}},
		{"UpdateAssumeRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: worker, PolicyDocument: aws.String(trustNobody)})
			return err
		}},
		{"TagRole", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagRole(ctx, &sdk.TagRoleInput{RoleName: worker, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagRole", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: worker, TagKeys: []string{"color"}})
			return err
		}},
		{"ListRoleTags", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: worker})
			return err
		}},
		{"CreatePolicy", "policy/new/fresh", "policy fresh", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("fresh"), Path: aws.String("/new/"), PolicyDocument: &allowNothing})
			return err
		}},
		{"GetPolicy", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &plan})
			return err
		}},
		{"ListPolicies", "*", "policy path /", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListPolicies(ctx, &sdk.ListPoliciesInput{})
			return err
		}},
		{"DeletePolicy", "policy/spare", "policy " + spare, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: &spare})
			return err
		}},
		{"CreatePolicyVersion", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &plan, PolicyDocument: &allowNothing})
			return err
		}},
		{"GetPolicyVersion", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: &plan, VersionId: aws.String("v1")})
			return err
		}},
		{"ListPolicyVersions", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: &plan})
			return err
		}},
		{"DeletePolicyVersion", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: &plan, VersionId: aws.String("v2")})
			return err
		}},
		{"SetDefaultPolicyVersion", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: &plan, VersionId: aws.String("v2")})
			return err
		}},
		{"TagPolicy", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: &plan, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagPolicy", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: &plan, TagKeys: []string{"color"}})
			return err
		}},
		{"ListPolicyTags", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: &plan})
			return err
		}},
		{"ListEntitiesForPolicy", "policy/team/plan", "policy " + plan, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: &plan})
			return err
		}},
		{"GetAccountAuthorizationDetails", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{})
			return err
		}},
		{"AttachUserPolicy", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: target, PolicyArn: &spare})
			return err
		}},
		{"DetachUserPolicy", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: target, PolicyArn: &plan})
			return err
		}},
		{"ListAttachedUserPolicies", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: target})
			return err
		}},
		{"PutUserPolicy", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: target, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		}},
		{"GetUserPolicy", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: target, PolicyName: one})
			return err
		}},
		{"ListUserPolicies", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: target})
			return err
		}},
		{"DeleteUserPolicy", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: target, PolicyName: one})
			return err
		}},
		{"PutUserPermissionsBoundary", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: target, PermissionsBoundary: &spare})
			return err
		}},
		{"DeleteUserPermissionsBoundary", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: target})
			return err
		}},
		{"AttachGroupPolicy", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: crew, PolicyArn: &spare})
			return err
		}},
		{"DetachGroupPolicy", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: crew, PolicyArn: &plan})
			return err
		}},
		{"ListAttachedGroupPolicies", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListAttachedGroupPolicies(ctx, &sdk.ListAttachedGroupPoliciesInput{GroupName: crew})
			return err
		}},
		{"PutGroupPolicy", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: crew, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		}},
		{"GetGroupPolicy", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetGroupPolicy(ctx, &sdk.GetGroupPolicyInput{GroupName: crew, PolicyName: one})
			return err
		}},
		{"ListGroupPolicies", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListGroupPolicies(ctx, &sdk.ListGroupPoliciesInput{GroupName: crew})
			return err
		}},
		{"DeleteGroupPolicy", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: crew, PolicyName: one})
			return err
		}},
		{"AttachRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: worker, PolicyArn: &spare})
			return err
		}},
		{"DetachRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: worker, PolicyArn: &plan})
			return err
		}},
		{"ListAttachedRolePolicies", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: worker})
			return err
		}},
		{"PutRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: worker, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		}},
		{"GetRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: worker, PolicyName: one})
			return err
		}},
		{"ListRolePolicies", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: worker})
			return err
		}},
		{"DeleteRolePolicy", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: worker, PolicyName: one})
			return err
		}},
		{"PutRolePermissionsBoundary", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: worker, PermissionsBoundary: &spare})
			return err
		}},
		{"DeleteRolePermissionsBoundary", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: worker})
			return err
		}},
	}
}

// TestEveryOperationIsHeld: the tables of permissions have every operation that is built.
func TestEveryOperationIsHeld(t *testing.T) {
	held := make(map[string]bool)
	for _, p := range permissions("") {
		held[p.operation] = true
	}
	held["ChangePassword"] = true                                    // in TestChangePasswordPermission: it is about the caller
	held["AcquireRole"], held["GetRoleTemplateVersion"] = true, true // in TestRoleTemplates: they never succeed
	for _, f := range families {
		for _, p := range f.permissions(&world{}) {
			held[p.operation] = true
		}
	}
	for name := range iam.New(iam.Config{}).Handlers {
		if !held[name] {
			t.Errorf("%s is in no table", name)
		}
	}
}
