package node

import (
	"context"
	"encoding/json"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// providers keeps the operator's settings of SAML providers.
type providers struct{ n *Node }

// SetProviderOptions implements server.Providers. What was set holds on this node when it returns.
func (p providers) SetProviderOptions(ctx context.Context, text string, singleUse, allowCBC *bool) (server.ProviderOptions, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return server.ProviderOptions{}, fault.New(fault.InvalidInput, "ARN %s is not valid.", text)
	}
	if singleUse == nil && allowCBC == nil {
		return p.options(a.Account(), text)
	}
	ch := &providerChange{node: p.n, arn: text, account: a.Account(), singleUse: singleUse, allowCBC: allowCBC,
		id: trail.NewID(p.n.cfg.Rand), requestID: trail.NewID(p.n.cfg.Rand)}
	out, rev, err := directory.Commit(ctx, p.n.directory, ch, func(tx *directory.Tx) (server.ProviderOptions, error) {
		q, err := tx.SetSAMLOptions(a.Account(), text, directory.SAMLOptions{SingleUse: singleUse, AllowCBC: allowCBC})
		if err != nil {
			return server.ProviderOptions{}, err
		}
		return shown(q), nil
	})
	if err != nil {
		return server.ProviderOptions{}, err
	}
	if _, err := p.n.snapshots.Wait(ctx, rev); err != nil {
		return server.ProviderOptions{}, fault.Wrap(err, "waiting for the snapshot to reach the setting")
	}
	return out, nil
}

// options reads the settings.
func (p providers) options(id, text string) (server.ProviderOptions, error) {
	if account, ok := p.n.snapshots.Current().Account(id); ok {
		for it := range snapshot.Items[*entity.SAMLProvider](account, "") {
			if it.Record.ARN() == text {
				return shown(it.Record), nil
			}
		}
	}
	return server.ProviderOptions{}, fault.New(fault.NotFound, "Manifest not found for arn %s", text)
}

func shown(p *entity.SAMLProvider) server.ProviderOptions {
	return server.ProviderOptions{ARN: p.ARN(), SingleUse: p.SingleUse, AllowCBC: p.AllowCBC}
}

// providerChange is the operator's write, in the trail of the provider's account.
type providerChange struct {
	node                *Node
	arn, account        string
	singleUse, allowCBC *bool
	id, requestID       string
}

func (c *providerChange) Guards() []store.Guard { return nil }

func (c *providerChange) Event(any) (id string, record []byte, err error) {
	in, err := json.Marshal(struct {
		ARN       string `json:"sAMLProviderArn"`
		SingleUse *bool  `json:"singleUse,omitempty"`
		AllowCBC  *bool  `json:"allowCBC,omitempty"`
	}{c.arn, c.singleUse, c.allowCBC})
	if err != nil {
		return "", nil, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     c.node.cfg.Now(), Source: operatorSource, Name: "SetSAMLProviderOptions", Region: c.node.cfg.Region,
		RequestParameters: in, RequestID: c.requestID, ID: c.id, Recipient: c.account,
	}
	return c.id, e.Append(nil), nil
}
