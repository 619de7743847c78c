package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// accountRows are the permission rows of the operations on the account: they have no resource.
var accountRows = map[string]gate.Row{
	"CreateAccountAlias": {Decides: gate.ByPolicy, Checks: onEverything("iam:CreateAccountAlias")},
	"DeleteAccountAlias": {Decides: gate.ByPolicy, Checks: onEverything("iam:DeleteAccountAlias")},
	"ListAccountAliases": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:ListAccountAliases")},
	"GetAccountSummary":  {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetAccountSummary")},
}

// onEverything is the check of an action without resource types: policies must name *.
func onEverything(action string) func(*gate.Call) ([]authorizer.Check, error) {
	return func(*gate.Call) ([]authorizer.Check, error) {
		return []authorizer.Check{{Action: action, Resource: "*"}}, nil
	}
}

// CreateAccountAlias replaces the alias that the account has: there is at most one (S1-64).
func (s *service) CreateAccountAlias(ctx context.Context, c *gate.Call, in *shape.CreateAccountAliasRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.SetAlias(c.Account(), in.AccountAlias) })
}

func (s *service) DeleteAccountAlias(ctx context.Context, c *gate.Call, in *shape.DeleteAccountAliasRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteAlias(c.Account(), in.AccountAlias) })
}

func (s *service) ListAccountAliases(_ context.Context, c *gate.Call, in *shape.ListAccountAliasesRequest) (*shape.ListAccountAliasesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := place(in.Marker)
	if err != nil {
		return nil, err
	}
	out := &shape.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(false)}
	if account.Alias > after {
		out.AccountAliases = append(out.AccountAliases, account.Alias)
	}
	return out, nil
}

// summaryQuotas are the quotas that the summary shows.
var summaryQuotas = []string{
	directory.UsersQuota, directory.GroupsQuota, directory.RolesQuota, directory.PoliciesQuota,
	directory.PolicyVersionsInUseQuota, directory.VersionsPerPolicyQuota, directory.GroupsPerUserQuota,
	directory.AccessKeysPerUserQuota, directory.AttachedPoliciesPerUserQuota, directory.AttachedPoliciesPerGroupQuota,
	directory.AttachedPoliciesPerRoleQuota, directory.UserPolicySizeQuota, directory.GroupPolicySizeQuota,
	directory.RolePolicySizeQuota, directory.PolicySizeQuota, directory.AssumeRolePolicySizeQuota,
}

// notYet are entries about what cannot be made yet: there is none, and none is allowed.
var notYet = []string{
	"AccountMFAEnabled", "AccountPasswordPresent", "AccountSigningCertificatesPresent", "InstanceProfiles",
	"InstanceProfilesQuota", "MFADevices", "MFADevicesInUse", "Providers", "ServerCertificates", "ServerCertificatesQuota",
	"SigningCertificatesPerUserQuota",
}

// GetAccountSummary counts what the account has and shows the quotas in force (S4-243, S4-M60).
func (s *service) GetAccountSummary(_ context.Context, c *gate.Call, _ *shape.GetAccountSummaryRequest) (*shape.GetAccountSummaryResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	versions := 0
	for p := range account.Policies("") {
		versions += len(p.Versions)
	}
	m := map[string]int{
		"Users": account.UserCount(), "Groups": account.GroupCount(), "Roles": account.RoleCount(),
		"Policies": account.PolicyCount(), "PolicyVersionsInUse": versions,
		"AccountAccessKeysPresent":   min(len(account.RootKeys), 1),
		"GlobalEndpointTokenVersion": 2, // session tokens are valid in every region
	}
	for _, name := range summaryQuotas {
		m[name] = directory.Quota(account.Account, name)
	}
	for _, name := range notYet {
		m[name] = 0
	}
	return &shape.GetAccountSummaryResponse{SummaryMap: m}, nil
}
