package node

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// stsRegions shows and sets the regions of STS for the operator API.
type stsRegions struct{ n *Node }

// STSRegions implements server.STSRegions.
func (s stsRegions) STSRegions(_ context.Context, account string) ([]server.STSRegion, error) {
	a, ok := s.n.snapshots.Current().Account(account)
	if !ok {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	var all []server.STSRegion
	for _, name := range slices.Sorted(slices.Values(regions(s.n.cfg.Region))) {
		all = append(all, s.shown(a.Account, name))
	}
	return all, nil
}

func (s stsRegions) shown(acct *entity.Account, name string) server.STSRegion {
	return server.STSRegion{Region: name, Active: directory.STSActive(acct, name, s.n.cfg.Region), Fixed: name == directory.GlobalRegion}
}

// SetSTSRegion implements server.STSRegions. It returns when this node's snapshot has the setting, so that it is in force at once.
func (s stsRegions) SetSTSRegion(ctx context.Context, account, region string, active bool) (server.STSRegion, error) {
	n := s.n
	if !slices.Contains(regions(n.cfg.Region), region) {
		return server.STSRegion{}, fault.New(fault.NotFound, "There is no region %s.", region)
	}
	ch := &regionChange{node: n, id: trail.NewID(n.cfg.Rand), requestID: trail.NewID(n.cfg.Rand), account: account, region: region, active: active}
	out, rev, err := directory.Commit(ctx, n.directory, ch, func(tx *directory.Tx) (server.STSRegion, error) {
		acct, err := tx.SetSTSRegion(account, region, active)
		if err != nil {
			return server.STSRegion{}, err
		}
		return s.shown(acct, region), nil
	})
	if err != nil {
		return server.STSRegion{}, err
	}
	if _, err := n.snapshots.Wait(ctx, rev); err != nil {
		return server.STSRegion{}, fault.Wrap(err, "waiting for the snapshot to reach the region's setting")
	}
	return out, nil
}

// regionChange is the operator's write: it relies on no decision, and leaves an event in the account.
type regionChange struct {
	node            *Node
	id, requestID   string
	account, region string
	active          bool
}

func (c *regionChange) Guards() []store.Guard { return nil }

func (c *regionChange) Event(any) (id string, record []byte, err error) {
	in, err := json.Marshal(struct {
		AccountID string `json:"accountId"`
		Region    string `json:"region"`
		Active    bool   `json:"active"`
	}{c.account, c.region, c.active})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: "SetSTSRegion", Region: c.node.cfg.Region,
		RequestParameters: in, RequestID: c.requestID, ID: c.id, Recipient: c.account,
	}
	return c.id, e.Append(nil), nil
}
