package iam

import (
	"context"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// Organizations answers which organization an account belongs to.
type Organizations interface {
	// Of returns the organization of an account as the snapshot shows it; ok is false where the account is in none.
	Of(s *snapshot.Snapshot, account string) (o Organization, ok bool)
}

// Organization is what IAM has to know of one.
type Organization struct {
	ID          string   // o-exampleorgid
	Management  string   // the account ID of its management account
	Delegated   []string // accounts that are delegated administrators for iam.amazonaws.com
	AllFeatures bool     // and not consolidated billing alone
	Trusted     bool     // trusted access is enabled for iam.amazonaws.com
	Path        string   // from the organization down to the account: o-exampleorgid/r-ab12/ou-ab12-11111111/
}

// organizationRows are the permission rows of the operations on centralized root access: they have no resource.
var organizationRows = map[string]gate.Row{
	"ListOrganizationsFeatures":                     {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:ListOrganizationsFeatures")},
	"EnableOrganizationsRootCredentialsManagement":  {Decides: gate.ByPolicy, Checks: onEverything("iam:EnableOrganizationsRootCredentialsManagement")},
	"DisableOrganizationsRootCredentialsManagement": {Decides: gate.ByPolicy, Checks: onEverything("iam:DisableOrganizationsRootCredentialsManagement")},
	"EnableOrganizationsRootSessions":               {Decides: gate.ByPolicy, Checks: onEverything("iam:EnableOrganizationsRootSessions")},
	"DisableOrganizationsRootSessions":              {Decides: gate.ByPolicy, Checks: onEverything("iam:DisableOrganizationsRootSessions")},
}

// organization returns the organization that the caller may manage root access in: as its management account or a delegated
// administrator, or with own as its management account alone.
func (s *service) organization(c *gate.Call, own bool) (Organization, error) {
	var o Organization
	ok := s.organizations != nil
	if ok {
		o, ok = s.organizations.Of(c.Snapshot, c.Account())
	}
	delegated := slices.Contains(o.Delegated, c.Account())
	switch {
	case !ok:
		return Organization{}, fault.New(fault.NoOrganization, "Your account is not a member of an organization.")
	case c.Account() != o.Management && !delegated:
		return Organization{}, fault.New(fault.NotAdministrator,
			"Your account is not the management account or a delegated administrator for IAM of your organization.")
	case own && c.Account() != o.Management:
		return Organization{}, fault.New(fault.NotManagement, "Your account is not the management account of your organization.")
	case !o.AllFeatures:
		return Organization{}, fault.New(fault.PartialOrganization, "Your organization does not have all features enabled.")
	case !o.Trusted:
		return Organization{}, fault.New(fault.NoTrustedAccess, "Trusted access is not enabled for IAM in AWS Organizations.")
	}
	return o, nil
}

func (s *service) ListOrganizationsFeatures(_ context.Context, c *gate.Call, _ *shape.ListOrganizationsFeaturesRequest) (*shape.ListOrganizationsFeaturesResponse, error) {
	o, err := s.organization(c, false)
	if err != nil {
		return nil, err
	}
	out := &shape.ListOrganizationsFeaturesResponse{OrganizationId: &o.ID, EnabledFeatures: []string{}}
	if account, ok := c.Snapshot.Account(o.Management); ok {
		out.EnabledFeatures = append(out.EnabledFeatures, account.RootFeatures...)
	}
	return out, nil
}

// rootFeature enables or disables a feature and makes the answer of what is enabled then. Enabling is for the management account
// alone: the API lists an error for it that disabling does not have.
func rootFeature[T any](ctx context.Context, s *service, c *gate.Call, feature string, on bool, answer func(enabled []string, organization *string) T) (T, error) {
	o, err := s.organization(c, on)
	if err != nil {
		var none T
		return none, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (T, error) {
		enabled, err := tx.SetRootFeature(o.Management, feature, on)
		return answer(append([]string{}, enabled...), &o.ID), err
	})
}

func (s *service) EnableOrganizationsRootCredentialsManagement(ctx context.Context, c *gate.Call, _ *shape.EnableOrganizationsRootCredentialsManagementRequest) (*shape.EnableOrganizationsRootCredentialsManagementResponse, error) {
	return rootFeature(ctx, s, c, directory.RootCredentialsManagement, true, func(e []string, o *string) *shape.EnableOrganizationsRootCredentialsManagementResponse {
		return &shape.EnableOrganizationsRootCredentialsManagementResponse{EnabledFeatures: e, OrganizationId: o}
	})
}

func (s *service) DisableOrganizationsRootCredentialsManagement(ctx context.Context, c *gate.Call, _ *shape.DisableOrganizationsRootCredentialsManagementRequest) (*shape.DisableOrganizationsRootCredentialsManagementResponse, error) {
	return rootFeature(ctx, s, c, directory.RootCredentialsManagement, false, func(e []string, o *string) *shape.DisableOrganizationsRootCredentialsManagementResponse {
		return &shape.DisableOrganizationsRootCredentialsManagementResponse{EnabledFeatures: e, OrganizationId: o}
	})
}

func (s *service) EnableOrganizationsRootSessions(ctx context.Context, c *gate.Call, _ *shape.EnableOrganizationsRootSessionsRequest) (*shape.EnableOrganizationsRootSessionsResponse, error) {
	return rootFeature(ctx, s, c, directory.RootSessions, true, func(e []string, o *string) *shape.EnableOrganizationsRootSessionsResponse {
		return &shape.EnableOrganizationsRootSessionsResponse{EnabledFeatures: e, OrganizationId: o}
	})
}

func (s *service) DisableOrganizationsRootSessions(ctx context.Context, c *gate.Call, _ *shape.DisableOrganizationsRootSessionsRequest) (*shape.DisableOrganizationsRootSessionsResponse, error) {
	return rootFeature(ctx, s, c, directory.RootSessions, false, func(e []string, o *string) *shape.DisableOrganizationsRootSessionsResponse {
		return &shape.DisableOrganizationsRootSessionsResponse{EnabledFeatures: e, OrganizationId: o}
	})
}
