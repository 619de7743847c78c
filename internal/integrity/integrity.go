// Package integrity checks that the records of a store hold together: that every record can be read and stands under its own key, and
// what package directory promises after every commit: that names, unique IDs and counts are those of the entities, that references
// lead somewhere and that numbers kept beside facts are right.
//
// It reads one state and changes nothing. It holds names and references in memory, some hundreds of bytes for each entity, and no
// documents.
package integrity

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Problem is one thing that is not as it should be.
type Problem struct {
	Key  string // of the record, printed
	Text string
}

// Stats is what was looked at.
type Stats struct {
	Records int
	Latest  time.Time // the latest time that a record says was when it was made or used
}

// Check reads the state that r shows and reports every problem. Its error is that of reading.
func Check(r store.Reader, report func(Problem)) (Stats, error) {
	c := &check{
		r: r, report: report, index: map[string]digest{}, counts: map[string]int{}, accounts: map[string]bool{},
		policies: map[string]*policy{}, groups: map[string]*group{}, keys: map[string]*key{}, items: map[string]*item{}, others: map[string]bool{},
		tokens: map[string]*entity.HardwareToken{}, serials: map[string]bool{}, open: map[string][]string{},
	}
	for _, pass := range []func() error{
		func() error { return each(c, c.account, "id", "account") },
		func() error { return each(c, c.policy, "id", "policy") },
		func() error { return each(c, c.group, "id", "group") },
		func() error { return each(c, c.key, "id", "key") },
		func() error { return each(c, c.token, "otp", "token") },
		c.allItems,
		func() error { return each(c, c.owner, "id", "account") },
		func() error { return each(c, c.role, "id", "role") },
		func() error { return each(c, c.user, "id", "user") },
		func() error { return each(c, func(string, string, *entity.Epoch) {}, "id", "epoch") },
		c.sums, c.indexes, c.rest,
	} {
		if err := pass(); err != nil {
			return c.stats, err
		}
	}
	return c.stats, nil
}

type (
	digest [8]byte
	policy struct {
		account                                     string
		wantAttached, wantBounds, attached, asBound int
	}
	group struct {
		account       string
		want, members int
	}
	key struct {
		account, user string
		listed        bool
	}
	item struct {
		owner  string
		listed bool
	}
)

type check struct {
	r      store.Reader
	report func(Problem)
	stats  Stats

	index    map[string]digest // key of an index record that should be there → its value
	counts   map[string]int    // key of a count → what it should be
	accounts map[string]bool
	policies map[string]*policy
	groups   map[string]*group
	keys     map[string]*key
	items    map[string]*item // by key of the record
	others   map[string]bool  // IDs of users and roles
	tokens   map[string]*entity.HardwareToken
	serials  map[string]bool     // of devices and tokens
	open     map[string][]string // account → jobs that have no end
	current  []byte              // key that is looked at
}

func (c *check) problem(format string, args ...any) {
	c.report(Problem{Key: keyenc.Print(c.current), Text: fmt.Sprintf(format, args...)})
}

// saw notes a time that a record holds.
func (c *check) saw(times ...time.Time) {
	for _, t := range times {
		if t.After(c.stats.Latest) {
			c.stats.Latest = t
		}
	}
}

// each reads all records of one kind. Keys end with an account, if there are two parts behind the kind, and an ID.
func each[T any](c *check, see func(account, id string, record *T), prefix ...any) error {
	for e, err := range c.r.Range(keyenc.Encode(prefix...)) {
		if err != nil {
			return err
		}
		c.current = e.Key
		parts, err := keyenc.Decode(e.Key)
		if err != nil {
			c.problem("the key cannot be read")
			continue
		}
		id, _ := parts[len(parts)-1].(string)
		account := ""
		if len(parts) > 3 {
			account, _ = parts[2].(string)
		}
		record, err := entity.Decode[T](e.Value)
		if err != nil {
			c.problem("the record cannot be read: %v", err)
			continue
		}
		see(account, id, record)
	}
	return nil
}

// place checks that a record stands under its own key.
func (c *check) place(own []byte) {
	if !bytes.Equal(own, c.current) {
		c.problem("the record belongs under %s", keyenc.Print(own))
	}
}

func (c *check) expect(key []byte, value any) {
	sum := sha256.Sum256(entity.Encode(value))
	if _, taken := c.index[string(key)]; taken {
		c.problem("another record has the same name or ID: %s", keyenc.Print(key))
	}
	c.index[string(key)] = digest(sum[:8])
}

// named expects the entries of an entity in the indexes.
func (c *check) named(kind entity.Kind, account, id, path, name string) {
	ref := entity.Ref{Account: account, Kind: kind, ID: id}
	c.expect(entity.NameKey(account, kind, name), &entity.NameRef{Ref: ref, Path: path, Name: name})
	c.expect(entity.UniqueIDKey(id), &ref)
	c.counts[string(entity.CountKey(account, kind))]++
	c.within(account)
}

func (c *check) within(account string) {
	if !c.accounts[account] {
		c.problem("it is in the account %q, which does not exist", account)
	}
}

func (c *check) account(_, id string, a *entity.Account) {
	c.place(entity.AccountKey(a.ID))
	c.accounts[id] = true
	c.saw(a.CreatedAt)
	if a.Alias != "" {
		c.expect(entity.AliasKey(a.Alias), &entity.Ref{Account: id, Kind: entity.KindAccount, ID: id})
	}
}

func (c *check) policy(account, id string, p *entity.Policy) {
	c.place(entity.PolicyKey(p.Account, p.ID))
	c.named(entity.KindPolicy, account, id, p.Path, p.Name)
	c.counts[string(entity.CountKey(account, entity.KindPolicyVersion))] += len(p.Versions)
	c.saw(p.CreatedAt, p.UpdatedAt)
	if len(p.Versions) == 0 || p.DefaultDocument() == "" || p.Versions[len(p.Versions)-1].Number >= p.Next {
		c.problem("its versions do not hold together: default v%d, next v%d, %d versions", p.Default, p.Next, len(p.Versions))
	}
	c.policies[id] = &policy{account: account, wantAttached: p.Attachments, wantBounds: p.BoundaryUses}
}

func (c *check) grants(account string, g *entity.Grants) {
	uses := func(id string, count func(*policy)) {
		if strings.HasPrefix(id, entity.AWSManagedPrefix) {
			return
		}
		p := c.policies[id]
		if p == nil || p.account != account {
			c.problem("it refers to the policy %s, which is not in its account", id)
			return
		}
		count(p)
	}
	for i, id := range g.Attached {
		if slices.Contains(g.Attached[:i], id) {
			c.problem("the policy %s is attached twice", id)
		}
		uses(id, func(p *policy) { p.attached++ })
	}
	if g.Boundary != "" {
		uses(g.Boundary, func(p *policy) { p.asBound++ })
	}
	if !slices.IsSortedFunc(g.Inline, func(a, b entity.InlinePolicy) int { return strings.Compare(a.Name, b.Name) }) {
		c.problem("its inline policies are out of order")
	}
}

func (c *check) group(account, id string, g *entity.Group) {
	c.place(entity.GroupKey(g.Account, g.ID))
	c.named(entity.KindGroup, account, id, g.Path, g.Name)
	c.grants(account, &g.Grants)
	c.saw(g.CreatedAt)
	c.groups[id] = &group{account: account, want: g.Members}
}

func (c *check) key(_, id string, k *entity.AccessKey) {
	c.place(entity.AccessKeyKey(k.ID))
	c.within(k.Account)
	c.saw(k.CreatedAt, k.ChangedAt)
	c.keys[id] = &key{account: k.Account, user: k.User}
}

// lists checks what an owner lists: access keys and items.
func (c *check) lists(account, owner string, keys []string, owned entity.Owned) {
	for _, id := range keys {
		k := c.keys[id]
		if k == nil || k.user != owner || k.account != account || k.listed {
			c.problem("it lists the access key %s, which is not its own, not there, or listed twice", id)
			continue
		}
		k.listed = true
	}
	for kind, ids := range owned {
		if len(ids) == 0 {
			c.problem("it keeps an empty list of %s", kind)
		}
		for _, id := range ids {
			it := c.items[string(entity.ItemKey(account, kind, id))]
			if it == nil || it.owner != owner || it.listed {
				c.problem("it lists the %s %s, which is not its own, not there, or listed twice", kind, id)
				continue
			}
			it.listed = true
		}
	}
}

func (c *check) owner(_, id string, a *entity.Account) { c.lists(id, id, a.RootKeys, a.Owned) }

func (c *check) role(account, id string, r *entity.Role) {
	c.place(entity.RoleKey(r.Account, r.ID))
	c.named(entity.KindRole, account, id, r.Path, r.Name)
	c.grants(account, &r.Grants)
	c.lists(account, id, nil, r.Owned)
	c.saw(r.CreatedAt)
	c.others[id] = true
}

func (c *check) user(account, id string, u *entity.User) {
	c.place(entity.UserKey(u.Account, u.ID))
	c.named(entity.KindUser, account, id, u.Path, u.Name)
	c.grants(account, &u.Grants)
	c.lists(account, id, u.Keys, u.Owned)
	c.saw(u.CreatedAt)
	for i, id := range u.Groups {
		g := c.groups[id]
		if g == nil || g.account != account || slices.Contains(u.Groups[:i], id) {
			c.problem("it is in the group %s, which is not in its account, or twice", id)
			continue
		}
		g.members++
	}
	c.others[id] = true
}

// sums compares the numbers that records keep with what was counted.
func (c *check) sums() error {
	for id, p := range c.policies {
		if p.attached != p.wantAttached || p.asBound != p.wantBounds {
			c.current = entity.PolicyKey(p.account, id)
			c.problem("it counts %d attachments and %d uses as a boundary, and has %d and %d", p.wantAttached, p.wantBounds, p.attached, p.asBound)
		}
	}
	for id, g := range c.groups {
		if g.members != g.want {
			c.current = entity.GroupKey(g.account, id)
			c.problem("it counts %d members and has %d", g.want, g.members)
		}
	}
	for id, k := range c.keys {
		if !k.listed {
			c.current = entity.AccessKeyKey(id)
			c.problem("its owner %s does not list it", k.user)
		}
	}
	for at, it := range c.items {
		if it.owner != "" && !it.listed {
			c.current = []byte(at)
			c.problem("its owner %s does not list it", it.owner)
		}
	}
	return nil
}

// indexes compares the index plane with what the entities should have there.
func (c *check) indexes() error {
	for e, err := range c.r.Range(keyenc.Encode("ix")) {
		if err != nil {
			return err
		}
		c.current = e.Key
		if bytes.HasPrefix(e.Key, countPrefix) {
			n, err := entity.Decode[entity.Count](e.Value)
			if err != nil {
				c.problem("the record cannot be read: %v", err)
			} else if want := c.counts[string(e.Key)]; n.N != want {
				c.problem("it counts %d and there are %d", n.N, want)
			}
			delete(c.counts, string(e.Key))
			continue
		}
		want, ok := c.index[string(e.Key)]
		sum := sha256.Sum256(e.Value)
		switch {
		case !ok:
			c.problem("it leads to nothing")
		case want != digest(sum[:8]):
			c.problem("it does not say what the record that it leads to says")
		}
		delete(c.index, string(e.Key))
	}
	for at := range c.index {
		c.current = []byte(at)
		c.problem("it is missing")
	}
	for at, n := range c.counts {
		if n != 0 {
			c.current = []byte(at)
			c.problem("it is missing, and should be %d", n)
		}
	}
	return nil
}

var countPrefix = keyenc.Encode("ix", "count")

// wrap gives errors of reading their step.
func wrap(err error) error { return fault.Wrap(err, "checking the store") }
