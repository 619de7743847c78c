package cluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/clustertest/cluster"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
)

// TestMembersComeAndGo has the engine write while the leader is killed, comes back, and loses its disk.
func TestMembersComeAndGo(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	s, err := etcd.Open(t.Context(), etcd.Config{Endpoints: c.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for {
			_, err := s.Update(ctx, func(tx store.Txn) error { tx.Put([]byte(key), nil); return nil })
			if err == nil {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("writing %s: %v", key, err)
			}
		}
	}
	put("a")
	leader := c.Leader(t)
	leader.Kill()
	if leader.Running() {
		t.Fatal("a killed member runs")
	}
	put("b")
	if next := c.Leader(t); next == leader {
		t.Fatal("a killed member leads")
	}
	leader.Start()
	leader.WaitHealthy(t)
	put("c")
	c.Replace(t, c.Leader(t))
	put("d")
	c.WaitHealthy(t)
	n := 0
	if err := s.View(t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}); err != nil || n != 4 {
		t.Errorf("%d of 4 records are left (%v)", n, err)
	}
}
