package directory

import (
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Names of quotas: those of GetAccountSummary where it has one.
const (
	UsersQuota                    = "UsersQuota"
	GroupsQuota                   = "GroupsQuota"
	RolesQuota                    = "RolesQuota"
	PoliciesQuota                 = "PoliciesQuota"
	PolicyVersionsInUseQuota      = "PolicyVersionsInUseQuota"
	VersionsPerPolicyQuota        = "VersionsPerPolicyQuota"
	GroupsPerUserQuota            = "GroupsPerUserQuota"
	AccessKeysPerUserQuota        = "AccessKeysPerUserQuota"
	AttachedPoliciesPerUserQuota  = "AttachedPoliciesPerUserQuota"
	AttachedPoliciesPerGroupQuota = "AttachedPoliciesPerGroupQuota"
	AttachedPoliciesPerRoleQuota  = "AttachedPoliciesPerRoleQuota"
	UserPolicySizeQuota           = "UserPolicySizeQuota"
	GroupPolicySizeQuota          = "GroupPolicySizeQuota"
	RolePolicySizeQuota           = "RolePolicySizeQuota"
	PolicySizeQuota               = "PolicySizeQuota"
	AssumeRolePolicySizeQuota     = "AssumeRolePolicySizeQuota"
	TagsPerResourceQuota          = "TagsPerResourceQuota"

	UsersPerGroupQuota                     = "UsersPerGroupQuota"
	AccountAliasesQuota                    = "AccountAliasesQuota"
	InstanceProfilesQuota                  = "InstanceProfilesQuota"
	RolesPerInstanceProfileQuota           = "RolesPerInstanceProfileQuota"
	LoginProfilesPerUserQuota              = "LoginProfilesPerUserQuota"
	MFADevicesPerUserQuota                 = "MFADevicesPerUserQuota"
	VirtualMFADevicesQuota                 = "VirtualMFADevicesQuota"
	SSHPublicKeysPerUserQuota              = "SSHPublicKeysPerUserQuota"
	SigningCertificatesPerUserQuota        = "SigningCertificatesPerUserQuota"
	ServiceSpecificCredentialsPerUserQuota = "ServiceSpecificCredentialsPerUserQuota"
	ServerCertificatesQuota                = "ServerCertificatesQuota"
	SAMLProvidersQuota                     = "SAMLProvidersQuota"
	IdPsPerSAMLProviderQuota               = "IdPsPerSAMLProviderQuota"
	KeysPerSAMLProviderQuota               = "KeysPerSAMLProviderQuota"
	OIDCProvidersQuota                     = "OIDCProvidersQuota"
	ClientIDsPerOIDCProviderQuota          = "ClientIDsPerOIDCProviderQuota"
	ThumbprintsPerOIDCProviderQuota        = "ThumbprintsPerOIDCProviderQuota"
	DelegationRequestsQuota                = "DelegationRequestsQuota"

	// Rates of an account's requests. Package directory only keeps them: without one of its own, an account has the rate that its server
	// is configured with, and their default here is zero.
	ReadsPerSecondQuota  = "ReadsPerSecondQuota"
	WritesPerSecondQuota = "WritesPerSecondQuota"
)

// quota is one row of the table.
type quota struct {
	standard int
	limit    string // the name that AWS's LimitExceeded sentences use
	as       string // the quota whose number in force is the default of this one; standard is not used
	most     int    // what the operator can raise it to; zero: to anything. More than this the records do not hold
}

// quotas is the one table of defaults (S4-240 to S4-250, S4-M57, S4-M58). Sizes are in characters without white space. Lengths
// of names, paths and descriptions are the API model's and no quotas; so is that a user or role has one boundary.
var quotas = map[string]quota{
	UsersQuota:                    {standard: 5000, limit: "UsersPerAccount"},
	GroupsQuota:                   {standard: 300, limit: "GroupsPerAccount"},
	RolesQuota:                    {standard: 1000, limit: "RolesPerAccount"},
	PoliciesQuota:                 {standard: 1500, limit: "PoliciesPerAccount"},
	PolicyVersionsInUseQuota:      {standard: 10000, limit: "PolicyVersionsInUse"},
	VersionsPerPolicyQuota:        {standard: 5, limit: "VersionsPerPolicy"},
	GroupsPerUserQuota:            {standard: 10, limit: "GroupsPerUser"},
	UsersPerGroupQuota:            {as: UsersQuota, limit: "UsersPerGroup"},
	AccessKeysPerUserQuota:        {standard: 2, limit: "AccessKeysPerUser"}, // the root user's too
	AttachedPoliciesPerUserQuota:  {standard: 10, limit: "PoliciesPerUser"},
	AttachedPoliciesPerGroupQuota: {standard: 10, limit: "PoliciesPerGroup"},
	AttachedPoliciesPerRoleQuota:  {standard: 10, limit: "PoliciesPerRole"},
	UserPolicySizeQuota:           {standard: 2048, limit: "UserPolicySize"},
	GroupPolicySizeQuota:          {standard: 5120, limit: "GroupPolicySize"},
	RolePolicySizeQuota:           {standard: 10240, limit: "RolePolicySize"},
	PolicySizeQuota:               {standard: 6144, limit: "PolicySize"},
	AssumeRolePolicySizeQuota:     {standard: 2048, limit: "ACLSizePerRole"},
	TagsPerResourceQuota:          {standard: 50, limit: "TagsPerResource"},
	AccountAliasesQuota:           {standard: 1, limit: "AccountAliasesPerAccount", most: 1},
	InstanceProfilesQuota:         {standard: 1000, limit: "InstanceProfilesPerAccount"},
	RolesPerInstanceProfileQuota:  {standard: 1, limit: "InstanceSessionsPerInstanceProfile", most: 1},

	// Sign-in: the root user's devices are counted as a user's.
	LoginProfilesPerUserQuota: {standard: 1, limit: "LoginProfilesPerUser", most: 1},
	MFADevicesPerUserQuota:    {standard: 8, limit: "MFADevicesPerUser"},
	VirtualMFADevicesQuota:    {as: UsersQuota, limit: "VirtualMFADevicesPerAccount"},

	SSHPublicKeysPerUserQuota:              {standard: 5, limit: "SSHPublicKeysPerUser"},
	SigningCertificatesPerUserQuota:        {standard: 2, limit: "CertificatesPerUser"},
	ServiceSpecificCredentialsPerUserQuota: {standard: 2, limit: "ServiceSpecificCredentialsPerUser"}, // for each service
	ServerCertificatesQuota:                {standard: 20, limit: "ServerCertificatesPerAccount"},

	SAMLProvidersQuota:            {standard: 100, limit: "SAMLProvidersPerAccount"},
	IdPsPerSAMLProviderQuota:      {standard: 10, limit: "IdPsPerSAMLProvider"}, // entity descriptors of a metadata document
	KeysPerSAMLProviderQuota:      {standard: 10, limit: "KeysPerSAMLProvider"}, // certificates of a metadata document
	OIDCProvidersQuota:            {standard: 100, limit: "OpenIdConnectProvidersPerAccount"},
	ClientIDsPerOIDCProviderQuota: {standard: 100, limit: "ClientIdsPerOpenIdConnectProvider"},
	// AWS publishes none for delegation requests. They count with whoever makes them, until a week after they have expired.
	DelegationRequestsQuota: {standard: 1000, limit: "DelegationRequestsPerAccount"},

	ThumbprintsPerOIDCProviderQuota: {standard: 5, limit: "ThumbprintsPerOpenIdConnectProvider"},

	ReadsPerSecondQuota: {}, WritesPerSecondQuota: {},
}

// Quota returns the quota of that name in force for an account; a nil account has the defaults. Unknown names are zero.
func Quota(acct *entity.Account, name string) int {
	if acct != nil {
		if n, ok := acct.Quotas[name]; ok {
			return n
		}
	}
	q := quotas[name]
	if q.as != "" {
		return Quota(acct, q.as)
	}
	return q.standard
}

// MostQuota returns what the quota of that name can be raised to; zero is anything. What is more than that the records do not
// hold: one role in an instance profile, say.
func MostQuota(name string) int { return quotas[name].most }

// Quotas returns every quota in force for an account, by name.
func Quotas(acct *entity.Account) map[string]int {
	all := make(map[string]int, len(quotas))
	for name := range quotas {
		all[name] = Quota(acct, name)
	}
	return all
}

// checkQuota fails where n of something is more than the quota allows.
func checkQuota(acct *entity.Account, name string, n int) error {
	if limit := Quota(acct, name); n > limit {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: name,
			Message: fmt.Sprintf("Cannot exceed quota for %s: %d", quotas[name].limit, limit)}
	}
	return nil
}

// SetQuota sets an account's quota; nil goes back to the default. It is the operator's verb: what already exists stays,
// also where it is more than the new quota.
func (tx *Tx) SetQuota(account, name string, n *int) (acct *entity.Account, err error) {
	defer tx.note(&err)
	if _, ok := quotas[name]; !ok {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: name, Message: "There is no quota with the name " + name + "."}
	}
	if n != nil && *n < 0 {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: name, Message: "A quota cannot be less than zero."}
	}
	if most := quotas[name].most; n != nil && most > 0 && *n > most {
		return nil, fault.New(fault.InvalidInput, "The quota %s cannot be more than %d.", name, most)
	}
	acct, err = tx.account(account)
	if err != nil {
		return nil, err
	}
	if n == nil {
		delete(acct.Quotas, name)
	} else {
		if acct.Quotas == nil {
			acct.Quotas = make(map[string]int)
		}
		acct.Quotas[name] = *n
	}
	tx.put(entity.AccountKey(account), acct)
	return acct, nil
}
