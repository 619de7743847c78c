package iam

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// home is the caller's account as the decision saw it. A caller whose account is gone was denied before.
func home(c *gate.Call) (snapshot.Account, error) {
	account, ok := c.Snapshot.Account(c.Account())
	if !ok {
		return snapshot.Account{}, errors.New("iam: an allowed caller has no account")
	}
	return account, nil
}

// shapeTags is tags as the API writes them; nil where there are none.
func shapeTags(tags []entity.Tag) []shape.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]shape.Tag, len(tags))
	for i, t := range tags {
		out[i] = shape.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// entityTags is tags as the directory takes them.
func entityTags(tags []shape.Tag) []entity.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]entity.Tag, len(tags))
	for i, t := range tags {
		out[i] = entity.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// tagPage is one page of an entity's tags in the order of their keys, which AWS promises of its lists ("ListRoleTags",
// "ListPolicyTags" in the IAM API Reference). Without tags it is an empty list, where a get call answers none. The marker says
// how many went before: a tag key, unlike a name, may be longer than a marker.
func tagPage(tags []entity.Tag, after *string, max *int) (some []shape.Tag, next *string, err error) {
	key, err := page.Place(after)
	if err != nil {
		return nil, nil, err
	}
	from := 0
	if key != "" {
		if from, err = strconv.Atoi(key); err != nil || from < 0 {
			return nil, nil, fault.New(fault.MarkerInvalid, "Invalid Marker.")
		}
	}
	tags = slices.SortedFunc(slices.Values(tags), func(a, b entity.Tag) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key)), strings.Compare(a.Key, b.Key))
	})
	tags = tags[min(from, len(tags)):]
	if n := page.Limit(max); len(tags) > n {
		return shapeTags(tags[:n]), new(page.Marker(strconv.Itoa(from + n))), nil
	}
	if len(tags) == 0 {
		return []shape.Tag{}, nil, nil
	}
	return shapeTags(tags), nil, nil
}

// policyName returns the ARN and the name of the managed policy with that ID, a customer's or AWS's; both are empty where
// there is none.
func (s *service) policyName(account snapshot.Account, id string) (arn, name string) {
	if p, ok := s.managed.ByID(id); ok {
		return p.ARN, p.Name
	}
	if p, ok := account.PolicyByID(id); ok {
		return p.ARN(), p.Name
	}
	return "", ""
}

// shapeBoundary is the permissions boundary with that policy ID; nil where there is none.
func (s *service) shapeBoundary(account snapshot.Account, id string) *shape.AttachedPermissionsBoundary {
	if id == "" {
		return nil
	}
	arn, _ := s.policyName(account, id)
	return boundaryOf(arn)
}

// boundaryOf is the permissions boundary with that ARN; nil where there is none.
func boundaryOf(arn string) *shape.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	// The API's description allows PermissionsBoundaryPolicy alone; what AWS answers is Policy.
	return &shape.AttachedPermissionsBoundary{PermissionsBoundaryArn: new(arn), PermissionsBoundaryType: new("Policy")}
}

// truncated is what every list call answers as IsTruncated; next is the marker that goes with it.
func truncated(next *string) *bool { return new(next != nil) }

// inPath reports whether an entity's path begins with the prefix that a list call gives; nil is every path.
func inPath(path string, prefix *string) bool {
	return prefix == nil || strings.HasPrefix(path, *prefix)
}
