package cluster_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/clustertest/cluster"
)

// TestNodesOfACluster: a killed node comes back as itself, another one is ready beside it, and one of them has the first key.
func TestNodesOfACluster(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Members: 1})
	a := cluster.StartNode(t, cluster.NodeOptions{Store: c.Store("ostiary")})
	b := cluster.StartNode(t, cluster.NodeOptions{Store: c.Store("ostiary")})
	if _, _, ok := a.RootKey(); !ok {
		t.Error("the first node has no root credentials")
	}
	if _, _, ok := b.RootKey(); ok {
		t.Error("the second node has root credentials")
	}
	a.Kill()
	a.Start()
	for _, n := range []*cluster.Node{a, b} {
		if err := n.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := n.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}
}
