package node

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// delegationRequests shows requestors their requests for the operator API.
type delegationRequests struct{ n *Node }

// DelegationRequests implements server.DelegationRequests. It reads what this node's snapshot shows.
func (d delegationRequests) DelegationRequests(_ context.Context, account string) (all []server.DelegationRequest, err error) {
	a, ok := d.n.snapshots.Current().Account(account)
	if !ok {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	now := d.n.cfg.Now()
	for it := range snapshot.Items[*entity.DelegationRequest](a, "") {
		r := it.Record
		one := server.DelegationRequest{
			RequestID: r.ID, WorkflowID: r.Workflow, State: string(r.StateAt(now)), OwnerAccountID: r.OwnerAccount, UpdatedAt: r.UpdatedAt,
		}
		if ends := r.UpdatedAt.Add(r.Duration); r.State == entity.DelegationFinalized && now.Before(ends) {
			one.ExchangeToken, one.ExpiresAt = directory.DelegationToken(r), ends
		}
		all = append(all, one)
	}
	return all, nil
}
