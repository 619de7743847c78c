package entity

import (
	"time"

	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

// Planes, for watches.
var (
	IdentityPlane = keyenc.Encode("id")
	UsagePlane    = keyenc.Encode("use")
	OpenJobsPlane = keyenc.Encode("job", "open")
	OutboxPlane   = keyenc.Encode("out")
	// UnownedOutbox begins the keys of events that are no node's.
	UnownedOutbox = keyenc.Encode("out", uint64(0))[:len(keyenc.Encode("out"))+1]
	// NodesPlane says which nodes a cluster has.
	NodesPlane = keyenc.Encode("node")
	// CachePlane is ElastiCache's: package inventory draws it.
	CachePlane  = keyenc.Encode("ec")
	SystemPlane = keyenc.Encode("sys")
	// TokenPlane is the inventory of hardware tokens.
	TokenPlane = keyenc.Encode("otp", "token")
	// UsedAssertions is all SAML assertions that were used and could be used again, in the order in which they may be forgotten.
	UsedAssertions = keyenc.Encode("otp", "saml")
)

// Keys of records.
func AccountKey(account string) []byte       { return keyenc.Encode("id", "account", account) }
func UserKey(account, id string) []byte      { return keyenc.Encode("id", "user", account, id) }
func GroupKey(account, id string) []byte     { return keyenc.Encode("id", "group", account, id) }
func RoleKey(account, id string) []byte      { return keyenc.Encode("id", "role", account, id) }
func PolicyKey(account, id string) []byte    { return keyenc.Encode("id", "policy", account, id) }
func AccessKeyKey(id string) []byte          { return keyenc.Encode("id", "key", id) }
func EpochKey(account string) []byte         { return keyenc.Encode("id", "epoch", account) }
func UniqueIDKey(id string) []byte           { return keyenc.Encode("ix", "uid", id) }
func AliasKey(alias string) []byte           { return keyenc.Encode("ix", "alias", alias) }
func CountKey(account string, k Kind) []byte { return keyenc.Encode("ix", "count", account, string(k)) }
func KeyUsageKey(accessKeyID string) []byte  { return keyenc.Encode("use", "key", accessKeyID) }
func RoleUsageKey(account, id string) []byte { return keyenc.Encode("use", "role", account, id) }
func OneTimeKey(serial string) []byte        { return keyenc.Encode("otp", "used", serial) }
func TokenKey(serial string) []byte          { return keyenc.Encode("otp", "token", FoldName(serial)) }
func OpenJobsKey(account string) []byte      { return keyenc.Encode("job", "open", account) }
func CredentialsKey(account string) []byte   { return keyenc.Encode("job", "credentials", account) }
func AccessReportKey(account, job string) []byte {
	return keyenc.Encode("job", "access", account, job)
}
func PasswordUsageKey(account, id string) []byte {
	return keyenc.Encode("use", "password", account, id)
}
func OutboxKey(nanos uint64, id string) []byte { return keyenc.Encode("out", nanos, id) }
func SystemKey(name string) []byte             { return keyenc.Encode("sys", name) }
func IssuerKey(account string) []byte          { return keyenc.Encode("iss", account) }
func NodeKey(node string) []byte               { return keyenc.Encode("node", node) }

// NodeOutbox begins the keys of the events that a node of a cluster has to move.
func NodeOutbox(node string) []byte { return keyenc.Encode("out", node) }

// NodeOutboxKey is the key of such an event.
func NodeOutboxKey(node string, nanos uint64, id string) []byte {
	return keyenc.Encode("out", node, nanos, id)
}

// AccessUsageKey is the key of a principal's last use of a service.
func AccessUsageKey(account, principal, service string) []byte {
	return keyenc.Encode("use", "access", account, principal, service)
}

// Accesses begins the keys of the last uses of services: all, those of an account, or those of a principal.
func Accesses(of ...string) []byte {
	parts := []any{"use", "access"}
	for _, p := range of {
		parts = append(parts, p)
	}
	return keyenc.Encode(parts...)
}

// AccessReports begins the keys of all access reports.
var AccessReports = keyenc.Encode("job", "access")

// CredentialReports begins the keys of all credential reports.
var CredentialReports = keyenc.Encode("job", "credentials")

// ReportParts begins the keys of all parts of reports.
var ReportParts = keyenc.Encode("job", "part")

// ReportPartKey is the key of a part of a report's text.
func ReportPartKey(account, text string, n int) []byte {
	return keyenc.Encode("job", "part", account, text, uint64(n))
}

// NameKey is the index record of a name; name need not be folded.
func NameKey(account string, k Kind, name string) []byte {
	return keyenc.Encode("ix", "name", account, string(k), FoldName(name))
}

// UsedAssertionKey is the key of a SAML assertion that was used: of the provider with that ID, by the SHA-256 of its own ID. It may
// be forgotten at a time that follows from the assertion.
func UsedAssertionKey(forget time.Time, account, providerID string, sum []byte) []byte {
	return keyenc.Encode("otp", "saml", uint64(max(forget.Unix(), 0)), account, providerID, string(sum))
}

// UsedAssertion is the record of an assertion that was used. Its key says all.
type UsedAssertion struct{}
