package snapshot

import (
	"hash/maphash"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// editor makes a new snapshot out of an old one, as a round of [follow.Follower]. The old one stays as it is. Not safe for
// concurrent use.
type editor struct {
	s       *Snapshot
	in      *edit
	decoder *decoder
	touched map[string]*accountState
	stale   []*slot // of the nodes that are no longer in the snapshot and had a linked set
}

func emptySnapshot(c *cache) *Snapshot {
	seed := maphash.MakeSeed()
	return &Snapshot{
		accounts: newTable[*accountState](seed),
		order:    newTree(func(a, b string) bool { return a < b }),
		aliases:  newTable[string](seed),
		issuers:  newTable[string](seed),
		users:    newTable[*userNode](seed),
		groups:   newTable[*groupNode](seed),
		roles:    newTable[*roleNode](seed),
		policies: newTable[*policyNode](seed),
		keys:     newTable[*keyNode](seed),
		items:    newTable[*itemNode](seed),
		cache:    c,
	}
}

func newAccountState(id string, in *edit) *accountState {
	st := &accountState{
		edit: in, id: id,
		users: newNames[*userNode](), groups: newNames[*groupNode](), roles: newNames[*roleNode](), policies: newNames[*policyNode](),
		items: newNames[*itemNode](), members: newLinks(),
	}
	for kind := range useKinds {
		st.attached[kind], st.bounded[kind] = newLinks(), newLinks()
	}
	return st
}

func (st *accountState) empty() bool {
	return st.node == nil && st.epoch == 0 && st.users.len()+st.groups.len()+st.roles.len()+st.policies.len()+st.items.len() == 0
}

func (s *Snapshot) edit(d *decoder) *editor {
	next := *s
	return &editor{s: &next, in: new(edit), decoder: d, touched: make(map[string]*accountState)}
}

// End returns the new snapshot.
func (e *editor) End() *Snapshot {
	for id, st := range e.touched {
		if st.empty() {
			e.s.accounts.drop(e.in, id)
		}
	}
	return e.s
}

// Published drops what only the old snapshot had.
func (e *editor) Published() { e.s.cache.drop(e.stale) }

// account returns the state of an account for changing.
func (e *editor) account(id string) *accountState {
	if st, ok := e.touched[id]; ok {
		return st
	}
	st, ok := e.s.accounts.find(id)
	if ok {
		copied := *st
		copied.edit = e.in
		st = &copied
	} else {
		st = newAccountState(id, e.in)
	}
	e.s.accounts.put(e.in, id, st)
	e.touched[id] = st
	return st
}

// swap is one changed record: what it was (nil: nothing) and what it is.
type swap struct {
	was, is any
}

// Apply does what a batch says. On an error the editor must be thrown away. All of a batch is taken out before anything is
// put in, so that the order of its changes does not matter when names change hands.
func (e *editor) Apply(b store.Batch) error {
	swaps := make([]swap, 0, len(b.Changes))
	for i := range b.Changes {
		c := &b.Changes[i]
		kind, id, err := parseKey(c.Key)
		if err != nil {
			return err
		}
		var is any
		if !c.Deleted {
			if is, err = e.decoder.node(c.Key, c.Value, b.Revision); err != nil {
				return err
			}
		}
		if was := e.find(kind, id); was != nil || is != nil {
			swaps = append(swaps, swap{was, is})
		}
	}
	for _, w := range swaps {
		e.takeOut(w)
	}
	for _, w := range swaps {
		e.putIn(w)
	}
	for _, w := range swaps {
		e.share(w, b.Revision)
	}
	e.s.revision = max(e.s.revision, b.Revision)
	return nil
}

// find returns the node under a key, or nil. An epoch has no node of its own: it is made up.
func (e *editor) find(kind entity.Kind, id string) any {
	switch kind {
	case entity.KindAccount:
		if st, ok := e.s.accounts.find(id); ok && st.node != nil {
			return st.node
		}
	case entity.KindUser:
		if n, ok := e.s.users.find(id); ok {
			return n
		}
	case entity.KindGroup:
		if n, ok := e.s.groups.find(id); ok {
			return n
		}
	case entity.KindRole:
		if n, ok := e.s.roles.find(id); ok {
			return n
		}
	case entity.KindPolicy:
		if n, ok := e.s.policies.find(id); ok {
			return n
		}
	case entity.KindAccessKey:
		if n, ok := e.s.keys.find(id); ok {
			return n
		}
	case kindEpoch:
		if st, ok := e.s.accounts.find(id); ok && st.epoch != 0 {
			return &epochNode{account: id, rev: st.epoch}
		}
	default: // parseKey knows no other kinds
		if n, ok := e.s.items.find(id); ok {
			return n
		}
	}
	return nil
}

// takeOut removes from the indexes what the new node does not have.
func (e *editor) takeOut(w swap) {
	switch was := w.was.(type) {
	case *accountNode:
		is, _ := w.is.(*accountNode)
		if was.Alias != "" && (is == nil || is.Alias != was.Alias) {
			e.s.aliases.drop(e.in, was.Alias)
		}
		if was.Outbound != nil && (is == nil || is.Outbound == nil || is.Outbound.ID != was.Outbound.ID) {
			e.s.issuers.drop(e.in, was.Outbound.ID)
		}
		if is == nil {
			e.account(was.ID).node = nil
			e.s.order.remove(e.in, was.ID)
		}
	case *userNode:
		is, _ := w.is.(*userNode)
		st := e.account(was.Account)
		unlink(e.in, st, userHolding(was), userHolding(is))
		if is == nil {
			e.s.users.drop(e.in, was.ID)
		}
		if is == nil || entity.FoldName(is.Name) != entity.FoldName(was.Name) {
			st.users.remove(e.in, named[*userNode]{name: entity.FoldName(was.Name)})
		}
		e.discard(&was.slot)
	case *groupNode:
		is, _ := w.is.(*groupNode)
		st := e.account(was.Account)
		unlink(e.in, st, groupHolding(was), groupHolding(is))
		if is == nil {
			e.s.groups.drop(e.in, was.ID)
		}
		if is == nil || entity.FoldName(is.Name) != entity.FoldName(was.Name) {
			st.groups.remove(e.in, named[*groupNode]{name: entity.FoldName(was.Name)})
		}
		e.discard(&was.slot)
	case *roleNode:
		is, _ := w.is.(*roleNode)
		st := e.account(was.Account)
		unlink(e.in, st, roleHolding(was), roleHolding(is))
		if is == nil {
			e.s.roles.drop(e.in, was.ID)
		}
		if is == nil || entity.FoldName(is.Name) != entity.FoldName(was.Name) {
			st.roles.remove(e.in, named[*roleNode]{name: entity.FoldName(was.Name)})
		}
		e.discard(&was.slot)
	case *policyNode:
		is, _ := w.is.(*policyNode)
		st := e.account(was.Account)
		if is == nil {
			e.s.policies.drop(e.in, was.ID)
		}
		if is == nil || entity.FoldName(is.Name) != entity.FoldName(was.Name) {
			st.policies.remove(e.in, named[*policyNode]{name: entity.FoldName(was.Name)})
		}
	case *keyNode:
		if w.is == nil {
			e.s.keys.drop(e.in, was.ID)
		}
	case *itemNode:
		p := was.item.Place()
		is, _ := w.is.(*itemNode)
		if is == nil {
			e.s.items.drop(e.in, itemID(p.Account, was.item.Kind(), p.ID))
		}
		if is == nil || entity.FoldName(is.item.Place().Name) != entity.FoldName(p.Name) {
			e.account(p.Account).items.remove(e.in, named[*itemNode]{name: itemName(was.item.Kind(), p.Name)})
		}
	case *epochNode:
		if w.is == nil {
			e.account(was.account).epoch = 0
		}
	}
}

func (e *editor) discard(s *slot) {
	if s.Load() != nil {
		e.stale = append(e.stale, s)
	}
}

// putIn adds the new node to the tables and indexes.
func (e *editor) putIn(w swap) {
	switch is := w.is.(type) {
	case *accountNode:
		e.account(is.ID).node = is
		e.s.putAccount(e.in, is)
	case *userNode:
		e.s.users.put(e.in, is.ID, is)
		was, _ := w.was.(*userNode)
		e.account(is.Account).putUser(e.in, is, was)
	case *groupNode:
		e.s.groups.put(e.in, is.ID, is)
		was, _ := w.was.(*groupNode)
		e.account(is.Account).putGroup(e.in, is, was)
	case *roleNode:
		e.s.roles.put(e.in, is.ID, is)
		was, _ := w.was.(*roleNode)
		e.account(is.Account).putRole(e.in, is, was)
	case *policyNode:
		e.s.policies.put(e.in, is.ID, is)
		e.account(is.Account).putPolicy(e.in, is)
	case *keyNode:
		e.s.keys.put(e.in, is.ID, is)
	case *itemNode:
		p := is.item.Place()
		e.s.items.put(e.in, itemID(p.Account, is.item.Kind(), p.ID), is)
		e.account(p.Account).putItem(e.in, is)
	case *epochNode:
		e.account(is.account).epoch = is.rev
	}
}

// putAccount adds an account to the indexes over all accounts; its state is set elsewhere.
func (s *Snapshot) putAccount(in *edit, n *accountNode) {
	s.order.set(in, n.ID)
	if n.Alias != "" {
		s.aliases.put(in, n.Alias, n.ID)
	}
	if n.Outbound != nil {
		s.issuers.put(in, n.Outbound.ID, n.ID)
	}
}

func (st *accountState) putUser(in *edit, is, was *userNode) {
	st.users.set(in, named[*userNode]{entity.FoldName(is.Name), is})
	relink(in, st, userHolding(is), userHolding(was))
}

func (st *accountState) putGroup(in *edit, is, was *groupNode) {
	st.groups.set(in, named[*groupNode]{entity.FoldName(is.Name), is})
	relink(in, st, groupHolding(is), groupHolding(was))
}

func (st *accountState) putRole(in *edit, is, was *roleNode) {
	st.roles.set(in, named[*roleNode]{entity.FoldName(is.Name), is})
	relink(in, st, roleHolding(is), roleHolding(was))
}

func (st *accountState) putPolicy(in *edit, is *policyNode) {
	st.policies.set(in, named[*policyNode]{entity.FoldName(is.Name), is})
}

func (st *accountState) putItem(in *edit, is *itemNode) {
	st.items.set(in, named[*itemNode]{itemName(is.item.Kind(), is.item.Place().Name), is})
}

// share voids the linked sets of an account when a change touches more than the principal whose record it is.
func (e *editor) share(w swap, rev store.Revision) {
	switch was := w.was.(type) {
	case *groupNode:
		is, _ := w.is.(*groupNode)
		if is == nil || is.Name != was.Name || !slices.Equal(is.Attached, was.Attached) || !slices.Equal(is.Inline, was.Inline) {
			e.account(was.Account).shared = rev
		}
		return
	case *policyNode:
		is, _ := w.is.(*policyNode)
		if is == nil || is.ARN() != was.ARN() || is.DefaultDocument() != was.DefaultDocument() {
			e.account(was.Account).shared = rev
		}
		return
	case *accountNode:
		is, _ := w.is.(*accountNode)
		if usersMayChange(&was.Account) != (is != nil && usersMayChange(&is.Account)) {
			e.account(was.ID).shared = rev
		}
		return
	case *epochNode:
		e.account(was.account).shared = rev
		return
	}
	// What is new changes something for others only if it was missed.
	switch is := w.is.(type) {
	case *groupNode:
		if st := e.account(is.Account); st.members.any(is.ID) {
			st.shared = rev
		}
	case *policyNode:
		if st := e.account(is.Account); st.uses(is.ID) {
			st.shared = rev
		}
	case *accountNode:
		if usersMayChange(&is.Account) {
			e.account(is.ID).shared = rev
		}
	case *epochNode:
		e.account(is.account).shared = rev
	}
}

func (st *accountState) uses(policyID string) bool {
	for kind := range useKinds {
		if st.attached[kind].any(policyID) || st.bounded[kind].any(policyID) {
			return true
		}
	}
	return false
}

// holding is what an entity refers to, under its folded name. The zero holding refers to nothing.
type holding struct {
	kind   int
	name   string
	grants *entity.Grants
	groups []string
}

func userHolding(n *userNode) holding {
	if n == nil {
		return holding{}
	}
	return holding{useUser, entity.FoldName(n.Name), &n.Grants, n.Groups}
}

func groupHolding(n *groupNode) holding {
	if n == nil {
		return holding{}
	}
	return holding{useGroup, entity.FoldName(n.Name), &n.Grants, nil}
}

func roleHolding(n *roleNode) holding {
	if n == nil {
		return holding{}
	}
	return holding{useRole, entity.FoldName(n.Name), &n.Grants, nil}
}

func (h *holding) attached() []string {
	if h.grants == nil {
		return nil
	}
	return h.grants.Attached
}

func (h *holding) boundary() []string {
	if h.grants == nil || h.grants.Boundary == "" {
		return nil
	}
	return []string{h.grants.Boundary}
}

// unlink removes the references of was that is does not have.
func unlink(in *edit, st *accountState, was, is holding) {
	difference(was.name, is.name, was.groups, is.groups, func(l link) { st.members.remove(in, l) })
	difference(was.name, is.name, was.attached(), is.attached(), func(l link) { st.attached[was.kind].remove(in, l) })
	difference(was.name, is.name, was.boundary(), is.boundary(), func(l link) { st.bounded[was.kind].remove(in, l) })
}

// relink adds the references of is that was does not have.
func relink(in *edit, st *accountState, is, was holding) {
	difference(is.name, was.name, is.groups, was.groups, func(l link) { st.members.set(in, l) })
	difference(is.name, was.name, is.attached(), was.attached(), func(l link) { st.attached[is.kind].set(in, l) })
	difference(is.name, was.name, is.boundary(), was.boundary(), func(l link) { st.bounded[is.kind].set(in, l) })
}

// difference calls do for the links of name to each of ids, except for those that otherName has to otherIDs too.
func difference(name, otherName string, ids, otherIDs []string, do func(link)) {
	for _, id := range ids {
		if name != otherName || !slices.Contains(otherIDs, id) {
			do(link{to: id, name: name})
		}
	}
}
