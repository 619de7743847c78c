package snapshot

import (
	"context"
	"hash/maphash"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// load reads the whole identity plane. Decoding is what it costs, so that is done on all processors; then the indexes are
// built side by side, those over all accounts by table, the others by account.
func load(ctx context.Context, st store.Store, c *cache) (*Snapshot, error) {
	workers := max(runtime.GOMAXPROCS(0), 1)
	parts := make([]part, workers)
	var at store.Revision
	err := st.View(ctx, func(r store.Reader) error {
		at = r.Revision()
		clear(parts)
		return decodeAll(ctx, r, parts)
	})
	if err != nil {
		return nil, err
	}
	s := emptySnapshot(c)
	s.revision = at
	build(s, parts)
	return s, nil
}

// part is what one worker decoded.
type part struct {
	accounts []*accountNode
	epochs   []*epochNode
	users    []*userNode
	groups   []*groupNode
	roles    []*roleNode
	policies []*policyNode
	keys     []*keyNode
	items    []*itemNode
}

func (p *part) add(node any) {
	switch n := node.(type) {
	case *accountNode:
		p.accounts = append(p.accounts, n)
	case *epochNode:
		p.epochs = append(p.epochs, n)
	case *userNode:
		p.users = append(p.users, n)
	case *groupNode:
		p.groups = append(p.groups, n)
	case *roleNode:
		p.roles = append(p.roles, n)
	case *policyNode:
		p.policies = append(p.policies, n)
	case *keyNode:
		p.keys = append(p.keys, n)
	case *itemNode:
		p.items = append(p.items, n)
	}
}

// chunk is how many entries go to a worker at a time.
const chunk = 512

// decodeAll decodes what r ranges over. The range stays in the caller's goroutine, to which r belongs.
func decodeAll(ctx context.Context, r store.Reader, parts []part) error {
	workers, ctx := errgroup.WithContext(ctx)
	chunks := make(chan []store.Entry, 2*len(parts))
	for i := range parts {
		workers.Go(func() error {
			var d decoder
			for entries := range chunks {
				for j := range entries {
					node, err := d.node(entries[j].Key, entries[j].Value, entries[j].Revision)
					if err != nil {
						return err
					}
					parts[i].add(node)
				}
			}
			return nil
		})
	}
	err := deal(ctx, r, chunks)
	close(chunks)
	if decoding := workers.Wait(); decoding != nil {
		return decoding
	}
	return err
}

// deal hands out the entries in chunks until ctx ends.
func deal(ctx context.Context, r store.Reader, chunks chan<- []store.Entry) error {
	entries := make([]store.Entry, 0, chunk)
	send := func() error {
		select {
		case chunks <- entries:
			entries = make([]store.Entry, 0, chunk)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for e, err := range r.Range(entity.IdentityPlane) {
		if err != nil {
			return err
		}
		if entries = append(entries, e); len(entries) == chunk {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

// build fills an empty snapshot.
func build(s *Snapshot, parts []part) {
	in := new(edit)
	var work sync.WaitGroup
	work.Go(func() {
		for i := range parts {
			for _, n := range parts[i].users {
				s.users.put(in, n.ID, n)
			}
		}
	})
	work.Go(func() {
		for i := range parts {
			for _, n := range parts[i].keys {
				s.keys.put(in, n.ID, n)
			}
		}
	})
	work.Go(func() {
		for i := range parts {
			p := &parts[i]
			for _, n := range p.groups {
				s.groups.put(in, n.ID, n)
			}
			for _, n := range p.roles {
				s.roles.put(in, n.ID, n)
			}
			for _, n := range p.policies {
				s.policies.put(in, n.ID, n)
			}
			for _, n := range p.items {
				at := n.item.Place()
				s.items.put(in, itemID(at.Account, n.item.Kind(), at.ID), n)
			}
			for _, n := range p.accounts {
				s.putAccount(in, n)
			}
		}
	})
	shards := make([]map[string]*accountState, runtime.GOMAXPROCS(0))
	seed := maphash.MakeSeed()
	for i := range shards {
		shards[i] = make(map[string]*accountState)
		mine := func(account string) bool {
			return maphash.String(seed, account)%uint64(len(shards)) == uint64(i)
		}
		work.Go(func() { buildAccounts(shards[i], in, parts, mine) })
	}
	work.Wait()
	for _, states := range shards {
		for id, st := range states {
			s.accounts.put(in, id, st)
		}
	}
}

// buildAccounts builds the states of the accounts that are mine.
func buildAccounts(states map[string]*accountState, in *edit, parts []part, mine func(string) bool) {
	of := func(account string) *accountState {
		st, ok := states[account]
		if !ok {
			st = newAccountState(account, in)
			states[account] = st
		}
		return st
	}
	for i := range parts {
		p := &parts[i]
		for _, n := range p.accounts {
			if mine(n.ID) {
				of(n.ID).node = n
			}
		}
		for _, n := range p.epochs {
			if mine(n.account) {
				of(n.account).epoch = n.rev
			}
		}
		for _, n := range p.groups {
			if mine(n.Account) {
				of(n.Account).putGroup(in, n, nil)
			}
		}
		for _, n := range p.policies {
			if mine(n.Account) {
				of(n.Account).putPolicy(in, n)
			}
		}
		for _, n := range p.roles {
			if mine(n.Account) {
				of(n.Account).putRole(in, n, nil)
			}
		}
		for _, n := range p.items {
			if account := n.item.Place().Account; mine(account) {
				of(account).putItem(in, n)
			}
		}
		for _, n := range p.users {
			if mine(n.Account) {
				of(n.Account).putUser(in, n, nil)
			}
		}
	}
}
