package iam

import (
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// resources answers facts about users, roles and customer managed policies: whose they are and how they are tagged.
// Groups carry no tags.
type resources struct{}

// Facts implements authorizer.Resources.
func (resources) Facts(s *snapshot.Snapshot, text string) (authorizer.Facts, bool) {
	a, err := arn.Parse(text)
	if err != nil {
		return authorizer.Facts{}, false
	}
	account, ok := s.Account(a.Account())
	if !ok {
		return authorizer.Facts{}, false
	}
	kind, name := splitResource(a.Resource())
	f := authorizer.Facts{Account: account.ID}
	switch kind {
	case "user":
		u, ok := account.User(name)
		if !ok || u.ARN() != text {
			return authorizer.Facts{}, false
		}
		f.Tags, f.Guards = u.Tags, u.Guards()
	case "role":
		r, ok := account.Role(name)
		if !ok || r.ARN() != text {
			return authorizer.Facts{}, false
		}
		f.Tags, f.Guards = r.Tags, r.Guards()
	case "policy":
		p, ok := account.Policy(name)
		if !ok || p.ARN() != text {
			return authorizer.Facts{}, false
		}
		f.Tags, f.Guards = p.Tags, p.Guards()
	}
	return f, true
}

// splitResource splits "user/division/alice" into its kind and its name.
func splitResource(resource string) (kind, name string) {
	kind, rest, _ := strings.Cut(resource, "/")
	return kind, rest[strings.LastIndexByte(rest, '/')+1:]
}

// The ARNs that permission rows ask about. A target that does not exist yields the ARN it would have without a path.

func userARN(c *gate.Call, name string) string {
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if u, ok := account.User(name); ok {
			return u.ARN()
		}
	}
	return entity.UserARN(c.Account(), "/", name)
}

func groupARN(c *gate.Call, name string) string {
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if g, ok := account.Group(name); ok {
			return g.ARN()
		}
	}
	return entity.GroupARN(c.Account(), "/", name)
}

func roleARN(c *gate.Call, name string) string {
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if r, ok := account.Role(name); ok {
			return r.ARN()
		}
	}
	return entity.RoleARN(c.Account(), "/", name)
}
