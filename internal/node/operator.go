package node

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// operatorSource is the event source of what the operator does: no AWS service has such calls.
const operatorSource = "operator.ostiary"

// accounts makes accounts for the operator API.
type accounts struct{ n *Node }

// CreateAccount makes an account and waits until this node's snapshot has it, so that its key works at once.
func (a accounts) CreateAccount(ctx context.Context, in server.NewAccount) (server.RootKey, error) {
	n := a.n
	ch := &accountChange{node: n, id: trail.NewID(n.cfg.Rand), requestID: trail.NewID(n.cfg.Rand), in: in}
	out, rev, err := directory.Commit(ctx, n.directory, ch, func(tx *directory.Tx) (server.RootKey, error) {
		acct, key, err := tx.CreateAccount(directory.NewAccount{Name: in.Name, Email: in.Email})
		if err != nil {
			return server.RootKey{}, err
		}
		if in.Alias != "" {
			if err := tx.SetAlias(acct.ID, in.Alias); err != nil {
				return server.RootKey{}, err
			}
		}
		return server.RootKey{AccountID: acct.ID, AccessKeyID: key.ID, SecretAccessKey: key.Secret}, nil
	})
	if err != nil {
		return server.RootKey{}, err
	}
	if _, err := n.snapshots.Wait(ctx, rev); err != nil {
		return server.RootKey{}, fault.Wrap(err, "waiting for the snapshot to reach the new account")
	}
	return out, nil
}

// CreateAccount makes an account as the operator API does.
func (n *Node) CreateAccount(ctx context.Context, in server.NewAccount) (server.RootKey, error) {
	return accounts{n}.CreateAccount(ctx, in)
}

// accountChange is the operator's write: it relies on no decision, and leaves an event like any other.
type accountChange struct {
	node          *Node
	id, requestID string
	in            server.NewAccount
}

func (c *accountChange) Guards() []store.Guard { return nil }

func (c *accountChange) Event(made any) (id string, record []byte, err error) {
	key, _ := made.(server.RootKey)
	in, err := json.Marshal(struct {
		Name  string `json:"name,omitempty"`
		Email string `json:"email,omitempty"`
		Alias string `json:"alias,omitempty"`
	}{c.in.Name, c.in.Email, c.in.Alias})
	if err != nil {
		return "", nil, err
	}
	out, err := json.Marshal(struct {
		AccountID   string `json:"accountId"`
		AccessKeyID string `json:"accessKeyId"`
	}{key.AccountID, key.AccessKeyID})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: "CreateAccount", Region: c.node.cfg.Region,
		RequestParameters: in, ResponseElements: out, RequestID: c.requestID, ID: c.id, Recipient: key.AccountID,
	}
	return c.id, e.Append(nil), nil
}

// events reads the trail for the operator API. What was committed before the call is in the answer.
func (n *Node) events(ctx context.Context, q server.EventQuery) (server.EventPage, error) {
	query := trail.Query{Account: q.Account}
	if q.After != "" {
		after, err := trail.ParsePosition(q.After)
		if err != nil {
			return server.EventPage{}, fault.New(fault.MarkerInvalid, "%q is not a position in the trail.", q.After)
		}
		query.After = after
	}
	if err := n.mover.Drain(ctx); err != nil {
		return server.EventPage{}, &fault.Error{Kind: fault.Unavailable, Cause: err}
	}
	page := server.EventPage{Next: q.After}
	for e, err := range n.trail.Events(query) {
		if err != nil {
			return server.EventPage{}, fault.Wrap(err, "reading the trail")
		}
		page.Events = append(page.Events, json.RawMessage(e.Line))
		page.Next = e.End.String()
		if len(page.Events) == q.Limit {
			break
		}
	}
	return page, nil
}

// Events yields the account's events, or all for the empty account, oldest first; it is for tests.
func (n *Node) Events(ctx context.Context, account string) ([]*trail.Event, error) {
	if err := n.mover.Drain(ctx); err != nil {
		return nil, err
	}
	var events []*trail.Event
	for e, err := range n.trail.Events(trail.Query{Account: account}) {
		if err != nil {
			return nil, fmt.Errorf("reading the trail: %w", err)
		}
		events = append(events, e.Event)
	}
	return events, nil
}
