// Package usage remembers when access keys and roles were last used.
//
// A use is noted in memory, where later uses of the same thing replace earlier ones, and written to the store in batches;
// it is never on a request's path and never part of a decision. A crash loses what was noted since the last flush: at most
// [DefaultInterval] by default. Records live in entity.UsagePlane, outside the snapshot's watch.
package usage

import (
	"bytes"
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// DefaultInterval is the time between two flushes.
const DefaultInterval = time.Minute

const shards = 16

// Config says how to record.
type Config struct {
	Store    store.Store
	Interval time.Duration // zero means DefaultInterval
	Log      *slog.Logger  // nil means slog.Default
}

// Recorder collects uses. Its methods are safe for concurrent use.
type Recorder struct {
	store    store.Store
	interval time.Duration
	log      *slog.Logger
	seed     maphash.Seed
	shards   [shards]shard
}

type shard struct {
	mu      sync.Mutex
	pending map[string]entity.Usage // :: record key → newest use not yet written
}

// New returns a Recorder; call Run to have it write.
func New(c Config) *Recorder {
	r := &Recorder{store: c.Store, interval: c.Interval, log: c.Log, seed: maphash.MakeSeed()}
	if r.interval == 0 {
		r.interval = DefaultInterval
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	for i := range r.shards {
		r.shards[i].pending = make(map[string]entity.Usage)
	}
	return r
}

// Key notes a use of a long-term access key.
func (r *Recorder) Key(accessKeyID, service, region string, at time.Time) {
	r.note(entity.KeyUsageKey(accessKeyID), entity.Usage{At: at.UTC().Truncate(time.Second), Service: service, Region: region})
}

// Role notes a use of a role by one of its sessions.
func (r *Recorder) Role(account, roleID, service, region string, at time.Time) {
	r.note(entity.RoleUsageKey(account, roleID), entity.Usage{At: at.UTC().Truncate(time.Second), Service: service, Region: region})
}

// LastKey returns the last use of a long-term access key; ok is false where none is known.
func (r *Recorder) LastKey(ctx context.Context, accessKeyID string) (u entity.Usage, ok bool, err error) {
	return r.last(ctx, entity.KeyUsageKey(accessKeyID))
}

// LastRole returns the last use of a role.
func (r *Recorder) LastRole(ctx context.Context, account, roleID string) (u entity.Usage, ok bool, err error) {
	return r.last(ctx, entity.RoleUsageKey(account, roleID))
}

func (r *Recorder) shard(key []byte) *shard {
	return &r.shards[maphash.Bytes(r.seed, key)%shards]
}

func (r *Recorder) note(key []byte, u entity.Usage) {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.pending[string(key)]; !ok || !u.At.Before(old.At) {
		s.pending[string(key)] = u
	}
}

// last is the later of what this node noted and what is stored: another node may have written since.
func (r *Recorder) last(ctx context.Context, key []byte) (u entity.Usage, ok bool, err error) {
	err = r.store.View(ctx, func(rd store.Reader) error {
		e, found, err := rd.Get(key)
		if err != nil || !found {
			return err
		}
		rec, err := entity.Decode[entity.Usage](e.Value)
		if err != nil {
			return err
		}
		u, ok = *rec, true
		return nil
	})
	if err != nil {
		return entity.Usage{}, false, err
	}
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, pending := s.pending[string(key)]; pending && (!ok || !p.At.Before(u.At)) {
		return p, true, nil
	}
	return u, ok, nil
}

// Run flushes every interval until ctx ends, and once more then.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(r.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := r.Flush(last); err != nil {
				r.log.Error("last uses were not written", "err", err)
			}
			return
		}
		if err := r.Flush(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("last uses were not written and will be tried again", "err", err)
		}
	}
}

// Flush writes what is pending. What could not be written stays pending.
func (r *Recorder) Flush(ctx context.Context) error {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		keys := make([][]byte, 0, len(s.pending))
		for k := range s.pending {
			keys = append(keys, []byte(k))
		}
		s.mu.Unlock()
		slices.SortFunc(keys, bytes.Compare)
		for batch := range slices.Chunk(keys, store.MaxOps) {
			if err := r.write(ctx, s, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// write writes the uses noted under keys, all of one shard. Times only move forward: another node may know a later use.
func (r *Recorder) write(ctx context.Context, s *shard, keys [][]byte) error {
	values := make(map[string]entity.Usage, len(keys))
	s.mu.Lock()
	for _, k := range keys {
		if u, ok := s.pending[string(k)]; ok { // a flush beside this one may have written it
			values[string(k)] = u
		}
	}
	s.mu.Unlock()
	_, err := r.store.Update(ctx, func(tx store.Txn) error {
		for _, k := range keys {
			u, ok := values[string(k)]
			if !ok {
				continue
			}
			old, found, err := tx.Get(k)
			if err != nil {
				return err
			}
			if found {
				// A record that cannot be read is worth less than the new one, and must not hold up the others.
				if rec, err := entity.Decode[entity.Usage](old.Value); err == nil && rec.At.After(u.At) {
					continue
				}
			}
			tx.Put(k, entity.Encode(u))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, u := range values {
		if s.pending[k] == u {
			delete(s.pending, k)
		}
	}
	return nil
}
