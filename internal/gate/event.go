package gate

import (
	"crypto/tls"
	"strings"
	"sync"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/policy"
)

// eventFrame is what the event of a call is made from, apart from the call itself.
type eventFrame struct {
	id, requestID string
	tls           *tls.ConnectionState
	host          string
}

// record buffers the closed event of a call that wrote nothing. The owner of a role that was assumed from another account
// gets a record too, which names the caller's account and nothing more of it (S2-407).
func (g *Gate) record(c *Call, out wire.Output, f *wire.Failure) {
	e := c.closeEvent(out, f)
	owner := c.foreignOwner()
	if f != nil || owner == "" {
		g.keep(e)
		return
	}
	e.SharedID = trail.NewID(g.rand)
	g.keep(e)
	g.keep(e.ForOwner(owner, trail.NewID(g.rand)))
}

// records are buffers for events on their way to the trail, which copies them.
var records = sync.Pool{New: func() any { return new([]byte) }}

// keep encodes an event and hands it to the trail.
func (g *Gate) keep(e *trail.Event) {
	b := records.Get().(*[]byte)
	*b = e.Append((*b)[:0])
	g.trail.Record(*b)
	if cap(*b) <= 16<<10 { // a large one is not worth its place
		records.Put(b)
	}
}

// looksReadOnly says of an operation without a row, by AWS's habit of naming, whether it only reads.
func looksReadOnly(operation string) bool {
	for _, verb := range []string{"Get", "List", "Describe"} {
		if strings.HasPrefix(operation, verb) {
			return true
		}
	}
	return false
}

// recordedCode is how CloudTrail calls an error of a Query service: by the name of the modelled exception, which is not the
// code that clients get (NoSuchEntity is recorded as NoSuchEntityException). Codes that are in no model stand as they are.
func recordedCode(api *wire.API, code string) string {
	if _, modelled := api.Errors[code]; !modelled || api.Protocol != wire.Query || strings.HasSuffix(code, "Exception") {
		return code
	}
	if name, ok := irregularNames[code]; ok {
		return name
	}
	return code + "Exception"
}

// irregularNames are the exceptions whose names are not made of their codes.
var irregularNames = map[string]string{
	"ReportExpired": "CredentialReportExpiredException", "ReportNotPresent": "CredentialReportNotPresentException",
	"ReportInProgress": "CredentialReportNotReadyException", "NotSupportedService": "ServiceNotSupportedException",
}

// foreignOwner is the account, other than the caller's, whose role was asked for.
func (c *Call) foreignOwner() string {
	if c.service.Rows[c.Request.Operation.Name].Decides != ByTrust || c.Caller == nil || c.owner != "" || len(c.Decisions) == 0 {
		return ""
	}
	if owner := c.Decisions[0].Check.ResourceAccount; owner != c.Caller.Principal.Account {
		return owner
	}
	return ""
}

// closeEvent returns the call's record with its outcome: out for success, f for failure.
func (c *Call) closeEvent(out wire.Output, f *wire.Failure) *trail.Event {
	row := c.service.Rows[c.Request.Operation.Name]
	e := &trail.Event{
		Time: c.Env.Now, Source: c.service.Source, Name: c.Request.Operation.Name, Region: c.Env.Region,
		UserAgent: c.Env.UserAgent, RequestID: c.event.requestID, ID: c.event.id,
		ReadOnly: row.ReadOnly || row.Decides == 0 && looksReadOnly(c.Request.Operation.Name),
	}
	if c.Env.SourceIP.IsValid() {
		e.SourceIP = c.Env.SourceIP.String()
	}
	if c.Asserted != nil {
		e.Identity, e.Recipient = c.Asserted.Identity, c.Asserted.Account
	} else if c.owner != "" {
		name := c.Caller.Principal.Service
		e.Identity, e.Recipient = trail.Identity{Type: trail.TypeAWSService, InvokedBy: name}, c.owner
		e.SourceIP, e.UserAgent = name, name // as CloudTrail has them of services (S2-391)
	} else if c.Caller != nil {
		e.Identity, e.Recipient = identityOf(c.Snapshot, c.Caller), c.Caller.Principal.Account
		e.FromConsole = c.Caller.Console
	}
	if c.decoded {
		e.RequestParameters = c.Request.Input.AppendEvent(nil)
	}
	if c.Asserted != nil && c.Asserted.RequestParameters != nil {
		e.RequestParameters = c.Asserted.RequestParameters
	}
	switch {
	case f != nil:
		e.ErrorCode, e.ErrorMessage = recordedCode(c.Request.API, f.Code), f.Message
	case out != nil && (!row.ReadOnly || row.Responds):
		e.ResponseElements = out.AppendEvent(nil)
	}
	if n := len(c.Decisions); n > 0 {
		e.Additional.Decision = decisionOf(c, &c.Decisions[n-1])
	}
	if (row.Decides == ByTrust || row.Decides == ByAssertion) && len(c.Decisions) > 0 {
		ch := c.Decisions[0].Check
		e.Resources = []trail.Resource{{AccountID: ch.ResourceAccount, Type: "AWS::IAM::Role", ARN: ch.Resource}}
		if a := c.Asserted; a != nil && a.ProviderType != "" {
			e.Resources = append(e.Resources, trail.Resource{AccountID: a.Account, Type: a.ProviderType, ARN: a.Provider})
		}
	}
	e.TLS = connection(c.event.tls, c.event.host)
	return e
}

// connection describes a request's connection; nil: it was not TLS.
func connection(s *tls.ConnectionState, host string) *trail.TLS {
	if s == nil {
		return nil
	}
	return &trail.TLS{
		Version:     strings.ReplaceAll(tls.VersionName(s.Version), "TLS ", "TLSv"),
		CipherSuite: tls.CipherSuiteName(s.CipherSuite), ClientHost: host,
	}
}

// identityOf is the identity block for each kind of caller (S2 section AH.2).
func identityOf(s *snapshot.Snapshot, caller *authorizer.Caller) trail.Identity {
	p := &caller.Principal
	id := trail.Identity{PrincipalID: p.UniqueID, ARN: p.ARN, AccountID: p.Account, AccessKeyID: caller.AccessKeyID}
	switch p.Type {
	case policy.Root:
		id.Type = trail.TypeRoot
	case policy.User:
		id.Type = trail.TypeIAMUser
		if u, ok := s.UserByID(caller.EntityID); ok {
			id.UserName = u.Name
		}
	case policy.FederatedUser:
		id.Type = trail.TypeFederatedUser
	default:
		id.Type = trail.TypeAssumedRole
	}
	if !caller.Temporary {
		return id
	}
	id.Delegate = caller.Delegate
	id.Session = &trail.SessionContext{
		Attributes:     trail.SessionAttributes{CreationDate: caller.Issued, MFAAuthenticated: !caller.MFAAt.IsZero()},
		SourceIdentity: caller.SourceIdentity, AssumedRoot: caller.AssumedRoot,
	}
	if strings.Contains(caller.Provider, ":oidc-provider/") {
		id.Session.WebIdentity = federation(caller)
	}
	switch p.Type {
	case policy.FederatedUser:
		id.Session.Issuer = federationIssuer(s, caller)
	case policy.AssumedRole:
		if r, ok := s.RoleByID(caller.EntityID); ok {
			id.Session.Issuer = &trail.SessionIssuer{Type: "Role", PrincipalID: r.ID, ARN: r.ARN(), AccountID: r.Account, UserName: r.Name}
		}
	}
	return id
}

// federationIssuer is who called GetFederationToken: a user, or the root user.
func federationIssuer(s *snapshot.Snapshot, caller *authorizer.Caller) *trail.SessionIssuer {
	account := caller.Principal.Account
	if u, ok := s.UserByID(caller.EntityID); ok {
		return &trail.SessionIssuer{Type: trail.TypeIAMUser, PrincipalID: u.ID, ARN: u.ARN(), AccountID: account, UserName: u.Name}
	}
	return &trail.SessionIssuer{Type: trail.TypeRoot, PrincipalID: account, ARN: entity.RootARN(account), AccountID: account}
}

// federation is what a session's events say of the identity provider (CloudTrail user guide, "userIdentity element"): its name,
// and the keys of web identities that stay with the session.
func federation(caller *authorizer.Caller) *trail.WebIdentity {
	w := &trail.WebIdentity{FederatedProvider: caller.Provider}
	for _, k := range caller.Keys {
		if len(k.Values) == 1 {
			if w.Attributes == nil {
				w.Attributes = make(map[string]string)
			}
			w.Attributes[k.Name] = k.Values[0]
		}
	}
	return w
}

func decisionOf(c *Call, d *authorizer.Decision) *trail.Decision {
	out := &trail.Decision{Effect: effectName(d), Layer: d.Layer.String(), Revision: int64(c.Snapshot.Revision())}
	if d.Policy != nil {
		out.Policy, out.Statement, out.Sid = d.Policy.Name(), d.Statement, d.Policy.Sid(d.Statement)
	}
	return out
}
