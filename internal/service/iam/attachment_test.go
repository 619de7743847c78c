package iam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

// holderAPI is what users, groups and roles have in common in the API.
type holderAPI struct {
	kind, name     string
	attach, detach func(arn string) error
	attached       func(prefix *string, size int32) []types.AttachedPolicy
	put            func(name, document string) error
	get            func(name string) (holder, policy, document string, err error)
	remove         func(name string) error
	inline         func(size int32) []string
}

// holders are the user target, the group crew and the role worker of a scene.
func holders(t *testing.T, w *world) []holderAPI {
	ctx := t.Context()
	user, group, role := aws.String("target"), aws.String("crew"), aws.String("worker")
	return []holderAPI{
		{kind: "user", name: *user,
			attach: func(arn string) error {
				_, err := w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: user, PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := w.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: user, PolicyArn: &arn})
				return err
			},
			attached: func(prefix *string, size int32) (all []types.AttachedPolicy) {
				p := sdk.NewListAttachedUserPoliciesPaginator(w.root, &sdk.ListAttachedUserPoliciesInput{UserName: user, PathPrefix: prefix, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).AttachedPolicies...)
				}
				return all
			},
			put: func(name, document string) error {
				_, err := w.root.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: user, PolicyName: &name, PolicyDocument: &document})
				return err
			},
			get: func(name string) (string, string, string, error) {
				out, err := w.root.GetUserPolicy(ctx, &sdk.GetUserPolicyInput{UserName: user, PolicyName: &name})
				if err != nil {
					return "", "", "", err
				}
				return *out.UserName, *out.PolicyName, *out.PolicyDocument, nil
			},
			remove: func(name string) error {
				_, err := w.root.DeleteUserPolicy(ctx, &sdk.DeleteUserPolicyInput{UserName: user, PolicyName: &name})
				return err
			},
			inline: func(size int32) (all []string) {
				p := sdk.NewListUserPoliciesPaginator(w.root, &sdk.ListUserPoliciesInput{UserName: user, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).PolicyNames...)
				}
				return all
			}},
		{kind: "group", name: *group,
			attach: func(arn string) error {
				_, err := w.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: group, PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := w.root.DetachGroupPolicy(ctx, &sdk.DetachGroupPolicyInput{GroupName: group, PolicyArn: &arn})
				return err
			},
			attached: func(prefix *string, size int32) (all []types.AttachedPolicy) {
				p := sdk.NewListAttachedGroupPoliciesPaginator(w.root, &sdk.ListAttachedGroupPoliciesInput{GroupName: group, PathPrefix: prefix, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).AttachedPolicies...)
				}
				return all
			},
			put: func(name, document string) error {
				_, err := w.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: group, PolicyName: &name, PolicyDocument: &document})
				return err
			},
			get: func(name string) (string, string, string, error) {
				out, err := w.root.GetGroupPolicy(ctx, &sdk.GetGroupPolicyInput{GroupName: group, PolicyName: &name})
				if err != nil {
					return "", "", "", err
				}
				return *out.GroupName, *out.PolicyName, *out.PolicyDocument, nil
			},
			remove: func(name string) error {
				_, err := w.root.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: group, PolicyName: &name})
				return err
			},
			inline: func(size int32) (all []string) {
				p := sdk.NewListGroupPoliciesPaginator(w.root, &sdk.ListGroupPoliciesInput{GroupName: group, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).PolicyNames...)
				}
				return all
			}},
		{kind: "role", name: *role,
			attach: func(arn string) error {
				_, err := w.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: role, PolicyArn: &arn})
				return err
			},
			detach: func(arn string) error {
				_, err := w.root.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: role, PolicyArn: &arn})
				return err
			},
			attached: func(prefix *string, size int32) (all []types.AttachedPolicy) {
				p := sdk.NewListAttachedRolePoliciesPaginator(w.root, &sdk.ListAttachedRolePoliciesInput{RoleName: role, PathPrefix: prefix, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).AttachedPolicies...)
				}
				return all
			},
			put: func(name, document string) error {
				_, err := w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: role, PolicyName: &name, PolicyDocument: &document})
				return err
			},
			get: func(name string) (string, string, string, error) {
				out, err := w.root.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: role, PolicyName: &name})
				if err != nil {
					return "", "", "", err
				}
				return *out.RoleName, *out.PolicyName, *out.PolicyDocument, nil
			},
			remove: func(name string) error {
				_, err := w.root.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: role, PolicyName: &name})
				return err
			},
			inline: func(size int32) (all []string) {
				p := sdk.NewListRolePoliciesPaginator(w.root, &sdk.ListRolePoliciesInput{RoleName: role, MaxItems: &size})
				for p.HasMorePages() {
					all = append(all, must(p.NextPage(ctx))(t).PolicyNames...)
				}
				return all
			}},
	}
}

func TestAttachment(t *testing.T) {
	w := newWorld(t)
	w.scene()
	// A path that is too long for a marker, and an own policy of the same name as one of AWS.
	long := "/" + strings.Repeat("long/", 100)
	var own []string
	for _, p := range []directory.NewPolicy{
		{Name: "far", Path: long, Document: allowNothing}, {Name: "farther", Path: long, Document: allowNothing},
		{Name: "readonlyaccess", Path: "/team/", Document: allowNothing},
	} {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreatePolicy(w.account, p)
			return err
		})
		own = append(own, w.arn("policy"+p.Path+p.Name))
	}
	plan := w.arn("policy/team/plan")
	for _, h := range holders(t, w) {
		t.Run(h.kind, func(t *testing.T) {
			checklist.Shows(t, "S3-97")
			expect := func(what string, prefix *string, want ...string) {
				t.Helper()
				for _, size := range []int32{1, 2, 100} {
					var got []string
					for _, p := range h.attached(prefix, size) {
						got = append(got, *p.PolicyArn)
						if !strings.HasSuffix(*p.PolicyArn, "/"+*p.PolicyName) {
							t.Errorf("%s is called %s", *p.PolicyArn, *p.PolicyName)
						}
					}
					equalNames(t, fmt.Sprintf("%s, %d at a time", what, size), got, want)
				}
			}
			expect("at first", nil, plan)
			for _, arn := range []string{readOnly, own[2], own[1], own[0], plan, readOnly} { // twice is no error
				if err := h.attach(arn); err != nil {
					t.Fatalf("attaching %s: %v", arn, err)
				}
			}
			expect("in the order of names", nil, own[0], own[1], plan, readOnly, own[2])
			expect("of a path", aws.String("/team/"), plan, own[2])
			expect("of a long path", aws.String(long), own[0], own[1])
			expect("of no path", aws.String("/nothing/"))
			for _, arn := range []string{plan, own[0], own[1], own[2]} {
				if err := h.detach(arn); err != nil {
					t.Fatalf("detaching %s: %v", arn, err)
				}
			}
			expect("at last", nil, readOnly)
			refused(t, h.detach(plan), 404, "NoSuchEntity", "Policy "+plan+" was not found.")
		})
	}
	counts := must(w.root.GetPolicy(t.Context(), &sdk.GetPolicyInput{PolicyArn: aws.String(readOnly)}))(t).Policy
	if *counts.AttachmentCount != 3 || *counts.PermissionsBoundaryUsageCount != 2 { // target and worker
		t.Errorf("ReadOnlyAccess is attached %d times, a boundary %d times", *counts.AttachmentCount, *counts.PermissionsBoundaryUsageCount)
	}
}

// TestAttachedPolicyDecides: a policy of AWS takes effect when it is attached, and no more when it is detached.
func TestAttachedPolicyDecides(t *testing.T) {
	checklist.Shows(t, "S3-96")
	w := newWorld(t)
	ctx := t.Context()
	caller := w.user("caller")
	use := func() (read, write error) {
		_, read = caller.ListPolicies(ctx, &sdk.ListPoliciesInput{MaxItems: aws.Int32(1)})
		_, write = caller.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("g")})
		return read, write
	}
	read, _ := use()
	w.denied(read, "caller", "iam:ListPolicies", "policy path /")
	must(w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("caller"), PolicyArn: aws.String(readOnly)}))(t)
	read, write := use()
	if read != nil {
		t.Errorf("with ReadOnlyAccess: %v", read)
	}
	w.denied(write, "caller", "iam:CreateGroup", w.arn("group/g"))
	must(w.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("caller"), PolicyArn: aws.String(readOnly)}))(t)
	read, _ = use()
	w.denied(read, "caller", "iam:ListPolicies", "policy path /")
}

// TestGroupDenyWins: an explicit deny in a group's policy stands above an administrator's own (S4).
func TestGroupDenyWins(t *testing.T) {
	checklist.Shows(t, "S1-328", "S3-1", "S3-5")
	w := newWorld(t)
	ctx := t.Context()
	caller := w.user("admin", allow("*", "*"))
	w.make(func(tx *directory.Tx) error {
		if _, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"}); err != nil {
			return err
		}
		return tx.AddToGroup(w.account, "admin", "crew")
	})
	must(caller.ListRoles(ctx, &sdk.ListRolesInput{}))(t)
	sentence := "User: " + w.arn("user/admin") + " is not authorized to perform: iam:ListRoles on resource: " + w.arn("role/") +
		" with an explicit deny in an identity-based policy"
	none := document(deny("iam:ListRoles", "*"))
	must(w.root.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("crew"), PolicyName: aws.String("no"), PolicyDocument: &none}))(t)
	_, err := caller.ListRoles(ctx, &sdk.ListRolesInput{})
	refused(t, err, 403, "AccessDenied", sentence)
	must(w.root.DeleteGroupPolicy(ctx, &sdk.DeleteGroupPolicyInput{GroupName: aws.String("crew"), PolicyName: aws.String("no")}))(t)
	must(caller.ListRoles(ctx, &sdk.ListRolesInput{}))(t)

	must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("no"), PolicyDocument: &none}))(t)
	must(w.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: aws.String(w.arn("policy/no"))}))(t)
	_, err = caller.ListRoles(ctx, &sdk.ListRolesInput{})
	refused(t, err, 403, "AccessDenied", sentence)
}

// TestDelegatedAttachment: iam:PolicyARN limits what may be attached and detached, to anybody.
func TestDelegatedAttachment(t *testing.T) {
	checklist.Shows(t, "S3-43")
	w := newWorld(t)
	w.scene()
	ctx, plan, spare := t.Context(), w.arn("policy/team/plan"), w.arn("policy/spare")
	caller := w.user("caller", allow("iam:AttachUserPolicy", "*").when("ArnEquals", "iam:PolicyARN", w.arn("policy/sp*")),
		allow("iam:DetachRolePolicy", w.arn("role/team/*")).when("StringEquals", "iam:PolicyARN", plan),
		allow("iam:AttachGroupPolicy", "*").when("ArnNotLike", "iam:PolicyARN", "arn:aws:iam::aws:*"))
	attach := func(user, arn string) error {
		_, err := caller.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: &user, PolicyArn: &arn})
		return err
	}
	w.denied(attach("target", plan), "caller", "iam:AttachUserPolicy", "user target")
	w.denied(attach("caller", administrator), "caller", "iam:AttachUserPolicy", "user caller")
	if err := attach("target", spare); err != nil {
		t.Error(err)
	}
	w.denied(attach("target", w.arn("policy/SPARE")), "caller", "iam:AttachUserPolicy", "user target") // ARNs have a case

	_, err := caller.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: aws.String(administrator)})
	w.denied(err, "caller", "iam:AttachGroupPolicy", "group crew")
	must(caller.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: &spare}))(t)
	_, err = caller.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: &spare})
	w.denied(err, "caller", "iam:DetachRolePolicy", "role worker")
	must(caller.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: &plan}))(t)
}

func TestListEntitiesForPolicy(t *testing.T) {
	w := newWorld(t)
	ctx, arn := t.Context(), aws.String(w.arn("policy/plan"))
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: "plan", Document: allowNothing})
		for i, name := range []string{"Anna", "bert", "Carl", "dora"} {
			path := []string{"/", "/team/"}[i%2]
			if err == nil {
				_, err = tx.CreateUser(w.account, directory.NewUser{Name: name, Path: path})
			}
			if err == nil {
				_, err = tx.CreateGroup(w.account, directory.NewGroup{Name: name, Path: path})
			}
			if err == nil {
				_, err = tx.CreateRole(w.account, directory.NewRole{Name: name, Path: path, Trust: trustNobody})
			}
			if err == nil && i != 3 {
				err = tx.AttachPolicy(directory.OfUser(w.account, name), *arn)
			}
			if err == nil && i != 2 {
				err = tx.AttachPolicy(directory.OfGroup(w.account, name), *arn)
			}
			if err == nil && i != 1 {
				err = tx.AttachPolicy(directory.OfRole(w.account, name), *arn)
			}
			if err == nil && i >= 2 {
				err = tx.PutBoundary(directory.OfUser(w.account, name), *arn)
			}
			if err == nil && i <= 1 {
				err = tx.PutBoundary(directory.OfRole(w.account, name), *arn)
			}
		}
		return err
	})
	for name, c := range map[string]struct {
		in   sdk.ListEntitiesForPolicyInput
		want string
	}{
		"everything": {sdk.ListEntitiesForPolicyInput{}, "user/Anna user/bert user/Carl user/dora group/Anna group/bert group/dora role/Anna role/bert role/Carl role/dora"},
		"permissions": {sdk.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy},
			"user/Anna user/bert user/Carl group/Anna group/bert group/dora role/Anna role/Carl role/dora"},
		"boundaries": {sdk.ListEntitiesForPolicyInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, "user/Carl user/dora role/Anna role/bert"},
		"users":      {sdk.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeUser}, "user/Anna user/bert user/Carl user/dora"},
		"groups":     {sdk.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeGroup}, "group/Anna group/bert group/dora"},
		"roles with it as a boundary": {sdk.ListEntitiesForPolicyInput{
			EntityFilter: types.EntityTypeRole, PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, "role/Anna role/bert"},
		"policies":  {sdk.ListEntitiesForPolicyInput{EntityFilter: types.EntityTypeLocalManagedPolicy}, ""},
		"in a path": {sdk.ListEntitiesForPolicyInput{PathPrefix: aws.String("/team/")}, "user/bert user/dora group/bert group/dora role/bert role/dora"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int32{1, 2, 3, 100} {
				var got []string
				c.in.PolicyArn, c.in.MaxItems = arn, &size
				p := sdk.NewListEntitiesForPolicyPaginator(w.root, &c.in)
				for p.HasMorePages() {
					out := must(p.NextPage(ctx))(t)
					if n := len(out.PolicyUsers) + len(out.PolicyGroups) + len(out.PolicyRoles); n > int(size) {
						t.Fatalf("%d entities in a page of %d", n, size)
					}
					for _, u := range out.PolicyUsers {
						got = append(got, "user/"+*u.UserName)
					}
					for _, g := range out.PolicyGroups {
						got = append(got, "group/"+*g.GroupName)
					}
					for _, r := range out.PolicyRoles {
						got = append(got, "role/"+*r.RoleName)
					}
				}
				equalNames(t, fmt.Sprint(size, " at a time"), got, strings.Fields(c.want))
			}
		})
	}
	out := must(w.root.ListEntitiesForPolicy(ctx, &sdk.ListEntitiesForPolicyInput{PolicyArn: arn}))(t)
	for _, id := range []*string{out.PolicyUsers[0].UserId, out.PolicyGroups[0].GroupId, out.PolicyRoles[0].RoleId} {
		if !slices.Contains([]string{"AIDA", "AGPA", "AROA"}, aws.ToString(id)[:4]) {
			t.Errorf("an ID is %s", aws.ToString(id))
		}
	}
}

func TestInlinePolicies(t *testing.T) {
	w := newWorld(t)
	w.scene()
	for _, h := range holders(t, w) {
		t.Run(h.kind, func(t *testing.T) {
			checklist.Shows(t, "S3-33", "S3-103") // what is put again replaces the text; nothing is left of the old one
			spaced := "{\n  \"Version\": \"2012-10-17\",\n\t\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"arn:aws:s3:::b+c/ä*\"}}"
			for _, name := range []string{"two", "Two", "a=b,c@d.e-f_g+h", "ten"} {
				if err := h.put(name, spaced); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			for _, size := range []int32{1, 3, 100} {
				equalNames(t, fmt.Sprint(size, " at a time"), h.inline(size), []string{"Two", "a=b,c@d.e-f_g+h", "one", "ten", "two"})
			}
			holder, name, text, err := h.get("Two")
			if err != nil || holder != h.name || name != "Two" {
				t.Errorf("got %s of %s: %v", name, holder, err)
			}
			shows(t, "the policy", &text, spaced)
			if err := h.put("Two", allowNothing); err != nil {
				t.Fatal(err)
			}
			_, _, text, _ = h.get("Two")
			shows(t, "the replaced policy", &text, allowNothing)
			_, _, text, _ = h.get("two")
			shows(t, "the other policy", &text, spaced)
			if err := h.remove("two"); err != nil {
				t.Fatal(err)
			}
			_, _, _, err = h.get("two")
			sentence := "The " + h.kind + " policy with name two cannot be found."
			refused(t, err, 404, "NoSuchEntity", sentence)
			refused(t, h.remove("two"), 404, "NoSuchEntity", sentence)
			equalNames(t, "left", h.inline(100), []string{"Two", "a=b,c@d.e-f_g+h", "one", "ten"})
		})
	}
}
