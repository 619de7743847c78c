package node

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/server"
)

// Status says what runs and what it enforces. It is also what the start-up message is made from.
func (n *Node) Status() server.Status {
	mode := "normal"
	if n.cfg.Server.Dev {
		mode = "dev"
	}
	s := server.Status{
		Version: n.cfg.Version, Mode: mode, Store: n.storeName(), Region: n.cfg.Region,
		UptimeSeconds: n.cfg.Now().Sub(n.began).Seconds(),
		Snapshot: server.SnapshotStatus{
			Revision: int64(n.snapshots.Current().Revision()), AgeSeconds: n.snapshots.Freshness().Seconds(),
		},
		Enforced: []string{
			"request signatures (Signature Version 4) and their time",
			"session tokens and their expiry",
			"one-time codes of MFA devices, each accepted once",
			"identity policies of users, groups and roles",
			"permissions boundaries, session policies and trust policies",
			"quotas",
			"password policies, wherever a password is set",
			"tokens of OpenID Connect providers: signature, issuer, audience and time",
			"assertions of SAML providers: signature, issuer, audience, recipient and time",
		},
		NotEnforced: []string{
			"service control policies and resource control policies: there are no organizations yet",
		},
		Unbuilt: make(map[string]int),
	}
	if n.cfg.Server.Dev {
		s.NotEnforced = append(s.NotEnforced, "the operator API's token: dev mode")
	}
	if n.cfg.Server.TLS == nil {
		s.NotEnforced = append(s.NotEnforced, "encryption on the way: plain HTTP")
	}
	for _, svc := range n.services {
		s.Unbuilt[svc.API.Name] = svc.API.Unbuilt()
	}
	return s
}

func (n *Node) status(context.Context) (server.Status, error) { return n.Status(), nil }
