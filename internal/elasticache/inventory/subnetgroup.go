package inventory

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// SubnetGroupRecord is a subnet group: the subnets in which nodes may stand. There is no network service here, so that a subnet is its
// identifier, and where it lies follows from the group: see [SubnetGroupRecord.Zone].
type SubnetGroupRecord struct {
	Meta
	Description string
	Subnets     []string
	Uses        int `json:",omitempty"` // clusters, replication groups and serverless caches that name it
}

// Type returns [SubnetGroup].
func (*SubnetGroupRecord) Type() Type { return SubnetGroup }

// Zone is the letter of the availability zone in which the subnet with that index lies: subnets are dealt over three zones.
func (*SubnetGroupRecord) Zone(index int) string { return string("abc"[index%3]) }

// CreateSubnetGroup makes a subnet group.
func (tx Tx) CreateSubnetGroup(g *SubnetGroupRecord) error {
	if err := checkSubnets(g.Subnets); err != nil {
		return tx.fail(err)
	}
	return tx.create(g)
}

// ModifySubnetGroup changes what is not nil, and returns the group as it is then.
func (tx Tx) ModifySubnetGroup(account, region, name string, description *string, subnets []string) (*SubnetGroupRecord, error) {
	g, err := must[SubnetGroupRecord](tx, account, region, name)
	if err != nil {
		return nil, err
	}
	if description != nil {
		g.Description = *description
	}
	if subnets != nil {
		if err := checkSubnets(subnets); err != nil {
			return nil, tx.fail(err)
		}
		if g.Uses > 0 && slices.ContainsFunc(g.Subnets, func(s string) bool { return !slices.Contains(subnets, s) }) {
			return nil, tx.fail(&fault.Error{Kind: fault.DeleteConflict, Subject: SubjectSubnet, Message: "A subnet of the cache subnet group " + g.Name + " is in use."})
		}
		g.Subnets = subnets
	}
	tx.put(g)
	return g, nil
}

// DeleteSubnetGroup takes a subnet group out that nothing uses.
func (tx Tx) DeleteSubnetGroup(account, region, name string) error {
	g, err := must[SubnetGroupRecord](tx, account, region, name)
	if err != nil {
		return err
	}
	if g.Uses > 0 {
		return tx.fail(inUse(SubnetGroup, g.Name, "a cache cluster"))
	}
	return tx.drop(g)
}

// subnetsPerGroup is how many subnets a group may have ("Quotas for ElastiCache").
const subnetsPerGroup = 20

// checkSubnets holds a group to at least one subnet, once each, and to identifiers as EC2 writes them.
func checkSubnets(subnets []string) error {
	if len(subnets) == 0 {
		return fault.New(fault.InvalidInput, "The parameter SubnetIds must be provided.")
	}
	if len(subnets) > subnetsPerGroup {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: SubjectSubnetQuota,
			Message: "The request cannot be processed because it would exceed the allowed number of subnets in a cache subnet group."}
	}
	for i, s := range subnets {
		hex, ok := strings.CutPrefix(s, "subnet-")
		if !ok || hex == "" || len(hex) > 32 || strings.Trim(hex, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || slices.Contains(subnets[:i], s) {
			return &fault.Error{Kind: fault.InvalidInput, Subject: SubjectSubnet, Message: "Some input subnets in :[" + strings.Join(subnets, ", ") + "] are invalid."}
		}
	}
	return nil
}
