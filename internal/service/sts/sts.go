// Package sts is the STS API: temporary credentials, and who the caller is.
//
// Sessions are not stored: what a session is stands sealed in its token (package session), and what it may do is looked up
// when it is used. The texts of errors are AWS's.
package sts

import (
	"io"
	"slices"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Config is what the service needs.
type Config struct {
	Ring    *seal.Ring
	Managed *catalog.Managed
	Rand    io.Reader // for keys and secrets; nil means crypto/rand
}

// service has the operations as methods.
type service struct {
	ring    *seal.Ring
	managed *catalog.Managed
	rand    io.Reader
}

// New returns the service, for the gate.
func New(c Config) *gate.Service {
	s := &service{ring: c.Ring, managed: c.Managed, rand: c.Rand}
	return &gate.Service{
		API: shape.API, Handlers: shape.Bind[*gate.Call](s), Rows: rows, Admit: admit,
		Source: "sts.amazonaws.com",
		Codes: gate.Codes{
			fault.InvalidInput: {Code: "InvalidParameterValue", Status: 400},
			fault.Internal:     {Code: "InternalFailure", Status: 500},
		},
	}
}

var rows = map[string]gate.Row{
	"AssumeRole":        {Decides: gate.ByTrust, ReadOnly: true, Responds: true, Checks: assumeRoleChecks},
	"GetCallerIdentity": {Decides: gate.Always, ReadOnly: true},
	"GetSessionToken":   {Decides: gate.Always, ReadOnly: true, Responds: true}, // no permission is required (S2-323)
	"GetAccessKeyInfo":  {Decides: gate.ByPolicy, ReadOnly: true, Checks: accessKeyInfoChecks},
}

// admit holds D2 and D3 of the design and the table of S2 section AA: which credentials may call which operation.
// GetCallerIdentity answers to all.
func admit(c *gate.Call) error {
	if !c.Caller.Temporary {
		return nil
	}
	refused := []string{"GetSessionToken", "GetFederationToken"}
	switch c.Caller.Principal.Type {
	case policy.User, policy.Root: // credentials of GetSessionToken
		refused = append(refused, "GetAccessKeyInfo", "DecodeAuthorizationMessage")
	case policy.FederatedUser:
		refused = append(refused, "AssumeRole", "GetAccessKeyInfo", "DecodeAuthorizationMessage")
	}
	if name := c.Request.Operation.Name; slices.Contains(refused, name) {
		return fault.New(fault.Denied, "Cannot call %s with session credentials", name)
	}
	return nil
}
