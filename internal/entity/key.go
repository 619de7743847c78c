package entity

import "github.com/ostiary-iam/ostiary/internal/keyenc"

// Planes, for watches.
var (
	IdentityPlane = keyenc.Encode("id")
	UsagePlane    = keyenc.Encode("use")
	OutboxPlane   = keyenc.Encode("out")
	// TokenPlane is the inventory of hardware tokens.
	TokenPlane = keyenc.Encode("otp", "token")
)

// Keys of records.
func AccountKey(account string) []byte         { return keyenc.Encode("id", "account", account) }
func UserKey(account, id string) []byte        { return keyenc.Encode("id", "user", account, id) }
func GroupKey(account, id string) []byte       { return keyenc.Encode("id", "group", account, id) }
func RoleKey(account, id string) []byte        { return keyenc.Encode("id", "role", account, id) }
func PolicyKey(account, id string) []byte      { return keyenc.Encode("id", "policy", account, id) }
func AccessKeyKey(id string) []byte            { return keyenc.Encode("id", "key", id) }
func EpochKey(account string) []byte           { return keyenc.Encode("id", "epoch", account) }
func UniqueIDKey(id string) []byte             { return keyenc.Encode("ix", "uid", id) }
func AliasKey(alias string) []byte             { return keyenc.Encode("ix", "alias", alias) }
func CountKey(account string, k Kind) []byte   { return keyenc.Encode("ix", "count", account, string(k)) }
func KeyUsageKey(accessKeyID string) []byte    { return keyenc.Encode("use", "key", accessKeyID) }
func RoleUsageKey(account, id string) []byte   { return keyenc.Encode("use", "role", account, id) }
func OneTimeKey(serial string) []byte          { return keyenc.Encode("otp", "used", serial) }
func TokenKey(serial string) []byte            { return keyenc.Encode("otp", "token", FoldName(serial)) }
func OutboxKey(nanos uint64, id string) []byte { return keyenc.Encode("out", nanos, id) }
func SystemKey(name string) []byte             { return keyenc.Encode("sys", name) }

// NameKey is the index record of a name; name need not be folded.
func NameKey(account string, k Kind, name string) []byte {
	return keyenc.Encode("ix", "name", account, string(k), FoldName(name))
}
