// Package inventory holds what ElastiCache resources there are: their records, a view of all of them in memory, and every
// change to them.
//
// Records lie in a plane of their own (entity.CachePlane). Reads come from a [View], which a [Follower] keeps current; writes
// are verbs of [Tx], inside a transaction of the directory, so that a record, the guards of the decision and the event are
// written together. What holds after every commit:
//
//   - A name is taken at most once among the resources of its type in its account and region, without regard to case; it is
//     kept in lower case, as AWS keeps it.
//   - A reference leads somewhere: what a record names exists, and knows how many use it, so that nothing in use is deleted.
//   - Numbers of resources are within their quotas.
//
// What a resource should be is written here; that it is so is the work of others, who write what they reached.
//
// Errors are [fault.Error]; the subject is the [Type] of the resource that is spoken of or one of the Subject constants, from which
// the service chooses AWS's code. The package knows no protocol and asks nobody for permission.
package inventory

import (
	"fmt"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
)

// Type is a type of resources, as their ARNs name it (S5-60).
type Type string

// The types.
const (
	Cluster            Type = "cluster"
	ReplicationGroup   Type = "replicationgroup"
	GlobalGroup        Type = "globalreplicationgroup"
	ParameterGroup     Type = "parametergroup"
	SubnetGroup        Type = "subnetgroup"
	SecurityGroup      Type = "securitygroup"
	Snapshot           Type = "snapshot"
	ReservedNode       Type = "reserved-instance"
	User               Type = "user"
	UserGroup          Type = "usergroup"
	ServerlessCache    Type = "serverlesscache"
	ServerlessSnapshot Type = "serverlesscachesnapshot"
)

// service is the service part of ARNs.
const service = "elasticache"

// ID names one resource. Region is empty for global replication groups, which belong to no region.
type ID struct {
	Account, Region string
	Type            Type
	Name            string
}

// NewID returns the ID of the resource with that name, in whatever case.
func NewID(account, region string, t Type, name string) ID {
	if t == GlobalGroup {
		region = ""
	}
	return ID{Account: account, Region: region, Type: t, Name: strings.ToLower(name)}
}

// ARN is the resource's name in policies.
func (id ID) ARN() string {
	return "arn:aws:" + service + ":" + id.Region + ":" + id.Account + ":" + string(id.Type) + ":" + id.Name
}

// ParseARN reads what ID.ARN writes; ok is false for anything else.
func ParseARN(text string) (id ID, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service() != service || a.Partition() != "aws" {
		return ID{}, false
	}
	t, name, ok := strings.Cut(a.Resource(), ":")
	if !ok || name == "" || types[Type(t)] == nil || (Type(t) == GlobalGroup) != (a.Region() == "") {
		return ID{}, false
	}
	return NewID(a.Account(), a.Region(), Type(t), name), true
}

// key is where the record lies.
func (id ID) key() []byte {
	return keyenc.Encode("ec", "record", id.Account, id.Region, string(id.Type), id.Name)
}

// shelf begins the keys of all records of the same account, region and type.
func (id ID) shelf() []byte {
	return keyenc.Encode("ec", "record", id.Account, id.Region, string(id.Type))
}

// countKey is where the number of records of a shelf lies. No view needs it.
func (id ID) countKey() []byte {
	return keyenc.Encode("ec", "count", id.Account, id.Region, string(id.Type))
}

// records begins the keys of all records.
var records = keyenc.Encode("ec", "record")

// Meta is what all resources have.
type Meta struct {
	Account, Region string
	Name            string
	CreatedAt       time.Time
	Tags            []entity.Tag `json:",omitempty"`
}

// About returns what all resources have.
func (m *Meta) About() *Meta { return m }

// Record is a resource.
type Record interface {
	About() *Meta
	// Type must not look at the record: it is asked of nil ones.
	Type() Type
}

// IDOf returns the ID of a resource.
func IDOf(r Record) ID {
	m := r.About()
	return NewID(m.Account, m.Region, r.Type(), m.Name)
}

// ARN returns a resource's name in policies.
func ARN(r Record) string { return IDOf(r).ARN() }

// types has a reader for every type that is built.
var types = map[Type]func(value []byte) (Record, error){
	ParameterGroup: reader[ParameterGroupRecord],
	ReservedNode:   reader[ReservationRecord],
	SecurityGroup:  reader[SecurityGroupRecord],
	SubnetGroup:    reader[SubnetGroupRecord],
	User:           reader[UserRecord],
	UserGroup:      reader[UserGroupRecord],
}

func reader[T any, P interface {
	*T
	Record
}](value []byte) (Record, error) {
	r, err := entity.Decode[T](value)
	if err != nil {
		return nil, err
	}
	return P(r), nil
}

// decode reads the record under key.
func decode(key, value []byte) (Record, error) {
	parts, err := keyenc.Decode(key)
	if err != nil {
		return nil, err
	}
	if len(parts) != 6 {
		return nil, fmt.Errorf("inventory: %s is no key of a record", keyenc.Print(key))
	}
	t, _ := parts[4].(string)
	read := types[Type(t)]
	if read == nil {
		return nil, fmt.Errorf("inventory: resources of the type %q are not known to this version", t)
	}
	r, err := read(value)
	if err != nil {
		return nil, err
	}
	if id := IDOf(r); string(id.key()) != string(key) {
		return nil, fmt.Errorf("inventory: the record under %s says that it is %s", keyenc.Print(key), id.ARN())
	}
	return r, nil
}
