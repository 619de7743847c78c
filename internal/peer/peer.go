// Package peer knows the nodes of a cluster from each other: each says in the store that it lives, and each looks after what
// one leaves behind that does not come back.
//
// Stored, beside the records of package entity:
//
//	("node", node)   Member: one for each node, rewritten every [DefaultEvery]
//
// What a node leaves behind is its part of the outbox, ("out", node, …): events of changes that it committed and has not
// moved to its trail. A node that starts again moves them itself. When its record has not changed for [DefaultDead], another
// one takes them over into its own part, in transactions that only one node can commit: no event is lost, and none is taken by two. A
// node that was cut off so long and had just appended an event to its trail may leave it there and in the other's trail; the
// event's ID says that it is one. Events that are no node's, from before there was a cluster, are taken over at once.
//
// Nobody's clock is believed: a node is dead when its record has not changed for that long on the clock of the one who
// looks, from the first look on.
package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Defaults of [Config].
const (
	DefaultEvery = 15 * time.Second
	DefaultDead  = 2 * time.Minute
)

// Bounds of one transaction that takes events over: two writes and one compare for each.
const (
	maxTaken      = 60
	maxTakenBytes = 512 << 10
)

// Config says who this node is. Store and ID must be set.
type Config struct {
	Store   store.Store
	ID      string // unlike any other node's, and the same after a restart
	Name    string // for people: where the node runs
	Version string
	Every   time.Duration    // between two signs of life; zero means DefaultEvery
	Dead    time.Duration    // how long without one means that a node is dead; zero means DefaultDead
	Now     func() time.Time // must carry a monotonic reading; nil means time.Now
	Log     *slog.Logger     // nil logs nothing
}

// Member is what a node says of itself.
type Member struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Beat    uint64 `json:"beat"` // rises with every sign of life, from 0 at each start
}

// Keeper keeps this node's record and looks after the others'. Make it with [New]; one goroutine calls its methods.
type Keeper struct {
	cfg    Config
	beat   uint64
	others map[string]sight
}

// sight is what was last seen of another node.
type sight struct {
	revision store.Revision // of its record
	since    time.Time      // when this revision was first seen
}

// New returns a Keeper. It writes nothing before [Keeper.Beat] or [Keeper.Run].
func New(c Config) *Keeper {
	if c.Every <= 0 {
		c.Every = DefaultEvery
	}
	if c.Dead <= 0 {
		c.Dead = DefaultDead
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{cfg: c, others: make(map[string]sight)}
}

// Run gives signs of life and looks after the others until ctx ends, and then returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.cfg.Every)
	defer tick.Stop()
	for {
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("the nodes of the cluster do not hear from each other", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *Keeper) round(ctx context.Context) error {
	if err := k.Beat(ctx); err != nil {
		return err
	}
	return k.Look(ctx)
}

// Beat writes this node's record.
func (k *Keeper) Beat(ctx context.Context) error {
	k.beat++
	value, err := json.Marshal(Member{k.cfg.ID, k.cfg.Name, k.cfg.Version, k.beat})
	if err != nil {
		return err
	}
	_, err = k.cfg.Store.Update(ctx, func(tx store.Txn) error {
		tx.Put(entity.NodeKey(k.cfg.ID), value)
		return nil
	})
	return fault.Wrap(err, "giving a sign of life")
}

// Members lists the nodes that have given a sign of life and have not been found dead.
func Members(ctx context.Context, s store.Store) ([]Member, error) {
	var all []Member
	err := s.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range r.Range(entity.NodesPlane) {
			if err != nil {
				return err
			}
			var m Member
			if err := json.Unmarshal(e.Value, &m); err != nil {
				return fmt.Errorf("the record of a node: %w", err)
			}
			all = append(all, m)
		}
		return nil
	})
	return all, fault.Wrap(err, "listing the nodes")
}

// Look takes over what dead nodes left behind.
func (k *Keeper) Look(ctx context.Context) error {
	seen := make(map[string]store.Revision)
	err := k.cfg.Store.View(ctx, func(r store.Reader) error {
		clear(seen)
		for e, err := range r.Range(entity.NodesPlane) {
			if err != nil {
				return err
			}
			if parts, err := keyenc.Decode(e.Key); err == nil && len(parts) == 2 {
				if id, ok := parts[1].(string); ok {
					seen[id] = e.Revision
				}
			}
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "looking for the other nodes")
	}
	now := k.cfg.Now()
	for id := range k.others {
		if _, there := seen[id]; !there {
			delete(k.others, id)
		}
	}
	for id, revision := range seen {
		if id == k.cfg.ID {
			continue
		}
		last, known := k.others[id]
		if !known || last.revision != revision {
			k.others[id] = sight{revision, now}
			continue
		}
		if now.Sub(last.since) < k.cfg.Dead {
			continue
		}
		if err := k.bury(ctx, id, revision); err != nil {
			return err
		}
	}
	_, err = k.take(ctx, nil, entity.UnownedOutbox)
	return fault.Wrap(err, "taking over events that are no node's")
}

// bury takes over everything of a dead node, and then its record, if the node has not come back meanwhile.
func (k *Keeper) bury(ctx context.Context, id string, revision store.Revision) error {
	guard := &store.Guard{Key: entity.NodeKey(id), Revision: revision}
	taken, err := k.take(ctx, guard, entity.NodeOutbox(id))
	if err != nil {
		return fault.Wrap(err, "taking over the events of a dead node")
	}
	_, err = k.cfg.Store.Update(ctx, func(tx store.Txn) error {
		if ok, err := holds(tx, guard); err != nil || !ok {
			return err
		}
		tx.Delete(guard.Key)
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "taking out the record of a dead node")
	}
	delete(k.others, id)
	k.cfg.Log.Warn("a node of the cluster has given no sign of life and is taken for dead", "node", id, "events taken over", taken)
	return nil
}

// take moves the events under a prefix to this node's part of the outbox, as long as the guard, if there is one, holds.
func (k *Keeper) take(ctx context.Context, guard *store.Guard, prefix []byte) (taken int, err error) {
	for {
		n, more := 0, false
		_, err := k.cfg.Store.Update(ctx, func(tx store.Txn) error {
			n, more = 0, false
			if ok, err := holds(tx, guard); err != nil || !ok {
				return err
			}
			size := 0
			for e, err := range tx.Range(prefix) {
				if err != nil {
					return err
				}
				if n == maxTaken || n > 0 && size+len(e.Value) > maxTakenBytes {
					more = true
					return nil
				}
				n++
				size += len(e.Value)
				tx.Delete(e.Key)
				tx.Put(k.own(e.Key), e.Value)
			}
			return nil
		})
		if err != nil {
			return taken, err
		}
		if taken += n; !more {
			return taken, nil
		}
	}
}

// own is the key under which this node keeps an event of another's key.
func (k *Keeper) own(key []byte) []byte {
	parts, err := keyenc.Decode(key)
	if err == nil && len(parts) >= 3 {
		nanos, timed := parts[len(parts)-2].(uint64)
		if id, ok := parts[len(parts)-1].(string); timed && ok {
			return entity.NodeOutboxKey(k.cfg.ID, nanos, id)
		}
	}
	return keyenc.Encode("out", k.cfg.ID, string(key)) // of a form that nobody writes; it is not to be lost
}

// holds reports whether a guard still does; nil always holds.
func holds(tx store.Txn, guard *store.Guard) (bool, error) {
	if guard == nil {
		return true, nil
	}
	e, ok, err := tx.Get(guard.Key)
	return ok && e.Revision == guard.Revision, err
}
