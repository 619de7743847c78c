// Package cluster runs etcd members and Ostiary nodes as processes of their own, so that tests can kill them.
//
//	c := cluster.Start(t, cluster.Options{})            // three members on loopback, healthy
//	n := cluster.StartNode(t, cluster.NodeOptions{Store: c.Store("ostiary")})
//	n := cluster.StartNode(t, cluster.NodeOptions{Store: c.Store("ostiary")})
//	leader := c.Leader(t)
//	leader.Kill()                                       // as kill -9 does
//	leader.Start()                                      // with the data it had
//	c.Replace(t, leader)                                // its disk is lost: removed, wiped, added again
//
// Everything listens on 127.0.0.1, keeps its data in directories of the test's, writes its messages to files there, and is
// killed at the end of the test. When the test has failed, the ends of the messages are printed. The programs are built once for each test
// binary, from the sources that the test is built from; a test must run inside the module clustertest.
//
// Members and nodes may be used by several goroutines; only one at a time may start, stop or replace the same one.
package cluster
