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
)

// quotas is the one table of defaults (S4-240 to S4-250, S4-M57, S4-M58) and of the names that AWS's LimitExceeded
// sentences use. Sizes are in characters without white space.
var quotas = map[string]struct {
	standard int
	limit    string
}{
	UsersQuota:                    {5000, "UsersPerAccount"},
	GroupsQuota:                   {300, "GroupsPerAccount"},
	RolesQuota:                    {1000, "RolesPerAccount"},
	PoliciesQuota:                 {1500, "PoliciesPerAccount"},
	PolicyVersionsInUseQuota:      {10000, "PolicyVersionsInUse"},
	VersionsPerPolicyQuota:        {5, "VersionsPerPolicy"},
	GroupsPerUserQuota:            {10, "GroupsPerUser"},
	AccessKeysPerUserQuota:        {2, "AccessKeysPerUser"},
	AttachedPoliciesPerUserQuota:  {10, "PoliciesPerUser"},
	AttachedPoliciesPerGroupQuota: {10, "PoliciesPerGroup"},
	AttachedPoliciesPerRoleQuota:  {10, "PoliciesPerRole"},
	UserPolicySizeQuota:           {2048, "UserPolicySize"},
	GroupPolicySizeQuota:          {5120, "GroupPolicySize"},
	RolePolicySizeQuota:           {10240, "RolePolicySize"},
	PolicySizeQuota:               {6144, "PolicySize"},
	AssumeRolePolicySizeQuota:     {2048, "ACLSizePerRole"},
	TagsPerResourceQuota:          {50, "TagsPerResource"},
}

// Quota returns the quota of that name in force for an account; a nil account has the defaults. Unknown names are zero.
func Quota(acct *entity.Account, name string) int {
	if acct != nil {
		if n, ok := acct.Quotas[name]; ok {
			return n
		}
	}
	return quotas[name].standard
}

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
