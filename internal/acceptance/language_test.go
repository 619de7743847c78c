package acceptance_test

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// The tests of this file are what the guide says of permissions in passing, before its chapter about policies: each sentence with
// real calls.

// may expects calls of a user to be allowed or denied, as want says by name.
type may struct {
	t     *testing.T
	calls map[string]func() error
}

func (m may) be(what string, want ...string) {
	m.t.Helper()
	for name, call := range m.calls {
		expected := ""
		for _, w := range want {
			if w == name {
				expected = "allowed"
			}
		}
		err := call()
		switch got := code(err); {
		case expected == "allowed" && err != nil:
			m.t.Errorf("%s: %s: %v", what, name, err)
		case expected == "" && got != "AccessDenied":
			m.t.Errorf("%s: %s is not denied: %v", what, name, err)
		}
	}
}

// reads are calls that change nothing.
func (c *caller) reads(t *testing.T) may {
	ctx := t.Context()
	return may{t, map[string]func() error{
		"ListUsers":  func() error { return failure(c.iam.ListUsers(ctx, &iam.ListUsersInput{})) },
		"ListGroups": func() error { return failure(c.iam.ListGroups(ctx, &iam.ListGroupsInput{})) },
		"ListRoles":  func() error { return failure(c.iam.ListRoles(ctx, &iam.ListRolesInput{})) },
	}}
}

// TestSourcesOfPermissions: where a user's permissions come from, that they add up and that a change counts at once.
func TestSourcesOfPermissions(t *testing.T) {
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	user, name, group := c.user(t, admin, "don"), aws.String("don"), aws.String("Developers")
	must(admin.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group}))(t)
	document := statement("Allow", "iam:List*", "*")
	own := must(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("lists"), PolicyDocument: &document}))(t).Policy.Arn
	all := []string{"ListUsers", "ListGroups", "ListRoles"}
	attach := func(arn string) [2]func() error {
		return [2]func() error{
			func() error {
				return failure(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: &arn}))
			},
			func() error {
				return failure(admin.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: &arn}))
			},
		}
	}
	attachGroup := func(arn string) [2]func() error {
		return [2]func() error{
			func() error {
				return failure(admin.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: group, PolicyArn: &arn}))
			},
			func() error {
				return failure(admin.iam.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: group, PolicyArn: &arn}))
			},
		}
	}
	membership := [2]func() error{
		func() error {
			return failure(admin.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: name, GroupName: group}))
		},
		func() error {
			return failure(admin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: group}))
		},
	}
	groupInline := [2]func() error{
		func() error {
			return failure(admin.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: group, PolicyName: group, PolicyDocument: &document}))
		},
		func() error {
			return failure(admin.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: group, PolicyName: group}))
		},
	}
	userInline := [2]func() error{
		func() error {
			return failure(admin.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: &document}))
		},
		func() error {
			return failure(admin.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: name}))
		},
	}
	for what, steps := range map[string][][2]func() error{
		"inline":                            {userInline},
		"AWS managed":                       {attach(iamReadOnlyAccess)},
		"customer managed":                  {attach(*own)},
		"inline of a group":                 {membership, groupInline},
		"inline of a group, then the group": {groupInline, membership},
		"AWS managed through a group":       {membership, attachGroup(iamReadOnlyAccess)},
		"customer managed, then the group":  {attachGroup(*own), membership},
	} {
		t.Run(what, func(t *testing.T) {
			checklist.Shows(t, "S1-131", "S1-134", "S1-137", "S1-141", "S1-336")
			reads := user.reads(t)
			for _, step := range steps {
				reads.be("before")
				must(0, step[0]())(t)
			}
			reads.be("with it", all...)
			for i := range steps {
				must(0, steps[len(steps)-1-i][1]())(t)
				reads.be("without it")
			}
		})
	}
	t.Run("added up", func(t *testing.T) {
		checklist.Shows(t, "S1-328", "S1-336")
		reads := user.reads(t)
		must(0, membership[0]())(t)
		document = statement("Allow", "iam:ListUsers", "*")
		must(0, userInline[0]())(t)
		document = statement("Allow", "iam:ListGroups", "*")
		must(0, groupInline[0]())(t)
		reads.be("both", "ListUsers", "ListGroups")
		document = statement("Deny", "iam:ListUsers", "*")
		must(0, groupInline[0]())(t)
		reads.be("the deny wins")
	})
	t.Run("groups", func(t *testing.T) {
		checklist.Shows(t, "S1-139", "S1-351")
		reads := user.reads(t)
		must(0, userInline[1]())(t)
		for group, action := range map[string]string{"One": "iam:ListUsers", "Two": "iam:ListRoles"} {
			must(admin.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: &group}))(t)
			must(admin.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: &group, PolicyName: &group, PolicyDocument: aws.String(statement("Allow", action, "*"))}))(t)
		}
		leave := func(group string) {
			t.Helper()
			must(admin.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: name, GroupName: &group}))(t)
		}
		leave(*group)
		admin.member(t, *name, "One")
		reads.be("in One", "ListUsers")
		admin.member(t, *name, "Two")
		reads.be("in both", "ListUsers", "ListRoles")
		leave("One")
		reads.be("moved to Two", "ListRoles")
		_, err := admin.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: aws.String("One"), GroupName: aws.String("Two")})
		refused(t, err, "NoSuchEntity", "The user with name One cannot be found.") // a group is no member
	})
}

// permitted makes a user with an inline policy for each document.
func (c *cloud) permitted(t *testing.T, by *caller, name string, documents ...string) *caller {
	t.Helper()
	user := c.user(t, by, name)
	for i, document := range documents {
		by.inline(t, name, fmt.Sprint("p", i), document)
	}
	return user
}

// TestWhatIsGranted: an allow reaches the actions and resources that it names, and nothing beside them.
func TestWhatIsGranted(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	get := func(by *caller, name string) error {
		return failure(by.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name}))
	}
	remove := func(by *caller, name string) error {
		return failure(by.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &name}))
	}
	t.Run("what is made is not the maker's", func(t *testing.T) {
		checklist.Shows(t, "S1-349")
		maker := c.permitted(t, admin, "maker", statement("Allow", "iam:CreateUser", "*"))
		must(maker.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("made")}))(t)
		may{t, map[string]func() error{
			"get": func() error { return get(maker, "made") }, "delete": func() error { return remove(maker, "made") },
		}}.be("of what it made")
	})
	t.Run("another service's action", func(t *testing.T) {
		checklist.Shows(t, "S1-337", "S1-353")
		user := c.permitted(t, admin, "namespaces", statement("Allow", "sts:*", "*"), statement("Allow", "s3:GetUser", "*"))
		calls := map[string]func() error{
			"get": func() error { return get(user, "made") }, "delete": func() error { return remove(user, "made") },
			"create": func() error {
				return failure(user.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("other")}))
			},
			"update": func() error {
				return failure(user.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("made"), NewPath: aws.String("/x/")}))
			},
		}
		may{t, calls}.be("by another service's actions")
		admin.inline(t, "namespaces", "p2", statement("Allow", "iam:GetUser", a.ARN("user/made")))
		may{t, calls}.be("by its own", "get")
		calls["get another"] = func() error { return get(user, "maker") }
		may{t, calls}.be("by its own", "get")
	})
	t.Run("another kind of resource", func(t *testing.T) {
		checklist.Shows(t, "S1-335")
		must(admin.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("thing")}))(t)
		user := c.permitted(t, admin, "mistaken", statement("Allow", "iam:DeleteRole", a.ARN("group/thing")))
		_, err := user.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("thing")})
		if got := code(err); got != "AccessDenied" {
			t.Errorf("DeleteRole, allowed on a group: %v", err)
		}
		_, err = admin.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("thing")})
		refused(t, err, "NoSuchEntity", "The role with name thing cannot be found.")
		must(admin.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("thing")}))(t)
	})
	t.Run("one's own name and a path", func(t *testing.T) {
		checklist.Shows(t, "S1-345", "S1-344")
		user := c.permitted(t, admin, "pathless", statement("Allow", "iam:GetUser", "arn:aws:iam::*:user/${aws:username}"))
		must(0, get(user, "pathless"))(t)
		must(admin.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("pathless"), NewPath: aws.String("/division_abc/")}))(t)
		denied(t, get(user, "pathless"), a.ARN("user/division_abc/pathless"), "iam:GetUser", "user pathless", noIdentityPolicy("iam:GetUser"))
	})
	t.Run("actions without resources", func(t *testing.T) {
		checklist.Shows(t, "S1-347")
		actions := `["iam:ListAccountAliases","iam:ListUsers","iam:ListVirtualMFADevices","iam:GetAccountPasswordPolicy","iam:GetAccountSummary"]`
		document := func(resource string) string {
			return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":` + actions + `,"Resource":"` + resource + `"}}`
		}
		must(admin.iam.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{}))(t)
		user := c.permitted(t, admin, "lister", document(a.ARN("user/lister")))
		calls := map[string]func() error{
			"aliases": func() error { return failure(user.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})) },
			"users":   func() error { return failure(user.iam.ListUsers(ctx, &iam.ListUsersInput{})) },
			"devices": func() error { return failure(user.iam.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{})) },
			"policy": func() error {
				return failure(user.iam.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}))
			},
			"summary": func() error { return failure(user.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})) },
		}
		may{t, calls}.be("on oneself")
		admin.inline(t, "lister", "p0", document("*"))
		may{t, calls}.be("on everything", "aliases", "users", "devices", "policy", "summary")
	})
}

// TestDocuments: which documents are taken, and what is said of those that are not.
func TestDocuments(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx := c.admin(t, a), t.Context()
	n := 0
	create := func(document string) error {
		n++
		return failure(admin.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String(fmt.Sprint("p", n)), PolicyDocument: &document}))
	}
	trust := func(document string) error {
		n++
		return failure(admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(fmt.Sprint("r", n)), AssumeRolePolicyDocument: &document}))
	}
	type row struct {
		name, items, document, says string // says is part of what a refusal says; empty: taken
		create                      func(string) error
	}
	const one = `{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}`
	version := func(statement string) string { return `{"Version":"2012-10-17","Statement":` + statement + `}` }
	for _, row := range []row{
		{"a statement", "S1-340 S1-342", version(one), "", create},
		{"a list of them", "S1-340", version(`[` + one + `,` + one + `]`), "", create},
		{"lists", "S1-341", version(`{"Effect":"Allow","Action":["iam:ListUsers","ec2:*"],"Resource":["*","arn:aws:s3:::*"]}`), "", create},
		{"a list of principals", "S1-341 S1-267", version(`{"Effect":"Allow","Principal":{"AWS":["` + a.AccountID + `","` + a.ARN("user/Administrator") + `"]},"Action":["sts:AssumeRole"]}`), "", trust},
		{"a bare account", "S1-267", version(`{"Effect":"Allow","Principal":{"AWS":"` + a.AccountID + `"},"Action":"sts:AssumeRole"}`), "", trust},
		{"without a version", "S1-342", `{"Statement":` + one + `}`, "2012-10-17", create},
		{"with a principal", "S1-338", version(`{"Effect":"Allow","Principal":"*","Action":"iam:ListUsers","Resource":"*"}`), "Policy document should not specify a principal.", create},
		{"a trust policy without one", "S1-338", version(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "Missing required field Principal", trust},
		{"the guide's page break, a brace", "S1-354", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]`, "Syntax errors in policy.", create},
		{"the guide's page break, a resource", "S1-354", version(`[{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Deny","Action":["ec2:StopInstances"],"Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":false}}}]`),
			"Policy statement must contain resources.", create},
		{"a damaged action", "S1-429", version(`{"Effect":"Allow","Action":"iam>ListUsers","Resource":"*"}`), "ctions", create},
		{"a damaged list", "S1-429", version(`{"Effect":"Allow","Action":["iam:ListUsers","iam>List*"],"Resource":"*"}`), "ctions", create},
		{"an action that lost its colon", "S1-429", version(`{"Effect":"Allow","Action":["s3GetObject","s3PutObject"],"Resource":"*"}`), "ctions", create},
	} {
		t.Run(row.name, func(t *testing.T) {
			checklist.Shows(t, strings.Fields(row.items)...)
			err := row.create(row.document)
			switch {
			case row.says == "" && err != nil:
				t.Error(err)
			case row.says != "" && (code(err) != "MalformedPolicyDocument" || !strings.Contains(err.Error(), row.says)):
				t.Errorf("got %v, want MalformedPolicyDocument that says %q", err, row.says)
			}
		})
	}
}

// TestContext: what a request carries for conditions, and that it is true of the request.
func TestContext(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("asked")
	must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Tags: tags("color", "blue")}))(t)
	user := c.user(t, admin, "asker")
	must(admin.iam.TagUser(ctx, &iam.TagUserInput{UserName: aws.String("asker"), Tags: tags("team", "red")}))(t)
	id := *must(admin.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("asker")}))(t).User.UserId
	year := func(years int) string { return time.Now().AddDate(years, 0, 0).UTC().Format(time.RFC3339) }
	for key, row := range map[string]struct{ operator, yes, no string }{
		"aws:SourceIp":               {"IpAddress", "127.0.0.0/8", "192.0.2.0/24"},
		"aws:UserAgent":              {"StringLike", "*aws-sdk-go*", "*Mozilla*"},
		"aws:SecureTransport":        {"Bool", "false", "true"},
		"aws:CurrentTime":            {"DateGreaterThan", year(-1), year(1)},
		"aws:EpochTime":              {"NumericGreaterThan", "1500000000", "9900000000"},
		"aws:username":               {"StringEquals", "asker", "asked"},
		"aws:userid":                 {"StringEquals", id, "AIDAXXXXXXXXXXXXXXXXX"},
		"aws:PrincipalArn":           {"ArnEquals", a.ARN("user/asker"), a.ARN("user/asked")},
		"aws:PrincipalAccount":       {"StringEquals", a.AccountID, "111111111111"},
		"aws:PrincipalTag/team":      {"StringEquals", "red", "blue"},
		"aws:ResourceTag/color":      {"StringEquals", "blue", "red"},
		"iam:ResourceTag/color":      {"StringEquals", "blue", "red"},
		"aws:ResourceAccount":        {"StringEquals", a.AccountID, "111111111111"},
		"aws:MultiFactorAuthPresent": {"BoolIfExists", "true", ""}, // absent with a long-term key
		"aws:MultiFactorAuthAge":     {"NumericLessThanIfExists", "3600", ""},
	} {
		t.Run(key, func(t *testing.T) {
			checklist.Shows(t, "S1-331", "S1-348")
			ask := func(operator, value string) error {
				admin.inline(t, "asker", "asked", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser","Resource":%q,"Condition":{%q:{%q:%q}}}}`,
					a.ARN("user/asked"), operator, key, value))
				return failure(user.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))
			}
			must(0, ask(row.operator, row.yes))(t)
			operator, value := row.operator, row.no
			if value == "" { // without IfExists the absent key does not match
				operator, value = strings.TrimSuffix(operator, "IfExists"), row.yes
			}
			denied(t, ask(operator, value), a.ARN("user/asker"), "iam:GetUser", "user asked", noIdentityPolicy("iam:GetUser"))
		})
	}
	t.Run("a group outside the company's addresses", func(t *testing.T) {
		checklist.Shows(t, "S1-348")
		must(admin.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("AllUsers")}))(t)
		admin.member(t, "asker", "AllUsers")
		admin.inline(t, "asker", "asked", statement("Allow", "iam:*", "*"))
		from := func(addresses string) error {
			document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":[%s]}}}}`, addresses)
			must(admin.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: aws.String("AllUsers"), PolicyName: aws.String("inside"), PolicyDocument: &document}))(t)
			return failure(user.iam.GetUser(ctx, &iam.GetUserInput{UserName: name}))
		}
		denied(t, from(`"192.0.2.0/24","203.0.113.0/24"`), a.ARN("user/asker"), "iam:GetUser", "user asked", explicitDeny)
		must(0, from(`"192.0.2.0/24","127.0.0.1/32"`))(t)
	})
}

// TestRolesAreNotUsers: a role has no credentials of its own, and who uses one has its permissions instead of theirs.
func TestRolesAreNotUsers(t *testing.T) {
	var ahead atomic.Int64
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	c, h := reach(t, srv.URL).listen()
	a := srv.Account(t)
	admin, ctx, name := c.admin(t, a), t.Context(), aws.String("UpdateApp")
	user := c.permitted(t, admin, "david", statement("Allow", "sts:AssumeRole", a.ARN("role/UpdateApp")), statement("Allow", "iam:ListUsers", "*"))
	in := &sts.AssumeRoleInput{RoleSessionName: aws.String("David-ProdUpdate")}
	t.Run("made", func(t *testing.T) {
		checklist.Shows(t, "S1-369", "S1-373")
		arn := admin.role(t, *name, trusting(a.AccountID), statement("Allow", "iam:ListGroups", "*"))
		role := must(admin.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role
		if arn != a.ARN("role/UpdateApp") || *role.Arn != arn || !strings.HasPrefix(*role.RoleId, "AROA") {
			t.Errorf("the role is %s (%s)", *role.Arn, *role.RoleId)
		}
		if own := must(admin.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("own")}))(t); !containsEncoded(*own.PolicyDocument, "iam:ListGroups") ||
			!containsEncoded(*role.AssumeRolePolicyDocument, a.AccountID) {
			t.Errorf("its policies are %s and %s", *own.PolicyDocument, *role.AssumeRolePolicyDocument)
		}
		_, err := admin.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
		refused(t, err, "NoSuchEntity", "The user with name UpdateApp cannot be found.")
		_, err = admin.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String(goodPassword)})
		refused(t, err, "NoSuchEntity", "The user with name UpdateApp cannot be found.")
		in.RoleArn = &arn
	})
	var session *caller
	t.Run("one set of permissions at a time", func(t *testing.T) {
		checklist.Shows(t, "S1-350", "S1-395", "S1-369")
		user.reads(t).be("before", "ListUsers")
		session = c.assume(t, user, in)
		session.reads(t).be("in the role", "ListGroups")
		user.reads(t).be("back", "ListUsers")
	})
	t.Run("the answer", func(t *testing.T) {
		checklist.Shows(t, "S1-387", "S1-388", "S1-389")
		h.forget()
		must(user.sts.AssumeRole(ctx, in))(t)
		said := h.forget()
		for _, form := range []string{
			`<Expiration>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ</Expiration>`, `<SessionToken>[A-Za-z0-9_-]{100,}</SessionToken>`,
			`<AccessKeyId>ASIA[A-Z0-9]{16}</AccessKeyId>`, `<SecretAccessKey>[A-Za-z0-9+/=]{40}</SecretAccessKey>`,
		} {
			if !regexp.MustCompile(form).MatchString(said) {
				t.Errorf("the answer has no %s", form)
			}
		}
		nameless := badRequest{service: "sts", body: "Action=AssumeRole&Version=2011-06-15&RoleArn=" + *in.RoleArn}
		resp := must(c.http.Do(nameless.signed(t, c, user)))(t)
		defer resp.Body.Close()
		if text := string(must(io.ReadAll(resp.Body))(t)); !strings.Contains(text, "<Code>ValidationError</Code>") || !strings.Contains(text, "roleSessionName") {
			t.Errorf("without a session name: %s", text)
		}
	})
	t.Run("expired", func(t *testing.T) {
		checklist.Shows(t, "S1-388", "S1-394")
		ahead.Store(int64(time.Hour))
		_, err := session.iam.ListGroups(ctx, &iam.ListGroupsInput{})
		refused(t, err, "ExpiredToken", "The security token included in the request is expired")
		c.assume(t, user, in).reads(t).be("with new ones", "ListGroups")
	})
}

// TestPoliciesOfAWS: the managed policies that the guide's first chapters name are there in every account.
func TestPoliciesOfAWS(t *testing.T) {
	c, srv := newCloud(t)
	for _, a := range []ostiarytest.Account{srv.Account(t), srv.Account(t)} {
		root, ctx := c.root(a), t.Context()
		for _, name := range []string{"AdministratorAccess", "AmazonEC2FullAccess", "IAMUserChangePassword", "PowerUserAccess"} {
			t.Run(name, func(t *testing.T) {
				checklist.Shows(t, "S1-423", "S1-424")
				arn := "arn:aws:iam::aws:policy/" + name
				p := must(root.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}))(t).Policy
				if *p.PolicyName != name || *p.Arn != arn || *p.Path != "/" || !p.IsAttachable {
					t.Errorf("it is %+v", p)
				}
				v := must(root.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.DefaultVersionId}))(t).PolicyVersion
				if !containsEncoded(*v.Document, `"Statement"`) {
					t.Errorf("its document is %s", *v.Document)
				}
			})
		}
		t.Run("job functions", func(t *testing.T) {
			checklist.Shows(t, "S1-425")
			var found []string
			for _, page := range pages(t, iam.NewListPoliciesPaginator(root.iam, &iam.ListPoliciesInput{PathPrefix: aws.String("/job-function/"), Scope: types.PolicyScopeTypeAws})) {
				found = append(found, names(page.Policies, func(p types.Policy) *string { return p.Arn })...)
			}
			for _, want := range []string{"Billing", "DatabaseAdministrator", "DataScientist", "NetworkAdministrator", "SupportUser", "SystemAdministrator", "ViewOnlyAccess"} {
				if !strings.Contains(strings.Join(found, " ")+" ", "arn:aws:iam::aws:policy/job-function/"+want+" ") {
					t.Errorf("there is no %s in %v", want, found)
				}
			}
		})
	}
}
