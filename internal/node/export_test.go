package node

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/migrate"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// PutSystem writes a system record under a running node's feet.
func (n *Node) PutSystem(t testing.TB, name string, value []byte) {
	t.Helper()
	if _, err := n.store.Update(t.Context(), func(tx store.Txn) error {
		tx.Put(entity.SystemKey(name), value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// WithFormats returns a configuration of a version to come, which knows further formats.
func WithFormats(cfg Config, steps []migrate.Step) Config {
	cfg.formats = steps
	return cfg
}

// Directory returns the node's directory, for tests that fill a store.
func (n *Node) Directory() *directory.Directory { return n.directory }

// Tend does what the key ring has to do.
func (n *Node) Tend(t testing.TB) {
	t.Helper()
	if err := n.keys.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
}
