package cell

import (
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// records returns every record of an account, by key: all that moves with it. What stays is the outbox, whose events go to the
// trail of the cell where they happened.
func records(r store.Reader, account string) (map[string][]byte, error) {
	c := collector{Reader: r, account: account, found: make(map[string][]byte)}
	for _, collect := range []func() error{c.identities, c.indexes, c.uses, c.codes} {
		if err := collect(); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

type collector struct {
	store.Reader
	account string
	found   map[string][]byte
	alias   string
	unique  []string // unique IDs in the index
	keys    []string // access keys
	serials []string // of MFA devices
}

func (c *collector) one(key []byte) error {
	e, ok, err := c.Get(key)
	if ok && err == nil {
		c.found[string(key)] = e.Value
	}
	return err
}

// all takes the records whose keys begin with these parts, and shows each to look, if it is not nil.
func (c *collector) all(look func(store.Entry) error, parts ...any) error {
	for e, err := range c.Range(keyenc.Encode(parts...)) {
		if err != nil {
			return err
		}
		c.found[string(e.Key)] = e.Value
		if look != nil {
			if err := look(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// decoded shows a record to look.
func decoded[T any](look func(*T)) func(store.Entry) error {
	return func(e store.Entry) error {
		record, err := entity.Decode[T](e.Value)
		if err == nil {
			look(record)
		}
		return err
	}
}

// identities takes the identity plane, and notes what leads elsewhere.
func (c *collector) identities() error {
	a := c.account
	steps := []error{
		c.all(decoded(func(r *entity.Account) {
			c.alias = r.Alias
			c.keys = append(c.keys, r.RootKeys...)
		}), "id", "account", a),
		c.all(decoded(func(r *entity.User) {
			c.unique = append(c.unique, r.ID)
			c.keys = append(c.keys, r.Keys...)
		}), "id", "user", a),
		c.all(decoded(func(r *entity.Group) { c.unique = append(c.unique, r.ID) }), "id", "group", a),
		c.all(decoded(func(r *entity.Role) { c.unique = append(c.unique, r.ID) }), "id", "role", a),
		c.all(decoded(func(r *entity.Policy) { c.unique = append(c.unique, r.ID) }), "id", "policy", a),
		c.all(c.item, "id", "item", a),
		c.all(nil, "id", "epoch", a),
	}
	for _, err := range steps {
		if err != nil {
			return err
		}
	}
	for _, id := range c.keys {
		if err := c.one(entity.AccessKeyKey(id)); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) item(e store.Entry) error {
	parts, err := keyenc.Decode(e.Key)
	if err != nil {
		return err
	}
	kind, _ := parts[3].(string)
	it, err := entity.DecodeItem(entity.Kind(kind), e.Value)
	if err != nil {
		return err
	}
	place := it.Place()
	if place.Unique {
		c.unique = append(c.unique, place.ID)
	}
	if it.Kind() == entity.KindMFADevice {
		c.serials = append(c.serials, place.ID)
	}
	return nil
}

func (c *collector) indexes() error {
	for _, kind := range []string{"name", "count"} {
		if err := c.all(nil, "ix", kind, c.account); err != nil {
			return err
		}
	}
	for _, id := range c.unique {
		if err := c.one(entity.UniqueIDKey(id)); err != nil {
			return err
		}
	}
	if c.alias != "" {
		return c.one(entity.AliasKey(c.alias))
	}
	return nil
}

// uses takes last uses and reports.
func (c *collector) uses() error {
	for _, kind := range []string{"role", "password", "access"} {
		if err := c.all(nil, "use", kind, c.account); err != nil {
			return err
		}
	}
	for _, id := range c.keys {
		if err := c.one(entity.KeyUsageKey(id)); err != nil {
			return err
		}
	}
	for _, kind := range []string{"open", "credentials", "access", "part"} {
		if err := c.all(nil, "job", kind, c.account); err != nil {
			return err
		}
	}
	return nil
}

// codes takes the use of one-time codes and assertions, and the account's tokens in the operator's inventory.
func (c *collector) codes() error {
	for _, serial := range c.serials {
		for _, key := range [][]byte{entity.OneTimeKey(serial), entity.TokenKey(serial)} {
			if err := c.one(key); err != nil {
				return err
			}
		}
	}
	for e, err := range c.Range(entity.UsedAssertions) {
		if err != nil {
			return err
		}
		if AccountOf(e.Key) == c.account {
			c.found[string(e.Key)] = e.Value
		}
	}
	return nil
}
