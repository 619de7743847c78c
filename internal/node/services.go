package node

import (
	"context"
	"maps"
	"slices"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/outbound"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/service/elasticache"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/unlink"
	"github.com/ostiary-iam/ostiary/internal/usage"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
)

// makeServices returns everything behind the gate. A service of which nothing is built is here too, so that its operations
// are known and say so.
func (n *Node) makeServices(uses *usage.Recorder, reports *report.Maker) []*gate.Service {
	out := n.cfg.Outbound
	if out.Now == nil {
		out.Now = n.cfg.Now
	}
	fetch := outbound.New(out)
	deletions := unlink.New(unlink.Config{
		Directory: n.directory, Snapshots: n.snapshots, Usage: uses, Now: n.cfg.Now, Rand: n.cfg.Rand, Log: n.cfg.Logger,
	})
	n.run("the deletion of service-linked roles", deletions.Run)
	return []*gate.Service{
		iam.New(iam.Config{
			Directory: n.directory, Managed: catalog.ManagedPolicies(), Usage: uses, Reports: reports, Meter: n.metrics,
			Thumbprint: func(ctx context.Context, url string) (string, error) { return oidc.Thumbprint(ctx, fetch, url) },

			RoleDeletion: deletions.Submitted, Issuer: n.issuer,
		}),
		sts.New(sts.Config{
			Codes: n.directory, Ring: n.ring, Managed: catalog.ManagedPolicies(), Rand: n.cfg.Rand, Keys: oidc.NewKeys(fetch, n.cfg.Now),
			Assertions: n.directory, SAMLEndpoints: n.cfg.SAMLEndpoints, Region: n.cfg.Region, Issuer: n.issuer,
		}),
		{API: organizations.API, Source: "organizations.amazonaws.com", Region: "us-east-1"},
		elasticache.New(elasticache.Config{Directory: n.directory, Inventory: n.caches}),
	}
}

// tracked lists the operations of a service whose use is noted: all that are built.
func (n *Node) tracked(service string) []string {
	for _, s := range n.services {
		if s.API.SigningName == service {
			return slices.Sorted(maps.Keys(s.Handlers))
		}
	}
	return nil
}

// awsRegions are the regions that a signature may name: those of the aws partition (AWS General Reference, "Service
// endpoints").
var awsRegions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1",
	"eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1",
	"us-east-2", "us-west-1", "us-west-2",
}

// regions returns the operator's own region, which is the default, and AWS's others.
func regions(own string) []string {
	all := []string{own}
	for _, r := range awsRegions {
		if r != own {
			all = append(all, r)
		}
	}
	return all
}
