// Package engine tests the etcd engine against an etcd in the same process.
package engine
