package elasticache

import (
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

// deref returns what p points to, or what is meant where it is nil.
func deref[T any](p *T, or T) T {
	if p == nil {
		return or
	}
	return *p
}

// shown is a list of records as an answer has them; it is never nil, so that an empty list is written.
func shown[R, S any](records []R, show func(R) *S) []S {
	out := make([]S, 0, len(records))
	for _, r := range records {
		out = append(out, *show(r))
	}
	return out
}

// entityTags are the tags of a request. A tag without a value has the empty one.
func entityTags(tags []shape.Tag) []entity.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]entity.Tag, len(tags))
	for i, t := range tags {
		out[i] = entity.Tag{Key: deref(t.Key, ""), Value: deref(t.Value, "")}
	}
	return out
}

func shapeTags(tags []entity.Tag) []shape.Tag {
	out := make([]shape.Tag, len(tags))
	for i, t := range tags {
		out[i] = shape.Tag{Key: new(t.Key), Value: new(t.Value)}
	}
	return out
}

// Sizes of pages (API Reference, MaxRecords).
const minRecords, maxRecords = 20, 100

// checkRecords holds MaxRecords to its limits.
func checkRecords(n *int) error {
	if n != nil && (*n < minRecords || *n > maxRecords) {
		return fault.New(fault.InvalidInput, "Invalid value %d for MaxRecords. Must be between %d and %d", *n, minRecords, maxRecords)
	}
	return nil
}

// maxName is the longest name of subnet, parameter and security groups.
const maxName = 255

// checkGroupName is checkName for groups of which AWS keeps the one called default to itself.
func checkGroupName(parameter, name string) error {
	if strings.EqualFold(name, "default") {
		return fault.New(fault.InvalidInput, "The name default is reserved.")
	}
	return checkName(parameter, name, maxName)
}

// checkName holds the name of a new resource to letters, digits and hyphens, a letter first, no hyphen at the end and no two in a row.
func checkName(parameter, name string, longest int) error {
	letter := func(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
	ok := name != "" && len(name) <= longest && letter(name[0]) && name[len(name)-1] != '-' && !strings.Contains(name, "--")
	for i := 0; ok && i < len(name); i++ {
		ok = letter(name[i]) || '0' <= name[i] && name[i] <= '9' || name[i] == '-'
	}
	if !ok {
		return fault.New(fault.InvalidInput, "The parameter %s is not a valid identifier. Identifiers must begin with a letter; must contain only "+
			"ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.", parameter)
	}
	return nil
}
