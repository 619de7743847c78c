package directory_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/store"
)

func TestCommitWritesEvent(t *testing.T) {
	w := newWorld(t)
	ch := w.change()
	ch.id, ch.record = "7f3a", []byte(`{"eventName":"CreateUser"}`)
	u, rev, err := directory.Commit(t.Context(), w.dir, ch, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "alice"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if ch.out != any(u) {
		t.Errorf("the event was closed with %v, not the result", ch.out)
	}
	out := entity.OutboxKey(uint64(start.UnixNano()), "7f3a")
	err = w.store.View(t.Context(), func(r store.Reader) error {
		e, ok, err := r.Get(out)
		if !ok || string(e.Value) != `{"eventName":"CreateUser"}` || e.Revision != rev {
			t.Errorf("outbox: %q at %d, want the record at %d", e.Value, e.Revision, rev)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.revision(entity.UserKey(home, u.ID)); got != rev || ch.rev != rev {
		t.Errorf("the user is at %d, the change was told %d, the commit said %d", got, ch.rev, rev)
	}
}

func TestCommitWithoutEventWritesNothing(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		ch   *change
	}{
		{"event fails", &change{err: boom}},
		{"no ID", &change{record: []byte("{}")}},
		{"no record", &change{id: "x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, rev, err := directory.Commit(t.Context(), w.dir, tt.ch, func(tx *directory.Tx) (*entity.User, error) {
				return tx.CreateUser(home, directory.NewUser{Name: "alice"})
			})
			if err == nil || rev != 0 || fault.KindOf(err) != fault.Internal {
				t.Errorf("error %v at revision %d, want an internal error", err, rev)
			}
			if tt.ch.err != nil && !errors.Is(err, boom) {
				t.Errorf("error %v does not wrap the event's", err)
			}
			if w.state().user("alice") != nil || tt.ch.rev != 0 {
				t.Error("the user was written")
			}
		})
	}
}

func TestFailedFunctionWritesNothing(t *testing.T) {
	w := newWorld(t)
	before := len(w.dump())
	boom := errors.New("boom")
	err := w.try(func(tx *directory.Tx) error {
		if err := createUser("alice")(tx); err != nil {
			return err
		}
		return boom
	})
	if err != boom {
		t.Errorf("error is %v, want the function's own", err)
	}
	if got := len(w.dump()); got != before {
		t.Errorf("%d records, want %d", got, before)
	}
}

// A verb that fails after it wrote must not be committed by a caller who goes on regardless.
func TestFailedVerbSpoilsTransaction(t *testing.T) {
	w := newWorld(t)
	w.do(setQuota(directory.UsersQuota, 0))
	w.refuse(fault.LimitExceeded, "Cannot exceed quota for UsersPerAccount: 0", func(tx *directory.Tx) error {
		_ = createUser("alice")(tx)
		return createGroup("g")(tx)
	})
}

func TestGuards(t *testing.T) {
	w := newWorld(t)
	u := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "alice"})
	})
	key := entity.UserKey(home, u.ID)
	current := w.revision(key)
	absent := entity.EpochKey(home)
	for _, tt := range []struct {
		name   string
		guards []store.Guard
		stale  bool
	}{
		{"none", nil, false},
		{"as seen", []store.Guard{{Key: key, Revision: current}}, false},
		{"absent as seen", []store.Guard{{Key: absent}}, false},
		{"older", []store.Guard{{Key: key, Revision: current - 1}}, true},
		{"newer", []store.Guard{{Key: key, Revision: current + 1}}, true},
		{"was absent, is there", []store.Guard{{Key: key}}, true},
		{"was there, is gone", []store.Guard{{Key: absent, Revision: 1}}, true},
		{"second of two", []store.Guard{{Key: key, Revision: current}, {Key: absent, Revision: 1}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ch := w.change()
			ch.guards = tt.guards
			ran := false
			_, _, err := directory.Commit(t.Context(), w.dir, ch, func(*directory.Tx) (struct{}, error) {
				ran = true
				return struct{}{}, nil
			})
			if stale := errors.Is(err, fault.Stale); stale != tt.stale || ran == tt.stale {
				t.Errorf("error %v, function ran: %v; want stale: %v", err, ran, tt.stale)
			}
		})
	}
}

// A guarded record that the same change writes was compared before.
func TestGuardOnWrittenRecord(t *testing.T) {
	w := newWorld(t)
	u := get(w, func(tx *directory.Tx) (*entity.User, error) {
		return tx.CreateUser(home, directory.NewUser{Name: "alice"})
	})
	ch := w.change()
	ch.guards = []store.Guard{{Key: entity.UserKey(home, u.ID), Revision: w.revision(entity.UserKey(home, u.ID))}}
	_, _, err := directory.Commit(t.Context(), w.dir, ch, func(tx *directory.Tx) (struct{}, error) {
		return struct{}{}, tx.Tag(directory.OfUser(home, "alice"), []entity.Tag{{Key: "a", Value: "b"}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	w := newWorld(t)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	err := w.try(createUser("alice"))
	if !errors.Is(err, fault.Unavailable) || !errors.Is(err, store.ErrClosed) {
		t.Errorf("error is %v, want unavailable because of a closed store", err)
	}
	if _, _, _, err := w.dir.Bootstrap(t.Context(), directory.NewAccount{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("bootstrap: error is %v, want unavailable", err)
	}
}

func TestBootstrapOnce(t *testing.T) {
	w := newWorld(t)
	var wins atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			acct, key, made, err := w.dir.Bootstrap(context.Background(), directory.NewAccount{Name: "main"})
			if err != nil {
				t.Error(err)
			}
			if made {
				wins.Add(1)
				if acct.Name != "main" || len(acct.RootKeys) != 1 || acct.RootKeys[0] != key.ID || key.Secret.IsZero() {
					t.Errorf("made %+v with %+v", acct, key)
				}
			} else if acct != nil || key != nil {
				t.Errorf("not made, and returned %v, %v", acct, key)
			}
		})
	}
	group.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d made the account, want exactly one", wins.Load())
	}
	if n := len(w.state().accounts); n != 3 {
		t.Errorf("%d accounts, want one more than two", n)
	}
	w.intact()
}

func TestQuotasHoldUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	w.do(setQuota(directory.UsersQuota, 5))
	w.do(createGroup("g"))
	race := func(n int, fn func(i int) func(*directory.Tx) error) (won int32) {
		var wins atomic.Int32
		var group sync.WaitGroup
		for i := range n {
			ch := w.change()
			group.Go(func() {
				_, _, err := directory.Commit(context.Background(), w.dir, ch, func(tx *directory.Tx) (struct{}, error) {
					return struct{}{}, fn(i)(tx)
				})
				switch kind := fault.KindOf(err); {
				case err == nil:
					wins.Add(1)
				case kind != fault.LimitExceeded && kind != fault.Exists:
					t.Error(err)
				}
			})
		}
		group.Wait()
		return wins.Load()
	}
	if n := race(8, func(int) func(*directory.Tx) error { return createUser("Alice") }); n != 1 {
		t.Errorf("%d made the one user", n)
	}
	if n := race(20, func(i int) func(*directory.Tx) error { return createUser(strings.Repeat("u", i+1)) }); n != 4 {
		t.Errorf("%d more users, want 4", n)
	}
	if n := race(6, func(int) func(*directory.Tx) error {
		return func(tx *directory.Tx) error {
			_, err := tx.CreateAccessKey(directory.OfUser(home, "alice"))
			return err
		}
	}); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	w.intact()
}
