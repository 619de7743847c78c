package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// # Compaction
//
// etcd keeps every revision of every key until it is told to forget. Each node looks once in Config.CompactEvery; the record
// "compaction" says, by its version, how often it has been done, and the node that rewrites the version it saw an interval
// ago has the turn: it compacts to the revision that was newest at that time. So the newest interval of history is always
// there, however many nodes there are, whatever their clocks say and whichever of them die. What etcd has compacted it uses
// again; only defragmentation, which is the operator's, gives it back to the disk.

// Compact forgets the history up to and including upTo: a watch from before it gets [store.ErrCompacted].
func (s *Store) Compact(ctx context.Context, upTo store.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	// etcd's compaction keeps the events of the revision that it names.
	if _, err := s.client.Compact(ctx, int64(upTo)+1); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compacting etcd: %w", err)
	}
	return nil
}

// turnOf is what a node knows of the record.
type turnOf struct {
	version int64          // of the record
	newest  store.Revision // when it was looked at; zero is never
}

// compactions takes turns with the other nodes until ctx ends.
func (s *Store) compactions(ctx context.Context) {
	var at turnOf
	for {
		pause(ctx, s.cfg.CompactEvery+rand.N(s.cfg.CompactEvery/20+1))
		if ctx.Err() != nil {
			return
		}
		next, err := s.takeTurn(ctx, at)
		if err != nil {
			if ctx.Err() == nil {
				s.lg.Warn("history is not compacted", "error", err)
			}
			continue
		}
		at = next
	}
}

// takeTurn compacts if no other node has done so since the last look, and returns what it sees.
func (s *Store) takeTurn(ctx context.Context, at turnOf) (turnOf, error) {
	key := s.prefix + "compaction"
	one, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	resp, err := s.client.Txn(one).
		If(clientv3.Compare(clientv3.Version(key), "=", at.version)).
		Then(clientv3.OpPut(key, strconv.FormatInt(int64(at.newest), 10))).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return at, fmt.Errorf("taking a turn: %w", err)
	}
	next := turnOf{at.version + 1, store.Revision(resp.Header.Revision)}
	if !resp.Succeeded {
		next.version = 0
		if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			next.version = kvs[0].Version
		}
		return next, nil
	}
	if at.newest == 0 {
		return next, nil
	}
	s.lg.Debug("compacting history", "up to", int64(at.newest))
	return next, s.Compact(ctx, at.newest)
}
