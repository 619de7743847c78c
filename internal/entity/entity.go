// Package entity defines the records that Ostiary stores, their keys and their encoding. It holds no rules: those are
// directory's, the only writer.
//
// Keys are keyenc tuples. Planes, each with one first part:
//
//	("id", "account", account)               Account        what decisions are made from; the snapshot watches this plane
//	("id", "user", account, userID)          User
//	("id", "group", account, groupID)        Group
//	("id", "role", account, roleID)          Role
//	("id", "policy", account, policyID)      Policy         customer managed, with its versions
//	("id", "key", accessKeyID)               AccessKey      long-term keys of users and of the root user
//	("id", "item", account, kind, ID)        (an Item)      every smaller kind; see [Item]
//	("id", "epoch", account)                 Epoch          rewritten whenever documents shared by several principals change
//
//	("ix", "name", account, kind, name)      NameRef        unique names without case: name is folded with FoldName
//	("ix", "uid", uniqueID)                  Ref            AIDA…, AROA…, AGPA…, ANPA… to account and kind
//	("ix", "alias", alias)                   Ref            account aliases, unique over the installation
//	("ix", "count", account, kind)           Count          how many there are, for quotas
//
//	("use", "key", accessKeyID)              Usage          last use; outside the snapshot's watch, coalesced, lossy by minutes
//	("use", "role", account, roleID)         Usage
//	("use", "password", account, userID)     Usage          of the root user: the account ID in place of the user ID
//	("use", "access", account, ID, service)  Access         of a user, role or root user, by the prefix of the service's actions
//
//	("job", "open", account)                 OpenJobs       reports that are being made; what makes them watches these
//	("job", "credentials", account)          CredentialReport
//	("job", "access", account, jobID)        AccessReport
//	("job", "part", account, textID, n)      ReportPart     the text of a finished report, n from 0
//
//	("otp", "used", serial)                  OneTime        one-time codes used and missed, by a device's serial number; outside the watch
//	("otp", "token", serial)                 HardwareToken  the operator's inventory of hardware tokens; serial is folded
//
//	("iss", account)                         IssuerKeys     keys that sign the account's tokens for services elsewhere; read for every token, in no watch
//
//	("out", time, eventID)                   (an event)     the outbox: events committed with their write, moved to the trail
//	("out", node, time, eventID)             (an event)     the same in a cluster, by the node that moves it
//
//	("sys", name)                            (several)      format version, store ID, wrapped key ring, operator token's hash
//
//	("node", node)                           (package peer) the nodes of a cluster
//
// Records refer to each other by unique ID; a customer managed policy too. AWS managed policies are not stored: their IDs
// come from the catalog and begin with [AWSManagedPrefix]. A value is one version byte and JSON; see [Encode].
package entity

import (
	"strings"
	"time"
)

// Kind names a kind of entity in keys and references.
type Kind string

// The kinds.
const (
	KindAccount   Kind = "account"
	KindUser      Kind = "user"
	KindGroup     Kind = "group"
	KindRole      Kind = "role"
	KindPolicy    Kind = "policy"
	KindAccessKey Kind = "key"

	// KindPolicyVersion is counted only: all stored versions of an account's customer managed policies.
	KindPolicyVersion Kind = "version"
	// KindVirtualMFA is counted only: the virtual ones of an account's MFA devices.
	KindVirtualMFA Kind = "virtual-mfa"
)

// Prefixes of unique IDs (S4 section 34).
const (
	PrefixUser         = "AIDA"
	PrefixGroup        = "AGPA"
	PrefixRole         = "AROA"
	PrefixPolicy       = "ANPA"
	PrefixProfile      = "AIPA" // instance profiles
	PrefixPublicKey    = "APKA"
	PrefixCertificate  = "ASCA" // server certificates
	PrefixCredential   = "ACCA" // service-specific credentials
	PrefixLongTermKey  = "AKIA"
	PrefixTemporaryKey = "ASIA"

	// AWSManagedPrefix begins the IDs of AWS managed policies; the generator of customer policy IDs never makes it.
	AWSManagedPrefix = "ANPAI"
)

// Account is one account and its root user. The root user's unique ID is the account ID.
type Account struct {
	ID        string
	Name      string         `json:",omitempty"`
	Email     string         `json:",omitempty"`
	Alias     string         `json:",omitempty"`
	CreatedAt time.Time      // UTC, whole seconds, as all times here
	RootKeys  []string       `json:",omitempty"` // access key IDs, oldest first
	Suspended bool           `json:",omitempty"`
	Quotas    map[string]int `json:",omitempty"` // the operator's overrides, by quota name
	Owned     Owned          `json:",omitempty"` // of the root user

	PasswordPolicy *PasswordPolicy `json:",omitempty"` // nil: AWS's default

	TokenVersion int               `json:",omitempty"` // of session tokens from the global endpoint, 1 or 2; zero: the default
	Properties   map[string]string `json:",omitempty"` // as PutAccountProperties set them, by Namespace/PropertyName
	Outbound     *Outbound         `json:",omitempty"` // nil: outbound federation was never enabled
	STSRegions   map[string]bool   `json:",omitempty"` // regions of STS that were activated, true, or deactivated; absent: as from the beginning
	RootFeatures []string          `json:",omitempty"` // of a management account: centralized root access in its organization; sorted
}

// Outbound is an account as an issuer of tokens for services elsewhere.
type Outbound struct {
	ID      string // a UUID that the issuer's URL has in it; it stays
	Enabled bool   `json:",omitempty"`
}

// Tag is a key with a value. Keys of one user or role are unique without case, and the case given is kept; those of a policy
// are unique with case ("Tags for IAM resources", Case sensitivity).
type Tag struct {
	Key   string
	Value string
}

// InlinePolicy is a document embedded in one principal.
type InlinePolicy struct {
	Name     string
	Document string // as the user wrote it
}

// Grants is what a user, group or role carries.
type Grants struct {
	Attached []string       `json:",omitempty"` // policy IDs, in the order of attachment
	Inline   []InlinePolicy `json:",omitempty"` // sorted by name
	Boundary string         `json:",omitempty"` // policy ID; never set for groups
}

// User is an IAM user.
type User struct {
	ID        string
	Account   string
	Name      string
	Path      string // begins and ends with a slash
	CreatedAt time.Time
	Tags      []Tag `json:",omitempty"`
	Grants
	Groups []string `json:",omitempty"` // group IDs, in the order of joining
	Keys   []string `json:",omitempty"` // access key IDs, oldest first
	Owned  Owned    `json:",omitempty"`
}

// Group is an IAM group. Its members are found in the users' records.
type Group struct {
	ID        string
	Account   string
	Name      string
	Path      string
	CreatedAt time.Time
	Grants
	Members int `json:",omitempty"` // how many users have it in Groups
}

// Role is an IAM role.
type Role struct {
	ID          string
	Account     string
	Name        string
	Path        string
	CreatedAt   time.Time
	Description string        `json:",omitempty"`
	MaxSession  time.Duration // 1 h to 12 h, whole seconds
	// Trust is the trust policy as the user wrote it, except that the ARN of a user or role in a Principal or NotPrincipal
	// element stands replaced by that entity's unique ID. Readers put the ARN back as long as the entity exists (S2 section B).
	Trust         string
	Tags          []Tag  `json:",omitempty"`
	ServiceLinked string `json:",omitempty"` // the service principal of a service-linked role
	Grants
	Owned Owned `json:",omitempty"` // instance profiles
}

// PolicyVersion is one version of a customer managed policy.
type PolicyVersion struct {
	Number    int // 3 is shown as v3
	Document  string
	CreatedAt time.Time
}

// Policy is a customer managed policy.
type Policy struct {
	ID           string
	Account      string
	Name         string
	Path         string
	Description  string `json:",omitempty"`
	CreatedAt    time.Time
	UpdatedAt    time.Time
	Tags         []Tag           `json:",omitempty"`
	Default      int             // number of the default version
	Next         int             // number that the next version will get; numbers are never used again
	Versions     []PolicyVersion // oldest first
	Attachments  int             `json:",omitempty"` // to users, groups and roles
	BoundaryUses int             `json:",omitempty"` // as a permissions boundary of users and roles
}

// DefaultDocument returns the text of the default version.
func (p *Policy) DefaultDocument() string {
	for i := range p.Versions {
		if p.Versions[i].Number == p.Default {
			return p.Versions[i].Document
		}
	}
	return ""
}

// AccessKey is a long-term access key.
type AccessKey struct {
	ID        string
	Account   string
	User      string // user ID; the account ID for the root user
	Sealed    []byte // the secret, sealed under the key ring for seal.AccessKeySecret, with ID as the associated data
	Inactive  bool   `json:",omitempty"`
	CreatedAt time.Time
	ChangedAt time.Time `json:",omitzero"` // when it was last made active or inactive
}

// Rotated is when the key was made or last changed.
func (k *AccessKey) Rotated() time.Time {
	if k.ChangedAt.After(k.CreatedAt) {
		return k.ChangedAt
	}
	return k.CreatedAt
}

// Epoch is rewritten, with a new revision, by every change to a group's grants or ARN, to the default version of a managed
// policy or to whatever else several principals share. A decision relies on a principal's own record and on its account's epoch.
type Epoch struct{}

// Ref is the value of an index record.
type Ref struct {
	Account string
	Kind    Kind
	ID      string
}

// NameRef is the value of a name's index record. It has what the entity's ARN is made of, so that an ARN is resolved with
// one read.
type NameRef struct {
	Ref
	Path string
	Name string // with its case
}

// ARN of the entity.
func (r *NameRef) ARN() string { return iamARN(r.Account, string(r.Kind), r.Path, r.Name) }

// Count is how many entities of a kind an account has.
type Count struct{ N int }

// Usage is the last use of a key or role.
type Usage struct {
	At      time.Time
	Service string
	Region  string
}

// Access is when a principal last tried to use a service, allowed or not.
type Access struct {
	At      time.Time
	Region  string
	Actions map[string]ActionAccess `json:",omitempty"` // by name, without the service's prefix
}

// ActionAccess is when a principal last tried an action.
type ActionAccess struct {
	At     time.Time
	Region string
}

// Merge takes over what b knows later.
func (a *Access) Merge(b *Access) {
	if b.At.After(a.At) {
		a.At, a.Region = b.At, b.Region
	}
	for name, use := range b.Actions {
		if old, ok := a.Actions[name]; ok && !use.At.After(old.At) {
			continue
		}
		if a.Actions == nil {
			a.Actions = make(map[string]ActionAccess)
		}
		a.Actions[name] = use
	}
}

// FoldName maps a name to the form in which names are compared: IAM names are unique without regard to case (S4-F).
// Names are ASCII.
func FoldName(name string) string { return strings.ToLower(name) }
