package iam_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
)

func TestPolicyLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, arn := t.Context(), aws.String(w.arn("policy/team/Design"))
	made := must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{
		PolicyName: aws.String("Design"), Path: aws.String("/team/"), PolicyDocument: &allowNothing, Description: aws.String("a plan"),
		Tags: sdkTags("b", "2", "a", "1"),
	}))(t).Policy
	recent(t, "CreateDate", made.CreateDate)
	want := &types.Policy{
		Arn: arn, PolicyName: aws.String("Design"), Path: aws.String("/team/"), PolicyId: made.PolicyId, CreateDate: made.CreateDate,
		UpdateDate: made.CreateDate, DefaultVersionId: aws.String("v1"), IsAttachable: true, AttachmentCount: aws.Int32(0),
		PermissionsBoundaryUsageCount: aws.Int32(0), Tags: sdkTags("b", "2", "a", "1"),
	}
	if diff := cmp.Diff(want, made, equalShapes); diff != "" {
		t.Errorf("CreatePolicy (-want +got):\n%s", diff)
	}
	if id := aws.ToString(made.PolicyId); !strings.HasPrefix(id, "ANPA") || len(id) != 21 {
		t.Errorf("PolicyId is %s", id)
	}
	get := func() *types.Policy {
		t.Helper()
		return must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy
	}
	want.Description = aws.String("a plan")
	if diff := cmp.Diff(want, get(), equalShapes); diff != "" {
		t.Errorf("GetPolicy (-want +got):\n%s", diff)
	}
	_, err := w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("DESIGN"), PolicyDocument: &allowNothing})
	refused(t, err, 409, "EntityAlreadyExists", "A policy called DESIGN already exists. Duplicate names are not allowed.")

	w.scene()
	must(w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("target"), PolicyArn: arn}))(t)
	must(w.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: arn}))(t)
	must(w.root.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("worker"), PermissionsBoundary: arn}))(t)
	if p := get(); *p.AttachmentCount != 2 || *p.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("attached %d times, a boundary %d times", *p.AttachmentCount, *p.PermissionsBoundaryUsageCount)
	}
	must(w.root.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: aws.String("target"), PolicyArn: arn}))(t)
	must(w.root.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("worker"), PolicyArn: arn}))(t)
	must(w.root.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("worker")}))(t)
	if p := get(); *p.AttachmentCount != 0 || *p.PermissionsBoundaryUsageCount != 0 {
		t.Errorf("attached %d times, a boundary %d times", *p.AttachmentCount, *p.PermissionsBoundaryUsageCount)
	}
	must(w.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn}))(t)
	_, err = w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})
	refused(t, err, 404, "NoSuchEntity", "Policy "+*arn+" was not found.")
}

// TestPolicyVersions goes through S3-104 to S3-109: up to five versions, numbers that never come again, one default.
func TestPolicyVersions(t *testing.T) {
	checklist.Shows(t, "S3-104", "S3-105", "S3-108", "S3-109")
	w := newWorld(t)
	ctx, arn := t.Context(), aws.String(w.arn("policy/plan"))
	text := func(i int) string { return document(allow("s3:GetObject", fmt.Sprintf("arn:aws:s3:::b%d/*", i))) }
	must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("plan"), PolicyDocument: aws.String(text(1))}))(t)
	add := func(i int, asDefault bool) {
		t.Helper()
		v := must(w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{
			PolicyArn: arn, PolicyDocument: aws.String(text(i)), SetAsDefault: asDefault}))(t).PolicyVersion
		recent(t, "CreateDate", v.CreateDate)
		if *v.VersionId != fmt.Sprint("v", i) || v.IsDefaultVersion != asDefault || v.Document != nil {
			t.Errorf("version %d is %+v", i, v)
		}
	}
	// expect lists the versions, newest first, in pages of each size, and reads each of them.
	expect := func(standard string, want ...string) {
		t.Helper()
		for size := int32(1); size <= 6; size++ {
			var got []string
			p := sdk.NewListPolicyVersionsPaginator(w.root, &sdk.ListPolicyVersionsInput{PolicyArn: arn, MaxItems: &size})
			for p.HasMorePages() {
				for _, v := range must(p.NextPage(ctx))(t).Versions {
					got = append(got, *v.VersionId)
					if v.IsDefaultVersion != (*v.VersionId == standard) || v.Document != nil || v.CreateDate == nil {
						t.Errorf("listed: %+v", v)
					}
				}
			}
			equalNames(t, "versions", got, want)
		}
		for _, id := range want {
			v := must(w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: &id}))(t).PolicyVersion
			var n int
			if _, err := fmt.Sscanf(id, "v%d", &n); err != nil || *v.VersionId != id || v.IsDefaultVersion != (id == standard) {
				t.Errorf("%s is %+v (%v)", id, v, err)
			}
			shows(t, id, v.Document, text(n))
		}
		if p := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy; *p.DefaultVersionId != standard {
			t.Errorf("the default is %s, want %s", *p.DefaultVersionId, standard)
		}
	}
	remove := func(id string) error {
		_, err := w.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: &id})
		return err
	}
	expect("v1", "v1")
	add(2, false)
	add(3, true)
	add(4, false)
	add(5, false)
	expect("v3", "v5", "v4", "v3", "v2", "v1")
	for _, id := range []string{"v2", "v4"} {
		if err := remove(id); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, remove("v2"), 404, "NoSuchEntity", "Policy "+*arn+" version v2 does not exist or is not attachable.")
	refused(t, remove("v2.b"), 404, "NoSuchEntity", "Policy "+*arn+" version v2.b does not exist or is not attachable.")
	refused(t, remove("v3"), 409, "DeleteConflict", "Cannot delete the default version of a policy.")
	add(6, false)
	add(7, true)
	expect("v7", "v7", "v6", "v5", "v3", "v1")
	must(w.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")}))(t)
	expect("v1", "v7", "v6", "v5", "v3", "v1")
	_, err := w.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v99999999999999999999")})
	refused(t, err, 404, "NoSuchEntity", "Policy "+*arn+" version v99999999999999999999 does not exist or is not attachable.")
}

// TestDefaultVersionDecides: the default version is the one in force, from the next request on, for everybody who has the
// policy: themselves, through a group, as a role's session, and as a boundary.
func TestDefaultVersionDecides(t *testing.T) {
	checklist.Shows(t, "S2-38", "S2-306", "S2-343", "S3-106")
	w := newWorld(t)
	ctx := t.Context()
	arn := aws.String(w.arn("policy/plan"))
	must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("plan"), PolicyDocument: aws.String(document(allow("iam:ListUsers", "*")))}))(t)
	must(w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{
		PolicyArn: arn, PolicyDocument: aws.String(document(allow("iam:ListRoles", "*")))}))(t)
	callers := map[string]*sdk.Client{
		"direct": w.user("direct"), "member": w.user("member"), "bounded": w.user("bounded", allow("iam:*", "*")), "roamer": w.session("roamer", "s"),
	}
	w.make(func(tx *directory.Tx) error {
		if _, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"}); err != nil {
			return err
		}
		if err := tx.DeleteInlinePolicy(directory.OfRole(w.account, "roamer"), "test"); err != nil {
			return err
		}
		return tx.AddToGroup(w.account, "member", "crew")
	})
	must(w.root.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("direct"), PolicyArn: arn}))(t)
	must(w.root.AttachGroupPolicy(ctx, &sdk.AttachGroupPolicyInput{GroupName: aws.String("crew"), PolicyArn: arn}))(t)
	must(w.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("roamer"), PolicyArn: arn}))(t)
	must(w.root.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("bounded"), PermissionsBoundary: arn}))(t)
	for _, version := range []string{"v1", "v2", "v1"} {
		must(w.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: &version}))(t)
		for name, c := range callers {
			_, users := c.ListUsers(ctx, &sdk.ListUsersInput{})
			_, roles := c.ListRoles(ctx, &sdk.ListRolesInput{})
			if (users == nil) != (version == "v1") || (roles == nil) != (version == "v2") {
				t.Errorf("%s with %s: ListUsers %v, ListRoles %v", name, version, users, roles)
			}
		}
	}
	_, err := callers["bounded"].ListRoles(ctx, &sdk.ListRolesInput{})
	refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/bounded")+" is not authorized to perform: iam:ListRoles on resource: "+
		w.arn("role/")+" because no permissions boundary allows the iam:ListRoles action")
}

// TestListPolicies holds every page size, scope and filter against a list made by hand. The account has policies whose names
// stand before, between, after and at those of AWS, and names that begin like others.
func TestListPolicies(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	type listed struct {
		arn, name, path   string
		attached, bounded bool
		own               bool
	}
	var all []listed
	for p := range catalog.ManagedPolicies().All() {
		all = append(all, listed{arn: p.ARN, name: p.Name, path: p.Path})
	}
	for i, name := range []string{
		"AAA", "readonlyaccess", "ReadOnlyAccess-2", "ReadOnlyAccess,2", "READONLY", "AmazonEC2", "administratoraccess", "plan", "plan-b", "plan.b", "zzz",
	} {
		path := []string{"/", "/team/", "/service-role/"}[i%3]
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreatePolicy(w.account, directory.NewPolicy{Name: name, Path: path, Document: allowNothing})
			return err
		})
		all = append(all, listed{arn: w.arn("policy" + path + name), name: name, path: path, own: true})
	}
	use := func(arn string, attached, bounded bool) {
		i := slices.IndexFunc(all, func(p listed) bool { return p.arn == arn })
		all[i].attached, all[i].bounded = attached, bounded
	}
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "u", Boundary: w.arn("policy/team/readonlyaccess")})
		if err == nil {
			_, err = tx.CreateRole(w.account, directory.NewRole{Name: "r", Trust: trustNobody, Boundary: administrator})
		}
		for _, arn := range []string{readOnly, w.arn("policy/AAA"), administrator} {
			if err == nil {
				err = tx.AttachPolicy(directory.OfUser(w.account, "u"), arn)
			}
		}
		return err
	})
	use(readOnly, true, false)
	use(w.arn("policy/AAA"), true, false)
	use(administrator, true, true)
	use(w.arn("policy/team/readonlyaccess"), false, true)
	slices.SortFunc(all, func(a, b listed) int {
		if a, b := strings.ToLower(a.name), strings.ToLower(b.name); a != b {
			return strings.Compare(a, b)
		}
		if a.own {
			return 1
		}
		return -1
	})
	walk := func(in sdk.ListPoliciesInput) (got []string) {
		t.Helper()
		p := sdk.NewListPoliciesPaginator(w.root, &in)
		for p.HasMorePages() {
			out := must(p.NextPage(ctx))(t)
			if out.IsTruncated != (out.Marker != nil) || in.MaxItems != nil && len(out.Policies) > int(*in.MaxItems) {
				t.Fatalf("%d policies, truncated %v, marker %v", len(out.Policies), out.IsTruncated, out.Marker)
			}
			for _, p := range out.Policies {
				got = append(got, *p.Arn)
				if p.Description != nil || p.Tags != nil || p.PolicyId == nil || p.DefaultVersionId == nil {
					t.Fatalf("listed: %+v", p)
				}
			}
		}
		return got
	}
	cases := map[string]struct {
		in   sdk.ListPoliciesInput
		keep func(listed) bool
	}{
		"all":      {sdk.ListPoliciesInput{}, func(listed) bool { return true }},
		"AWS":      {sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeAws}, func(p listed) bool { return !p.own }},
		"local":    {sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}, func(p listed) bool { return p.own }},
		"attached": {sdk.ListPoliciesInput{OnlyAttached: true}, func(p listed) bool { return p.attached || p.bounded }},
		"attached local": {sdk.ListPoliciesInput{OnlyAttached: true, Scope: types.PolicyScopeTypeLocal},
			func(p listed) bool { return p.own && (p.attached || p.bounded) }},
		"permissions": {sdk.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}, func(p listed) bool { return p.attached }},
		"boundaries":  {sdk.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary}, func(p listed) bool { return p.bounded }},
		"boundaries of AWS": {sdk.ListPoliciesInput{PolicyUsageFilter: types.PolicyUsageTypePermissionsBoundary, OnlyAttached: true, Scope: types.PolicyScopeTypeAws},
			func(p listed) bool { return p.bounded && !p.own }},
		"path": {sdk.ListPoliciesInput{PathPrefix: aws.String("/service-role/")},
			func(p listed) bool { return strings.HasPrefix(p.path, "/service-role/") }},
		"own path": {sdk.ListPoliciesInput{PathPrefix: aws.String("/team/")}, func(p listed) bool { return p.path == "/team/" }},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		var want []string
		for _, p := range all {
			if c.keep(p) {
				want = append(want, p.arn)
			}
		}
		sizes := []*int32{nil, aws.Int32(1000), aws.Int32(37)}
		if len(want) < 200 {
			sizes = append(sizes, aws.Int32(1), aws.Int32(2)) // every place is a marker once
		}
		for _, size := range sizes {
			c.in.MaxItems = size
			if diff := cmp.Diff(want, walk(c.in)); diff != "" {
				t.Errorf("%s in pages of %v (-want +got):\n%s", name, aws.ToInt32(size), diff)
			}
		}
	}
}

// TestMarkerSurvivesDeletion: the policy that a marker names may be gone when the next page is asked for.
func TestMarkerSurvivesDeletion(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, name := range []string{"a", "a-b", "readonlyaccess", "z"} {
		must(w.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: &name, PolicyDocument: &allowNothing}))(t)
	}
	list := func(marker *string) *sdk.ListPoliciesOutput {
		t.Helper()
		return must(w.root.ListPolicies(ctx, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal, MaxItems: aws.Int32(1), Marker: marker}))(t)
	}
	first := list(nil)
	must(w.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: first.Policies[0].Arn}))(t)
	if second := list(first.Marker); *second.Policies[0].PolicyName != "a-b" {
		t.Errorf("after the deleted policy comes %s", *second.Policies[0].PolicyName)
	}
}

// TestManagedPolicyOfAWS: AWS's policies can be read like the account's own, and not changed.
func TestManagedPolicyOfAWS(t *testing.T) {
	checklist.Shows(t, "S1-424", "S3-115")
	w := newWorld(t)
	ctx, arn := t.Context(), aws.String(readOnly)
	known, _ := catalog.ManagedPolicies().ByARN(readOnly)
	got := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy
	want := &types.Policy{
		Arn: arn, PolicyName: aws.String("ReadOnlyAccess"), Path: aws.String("/"), PolicyId: &known.ID, CreateDate: &known.CreateDate,
		UpdateDate: &known.UpdateDate, DefaultVersionId: &known.DefaultVersion, IsAttachable: true, AttachmentCount: aws.Int32(0),
		PermissionsBoundaryUsageCount: aws.Int32(0), Tags: []types.Tag{},
	}
	if diff := cmp.Diff(want, got, equalShapes); diff != "" {
		t.Errorf("GetPolicy (-want +got):\n%s", diff)
	}
	linked := must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: aws.String(linkedPolicy)}))(t).Policy
	if linked.IsAttachable {
		t.Error("a policy of service-linked roles says it can be attached")
	}
	versions := must(w.root.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions
	if len(versions) != 1 || *versions[0].VersionId != known.DefaultVersion || *versions[0].VersionId == "v1" || !versions[0].IsDefaultVersion {
		t.Errorf("versions: %+v", versions)
	}
	v := must(w.root.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: &known.DefaultVersion}))(t).PolicyVersion
	shows(t, "GetPolicyVersion", v.Document, known.Document())
	if tags := must(w.root.ListPolicyTags(ctx, &sdk.ListPolicyTagsInput{PolicyArn: arn}))(t); len(tags.Tags) != 0 || tags.IsTruncated {
		t.Errorf("tags: %+v", tags)
	}
	sentence := "The policy " + readOnly + " is managed by AWS. AWS managed policies cannot be changed."
	for name, do := range map[string]func() error{
		"DeletePolicy": func() error { _, err := w.root.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn}); return err },
		"CreatePolicyVersion": func() error {
			_, err := w.root.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &allowNothing})
			return err
		},
		"SetDefaultPolicyVersion": func() error {
			_, err := w.root.SetDefaultPolicyVersion(ctx, &sdk.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
			return err
		},
		"DeletePolicyVersion": func() error {
			_, err := w.root.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
			return err
		},
		"TagPolicy": func() error {
			_, err := w.root.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagPolicy": func() error {
			_, err := w.root.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"k"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, map[string][]string{"SetDefaultPolicyVersion": {"S3-107"}}[name]...)
			refused(t, do(), 403, "AccessDenied", sentence)
		})
	}
}

// TestPolicyTags: keys of policies are told apart by case, unlike those of users and roles.
func TestPolicyTags(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, arn := t.Context(), aws.String(w.arn("policy/spare"))
	list := func() (got []string) {
		t.Helper()
		p := sdk.NewListPolicyTagsPaginator(w.root, &sdk.ListPolicyTagsInput{PolicyArn: arn, MaxItems: aws.Int32(2)})
		for p.HasMorePages() {
			got = append(got, textTags(must(p.NextPage(ctx))(t).Tags)...)
		}
		return got
	}
	must(w.root.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: sdkTags("zone", "1", "beta", "2", "Beta", "3", "alpha", "4")}))(t)
	equalNames(t, "sorted by key", list(), []string{"alpha=4", "Beta=3", "beta=2", "zone=1"})
	must(w.root.TagPolicy(ctx, &sdk.TagPolicyInput{PolicyArn: arn, Tags: sdkTags("beta", "5")}))(t)
	must(w.root.UntagPolicy(ctx, &sdk.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"Beta", "nothing", "ZONE"}}))(t)
	equalNames(t, "changed", list(), []string{"alpha=4", "beta=5", "zone=1"})
	if got := textTags(must(w.root.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn}))(t).Policy.Tags); len(got) != 3 {
		t.Errorf("GetPolicy shows %q", got)
	}
}

// TestForeignPolicy: a policy of another account is out of reach for everybody, and whether that account has it, or is there
// at all, is not told.
func TestForeignPolicy(t *testing.T) {
	checklist.Shows(t, "S1-334")
	w := newWorld(t)
	var other string
	w.make(func(tx *directory.Tx) error {
		acct, _, err := tx.CreateAccount(directory.NewAccount{Name: "other"})
		if err != nil {
			return err
		}
		other = acct.ID
		_, err = tx.CreatePolicy(other, directory.NewPolicy{Name: "theirs", Document: allowNothing})
		return err
	})
	admin := w.user("admin", allow("*", "*"))
	for _, arn := range []string{
		"arn:aws:iam::" + other + ":policy/theirs", "arn:aws:iam::" + other + ":policy/nothing", "arn:aws:iam::999999999999:policy/theirs",
	} {
		for name, c := range map[string]*sdk.Client{"user/admin": admin, "root": w.root} {
			_, err := c.GetPolicy(t.Context(), &sdk.GetPolicyInput{PolicyArn: &arn})
			refused(t, err, 403, "AccessDenied", "User: "+w.arn(name)+" is not authorized to perform: iam:GetPolicy on resource: policy "+arn)
		}
		_, err := w.root.AttachUserPolicy(t.Context(), &sdk.AttachUserPolicyInput{UserName: aws.String("admin"), PolicyArn: &arn})
		refused(t, err, 404, "NoSuchEntity", "Policy "+arn+" does not exist or is not attachable.")
	}
}
