package directory

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Settings of an account that are in no other file: what sessions' tokens are like, its properties, outbound federation, and what
// an organization's management account has enabled for all accounts.

// DefaultTokenVersion is the version of session tokens of accounts that set none.
const DefaultTokenVersion = 2

// SetTokenVersion says which version of session tokens the global endpoint gives: 1 or 2.
func (tx *Tx) SetTokenVersion(account string, version int) (err error) {
	defer tx.note(&err)
	if version != 1 && version != 2 {
		return &fault.Error{Kind: fault.Invalid, Subject: "globalEndpointTokenVersion", Message: "The specified value for globalEndpointTokenVersion is invalid."}
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	acct.TokenVersion = version
	tx.put(entity.AccountKey(account), acct)
	return nil
}

// TokenVersion of an account.
func TokenVersion(acct *entity.Account) int {
	if acct.TokenVersion == 0 {
		return DefaultTokenVersion
	}
	return acct.TokenVersion
}

// Lengths of properties, and how many an account may have ("PutAccountProperties", API Reference; the number is ours).
const (
	maxPropertyKey   = 50
	maxPropertyValue = 1024
	maxProperties    = 50
)

// PutProperties sets properties of an account, all of one namespace; others stay.
func (tx *Tx) PutProperties(account string, set map[string]string) (err error) {
	defer tx.note(&err)
	if err := checkProperties(set); err != nil {
		return err
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	if acct.Properties == nil {
		acct.Properties = make(map[string]string)
	}
	for key, value := range set {
		acct.Properties[key] = value
	}
	if len(acct.Properties) > maxProperties {
		return badProperty("An account can have at most %d properties.", maxProperties)
	}
	tx.put(entity.AccountKey(account), acct)
	return nil
}

// PropertyNamespace is the part of a property's key before the slash.
func PropertyNamespace(key string) string {
	space, _, _ := strings.Cut(key, "/")
	return space
}

func checkProperties(set map[string]string) error {
	if len(set) == 0 {
		return badProperty("At least one property must be specified.")
	}
	spaces := make(map[string]bool)
	for key, value := range set {
		ok := len(key) <= maxPropertyKey && key != "" && (key[0]|0x20 >= 'a' && key[0]|0x20 <= 'z') && strings.Count(key, "/") == 1 && key[len(key)-1] != '/'
		for i := range len(key) {
			ok = ok && (isAlphanumeric(key[i]) || strings.IndexByte("/_-", key[i]) >= 0)
		}
		if !ok {
			return badProperty("The property key must be of the form Namespace/PropertyName.")
		}
		if n := utf8.RuneCountInString(value); n < 1 || n > maxPropertyValue {
			return badProperty("The value of the property %s must have 1 to %d characters.", key, maxPropertyValue)
		}
		spaces[PropertyNamespace(key)] = true
	}
	if len(spaces) > 1 {
		return badProperty("All properties must belong to the same namespace.")
	}
	return nil
}

func badProperty(format string, args ...any) error {
	return &fault.Error{Kind: fault.InvalidInput, Subject: "properties", Message: fmt.Sprintf(format, args...)}
}

// EnableOutbound lets principals of the account get tokens for services elsewhere. The account gets an identifier with the first
// time, a UUID, and keeps it when the feature is disabled and enabled again: who trusts the issuer goes on trusting this account.
func (tx *Tx) EnableOutbound(account string) (o *entity.Outbound, err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if acct.Outbound == nil {
		id, err := tx.newUUID()
		if err != nil {
			return nil, err
		}
		acct.Outbound = &entity.Outbound{ID: id}
	}
	if acct.Outbound.Enabled {
		return nil, fault.New(fault.FeatureOn, "Outbound web identity federation is already enabled for account %s.", account)
	}
	acct.Outbound.Enabled = true
	tx.put(entity.AccountKey(account), acct)
	return acct.Outbound, nil
}

// DisableOutbound ends it. Tokens that were given stay good until they expire.
func (tx *Tx) DisableOutbound(account string) (err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	if acct.Outbound == nil || !acct.Outbound.Enabled {
		return OutboundDisabled(account)
	}
	acct.Outbound.Enabled = false
	tx.put(entity.AccountKey(account), acct)
	return nil
}

// OutboundDisabled is the error for an account that has outbound federation off.
func OutboundDisabled(account string) error {
	return fault.New(fault.FeatureOff, "Outbound web identity federation is disabled for account %s.", account)
}

// Features of centralized root access, as the API names them.
const (
	RootCredentialsManagement = "RootCredentialsManagement"
	RootSessions              = "RootSessions"
)

// SetRootFeature enables or disables a feature for the organization whose management account it is. Doing so twice is no error.
// It returns what is enabled then, in the order of names.
func (tx *Tx) SetRootFeature(management, feature string, on bool) (enabled []string, err error) {
	defer tx.note(&err)
	if feature != RootCredentialsManagement && feature != RootSessions {
		return nil, &fault.Error{Kind: fault.Invalid, Subject: "feature", Message: "There is no feature with the name " + feature + "."}
	}
	acct, err := tx.account(management)
	if err != nil {
		return nil, err
	}
	i, has := slices.BinarySearch(acct.RootFeatures, feature)
	switch {
	case on && !has:
		acct.RootFeatures = slices.Insert(acct.RootFeatures, i, feature)
	case !on && has:
		acct.RootFeatures = slices.Delete(acct.RootFeatures, i, i+1)
	default:
		return acct.RootFeatures, nil
	}
	tx.put(entity.AccountKey(management), acct)
	return acct.RootFeatures, nil
}
