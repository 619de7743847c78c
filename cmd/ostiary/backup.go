package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// backupFlags are what `ostiary backup` takes.
type backupFlags struct {
	storeCommand
	out       string
	overwrite bool
	verify    bool
}

func (f *backupFlags) set(fs *flag.FlagSet) {
	f.flags(fs)
	fs.StringVar(&f.out, "out", "", "`file` to write; \"-\" is standard output")
	fs.BoolVar(&f.overwrite, "overwrite", false, "let --out take the place of a file")
	fs.BoolVar(&f.verify, "verify", false, "read a backup and say whether it is whole; with --master-key-file also whether this installation made it")
}

func backupUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary backup --out FILE --endpoint URL [flags]      of a running server
       ostiary backup --out FILE --data-dir DIR [flags]      of a store that no server has open
       ostiary backup --verify FILE [--master-key-file FILE]

Writes all records of a store, as they are at one moment, into a file from which any engine can be restored. Keep the master
key too, and not beside it: without it a backup is of no use.

`)
	config.StoreUsage(w, "backup", new(backupFlags).set)
}

func runBackup(ctx context.Context, args []string, std stdio) error {
	f := new(backupFlags)
	rest, err := f.load("backup", args, f.set)
	if err != nil {
		return err
	}
	switch {
	case f.verify && (len(rest) != 1 || f.out != "" || f.endpoint != ""):
		return usageError{errors.New("--verify takes the name of one backup, and neither --out nor --endpoint")}
	case f.verify:
		return verifyBackup(f, rest[0], std)
	case len(rest) > 0:
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	case f.out == "":
		return usageError{errors.New("give --out FILE")}
	}
	write := f.writer(ctx)
	if f.out == "-" {
		return write(std.out)
	}
	sum, err := backup.Save(f.out, f.overwrite, write)
	if err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: %s\n", f.out, describe(sum))
	return nil
}

// writer returns what writes the backup.
func (f *backupFlags) writer(ctx context.Context) func(io.Writer) error {
	return func(w io.Writer) (err error) {
		if f.endpoint != "" {
			client, err := f.client()
			if err != nil {
				return err
			}
			body, answer, err := client.Open(ctx, http.MethodPost, "backup")
			if err != nil {
				return err
			}
			defer body.Close()
			if n, err := io.Copy(w, body); err != nil {
				return fmt.Errorf("receiving the backup: %w", err)
			} else if n != answer.Length {
				return fmt.Errorf("receiving the backup: %d of %d bytes came", n, answer.Length)
			}
			return nil
		}
		cfg, err := f.node()
		if err != nil {
			return err
		}
		o, err := node.OpenOffline(ctx, cfg)
		if errors.Is(err, store.ErrLocked) {
			return fmt.Errorf("%w: to back up a running server give --endpoint URL", err)
		} else if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, o.Close()) }()
		_, err = o.Backup(ctx, w)
		return err
	}
}

func verifyBackup(f *backupFlags, path string, std stdio) error {
	var master *seal.Master
	if f.cfg.MasterKeyFile != "" {
		m, err := seal.LoadMaster(f.cfg.MasterKeyFile)
		if err != nil {
			return err
		}
		master = &m
	}
	a, file, err := backup.OpenFile(path, master)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintf(std.out, "%s is whole: %s\n", path, describe(a.Summary))
	if a.Proven {
		fmt.Fprintln(std.out, "The master key opens it, and its seal is this installation's.")
	} else {
		fmt.Fprintln(std.out, "Who made it was not checked: give --master-key-file for that.")
	}
	return nil
}

// describe is a backup in one line.
func describe(s backup.Summary) string {
	return fmt.Sprintf("installation %s, taken at %s from %s at revision %d by Ostiary %s, format %s, %d records of %d bytes, sha256 %s",
		s.StoreID, s.TakenAt.Format(time.RFC3339), s.Engine, s.Revision, s.Version, s.StoreFormat, s.Records, s.Bytes, s.Sum)
}

// restoreFlags are what `ostiary restore` takes.
type restoreFlags struct {
	storeCommand
	overwrite bool
}

func (f *restoreFlags) set(fs *flag.FlagSet) {
	fs.BoolVar(&f.overwrite, "overwrite", false, "restore also where there is something already, or a restore was cut off")
}

func restoreUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary restore FILE [--data-dir DIR | --store etcd://…] [--master-key-file FILE] [--overwrite]

Brings a store back from a backup. The master key under which the backup was made must be there: master.key in the data
directory, or --master-key-file. The backup is read whole before anything is changed, and the store is compared with it at the
end; no server serves from a store that a restore has not ended in. On bolt, what was there is kept under another name.

`)
	config.StoreUsage(w, "restore", new(restoreFlags).set)
}

func runRestore(ctx context.Context, args []string, std stdio) error {
	f := new(restoreFlags)
	rest, err := f.load("restore", args, f.set)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usageError{errors.New("give the name of one backup, after the flags")}
	}
	file, err := os.Open(rest[0])
	if err != nil {
		return err
	}
	defer file.Close()
	cfg, err := f.node()
	if err != nil {
		return err
	}
	told := int64(0)
	out, err := node.Restore(ctx, file, node.Restoration{Config: cfg, Overwrite: f.overwrite, Progress: func(done, all int64) {
		if done-told >= 100_000 {
			told = done
			fmt.Fprintf(std.err, "%d of %d records\n", done, all)
		}
	}})
	if err != nil {
		return fmt.Errorf("restoring %s: %w", rest[0], err)
	}
	fmt.Fprintf(std.out, "Restored %s, and compared: %s\n", filepath.Base(rest[0]), describe(out.Summary))
	if out.Aside != "" {
		fmt.Fprintf(std.out, "The store that was there is %s now; delete it when you do not need it any more.\n", out.Aside)
	}
	fmt.Fprintln(std.out, "What was changed after the backup is undone: access keys, policies and sessions that were taken away since are good again.\nTake them away anew before you start a server that others reach.")
	return nil
}
