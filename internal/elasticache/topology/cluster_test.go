package topology_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/redis"
	"github.com/ostiary-iam/ostiary/internal/elasticache/topology"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

func inCluster(s *engine.Spec) { s.ClusterMode = true }

// shards starts fresh nodes for n shards with replicas each.
func shards(t *testing.T, n, replicas int, name string) ([]topology.Shard, map[string]node) {
	t.Helper()
	var all []topology.Shard
	byID := map[string]node{}
	for i := range n {
		s := topology.Shard{ID: fmt.Sprintf("%s-%d", name, i)}
		for j := range replicas + 1 {
			m := start(t, fmt.Sprintf("%s.%d", s.ID, j), inCluster)
			byID[m.ID] = m
			if j == 0 {
				s.Primary = m.Member
			} else {
				s.Replicas = append(s.Replicas, m.Member)
			}
		}
		all = append(all, s)
	}
	return all, byID
}

func create(t *testing.T, n, replicas int) ([]topology.Shard, map[string]node) {
	t.Helper()
	all, byID := shards(t, n, replicas, "shard")
	for i, s := range topology.Even(n) {
		all[i].Slots = s
	}
	must(t, topology.CreateCluster(patience(t), all))
	return all, byID
}

func ids(all []topology.Shard) []string {
	var out []string
	for _, s := range all {
		out = append(out, s.ID)
	}
	return out
}

// load writes and counts through a customer's cluster client until it is stopped, and remembers what was acknowledged.
type load struct {
	client *goredis.ClusterClient
	stop   chan struct{}
	done   sync.WaitGroup
	mu     sync.Mutex
	last   map[string]int // key → what was acknowledged last
	writes atomic.Int64
	failed atomic.Int64
	errs   []error
}

func startLoad(t *testing.T, at engine.Endpoint) *load {
	l := &load{stop: make(chan struct{}), last: map[string]int{}}
	l.client = goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{at.String()}, DisableIdentity: true, MaxRedirects: 16})
	t.Cleanup(func() { _ = l.client.Close() })
	for w := range 2 {
		l.done.Go(func() {
			pace := time.NewTicker(200 * time.Microsecond) // a load, not a race for the machine's two cores
			defer pace.Stop()
			for i := 1; ; i++ {
				select {
				case <-l.stop:
					return
				case <-pace.C:
				}
				k := fmt.Sprintf("w%d:%d", w, i%500)
				if err := l.client.Set(t.Context(), k, i, 0).Err(); err != nil {
					l.mu.Lock()
					l.errs = append(l.errs, err)
					delete(l.last, k) // it may have been written or not
					l.mu.Unlock()
					l.failed.Add(1)
					continue
				}
				l.mu.Lock()
				l.last[k] = i
				l.mu.Unlock()
				l.writes.Add(1)
			}
		})
	}
	return l
}

// more waits until so many more writes were acknowledged.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	from := l.writes.Load()
	enginetest.Await(t, "more writes", func(context.Context) error {
		if got := l.writes.Load(); got < from+n {
			return fmt.Errorf("%d of %d", got-from, n)
		}
		return nil
	})
}

// end stops the load and holds what is there against what was acknowledged.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.done.Wait()
	lost := 0
	for k, want := range l.last {
		if got, err := l.client.Get(t.Context(), k).Int(); err != nil || got != want {
			lost++
			if lost < 5 {
				t.Errorf("%s is %d, %v; %d was acknowledged", k, got, err, want)
			}
		}
	}
	t.Logf("%d writes acknowledged, %d failed, %d keys, %d lost", l.writes.Load(), l.failed.Load(), len(l.last), lost)
}

func holds(t *testing.T, all []topology.Shard, keep []string) {
	t.Helper()
	have, err := topology.Owners(patience(t), all)
	must(t, err)
	total := 0
	for id, slots := range have {
		n := count(slots)
		total += n
		if share := engine.Slots / len(keep); slices.Contains(keep, id) && (n < share || n > share+1) || !slices.Contains(keep, id) && n > 0 {
			t.Errorf("%s has %d slots", id, n)
		}
	}
	if total != engine.Slots {
		t.Errorf("%d slots are owned", total)
	}
}

// TestShardsAreScaledUnderLoad adds a shard and removes one while clients write: no key is lost and no write is refused.
func TestShardsAreScaledUnderLoad(t *testing.T) {
	t.Parallel()
	all, _ := create(t, 2, 1)
	l := startLoad(t, all[0].Primary.Endpoint)
	l.more(t, 2000)
	added, _ := shards(t, 1, 1, "added")
	must(t, topology.AddShards(patience(t), all, added))
	all = append(all, added...)
	told := 0
	must(t, topology.Rebalance(patience(t), all, ids(all), func(done, planned int) {
		if done <= told || done > planned || planned < engine.Slots/3-1 || planned > engine.Slots/3+1 {
			t.Errorf("progress %d of %d", done, planned)
		}
		told = done
	}))
	holds(t, all, ids(all))
	if have, err := topology.Owners(t.Context(), all); err != nil || told != count(have["added-0"]) {
		t.Errorf("progress ended at %d, %v", told, err)
	}
	l.more(t, 500)
	keep := []string{all[1].ID, all[2].ID}
	must(t, topology.Rebalance(patience(t), all, keep, nil))
	holds(t, all, keep)
	gone := append([]topology.Member{all[0].Primary}, all[0].Replicas...)
	stay := []topology.Member{all[1].Primary, all[2].Primary, all[1].Replicas[0], all[2].Replicas[0]}
	if err := topology.RemoveNodes(patience(t), stay, stay[:1]); err == nil {
		t.Error("a shard that owns slots is removed")
	}
	must(t, topology.RemoveNodes(patience(t), stay, gone))
	must(t, topology.RemoveNodes(patience(t), stay, gone)) // again
	must(t, topology.Agree(patience(t), stay))
	l.more(t, 500)
	l.end(t)
	if l.failed.Load() > 0 {
		t.Errorf("%d writes failed, the first with %v", l.failed.Load(), l.errs[0])
	}
}

// TestRebalanceIsInterrupted ends resharding at random steps, as a server that is killed does, and begins again.
func TestRebalanceIsInterrupted(t *testing.T) {
	t.Parallel()
	all, _ := create(t, 2, 0)
	l := startLoad(t, all[0].Primary.Endpoint)
	l.more(t, 2000)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	interrupted := 0
	rounds := 6
	if testenv.Long() {
		rounds = 30
	}
	for round := range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		left := random.IntN(2000)
		cut := cutting(all, cancel, &left)
		keep := ids(all)[:1+round%2]
		err := topology.Rebalance(ctx, cut, keep, nil)
		cancel()
		if err != nil {
			interrupted++
		}
	}
	must(t, topology.Repair(patience(t), all))
	if open := openSlots(t, all); len(open) > 0 {
		t.Errorf("open after a repair: %v", open)
	}
	must(t, topology.Rebalance(patience(t), all, ids(all), nil))
	holds(t, all, ids(all))
	l.end(t)
	if interrupted == 0 {
		t.Error("no interruption: the test shows nothing")
	}
	if l.failed.Load() > 0 {
		t.Errorf("%d writes failed, the first with %v", l.failed.Load(), l.errs[0])
	}
}

// cutting are shards whose handles end a context at a step that changes a slot.
func cutting(all []topology.Shard, cancel func(), left *int) []topology.Shard {
	out := slices.Clone(all)
	for i := range out {
		out[i].Primary.Node = cutNode{out[i].Primary.Node, cancel, left}
	}
	return out
}

type cutNode struct {
	engine.Node
	cancel func()
	left   *int
}

func (n cutNode) Cluster() engine.Cluster { return cutCluster{n.Node.Cluster(), n} }

type cutCluster struct {
	engine.Cluster
	n cutNode
}

func (c cutCluster) count() {
	if *c.n.left--; *c.n.left == 0 {
		c.n.cancel()
	}
}

// SetSlots is cut between the slots too.
func (c cutCluster) SetSlots(ctx context.Context, state engine.SlotState, id string, slots ...int) error {
	for _, s := range slots {
		c.count()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.Cluster.SetSlots(ctx, state, id, s); err != nil {
			return err
		}
	}
	return nil
}

func (c cutCluster) MigrateKeys(ctx context.Context, to engine.Endpoint, keys []string) error {
	c.count()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Cluster.MigrateKeys(ctx, to, keys)
}

func openSlots(t *testing.T, all []topology.Shard) []string {
	t.Helper()
	var open []string
	for _, s := range all {
		nodes, err := s.Primary.Node.Cluster().Nodes(t.Context())
		must(t, err)
		for _, n := range nodes {
			for slot := range n.Importing {
				open = append(open, fmt.Sprintf("%s imports %d", s.ID, slot))
			}
			for slot := range n.Migrating {
				open = append(open, fmt.Sprintf("%s exports %d", s.ID, slot))
			}
		}
	}
	return open
}

// TestShardFailover kills the primary of a shard of two, where the engine by itself could do nothing, and brings it back as a replica.
func TestShardFailover(t *testing.T) {
	t.Parallel()
	all, nodes := create(t, 2, 1)
	l := startLoad(t, all[0].Primary.Endpoint)
	l.more(t, 1000)
	lostID := all[1].Primary.ID
	close(l.stop)
	l.done.Wait()
	must(t, topology.InStep(patience(t), all[1].Primary, all[1].Replicas))
	nodes[lostID].r.Kill()
	now, err := topology.Failover(patience(t), all[1].Replicas)
	must(t, err)
	if p, err := topology.PrimaryOf(patience(t), all[1]); err != nil || p.ID != now.ID {
		t.Errorf("the shard's primary is %s, %v; promoted was %s", p.ID, err, now.ID)
	}
	must(t, topology.Agree(patience(t), []topology.Member{all[0].Primary, all[0].Replicas[0], now}))
	fresh := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{now.Endpoint.String()}, DisableIdentity: true})
	defer fresh.Close()
	for k, want := range l.last {
		if got, err := fresh.Get(t.Context(), k).Int(); err != nil || got != want {
			t.Fatalf("%s is %d, %v; %d was acknowledged before", k, got, err, want)
		}
	}
	back := enginetest.Start(t, redis.New(redis.Config{}), nodes[lostID].r.Spec)
	returned := topology.Member{ID: lostID, Node: back.Node, Endpoint: all[1].Primary.Endpoint, BusPort: all[1].Primary.BusPort}
	must(t, topology.InStep(patience(t), now, []topology.Member{returned}))
	must(t, topology.HandOver(patience(t), now, returned, nil))
	if p, err := topology.PrimaryOf(patience(t), topology.Shard{ID: "x", Primary: now, Replicas: []topology.Member{returned}}); err != nil || p.ID != lostID {
		t.Errorf("handed over to %s, %v", p.ID, err)
	}
	late := start(t, "late", inCluster)
	shard := all[1]
	shard.Primary, shard.Replicas = returned, []topology.Member{now}
	must(t, topology.AddReplicas(patience(t), []topology.Shard{all[0], shard}, shard, []topology.Member{late.Member}))
}

// TestPrimariesDieWhileSlotsMove kills the source or the target of a move in its middle. The target's replica has the keys that had arrived.
func TestPrimariesDieWhileSlotsMove(t *testing.T) {
	t.Parallel()
	sides := []string{"target"}
	if testenv.Long() {
		sides = append(sides, "source")
	}
	for _, side := range sides {
		t.Run(side, func(t *testing.T) {
			all, nodes := create(t, 2, 1)
			c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{all[0].Primary.Endpoint.String()}, DisableIdentity: true})
			defer c.Close()
			for i := range 300 {
				must(t, c.Set(t.Context(), fmt.Sprintf("{tag}%d", i), i, 0).Err()) // of one slot
			}
			slot, err := c.ClusterKeySlot(t.Context(), "{tag}").Result()
			must(t, err)
			from, to := all[0], all[1]
			if have, err := topology.Owners(t.Context(), all); err != nil || int(slot) > have[all[0].ID][0].Last {
				from, to = all[1], all[0]
			}
			source, target := from.Primary.Node.Cluster(), to.Primary.Node.Cluster()
			sourceID, err := source.ID(t.Context())
			must(t, err)
			targetID, err := target.ID(t.Context())
			must(t, err)
			must(t, target.SetSlots(t.Context(), engine.Importing, sourceID, int(slot)))
			must(t, source.SetSlots(t.Context(), engine.Migrating, targetID, int(slot)))
			keys, err := source.Keys(t.Context(), 150, int(slot))
			must(t, err)
			must(t, source.MigrateKeys(t.Context(), to.Primary.Endpoint, keys[0]))
			for _, s := range all {
				must(t, topology.InStep(patience(t), s.Primary, s.Replicas))
			}
			victim := from
			if side == "target" {
				victim = to
			}
			nodes[victim.Primary.ID].r.Kill()
			now, err := topology.Failover(patience(t), victim.Replicas)
			must(t, err)
			enginetest.Await(t, "a cluster that is repaired", func(ctx context.Context) error { return topology.Repair(ctx, all) })
			survivor := all[0]
			if victim.ID == all[0].ID {
				survivor = all[1]
			}
			must(t, topology.Agree(patience(t), []topology.Member{survivor.Primary, survivor.Replicas[0], now}))
			fresh := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{survivor.Primary.Endpoint.String()}, DisableIdentity: true, MaxRedirects: 16})
			defer fresh.Close()
			for i := range 300 {
				if got, err := fresh.Get(t.Context(), fmt.Sprintf("{tag}%d", i)).Int(); err != nil || got != i {
					t.Fatalf("key %d is %d, %v", i, got, err)
				}
			}
			have, err := topology.Owners(t.Context(), all)
			must(t, err)
			if !strings.Contains(fmt.Sprint(have[to.ID]), fmt.Sprint(slot)) && count(have[to.ID]) != engine.Slots/2+1 {
				t.Errorf("the slot has not arrived: %v", have)
			}
		})
	}
}

func TestCreateClusterAgain(t *testing.T) {
	t.Parallel()
	all, _ := create(t, 3, 0)
	must(t, topology.CreateCluster(patience(t), all))
	holds(t, all, ids(all))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := topology.CreateCluster(ctx, all); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
}

// TestBackupAndRestore makes a cluster of the snapshots of another: each shard begins with its snapshot and the slots it had.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	all, _ := create(t, 2, 0)
	c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{all[0].Primary.Endpoint.String()}, DisableIdentity: true})
	defer c.Close()
	for i := range 500 {
		must(t, c.Set(t.Context(), fmt.Sprint("k", i), i, 0).Err())
	}
	var restored []topology.Shard
	for _, s := range all {
		path := filepath.Join(t.TempDir(), "snapshot.rdb")
		must(t, s.Primary.Node.Save(patience(t), path))
		n := start(t, s.ID+"-restored", func(sp *engine.Spec) { sp.ClusterMode, sp.Seed = true, path })
		restored = append(restored, topology.Shard{ID: s.ID, Primary: n.Member, Slots: s.Slots})
	}
	must(t, topology.CreateCluster(patience(t), restored))
	holds(t, restored, ids(restored))
	r := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{restored[1].Primary.Endpoint.String()}, DisableIdentity: true})
	defer r.Close()
	for i := range 500 {
		if got, err := r.Get(t.Context(), fmt.Sprint("k", i)).Int(); err != nil || got != i {
			t.Fatalf("k%d is %d, %v", i, got, err)
		}
	}
}
