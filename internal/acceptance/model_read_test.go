package acceptance_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"pgregory.net/rapid"
)

// readAll asks every read operation about every entity, by another case of its name, and follows every reference.
func (m *machine) readAll(rt *rapid.T) {
	for _, u := range m.m.users {
		m.readUser(rt, u)
	}
	for _, g := range m.m.groups {
		m.readGroup(rt, g)
	}
	for _, r := range m.m.roles {
		m.readRole(rt, r)
	}
	for _, p := range m.m.policies {
		m.readPolicy(rt, p)
	}
	for _, p := range m.m.profiles {
		m.readProfile(rt, p)
	}
	m.readLists(rt)
}

// shows fails where a read does not show what the model has.
func shows(rt *rapid.T, what string, err error, got, want any) {
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		rt.Fatalf("%s shows %v (%v), the model has %v", what, got, err, want)
	}
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func (m *machine) readUser(rt *rapid.T, u *holder) {
	name := aws.String(strings.ToUpper(u.name))
	if out, err := m.c.GetUser(m.ctx, &iam.GetUserInput{UserName: name}); err != nil {
		rt.Fatal(err)
	} else {
		shows(rt, "GetUser", nil, *out.User.Arn+" "+tagText(out.User.Tags)+" "+boundaryText(out.User.PermissionsBoundary),
			u.arn(m.m.account)+" "+tagText(u.tags)+" "+m.m.boundaryText(u))
	}
	tags, err := m.c.ListUserTags(m.ctx, &iam.ListUserTagsInput{UserName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListUserTags", nil, tagText(tags.Tags), tagText(u.tags))
	groups, err := m.c.ListGroupsForUser(m.ctx, &iam.ListGroupsForUserInput{UserName: name})
	if err != nil {
		rt.Fatal(err)
	}
	var got, want []string
	for _, g := range groups.Groups {
		got = append(got, *g.Arn)
		if _, err := m.c.GetGroup(m.ctx, &iam.GetGroupInput{GroupName: g.GroupName}); err != nil {
			rt.Fatalf("a group that %s is in: %v", u.name, err)
		}
	}
	for _, g := range u.groups {
		want = append(want, g.arn(m.m.account))
	}
	shows(rt, "ListGroupsForUser", nil, sorted(got), sorted(want))
	keys, err := m.c.ListAccessKeys(m.ctx, &iam.ListAccessKeysInput{UserName: name})
	if err != nil {
		rt.Fatal(err)
	}
	statuses := map[string]string{}
	for _, k := range keys.AccessKeyMetadata {
		statuses[*k.AccessKeyId] = string(k.Status)
		used, err := m.c.GetAccessKeyLastUsed(m.ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId})
		if err != nil || *used.UserName != u.name {
			rt.Fatalf("the key of %s is %v's: %v", u.name, used, err)
		}
	}
	shows(rt, "ListAccessKeys", nil, mapText(statuses), mapText(u.keys))
	inline, err := m.c.ListUserPolicies(m.ctx, &iam.ListUserPoliciesInput{UserName: name})
	if err != nil {
		rt.Fatal(err)
	}
	documents := map[string]string{}
	for _, policy := range inline.PolicyNames {
		out, err := m.c.GetUserPolicy(m.ctx, &iam.GetUserPolicyInput{UserName: name, PolicyName: &policy})
		if err != nil {
			rt.Fatal(err)
		}
		documents[policy] = decoded(rt, out.PolicyDocument)
	}
	shows(rt, "GetUserPolicy", nil, mapText(documents), mapText(u.inline))
	attached, err := m.c.ListAttachedUserPolicies(m.ctx, &iam.ListAttachedUserPoliciesInput{UserName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListAttachedUserPolicies", nil, attachedText(attached.AttachedPolicies), m.m.attachedText(u))
}

func (m *machine) readGroup(rt *rapid.T, g *holder) {
	name := aws.String(strings.ToUpper(g.name))
	out, err := m.c.GetGroup(m.ctx, &iam.GetGroupInput{GroupName: name})
	if err != nil {
		rt.Fatal(err)
	}
	var members []string
	for _, u := range out.Users {
		members = append(members, *u.UserName)
	}
	shows(rt, "GetGroup", nil, *out.Group.Arn+" "+strings.Join(sorted(members), " "), g.arn(m.m.account)+" "+strings.Join(m.m.members(g), " "))
	inline, err := m.c.ListGroupPolicies(m.ctx, &iam.ListGroupPoliciesInput{GroupName: name})
	if err != nil {
		rt.Fatal(err)
	}
	documents := map[string]string{}
	for _, policy := range inline.PolicyNames {
		out, err := m.c.GetGroupPolicy(m.ctx, &iam.GetGroupPolicyInput{GroupName: name, PolicyName: &policy})
		if err != nil {
			rt.Fatal(err)
		}
		documents[policy] = decoded(rt, out.PolicyDocument)
	}
	shows(rt, "GetGroupPolicy", nil, mapText(documents), mapText(g.inline))
	attached, err := m.c.ListAttachedGroupPolicies(m.ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListAttachedGroupPolicies", nil, attachedText(attached.AttachedPolicies), m.m.attachedText(g))
}

func (m *machine) readRole(rt *rapid.T, r *holder) {
	name := aws.String(strings.ToUpper(r.name))
	out, err := m.c.GetRole(m.ctx, &iam.GetRoleInput{RoleName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "GetRole", nil, *out.Role.Arn+" "+tagText(out.Role.Tags)+" "+boundaryText(out.Role.PermissionsBoundary),
		r.arn(m.m.account)+" "+tagText(r.tags)+" "+m.m.boundaryText(r))
	tags, err := m.c.ListRoleTags(m.ctx, &iam.ListRoleTagsInput{RoleName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListRoleTags", nil, tagText(tags.Tags), tagText(r.tags))
	profiles, err := m.c.ListInstanceProfilesForRole(m.ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	if err != nil {
		rt.Fatal(err)
	}
	var names []string
	for _, p := range profiles.InstanceProfiles {
		names = append(names, *p.InstanceProfileName)
	}
	shows(rt, "ListInstanceProfilesForRole", nil, sorted(names), sorted(m.m.profilesOf(r)))
	inline, err := m.c.ListRolePolicies(m.ctx, &iam.ListRolePoliciesInput{RoleName: name})
	if err != nil {
		rt.Fatal(err)
	}
	documents := map[string]string{}
	for _, policy := range inline.PolicyNames {
		out, err := m.c.GetRolePolicy(m.ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: &policy})
		if err != nil {
			rt.Fatal(err)
		}
		documents[policy] = decoded(rt, out.PolicyDocument)
	}
	shows(rt, "GetRolePolicy", nil, mapText(documents), mapText(r.inline))
	attached, err := m.c.ListAttachedRolePolicies(m.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListAttachedRolePolicies", nil, attachedText(attached.AttachedPolicies), m.m.attachedText(r))
}

func (m *machine) readPolicy(rt *rapid.T, p *mPolicy) {
	arn := aws.String(p.arn(m.m.account))
	out, err := m.c.GetPolicy(m.ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		rt.Fatal(err)
	}
	attachments, boundaries := m.m.uses(p)
	shows(rt, "GetPolicy", nil, fmt.Sprint(*out.Policy.DefaultVersionId, tagText(out.Policy.Tags), *out.Policy.AttachmentCount, *out.Policy.PermissionsBoundaryUsageCount),
		fmt.Sprint("v", p.first, tagText(p.tags), attachments, boundaries))
	tags, err := m.c.ListPolicyTags(m.ctx, &iam.ListPolicyTagsInput{PolicyArn: arn})
	if err != nil {
		rt.Fatal(err)
	}
	shows(rt, "ListPolicyTags", nil, tagText(tags.Tags), tagText(p.tags))
	versions, err := m.c.ListPolicyVersions(m.ctx, &iam.ListPolicyVersionsInput{PolicyArn: arn})
	if err != nil || len(versions.Versions) != len(p.versions) {
		rt.Fatalf("%d versions (%v), the model has %d", len(versions.Versions), err, len(p.versions))
	}
	for n, document := range p.versions {
		out, err := m.c.GetPolicyVersion(m.ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String(fmt.Sprint("v", n))})
		if err != nil {
			rt.Fatal(err)
		}
		shows(rt, "GetPolicyVersion", nil, decoded(rt, out.PolicyVersion.Document), document)
	}
	// Everything that refers to the policy is there.
	entities, err := m.c.ListEntitiesForPolicy(m.ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: arn})
	if err != nil {
		rt.Fatal(err)
	}
	var got, want []string
	for _, u := range entities.PolicyUsers {
		got = append(got, "user "+*u.UserName)
	}
	for _, g := range entities.PolicyGroups {
		got = append(got, "group "+*g.GroupName)
	}
	for _, r := range entities.PolicyRoles {
		got = append(got, "role "+*r.RoleName)
	}
	for _, kind := range []string{"user", "group", "role"} {
		for _, h := range m.m.holders(kind) {
			if slices.Contains(h.own, p) || h.boundary == p {
				want = append(want, kind+" "+h.name)
			}
		}
	}
	shows(rt, "ListEntitiesForPolicy", nil, sorted(got), sorted(want))
}

func (m *machine) readProfile(rt *rapid.T, p *mProfile) {
	out, err := m.c.GetInstanceProfile(m.ctx, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String(strings.ToUpper(p.name))})
	if err != nil {
		rt.Fatal(err)
	}
	got, want := *out.InstanceProfile.Arn+" "+tagText(out.InstanceProfile.Tags), p.arn(m.m.account)+" "+tagText(p.tags)
	for _, r := range out.InstanceProfile.Roles {
		got += " " + *r.Arn
	}
	if p.role != nil {
		want += " " + p.role.arn(m.m.account)
	}
	shows(rt, "GetInstanceProfile", nil, got, want)
}

// readLists compares the lists of the account, with and without a path.
func (m *machine) readLists(rt *rapid.T) {
	for _, prefix := range []string{"/", "/a/"} {
		got := map[string][]string{}
		users, err := m.c.ListUsers(m.ctx, &iam.ListUsersInput{PathPrefix: &prefix})
		if err != nil {
			rt.Fatal(err)
		}
		for _, u := range users.Users {
			got["user"] = append(got["user"], *u.UserName)
		}
		groups, err := m.c.ListGroups(m.ctx, &iam.ListGroupsInput{PathPrefix: &prefix})
		if err != nil {
			rt.Fatal(err)
		}
		for _, g := range groups.Groups {
			got["group"] = append(got["group"], *g.GroupName)
		}
		roles, err := m.c.ListRoles(m.ctx, &iam.ListRolesInput{PathPrefix: &prefix})
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range roles.Roles {
			got["role"] = append(got["role"], *r.RoleName)
		}
		policies, err := m.c.ListPolicies(m.ctx, &iam.ListPoliciesInput{PathPrefix: &prefix, Scope: "Local"})
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range policies.Policies {
			got["policy"] = append(got["policy"], *p.PolicyName)
		}
		profiles, err := m.c.ListInstanceProfiles(m.ctx, &iam.ListInstanceProfilesInput{PathPrefix: &prefix})
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range profiles.InstanceProfiles {
			got["instance-profile"] = append(got["instance-profile"], *p.InstanceProfileName)
		}
		want := map[string][]string{}
		add := func(k *kept) {
			if strings.HasPrefix(k.path, prefix) {
				want[k.kind] = append(want[k.kind], k.name)
			}
		}
		for _, kind := range []string{"user", "group", "role"} {
			for _, h := range m.m.holders(kind) {
				add(&h.kept)
			}
		}
		for _, p := range m.m.policies {
			add(&p.kept)
		}
		for _, p := range m.m.profiles {
			add(&p.kept)
		}
		for kind := range want {
			// Lists are in the order of names, whatever their case.
			slices.SortFunc(want[kind], func(a, b string) int { return strings.Compare(fold(a), fold(b)) })
		}
		for _, kind := range []string{"user", "group", "role", "policy", "instance-profile"} {
			shows(rt, "the list of "+kind+"s under "+prefix, nil, got[kind], want[kind])
		}
	}
}
