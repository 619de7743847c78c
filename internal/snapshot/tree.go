package snapshot

import (
	"hash/maphash"
	"iter"

	"github.com/google/btree"
)

// degree of the B-trees: up to 63 items in a node. Larger nodes make updates copy more, smaller ones make trees deeper.
const degree = 32

// edit is the token of one round of changes. What carries the token of the round in progress may be changed in place;
// everything else may be seen by readers and is copied first.
type edit struct{ _ byte }

// tree is an ordered set that costs nothing when empty. The zero value is empty but has no order: see newTree.
type tree[E any] struct {
	b    *btree.BTreeG[E]
	less btree.LessFunc[E]
	edit *edit
}

func newTree[E any](less btree.LessFunc[E]) tree[E] { return tree[E]{less: less} }

func (t *tree[E]) get(key E) (e E, ok bool) {
	if t.b == nil {
		return e, false
	}
	return t.b.Get(key)
}

func (t *tree[E]) len() int {
	if t.b == nil {
		return 0
	}
	return t.b.Len()
}

// mutable returns a tree that nobody else sees. Clone writes to its receiver, but only what writers use.
func (t *tree[E]) mutable(in *edit) *btree.BTreeG[E] {
	switch {
	case t.b == nil:
		t.b = btree.NewG(degree, t.less)
	case t.edit != in:
		t.b = t.b.Clone()
	}
	t.edit = in
	return t.b
}

func (t *tree[E]) set(in *edit, e E) { t.mutable(in).ReplaceOrInsert(e) }

func (t *tree[E]) remove(in *edit, key E) {
	if t.b == nil {
		return
	}
	if b := t.mutable(in); b != nil {
		b.Delete(key)
	}
	if t.b.Len() == 0 {
		t.b = nil
	}
}

// from yields the elements that are not less than pivot.
func (t *tree[E]) from(pivot E) iter.Seq[E] {
	return func(yield func(E) bool) {
		if t.b != nil {
			t.b.AscendGreaterOrEqual(pivot, yield)
		}
	}
}

// named is an entity under its folded name.
type named[T any] struct {
	name string
	node T
}

func lessNamed[T any](a, b named[T]) bool { return a.name < b.name }

// names holds the entities of one kind in one account in the order of their folded names.
type names[T any] struct{ tree[named[T]] }

func newNames[T any]() names[T] { return names[T]{newTree(lessNamed[T])} }

func (n *names[T]) find(folded string) (node T, ok bool) {
	e, ok := n.get(named[T]{name: folded})
	return e.node, ok
}

// after yields the entities whose folded names are greater than folded.
func (n *names[T]) after(folded string) iter.Seq[named[T]] {
	return func(yield func(named[T]) bool) {
		for e := range n.from(named[T]{name: folded}) {
			if e.name > folded && !yield(e) {
				return
			}
		}
	}
}

// hashed is an entity under its ID and the ID's hash. Ordering by hash makes a lookup compare numbers that lie side by
// side instead of following a pointer at every step.
type hashed[T any] struct {
	hash uint64
	id   string
	node T
}

func lessHashed[T any](a, b hashed[T]) bool {
	return a.hash < b.hash || a.hash == b.hash && a.id < b.id
}

// table finds entities by ID.
type table[T any] struct {
	tree[hashed[T]]
	seed maphash.Seed
}

func newTable[T any](seed maphash.Seed) table[T] {
	return table[T]{tree: newTree(lessHashed[T]), seed: seed}
}

func (t *table[T]) entry(id string, node T) hashed[T] {
	return hashed[T]{hash: maphash.String(t.seed, id), id: id, node: node}
}

func (t *table[T]) find(id string) (node T, ok bool) {
	var none T
	e, ok := t.get(t.entry(id, none))
	return e.node, ok
}

func (t *table[T]) put(in *edit, id string, node T) { t.set(in, t.entry(id, node)) }

func (t *table[T]) drop(in *edit, id string) {
	var none T
	t.remove(in, t.entry(id, none))
}

// link says that the entity with the folded name refers to another one, by ID: "alice is in the group AGPA…".
type link struct{ to, name string }

func lessLink(a, b link) bool { return a.to < b.to || a.to == b.to && a.name < b.name }

// links holds one kind of reference in one account, backwards.
type links struct{ tree[link] }

func newLinks() links { return links{newTree(lessLink)} }

// of yields the folded names greater than after of the entities that refer to the ID.
func (l *links) of(to, after string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range l.from(link{to, after}) {
			if e.to != to {
				return
			}
			if e.name > after && !yield(e.name) {
				return
			}
		}
	}
}

func (l *links) any(to string) bool {
	for range l.of(to, "") {
		return true
	}
	return false
}
