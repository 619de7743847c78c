package storetest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// benchRecords is how many records the store holds while reads are measured, and recordSize the size of each value.
const (
	benchRecords = 100_000
	recordSize   = 400
)

// Bench measures a store: Updates of five keys, alone and from 64 goroutines, and reads among benchRecords records.
func Bench(b *testing.B, open func(t testing.TB) store.Store) {
	b.Run("Update5/1", func(b *testing.B) { benchUpdate(b, open(b), 1) })
	b.Run("Update5/64", func(b *testing.B) { benchUpdate(b, open(b), 64) })
	full := open(b)
	fill(b, full)
	b.Run("ViewGet", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for n := uint64(1); pb.Next(); n++ {
				k := benchKey(n * 0x9E3779B97F4A7C15 % benchRecords)
				if err := full.View(b.Context(), func(r store.Reader) error {
					_, ok, err := r.Get(k)
					if !ok && err == nil {
						err = fmt.Errorf("%s is not there", k)
					}
					return err
				}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("Range1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if err := full.View(b.Context(), func(r store.Reader) error {
				for _, err := range r.Range([]byte("record/0042")) {
					if err != nil {
						return err
					}
					n++
				}
				return nil
			}); err != nil || n != 1000 {
				b.Fatalf("%d records, %v", n, err)
			}
		}
	})
}

func benchKey(n uint64) []byte { return fmt.Appendf(nil, "record/%07d", n) }

func fill(b *testing.B, s store.Store) {
	b.Helper()
	for n := uint64(0); n < benchRecords; {
		_, err := s.Update(b.Context(), func(tx store.Txn) error {
			for range store.MaxOps {
				if n < benchRecords {
					tx.Put(benchKey(n), make([]byte, recordSize))
					n++
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// benchUpdate writes what creating a user writes: a record, two index records, a counter and an event; two reads.
func benchUpdate(b *testing.B, s store.Store, workers int) {
	b.ReportAllocs()
	work := make(chan uint64)
	done := make(chan error, workers)
	for w := range workers {
		go func() {
			var err error
			for n := range work {
				if err == nil {
					_, err = s.Update(b.Context(), func(tx store.Txn) error { return fiveKeys(tx, w, n) })
				}
			}
			done <- err
		}()
	}
	b.ResetTimer()
	for n := range uint64(b.N) {
		work <- n
	}
	close(work)
	for range workers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}

func fiveKeys(tx store.Txn, worker int, n uint64) error {
	id := fmt.Appendf(nil, "%016x", n*0x9E3779B97F4A7C15)
	if _, _, err := tx.Get(append([]byte("name/"), id...)); err != nil {
		return err
	}
	counter := fmt.Appendf(nil, "count/%d", worker)
	if _, _, err := tx.Get(counter); err != nil {
		return err
	}
	tx.Put(append([]byte("user/"), id...), make([]byte, recordSize))
	tx.Put(append([]byte("name/"), id...), make([]byte, 40))
	tx.Put(append([]byte("uid/"), id...), make([]byte, 40))
	tx.Put(counter, binary.BigEndian.AppendUint64(nil, n))
	tx.Put(binary.BigEndian.AppendUint64([]byte("event/"), n), make([]byte, 2*recordSize))
	return nil
}
