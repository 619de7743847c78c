package usage

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// TrackingPeriod is how long the last use of a service is known ("Refine permissions in AWS using last accessed information":
// 400 days; the guide of 2018 has 365, S3-180).
const TrackingPeriod = 400 * 24 * time.Hour

// accessBatch is how many records one transaction writes: a record has a line for each action of its service.
const accessBatch = 32

// accessKey names a record: who used which service.
type accessKey struct{ account, principal, service string }

func (k accessKey) compare(other accessKey) int {
	return slices.Compare([]string{k.account, k.principal, k.service}, []string{other.account, other.principal, other.service})
}

type pendingAccess struct {
	entity.Access
	notes uint64 // so that a flush sees what was noted beside it
}

// Access notes that a principal (the unique ID of a user or role; the account ID for the root user) tried an action of a service.
// Whether it was allowed makes no difference (S3-178). It allocates at the first use of a service or action since the last flush only.
func (r *Recorder) Access(account, principal, service, action, region string, at time.Time) {
	at = at.UTC().Truncate(time.Second)
	key := accessKey{account, principal, service}
	s := r.accessShard(principal)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.accesses[key]
	if p == nil {
		if len(s.accesses) >= maxPending {
			r.meter.UsageDropped()
			return
		}
		p = &pendingAccess{Access: entity.Access{Actions: make(map[string]entity.ActionAccess, 1)}}
		s.accesses[key] = p
	}
	p.notes++
	if !at.Before(p.At) {
		p.At, p.Region = at, region
	}
	if old, ok := p.Actions[action]; !ok || !at.Before(old.At) {
		p.Actions[action] = entity.ActionAccess{At: at, Region: region}
	}
}

func (r *Recorder) accessShard(principal string) *shard {
	return &r.shards[maphash.String(r.seed, principal)%shards]
}

// Accesses returns when the principals of an account last used services, by unique ID and by the service's prefix: of those
// principals that are named, or of all. What this node noted and has not written is in it, what other nodes have not written is
// not; what is older than the tracking period is left out.
func (r *Recorder) Accesses(ctx context.Context, account string, principals ...string) (map[string]map[string]entity.Access, error) {
	all := make(map[string]map[string]entity.Access)
	add := func(key accessKey, a *entity.Access) {
		of := all[key.principal]
		if of == nil {
			of = make(map[string]entity.Access)
			all[key.principal] = of
		}
		known := of[key.service]
		known.Merge(a)
		of[key.service] = known
	}
	prefixes, named := [][]byte{entity.Accesses(account)}, make(map[string]bool)
	if len(principals) > 0 {
		prefixes = nil
		for _, id := range principals {
			prefixes, named[id] = append(prefixes, entity.Accesses(account, id)), true
		}
	}
	err := r.store.View(ctx, func(rd store.Reader) error {
		clear(all)
		for _, prefix := range prefixes {
			for e, err := range rd.Range(prefix) {
				if err != nil {
					return err
				}
				a, err := entity.Decode[entity.Access](e.Value)
				if err != nil {
					return err
				}
				key, err := accessKeyOf(e.Key)
				if err != nil {
					return err
				}
				add(key, a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for key, p := range s.accesses {
			if key.account == account && (len(principals) == 0 || named[key.principal]) {
				add(key, &p.Access)
			}
		}
		s.mu.Unlock()
	}
	r.forget(all)
	return all, nil
}

// forget takes out what is older than the tracking period.
func (r *Recorder) forget(all map[string]map[string]entity.Access) {
	oldest := r.now().Add(-TrackingPeriod)
	for _, of := range all {
		maps.DeleteFunc(of, func(_ string, a entity.Access) bool { return a.At.Before(oldest) })
		for _, a := range of {
			maps.DeleteFunc(a.Actions, func(_ string, use entity.ActionAccess) bool { return use.At.Before(oldest) })
		}
	}
	maps.DeleteFunc(all, func(_ string, of map[string]entity.Access) bool { return len(of) == 0 })
}

func accessKeyOf(key []byte) (accessKey, error) {
	parts, err := keyenc.Decode(key)
	if err != nil {
		return accessKey{}, err
	}
	var text [3]string
	for i := range text {
		if i+2 < len(parts) {
			text[i], _ = parts[i+2].(string)
		}
	}
	return accessKey{text[0], text[1], text[2]}, nil
}

// flushAccesses writes what s has noted of last uses of services.
func (r *Recorder) flushAccesses(ctx context.Context, s *shard) error {
	s.mu.Lock()
	keys := slices.SortedFunc(maps.Keys(s.accesses), accessKey.compare)
	s.mu.Unlock()
	for batch := range slices.Chunk(keys, accessBatch) {
		if err := r.writeAccesses(ctx, s, batch); err != nil {
			return err
		}
	}
	return nil
}

// writeAccesses joins what was noted under keys to what is stored.
func (r *Recorder) writeAccesses(ctx context.Context, s *shard, keys []accessKey) error {
	values := make(map[accessKey]pendingAccess, len(keys))
	s.mu.Lock()
	for _, k := range keys {
		if p := s.accesses[k]; p != nil { // a flush beside this one may have written it
			copied := *p
			copied.Actions = maps.Clone(p.Actions)
			values[k] = copied
		}
	}
	s.mu.Unlock()
	_, err := r.store.Update(ctx, func(tx store.Txn) error {
		for _, k := range keys {
			noted, ok := values[k]
			if !ok {
				continue
			}
			key, known := entity.AccessUsageKey(k.account, k.principal, k.service), new(entity.Access)
			old, found, err := tx.Get(key)
			if err != nil {
				return err
			}
			if found {
				// A record that cannot be read is worth less than the new one, and must not hold up the others.
				if rec, err := entity.Decode[entity.Access](old.Value); err == nil {
					known = rec
				}
			}
			known.Merge(&noted.Access)
			tx.Put(key, entity.Encode(known))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, written := range values {
		if p := s.accesses[k]; p != nil && p.notes == written.notes {
			delete(s.accesses, k)
		}
	}
	return nil
}

// Sweep takes out the last uses of services that lie before the tracking period.
func (r *Recorder) Sweep(ctx context.Context) error {
	oldest := r.now().Add(-TrackingPeriod)
	var stale []store.Guard
	err := r.store.View(ctx, func(rd store.Reader) error {
		stale = stale[:0]
		for e, err := range rd.Range(entity.Accesses()) {
			if err != nil {
				return err
			}
			if a, err := entity.Decode[entity.Access](e.Value); err == nil && a.At.Before(oldest) {
				stale = append(stale, store.Guard{Key: e.Key, Revision: e.Revision})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(stale, store.MaxOps) {
		_, err := r.store.Update(ctx, func(tx store.Txn) error {
			for _, g := range batch {
				e, ok, err := tx.Get(g.Key)
				if err != nil {
					return err
				}
				if ok && e.Revision == g.Revision {
					tx.Delete(g.Key)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
