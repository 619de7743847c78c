package entity

import (
	"fmt"

	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

// Item is a record of one of the smaller kinds: credentials beyond access keys, MFA devices, certificates, identity providers,
// instance profiles. Items of every kind share one form of key, ("id", "item", account, kind, ID), and one index by name, so
// that a new kind is a type with these two methods and a line in the table below. The methods work on a nil pointer as far as
// Kind goes.
type Item interface {
	// Kind is the same for all items of a type.
	Kind() Kind
	// Place says where the item belongs.
	Place() Place
}

// Place is where an item belongs.
type Place struct {
	Account string
	ID      string // unique in the account and kind
	Name    string // unique in the account and kind, without case; lists are in the order of names. The ID where there is no name
	Path    string // empty where the kind has none
	Owner   string // the unique ID of the user or role that has it in its Owned; the account ID for the root user; or empty
	Unique  bool   // whether ID is a unique ID in AWS's form (AIPA…), entered in the index of these
}

// The kinds of items. Where a kind stands in ARNs, it is spelled as there.
const (
	KindLoginProfile       Kind = "login-profile"
	KindMFADevice          Kind = "mfa"
	KindSSHKey             Kind = "ssh-key"
	KindSigningCertificate Kind = "signing-certificate"
	KindServiceCredential  Kind = "service-credential"
	KindServerCertificate  Kind = "server-certificate"
	KindSAMLProvider       Kind = "saml-provider"
	KindOIDCProvider       Kind = "oidc-provider"
	KindInstanceProfile    Kind = "instance-profile"
	KindRoleDeletion       Kind = "role-deletion"

	KindDelegationTemplate   Kind = "delegation-template"
	KindDelegationRequest    Kind = "delegation-request"
	KindDelegationAssignment Kind = "delegation-assignment"
)

// itemKinds reads the items of each kind.
var itemKinds = map[Kind]func([]byte) (Item, error){
	KindLoginProfile:       decodeItem[LoginProfile],
	KindMFADevice:          decodeItem[MFADevice],
	KindSSHKey:             decodeItem[SSHKey],
	KindSigningCertificate: decodeItem[SigningCertificate],
	KindServiceCredential:  decodeItem[ServiceCredential],
	KindServerCertificate:  decodeItem[ServerCertificate],
	KindSAMLProvider:       decodeItem[SAMLProvider],
	KindOIDCProvider:       decodeItem[OIDCProvider],
	KindInstanceProfile:    decodeItem[InstanceProfile],
	KindRoleDeletion:       decodeItem[RoleDeletion],

	KindDelegationTemplate:   decodeItem[DelegationTemplate],
	KindDelegationRequest:    decodeItem[DelegationRequest],
	KindDelegationAssignment: decodeItem[DelegationAssignment],
}

func decodeItem[T any, P interface {
	*T
	Item
}](value []byte) (Item, error) {
	record, err := Decode[T](value)
	return P(record), err
}

// IsItemKind reports whether k is a kind of items.
func IsItemKind(k Kind) bool { return itemKinds[k] != nil }

// DecodeItem reads a stored item. A kind that this version does not know is an error.
func DecodeItem(k Kind, value []byte) (Item, error) {
	read, ok := itemKinds[k]
	if !ok {
		return nil, fmt.Errorf("entity: no items are of the kind %q", k)
	}
	item, err := read(value)
	if err != nil {
		return nil, err
	}
	return item, nil
}

// ItemKey is the key of an item.
func ItemKey(account string, k Kind, id string) []byte {
	return keyenc.Encode("id", "item", account, string(k), id)
}

// KeyOf is the key that an item belongs under.
func KeyOf(it Item) []byte {
	p := it.Place()
	return ItemKey(p.Account, it.Kind(), p.ID)
}

// NameRef is the value of the item's name in the index of names.
func (p Place) NameRef(k Kind) NameRef {
	return NameRef{Ref: Ref{Account: p.Account, Kind: k, ID: p.ID}, Path: p.Path, Name: p.Name}
}

// Owned lists the items that a user, a role or a root user has: IDs by kind, in the order in which they came.
type Owned map[Kind][]string
