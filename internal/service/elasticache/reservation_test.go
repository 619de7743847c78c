package elasticache_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticache"
)

func TestReservations(t *testing.T) {
	w := newWorld(t)
	seen := make(map[string]bool)
	pages := sdk.NewDescribeReservedCacheNodesOfferingsPaginator(w.root, &sdk.DescribeReservedCacheNodesOfferingsInput{Duration: aws.String("3"), ProductDescription: aws.String("redis")})
	for pages.HasMorePages() {
		p, err := pages.NextPage(t.Context())
		w.must(err)
		for _, o := range p.ReservedCacheNodesOfferings {
			if seen[*o.ReservedCacheNodesOfferingId] || *o.Duration != 94608000 || *o.ProductDescription != "redis" {
				t.Errorf("offering %+v", o)
			}
			seen[*o.ReservedCacheNodesOfferingId] = true
		}
	}
	if len(seen) < 100 {
		t.Fatalf("%d offerings", len(seen))
	}
	one, err := w.root.DescribeReservedCacheNodesOfferings(t.Context(), &sdk.DescribeReservedCacheNodesOfferingsInput{CacheNodeType: aws.String("cache.t4g.micro"),
		Duration: aws.String("31536000"), ProductDescription: aws.String("memcached"), OfferingType: aws.String("No Upfront")})
	w.must(err)
	if len(one.ReservedCacheNodesOfferings) != 1 {
		t.Fatalf("offerings %+v", one.ReservedCacheNodesOfferings)
	}
	id := one.ReservedCacheNodesOfferings[0].ReservedCacheNodesOfferingId
	buy := func(c *sdk.Client, name *string, change ...func(*sdk.PurchaseReservedCacheNodesOfferingInput)) (*sdk.PurchaseReservedCacheNodesOfferingOutput, error) {
		in := &sdk.PurchaseReservedCacheNodesOfferingInput{ReservedCacheNodesOfferingId: id, ReservedCacheNodeId: name}
		for _, ch := range change {
			ch(in)
		}
		return c.PurchaseReservedCacheNodesOffering(t.Context(), in)
	}
	made, err := buy(w.root, aws.String("Mine"), func(in *sdk.PurchaseReservedCacheNodesOfferingInput) {
		in.CacheNodeCount, in.Tags = aws.Int32(3), tags("team", "red")
	})
	w.must(err)
	if r := made.ReservedCacheNode; *r.ReservedCacheNodeId != "mine" || *r.CacheNodeCount != 3 || *r.State != "active" || *r.CacheNodeType != "cache.t4g.micro" ||
		*r.ReservationARN != w.arn("reserved-instance:mine") {
		t.Errorf("reserved %+v", r)
	}
	_, err = buy(w.root, aws.String("mine"))
	w.refused(err, "ReservedCacheNodeAlreadyExists")
	unnamed, err := buy(w.root, nil)
	w.must(err)
	_, err = buy(w.root, nil, func(in *sdk.PurchaseReservedCacheNodesOfferingInput) {
		in.ReservedCacheNodesOfferingId = aws.String("none")
	})
	w.refused(err, "ReservedCacheNodesOfferingNotFound")
	_, err = buy(w.root, nil, func(in *sdk.PurchaseReservedCacheNodesOfferingInput) { in.CacheNodeCount = aws.Int32(0) })
	w.refused(err, "InvalidParameterValue")
	_, err = w.root.DescribeReservedCacheNodesOfferings(t.Context(), &sdk.DescribeReservedCacheNodesOfferingsInput{Duration: aws.String("2")})
	w.refused(err, "InvalidParameterValue")
	_, err = w.root.DescribeReservedCacheNodesOfferings(t.Context(), &sdk.DescribeReservedCacheNodesOfferingsInput{ReservedCacheNodesOfferingId: aws.String("none")})
	w.refused(err, "ReservedCacheNodesOfferingNotFound")

	list := func(in sdk.DescribeReservedCacheNodesInput) int {
		out, err := w.root.DescribeReservedCacheNodes(t.Context(), &in)
		w.must(err)
		return len(out.ReservedCacheNodes)
	}
	if all, three, none := list(sdk.DescribeReservedCacheNodesInput{}), list(sdk.DescribeReservedCacheNodesInput{Duration: aws.String("3")}),
		list(sdk.DescribeReservedCacheNodesInput{ReservedCacheNodeId: unnamed.ReservedCacheNode.ReservedCacheNodeId}); all != 2 || three != 0 || none != 1 {
		t.Errorf("%d reservations, %d for three years, %d by name", all, three, none)
	}
	_, err = w.root.DescribeReservedCacheNodes(t.Context(), &sdk.DescribeReservedCacheNodesInput{ReservedCacheNodeId: aws.String("none")})
	w.refused(err, "ReservedCacheNodeNotFound")

	// A permission on names is one on those names only: not on one that the service makes up (S5-58).
	some := w.user(`{"Effect":"Allow","Action":"elasticache:PurchaseReservedCacheNodesOffering","Resource":"` + w.arn("reserved-instance:team-*") + `"}`)
	_, err = buy(some, aws.String("team-1"))
	w.refused(err, "")
	_, err = buy(some, aws.String("other"))
	w.refused(err, "AccessDenied")
	_, err = buy(some, nil)
	w.refused(err, "AccessDenied")
}
