package inventory

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/google/btree"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/follow"
)

// View is all resources at one revision. It is immutable and safe for concurrent use; so are the records in it, which must not
// be changed.
type View struct {
	revision store.Revision
	nodes    *btree.BTreeG[node]
}

// node is a record in its place.
type node struct {
	key      string
	record   Record
	revision store.Revision // of the update that wrote it
}

func before(a, b node) bool { return a.key < b.key }

// Revision is the state that the view shows.
func (v *View) Revision() store.Revision { return v.revision }

// Find returns the resource with that ID, nil where there is none, with the guard that holds as long as that is so.
func (v *View) Find(id ID) (Record, store.Guard) {
	key := id.key()
	n, _ := v.nodes.Get(node{key: string(key)})
	return n.record, store.Guard{Key: key, Revision: n.revision}
}

// Get returns the resource of that name, nil where there is none.
func Get[T any, P interface {
	*T
	Record
}](v *View, account, region, name string) P {
	r, _ := v.Find(NewID(account, region, P(nil).Type(), name))
	p, _ := r.(P)
	return p
}

// List yields the resources of one type in an account and region, by name, that come after the given name.
func List[T any, P interface {
	*T
	Record
}](v *View, account, region, after string) iter.Seq[P] {
	return func(yield func(P) bool) {
		id := NewID(account, region, P(nil).Type(), after)
		prefix := string(id.shelf())
		from := prefix
		if after != "" {
			from = string(id.key())
		}
		v.nodes.AscendGreaterOrEqual(node{key: from}, func(n node) bool {
			if len(n.key) < len(prefix) || n.key[:len(prefix)] != prefix {
				return false
			}
			if n.key == from {
				return true // after itself
			}
			p, ok := n.record.(P)
			return ok && yield(p)
		})
	}
}

// Config of a [Follower]. Store must be set.
type Config struct {
	Store store.Store
	Now   func() time.Time // for freshness; must carry a monotonic reading. nil means time.Now
	Log   *slog.Logger     // nil logs nothing
}

// Follower keeps a [View] current.
type Follower = follow.Follower[View, *View]

// Follow returns a follower whose view is empty until its Run has loaded one.
func Follow(c Config) *Follower {
	return follow.New[View, *View](follow.Config[View]{
		Name: "ElastiCache inventory", Store: c.Store, Prefix: records, Now: c.Now, Log: c.Log,
		Empty: &View{nodes: btree.NewG(degree, before)},
		Load:  func(ctx context.Context) (*View, error) { return load(ctx, c.Store) },
		Begin: func(v *View) follow.Round[View] {
			return &round{next: &View{revision: v.revision, nodes: v.nodes.Clone()}}
		},
	})
}

// degree of the B-tree, as in package snapshot.
const degree = 32

func load(ctx context.Context, st store.Store) (*View, error) {
	var v *View
	err := st.View(ctx, func(r store.Reader) error {
		v = &View{revision: r.Revision(), nodes: btree.NewG(degree, before)}
		for e, err := range r.Range(records) {
			if err != nil {
				return err
			}
			if err := v.put(e.Key, e.Value, e.Revision); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func (v *View) put(key, value []byte, at store.Revision) error {
	r, err := decode(key, value)
	if err != nil {
		return err
	}
	v.nodes.ReplaceOrInsert(node{key: string(key), record: r, revision: at})
	return nil
}

// round is one round of changes. next is not seen by readers before it ends.
type round struct{ next *View }

func (r *round) Apply(b store.Batch) error {
	for _, c := range b.Changes {
		if c.Deleted {
			r.next.nodes.Delete(node{key: string(c.Key)})
		} else if err := r.next.put(c.Key, c.Value, b.Revision); err != nil {
			return err
		}
	}
	r.next.revision = max(r.next.revision, b.Revision)
	return nil
}

func (r *round) End() *View { return r.next }

func (r *round) Published() {}
