package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/testenv/population"
)

// shape is how many entities the benchmarks work with: OSTIARY_BENCH_USERS users, or 100,000, in accounts of 5,000. What a load
// takes, and what stays in memory, is measured by the program in bench.
func shape() population.Shape {
	users := 100_000
	if n, err := strconv.Atoi(os.Getenv("OSTIARY_BENCH_USERS")); err == nil && n > 0 {
		users = n
	}
	accounts := (users + 4999) / 5000
	return population.Shape{Accounts: accounts, Users: users / accounts, Groups: 100, Roles: 500, Policies: 100, Keys: true}
}

var benchStore = sync.OnceValue(func() *mem.Store {
	s := mem.Open(mem.Config{})
	if err := population.Write(context.Background(), s, shape()); err != nil {
		panic(err)
	}
	return s
})

// someUsers are a thousand users of the population.
func someUsers() []*entity.User {
	var users []*entity.User
	err := benchStore().View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(keyenc.Encode("id", "user")) {
			if err != nil {
				return err
			}
			u, err := entity.Decode[entity.User](e.Value)
			if err != nil {
				return err
			}
			if users = append(users, u); len(users) == 1000 {
				break
			}
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	return users
}

// BenchmarkApply writes one user in a transaction, again and again, and waits for the last to be visible.
func BenchmarkApply(b *testing.B) {
	s := benchStore()
	f := follow(b, s)
	wait(b, f, 0)
	users := someUsers()
	var rev store.Revision
	published := f.Stats().Published
	n := 0
	for b.Loop() {
		u := users[n%len(users)]
		u.Tags[0].Value = strconv.Itoa(n)
		rev, _ = s.Update(context.Background(), func(txn store.Txn) error {
			txn.Put(keyOf(u), entity.Encode(u))
			return nil
		})
		n++
	}
	wait(b, f, rev)
	b.ReportMetric(float64(b.N)/float64(f.Stats().Published-published), "batches/publish")
}

// BenchmarkVisible is the time from the begin of a write until its author can read it.
func BenchmarkVisible(b *testing.B) {
	s := benchStore()
	f := follow(b, s)
	wait(b, f, 0)
	users := someUsers()
	n := 0
	for b.Loop() {
		u := users[n%len(users)]
		rev, _ := s.Update(context.Background(), func(txn store.Txn) error {
			txn.Put(keyOf(u), entity.Encode(u))
			return nil
		})
		wait(b, f, rev)
		n++
	}
}

// BenchmarkHot is the hot path of a decision: from an access key to the policies of its user.
func BenchmarkHot(b *testing.B) {
	f := follow(b, benchStore())
	wait(b, f, 0)
	for n := range benchKeys() {
		if _, err := readHot(f, n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		readHot(f, n%len(benchKeys()))
		n++
	}
}

var benchKeys = sync.OnceValue(func() []string {
	keys := make([]string, 1000)
	for n := range keys {
		keys[n] = shape().Key(0, n)
	}
	return keys
})

func readHot(f *snapshot.Follower, n int) (int, error) {
	s := f.Current()
	k, ok := s.AccessKey(benchKeys()[n])
	if !ok {
		return 0, fmt.Errorf("no key %d", n)
	}
	u, ok := s.UserByID(k.User)
	if !ok {
		return 0, fmt.Errorf("no user %s", k.User)
	}
	return len(u.Identity()), nil
}
