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
	"path/filepath"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/peer"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
)

// Etcd says which etcd cluster keeps the records of a cluster of nodes, and how to reach it.
type Etcd struct {
	Endpoints    []string // host:port
	Prefix       string   // empty means the engine's own
	TLS          bool     // implied by CA and Cert
	CA           string   // PEM file; empty means the system's authorities
	Cert, Key    string   // PEM files of this node's certificate; empty means none
	User         string
	PasswordFile string
	Timeout      time.Duration // of one read or commit; zero means the engine's own
	CompactEvery time.Duration // see etcd.Config
}

// clustered reports whether other nodes may use the same store.
func (n *Node) clustered() bool { return n.cfg.Store == "etcd" }

// shared reports whether there may be other nodes, also because the caller gave several the same store.
func (n *Node) shared() bool { return n.clustered() || n.cfg.Opened != nil }

// storeName is the store for people.
func (n *Node) storeName() string {
	if !n.clustered() {
		return n.cfg.Store
	}
	prefix := n.cfg.Etcd.Prefix
	if prefix == "" {
		prefix = strings.TrimSuffix(etcd.DefaultPrefix, "/")
	}
	return "etcd://" + strings.Join(n.cfg.Etcd.Endpoints, ",") + "/" + prefix
}

func (n *Node) openEtcd(ctx context.Context) (store.Store, error) {
	e := n.cfg.Etcd
	c := etcd.Config{
		Endpoints: e.Endpoints, Prefix: e.Prefix, User: e.User, Timeout: e.Timeout, CompactEvery: e.CompactEvery, Logger: n.cfg.Logger,
	}
	if e.TLS || e.CA != "" || e.Cert != "" {
		tls, err := etcd.ClientTLS(e.CA, e.Cert, e.Key)
		if err != nil {
			return nil, err
		}
		c.TLS = tls
	}
	if e.PasswordFile != "" {
		password, err := readSecret(e.PasswordFile)
		if err != nil {
			return nil, err
		}
		c.Password = password
	}
	s, err := etcd.Open(ctx, c)
	if err != nil {
		return nil, err // not a nil *Store in an interface
	}
	return s, nil
}

// openIdentity reads or makes the node's ID, which tells it from the others. Whoever loses it is a new node; what the old one
// had to do is done by another.
func (n *Node) openIdentity(context.Context) error {
	if !n.shared() {
		return nil
	}
	fresh := strings.ToLower(rand.Text()[:16])
	if n.cfg.Dir == "" {
		n.id = fresh
		return nil
	}
	kept, err := os.ReadFile(n.path(fileID))
	switch {
	case err == nil:
		n.id = strings.TrimSpace(string(kept))
		if n.id == "" || len(n.id) > 64 {
			return fmt.Errorf("%s does not hold a node's ID: delete it to get a new one", n.path(fileID))
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	n.id = fresh
	return writeFile(n.path(fileID), n.id+"\n")
}

// name says where the node runs, for people.
func (n *Node) name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	dir, err := filepath.Abs(n.cfg.Dir)
	if err != nil {
		dir = n.cfg.Dir
	}
	return host + ":" + dir
}

// join makes the node known to the others, before it commits anything that they would have to look after.
func (n *Node) join(ctx context.Context) error {
	if !n.shared() {
		return nil
	}
	keeper := peer.New(peer.Config{Store: n.store, ID: n.id, Name: n.name(), Version: n.cfg.Version, Log: n.cfg.Logger})
	if err := keeper.Beat(ctx); err != nil {
		return err
	}
	n.run("the watch over other nodes", keeper.Run)
	return nil
}

// handOutWait is how long a node that did not make the first account waits for the one that did to hand out its key.
const handOutWait = 10 * time.Second

// handedOut reports whether the root user's key has been handed out; in a cluster it waits a while for the node that made it.
func (n *Node) handedOut(ctx context.Context) (bool, error) {
	_, done, err := n.readRecord(ctx, sysHandedOut)
	if err != nil || done || !n.clustered() {
		return done, err
	}
	waiting, cancel := context.WithTimeout(ctx, handOutWait)
	defer cancel()
	value, err := n.awaitRecord(waiting, sysHandedOut)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return false, nil
	case err != nil:
		return false, err
	}
	n.cfg.Logger.Info("the root user's key was handed out", "account and node", string(value))
	return true, nil
}

// awaitRecord returns a system record as soon as it is there.
func (n *Node) awaitRecord(ctx context.Context, name string) ([]byte, error) {
	for {
		var value []byte
		var there bool
		var at store.Revision
		err := n.store.View(ctx, func(r store.Reader) error {
			e, ok, err := r.Get(entity.SystemKey(name))
			value, there, at = e.Value, ok, r.Revision()
			return err
		})
		if err != nil || there {
			return value, err
		}
		for batch, err := range n.store.Watch(ctx, entity.SystemKey(name), at) {
			if errors.Is(err, store.ErrCompacted) || errors.Is(err, store.ErrLost) {
				break
			}
			if err != nil {
				return nil, err
			}
			if len(batch.Changes) > 0 {
				break
			}
		}
	}
}

// claim notes that this node has handed the key out. It reports false where another node was faster, which cannot be on one
// node.
func (n *Node) claim(ctx context.Context, account string) (mine bool, err error) {
	value := account
	if n.clustered() {
		value += " " + n.name()
	}
	_, err = n.store.Update(ctx, func(tx store.Txn) error {
		_, there, err := tx.Get(entity.SystemKey(sysHandedOut))
		if mine = !there; err != nil || there {
			return err
		}
		tx.Put(entity.SystemKey(sysHandedOut), []byte(value))
		return nil
	})
	return mine, err
}

// openClusterToken finds the operator's token of the cluster, or makes it. The store's hash decides; the file is on the node that
// made the token, and wherever the operator has put it.
func (n *Node) openClusterToken(ctx context.Context) error {
	stored, there, err := n.readRecord(ctx, sysToken)
	if err != nil {
		return err
	}
	kept, err := readSecret(n.path(fileToken))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if there && !n.cfg.NewOperatorToken {
		n.setToken(stored)
		if sum := server.HashToken(kept); !kept.IsZero() && !bytes.Equal(sum[:], stored) {
			n.cfg.Logger.Warn("the file holds a token that has been replaced: delete it", "file", n.path(fileToken))
		} else {
			n.token.text = kept
		}
		return nil
	}
	if n.cfg.NewOperatorToken || kept.IsZero() {
		kept = secret.New(tokenPrefix + rand.Text())
		if err := writeFile(n.path(fileToken), kept.Reveal()+"\n"); err != nil {
			return err
		}
	}
	sum := server.HashToken(kept)
	if _, err := n.store.Update(ctx, func(tx store.Txn) error {
		e, there, err := tx.Get(entity.SystemKey(sysToken))
		if err != nil {
			return err
		}
		if stored = sum[:]; there && !n.cfg.NewOperatorToken {
			stored = e.Value // another node was faster
			return nil
		}
		tx.Put(entity.SystemKey(sysToken), stored)
		return nil
	}); err != nil {
		return err
	}
	n.setToken(stored)
	if !bytes.Equal(stored, sum[:]) {
		return os.Remove(n.path(fileToken))
	}
	n.token.text = kept
	return nil
}

func (n *Node) setToken(stored []byte) {
	if len(stored) == sha256.Size {
		n.token.sum.Store((*[sha256.Size]byte)(bytes.Clone(stored)))
	}
}
