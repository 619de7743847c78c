package acceptance_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// leftover is something that must go before its owner can: the sentence that says so, and the way to remove it.
type leftover struct {
	message string
	remove  func() error
}

// checkDeletion tries to delete before every removal and expects each leftover to be named, in the documented order; then it
// deletes.
func checkDeletion(t *testing.T, remove func() error, leftovers []leftover) {
	t.Helper()
	for _, l := range leftovers {
		refused(t, remove(), "DeleteConflict", l.message)
		must(0, l.remove())(t)
	}
	must(0, remove())(t)
	if got := code(remove()); got != "NoSuchEntity" {
		t.Errorf("deleting again: %s", got)
	}
}

func failure[T any](_ T, err error) error { return err }

const (
	sayPolicies = "Cannot delete entity, must detach all policies first."
	sayInline   = "Cannot delete entity, must delete policies first."
)

// TestDeleteUser is the user half of E17 (guide L2762-2803).
func TestDeleteUser(t *testing.T) {
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	alice := c.user(t, admin, "alice", iamReadOnlyAccess)
	admin.inline(t, "alice", "own", statement("Allow", "s3:*", "*"))
	admin.group(t, "Readers", iamReadOnlyAccess)
	admin.member(t, "alice", "Readers")
	name := aws.String("alice")
	checkDeletion(t, func() error { return failure(admin.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name})) }, []leftover{
		{"Cannot delete entity, must delete access keys first.", func() error {
			return failure(admin.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &alice.id}))
		}},
		{sayInline, func() error {
			return failure(admin.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("own")}))
		}},
		{sayPolicies, func() error {
			return failure(admin.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))
		}},
		{"Cannot delete entity, must remove users from group first.", func() error {
			return failure(admin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: aws.String("Readers")}))
		}},
	})
	// A boundary and tags go with the user.
	must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{
		UserName: name, PermissionsBoundary: aws.String(iamReadOnlyAccess), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t)
	must(admin.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name}))(t)
}

// TestDeleteGroup is the group half of E17 (guide L5324-5370). Managed policies survive.
func TestDeleteGroup(t *testing.T) {
	checklist.Shows(t, "S1-152", "S3-283")
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	name := aws.String("Developers")
	admin.group(t, *name, iamReadOnlyAccess)
	admin.member(t, "Administrator", *name)
	must(admin.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{
		GroupName: name, PolicyName: aws.String("own"), PolicyDocument: aws.String(statement("Allow", "s3:*", "*")),
	}))(t)
	checkDeletion(t, func() error { return failure(admin.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: name})) }, []leftover{
		{"Cannot delete entity, must remove users from group first.", func() error {
			return failure(admin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: aws.String("Administrator"), GroupName: name}))
		}},
		{sayInline, func() error {
			return failure(admin.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: name, PolicyName: aws.String("own")}))
		}},
		{sayPolicies, func() error {
			return failure(admin.iam.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))
		}},
	})
	must(admin.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
}

// TestDeleteRole is F9 (S2-43).
func TestDeleteRole(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("app")
	admin.role(t, *name, trusting(a.AccountID), statement("Allow", "s3:*", "*"))
	must(admin.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))(t)
	must(admin.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("another")}))(t)
	must(admin.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("another"), RoleName: name}))(t)
	checkDeletion(t, func() error { return failure(admin.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})) }, []leftover{
		{"Cannot delete entity, must remove roles from instance profile first.", func() error {
			return failure(admin.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: aws.String("another"), RoleName: name}))
		}},
		{sayInline, func() error {
			return failure(admin.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("own")}))
		}},
		{sayPolicies, func() error {
			return failure(admin.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: aws.String(iamReadOnlyAccess)}))
		}},
	})
}

// TestDeletePolicy: a managed policy goes after its uses and its other versions.
func TestDeletePolicy(t *testing.T) {
	checklist.Shows(t, "S3-109", "S3-122")
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	doc := aws.String(statement("Allow", "s3:*", "*"))
	p := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("buckets"), PolicyDocument: doc}))(t).Policy
	must(admin.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: doc, SetAsDefault: true}))(t)
	must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice"), PermissionsBoundary: p.Arn}))(t)
	must(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("Administrator"), PolicyArn: p.Arn}))(t)

	who := must(admin.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: p.Arn}))(t).PolicyUsers
	if len(who) != 2 || *who[0].UserName != "Administrator" || *who[1].UserName != "alice" {
		t.Errorf("the policy is used by %+v", who)
	}
	_, err := admin.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v2")})
	refused(t, err, "DeleteConflict", "Cannot delete the default version of a policy.")
	attached := "Cannot delete a policy attached to entities."
	checkDeletion(t, func() error { return failure(admin.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})) }, []leftover{
		{attached, func() error {
			return failure(admin.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: aws.String("Administrator"), PolicyArn: p.Arn}))
		}},
		{attached, func() error { // as a boundary
			return failure(admin.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("alice")}))
		}},
		{"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.", func() error {
			return failure(admin.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v1")}))
		}},
	})
}
