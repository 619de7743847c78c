package gate

import (
	"context"
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/policy"
)

// ServiceCall is an operation that an AWS service calls for itself: EC2, say, that assumes the role of an instance (S2-111). It comes
// from inside, so that there is no signature; whoever makes one vouches for the service's name.
type ServiceCall struct {
	Service   string // the service principal, "ec2.amazonaws.com"
	API       *wire.API
	Operation string
	Input     wire.Input
	// Account is the account that the service works in. The event is that account's.
	Account string
	// SourceARN is the resource for which the service works, and SourceAccount its account: aws:SourceArn and aws:SourceAccount. Empty
	// ones are absent (S4-M32).
	SourceARN, SourceAccount string
}

// CallAsService runs an operation for a service: decided, recorded and counted like any other. Only operations that a trust policy
// decides can be called, because a service principal has no policies of its own. Errors are those of the operation; a denial is
// of kind Denied, with AWS's sentence.
func (g *Gate) CallAsService(ctx context.Context, sc ServiceCall) (wire.Output, error) {
	began := g.now()
	s := g.services[sc.API]
	if s == nil || s.Rows[sc.Operation].Decides != ByTrust || sc.Service == "" || sc.Account == "" {
		return nil, &fault.Error{Kind: fault.Internal, Cause: fmt.Errorf("a service cannot call %s", sc.Operation)}
	}
	req, err := wire.NewCall(sc.API, sc.Operation, sc.Input)
	if err != nil {
		return nil, err
	}
	// What never leaves the process is as safe as TLS; services have no address (IAM user guide, "aws:SourceIp").
	c := &Call{Request: req, service: s, owner: sc.Account, region: g.regions[0],
		Env:    authorizer.Environment{Now: began, Region: g.regions[0], Secure: true},
		Caller: &authorizer.Caller{Principal: policy.Principal{Type: policy.ServicePrincipal, Service: sc.Service}},
	}
	for _, k := range []authorizer.Key{{Name: "aws:SourceArn", Values: []string{sc.SourceARN}}, {Name: "aws:SourceAccount", Values: []string{sc.SourceAccount}}} {
		if k.Values[0] != "" {
			c.Caller.Keys = append(c.Caller.Keys, k)
		}
	}
	c.event = eventFrame{id: trail.NewID(g.rand), requestID: trail.NewID(g.rand)}
	out, err := g.serve(context.WithValue(ctx, callKey{}, c), c)
	code := ""
	if err != nil {
		code = failure(err, req.API.Protocol, s).Code
	}
	g.note(c, began, code, err)
	return out, err
}

// serve takes a service's call through what comes behind authentication.
func (g *Gate) serve(ctx context.Context, c *Call) (wire.Output, error) {
	if err := g.look(c); err != nil {
		return nil, err
	}
	if account, ok := c.Snapshot.Account(c.owner); !ok || account.Suspended {
		return nil, fault.New(fault.Denied, "The account %s does not exist or is suspended.", c.owner)
	}
	name := c.Request.Operation.Name
	return g.operate(ctx, c, c.service.Rows[name], c.service.Handlers[name])
}
