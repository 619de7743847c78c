package nodes_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
)

// BenchmarkPropagation measures the time from a commit's answer on one node to the moment at which the snapshots of two others have the
// change: idle, and while eight writers keep all three busy. etcd is in the process and waits for its disk.
//
//	go test -run '^$' -bench Propagation -benchtime 2000x ./nodes
func BenchmarkPropagation(b *testing.B) {
	for _, writers := range []int{0, 8} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) { benchPropagation(b, writers) })
	}
}

func benchPropagation(b *testing.B, writers int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	address := embedded.Start(b, embedded.Options{Fsync: true})
	var background sync.WaitGroup
	var stores []*etcd.Store
	var followers []*snapshot.Follower
	for range 3 {
		s, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{address}})
		if err != nil {
			b.Fatal(err)
		}
		f := snapshot.New(snapshot.Config{Store: s, Managed: catalog.ManagedPolicies()})
		background.Go(func() { _ = f.Run(ctx) })
		if _, err := f.Wait(ctx, 0); err != nil {
			b.Fatal(err)
		}
		stores, followers = append(stores, s), append(followers, f)
	}
	write := func(s *etcd.Store, account int) (store.Revision, error) {
		id := fmt.Sprintf("%012d", 111122220000+account)
		return s.Update(ctx, func(tx store.Txn) error {
			tx.Put(entity.AccountKey(id), entity.Encode(&entity.Account{ID: id}))
			return nil
		})
	}
	for w := range writers {
		background.Go(func() {
			for ctx.Err() == nil {
				if _, err := write(stores[w%3], 1+w); err != nil && ctx.Err() == nil {
					b.Error(err)
					return
				}
			}
		})
	}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		rev, err := write(stores[0], 0)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		for _, f := range followers[1:] {
			if _, err := f.Wait(ctx, rev); err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	at := func(p int) float64 { return float64(took[len(took)*p/100].Microseconds()) / 1000 }
	b.ReportMetric(at(50), "p50-ms")
	b.ReportMetric(at(99), "p99-ms")
	cancel()
	background.Wait()
	for _, s := range stores {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}
}
