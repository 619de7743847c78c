// Package faults breaks a cluster under load: three etcd members and three Ostiary nodes, all processes of their own, with a network
// between them that the tests can cut, slow and reset.
//
// Every test runs a bounded load through the API of all nodes while something breaks and after it is whole again, and then checks: one
// order of all changes explains every answer of every node (package history); a reading of all that was written, on each node, agrees with
// it; no node decided on a state older than the bound; and every acknowledged change has its event in the trail of some node.
package faults
