package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
)

func keysListUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary keys list --endpoint URL [flags]

Lists the keys that secrets and session tokens are sealed under, oldest first, with the number of records that need each.

`)
	config.StoreUsage(w, "keys list", new(storeCommand).flags)
}

func keysRotateUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary keys rotate --endpoint URL [flags]

Adds a key to the ring while the server runs. What is sealed stays good: records are sealed anew under the new key beside
requests, and the old key goes when no record needs it and the longest session has ended.

`)
	config.StoreUsage(w, "keys rotate", new(storeCommand).flags)
}

func keysList(ctx context.Context, args []string, std stdio) error {
	return askKeys(ctx, "keys list", http.MethodGet, args, std)
}

func keysRotate(ctx context.Context, args []string, std stdio) error {
	return askKeys(ctx, "keys rotate", http.MethodPost, args, std)
}

func askKeys(ctx context.Context, name, method string, args []string, std stdio) error {
	c := new(storeCommand)
	rest, err := c.load(name, args, c.flags)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	}
	if c.endpoint == "" {
		return usageError{errors.New("give --endpoint URL")}
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	var out struct{ Keys []server.RingKey }
	if _, err := client.Call(ctx, method, "keys", &out); err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATE\tSINCE\tRECORDS\tKEPT AT LEAST UNTIL")
	for _, k := range out.Keys {
		until := ""
		if k.KeptUntil != nil {
			until = k.KeptUntil.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", k.ID, k.State, k.CreatedAt.Format(time.RFC3339), k.Records, until)
	}
	return w.Flush()
}

// masterFlags are what `ostiary keys master` takes.
type masterFlags struct {
	storeCommand
	next string
	end  bool
}

func (f *masterFlags) set(fs *flag.FlagSet) {
	fs.StringVar(&f.next, "new-master-key-file", "", "`file` with the key that comes next; it is made if it is not there")
	fs.BoolVar(&f.end, "end", false, "end the change: the master key at hand is the only one from now on")
}

func keysMasterUsage(w io.Writer) {
	fmt.Fprint(w, `usage: ostiary keys master --new-master-key-file FILE [flags]
       ostiary keys master --end [flags]

Replaces the master key, which wraps the key ring, in two steps: after the first a server starts with the old key and with the
new one; then put the new file in the old one's place (on every node), and end the change. A bolt store must not be open in a
server meanwhile; nodes on etcd go on.

`)
	config.StoreUsage(w, "keys master", new(masterFlags).set)
}

func keysMaster(ctx context.Context, args []string, std stdio) (err error) {
	f := new(masterFlags)
	rest, err := f.load("keys master", args, f.set)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	case f.end == (f.next != ""):
		return usageError{errors.New("give either --new-master-key-file or --end")}
	}
	cfg, err := f.node()
	if err != nil {
		return err
	}
	o, err := node.OpenOffline(ctx, cfg)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: stop the server first", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if f.end {
		if err := o.EndMaster(ctx); err != nil {
			return err
		}
		fmt.Fprintln(std.out, "The master key at hand is the only one that opens the key ring now. Keep a copy; older backups still need the old one.")
		return nil
	}
	next, err := seal.LoadOrCreateMaster(f.next)
	if err != nil {
		return err
	}
	if err := o.BeginMaster(ctx, next); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Both master keys open the key ring now. Put %s in the old key's place, on every node, and run\n  ostiary keys master --end\n", f.next)
	return nil
}
