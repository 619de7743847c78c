package iam_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// furnishProfiles adds to a scene the profile /team/web, which holds the role worker and is tagged color=blue, and the empty
// profile spare.
func furnishProfiles(w *world) {
	w.t.Helper()
	w.scene()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateInstanceProfile(w.account, directory.NewInstanceProfile{
			Name: "web", Path: "/team/", Tags: []entity.Tag{{Key: "color", Value: "blue"}},
		})
		if err == nil {
			_, err = tx.CreateInstanceProfile(w.account, directory.NewInstanceProfile{Name: "spare"})
		}
		return err
	})
	w.make(func(tx *directory.Tx) error { return tx.AddRoleToInstanceProfile(w.account, "web", "worker") })
}

// profileCalls are the operations on one instance profile by name.
func profileCalls(w *world) calls {
	ctx, c, worker := w.t.Context(), w.root, aws.String("worker")
	return calls{
		"GetInstanceProfile": func(target string) error {
			_, err := c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: &target})
			return err
		},
		"AddRoleToInstanceProfile": func(target string) error {
			_, err := c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: &target, RoleName: worker})
			return err
		},
		"RemoveRoleFromInstanceProfile": func(target string) error {
			_, err := c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &target, RoleName: worker})
			return err
		},
		"DeleteInstanceProfile": func(target string) error {
			_, err := c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: &target})
			return err
		},
		"TagInstanceProfile": func(target string) error {
			_, err := c.TagInstanceProfile(ctx, &sdk.TagInstanceProfileInput{InstanceProfileName: &target, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagInstanceProfile": func(target string) error {
			_, err := c.UntagInstanceProfile(ctx, &sdk.UntagInstanceProfileInput{InstanceProfileName: &target, TagKeys: []string{"k"}})
			return err
		},
		"ListInstanceProfileTags": func(target string) error {
			_, err := c.ListInstanceProfileTags(ctx, &sdk.ListInstanceProfileTagsInput{InstanceProfileName: &target})
			return err
		},
	}
}

func profilePermissions(w *world) []permission {
	web, spare := aws.String("web"), aws.String("spare")
	return []permission{
		{"CreateInstanceProfile", "instance-profile/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("fresh"), Path: aws.String("/new/")})
			return err
		}},
		{"GetInstanceProfile", "instance-profile/team/web", "instance profile web", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: web})
			return err
		}},
		{"ListInstanceProfiles", "instance-profile/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListInstanceProfiles(ctx, &sdk.ListInstanceProfilesInput{})
			return err
		}},
		{"ListInstanceProfilesForRole", "role/team/worker", "role worker", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("worker")})
			return err
		}},
		{"AddRoleToInstanceProfile", "instance-profile/spare", "instance profile spare", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: spare, RoleName: aws.String("idle")})
			return err
		}},
		{"RemoveRoleFromInstanceProfile", "instance-profile/team/web", "instance profile web", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: web, RoleName: aws.String("worker")})
			return err
		}},
		{"DeleteInstanceProfile", "instance-profile/spare", "instance profile spare", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: spare})
			return err
		}},
		{"TagInstanceProfile", "instance-profile/team/web", "instance profile web", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagInstanceProfile(ctx, &sdk.TagInstanceProfileInput{InstanceProfileName: web, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagInstanceProfile", "instance-profile/team/web", "instance profile web", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagInstanceProfile(ctx, &sdk.UntagInstanceProfileInput{InstanceProfileName: web, TagKeys: []string{"color"}})
			return err
		}},
		{"ListInstanceProfileTags", "instance-profile/team/web", "instance profile web", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListInstanceProfileTags(ctx, &sdk.ListInstanceProfileTagsInput{InstanceProfileName: web})
			return err
		}},
	}
}

// profileErrors are the errors of the model for instance profiles.
func profileErrors(w *world) (all []apiError) {
	ctx, c, call := w.t.Context(), w.root, profileCalls(w)
	add := func(e apiError) { all = append(all, e) }
	for operation, do := range call {
		add(apiError{operation: operation, code: "NoSuchEntity", message: "Instance Profile nothing cannot be found.", do: func() error { return do("nothing") }})
	}
	create := func(in *sdk.CreateInstanceProfileInput) func() error {
		return func() error { _, err := c.CreateInstanceProfile(ctx, in); return err }
	}
	addRole := func(profile, role string) func() error {
		return func() error {
			_, err := c.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
			return err
		}
	}
	removeRole := func(profile, role string) func() error {
		return func() error {
			_, err := c.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
			return err
		}
	}
	const noRole = "The role with name nobody cannot be found."
	const linked = "Cannot perform the operation on the protected role 'linked' - this role is only modifiable by AWS"
	twice := sdkTags("key", "1", "key", "2")
	for _, e := range []apiError{
		{operation: "CreateInstanceProfile", code: "EntityAlreadyExists", message: "Instance Profile WEB already exists.",
			do: create(&sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("WEB")})},
		{operation: "CreateInstanceProfile", code: "InvalidInput", message: "Duplicate tag keys found.",
			do: create(&sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("fresh"), Tags: twice})},
		{operation: "CreateInstanceProfile", code: "LimitExceeded", message: "Cannot exceed quota for InstanceProfilesPerAccount: 2",
			quota: directory.InstanceProfilesQuota, n: 2, do: create(&sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("fresh")})},
		{operation: "AddRoleToInstanceProfile", code: "NoSuchEntity", message: noRole, do: addRole("spare", "nobody")},
		{operation: "AddRoleToInstanceProfile", code: "LimitExceeded", message: "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", do: addRole("web", "idle")},
		{operation: "AddRoleToInstanceProfile", code: "LimitExceeded", message: "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", do: addRole("web", "worker")},
		{operation: "AddRoleToInstanceProfile", code: "UnmodifiableEntity", message: linked, do: addRole("spare", "linked")},
		{operation: "RemoveRoleFromInstanceProfile", code: "NoSuchEntity", message: noRole, do: removeRole("web", "nobody")},
		{operation: "RemoveRoleFromInstanceProfile", code: "NoSuchEntity", message: "The role with name idle cannot be found in the instance profile web.",
			do: removeRole("web", "idle")},
		{operation: "RemoveRoleFromInstanceProfile", code: "UnmodifiableEntity", message: linked, do: removeRole("web", "linked")},
		{operation: "DeleteInstanceProfile", code: "DeleteConflict", message: "Cannot delete entity, must remove roles from instance profile first.",
			do: func() error { return call["DeleteInstanceProfile"]("web") }},
		{operation: "ListInstanceProfilesForRole", code: "NoSuchEntity", message: noRole, do: func() error {
			_, err := c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("nobody")})
			return err
		}},
		{operation: "TagInstanceProfile", code: "InvalidInput", message: "Duplicate tag keys found.", do: func() error {
			_, err := c.TagInstanceProfile(ctx, &sdk.TagInstanceProfileInput{InstanceProfileName: aws.String("web"), Tags: twice})
			return err
		}},
		{operation: "TagInstanceProfile", code: "LimitExceeded", message: "Cannot exceed quota for TagsPerResource: 1",
			quota: directory.TagsPerResourceQuota, n: 1, do: func() error { return call["TagInstanceProfile"]("web") }},
	} {
		add(e)
	}
	return all
}

var profilesCannot = map[string]map[string]string{
	"EntityAlreadyExists": {"AddRoleToInstanceProfile": "a profile that has a role is full, whatever role it is: LimitExceeded"},
	"InvalidInput":        {"UntagInstanceProfile": "the model's constraints answer a ValidationError before"},
	"LimitExceeded":       {"RemoveRoleFromInstanceProfile": nothingGrows, "DeleteInstanceProfile": nothingGrows},
}

func TestInstanceProfileLifecycle(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx, name, role := t.Context(), aws.String("Web"), aws.String("worker")
	get := func() *types.InstanceProfile {
		t.Helper()
		return must(w.root.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: aws.String("WEB")}))(t).InstanceProfile
	}
	made := must(w.root.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{
		InstanceProfileName: name, Path: aws.String("/a/b/"), Tags: sdkTags("Key", "1", "key", "2"),
	}))(t).InstanceProfile
	recent(t, "CreateDate", made.CreateDate)
	t.Run("created", func(t *testing.T) {
		checklist.Shows(t, "S2-266", "S2-270")
		want := &types.InstanceProfile{
			Arn: aws.String(w.arn("instance-profile/a/b/Web")), InstanceProfileName: name, Path: aws.String("/a/b/"), CreateDate: made.CreateDate,
			InstanceProfileId: made.InstanceProfileId, Roles: []types.Role{}, Tags: sdkTags("Key", "1", "key", "2"),
		}
		if id := aws.ToString(made.InstanceProfileId); len(id) != 21 || id[:4] != "AIPA" {
			t.Errorf("InstanceProfileId is %s", id)
		}
		if diff := cmp.Diff(want, made, equalShapes); diff != "" {
			t.Errorf("CreateInstanceProfile (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, get(), equalShapes); diff != "" {
			t.Errorf("GetInstanceProfile (-want +got):\n%s", diff)
		}
	})
	add := func(profile, role *string) error {
		_, err := w.root.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: profile, RoleName: role})
		return err
	}
	t.Run("a role in it", func(t *testing.T) {
		checklist.Shows(t, "S2-267", "S2-268", "S2-269", "S2-271")
		if err := add(name, role); err != nil {
			t.Fatal(err)
		}
		r := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: role}))(t).Role
		want := []types.Role{{
			Arn: r.Arn, CreateDate: r.CreateDate, Path: r.Path, RoleId: r.RoleId, RoleName: role, AssumeRolePolicyDocument: r.AssumeRolePolicyDocument,
		}}
		if diff := cmp.Diff(want, get().Roles, equalShapes); diff != "" {
			t.Errorf("the profile's roles (-want +got):\n%s", diff)
		}
		refused(t, add(name, aws.String("idle")), 409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		must(w.root.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("again")}))(t)
		if err := add(aws.String("again"), role); err != nil {
			t.Errorf("a second profile for the same role: %v", err)
		}
		must(w.root.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role}))(t)
		if err := add(name, aws.String("idle")); err != nil {
			t.Errorf("another role in its place: %v", err)
		}
		details := must(w.root.GetAccountAuthorizationDetails(ctx, &sdk.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}}))(t)
		for _, d := range details.RoleDetailList {
			var got []string
			for _, p := range d.InstanceProfileList {
				got = append(got, *p.InstanceProfileName)
			}
			equalNames(t, *d.RoleName, got, map[string][]string{"idle": {"Web"}, "worker": {"again"}}[*d.RoleName])
		}
		summary := must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
		if summary["InstanceProfiles"] != 2 || summary["InstanceProfilesQuota"] != 1000 {
			t.Errorf("the summary says %v", summary)
		}
	})
	t.Run("tags with case", func(t *testing.T) {
		tags := func() (all []string) {
			p := sdk.NewListInstanceProfileTagsPaginator(w.root, &sdk.ListInstanceProfileTagsInput{InstanceProfileName: name, MaxItems: aws.Int32(1)})
			for p.HasMorePages() {
				all = append(all, textTags(must(p.NextPage(ctx))(t).Tags)...)
			}
			return all
		}
		must(w.root.TagInstanceProfile(ctx, &sdk.TagInstanceProfileInput{InstanceProfileName: name, Tags: sdkTags("KEY", "3", "key", "4")}))(t)
		equalNames(t, "tags", tags(), []string{"KEY=3", "Key=1", "key=4"})
		must(w.root.UntagInstanceProfile(ctx, &sdk.UntagInstanceProfileInput{InstanceProfileName: name, TagKeys: []string{"KEY", "none"}}))(t)
		equalNames(t, "tags", tags(), []string{"Key=1", "key=4"})
	})
	t.Run("deletion", func(t *testing.T) {
		checklist.Shows(t, "S2-43")
		deleteRole := func() error {
			_, err := w.root.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("idle")})
			return err
		}
		deleteProfile := func() error {
			_, err := w.root.DeleteInstanceProfile(ctx, &sdk.DeleteInstanceProfileInput{InstanceProfileName: name})
			return err
		}
		const inTheWay = "Cannot delete entity, must remove roles from instance profile first."
		must(w.root.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("idle"), PolicyName: aws.String("p"), PolicyDocument: &allowNothing}))(t)
		must(w.root.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("idle"), PolicyArn: aws.String(readOnly)}))(t)
		refused(t, deleteRole(), 409, "DeleteConflict", inTheWay)
		refused(t, deleteProfile(), 409, "DeleteConflict", inTheWay)
		must(w.root.RemoveRoleFromInstanceProfile(ctx, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("idle")}))(t)
		refused(t, deleteRole(), 409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
		must(w.root.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: aws.String("idle"), PolicyName: aws.String("p")}))(t)
		refused(t, deleteRole(), 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
		must(w.root.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("idle"), PolicyArn: aws.String(readOnly)}))(t)
		if err := deleteRole(); err != nil {
			t.Error(err)
		}
		get() // the profile survives its role
		if err := deleteProfile(); err != nil {
			t.Error(err)
		}
		_, err := w.root.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: name})
		refused(t, err, 404, "NoSuchEntity", "Instance Profile Web cannot be found.")
	})
}

func TestPagesOfInstanceProfiles(t *testing.T) {
	w := newWorld(t)
	w.scene()
	ctx := t.Context()
	var all, eu []string
	for i, name := range numbered("Profile", 130) {
		path := "/div/us/"
		if i%3 == 0 {
			path = "/div/eu/"
			eu = append(eu, name)
		}
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateInstanceProfile(w.account, directory.NewInstanceProfile{Name: name, Path: path})
			if err == nil {
				err = tx.AddRoleToInstanceProfile(w.account, name, "idle")
			}
			return err
		})
		all = append(all, name)
	}
	for _, c := range []struct {
		size   *int32
		prefix *string
		want   []string
		pages  int
	}{{nil, nil, all, 2}, {aws.Int32(130), nil, all, 1}, {aws.Int32(7), aws.String("/div/eu/"), eu, 7}, {nil, aws.String("/other/"), nil, 1}} {
		var got []string
		pages := 0
		p := sdk.NewListInstanceProfilesPaginator(w.root, &sdk.ListInstanceProfilesInput{MaxItems: c.size, PathPrefix: c.prefix})
		for ; p.HasMorePages(); pages++ {
			for _, p := range must(p.NextPage(ctx))(t).InstanceProfiles {
				got = append(got, *p.InstanceProfileName)
				if len(p.Roles) != 1 || *p.Roles[0].RoleName != "idle" {
					t.Fatalf("%s holds %+v", *p.InstanceProfileName, p.Roles)
				}
			}
		}
		equalNames(t, "profiles", got, c.want)
		if pages != c.pages {
			t.Errorf("%d pages, want %d", pages, c.pages)
		}
	}
	var got []string
	p := sdk.NewListInstanceProfilesForRolePaginator(w.root, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("idle"), MaxItems: aws.Int32(40)})
	for p.HasMorePages() {
		for _, p := range must(p.NextPage(ctx))(t).InstanceProfiles {
			got = append(got, *p.InstanceProfileName)
		}
	}
	equalNames(t, "profiles of the role", got, all)
}

// TestPassRole: putting a role into a profile needs iam:PassRole on that role, for EC2.
func TestPassRole(t *testing.T) {
	w := newWorld(t)
	furnishProfiles(w)
	ctx, caller := t.Context(), w.user("caller", allow("iam:AddRoleToInstanceProfile", "*"))
	add := func(role string) error {
		_, err := caller.AddRoleToInstanceProfile(ctx, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("spare"), RoleName: &role})
		return err
	}
	t.Run("the profile alone is not enough", func(t *testing.T) {
		checklist.Shows(t, "S2-119", "S3-292", "S3-401")
		w.t = t
		w.denied(add("worker"), "caller", "iam:PassRole", "role worker")
		w.denied(add("nobody"), "caller", "iam:PassRole", "role nobody")
		w.grant("caller", allow("iam:PassRole", "*"))
		w.denied(add("worker"), "caller", "iam:AddRoleToInstanceProfile", "instance profile spare")
	})
	t.Run("another service or role", func(t *testing.T) {
		checklist.Shows(t, "S2-120")
		w.t = t
		w.grant("caller", allow("iam:AddRoleToInstanceProfile", "*"),
			allow("iam:PassRole", "*").when("StringEquals", "iam:PassedToService", "lambda.amazonaws.com"))
		w.denied(add("worker"), "caller", "iam:PassRole", "role worker")
		w.grant("caller", allow("iam:AddRoleToInstanceProfile", "*"), allow("iam:PassRole", w.arn("role/idle")))
		w.denied(add("worker"), "caller", "iam:PassRole", "role worker")
	})
	t.Run("by the role's tags", func(t *testing.T) {
		w.t = t
		w.grant("caller", allow("iam:AddRoleToInstanceProfile", "*"),
			allow("iam:PassRole", "*").when("StringEquals", "iam:ResourceTag/color", "blue"))
		w.denied(add("idle"), "caller", "iam:PassRole", "role idle")
		if err := add("worker"); err != nil {
			t.Error(err)
		}
	})
}

// TestInstanceProfileTagsDecide: aws:ResourceTag is a key of instance profiles, iam:ResourceTag is none.
func TestInstanceProfileTagsDecide(t *testing.T) {
	w := newWorld(t)
	furnishProfiles(w)
	ctx := t.Context()
	get := func(c *sdk.Client, name string) error {
		_, err := c.GetInstanceProfile(ctx, &sdk.GetInstanceProfileInput{InstanceProfileName: &name})
		return err
	}
	caller := w.user("caller", allow("iam:*", "*").when("StringEquals", "aws:ResourceTag/color", "blue"))
	if err := get(caller, "web"); err != nil {
		t.Error(err)
	}
	w.denied(get(caller, "spare"), "caller", "iam:GetInstanceProfile", "instance profile spare")
	w.denied(get(caller, "nothing"), "caller", "iam:GetInstanceProfile", "instance profile nothing")
	other := w.user("other", allow("iam:*", "*").when("StringEquals", "iam:ResourceTag/color", "blue"))
	w.denied(get(other, "web"), "other", "iam:GetInstanceProfile", "instance profile web")

	tagger := w.user("tagger", allow("iam:*InstanceProfile", "*").when("StringEquals", "aws:RequestTag/team", "red"))
	create := func(name string, tags []types.Tag) error {
		_, err := tagger.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: &name, Tags: tags})
		return err
	}
	w.denied(create("t1", sdkTags("team", "blue")), "tagger", "iam:CreateInstanceProfile", w.arn("instance-profile/t1"))
	if err := create("t1", sdkTags("team", "red")); err != nil {
		t.Error(err)
	}
	plain := w.user("plain", allow("iam:CreateInstanceProfile", "*"))
	_, err := plain.CreateInstanceProfile(ctx, &sdk.CreateInstanceProfileInput{InstanceProfileName: aws.String("t2"), Tags: sdkTags("k", "v")})
	w.denied(err, "plain", "iam:TagInstanceProfile", w.arn("instance-profile/t2"))
}
