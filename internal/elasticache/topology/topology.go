// Package topology arranges nodes: replication groups of one primary and its replicas, clusters of shards over the hash slots, and what
// happens to them when a node is lost or shards are added and removed.
//
// Its functions work on handles ([Member]) and hold nothing between calls: what is, is asked of the nodes; what should be, the caller says. Each can
// be called again after it failed or after the server was killed in its middle, and goes on from what it finds. They move data and roles of
// nodes that run; starting and stopping processes, and remembering who is primary, are the caller's.
//
// # What survives
//
// Replication is asynchronous. A write that its primary acknowledged is lost in a failover if no replica that lives had received it. A write
// after which WAIT 1 answered 1 survives the loss of the primary as long as the replicas that had it live: [Failover] promotes the one with
// the largest offset, which has every write that any of them has. Moving slots loses nothing: a key is on one side or the other at every moment.
package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// Member is a node with its place.
type Member struct {
	ID       string // the supervisor's
	Node     engine.Node
	Endpoint engine.Endpoint
	BusPort  int // in cluster mode
}

// ErrNoReplica says that no replica could be promoted: none lives, or none ever was in step with the primary.
var ErrNoReplica = errors.New("no replica can be promoted")

// poll is how often a wait looks again.
const poll = 20 * time.Millisecond

// await calls f until it returns nil or the context ends; the last error is returned with the context's.
func await(ctx context.Context, what string, f func() error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Candidate is a replica that was asked whether it can be promoted.
type Candidate struct {
	Member Member
	Info   engine.Info
	Err    error // why it cannot
}

// Choose asks replicas of a primary that is gone and returns the one to promote: the largest offset, then the smallest ID. All that were asked
// are returned, the best first. A replica that is loading, that never got a data set or whose history is another than the best one's cannot
// be chosen. The context bounds how long a node that does not answer is waited for.
func Choose(ctx context.Context, replicas []Member) ([]Candidate, error) {
	all := make([]Candidate, len(replicas))
	done := make(chan int)
	for i, m := range replicas {
		go func() {
			all[i].Member = m
			all[i].Info, all[i].Err = m.Node.Info(ctx)
			done <- i
		}()
	}
	for range replicas {
		<-done
	}
	histories := map[string]int{}
	for i := range all {
		c := &all[i]
		switch {
		case c.Err != nil:
		case c.Info.Loading:
			c.Err = fmt.Errorf("%s: %w", c.Member.ID, engine.ErrLoading)
		case c.Info.Role == engine.Replica && !c.Info.Synced:
			c.Err = fmt.Errorf("%s has received nothing from its primary", c.Member.ID)
		default:
			histories[c.Info.Backlog]++
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int {
		if (a.Err == nil) != (b.Err == nil) {
			if a.Err == nil {
				return -1
			}
			return 1
		}
		// Offsets count within one history. A replica of another, one that was cut off before the last failover, is behind whatever it counts.
		return cmp.Or(cmp.Compare(histories[b.Info.Backlog], histories[a.Info.Backlog]),
			cmp.Compare(b.Info.Offset, a.Info.Offset), strings.Compare(a.Member.ID, b.Member.ID))
	})
	if len(all) == 0 || all[0].Err != nil {
		var errs []error
		for _, c := range all {
			errs = append(errs, c.Err)
		}
		return all, fmt.Errorf("%w: %w", ErrNoReplica, errors.Join(errs...))
	}
	return all, nil
}

// Failover promotes the best of the replicas of a primary that is gone, makes the others that live its replicas, and returns it. The caller has made
// sure that the old primary does not serve any more, and gives the rest the new primary as their Source: the old one too, when it comes back.
// If one of the members was promoted by an earlier call that did not end, it stays the primary.
func Failover(ctx context.Context, replicas []Member) (Member, error) {
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all, err := Choose(ask, replicas)
	if err != nil {
		return Member{}, err
	}
	best := all[0]
	for _, c := range all {
		if c.Err == nil && c.Info.Role == engine.Primary {
			best = c
			break
		}
	}
	if err := best.Member.Node.Promote(ctx); err != nil {
		return Member{}, fmt.Errorf("promoting %s: %w", best.Member.ID, err)
	}
	var errs []error
	for _, c := range all {
		if c.Member.ID == best.Member.ID || c.Info.ClusterMode { // in cluster mode the others follow by themselves
			continue
		}
		if err := c.Member.Node.ReplicateFrom(ctx, best.Member.Endpoint); err != nil && c.Err == nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Member.ID, err))
		}
	}
	return best.Member, errors.Join(errs...)
}

// HandOver makes a replica the primary while the old one lives, and loses nothing: the engine stops writes, lets the replica catch up and exchanges
// the roles; on an error the old primary takes writes again. It is what TestFailover and a planned replacement want. The others follow
// the new primary.
func HandOver(ctx context.Context, primary, replica Member, others []Member) error {
	if c := replica.Node.Cluster(); c != nil {
		return c.HandOver(ctx) // the others follow by themselves
	}
	if err := primary.Node.HandOver(ctx, replica.Endpoint); err != nil {
		return err
	}
	var errs []error
	for _, m := range others {
		errs = append(errs, m.Node.ReplicateFrom(ctx, replica.Endpoint))
	}
	return errors.Join(errs...)
}

// InStep waits until replicas have all that their primary had sent when they were looked at, and stand in the primary's own list.
func InStep(ctx context.Context, primary Member, replicas []Member) error {
	for _, r := range replicas {
		err := await(ctx, "waiting for "+r.ID, func() error {
			p, err := primary.Node.Info(ctx)
			if err != nil {
				return err
			}
			i, err := r.Node.Info(ctx)
			if err != nil {
				return err
			}
			online := slices.ContainsFunc(p.Replicas, func(x engine.ReplicaInfo) bool { return x.Online && x.Endpoint == r.Endpoint })
			if i.Role != engine.Replica || !i.LinkUp || i.Loading || !online || i.Backlog != p.Backlog || i.Offset < p.Offset {
				return fmt.Errorf("%s is a %s at %d, link up %v; %s is at %d", r.ID, i.Role, i.Offset, i.LinkUp, primary.ID, p.Offset)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
