package iam_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/directory"
)

// apiError is an operation with an error of the model that it answers.
type apiError struct {
	operation, code, message string
	do                       func() error
	quota                    string // set to n before the call
	n                        int
	first                    func() error // what else comes before the call; nil is nothing
	counted                  bool         // the refusal itself goes on record, outside the records of entities: a wrong code
}

const (
	badDocument = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject"}]}`
	noResource  = "Policy statement must contain resources."
	malformed   = "arn:aws:iam::123456789012:user/somebody"
)

// grantErrors are the errors of a scene's operations.
func grantErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	roles, users, groups, policies := callsOn(w)
	plan, spare, nothing := w.arn("policy/team/plan"), w.arn("policy/spare"), w.arn("policy/nothing")
	add := func(operation, code, message string, do func() error) {
		all = append(all, apiError{operation: operation, code: code, message: message, do: do})
	}
	limit := func(operation, quota string, n int, message string, do func() error) {
		all = append(all, apiError{operation: operation, code: "LimitExceeded", message: message, do: do, quota: quota, n: n})
	}
	bind := func(f func(string) error, target string) func() error { return func() error { return f(target) } }

	// Targets that are not there.
	for i, of := range []calls{roles, users, groups} {
		kind := []string{"role", "user", "group"}[i]
		for _, operation := range slices.Sorted(maps.Keys(of)) {
			add(operation, "NoSuchEntity", "The "+kind+" with name nobody cannot be found.", bind(of[operation], "nobody"))
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(policies)) {
		message := "Policy " + nothing + " was not found."
		if operation == "GetPolicyVersion" || operation == "DeletePolicyVersion" || operation == "SetDefaultPolicyVersion" {
			message = "Policy " + nothing + " version v1 does not exist or is not attachable."
		}
		add(operation, "NoSuchEntity", message, bind(policies[operation], nothing))
		add(operation, "ValidationError", "ARN "+malformed+" is not valid.", bind(policies[operation], malformed))
	}

	// Service-linked roles.
	for _, operation := range []string{"UpdateRole", "DeleteRole", "UpdateAssumeRolePolicy", "AttachRolePolicy", "DetachRolePolicy",
		"PutRolePolicy", "DeleteRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"} {
		add(operation, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'linked' - this role is only modifiable by AWS",
			bind(roles[operation], "linked"))
	}

	// What is attached and embedded.
	type part struct {
		kind, upper, name     string
		attach, detach        func(arn string) error
		put                   func(name, document string) error
		boundary              func(arn string) error // nil for groups
		inlineQuota, useQuota string
	}
	for _, p := range []part{
		{kind: "user", upper: "User", name: "target", inlineQuota: directory.UserPolicySizeQuota, useQuota: directory.AttachedPoliciesPerUserQuota,
			attach: func(arn string) error {
				_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("target"), PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := c.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("target"), PolicyArn: &arn})
				return err
			},
			put: func(name, document string) error {
				_, err := c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("target"), PolicyName: &name, PolicyDocument: &document})
				return err
			},
			boundary: func(arn string) error {
				_, err := c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("target"), PermissionsBoundary: &arn})
				return err
			}},
		{kind: "group", upper: "Group", name: "crew", inlineQuota: directory.GroupPolicySizeQuota, useQuota: directory.AttachedPoliciesPerGroupQuota,
			attach: func(arn string) error {
				_, err := c.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := c.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: &arn})
				return err
			},
			put: func(name, document string) error {
				_, err := c.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("crew"), PolicyName: &name, PolicyDocument: &document})
				return err
			}},
		{kind: "role", upper: "Role", name: "worker", inlineQuota: directory.RolePolicySizeQuota, useQuota: directory.AttachedPoliciesPerRoleQuota,
			attach: func(arn string) error {
				_, err := c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: &arn})
				return err
			},
			put: func(name, document string) error {
				_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: &name, PolicyDocument: &document})
				return err
			},
			boundary: func(arn string) error {
				_, err := c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("worker"), PermissionsBoundary: &arn})
				return err
			}},
	} {
		add("Attach"+p.upper+"Policy", "NoSuchEntity", "Policy "+nothing+" does not exist or is not attachable.", bind(p.attach, nothing))
		add("Attach"+p.upper+"Policy", "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer "+p.upper+".", bind(p.attach, linkedPolicy))
		add("Attach"+p.upper+"Policy", "ValidationError", "ARN "+malformed+" is not valid.", bind(p.attach, malformed))
		limit("Attach"+p.upper+"Policy", p.useQuota, 1, "Cannot exceed quota for PoliciesPer"+p.upper+": 1", bind(p.attach, readOnly))
		add("Detach"+p.upper+"Policy", "NoSuchEntity", "Policy "+nothing+" was not found.", bind(p.detach, nothing))
		add("Detach"+p.upper+"Policy", "NoSuchEntity", "Policy "+readOnly+" was not found.", bind(p.detach, readOnly))
		add("Detach"+p.upper+"Policy", "ValidationError", "ARN "+malformed+" is not valid.", bind(p.detach, malformed))
		add("Put"+p.upper+"Policy", "MalformedPolicyDocument", noResource, func() error { return p.put("new", badDocument) })
		limit("Put"+p.upper+"Policy", p.inlineQuota, 10, "Maximum policy size of 10 bytes exceeded for "+p.kind+" "+p.name,
			func() error { return p.put("new", allowNothing) })
		if p.boundary == nil {
			continue
		}
		operation := "Put" + p.upper + "PermissionsBoundary"
		add(operation, "NoSuchEntity", "Scope ARN: "+nothing+" does not exist or is not attachable.", bind(p.boundary, nothing))
		add(operation, "InvalidInput", "ARN "+malformed+" is not valid.", bind(p.boundary, malformed))
		add(operation, "PolicyNotAttachable", "The policy "+linkedPolicy+" cannot be used as a permissions boundary.", bind(p.boundary, linkedPolicy))
	}

	// Roles.
	createRole := func(in sdk.CreateRoleInput) func() error {
		if in.RoleName == nil {
			in.RoleName = aws.String("fresh")
		}
		if in.AssumeRolePolicyDocument == nil {
			in.AssumeRolePolicyDocument = aws.String(trustNobody)
		}
		return func() error { _, err := c.CreateRole(ctx, &in); return err }
	}
	twice := sdkTags("key", "1", "KEY", "2")
	add("CreateRole", "EntityAlreadyExists", "Role with name WORKER already exists.", createRole(sdk.CreateRoleInput{RoleName: aws.String("WORKER")}))
	add("CreateRole", "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.", createRole(sdk.CreateRoleInput{Tags: twice}))
	add("CreateRole", "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+w.arn("user/nobody")+`"`,
		createRole(sdk.CreateRoleInput{AssumeRolePolicyDocument: aws.String(trust(w.arn("user/nobody")))}))
	add("CreateRole", "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"`+w.arn("role/fresh")+`"`,
		createRole(sdk.CreateRoleInput{AssumeRolePolicyDocument: aws.String(trust(w.arn("role/fresh")))}))
	add("CreateRole", "NoSuchEntity", "Scope ARN: "+nothing+" does not exist or is not attachable.", createRole(sdk.CreateRoleInput{PermissionsBoundary: &nothing}))
	limit("CreateRole", directory.RolesQuota, 3, "Cannot exceed quota for RolesPerAccount: 3", createRole(sdk.CreateRoleInput{}))
	limit("CreateRole", directory.AssumeRolePolicySizeQuota, 20, "Cannot exceed quota for ACLSizePerRole: 20", createRole(sdk.CreateRoleInput{}))
	all = append(all,
		apiError{operation: "DeleteRole", code: "DeleteConflict", message: "Cannot delete entity, must detach all policies first.",
			first: bind(roles["DeleteRolePolicy"], "worker"), do: bind(roles["DeleteRole"], "worker")},
		apiError{operation: "DeleteRole", code: "DeleteConflict", message: "Cannot delete entity, must delete policies first.",
			first: bind(roles["DetachRolePolicy"], "worker"), do: bind(roles["DeleteRole"], "worker")})
	updateTrust := func(text string) func() error {
		return func() error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("idle"), PolicyDocument: &text})
			return err
		}
	}
	add("UpdateAssumeRolePolicy", "MalformedPolicyDocument", "Has prohibited field Resource", updateTrust(strings.Replace(trustNobody, `"Action"`, `"Resource":"*","Action"`, 1)))
	limit("UpdateAssumeRolePolicy", directory.AssumeRolePolicySizeQuota, 20, "Cannot exceed quota for ACLSizePerRole: 20", updateTrust(trustNobody))
	add("TagRole", "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.", func() error {
		_, err := c.TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("idle"), Tags: twice})
		return err
	})
	limit("TagRole", directory.TagsPerResourceQuota, 1, "Cannot exceed quota for TagsPerResource: 1", bind(roles["TagRole"], "worker"))
	for _, operation := range []string{"GetRolePolicy", "DeleteRolePolicy"} {
		add(operation, "NoSuchEntity", "The role policy with name one cannot be found.", bind(roles[operation], "idle"))
	}

	// Policies.
	createPolicy := func(in sdk.CreatePolicyInput) func() error {
		if in.PolicyName == nil {
			in.PolicyName = aws.String("fresh")
		}
		if in.PolicyDocument == nil {
			in.PolicyDocument = &allowNothing
		}
		return func() error { _, err := c.CreatePolicy(ctx, &in); return err }
	}
	twice = sdkTags("key", "1", "key", "2")
	add("CreatePolicy", "EntityAlreadyExists", "A policy called plan already exists. Duplicate names are not allowed.", createPolicy(sdk.CreatePolicyInput{PolicyName: aws.String("plan")}))
	add("CreatePolicy", "InvalidInput", "Duplicate tag keys found.", createPolicy(sdk.CreatePolicyInput{Tags: twice}))
	add("CreatePolicy", "MalformedPolicyDocument", noResource, createPolicy(sdk.CreatePolicyInput{PolicyDocument: aws.String(badDocument)}))
	limit("CreatePolicy", directory.PoliciesQuota, 2, "Cannot exceed quota for PoliciesPerAccount: 2", createPolicy(sdk.CreatePolicyInput{}))
	limit("CreatePolicy", directory.PolicySizeQuota, 20, "Cannot exceed quota for PolicySize: 20", createPolicy(sdk.CreatePolicyInput{}))
	limit("CreatePolicy", directory.PolicyVersionsInUseQuota, 3, "Cannot exceed quota for PolicyVersionsInUse: 3", createPolicy(sdk.CreatePolicyInput{}))
	add("DeletePolicy", "DeleteConflict", "Cannot delete a policy attached to entities.", bind(policies["DeletePolicy"], plan))
	all = append(all, apiError{operation: "DeletePolicy", code: "DeleteConflict", message: "This policy has more than one version. " +
		"Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
		first: bind(policies["CreatePolicyVersion"], spare), do: bind(policies["DeletePolicy"], spare)})
	add("DeletePolicyVersion", "DeleteConflict", "Cannot delete the default version of a policy.", bind(policies["DeletePolicyVersion"], plan))
	add("CreatePolicyVersion", "MalformedPolicyDocument", noResource, func() error {
		_, err := c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &plan, PolicyDocument: aws.String(badDocument)})
		return err
	})
	limit("CreatePolicyVersion", directory.VersionsPerPolicyQuota, 2,
		"A managed policy can have up to 2 versions. Before you create a new version, you must delete an existing version.",
		bind(policies["CreatePolicyVersion"], plan))
	add("TagPolicy", "InvalidInput", "Duplicate tag keys found.", func() error {
		_, err := c.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: &plan, Tags: twice})
		return err
	})
	limit("TagPolicy", directory.TagsPerResourceQuota, 1, "Cannot exceed quota for TagsPerResource: 1", bind(policies["TagPolicy"], plan))
	return all
}

var (
	// neverOccurs are errors of the model that no operation here answers.
	neverOccurs = map[string]string{
		"ServiceFailure":         "only where the store is broken",
		"ConcurrentModification": "only where 32 others win one after the other; a request that loses is decided again",
	}
	// cannotOccur are errors that the model lists for an operation and that it has no occasion for.
	cannotOccur = map[string]map[string]string{
		"LimitExceeded": {
			"DeleteRole": nothingGrows, "DeletePolicy": nothingGrows, "DeletePolicyVersion": nothingGrows, "SetDefaultPolicyVersion": nothingGrows,
			"DetachUserPolicy": nothingGrows, "DetachGroupPolicy": nothingGrows, "DetachRolePolicy": nothingGrows,
			"DeleteUserPolicy": nothingGrows, "DeleteGroupPolicy": nothingGrows, "DeleteRolePolicy": nothingGrows,
			"DeleteUser": nothingGrows, "DeleteGroup": nothingGrows, "UpdateUser": nothingGrows, "UpdateGroup": nothingGrows,
			"RemoveUserFromGroup": nothingGrows, "DeleteAccessKey": nothingGrows, "UpdateAccessKey": nothingGrows,
			"DeleteAccountAlias": nothingGrows, "CreateAccountAlias": "a new alias takes the place of the old one",
		},
		"InvalidInput": {
			"GetPolicy": malformedARN, "DeletePolicy": malformedARN, "CreatePolicyVersion": malformedARN, "GetPolicyVersion": malformedARN,
			"ListPolicyVersions": malformedARN, "DeletePolicyVersion": malformedARN, "SetDefaultPolicyVersion": malformedARN,
			"UntagPolicy": malformedARN, "ListPolicyTags": malformedARN, "ListEntitiesForPolicy": malformedARN,
			"AttachUserPolicy": malformedARN, "AttachGroupPolicy": malformedARN, "AttachRolePolicy": malformedARN,
			"DetachUserPolicy": malformedARN, "DetachGroupPolicy": malformedARN, "DetachRolePolicy": malformedARN,
			"ListAttachedUserPolicies": byConstraint, "ListAttachedGroupPolicies": byConstraint, "ListAttachedRolePolicies": byConstraint,
		},
		"NoSuchEntity":                  {"CreateGroup": "it names nothing that would have to be there"},
		"EntityTemporarilyUnmodifiable": {"UpdateUser": "no change leaves a user half made"},
		"UnmodifiableEntity":            {"UpdateRoleDescription": "the description of a service-linked role may be changed"},
	}
)

const (
	nothingGrows = "nothing grows"
	malformedARN = "a malformed ARN is a ValidationError"
	byConstraint = "the model's constraints answer a ValidationError before"
)

var status = map[string]int{
	"NoSuchEntity": 404, "ReportNotPresent": 410, "ReportExpired": 410, "ReportInProgress": 404, "ReportGenerationLimitExceeded": 409, "EntityAlreadyExists": 409, "DeleteConflict": 409, "LimitExceeded": 409, "UnmodifiableEntity": 400,
	"PolicyNotAttachable": 400, "InvalidInput": 400, "MalformedPolicyDocument": 400, "ValidationError": 400,
	"OpenIdIdpCommunicationError": 400,
	"InvalidAuthenticationCode":   403, "EntityTemporarilyUnmodifiable": 409,
	"MalformedCertificate": 400, "InvalidCertificate": 400, "DuplicateCertificate": 409, "KeyPairMismatch": 400,
	"InvalidPublicKey": 400, "DuplicateSSHPublicKey": 400, "UnrecognizedPublicKeyEncoding": 400, "NotSupportedService": 404,
	"FeatureEnabled": 409, "FeatureDisabled": 404, "OrganizationNotFoundException": 400, "AccountNotManagementOrDelegatedAdministratorException": 400,
	"OrganizationNotInAllFeaturesModeException": 400, "ServiceAccessNotEnabledException": 400, "CallerIsNotManagementAccountException": 400,
}
