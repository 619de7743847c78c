package entity

import "time"

// IssuerKeys are the keys with which an account signs tokens for services elsewhere, ordered by when they sign. Package issuer is their
// only writer.
type IssuerKeys struct{ Keys []IssuerSigningKey }

// IssuerSigningKey is one key. What its public half is follows from the sealed private one: nothing that is published could be changed
// in the store without the key ring.
type IssuerSigningKey struct {
	ID        string
	Algorithm string
	Created   time.Time
	Signs     time.Time // from when on, until the next of its algorithm does
	Sealed    []byte    // PKCS #8, sealed for seal.TokenKey with [IssuerKeyBinding] as the associated data
}

// IssuerKeyBinding is what a sealed signing key is bound to.
func IssuerKeyBinding(account, keyID string) string { return account + "/" + keyID }
