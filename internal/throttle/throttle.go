// Package throttle counts how often accounts and addresses call, and says when that is too often.
//
// An account has a budget of reads and one of writes, which only its own authenticated requests use: nobody can use up another's. An
// address has a budget of requests whose caller is not known, because they carry no signature or one that is wrong. A budget is so many
// requests a second, and as many at once after a quiet second (a token bucket). Budgets of more than 2,000 a second are exact to a hundredth.
//
// What is remembered is bounded, whoever calls: budgets lie in two generations of a bounded size, and when the younger is full the older,
// of those who have not called since it was young, is forgotten. Whoever is forgotten has a full budget again. Asking takes no
// allocation, and no lock that others than callers of the same sixty-fourth of all budgets take.
package throttle

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Rates are requests a second. Zero is the default, a negative number no limit.
type Rates struct {
	Reads, Writes   int // of an account
	Unauthenticated int // of an address
}

// Defaults of [Rates]: far more than well-behaved clients need, and less than what would keep others from being served.
const (
	DefaultReads           = 100_000
	DefaultWrites          = 20_000
	DefaultUnauthenticated = 1000
)

// eventsPerSecond is how many throttled calls of an account leave an event in a second.
const eventsPerSecond = 10

// Sizes of the younger generation, over all shards.
const (
	shards    = 64
	accounts  = shards * 256
	addresses = shards * 512
)

// Kind is what a request of an account does.
type Kind uint8

// The budgets of an account.
const (
	Read Kind = iota
	Write
	event // for events of throttled calls
	kinds
)

func (k Kind) String() string {
	if k == Read {
		return "read"
	}
	return "write"
}

// Throttle keeps the budgets. Make it with [New]; a nil *Throttle lets everything pass. All methods are safe for concurrent use.
type Throttle struct {
	now       func() time.Time
	rates     atomic.Pointer[Rates]
	seed      maphash.Seed
	accounts  table[string]
	addresses table[netip.Addr]
}

// New returns a Throttle. now is the clock, time.Now where it is nil: budgets go by time that really passes, whatever time a server
// shows to its clients.
func New(rates Rates, now func() time.Time) *Throttle {
	if now == nil {
		now = time.Now
	}
	t := &Throttle{now: now, seed: maphash.MakeSeed()}
	t.accounts.most, t.addresses.most = accounts/shards, addresses/shards
	t.SetRates(rates)
	return t
}

// SetRates changes the rates, for requests from now on.
func (t *Throttle) SetRates(r Rates) {
	standard := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	standard(&r.Reads, DefaultReads)
	standard(&r.Writes, DefaultWrites)
	standard(&r.Unauthenticated, DefaultUnauthenticated)
	t.rates.Store(&r)
}

// Rates are the rates in force where nothing else is said for an account; negative: no limit.
func (t *Throttle) Rates() Rates { return *t.rates.Load() }

// Own says that an account has a rate of its own; the zero value, that it has not.
type Own struct {
	PerSecond int
	Set       bool
}

// Account takes a request from an account's budget and reports whether there was one left. A rate of the account's own may be zero, and
// then nothing passes.
func (t *Throttle) Account(id string, kind Kind, own Own) bool {
	if t == nil {
		return true
	}
	perSecond := own.PerSecond
	if !own.Set {
		r := t.rates.Load()
		if perSecond = r.Reads; kind == Write {
			perSecond = r.Writes
		}
		if perSecond < 0 {
			return true
		}
	}
	return t.accounts.budgets(maphash.String(t.seed, id), id)[kind].take(perSecond, t.now)
}

// Event reports whether a throttled call of an account should leave an event: some do, so that the account's owner sees it, and not as
// many as there are calls.
func (t *Throttle) Event(id string) bool {
	if t == nil {
		return true
	}
	return t.accounts.budgets(maphash.String(t.seed, id), id)[event].take(eventsPerSecond, t.now)
}

// Address takes a request whose caller is not known from an address's budget and reports whether there was one left. The first 64 bits
// of an IPv6 address are one address: see [Network]. What is not an address has a budget too.
func (t *Throttle) Address(a netip.Addr) bool {
	if t == nil {
		return true
	}
	perSecond := t.rates.Load().Unauthenticated
	if perSecond < 0 {
		return true
	}
	a = Network(a)
	b := a.As16()
	return t.addresses.budgets(maphash.Bytes(t.seed, b[:]), a)[Read].take(perSecond, t.now)
}

// Accounts and Addresses say how many are remembered.
func (t *Throttle) Accounts() int { return t.accounts.count() }

// Addresses is like Accounts.
func (t *Throttle) Addresses() int { return t.addresses.count() }

// Network is what requests and connections are counted by: an IPv4 address, or the first 64 bits of an IPv6 one, which are what one
// machine has at least.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // 64 bits are in range
		a = p.Addr()
	}
	return a
}

// budget is a token bucket whose rate follows what it is asked with: a new rate begins with a full bucket.
type budget struct{ bucket atomic.Pointer[bucket] }

func (b *budget) take(perSecond int, now func() time.Time) bool {
	at := b.bucket.Load()
	if at == nil || at.perSecond != perSecond {
		next := newBucket(perSecond)
		if b.bucket.CompareAndSwap(at, next) {
			at = next
		} else {
			at = b.bucket.Load()
		}
	}
	return at.take(now)
}

// bucket is a token bucket. Where its rate is high, callers do not meet at its lock: each of several purses takes a thousandth of a
// second's tokens at once. A small bucket is exact; what lies in the purses of a large one is less than a hundredth of it.
type bucket struct {
	perSecond int
	limiter   *rate.Limiter
	handful   int64   // what a purse takes at once
	purses    []purse // none where the bucket is small
}

// purses is how many a large bucket has.
const purses = 8

func newBucket(perSecond int) *bucket {
	b := &bucket{perSecond: perSecond, limiter: rate.NewLimiter(rate.Limit(perSecond), perSecond), handful: int64(perSecond / 1024)}
	if b.handful > 1 {
		b.purses = make([]purse, purses)
	}
	return b
}

type purse struct {
	tokens atomic.Int64
	_      [56]byte // a line of the processor's cache each
}

func (b *bucket) take(now func() time.Time) bool {
	if b.purses == nil {
		return b.limiter.AllowN(now(), 1)
	}
	p := &b.purses[rand.Uint32N(purses)]
	for n := p.tokens.Load(); n > 0; n = p.tokens.Load() {
		if p.tokens.CompareAndSwap(n, n-1) {
			return true
		}
	}
	at := now()
	if b.limiter.AllowN(at, int(b.handful)) {
		p.tokens.Add(b.handful - 1)
		return true
	}
	return b.limiter.AllowN(at, 1)
}

// table holds budgets in shards; an address uses the first of its budgets only.
type table[K comparable] struct {
	most   int // entries of a shard's younger generation
	shards [shards]shard[K]
}

type shard[K comparable] struct {
	mu           sync.RWMutex
	young, older map[K]*[kinds]budget
	_            [64]byte // so that shards do not share a line of the processor's cache
}

func (t *table[K]) budgets(hash uint64, k K) *[kinds]budget {
	s := &t.shards[hash%shards]
	s.mu.RLock()
	b := s.young[k]
	s.mu.RUnlock()
	if b != nil {
		return b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b = s.young[k]; b != nil {
		return b
	}
	if b = s.older[k]; b == nil {
		b = new([kinds]budget)
	}
	if s.young == nil {
		s.young = make(map[K]*[kinds]budget)
	} else if len(s.young) >= t.most {
		s.young, s.older = make(map[K]*[kinds]budget), s.young
	}
	s.young[k] = b
	return b
}

func (t *table[K]) count() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.young)
		for k := range s.older {
			if s.young[k] == nil {
				n++
			}
		}
		s.mu.RUnlock()
	}
	return n
}
