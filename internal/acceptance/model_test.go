package acceptance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// A model of the rules of IAM's entities, for TestModel. It is written from AWS's documentation, as a person would keep accounts of
// an account: names without regard to case, references as pointers. Every method changes the model as the operation of its name
// changes the account, or returns the code of the error that the operation must answer.

const (
	noSuch   = "NoSuchEntity"
	exists   = "EntityAlreadyExists"
	conflict = "DeleteConflict"
	limited  = "LimitExceeded"
	invalid  = "InvalidInput"
)

// kept is what every named entity has.
type kept struct {
	kind, name, path string
	tags             []types.Tag
}

func (k *kept) arn(account string) string {
	return "arn:aws:iam::" + account + ":" + k.kind + k.path + k.name
}

// holder has policies.
type holder struct {
	kept
	inline   map[string]string // name → document
	attached []string          // ARNs of AWS's policies, and of own ones that are in the model by pointer
	own      []*mPolicy
	boundary *mPolicy
	fence    string // a boundary that is one of AWS's

	groups []*holder         // of a user
	keys   map[string]string // of a user: ID → status
}

type mPolicy struct {
	kept
	versions map[int]string
	first    int // default
	next     int
}

type mProfile struct {
	kept
	role *holder
}

// model is an account.
type model struct {
	account  string
	users    map[string]*holder // by folded name, as all
	groups   map[string]*holder
	roles    map[string]*holder
	policies map[string]*mPolicy
	profiles map[string]*mProfile
}

func newModel(account string) *model {
	return &model{account: account, users: map[string]*holder{}, groups: map[string]*holder{}, roles: map[string]*holder{}, policies: map[string]*mPolicy{},
		profiles: map[string]*mProfile{}}
}

func fold(name string) string { return strings.ToLower(name) }

// holders are the entities of a kind that have policies.
func (m *model) holders(kind string) map[string]*holder {
	return map[string]map[string]*holder{"user": m.users, "group": m.groups, "role": m.roles}[kind]
}

// policy finds an own policy by its ARN, in which path and case count.
func (m *model) policy(arn string) *mPolicy {
	for _, p := range m.policies {
		if p.arn(m.account) == arn {
			return p
		}
	}
	return nil
}

// mergeTags: keys of users and roles are the same whatever their case, and those of other entities are not.
func mergeModelTags(kind string, have, add []types.Tag) (merged []types.Tag, code string) {
	same := func(a, b string) bool {
		return a == b || (kind == "user" || kind == "role") && strings.EqualFold(a, b)
	}
	for i, t := range add {
		if slices.ContainsFunc(add[:i], func(o types.Tag) bool { return same(*o.Key, *t.Key) }) {
			return nil, invalid
		}
	}
	merged = slices.Clone(have)
	for _, t := range add {
		merged = slices.DeleteFunc(merged, func(o types.Tag) bool { return same(*o.Key, *t.Key) })
		merged = append(merged, t)
	}
	return merged, ""
}

func dropModelTags(kind string, have []types.Tag, keys []string) []types.Tag {
	return slices.DeleteFunc(slices.Clone(have), func(t types.Tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool {
			return k == *t.Key || (kind == "user" || kind == "role") && strings.EqualFold(k, *t.Key)
		})
	})
}

func (m *model) create(kind, name, path string, tags []types.Tag, boundary string) string {
	all := m.holders(kind)
	merged, code := mergeModelTags(kind, nil, tags)
	switch {
	case code != "":
		return code
	case all[fold(name)] != nil:
		return exists
	}
	h := &holder{kept: kept{kind, name, path, merged}, inline: map[string]string{}, keys: map[string]string{}}
	if boundary != "" {
		if code := m.setBoundary(h, boundary); code != "" {
			return code
		}
	}
	all[fold(name)] = h
	return ""
}

func (m *model) rename(kind, name, to, path string) string {
	all := m.holders(kind)
	h := all[fold(name)]
	switch {
	case h == nil:
		return noSuch
	case to != "" && all[fold(to)] != nil && all[fold(to)] != h:
		return exists
	}
	delete(all, fold(name))
	if to != "" {
		h.name = to
	}
	if path != "" {
		h.path = path
	}
	all[fold(h.name)] = h
	return ""
}

// remove: nothing goes in passing but the boundary.
func (m *model) remove(kind, name string) string {
	all := m.holders(kind)
	h := all[fold(name)]
	if h == nil {
		return noSuch
	}
	if len(h.inline)+len(h.attached)+len(h.own)+len(h.groups)+len(h.keys) > 0 || len(m.profilesOf(h)) > 0 || len(m.members(h)) > 0 {
		return conflict
	}
	delete(all, fold(name))
	return ""
}

func (m *model) members(g *holder) (names []string) {
	for _, u := range m.users {
		if slices.Contains(u.groups, g) {
			names = append(names, u.name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

func (m *model) profilesOf(r *holder) (names []string) {
	for _, p := range m.profiles {
		if p.role == r {
			names = append(names, p.name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

func (m *model) join(user, group string) string {
	u, g := m.users[fold(user)], m.groups[fold(group)]
	if u == nil || g == nil {
		return noSuch
	}
	if !slices.Contains(u.groups, g) {
		u.groups = append(u.groups, g)
	}
	return ""
}

func (m *model) leave(user, group string) string {
	u, g := m.users[fold(user)], m.groups[fold(group)]
	if u == nil || g == nil {
		return noSuch
	}
	u.groups = slices.DeleteFunc(u.groups, func(o *holder) bool { return o == g })
	return ""
}

func (m *model) attach(kind, name, arn string) string {
	h := m.holders(kind)[fold(name)]
	p := m.policy(arn)
	switch {
	case h == nil, p == nil && !ofAWS(arn):
		return noSuch
	case p != nil && !slices.Contains(h.own, p):
		h.own = append(h.own, p)
	case p == nil && !slices.Contains(h.attached, arn):
		h.attached = append(h.attached, arn)
	}
	return ""
}

func (m *model) detach(kind, name, arn string) string {
	h := m.holders(kind)[fold(name)]
	if h == nil {
		return noSuch
	}
	p := m.policy(arn)
	i, j := slices.Index(h.own, p), slices.Index(h.attached, arn)
	switch {
	case p != nil && i >= 0:
		h.own = slices.Delete(h.own, i, i+1)
	case j >= 0:
		h.attached = slices.Delete(h.attached, j, j+1)
	default:
		return noSuch
	}
	return ""
}

func ofAWS(arn string) bool { return arn == administratorAccess || arn == powerUserAccess }

func (m *model) putInline(kind, name, policy, document string) string {
	h := m.holders(kind)[fold(name)]
	if h == nil {
		return noSuch
	}
	h.inline[policy] = document
	return ""
}

func (m *model) deleteInline(kind, name, policy string) string {
	h := m.holders(kind)[fold(name)]
	if h == nil || h.inline[policy] == "" {
		return noSuch
	}
	delete(h.inline, policy)
	return ""
}

func (m *model) putBoundary(kind, name, arn string) string {
	h := m.holders(kind)[fold(name)]
	if h == nil {
		return noSuch
	}
	return m.setBoundary(h, arn)
}

func (m *model) setBoundary(h *holder, arn string) string {
	p := m.policy(arn)
	if p == nil && !ofAWS(arn) {
		return noSuch
	}
	h.boundary, h.fence = p, ""
	if p == nil {
		h.fence = arn
	}
	return ""
}

func (m *model) deleteBoundary(kind, name string) string {
	h := m.holders(kind)[fold(name)]
	if h == nil {
		return noSuch
	}
	h.boundary, h.fence = nil, ""
	return ""
}

func (m *model) createPolicy(name, path, document string, tags []types.Tag) string {
	merged, code := mergeModelTags("policy", nil, tags)
	switch {
	case code != "":
		return code
	case m.policies[fold(name)] != nil:
		return exists
	}
	m.policies[fold(name)] = &mPolicy{kept{"policy", name, path, merged}, map[int]string{1: document}, 1, 2}
	return ""
}

// uses counts what refers to an own policy.
func (m *model) uses(p *mPolicy) (attachments, boundaries int) {
	for _, kind := range []string{"user", "group", "role"} {
		for _, h := range m.holders(kind) {
			if slices.Contains(h.own, p) {
				attachments++
			}
			if h.boundary == p {
				boundaries++
			}
		}
	}
	return attachments, boundaries
}

func (m *model) deletePolicy(arn string) string {
	p := m.policy(arn)
	if p == nil {
		return noSuch
	}
	if a, b := m.uses(p); a+b > 0 || len(p.versions) > 1 {
		return conflict
	}
	delete(m.policies, fold(p.name))
	return ""
}

func (m *model) createVersion(arn, document string, first bool) string {
	p := m.policy(arn)
	switch {
	case p == nil:
		return noSuch
	case len(p.versions) == 5:
		return limited
	}
	p.versions[p.next] = document
	if first {
		p.first = p.next
	}
	p.next++
	return ""
}

func (m *model) setVersion(arn string, n int) string {
	p := m.policy(arn)
	if p == nil || p.versions[n] == "" {
		return noSuch
	}
	p.first = n
	return ""
}

func (m *model) deleteVersion(arn string, n int) string {
	p := m.policy(arn)
	switch {
	case p == nil || p.versions[n] == "":
		return noSuch
	case p.first == n:
		return conflict
	}
	delete(p.versions, n)
	return ""
}

func (m *model) createProfile(name, path string, tags []types.Tag) string {
	merged, code := mergeModelTags("instance-profile", nil, tags)
	switch {
	case code != "":
		return code
	case m.profiles[fold(name)] != nil:
		return exists
	}
	m.profiles[fold(name)] = &mProfile{kept: kept{"instance-profile", name, path, merged}}
	return ""
}

func (m *model) deleteProfile(name string) string {
	p := m.profiles[fold(name)]
	switch {
	case p == nil:
		return noSuch
	case p.role != nil:
		return conflict
	}
	delete(m.profiles, fold(name))
	return ""
}

func (m *model) addRole(profile, role string) string {
	p, r := m.profiles[fold(profile)], m.roles[fold(role)]
	switch {
	case p == nil || r == nil:
		return noSuch
	case p.role != nil:
		return limited
	}
	p.role = r
	return ""
}

func (m *model) removeRole(profile, role string) string {
	p, r := m.profiles[fold(profile)], m.roles[fold(role)]
	if p == nil || r == nil || p.role != r {
		return noSuch
	}
	p.role = nil
	return ""
}

// tagged finds what can be tagged: by name, a policy by its ARN.
func (m *model) tagged(kind, name string) *kept {
	switch kind {
	case "policy":
		if p := m.policy(name); p != nil {
			return &p.kept
		}
	case "instance-profile":
		if p := m.profiles[fold(name)]; p != nil {
			return &p.kept
		}
	default:
		if h := m.holders(kind)[fold(name)]; h != nil {
			return &h.kept
		}
	}
	return nil
}

func (m *model) tag(kind, name string, tags []types.Tag) string {
	k := m.tagged(kind, name)
	if k == nil {
		return noSuch
	}
	merged, code := mergeModelTags(kind, k.tags, tags)
	if code == "" {
		k.tags = merged
	}
	return code
}

func (m *model) untag(kind, name string, keys []string) string {
	k := m.tagged(kind, name)
	if k == nil {
		return noSuch
	}
	k.tags = dropModelTags(kind, k.tags, keys)
	return ""
}

// What the account must show.

func tagText(tags []types.Tag) string {
	var all []string
	for _, t := range tags {
		all = append(all, *t.Key+"="+*t.Value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func mapText(all map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, k+"="+all[k])
	}
	return strings.Join(out, " ")
}

func (m *model) attachedText(h *holder) string {
	all := slices.Clone(h.attached)
	for _, p := range h.own {
		all = append(all, p.arn(m.account))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (m *model) boundaryText(h *holder) string {
	if h.boundary != nil {
		return h.boundary.arn(m.account)
	}
	return h.fence
}

// describe is the account in lines, as details writes the real one.
func (m *model) describe() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, u := range m.users {
		var groups []string
		for _, g := range u.groups {
			groups = append(groups, g.name)
		}
		slices.Sort(groups)
		add("user %s %s in [%s] inline [%s] attached [%s] boundary [%s] tags [%s]", u.arn(m.account), u.path, strings.Join(groups, " "), mapText(u.inline), m.attachedText(u),
			m.boundaryText(u), tagText(u.tags))
	}
	for _, g := range m.groups {
		add("group %s %s inline [%s] attached [%s]", g.arn(m.account), g.path, mapText(g.inline), m.attachedText(g))
	}
	for _, r := range m.roles {
		add("role %s %s in [%s] inline [%s] attached [%s] boundary [%s] tags [%s]", r.arn(m.account), r.path, strings.Join(m.profilesOf(r), " "), mapText(r.inline), m.attachedText(r),
			m.boundaryText(r), tagText(r.tags))
	}
	for _, p := range m.policies {
		a, b := m.uses(p)
		versions := map[string]string{}
		for n, document := range p.versions {
			versions[fmt.Sprint("v", n)] = document
		}
		add("policy %s default v%d versions [%s] attached %d boundary %d", p.arn(m.account), p.first, mapText(versions), a, b)
	}
	slices.Sort(out)
	return out
}

// summary is what GetAccountSummary must count.
func (m *model) summary() map[string]int32 {
	versions := 0
	for _, p := range m.policies {
		versions += len(p.versions)
	}
	return map[string]int32{"Users": int32(len(m.users)), "Groups": int32(len(m.groups)), "Roles": int32(len(m.roles)), "Policies": int32(len(m.policies)),
		"PolicyVersionsInUse": int32(versions), "InstanceProfiles": int32(len(m.profiles))}
}
