package elasticache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

const password = "correct-horse-battery-1"

func createUser(id, name string, change ...func(*sdk.CreateUserInput)) *sdk.CreateUserInput {
	in := &sdk.CreateUserInput{UserId: &id, UserName: &name, Engine: aws.String("redis"), AccessString: aws.String("on ~app:* +@read"), Passwords: []string{password}}
	for _, c := range change {
		c(in)
	}
	return in
}

func (w *world) userIDs(in sdk.DescribeUsersInput) (ids []string) {
	w.Helper()
	pages := sdk.NewDescribeUsersPaginator(w.root, &in)
	for pages.HasMorePages() {
		p, err := pages.NextPage(w.Context())
		w.must(err)
		for _, u := range p.Users {
			ids = append(ids, *u.UserId)
		}
	}
	return ids
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	made, err := w.root.CreateUser(t.Context(), createUser("App-1", "app", func(in *sdk.CreateUserInput) { in.Tags = tags("team", "red") }))
	w.must(err)
	if *made.UserId != "app-1" || *made.UserName != "app" || *made.ARN != w.arn("user:app-1") || *made.Status != "active" || *made.AccessString != "on ~app:* +@read" ||
		made.Authentication.Type != types.AuthenticationTypePassword || *made.Authentication.PasswordCount != 1 || *made.MinimumEngineVersion != "6.0" {
		t.Errorf("made %+v", made)
	}
	_, err = w.root.CreateUser(t.Context(), createUser("app-1", "other"))
	w.refused(err, "UserAlreadyExists")
	changed, err := w.root.ModifyUser(t.Context(), &sdk.ModifyUserInput{UserId: aws.String("app-1"), AppendAccessString: aws.String("+@write"), NoPasswordRequired: aws.Bool(true)})
	w.must(err)
	if *changed.AccessString != "on ~app:* +@read +@write" || changed.Authentication.Type != types.AuthenticationTypeNoPassword || changed.Authentication.PasswordCount != nil {
		t.Errorf("changed to %+v", changed)
	}
	changed, err = w.root.ModifyUser(t.Context(), &sdk.ModifyUserInput{UserId: aws.String("app-1"), Engine: aws.String("Valkey"),
		AuthenticationMode: &types.AuthenticationMode{Type: types.InputAuthenticationTypePassword, Passwords: []string{password, password + "2"}}})
	w.must(err)
	if *changed.Engine != "valkey" || *changed.Authentication.PasswordCount != 2 || *changed.MinimumEngineVersion != "7.2" {
		t.Errorf("changed to %+v", changed)
	}
	_, err = w.root.CreateUser(t.Context(), createUser("zed", "zed", func(in *sdk.CreateUserInput) {
		in.Passwords, in.AuthenticationMode = nil, &types.AuthenticationMode{Type: types.InputAuthenticationTypeIam}
	}))
	w.must(err)
	if got := w.userIDs(sdk.DescribeUsersInput{}); !slices.Equal(got, []string{"app-1", "default", "zed"}) {
		t.Errorf("users %v", got)
	}
	if got := w.userIDs(sdk.DescribeUsersInput{Engine: aws.String("redis")}); !slices.Equal(got, []string{"default", "zed"}) {
		t.Errorf("users for redis %v", got)
	}
	if got := w.userIDs(sdk.DescribeUsersInput{Filters: []types.Filter{{Name: aws.String("user-name"), Values: []string{"app", "zed"}}, {Name: aws.String("user-id"), Values: []string{"zed"}}}}); !slices.Equal(got, []string{"zed"}) {
		t.Errorf("filtered users %v", got)
	}
	_, err = w.root.DescribeUsers(t.Context(), &sdk.DescribeUsersInput{Filters: []types.Filter{{Name: aws.String("shoe-size"), Values: []string{"44"}}}})
	w.refused(err, "InvalidParameterValue")
	gone, err := w.root.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserId: aws.String("zed")})
	w.must(err)
	if *gone.Status != "deleting" {
		t.Errorf("deleted %+v", gone)
	}
	for _, id := range []string{"zed", "none"} {
		_, err = w.root.DescribeUsers(t.Context(), &sdk.DescribeUsersInput{UserId: &id})
		w.refused(err, "UserNotFound")
		_, err = w.root.ModifyUser(t.Context(), &sdk.ModifyUserInput{UserId: &id, AccessString: aws.String("off")})
		w.refused(err, "UserNotFound")
		_, err = w.root.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserId: &id})
		w.refused(err, "UserNotFound")
	}
	for _, e := range w.server.Events(t, w.account.AccountID) {
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, password) {
			t.Errorf("the event of %s shows a password", e.Name)
		}
	}
}

func TestUsersRefused(t *testing.T) {
	w := newWorld(t)
	mode := func(t types.InputAuthenticationType, passwords ...string) func(*sdk.CreateUserInput) {
		return func(in *sdk.CreateUserInput) {
			in.Passwords, in.AuthenticationMode = nil, &types.AuthenticationMode{Type: t, Passwords: passwords}
		}
	}
	access := func(s string) func(*sdk.CreateUserInput) {
		return func(in *sdk.CreateUserInput) { in.AccessString = &s }
	}
	for name, tt := range map[string]struct {
		in   *sdk.CreateUserInput
		code string
	}{
		"the default user":         {createUser("default", "default"), "UserAlreadyExists"},
		"an ID that is none":       {createUser("1app", "app"), "InvalidParameterValue"},
		"a long ID":                {createUser(strings.Repeat("a", 41), "app"), "InvalidParameterValue"},
		"a name with a space":      {createUser("app", "a b"), "InvalidParameterValue"},
		"another engine":           {createUser("app", "app", func(in *sdk.CreateUserInput) { in.Engine = aws.String("memcached") }), "InvalidParameterValue"},
		"a short password":         {createUser("app", "app", func(in *sdk.CreateUserInput) { in.Passwords = []string{"fifteen-letters"} }), "InvalidParameterValue"},
		"a password with a space":  {createUser("app", "app", func(in *sdk.CreateUserInput) { in.Passwords = []string{"sixteen letters!!"} }), "InvalidParameterValue"},
		"three passwords":          {createUser("app", "app", func(in *sdk.CreateUserInput) { in.Passwords = []string{password, password + "2", password + "3"} }), "InvalidParameterValue"},
		"no way to log in":         {createUser("app", "app", func(in *sdk.CreateUserInput) { in.Passwords = nil }), "InvalidParameterCombination"},
		"two ways to log in":       {createUser("app", "app", func(in *sdk.CreateUserInput) { in.NoPasswordRequired = aws.Bool(true) }), "InvalidParameterCombination"},
		"IAM with a password":      {createUser("app", "app", mode(types.InputAuthenticationTypeIam, password)), "InvalidParameterCombination"},
		"IAM under another name":   {createUser("app", "other", mode(types.InputAuthenticationTypeIam)), "InvalidParameterCombination"},
		"password without one":     {createUser("app", "app", mode(types.InputAuthenticationTypePassword)), "InvalidParameterValue"},
		"a password in the access": {createUser("app", "app", access("on >secret ~* +@all")), "InvalidParameterValue"},
		"nopass in the access":     {createUser("app", "app", access("on nopass ~* +@all")), "InvalidParameterValue"},
		"a line end in the access": {createUser("app", "app", access("on ~*\r\nuser eve on +@all \"")), "InvalidParameterValue"},
		"a selector left open":     {createUser("app", "app", access("on (~a +get")), "InvalidParameterValue"},
	} {
		_, err := w.root.CreateUser(t.Context(), tt.in)
		if got := codeOf(err); got != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
	if got := w.userIDs(sdk.DescribeUsersInput{}); !slices.Equal(got, []string{"default"}) {
		t.Errorf("users %v", got)
	}
	_, err := w.root.ModifyUser(t.Context(), &sdk.ModifyUserInput{UserId: aws.String("default"), AccessString: aws.String("off")})
	w.refused(err, "InvalidParameterValue")
	_, err = w.root.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserId: aws.String("default")})
	w.refused(err, "InvalidParameterValue")
}

func TestUserGroups(t *testing.T) {
	w := newWorld(t)
	for _, u := range []*sdk.CreateUserInput{createUser("ann", "ann"), createUser("bob", "bob"), createUser("bob2", "bob"), createUser("own-default", "default"),
		createUser("val", "val", func(in *sdk.CreateUserInput) { in.Engine = aws.String("valkey") })} {
		_, err := w.root.CreateUser(t.Context(), u)
		w.must(err)
	}
	create := func(id, engine string, users ...string) error {
		_, err := w.root.CreateUserGroup(t.Context(), &sdk.CreateUserGroupInput{UserGroupId: &id, Engine: &engine, UserIds: users})
		return err
	}
	modify := func(id string, add, remove []string) error {
		_, err := w.root.ModifyUserGroup(t.Context(), &sdk.ModifyUserGroupInput{UserGroupId: &id, UserIdsToAdd: add, UserIdsToRemove: remove})
		return err
	}
	groupsOf := func(id string) []string {
		out, err := w.root.DescribeUsers(t.Context(), &sdk.DescribeUsersInput{UserId: &id})
		w.must(err)
		return out.Users[0].UserGroupIds
	}
	w.refused(create("crew", "redis", "ann"), "DefaultUserRequired")
	w.refused(create("crew", "redis", "default", "none"), "UserNotFound")
	w.refused(create("crew", "redis", "default", "bob", "bob2"), "DuplicateUserName")
	w.refused(create("crew", "redis", "default", "own-default"), "DuplicateUserName")
	w.refused(create("crew", "redis", "default", "val"), "InvalidParameterCombination")
	w.refused(create("crew", "redis", "default", "default"), "InvalidParameterValue")
	w.refused(create("crew", "memcached", "default"), "InvalidParameterValue")
	w.refused(create("Crew", "redis", "default", "ann"), "")
	w.refused(create("crew", "redis", "default"), "UserGroupAlreadyExists")
	w.refused(create("keys", "valkey", "val", "ann"), "")
	if got := groupsOf("ann"); !slices.Equal(got, []string{"crew", "keys"}) {
		t.Errorf("ann is in %v", got)
	}
	if got := groupsOf("default"); !slices.Equal(got, []string{"crew"}) {
		t.Errorf("default is in %v", got)
	}
	w.refused(modify("crew", []string{"ann"}, nil), "InvalidParameterValue")
	w.refused(modify("crew", nil, []string{"bob"}), "InvalidParameterValue")
	w.refused(modify("crew", nil, []string{"default"}), "DefaultUserRequired")
	w.refused(modify("crew", nil, nil), "InvalidParameterCombination")
	w.refused(modify("none", []string{"ann"}, nil), "UserGroupNotFound")
	w.refused(modify("crew", []string{"own-default", "bob"}, []string{"default"}), "")
	if got := groupsOf("default"); len(got) != 0 {
		t.Errorf("default is in %v", got)
	}
	_, err := w.root.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserId: aws.String("own-default")})
	w.refused(err, "DefaultUserAssociatedToUserGroup")
	_, err = w.root.ModifyUser(t.Context(), &sdk.ModifyUserInput{UserId: aws.String("bob"), Engine: aws.String("valkey")})
	w.refused(err, "InvalidParameterCombination")
	_, err = w.root.DeleteUser(t.Context(), &sdk.DeleteUserInput{UserId: aws.String("bob")})
	w.must(err)
	out, err := w.root.DescribeUserGroups(t.Context(), &sdk.DescribeUserGroupsInput{})
	w.must(err)
	if len(out.UserGroups) != 2 || !slices.Equal(out.UserGroups[0].UserIds, []string{"ann", "own-default"}) || *out.UserGroups[0].ARN != w.arn("usergroup:crew") || *out.UserGroups[1].Engine != "valkey" {
		t.Errorf("groups %+v", out.UserGroups)
	}
	_, err = w.root.DeleteUserGroup(t.Context(), &sdk.DeleteUserGroupInput{UserGroupId: aws.String("CREW")})
	w.must(err)
	if got := groupsOf("ann"); !slices.Equal(got, []string{"keys"}) {
		t.Errorf("ann is in %v", got)
	}
	_, err = w.root.DeleteUserGroup(t.Context(), &sdk.DeleteUserGroupInput{UserGroupId: aws.String("crew")})
	w.refused(err, "UserGroupNotFound")
}

// TestWhoMayMakeUsers: the way to log in is a condition key, however it is asked for; a group needs the permission on each of its users.
func TestWhoMayMakeUsers(t *testing.T) {
	w := newWorld(t)
	careful := w.user(`{"Effect":"Allow","Action":"elasticache:*","Resource":"*"},
		{"Effect":"Deny","Action":["elasticache:CreateUser","elasticache:ModifyUser"],"Resource":"*","Condition":{"StringEquals":{"elasticache:UserAuthenticationMode":"no-password-required"}}}`)
	_, err := careful.CreateUser(t.Context(), createUser("ann", "ann"))
	w.refused(err, "")
	for _, in := range []*sdk.ModifyUserInput{
		{NoPasswordRequired: aws.Bool(true)},
		{AuthenticationMode: &types.AuthenticationMode{Type: types.InputAuthenticationTypeNoPassword}},
	} {
		in.UserId = aws.String("ann")
		_, err = careful.ModifyUser(t.Context(), in)
		w.refused(err, "AccessDenied")
	}
	onlyIAM := w.user(`{"Effect":"Allow","Action":"elasticache:CreateUser","Resource":"` + w.arn("user:svc-*") + `","Condition":{"StringEquals":{"elasticache:UserAuthenticationMode":"iam"}}}`)
	byIAM := func(in *sdk.CreateUserInput) {
		in.Passwords, in.AuthenticationMode = nil, &types.AuthenticationMode{Type: types.InputAuthenticationTypeIam}
	}
	_, err = onlyIAM.CreateUser(t.Context(), createUser("svc-1", "svc-1"))
	w.refused(err, "AccessDenied")
	_, err = onlyIAM.CreateUser(t.Context(), createUser("app", "app", byIAM))
	w.refused(err, "AccessDenied")
	_, err = onlyIAM.CreateUser(t.Context(), createUser("svc-1", "svc-1", byIAM))
	w.refused(err, "")

	some := w.user(`{"Effect":"Allow","Action":"elasticache:*UserGroup*","Resource":["` + w.arn("usergroup:crew") + `","` + w.arn("user:default") + `","` + w.arn("user:svc-*") + `"]}`)
	group := func(users ...string) error {
		_, err := some.CreateUserGroup(t.Context(), &sdk.CreateUserGroupInput{UserGroupId: aws.String("crew"), Engine: aws.String("redis"), UserIds: users})
		return err
	}
	w.refused(group("default", "ann"), "AccessDenied")
	w.refused(group("default", "svc-1"), "")
	_, err = some.ModifyUserGroup(t.Context(), &sdk.ModifyUserGroupInput{UserGroupId: aws.String("crew"), UserIdsToAdd: []string{"ann"}})
	w.refused(err, "AccessDenied")
	_, err = some.DescribeUserGroups(t.Context(), &sdk.DescribeUserGroupsInput{})
	w.refused(err, "AccessDenied")
	_, err = some.DescribeUserGroups(t.Context(), &sdk.DescribeUserGroupsInput{UserGroupId: aws.String("crew")})
	w.refused(err, "")
}

func TestSecurityGroups(t *testing.T) {
	w := newWorld(t)
	_, err := w.root.CreateCacheSecurityGroup(t.Context(), &sdk.CreateCacheSecurityGroupInput{CacheSecurityGroupName: aws.String("Old"), Description: aws.String("before VPCs")})
	w.must(err)
	authorize := func(group string) error {
		_, err := w.root.AuthorizeCacheSecurityGroupIngress(t.Context(), &sdk.AuthorizeCacheSecurityGroupIngressInput{CacheSecurityGroupName: aws.String("old"),
			EC2SecurityGroupName: &group, EC2SecurityGroupOwnerId: &w.account.AccountID})
		return err
	}
	w.refused(authorize("web"), "")
	w.refused(authorize("web"), "AuthorizationAlreadyExists")
	revoked, err := w.root.RevokeCacheSecurityGroupIngress(t.Context(), &sdk.RevokeCacheSecurityGroupIngressInput{CacheSecurityGroupName: aws.String("old"),
		EC2SecurityGroupName: aws.String("none"), EC2SecurityGroupOwnerId: &w.account.AccountID})
	w.refused(err, "AuthorizationNotFound")
	_ = revoked
	out, err := w.root.DescribeCacheSecurityGroups(t.Context(), &sdk.DescribeCacheSecurityGroupsInput{CacheSecurityGroupName: aws.String("old")})
	w.must(err)
	if g := out.CacheSecurityGroups[0]; *g.CacheSecurityGroupName != "old" || *g.OwnerId != w.account.AccountID || len(g.EC2SecurityGroups) != 1 || *g.EC2SecurityGroups[0].Status != "authorized" {
		t.Errorf("group %+v", g)
	}
	_, err = w.root.CreateCacheSecurityGroup(t.Context(), &sdk.CreateCacheSecurityGroupInput{CacheSecurityGroupName: aws.String("OLD"), Description: aws.String("x")})
	w.refused(err, "CacheSecurityGroupAlreadyExists")
	_, err = w.root.DeleteCacheSecurityGroup(t.Context(), &sdk.DeleteCacheSecurityGroupInput{CacheSecurityGroupName: aws.String("old")})
	w.must(err)
	_, err = w.root.DeleteCacheSecurityGroup(t.Context(), &sdk.DeleteCacheSecurityGroupInput{CacheSecurityGroupName: aws.String("old")})
	w.refused(err, "CacheSecurityGroupNotFound")
}
