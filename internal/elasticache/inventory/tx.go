package inventory

import (
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Tx is one transaction. Its methods are the verbs; records that they return belong to the caller. A verb that fails spoils
// the transaction.
type Tx struct{ plane directory.Plane }

// In returns the verbs for a transaction of the directory.
func In(tx *directory.Tx) Tx { return Tx{tx.Plane(entity.CachePlane)} }

// Subjects of errors beside the types.
const (
	SubjectTagQuota    = "tag quota"
	SubjectTag         = "tag"
	SubjectSubnet      = "subnet"
	SubjectSubnetQuota = "subnet quota"
	SubjectDefaultUser = "default user"
	SubjectIngress     = "ingress"
	SubjectUserName    = "user name"
	SubjectCombination = "combination of parameters"
)

// count is the number of resources of one type in an account and region.
type count struct{ N int }

// Now is the time of records.
func (tx Tx) Now() time.Time { return tx.plane.Now() }

// fail spoils the transaction.
func (tx Tx) fail(err error) error {
	tx.plane.Fail(err)
	return err
}

// find returns the resource of that name, nil where there is none.
func find[T any, P interface {
	*T
	Record
}](tx Tx, account, region, name string) (P, error) {
	e, ok, err := tx.plane.Get(NewID(account, region, P(nil).Type(), name).key())
	if err != nil || !ok {
		return nil, err
	}
	return entity.Decode[T](e.Value)
}

// must is find for what has to be there.
func must[T any, P interface {
	*T
	Record
}](tx Tx, account, region, name string) (P, error) {
	r, err := find[T, P](tx, account, region, name)
	if err == nil && r == nil {
		err = tx.fail(NotFound(P(nil).Type(), name))
	}
	return r, err
}

// create enters a new resource: its name must be free and the quota of its type not used up.
func (tx Tx) create(r Record) error {
	id := IDOf(r)
	_, taken, err := tx.plane.Get(id.key())
	if err != nil {
		return err
	}
	if taken {
		return tx.fail(alreadyExists(id.Type, id.Name))
	}
	n, err := tx.add(id, 1)
	if err != nil {
		return err
	}
	if n > quotas[id.Type] {
		return tx.fail(quotaExceeded(id.Type))
	}
	m := r.About()
	m.Name, m.CreatedAt = id.Name, tx.Now()
	if err := checkTags(m.Tags); err != nil {
		return tx.fail(err)
	}
	tx.put(r)
	return nil
}

// drop takes a resource out.
func (tx Tx) drop(r Record) error {
	id := IDOf(r)
	tx.plane.Delete(id.key())
	_, err := tx.add(id, -1)
	return err
}

func (tx Tx) put(r Record) { tx.plane.Put(IDOf(r).key(), entity.Encode(r)) }

// add changes the number of resources of an ID's shelf and returns the new one.
func (tx Tx) add(id ID, n int) (int, error) {
	var c count
	e, ok, err := tx.plane.Get(id.countKey())
	if err != nil {
		return 0, err
	}
	if ok {
		was, err := entity.Decode[count](e.Value)
		if err != nil {
			return 0, err
		}
		c = *was
	}
	if c.N += n; c.N == 0 {
		tx.plane.Delete(id.countKey())
	} else {
		tx.plane.Put(id.countKey(), entity.Encode(&c))
	}
	return c.N, nil
}

// quotas are how many resources of a type an account may have in a region ("Quotas for ElastiCache").
var quotas = map[Type]int{
	Cluster: 300, ReplicationGroup: 300, GlobalGroup: 300, ParameterGroup: 300, SubnetGroup: 300, SecurityGroup: 50,
	Snapshot: 10_000, ReservedNode: 300, User: 1000, UserGroup: 100, ServerlessCache: 40, ServerlessSnapshot: 1000,
}

// maxTags is the number of tags that a resource may have (ElastiCache user guide, "Tagging your resources").
const maxTags = 50

// Tag sets tags of a resource and returns all it has then.
func (tx Tx) Tag(id ID, tags []entity.Tag) ([]entity.Tag, error) {
	r, err := tx.any(id)
	if err != nil {
		return nil, err
	}
	m := r.About()
	for _, t := range tags {
		if i := slices.IndexFunc(m.Tags, func(has entity.Tag) bool { return has.Key == t.Key }); i >= 0 {
			m.Tags[i].Value = t.Value
		} else {
			m.Tags = append(m.Tags, t)
		}
	}
	if err := checkTags(m.Tags); err != nil {
		return nil, tx.fail(err)
	}
	tx.put(r)
	return m.Tags, nil
}

// Untag removes tags of a resource, each of which it must have, and returns those that are left.
func (tx Tx) Untag(id ID, keys []string) ([]entity.Tag, error) {
	r, err := tx.any(id)
	if err != nil {
		return nil, err
	}
	m := r.About()
	for _, key := range keys {
		i := slices.IndexFunc(m.Tags, func(t entity.Tag) bool { return t.Key == key })
		if i < 0 {
			return nil, tx.fail(&fault.Error{Kind: fault.NotFound, Subject: SubjectTag, Message: "The tag key " + key + " is not on the resource " + id.ARN() + "."})
		}
		m.Tags = slices.Delete(m.Tags, i, i+1)
	}
	tx.put(r)
	return m.Tags, nil
}

// any returns the resource with that ID, of whatever type.
func (tx Tx) any(id ID) (Record, error) {
	e, ok, err := tx.plane.Get(id.key())
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, tx.fail(NotFound(id.Type, id.Name))
	}
	return decode(e.Key, e.Value)
}

// checkTags holds what a resource's tags must be: at most fifty, keys once each, of 1 to 128 and values of up to 256 characters, and none
// of AWS's own.
func checkTags(tags []entity.Tag) error {
	if len(tags) > maxTags {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: SubjectTagQuota,
			Message: "The request cannot be processed because it would cause the resource to have more than the allowed number of tags. " +
				"The maximum number of tags permitted on a resource is 50."}
	}
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if seen[t.Key] {
			return fault.New(fault.InvalidInput, "Tag keys must be unique: %s is given twice.", t.Key)
		}
		seen[t.Key] = true
		if err := directory.CheckTag(t); err != nil {
			return err
		}
	}
	return nil
}
