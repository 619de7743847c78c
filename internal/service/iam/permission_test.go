package iam_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// permission is an operation with the one permission that opens it.
type permission struct {
	operation string
	resource  string // the ARN's resource that must be allowed; * for operations without resources
	shown     string // what a denial calls it; empty means the ARN
	do        func(context.Context, *sdk.Client) error
}

// Every world of these tests has the user target in /team/ with the access key key0, the user member of the group crew,
// which is in /team/ too, and the empty group void.
func permissions(key string) []permission {
	target, crew, void := aws.String("target"), aws.String("crew"), aws.String("void")
	tags := []types.Tag{{Key: aws.String("color"), Value: aws.String("red")}}
	return []permission{
		{"CreateUser", "user/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("fresh"), Path: aws.String("/new/")})
			return err
		}},
		{"GetUser", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetUser(ctx, &sdk.GetUserInput{UserName: target})
			return err
		}},
		{"ListUsers", "user/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListUsers(ctx, &sdk.ListUsersInput{})
			return err
		}},
		{"UpdateUser", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: target})
			return err
		}},
		{"TagUser", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagUser(ctx, &sdk.TagUserInput{UserName: target, Tags: tags})
			return err
		}},
		{"UntagUser", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagUser(ctx, &sdk.UntagUserInput{UserName: target, TagKeys: []string{"color"}})
			return err
		}},
		{"ListUserTags", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: target})
			return err
		}},
		{"ListGroupsForUser", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: target})
			return err
		}},
		{"CreateAccessKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: target})
			return err
		}},
		{"ListAccessKeys", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListAccessKeys(ctx, &sdk.ListAccessKeysInput{UserName: target})
			return err
		}},
		{"GetAccessKeyLastUsed", "user/team/target", "access key " + key, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: aws.String(key)})
			return err
		}},
		{"UpdateAccessKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{
				UserName: target, AccessKeyId: aws.String(key), Status: types.StatusTypeInactive})
			return err
		}},
		{"DeleteAccessKey", "user/team/target", "user target", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteAccessKey(ctx, &sdk.DeleteAccessKeyInput{UserName: target, AccessKeyId: aws.String(key)})
			return err
		}},
		{"DeleteUser", "user/idle", "user idle", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("idle")})
			return err
		}},
		{"CreateGroup", "group/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("fresh"), Path: aws.String("/new/")})
			return err
		}},
		{"GetGroup", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetGroup(ctx, &sdk.GetGroupInput{GroupName: crew})
			return err
		}},
		{"ListGroups", "group/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListGroups(ctx, &sdk.ListGroupsInput{})
			return err
		}},
		{"UpdateGroup", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: crew})
			return err
		}},
		{"DeleteGroup", "group/void", "group void", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: void})
			return err
		}},
		{"AddUserToGroup", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: crew, UserName: target})
			return err
		}},
		{"RemoveUserFromGroup", "group/team/crew", "group crew", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{GroupName: crew, UserName: aws.String("member")})
			return err
		}},
		{"CreateAccountAlias", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("acme")})
			return err
		}},
		{"DeleteAccountAlias", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteAccountAlias(ctx, &sdk.DeleteAccountAliasInput{AccountAlias: aws.String("old-alias")})
			return err
		}},
		{"ListAccountAliases", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListAccountAliases(ctx, &sdk.ListAccountAliasesInput{})
			return err
		}},
		{"GetAccountSummary", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})
			return err
		}},
	}
}

// furnish makes what permissions speaks of and returns the ID of target's access key.
func furnish(w *world) (key string) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		for _, u := range []directory.NewUser{{Name: "target", Path: "/team/"}, {Name: "member"}, {Name: "idle"}} {
			if _, err := tx.CreateUser(w.account, u); err != nil {
				return err
			}
		}
		for _, g := range []directory.NewGroup{{Name: "crew", Path: "/team/"}, {Name: "void"}} {
			if _, err := tx.CreateGroup(w.account, g); err != nil {
				return err
			}
		}
		if err := tx.AddToGroup(w.account, "member", "crew"); err != nil {
			return err
		}
		if err := tx.SetAlias(w.account, "old-alias"); err != nil {
			return err
		}
		k, err := tx.CreateAccessKey(directory.OfUser(w.account, "target"))
		if err == nil {
			key = k.ID
		}
		return err
	})
	return key
}

// TestPermissions holds every operation to its permission row: without a policy it is refused with AWS's sentence, with the
// action on another resource too, with the action on its own resource it succeeds, and an explicit deny wins.
func TestPermissions(t *testing.T) {
	for i, operation := range permissions("") {
		t.Run(operation.operation, func(t *testing.T) {
			checklist.Shows(t, "S1-327", "S1-328", "S3-1", "S3-279", "S3-280")
			w := newWorld(t)
			p := permissions(furnish(w))[i]
			action := "iam:" + p.operation
			resource, shown := "*", p.shown
			if p.resource != "*" {
				resource = w.arn(p.resource)
			}
			if shown == "" {
				shown = resource
			}
			caller := w.user("caller")
			events := len(w.events())
			w.denied(p.do(t.Context(), caller), "caller", action, shown)

			w.grant("caller", allow(action, w.arn("user/other")), allow(action, w.arn("group/other")), allow("sts:*", "*"))
			w.denied(p.do(t.Context(), caller), "caller", action, shown)

			w.grant("caller", allow("iam:*", "*"), deny(action, resource))
			refused(t, p.do(t.Context(), caller), 403, "AccessDenied", "User: "+w.arn("user/caller")+
				" is not authorized to perform: "+action+" on resource: "+shown+" with an explicit deny in an identity-based policy")
			if got := len(w.events()); got != events+2 { // those of the two grants
				t.Errorf("%d events were written with changes while everything was refused", got-events-2)
			}

			w.grant("caller", allow(action, resource))
			if err := p.do(t.Context(), caller); err != nil {
				t.Errorf("allowed: %v", err)
			}
		})
	}
}

// TestRoot: the root user may do everything without a policy.
func TestRoot(t *testing.T) {
	for i, operation := range permissions("") {
		t.Run(operation.operation, func(t *testing.T) {
			w := newWorld(t)
			if err := permissions(furnish(w))[i].do(t.Context(), w.root); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDenialTellsNothing: to somebody who may not ask, an entity that exists, whatever its path and case, is like one that
// does not.
func TestDenialTellsNothing(t *testing.T) {
	w := newWorld(t)
	key := furnish(w)
	caller, ctx := w.user("caller"), t.Context()
	ask := map[string]func(string) error{
		"GetUser": func(name string) error {
			_, err := caller.GetUser(ctx, &sdk.GetUserInput{UserName: &name})
			return err
		},
		"UpdateUser": func(name string) error {
			_, err := caller.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: &name, NewUserName: aws.String("new")})
			return err
		},
		"GetGroup": func(name string) error {
			_, err := caller.GetGroup(ctx, &sdk.GetGroupInput{GroupName: &name})
			return err
		},
		"GetAccessKeyLastUsed": func(name string) error {
			_, err := caller.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: &name})
			return err
		},
	}
	for _, c := range []struct{ operation, there, missing string }{
		{"GetUser", "TARGET", "nobody"}, {"UpdateUser", "Target", "nobody"}, {"GetGroup", "CREW", "nothing"},
		{"GetAccessKeyLastUsed", key, "AKIAAAAAAAAAAAAAAAAA"}, {"GetAccessKeyLastUsed", w.rootKey, "AKIAAAAAAAAAAAAAAAAA"},
	} {
		there, missing := ask[c.operation](c.there), ask[c.operation](c.missing)
		if there == nil || missing == nil {
			t.Fatalf("%s: allowed", c.operation)
		}
		_, a, _ := strings.Cut(there.Error(), "AccessDenied: ")
		_, b, _ := strings.Cut(missing.Error(), "AccessDenied: ")
		if a == "" || strings.ReplaceAll(a, c.there, c.missing) != b {
			t.Errorf("%s:\nthere   %v\nmissing %v", c.operation, there, missing)
		}
	}
}

// TestConditionKeys: the keys that rows put into the context.
func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	boundary := "arn:aws:iam::aws:policy/ReadOnlyAccess"
	tag := func(key, value string) []types.Tag { return []types.Tag{{Key: &key, Value: &value}} }

	t.Run("iam:PermissionsBoundary", func(t *testing.T) {
		caller := w.user("bounder", allow("iam:CreateUser", "*").when("StringEquals", "iam:PermissionsBoundary", boundary))
		_, err := caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("b1")})
		w.denied(err, "bounder", "iam:CreateUser", w.arn("user/b1"))
		_, err = caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("b1"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
		w.denied(err, "bounder", "iam:CreateUser", w.arn("user/b1"))
		must(caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("b1"), PermissionsBoundary: &boundary}))(t)
	})
	t.Run("aws:RequestTag", func(t *testing.T) {
		caller := w.user("tagger", allow("iam:*User", "*").when("StringEquals", "aws:RequestTag/team", "red"))
		_, err := caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("t1"), Tags: tag("team", "blue")})
		w.denied(err, "tagger", "iam:CreateUser", w.arn("user/t1"))
		must(caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("t1"), Tags: tag("team", "red")}))(t)
		_, err = caller.TagUser(ctx, &sdk.TagUserInput{UserName: aws.String("t1"), Tags: tag("team", "blue")})
		w.denied(err, "tagger", "iam:TagUser", "user t1")
		must(caller.TagUser(ctx, &sdk.TagUserInput{UserName: aws.String("t1"), Tags: tag("team", "red")}))(t)
	})
	t.Run("aws:TagKeys", func(t *testing.T) {
		caller := w.user("keys", allow("iam:*User", "*").when("ForAllValues:StringEquals", "aws:TagKeys", []string{"a", "b"}))
		must(caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("k1"), Tags: tag("a", "1")}))(t)
		_, err := caller.TagUser(ctx, &sdk.TagUserInput{UserName: aws.String("k1"), Tags: append(tag("a", "1"), tag("c", "1")...)})
		w.denied(err, "keys", "iam:TagUser", "user k1")
		_, err = caller.UntagUser(ctx, &sdk.UntagUserInput{UserName: aws.String("k1"), TagKeys: []string{"c"}})
		w.denied(err, "keys", "iam:UntagUser", "user k1")
		must(caller.UntagUser(ctx, &sdk.UntagUserInput{UserName: aws.String("k1"), TagKeys: []string{"a"}}))(t)
	})
	t.Run("iam:ResourceTag", func(t *testing.T) {
		for _, key := range []string{"iam:ResourceTag/owner", "aws:ResourceTag/owner"} {
			name := strings.ReplaceAll(key[:3], ":", "") + "-owned"
			w.make(func(tx *directory.Tx) error {
				_, err := tx.CreateUser(w.account, directory.NewUser{Name: name, Tags: []entity.Tag{{Key: "owner", Value: "me"}}})
				return err
			})
			caller := w.user(name+"-caller", allow("iam:*", "*").when("StringEquals", key, "me"))
			must(caller.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: &name}))(t)
			_, err := caller.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("t1")})
			w.denied(err, name+"-caller", "iam:CreateAccessKey", "user t1")
			_, err = caller.CreateAccessKey(ctx, &sdk.CreateAccessKeyInput{UserName: aws.String("nobody")})
			w.denied(err, name+"-caller", "iam:CreateAccessKey", "user nobody")
			// The tags of a user in another path are not those of the user to be made.
			_, err = caller.CreateUser(ctx, &sdk.CreateUserInput{UserName: &name, Path: aws.String("/other/")})
			w.denied(err, name+"-caller", "iam:CreateUser", w.arn("user/other/"+name))
		}
	})
}

// TestTagOnCreate: making a user with tags needs iam:TagUser too.
func TestTagOnCreate(t *testing.T) {
	checklist.Shows(t, "S3-2")
	w := newWorld(t)
	caller := w.user("caller", allow("iam:CreateUser", "*"))
	in := &sdk.CreateUserInput{UserName: aws.String("fresh"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}
	_, err := caller.CreateUser(t.Context(), in)
	w.denied(err, "caller", "iam:TagUser", w.arn("user/fresh"))
	w.grant("caller", allow("iam:CreateUser", "*"), allow("iam:TagUser", w.arn("user/fresh")))
	must(caller.CreateUser(t.Context(), in))(t)
}

// TestRenameNeedsBoth: a new name or path needs permission on the entity as it is and as it will be.
func TestRenameNeedsBoth(t *testing.T) {
	checklist.Shows(t, "S1-329", "S3-2", "S3-285")
	w := newWorld(t)
	furnish(w)
	ctx := t.Context()
	user := func(c *sdk.Client, name, path *string) error {
		_, err := c.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("target"), NewUserName: name, NewPath: path})
		return err
	}
	group := func(c *sdk.Client, name, path *string) error {
		_, err := c.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: aws.String("crew"), NewGroupName: name, NewPath: path})
		return err
	}
	for _, c := range []struct {
		kind, old string
		do        func(*sdk.Client, *string, *string) error
	}{{"user", "target", user}, {"group", "crew", group}} {
		action := map[string]string{"user": "iam:UpdateUser", "group": "iam:UpdateGroup"}[c.kind]
		name := "renamer-of-" + c.kind
		caller := w.user(name, allow(action, w.arn(c.kind+"/team/"+c.old)))
		w.denied(c.do(caller, aws.String("new"), nil), name, action, c.kind+" new")
		w.denied(c.do(caller, nil, aws.String("/other/")), name, action, c.kind+" "+c.old)
		w.grant(name, allow(action, w.arn(c.kind+"/team/new")), allow(action, w.arn(c.kind+"/other/"+c.old)))
		w.denied(c.do(caller, aws.String("new"), nil), name, action, c.kind+" "+c.old)
		w.grant(name, allow(action, w.arn(c.kind+"/team/"+c.old)), allow(action, w.arn(c.kind+"/other/new")))
		w.denied(c.do(caller, aws.String("new"), nil), name, action, c.kind+" new") // the path stays /team/
		if err := c.do(caller, aws.String("new"), aws.String("/other/")); err != nil {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
}

// TestPathPrefixIsTheResource: a policy can limit listing to a path.
func TestPathPrefixIsTheResource(t *testing.T) {
	w := newWorld(t)
	caller := w.user("caller", allow("iam:ListUsers", w.arn("user/team/*")), allow("iam:ListGroups", w.arn("group/team/*")))
	_, err := caller.ListUsers(t.Context(), &sdk.ListUsersInput{})
	w.denied(err, "caller", "iam:ListUsers", w.arn("user/"))
	_, err = caller.ListGroups(t.Context(), &sdk.ListGroupsInput{PathPrefix: aws.String("/tea")})
	w.denied(err, "caller", "iam:ListGroups", w.arn("group/tea"))
	must(caller.ListUsers(t.Context(), &sdk.ListUsersInput{PathPrefix: aws.String("/team/")}))(t)
	must(caller.ListGroups(t.Context(), &sdk.ListGroupsInput{PathPrefix: aws.String("/team/eu/")}))(t)
}

// TestStaleDecision: a write does not happen where the decision was made on a state that is no more. Each case lets the caller
// change something that the snapshot does not have yet, or has otherwise, and that the caller may not change as it is by now.
func TestStaleDecision(t *testing.T) {
	ctx := t.Context()
	late := aws.String("late")
	deleteUser := func(c *sdk.Client) error {
		_, err := c.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: late})
		return err
	}
	for name, c := range map[string]struct {
		before  func(*world) func(*directory.Tx) error // what everybody knows
		behind  func(*world) func(*directory.Tx) error // what the caller's node does not know
		allowed func(*world) statement
		do      func(*sdk.Client) error
	}{
		"made with a path": {
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "late", Path: "/secret/"})
					return err
				}
			},
			allowed: func(w *world) statement { return allow("iam:DeleteUser", w.arn("user/late")) },
			do:      deleteUser,
		},
		"made with tags": {
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "late", Tags: []entity.Tag{{Key: "team", Value: "red"}}})
					return err
				}
			},
			allowed: func(w *world) statement {
				return allow("iam:DeleteUser", "*").when("StringNotEquals", "iam:ResourceTag/team", "red")
			},
			do: deleteUser,
		},
		"moved": {
			before: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "late"})
					return err
				}
			},
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.RenameUser(w.account, "late", directory.Rename{Path: aws.String("/secret/")})
					return err
				}
			},
			allowed: func(w *world) statement { return allow("iam:DeleteUser", w.arn("user/late")) },
			do:      deleteUser,
		},
		"a group made with a path": {
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "late", Path: "/secret/"})
					return err
				}
			},
			allowed: func(w *world) statement { return allow("iam:AddUserToGroup", w.arn("group/late")) },
			do: func(c *sdk.Client) error {
				_, err := c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: late, UserName: aws.String("caller")})
				return err
			},
		},
		"a group moved": {
			before: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "late"})
					return err
				}
			},
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.RenameGroup(w.account, "late", directory.Rename{Path: aws.String("/secret/")})
					return err
				}
			},
			allowed: func(w *world) statement { return allow("iam:AddUserToGroup", w.arn("group/late")) },
			do: func(c *sdk.Client) error {
				_, err := c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: late, UserName: aws.String("caller")})
				return err
			},
		},
		"the permission taken away": {
			before: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					_, err := tx.CreateUser(w.account, directory.NewUser{Name: "late"})
					return err
				}
			},
			behind: func(w *world) func(*directory.Tx) error {
				return func(tx *directory.Tx) error {
					return tx.DeleteInlinePolicy(directory.OfUser(w.account, "caller"), "test")
				}
			},
			allowed: func(w *world) statement { return allow("iam:DeleteUser", "*") },
			do:      deleteUser,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				w.make(c.before(w))
			}
			caller := w.user("caller", c.allowed(w))
			w.store.behind(func() { w.commit(c.behind(w)) })
			if err := c.do(caller); err == nil || !strings.Contains(err.Error(), "AccessDenied: ") {
				t.Errorf("got %v, want AccessDenied", err)
			}
			if !w.store.asked {
				t.Error("nobody asked for the newest state: the test proves nothing")
			}
		})
	}
}
