package inventory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// SecurityGroupRecord is a cache security group, as there were before caches stood in a VPC: the EC2 security groups whose machines may
// connect. What listens here listens on the addresses that the operator gives it, so that a group is kept and shown and admits nobody.
type SecurityGroupRecord struct {
	Meta
	Description string
	Ingress     []Ingress `json:",omitempty"`
	Uses        int       `json:",omitempty"` // clusters that name it
}

// Ingress is an EC2 security group with its owner.
type Ingress struct{ Group, Owner string }

// Type returns [SecurityGroup].
func (*SecurityGroupRecord) Type() Type { return SecurityGroup }

// CreateSecurityGroup makes a cache security group.
func (tx Tx) CreateSecurityGroup(g *SecurityGroupRecord) error { return tx.create(g) }

// DeleteSecurityGroup takes a group out that nothing uses.
func (tx Tx) DeleteSecurityGroup(account, region, name string) error {
	g, err := must[SecurityGroupRecord](tx, account, region, name)
	if err != nil {
		return err
	}
	if g.Uses > 0 {
		return tx.fail(&fault.Error{Kind: fault.TemporarilyUnchanged, Subject: string(SecurityGroup),
			Message: "CacheSecurityGroup " + g.Name + " is in use."})
	}
	return tx.drop(g)
}

// Authorize adds an EC2 security group, and returns the group as it is then.
func (tx Tx) Authorize(account, region, name string, in Ingress) (*SecurityGroupRecord, error) {
	g, err := must[SecurityGroupRecord](tx, account, region, name)
	if err != nil {
		return nil, err
	}
	if slices.Contains(g.Ingress, in) {
		return nil, tx.fail(&fault.Error{Kind: fault.Exists, Subject: SubjectIngress, Message: "Authorization already exists for the EC2 security group " + in.Group + "."})
	}
	g.Ingress = append(g.Ingress, in)
	tx.put(g)
	return g, nil
}

// Revoke takes an EC2 security group away, and returns the group as it is then.
func (tx Tx) Revoke(account, region, name string, in Ingress) (*SecurityGroupRecord, error) {
	g, err := must[SecurityGroupRecord](tx, account, region, name)
	if err != nil {
		return nil, err
	}
	i := slices.Index(g.Ingress, in)
	if i < 0 {
		return nil, tx.fail(&fault.Error{Kind: fault.NotFound, Subject: SubjectIngress, Message: "Authorization not found for the EC2 security group " + in.Group + "."})
	}
	g.Ingress = slices.Delete(g.Ingress, i, i+1)
	tx.put(g)
	return g, nil
}
