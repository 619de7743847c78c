package issuer

import (
	"context"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// record is the keys of an account as they are stored.
type record entity.IssuerKeys

// plan is a key that an account is to get.
type plan struct {
	algorithm string
	signs     time.Time
}

// signing is the place of the key that signs for an algorithm: the last whose time has come. It is -1 where there is none.
func (r *record) signing(algorithm string, now time.Time) int {
	at := -1
	for i := range r.Keys {
		if k := &r.Keys[i]; k.Algorithm == algorithm && (at < 0 || !now.Before(k.Signs)) {
			at = i
		}
	}
	return at
}

// next is the place of the key that signs after the one at i; -1 where there is none.
func (r *record) next(i int) int {
	for j := i + 1; j < len(r.Keys); j++ {
		if r.Keys[j].Algorithm == r.Keys[i].Algorithm {
			return j
		}
	}
	return -1
}

// over reports whether the key at i is past its time: every token that it signed has ended.
func (r *record) over(i int, now time.Time) bool {
	j := r.next(i)
	return j >= 0 && !now.Before(r.Keys[j].Signs.Add(Overlap))
}

// wanted are the keys that are missing at now when keys sign for as long as rotation says: the first of an algorithm, and the next one
// [Lead] before the last one's time is over. A key that waits for its time is not followed by another.
func (r *record) wanted(now time.Time, rotation time.Duration) (all []plan) {
	for _, algorithm := range oidc.SigningAlgorithms() {
		var last *entity.IssuerSigningKey
		for i := range r.Keys {
			if r.Keys[i].Algorithm == algorithm {
				last = &r.Keys[i]
			}
		}
		switch {
		case last == nil:
			all = append(all, plan{algorithm, now})
		case now.Before(last.Signs) || now.Before(last.Signs.Add(rotation-Lead)):
		default:
			signs := now.Add(Lead)
			if due := last.Signs.Add(rotation); due.After(signs) {
				signs = due
			}
			all = append(all, plan{algorithm, signs})
		}
	}
	return all
}

// all are keys for every algorithm that sign at once.
func (r *record) all(now time.Time) (all []plan) {
	for _, algorithm := range oidc.SigningAlgorithms() {
		all = append(all, plan{algorithm, now})
	}
	return all
}

// add adds keys and takes out those that are over.
func (r *record) add(added []entity.IssuerSigningKey, now time.Time) {
	r.Keys = append(r.Keys, added...)
	slices.SortStableFunc(r.Keys, func(a, b entity.IssuerSigningKey) int { return a.Signs.Compare(b.Signs) })
	var kept []entity.IssuerSigningKey
	for i := range r.Keys {
		if !r.over(i, now) {
			kept = append(kept, r.Keys[i])
		}
	}
	r.Keys = kept
}

// keys is a record with its keys opened. It is immutable.
type keys struct {
	revision store.Revision
	record   *record
	opened   []*oidc.SigningKey // one for each of the record's
}

// load reads the keys of an account; those of an account that has none are an empty record. What was opened before is opened again
// only where the record has changed.
func (k *Keeper) load(ctx context.Context, account string) (*keys, error) {
	var entry store.Entry
	var ok bool
	err := k.cfg.Store.View(ctx, func(r store.Reader) (err error) {
		entry, ok, err = r.Get(entity.IssuerKey(account))
		return err
	})
	if err != nil {
		return nil, fault.Wrap(err, "reading signing keys")
	}
	if !ok {
		return &keys{record: new(record)}, nil
	}
	k.mu.Lock()
	known := k.cache[account]
	k.mu.Unlock()
	if known != nil && known.revision == entry.Revision {
		return known, nil
	}
	opened, err := k.open(account, entry)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cache[account] == nil && len(k.cache) >= cached {
		for other := range k.cache { // any will do: it is read again when it is needed
			delete(k.cache, other)
			break
		}
	}
	k.cache[account] = opened
	return opened, nil
}

func (k *Keeper) open(account string, entry store.Entry) (*keys, error) {
	r, err := entity.Decode[record](entry.Value)
	if err != nil {
		return nil, fault.Wrap(err, "reading signing keys")
	}
	all := &keys{revision: entry.Revision, record: r, opened: make([]*oidc.SigningKey, len(r.Keys))}
	for i := range r.Keys {
		s := &r.Keys[i]
		text, err := k.cfg.Ring.Open(seal.TokenKey, s.Sealed, []byte(entity.IssuerKeyBinding(account, s.ID)))
		if err != nil {
			return nil, fault.Wrap(err, "opening signing key "+s.ID)
		}
		if all.opened[i], err = oidc.ParseSigningKey(s.Algorithm, text); err != nil {
			return nil, fault.Wrap(err, "reading signing key "+s.ID)
		}
	}
	return all, nil
}

// published are the keys that verify tokens at now, in the order in which they sign.
func (all *keys) published(now time.Time) (out []*oidc.SigningKey) {
	for i := range all.opened {
		if !all.record.over(i, now) {
			out = append(out, all.opened[i])
		}
	}
	return out
}
