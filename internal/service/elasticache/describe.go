package elasticache

import (
	"iter"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
)

// resource is a pointer to a record of the inventory.
type resource[T any] interface {
	*T
	inventory.Record
}

// described is a page of the caller's resources of one type, or the one that is named, which must be there.
func described[T any, P resource[T]](v *inventory.View, c *gate.Call, name *string, max *int, marker *string) (some []P, next *string, err error) {
	return describedAmong[T, P](v, c, name, max, marker, nil, nil)
}

// describedAmong is described where there are resources that nobody made, by name: a record of the same name stands before one of
// these. keep may leave resources out.
func describedAmong[T any, P resource[T]](v *inventory.View, c *gate.Call, name *string, max *int, marker *string, keep func(P) bool, given []P) (some []P, next *string, err error) {
	if err := checkRecords(max); err != nil {
		return nil, nil, err
	}
	if name != nil {
		r := inventory.Get[T, P](v, c.Account(), c.Region(), *name)
		for _, g := range given {
			if r == nil && strings.EqualFold(g.About().Name, *name) {
				r = g
			}
		}
		switch {
		case r == nil:
			return nil, nil, inventory.NotFound(P(nil).Type(), *name)
		case keep != nil && !keep(r):
			return nil, nil, nil
		}
		return []P{r}, nil, nil
	}
	after, err := page.Place(marker)
	if err != nil {
		return nil, nil, err
	}
	all := among(inventory.List[T, P](v, c.Account(), c.Region(), after), given, after)
	some, next = page.Take(all, max, keep, func(r P) string { return r.About().Name })
	return some, next, nil
}

// among yields records and, in their places by name, given ones that come after a name.
func among[P inventory.Record](records iter.Seq[P], given []P, after string) iter.Seq[P] {
	for len(given) > 0 && given[0].About().Name <= after {
		given = given[1:]
	}
	return func(yield func(P) bool) {
		left := given
		for r := range records {
			for len(left) > 0 && left[0].About().Name <= r.About().Name {
				g := left[0]
				if left = left[1:]; g.About().Name < r.About().Name && !yield(g) {
					return
				}
			}
			if !yield(r) {
				return
			}
		}
		for _, g := range left {
			if !yield(g) {
				return
			}
		}
	}
}
