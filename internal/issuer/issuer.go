// Package issuer keeps the keys with which accounts of this installation sign tokens for services elsewhere, and publishes what
// those services verify the tokens with.
//
// Every account has keys of its own, because many verifiers compare nothing but the signature with the one key set that they
// were told: behind a shared set a token of one account would pass for another's with them. An account has, for each algorithm,
// one key that signs, and around it those that verify:
//
//	made          signs                              the next one signs     forgotten
//	 │── published ─│──────────── signs ─────────────────│── published ─────────│
//	     Lead            rotation, by age or operator            Overlap
//
// A new key is published [Lead] before it signs, so that no verifier meets a token whose key it cannot have fetched; an old one stays
// published for [Overlap], which is longer than any token lives. The first key of an account signs at once: nobody has
// fetched a key set yet. When an operator replaces keys immediately, because one may have been stolen, the old ones are forgotten
// with the same write, and every token they signed is good nowhere.
//
// The keys of an account are one record, which every node reads before it signs or answers and which is changed by compare-and-swap:
// nodes agree because there is nothing else that they go by.
//
//	("iss", account)   keys in the order in which they sign; the private half of each is sealed for seal.TokenKey with account
//	                   and key ID as associated data
//
// Rotation by age happens when a token is asked for: an account that asks for none has no use for new keys, and answering the
// public writes nothing.
package issuer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/federation/oidc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Times of keys.
const (
	// Lead is how long a key is published before it signs: longer than verifiers keep a key set.
	Lead = 24 * time.Hour
	// Overlap is how long a key stays published when the next one signs: the longest life of a token, an hour, and another for
	// clocks that differ.
	Overlap = 2 * time.Hour
	// DefaultRotation is how long a key signs.
	DefaultRotation = 90 * 24 * time.Hour
	// MinRotation is the shortest time that may be asked for.
	MinRotation = 2 * Lead
)

// Config is what a keeper needs.
type Config struct {
	Store store.Store
	Ring  *seal.Ring
	Form  oidc.IssuerForm
	// Account finds the account whose issuer has an ID; ok is false where nothing is to be published for it.
	Account func(id string) (account string, ok bool)
	// Rotation is how long a key signs; zero means DefaultRotation.
	Rotation time.Duration
	Log      *slog.Logger     // nil means no messages
	Now      func() time.Time // nil means time.Now
}

// Keeper keeps the keys of all accounts. It is safe for concurrent use.
type Keeper struct {
	cfg    Config
	making sync.Mutex // held while keys are made: it takes a while, and one node needs them once

	mu    sync.Mutex
	cache map[string]*keys // by account
}

// cached is how many accounts' keys are kept opened.
const cached = 1024

// New returns a keeper.
func New(c Config) *Keeper {
	if c.Rotation == 0 {
		c.Rotation = DefaultRotation
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Keeper{cfg: c, cache: make(map[string]*keys)}
}

// URL is the issuer with that ID.
func (k *Keeper) URL(id string) string { return k.cfg.Form.URL(id) }

// Has reports whether a URL is that of an issuer of this installation, of whatever account.
func (k *Keeper) Has(issuer string) bool { return k.cfg.Form.Has(issuer) }

// Sign returns the token with that payload, signed by the account's key for the algorithm, one of [oidc.SigningAlgorithms]. Keys that
// the account needs by now are made first. The payload must say that the token ends within an hour.
func (k *Keeper) Sign(ctx context.Context, account, algorithm string, payload []byte) (string, error) {
	all, err := k.ready(ctx, account)
	if err != nil {
		return "", err
	}
	at := all.record.signing(algorithm, k.cfg.Now())
	if at < 0 {
		return "", &fault.Error{Kind: fault.Internal, Subject: algorithm, Cause: fmt.Errorf("account %s has no key", account)}
	}
	return all.opened[at].Sign(payload)
}

// Prepare makes the keys that the account needs by now, so that its key set is there before its first token.
func (k *Keeper) Prepare(ctx context.Context, account string) error {
	_, err := k.ready(ctx, account)
	return err
}

// Key is one key of an account, for the operator. It has nothing secret.
type Key struct {
	ID, Algorithm string
	Created       time.Time
	SignsFrom     time.Time
	Signs         bool // now
}

// Keys returns the keys of an account that are published, in the order in which they sign.
func (k *Keeper) Keys(ctx context.Context, account string) ([]Key, error) {
	all, err := k.load(ctx, account)
	if err != nil {
		return nil, err
	}
	now := k.cfg.Now()
	var out []Key
	for i, one := range all.record.Keys {
		if !all.record.over(i, now) {
			out = append(out, Key{one.ID, one.Algorithm, one.Created, one.Signs, all.record.signing(one.Algorithm, now) == i})
		}
	}
	return out, nil
}

// Event is a record for the outbox: see package trail.
type Event struct {
	ID     string
	Record []byte
}

// Rotate gives an account new keys, whatever the age of the old ones, and commits the event with them. They sign after [Lead]; where
// new keys wait already they are not followed by others. Immediately means that they sign at once and that the old ones are forgotten: tokens that these signed are refused from then
// on by whoever fetches the key set.
func (k *Keeper) Rotate(ctx context.Context, account string, immediately bool, event Event) error {
	k.making.Lock()
	defer k.making.Unlock()
	algorithms := oidc.SigningAlgorithms()
	if !immediately {
		all, err := k.load(ctx, account)
		if err != nil {
			return err
		}
		algorithms = algorithmsOf(all.record.wanted(k.cfg.Now(), 0))
	}
	fresh, err := makeKeys(algorithms)
	if err != nil {
		return err
	}
	return k.change(ctx, account, fresh, &event, func(r *record, now time.Time) []plan {
		if immediately {
			r.Keys = nil
			return r.all(now)
		}
		return r.wanted(now, 0)
	})
}

// ready returns the account's keys with those that it needs by now.
func (k *Keeper) ready(ctx context.Context, account string) (*keys, error) {
	all, err := k.load(ctx, account)
	if err != nil || len(all.record.wanted(k.cfg.Now(), k.cfg.Rotation)) == 0 {
		return all, err
	}
	k.making.Lock()
	defer k.making.Unlock()
	if all, err = k.load(ctx, account); err != nil { // somebody else may have made them meanwhile
		return nil, err
	}
	algorithms := algorithmsOf(all.record.wanted(k.cfg.Now(), k.cfg.Rotation))
	if len(algorithms) == 0 {
		return all, nil
	}
	fresh, err := makeKeys(algorithms)
	if err != nil {
		return nil, err
	}
	if err := k.change(ctx, account, fresh, nil, func(r *record, now time.Time) []plan { return r.wanted(now, k.cfg.Rotation) }); err != nil {
		return nil, err
	}
	return k.load(ctx, account)
}

func algorithmsOf(plans []plan) (algorithms []string) {
	for _, p := range plans {
		algorithms = append(algorithms, p.algorithm)
	}
	return algorithms
}

func makeKeys(algorithms []string) (map[string]*oidc.SigningKey, error) {
	fresh := make(map[string]*oidc.SigningKey)
	for _, algorithm := range algorithms {
		var err error
		if fresh[algorithm], err = oidc.NewSigningKey(algorithm); err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// change adds those of the fresh keys that are wanted when the transaction runs, and forgets those that are over. Where another node
// was faster the fresh ones are thrown away.
func (k *Keeper) change(ctx context.Context, account string, fresh map[string]*oidc.SigningKey, event *Event, wanted func(*record, time.Time) []plan) error {
	sealed := make(map[string][]byte, len(fresh))
	for algorithm, key := range fresh {
		text, err := key.Marshal()
		if err != nil {
			return fault.Wrap(err, "writing a signing key")
		}
		if sealed[algorithm], err = k.cfg.Ring.Seal(seal.TokenKey, text, []byte(entity.IssuerKeyBinding(account, key.ID()))); err != nil {
			return fault.Wrap(err, "sealing a signing key")
		}
	}
	now := k.cfg.Now().UTC().Truncate(time.Second)
	var added []entity.IssuerSigningKey
	_, err := k.cfg.Store.Update(ctx, func(tx store.Txn) error {
		added = nil
		if event != nil {
			tx.Put(entity.OutboxKey(uint64(max(k.cfg.Now().UnixNano(), 0)), event.ID), event.Record)
		}
		r := new(record)
		e, ok, err := tx.Get(entity.IssuerKey(account))
		if err != nil {
			return err
		}
		if ok {
			if r, err = entity.Decode[record](e.Value); err != nil {
				return err
			}
		}
		for _, p := range wanted(r, now) {
			if key := fresh[p.algorithm]; key != nil {
				added = append(added, entity.IssuerSigningKey{ID: key.ID(), Algorithm: p.algorithm, Created: now, Signs: p.signs, Sealed: sealed[p.algorithm]})
			}
		}
		if len(added) == 0 {
			return nil
		}
		r.add(added, now)
		tx.Put(entity.IssuerKey(account), entity.Encode(r))
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "keeping signing keys")
	}
	for _, key := range added {
		k.cfg.Log.Info("made a key for an account's tokens", "account", account, "algorithm", key.Algorithm, "key", key.ID, "signs", key.Signs)
	}
	return nil
}
