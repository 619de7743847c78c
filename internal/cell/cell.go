// Package cell is how an installation grows past one store: accounts are dealt out to cells, each a store with its nodes, and an
// account can move from one cell to another while it is in use. docs/scale.md says when that is needed and what it costs.
//
// Five things:
//
//   - A [Map] says in which cell an account is. It lies in a store of its own, the directory, and has a version for each account:
//     whoever goes by an old one is found out.
//   - A [Router] sends a request on to the cell of its account. The account is read from the access key ID or, of calls with an
//     assertion, from the ARN of the role: nothing has to be asked for it.
//   - A [Fenced] store refuses, inside the transaction, to change an account that is leaving, has left or has not arrived.
//   - A [Door] stands before the nodes of a cell and refuses every call of an account that has left or not arrived. To the router
//     it says that the account has left, and by which version of the map.
//   - A [Mover] moves accounts, a step at a time, each of which can be cut off and done again.
//
// What holds at every moment, whoever crashes: an account is open to changes in at most one cell; a change that was acknowledged
// is in the cell that answers; what was read once is not unread. What is lossy stays so: the plane of last uses is copied, and what
// the source notes after that is lost (minutes, as in a crash).
//
// Records, in a cell's store:
//
//	("cell", "fence", account)   Fence        absent: the account, if it is here, was never moved
//
// and in the directory's:
//
//	("cell", "map", account)     Assignment
//	("cell", "move", account)    Move         the journal of a move that has not ended
//
// Cells of one installation have one key ring, or secrets and sessions could not move with the account.
//
// The package is proven by simulation and in no node yet: docs/scale.md says what else a router needs first.
package cell

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// State is how an account stands in a cell.
type State string

// The states. An account that was never moved has no fence and is open where it is.
const (
	Open     State = "open"
	Leaving  State = "leaving"  // it is read here and not changed any more
	Left     State = "left"     // it is elsewhere
	Arriving State = "arriving" // it is being copied here, and not yet to be seen
)

// Fence is how an account that was moved, or is being moved, stands in one cell.
type Fence struct {
	State   State
	Version int64 // the version of the map to which that belongs
	// Attempt is the number of the attempt that wrote this. Numbers rise with every attempt at any move of the account, and a
	// fence is never replaced by a lower one: a mover that was thought dead can do nothing any more.
	Attempt int64
}

// FencePlane is all fences of a cell.
var FencePlane = keyenc.Encode("cell", "fence")

// FenceKey is the key of an account's fence.
func FenceKey(account string) []byte { return keyenc.Encode("cell", "fence", account) }

func mapKey(account string) []byte  { return keyenc.Encode("cell", "map", account) }
func moveKey(account string) []byte { return keyenc.Encode("cell", "move", account) }

// read returns the record under key, nil where there is none.
func read[T any](r store.Reader, key []byte) (*T, error) {
	e, ok, err := r.Get(key)
	if err != nil || !ok {
		return nil, err
	}
	return entity.Decode[T](e.Value)
}

// Fenced is a cell's store as its nodes see it. The mover works on the store beneath.
type Fenced struct{ store.Store }

// ErrFenced says that an account is closed to changes in this cell. It is a [store.ErrUnavailable]: nothing was changed, and the
// caller may try again.
var ErrFenced = fmt.Errorf("%w: the account is moving to another cell", store.ErrUnavailable)

// Update runs fn and refuses what it wrote when that touches a fenced account. The fence is read in the same transaction, so that
// no change can slip past one that is being put up.
func (f Fenced) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	return f.Store.Update(ctx, func(txn store.Txn) error {
		t := &touching{Txn: txn}
		if err := fn(t); err != nil {
			return err
		}
		for _, account := range t.accounts {
			if f, err := read[Fence](txn, FenceKey(account)); err != nil {
				return err
			} else if f != nil && f.State != Open {
				return ErrFenced
			}
		}
		return t.err
	})
}

// touching notes the accounts whose records a transaction writes.
type touching struct {
	store.Txn
	accounts []string
	err      error
}

func (t *touching) Put(key, value []byte) { t.touch(key); t.Txn.Put(key, value) }
func (t *touching) Delete(key []byte)     { t.touch(key); t.Txn.Delete(key) }

func (t *touching) touch(key []byte) {
	account := AccountOf(key)
	if serial, ok := hardware(key); ok {
		// A hardware token's record of use names no account; the operator's inventory does.
		token, err := read[entity.HardwareToken](t.Txn, entity.TokenKey(serial))
		if err != nil {
			t.err = errors.Join(t.err, err)
			return
		}
		if token != nil {
			account = token.Account
		}
	}
	if account == "" {
		return
	}
	for _, known := range t.accounts {
		if known == account {
			return
		}
	}
	t.accounts = append(t.accounts, account)
}

// AccountOf returns the account that a record belongs to, as its key says, and "" for keys that say none: records of the
// installation, events in the outbox, last uses (which are no part of any promise), and the index records of unique IDs and aliases,
// which are written together with records that say theirs.
func AccountOf(key []byte) string {
	parts, err := keyenc.Decode(key)
	if err != nil || len(parts) < 3 {
		return ""
	}
	text := func(i int) string {
		if i >= len(parts) {
			return ""
		}
		s, _ := parts[i].(string)
		return s
	}
	switch plane, kind := text(0), text(1); {
	case plane == "id" && kind == "key":
		account, _ := credential.AccountOf(text(2))
		return account
	case plane == "id", plane == "job", plane == "ix" && (kind == "name" || kind == "count"):
		return text(2)
	case plane == "otp" && kind == "used":
		return accountOfARN(text(2))
	case plane == "otp" && kind == "saml":
		return text(3)
	}
	return ""
}

// accountOfARN returns the account in an ARN, "" where there is none.
func accountOfARN(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return ""
	}
	return parts[4]
}

// hardware returns the serial number of a hardware token of whose codes key is the record.
func hardware(key []byte) (serial string, ok bool) {
	parts, err := keyenc.Decode(key)
	if err != nil || len(parts) != 3 || parts[0] != "otp" || parts[1] != "used" {
		return "", false
	}
	serial, ok = parts[2].(string)
	return serial, ok && accountOfARN(serial) == ""
}
