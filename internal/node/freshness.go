package node

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lagging is the age of the snapshot at which the node says that it does not hear from the store.
const lagging = 10 * time.Second

// age is how long ago what decisions are made from was last known to be current.
func (n *Node) age() time.Duration { return max(n.snapshots.Freshness(), n.caches.Freshness()) }

// ready returns nil when requests can be decided: also while the store cannot be reached, up to the bound.
func (n *Node) ready() error {
	if err := context.Cause(n.system.halted); err != nil {
		return err
	}
	if !n.snapshots.Loaded() {
		return errors.New("the snapshot is not loaded yet")
	}
	age := n.age()
	if age <= n.cfg.MaxStale {
		return nil
	}
	err := fmt.Errorf("nothing is decided: the snapshot was current %s ago, and max_stale is %s", age.Round(time.Millisecond), n.cfg.MaxStale)
	if cause := errors.Join(n.snapshots.Err(), n.caches.Err()); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// failsClosed reports whether the bound has been passed.
func (n *Node) failsClosed() bool { return n.age() > n.cfg.MaxStale }

// watchFreshness says in the log when the node begins to decide on what it last knew, when it stops deciding, and when it
// hears from the store again.
func (n *Node) watchFreshness(ctx context.Context) error {
	const (
		current = iota
		late
		closed
	)
	was := current
	tick := time.NewTicker(min(time.Second, n.cfg.MaxStale/4))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		age, now := n.age(), current
		switch {
		case age > n.cfg.MaxStale:
			now = closed
		case age > lagging:
			now = late
		}
		if now == was {
			continue
		}
		args := []any{"age", age.Round(time.Millisecond), "max_stale", n.cfg.MaxStale, "store", n.storeName()}
		if cause := errors.Join(n.snapshots.Err(), n.caches.Err()); cause != nil {
			args = append(args, "error", cause)
		}
		switch {
		case now == closed:
			n.cfg.Logger.Error("fails closed: the store has not been heard from for too long, and every request is refused", args...)
		case now == current:
			n.cfg.Logger.Info("the store is heard from again", args...)
		case was == current:
			n.cfg.Logger.Warn("the store is not heard from: decisions are made on what it last said", args...)
		}
		was = now
	}
}
