package peer_test

import (
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/peer"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// count returns how many records there are under a prefix.
func count(t *testing.T, s store.Store, prefix []byte) (n int) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range r.Range(prefix) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDeadNode: the events of a node that gives no sign of life go to another one, once and all, and not before the time; one that
// gives signs keeps its own.
func TestDeadNode(t *testing.T) {
	s := mem.Open(mem.Config{Rerun: true})
	defer s.Close()
	now := time.Unix(1, 0)
	keeper := func(id string) *peer.Keeper {
		return peer.New(peer.Config{Store: s, ID: id, Now: func() time.Time { return now }})
	}
	dead, alive, heir, other := keeper("dead"), keeper("alive"), keeper("heir"), keeper("other")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const events = 150 // more than one transaction takes
	for i := range uint64(events) {
		_, err := s.Update(t.Context(), func(tx store.Txn) error {
			tx.Put(entity.NodeOutboxKey("dead", i, "event"), []byte("x"))
			tx.Put(entity.NodeOutboxKey("alive", i, "event"), []byte("x"))
			return nil
		})
		must(err)
	}
	_, err := s.Update(t.Context(), func(tx store.Txn) error { tx.Put(entity.OutboxKey(7, "old"), []byte("x")); return nil })
	must(err)
	for _, k := range []*peer.Keeper{dead, alive, heir, other} {
		must(k.Beat(t.Context()))
	}
	must(heir.Look(t.Context()))
	must(other.Look(t.Context()))
	if n := count(t, s, entity.UnownedOutbox); n != 0 {
		t.Errorf("%d events are no node's", n)
	}
	now = now.Add(peer.DefaultDead - time.Second)
	must(alive.Beat(t.Context()))
	must(heir.Beat(t.Context()))
	must(other.Beat(t.Context()))
	must(heir.Look(t.Context()))
	if n := count(t, s, entity.NodeOutbox("dead")); n != events {
		t.Fatalf("%d events are left before the time", n)
	}
	now = now.Add(2 * time.Second)
	must(heir.Look(t.Context()))
	must(other.Look(t.Context()))
	if d, a, h, o := count(t, s, entity.NodeOutbox("dead")), count(t, s, entity.NodeOutbox("alive")), count(t, s, entity.NodeOutbox("heir")),
		count(t, s, entity.NodeOutbox("other")); d != 0 || a != events || h != events+1 || o != 0 {
		t.Errorf("events: %d of the dead, %d of the living, %d of the heir, %d of the other", d, a, h, o)
	}
	members, err := peer.Members(t.Context(), s)
	must(err)
	if len(members) != 3 {
		t.Errorf("the nodes are %+v", members)
	}
	// It comes back: it is one of them again.
	must(dead.Beat(t.Context()))
	must(heir.Look(t.Context()))
	if n := count(t, s, entity.NodesPlane); n != 4 {
		t.Errorf("%d nodes after one came back", n)
	}
}
