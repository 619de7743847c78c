package snapshot

import (
	"iter"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Item is an item as one snapshot shows it. The record is shared: read it only.
type Item[P entity.Item] struct {
	Record   P
	Revision store.Revision // that wrote the record
}

// Guards names the item's record, at its revision: what a decision about the item relies on.
func (i Item[P]) Guards() []store.Guard {
	return []store.Guard{{Key: entity.KeyOf(i.Record), Revision: i.Revision}}
}

// itemName is the place of an item among those of its account. No kind has a zero byte.
func itemName(k entity.Kind, name string) string { return string(k) + "\x00" + entity.FoldName(name) }

// itemID is the place of an item among all of them.
func itemID(account string, k entity.Kind, id string) string {
	return account + "\x00" + string(k) + "\x00" + id
}

// ItemNamed returns the item with that name, without regard to case: ItemNamed[*entity.InstanceProfile](a, "web").
func ItemNamed[P entity.Item](a Account, name string) (Item[P], bool) {
	var none P
	n, ok := a.st.items.find(itemName(none.Kind(), name))
	if !ok {
		return Item[P]{}, false
	}
	return Item[P]{n.item.(P), n.rev}, true
}

// ItemByID returns the item of this account with that ID.
func ItemByID[P entity.Item](a Account, id string) (Item[P], bool) {
	var none P
	n, ok := a.s.items.find(itemID(a.ID, none.Kind(), id))
	if !ok {
		return Item[P]{}, false
	}
	return Item[P]{n.item.(P), n.rev}, true
}

// Items yields the items of a kind whose folded names are greater than after, in the order of folded names; "" yields all.
func Items[P entity.Item](a Account, after string) iter.Seq[Item[P]] {
	var none P
	kind := none.Kind()
	return func(yield func(Item[P]) bool) {
		for e := range a.st.items.after(itemName(kind, after)) {
			if e.node.item.Kind() != kind || !yield(Item[P]{e.node.item.(P), e.node.rev}) {
				return
			}
		}
	}
}

// Owned yields the items of a kind that a user, role or account lists as its own, in the order in which they came.
func Owned[P entity.Item](a Account, list entity.Owned) iter.Seq[Item[P]] {
	var none P
	return func(yield func(Item[P]) bool) {
		for _, id := range list[none.Kind()] {
			if it, ok := ItemByID[P](a, id); ok && !yield(it) {
				return
			}
		}
	}
}

// ItemCount says how many items of a kind there are. It counts them.
func ItemCount[P entity.Item](a Account) (n int) {
	for range Items[P](a, "") {
		n++
	}
	return n
}
