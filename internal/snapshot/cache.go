package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// Managed finds AWS managed policies; *catalog.Managed is one.
type Managed interface {
	// ByID returns the policy with that unique ID.
	ByID(id string) (*catalog.ManagedPolicy, bool)
}

// linked is what decisions about one principal need, compiled. It is immutable but for used, and for what the cache's lock
// protects.
type linked struct {
	shared   store.Revision // of the account when it was made
	identity []*policy.Policy
	boundary *policy.Policy
	trust    *policy.Policy
	used     atomic.Bool // since the hand came by

	// A principal that is seen often gets its identity policies merged into one program; uses counts up to there.
	uses    atomic.Uint32
	program atomic.Pointer[policy.Program]

	docs []*compiled // what it holds in the cache, an entry per use
	slot *slot       // where it is cached; protected by cache.mu, as is place
	// place is its index in cache.ring; -1 outside.
	place int
	extra int64 // what program weighs; protected by cache.mu
}

// touch notes a use. Writing only when it changes something keeps the cache line shared among readers.
func (l *linked) touch() {
	if !l.used.Load() {
		l.used.Store(true)
	}
}

// compiled is a policy that principals share. refs is protected by cache.mu; the policy is there once once is done.
type compiled struct {
	key    docKey
	refs   int
	once   sync.Once
	policy *policy.Policy
}

type docKey struct {
	kind policy.Kind
	name string
	size int
	sum  [sha256.Size]byte
}

// What things in the cache are taken to weigh, in bytes. The AWS managed policies, compiled, were measured at six times their
// text; this is on the safe side.
const (
	linkedCost   = 1024 // a set, and the record that an abandoned one keeps alive
	compiledCost = 1024
	textFactor   = 8
)

func (k *docKey) cost() int64 { return compiledCost + textFactor*int64(k.size) }

// cache bounds the linked sets in the slots of principals and shares compiled documents among them. Hits do not come here:
// they read the slot. The lock is held for bookkeeping only, never while a document is compiled.
type cache struct {
	managed Managed
	failed  func(name string, err error)
	budget  int64

	mu       sync.Mutex
	compiled map[docKey]*compiled
	ring     []*linked
	hand     int
	bytes    int64
}

// cacheStats is what tests and metrics may know of a cache.
func (c *cache) stats() (documents, sets int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.compiled), len(c.ring), c.bytes
}

// compile returns the compiled form of a document, shared, and holds it until release.
func (c *cache) compile(kind policy.Kind, name, text string) *compiled {
	key := docKey{kind: kind, name: name, size: len(text), sum: sha256.Sum256([]byte(text))}
	c.mu.Lock()
	doc, ok := c.compiled[key]
	if !ok {
		doc = &compiled{key: key}
		c.compiled[key] = doc
		c.bytes += key.cost()
	}
	doc.refs++
	c.mu.Unlock()
	doc.once.Do(func() { doc.policy = c.build(kind, name, text) })
	return doc
}

func (c *cache) build(kind policy.Kind, name, text string) *policy.Policy {
	parsed, err := policy.Parse([]byte(text))
	if err != nil {
		return c.deny(kind, name, err)
	}
	p, err := policy.Compile(kind, name, parsed)
	if err != nil {
		return c.deny(kind, name, err)
	}
	return p
}

var errMissing = errors.New("it is referred to and does not exist")

// deny returns a policy that denies everything, in place of one that cannot be had.
func (c *cache) deny(kind policy.Kind, name string, cause error) *policy.Policy {
	if c.failed != nil {
		c.failed(name, cause)
	}
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
	if kind == policy.Trust {
		text = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}`
	}
	parsed, err := policy.Parse([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("snapshot: the policy that denies everything: %v", err))
	}
	p, err := policy.Compile(kind, name, parsed)
	if err != nil {
		panic(fmt.Sprintf("snapshot: the policy that denies everything: %v", err))
	}
	return p
}

// keep puts l into the slot, unless another reader has put one there that is as new, and makes room for it.
func (c *cache) keep(s *slot, l *linked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := s.Load()
	if old != nil && old.shared >= l.shared {
		c.release(l)
		return
	}
	if old != nil {
		c.leave(old)
	}
	l.slot, l.place = s, len(c.ring) // used once so far: a second use is what protects it from the hand
	s.Store(l)
	c.ring = append(c.ring, l)
	c.bytes += linkedCost
	c.shrink()
}

// shrink makes room. The caller holds the lock.
func (c *cache) shrink() {
	for c.bytes > c.budget && len(c.ring) > 0 {
		c.hand %= len(c.ring)
		if at := c.ring[c.hand]; !at.used.Swap(false) {
			c.leave(at) // the newest takes its place in the ring, so the hand moves on
		}
		c.hand++
	}
}

// hotUses is after how many decisions a principal's policies are merged, which costs some tens of decisions' time for each policy.
const hotUses = 256

// programShare is the part of the budget that one merged program may take.
const programShare = 64

// merged returns l's identity policies merged into one program, or nil as long as l is not hot.
func (c *cache) merged(l *linked) *policy.Program {
	if p := l.program.Load(); p != nil || len(l.identity) < 2 || l.uses.Load() >= hotUses {
		return p
	}
	if l.uses.Add(1) != hotUses {
		return nil
	}
	p := policy.Merge(l.identity)
	size := int64(p.Size())
	if size > c.budget/programShare {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.place < 0 {
		return nil
	}
	l.extra = size
	l.program.Store(p)
	c.bytes += size
	c.shrink()
	return p
}

// drop empties the slots of records that were replaced or deleted. A reader of an older snapshot may fill them again.
func (c *cache) drop(slots []*slot) {
	if len(slots) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range slots {
		if l := s.Load(); l != nil {
			c.leave(l)
		}
	}
}

// leave takes l out of its slot and the ring. The caller holds the lock. Readers that have l go on with it.
func (c *cache) leave(l *linked) {
	l.slot.Store(nil)
	last := len(c.ring) - 1
	c.ring[l.place] = c.ring[last]
	c.ring[l.place].place = l.place
	c.ring[last] = nil
	c.ring = c.ring[:last]
	l.place = -1
	c.bytes -= linkedCost + l.extra
	c.release(l)
}

// release lets go of l's documents. The caller holds the lock.
func (c *cache) release(l *linked) {
	for _, doc := range l.docs {
		if doc.refs--; doc.refs == 0 {
			delete(c.compiled, doc.key)
			c.bytes -= doc.key.cost()
		}
	}
}
