// Package keyring keeps one node's key ring as the store has it, and turns keys over: while nodes serve, and so that nothing sealed
// is ever without its key.
//
// The ring lies in the store, wrapped under the master key ([entity.SysRing]). Whoever follows the system records hands each new
// text to [Keyring.Saw]. A rotation takes these steps, each a transaction of any node, and each looked for again by every node
// from time to time ([Keyring.Tend]), so that a crash stops nothing:
//
//	a key is added       [Keyring.Rotate]. Every node has it before anything is sealed under it
//	it becomes current   after Settle. From now on secrets and session tokens are sealed under it; those under older keys open
//	records follow       every record with a value under an older key is sealed anew
//	older keys go        once no record has a value under them, and the longest session that they sealed has ended
//
// Whether a key is in use is asked of the whole store, of records of every kind: also of kinds that this package cannot seal anew. They
// keep their key.
//
// The master key changes in two steps ([BeginMaster], [EndMaster]): first the ring lies in the store twice, under the old key and
// under the new one ([entity.SysNextRing]), and a node starts with either; then once, under the new one.
package keyring

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/store"
)

const (
	// Retention is how long a key stays after it was last current: the longest session, and an hour for nodes that lag.
	Retention = session.Longest + time.Hour
	// DefaultInterval is the time between two looks at what there is to do.
	DefaultInterval = time.Minute

	batch     = 40     // records sealed anew in one transaction
	pageKeys  = 20_000 // keys held in memory at a time
	scanEvery = time.Hour
)

// Resealer seals records anew: a *directory.Directory.
type Resealer interface {
	Reseal(ctx context.Context, keys [][]byte, current uint32) (written int, err error)
}

// Config says what a Keyring works with. Store, Ring and Master are required; Records is for Tend.
type Config struct {
	Store   store.Store
	Ring    *seal.Ring
	Master  seal.Master
	Reload  func() (seal.Master, error) // reads the master key anew, when the one at hand does not open the ring; may be nil
	Records Resealer
	Settle  time.Duration // between a key's coming and its becoming current; zero where there is one node
	// Event makes the record of what is done to the ring; nil leaves none. It goes into the outbox in the same transaction.
	Event func(name string, key uint32) (outboxKey, record []byte, err error)
	Now   func() time.Time // nil means time.Now
	Rand  io.Reader        // nil means crypto/rand
	Log   *slog.Logger     // nil logs nothing
}

// Keyring is the ring of one node. It is safe for concurrent use.
type Keyring struct {
	cfg     Config
	mu      sync.Mutex
	master  seal.Master
	seen    []byte         // the wrapped ring that was adopted last
	at      store.Revision // at which it was in the store
	scanned time.Time      // when keys were last looked for in the whole store
	under   uint32         // the key that was current then
	wake    chan struct{}
}

// New returns a Keyring over a ring that was opened: see [Unwrap].
func New(c Config) *Keyring {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Keyring{cfg: c, master: c.Master, wake: make(chan struct{}, 1)}
}

// Master is the master key that opened the ring last.
func (k *Keyring) Master() seal.Master {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.master
}

// Unwrap opens whichever of two wrapped rings the master key is for; next may be nil.
func Unwrap(master seal.Master, wrapped, next []byte) (*seal.Ring, error) {
	ring, err := seal.Unmarshal(wrapped, master)
	if errors.Is(err, seal.ErrMaster) && next != nil {
		ring, err = seal.Unmarshal(next, master)
	}
	return ring, err
}

// Saw takes over the ring that the store has at a revision, unless a later one was seen already. A ring that does not open leaves
// the node with what it has.
func (k *Keyring) Saw(at store.Revision, wrapped, next []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if wrapped == nil || at < k.at || bytes.Equal(wrapped, k.seen) {
		return nil
	}
	ring, err := Unwrap(k.master, wrapped, next)
	if errors.Is(err, seal.ErrMaster) && k.cfg.Reload != nil {
		fresh, problem := k.cfg.Reload()
		if problem != nil {
			return errors.Join(err, problem)
		}
		if ring, err = Unwrap(fresh, wrapped, next); err == nil {
			k.master = fresh
		}
	}
	if err != nil {
		return fault.Wrap(err, "opening the key ring that the store has now")
	}
	if err := k.cfg.Ring.Adopt(ring); err != nil {
		return err
	}
	k.seen, k.at = wrapped, at
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return nil
}

// change rewrites the ring in one transaction and takes it over. fn returns the name of the event and the key that it is about; an
// empty name means that there is nothing to do.
func (k *Keyring) change(ctx context.Context, fn func(*seal.Ring, store.Txn) (event string, key uint32, err error)) (changed bool, err error) {
	master := k.Master()
	var wrapped, fresh []byte
	rev, err := k.cfg.Store.Update(ctx, func(tx store.Txn) (err error) {
		fresh = nil
		if wrapped, err = system(tx, entity.SysRing); err != nil {
			return err
		}
		if next, err := system(tx, entity.SysNextRing); err != nil {
			return err
		} else if next != nil {
			return fault.New(fault.Conflict, "The master key is being replaced: end that first, with `ostiary keys master --end`.")
		}
		ring, err := seal.Unmarshal(wrapped, master)
		if err != nil {
			return err
		}
		event, id, err := fn(ring, tx)
		if err != nil || event == "" {
			return err
		}
		if fresh, err = ring.Marshal(master); err != nil {
			return err
		}
		tx.Put(entity.SystemKey(entity.SysRing), fresh)
		if k.cfg.Event == nil {
			return nil
		}
		key, record, err := k.cfg.Event(event, id)
		if err == nil {
			tx.Put(key, record)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if fresh == nil { // somebody was faster: what he did is known before this returns
		return false, k.Saw(rev, wrapped, nil)
	}
	return true, k.Saw(rev, fresh, nil)
}

func system(r store.Reader, name string) ([]byte, error) {
	e, _, err := r.Get(entity.SystemKey(name))
	return e.Value, err
}

// Rotate adds a key, which becomes current at once or, where there are several nodes, when all had time to learn it. It fails with
// [fault.Conflict] while another key waits.
func (k *Keyring) Rotate(ctx context.Context) (id uint32, err error) {
	_, err = k.change(ctx, func(ring *seal.Ring, _ store.Txn) (string, uint32, error) {
		if keys := ring.Keys(); keys[len(keys)-1].Waiting {
			return "", 0, fault.New(fault.Conflict, "A new key is on its way: it becomes current within %s.", k.cfg.Settle)
		}
		if k.cfg.Settle > 0 {
			id, err = ring.Add(k.cfg.Now(), k.cfg.Rand)
			return "RotateKeys", id, err
		}
		err := ring.Rotate(k.cfg.Now(), k.cfg.Rand)
		id = ring.Current()
		return "RotateKeys", id, err
	})
	return id, err
}

// Run tends to the ring until ctx ends.
func (k *Keyring) Run(ctx context.Context) error {
	tick := time.NewTicker(DefaultInterval)
	defer tick.Stop()
	for {
		if err := k.Tend(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Error("turning keys over: will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.wake:
		case <-tick.C:
		}
	}
}

// Tend does what there is to do: it makes a key current whose time has come, seals records anew, and drops keys that nothing needs.
func (k *Keyring) Tend(ctx context.Context) error {
	if err := k.promote(ctx); err != nil {
		return fault.Wrap(err, "making the new key current")
	}
	keys := k.cfg.Ring.Keys()
	if len(keys) == 1 || keys[1].Waiting {
		return nil // nothing is older than the current key
	}
	if !k.scanDue(current(keys).ID) {
		return nil
	}
	uses, err := k.reseal(ctx)
	if err != nil {
		return fault.Wrap(err, "sealing records under the new key")
	}
	if err := k.retire(ctx, uses); err != nil {
		return fault.Wrap(err, "dropping old keys")
	}
	k.mu.Lock()
	k.scanned, k.under = k.cfg.Now(), current(keys).ID
	k.mu.Unlock()
	return nil
}

// scanDue reports whether the whole store is to be looked at: once an hour, and at once when another key has become current.
func (k *Keyring) scanDue(current uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	since := k.cfg.Now().Sub(k.scanned)
	return k.under != current || since < 0 || since >= scanEvery
}

func current(keys []seal.Key) seal.Key {
	return keys[slices.IndexFunc(keys, func(k seal.Key) bool { return k.Current })]
}

func (k *Keyring) promote(ctx context.Context) error {
	due := func(ring *seal.Ring) (uint32, bool) {
		keys := ring.Keys()
		last := keys[len(keys)-1]
		return last.ID, last.Waiting && !k.cfg.Now().Before(last.Created.Add(k.cfg.Settle))
	}
	if _, ok := due(k.cfg.Ring); !ok {
		return nil
	}
	_, err := k.change(ctx, func(ring *seal.Ring, _ store.Txn) (string, uint32, error) {
		id, ok := due(ring)
		if !ok {
			return "", 0, nil // another node was faster
		}
		return "PromoteKey", id, ring.Promote(id, k.cfg.Now())
	})
	return err
}

// needle is what the text of a record holds when it has a value that the key sealed: the first 36 bits of such a value in base64,
// behind the quotation mark that begins a member. Its chance of standing anywhere else keeps a key for longer, no more.
func needle(key uint32) []byte {
	head := binary.BigEndian.AppendUint32([]byte{1}, key)
	return []byte(`"` + base64.StdEncoding.EncodeToString(append(head, 0))[:6])
}

// scan calls found for every record that has a value under one of the keys.
func scan(ctx context.Context, st store.Store, keys []seal.Key, found func(e store.Entry, id uint32) (more bool)) error {
	needles := make([][]byte, len(keys))
	for i, key := range keys {
		needles[i] = needle(key.ID)
	}
	return st.View(ctx, func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			raw, isSealed := seal.KeyOf(e.Value)
			for i, n := range needles {
				if (isSealed && raw == keys[i].ID || bytes.Contains(e.Value, n)) && !found(e, keys[i].ID) {
					return nil
				}
			}
		}
		return nil
	})
}

// Uses counts the records that have a value under each key of the ring.
func Uses(ctx context.Context, st store.Store, ring *seal.Ring) (map[uint32]int, error) {
	uses := make(map[uint32]int)
	err := scan(ctx, st, ring.Keys(), func(_ store.Entry, id uint32) bool { uses[id]++; return true })
	return uses, err
}

// reseal seals everything anew that older keys sealed, and returns what it had to leave, by key.
func (k *Keyring) reseal(ctx context.Context) (left map[uint32]int, err error) {
	for limit := pageKeys; ; {
		now := current(k.cfg.Ring.Keys())
		old := slices.DeleteFunc(k.cfg.Ring.Keys(), func(key seal.Key) bool { return key.Current || key.Waiting })
		left = make(map[uint32]int)
		var page [][]byte
		err := scan(ctx, k.cfg.Store, old, func(e store.Entry, id uint32) bool {
			left[id]++
			page = append(page, bytes.Clone(e.Key))
			return len(page) < limit
		})
		if err != nil {
			return nil, err
		}
		written := 0
		for some := range slices.Chunk(page, batch) {
			n, err := k.cfg.Records.Reseal(ctx, some, now.ID)
			if err != nil {
				return nil, err
			}
			written += n
		}
		switch {
		case written > 0:
			k.cfg.Log.Info("sealed records under the new key", "records", written)
		case len(page) < limit:
			return left, nil
		default:
			limit *= 2 // all of these have to stay as they are: there may be others behind them
		}
	}
}

// retire drops the keys that nothing uses, in the order in which they came, and that were last current long enough ago.
func (k *Keyring) retire(ctx context.Context, uses map[uint32]int) error {
	keys := k.cfg.Ring.Keys()
	for i, key := range keys {
		if key.Current || key.Waiting {
			return nil
		}
		if uses[key.ID] > 0 || k.cfg.Now().Before(keys[i+1].Created.Add(Retention)) {
			continue
		}
		if _, err := k.change(ctx, func(ring *seal.Ring, _ store.Txn) (string, uint32, error) {
			err := ring.Drop(key.ID)
			if errors.Is(err, seal.ErrUnknownKey) {
				return "", 0, nil // another node was faster
			}
			return "DropKey", key.ID, err
		}); err != nil {
			return err
		}
		k.cfg.Log.Info("dropped a key that nothing is sealed under any more", "key", fmt.Sprintf("%08x", key.ID))
	}
	return nil
}

// Use is a key and what it is for at the moment.
type Use struct {
	seal.Key
	Records int       // that have a value under it
	Until   time.Time // before this it is not dropped; zero for the current key and for one that waits
}

// Uses describes the ring.
func (k *Keyring) Uses(ctx context.Context) ([]Use, error) {
	n, err := Uses(ctx, k.cfg.Store, k.cfg.Ring)
	if err != nil {
		return nil, err
	}
	keys := k.cfg.Ring.Keys()
	var all []Use
	for i, key := range keys {
		u := Use{Key: key, Records: n[key.ID]}
		if !key.Current && !key.Waiting {
			u.Until = keys[i+1].Created.Add(Retention)
		}
		all = append(all, u)
	}
	return all, nil
}
