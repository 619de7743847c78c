package acceptance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// trusted writes a trust policy with one statement for a principal, which is JSON.
func trusted(principal, action string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":%s,"Action":%q}}`, principal, action)
}

// TestRoleIdentity: a role has a trust policy and what it is given, and nothing of a user.
func TestRoleIdentity(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("fresh")
	role := admin.role(t, *name, trusting(a.AccountID), "")
	in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}

	t.Run("no credentials of its own", func(t *testing.T) {
		checklist.Shows(t, "S2-1")
		const none = "The user with name fresh cannot be found."
		_, err := admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
		refused(t, err, "NoSuchEntity", none)
		_, err = admin.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("Correct-horse-1")})
		refused(t, err, "NoSuchEntity", none)
	})
	t.Run("made without permissions", func(t *testing.T) {
		checklist.Shows(t, "S2-2")
		session := c.assume(t, admin, in)
		_, err := session.iam.ListUsers(ctx, &iam.ListUsersInput{})
		denied(t, err, session.arn(t), "iam:ListUsers", a.ARN("user/"), noIdentityPolicy("iam:ListUsers"))
		must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("own"),
			PolicyDocument: aws.String(statement("Allow", "iam:ListUsers", "*"))}))(t)
		must(session.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	})
	t.Run("made without a trust policy", func(t *testing.T) {
		checklist.Shows(t, "S2-2", "S2-31")
		status, body := c.query(t, admin, "POST", "iam", "Action=CreateRole&Version=2010-05-08&RoleName=untrusting")
		if status != 400 || !strings.Contains(body, "<Code>ValidationError</Code>") || !strings.Contains(body, "assumeRolePolicyDocument") {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("an account stands for everybody in it", func(t *testing.T) {
		checklist.Shows(t, "S2-6")
		user := c.user(t, admin, "may")
		_, err := user.sts.AssumeRole(ctx, in)
		denied(t, err, a.ARN("user/may"), "sts:AssumeRole", role, noIdentityPolicy("sts:AssumeRole"))
		admin.inline(t, "may", "assume", statement("Allow", "sts:AssumeRole", "*"))
		must(user.sts.AssumeRole(ctx, in))(t)
		other := admin.role(t, "other", trusting(a.AccountID), statement("Allow", "sts:AssumeRole", "*"))
		must(c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &other, RoleSessionName: aws.String("chain")}).sts.AssumeRole(ctx, in))(t)
	})
	t.Run("a service's role", func(t *testing.T) {
		checklist.Shows(t, "S2-8", "S2-276")
		service, ec2 := aws.String("service"), trusted(`{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole")
		arn := admin.role(t, *service, ec2, statement("Allow", "iam:ListUsers", "*"))
		if got := plain(t, must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: service}))(t).Role.AssumeRolePolicyDocument); got != ec2 {
			t.Errorf("the trust policy reads %s", got)
		}
		_, err := admin.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("session")})
		denied(t, err, a.ARN("user/Administrator"), "sts:AssumeRole", arn, "because no role trust policy allows the sts:AssumeRole action")
		lambda := trusted(`{"Service":"lambda.amazonaws.com"}`, "sts:AssumeRole")
		must(admin.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: service, PolicyDocument: &lambda}))(t)

		// Nobody else's services can be given it.
		b := c.admin(t, srv.Account(t))
		must(b.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))(t)
		for _, foreign := range []*string{service, &arn} {
			_, err = b.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: foreign})
			if got := code(err); got != "NoSuchEntity" && got != "ValidationError" {
				t.Errorf("the role %s of another account in a profile: %v", *foreign, err)
			}
		}
		must(admin.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: service, PolicyName: aws.String("own")}))(t)
		must(admin.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: service}))(t)
	})
}

// TestTrustPrincipals: who may stand in a trust policy, and in which form.
func TestTrustPrincipals(t *testing.T) {
	c, srv := newCloud(t)
	a, b := srv.Account(t), srv.Account(t)
	admin, theirs, ctx := c.admin(t, a), c.admin(t, b), t.Context()
	caller := theirs.role(t, "caller", trusting(b.AccountID), statement("Allow", "sts:AssumeRole", "*"))
	session := c.assume(t, theirs, &sts.AssumeRoleInput{RoleArn: &caller, RoleSessionName: aws.String("s1")})
	must(admin.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://idp.example.com"), ClientIDList: []string{"app"}, ThumbprintList: []string{strings.Repeat("0f", 20)},
	}))(t)
	n := 0
	create := func(trust string) (string, error) {
		n++
		out, err := admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(fmt.Sprint("role-", n)), AssumeRolePolicyDocument: &trust})
		if err != nil {
			return "", err
		}
		if got := plain(t, out.Role.AssumeRolePolicyDocument); got != trust {
			t.Errorf("the trust policy reads %s, want %s", got, trust)
		}
		return *out.Role.Arn, nil
	}
	for name, test := range map[string]struct {
		principal     string
		user, session bool // of b, may assume it
	}{
		"account":       {`"` + b.AccountID + `"`, true, true},
		"root":          {`"` + b.ARN("root") + `"`, true, true}, // the same
		"user":          {`"` + b.ARN("user/Administrator") + `"`, true, false},
		"role":          {`"` + caller + `"`, false, true},
		"session":       {`"arn:aws:sts::` + b.AccountID + `:assumed-role/caller/s1"`, false, true},
		"other session": {`"arn:aws:sts::` + b.AccountID + `:assumed-role/caller/s2"`, false, false},
		"federated":     {`"arn:aws:sts::` + b.AccountID + `:federated-user/Bob"`, false, false},
		"mixed":         {`["` + a.AccountID + `","` + b.ARN("user/Administrator") + `","` + caller + `"]`, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S2-7", "S2-17")
			role := must(create(trusted(`{"AWS":`+test.principal+`}`, "sts:AssumeRole")))(t)
			in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}
			_, user := theirs.sts.AssumeRole(ctx, in)
			_, chained := session.sts.AssumeRole(ctx, in)
			for who, got := range map[string]struct {
				err error
				may bool
			}{"user": {user, test.user}, "session": {chained, test.session}} {
				if want := map[bool]string{true: "", false: "AccessDenied"}[got.may]; code(got.err) != want {
					t.Errorf("the %s: %v", who, got.err)
				}
			}
		})
	}
	t.Run("services", func(t *testing.T) {
		checklist.Shows(t, "S2-18")
		services := []string{"ec2", "elasticmapreduce", "datapipeline", "opsworks", "monitoring.rds"}
		for _, s := range services {
			must(create(trusted(`{"Service":"`+s+`.amazonaws.com"}`, "sts:AssumeRole")))(t)
		}
		must(create(trusted(`{"Service":["`+strings.Join(services, `.amazonaws.com","`)+`.amazonaws.com"]}`, "sts:AssumeRole")))(t)
		_, err := create(trusted(`{"Service":"ec2.amazonaws.com","Service":"lambda.amazonaws.com"}`, "sts:AssumeRole"))
		if code(err) != "MalformedPolicyDocument" {
			t.Errorf("two lists of services: %v", err)
		}
	})
	t.Run("identity providers", func(t *testing.T) {
		checklist.Shows(t, "S2-19", "S2-142")
		must(create(trusted(`{"Federated":"`+a.ARN("saml-provider/Shibboleth")+`"}`, "sts:AssumeRoleWithSAML")))(t)
		must(create(trusted(`{"Federated":"`+a.ARN("oidc-provider/idp.example.com")+`"}`, "sts:AssumeRoleWithWebIdentity")))(t)
		for _, name := range []string{"cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com"} {
			must(create(trusted(`{"Federated":"`+name+`"}`, "sts:AssumeRoleWithWebIdentity")))(t)
		}
	})
	t.Run("none of these", func(t *testing.T) {
		checklist.Shows(t, "S2-17", "S2-362")
		hyphens := b.AccountID[:4] + "-" + b.AccountID[4:8] + "-" + b.AccountID[8:]
		for _, principal := range []string{hyphens, "arn:aws:iam::" + hyphens + ":root", b.AccountID[1:], b.ARN("user/nobody"), b.ARN("group/Developers"),
			b.ARN("user/*"), b.ARN("policy/p"), "alice", "arn:aws:sts::" + b.AccountID + ":assumed-role/nobody/s1"} {
			if _, err := create(trusting(principal)); code(err) != "MalformedPolicyDocument" {
				t.Errorf("%s: %v", principal, err)
			}
		}
	})
	t.Run("the form of the document", func(t *testing.T) {
		checklist.Shows(t, "S2-25")
		one := fmt.Sprintf(`{"Sid":"One","Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}`, b.AccountID)
		for _, text := range []string{
			`{"Version":"2012-10-17","Id":"Trust","Statement":` + one + `}`,
			`{"Version":"2012-10-17","Statement":[` + one + `,` + strings.Replace(one, "One", "Two", 1) + `]}`,
		} {
			role := must(create(text))(t)
			must(theirs.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("session")}))(t)
		}
		if _, err := create(`{"Version":"2012-10-17","Statement":` + one + `,"Statement":[]}`); code(err) != "MalformedPolicyDocument" {
			t.Errorf("two statements: %v", err)
		}
	})
}

// TestRoleNames: names of roles, and what takes one.
func TestRoleNames(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, trust := c.admin(t, a), t.Context(), aws.String(trusting(a.AccountID))
	create := func(name, path string) error {
		_, err := admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: trust})
		return err
	}
	t.Run("one without case, whatever the path", func(t *testing.T) {
		checklist.Shows(t, "S2-32")
		must(0, create("PRODROLE", "/"))(t)
		for _, path := range []string{"/", "/other/"} {
			refused(t, create("prodrole", path), "EntityAlreadyExists", "Role with name prodrole already exists.")
		}
	})
	t.Run("lengths", func(t *testing.T) {
		checklist.Shows(t, "S2-34")
		long, path := strings.Repeat("r", 64), "/"+strings.Repeat("p", 510)+"/"
		must(0, create(long, path))(t)
		for _, err := range []error{create(long+"r", "/"), create("short", path+"p/"), create("short", "pp")} {
			if code(err) != "ValidationError" {
				t.Errorf("too long: %v", err)
			}
		}
	})
	t.Run("stay", func(t *testing.T) {
		checklist.Shows(t, "S2-33")
		for _, parameter := range []string{"NewRoleName=x", "NewName=x", "NewPath=/x/"} {
			status, body := c.query(t, admin, "POST", "iam", "Action=UpdateRole&Version=2010-05-08&RoleName=PRODROLE&"+parameter)
			if status != 400 || strings.Contains(body, "UpdateRoleResult") {
				t.Errorf("%s: %d %s", parameter, status, body)
			}
		}
		must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("PRODROLE")}))(t)
	})
	t.Run("are neither ARNs nor paths", func(t *testing.T) {
		checklist.Shows(t, "S2-42", "S2-SLR-15")
		must(0, create("myrole", "/service-role/"))(t)
		must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("myrole")}))(t)
		for _, name := range []string{a.ARN("role/service-role/myrole"), "role/service-role/myrole", "service-role/myrole", "/service-role/myrole"} {
			_, get := admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
			_, update := admin.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: &name, Description: &name})
			_, remove := admin.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
			_, policies := admin.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &name})
			for operation, err := range map[string]error{"GetRole": get, "UpdateRoleDescription": update, "DeleteRole": remove, "ListRolePolicies": policies} {
				if code(err) != "ValidationError" {
					t.Errorf("%s of %s: %v", operation, name, err)
				}
			}
		}
	})
}

// TestRoleByCommandLine does what the guide's procedures for the command line do with roles, in their order (L7321-7410, L7586-7660,
// L8994-9103).
func TestRoleByCommandLine(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	name, bucket := aws.String("Test-Role-for-EC2"), statement("Allow", "s3:ListBucket", "arn:aws:s3:::example_bucket")
	profile := aws.String("Test-Profile")
	t.Run("a role for EC2", func(t *testing.T) {
		checklist.Shows(t, "S2-275", "S2-276")
		admin.role(t, *name, trusted(`{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole"), "")
		must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("Permissions-Policy-For-Ec2"), PolicyDocument: &bucket}))(t)
		must(admin.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: profile}))(t)
		must(admin.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: name}))(t)
		roles := must(admin.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: profile}))(t).InstanceProfile.Roles
		if len(roles) != 1 || *roles[0].RoleName != *name {
			t.Errorf("the profile holds %+v", roles)
		}
	})
	t.Run("the profiles that hold it", func(t *testing.T) {
		checklist.Shows(t, "S2-44")
		must(admin.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("Second")}))(t)
		must(admin.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("Second"), RoleName: name}))(t)
		must(admin.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("Empty")}))(t)
		got := must(admin.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name}))(t).InstanceProfiles
		if diff := cmp.Diff([]string{"Second", *profile}, names(got, func(p types.InstanceProfile) *string { return p.InstanceProfileName })); diff != "" {
			t.Errorf("profiles (-want +got):\n%s", diff)
		}
	})
	t.Run("its policies", func(t *testing.T) {
		checklist.Shows(t, "S2-35", "S2-36", "S2-37")
		own := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("own"), PolicyDocument: &bucket}))(t).Policy.Arn
		for _, arn := range []*string{own, aws.String(iamReadOnlyAccess)} {
			must(admin.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: arn}))(t)
		}
		again := statement("Allow", "s3:*", "*")
		must(admin.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("Permissions-Policy-For-Ec2"), PolicyDocument: &again}))(t)
		got := must(admin.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("Permissions-Policy-For-Ec2")}))(t)
		if text := plain(t, got.PolicyDocument); text != again {
			t.Errorf("the policy put again reads %s", text)
		}
		inline := must(admin.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t).PolicyNames
		if diff := cmp.Diff([]string{"Permissions-Policy-For-Ec2"}, inline); diff != "" {
			t.Errorf("inline (-want +got):\n%s", diff)
		}
		attached := must(admin.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies
		if diff := cmp.Diff([]string{*own, iamReadOnlyAccess}, names(attached, func(p types.AttachedPolicy) *string { return p.PolicyArn })); diff != "" {
			t.Errorf("attached (-want +got):\n%s", diff)
		}
		// A role is no policy, as one of the guide's lines has it (L7386).
		_, err := admin.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(a.ARN("role/" + *name))})
		if code(err) != "ValidationError" {
			t.Errorf("a role's ARN attached: %v", err)
		}
	})
	t.Run("its description", func(t *testing.T) {
		checklist.Shows(t, "S2-41", "S2-SLR-14")
		for _, text := range []string{`"in quotes"`, "other", ""} {
			must(admin.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: &text}))(t)
			if got := must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role.Description; aws.ToString(got) != text {
				t.Errorf("the description reads %q, want %q", aws.ToString(got), text)
			}
		}
	})
	t.Run("listed", func(t *testing.T) {
		checklist.Shows(t, "S2-39")
		roles := must(admin.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t).Roles
		if len(roles) != 1 || *roles[0].RoleName != *name || *roles[0].Arn != a.ARN("role/"+*name) {
			t.Errorf("roles %+v", roles)
		}
	})
	t.Run("the trusted account", func(t *testing.T) {
		checklist.Shows(t, "S2-45")
		dev := srv.Account(t)
		theirs := c.admin(t, dev)
		trust := trusting(dev.AccountID)
		must(admin.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &trust}))(t)
		policy := must(theirs.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("use-the-role"),
			PolicyDocument: aws.String(statement("Allow", "sts:AssumeRole", a.ARN("role/"+*name)))}))(t).Policy.Arn
		user, member := c.user(t, theirs, "Bob"), c.user(t, theirs, "Jane")
		theirs.group(t, "Users", iamReadOnlyAccess)
		theirs.member(t, "Jane", "Users")
		users := must(theirs.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users
		groups := must(theirs.iam.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups
		if len(users) != 3 || *users[1].UserName != "Bob" || len(groups) != 1 || *groups[0].GroupName != "Users" {
			t.Errorf("%d users, %d groups", len(users), len(groups))
		}
		in := &sts.AssumeRoleInput{RoleArn: aws.String(a.ARN("role/" + *name)), RoleSessionName: aws.String("session")}
		_, err := user.sts.AssumeRole(ctx, in)
		denied(t, err, dev.ARN("user/Bob"), "sts:AssumeRole", *in.RoleArn, noIdentityPolicy("sts:AssumeRole"))
		must(theirs.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("Bob"), PolicyArn: policy}))(t)
		must(user.sts.AssumeRole(ctx, in))(t)
		must(theirs.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String("Users"), PolicyArn: policy}))(t)
		must(member.sts.AssumeRole(ctx, in))(t)
	})
}
