package iam_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// plain compares what the SDK read without its private fields.
var plain = cmpopts.IgnoreUnexported(types.User{}, types.Tag{}, types.AttachedPermissionsBoundary{}, types.Group{},
	types.AccessKeyMetadata{}, types.AccessKeyLastUsed{})

func names(users []types.User) []string {
	var all []string
	for _, u := range users {
		all = append(all, *u.UserName)
	}
	return all
}

func TestUserLifecycle(t *testing.T) {
	checklist.Shows(t, "S1-98", "S1-99", "S1-447", "S1-449")
	w := newWorld(t)
	ctx := t.Context()
	boundary := "arn:aws:iam::aws:policy/ReadOnlyAccess"
	created := must(w.root.CreateUser(ctx, &sdk.CreateUserInput{
		UserName: aws.String("Alice"), Path: aws.String("/division/eu/"), PermissionsBoundary: &boundary,
		Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("A"), Value: aws.String("")}},
	}))(t).User
	if !strings.HasPrefix(*created.UserId, "AIDA") || time.Since(*created.CreateDate).Abs() > time.Minute {
		t.Errorf("UserId %s, CreateDate %s", *created.UserId, created.CreateDate)
	}
	want := &types.User{
		Arn: aws.String(w.arn("user/division/eu/Alice")), Path: aws.String("/division/eu/"), UserName: aws.String("Alice"),
		UserId: created.UserId, CreateDate: created.CreateDate,
		PermissionsBoundary: &types.AttachedPermissionsBoundary{PermissionsBoundaryArn: &boundary, PermissionsBoundaryType: "Policy"},
		Tags:                []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("A"), Value: aws.String("")}},
	}
	if diff := cmp.Diff(want, created, plain); diff != "" {
		t.Errorf("CreateUser (-want +got):\n%s", diff)
	}
	for _, name := range []string{"Alice", "ALICE", "alice"} {
		got := must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: &name}))(t).User
		if diff := cmp.Diff(want, got, plain); diff != "" {
			t.Errorf("GetUser %s (-want +got):\n%s", name, diff)
		}
	}

	listed := *want
	listed.PermissionsBoundary, listed.Tags = nil, nil
	list := must(w.root.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	if diff := cmp.Diff([]types.User{listed}, list.Users, plain); diff != "" || list.IsTruncated || list.Marker != nil {
		t.Errorf("ListUsers: truncated %v, (-want +got):\n%s", list.IsTruncated, diff)
	}

	must(w.root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("alice"), NewUserName: aws.String("ALICIA"), NewPath: aws.String("/")}))(t)
	want.UserName, want.Path, want.Arn = aws.String("ALICIA"), aws.String("/"), aws.String(w.arn("user/ALICIA"))
	if diff := cmp.Diff(want, must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("alicia")}))(t).User, plain); diff != "" {
		t.Errorf("after UpdateUser (-want +got):\n%s", diff)
	}
	_, err := w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("Alice")})
	refused(t, err, 404, "NoSuchEntity", "The user with name Alice cannot be found.")

	must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("alicia")}))(t)
	_, err = w.root.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("ALICIA")})
	refused(t, err, 404, "NoSuchEntity", "The user with name ALICIA cannot be found.")
}

// TestOwnUser: GetUser without a name is about the caller.
func TestOwnUser(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	caller := w.user("Caller", allow("iam:GetUser", w.arn("user/${aws:username}")))
	if got := must(caller.GetUser(ctx, &sdk.GetUserInput{}))(t).User; *got.UserName != "Caller" || *got.Arn != w.arn("user/Caller") {
		t.Errorf("own user: %s", *got.Arn)
	}
	stranger := w.user("stranger")
	_, err := stranger.GetUser(ctx, &sdk.GetUserInput{})
	w.denied(err, "stranger", "iam:GetUser", "user stranger")

	root := must(w.root.GetUser(ctx, &sdk.GetUserInput{}))(t).User
	if *root.UserId != w.account || *root.Arn != w.arn("root") || root.CreateDate.IsZero() || aws.ToString(root.UserName) != "" {
		t.Errorf("root: %+v", root)
	}

	_, err = w.session("worker", "shift").GetUser(ctx, &sdk.GetUserInput{})
	refused(t, err, 400, "ValidationError", "Must specify userName when calling with non-User credentials")
}

func TestUserErrors(t *testing.T) {
	w := newWorld(t)
	ctx, root := t.Context(), w.root
	w.user("taken")
	name, nobody := aws.String("taken"), aws.String("nobody")
	missing := "The user with name nobody cannot be found."
	tag := []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	many := make([]types.Tag, 0, 50)
	for i := range 50 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("m", i)), Value: aws.String("")})
	}

	_, err := root.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("TAKEN"), Path: aws.String("/x/")})
	refused(t, err, 409, "EntityAlreadyExists", "User with name TAKEN already exists.")
	_, err = root.CreateUser(ctx, &sdk.CreateUserInput{UserName: nobody, PermissionsBoundary: aws.String(w.arn("policy/none"))})
	refused(t, err, 404, "NoSuchEntity", "Scope ARN: "+w.arn("policy/none")+" does not exist or is not attachable.")
	_, err = root.CreateUser(ctx, &sdk.CreateUserInput{UserName: nobody, PermissionsBoundary: aws.String("arn:aws:s3:::a-bucket-for-all")})
	refused(t, err, 400, "InvalidInput", "ARN arn:aws:s3:::a-bucket-for-all is not valid.")
	_, err = root.CreateUser(ctx, &sdk.CreateUserInput{UserName: nobody, Tags: []types.Tag{tag[0], {Key: aws.String("K"), Value: aws.String("w")}}})
	refused(t, err, 400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.UsersQuota, new(1))
		return err
	})
	_, err = root.CreateUser(ctx, &sdk.CreateUserInput{UserName: nobody})
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for UsersPerAccount: 1")
	w.make(func(tx *directory.Tx) error { _, err := tx.SetQuota(w.account, directory.UsersQuota, nil); return err })

	_, err = root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: nobody, NewPath: aws.String("/x/")})
	refused(t, err, 404, "NoSuchEntity", missing)
	w.user("second")
	_, err = root.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: aws.String("second"), NewUserName: aws.String("Taken")})
	refused(t, err, 409, "EntityAlreadyExists", "User with name Taken already exists.")
	_, err = root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: nobody})
	refused(t, err, 404, "NoSuchEntity", missing)

	_, err = root.TagUser(ctx, &sdk.TagUserInput{UserName: nobody, Tags: tag})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: []types.Tag{{Key: aws.String("AWS:x"), Value: aws.String("")}}})
	refused(t, err, 400, "InvalidInput", "Tag keys that begin with aws: are reserved and cannot be set: AWS:x")
	must(root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: many}))(t)
	_, err = root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: tag})
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for TagsPerResource: 50")
	_, err = root.UntagUser(ctx, &sdk.UntagUserInput{UserName: nobody, TagKeys: []string{"k"}})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: nobody})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name, Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
	_, err = root.ListUsers(ctx, &sdk.ListUsersInput{Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
}

// TestDeleteUserConflicts: a user who still has something is not deleted, and nothing of it goes away.
func TestDeleteUserConflicts(t *testing.T) {
	w := newWorld(t)
	ctx, u := t.Context(), directory.OfUser(w.account, "full")
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		if _, err = tx.CreateUser(w.account, directory.NewUser{Name: "full"}); err != nil {
			return err
		}
		if _, err = tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"}); err != nil {
			return err
		}
		if err = tx.AddToGroup(w.account, "full", "crew"); err != nil {
			return err
		}
		if err = tx.PutInlinePolicy(u, "own", document(allow("*", "*"))); err != nil {
			return err
		}
		if err = tx.AttachPolicy(u, "arn:aws:iam::aws:policy/ReadOnlyAccess"); err != nil {
			return err
		}
		key, err = tx.CreateAccessKey(u)
		return err
	})
	for _, step := range []struct {
		message string
		remove  func(*directory.Tx) error
	}{
		{"Cannot delete entity, must delete access keys first.", func(tx *directory.Tx) error { return tx.DeleteAccessKey(u, key.ID) }},
		{"Cannot delete entity, must delete policies first.", func(tx *directory.Tx) error { return tx.DeleteInlinePolicy(u, "own") }},
		{"Cannot delete entity, must detach all policies first.", func(tx *directory.Tx) error {
			return tx.DetachPolicy(u, "arn:aws:iam::aws:policy/ReadOnlyAccess")
		}},
		{"Cannot delete entity, must remove users from group first.", func(tx *directory.Tx) error {
			return tx.RemoveFromGroup(w.account, "full", "crew")
		}},
	} {
		_, err := w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("full")})
		refused(t, err, 409, "DeleteConflict", step.message)
		w.make(step.remove)
	}
	must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("full")}))(t)
}

func TestUserTags(t *testing.T) {
	w := newWorld(t)
	ctx, name := t.Context(), aws.String("tagged")
	w.user("tagged")
	long := strings.Repeat("界", 128) // a key longer than any marker
	must(w.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: []types.Tag{
		{Key: aws.String("Cost Center"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}, {Key: &long, Value: aws.String("")},
	}}))(t)
	must(w.root.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: []types.Tag{
		{Key: aws.String("COST CENTER"), Value: aws.String("3")}, {Key: aws.String("a"), Value: aws.String("4")},
	}}))(t)
	all := func(size int32) []string {
		var got []string
		p := sdk.NewListUserTagsPaginator(w.root, &sdk.ListUserTagsInput{UserName: name, MaxItems: &size})
		for p.HasMorePages() {
			out := must(p.NextPage(ctx))(t)
			if len(out.Tags) > int(size) || out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("a page of %d, truncated %v", len(out.Tags), out.IsTruncated)
			}
			for _, tag := range out.Tags {
				got = append(got, *tag.Key+"="+*tag.Value)
			}
		}
		return got
	}
	want := []string{"a=4", "b=2", "COST CENTER=3", long + "="}
	for _, size := range []int32{1, 2, 3, 4, 100} {
		equalNames(t, fmt.Sprintf("tags in pages of %d", size), all(size), want)
	}
	three := must(w.root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name, MaxItems: aws.Int32(3)}))(t)
	must(w.root.UntagUser(ctx, &sdk.UntagUserInput{UserName: name, TagKeys: []string{"cost center", "unknown", "B"}}))(t)
	rest := must(w.root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name, Marker: three.Marker}))(t)
	if len(rest.Tags) != 0 || rest.IsTruncated {
		t.Errorf("behind the last tag: %v", rest.Tags)
	}
	equalNames(t, "after UntagUser", all(100), []string{"a=4", long + "="})
	must(w.root.UntagUser(ctx, &sdk.UntagUserInput{UserName: name, TagKeys: []string{"a", long}}))(t)
	if out := must(w.root.ListUserTags(ctx, &sdk.ListUserTagsInput{UserName: name}))(t); len(out.Tags) != 0 || out.IsTruncated {
		t.Errorf("tags left: %v", out.Tags)
	}
	if u := must(w.root.GetUser(ctx, &sdk.GetUserInput{UserName: name}))(t).User; u.Tags != nil {
		t.Errorf("GetUser shows tags %v", u.Tags)
	}
}

// TestPagesOfUsers walks 250 users in pages of several sizes, with and without a path prefix, while the order is that of names
// without case.
func TestPagesOfUsers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var all, eu []string
	for i, name := range numbered("user", 250) {
		path := "/div/us/"
		if i%3 == 0 {
			path = "/div/eu/"
		}
		if i%2 == 0 {
			name = strings.ToUpper(name)
		}
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: name, Path: path})
			return err
		})
		all = append(all, name)
		if i%3 == 0 {
			eu = append(eu, name)
		}
	}
	walk := func(size *int32, prefix *string) (pages []int, got []string) {
		p := sdk.NewListUsersPaginator(w.root, &sdk.ListUsersInput{MaxItems: size, PathPrefix: prefix})
		for p.HasMorePages() {
			out := must(p.NextPage(ctx))(t)
			if out.IsTruncated != (out.Marker != nil) {
				t.Fatalf("truncated %v, marker %v", out.IsTruncated, out.Marker)
			}
			pages, got = append(pages, len(out.Users)), append(got, names(out.Users)...)
		}
		return pages, got
	}
	for _, c := range []struct {
		size   *int32
		prefix *string
		want   []string
		pages  []int
	}{
		{nil, nil, all, []int{100, 100, 50}},
		{aws.Int32(125), nil, all, []int{125, 125}},
		{aws.Int32(1000), nil, all, []int{250}},
		{aws.Int32(249), nil, all, []int{249, 1}},
		{aws.Int32(40), aws.String("/div/eu/"), eu, []int{40, 40, 4}},
		{aws.Int32(84), aws.String("/div/e"), eu, []int{84}},
		{nil, aws.String("/div/"), all, []int{100, 100, 50}},
		{nil, aws.String("/DIV/"), nil, []int{0}},
	} {
		pages, got := walk(c.size, c.prefix)
		what := fmt.Sprintf("pages of %d in %s", aws.ToInt32(c.size), aws.ToString(c.prefix))
		if !slices.Equal(pages, c.pages) {
			t.Errorf("%s: %v, want %v", what, pages, c.pages)
		}
		equalNames(t, what, got, c.want)
	}
	if pages, got := walk(aws.Int32(1), nil); len(pages) != 250 {
		t.Errorf("pages of one: %d pages, %d users", len(pages), len(got))
	}

	// A marker holds when the user it follows is gone.
	first := must(w.root.ListUsers(ctx, &sdk.ListUsersInput{MaxItems: aws.Int32(10)}))(t)
	must(w.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: &all[9]}))(t)
	next := must(w.root.ListUsers(ctx, &sdk.ListUsersInput{MaxItems: aws.Int32(2), Marker: first.Marker}))(t)
	equalNames(t, "after a deleted user", names(next.Users), all[10:12])
}

// TestInvalidInput: what breaks the model's rules is refused, and nothing changes.
func TestInvalidInput(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.root
	key := furnish(w)
	name := aws.String("target")
	before, err := w.store.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	long := make([]types.Tag, 51)
	for i := range long {
		long[i] = types.Tag{Key: aws.String(fmt.Sprint("k", i)), Value: aws.String("")}
	}
	for what, do := range map[string]func() error{
		"a space in a name": func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("a b")})
			return err
		},
		"a name of 65 characters": func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String(strings.Repeat("a", 65))})
			return err
		},
		"an empty name": func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("")})
			return err
		},
		"a path without slashes": func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ok"), Path: aws.String("path")})
			return err
		},
		"51 tags": func() error {
			_, err := c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("ok"), Tags: long})
			return err
		},
		"a tag value with a forbidden character": func() error {
			_, err := c.TagUser(ctx, &sdk.TagUserInput{UserName: name, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("<")}}})
			return err
		},
		"a new name with a slash": func() error {
			_, err := c.UpdateUser(ctx, &sdk.UpdateUserInput{UserName: name, NewUserName: aws.String("a/b")})
			return err
		},
		"a group name with a slash": func() error {
			_, err := c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("a/b")})
			return err
		},
		"no items on a page": func() error {
			_, err := c.ListUsers(ctx, &sdk.ListUsersInput{MaxItems: aws.Int32(0)})
			return err
		},
		"1001 items on a page": func() error {
			_, err := c.ListGroups(ctx, &sdk.ListGroupsInput{MaxItems: aws.Int32(1001)})
			return err
		},
		"a path prefix without a slash": func() error {
			_, err := c.ListUsers(ctx, &sdk.ListUsersInput{PathPrefix: aws.String("x")})
			return err
		},
		"a status that there is not": func() error {
			_, err := c.UpdateAccessKey(ctx, &sdk.UpdateAccessKeyInput{UserName: name, AccessKeyId: &key, Status: "active"})
			return err
		},
		"a key ID that is too short": func() error {
			_, err := c.GetAccessKeyLastUsed(ctx, &sdk.GetAccessKeyLastUsedInput{AccessKeyId: aws.String("AKIA")})
			return err
		},
		"an alias with capitals": func() error {
			_, err := c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("Acme")})
			return err
		},
		"an account ID as alias": func() error {
			_, err := c.CreateAccountAlias(ctx, &sdk.CreateAccountAliasInput{AccountAlias: aws.String("123456789012")})
			return err
		},
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "api error ValidationError: ") {
			t.Errorf("%s: got %v, want ValidationError", what, err)
		}
	}
	if after, err := w.store.Head(ctx); err != nil || after != before {
		t.Errorf("revision %d became %d (%v)", before, after, err)
	}
}

// TestEvent: a change leaves its event, with the answer, in the same transaction.
func TestEvent(t *testing.T) {
	w := newWorld(t)
	before := len(w.events())
	u := must(w.root.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: aws.String("alice"), Path: aws.String("/eu/")}))(t).User
	events := w.events()
	if len(events) != before+1 {
		t.Fatalf("%d events were written, want 1", len(events)-before)
	}
	var got struct {
		EventSource, EventName, AWSRegion string
		ReadOnly                          bool
		UserIdentity                      struct{ Type, ARN string }
		RequestParameters                 struct{ UserName, Path string }
		ResponseElements                  struct {
			User struct{ ARN, UserID string }
		}
	}
	if err := json.Unmarshal(events[len(events)-1], &got); err != nil {
		t.Fatal(err)
	}
	want := got
	want.EventSource, want.EventName, want.AWSRegion, want.ReadOnly = "iam.amazonaws.com", "CreateUser", "us-east-1", false
	want.UserIdentity.Type, want.UserIdentity.ARN = "Root", w.arn("root")
	want.RequestParameters.UserName, want.RequestParameters.Path = "alice", "/eu/"
	want.ResponseElements.User.ARN, want.ResponseElements.User.UserID = *u.Arn, *u.UserId
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}
