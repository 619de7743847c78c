package cell

import (
	"context"
	"fmt"
	"sync"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Assignment says where an account is.
type Assignment struct {
	Cell    string
	Version int64 // raised by every move
	Attempt int64 `json:",omitempty"` // the latest attempt at a move
}

// Map knows the cells of accounts: what it has seen of the directory, which may be old. It is safe for concurrent use.
type Map struct {
	directory store.Store

	mu   sync.RWMutex
	seen map[string]Assignment
}

// NewMap returns a map of what the directory says.
func NewMap(directory store.Store) *Map {
	return &Map{directory: directory, seen: make(map[string]Assignment)}
}

// Place puts a new account into a cell. It is an error where the account is in another one.
func (m *Map) Place(ctx context.Context, account, in string) error {
	_, err := m.directory.Update(ctx, func(txn store.Txn) error {
		at, err := read[Assignment](txn, mapKey(account))
		if err != nil {
			return err
		}
		if at != nil {
			if at.Cell == in {
				return nil
			}
			return fmt.Errorf("cell: account %s is in %s", account, at.Cell)
		}
		txn.Put(mapKey(account), entity.Encode(&Assignment{Cell: in, Version: 1}))
		return nil
	})
	return err
}

// Find says where an account is, as of version `least` or later: what it remembers, when that is new enough, or what the directory
// says. ok is false for an account that nobody placed.
func (m *Map) Find(ctx context.Context, account string, least int64) (at Assignment, ok bool, err error) {
	m.mu.RLock()
	at, ok = m.seen[account]
	m.mu.RUnlock()
	if ok && at.Version >= least {
		return at, true, nil
	}
	var found *Assignment
	if err := m.directory.View(ctx, func(r store.Reader) error {
		var err error
		found, err = read[Assignment](r, mapKey(account))
		return err
	}); err != nil || found == nil {
		return Assignment{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.seen[account]; at.Version > found.Version {
		return at, true, nil
	}
	m.seen[account] = *found
	return *found, true, nil
}
