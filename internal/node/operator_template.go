package node

import (
	"context"
	"encoding/json"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// templates registers delegation templates for the operator API.
type templates struct{ n *Node }

// Templates implements server.Templates.
func (t templates) Templates(_ context.Context, account string) (all []server.Template, err error) {
	a, ok := t.n.snapshots.Current().Account(account)
	if !ok {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	for it := range snapshot.Items[*entity.DelegationTemplate](a, "") {
		all = append(all, shownTemplate(it.Record))
	}
	return all, nil
}

func shownTemplate(t *entity.DelegationTemplate) server.Template {
	return server.Template{Name: t.Name, ARN: t.ARN(), Policy: t.Policy}
}

// PutTemplate implements server.Templates.
func (t templates) PutTemplate(ctx context.Context, account, name, policy string) (out server.Template, err error) {
	err = t.change(ctx, "PutDelegationTemplate", account, name, func(tx *directory.Tx) error {
		record, err := tx.PutDelegationTemplate(account, name, policy)
		if err == nil {
			out = shownTemplate(record)
		}
		return err
	})
	return out, err
}

// DeleteTemplate implements server.Templates.
func (t templates) DeleteTemplate(ctx context.Context, account, name string) error {
	return t.change(ctx, "DeleteDelegationTemplate", account, name, func(tx *directory.Tx) error { return tx.DeleteDelegationTemplate(account, name) })
}

// change returns when this node's snapshot shows the write.
func (t templates) change(ctx context.Context, event, account, name string, verb func(*directory.Tx) error) error {
	ch := &templateChange{node: t.n, event: event, account: account, name: name, id: trail.NewID(t.n.cfg.Rand), requestID: trail.NewID(t.n.cfg.Rand)}
	_, rev, err := directory.Commit(ctx, t.n.directory, ch, func(tx *directory.Tx) (struct{}, error) { return struct{}{}, verb(tx) })
	if err != nil {
		return err
	}
	_, err = t.n.snapshots.Wait(ctx, rev)
	return fault.Wrap(err, "waiting for the snapshot to reach the template")
}

// templateChange is the operator's write: it relies on no decision, and leaves an event in the account.
type templateChange struct {
	node                                *Node
	event, account, name, id, requestID string
}

func (c *templateChange) Guards() []store.Guard { return nil }

func (c *templateChange) Event(any) (id string, record []byte, err error) {
	in, err := json.Marshal(struct {
		AccountID    string `json:"accountId"`
		TemplateName string `json:"templateName"`
	}{c.account, c.name})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: c.event, Region: c.node.cfg.Region,
		RequestParameters: in, RequestID: c.requestID, ID: c.id, Recipient: c.account,
	}
	return c.id, e.Append(nil), nil
}
