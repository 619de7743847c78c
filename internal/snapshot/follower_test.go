package snapshot_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
)

func ann() *entity.User {
	return &entity.User{ID: "AIDAANN", Account: acct, Name: "Ann", Path: "/", CreatedAt: born}
}

func anAccount() *entity.Account { return &entity.Account{ID: acct, CreatedAt: born} }

func TestEmptyBeforeLoad(t *testing.T) {
	f := snapshot.New(snapshot.Config{Store: openStore(t, mem.Config{}), Managed: catalog.ManagedPolicies()})
	s := f.Current()
	if s == nil || s.Revision() != 0 || s.AccountCount() != 0 {
		t.Fatalf("before the load: %+v", s)
	}
	if _, ok := s.Account(acct); ok {
		t.Error("an account before the load")
	}
	if _, ok := s.AccessKey("AKIA1"); ok {
		t.Error("a key before the load")
	}
	if f.Loaded() {
		t.Error("loaded before the load")
	}
	g := follow(t, openStore(t, mem.Config{}))
	if wait(t, g, 0); !g.Loaded() {
		t.Error("not loaded after the load")
	}
}

func TestReadYourWrites(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	put(t, s, rec(anAccount()))
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				u := ann()
				u.ID, u.Name = "AIDA"+keyname(), "n"+keyname()
				rev := put(t, s, rec(u))
				snap := wait(t, f, rev)
				if got, ok := snap.UserByID(u.ID); !ok || got.Revision != rev {
					t.Errorf("user %s is not visible at revision %d", u.ID, rev)
				}
			}
		})
	}
	writers.Wait()
	if n := account(t, f.Current(), acct).UserCount(); n != 400 {
		t.Errorf("%d users", n)
	}
}

var counter atomic.Int64

func keyname() string {
	return strings.Repeat("x", int(counter.Add(1)%40)) + time.Duration(counter.Add(1)).String()
}

// A write that does not touch the identity plane is reached too.
func TestWaitForOtherPlane(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	rev, err := s.Update(t.Context(), func(txn store.Txn) error { txn.Put(entity.SystemKey("x"), []byte("1")); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := wait(t, f, rev).Revision(); got != rev {
		t.Errorf("revision %d, not %d", got, rev)
	}
}

func TestWaitEnds(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	wait(t, f, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Wait(ctx, 99); !errors.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	failed := make(chan error)
	go func() { _, err := f.Wait(t.Context(), 99); failed <- err }()
	s.Close()
	if err := <-failed; !errors.Is(err, fault.Unavailable) {
		t.Errorf("after the store closed: %v", err)
	}
	if _, err := f.Wait(t.Context(), 99); !errors.Is(err, fault.Unavailable) {
		t.Errorf("after the end: %v", err)
	}
}

// flaky is a store whose watches and views can be made to fail.
type flaky struct {
	store.Store
	mu      sync.Mutex
	views   []error         // the next views' errors
	watches []error         // the next watches end with these at once
	cuts    chan cut        // ends the running watch
	begun   chan struct{}   // told of every watch
	hold    <-chan struct{} // delivery waits for it
}

type cut struct {
	err  error
	done chan struct{} // closed when the watch has ended
}

// cut ends the running watch with an error and returns when it delivers nothing any more.
func (s *flaky) cut(err error) {
	c := cut{err, make(chan struct{})}
	s.cuts <- c
	<-c.done
}

func (s *flaky) next(of *[]error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*of) == 0 {
		return nil
	}
	err := (*of)[0]
	*of = (*of)[1:]
	return err
}

func (s *flaky) View(ctx context.Context, fn func(store.Reader) error) error {
	if err := s.next(&s.views); err != nil {
		return err
	}
	return s.Store.View(ctx, fn)
}

func (s *flaky) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		if s.begun != nil {
			s.begun <- struct{}{}
		}
		if err := s.next(&s.watches); err != nil {
			yield(store.Batch{}, err)
			return
		}
		ctx, cancel := context.WithCancelCause(ctx)
		var cutting sync.WaitGroup
		var done chan struct{}
		cutting.Go(func() {
			select {
			case c := <-s.cuts:
				done = c.done
				cancel(c.err)
			case <-ctx.Done():
			}
		})
		defer func() {
			cancel(nil)
			if cutting.Wait(); done != nil {
				close(done)
			}
		}()
		for b, err := range s.Store.Watch(ctx, prefix, after) {
			if s.hold != nil {
				<-s.hold
			}
			if err != nil && context.Cause(ctx) != nil {
				err = context.Cause(ctx)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func TestResumeAfterLostWatch(t *testing.T) {
	s := &flaky{Store: openStore(t, mem.Config{}), cuts: make(chan cut)}
	f := follow(t, s)
	wait(t, f, put(t, s, rec(anAccount())))
	for i, name := range []string{"a", "b", "c"} {
		s.cut(store.ErrLost)
		u := ann()
		u.Name = name
		snap := wait(t, f, put(t, s, rec(u)))
		if _, ok := account(t, snap, acct).User(name); !ok {
			t.Errorf("user %s is missing", name)
		}
		if st := f.Stats(); st.Loads != 1 || st.Resumes != i+1 {
			t.Errorf("after %d cuts: %+v", i+1, st)
		}
	}
	if f.Err() != nil {
		t.Errorf("still failing: %v", f.Err())
	}
}

func TestReloadAfterCompaction(t *testing.T) {
	m := openStore(t, mem.Config{})
	s := &flaky{Store: m, cuts: make(chan cut), begun: make(chan struct{})}
	f := follow(t, s)
	<-s.begun
	wait(t, f, put(t, s, rec(anAccount(), ann())))
	s.cut(store.ErrLost)
	bob := ann()
	bob.ID, bob.Name = "AIDABOB", "bob"
	rev := put(t, s, rec(bob))
	gone := put(t, s, map[string]any{string(keyOf(ann())): nil})
	m.Compact(gone)
	<-s.begun // finds that the history is gone
	<-s.begun // after the load
	a := account(t, wait(t, f, gone), acct)
	if u, ok := a.User("BOB"); !ok || u.Revision != rev {
		t.Errorf("bob after the reload: %v %v", u, ok)
	}
	if _, ok := a.User("ann"); ok {
		t.Error("ann is still there")
	}
	if st := f.Stats(); st.Loads != 2 {
		t.Errorf("%d loads", st.Loads)
	}
}

func TestRetryUnavailable(t *testing.T) {
	down := errors.Join(store.ErrUnavailable)
	s := &flaky{Store: openStore(t, mem.Config{}), views: []error{down, down}, watches: []error{down, down}}
	rev := put(t, s, rec(anAccount()))
	f := follow(t, s)
	wait(t, f, rev)
	next := put(t, s, rec(ann()))
	wait(t, f, next)
	if st := f.Stats(); st.Loads != 3 || st.Failures != 4 {
		t.Errorf("%+v", st)
	}
	if f.Err() != nil {
		t.Errorf("still failing: %v", f.Err())
	}
}

// An unreadable record stops the snapshot where it was, is told, and lets go when it is mended.
func TestUnreadableRecord(t *testing.T) {
	good := entity.Encode(ann())
	misplaced := ann()
	misplaced.ID = "AIDAELSE"
	key := entity.UserKey(acct, "AIDAANN")
	for name, bad := range map[string]store.Change{
		"garbage":        {Key: key, Value: []byte("1{")},
		"newer format":   {Key: key, Value: append([]byte("9"), good[1:]...)},
		"unknown member": {Key: key, Value: append(good[:len(good)-1:len(good)-1], `,"Later":1}`...)},
		"wrong key":      {Key: key, Value: entity.Encode(misplaced)},
		"unknown kind":   {Key: keyenc.Encode("id", "planet", acct), Value: []byte("1{}")},
		"short key":      {Key: keyenc.Encode("id", "user", acct), Value: good},
		"number in key":  {Key: keyenc.Encode("id", "user", acct, uint64(7)), Value: good},
	} {
		for _, when := range []string{"watch", "load"} {
			t.Run(name+" at "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := openStore(t, mem.Config{})
					before := put(t, s, rec(anAccount()))
					write := func() {
						if _, err := s.Update(t.Context(), func(txn store.Txn) error { txn.Put(bad.Key, bad.Value); return nil }); err != nil {
							t.Fatal(err)
						}
					}
					if when == "load" {
						before = 0
						write()
					}
					f := follow(t, s)
					if when == "watch" {
						wait(t, f, before)
						write()
					}
					time.Sleep(time.Minute)
					if f.Err() == nil {
						t.Fatal("no error is told")
					}
					if got := f.Current().Revision(); got != before {
						t.Errorf("the snapshot moved to %d", got)
					}
					if age := f.Freshness(); age < 55*time.Second {
						t.Errorf("fresh by %v", age)
					}
					rev, err := s.Update(t.Context(), func(txn store.Txn) error { txn.Delete(bad.Key); return nil })
					if err != nil {
						t.Fatal(err)
					}
					wait(t, f, rev)
					if f.Err() != nil || f.Freshness() > 10*time.Second {
						t.Errorf("after mending: %v, fresh by %v", f.Err(), f.Freshness())
					}
				})
			})
		}
	}
}

// Freshness follows progress notices while nothing is written, and grows when the watch is silent.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		open := make(chan struct{})
		close(open)
		s := &flaky{Store: openStore(t, mem.Config{}), hold: open}
		f := follow(t, s)
		rev := put(t, s, rec(anAccount()))
		wait(t, f, rev)
		published := f.Stats().Published
		time.Sleep(time.Hour)
		if age := f.Freshness(); age > 2*store.ProgressInterval {
			t.Errorf("after an idle hour: %v", age)
		}
		if n := f.Stats().Published; n != published {
			t.Errorf("%d snapshots published while idle", n-published)
		}
		silent := &flaky{Store: s.Store, hold: hold}
		g := follow(t, silent)
		wait(t, g, rev)
		time.Sleep(time.Hour)
		if age := g.Freshness(); age < time.Hour-time.Second {
			t.Errorf("after a silent hour: %v", age)
		}
		close(hold)
		synctest.Wait()
		if age := g.Freshness(); age != 0 {
			t.Errorf("after the silence: %v", age)
		}
	})
}

// backlog turns what a store says into what one elsewhere says that was cut off for a while: changes come, and proofs do not, or are old.
type backlog struct {
	store.Store
	change func(*store.Batch)
}

func (s backlog) Watch(ctx context.Context, prefix []byte, after store.Revision) iter.Seq2[store.Batch, error] {
	return func(yield func(store.Batch, error) bool) {
		for b, err := range s.Store.Watch(ctx, prefix, after) {
			s.change(&b)
			if !yield(b, err) {
				return
			}
		}
	}
}

// Changes from elsewhere are shown and prove nothing; a proof counts from when it was made.
func TestFreshnessOfBacklog(t *testing.T) {
	for name, old := range map[string]func(*store.Batch){
		"changes without proof": func(b *store.Batch) { b.Unproven = true },
		"old proofs":            func(b *store.Batch) { b.Proven = time.Now().Add(-time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := backlog{openStore(t, mem.Config{}), old}
				f := follow(t, s)
				wait(t, f, 0)
				var rev store.Revision
				for i := range 10 {
					time.Sleep(time.Minute)
					rev = put(t, s, rec(anAccount()))
					if s := wait(t, f, rev); s.Revision() != rev {
						t.Errorf("change %d is not shown", i)
					}
				}
				if age := f.Freshness(); age < 10*time.Minute {
					t.Errorf("fresh by %v after ten minutes without a proof", age)
				}
			})
		})
	}
}

// Everything that waits is published at once.
func TestCoalescing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		s := &flaky{Store: openStore(t, mem.Config{}), hold: hold}
		put(t, s, rec(anAccount()))
		var gate atomic.Pointer[chan struct{}]
		now := func() time.Time { // called at the begin of a load and of every round
			if g := gate.Load(); g != nil {
				<-*g
			}
			return time.Now()
		}
		f := follow(t, s, func(c *snapshot.Config) { c.Now = now })
		wait(t, f, 0)
		var rev store.Revision
		for i := range 100 {
			u := ann()
			u.Tags = []entity.Tag{{Key: "n", Value: time.Duration(i).String()}}
			rev = put(t, s, rec(u))
		}
		before := f.Stats()
		blocked := make(chan struct{})
		gate.Store(&blocked) // the next round stops at its first step, while the watch goes on
		close(hold)
		synctest.Wait()
		close(blocked)
		u, ok := wait(t, f, rev).UserByID("AIDAANN")
		if !ok || u.Tags[0].Value != time.Duration(99).String() {
			t.Fatalf("%v %v", u, ok)
		}
		after := f.Stats()
		if batches, published := after.Batches-before.Batches, after.Published-before.Published; batches != 100 || published > 2 {
			t.Errorf("%d batches were published in %d snapshots", batches, published)
		}
	})
}

func TestListing(t *testing.T) {
	s := openStore(t, mem.Config{})
	names := []string{"alpha", "Beta", "gamma", "Gamma2", "delta", "ZETA", "a", "_x"}
	records := []any{anAccount(), &entity.Account{ID: other, CreatedAt: born},
		&entity.Group{ID: "AGPA1", Account: acct, Name: "g", Path: "/", CreatedAt: born}}
	for i, name := range names {
		id := string(rune('A' + i))
		records = append(records,
			&entity.User{ID: "AIDA" + id, Account: acct, Name: name, Path: "/", CreatedAt: born, Groups: []string{"AGPA1"},
				Grants: entity.Grants{Attached: []string{"ANPAIX"}, Boundary: "ANPAIY"}},
			&entity.Role{ID: "AROA" + id, Account: acct, Name: name, Path: "/", CreatedAt: born, Grants: entity.Grants{Attached: []string{"ANPAIX"}}},
			&entity.Policy{ID: "ANPAB" + id, Account: acct, Name: name, Path: "/", CreatedAt: born},
			&entity.Group{ID: "AGPAH" + id, Account: acct, Name: name, Path: "/", CreatedAt: born, Grants: entity.Grants{Attached: []string{"ANPAIX"}}})
	}
	a := account(t, wait(t, follow(t, s), put(t, s, rec(records...))), acct)
	want := []string{"_x", "a", "alpha", "Beta", "delta", "gamma", "Gamma2", "ZETA"}
	all := map[string]func(string) []string{
		"users": func(after string) []string {
			return collect(a.Users(after), func(u snapshot.User) string { return u.Name })
		},
		"roles": func(after string) []string {
			return collect(a.Roles(after), func(r snapshot.Role) string { return r.Name })
		},
		"policies": func(after string) []string {
			return collect(a.Policies(after), func(p snapshot.Policy) string { return p.Name })
		},
		"members": func(after string) []string {
			return collect(a.Members("AGPA1", after), func(u snapshot.User) string { return u.Name })
		},
		"bounded": func(after string) []string {
			return collect(a.Bounded("ANPAIY", snapshot.UseMark{Kind: entity.KindUser, Name: after}), func(u snapshot.Use) string { return u.Name })
		},
	}
	for name, list := range all {
		for i, after := range want {
			if got := list(entity.FoldName(after)); !slices.Equal(got, want[i+1:]) {
				t.Errorf("%s after %q: %q", name, after, got)
			}
		}
		if got := list(""); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
		if got := list("b"); !slices.Equal(got, want[3:]) {
			t.Errorf("%s after a name that is not there: %q", name, got)
		}
	}
	// A listing of uses goes on over the kinds from any mark.
	uses := slices.Collect(a.Attached("ANPAIX", snapshot.UseMark{}))
	if len(uses) != 3*len(want) || uses[0].Kind != entity.KindUser || uses[8].Kind != entity.KindGroup || uses[16].Kind != entity.KindRole {
		t.Fatalf("uses: %+v", uses)
	}
	for i := range uses {
		if got := slices.Collect(a.Attached("ANPAIX", uses[i].Mark())); !slices.Equal(got, uses[i+1:]) {
			t.Errorf("after %+v: %+v", uses[i], got)
		}
	}
	if got := slices.Collect(a.Attached("ANPAIX", snapshot.UseMark{Kind: "planet"})); got != nil {
		t.Errorf("after a mark of no kind: %v", got)
	}
	if got := collect(a.Snapshot().Accounts(acct), func(a snapshot.Account) string { return a.ID }); !slices.Equal(got, []string{other}) {
		t.Errorf("accounts after %s: %q", acct, got)
	}
}

func collect[T any](from iter.Seq[T], name func(T) string) (names []string) {
	for e := range from {
		names = append(names, name(e))
	}
	return names
}

func TestGuards(t *testing.T) {
	s := openStore(t, mem.Config{})
	f := follow(t, s)
	role := &entity.Role{ID: "AROA1", Account: acct, Name: "r", Path: "/", CreatedAt: born}
	r1 := put(t, s, rec(anAccount(), role))
	r2 := put(t, s, rec(ann()))
	snap := wait(t, f, r2)
	a := account(t, snap, acct)
	u, _ := a.User("ann")
	r, _ := a.Role("R")
	check := func(name string, got []store.Guard, key []byte, rev, epoch store.Revision) {
		t.Helper()
		want := []store.Guard{{Key: key, Revision: rev}, {Key: entity.EpochKey(acct), Revision: epoch}}
		if !slices.EqualFunc(got, want, func(a, b store.Guard) bool { return string(a.Key) == string(b.Key) && a.Revision == b.Revision }) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	check("root", a.Guards(), entity.AccountKey(acct), r1, 0)
	check("user", u.Guards(), entity.UserKey(acct, "AIDAANN"), r2, 0)
	check("role", r.Guards(), entity.RoleKey(acct, "AROA1"), r1, 0)
	r3 := put(t, s, map[string]any{string(entity.EpochKey(acct)): &entity.Epoch{}})
	check("user of the old snapshot", u.Guards(), entity.UserKey(acct, "AIDAANN"), r2, 0)
	u, _ = account(t, wait(t, f, r3), acct).User("ann")
	check("user under a new epoch", u.Guards(), entity.UserKey(acct, "AIDAANN"), r2, r3)
}
