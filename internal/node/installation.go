package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// System records: see the package comment. sysInstallation is directory's.
const (
	sysToken        = "operator-token"
	sysHandedOut    = "handed-out"
	sysInstallation = "installation"
)

// readRecord reads a system record outside a transaction.
func (n *Node) readRecord(ctx context.Context, name string) (value []byte, ok bool, err error) {
	err = n.store.View(ctx, func(r store.Reader) error {
		e, found, err := r.Get(entity.SystemKey(name))
		value, ok = e.Value, found
		return err
	})
	return value, ok, err
}

// openRing sees to it that the store may be served from, and opens the key ring, which the first start makes.
func (n *Node) openRing(ctx context.Context) error {
	if err := n.readSystem(ctx); err != nil {
		return err
	}
	if err := n.migrateStore(ctx); err != nil {
		return err
	}
	if err := n.readSystem(ctx); err != nil { // again, as it is now
		return err
	}
	wrapped, next := n.system.records[entity.SysRing], n.system.records[entity.SysNextRing]
	master, err := n.master(wrapped != nil)
	if err != nil {
		return err
	}
	if wrapped == nil {
		if wrapped, err = n.makeRing(ctx, master); err != nil {
			return err
		}
	}
	n.masterKey = master
	n.ring, err = keyring.Unwrap(master, wrapped, next)
	return err
}

// makeRing stores a new ring, unless another node was faster, and returns the one that is stored.
func (n *Node) makeRing(ctx context.Context, master seal.Master) ([]byte, error) {
	ring, err := seal.NewRing(trail.NewID(n.cfg.Rand), n.cfg.Now(), n.cfg.Rand)
	if err != nil {
		return nil, err
	}
	fresh, err := ring.Marshal(master)
	if err != nil {
		return nil, err
	}
	var stored []byte
	_, err = n.store.Update(ctx, func(tx store.Txn) error {
		e, ok, err := tx.Get(entity.SystemKey(entity.SysRing))
		if err != nil {
			return err
		}
		if stored = e.Value; ok {
			return nil
		}
		stored = fresh
		tx.Put(entity.SystemKey(entity.SysRing), fresh)
		tx.Put(entity.SystemKey(entity.SysFormat), []byte(n.system.format))
		return nil
	})
	return stored, err
}

// master returns the master key. A new one is made only where there is no ring that an older one wraps.
func (n *Node) master(ringExists bool) (seal.Master, error) {
	if n.cfg.MasterKeyFile != "" {
		return seal.LoadMaster(n.cfg.MasterKeyFile)
	}
	if !n.cfg.MasterKey.IsZero() {
		return seal.ParseMaster(n.cfg.MasterKey.Reveal())
	}
	if n.cfg.Store == "mem" {
		return seal.NewMaster(n.cfg.Rand) // it must last as long as the store
	}
	m, err := seal.LoadMaster(n.path(fileMaster))
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if ringExists {
		return m, fmt.Errorf("%s is missing, and without it nothing sealed in the store can be read: put it back", n.path(fileMaster))
	}
	return seal.CreateMaster(n.path(fileMaster), n.cfg.Rand)
}

// FirstStart is what the first start made.
type FirstStart struct {
	AccountID       string
	AccessKeyID     string
	SecretAccessKey secret.Text
	CredentialsFile string // empty for a node without a directory
}

// bootstrap makes the first account and hands its root user's key out. A start that was cut off between the two is made good
// by the next: the key is unsealed and handed out then. Once it has been handed out it is never written again.
func (n *Node) bootstrap(ctx context.Context) error {
	acct, key, made, err := n.directory.Bootstrap(ctx, directory.NewAccount{Name: "default"})
	if err != nil {
		return err
	}
	first := &FirstStart{}
	if made {
		first.AccountID, first.AccessKeyID, first.SecretAccessKey = acct.ID, key.ID, key.Secret
	} else {
		if done, err := n.handedOut(ctx); err != nil || done {
			return err
		}
		if first, err = n.unsealFirst(ctx); err != nil || first == nil {
			return fault.Wrap(err, "reading the first account's key")
		}
	}
	if n.cfg.Dir != "" {
		first.CredentialsFile = n.path(fileCredentials)
		text := fmt.Sprintf("# Root user of account %s.\n[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
			first.AccountID, first.AccessKeyID, first.SecretAccessKey.Reveal())
		if err := writeFile(first.CredentialsFile, text); err != nil {
			return fmt.Errorf("writing %s: %w", fileCredentials, err)
		}
	}
	mine, err := n.claim(ctx, first.AccountID)
	if err != nil {
		return err
	}
	if !mine {
		return os.Remove(first.CredentialsFile)
	}
	n.first = first
	return nil
}

// unsealFirst reads the key of the first account's root user out of the store. It returns nil where there is none any more.
func (n *Node) unsealFirst(ctx context.Context) (first *FirstStart, err error) {
	err = n.store.View(ctx, func(r store.Reader) error {
		inst, err := get[directory.Installation](r, entity.SystemKey(sysInstallation))
		if err != nil || inst == nil {
			return err
		}
		acct, err := get[entity.Account](r, entity.AccountKey(inst.Account))
		if err != nil || acct == nil || len(acct.RootKeys) == 0 {
			return err
		}
		key, err := get[entity.AccessKey](r, entity.AccessKeyKey(acct.RootKeys[0]))
		if err != nil || key == nil {
			return err
		}
		text, err := n.ring.Open(seal.AccessKeySecret, key.Sealed, []byte(key.ID))
		if err != nil {
			return err
		}
		first = &FirstStart{AccountID: acct.ID, AccessKeyID: key.ID, SecretAccessKey: secret.New(string(text))}
		return nil
	})
	return first, err
}

// get reads one record; nil means that there is none.
func get[T any](r store.Reader, key []byte) (*T, error) {
	e, ok, err := r.Get(key)
	if err != nil || !ok {
		return nil, err
	}
	return entity.Decode[T](e.Value)
}

// operatorToken is what a request's token is held against.
type operatorToken struct {
	text secret.Text                       // empty on a node of a cluster that has not got its file
	sum  atomic.Pointer[[sha256.Size]byte] // nil until it is known
}

func (t *operatorToken) hash() (sum [sha256.Size]byte, ok bool) {
	if p := t.sum.Load(); p != nil {
		return *p, true
	}
	return sum, false
}

// tokenPrefix makes the token known for what it is to tools that look for secrets.
const tokenPrefix = "ostiary-operator-"

// openToken reads the operator's token, or makes one, and keeps its hash in the store. On one node the file decides: who may
// write there may do anything with the node.
func (n *Node) openToken(ctx context.Context) error {
	if n.clustered() {
		return n.openClusterToken(ctx)
	}
	text := secret.New(tokenPrefix + rand.Text())
	if n.cfg.Dir != "" {
		kept, err := readSecret(n.path(fileToken))
		if n.cfg.NewOperatorToken && err == nil {
			kept, err = text, fs.ErrNotExist
		}
		switch {
		case err == nil && kept.IsZero():
			return fmt.Errorf("%s is empty: delete it to get a new one", n.path(fileToken))
		case err == nil:
			text = kept
		case !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			if err := writeFile(n.path(fileToken), text.Reveal()+"\n"); err != nil {
				return err
			}
		}
	}
	sum := server.HashToken(text)
	n.token.text = text
	n.token.sum.Store(&sum)
	stored, ok, err := n.readRecord(ctx, sysToken)
	if err != nil || ok && bytes.Equal(stored, sum[:]) {
		return err
	}
	_, err = n.store.Update(ctx, func(tx store.Txn) error {
		tx.Put(entity.SystemKey(sysToken), sum[:])
		return nil
	})
	return err
}

// OperatorToken returns the token of the operator API; it is empty on a node of a cluster that has not got the token's file.
func (n *Node) OperatorToken() secret.Text { return n.token.text }
