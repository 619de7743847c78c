package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

// population is how many users the benchmarks work with: OSTIARY_BENCH_USERS, or 100,000. Per 5,000 users there is an
// account with 500 roles, 100 groups and 100 policies; every user has an access key, is in a group, has one attached and
// one inline policy and a tag.
func population() int {
	if n, err := strconv.Atoi(os.Getenv("OSTIARY_BENCH_USERS")); err == nil && n > 0 {
		return n
	}
	return 100_000
}

func benchAccount(n int) string { return fmt.Sprintf("%012d", 100000000000+n) }

func benchUser(n int) *entity.User {
	a := n / 5000
	return &entity.User{
		ID: fmt.Sprintf("AIDA%017X", n), Account: benchAccount(a), Name: fmt.Sprintf("user-%07d", n*7919%10_000_000), Path: "/staff/",
		CreatedAt: born, Tags: []entity.Tag{{Key: "team", Value: "t" + strconv.Itoa(n%50)}},
		Grants: entity.Grants{
			Attached: []string{fmt.Sprintf("ANPAB%016X", a*100+n%100)},
			Inline:   []entity.InlinePolicy{{Name: "own", Document: allow}},
		},
		Groups: []string{fmt.Sprintf("AGPA%017X", a*100+n%100)},
		Keys:   []string{fmt.Sprintf("AKIA%016X", n)},
	}
}

var benchStore = sync.OnceValue(func() *mem.Store {
	s := mem.Open(mem.Config{})
	var batch []any
	flush := func() {
		_, err := s.Update(context.Background(), func(txn store.Txn) error {
			for _, r := range batch {
				txn.Put(keyOf(r), entity.Encode(r))
			}
			return nil
		})
		if err != nil {
			panic(err)
		}
		batch = batch[:0]
	}
	add := func(r any) {
		if batch = append(batch, r); len(batch) == store.MaxOps {
			flush()
		}
	}
	users := population()
	for a := range (users + 4999) / 5000 {
		account := benchAccount(a)
		add(&entity.Account{ID: account, Alias: "alias-" + account, CreatedAt: born})
		for i := range 100 {
			policyID := fmt.Sprintf("ANPAB%016X", a*100+i)
			add(&entity.Policy{ID: policyID, Account: account, Name: fmt.Sprint("policy-", i), Path: "/", CreatedAt: born,
				UpdatedAt: born, Default: 1, Next: 2, Versions: []entity.PolicyVersion{{Number: 1, Document: allow, CreatedAt: born}}})
			add(&entity.Group{ID: fmt.Sprintf("AGPA%017X", a*100+i), Account: account, Name: fmt.Sprint("group-", i), Path: "/",
				CreatedAt: born, Grants: entity.Grants{Attached: []string{policyID}}, Members: 50})
		}
		for i := range 500 {
			add(&entity.Role{ID: fmt.Sprintf("AROA%017X", a*500+i), Account: account, Name: fmt.Sprint("role-", i), Path: "/",
				CreatedAt: born, MaxSession: 3600e9, Trust: trust,
				Grants: entity.Grants{Attached: []string{fmt.Sprintf("ANPAB%016X", a*100+i%100)}}})
		}
	}
	for n := range users {
		u := benchUser(n)
		add(u)
		add(&entity.AccessKey{ID: u.Keys[0], Account: u.Account, User: u.ID, Sealed: make([]byte, 90), CreatedAt: born})
	}
	flush()
	return s
})

// BenchmarkLoad reads everything from a store in memory. heap-B/user is what stays, all entities together, by users.
func BenchmarkLoad(b *testing.B) {
	s := benchStore()
	users := population()
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		f := follow(b, s)
		wait(b, f, 0)
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/float64(users), "heap-B/user")
		runtime.KeepAlive(f)
		b.StartTimer()
	}
	b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkApply writes one user in a transaction, again and again, and waits for the last to be visible.
func BenchmarkApply(b *testing.B) {
	s := benchStore()
	f := follow(b, s)
	wait(b, f, 0)
	var rev store.Revision
	published := f.Stats().Published
	n := 0
	for b.Loop() {
		u := benchUser(n % population())
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
	n := 0
	for b.Loop() {
		u := benchUser(n % population())
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
	users := population()
	for n := range min(users, 1000) {
		if _, err := readHot(f, n); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		readHot(f, n%min(users, 1000))
		n++
	}
}

var benchKeys = sync.OnceValue(func() []string {
	keys := make([]string, 1000)
	for n := range keys {
		keys[n] = benchUser(n).Keys[0]
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
