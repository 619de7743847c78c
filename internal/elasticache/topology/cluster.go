package topology

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// Shard is a node group of a cluster: its primary, its replicas, and, when a cluster is created, the slots it begins with.
type Shard struct {
	ID       string
	Primary  Member
	Replicas []Member
	Slots    []engine.SlotRange
}

// members are all nodes of some shards, primaries first.
func members(shards []Shard) []Member {
	var all []Member
	for _, s := range shards {
		all = append(all, s.Primary)
	}
	for _, s := range shards {
		all = append(all, s.Replicas...)
	}
	return all
}

// CreateCluster makes one cluster of fresh nodes and returns when all of them agree on it and serve. Shards without slots own none.
func CreateCluster(ctx context.Context, shards []Shard) error {
	for i, s := range shards {
		c := s.Primary.Node.Cluster()
		self, err := me(ctx, c)
		if err != nil {
			return err
		}
		if self.Epoch == 0 && alone(ctx, c) { // a node that has met others gets its epoch from them
			if err := c.SetEpoch(ctx, i+1); err != nil {
				return fmt.Errorf("shard %s: %w", s.ID, err)
			}
		}
		if err := c.AddSlots(ctx, missing(s.Slots, self.Slots)); err != nil {
			return fmt.Errorf("shard %s: %w", s.ID, err)
		}
	}
	return join(ctx, shards, shards)
}

// me is a node's own line.
func me(ctx context.Context, c engine.Cluster) (engine.ClusterNode, error) {
	all, err := c.Nodes(ctx)
	if err != nil {
		return engine.ClusterNode{}, err
	}
	for _, n := range all {
		if n.Myself {
			return n, nil
		}
	}
	return engine.ClusterNode{}, errors.New("a node that does not know itself")
}

func alone(ctx context.Context, c engine.Cluster) bool {
	all, err := c.Nodes(ctx)
	return err == nil && len(all) == 1
}

// missing are the slots of want that are not in have.
func missing(want, have []engine.SlotRange) []engine.SlotRange {
	owned := map[int]bool{}
	engine.Each(have, func(s int) { owned[s] = true })
	var slots []int
	engine.Each(want, func(s int) {
		if !owned[s] {
			slots = append(slots, s)
		}
	})
	return engine.Ranges(slots)
}

// AddShards brings fresh nodes into a cluster as shards without slots. Moves give them some: see [Balance] and [Apply].
func AddShards(ctx context.Context, cluster, added []Shard) error {
	return join(ctx, append(slices.Clone(cluster), added...), added)
}

// AddReplicas brings fresh nodes into a cluster as replicas of a shard, and waits until they have its data.
func AddReplicas(ctx context.Context, cluster []Shard, shard Shard, added []Member) error {
	shard.Replicas = added
	return join(ctx, append(slices.Clone(cluster), shard), []Shard{shard})
}

// join makes every node of all know every other, makes the replicas of added replicate, and waits for agreement and data.
func join(ctx context.Context, all, added []Shard) error {
	first := all[0].Primary
	ids := map[string]bool{}
	for _, m := range members(all) {
		id, err := m.Node.Cluster().ID(ctx)
		if err != nil {
			return err
		}
		ids[id] = true
	}
	for _, m := range members(added) {
		if m.ID == first.ID {
			continue
		}
		if err := m.Node.Cluster().Meet(ctx, first.Endpoint, first.BusPort); err != nil {
			return fmt.Errorf("%s meets the cluster: %w", m.ID, err)
		}
	}
	for _, m := range members(all) {
		if err := await(ctx, m.ID+" knows the cluster", func() error { return knows(ctx, m, ids) }); err != nil {
			return err
		}
	}
	for _, s := range added {
		id, err := s.Primary.Node.Cluster().ID(ctx)
		if err != nil {
			return err
		}
		for _, r := range s.Replicas {
			self, err := me(ctx, r.Node.Cluster())
			if err != nil {
				return err
			}
			if self.Primary == id {
				continue
			}
			if err := r.Node.Cluster().Replicate(ctx, id); err != nil {
				return fmt.Errorf("%s replicates %s: %w", r.ID, s.Primary.ID, err)
			}
		}
	}
	for _, s := range added {
		if err := InStep(ctx, s.Primary, s.Replicas); err != nil {
			return err
		}
	}
	return Agree(ctx, members(all))
}

// knows is nil when a node has all IDs in its table, none of them in a handshake.
func knows(ctx context.Context, m Member, ids map[string]bool) error {
	nodes, err := m.Node.Cluster().Nodes(ctx)
	if err != nil {
		return err
	}
	seen := 0
	for _, n := range nodes {
		if ids[n.ID] && !n.Handshake && (n.Linked || n.Myself) {
			seen++
		}
	}
	if seen != len(ids) {
		return fmt.Errorf("it knows %d of %d nodes", seen, len(ids))
	}
	return nil
}

// Agree waits until all nodes have the same view of who owns which slots and who replicates whom, and serve.
func Agree(ctx context.Context, all []Member) error {
	return await(ctx, "the nodes agree", func() error {
		var first string
		for i, m := range all {
			c := m.Node.Cluster()
			nodes, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			view := ""
			slices.SortFunc(nodes, func(a, b engine.ClusterNode) int {
				if a.ID < b.ID {
					return -1
				}
				return 1
			})
			for _, n := range nodes {
				if n.Failed || n.Handshake {
					continue // the dead are remembered for a while by some
				}
				view += fmt.Sprintln(n.ID, n.Role, n.Primary, n.Slots)
			}
			if i == 0 {
				first = view
			} else if view != first {
				return fmt.Errorf("%s sees\n%s and %s sees\n%s", all[0].ID, first, m.ID, view)
			}
			state, err := c.State(ctx)
			if err != nil {
				return err
			}
			if state["cluster_state"] != "ok" {
				return fmt.Errorf("%s says that the cluster is %s", m.ID, state["cluster_state"])
			}
		}
		return nil
	})
}

// Owners asks the primaries which slots each owns, by shard ID, in the form that [Balance] wants. A replica that took over is found: a shard's slots
// are those of whichever of its members is primary.
func Owners(ctx context.Context, shards []Shard) (map[string][]engine.SlotRange, error) {
	have := map[string][]engine.SlotRange{}
	for _, s := range shards {
		m, err := PrimaryOf(ctx, s)
		if err != nil {
			return nil, err
		}
		self, err := me(ctx, m.Node.Cluster())
		if err != nil {
			return nil, err
		}
		have[s.ID] = self.Slots
	}
	return have, nil
}

// PrimaryOf returns the member of a shard that is its primary now. After a failover it is another than the one that the caller remembers.
func PrimaryOf(ctx context.Context, s Shard) (Member, error) {
	var errs []error
	var best Member
	epoch := int64(-1)
	for _, m := range append([]Member{s.Primary}, s.Replicas...) {
		self, err := me(ctx, m.Node.Cluster())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if self.Role == engine.Primary && self.Epoch > epoch {
			best, epoch = m, self.Epoch
		}
	}
	if epoch < 0 {
		return Member{}, fmt.Errorf("shard %s has no primary: %w", s.ID, errors.Join(errs...))
	}
	return best, nil
}

// RemoveNodes takes nodes out of a cluster: replicas, and primaries that own no slots any more. The nodes that stay forget them; those that go
// need not live.
func RemoveNodes(ctx context.Context, stay, gone []Member) error {
	ids := map[string]string{}
	for _, m := range gone {
		self, err := me(ctx, m.Node.Cluster())
		if err == nil {
			if len(self.Slots) > 0 {
				return fmt.Errorf("%s still owns slots %v", m.ID, self.Slots)
			}
			ids[self.ID] = m.ID
		}
	}
	// One that does not answer, or that an earlier call has reset, is known to the others by its place. Of slots primaries know first.
	for _, s := range stay {
		self, err := me(ctx, s.Node.Cluster())
		if err != nil {
			return err
		}
		nodes, err := s.Node.Cluster().Nodes(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			i := slices.IndexFunc(gone, func(m Member) bool { return m.Endpoint == n.Endpoint })
			if i < 0 {
				continue
			}
			if len(n.Slots) > 0 && n.Role == engine.Primary && self.Role == engine.Primary {
				return fmt.Errorf("%s still owns slots %v, %s says", gone[i].ID, n.Slots, s.ID)
			}
			ids[n.ID] = gone[i].ID
		}
	}
	// Those that live leave first, so that their gossip brings nobody back; the forgotten stay away for a minute all the same.
	for _, m := range gone {
		_ = m.Node.Cluster().Reset(ctx) // one that is dead needs none
	}
	for _, s := range stay {
		nodes, err := s.Node.Cluster().Nodes(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if _, goes := ids[n.ID]; goes {
				if err := s.Node.Cluster().Forget(ctx, n.ID); err != nil {
					return fmt.Errorf("%s forgets %s: %w", s.ID, ids[n.ID], err)
				}
			}
		}
	}
	return nil
}

// primaries returns each shard's primary and its ID in the cluster.
func primaries(ctx context.Context, shards []Shard) (map[string]Member, map[string]string, error) {
	at, ids := map[string]Member{}, map[string]string{}
	for _, s := range shards {
		m, err := PrimaryOf(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		id, err := m.Node.Cluster().ID(ctx)
		if err != nil {
			return nil, nil, err
		}
		at[s.ID], ids[s.ID] = m, id
	}
	return at, ids, nil
}

// Rebalance gives each shard of keep its share of the slots and empties the others, while clients read and write. It first ends the moves that an
// earlier call left open. Progress, if not nil, is told the slots moved and those planned, time and again.
func Rebalance(ctx context.Context, shards []Shard, keep []string, progress func(done, planned int)) error {
	if err := Repair(ctx, shards); err != nil {
		return err
	}
	have, err := Owners(ctx, shards)
	if err != nil {
		return err
	}
	plan := Balance(have, keep)
	planned, done := 0, 0
	for _, m := range plan {
		for _, r := range m.Slots {
			planned += r.Len()
		}
	}
	at, ids, err := primaries(ctx, shards)
	if err != nil {
		return err
	}
	for _, m := range plan {
		var slots []int
		engine.Each(m.Slots, func(s int) { slots = append(slots, s) })
		for chunk := range slices.Chunk(slots, together) {
			if err := moveSlots(ctx, chunk, at, ids, m.From, m.To); err != nil {
				return fmt.Errorf("slots from %d to %d from %s to %s: %w", chunk[0], chunk[len(chunk)-1], m.From, m.To, err)
			}
			done += len(chunk)
			if progress != nil {
				progress(done, planned)
			}
		}
	}
	var alive []Member
	for _, m := range members(shards) {
		if m.Node.Ping(ctx) == nil {
			alive = append(alive, m)
		}
	}
	return Agree(ctx, alive)
}

const (
	together = 64 // slots that are open at once
	batch    = 50 // keys that move at once: the source serves nobody meanwhile
)

// moveSlots moves slots of one shard to another. Each of its steps may have been made before. The target closes a slot first, and then answers for it
// whatever happens to us.
func moveSlots(ctx context.Context, slots []int, at map[string]Member, ids map[string]string, from, to string) error {
	source, target := at[from].Node.Cluster(), at[to].Node.Cluster()
	if err := target.SetSlots(ctx, engine.Importing, ids[from], slots...); err != nil {
		return err
	}
	if err := source.SetSlots(ctx, engine.Migrating, ids[to], slots...); err != nil {
		return err
	}
	for left := slots; len(left) > 0; {
		keys, err := source.Keys(ctx, batch, left...)
		if err != nil {
			return err
		}
		var more []int
		for i, slot := range left {
			if len(keys[i]) == 0 {
				continue
			}
			if err := source.MigrateKeys(ctx, at[to].Endpoint, keys[i]); err != nil {
				return err
			}
			more = append(more, slot)
		}
		left = more
	}
	closing := []engine.Cluster{target, source}
	for shard, m := range at {
		if shard != from && shard != to { // gossip would tell them; clients are sent the right way sooner
			closing = append(closing, m.Node.Cluster())
		}
	}
	for _, c := range closing {
		if err := c.SetSlots(ctx, engine.Owned, ids[to], slots...); err != nil {
			return err
		}
	}
	return nil
}

// Repair ends moves of slots that were left half done, by a server that was killed or a primary that was replaced in the middle: a slot that has an
// owner and is open anywhere is moved to where it was going, or back if its target is gone. Keys that a former owner or a target still holds are
// brought to the owner.
func Repair(ctx context.Context, shards []Shard) error {
	at, ids, err := primaries(ctx, shards)
	if err != nil {
		return err
	}
	byID, err := shardsByID(ctx, shards, at)
	if err != nil {
		return err
	}
	owner, epoch := map[int]string{}, map[int]int64{}
	slots := map[int]open{}
	for shard, m := range at {
		self, err := me(ctx, m.Node.Cluster())
		if err != nil {
			return err
		}
		engine.Each(self.Slots, func(s int) {
			if _, known := owner[s]; !known || self.Epoch > epoch[s] { // the former owner may not have heard yet
				owner[s], epoch[s] = shard, self.Epoch
			}
		})
		for s := range self.Importing {
			o := slots[s]
			o.importing = shard
			slots[s] = o
		}
		for s, id := range self.Migrating {
			o := slots[s]
			o.migrating, o.target = shard, byID[id]
			slots[s] = o
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(slots)) {
		if err := repairSlot(ctx, slot, at, ids, owner[slot], slots[slot]); err != nil {
			return fmt.Errorf("repairing slot %d: %w", slot, err)
		}
	}
	return nil
}

// open is a slot that is open somewhere: the shard that imports it, the one that exports it, and the one that it was exported to.
type open struct{ importing, migrating, target string }

// shardsByID says which shard each node of the cluster belongs to, the dead included: their places are remembered.
func shardsByID(ctx context.Context, shards []Shard, at map[string]Member) (map[string]string, error) {
	place := map[engine.Endpoint]string{}
	for _, s := range shards {
		for _, m := range append([]Member{s.Primary}, s.Replicas...) {
			place[m.Endpoint] = s.ID
		}
	}
	byID := map[string]string{}
	for _, m := range at {
		nodes, err := m.Node.Cluster().Nodes(ctx)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			if shard, ok := place[n.Endpoint]; ok {
				byID[n.ID] = shard
			}
		}
	}
	return byID, nil
}

func repairSlot(ctx context.Context, slot int, at map[string]Member, ids map[string]string, owner string, o open) error {
	target := cmp.Or(o.importing, o.target)
	switch {
	case owner == "":
		return errors.New("nobody owns it")
	case target != "" && target != owner:
		// On its way: the same as a move that has just begun.
		return moveSlots(ctx, []int{slot}, at, ids, owner, target)
	}
	// It has arrived, or nobody is there who would take it: whoever has it open closes it.
	for _, shard := range []string{o.importing, o.migrating} {
		if shard == "" {
			continue
		}
		c := at[shard].Node.Cluster()
		if shard != owner {
			if err := c.SetSlots(ctx, engine.Owned, ids[owner], slot); err != nil {
				return err
			}
		}
		if err := c.SetSlots(ctx, engine.Stable, "", slot); err != nil {
			return err
		}
	}
	return nil
}
