package iam_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/directory"
)

// TestBoundaryCaps: a boundary caps an administrator, user or role, and grants nothing by itself (S4-M20).
func TestBoundaryCaps(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	user, role := w.user("admin", allow("*", "*")), w.session("roamer", "s")
	callers := []struct {
		client *sdk.Client
		arn    string
		get    func() *types.AttachedPermissionsBoundary
		put    func(arn string) error
		remove func() error
	}{
		{user, w.arn("user/admin"),
			func() *types.AttachedPermissionsBoundary {
				return must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("admin")}))(t).User.PermissionsBoundary
			},
			func(arn string) error {
				_, err := w.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("admin"), PermissionsBoundary: &arn})
				return err
			},
			func() error {
				_, err := w.root.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: aws.String("admin")})
				return err
			}},
		{role, "arn:aws:sts::" + w.account + ":assumed-role/roamer/s",
			func() *types.AttachedPermissionsBoundary {
				return must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("roamer")}))(t).Role.PermissionsBoundary
			},
			func(arn string) error {
				_, err := w.root.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("roamer"), PermissionsBoundary: &arn})
				return err
			},
			func() error {
				_, err := w.root.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("roamer")})
				return err
			}},
	}
	create := func(c *sdk.Client, name string) error {
		_, err := c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: &name})
		return err
	}
	for i, c := range callers {
		name := []string{"one", "two"}[i]
		if c.get() != nil {
			t.Errorf("%s has a boundary", c.arn)
		}
		if err := create(c.client, name); err != nil {
			t.Errorf("%s without a boundary: %v", c.arn, err)
		}
		for _, arn := range []string{administrator, readOnly} { // the second in place of the first
			if err := c.put(arn); err != nil {
				t.Fatal(err)
			}
			if b := c.get(); *b.PermissionsBoundaryArn != arn || b.PermissionsBoundaryType != "Policy" {
				t.Errorf("the boundary is %s of type %s", *b.PermissionsBoundaryArn, b.PermissionsBoundaryType)
			}
		}
		refused(t, create(c.client, name+"2"), 403, "AccessDenied", "User: "+c.arn+" is not authorized to perform: iam:CreateGroup on resource: "+
			w.arn("group/"+name+"2")+" because no permissions boundary allows the iam:CreateGroup action")
		must(c.client.ListGroups(ctx, &sdk.ListGroupsInput{}))(t) // what both allow
		must(w.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: &name}))(t)
		for range 2 { // taking away what is not there is no error
			if err := c.remove(); err != nil {
				t.Fatal(err)
			}
		}
		if err := create(c.client, name); err != nil || c.get() != nil {
			t.Errorf("%s without the boundary: %v", c.arn, err)
		}
	}
	must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{
		PolicyName: aws.String("no"), PolicyDocument: aws.String(document(allow("*", "*"), deny("iam:CreateGroup", "*")))}))(t)
	if err := callers[0].put(w.arn("policy/no")); err != nil {
		t.Fatal(err)
	}
	refused(t, create(user, "three"), 403, "AccessDenied", "User: "+w.arn("user/admin")+" is not authorized to perform: iam:CreateGroup on resource: "+
		w.arn("group/three")+" with an explicit deny in a permissions boundary")

	bounded := w.user("bounded")
	w.make(func(tx *directory.Tx) error {
		return tx.PutBoundary(directory.OfUser(w.account, "bounded"), administrator)
	})
	w.denied(create(bounded, "four"), "bounded", "iam:CreateGroup", w.arn("group/four"))
}

// delegated is the guide's example of delegated administration ("Delegating responsibility to others using permissions
// boundaries"): María lets Zhang manage users, but only such as have the boundary XCompanyBoundaries, and Zhang can neither
// change that boundary nor take it away, nor touch María.
const delegated = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "CreateOrChangeOnlyWithBoundary",
      "Effect": "Allow",
      "Action": ["iam:AttachUserPolicy", "iam:CreateUser", "iam:DeleteUserPolicy", "iam:DetachUserPolicy", "iam:PutUserPermissionsBoundary", "iam:PutUserPolicy"],
      "Resource": "*",
      "Condition": {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::ACCOUNT:policy/XCompanyBoundaries"}}
    },
    {
      "Sid": "CloudWatchAndOtherIAMTasks",
      "Effect": "Allow",
      "Action": ["cloudwatch:*", "iam:CreateAccessKey", "iam:CreateGroup", "iam:CreatePolicy", "iam:DeleteGroup", "iam:DeletePolicy",
        "iam:DeletePolicyVersion", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeleteUser", "iam:DeleteUserPermissionsBoundary",
        "iam:GetUser", "iam:GetPolicy", "iam:ListUsers", "iam:UpdateUser"],
      "NotResource": "arn:aws:iam::ACCOUNT:user/Maria"
    },
    {
      "Sid": "NoBoundaryPolicyEdit",
      "Effect": "Deny",
      "Action": ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"],
      "Resource": ["arn:aws:iam::ACCOUNT:policy/XCompanyBoundaries", "arn:aws:iam::ACCOUNT:policy/DelegatedUserBoundary"]
    },
    {
      "Sid": "NoBoundaryUserDelete",
      "Effect": "Deny",
      "Action": "iam:DeleteUserPermissionsBoundary",
      "Resource": "*"
    }
  ]
}`

func TestDelegatedAdministration(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	maria := w.user("Maria", allow("*", "*"))
	company, own := w.arn("policy/XCompanyBoundaries"), w.arn("policy/DelegatedUserBoundary")
	for name, text := range map[string]string{
		"XCompanyBoundaries":    document(allow("s3:*", "*"), allow("iam:ListUsers", "*")),
		"DelegatedUserBoundary": strings.ReplaceAll(delegated, "ACCOUNT", w.account),
	} {
		must(maria.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &text}))(t)
	}
	zhang := w.user("Zhang", allow("iam:*", "*"))
	must(maria.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("Zhang"), PermissionsBoundary: &own}))(t)

	capped := func(err error, action, resource string) {
		t.Helper()
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/Zhang")+" is not authorized to perform: "+action+" on resource: "+resource+
			" because no permissions boundary allows the "+action+" action")
	}
	forbidden := func(err error, action, resource string) {
		t.Helper()
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/Zhang")+" is not authorized to perform: "+action+" on resource: "+resource+
			" with an explicit deny in a permissions boundary")
	}
	nikhil := aws.String("Nikhil")
	_, err := zhang.CreateUser(ctx, &sdk.CreateUserInput{UserName: nikhil})
	capped(err, "iam:CreateUser", w.arn("user/Nikhil"))
	_, err = zhang.CreateUser(ctx, &sdk.CreateUserInput{UserName: nikhil, PermissionsBoundary: aws.String(administrator)})
	capped(err, "iam:CreateUser", w.arn("user/Nikhil"))
	must(zhang.CreateUser(ctx, &sdk.CreateUserInput{UserName: nikhil, PermissionsBoundary: &company}))(t)

	// What Nikhil gets is capped by the company's boundary, whatever Zhang attaches.
	must(zhang.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: nikhil, PolicyArn: aws.String(administrator)}))(t)
	must(zhang.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: nikhil, PolicyName: aws.String("all"), PolicyDocument: aws.String(document(allow("*", "*")))}))(t)
	key := must(zhang.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: nikhil}))(t).AccessKey
	n := w.client(*key.AccessKeyId, *key.SecretAccessKey, "")
	must(n.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	_, err = n.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("friend")})
	refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/Nikhil")+" is not authorized to perform: iam:CreateUser on resource: "+
		w.arn("user/friend")+" because no permissions boundary allows the iam:CreateUser action")

	// Users without the boundary, María and Zhang themselves among them, are out of Zhang's reach.
	w.user("other")
	for _, name := range []string{"other", "Maria", "Zhang"} {
		_, err = zhang.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: &name, PolicyArn: aws.String(administrator)})
		capped(err, "iam:AttachUserPolicy", "user "+name)
		_, err = zhang.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &allowNothing})
		capped(err, "iam:PutUserPolicy", "user "+name)
		_, err = zhang.DeleteUserPermissionsBoundary(ctx, &sdk.DeleteUserPermissionsBoundaryInput{UserName: &name})
		forbidden(err, "iam:DeleteUserPermissionsBoundary", "user "+name)
	}
	_, err = zhang.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("maria")}) // the name has no case, the ARN has
	capped(err, "iam:CreateAccessKey", "user maria")
	_, err = zhang.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: nikhil, PermissionsBoundary: aws.String(administrator)})
	capped(err, "iam:PutUserPermissionsBoundary", "user Nikhil")
	must(zhang.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("other"), PermissionsBoundary: &company}))(t)

	// The boundaries themselves stand.
	for _, arn := range []string{company, own} {
		_, err = zhang.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: aws.String(document(allow("*", "*"))), SetAsDefault: true})
		forbidden(err, "iam:CreatePolicyVersion", "policy "+arn)
		_, err = zhang.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: &arn})
		forbidden(err, "iam:DeletePolicy", "policy "+arn)
	}
	_, err = zhang.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("way-out"), AssumeRolePolicyDocument: aws.String(trust(w.arn("user/Zhang")))})
	capped(err, "iam:CreateRole", w.arn("role/way-out"))
	must(zhang.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: nikhil, PolicyArn: aws.String(administrator)}))(t)
	must(zhang.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: nikhil, PolicyName: aws.String("all")}))(t)
}

// TestDelegatedRoles: iam:PermissionsBoundary on roles, for every action that has it: the new boundary where one is set, the
// role's own elsewhere.
func TestDelegatedRoles(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, bound := t.Context(), w.arn("policy/spare")
	caller := w.user("caller", allow("iam:*", "*").when("StringEquals", "iam:PermissionsBoundary", bound))
	name := aws.String("made")
	_, err := caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustNobody)})
	w.denied(err, "caller", "iam:CreateRole", w.arn("role/made"))
	_, err = caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustNobody), PermissionsBoundary: aws.String(readOnly)})
	w.denied(err, "caller", "iam:CreateRole", w.arn("role/made"))
	must(caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustNobody), PermissionsBoundary: &bound}))(t)
	for _, c := range []struct {
		action string
		do     func(role *string) error
	}{
		{"GetRole", func(role *string) error { _, err := caller.GetRole(ctx, &sdk.GetRoleInput{RoleName: role}); return err }},
		{"UpdateRole", func(role *string) error {
			_, err := caller.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: role})
			return err
		}},
		{"UpdateRoleDescription", func(role *string) error {
			_, err := caller.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: role, Description: aws.String("d")})
			return err
		}},
		{"UpdateAssumeRolePolicy", func(role *string) error {
			_, err := caller.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: aws.String(trustNobody)})
			return err
		}},
		{"PutRolePolicy", func(role *string) error {
			_, err := caller.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("p"), PolicyDocument: &allowNothing})
			return err
		}},
		{"DeleteRolePolicy", func(role *string) error {
			_, err := caller.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: role, PolicyName: aws.String("p")})
			return err
		}},
		{"AttachRolePolicy", func(role *string) error {
			_, err := caller.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String(administrator)})
			return err
		}},
		{"DetachRolePolicy", func(role *string) error {
			_, err := caller.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(administrator)})
			return err
		}},
		{"DeleteRolePermissionsBoundary", func(role *string) error {
			_, err := caller.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: role})
			return err
		}},
		{"PutRolePermissionsBoundary", func(role *string) error {
			b := &bound
			if role != name {
				b = aws.String(readOnly)
			}
			_, err := caller.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: b})
			return err
		}},
		{"DeleteRole", func(role *string) error {
			_, err := caller.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: role})
			return err
		}},
	} {
		for _, other := range []string{"worker", "idle", "nobody"} { // another boundary, none, and no such role
			w.denied(c.do(&other), "caller", "iam:"+c.action, "role "+other)
		}
		if err := c.do(name); err != nil {
			t.Errorf("%s: %v", c.action, err)
		}
	}
}

// TestTagsOfRolesAndPolicies: access by the tags of roles and policies. iam:ResourceTag is a key of roles, not of policies.
func TestTagsOfRolesAndPolicies(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	getRole := func(c *sdk.Client, name string) error {
		_, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: &name})
		return err
	}
	getPolicy := func(c *sdk.Client, arn string) error {
		_, err := c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &arn})
		return err
	}
	plan, spare := w.arn("policy/team/plan"), w.arn("policy/spare")
	for i, key := range []string{"aws:ResourceTag/color", "iam:ResourceTag/COLOR"} { // condition keys have no case
		name := []string{"general", "own"}[i]
		caller := w.user(name, allow("iam:*", "*").when("StringEquals", key, "blue"))
		if err := getRole(caller, "worker"); err != nil {
			t.Errorf("%s on a role: %v", key, err)
		}
		w.denied(getRole(caller, "idle"), name, "iam:GetRole", "role idle")
		w.denied(getRole(caller, "nobody"), name, "iam:GetRole", "role nobody")
		w.denied(getPolicy(caller, spare), name, "iam:GetPolicy", "policy "+spare)
		w.denied(getPolicy(caller, readOnly), name, "iam:GetPolicy", "policy "+readOnly)
		if err := getPolicy(caller, plan); i == 0 && err != nil {
			t.Errorf("%s on a policy: %v", key, err)
		} else if i == 1 {
			w.denied(err, name, "iam:GetPolicy", "policy "+plan)
		}
	}
	// A tag that is set or taken away counts from the next request on.
	caller := w.user("caller", allow("iam:*", "*").when("StringEquals", "aws:ResourceTag/color", "blue"))
	must(w.root.TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("idle"), Tags: sdkTags("color", "blue")}))(t)
	if err := getRole(caller, "idle"); err != nil {
		t.Error(err)
	}
	must(caller.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: aws.String("idle"), TagKeys: []string{"color"}}))(t)
	w.denied(getRole(caller, "idle"), "caller", "iam:GetRole", "role idle")
}

// TestRequestTagsOfRolesAndPolicies: tags in a request are condition keys, of making a role or policy and of tagging it, and
// making one with tags needs the permission to tag.
func TestRequestTagsOfRolesAndPolicies(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	caller := w.user("caller", allow("iam:Create*", "*").when("StringEquals", "aws:RequestTag/team", "red"))
	role := func(name string, tags []types.Tag) error {
		_, err := caller.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustNobody), Tags: tags})
		return err
	}
	policy := func(name string, tags []types.Tag) error {
		_, err := caller.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &allowNothing, Tags: tags})
		return err
	}
	w.denied(role("r", nil), "caller", "iam:CreateRole", w.arn("role/r"))
	w.denied(role("r", sdkTags("team", "blue")), "caller", "iam:CreateRole", w.arn("role/r"))
	w.denied(role("r", sdkTags("team", "red")), "caller", "iam:TagRole", w.arn("role/r"))
	w.denied(policy("p", sdkTags("team", "blue")), "caller", "iam:CreatePolicy", "policy p")
	w.denied(policy("p", sdkTags("team", "red")), "caller", "iam:TagPolicy", "policy "+w.arn("policy/p"))

	w.grant("caller", allow("iam:Create*", "*"))
	w.make(func(tx *directory.Tx) error {
		return tx.PutInlinePolicy(directory.OfUser(w.account, "caller"), "tags", document(
			allow("iam:TagRole", "*").when("ForAllValues:StringEquals", "aws:TagKeys", []string{"team"}),
			allow("iam:TagPolicy", "*").when("ForAllValues:StringEquals", "aws:TagKeys", []string{"team"}),
			allow("iam:UntagRole", "*").when("ForAllValues:StringEquals", "aws:TagKeys", []string{"team"}),
			allow("iam:UntagPolicy", "*").when("ForAllValues:StringEquals", "aws:TagKeys", []string{"team"})))
	})
	w.denied(role("r", sdkTags("team", "red", "cost", "1")), "caller", "iam:TagRole", w.arn("role/r"))
	w.denied(policy("p", sdkTags("team", "red", "cost", "1")), "caller", "iam:TagPolicy", "policy "+w.arn("policy/p"))
	for _, err := range []error{role("r", sdkTags("team", "red")), policy("p", sdkTags("team", "red"))} {
		if err != nil {
			t.Error(err)
		}
	}
	arn := aws.String(w.arn("policy/p"))
	_, err := caller.TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("r"), Tags: sdkTags("cost", "1")})
	w.denied(err, "caller", "iam:TagRole", "role r")
	_, err = caller.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: sdkTags("cost", "1")})
	w.denied(err, "caller", "iam:TagPolicy", "policy "+*arn)
	_, err = caller.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: aws.String("r"), TagKeys: []string{"team", "cost"}})
	w.denied(err, "caller", "iam:UntagRole", "role r")
	_, err = caller.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"cost"}})
	w.denied(err, "caller", "iam:UntagPolicy", "policy "+*arn)
	must(caller.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: aws.String("r"), TagKeys: []string{"team"}}))(t)
	must(caller.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"team"}}))(t)
}

// TestDenialsOfRolesTellNothing: to somebody who may not ask, a role that exists, whatever its path and case, is like one
// that does not.
func TestDenialsOfRolesTellNothing(t *testing.T) {
	w := newWorld(t)
	w.scene()
	caller, ctx := w.user("caller"), t.Context()
	for action, do := range map[string]func(string) error{
		"GetRole": func(name string) error { _, err := caller.GetRole(ctx, &sdk.GetRoleInput{RoleName: &name}); return err },
		"PutRolePolicy": func(name string) error {
			_, err := caller.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: &name, PolicyName: &name, PolicyDocument: &allowNothing})
			return err
		},
		"AttachRolePolicy": func(name string) error {
			_, err := caller.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String(readOnly)})
			return err
		},
		"DeleteRole": func(name string) error {
			_, err := caller.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: &name})
			return err
		},
	} {
		for _, name := range []string{"WORKER", "nobody"} {
			w.denied(do(name), "caller", "iam:"+action, "role "+name)
		}
	}
	for _, arn := range []string{w.arn("policy/team/plan"), w.arn("policy/team/none"), w.arn("policy/plan")} {
		_, err := caller.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &arn})
		w.denied(err, "caller", "iam:GetPolicy", "policy "+arn)
	}
}

// TestStaleGrants: as TestStaleDecision, for what decisions rely on here: a role's or user's boundary, the tags of a policy,
// and the default version of a policy that allows.
func TestStaleGrants(t *testing.T) {
	ctx := t.Context()
	put := func(c *sdk.Client) error {
		_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("worker"), PolicyName: aws.String("new"), PolicyDocument: &allowNothing})
		return err
	}
	bounded := func(*world) statement {
		return allow("iam:*", "*").when("StringEquals", "iam:PermissionsBoundary", readOnly)
	}
	for name, c := range map[string]struct {
		allowed func(*world) statement
		behind  func(*world, *directory.Tx) error // what the caller's node does not know
		do      func(*world, *sdk.Client) error
	}{
		"a role's boundary taken away": {bounded,
			func(w *world, tx *directory.Tx) error {
				return tx.DeleteBoundary(directory.OfRole(w.account, "worker"))
			},
			func(_ *world, c *sdk.Client) error { return put(c) }},
		"a user's boundary replaced": {bounded,
			func(w *world, tx *directory.Tx) error {
				return tx.PutBoundary(directory.OfUser(w.account, "target"), administrator)
			},
			func(_ *world, c *sdk.Client) error {
				_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("target"), PolicyArn: aws.String(administrator)})
				return err
			}},
		"a role made again without its boundary": {bounded,
			func(w *world, tx *directory.Tx) error {
				t := directory.OfRole(w.account, "worker")
				err := tx.DetachPolicy(t, w.arn("policy/team/plan"))
				if err == nil {
					err = tx.DeleteInlinePolicy(t, "one")
				}
				if err == nil {
					err = tx.DeleteRole(w.account, "worker")
				}
				if err == nil {
					_, err = tx.CreateRole(w.account, directory.NewRole{Name: "worker", Path: "/team/", Trust: trustNobody})
				}
				return err
			},
			func(_ *world, c *sdk.Client) error { return put(c) }},
		"a policy tagged": {
			func(*world) statement {
				return allow("iam:*", "*").when("StringEquals", "aws:ResourceTag/color", "blue")
			},
			func(w *world, tx *directory.Tx) error {
				return tx.UntagPolicy(w.account, w.arn("policy/team/plan"), []string{"color"})
			},
			func(w *world, c *sdk.Client) error {
				_, err := c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: aws.String(w.arn("policy/team/plan")), PolicyDocument: &allowNothing})
				return err
			}},
		"another default version": {
			func(*world) statement { return allow("sts:*", "*") },
			func(w *world, tx *directory.Tx) error {
				return tx.SetDefaultVersion(w.account, w.arn("policy/power"), 2)
			},
			func(_ *world, c *sdk.Client) error { return put(c) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.scene()
			caller := w.user("caller", c.allowed(w))
			w.make(func(tx *directory.Tx) error {
				_, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: "power", Document: document(allow("iam:PutRolePolicy", "*"))})
				if err == nil {
					_, err = tx.CreatePolicyVersion(w.account, w.arn("policy/power"), allowNothing, false)
				}
				if err == nil && name == "another default version" {
					err = tx.AttachPolicy(directory.OfUser(w.account, "caller"), w.arn("policy/power"))
				}
				return err
			})
			w.store.behind(func() { w.commit(func(tx *directory.Tx) error { return c.behind(w, tx) }) })
			if err := c.do(w, caller); err == nil || !strings.Contains(err.Error(), "AccessDenied: ") {
				t.Errorf("got %v, want AccessDenied", err)
			}
			if !w.store.asked {
				t.Error("nobody asked for the newest state: the test proves nothing")
			}
		})
	}
}
