package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/doctor"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
)

// Examine looks at an installation that no server has open: its directory, its store's file page by page, and all records. An error
// says that it could not be looked at, as when a server runs.
func Examine(ctx context.Context, cfg Config) (_ *doctor.Report, err error) {
	n := newNode(ctx, cfg)
	defer func() { err = errors.Join(err, n.Close()) }()
	r := new(doctor.Report)
	switch n.cfg.Store {
	case "mem":
		return nil, errors.New("a store in memory can be looked at only through its server: give --endpoint URL")
	case "bolt":
		if _, err := os.Lstat(n.path(fileStore)); err != nil {
			return nil, err
		}
		if err := n.openDir(ctx); err != nil {
			return nil, err
		}
		n.examinePages(r)
		if err := n.noRestore(ctx); err != nil {
			r.Add("store", doctor.Error, "", "%v", err)
		}
	}
	n.examineFiles(r)
	if slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Check == "pages" && f.Level == doctor.Error }) {
		return r, nil // to open a file is to write to it, and this one should stay as it is
	}
	if err := n.openStore(ctx); err != nil {
		if errors.Is(err, store.ErrLocked) {
			return nil, err
		}
		r.Add("store", doctor.Error, "restore a backup: ostiary restore --overwrite", "it does not open: %v", err)
		return r, nil
	}
	n.examineStore(ctx, r)
	return r, nil
}

// examinePages looks at the pages of a bolt file.
func (n *Node) examinePages(r *doctor.Report) {
	const do = "stop, keep a copy of the file, and restore a backup: ostiary restore --overwrite"
	found, err := bolt.Check(n.path(fileStore))
	switch {
	case err != nil:
		r.Add("pages", doctor.Error, do, "%v", err)
		return
	case len(found.Problems) > 0:
		for _, p := range found.Problems {
			r.Add("pages", doctor.Error, do, "%s", p)
		}
		return
	}
	r.Add("pages", doctor.OK, "", "all %d pages hold together", found.Pages)
	if found.Lost > 0 {
		r.Add("pages", doctor.Warning, "a backup and a restore give the room back; nothing is lost", "%d pages are neither used nor free", found.Lost)
	}
}

// examineFiles looks at what lies in the directory.
func (n *Node) examineFiles(r *doctor.Report) {
	if n.cfg.Dir == "" {
		return
	}
	names := []string{fileStore, fileMaster, fileCredentials, fileToken}
	if n.cfg.MasterKeyFile != "" {
		if abs, err := filepath.Abs(n.cfg.MasterKeyFile); err == nil {
			names = append(names, abs)
		}
	}
	r.Files(n.cfg.Dir, names...)
	var used int64
	if info, err := os.Stat(n.path(fileStore)); err == nil {
		used = info.Size()
	}
	r.Disk(n.cfg.Dir, used)
	if _, err := os.Lstat(n.path(fileCredentials)); err == nil {
		r.Add("files", doctor.Warning, "move it to where you keep secrets, or make users and delete the root user's key", "%s holds the root user's access key", n.path(fileCredentials))
	}
}

// examineStore looks at the records of an open store.
func (n *Node) examineStore(ctx context.Context, r *doctor.Report) {
	records, _, err := readSystem(ctx, n.store)
	if err != nil {
		r.Add("store", doctor.Error, "", "%v", err)
		return
	}
	if err := restoring(records); err != nil {
		r.Add("store", doctor.Error, "", "%v", err)
		return
	}
	switch value := string(records[entity.SysFormat]); {
	case value == "":
		r.Add("format", doctor.OK, "", "the store is empty")
		return
	case readable(value) != nil:
		r.Add("format", doctor.Error, "use the version of Ostiary that wrote it", "%v", readable(value))
		return
	case value != format:
		r.Add("format", doctor.Warning, "take a backup, then start the server, which brings it forward", "the store has format %s, and this version %s", value, format)
	default:
		r.Add("format", doctor.OK, "", "%s, as this version", value)
	}
	ring := n.ring
	if ring == nil {
		const do = "put the master key back under which the key ring was wrapped; without it nothing sealed in the store can be read"
		master, err := n.master(true)
		if err == nil {
			ring, err = keyring.Unwrap(master, records[entity.SysRing], records[entity.SysNextRing])
		}
		if err != nil {
			r.Add("keys", doctor.Error, do, "%v", err)
		}
	}
	if records[entity.SysNextRing] != nil {
		r.Add("keys", doctor.Warning, "put the new key in place on every node, then run `ostiary keys master --end`", "a change of the master key was begun and has not ended")
	}
	r.Records(ctx, n.store, ring, n.cfg.Now())
}

// Examine implements server.Maintenance: the same of a node that runs, but for the pages of its file, which it writes to.
func (m maintenance) Examine(ctx context.Context) (any, error) {
	r := new(doctor.Report)
	m.n.examineFiles(r)
	m.n.examineStore(ctx, r)
	if err := m.n.ready(); err != nil {
		r.Add("snapshot", doctor.Error, "see the log; look at the store and the way to it", "the node is not ready: %v", err)
	} else {
		r.Add("snapshot", doctor.OK, "", "it is at revision %d", m.n.snapshots.Current().Revision())
	}
	return r, nil
}
