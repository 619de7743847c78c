package elasticache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/nodetype"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var reservationRows = map[string]gate.Row{
	"DescribeReservedCacheNodesOfferings": {Decides: gate.ByPolicy, ReadOnly: true, Checks: everywhere("elasticache:DescribeReservedCacheNodesOfferings")},
	"PurchaseReservedCacheNodesOffering": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.PurchaseReservedCacheNodesOfferingMessage) []authorizer.Check {
		return withTagging(authorizer.Check{Action: "elasticache:PurchaseReservedCacheNodesOffering", RequestTags: entityTags(in.Tags),
			Resource: named(c, inventory.ReservedNode, reservationName(c, in)).ARN()})
	})},
	"DescribeReservedCacheNodes": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.ReservedNode, "elasticache:DescribeReservedCacheNodes",
		func(in *shape.DescribeReservedCacheNodesMessage) *string { return in.ReservedCacheNodeId })},
}

// reservationName is the name of the reservation to be made: the caller's, or one made of the time and the request, as it stays however
// often the request is decided.
func reservationName(c *gate.Call, in *shape.PurchaseReservedCacheNodesOfferingMessage) string {
	if in.ReservedCacheNodeId != nil {
		return *in.ReservedCacheNodeId
	}
	return "ri-" + c.Now().UTC().Format("2006-01-02-15-04-05") + "-" + strings.ReplaceAll(c.ID(), "-", "")[:8]
}

// offering is a kind of reservation that can be had.
type offering struct {
	id       string
	nodeType string
	product  engine.Name
	years    int
	payment  string
}

func (o offering) duration() time.Duration { return time.Duration(o.years) * 365 * 24 * time.Hour }

// offerings are all there are: every node type of every engine, for one and three years, by each way of paying. They are the same on
// every node and in every version, by ID, as long as the node type is there. They are in the order of IDs.
var offerings = sync.OnceValue(func() []offering {
	var all []offering
	for _, t := range nodetype.All() {
		for _, e := range []engine.Name{engine.Memcached, engine.Redis, engine.Valkey} {
			if t.Memory(e) == 0 {
				continue
			}
			for _, years := range []int{1, 3} {
				for _, payment := range []string{"All Upfront", "No Upfront", "Partial Upfront"} {
					o := offering{nodeType: t.Name, product: e, years: years, payment: payment}
					sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d/%s", t.Name, e, years, payment))
					o.id = fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
					all = append(all, o)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b offering) int { return strings.Compare(a.id, b.id) })
	return all
})

func offeringOf(id string) (offering, bool) {
	i, ok := slices.BinarySearchFunc(offerings(), id, func(o offering, id string) int { return strings.Compare(o.id, id) })
	if !ok {
		return offering{}, false
	}
	return offerings()[i], true
}

// wantedOffering is what the two listings are asked for.
type wantedOffering struct{ id, nodeType, duration, product, payment *string }

// filter reads it. A duration is one or three years, or as many seconds.
func (w wantedOffering) filter() (func(offering) bool, error) {
	years := 0
	if w.duration != nil {
		n, err := strconv.Atoi(*w.duration)
		const year = 365 * 24 * 60 * 60
		if n == year || n == 3*year {
			n /= year
		}
		if years = n; err != nil || n != 1 && n != 3 {
			return nil, fault.New(fault.InvalidInput, "Invalid value %s for Duration. Use 1, 3, 31536000 or 94608000.", *w.duration)
		}
	}
	is := func(want *string, have string) bool { return want == nil || strings.EqualFold(*want, have) }
	return func(o offering) bool {
		return is(w.id, o.id) && is(w.nodeType, o.nodeType) && is(w.product, string(o.product)) && is(w.payment, o.payment) && (years == 0 || years == o.years)
	}, nil
}

func offeringNotFound(id string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: subjectOffering, Message: "Offering not found: " + id}
}

// subjectOffering is what an error speaks of that there is no such offering.
const subjectOffering = "offering"

func (s *service) DescribeReservedCacheNodesOfferings(_ context.Context, _ *gate.Call, in *shape.DescribeReservedCacheNodesOfferingsMessage) (*shape.ReservedCacheNodesOfferingMessage, error) {
	if err := checkRecords(in.MaxRecords); err != nil {
		return nil, err
	}
	keep, err := wantedOffering{in.ReservedCacheNodesOfferingId, in.CacheNodeType, in.Duration, in.ProductDescription, in.OfferingType}.filter()
	if err != nil {
		return nil, err
	}
	if id := in.ReservedCacheNodesOfferingId; id != nil {
		if _, ok := offeringOf(*id); !ok {
			return nil, offeringNotFound(*id)
		}
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	some, next := page.Take(slices.Values(offerings()), in.MaxRecords, func(o offering) bool { return o.id > after && keep(o) }, func(o offering) string { return o.id })
	out := &shape.ReservedCacheNodesOfferingMessage{Marker: next, ReservedCacheNodesOfferings: make([]shape.ReservedCacheNodesOffering, 0, len(some))}
	for _, o := range some {
		out.ReservedCacheNodesOfferings = append(out.ReservedCacheNodesOfferings, shape.ReservedCacheNodesOffering{ReservedCacheNodesOfferingId: new(o.id), CacheNodeType: new(o.nodeType),
			ProductDescription: new(string(o.product)), OfferingType: new(o.payment), Duration: new(int(o.duration() / time.Second)), FixedPrice: new(0.0), UsagePrice: new(0.0)})
	}
	return out, nil
}

func (s *service) PurchaseReservedCacheNodesOffering(ctx context.Context, c *gate.Call, in *shape.PurchaseReservedCacheNodesOfferingMessage) (*shape.PurchaseReservedCacheNodesOfferingResult, error) {
	name, count := reservationName(c, in), deref(in.CacheNodeCount, 1)
	if err := checkName("ReservedCacheNodeId", name, maxName); err != nil {
		return nil, err
	}
	if count < 1 || count > 300 {
		return nil, fault.New(fault.InvalidInput, "Invalid value %d for CacheNodeCount. Must be between 1 and 300.", count)
	}
	if _, ok := offeringOf(in.ReservedCacheNodesOfferingId); !ok {
		return nil, offeringNotFound(in.ReservedCacheNodesOfferingId)
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.PurchaseReservedCacheNodesOfferingResult, error) {
		r := &inventory.ReservationRecord{Meta: meta(c, name, in.Tags), Offering: in.ReservedCacheNodesOfferingId, Count: count}
		if err := inventory.In(tx).Reserve(r); err != nil {
			return nil, err
		}
		return &shape.PurchaseReservedCacheNodesOfferingResult{ReservedCacheNode: reservation(r, c.Now())}, nil
	})
}

func (s *service) DescribeReservedCacheNodes(_ context.Context, c *gate.Call, in *shape.DescribeReservedCacheNodesMessage) (*shape.ReservedCacheNodeMessage, error) {
	filter, err := wantedOffering{in.ReservedCacheNodesOfferingId, in.CacheNodeType, in.Duration, in.ProductDescription, in.OfferingType}.filter()
	if err != nil {
		return nil, err
	}
	keep := func(r *inventory.ReservationRecord) bool {
		o, ok := offeringOf(r.Offering)
		return ok && filter(o)
	}
	some, next, err := describedAmong(s.view(), c, in.ReservedCacheNodeId, in.MaxRecords, in.Marker, keep, nil)
	if err != nil {
		return nil, err
	}
	out := &shape.ReservedCacheNodeMessage{Marker: next, ReservedCacheNodes: make([]shape.ReservedCacheNode, 0, len(some))}
	for _, r := range some {
		out.ReservedCacheNodes = append(out.ReservedCacheNodes, *reservation(r, c.Now()))
	}
	return out, nil
}

func reservation(r *inventory.ReservationRecord, now time.Time) *shape.ReservedCacheNode {
	out := &shape.ReservedCacheNode{ReservedCacheNodeId: new(r.Name), ReservationARN: new(inventory.ARN(r)), ReservedCacheNodesOfferingId: new(r.Offering),
		CacheNodeCount: new(r.Count), StartTime: new(r.CreatedAt), FixedPrice: new(0.0), UsagePrice: new(0.0)}
	if o, ok := offeringOf(r.Offering); ok {
		out.CacheNodeType, out.ProductDescription, out.OfferingType = new(o.nodeType), new(string(o.product)), new(o.payment)
		out.Duration, out.State = new(int(o.duration()/time.Second)), new(r.State(o.duration(), now))
	}
	return out
}
