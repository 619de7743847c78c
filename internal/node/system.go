package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// system is what the node knows of the installation as a whole.
type system struct {
	records map[string][]byte // what was read at the start, by name
	format  string            // that the store has while the node runs
	halted  context.Context   // ends with the reason when the node must not go on
	halt    context.CancelCauseFunc
	backup  sync.Mutex // held while one is taken
}

// systemInterval is the longest time between two looks at the system records. A watch tells of changes sooner; a store that was
// replaced under the node's feet tells nothing.
const systemInterval = 30 * time.Second

// errRestoring says what to do about a store that a restore has not been finished in.
func errRestoring(r *entity.Restoring) error {
	return fmt.Errorf("the store is the target of a restore that was begun at %s and has not ended, of a backup taken at %s: "+
		"if nobody is at it, run `ostiary restore --overwrite` again, with this backup or another one", r.StartedAt.Format(time.RFC3339), r.TakenAt.Format(time.RFC3339))
}

// readSystem reads all system records, by name, and the revision at which they are.
func readSystem(ctx context.Context, st store.Store) (records map[string][]byte, at store.Revision, err error) {
	err = st.View(ctx, func(r store.Reader) error {
		records, at = make(map[string][]byte), r.Revision()
		for e, err := range r.Range(entity.SystemPlane) {
			if err != nil {
				return err
			}
			parts, err := keyenc.Decode(e.Key)
			if err != nil {
				return err
			}
			if name, ok := parts[len(parts)-1].(string); ok && len(parts) == 2 {
				records[name] = e.Value
			}
		}
		return nil
	})
	return records, at, fault.Wrap(err, "reading the system records")
}

// restoring returns an error where a store is not to be served from.
func restoring(records map[string][]byte) error {
	value, ok := records[entity.SysRestore]
	if !ok {
		return nil
	}
	r, err := entity.Decode[entity.Restoring](value)
	if err != nil {
		return fault.Wrap(err, "reading the marker of a restore")
	}
	return errRestoring(r)
}

// readSystem reads the system records at the start.
func (n *Node) readSystem(ctx context.Context) (err error) {
	if n.system.records, _, err = readSystem(ctx, n.store); err != nil {
		return err
	}
	return restoring(n.system.records)
}

// followSystem takes over what other nodes and the operator do to the installation, until ctx ends.
func (n *Node) followSystem(ctx context.Context) error {
	for {
		records, at, err := readSystem(ctx, n.store)
		if err == nil {
			if err := n.systemChanged(at, records); err != nil {
				n.cfg.Logger.Error("the node ends", "error", err)
				n.system.halt(err)
				<-ctx.Done()
				return ctx.Err()
			}
			err = n.awaitSystem(ctx, at)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrClosed):
			return err
		case err == nil, errors.Is(err, store.ErrCompacted), errors.Is(err, store.ErrLost): // those two are part of watching
			continue
		}
		n.cfg.Logger.Warn("the system records were not read and will be tried again", "error", err)
		t := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// awaitSystem returns nil when a system record has changed, or it is time to look.
func (n *Node) awaitSystem(ctx context.Context, seen store.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, systemInterval)
	defer cancel()
	for batch, err := range n.store.Watch(ctx, entity.SystemPlane, seen) {
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(batch.Changes) > 0 {
			return nil
		}
	}
	return store.ErrLost
}

// systemChanged takes over what may change while a node runs. An error says why it must not go on.
func (n *Node) systemChanged(at store.Revision, records map[string][]byte) error {
	if err := restoring(records); err != nil {
		return err
	}
	began := n.system.records
	if !bytes.Equal(records[entity.SysIncarnation], began[entity.SysIncarnation]) {
		return errors.New("the store was restored while this node ran: start the node again")
	}
	if v := records[entity.SysFormat]; string(v) != n.system.format {
		return fmt.Errorf("the store has format %.20q now, and this version serves %q: start a newer version", v, n.system.format)
	}
	if n.clustered() {
		n.setToken(records[sysToken]) // another node may have replaced it
	}
	if err := n.keys.Saw(at, records[entity.SysRing], records[entity.SysNextRing]); err != nil {
		// The node goes on with the keys that it has: they are good until the last is dropped.
		n.cfg.Logger.Error("the key ring in the store does not open; put the new master key in the old one's place", "error", err)
	}
	return nil
}

// unlessHalted answers nothing once the node must not go on.
func (n *Node) unlessHalted(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.system.halted.Err() != nil {
			http.Error(w, "The server is stopping.", http.StatusServiceUnavailable)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// settle is how long a new key waits before it is used: where there are other nodes, until they have it.
func (n *Node) settle() time.Duration {
	if n.alone() {
		return 0
	}
	return 2 * systemInterval
}
