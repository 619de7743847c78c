package node

import (
	"context"
	"encoding/json"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// tokens keeps the inventory of hardware MFA tokens for the operator API.
type tokens struct{ n *Node }

// LoadToken implements server.Tokens.
func (t tokens) LoadToken(ctx context.Context, serial string, seed secret.Text) error {
	return t.change(ctx, "LoadMFAToken", serial, func(tx *directory.Tx) error { return tx.LoadToken(serial, seed) })
}

// RemoveToken implements server.Tokens.
func (t tokens) RemoveToken(ctx context.Context, serial string) error {
	return t.change(ctx, "RemoveMFAToken", serial, func(tx *directory.Tx) error { return tx.RemoveToken(serial) })
}

func (t tokens) change(ctx context.Context, event, serial string, verb func(*directory.Tx) error) error {
	ch := &tokenChange{node: t.n, event: event, serial: serial, id: trail.NewID(t.n.cfg.Rand), requestID: trail.NewID(t.n.cfg.Rand)}
	_, _, err := directory.Commit(ctx, t.n.directory, ch, func(tx *directory.Tx) (struct{}, error) { return struct{}{}, verb(tx) })
	return err
}

// Tokens implements server.Tokens.
func (t tokens) Tokens(ctx context.Context, after string, limit int) ([]server.Token, error) {
	all, err := t.n.directory.Tokens(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]server.Token, 0, len(all))
	for _, token := range all {
		out = append(out, server.Token{SerialNumber: token.Serial, LoadedAt: token.LoadedAt, AccountID: token.Account})
	}
	return out, nil
}

// tokenChange is the operator's write to the inventory. It is nobody's account's, and its event names the serial number only.
type tokenChange struct {
	node                         *Node
	event, serial, id, requestID string
}

func (c *tokenChange) Guards() []store.Guard { return nil }

func (c *tokenChange) Event(any) (id string, record []byte, err error) {
	in, err := json.Marshal(struct {
		SerialNumber string `json:"serialNumber"`
	}{c.serial})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: c.event, Region: c.node.cfg.Region,
		RequestParameters: in, RequestID: c.requestID, ID: c.id,
	}
	return c.id, e.Append(nil), nil
}
