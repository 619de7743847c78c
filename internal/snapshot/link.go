package snapshot

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/policy"
)

func (u User) linked() *linked {
	if l := u.node.slot.Load(); l != nil && l.shared == u.st.shared {
		l.touch()
		return l
	}
	k := newLinker(u.s, u.st)
	k.grants("user/"+u.Name, &u.Grants)
	for _, id := range u.Groups {
		g, ok := u.s.groups.find(id)
		if !ok {
			k.missing(id)
			continue
		}
		k.grants("group/"+g.Name, &g.Grants)
	}
	if u.st.node != nil && usersMayChange(&u.st.node.Account) {
		k.l.identity = append(k.l.identity, k.compile(policy.Identity, ownPasswordName, ownPassword(u.Account)))
	}
	k.setBoundary(u.Grants.Boundary)
	return k.finish(&u.node.slot)
}

// ownPasswordName is what the policy that an account setting makes is called in explanations.
const ownPasswordName = "account/password-policy/AllowUsersToChangePassword"

// Own reports whether a policy of [User.Identity] is one that was embedded or attached, and not what a setting of the account grants.
func Own(p *policy.Policy) bool { return p.Name() != ownPasswordName }

// ownPassword is what the setting AllowUsersToChangePassword grants every user of the account, as if it were attached to each
// (S1-171, S1-172): to change their own password, and to read the rules. A name is one user's whatever the path, so that the two
// patterns mean the caller and nobody else. Sessions of federated users have their user's policies and are no users: they have
// no aws:username, and their principal's type is another.
func ownPassword(account string) string {
	user := "arn:aws:iam::" + account + ":user/"
	return `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":"iam:ChangePassword","Resource":["` + user + `${aws:username}","` + user + `*/${aws:username}"]},` +
		`{"Effect":"Allow","Action":"iam:GetAccountPasswordPolicy","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalType":"User"}}}]}`
}

func usersMayChange(a *entity.Account) bool {
	return a.PasswordPolicy != nil && a.PasswordPolicy.UsersMayChange
}

func (g Group) linked() *linked {
	if l := g.node.slot.Load(); l != nil && l.shared == g.st.shared {
		l.touch()
		return l
	}
	k := newLinker(g.s, g.st)
	k.grants("group/"+g.Name, &g.Grants)
	return k.finish(&g.node.slot)
}

func (r Role) linked() *linked {
	if l := r.node.slot.Load(); l != nil && l.shared == r.st.shared {
		l.touch()
		return l
	}
	k := newLinker(r.s, r.st)
	k.grants("role/"+r.Name, &r.Grants)
	k.setBoundary(r.Grants.Boundary)
	k.l.trust = k.compile(policy.Trust, "role/"+r.Name+"/trust", r.Role.Trust)
	return k.finish(&r.node.slot)
}

// linker makes the linked set of one principal.
type linker struct {
	s    *Snapshot
	st   *accountState
	l    *linked
	seen []string // managed policies that are in the set
}

func newLinker(s *Snapshot, st *accountState) *linker {
	return &linker{s: s, st: st, l: &linked{shared: st.shared, identity: []*policy.Policy{}, place: -1}}
}

func (k *linker) compile(kind policy.Kind, name, text string) *policy.Policy {
	doc := k.s.cache.compile(kind, name, text)
	k.l.docs = append(k.l.docs, doc)
	return doc.policy
}

// grants adds the inline and the attached policies of a principal that is called like "user/alice".
func (k *linker) grants(holder string, g *entity.Grants) {
	for i := range g.Inline {
		p := &g.Inline[i]
		k.l.identity = append(k.l.identity, k.compile(policy.Identity, holder+"/"+p.Name, p.Document))
	}
	for _, id := range g.Attached {
		if !slices.Contains(k.seen, id) {
			k.seen = append(k.seen, id)
			k.l.identity = append(k.l.identity, k.managed(policy.Identity, id))
		}
	}
}

func (k *linker) setBoundary(id string) {
	if id != "" {
		k.l.boundary = k.managed(policy.Boundary, id)
	}
}

// managed compiles a managed policy, AWS's or the account's.
func (k *linker) managed(kind policy.Kind, id string) *policy.Policy {
	if strings.HasPrefix(id, entity.AWSManagedPrefix) {
		if p, ok := k.s.cache.managed.ByID(id); ok {
			return k.compile(kind, p.ARN, p.Document())
		}
	} else if n, ok := k.s.policies.find(id); ok && n.Account == k.st.id {
		return k.compile(kind, n.ARN(), n.DefaultDocument())
	}
	return k.s.cache.deny(kind, id, errMissing)
}

func (k *linker) missing(id string) {
	k.l.identity = append(k.l.identity, k.s.cache.deny(policy.Identity, id, errMissing))
}

func (k *linker) finish(s *slot) *linked {
	k.s.cache.keep(s, k.l)
	return k.l
}
