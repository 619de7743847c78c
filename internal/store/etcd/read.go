package etcd

import (
	"context"
	"errors"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// Sizes of a page of a range. The first is small, for most ranges are; later ones are as large as the entries allow.
const (
	firstPage = 128
	maxPage   = 4096
	pageBytes = 2 << 20
)

// reader reads one revision, which its first read fixes. In an Update it notes what was read.
type reader struct {
	s        *Store
	ctx      context.Context
	revision int64            // zero before the first read
	noted    *reads           // nil in a View
	known    map[string]known // what a failed commit brought, at revision; may be nil
	failed   error            // a read that failed
	ended    bool
}

// reads is what the function of an Update relied on.
type reads struct {
	keys   map[string]int64 // :: key → its revision, zero where it was absent
	ranges []span
	bytes  int // of the values
}

// span is a range that was read to its end, or to the key at which the caller stopped: [from, to).
type span struct{ from, to string }

// known is what a key holds at a revision.
type known struct {
	entry store.Entry
	ok    bool
}

func (r *reader) Revision() store.Revision {
	if r.revision == 0 && r.failed == nil && !r.ended {
		head, err := r.s.head(r.ctx)
		if err != nil {
			r.failed = err
			return 0
		}
		r.revision = int64(head)
	}
	return store.Revision(r.revision)
}

func (r *reader) Get(key []byte) (store.Entry, bool, error) {
	if r.ended {
		return store.Entry{}, false, store.ErrEnded
	}
	if len(key) == 0 {
		return store.Entry{}, false, store.ErrEmptyKey
	}
	k, ok := r.known[string(key)]
	if !ok {
		resp, err := r.get(r.s.records + string(key))
		if err != nil {
			return store.Entry{}, false, err
		}
		if len(resp.Kvs) > 0 {
			k = known{r.s.entry(resp.Kvs[0]), true}
		}
	}
	r.note(string(key), k.entry)
	return k.entry, k.ok, nil
}

func (r *reader) Range(prefix []byte) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if r.ended {
			yield(store.Entry{}, store.ErrEnded)
			return
		}
		start := r.s.records + string(prefix)
		end := clientv3.GetPrefixRangeEnd(start)
		read := span{start, end}
		if r.noted != nil {
			defer func() { r.noted.ranges = append(r.noted.ranges, read) }()
		}
		for from, limit := start, int64(firstPage); ; {
			resp, err := r.get(from, clientv3.WithRange(end), clientv3.WithLimit(limit))
			if err != nil {
				yield(store.Entry{}, err)
				return
			}
			size := 0
			for _, kv := range resp.Kvs {
				if r.ended {
					yield(store.Entry{}, store.ErrEnded)
					return
				}
				e := r.s.entry(kv)
				size += len(kv.Key) + len(kv.Value)
				r.note(string(e.Key), e)
				if !yield(e, nil) {
					read.to = string(kv.Key) + "\x00"
					return
				}
			}
			if !resp.More || len(resp.Kvs) == 0 {
				return
			}
			from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
			limit = min(maxPage, max(1, int64(pageBytes/(1+size/len(resp.Kvs)))))
		}
	}
}

func (r *reader) note(key string, e store.Entry) {
	if r.noted == nil {
		return
	}
	if r.noted.keys == nil {
		r.noted.keys = make(map[string]int64, 8)
	}
	if _, again := r.noted.keys[key]; !again {
		r.noted.keys[key] = int64(e.Revision)
		r.noted.bytes += len(e.Value)
	}
}

// get reads at the reader's revision, or fixes it.
func (r *reader) get(key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	var resp *clientv3.GetResponse
	err := error(nil)
	if r.revision == 0 {
		if resp, err = r.s.read(r.ctx, key, opts...); err == nil {
			r.revision = resp.Header.Revision
		}
	} else {
		opts = append(opts, clientv3.WithRev(r.revision))
		resp, err = r.s.read(r.ctx, key, append(opts, clientv3.WithSerializable())...)
		if errors.Is(err, rpctypes.ErrFutureRev) { // a member that has not got so far
			resp, err = r.s.read(r.ctx, key, opts...)
		}
	}
	r.failed = err
	return resp, err
}

// read asks etcd, and asks again where no answer comes: the next question goes to another member.
func (s *Store) read(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	all, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var last error
	for {
		one, cancel := context.WithTimeout(all, s.cfg.Timeout/2)
		resp, err := s.client.Get(one, key, opts...)
		cancel()
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		code := codeOf(err)
		if last == nil || code != codes.DeadlineExceeded { // which says less than what came before it
			last = err
		}
		if all.Err() != nil || code != codes.DeadlineExceeded && code != codes.Unavailable {
			return nil, unavailable("reading", last)
		}
	}
}

// entry makes a record of what etcd holds. The slices are the answer's own, which nobody else has.
func (s *Store) entry(kv *mvccpb.KeyValue) store.Entry {
	return store.Entry{Key: kv.Key[len(s.records):], Value: kv.Value, Revision: store.Revision(kv.ModRevision)}
}

// trim takes the prefix of the records off a key.
func (s *Store) trim(key []byte) []byte { return key[len(s.records):] }
