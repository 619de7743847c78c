package node

import (
	"testing"

	"github.com/ostiary-iam/ostiary/internal/entity"
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
