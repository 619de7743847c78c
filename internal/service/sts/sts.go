// Package sts is the STS API: temporary credentials, and who the caller is.
//
// Sessions are not stored: what a session is stands sealed in its token (package session), and what it may do is looked up
// when it is used. The texts of errors are AWS's.
package sts

import (
	"context"
	"io"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Config is what the service needs.
type Config struct {
	Codes   Codes // required where AssumeRole and GetSessionToken are to take one-time codes
	Ring    *seal.Ring
	Managed *catalog.Managed
	Rand    io.Reader // for keys and secrets; nil means crypto/rand
	// Keys finds the keys of OpenID Connect providers; nil means that none can be reached.
	Keys ProviderKeys
	// Assertions remembers SAML assertions that may be used once; nil means that none of these is accepted.
	Assertions Assertions
	// Organizations answers which organization an account belongs to; nil means that there are none, and no root to be assumed.
	Organizations iam.Organizations
	// SAMLEndpoints are URLs that SAML assertions may be made for beside AWS's sign-in: the operator's own.
	SAMLEndpoints []string
	// Issuer signs the tokens of GetWebIdentityToken; nil means that there are none.
	Issuer Issuer
	// Region is the installation's own, which is active for every account that has not deactivated it; it may be empty.
	Region string
}

// ProviderKeys finds the keys of OpenID Connect providers: an [oidc.Keys].
type ProviderKeys interface {
	Find(ctx context.Context, issuer string, thumbprints []string, keyID string) (*oidc.KeySet, error)
}

// Codes verifies one-time codes: a *[directory.Directory].
type Codes interface {
	// VerifyCode uses up a code of a device of the owner's: see [directory.Directory.VerifyCode].
	VerifyCode(ctx context.Context, account, owner, serial string, code secret.Text) error
}

// service has the operations as methods.
type service struct {
	codes   Codes
	ring    *seal.Ring
	managed *catalog.Managed
	rand    io.Reader
	keys    ProviderKeys

	organizations iam.Organizations
	assertions    Assertions
	samlEndpoints []string
	issuer        Issuer
	region        string
}

// New returns the service, for the gate.
func New(c Config) *gate.Service {
	s := &service{codes: c.Codes, ring: c.Ring, managed: c.Managed, rand: c.Rand, keys: c.Keys,
		organizations: c.Organizations, assertions: c.Assertions, samlEndpoints: c.SAMLEndpoints, issuer: c.Issuer, region: c.Region}
	return &gate.Service{
		API: shape.API, Handlers: shape.Bind[*gate.Call](s), Rows: s.rows(), Admit: admit, Prove: s.prove,
		Source: "sts.amazonaws.com", GlobalEndpoint: "sts.amazonaws.com",
		Codes: gate.Codes{
			fault.InvalidInput: {Code: "InvalidParameterValue", Status: 400},
			fault.Internal:     {Code: "InternalFailure", Status: 500},
			fault.FeatureOff:   {Code: "OutboundWebIdentityFederationDisabledException", Status: 403},
		},
	}
}

// rows are the permission rows of all operations. Those that verify what a call carries are methods.
func (s *service) rows() map[string]gate.Row {
	return map[string]gate.Row{
		"AssumeRoot":                 {Decides: gate.ByPolicy, ReadOnly: true, Responds: true, Checks: s.assumeRootChecks},
		"AssumeRole":                 {Decides: gate.ByTrust, ReadOnly: true, Responds: true, Checks: assumeRoleChecks},
		"AssumeRoleWithSAML":         {Decides: gate.ByAssertion, ReadOnly: true, Responds: true, Verify: s.verifySAML},
		"AssumeRoleWithWebIdentity":  {Decides: gate.ByAssertion, ReadOnly: true, Responds: true, Verify: s.verifyWebIdentity},
		"GetCallerIdentity":          {Decides: gate.Always, ReadOnly: true},
		"GetFederationToken":         {Decides: gate.ByPolicy, ReadOnly: true, Responds: true, Checks: federationTokenChecks},
		"GetSessionToken":            {Decides: gate.Always, ReadOnly: true, Responds: true}, // no permission is required (S2-323)
		"DecodeAuthorizationMessage": {Decides: gate.ByPolicy, ReadOnly: true, Checks: decodeChecks},
		"GetDelegatedAccessToken":    {Decides: gate.ByPolicy, ReadOnly: true, Responds: true, Checks: delegatedChecks},
		"GetWebIdentityToken":        {Decides: gate.ByPolicy, ReadOnly: true, Checks: identityTokenChecks},
		"GetAccessKeyInfo":           {Decides: gate.ByPolicy, ReadOnly: true, Checks: accessKeyInfoChecks},
	}
}

// admit holds D1, D2 and D3 of the design and the table of S2 section AA: which credentials may call which operation.
// GetCallerIdentity answers to all (S2-337).
func admit(c *gate.Call) error {
	name, p := c.Request.Operation.Name, c.Caller.Principal.Type
	switch {
	case name == "GetCallerIdentity":
		return nil
	case name == "AssumeRole" && p == policy.Root:
		return fault.New(fault.Denied, "Roles may not be assumed by root accounts.")
	case name == "AssumeRoot" && p == policy.Root:
		return fault.New(fault.Denied, "Cannot call AssumeRoot with root user credentials")
	}
	refused := false
	switch {
	case c.Caller.Delegate != "":
		// Credentials that it got would outlive the delegation and have none of its limits, and a token would say that somebody
		// else is the principal.
		refused = name != "DecodeAuthorizationMessage" && name != "GetAccessKeyInfo"
	case !c.Caller.Temporary:
	case p == policy.User || p == policy.Root: // credentials of GetSessionToken (S2-329)
		refused = name != "AssumeRole"
	case p == policy.FederatedUser: // S2-316
		refused = true
	default: // S2-110
		refused = name == "GetSessionToken" || name == "GetFederationToken"
	}
	if refused {
		return fault.New(fault.Denied, "Cannot call %s with session credentials", name)
	}
	if name == "GetWebIdentityToken" {
		return admitIdentityToken(c)
	}
	return nil
}
