package iam_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

func groupNames(groups []types.Group) []string {
	var all []string
	for _, g := range groups {
		all = append(all, *g.GroupName)
	}
	return all
}

func TestGroupLifecycle(t *testing.T) {
	checklist.Shows(t, "S1-144", "S1-449")
	w := newWorld(t)
	ctx := t.Context()
	created := must(w.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("Admins"), Path: aws.String("/it/")}))(t).Group
	if !strings.HasPrefix(*created.GroupId, "AGPA") {
		t.Errorf("GroupId %s", *created.GroupId)
	}
	want := &types.Group{
		Arn: aws.String(w.arn("group/it/Admins")), Path: aws.String("/it/"), GroupName: aws.String("Admins"),
		GroupId: created.GroupId, CreateDate: created.CreateDate,
	}
	if diff := cmp.Diff(want, created, plain); diff != "" {
		t.Errorf("CreateGroup (-want +got):\n%s", diff)
	}
	got := must(w.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: aws.String("ADMINS")}))(t)
	if diff := cmp.Diff(want, got.Group, plain); diff != "" || len(got.Users) != 0 || got.IsTruncated {
		t.Errorf("GetGroup: %d users, truncated %v (-want +got):\n%s", len(got.Users), got.IsTruncated, diff)
	}
	must(w.root.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: aws.String("admins"), NewGroupName: aws.String("Ops"), NewPath: aws.String("/")}))(t)
	want.GroupName, want.Path, want.Arn = aws.String("Ops"), aws.String("/"), aws.String(w.arn("group/Ops"))
	list := must(w.root.ListGroups(ctx, &sdk.ListGroupsInput{}))(t)
	if diff := cmp.Diff([]types.Group{*want}, list.Groups, plain); diff != "" || list.IsTruncated {
		t.Errorf("ListGroups: truncated %v (-want +got):\n%s", list.IsTruncated, diff)
	}
	must(w.root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: aws.String("ops")}))(t)
	if list := must(w.root.ListGroups(ctx, &sdk.ListGroupsInput{}))(t); len(list.Groups) != 0 {
		t.Errorf("a deleted group is listed: %v", groupNames(list.Groups))
	}
}

func TestGroupErrors(t *testing.T) {
	w := newWorld(t)
	ctx, root := t.Context(), w.root
	furnish(w)
	nothing, crew, missing := aws.String("nothing"), aws.String("crew"), "The group with name nothing cannot be found."

	_, err := root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("CREW")})
	refused(t, err, 409, "EntityAlreadyExists", "Group with name CREW already exists.")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.GroupsQuota, new(2))
		return err
	})
	_, err = root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("third")})
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for GroupsPerAccount: 2")
	_, err = root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: nothing})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: crew, Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
	_, err = root.ListGroups(ctx, &sdk.ListGroupsInput{Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
	_, err = root.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: nothing, NewPath: aws.String("/x/")})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.UpdateGroup(ctx, &sdk.UpdateGroupInput{GroupName: crew, NewGroupName: aws.String("Void")})
	refused(t, err, 409, "EntityAlreadyExists", "Group with name Void already exists.")
	_, err = root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: nothing})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: crew})
	refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must remove users from group first.")
	w.make(func(tx *directory.Tx) error {
		return tx.PutInlinePolicy(directory.OfGroup(w.account, "void"), "p", document(allow("*", "*")))
	})
	_, err = root.DeleteGroup(ctx, &sdk.DeleteGroupInput{GroupName: aws.String("void")})
	refused(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.")

	_, err = root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: nothing, UserName: aws.String("member")})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: crew, UserName: aws.String("nobody")})
	refused(t, err, 404, "NoSuchEntity", "The user with name nobody cannot be found.")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.GroupsPerUserQuota, new(1))
		return err
	})
	_, err = root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("void"), UserName: aws.String("member")})
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for GroupsPerUser: 1")
	_, err = root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{GroupName: nothing, UserName: aws.String("member")})
	refused(t, err, 404, "NoSuchEntity", missing)
	_, err = root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{GroupName: crew, UserName: aws.String("nobody")})
	refused(t, err, 404, "NoSuchEntity", "The user with name nobody cannot be found.")
	_, err = root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: aws.String("nobody")})
	refused(t, err, 404, "NoSuchEntity", "The user with name nobody cannot be found.")
	_, err = root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: aws.String("member"), Marker: aws.String("invented")})
	refused(t, err, 400, "ValidationError", "Invalid Marker.")
}

// TestMembership: members come and go, twice is as good as once, and what the group allows counts from the next request on.
func TestMembership(t *testing.T) {
	checklist.Shows(t, "S1-118", "S1-146")
	w := newWorld(t)
	ctx, crew, name := t.Context(), aws.String("Crew"), aws.String("member")
	caller := w.user("member")
	must(w.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: crew}))(t)
	w.make(func(tx *directory.Tx) error {
		return tx.PutInlinePolicy(directory.OfGroup(w.account, "crew"), "p", document(allow("iam:ListUsers", "*")))
	})
	for range 2 {
		must(w.root.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: crew, UserName: name}))(t)
	}
	must(caller.ListUsers(ctx, &sdk.ListUsersInput{}))(t)
	group := must(w.root.GetGroup(ctx, &sdk.GetGroupInput{GroupName: crew}))(t)
	equalNames(t, "members", names(group.Users), []string{"member"})
	own := must(w.root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: name}))(t)
	if diff := cmp.Diff([]types.Group{*group.Group}, own.Groups, plain); diff != "" {
		t.Errorf("ListGroupsForUser (-want +got):\n%s", diff)
	}
	for range 2 {
		must(w.root.RemoveUserFromGroup(ctx, &sdk.RemoveUserFromGroupInput{GroupName: crew, UserName: name}))(t)
	}
	_, err := caller.ListUsers(ctx, &sdk.ListUsersInput{})
	w.denied(err, "member", "iam:ListUsers", w.arn("user/"))
	if own := must(w.root.ListGroupsForUser(ctx, &sdk.ListGroupsForUserInput{UserName: name}))(t); len(own.Groups) != 0 || own.IsTruncated {
		t.Errorf("groups left: %v", groupNames(own.Groups))
	}
}

func TestPagesOfGroups(t *testing.T) {
	checklist.Shows(t, "S1-145")
	w := newWorld(t)
	ctx := t.Context()
	groups, users := numbered("group", 10), numbered("user", 25)
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "joiner"})
		return err
	})
	for i := range groups { // joined from the last to the first, listed by name
		name := groups[len(groups)-1-i]
		w.make(func(tx *directory.Tx) error {
			if _, err := tx.CreateGroup(w.account, directory.NewGroup{Name: name, Path: "/p" + name[5:] + "/"}); err != nil {
				return err
			}
			return tx.AddToGroup(w.account, "joiner", name)
		})
	}
	for _, name := range users {
		w.make(func(tx *directory.Tx) error {
			if _, err := tx.CreateUser(w.account, directory.NewUser{Name: name}); err != nil {
				return err
			}
			return tx.AddToGroup(w.account, name, groups[0])
		})
	}
	for _, size := range []int32{1, 3, 5, 10, 1000} {
		var listed, own, members []string
		for p := sdk.NewListGroupsPaginator(w.root, &sdk.ListGroupsInput{MaxItems: &size}); p.HasMorePages(); {
			listed = append(listed, groupNames(must(p.NextPage(ctx))(t).Groups)...)
		}
		for p := sdk.NewListGroupsForUserPaginator(w.root, &sdk.ListGroupsForUserInput{UserName: aws.String("joiner"), MaxItems: &size}); p.HasMorePages(); {
			own = append(own, groupNames(must(p.NextPage(ctx))(t).Groups)...)
		}
		for p := sdk.NewGetGroupPaginator(w.root, &sdk.GetGroupInput{GroupName: &groups[0], MaxItems: &size}); p.HasMorePages(); {
			out := must(p.NextPage(ctx))(t)
			if *out.Group.GroupName != groups[0] || len(out.Users) > int(size) {
				t.Fatalf("a page of %s with %d users", *out.Group.GroupName, len(out.Users))
			}
			members = append(members, names(out.Users)...)
		}
		equalNames(t, fmt.Sprintf("ListGroups by %d", size), listed, groups)
		equalNames(t, fmt.Sprintf("ListGroupsForUser by %d", size), own, groups)
		equalNames(t, fmt.Sprintf("GetGroup by %d", size), members, append([]string{"joiner"}, users...))
	}
	out := must(w.root.ListGroups(ctx, &sdk.ListGroupsInput{PathPrefix: aws.String("/p00")}))(t)
	equalNames(t, "ListGroups /p00", groupNames(out.Groups), groups)
	out = must(w.root.ListGroups(ctx, &sdk.ListGroupsInput{PathPrefix: aws.String("/p003/")}))(t)
	equalNames(t, "ListGroups /p003/", groupNames(out.Groups), groups[3:4])
}
