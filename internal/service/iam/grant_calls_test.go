package iam_test

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
)

// calls are operations by name, called for a target: the name of a role, user or group, or the ARN of a managed policy.
type calls map[string]func(target string) error

// callsOn are the operations on roles and policies with inputs that a scene allows, by what their target is.
func callsOn(w *world) (roles, users, groups, policies calls) {
	ctx, c, one := w.t.Context(), w.root, aws.String("one")
	plan, spare := w.arn("policy/team/plan"), w.arn("policy/spare")
	roles = calls{
		"GetRole": func(target string) error {
			_, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: &target})
			return err
		},
		"UpdateRole": func(target string) error {
			_, err := c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: &target, MaxSessionDuration: aws.Int32(7200)})
			return err
		},
		"UpdateRoleDescription": func(target string) error {
			_, err := c.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: &target, Description: aws.String("d")})
			return err
		},
		"DeleteRole": func(target string) error {
			_, err := c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: &target})
			return err
		},
		"UpdateAssumeRolePolicy": func(target string) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: &target, PolicyDocument: aws.String(trustNobody)})
			return err
		},
		"TagRole": func(target string) error {
			_, err := c.TagRole(ctx, &sdk.TagRoleInput{RoleName: &target, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagRole": func(target string) error {
			_, err := c.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: &target, TagKeys: []string{"k"}})
			return err
		},
		"ListRoleTags": func(target string) error {
			_, err := c.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: &target})
			return err
		},
		"AttachRolePolicy": func(target string) error {
			_, err := c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: &target, PolicyArn: &spare})
			return err
		},
		"DetachRolePolicy": func(target string) error {
			_, err := c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: &target, PolicyArn: &plan})
			return err
		},
		"ListAttachedRolePolicies": func(target string) error {
			_, err := c.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: &target})
			return err
		},
		"PutRolePolicy": func(target string) error {
			_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: &target, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		},
		"DeleteRolePolicy": func(target string) error {
			_, err := c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: &target, PolicyName: one})
			return err
		},
		"GetRolePolicy": func(target string) error {
			_, err := c.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: &target, PolicyName: one})
			return err
		},
		"ListRolePolicies": func(target string) error {
			_, err := c.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: &target})
			return err
		},
		"PutRolePermissionsBoundary": func(target string) error {
			_, err := c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: &target, PermissionsBoundary: &spare})
			return err
		},
		"DeleteRolePermissionsBoundary": func(target string) error {
			_, err := c.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: &target})
			return err
		},
	}
	users = calls{
		"AttachUserPolicy": func(target string) error {
			_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: &target, PolicyArn: &spare})
			return err
		},
		"DetachUserPolicy": func(target string) error {
			_, err := c.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: &target, PolicyArn: &plan})
			return err
		},
		"ListAttachedUserPolicies": func(target string) error {
			_, err := c.ListAttachedUserPolicies(ctx, &sdk.ListAttachedUserPoliciesInput{UserName: &target})
			return err
		},
		"PutUserPolicy": func(target string) error {
			_, err := c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: &target, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		},
		"DeleteUserPolicy": func(target string) error {
			_, err := c.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: &target, PolicyName: one})
			return err
		},
		"GetUserPolicy": func(target string) error {
			_, err := c.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: &target, PolicyName: one})
			return err
		},
		"ListUserPolicies": func(target string) error {
			_, err := c.ListUserPolicies(ctx, &sdk.ListUserPoliciesInput{UserName: &target})
			return err
		},
		"PutUserPermissionsBoundary": func(target string) error {
			_, err := c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: &target, PermissionsBoundary: &spare})
			return err
		},
		"DeleteUserPermissionsBoundary": func(target string) error {
			_, err := c.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: &target})
			return err
		},
	}
	groups = calls{
		"AttachGroupPolicy": func(target string) error {
			_, err := c.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: &target, PolicyArn: &spare})
			return err
		},
		"DetachGroupPolicy": func(target string) error {
			_, err := c.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: &target, PolicyArn: &plan})
			return err
		},
		"ListAttachedGroupPolicies": func(target string) error {
			_, err := c.ListAttachedGroupPolicies(ctx, &sdk.ListAttachedGroupPoliciesInput{GroupName: &target})
			return err
		},
		"PutGroupPolicy": func(target string) error {
			_, err := c.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: &target, PolicyName: one, PolicyDocument: &allowNothing})
			return err
		},
		"DeleteGroupPolicy": func(target string) error {
			_, err := c.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: &target, PolicyName: one})
			return err
		},
		"GetGroupPolicy": func(target string) error {
			_, err := c.GetGroupPolicy(ctx, &sdk.GetGroupPolicyInput{GroupName: &target, PolicyName: one})
			return err
		},
		"ListGroupPolicies": func(target string) error {
			_, err := c.ListGroupPolicies(ctx, &sdk.ListGroupPoliciesInput{GroupName: &target})
			return err
		},
	}
	policies = calls{
		"GetPolicy": func(target string) error {
			_, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &target})
			return err
		},
		"DeletePolicy": func(target string) error {
			_, err := c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: &target})
			return err
		},
		"CreatePolicyVersion": func(target string) error {
			_, err := c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &target, PolicyDocument: &allowNothing})
			return err
		},
		"GetPolicyVersion": func(target string) error {
			_, err := c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: &target, VersionId: aws.String("v1")})
			return err
		},
		"ListPolicyVersions": func(target string) error {
			_, err := c.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: &target})
			return err
		},
		"DeletePolicyVersion": func(target string) error {
			_, err := c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: &target, VersionId: aws.String("v1")})
			return err
		},
		"SetDefaultPolicyVersion": func(target string) error {
			_, err := c.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: &target, VersionId: aws.String("v1")})
			return err
		},
		"TagPolicy": func(target string) error {
			_, err := c.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: &target, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagPolicy": func(target string) error {
			_, err := c.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: &target, TagKeys: []string{"k"}})
			return err
		},
		"ListPolicyTags": func(target string) error {
			_, err := c.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: &target})
			return err
		},
		"ListEntitiesForPolicy": func(target string) error {
			_, err := c.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: &target})
			return err
		},
	}
	return roles, users, groups, policies
}
