package iam_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// TestElastiCacheRole is the service-linked role of ElastiCache from beginning to end, as its user guide has it.
func TestElastiCacheRole(t *testing.T) {
	w := newWorld(t)
	ctx, name := t.Context(), aws.String(cacheRole)
	t.Run("made", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-1", "S2-SLR-2", "S2-SLR-11")
		made := must(w.root.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: aws.String(cacheService)}))(t).Role
		if *made.RoleName != cacheRole || *made.Arn != w.arn("role/aws-service-role/elasticache.amazonaws.com/AWSServiceRoleForElastiCache") {
			t.Errorf("made %s", *made.Arn)
		}
		shows(t, "CreateServiceLinkedRole", made.AssumeRolePolicyDocument,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"elasticache.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	})
	t.Run("its policy", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-2", "S2-SLR-3", "S2-SLR-11")
		attached := must(w.root.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies
		if len(attached) != 1 || *attached[0].PolicyName != "ElastiCacheServiceRolePolicy" || *attached[0].PolicyArn != linkedPolicy {
			t.Fatalf("attached %+v", attached)
		}
		w.newRole("other")
		_, err := w.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("other"), PolicyArn: aws.String(linkedPolicy)})
		refused(t, err, 400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
	})
	t.Run("what it may", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-11")
		in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(w.arn("role/" + cachePath)), ActionNames: []string{
			"ec2:AuthorizeSecurityGroupIngress", "ec2:CreateNetworkInterface", "ec2:CreateSecurityGroup", "ec2:DeleteNetworkInterface", "ec2:DeleteSecurityGroup",
			"ec2:DescribeAvailabilityZones", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
			"ec2:ModifyNetworkInterfaceAttribute", "ec2:RevokeSecurityGroupIngress", "cloudwatch:PutMetricData", "outposts:GetOutpost",
			"outposts:GetOutpostInstanceTypes", "outposts:ListOutposts", "outposts:ListSites",
		}}
		decided := func() map[string]types.PolicyEvaluationDecisionType {
			all := make(map[string]types.PolicyEvaluationDecisionType)
			for _, r := range must(w.root.SimulatePrincipalPolicy(ctx, in))(t).EvaluationResults {
				all[*r.EvalActionName] = r.EvalDecision
			}
			return all
		}
		for action, decision := range decided() {
			if decision != types.PolicyEvaluationDecisionTypeAllowed {
				t.Errorf("%s: %s", action, decision)
			}
		}
		in.ActionNames = []string{"ec2:RunInstances", "s3:GetObject", "iam:PassRole"}
		for action, decision := range decided() {
			if decision != types.PolicyEvaluationDecisionTypeImplicitDeny {
				t.Errorf("%s: %s", action, decision)
			}
		}
	})
	t.Run("with AWS's policy for all of ElastiCache", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-8")
		w.t = t
		full := aws.String("arn:aws:iam::aws:policy/AmazonElastiCacheFullAccess")
		caller := w.user("cacher")
		other := aws.String("elasticache.amazonaws.com")
		create := func(service *string) error {
			_, err := caller.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: service})
			return err
		}
		w.denied(create(other), "cacher", "iam:CreateServiceLinkedRole", w.arn("role/"+cachePath))
		must(w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("cacher"), PolicyArn: full}))(t)
		refused(t, create(other), 400, "InvalidInput", "Service role name "+cacheRole+" has been taken in this account, please try a different suffix.")
		w.denied(create(aws.String("rds.amazonaws.com")), "cacher", "iam:CreateServiceLinkedRole", w.arn("role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"))
	})
	t.Run("its sessions cannot be revoked", func(t *testing.T) {
		checklist.Shows(t, "S2-261", "S2-295")
		revoke := document(deny("*", "*").when("DateLessThan", "aws:TokenIssueTime", time.Now().UTC().Format(time.RFC3339)))
		_, err := w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("AWSRevokeOlderSessions"), PolicyDocument: &revoke})
		refused(t, err, 400, "UnmodifiableEntity", "Cannot perform the operation on the protected role '"+cacheRole+"' - this role is only modifiable by AWS")
	})
	t.Run("its description", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-12")
		must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("for the cache")}))(t)
		if r := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t).Role; *r.Description != "for the cache" {
			t.Errorf("the role is %+v", r)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		checklist.Shows(t, "S2-SLR-16", "S2-SLR-19", "S2-SLR-20", "S2-SLR-21")
		w.t = t
		sweep := func() {
			if err := w.unlink.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		sweep()
		must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name}))(t) // nobody asked for it
		task := must(w.root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: name}))(t).DeletionTaskId
		var got []types.DeletionTaskStatusType
		status := func() {
			got = append(got, must(w.root.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t).Status)
		}
		status()
		sweep()
		status()
		if want := []types.DeletionTaskStatusType{"NOT_STARTED", "SUCCEEDED"}; !slices.Equal(got, want) {
			t.Errorf("the task was %v, want %v", got, want)
		}
		_, err := w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
		refused(t, err, 404, "NoSuchEntity", "The role with name "+cacheRole+" cannot be found.")
	})
}

// TestPassingRoles: who may hand which role to EC2 (guide L8296-8345).
func TestPassingRoles(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, role := range []string{"Get-pics", "EC2-roles-for-XYZ-1", "Admin"} {
		w.newRole(role)
	}
	caller := w.user("caller")
	n := 0
	pass := func(t *testing.T, role string) error {
		n++
		profile := aws.String("profile-" + strings.Repeat("x", n))
		must(w.root.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: profile}))(t)
		_, err := caller.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: &role})
		held := must(w.root.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: profile}))(t).InstanceProfile.Roles
		if (len(held) == 1) != (err == nil) {
			t.Errorf("%v, and the profile holds %d roles", err, len(held))
		}
		return err
	}
	for resource, open := range map[string][]string{
		w.arn("role/Get-pics"): {"Get-pics"}, w.arn("role/EC2-roles-for-XYZ-*"): {"EC2-roles-for-XYZ-1"}, "*": {"Get-pics", "EC2-roles-for-XYZ-1", "Admin"},
		"arn:aws:iam::*:user/Get-pics": nil,
	} {
		t.Run(resource, func(t *testing.T) {
			checklist.Shows(t, "S2-120")
			w.t = t
			w.grant("caller", allow("iam:AddRoleToInstanceProfile", "*"), allow("iam:PassRole", resource))
			for _, role := range []string{"Get-pics", "EC2-roles-for-XYZ-1", "Admin"} {
				err := pass(t, role)
				if slices.Contains(open, role) {
					if err != nil {
						t.Errorf("%s: %v", role, err)
					}
					continue
				}
				w.denied(err, "caller", "iam:PassRole", "role "+role)
			}
		})
	}
	t.Run("with GetRole", func(t *testing.T) {
		checklist.Shows(t, "S2-121")
		w.t = t
		w.grant("caller", allow("iam:AddRoleToInstanceProfile", "*"), allow("iam:PassRole", w.arn("role/EC2-roles-for-XYZ-*")), allow("iam:GetRole", w.arn("role/EC2-roles-for-XYZ-*")))
		must(w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("EC2-roles-for-XYZ-1"), PolicyName: aws.String("p"), PolicyDocument: &allowNothing}))(t)
		r := must(caller.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("EC2-roles-for-XYZ-1")}))(t).Role
		shows(t, "GetRole", r.AssumeRolePolicyDocument, trustNobody) // which trusts EC2
		if err := pass(t, "EC2-roles-for-XYZ-1"); err != nil {
			t.Error(err)
		}
		_, err := caller.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("Admin")})
		w.denied(err, "caller", "iam:GetRole", "role Admin")
	})
}

// newRole makes a role that trusts EC2.
func (w *world) newRole(name string) {
	w.t.Helper()
	must(w.root.CreateRole(w.t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustNobody)}))(w.t)
}
