package iam

import (
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/wire"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// What permission rows are made of. A target asks for one action on the entity that a request names by its name, ARN or serial
// number: userCheck, samlCheck, ….
type target func(c *gate.Call, action, name string) authorizer.Check

// checks is a row's Checks.
type checks = func(*gate.Call) ([]authorizer.Check, error)

// on asks for one action on the entity that the input names.
func on[T wire.Input](what target, action string, name func(T) string) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		return []authorizer.Check{what(c, action, name(in))}
	})
}

// tagging asks as on, for an action that sets tags.
func tagging[T wire.Input](what target, action string, of func(T) (name string, tags []shape.Tag)) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		name, tags := of(in)
		check := what(c, action, name)
		check.RequestTags = entityTags(tags)
		return []authorizer.Check{check}
	})
}

// untagging asks as on, for an action that removes tags.
func untagging[T wire.Input](what target, action string, of func(T) (name string, keys []string)) checks {
	return gate.Checks(func(c *gate.Call, in T) []authorizer.Check {
		name, keys := of(in)
		check := what(c, action, name)
		check.RequestTagKeys = keys
		return []authorizer.Check{check}
	})
}

// withTagging is what making something asks for: with tags, the permission to tag it too ("Tag IAM resources").
func withTagging(create authorizer.Check, tag string) []authorizer.Check {
	if len(create.RequestTags) == 0 {
		return []authorizer.Check{create}
	}
	return []authorizer.Check{create, {Action: tag, Resource: create.Resource, RequestTags: create.RequestTags}}
}
