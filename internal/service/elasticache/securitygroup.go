package elasticache

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

var securityGroupRows = map[string]gate.Row{
	"CreateCacheSecurityGroup": {Decides: gate.ByPolicy, Checks: making(inventory.SecurityGroup, "elasticache:CreateCacheSecurityGroup",
		func(in *shape.CreateCacheSecurityGroupMessage) (string, []shape.Tag) {
			return in.CacheSecurityGroupName, in.Tags
		})},
	"DeleteCacheSecurityGroup": {Decides: gate.ByPolicy, Checks: on(inventory.SecurityGroup, "elasticache:DeleteCacheSecurityGroup",
		func(in *shape.DeleteCacheSecurityGroupMessage) string { return in.CacheSecurityGroupName })},
	"DescribeCacheSecurityGroups": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listing(inventory.SecurityGroup, "elasticache:DescribeCacheSecurityGroups",
		func(in *shape.DescribeCacheSecurityGroupsMessage) *string { return in.CacheSecurityGroupName })},
	"AuthorizeCacheSecurityGroupIngress": {Decides: gate.ByPolicy, Checks: on(inventory.SecurityGroup, "elasticache:AuthorizeCacheSecurityGroupIngress",
		func(in *shape.AuthorizeCacheSecurityGroupIngressMessage) string { return in.CacheSecurityGroupName })},
	"RevokeCacheSecurityGroupIngress": {Decides: gate.ByPolicy, Checks: on(inventory.SecurityGroup, "elasticache:RevokeCacheSecurityGroupIngress",
		func(in *shape.RevokeCacheSecurityGroupIngressMessage) string { return in.CacheSecurityGroupName })},
}

func (s *service) CreateCacheSecurityGroup(ctx context.Context, c *gate.Call, in *shape.CreateCacheSecurityGroupMessage) (*shape.CreateCacheSecurityGroupResult, error) {
	if err := checkGroupName("CacheSecurityGroupName", in.CacheSecurityGroupName); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateCacheSecurityGroupResult, error) {
		g := &inventory.SecurityGroupRecord{Meta: meta(c, in.CacheSecurityGroupName, in.Tags), Description: in.Description}
		if err := inventory.In(tx).CreateSecurityGroup(g); err != nil {
			return nil, err
		}
		return &shape.CreateCacheSecurityGroupResult{CacheSecurityGroup: securityGroup(g)}, nil
	})
}

func (s *service) DeleteCacheSecurityGroup(ctx context.Context, c *gate.Call, in *shape.DeleteCacheSecurityGroupMessage) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return inventory.In(tx).DeleteSecurityGroup(c.Account(), c.Region(), in.CacheSecurityGroupName)
	})
}

func (s *service) AuthorizeCacheSecurityGroupIngress(ctx context.Context, c *gate.Call, in *shape.AuthorizeCacheSecurityGroupIngressMessage) (*shape.AuthorizeCacheSecurityGroupIngressResult, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.AuthorizeCacheSecurityGroupIngressResult, error) {
		g, err := inventory.In(tx).Authorize(c.Account(), c.Region(), in.CacheSecurityGroupName, inventory.Ingress{Group: in.EC2SecurityGroupName, Owner: in.EC2SecurityGroupOwnerId})
		if err != nil {
			return nil, err
		}
		return &shape.AuthorizeCacheSecurityGroupIngressResult{CacheSecurityGroup: securityGroup(g)}, nil
	})
}

func (s *service) RevokeCacheSecurityGroupIngress(ctx context.Context, c *gate.Call, in *shape.RevokeCacheSecurityGroupIngressMessage) (*shape.RevokeCacheSecurityGroupIngressResult, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.RevokeCacheSecurityGroupIngressResult, error) {
		g, err := inventory.In(tx).Revoke(c.Account(), c.Region(), in.CacheSecurityGroupName, inventory.Ingress{Group: in.EC2SecurityGroupName, Owner: in.EC2SecurityGroupOwnerId})
		if err != nil {
			return nil, err
		}
		return &shape.RevokeCacheSecurityGroupIngressResult{CacheSecurityGroup: securityGroup(g)}, nil
	})
}

func (s *service) DescribeCacheSecurityGroups(_ context.Context, c *gate.Call, in *shape.DescribeCacheSecurityGroupsMessage) (*shape.CacheSecurityGroupMessage, error) {
	groups, next, err := described[inventory.SecurityGroupRecord](s.view(), c, in.CacheSecurityGroupName, in.MaxRecords, in.Marker)
	if err != nil {
		return nil, err
	}
	return &shape.CacheSecurityGroupMessage{Marker: next, CacheSecurityGroups: shown(groups, securityGroup)}, nil
}

func securityGroup(g *inventory.SecurityGroupRecord) *shape.CacheSecurityGroup {
	out := &shape.CacheSecurityGroup{ARN: new(inventory.ARN(g)), CacheSecurityGroupName: new(g.Name), Description: new(g.Description), OwnerId: new(g.Account)}
	for _, in := range g.Ingress {
		out.EC2SecurityGroups = append(out.EC2SecurityGroups, shape.EC2SecurityGroup{EC2SecurityGroupName: new(in.Group), EC2SecurityGroupOwnerId: new(in.Owner), Status: new("authorized")})
	}
	return out
}
