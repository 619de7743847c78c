package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Names in a node's directory.
const (
	fileStore       = "ostiary.db"
	fileMaster      = "master.key"
	fileCredentials = "root-credentials"
	fileToken       = "operator-token"
	fileLock        = "lock"
	fileID          = "node-id"
	dirTrail        = "trail"
)

// openDir makes and locks the directory.
func (n *Node) openDir(context.Context) error {
	if n.clustered() && n.cfg.MasterKeyFile == "" && n.cfg.MasterKey.IsZero() {
		return errors.New("the nodes of a cluster share a master key, which is never in the store: make one (openssl rand -hex 32), " +
			"give it to each with --master-key-file or in OSTIARY_MASTER_KEY, and keep a copy")
	}
	if n.cfg.Dir == "" {
		if n.cfg.Store != "mem" {
			return errors.New("a store that lasts needs a directory")
		}
		return nil
	}
	if err := os.MkdirAll(n.cfg.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(n.path(fileLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		_ = f.Close()
		if errors.Is(err, store.ErrLocked) {
			return fmt.Errorf("%s is in use by another process: %w", n.cfg.Dir, err)
		}
		return err
	}
	n.closers = append(n.closers, f.Close)
	if n.cfg.Store == "bolt" {
		return nil
	}
	// Another store would write its credentials over those of the one that is here.
	if _, err := os.Lstat(n.path(fileStore)); err == nil {
		return fmt.Errorf("%s holds a lasting store, whose credentials another store's would overwrite: use another directory", n.cfg.Dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeFile puts a file of mode 0600 in place, durably and in one step: readers see the old text or the new one.
func writeFile(path, text string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails when all went well: the file has its name by then
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// maxSecretFile bounds a file that holds one secret.
const maxSecretFile = 4096

// readSecret reads a file that only its owner may read. A file that is not there gives an error that is fs.ErrNotExist.
func readSecret(path string) (secret.Text, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return secret.Text{}, err
	}
	switch {
	case !info.Mode().IsRegular():
		return secret.Text{}, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return secret.Text{}, fmt.Errorf("%s may be read by others (mode %#o); make it 0600", path, info.Mode().Perm())
	case info.Size() > maxSecretFile:
		return secret.Text{}, fmt.Errorf("%s is longer than a secret", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return secret.Text{}, fault.Wrap(err, "reading a secret")
	}
	return secret.New(strings.TrimSpace(string(text))), nil
}
