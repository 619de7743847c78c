package directory

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// GlobalRegion is the region of STS's global endpoint. It is active for every account and cannot be deactivated (S2-365).
const GlobalRegion = "us-east-1"

// optIn are the regions that accounts have only when they enable them (AWS Account Management Reference Guide, "Enable or disable
// AWS Regions"), in the order of names. Those of 2019 and earlier are enabled for all.
var optIn = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
	"ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
}

// OptIn reports whether accounts do not have the region until it is enabled for them. Regions that AWS does not know are not such.
func OptIn(region string) bool {
	_, found := slices.BinarySearch(optIn, region)
	return found
}

// STSActive reports whether STS gives credentials for entities of the account at the endpoint of a region. All are active from the
// beginning (S2-365) but those that accounts have to enable. own is the installation's own region, which no account has to.
func STSActive(acct *entity.Account, region, own string) bool {
	if region == GlobalRegion {
		return true
	}
	if active, set := acct.STSRegions[region]; set {
		return active
	}
	return region == own || !OptIn(region)
}

// SetSTSRegion activates or deactivates the endpoint of a region for an account. Credentials that were given there stay good
// (S2-369). Doing so twice is no error. Which regions there are is the caller's to know.
func (tx *Tx) SetSTSRegion(account, region string, active bool) (acct *entity.Account, err error) {
	defer tx.note(&err)
	if region == GlobalRegion && !active {
		return nil, &fault.Error{Kind: fault.Invalid, Subject: region, Message: "STS cannot be deactivated in " + GlobalRegion + ", nor at the global endpoint."}
	}
	acct, err = tx.account(account)
	if err != nil {
		return nil, err
	}
	if region == GlobalRegion {
		return acct, nil
	}
	if acct.STSRegions == nil {
		acct.STSRegions = make(map[string]bool)
	}
	acct.STSRegions[region] = active
	tx.put(entity.AccountKey(account), acct)
	return acct, nil
}
