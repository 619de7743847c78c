// Package usage remembers when access keys, roles and passwords were last used, and when each principal last tried to use which service
// and action.
//
// A use is noted in memory, where later uses of the same thing replace earlier ones, and written to the store in batches;
// it is never on a request's path and never part of a decision. A crash loses what was noted since the last flush: at most
// [DefaultInterval] by default. While the store cannot be reached, notes stay in memory up to a bound; what would pass it is
// dropped and counted. Records live in entity.UsagePlane, outside the snapshot's watch; last uses of services are kept for
// [TrackingPeriod].
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
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// DefaultInterval is the time between two flushes.
const DefaultInterval = time.Minute

const (
	shards = 16
	// maxPending is how many things a shard remembers that are not written yet, of each sort.
	maxPending = 8192
)

// Meter counts what happens to notes.
type Meter interface {
	// UsageFlushed says how a flush ended: how many records it wrote, and what stopped it.
	UsageFlushed(records int, err error)
	// UsageDropped says that a use was forgotten because too many wait to be written.
	UsageDropped()
}

// Config says how to record.
type Config struct {
	Store    store.Store
	Interval time.Duration    // zero means DefaultInterval
	Log      *slog.Logger     // nil means slog.Default
	Meter    Meter            // nil counts nothing
	Now      func() time.Time // for what is too old; nil means time.Now
}

// Recorder collects uses. Its methods are safe for concurrent use.
type Recorder struct {
	store    store.Store
	interval time.Duration
	log      *slog.Logger
	meter    Meter
	now      func() time.Time
	seed     maphash.Seed
	shards   [shards]shard
}

type shard struct {
	mu       sync.Mutex
	pending  map[string]entity.Usage      // record key → newest use not yet written
	accesses map[accessKey]*pendingAccess // what is not yet written of the last uses of services
}

// New returns a Recorder; call Run to have it write.
func New(c Config) *Recorder {
	r := &Recorder{store: c.Store, interval: c.Interval, log: c.Log, meter: c.Meter, now: c.Now, seed: maphash.MakeSeed()}
	if r.interval == 0 {
		r.interval = DefaultInterval
	}
	if r.log == nil {
		r.log = slog.Default()
	}
	if r.meter == nil {
		r.meter = noMeter{}
	}
	if r.now == nil {
		r.now = time.Now
	}
	for i := range r.shards {
		r.shards[i].pending, r.shards[i].accesses = make(map[string]entity.Usage), make(map[accessKey]*pendingAccess)
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

// PasswordPause is the time after a use of a password during which other uses of it are not recorded (S1-273).
const PasswordPause = 5 * time.Minute

// Password notes a use of the password of a user, or of the root user, whose ID is the account's.
func (r *Recorder) Password(account, userID string, at time.Time) {
	r.note(entity.PasswordUsageKey(account, userID), entity.Usage{At: at.UTC().Truncate(time.Second)})
}

// LastKey returns the last use of a long-term access key; ok is false where none is known.
func (r *Recorder) LastKey(ctx context.Context, accessKeyID string) (u entity.Usage, ok bool, err error) {
	return r.last(ctx, entity.KeyUsageKey(accessKeyID))
}

// LastRole returns the last use of a role.
func (r *Recorder) LastRole(ctx context.Context, account, roleID string) (u entity.Usage, ok bool, err error) {
	return r.last(ctx, entity.RoleUsageKey(account, roleID))
}

// LastPasswords returns the last uses of the passwords of some users of an account, by user ID. A password that was never
// used is not in the map.
func (r *Recorder) LastPasswords(ctx context.Context, account string, userIDs ...string) (map[string]time.Time, error) {
	last := make(map[string]time.Time, len(userIDs))
	err := r.store.View(ctx, func(rd store.Reader) error {
		for _, id := range userIDs {
			key := entity.PasswordUsageKey(account, id)
			u, ok, err := stored(rd, key)
			if err != nil {
				return err
			}
			if u, ok = r.newer(key, u, ok); ok {
				last[id] = u.At
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return last, nil
}

func (r *Recorder) shard(key []byte) *shard {
	return &r.shards[maphash.Bytes(r.seed, key)%shards]
}

func (r *Recorder) note(key []byte, u entity.Usage) {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.pending[string(key)]
	switch {
	case !ok && len(s.pending) >= maxPending:
		r.meter.UsageDropped()
	case !ok || replaces(key, u, old):
		s.pending[string(key)] = u
	}
}

var passwordPrefix = keyenc.Encode("use", "password")

// replaces reports whether a use is recorded in place of an older one.
func replaces(key []byte, u, old entity.Usage) bool {
	if bytes.HasPrefix(key, passwordPrefix) {
		return u.At.Sub(old.At) >= PasswordPause
	}
	return !u.At.Before(old.At)
}

// Pending is how many things wait to be written.
func (r *Recorder) Pending() (n int) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.pending) + len(s.accesses)
		s.mu.Unlock()
	}
	return n
}

type noMeter struct{}

func (noMeter) UsageFlushed(int, error) {}
func (noMeter) UsageDropped()           {}

// last is the later of what this node noted and what is stored: another node may have written since.
func (r *Recorder) last(ctx context.Context, key []byte) (u entity.Usage, ok bool, err error) {
	err = r.store.View(ctx, func(rd store.Reader) error {
		u, ok, err = stored(rd, key)
		return err
	})
	if err != nil {
		return entity.Usage{}, false, err
	}
	u, ok = r.newer(key, u, ok)
	return u, ok, nil
}

// LastKeys returns the last uses of long-term access keys, by key ID; those never used are not in it.
func (r *Recorder) LastKeys(ctx context.Context, accessKeyIDs []string) (map[string]entity.Usage, error) {
	all := make(map[string]entity.Usage, len(accessKeyIDs))
	err := r.store.View(ctx, func(rd store.Reader) error {
		for _, id := range accessKeyIDs {
			if u, ok, err := stored(rd, entity.KeyUsageKey(id)); err != nil {
				return err
			} else if ok {
				all[id] = u
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range accessKeyIDs {
		known, ok := all[id]
		if u, ok := r.newer(entity.KeyUsageKey(id), known, ok); ok {
			all[id] = u
		}
	}
	return all, nil
}

func stored(rd store.Reader, key []byte) (u entity.Usage, ok bool, err error) {
	e, found, err := rd.Get(key)
	if err != nil || !found {
		return entity.Usage{}, false, err
	}
	rec, err := entity.Decode[entity.Usage](e.Value)
	if err != nil {
		return entity.Usage{}, false, err
	}
	return *rec, true, nil
}

// newer is the pending use under key, if it is later than u.
func (r *Recorder) newer(key []byte, u entity.Usage, ok bool) (entity.Usage, bool) {
	s := r.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, pending := s.pending[string(key)]; pending && (!ok || replaces(key, p, u)) {
		return p, true
	}
	return u, ok
}

// sweepEvery is the time between two looks for what is too old to be kept.
const sweepEvery = 24 * time.Hour

// Run flushes every interval until ctx ends, and once more then. Once a day it takes out what is too old.
func (r *Recorder) Run(ctx context.Context) {
	tick, daily := time.NewTicker(r.interval), time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer daily.Stop()
	for {
		select {
		case <-tick.C:
		case <-daily.C:
			if err := r.Sweep(ctx); err != nil && ctx.Err() == nil {
				r.log.Warn("old last uses were not taken out and will be tried again tomorrow", "err", err)
			}
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
	before := r.Pending()
	err := r.flush(ctx)
	if written := before - r.Pending(); written > 0 || err != nil {
		r.meter.UsageFlushed(max(written, 0), err)
	}
	return err
}

func (r *Recorder) flush(ctx context.Context) error {
	for i := range r.shards {
		s := &r.shards[i]
		if err := r.flushAccesses(ctx, s); err != nil {
			return err
		}
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
				if rec, err := entity.Decode[entity.Usage](old.Value); err == nil && !replaces(k, u, *rec) {
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
