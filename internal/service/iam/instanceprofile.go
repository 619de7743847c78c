package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// instanceProfileRows are the permission rows of the operations on instance profiles.
var instanceProfileRows = map[string]gate.Row{
	"CreateInstanceProfile": {Decides: gate.ByPolicy, Checks: gate.Checks(createInstanceProfileChecks)},
	"GetInstanceProfile": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(instanceProfileCheck, "iam:GetInstanceProfile",
			func(in *shape.GetInstanceProfileRequest) string { return in.InstanceProfileName })},
	"ListInstanceProfiles": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(c *gate.Call, in *shape.ListInstanceProfilesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListInstanceProfiles", Resource: entity.InstanceProfileARN(c.Account(), orRoot(in.PathPrefix), "")}}
		})},
	"ListInstanceProfilesForRole": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(roleCheck, "iam:ListInstanceProfilesForRole",
			func(in *shape.ListInstanceProfilesForRoleRequest) string { return in.RoleName })},
	"AddRoleToInstanceProfile": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.AddRoleToInstanceProfileRequest) []authorizer.Check {
			return []authorizer.Check{
				instanceProfileCheck(c, "iam:AddRoleToInstanceProfile", in.InstanceProfileName), passRoleCheck(c, in.RoleName, "ec2.amazonaws.com"),
			}
		})},
	"RemoveRoleFromInstanceProfile": {Decides: gate.ByPolicy,
		Checks: on(instanceProfileCheck, "iam:RemoveRoleFromInstanceProfile",
			func(in *shape.RemoveRoleFromInstanceProfileRequest) string { return in.InstanceProfileName })},
	"DeleteInstanceProfile": {Decides: gate.ByPolicy,
		Checks: on(instanceProfileCheck, "iam:DeleteInstanceProfile",
			func(in *shape.DeleteInstanceProfileRequest) string { return in.InstanceProfileName })},
	"TagInstanceProfile": {Decides: gate.ByPolicy,
		Checks: tagging(instanceProfileCheck, "iam:TagInstanceProfile", func(in *shape.TagInstanceProfileRequest) (string, []shape.Tag) {
			return in.InstanceProfileName, in.Tags
		})},
	"UntagInstanceProfile": {Decides: gate.ByPolicy,
		Checks: untagging(instanceProfileCheck, "iam:UntagInstanceProfile", func(in *shape.UntagInstanceProfileRequest) (string, []string) {
			return in.InstanceProfileName, in.TagKeys
		})},
	"ListInstanceProfileTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(instanceProfileCheck, "iam:ListInstanceProfileTags",
			func(in *shape.ListInstanceProfileTagsRequest) string { return in.InstanceProfileName })},
}

// instanceProfileCheck asks for one action on an instance profile, as userCheck does on a user.
func instanceProfileCheck(c *gate.Call, action, name string) authorizer.Check {
	arn := entity.InstanceProfileARN(c.Account(), "/", name)
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if p, ok := snapshot.ItemNamed[*entity.InstanceProfile](account, name); ok {
			arn = p.Record.ARN()
		}
	}
	return authorizer.Check{Action: action, Resource: arn, Shown: "instance profile " + name}
}

// passRoleCheck asks whether the caller may hand a role to a service (S2-119). iam:AssociatedResourceArn is not in the context:
// what the role will be associated with is not known yet.
func passRoleCheck(c *gate.Call, role, service string) authorizer.Check {
	check := roleCheck(c, "iam:PassRole", role)
	check.Keys = []authorizer.Key{{Name: "iam:PassedToService", Values: []string{service}}}
	return check
}

// createInstanceProfileChecks: making a profile with tags needs iam:TagInstanceProfile on it too ("Tag IAM resources").
func createInstanceProfileChecks(c *gate.Call, in *shape.CreateInstanceProfileRequest) []authorizer.Check {
	create := authorizer.Check{
		Action: "iam:CreateInstanceProfile", Resource: entity.InstanceProfileARN(c.Account(), orRoot(in.Path), in.InstanceProfileName),
		RequestTags: entityTags(in.Tags),
	}
	return withTagging(create, "iam:TagInstanceProfile")
}

// CreateInstanceProfile makes an instance profile without a role.
func (s *service) CreateInstanceProfile(ctx context.Context, c *gate.Call, in *shape.CreateInstanceProfileRequest) (*shape.CreateInstanceProfileResponse, error) {
	n := directory.NewInstanceProfile{Name: in.InstanceProfileName, Path: orRoot(in.Path), Tags: entityTags(in.Tags)}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateInstanceProfileResponse, error) {
		p, err := tx.CreateInstanceProfile(c.Account(), n)
		if err != nil {
			return nil, err
		}
		return &shape.CreateInstanceProfileResponse{InstanceProfile: shape.InstanceProfile{
			Arn: p.ARN(), CreateDate: p.CreatedAt, InstanceProfileId: p.ID, InstanceProfileName: p.Name, Path: p.Path,
			Roles: []shape.Role{}, Tags: shapeTags(p.Tags),
		}}, nil
	})
}

// GetInstanceProfile shows a profile with its role.
func (s *service) GetInstanceProfile(_ context.Context, c *gate.Call, in *shape.GetInstanceProfileRequest) (*shape.GetInstanceProfileResponse, error) {
	account, p, err := instanceProfile(c, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	out := briefInstanceProfile(account, p)
	out.Tags = shapeTags(p.Tags)
	return &shape.GetInstanceProfileResponse{InstanceProfile: out}, nil
}

// ListInstanceProfiles lists profiles in the order of their names, without tags.
func (s *service) ListInstanceProfiles(_ context.Context, c *gate.Call, in *shape.ListInstanceProfilesRequest) (*shape.ListInstanceProfilesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	profiles, next := page.Take(snapshot.Items[*entity.InstanceProfile](account, after), in.MaxItems,
		func(p profileItem) bool { return inPath(p.Record.Path, in.PathPrefix) }, profilePlace)
	return &shape.ListInstanceProfilesResponse{
		IsTruncated: truncated(next), Marker: next, InstanceProfiles: briefInstanceProfiles(account, profiles),
	}, nil
}

// profileItem is an instance profile of a snapshot.
type profileItem = snapshot.Item[*entity.InstanceProfile]

// profilePlace is a profile's place in listings.
func profilePlace(p profileItem) string { return entity.FoldName(p.Record.Name) }

// ListInstanceProfilesForRole lists the profiles that hold a role.
func (s *service) ListInstanceProfilesForRole(_ context.Context, c *gate.Call, in *shape.ListInstanceProfilesForRoleRequest) (*shape.ListInstanceProfilesForRoleResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	r, err := role(c, in.RoleName)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	profiles, next := page.Take(slices.Values(profilesOf(account, r)), in.MaxItems,
		func(p profileItem) bool { return profilePlace(p) > after }, profilePlace)
	return &shape.ListInstanceProfilesForRoleResponse{
		IsTruncated: truncated(next), Marker: next, InstanceProfiles: briefInstanceProfiles(account, profiles),
	}, nil
}

// profilesOf returns the profiles that hold a role, in the order of their names.
func profilesOf(account snapshot.Account, r snapshot.Role) []profileItem {
	return slices.SortedFunc(snapshot.Owned[*entity.InstanceProfile](account, r.Owned),
		func(a, b profileItem) int { return strings.Compare(profilePlace(a), profilePlace(b)) })
}

// AddRoleToInstanceProfile puts a role into a profile that holds none.
func (s *service) AddRoleToInstanceProfile(ctx context.Context, c *gate.Call, in *shape.AddRoleToInstanceProfileRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.AddRoleToInstanceProfile(c.Account(), in.InstanceProfileName, in.RoleName)
	})
}

// RemoveRoleFromInstanceProfile takes the role out of a profile.
func (s *service) RemoveRoleFromInstanceProfile(ctx context.Context, c *gate.Call, in *shape.RemoveRoleFromInstanceProfileRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.RemoveRoleFromInstanceProfile(c.Account(), in.InstanceProfileName, in.RoleName)
	})
}

// DeleteInstanceProfile deletes a profile that holds no role.
func (s *service) DeleteInstanceProfile(ctx context.Context, c *gate.Call, in *shape.DeleteInstanceProfileRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeleteInstanceProfile(c.Account(), in.InstanceProfileName)
	})
}

// TagInstanceProfile adds tags to a profile or replaces their values.
func (s *service) TagInstanceProfile(ctx context.Context, c *gate.Call, in *shape.TagInstanceProfileRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.TagInstanceProfile(c.Account(), in.InstanceProfileName, entityTags(in.Tags))
	})
}

// UntagInstanceProfile removes tags; keys that are not there are no error.
func (s *service) UntagInstanceProfile(ctx context.Context, c *gate.Call, in *shape.UntagInstanceProfileRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.UntagInstanceProfile(c.Account(), in.InstanceProfileName, in.TagKeys)
	})
}

// ListInstanceProfileTags lists a profile's tags.
func (s *service) ListInstanceProfileTags(_ context.Context, c *gate.Call, in *shape.ListInstanceProfileTagsRequest) (*shape.ListInstanceProfileTagsResponse, error) {
	_, p, err := instanceProfile(c, in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListInstanceProfileTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: tags}, nil
}

// instanceProfile finds an instance profile of the caller's account.
func instanceProfile(c *gate.Call, name string) (snapshot.Account, *entity.InstanceProfile, error) {
	account, err := home(c)
	if err != nil {
		return snapshot.Account{}, nil, err
	}
	p, ok := snapshot.ItemNamed[*entity.InstanceProfile](account, name)
	if !ok {
		return snapshot.Account{}, nil, fault.New(fault.NotFound, "Instance Profile %s cannot be found.", name)
	}
	return account, p.Record, nil
}

// briefInstanceProfile is a profile as list calls show it: without tags. Of its role there is what AWS shows here, which is
// neither description nor session duration.
func briefInstanceProfile(account snapshot.Account, p *entity.InstanceProfile) shape.InstanceProfile {
	out := shape.InstanceProfile{
		Arn: p.ARN(), CreateDate: p.CreatedAt, InstanceProfileId: p.ID, InstanceProfileName: p.Name, Path: p.Path, Roles: []shape.Role{},
	}
	if r, ok := account.RoleByID(p.Role); ok {
		brief := briefRole(account.Snapshot(), r.Role)
		brief.Description, brief.MaxSessionDuration = nil, nil
		out.Roles = append(out.Roles, brief)
	}
	return out
}

func briefInstanceProfiles(account snapshot.Account, profiles []profileItem) []shape.InstanceProfile {
	out := make([]shape.InstanceProfile, 0, len(profiles))
	for _, p := range profiles {
		out = append(out, briefInstanceProfile(account, p.Record))
	}
	return out
}
