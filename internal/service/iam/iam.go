// Package iam is the IAM API: a method for every operation, its permission row, and what is known of IAM's resources.
//
// A method is short: it reads from the call's snapshot or writes through gate.Commit, and turns entities into the wire's
// shapes. Rules about entities are directory's; whether the caller may do it was decided before the method runs, from the
// row of the operation (the maps called …Rows, one for each file). Texts of errors are AWS's.
package iam

import (
	"context"
	"maps"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/report"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// Usage answers when credentials were last used.
type Usage interface {
	LastKey(ctx context.Context, accessKeyID string) (u entity.Usage, ok bool, err error)
	LastRole(ctx context.Context, account, roleID string) (u entity.Usage, ok bool, err error)
	// LastPasswords answers by user ID; passwords that were never used are not in the map.
	LastPasswords(ctx context.Context, account string, userIDs ...string) (map[string]time.Time, error)
}

// Reports shows what reports are there: a *[report.Maker].
type Reports interface {
	Credentials(ctx context.Context, account string) (r *entity.CredentialReport, csv []byte, err error)
	Access(ctx context.Context, account, job string) (r *entity.AccessReport, a *report.Accessed, err error)
	Organization(ctx context.Context, account, job string) (r *entity.AccessReport, o *report.Organization, err error)
	// Manages fails unless the account is the management account of an organization.
	Manages(account string) error
}

// Config is what the service needs; Meter and the fields from Thumbprint on may be left out.
type Config struct {
	Directory *directory.Directory
	Managed   *catalog.Managed
	Usage     Usage
	Reports   Reports
	Meter     Meter // nil counts nothing
	// Thumbprint asks the OpenID Connect provider with that URL for its certificates and returns the thumbprint to trust. Nil
	// means that no provider can be reached.
	Thumbprint func(ctx context.Context, url string) (string, error)
	// RoleDeletion is told of every submitted deletion of a service-linked role. Nil means that whoever works on them finds
	// them without.
	RoleDeletion func(account, task string)
	// Notify tells the requestor of a delegation request what has become of it. It must not block. Nil means that there is no
	// channel: nothing is delivered, and exchange tokens stay with their requests.
	Notify func(Notice)
	// Organizations answers what organizations there are; nil means none.
	Organizations Organizations
	// Issuer knows the accounts that issue tokens for services elsewhere. Nil means that none can.
	Issuer Issuer
}

// Issuer makes accounts issuers of tokens: an *issuer.Keeper.
type Issuer interface {
	// URL is the issuer with that ID.
	URL(id string) string
	// Prepare makes the keys of an account, so that those who are told of the issuer find them.
	Prepare(ctx context.Context, account string) error
}

// service has the operations as methods.
type service struct {
	dir     *directory.Directory
	managed *catalog.Managed
	usage   Usage
	reports Reports
	meter   Meter
	// reference has the names of services and actions.
	reference *catalog.Reference

	thumbprint func(ctx context.Context, url string) (string, error)
	submitted  func(account, task string)
	notify     func(Notice)

	organizations Organizations
	issuer        Issuer
}

// New returns the service, for the gate.
func New(c Config) *gate.Service {
	s := &service{dir: c.Directory, managed: c.Managed, usage: c.Usage, reports: c.Reports, reference: catalog.ServiceReference(), thumbprint: c.Thumbprint,
		submitted: c.RoleDeletion, notify: c.Notify, meter: c.Meter, organizations: c.Organizations, issuer: c.Issuer}
	if s.meter == nil {
		s.meter = noMeter{}
	}
	return &gate.Service{
		API: shape.API, Handlers: shape.Bind[*gate.Call](s), Rows: rows(), Resource: resources{},
		Admit: admit, Source: "iam.amazonaws.com", Region: "us-east-1",
		Codes: gate.Codes{fault.Unreachable: {Code: "OpenIdIdpCommunicationError", Status: 400}},
	}
}

// rows joins the permission rows of all files.
func rows() map[string]gate.Row {
	all := make(map[string]gate.Row)
	for _, some := range []map[string]gate.Row{
		simulateRows,
		userRows, groupRows, accessKeyRows, accountRows, roleRows, policyRows, attachmentRows, inlineRows, boundaryRows,
		instanceProfileRows, oidcRows, mfaRows, samlProviderRows,
		loginProfileRows, passwordPolicyRows, serviceLinkedRows, delegationRows,
		sshPublicKeyRows, signingCertificateRows, serverCertificateRows, serviceCredentialRows,
		settingRows, roleTemplateRows, organizationRows,
		credentialReportRows, lastAccessedRows, organizationsReportRows,
	} {
		maps.Copy(all, some)
	}
	return all
}

// admit holds D2 and D3: credentials of GetSessionToken reach IAM only if they were got with MFA, those of
// GetFederationToken not at all, those of AssumeRoot as far as their task goes. AWS answers as if it did not know the token. Console
// sessions reach it, whoever has them.
func admit(c *gate.Call) error {
	p := c.Caller.Principal.Type
	if c.Caller.Console || c.Caller.Delegate != "" {
		return nil // what a delegation is for is in its policy
	}
	userSession := (p == policy.User || p == policy.Root) && c.Caller.Temporary && c.Caller.MFAAt.IsZero() && !c.Caller.AssumedRoot
	if userSession || p == policy.FederatedUser {
		return fault.New(fault.UnknownKey, "The security token included in the request is invalid")
	}
	return nil
}
