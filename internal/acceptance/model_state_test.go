package acceptance_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// TestModel runs random sequences of operations through the API against the model: every answer, and what every read shows after every
// step, is what the model says. Names are few and differ in case, so that operations meet what is there, what was there and what never was.
func TestModel(t *testing.T) {
	c, srv := newCloud(t)
	for name, value := range map[string]int{"rapid.checks": long(12, 10), "rapid.steps": 60} {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(strconv.Itoa(value)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
	answers := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		a, err := srv.NewAccount(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		m := newMachine(t, rt, c, a, answers)
		actions := m.actions()
		actions[""] = func(rt *rapid.T) { m.agree(rt) }
		rt.Repeat(actions)
		m.readAll(rt)
		m.tearDown(rt)
	})
	wanted := []string{"", noSuch}
	if testenv.Long() { // so many steps that a rarer answer cannot stay out by chance
		wanted = append(wanted, exists, conflict)
	}
	for _, want := range wanted {
		if answers[want] == 0 {
			t.Errorf("no operation answered %q: this proves little", want)
		}
	}
	t.Logf("%v", answers)
}

// machine runs the same operation on an account and on the model.
type machine struct {
	ctx     context.Context
	c       *iam.Client
	m       *model
	answers map[string]int
	keys    []string // all access keys that there ever were
}

func newMachine(t *testing.T, rt *rapid.T, c *cloud, a ostiarytest.Account, answers map[string]int) *machine {
	return &machine{ctx: t.Context(), c: c.root(a).iam, m: newModel(a.AccountID), answers: answers}
}

// expect holds an answer to what the model says.
func (m *machine) expect(rt *rapid.T, err error, want string) {
	m.answers[want]++
	if got := code(err); got != want {
		rt.Fatalf("answers %q (%v), and must answer %q", got, err, want)
	}
}

func pick[T any](rt *rapid.T, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(rt, what)
}

func (m *machine) name(rt *rapid.T) string { return pick(rt, "name", "ann", "Ann", "bob", "cy") }

// there is the name of an entity of a kind: mostly of one that is there, in some case.
func (m *machine) there(rt *rapid.T, kind string) string {
	var all []string
	for name := range m.m.holders(kind) {
		all = append(all, name, strings.ToUpper(name))
	}
	if kind == "instance-profile" {
		for name := range m.m.profiles {
			all = append(all, name, strings.ToUpper(name))
		}
	}
	slices.Sort(all)
	if len(all) == 0 || rapid.IntRange(0, 3).Draw(rt, "anybody") == 0 {
		return m.name(rt)
	}
	return pick(rt, "there", all...)
}

func (m *machine) path(rt *rapid.T) string   { return pick(rt, "path", "/", "/a/", "/a/b/") }
func (m *machine) kind(rt *rapid.T) string   { return pick(rt, "kind", "user", "group", "role") }
func (m *machine) inline(rt *rapid.T) string { return pick(rt, "inline", "one", "two") }
func (m *machine) document(rt *rapid.T) string {
	return statement("Allow", pick(rt, "action", "s3:GetObject", "s3:PutObject"), "*")
}

// policy is the ARN of a policy: mostly of one that is there.
func (m *machine) policy(rt *rapid.T) string {
	all := []string{administratorAccess, powerUserAccess}
	for _, p := range m.m.policies {
		all = append(all, p.arn(m.m.account), p.arn(m.m.account))
	}
	slices.Sort(all)
	return pick(rt, "policy", append(all, m.own(rt))...)
}

// own is the ARN of an own policy, which may not be there.
func (m *machine) own(rt *rapid.T) string {
	if there := len(m.m.policies); there > 0 && rapid.IntRange(0, 3).Draw(rt, "there") > 0 {
		var all []string
		for _, p := range m.m.policies {
			all = append(all, p.arn(m.m.account))
		}
		slices.Sort(all)
		return pick(rt, "own", all...)
	}
	return "arn:aws:iam::" + m.m.account + ":policy" + m.path(rt) + m.name(rt)
}

func (m *machine) tags(rt *rapid.T, least int) []types.Tag {
	var all []types.Tag
	for range rapid.IntRange(least, 2).Draw(rt, "tags") {
		all = append(all, tags(pick(rt, "key", "k", "K", "t"), pick(rt, "value", "1", "2"))...)
	}
	// The same key twice is refused everywhere; the model is asked about case only.
	return slices.CompactFunc(all, func(a, b types.Tag) bool { return *a.Key == *b.Key })
}

func ptr(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (m *machine) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"create user": func(rt *rapid.T) {
			name, path, tags, boundary := m.name(rt), m.path(rt), m.tags(rt, 0), ""
			if rapid.Bool().Draw(rt, "bounded") {
				boundary = m.policy(rt)
			}
			_, err := m.c.CreateUser(m.ctx, &iam.CreateUserInput{UserName: &name, Path: &path, Tags: tags, PermissionsBoundary: ptr(boundary)})
			m.expect(rt, err, m.m.create("user", name, path, tags, boundary))
		},
		"create group": func(rt *rapid.T) {
			name, path := m.name(rt), m.path(rt)
			_, err := m.c.CreateGroup(m.ctx, &iam.CreateGroupInput{GroupName: &name, Path: &path})
			m.expect(rt, err, m.m.create("group", name, path, nil, ""))
		},
		"create role": func(rt *rapid.T) {
			name, path, tags, boundary := m.name(rt), m.path(rt), m.tags(rt, 0), ""
			if rapid.Bool().Draw(rt, "bounded") {
				boundary = m.policy(rt)
			}
			_, err := m.c.CreateRole(m.ctx, &iam.CreateRoleInput{RoleName: &name, Path: &path, Tags: tags, PermissionsBoundary: ptr(boundary),
				AssumeRolePolicyDocument: aws.String(trusting(m.m.account))})
			m.expect(rt, err, m.m.create("role", name, path, tags, boundary))
		},
		"update user": func(rt *rapid.T) {
			name, to, path := m.there(rt, "user"), pick(rt, "to", "", m.name(rt)), pick(rt, "new path", "", m.path(rt))
			_, err := m.c.UpdateUser(m.ctx, &iam.UpdateUserInput{UserName: &name, NewUserName: ptr(to), NewPath: ptr(path)})
			m.expect(rt, err, m.m.rename("user", name, to, path))
		},
		"update group": func(rt *rapid.T) {
			name, to, path := m.there(rt, "group"), pick(rt, "to", "", m.name(rt)), pick(rt, "new path", "", m.path(rt))
			_, err := m.c.UpdateGroup(m.ctx, &iam.UpdateGroupInput{GroupName: &name, NewGroupName: ptr(to), NewPath: ptr(path)})
			m.expect(rt, err, m.m.rename("group", name, to, path))
		},
		"delete": func(rt *rapid.T) {
			kind := m.kind(rt)
			name := m.there(rt, kind)
			m.remove(rt, kind, name)
		},
		"join": func(rt *rapid.T) {
			user, group := m.there(rt, "user"), m.there(rt, "group")
			_, err := m.c.AddUserToGroup(m.ctx, &iam.AddUserToGroupInput{UserName: &user, GroupName: &group})
			m.expect(rt, err, m.m.join(user, group))
		},
		"leave": func(rt *rapid.T) {
			user, group := m.there(rt, "user"), m.there(rt, "group")
			m.leave(rt, user, group)
		},
		"put inline": func(rt *rapid.T) {
			kind, policy, document := m.kind(rt), m.inline(rt), m.document(rt)
			name := m.there(rt, kind)
			var err error
			switch kind {
			case "user":
				_, err = m.c.PutUserPolicy(m.ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: &policy, PolicyDocument: &document})
			case "group":
				_, err = m.c.PutGroupPolicy(m.ctx, &iam.PutGroupPolicyInput{GroupName: &name, PolicyName: &policy, PolicyDocument: &document})
			case "role":
				_, err = m.c.PutRolePolicy(m.ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: &document})
			}
			m.expect(rt, err, m.m.putInline(kind, name, policy, document))
		},
		"delete inline": func(rt *rapid.T) {
			kind, policy := m.kind(rt), m.inline(rt)
			name := m.there(rt, kind)
			m.deleteInline(rt, kind, name, policy)
		},
	}
	m.policyActions(all)
	m.itemActions(all)
	return all
}

// remove deletes a user, group or role.
func (m *machine) remove(rt *rapid.T, kind, name string) {
	var err error
	switch kind {
	case "user":
		_, err = m.c.DeleteUser(m.ctx, &iam.DeleteUserInput{UserName: &name})
	case "group":
		_, err = m.c.DeleteGroup(m.ctx, &iam.DeleteGroupInput{GroupName: &name})
	case "role":
		_, err = m.c.DeleteRole(m.ctx, &iam.DeleteRoleInput{RoleName: &name})
	}
	m.expect(rt, err, m.m.remove(kind, name))
}

func (m *machine) leave(rt *rapid.T, user, group string) {
	_, err := m.c.RemoveUserFromGroup(m.ctx, &iam.RemoveUserFromGroupInput{UserName: &user, GroupName: &group})
	m.expect(rt, err, m.m.leave(user, group))
}

func (m *machine) deleteInline(rt *rapid.T, kind, name, policy string) {
	var err error
	switch kind {
	case "user":
		_, err = m.c.DeleteUserPolicy(m.ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policy})
	case "group":
		_, err = m.c.DeleteGroupPolicy(m.ctx, &iam.DeleteGroupPolicyInput{GroupName: &name, PolicyName: &policy})
	case "role":
		_, err = m.c.DeleteRolePolicy(m.ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy})
	}
	m.expect(rt, err, m.m.deleteInline(kind, name, policy))
}

func (m *machine) detach(rt *rapid.T, kind, name, arn string) {
	var err error
	switch kind {
	case "user":
		_, err = m.c.DetachUserPolicy(m.ctx, &iam.DetachUserPolicyInput{UserName: &name, PolicyArn: &arn})
	case "group":
		_, err = m.c.DetachGroupPolicy(m.ctx, &iam.DetachGroupPolicyInput{GroupName: &name, PolicyArn: &arn})
	case "role":
		_, err = m.c.DetachRolePolicy(m.ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
	}
	m.expect(rt, err, m.m.detach(kind, name, arn))
}

func (m *machine) removeRole(rt *rapid.T, profile, role string) {
	_, err := m.c.RemoveRoleFromInstanceProfile(m.ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
	m.expect(rt, err, m.m.removeRole(profile, role))
}

// tearDown takes everything apart and deletes it. Nothing may be in the way that the model does not know, and nothing may be left.
func (m *machine) tearDown(rt *rapid.T) {
	for _, p := range slices.Collect(maps.Values(m.m.profiles)) {
		if p.role != nil {
			m.removeRole(rt, p.name, p.role.name)
		}
		_, err := m.c.DeleteInstanceProfile(m.ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &p.name})
		m.expect(rt, err, m.m.deleteProfile(p.name))
	}
	for _, kind := range []string{"user", "group", "role"} { // users leave their groups before these go
		for _, h := range slices.Collect(maps.Values(m.m.holders(kind))) {
			for _, g := range slices.Clone(h.groups) {
				m.leave(rt, h.name, g.name)
			}
			for id := range h.keys {
				_, err := m.c.DeleteAccessKey(m.ctx, &iam.DeleteAccessKeyInput{UserName: &h.name, AccessKeyId: &id})
				m.expect(rt, err, "")
			}
			clear(h.keys)
			for policy := range maps.Clone(h.inline) {
				m.deleteInline(rt, kind, h.name, policy)
			}
			for _, arn := range strings.Fields(m.m.attachedText(h)) {
				m.detach(rt, kind, h.name, arn)
			}
			m.remove(rt, kind, h.name)
		}
	}
	for _, p := range slices.Collect(maps.Values(m.m.policies)) {
		for n := range maps.Clone(p.versions) {
			if n == p.first {
				continue
			}
			_, err := m.c.DeletePolicyVersion(m.ctx, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(p.arn(m.m.account)), VersionId: aws.String(fmt.Sprint("v", n))})
			m.expect(rt, err, m.m.deleteVersion(p.arn(m.m.account), n))
		}
		arn := p.arn(m.m.account)
		_, err := m.c.DeletePolicy(m.ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
		m.expect(rt, err, m.m.deletePolicy(arn))
	}
	if left := m.m.describe(); len(left) > 0 {
		rt.Fatalf("what the model says cannot be deleted: %q", left)
	}
	m.agree(rt)
}

func (m *machine) policyActions(all map[string]func(*rapid.T)) {
	all["attach"] = func(rt *rapid.T) {
		kind, arn := m.kind(rt), m.policy(rt)
		name := m.there(rt, kind)
		var err error
		switch kind {
		case "user":
			_, err = m.c.AttachUserPolicy(m.ctx, &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: &arn})
		case "group":
			_, err = m.c.AttachGroupPolicy(m.ctx, &iam.AttachGroupPolicyInput{GroupName: &name, PolicyArn: &arn})
		case "role":
			_, err = m.c.AttachRolePolicy(m.ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
		}
		m.expect(rt, err, m.m.attach(kind, name, arn))
	}
	all["detach"] = func(rt *rapid.T) {
		kind, arn := m.kind(rt), m.policy(rt)
		name := m.there(rt, kind)
		m.detach(rt, kind, name, arn)
	}
	all["put boundary"] = func(rt *rapid.T) {
		kind, arn := pick(rt, "bounded", "user", "role"), m.policy(rt)
		name := m.there(rt, kind)
		var err error
		if kind == "user" {
			_, err = m.c.PutUserPermissionsBoundary(m.ctx, &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: &arn})
		} else {
			_, err = m.c.PutRolePermissionsBoundary(m.ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: &arn})
		}
		m.expect(rt, err, m.m.putBoundary(kind, name, arn))
	}
	all["delete boundary"] = func(rt *rapid.T) {
		kind := pick(rt, "bounded", "user", "role")
		name := m.there(rt, kind)
		var err error
		if kind == "user" {
			_, err = m.c.DeleteUserPermissionsBoundary(m.ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: &name})
		} else {
			_, err = m.c.DeleteRolePermissionsBoundary(m.ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
		}
		m.expect(rt, err, m.m.deleteBoundary(kind, name))
	}
	all["create policy"] = func(rt *rapid.T) {
		name, path, document, tags := m.name(rt), m.path(rt), m.document(rt), m.tags(rt, 0)
		_, err := m.c.CreatePolicy(m.ctx, &iam.CreatePolicyInput{PolicyName: &name, Path: &path, PolicyDocument: &document, Tags: tags})
		m.expect(rt, err, m.m.createPolicy(name, path, document, tags))
	}
	all["delete policy"] = func(rt *rapid.T) {
		arn := m.own(rt)
		_, err := m.c.DeletePolicy(m.ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
		m.expect(rt, err, m.m.deletePolicy(arn))
	}
	all["create version"] = func(rt *rapid.T) {
		arn, document, first := m.own(rt), m.document(rt), rapid.Bool().Draw(rt, "default")
		_, err := m.c.CreatePolicyVersion(m.ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &document, SetAsDefault: first})
		m.expect(rt, err, m.m.createVersion(arn, document, first))
	}
	all["set version"] = func(rt *rapid.T) {
		arn, n := m.own(rt), rapid.IntRange(1, 6).Draw(rt, "version")
		_, err := m.c.SetDefaultPolicyVersion(m.ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &arn, VersionId: aws.String(fmt.Sprint("v", n))})
		m.expect(rt, err, m.m.setVersion(arn, n))
	}
	all["delete version"] = func(rt *rapid.T) {
		arn, n := m.own(rt), rapid.IntRange(1, 6).Draw(rt, "version")
		_, err := m.c.DeletePolicyVersion(m.ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: aws.String(fmt.Sprint("v", n))})
		m.expect(rt, err, m.m.deleteVersion(arn, n))
	}
}

// itemActions are those on access keys, instance profiles and tags.
func (m *machine) itemActions(all map[string]func(*rapid.T)) {
	all["create key"] = func(rt *rapid.T) {
		name := m.there(rt, "user")
		out, err := m.c.CreateAccessKey(m.ctx, &iam.CreateAccessKeyInput{UserName: &name})
		u := m.m.users[fold(name)]
		switch {
		case u == nil:
			m.expect(rt, err, noSuch)
		case len(u.keys) == 2:
			m.expect(rt, err, limited)
		default:
			m.expect(rt, err, "")
			u.keys[*out.AccessKey.AccessKeyId] = "Active"
			m.keys = append(m.keys, *out.AccessKey.AccessKeyId)
		}
	}
	all["change key"] = func(rt *rapid.T) {
		name, id := m.there(rt, "user"), pick(rt, "id", append([]string{"AKIAAAAAAAAAAAAAAAAA"}, m.keys...)...)
		u, want := m.m.users[fold(name)], ""
		if u == nil || u.keys[id] == "" {
			want = noSuch
		}
		if rapid.Bool().Draw(rt, "delete") {
			_, err := m.c.DeleteAccessKey(m.ctx, &iam.DeleteAccessKeyInput{UserName: &name, AccessKeyId: &id})
			if m.expect(rt, err, want); want == "" {
				delete(u.keys, id)
			}
			return
		}
		status := pick(rt, "status", types.StatusTypeActive, types.StatusTypeInactive)
		_, err := m.c.UpdateAccessKey(m.ctx, &iam.UpdateAccessKeyInput{UserName: &name, AccessKeyId: &id, Status: status})
		if m.expect(rt, err, want); want == "" {
			u.keys[id] = string(status)
		}
	}
	all["create profile"] = func(rt *rapid.T) {
		name, path, tags := m.name(rt), m.path(rt), m.tags(rt, 0)
		_, err := m.c.CreateInstanceProfile(m.ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name, Path: &path, Tags: tags})
		m.expect(rt, err, m.m.createProfile(name, path, tags))
	}
	all["delete profile"] = func(rt *rapid.T) {
		name := m.there(rt, "instance-profile")
		_, err := m.c.DeleteInstanceProfile(m.ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &name})
		m.expect(rt, err, m.m.deleteProfile(name))
	}
	all["profile's role"] = func(rt *rapid.T) {
		profile, role := m.there(rt, "instance-profile"), m.there(rt, "role")
		if rapid.Bool().Draw(rt, "add") {
			_, err := m.c.AddRoleToInstanceProfile(m.ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
			m.expect(rt, err, m.m.addRole(profile, role))
			return
		}
		m.removeRole(rt, profile, role)
	}
	all["tag"] = func(rt *rapid.T) {
		kind, tags := pick(rt, "tagged", "user", "role", "policy", "instance-profile"), m.tags(rt, 1)
		name := m.target(rt, kind)
		var err error
		switch kind {
		case "user":
			_, err = m.c.TagUser(m.ctx, &iam.TagUserInput{UserName: &name, Tags: tags})
		case "role":
			_, err = m.c.TagRole(m.ctx, &iam.TagRoleInput{RoleName: &name, Tags: tags})
		case "policy":
			_, err = m.c.TagPolicy(m.ctx, &iam.TagPolicyInput{PolicyArn: &name, Tags: tags})
		default:
			_, err = m.c.TagInstanceProfile(m.ctx, &iam.TagInstanceProfileInput{InstanceProfileName: &name, Tags: tags})
		}
		m.expect(rt, err, m.m.tag(kind, name, tags))
	}
	all["untag"] = func(rt *rapid.T) {
		kind, keys := pick(rt, "tagged", "user", "role", "policy", "instance-profile"), []string{pick(rt, "key", "k", "K", "t")}
		name := m.target(rt, kind)
		var err error
		switch kind {
		case "user":
			_, err = m.c.UntagUser(m.ctx, &iam.UntagUserInput{UserName: &name, TagKeys: keys})
		case "role":
			_, err = m.c.UntagRole(m.ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: keys})
		case "policy":
			_, err = m.c.UntagPolicy(m.ctx, &iam.UntagPolicyInput{PolicyArn: &name, TagKeys: keys})
		default:
			_, err = m.c.UntagInstanceProfile(m.ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: &name, TagKeys: keys})
		}
		m.expect(rt, err, m.m.untag(kind, name, keys))
	}
}

// target is what a tag operation names.
func (m *machine) target(rt *rapid.T, kind string) string {
	if kind == "policy" {
		return m.own(rt)
	}
	return m.there(rt, kind)
}

// agree compares the account as GetAccountAuthorizationDetails and GetAccountSummary show it with the model. Every reference that is
// listed is one of the model's, whose references are pointers: none leads nowhere.
func (m *machine) agree(rt *rapid.T) {
	if diff := cmp.Diff(m.m.describe(), m.details(rt)); diff != "" {
		rt.Fatalf("the account is not what the model says (-model +account):\n%s", diff)
	}
	out, err := m.c.GetAccountSummary(m.ctx, &iam.GetAccountSummaryInput{})
	if err != nil {
		rt.Fatal(err)
	}
	for name, want := range m.m.summary() {
		if got := out.SummaryMap[name]; got != want {
			rt.Fatalf("the summary counts %d %s, the model %d", got, name, want)
		}
	}
}

// details is the account in lines, as model.describe writes the model.
func (m *machine) details(rt *rapid.T) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	p := iam.NewGetAccountAuthorizationDetailsPaginator(m.c, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(3),
		Filter: []types.EntityType{types.EntityTypeUser, types.EntityTypeGroup, types.EntityTypeRole, types.EntityTypeLocalManagedPolicy}})
	for p.HasMorePages() {
		page, err := p.NextPage(m.ctx)
		if err != nil {
			rt.Fatal(err)
		}
		for _, u := range page.UserDetailList {
			groups := slices.Sorted(slices.Values(u.GroupList))
			add("user %s %s in [%s] inline [%s] attached [%s] boundary [%s] tags [%s]", *u.Arn, *u.Path, strings.Join(groups, " "), inlineText(rt, u.UserPolicyList),
				attachedText(u.AttachedManagedPolicies), boundaryText(u.PermissionsBoundary), tagText(u.Tags))
		}
		for _, g := range page.GroupDetailList {
			add("group %s %s inline [%s] attached [%s]", *g.Arn, *g.Path, inlineText(rt, g.GroupPolicyList), attachedText(g.AttachedManagedPolicies))
		}
		for _, r := range page.RoleDetailList {
			var profiles []string
			for _, p := range r.InstanceProfileList {
				profiles = append(profiles, *p.InstanceProfileName)
			}
			slices.Sort(profiles)
			add("role %s %s in [%s] inline [%s] attached [%s] boundary [%s] tags [%s]", *r.Arn, *r.Path, strings.Join(profiles, " "), inlineText(rt, r.RolePolicyList),
				attachedText(r.AttachedManagedPolicies), boundaryText(r.PermissionsBoundary), tagText(r.Tags))
		}
		for _, p := range page.Policies {
			versions := map[string]string{}
			for _, v := range p.PolicyVersionList {
				versions[*v.VersionId] = decoded(rt, v.Document)
			}
			add("policy %s default %s versions [%s] attached %d boundary %d", *p.Arn, *p.DefaultVersionId, mapText(versions), *p.AttachmentCount, *p.PermissionsBoundaryUsageCount)
		}
	}
	slices.Sort(lines)
	return lines
}

func decoded(rt *rapid.T, document *string) string {
	text, err := url.QueryUnescape(*document)
	if err != nil {
		rt.Fatal(err)
	}
	return text
}

func inlineText(rt *rapid.T, all []types.PolicyDetail) string {
	text := map[string]string{}
	for _, p := range all {
		text[*p.PolicyName] = decoded(rt, p.PolicyDocument)
	}
	return mapText(text)
}

func attachedText(all []types.AttachedPolicy) string {
	var arns []string
	for _, p := range all {
		arns = append(arns, *p.PolicyArn)
	}
	slices.Sort(arns)
	return strings.Join(arns, " ")
}

func boundaryText(b *types.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return *b.PermissionsBoundaryArn
}
