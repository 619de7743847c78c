package engine_test

import (
	"testing"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
	"github.com/ostiary-iam/ostiary/internal/store/storetest"
)

// opened is a store that knows where its records lie.
type opened struct {
	*etcd.Store
	cfg etcd.Config
}

func open(t testing.TB, cfg etcd.Config) *opened {
	t.Helper()
	s, err := etcd.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &opened{s, cfg}
}

// fresh opens a store in an etcd of its own.
func fresh(t testing.TB) store.Store {
	return open(t, etcd.Config{Endpoints: []string{embedded.Start(t, embedded.Options{})}, CompactEvery: -1})
}

var options = storetest.Options{
	Reopen: func(t *testing.T, s store.Store) store.Store {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, s.(*opened).cfg)
	},
	Compact: func(t *testing.T, s store.Store, upTo store.Revision) {
		t.Helper()
		if err := s.(*opened).Compact(t.Context(), upTo); err != nil {
			t.Fatal(err)
		}
	},
}

func TestStore(t *testing.T) { storetest.Run(t, fresh, options) }

func BenchmarkStore(b *testing.B) { storetest.Bench(b, fresh) }
