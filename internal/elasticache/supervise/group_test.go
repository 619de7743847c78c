package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/supervise"
	"github.com/ostiary-iam/ostiary/internal/elasticache/topology"
)

func member(t *testing.T, s *supervise.Supervisor, id string) topology.Member {
	t.Helper()
	n, err := s.Node(id)
	if err != nil {
		t.Fatal(err)
	}
	st := status(t, s, id)
	return topology.Member{ID: id, Node: n, Endpoint: st.Endpoint, BusPort: st.BusPort}
}

// TestReplicationGroup is a control plane in small: a held primary is killed, a replica promoted, and everybody is what the new Specs say, also
// after the server was restarted.
func TestReplicationGroup(t *testing.T) {
	t.Parallel()
	tools(t)
	var seen events
	dir := t.TempDir()
	s := open(t, config(dir, &seen))
	desired := map[string]supervise.Desired{}
	for _, id := range []string{"a", "b", "c"} {
		d := spec(engine.Redis, id)
		d.Hold = true
		if id != "a" {
			d.Spec.Source = status(t, s, "a").Endpoint
		}
		apply(t, s, d)
		desired[id] = d
	}
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	defer cancel()
	replicas := []topology.Member{member(t, s, "b"), member(t, s, "c")}
	if err := topology.InStep(ctx, member(t, s, "a"), replicas); err != nil {
		t.Fatal(err)
	}
	c := client(t, status(t, s, "a").Endpoint, "", "")
	for i := range 200 {
		if err := c.Set(ctx, strconv.Itoa(i), "v", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Wait(ctx, 2, 0).Result(); n != 2 || err != nil {
		t.Fatalf("confirmed by %d, %v", n, err)
	}
	kill(t, status(t, s, "a").PID)
	until(t, s, "a", "down", func(st supervise.Status) bool { return st.State == supervise.Down }) // an empty primary would empty the others
	now, err := topology.Failover(ctx, replicas)
	if err != nil {
		t.Fatal(err)
	}
	for id, d := range desired {
		d.Spec.Source = now.Endpoint
		if id == now.ID {
			d.Spec.Source = engine.Endpoint{}
		}
		desired[id] = d
		apply(t, s, d)
	}
	others := func() (all []topology.Member) {
		for _, id := range []string{"a", "b", "c"} {
			if id != now.ID {
				all = append(all, member(t, s, id))
			}
		}
		return all
	}
	if err := topology.InStep(ctx, now, others()); err != nil {
		t.Fatal(err)
	}
	holding := func() error {
		for _, id := range []string{"a", "b", "c"} {
			if n, err := client(t, status(t, s, id).Endpoint, "", "").DBSize(ctx).Result(); n != 200 || err != nil {
				return fmt.Errorf("%s has %d keys, %w", id, n, errors.Join(err))
			}
		}
		return nil
	}
	if err := holding(); err != nil {
		t.Error(err)
	}
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	s = open(t, config(dir, &seen), desired["a"], desired["b"], desired["c"])
	for _, id := range []string{"a", "b", "c"} {
		if st := await(t, s, id); !st.Adopted {
			t.Errorf("%+v", st)
		}
	}
	if err := topology.InStep(ctx, member(t, s, now.ID), others()); err != nil {
		t.Fatal(err)
	}
	if err := holding(); err != nil {
		t.Error(err)
	}
}

// TestClusterIsKilled kills every node of a cluster without data to lose; their place in the cluster is remembered by the nodes.
func TestClusterIsKilled(t *testing.T) {
	t.Parallel()
	tools(t)
	s := open(t, config(t.TempDir(), nil))
	var shards []topology.Shard
	var all []topology.Member
	for i, slots := range topology.Even(2) {
		id := fmt.Sprint("shard-", i)
		d := spec(engine.Redis, id)
		d.Spec.ClusterMode = true
		if st := apply(t, s, d); st.BusPort == 0 || st.BusPort == st.Endpoint.Port {
			t.Errorf("%+v", st)
		}
		shards = append(shards, topology.Shard{ID: id, Primary: member(t, s, id), Slots: slots})
	}
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	defer cancel()
	if err := topology.CreateCluster(ctx, shards); err != nil {
		t.Fatal(err)
	}
	for _, sh := range shards {
		st := status(t, s, sh.ID)
		kill(t, st.PID)
		until(t, s, sh.ID, "again", func(now supervise.Status) bool { return now.State == supervise.Ready && now.PID != st.PID })
		if now := status(t, s, sh.ID); now.Endpoint != st.Endpoint || now.BusPort != st.BusPort {
			t.Errorf("it moved: %+v, was %+v", now, st)
		}
	}
	for _, sh := range shards {
		all = append(all, member(t, s, sh.ID))
	}
	if err := topology.Agree(ctx, all); err != nil {
		t.Fatal(err)
	}
}
