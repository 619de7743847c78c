package cell

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Cell is what a mover needs of a cell.
type Cell struct {
	Store store.Store // not fenced
	// Settled returns when every node of the cell, with its snapshot and its door, has reached a revision; a node that cannot
	// be asked has by then been silent for longer than it would decide on what it last knew.
	Settled func(ctx context.Context, at store.Revision) error
}

// Move is the journal of a move.
type Move struct {
	From, To string
	Version  int64 // of the map, when the move began: it ends with the next
	Attempt  int64 // the one that is at work; see [Fence]
	Switched bool  // the map names To: there is no way back but another move
}

// Mover moves accounts. Several may be at work; one move at a time is on record for an account, and of several movers at the
// same one only the latest copies.
type Mover struct {
	Directory store.Store
	Cells     map[string]Cell
	Batch     int // records written in one transaction; zero means as many as a store takes
}

// ErrElsewhere says that the account is not where it should be moved from, or that another move of it is going on.
var ErrElsewhere = errors.New("cell: the account is in another cell, or on its way")

// ErrOvertaken says that another mover has begun the same move anew.
var ErrOvertaken = errors.New("cell: another mover has taken over")

// Move brings an account from one cell to another. What an earlier mover began and did not end is gone on with.
//
//	1 begin   the journal says from where to where
//	2 arrive  the target is fenced, and what an earlier attempt left there is brought in line
//	3 copy    the records as they stand, in passes, until a pass finds little; the source goes on in full
//	4 fence   from here on the source takes no change of the account
//	5 last    one more pass; then source and target are compared, record by record
//	6 leave   the source's doors refuse reads too, once all have said so
//	7 switch  the map, by compare-and-swap, together with the journal
//	8 open    the target's fence falls, once its nodes show everything
//	9 clean   the source's records go; its fence stays, for those with an old map
//
// A crash before 7 leaves an account that is read in the source, and changed there too up to 4, and can be gone on with or given
// up ([Mover.Abandon]); after 7 it is gone on with.
func (m *Mover) Move(ctx context.Context, account, from, to string) error {
	for _, name := range []string{from, to} {
		if _, ok := m.Cells[name]; !ok || from == to {
			return fmt.Errorf("cell: an account cannot be moved from %q to %q", from, to)
		}
	}
	j, err := m.begin(ctx, account, from, to)
	if err != nil {
		return err
	}
	return m.goOn(ctx, account, j)
}

// Resume goes on with whatever move of the account is on record; without one it does nothing.
func (m *Mover) Resume(ctx context.Context, account string) error {
	j, err := m.journal(ctx, account)
	if err != nil || j == nil {
		return err
	}
	return m.Move(ctx, account, j.From, j.To)
}

func (m *Mover) journal(ctx context.Context, account string) (j *Move, err error) {
	err = m.Directory.View(ctx, func(r store.Reader) error {
		j, err = read[Move](r, moveKey(account))
		return err
	})
	return j, err
}

// begin writes the journal, or counts one more attempt of the move that is in it.
func (m *Mover) begin(ctx context.Context, account, from, to string) (j *Move, err error) {
	_, err = m.Directory.Update(ctx, func(txn store.Txn) error {
		at, err := read[Assignment](txn, mapKey(account))
		if err != nil {
			return err
		}
		if j, err = read[Move](txn, moveKey(account)); err != nil {
			return err
		}
		switch {
		case at == nil, j == nil && at.Cell != from, j != nil && (j.From != from || j.To != to):
			return ErrElsewhere
		case j == nil:
			j = &Move{From: from, To: to, Version: at.Version}
		}
		at.Attempt++
		j.Attempt = at.Attempt
		txn.Put(mapKey(account), entity.Encode(at))
		txn.Put(moveKey(account), entity.Encode(j))
		return nil
	})
	return j, err
}

func (m *Mover) goOn(ctx context.Context, account string, j *Move) error {
	from, to := m.Cells[j.From], m.Cells[j.To]
	if !j.Switched {
		for _, step := range []func() error{
			func() error { return m.arrive(ctx, to, account, j) },
			func() error { return m.copyOpen(ctx, from, to, account, j) },
			func() error { return m.stand(ctx, from, account, Leaving, j.Version, j.Attempt) },
			func() error { return m.last(ctx, from, to, account, j) },
			func() error { return m.leave(ctx, from, account, j) },
			func() error { return m.switchMap(ctx, account, j) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if err := m.stand(ctx, to, account, Open, j.Version+1, j.Attempt); err != nil {
		return err
	}
	return m.clean(ctx, from, account, j)
}

// stand says how the account stands in a cell, unless a later attempt has spoken there.
func (m *Mover) stand(ctx context.Context, in Cell, account string, s State, version, attempt int64) error {
	_, err := in.Store.Update(ctx, func(txn store.Txn) error {
		old, err := read[Fence](txn, FenceKey(account))
		if err != nil {
			return err
		}
		if old != nil && old.Attempt > attempt {
			return ErrOvertaken
		}
		if s == Leaving && old != nil && old.State == Left {
			return nil // an earlier attempt has come further
		}
		txn.Put(FenceKey(account), entity.Encode(&Fence{State: s, Version: version, Attempt: attempt}))
		return nil
	})
	return err
}

// arrive fences the account in the target. There must be nothing of it, but what an earlier attempt has copied.
func (m *Mover) arrive(ctx context.Context, to Cell, account string, j *Move) error {
	err := to.Store.View(ctx, func(r store.Reader) error {
		f, err := read[Fence](r, FenceKey(account))
		if err != nil {
			return err
		}
		here, err := read[entity.Account](r, entity.AccountKey(account))
		if err == nil && here != nil && (f == nil || f.State == Open || f.State == Leaving) {
			return fmt.Errorf("cell: account %s is in its target %s already", account, j.To)
		}
		return err
	})
	if err != nil {
		return err
	}
	return m.stand(ctx, to, account, Arriving, j.Version+1, j.Attempt)
}

// few is how many differences a pass over an open account may leave to the last pass.
const few = 64

// passes bounds the passes over an account that changes all the time.
const passes = 5

func (m *Mover) copyOpen(ctx context.Context, from, to Cell, account string, j *Move) error {
	for range passes {
		n, _, err := m.pass(ctx, from, to, account, j)
		if err != nil || n <= few {
			return err
		}
	}
	return nil
}

// last copies what changed before the fence, and then proves that source and target are equal.
func (m *Mover) last(ctx context.Context, from, to Cell, account string, j *Move) error {
	var at store.Revision
	for range passes {
		n, rev, err := m.pass(ctx, from, to, account, j)
		if err != nil {
			return err
		}
		at = max(at, rev)
		if n == 0 {
			// The nodes of the target show what was copied before anybody may ask them.
			return to.Settled(ctx, at)
		}
	}
	return fmt.Errorf("cell: account %s changes although it is fenced in %s", account, j.From)
}

// pass makes the target's records of the account those of the source. It returns how many it had to change, and the target's
// revision that has them all.
func (m *Mover) pass(ctx context.Context, from, to Cell, account string, j *Move) (changed int, at store.Revision, err error) {
	want, _, err := m.records(ctx, from.Store, account)
	if err != nil {
		return 0, 0, err
	}
	have, at, err := m.records(ctx, to.Store, account)
	if err != nil {
		return 0, 0, err
	}
	var puts, deletes []string
	for key, value := range want {
		if old, ok := have[key]; !ok || string(old) != string(value) {
			puts = append(puts, key)
		}
	}
	for key := range have {
		if _, ok := want[key]; !ok {
			deletes = append(deletes, key)
		}
	}
	// Records are found through those that refer to them, so that these come first and go last: what a cut-off pass leaves
	// behind can be found by the next one.
	slices.SortFunc(puts, referrersFirst)
	slices.SortFunc(deletes, func(a, b string) int { return referrersFirst(b, a) })
	still := func(txn store.Txn) error { return holds(txn, account, Arriving, j.Attempt) }
	for _, work := range []struct {
		keys  []string
		value func(key string) []byte // nil deletes
	}{{deletes, nil}, {puts, func(key string) []byte { return want[key] }}} {
		rev, err := m.inBatches(ctx, to.Store, work.keys, work.value, still)
		if err != nil {
			return 0, 0, err
		}
		at = max(at, rev)
	}
	for _, key := range slices.Concat(puts, deletes) {
		if !strings.HasPrefix(key, string(entity.UsagePlane)) { // last uses are noted in the source for a while yet
			changed++
		}
	}
	return changed, at, nil
}

// holds is nil as long as the account stands in the cell as this attempt has put it.
func holds(txn store.Txn, account string, s State, attempt int64) error {
	f, err := read[Fence](txn, FenceKey(account))
	if err == nil && (f == nil || f.State != s || f.Attempt != attempt) {
		return ErrOvertaken
	}
	return err
}

// referrersFirst orders keys: accounts, users and the like, in which IDs of others stand; then access keys; then all else.
func referrersFirst(a, b string) int {
	rank := func(key string) int {
		switch {
		case strings.HasPrefix(key, string(accessKeys)):
			return 1
		case strings.HasPrefix(key, string(entity.IdentityPlane)):
			return 0
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

var accessKeys = keyenc.Encode("id", "key")

func (m *Mover) records(ctx context.Context, st store.Store, account string) (found map[string][]byte, at store.Revision, err error) {
	err = st.View(ctx, func(r store.Reader) error {
		at = r.Revision()
		found, err = records(r, account)
		return err
	})
	return found, at, err
}

// inBatches writes or deletes keys within a transaction's limits, each batch only where the account still stands as `still` says.
func (m *Mover) inBatches(ctx context.Context, st store.Store, keys []string, value func(string) []byte, still func(store.Txn) error) (at store.Revision, err error) {
	most := store.MaxOps - 8
	if m.Batch > 0 {
		most = min(most, m.Batch)
	}
	for len(keys) > 0 {
		n, size := 0, 0
		for ; n < min(len(keys), most); n++ {
			more := len(keys[n])
			if value != nil {
				more += len(value(keys[n]))
			}
			if size += more; n > 0 && size > store.MaxBytes/2 {
				break
			}
		}
		batch := keys[:n]
		at, err = st.Update(ctx, func(txn store.Txn) error {
			if err := still(txn); err != nil {
				return err
			}
			for _, key := range batch {
				if value == nil {
					txn.Delete([]byte(key))
				} else {
					txn.Put([]byte(key), value(key))
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		keys = keys[len(batch):]
	}
	return at, nil
}

// leave closes the source to reads, and returns when no node there answers any.
func (m *Mover) leave(ctx context.Context, from Cell, account string, j *Move) error {
	if err := m.stand(ctx, from, account, Left, j.Version+1, j.Attempt); err != nil {
		return err
	}
	head, err := from.Store.Head(ctx)
	if err != nil {
		return err
	}
	return from.Settled(ctx, head)
}

// switchMap makes the target the account's cell, unless another attempt has done it.
func (m *Mover) switchMap(ctx context.Context, account string, j *Move) error {
	_, err := m.Directory.Update(ctx, func(txn store.Txn) error {
		now, err := read[Move](txn, moveKey(account))
		if err != nil {
			return err
		}
		at, err := read[Assignment](txn, mapKey(account))
		if err != nil {
			return err
		}
		if now == nil || now.Attempt != j.Attempt || at == nil || at.Cell != j.From {
			return ErrOvertaken
		}
		at.Cell, at.Version, now.Switched = j.To, j.Version+1, true
		txn.Put(mapKey(account), entity.Encode(at))
		txn.Put(moveKey(account), entity.Encode(now))
		return nil
	})
	return err
}

// clean takes the records out of the source and ends the journal.
func (m *Mover) clean(ctx context.Context, from Cell, account string, j *Move) error {
	if err := m.stand(ctx, from, account, Left, j.Version+1, j.Attempt); err != nil {
		return err
	}
	if err := m.wipe(ctx, from, account, Left, j.Attempt); err != nil {
		return err
	}
	return m.end(ctx, account, j)
}

// wipe deletes the account's records in a cell where it stands as s.
func (m *Mover) wipe(ctx context.Context, in Cell, account string, s State, attempt int64) error {
	old, _, err := m.records(ctx, in.Store, account)
	if err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(old), func(a, b string) int { return referrersFirst(b, a) })
	_, err = m.inBatches(ctx, in.Store, keys, nil, func(txn store.Txn) error { return holds(txn, account, s, attempt) })
	return err
}

// end takes the journal away.
func (m *Mover) end(ctx context.Context, account string, j *Move) error {
	_, err := m.Directory.Update(ctx, func(txn store.Txn) error {
		now, err := read[Move](txn, moveKey(account))
		if err == nil && (now == nil || now.Attempt != j.Attempt) {
			return ErrOvertaken
		}
		txn.Delete(moveKey(account))
		return err
	})
	return err
}

// Abandon ends a move that has not switched the map: the account is open in its source again. Without a move it does nothing.
func (m *Mover) Abandon(ctx context.Context, account string) error {
	j, err := m.journal(ctx, account)
	if err != nil || j == nil {
		return err
	}
	// One more attempt of the same move, so that nobody else goes on with it meanwhile.
	if j, err = m.begin(ctx, account, j.From, j.To); err != nil {
		return err
	}
	if j.Switched {
		return ErrElsewhere
	}
	from, to := m.Cells[j.From], m.Cells[j.To]
	for _, step := range []func() error{
		func() error { return m.stand(ctx, to, account, Left, j.Version, j.Attempt) },
		func() error { return m.wipe(ctx, to, account, Left, j.Attempt) },
		func() error { return m.stand(ctx, from, account, Open, j.Version, j.Attempt) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return m.end(ctx, account, j)
}
