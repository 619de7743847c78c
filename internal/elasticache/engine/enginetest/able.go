package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

func replication(t *testing.T, h Harness) {
	primary := Start(t, h.Driver, Base(h.Driver, h.Version, "primary"))
	put(t, h, primary, 50)
	s := Base(h.Driver, h.Version, "replica")
	s.Source = primary.Spec.Listen()
	replica := Start(t, h.Driver, s)
	Await(t, "the replica in step", inStep(primary, replica))
	c := h.Dial(replica.Spec, "", "")
	defer c.Close()
	if v, ok, err := c.Get(t.Context(), key(7)); err != nil || !ok || v != "value" {
		t.Errorf("the replica has %q %v %v", v, ok, err)
	}
	if err := c.Set(t.Context(), "k", "v"); err == nil {
		t.Error("a replica takes writes")
	}
	if err := replica.Node.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "after", "promotion"); err != nil {
		t.Errorf("a promoted node does not take writes: %v", err)
	}
	if err := replica.Node.Promote(t.Context()); err != nil {
		t.Errorf("promoting a primary: %v", err)
	}
	if err := primary.Node.ReplicateFrom(t.Context(), replica.Spec.Listen()); err != nil {
		t.Fatal(err)
	}
	Await(t, "the old primary in step", inStep(replica, primary))
	back := h.Dial(primary.Spec, "", "")
	defer back.Close()
	if v, _, err := back.Get(t.Context(), "after"); v != "promotion" || err != nil {
		t.Errorf("the old primary has %q, %v", v, err)
	}
	if err := replica.Node.HandOver(t.Context(), primary.Spec.Listen()); err != nil {
		t.Fatal(err)
	}
	Await(t, "roles exchanged", inStep(primary, replica))
	if err := back.Set(t.Context(), "after", "handing over"); err != nil {
		t.Errorf("the primary that was handed over to: %v", err)
	}
	if err := primary.Node.HandOver(t.Context(), engine.Endpoint{Address: primary.Spec.Bind(), Port: 1}); err == nil {
		t.Error("handing over to nobody succeeds")
	}
	change := h.Driver.Difference(replica.Spec, primary.Spec)
	if !change.Source {
		t.Errorf("a source that differs: %+v", change)
	}
}

// inStep is nil when a replica has all that its primary has.
func inStep(primary, replica *Running) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := primary.Node.Info(ctx)
		if err != nil {
			return err
		}
		r, err := replica.Node.Info(ctx)
		if err != nil {
			return err
		}
		if r.Role != engine.Replica || !r.LinkUp || r.Source != primary.Spec.Listen() || r.Offset != p.Offset || r.Backlog != p.Backlog || len(p.Replicas) == 0 {
			return fmt.Errorf("primary %+v, replica %+v", p, r)
		}
		return nil
	}
}

func snapshots(t *testing.T, h Harness) {
	r := Start(t, h.Driver, Base(h.Driver, h.Version, "source"))
	put(t, h, r, 100)
	path := filepath.Join(t.TempDir(), "snapshot.rdb")
	if err := r.Node.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := r.Node.Save(t.Context(), path); err != nil {
		t.Fatalf("a second snapshot: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the snapshot's file: %v %v", info, err)
	}
	s := Base(h.Driver, h.Version, "seeded")
	s.Seed = path
	seeded := Start(t, h.Driver, s)
	if got, err := seeded.Node.Info(t.Context()); err != nil || got.Keys != 100 {
		t.Errorf("seeded with %d keys, %v; want 100", got.Keys, err)
	}
	if err := r.Node.Save(t.Context(), filepath.Join(t.TempDir(), "no", "such", "directory")); err == nil {
		t.Error("a snapshot into nowhere succeeds")
	}

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.rdb")
	flipped := bytes.Clone(text)
	flipped[len(flipped)/2] ^= 0x55
	for name, content := range map[string][]byte{"a flipped byte": flipped, "half": text[:len(text)/2], "no snapshot at all": []byte("hello")} {
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := Base(h.Driver, h.Version, "damaged")
		s.Seed = damaged
		r := Launch(t, h.Driver, s)
		Await(t, name+": the end of the node", func(context.Context) error {
			select {
			case <-r.Done():
				return nil
			default:
				return errors.New("running")
			}
		})
	}

	s = Base(h.Driver, h.Version, "keeps")
	s.Persist = true
	keeps := Start(t, h.Driver, s)
	put(t, h, keeps, 20)
	keeps.Terminate(t)
	again := Start(t, h.Driver, keeps.Spec)
	if got, err := again.Node.Info(t.Context()); err != nil || got.Keys != 20 {
		t.Errorf("a node that keeps its data has %d keys, %v; want 20", got.Keys, err)
	}
}

func users(t *testing.T, h Harness) {
	word := func(s string) []secret.Text { return []secret.Text{secret.New(s)} }
	s := Base(h.Driver, h.Version, "users")
	s.Users = []engine.User{
		{Name: "alice", Passwords: []secret.Text{secret.New("first"), secret.New("second")}},
		{Name: "bob", Passwords: word("bobs"), Access: "on ~app:* -@all +@read"},
		{Name: "mallory", Passwords: word("m"), Access: "on ~* +@all +config +acl|setuser (~sel:* +@all +config +debug)"},
		{Name: "gone", Passwords: word("gone"), Access: "~* +@all"}, // neither on nor off: off
	}
	r := Start(t, h.Driver, s)
	try := func(user, password, what string, want bool, f func(c Client) error) {
		t.Helper()
		c := h.Dial(r.Spec, user, password)
		defer c.Close()
		if err := f(c); (err == nil) != want {
			t.Errorf("%s: %s: %v", user, what, err)
		}
	}
	set := func(k string) func(Client) error {
		return func(c Client) error { return c.Set(t.Context(), k, "v") }
	}
	get := func(k string) func(Client) error {
		return func(c Client) error { _, _, err := c.Get(t.Context(), k); return err }
	}
	try("", "", "without logging in", false, set("k"))
	try("alice", "first", "writing", true, set("app:1"))
	try("alice", "second", "writing", true, set("app:1"))
	try("alice", "third", "writing", false, set("app:1"))
	try("bob", "bobs", "reading", true, get("app:1"))
	try("bob", "bobs", "reading another key", false, get("other"))
	try("bob", "bobs", "writing", false, set("app:1"))
	try("gone", "gone", "reading", false, get("app:1"))
	for _, u := range []string{"alice first", "mallory m"} {
		var name, password string
		if _, err := fmt.Sscan(u, &name, &password); err != nil {
			t.Fatal(err)
		}
		for _, command := range engine.Closed() {
			try(name, password, command+" is open", true, func(c Client) error { return h.Closed(t.Context(), c, command) })
		}
	}
	if err := r.Node.SetUsers(t.Context(), []engine.User{{Name: "bob", Passwords: word("new")}}); err != nil {
		t.Fatal(err)
	}
	try("alice", "first", "after her end", false, get("app:1"))
	try("bob", "bobs", "with the old password", false, get("app:1"))
	try("bob", "new", "with the new password", true, set("anything"))
	if err := r.Node.SetUsers(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	try("", "", "without users", true, set("k"))
	for _, bad := range []engine.User{
		{Name: engine.Admin}, {Name: ""}, {Name: "x y"}, {Name: "x\nuser y on"}, {Name: "x", Access: ">password"}, {Name: "x", Access: "nopass"},
		{Name: "x", Access: "(+get"}, {Name: "x", Access: "(+get (+set))"}, {Name: "x", Access: "reset"}, {Name: "x", Access: "+get\" x"},
		{Name: "x", NoPassword: true, Passwords: word("x")}, {Name: "x", Passwords: append(append(word("a"), word("b")...), word("c")...)},
	} {
		if err := r.Node.SetUsers(t.Context(), []engine.User{bad}); err == nil {
			t.Errorf("user %q %q is taken", bad.Name, bad.Access)
		}
	}
	try("", "", "after users that were refused", true, set("k"))
}

func clusterMode(t *testing.T, h Harness) {
	var nodes []*Running
	for i := range 2 {
		s := Base(h.Driver, h.Version, fmt.Sprintf("shard-%d", i))
		s.ClusterMode = true
		nodes = append(nodes, Start(t, h.Driver, s))
	}
	ctx := t.Context()
	a, b := nodes[0].Node.Cluster(), nodes[1].Node.Cluster()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[0].Node.ReplicateFrom(ctx, nodes[1].Spec.Listen()); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("replication by hand in cluster mode: %v", err)
	}
	must(a.SetEpoch(ctx, 1))
	must(b.SetEpoch(ctx, 2))
	must(a.AddSlots(ctx, []engine.SlotRange{{First: 0, Last: engine.Slots - 1}}))
	must(a.Meet(ctx, nodes[1].Spec.Listen(), nodes[1].Spec.BusPort))
	idA, err := a.ID(ctx)
	must(err)
	idB, err := b.ID(ctx)
	must(err)
	Await(t, "two nodes that know each other", func(ctx context.Context) error {
		for _, c := range []engine.Cluster{a, b} {
			all, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			state, err := c.State(ctx)
			if err != nil {
				return err
			}
			if len(all) != 2 || all[0].Handshake || all[1].Handshake || state["cluster_state"] != "ok" {
				return fmt.Errorf("%+v %v", all, state)
			}
		}
		return nil
	})
	put(t, h, nodes[0], 1)
	slot := -1
	var names []string
	for s := range engine.Slots {
		held, err := a.Keys(ctx, 10, s)
		must(err)
		if len(held[0]) > 0 {
			slot, names = s, held[0]
			break
		}
	}
	if slot < 0 {
		t.Fatal("no slot has the key")
	}
	must(b.SetSlots(ctx, engine.Importing, idA, slot, (slot+1)%engine.Slots))
	must(a.SetSlots(ctx, engine.Migrating, idB, slot))
	all, err := a.Nodes(ctx)
	must(err)
	for _, n := range all {
		if n.Myself && n.Migrating[slot] != idB {
			t.Errorf("an open slot is not seen: %+v", n)
		}
	}
	must(a.MigrateKeys(ctx, nodes[1].Spec.Listen(), append(names, "{"+key(0)+"}gone")))
	must(b.SetSlots(ctx, engine.Owned, idB, slot))
	must(a.SetSlots(ctx, engine.Owned, idB, slot))
	must(b.SetSlots(ctx, engine.Stable, "", (slot+1)%engine.Slots))
	if moved, err := b.Keys(ctx, 10, slot, (slot+1)%engine.Slots); err != nil || len(moved) != 2 || len(moved[0]) != len(names) || len(moved[1]) != 0 {
		t.Errorf("moved %v, %v; want %v", moved, err, names)
	}
	must(a.DropSlots(ctx, []engine.SlotRange{{First: (slot + 1) % engine.Slots, Last: (slot + 1) % engine.Slots}}))
	must(b.Reset(ctx))
	if id, err := b.ID(ctx); err != nil || id == idB {
		t.Errorf("after a reset it is still %s, %v", id, err)
	}
}
