package node

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/issuer"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// makeIssuer makes the keeper of the keys that sign accounts' tokens.
func (n *Node) makeIssuer() (*issuer.Keeper, error) {
	text := n.cfg.IssuerURL
	if text == "" {
		text = oidc.DefaultIssuers
	}
	form, err := oidc.ParseIssuerForm(text)
	if err != nil {
		return nil, fault.Wrap(err, "the form of issuers "+text)
	}
	return issuer.New(issuer.Config{
		Store: n.store, Ring: n.ring, Form: form, Rotation: n.cfg.IssuerKeyRotation, Log: n.cfg.Logger, Now: n.cfg.Now,
		Account: func(id string) (string, bool) {
			a, ok := n.snapshots.Current().AccountByIssuer(id)
			if !ok || a.Suspended {
				return "", false
			}
			return a.ID, true
		},
	}), nil
}

// published is what issuers publish, as the server asks for it.
type published struct {
	keeper *issuer.Keeper
	http.Handler
}

// Serves implements server.Issuers.
func (p published) Serves(r *http.Request) bool { return p.keeper.Serves(r) }

// issuerKeys shows and replaces signing keys for the operator API.
type issuerKeys struct{ n *Node }

// Issuer implements server.IssuerKeys.
func (i issuerKeys) Issuer(ctx context.Context, account string) (server.Issuer, error) {
	a, ok := i.n.snapshots.Current().Account(account)
	if !ok {
		return server.Issuer{}, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	out := server.Issuer{Keys: []server.IssuerKey{}}
	if a.Outbound != nil {
		out.Issuer, out.Enabled = i.n.issuer.URL(a.Outbound.ID), a.Outbound.Enabled
	}
	keys, err := i.n.issuer.Keys(ctx, account)
	if err != nil {
		return server.Issuer{}, err
	}
	for _, k := range keys {
		out.Keys = append(out.Keys, server.IssuerKey{KeyID: k.ID, Algorithm: k.Algorithm, CreateDate: k.Created, SignsFrom: k.SignsFrom, Signs: k.Signs})
	}
	return out, nil
}

// RotateIssuer implements server.IssuerKeys. It leaves an event in the account, which names no key.
func (i issuerKeys) RotateIssuer(ctx context.Context, account string, immediately bool) (server.Issuer, error) {
	n := i.n
	if a, ok := n.snapshots.Current().Account(account); !ok || a.Outbound == nil {
		return server.Issuer{}, fault.New(fault.NotFound, "The account %s cannot be found, or never enabled outbound web identity federation.", account)
	}
	in, err := json.Marshal(struct {
		AccountID   string `json:"accountId"`
		Immediately bool   `json:"immediately"`
	}{account, immediately})
	if err != nil {
		return server.Issuer{}, err
	}
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     n.cfg.Now(), Source: operatorSource, Name: "RotateIssuerKeys", Region: n.cfg.Region,
		RequestParameters: in, RequestID: trail.NewID(n.cfg.Rand), ID: trail.NewID(n.cfg.Rand), Recipient: account,
	}
	if err := n.issuer.Rotate(ctx, account, immediately, issuer.Event{ID: e.ID, Record: e.Append(nil)}); err != nil {
		return server.Issuer{}, err
	}
	return i.Issuer(ctx, account)
}
