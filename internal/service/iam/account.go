package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
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
func onEverything(action string) checks {
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
	after, err := page.Place(in.Marker)
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
	directory.InstanceProfilesQuota, directory.ServerCertificatesQuota, directory.SigningCertificatesPerUserQuota,
}

// present is how the summary says that the root user has items of a kind.
func present(account snapshot.Account, k entity.Kind) int { return min(len(account.Owned[k]), 1) }

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
		"MFADevices": 0, "MFADevicesInUse": 0,
		"Users": account.UserCount(), "Groups": account.GroupCount(), "Roles": account.RoleCount(),
		"Policies": account.PolicyCount(), "PolicyVersionsInUse": versions,
		"AccountAccessKeysPresent":   min(len(account.RootKeys), 1),
		"GlobalEndpointTokenVersion": directory.TokenVersion(account.Account),

		"InstanceProfiles":   snapshot.ItemCount[*entity.InstanceProfile](account),
		"ServerCertificates": snapshot.ItemCount[*entity.ServerCertificate](account),
		"Providers":          snapshot.ItemCount[*entity.SAMLProvider](account) + snapshot.ItemCount[*entity.OIDCProvider](account),

		"AccountMFAEnabled":                 present(account, entity.KindMFADevice),
		"AccountPasswordPresent":            present(account, entity.KindLoginProfile),
		"AccountSigningCertificatesPresent": present(account, entity.KindSigningCertificate),
	}
	for d := range snapshot.Items[*entity.MFADevice](account, "") {
		m["MFADevices"]++
		if d.Record.Owner != "" {
			m["MFADevicesInUse"]++
		}
	}
	for _, name := range summaryQuotas {
		m[name] = directory.Quota(account.Account, name)
	}
	return &shape.GetAccountSummaryResponse{SummaryMap: m}, nil
}
