package iam_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	stssdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

const awsPolicies = "arn:aws:iam::aws:policy/"

// TestNobodyStartsWithAnything but the root user (S3-4), and making something gives no right over it (S3-15).
func TestNobodyStartsWithAnything(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	caller := w.user("caller")
	t.Run("not even one's own keys", func(t *testing.T) {
		checklist.Shows(t, "S3-4")
		_, err := caller.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{})
		w.denied(err, "caller", "iam:ListAccessKeys", "user caller")
		must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: aws.String("caller")}))(t)
	})
	t.Run("the creator", func(t *testing.T) {
		checklist.Shows(t, "S3-15")
		made := aws.String("made")
		w.grant("caller", allow("iam:CreateUser", "*"))
		must(caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: made}))(t)
		_, err := caller.GetUser(ctx, &sdk.GetUserInput{UserName: made})
		w.denied(err, "caller", "iam:GetUser", "user made")
		_, err = caller.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: made})
		w.denied(err, "caller", "iam:DeleteUser", "user made")
		must(w.root.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: aws.String("caller"), PolicyName: aws.String("test")}))(t)
		_, err = caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("more")})
		w.denied(err, "caller", "iam:CreateUser", w.arn("user/more")) // what was given was taken away
	})
}

// TestOneAccountOnly: a policy of one's own, however wide, is about one's own account (S3-11).
func TestOneAccountOnly(t *testing.T) {
	checklist.Shows(t, "S3-11")
	w := newWorld(t)
	ctx := t.Context()
	var other string
	w.make(func(tx *directory.Tx) error {
		acct, _, err := tx.CreateAccount(directory.NewAccount{Name: "other"})
		if err == nil {
			other = acct.ID
			_, err = tx.CreateUser(other, directory.NewUser{Name: "theirs"})
		}
		if err == nil {
			_, err = tx.CreatePolicy(other, directory.NewPolicy{Name: "theirs", Document: allowNothing})
		}
		if err == nil {
			_, err = tx.CreateRole(other, directory.NewRole{Name: "theirs", Trust: trustNobody})
		}
		return err
	})
	caller := w.user("caller", allow("*", "*"))
	var users []string
	for _, u := range must(caller.ListUsers(ctx, &sdk.ListUsersInput{}))(t).Users {
		users = append(users, *u.UserName)
	}
	equalNames(t, "users", users, []string{"caller"})
	policies := must(caller.ListPolicies(ctx, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies
	if roles := must(caller.ListRoles(ctx, &sdk.ListRolesInput{}))(t).Roles; len(roles) > 0 || len(policies) > 0 {
		t.Errorf("roles %v, policies %v", roles, policies)
	}
	theirs := "arn:aws:iam::" + other + ":policy/theirs"
	_, err := caller.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &theirs})
	refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/caller")+" is not authorized to perform: iam:GetPolicy on resource: policy "+theirs)
	role := "arn:aws:iam::" + other + ":role/theirs"
	_, err = w.assume(w.sts()(caller), role)
	refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/caller")+" is not authorized to perform: sts:AssumeRole on resource: "+role)
}

// TestWherePoliciesGo: policies with a principal belong to resources, of which IAM has one kind, the trust of a role (S3-10).
func TestWherePoliciesGo(t *testing.T) {
	checklist.Shows(t, "S3-10")
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	withPrincipal := aws.String(trust(w.account))
	const sentence = "Policy document should not specify a principal."
	for _, h := range holders(t, w) {
		refused(t, h.put("trusting", *withPrincipal), 400, "MalformedPolicyDocument", sentence)
	}
	_, err := w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("trusting"), PolicyDocument: withPrincipal})
	refused(t, err, 400, "MalformedPolicyDocument", sentence)
	_, err = w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: aws.String(w.arn("policy/spare")), PolicyDocument: withPrincipal})
	refused(t, err, 400, "MalformedPolicyDocument", sentence)
	must(w.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: withPrincipal}))(t)
	if _, err = w.root.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: &allowNothing}); err == nil {
		t.Error("a trust policy that names nobody")
	}
}

// TestThreePolicies is the guide's scenario of one identity with three of AWS's policies (S3-14): as a user, through a group, and as
// a role.
func TestThreePolicies(t *testing.T) {
	w := newWorld(t)
	w.scene()
	holds := holders(t, w)
	for _, h := range holds {
		t.Run(h.kind, func(t *testing.T) {
			checklist.Shows(t, "S3-14", "S3-97")
			for _, name := range []string{"AmazonEC2FullAccess", "AmazonS3ReadOnlyAccess", "IAMUserChangePassword"} {
				must(0, h.attach(awsPolicies+name))(t)
			}
			source := map[string]string{"user": "user/team/target", "group": "group/team/crew", "role": "role/team/worker"}[h.kind]
			if h.kind != "group" { // their boundary is no part of it
				w.make(func(tx *directory.Tx) error {
					return tx.PutBoundary(map[string]directory.Target{"user": directory.OfUser(w.account, h.name), "role": directory.OfRole(w.account, h.name)}[h.kind], administrator)
				})
			}
			for action, want := range map[string]types.PolicyEvaluationDecisionType{
				"s3:GetObject": "allowed", "s3:ListBucket": "allowed", "ec2:RunInstances": "allowed", "ec2:StartInstances": "allowed", "iam:GetAccountPasswordPolicy": "allowed",
				"s3:CreateBucket": "implicitDeny", "s3:PutObject": "implicitDeny", "s3:DeleteObject": "implicitDeny", "iam:CreateUser": "implicitDeny",
			} {
				out := must(w.root.SimulatePrincipalPolicy(t.Context(), &sdk.SimulatePrincipalPolicyInput{
					PolicySourceArn: aws.String(w.arn(source)), ActionNames: []string{action}}))(t)
				if got := out.EvaluationResults[0].EvalDecision; got != want {
					t.Errorf("%s is %s, want %s", action, got, want)
				}
			}
		})
	}
}

// TestKindsOfPolicies: policies of AWS, of the account, and of one identity (S3-19 to S3-28).
func TestKindsOfPolicies(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	t.Run("of AWS, in every account", func(t *testing.T) {
		checklist.Shows(t, "S3-19", "S3-20", "S3-22")
		var key *directory.IssuedKey
		w.make(func(tx *directory.Tx) error {
			acct, k, err := tx.CreateAccount(directory.NewAccount{Name: "other"})
			if err == nil {
				key = k
				_, err = tx.CreateUser(acct.ID, directory.NewUser{Name: "target"})
			}
			return err
		})
		other := w.client(key.ID, key.Secret.Reveal(), "")
		for _, root := range []*sdk.Client{w.root, other} {
			must(root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("target"), PolicyArn: aws.String(readOnly)}))(t)
			p := must(root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: aws.String(readOnly)}))(t).Policy
			if *p.AttachmentCount != 1 { // each account sees its own
				t.Errorf("attached %d times", *p.AttachmentCount)
			}
			_, err := root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: aws.String(readOnly), PolicyDocument: &allowNothing})
			refused(t, err, 403, "AccessDenied", "The policy "+readOnly+" is managed by AWS. AWS managed policies cannot be changed.")
		}
	})
	t.Run("of the account, for several", func(t *testing.T) {
		checklist.Shows(t, "S3-19", "S3-20")
		arn := w.arn("policy/spare")
		for _, h := range holders(t, w) {
			must(0, h.attach(arn))(t)
		}
		p := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: &arn}))(t).Policy
		if *p.AttachmentCount != 3 || *p.PolicyName != "spare" || !strings.HasSuffix(*p.Arn, ":policy/spare") {
			t.Errorf("the policy is %s, %s, attached %d times", *p.PolicyName, *p.Arn, *p.AttachmentCount)
		}
	})
	t.Run("of one identity", func(t *testing.T) {
		checklist.Shows(t, "S3-19", "S3-26")
		worker, idle := aws.String("worker"), aws.String("idle")
		for _, role := range []*string{worker, idle} {
			must(w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("same"), PolicyDocument: &allowNothing}))(t)
		}
		changed := document(allow("s3:*", "*"))
		must(w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: idle, PolicyName: aws.String("same"), PolicyDocument: &changed}))(t)
		for role, want := range map[*string]string{worker: allowNothing, idle: changed} {
			shows(t, *role, must(w.root.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: role, PolicyName: aws.String("same")}))(t).PolicyDocument, want)
		}
	})
	t.Run("a copy of one of AWS's", func(t *testing.T) {
		checklist.Shows(t, "S3-28")
		from := aws.String(awsPolicies + "AmazonS3ReadOnlyAccess")
		p := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: from}))(t).Policy
		version := must(w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: from, VersionId: p.DefaultVersionId}))(t).PolicyVersion
		text := must(url.PathUnescape(*version.Document))(t)
		made := must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: p.PolicyName, PolicyDocument: &text}))(t).Policy
		shows(t, "the copy", must(w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v1")}))(t).PolicyVersion.Document, text)
		changed := strings.Replace(text, "s3:Get*", "s3:GetBucket*", 1)
		must(w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: &changed, SetAsDefault: true}))(t)
	})
	t.Run("for job functions", func(t *testing.T) {
		checklist.Shows(t, "S3-24")
		var names []string
		for _, p := range must(w.root.ListPolicies(ctx, &sdk.ListPoliciesInput{PathPrefix: aws.String("/job-function/")}))(t).Policies {
			names = append(names, *p.PolicyName)
		}
		for _, name := range []string{"Billing", "DataScientist", "DatabaseAdministrator", "NetworkAdministrator", "SupportUser", "SystemAdministrator", "ViewOnlyAccess"} {
			if !slices.Contains(names, name) {
				t.Errorf("%s is not among %v", name, names)
			}
		}
	})
	t.Run("versions, and the element Version", func(t *testing.T) {
		checklist.Shows(t, "S3-114")
		arn := aws.String(w.arn("policy/numbered"))
		must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("numbered"), PolicyDocument: &allowNothing}))(t)
		v := must(w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &allowNothing}))(t).PolicyVersion
		if *v.VersionId != "v2" {
			t.Errorf("the version is %s", *v.VersionId)
		}
		shows(t, "v2", must(w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId}))(t).PolicyVersion.Document, allowNothing)
		_, err := w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("2012-10-17")})
		if err == nil || !strings.Contains(err.Error(), "ValidationError") && !strings.Contains(err.Error(), "NoSuchEntity") {
			t.Errorf("the language's version as a version: %v", err)
		}
	})
}

// TestSavingPolicies: what is saved is judged by the grammar and by nothing else (S3-89, S3-93, S3-389).
func TestSavingPolicies(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	save := func(text string) map[string]error {
		errs := make(map[string]error)
		for _, h := range holders(t, w) {
			errs["inline policy of a "+h.kind] = h.put("saved", text)
		}
		_, errs["version"] = w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: aws.String(w.arn("policy/spare")), PolicyDocument: &text})
		_, errs["policy"] = w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("saved"), PolicyDocument: &text})
		return errs
	}
	const all = `"Action":"s3:*","Resource":"*"`
	for name, text := range map[string]string{
		"two objects":   `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + all + `}} {"Version":"2012-10-17","Statement":{"Effect":"Deny",` + all + `}}`,
		"two Statement": `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + all + `},"Statement":{"Effect":"Deny",` + all + `}}`,
		"two Effect":    `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Effect":"Deny",` + all + `}}`,
		"two Action":    `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:a",` + all + `}}`,
		"two Resource":  `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*",` + all + `}}`,
		"no JSON":       `Effect: Allow`,
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S3-93", "S3-389")
			for what, err := range save(text) {
				if err == nil || !strings.Contains(err.Error(), "MalformedPolicyDocument: Syntax errors in policy.") {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	t.Run("names that nobody knows", func(t *testing.T) {
		checklist.Shows(t, "S3-89")
		for what, err := range save(document(allow("dynamobd:GetItem", "arn:aws:nothing:::here"), allow("s3:ListMyBuckets", "*").when("StringEquals", "nobody:knows", "x"))) {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestPolicyAdministrators: who may write policies, who may give them, and what writing them is worth (S3-41 to S3-46, S3-291).
func TestPolicyAdministrators(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	create := func(c *sdk.Client, name, path string) error {
		_, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &name, Path: &path, PolicyDocument: &allowNothing})
		return err
	}
	attach := func(c *sdk.Client, user, arn string) error {
		_, err := c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: &user, PolicyArn: &arn})
		return err
	}
	t.Run("full and limited", func(t *testing.T) {
		checklist.Shows(t, "S3-41", "S3-42", "S3-43", "S3-44")
		var writes []statement
		for _, action := range []string{"CreatePolicy", "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "SetDefaultPolicyVersion"} {
			writes = append(writes, allow("iam:"+action, w.arn("policy/TEAM-A/*")))
		}
		full := w.user("full", writes...)
		limited := w.user("limited", allow("iam:AttachUserPolicy", w.arn("user/team/*")).when("ArnLike", "iam:PolicyArn", w.arn("policy/TEAM-A/*")),
			allow("iam:DetachUserPolicy", w.arn("user/team/*")).when("ArnEquals", "iam:PolicyArn", readOnly))
		approved := w.arn("policy/TEAM-A/approved")
		must(0, create(full, "approved", "/TEAM-A/"))(t)
		w.denied(create(full, "other", "/TEAM-B/"), "full", "iam:CreatePolicy", "policy other")
		w.denied(create(limited, "other", "/TEAM-A/"), "limited", "iam:CreatePolicy", "policy other")
		w.denied(attach(full, "target", approved), "full", "iam:AttachUserPolicy", "user target")
		must(0, attach(limited, "target", approved))(t)
		w.denied(attach(limited, "full", approved), "limited", "iam:AttachUserPolicy", "user full") // not in the path
		for _, arn := range []string{w.arn("policy/spare"), administrator} {
			w.denied(attach(limited, "target", arn), "limited", "iam:AttachUserPolicy", "user target")
		}
		must(0, attach(w.root, "target", readOnly))(t)
		must(limited.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("target"), PolicyArn: aws.String(readOnly)}))(t)
		_, err := limited.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("target"), PolicyArn: &approved})
		w.denied(err, "limited", "iam:DetachUserPolicy", "user target")
	})
	t.Run("a group that only some may change", func(t *testing.T) {
		checklist.Shows(t, "S3-45", "S3-46")
		policy := []statement{allow("iam:*Group*", w.arn("group/team/crew")),
			deny("iam:*Group", w.arn("group/team/crew")).when("ForAnyValue:StringNotEquals", "aws:username", []string{"carlos", "martha"})}
		add := func(name string) error {
			_, err := w.user(name, policy...).AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("crew"), UserName: &name})
			return err
		}
		must(0, add("martha"))(t)
		refused(t, add("alice"), 403, "AccessDenied", "User: "+w.arn("user/alice")+
			" is not authorized to perform: iam:AddUserToGroup on resource: group crew with an explicit deny in an identity-based policy")
	})
	t.Run("all of IAM is all of the account", func(t *testing.T) {
		checklist.Shows(t, "S3-291")
		caller := w.user("iamadmin", allow("iam:*", "*"))
		sts := w.sts()(caller)
		role := w.arn("role/idle")
		must(caller.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: aws.String("idle"), PolicyDocument: aws.String(trust(w.account))}))(t)
		if _, err := w.assume(sts, role); err == nil {
			t.Error("iam:* allows sts:AssumeRole")
		}
		must(0, attach(caller, "iamadmin", administrator))(t)
		must(sts.AssumeRole(ctx, &stssdk.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("all")}))(t)
	})
}

// TestWhatDeletingAUserNeeds: each of these permissions, and no others (S3-284).
func TestWhatDeletingAUserNeeds(t *testing.T) {
	checklist.Shows(t, "S3-284")
	w := newWorld(t)
	w.scene()
	ctx, gone := t.Context(), aws.String("gone")
	w.user("gone")
	cert := *must(w.root.UploadSigningCertificate(ctx, &sdk.UploadSigningCertificateInput{UserName: gone, CertificateBody: &stuff(t).own[0].Body}))(t).Certificate.CertificateId
	must(w.root.CreateLoginProfile(ctx, &sdk.CreateLoginProfileInput{UserName: gone, Password: aws.String("A-long-enough-1")}))(t)
	must(w.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: gone, GroupName: aws.String("crew")}))(t)
	must(w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: gone, PolicyArn: aws.String(readOnly)}))(t)
	must(w.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: gone, PolicyName: aws.String("one"), PolicyDocument: &allowNothing}))(t)
	key := *must(w.root.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: gone}))(t).AccessKeyMetadata[0].AccessKeyId

	user, crew := w.arn("user/gone"), w.arn("group/team/crew")
	needs := map[string]string{"DeleteSigningCertificate": user, "DeleteLoginProfile": user, "RemoveUserFromGroup": crew, "DetachUserPolicy": user,
		"DeleteUserPolicy": user, "DeleteAccessKey": user}
	caller := w.user("caller")
	do := map[string]func() error{
		"DeleteSigningCertificate": func() error {
			_, err := caller.DeleteSigningCertificate(ctx, &sdk.DeleteSigningCertificateInput{UserName: gone, CertificateId: &cert})
			return err
		},
		"DeleteLoginProfile": func() error {
			_, err := caller.DeleteLoginProfile(ctx, &sdk.DeleteLoginProfileInput{UserName: gone})
			return err
		},
		"RemoveUserFromGroup": func() error {
			_, err := caller.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{UserName: gone, GroupName: aws.String("crew")})
			return err
		},
		"DetachUserPolicy": func() error {
			_, err := caller.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: gone, PolicyArn: aws.String(readOnly)})
			return err
		},
		"DeleteUserPolicy": func() error {
			_, err := caller.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: gone, PolicyName: aws.String("one")})
			return err
		},
		"DeleteAccessKey": func() error {
			_, err := caller.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: gone, AccessKeyId: &key})
			return err
		},
	}
	remove := func() error {
		_, err := caller.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: gone})
		return err
	}
	granted := []statement{allow("iam:DeleteUser", user)}
	for _, operation := range slices.Sorted(maps.Keys(needs)) {
		w.grant("caller", granted...)
		if err := remove(); err == nil || !strings.Contains(err.Error(), "DeleteConflict") {
			t.Errorf("before %s: %v", operation, err)
		}
		if err := do[operation](); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s without permission: %v", operation, err)
		}
		granted = append(granted, allow("iam:"+operation, needs[operation]))
		w.grant("caller", granted...)
		must(0, do[operation]())(t)
	}
	must(0, remove())(t)
}
