package iam

import (
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// resources answers facts about users, groups, roles and customer managed policies: whose they are and how they are tagged.
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
	// iam:ResourceTag is a key of users and roles only (Service Authorization Reference).
	f := authorizer.Facts{Account: account.ID, OwnTagKey: kind == "user" || kind == "role"}
	switch kind {
	case "user":
		if u, ok := account.User(name); ok {
			f.Tags, f.Guards = u.Tags, u.Guards()
			return f, u.ARN() == text
		}
	case "role":
		if r, ok := account.Role(name); ok {
			f.Tags, f.Guards = r.Tags, r.Guards()
			return f, r.ARN() == text
		}
	case "policy":
		if p, ok := account.Policy(name); ok {
			f.Tags, f.Guards = p.Tags, p.Guards()
			return f, p.ARN() == text
		}
	case "group":
		if g, ok := account.Group(name); ok {
			return f, g.ARN() == text // the caller's guards have the epoch, which changes with the ARN of any group
		}
	case string(entity.KindInstanceProfile):
		return itemFacts[*entity.InstanceProfile](f, account, name, text)
	case string(entity.KindServerCertificate):
		return itemFacts[*entity.ServerCertificate](f, account, name, text)
	case string(entity.KindSAMLProvider):
		return itemFacts[*entity.SAMLProvider](f, account, name, text)
	case string(entity.KindOIDCProvider):
		return itemFacts[*entity.OIDCProvider](f, account, entity.OIDCProviderName(name), text)
	case string(entity.KindMFADevice):
		return itemFacts[*entity.MFADevice](f, account, text, text) // a device's name is its serial number, an ARN
	default:
		return f, true
	}
	// Somebody may make it, with a path or tags that the decision would not allow, before this caller's write.
	f.Guards = account.Vacant(entity.Kind(kind), name)
	return f, true
}

// taggedItem is an item that policies can name.
type taggedItem interface {
	entity.Item
	ARN() string
	Labels() []entity.Tag
}

// itemFacts completes what is known of the item with that name; see Facts for what it answers.
func itemFacts[P taggedItem](f authorizer.Facts, account snapshot.Account, name, text string) (authorizer.Facts, bool) {
	it, ok := snapshot.ItemNamed[P](account, name)
	if !ok {
		var none P
		f.Guards = account.Vacant(none.Kind(), name)
		return f, true
	}
	f.Tags, f.Guards = it.Record.Labels(), it.Guards()
	return f, it.Record.ARN() == text
}

// splitResource splits "user/division/alice" into its kind and its name.
func splitResource(resource string) (kind, name string) {
	kind, rest, _ := strings.Cut(resource, "/")
	if kind == string(entity.KindOIDCProvider) { // its name is a URL
		return kind, rest
	}
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

// Checks name what they ask about as AWS's denials do, by kind and name: an ARN would give away the path of an entity, and so
// that there is one, to somebody who may not know.

func userCheck(c *gate.Call, action, name string) authorizer.Check {
	return authorizer.Check{Action: action, Resource: userARN(c, name), Shown: "user " + name}
}

func groupCheck(c *gate.Call, action, name string) authorizer.Check {
	return authorizer.Check{Action: action, Resource: groupARN(c, name), Shown: "group " + name}
}
