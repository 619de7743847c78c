package snapshot

import (
	"context"
	"log/slog"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/follow"
)

// Config of a [Follower]. Store and Managed must be set; the rest has usable zero values.
type Config struct {
	Store   store.Store
	Managed Managed          // AWS managed policies
	Now     func() time.Time // for freshness; must carry a monotonic reading. nil means time.Now
	Log     *slog.Logger     // nil logs nothing

	// CompileFailed is told of every document that became a policy that denies everything, if it is not nil. It must not
	// block, and it may be called by several goroutines.
	CompileFailed func(name string, err error)

	CacheBytes int64         // bound of the compiled policies, as estimated; zero means 256 MiB
	RetryMin   time.Duration // first pause after a failure, doubled after each further one; zero means 50 ms
	RetryMax   time.Duration // longest pause; zero means 5 s
}

// Follower keeps a snapshot current: a [follow.Follower], whose Current, Wait, Freshness, Loaded, Err and Run it has.
type Follower struct {
	*follow.Follower[Snapshot, *Snapshot]
	cache *cache
}

// Stats counts what a follower did, and what its cache holds.
type Stats struct {
	follow.Stats
	Documents int   // compiled policies in memory
	Linked    int   // principals whose policies are linked
	Bytes     int64 // estimate for both
}

// New returns a follower whose snapshot is empty until Run has loaded one.
func New(config Config) *Follower {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.CacheBytes == 0 {
		config.CacheBytes = 256 << 20
	}
	c := &cache{
		managed:  config.Managed,
		budget:   config.CacheBytes,
		compiled: make(map[docKey]*compiled),
		failed: func(name string, err error) {
			config.Log.Error("a policy cannot be used and denies everything", "policy", name, "error", err)
			if config.CompileFailed != nil {
				config.CompileFailed(name, err)
			}
		},
	}
	d := new(decoder)
	return &Follower{cache: c, Follower: follow.New[Snapshot, *Snapshot](follow.Config[Snapshot]{
		Name: "snapshot", Store: config.Store, Prefix: entity.IdentityPlane, Empty: emptySnapshot(c),
		Load: func(ctx context.Context) (*Snapshot, error) {
			began := config.Now()
			s, err := load(ctx, config.Store, c)
			if err == nil {
				config.Log.Info("snapshot loaded", "revision", int64(s.revision), "accounts", s.AccountCount(), "users", s.users.len(),
					"roles", s.roles.len(), "took", config.Now().Sub(began))
			}
			return s, err
		},
		Begin: func(s *Snapshot) follow.Round[Snapshot] { return s.edit(d) },
		Now:   config.Now, Log: config.Log, RetryMin: config.RetryMin, RetryMax: config.RetryMax,
	})}
}

// Stats returns the counts so far.
func (f *Follower) Stats() Stats {
	s := Stats{Stats: f.Follower.Stats()}
	s.Documents, s.Linked, s.Bytes = f.cache.stats()
	return s
}
