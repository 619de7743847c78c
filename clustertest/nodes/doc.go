// Package nodes tests Ostiary nodes that share one etcd, all in one process. Package cluster has processes, for what must be
// killed.
package nodes
