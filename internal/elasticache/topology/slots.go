package topology

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// Even divides all slots among n shards as AWS does for a new cluster: in order, sizes differing by one at most, larger ones first. It
// panics where n is not between 1 and the number of slots; callers' limits are far below.
func Even(n int) [][]engine.SlotRange {
	if n < 1 || n > engine.Slots {
		panic(fmt.Sprintf("dividing %d slots among %d shards", engine.Slots, n))
	}
	out := make([][]engine.SlotRange, n)
	next := 0
	for i := range out {
		size := engine.Slots / n
		if i < engine.Slots%n {
			size++
		}
		out[i] = []engine.SlotRange{{First: next, Last: next + size - 1}}
		next += size
	}
	return out
}

// Move is slots that go from one shard to another.
type Move struct {
	From, To string
	Slots    []engine.SlotRange
}

// Balance plans the moves that give each shard of keep its share of all slots and take every slot from those that are not in keep. As few slots
// move as can: a shard that has too many gives the surplus, one that has too few takes. Shards that own nothing yet need no entry in have.
// Slots that nobody has are in no move. The plan depends on its arguments alone.
func Balance(have map[string][]engine.SlotRange, keep []string) []Move {
	keep = slices.Compact(slices.Sorted(slices.Values(keep)))
	if len(keep) == 0 {
		return nil
	}
	owned := map[string][]int{}
	total := 0
	for id, ranges := range have {
		engine.Each(ranges, func(s int) { owned[id] = append(owned[id], s) })
		slices.Sort(owned[id])
		total += len(owned[id])
	}
	// Who has most keeps the share that is larger by one.
	byOwned := slices.Clone(keep)
	slices.SortStableFunc(byOwned, func(a, b string) int { return len(owned[b]) - len(owned[a]) })
	want := map[string]int{}
	for i, id := range byOwned {
		want[id] = total / len(keep)
		if i < total%len(keep) {
			want[id]++
		}
	}
	type piece struct {
		from string
		slot int
	}
	var surplus []piece
	for _, id := range slices.Sorted(maps.Keys(owned)) {
		slots := owned[id]
		for _, s := range slots[min(want[id], len(slots)):] { // from the end: what stays begins where it began
			surplus = append(surplus, piece{id, s})
		}
	}
	var moves []Move
	for _, id := range keep {
		var from string
		var slots []int
		flush := func() {
			if len(slots) > 0 {
				moves = append(moves, Move{from, id, engine.Ranges(slots)})
			}
			slots = nil
		}
		for missing := want[id] - len(owned[id]); missing > 0 && len(surplus) > 0; missing-- {
			p := surplus[0]
			surplus = surplus[1:]
			if p.from != from {
				flush()
				from = p.from
			}
			slots = append(slots, p.slot)
		}
		flush()
	}
	return moves
}
