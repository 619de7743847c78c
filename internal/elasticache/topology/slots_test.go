package topology_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/topology"
)

func count(ranges []engine.SlotRange) int {
	n := 0
	for _, r := range ranges {
		n += r.Len()
	}
	return n
}

func TestEven(t *testing.T) {
	t.Parallel()
	if got := topology.Even(3); got[0][0] != (engine.SlotRange{First: 0, Last: 5461}) || got[2][0].Last != engine.Slots-1 {
		t.Errorf("three shards: %v", got)
	}
	for _, n := range []int{1, 2, 7, 90, 500} {
		next := 0
		for _, s := range topology.Even(n) {
			if s[0].First != next || s[0].Len() < engine.Slots/n || s[0].Len() > engine.Slots/n+1 {
				t.Errorf("%d shards: %v", n, s)
			}
			next = s[0].Last + 1
		}
		if next != engine.Slots {
			t.Errorf("%d shards end at %d", n, next)
		}
	}
}

// TestBalance holds the plan to its contract: every shard that stays gets its share, the others nothing, no slot moves twice, and no more
// move than must.
func TestBalance(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	rapid.Check(t, func(t *rapid.T) {
		owners := rapid.SliceOfN(rapid.IntRange(0, len(names)-1), 20, 20).Draw(t, "owners") // of chunks of slots
		keep := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID).Draw(t, "keep")
		lists := map[string][]int{}
		owner := map[int]string{}
		for s := range engine.Slots {
			o := names[owners[s*len(owners)/engine.Slots]]
			lists[o] = append(lists[o], s)
			owner[s] = o
		}
		have := map[string][]engine.SlotRange{}
		for o, l := range lists {
			have[o] = engine.Ranges(l)
		}
		moved := 0
		for _, m := range topology.Balance(have, keep) {
			engine.Each(m.Slots, func(s int) {
				if owner[s] != m.From || m.From == m.To {
					t.Fatalf("slot %d from %s to %s; it is with %s", s, m.From, m.To, owner[s])
				}
				owner[s] = m.To
				moved++
			})
		}
		after := map[string]int{}
		for _, o := range owner {
			after[o]++
		}
		least := 0
		stays := map[string]bool{}
		for _, k := range keep {
			stays[k] = true
			if n := after[k]; n < engine.Slots/len(keep) || n > engine.Slots/len(keep)+1 {
				t.Fatalf("%s gets %d of %d among %d", k, n, engine.Slots, len(keep))
			}
			least += max(0, engine.Slots/len(keep)-count(have[k]))
		}
		for o := range after {
			if !stays[o] {
				t.Fatalf("%s keeps %d slots", o, after[o])
			}
		}
		if moved > least+len(keep) {
			t.Fatalf("%d slots move where %d must", moved, least)
		}
	})
}
