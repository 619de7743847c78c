package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// fileRestoring is the new store of a bolt restore until it takes the old one's place.
const fileRestoring = fileStore + ".restoring"

// Offline is a store without a node, for what is done to a store as a whole. Close it. Of a bolt store, no node may run meanwhile.
type Offline struct{ n *Node }

// OpenOffline opens a store that is there. Config is as for [Open]; what concerns serving is not looked at. A store is not
// made: a directory without one is an error that is fs.ErrNotExist.
func OpenOffline(ctx context.Context, cfg Config) (*Offline, error) {
	n := newNode(ctx, cfg)
	if err := n.openOffline(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return &Offline{n}, nil
}

func (n *Node) openOffline(ctx context.Context) error {
	switch n.cfg.Store {
	case "mem":
		return errors.New("a store in memory is there only while its server runs")
	case "bolt":
		if _, err := os.Lstat(n.path(fileStore)); err != nil {
			return fmt.Errorf("there is no store: %w", err)
		}
		if err := n.openDir(ctx); err != nil {
			return err
		}
	}
	return fault.Wrap(n.openStore(ctx), "opening the store")
}

// Close gives the store free.
func (o *Offline) Close() error { return o.n.Close() }

// master reads the master key, which is never made here.
func (o *Offline) master() (seal.Master, error) { return o.n.master(true) }

// Backup writes a backup of the store to w.
func (o *Offline) Backup(ctx context.Context, w io.Writer) (backup.Summary, error) {
	master, err := o.master()
	if err != nil {
		return backup.Summary{}, err
	}
	return backup.Take(ctx, w, backup.Source{Store: o.n.store, Master: master, Engine: o.n.cfg.Store, Version: o.n.cfg.Version, Now: o.n.cfg.Now()})
}

// BeginMaster begins to replace the master key by next: see [keyring.BeginMaster].
func (o *Offline) BeginMaster(ctx context.Context, next seal.Master) error {
	master, err := o.master()
	if err != nil {
		return err
	}
	return keyring.BeginMaster(ctx, o.n.store, master, next)
}

// EndMaster leaves the master key at hand, which must be the new one, as the only one: see [keyring.EndMaster].
func (o *Offline) EndMaster(ctx context.Context) error {
	master, err := o.master()
	if err != nil {
		return err
	}
	return keyring.EndMaster(ctx, o.n.store, master)
}

// Restoration says how to restore. Config is as for [Open]; MasterKeyFile or the master.key in Dir must open the backup.
type Restoration struct {
	Config
	Overwrite bool
	Progress  func(done, all int64) // nil means that nobody is told
}

// Restored says what a restore did.
type Restored struct {
	backup.Summary
	Aside string // where the store that was there is now; empty where there was none, or the engine keeps none
}

// Restore brings back the store of a backup. The file is read whole before anything is changed. A half-done restore is never
// served: nodes refuse the store until a restore has come to its end.
//
// On bolt the store that was there stays, under another name: the new one takes its place in one step, marked, before it is filled.
func Restore(ctx context.Context, file io.ReadSeeker, r Restoration) (_ *Restored, err error) {
	n := newNode(ctx, r.Config)
	defer func() { err = errors.Join(err, n.Close()) }()
	if n.cfg.Store == "mem" {
		return nil, errors.New("a store in memory is gone when this command ends: restore into bolt or etcd")
	}
	master, err := n.master(true)
	if err != nil {
		return nil, fmt.Errorf("the master key that the backup was made under: %w", err)
	}
	archive, err := backup.Open(file, &master)
	if errors.Is(err, seal.ErrMaster) {
		return nil, fmt.Errorf("%w: it is not the one that the backup was made under", err)
	} else if err != nil {
		return nil, err
	}
	if err := readable(archive.StoreFormat); err != nil {
		return nil, err
	}
	out := &Restored{Summary: archive.Summary}
	id := trail.NewID(n.cfg.Rand)
	if n.cfg.Store == "bolt" {
		if out.Aside, err = n.replaceFile(ctx, archive, id, r.Overwrite); err != nil {
			return nil, err
		}
		if err := n.openStore(ctx); err != nil {
			return nil, err
		}
	} else {
		if err := n.openStore(ctx); err != nil {
			return nil, err
		}
		if err := archive.Mark(ctx, n.store, id, r.Overwrite, n.cfg.Now()); err != nil {
			return nil, n.notEmpty(ctx, err)
		}
	}
	return out, archive.Restore(ctx, backup.Restoration{Store: n.store, ID: id, Now: n.cfg.Now(), Progress: r.Progress, Event: n.cfg.restoreEvent})
}

// restoreEvent is what a restore leaves in the trail.
func (c *Config) restoreEvent(s backup.Summary) (key, record []byte, err error) {
	return c.operatorEvent("RestoreBackup", struct {
		TakenAt  time.Time `json:"takenAt"`
		Revision int64     `json:"revision"`
		Records  int64     `json:"records"`
		Sum      string    `json:"sha256"`
	}{s.TakenAt, s.Revision, s.Records, s.Sum})
}

// notEmpty says what to do about a target that has something in it.
func (n *Node) notEmpty(ctx context.Context, err error) error {
	if !errors.Is(err, backup.ErrNotEmpty) {
		return err
	}
	if n.store != nil {
		if records, _, readErr := readSystem(ctx, n.store); readErr == nil && restoring(records) != nil {
			return restoring(records)
		}
	}
	return fmt.Errorf("%w: give --overwrite to put the backup in the place of what is there", err)
}

// replaceFile puts a new bolt file, which holds the restore's marker and nothing else, in the place of the store. A file that was
// there gets a second name before. At every moment there is a store: the old one, or one that no node serves from.
func (n *Node) replaceFile(ctx context.Context, archive *backup.Archive, id string, overwrite bool) (aside string, err error) {
	if err := n.openDir(ctx); err != nil {
		return "", err
	}
	_, err = os.Lstat(n.path(fileStore))
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if exists && !overwrite {
		return "", n.refuseFile(ctx)
	}
	if err := os.Remove(n.path(fileRestoring)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	fresh, err := bolt.Open(n.path(fileRestoring), bolt.Config{})
	if err != nil {
		return "", err
	}
	if err := errors.Join(archive.Mark(ctx, fresh, id, false, n.cfg.Now()), fresh.Close()); err != nil {
		return "", err
	}
	if exists {
		aside = n.path(fmt.Sprintf("%s.before-%s-%s", fileStore, n.cfg.Now().UTC().Format("20060102T150405Z"), id[:8]))
		if err := os.Link(n.path(fileStore), aside); err != nil {
			return "", fmt.Errorf("keeping the store that is there: %w", err)
		}
	}
	if err := os.Rename(n.path(fileRestoring), n.path(fileStore)); err != nil {
		return "", err
	}
	return aside, syncDir(n.cfg.Dir)
}

// refuseFile says why a restore does not go over a file.
func (n *Node) refuseFile(ctx context.Context) error {
	if err := n.openStore(ctx); err != nil {
		return fmt.Errorf("%s is there already; give --overwrite to put the backup in its place (and it does not open: %w)", n.path(fileStore), err)
	}
	return n.notEmpty(ctx, backup.ErrNotEmpty)
}

// noRestore refuses a directory in which a restore was cut off before the new store took its place: what would be served there is
// not what the operator expects, and may be nothing.
func (n *Node) noRestore(context.Context) error {
	if n.cfg.Store != "bolt" {
		return nil
	}
	_, err := os.Lstat(n.path(fileRestoring))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("a restore was begun here and cut off before it changed anything: run `ostiary restore` again, or delete %s to go on as before",
		n.path(fileRestoring))
}
