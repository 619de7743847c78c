package elasticache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var subnetGroupRows = map[string]gate.Row{
	"CreateCacheSubnetGroup": {Decides: gate.ByPolicy, Checks: making(inventory.SubnetGroup, "elasticache:CreateCacheSubnetGroup",
		func(in *shape.CreateCacheSubnetGroupMessage) (string, []shape.Tag) {
			return in.CacheSubnetGroupName, in.Tags
		})},
	"ModifyCacheSubnetGroup": {Decides: gate.ByPolicy, Checks: on(inventory.SubnetGroup, "elasticache:ModifyCacheSubnetGroup",
		func(in *shape.ModifyCacheSubnetGroupMessage) string { return in.CacheSubnetGroupName })},
	"DeleteCacheSubnetGroup": {Decides: gate.ByPolicy, Checks: on(inventory.SubnetGroup, "elasticache:DeleteCacheSubnetGroup",
		func(in *shape.DeleteCacheSubnetGroupMessage) string { return in.CacheSubnetGroupName })},
	"DescribeCacheSubnetGroups": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.SubnetGroup, "elasticache:DescribeCacheSubnetGroups",
		func(in *shape.DescribeCacheSubnetGroupsMessage) *string { return in.CacheSubnetGroupName })},
}

func (s *service) CreateCacheSubnetGroup(ctx context.Context, c *gate.Call, in *shape.CreateCacheSubnetGroupMessage) (*shape.CreateCacheSubnetGroupResult, error) {
	if err := checkGroupName("CacheSubnetGroupName", in.CacheSubnetGroupName); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateCacheSubnetGroupResult, error) {
		g := &inventory.SubnetGroupRecord{Meta: meta(c, in.CacheSubnetGroupName, in.Tags), Description: in.CacheSubnetGroupDescription, Subnets: in.SubnetIds}
		if err := inventory.In(tx).CreateSubnetGroup(g); err != nil {
			return nil, err
		}
		return &shape.CreateCacheSubnetGroupResult{CacheSubnetGroup: subnetGroup(g)}, nil
	})
}

func (s *service) ModifyCacheSubnetGroup(ctx context.Context, c *gate.Call, in *shape.ModifyCacheSubnetGroupMessage) (*shape.ModifyCacheSubnetGroupResult, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.ModifyCacheSubnetGroupResult, error) {
		g, err := inventory.In(tx).ModifySubnetGroup(c.Account(), c.Region(), in.CacheSubnetGroupName, in.CacheSubnetGroupDescription, in.SubnetIds)
		if err != nil {
			return nil, err
		}
		return &shape.ModifyCacheSubnetGroupResult{CacheSubnetGroup: subnetGroup(g)}, nil
	})
}

func (s *service) DeleteCacheSubnetGroup(ctx context.Context, c *gate.Call, in *shape.DeleteCacheSubnetGroupMessage) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return inventory.In(tx).DeleteSubnetGroup(c.Account(), c.Region(), in.CacheSubnetGroupName)
	})
}

func (s *service) DescribeCacheSubnetGroups(_ context.Context, c *gate.Call, in *shape.DescribeCacheSubnetGroupsMessage) (*shape.CacheSubnetGroupMessage, error) {
	groups, next, err := described[inventory.SubnetGroupRecord](s.view(), c, in.CacheSubnetGroupName, in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	return &shape.CacheSubnetGroupMessage{Marker: next, CacheSubnetGroups: shown(groups, subnetGroup)}, nil
}

func subnetGroup(g *inventory.SubnetGroupRecord) *shape.CacheSubnetGroup {
	out := &shape.CacheSubnetGroup{
		ARN: new(inventory.ARN(g)), CacheSubnetGroupName: new(g.Name), CacheSubnetGroupDescription: new(g.Description),
		VpcId: new(vpcOf(g.Account, g.Region)), SupportedNetworkTypes: []string{"ipv4"},
	}
	for i, id := range g.Subnets {
		out.Subnets = append(out.Subnets, shape.Subnet{SubnetIdentifier: new(id), SupportedNetworkTypes: []string{"ipv4"},
			SubnetAvailabilityZone: &shape.AvailabilityZone{Name: new(g.Region + g.Zone(i))}})
	}
	return out
}

// vpcOf is the network in which an account's nodes of a region stand: one, since there is no service that would make others.
func vpcOf(account, region string) string {
	sum := sha256.Sum256([]byte(account + "/" + region))
	return "vpc-" + hex.EncodeToString(sum[:])[:17]
}

// meta is what all new resources of the caller have.
func meta(c *gate.Call, name string, tags []shape.Tag) inventory.Meta {
	return inventory.Meta{Account: c.Account(), Region: c.Region(), Name: name, Tags: entityTags(tags)}
}
