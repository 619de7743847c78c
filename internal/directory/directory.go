// Package directory makes every change to the entities of package entity. It is the only writer of the identity and index
// planes, and the rules about users, groups, roles, policies, keys and accounts live here and nowhere else.
//
// A write is one call of [Commit]: it compares what the caller's decision relied on, runs verbs of [Tx], and puts the
// caller's closed event into the outbox, all in one transaction of the store. What it promises after every commit:
//
//   - A name is taken at most once in its account and kind, without regard to case, and resolves to a record that bears it;
//     every unique ID resolves to its record.
//   - A reference leads somewhere: groups, policies and keys that a record names exist. One exception is AWS's own: trust
//     policies keep the unique ID of a deleted principal (S2-22).
//   - Numbers kept beside the facts are right: entities per account, members of a group, attachments and boundary uses of a
//     policy.
//   - Documents are valid for where they stand, and no quota is passed.
//
// Errors are [fault.Error] with AWS's sentences. A verb that fails spoils its transaction: nothing of it is written, even
// where the caller goes on.
//
// One-time codes are verified here too (otp.go), because each is accepted once: that a code was used is a record of its own,
// written at once and without an event. The call that brought the code has one.
//
// The package knows no protocol and asks nobody for permission: both come before it.
package directory

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Config says what a Directory works with.
type Config struct {
	Store   store.Store      // required
	Ring    Sealer           // required: seals secrets, and opens the seeds of one-time codes
	Managed ManagedPolicies  // AWS managed policies; nil means that there are none
	Now     func() time.Time // nil means time.Now
	Rand    io.Reader        // for identifiers and secrets; nil means crypto/rand; must be safe for concurrent use
	// Node is the ID of this node in a cluster: it moves the events of the changes that it made. Empty where there is one.
	Node string
	// Passwords hashes passwords; nil means one of the default cost.
	Passwords *credential.Hasher
}

// Sealer encrypts secrets for storage: a *[seal.Ring].
type Sealer interface {
	Seal(purpose seal.Purpose, text, ad []byte) ([]byte, error)
	Open(purpose seal.Purpose, sealed, ad []byte) ([]byte, error)
}

// ManagedPolicies knows the AWS managed policies.
type ManagedPolicies interface {
	// ByARN returns the ID of the policy with that ARN; it begins with [entity.AWSManagedPrefix].
	ByARN(arn string) (id string, ok bool)
}

// Directory changes entities. It is safe for concurrent use.
type Directory struct {
	store   store.Store
	ring    Sealer
	managed ManagedPolicies
	now     func() time.Time
	rand    io.Reader

	passwords *credential.Hasher
	node      string
}

// New returns a Directory. It does no I/O.
func New(c Config) *Directory {
	d := &Directory{store: c.Store, ring: c.Ring, managed: c.Managed, now: c.Now, rand: c.Rand, passwords: c.Passwords, node: c.Node}
	if d.now == nil {
		d.now = time.Now
	}
	if d.managed == nil {
		d.managed = noManaged{}
	}
	if d.passwords == nil {
		h, err := credential.NewHasher(credential.HasherConfig{Rand: c.Rand})
		if err != nil {
			panic("directory: the default cost of passwords: " + err.Error())
		}
		d.passwords = h
	}
	return d
}

type noManaged struct{}

func (noManaged) ByARN(string) (string, bool) { return "", false }

// Change is what a caller brings to a write. A Change that also has a method Committed(store.Revision) is told the revision
// of its write.
type Change interface {
	// Guards are the records that the decision to allow the write relied on.
	Guards() []store.Guard
	// Event closes the caller's event with the write's result. It may be called more than once, and its record must not be
	// empty: a change without an event is not written.
	Event(out any) (id string, record []byte, err error)
}

// Commit runs fn and writes what it did together with ch's event, in one transaction. It returns what fn returned and the
// revision at which the write is visible.
//
// fn may run several times and must have no effects beyond the Tx. An error of fn is returned unchanged and nothing is
// written. [fault.Stale] says that a guard no longer holds: the caller must decide again. [fault.Unavailable] may wrap
// [store.ErrUnknownOutcome].
func Commit[T any](ctx context.Context, d *Directory, ch Change, fn func(*Tx) (T, error)) (T, store.Revision, error) {
	var out T
	rev, err := d.store.Update(ctx, func(txn store.Txn) error {
		tx := d.begin(txn)
		if err := tx.compare(ch.Guards()); err != nil {
			return err
		}
		result, err := fn(tx)
		if err != nil {
			return err
		}
		if tx.failed != nil {
			return tx.failed
		}
		id, record, err := ch.Event(result)
		if err != nil {
			return fault.Wrap(err, "closing the event")
		}
		if id == "" || len(record) == 0 {
			return errors.New("directory: a change without an event")
		}
		txn.Put(d.outboxKey(tx.instant, id), record)
		out = result
		return nil
	})
	if err != nil {
		var none T
		return none, 0, storeError(err)
	}
	if c, ok := ch.(interface{ Committed(store.Revision) }); ok {
		c.Committed(rev)
	}
	return out, rev, nil
}

// outboxKey is where an event of this node goes.
func (d *Directory) outboxKey(at time.Time, id string) []byte {
	if d.node == "" {
		return entity.OutboxKey(uint64(at.UnixNano()), id)
	}
	return entity.NodeOutboxKey(d.node, uint64(at.UnixNano()), id)
}

// storeError gives the store's own errors the kind that callers can act on; all others pass unchanged.
func storeError(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	for _, down := range []error{store.ErrUnknownOutcome, store.ErrUnavailable, store.ErrClosed} {
		if errors.Is(err, down) {
			return &fault.Error{Kind: fault.Unavailable, Cause: err,
				Message: "The request has failed due to a temporary failure of the server."}
		}
	}
	return err
}

// Installation is the record under ("sys", "installation"): it exists once the first account does.
type Installation struct {
	Account   string // the account made at first start
	CreatedAt time.Time
}

// Bootstrap makes the first account and its root user's access key, unless the installation has one. Of several nodes that
// start on one empty store exactly one gets made == true; acct and key are nil for the others. It is the one change
// of entities without a caller, and without an event.
func (d *Directory) Bootstrap(ctx context.Context, n NewAccount) (acct *entity.Account, key *IssuedKey, made bool, err error) {
	_, err = d.store.Update(ctx, func(txn store.Txn) error {
		acct, key, made = nil, nil, false
		tx := d.begin(txn)
		sys := entity.SystemKey("installation")
		done, err := read[Installation](tx, sys)
		if err != nil || done != nil {
			return err
		}
		a, k, err := tx.CreateAccount(n)
		if err != nil {
			return err
		}
		tx.put(sys, &Installation{Account: a.ID, CreatedAt: tx.now})
		acct, key, made = a, k, true
		return nil
	})
	if err != nil {
		return nil, nil, false, storeError(err)
	}
	return acct, key, made, nil
}
