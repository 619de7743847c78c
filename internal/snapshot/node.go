package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Nodes are stored records as the snapshot holds them: decoded, with the revision that wrote them. A node is never changed
// after it was published, except for its slot of compiled policies. There may be a million users: userNode is counted in bytes.

type accountNode struct {
	entity.Account
	rev store.Revision
}

type userNode struct {
	entity.User
	rev  store.Revision
	slot slot
}

type groupNode struct {
	entity.Group
	rev  store.Revision
	slot slot
}

type roleNode struct {
	entity.Role
	rev  store.Revision
	slot slot
}

type policyNode struct {
	entity.Policy
	rev store.Revision
}

type keyNode struct {
	entity.AccessKey
	rev store.Revision
}

type itemNode struct {
	item entity.Item
	rev  store.Revision
}

type epochNode struct {
	account string
	rev     store.Revision
}

// slot is where the linked set of a principal is cached; see cache.
type slot = atomic.Pointer[linked]

// Prefixes of the keys of each kind. Keys are self-delimiting, so a prefix fits one kind only.
var (
	accountPrefix = keyenc.Encode("id", "account")
	userPrefix    = keyenc.Encode("id", "user")
	groupPrefix   = keyenc.Encode("id", "group")
	rolePrefix    = keyenc.Encode("id", "role")
	policyPrefix  = keyenc.Encode("id", "policy")
	keyPrefix     = keyenc.Encode("id", "key")
	itemPrefix    = keyenc.Encode("id", "item")
	epochPrefix   = keyenc.Encode("id", "epoch")
)

// decoder turns entries into nodes. It makes equal short strings one string: account IDs, paths and the IDs of policies
// and groups stand in many records; inline documents too may be the same in many. Not safe for concurrent use.
type decoder struct {
	interner
	documents interner
	scratch   []byte
}

// interner gives equal strings the same bytes. The zero value is ready.
type interner struct {
	seen  map[string]string
	bytes int
}

// Past these bounds an interner begins anew.
const (
	maxSeen      = 1 << 14
	maxSeenBytes = 4 << 20
)

func (n *interner) intern(b []byte) string {
	if known, ok := n.seen[string(b)]; ok {
		return known
	}
	return n.add(string(b))
}

func (n *interner) add(s string) string {
	if n.seen == nil || len(n.seen) >= maxSeen || n.bytes >= maxSeenBytes {
		n.seen, n.bytes = make(map[string]string), 0
	}
	n.seen[s] = s
	n.bytes += len(s)
	return s
}

// share replaces a string by one that is equal.
func (n *interner) share(s *string) {
	if known, ok := n.seen[*s]; ok {
		*s = known
	} else if *s != "" {
		n.add(*s)
	}
}

func (d *decoder) grants(g *entity.Grants) {
	for i := range g.Attached {
		d.share(&g.Attached[i])
	}
	for i := range g.Inline {
		d.share(&g.Inline[i].Name)
	}
	d.share(&g.Boundary)
}

// node decodes an entry into a *accountNode, *userNode, …, *itemNode or *epochNode, and checks that its key is the key of its content.
func (d *decoder) node(key, value []byte, rev store.Revision) (any, error) {
	switch {
	case bytes.HasPrefix(key, userPrefix):
		if n := (&userNode{rev: rev}); d.quickUser(value, &n.User) && bytes.Equal(key, entity.UserKey(n.Account, n.ID)) {
			return n, nil
		}
		rec, err := decode[entity.User](key, value, func(r *entity.User) []byte { return entity.UserKey(r.Account, r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.Account)
		d.share(&rec.Path)
		d.grants(&rec.Grants)
		for i := range rec.Groups {
			d.share(&rec.Groups[i])
		}
		return &userNode{User: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, keyPrefix):
		if n := (&keyNode{rev: rev}); d.quickKey(value, &n.AccessKey) && bytes.Equal(key, entity.AccessKeyKey(n.ID)) {
			return n, nil
		}
		rec, err := decode[entity.AccessKey](key, value, func(r *entity.AccessKey) []byte { return entity.AccessKeyKey(r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.Account)
		return &keyNode{AccessKey: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, rolePrefix):
		if n := (&roleNode{rev: rev}); d.quickRole(value, &n.Role) && bytes.Equal(key, entity.RoleKey(n.Account, n.ID)) {
			return n, nil
		}
		rec, err := decode[entity.Role](key, value, func(r *entity.Role) []byte { return entity.RoleKey(r.Account, r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.Account)
		d.share(&rec.Path)
		d.grants(&rec.Grants)
		return &roleNode{Role: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, groupPrefix):
		rec, err := decode[entity.Group](key, value, func(r *entity.Group) []byte { return entity.GroupKey(r.Account, r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.Account)
		d.share(&rec.Path)
		d.grants(&rec.Grants)
		return &groupNode{Group: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, policyPrefix):
		if n := (&policyNode{rev: rev}); d.quickPolicy(value, &n.Policy) && bytes.Equal(key, entity.PolicyKey(n.Account, n.ID)) {
			return n, nil
		}
		rec, err := decode[entity.Policy](key, value, func(r *entity.Policy) []byte { return entity.PolicyKey(r.Account, r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.Account)
		d.share(&rec.Path)
		return &policyNode{Policy: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, accountPrefix):
		rec, err := decode[entity.Account](key, value, func(r *entity.Account) []byte { return entity.AccountKey(r.ID) })
		if err != nil {
			return nil, err
		}
		d.share(&rec.ID)
		return &accountNode{Account: *rec, rev: rev}, nil
	case bytes.HasPrefix(key, itemPrefix):
		return d.item(key, value, rev)
	case bytes.HasPrefix(key, epochPrefix):
		_, account, err := parseKey(key)
		if err != nil {
			return nil, err
		}
		if _, err := decode[entity.Epoch](key, value, func(*entity.Epoch) []byte { return entity.EpochKey(account) }); err != nil {
			return nil, err
		}
		d.share(&account)
		return &epochNode{account: account, rev: rev}, nil
	}
	_, _, err := parseKey(key)
	return nil, errors.Join(errors.New("not a record of the identity plane"), err)
}

func (d *decoder) item(key, value []byte, rev store.Revision) (any, error) {
	kind, _, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	it, err := entity.DecodeItem(kind, value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyenc.Print(key), err)
	}
	if want := entity.KeyOf(it); !bytes.Equal(key, want) {
		return nil, fmt.Errorf("%s: the record belongs under %s", keyenc.Print(key), keyenc.Print(want))
	}
	return &itemNode{item: it, rev: rev}, nil
}

func decode[T any](key, value []byte, keyOf func(*T) []byte) (*T, error) {
	rec, err := entity.Decode[T](value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyenc.Print(key), err)
	}
	if !bytes.Equal(key, keyOf(rec)) {
		return nil, fmt.Errorf("%s: the record belongs under %s", keyenc.Print(key), keyenc.Print(keyOf(rec)))
	}
	return rec, nil
}

// kindEpoch is the kind of an epoch's key.
const kindEpoch entity.Kind = "epoch"

// parseKey returns the kind and the last part of a key of the identity plane: the ID, or the account for accounts and epochs;
// of an item, what stands for it in the table of items.
// A kind that this version does not know is an error.
func parseKey(key []byte) (entity.Kind, string, error) {
	parts, err := keyenc.Decode(key)
	if err != nil {
		return "", "", err
	}
	var texts [5]string
	n := copy(texts[:], textParts(parts))
	kind := entity.Kind(texts[1])
	if kind == "item" {
		kind = entity.Kind(texts[3])
		if n != 5 || len(parts) != 5 || !entity.IsItemKind(kind) {
			return "", "", fmt.Errorf("an item of a kind that this version does not know: %s", keyenc.Print(key))
		}
		return kind, itemID(texts[2], kind, texts[4]), nil
	}
	want := 4
	switch kind {
	case entity.KindAccount, entity.KindAccessKey, kindEpoch:
		want = 3
	case entity.KindUser, entity.KindGroup, entity.KindRole, entity.KindPolicy:
	default:
		return "", "", fmt.Errorf("a record of a kind that this version does not know: %s", keyenc.Print(key))
	}
	if n != want || len(parts) != want {
		return "", "", fmt.Errorf("%s: no key of a record", keyenc.Print(key))
	}
	return kind, texts[n-1], nil
}

// textParts returns the parts of a key up to the first that is not a string.
func textParts(parts []any) []string {
	var texts []string
	for _, p := range parts {
		text, ok := p.(string)
		if !ok {
			break
		}
		texts = append(texts, text)
	}
	return texts
}
