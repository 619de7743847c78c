package acceptance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// expected are the errors that clients who step on each other's feet may see. Anything else, above all one that blames the
// server, is a defect.
var expected = []string{"", "NoSuchEntity", "EntityAlreadyExists", "DeleteConflict", "LimitExceeded", "ConcurrentModification"}

// TestConcurrency: 32 clients create, change and delete the same few users, groups and policies. Then the account must be
// consistent in itself, whatever they left.
func TestConcurrency(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	root := c.root(a)
	var clients sync.WaitGroup
	var done [16]atomic.Int64 // changes of each kind that succeeded
	tried := func() bool {
		for kind := range done {
			if done[kind].Load() == 0 {
				return false
			}
		}
		return true
	}
	const enough = 2000 // for the rarest kind: a group must be empty to go
	for i := range 32 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for n := 0; n < long(80, 20) || n < enough && !tried(); n++ {
				kind := r.IntN(len(done))
				err := hammer(t.Context(), root, a.ARN, kind, r)
				if !slices.Contains(expected, code(err)) || isServers(err) {
					t.Errorf("%v", err)
					return
				}
				if err == nil {
					done[kind].Add(1)
				}
			}
		})
	}
	clients.Wait()
	for kind := range done {
		if done[kind].Load() == 0 {
			t.Errorf("no change of kind %d has succeeded: this test does not try what it says", kind)
		}
	}
	checkConsistent(t, root)

	// Every change that was acknowledged has one event, and no other change has one.
	seen := make(map[string]bool)
	for _, e := range srv.Events(t, a.AccountID) {
		var id string
		must(0, jsonField(e.Record, "eventID", &id))(t)
		if seen[id] {
			t.Errorf("event %s is there twice", id)
		}
		seen[id] = true
	}
}

func isServers(err error) bool {
	e, ok := errors.AsType[smithy.APIError](err)
	return ok && e.ErrorFault() == smithy.FaultServer
}

// hammer makes one change of a kind with random names.
func hammer(ctx context.Context, by *caller, arn func(string) string, kind int, r *rand.Rand) error {
	once := func(o *iam.Options) { o.Retryer = aws.NopRetryer{} }
	pick := func(prefix string, n int) *string { return aws.String(fmt.Sprint(prefix, r.IntN(n))) }
	user, group, policy := pick("user-", 6), pick("group-", 3), pick("policy-", 8)
	policyARN := aws.String(arn("policy/" + *policy))
	document := aws.String(statement("Allow", "s3:*", *pick("arn:aws:s3:::bucket-", 9)))
	i := by.iam
	switch kind {
	case 0:
		return failure(i.CreateUser(ctx, &iam.CreateUserInput{UserName: user}, once))
	case 1:
		return failure(i.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user}, once))
	case 2:
		return failure(i.UpdateUser(ctx, &iam.UpdateUserInput{UserName: user, NewUserName: pick("user-", 6), NewPath: aws.String(*pick("/path-", 2) + "/")}, once))
	case 3:
		return failure(i.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: group}, once))
	case 4:
		return failure(i.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: group}, once))
	case 5:
		return failure(i.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: user, GroupName: group}, once))
	case 6:
		return failure(i.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{UserName: user, GroupName: group}, once))
	case 7:
		return failure(i.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: policy, PolicyDocument: document}, once))
	case 8:
		_, _ = i.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: policyARN, VersionId: aws.String("v1")}, once) // which may be in the way
		return failure(i.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: policyARN}, once))
	case 9:
		return failure(i.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: policyARN}, once))
	case 10:
		return failure(i.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: user, PolicyArn: policyARN}, once))
	case 11:
		return failure(i.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user}, once))
	case 12:
		out, err := i.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user}, once)
		if err != nil {
			return err
		}
		for _, k := range out.AccessKeyMetadata {
			err = failure(i.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: k.AccessKeyId}, once))
		}
		return err
	case 13:
		return failure(i.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: user, PermissionsBoundary: policyARN}, once))
	case 14:
		return failure(i.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: user}, once))
	default:
		return failure(i.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: policyARN, PolicyDocument: document, SetAsDefault: true}, once))
	}
}

// checkConsistent holds the ways to look at an account against each other.
func checkConsistent(t *testing.T, by *caller) {
	t.Helper()
	ctx := t.Context()
	same := func(what string, a, b any) {
		t.Helper()
		if diff := cmp.Diff(a, b, comparing); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	userName := func(u types.User) *string { return u.UserName }
	groupName := func(g types.Group) *string { return g.GroupName }

	users := must(by.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users
	groups := must(by.iam.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups
	policies := must(by.iam.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies
	summary := must(by.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap
	same("GetAccountSummary and the lists", []int32{summary["Users"], summary["Groups"], summary["Policies"]},
		[]int32{int32(len(users)), int32(len(groups)), int32(len(policies))})

	members, attachments, versions := make(map[string][]string), make(map[string]int32), int32(0)
	for _, u := range users {
		got := must(by.iam.GetUser(ctx, &iam.GetUserInput{UserName: u.UserName}))(t).User
		same("ListUsers and GetUser", *u.UserId+*u.Arn, *got.UserId+*got.Arn)
		for _, g := range must(by.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: u.UserName}))(t).Groups {
			members[*g.GroupName] = append(members[*g.GroupName], *u.UserName)
		}
		for _, p := range must(by.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: u.UserName}))(t).AttachedPolicies {
			attachments[*p.PolicyArn]++
		}
	}
	for _, g := range groups {
		got := must(by.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: g.GroupName}))(t)
		same("ListGroups and GetGroup", *g.GroupId+*g.Arn, *got.Group.GroupId+*got.Group.Arn)
		slices.Sort(members[*g.GroupName])
		same("members of "+*g.GroupName, append([]string{}, members[*g.GroupName]...), names(got.Users, userName))
		delete(members, *g.GroupName)
	}
	if len(members) > 0 {
		t.Errorf("users are in groups that are not there: %v of %v", members, names(groups, groupName))
	}
	for _, p := range policies {
		got := must(by.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Arn}))(t).Policy
		same("attachments of "+*p.PolicyName, attachments[*p.Arn], *got.AttachmentCount)
		entities := must(by.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: p.Arn, PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}))(t)
		same("entities of "+*p.PolicyName, int(attachments[*p.Arn]), len(entities.PolicyUsers))
		versions += int32(len(must(by.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: p.Arn}))(t).Versions))
		delete(attachments, *p.Arn)
	}
	if len(attachments) > 0 {
		t.Errorf("policies are attached that are not there: %v", attachments)
	}
	same("policy versions", summary["PolicyVersionsInUse"], versions)
}
