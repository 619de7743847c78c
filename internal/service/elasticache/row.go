package elasticache

import (
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/wire"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

// What permission rows are made of. The ARN of a resource is that of the caller's account and the request's region, whether the
// resource exists or not.

// checks is a row's Checks.
type checks = func(*gate.Call) ([]authorizer.Check, error)

// named is the ID of the caller's resource with that name.
func named(c *gate.Call, t inventory.Type, name string) inventory.ID {
	return inventory.NewID(c.Account(), c.Region(), t, name)
}

// on asks for one action on the resource that the input names.
func on[T wire.Input](t inventory.Type, action string, name func(T) string) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		return []authorizer.Check{{Action: action, Resource: named(c, t, name(in)).ARN()}}
	})
}

// listing asks for one action on the resource that the input names, or on all of the type where it names none (S5-65).
func listing[T wire.Input](t inventory.Type, action string, name func(T) *string) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		return []authorizer.Check{{Action: action, Resource: named(c, t, deref(name(in), "*")).ARN()}}
	})
}

// making asks for one action on the resource to be made. With tags it needs the permission to tag the resource too (S5-59), a question in
// which none of the service's own keys is present (S5-76).
func making[T wire.Input](t inventory.Type, action string, of func(T) (name string, tags []shape.Tag)) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		name, tags := of(in)
		return withTagging(authorizer.Check{Action: action, Resource: named(c, t, name).ARN(), RequestTags: entityTags(tags)})
	})
}

// withTagging adds the question whether the caller may tag what is made.
func withTagging(create authorizer.Check) []authorizer.Check {
	if len(create.RequestTags) == 0 {
		return []authorizer.Check{create}
	}
	return []authorizer.Check{create, {Action: "elasticache:AddTagsToResource", Resource: create.Resource, RequestTags: create.RequestTags}}
}

// everywhere asks for an action that has no resource (S5-68).
func everywhere(action string) checks {
	return func(*gate.Call) ([]authorizer.Check, error) {
		return []authorizer.Check{{Action: action, Resource: "*"}}, nil
	}
}
