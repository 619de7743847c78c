package node

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// quotas shows and sets quotas for the operator API.
type quotas struct{ n *Node }

// Quotas implements server.Quotas.
func (q quotas) Quotas(_ context.Context, account string) ([]server.Quota, error) {
	a, ok := q.n.snapshots.Current().Account(account)
	if !ok {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	var all []server.Quota
	for _, name := range slices.Sorted(maps.Keys(directory.Quotas(nil))) {
		all = append(all, q.shown(a.Account, name))
	}
	return all, nil
}

// shown is a quota as the API shows it. The default of a rate is this server's.
func (q quotas) shown(acct *entity.Account, name string) server.Quota {
	reset := *acct // the account as if the operator had not set this one quota
	reset.Quotas = maps.Clone(acct.Quotas)
	delete(reset.Quotas, name)
	one := server.Quota{Name: name, Value: directory.Quota(acct, name), Default: directory.Quota(&reset, name)}
	_, one.Set = acct.Quotas[name]
	rates := q.n.throttle.Rates()
	switch name {
	case directory.ReadsPerSecondQuota:
		one.Default = rates.Reads
	case directory.WritesPerSecondQuota:
		one.Default = rates.Writes
	default:
		if most := directory.MostQuota(name); most > 0 {
			one.Maximum = &most
		}
		return one
	}
	if !one.Set {
		one.Value = one.Default
	}
	return one
}

// SetQuota implements server.Quotas. It returns when this node's snapshot has the new quota, so that it is in force at once.
func (q quotas) SetQuota(ctx context.Context, account, name string, value *int) (server.Quota, error) {
	n := q.n
	ch := &quotaChange{node: n, id: trail.NewID(n.cfg.Rand), requestID: trail.NewID(n.cfg.Rand), account: account, name: name, value: value}
	out, rev, err := directory.Commit(ctx, n.directory, ch, func(tx *directory.Tx) (server.Quota, error) {
		acct, err := tx.SetQuota(account, name, value)
		if err != nil {
			return server.Quota{}, err
		}
		return q.shown(acct, name), nil
	})
	if err != nil {
		return server.Quota{}, err
	}
	if _, err := n.snapshots.Wait(ctx, rev); err != nil {
		return server.Quota{}, fault.Wrap(err, "waiting for the snapshot to reach the quota")
	}
	return out, nil
}

// quotaChange is the operator's write: it relies on no decision, and leaves an event in the account.
type quotaChange struct {
	node          *Node
	id, requestID string
	account, name string
	value         *int
}

func (c *quotaChange) Guards() []store.Guard { return nil }

func (c *quotaChange) Event(any) (id string, record []byte, err error) {
	in, err := json.Marshal(struct {
		AccountID string `json:"accountId"`
		QuotaName string `json:"quotaName"`
		Value     *int   `json:"value"` // null: the default
	}{c.account, c.name, c.value})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: "SetQuota", Region: c.node.cfg.Region,
		RequestParameters: in, RequestID: c.requestID, ID: c.id, Recipient: c.account,
	}
	return c.id, e.Append(nil), nil
}
