// Package history records what many clients do to users through the API at once, and finds out whether it could have happened: whether
// there is one order of all changes that explains every answer (linearizability, checked by porcupine).
//
// A user is one entity of the model: whether it exists, with which unique ID, one inline policy, one attached managed policy, one tag. The
// calls are those of [Kind]. What is right is written here from the documentation and shares nothing with the product.
//
// On one node every call takes effect at one moment between its sending and its answer. Of several nodes on one store that holds for
// changes; reads, and refusals because of what is there or not, come from a node's own view, which may lag, with two promises: it never
// goes back, and it has every change that this node has acknowledged. [Check] takes nodes as one or as several.
//
// A change whose outcome is unknown (no answer, or one that blames the server) may have happened at any later moment, or never. One that
// cannot have been sent did not happen. [Workload] makes such histories, through the AWS SDK without its retries.
package history

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is an operation.
type Kind int

// The operations. Put, Unput and Shown are of the inline policy, Attach, Detach and Listed of the attached one.
const (
	Create Kind = iota
	Delete
	Get // answers the ID and the tag
	Tag
	Put
	Unput
	Shown
	Attach
	Detach
	Listed
	kinds
)

var kindNames = [kinds]string{"CreateUser", "DeleteUser", "GetUser", "TagUser", "PutUserPolicy", "DeleteUserPolicy", "GetUserPolicy",
	"AttachUserPolicy", "DetachUserPolicy", "ListAttachedUserPolicies"}

func (k Kind) String() string { return kindNames[k] }

// writes reports whether the operation changes something.
func (k Kind) writes() bool { return k != Get && k != Shown && k != Listed }

// Call is what is asked.
type Call struct {
	Kind  Kind
	User  string
	Value string // of Tag and Put
	Node  int
	Last  bool // a read that must see everything, as all is quiet
}

// Outcome is the kind of an answer.
type Outcome int

// Outcomes.
const (
	OK Outcome = iota
	Missing
	Exists
	InUse
	Unknown // nobody knows whether it happened
	None    // it did not happen: not recorded
)

func (o Outcome) String() string {
	return [...]string{"ok", "NoSuchEntity", "EntityAlreadyExists", "DeleteConflict", "unknown", "none"}[o]
}

// Answer is what came of a call.
type Answer struct {
	Outcome Outcome
	ID      string // of Create and Get
	Value   string // of Get (the tag), Shown, Listed ("yes" or empty)
}

// anyID is the ID of a user whose creation nobody was told of.
const anyID = "?"

// user is the state of one name.
type user struct {
	exists, attached bool
	id, inline, tag  string
}

// do is the specification: what a call answers, and what it leaves. The ID of a creation is for the answer to say.
func (u user) do(c Call) (user, Answer) {
	if c.Kind == Create {
		if u.exists {
			return u, Answer{Outcome: Exists}
		}
		return user{exists: true, id: anyID}, Answer{}
	}
	if !u.exists {
		return u, Answer{Outcome: Missing}
	}
	switch c.Kind {
	case Delete:
		if u.attached || u.inline != "" {
			return u, Answer{Outcome: InUse}
		}
		return user{}, Answer{}
	case Get:
		return u, Answer{ID: u.id, Value: u.tag}
	case Tag:
		u.tag = c.Value
	case Put:
		u.inline = c.Value
	case Unput:
		if u.inline == "" {
			return u, Answer{Outcome: Missing}
		}
		u.inline = ""
	case Shown:
		if u.inline == "" {
			return u, Answer{Outcome: Missing}
		}
		return u, Answer{Value: u.inline}
	case Attach:
		u.attached = true
	case Detach:
		if !u.attached {
			return u, Answer{Outcome: Missing}
		}
		u.attached = false
	case Listed:
		if u.attached {
			return u, Answer{Value: "yes"}
		}
	case Create, kinds:
	}
	return u, Answer{}
}

// explains reports whether a call in this state gives the answer, and what it leaves.
func (u user) explains(c Call, a Answer) (user, bool) {
	next, want := u.do(c)
	if a.Outcome == Unknown {
		return next, true // in a state in which it is refused it leaves all as it is
	}
	if c.Kind == Create && a.Outcome == OK {
		next.id, want.ID = a.ID, a.ID
	}
	if want.ID == anyID {
		want.ID = a.ID
	}
	return next, want == a
}

// view is the state of one name on several nodes: the states that it went through, and where in them each node stands.
type view struct {
	states []user
	at     []int
}

// key writes a view down, for comparing.
func (v view) key() string { return fmt.Sprint(v) }

// explains returns the views that a call with an answer may leave.
func (v view) explains(c Call, a Answer) []view {
	last := len(v.states) - 1
	if a.Outcome == Unknown || c.Last || a.Outcome == OK && c.Kind.writes() {
		next, ok := v.states[last].explains(c, a)
		if !ok {
			return nil
		}
		n := view{v.states, slices.Clone(v.at)}
		if next != v.states[last] {
			n.states = append(slices.Clone(v.states), next)
		}
		if a.Outcome != Unknown {
			n.at[c.Node] = len(n.states) - 1
		}
		return []view{n.trim()}
	}
	var views []view
	for i := v.at[c.Node]; i <= last; i++ {
		if _, ok := v.states[i].explains(c, a); ok {
			n := view{v.states, slices.Clone(v.at)}
			n.at[c.Node] = i
			views = append(views, n.trim())
			// Later states that explain it too are reached from here: another read may move the node on.
			break
		}
	}
	return views
}

// trim forgets states that no node can see any more.
func (v view) trim() view {
	if first := slices.Min(v.at); first > 0 {
		v.states = v.states[first:]
		for i := range v.at {
			v.at[i] -= first
		}
	}
	return v
}

// models returns the model for one node, or for several.
func model(nodes int) porcupine.Model {
	m := porcupine.Model{
		Partition: byUser,
		DescribeOperation: func(in, out any) string {
			c, a := in.(Call), out.(Answer)
			return fmt.Sprintf("node %d: %s %s %s: %s %s %s", c.Node, c.Kind, c.User, c.Value, a.Outcome, a.ID, a.Value)
		},
	}
	if nodes == 1 {
		m.Init = func() any { return user{} }
		m.Step = func(state, in, out any) (bool, any) {
			next, ok := state.(user).explains(in.(Call), out.(Answer))
			return ok, next
		}
		m.Equal = func(a, b any) bool { return a == b }
		return m
	}
	m.Init = func() any { return view{states: make([]user, 1), at: make([]int, nodes)} }
	m.Step = func(state, in, out any) (bool, any) {
		views := state.(view).explains(in.(Call), out.(Answer))
		if len(views) == 0 {
			return false, nil
		}
		return true, views[0]
	}
	m.Equal = func(a, b any) bool { return a.(view).key() == b.(view).key() }
	return m
}

func byUser(all []porcupine.Operation) [][]porcupine.Operation {
	of := make(map[string][]porcupine.Operation)
	for _, o := range all {
		name := o.Input.(Call).User
		of[name] = append(of[name], o)
	}
	parts := make([][]porcupine.Operation, 0, len(of))
	for _, part := range of {
		parts = append(parts, part)
	}
	return parts
}

// Recorder is a history in the making. Make it with [New].
type Recorder struct {
	now   func() time.Duration // since the beginning
	nodes int

	mu         sync.Mutex
	operations []porcupine.Operation
	progress   chan struct{} // closed, and made anew, with every answer that says something
	answered   int
	unknown    map[string]int // :: user → changes of unknown outcome
	counts     [kinds][None]int
}

// New begins a history of that many nodes.
func New(nodes int) *Recorder {
	start := time.Now()
	return &Recorder{nodes: nodes, now: func() time.Duration { return time.Since(start) }, progress: make(chan struct{}), unknown: make(map[string]int)}
}

// never is later than everything: when a call of unknown outcome ended.
const never = int64(1) << 62

// Record notes a call that was sent at the time began and answered just now.
func (r *Recorder) Record(client int, c Call, began time.Duration, a Answer) {
	if a.Outcome == None || a.Outcome == Unknown && !c.Kind.writes() {
		return
	}
	end := int64(r.now())
	if a.Outcome == Unknown {
		end = never
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, porcupine.Operation{ClientId: client, Input: c, Call: int64(began), Output: a, Return: end})
	r.counts[c.Kind][a.Outcome]++
	if a.Outcome == Unknown {
		r.unknown[c.User]++
	} else {
		r.answered++
		close(r.progress)
		r.progress = make(chan struct{})
	}
}

// Answered waits until so many more calls have been answered, by something that says what happened. It returns earlier where done is closed.
func (r *Recorder) Answered(more int, done <-chan struct{}) {
	r.mu.Lock()
	until := r.answered + more
	r.mu.Unlock()
	for {
		r.mu.Lock()
		enough, news := r.answered >= until, r.progress
		r.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-news:
		case <-done:
			return
		}
	}
}

// patience is how long the search for an order may take. It is no bound of what is tested.
const patience = time.Minute

// unknownOf returns how many changes of a user have an unknown outcome.
func (r *Recorder) unknownOf(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unknown[name]
}

// Check fails the test where no order explains the history, and prints the part of it that none explains. It returns a line of counts.
func (r *Recorder) Check(t testing.TB) string {
	t.Helper()
	r.mu.Lock()
	all := slices.Clone(r.operations)
	r.mu.Unlock()
	m := model(r.nodes)
	var longest, users int
	for _, part := range byUser(all) {
		users, longest = users+1, max(longest, len(part))
		switch porcupine.CheckOperationsTimeout(m, part, patience) {
		case porcupine.Ok:
		case porcupine.Illegal:
			t.Errorf("no order explains these calls:\n%s", describe(m, part))
		case porcupine.Unknown:
			t.Errorf("no order found in %s: the history is too large for its unknown outcomes:\n%s", patience, describe(m, part))
		}
	}
	return fmt.Sprintf("%d calls on %d users (at most %d on one), %s", len(all), users, longest, r.Counts())
}

// Counts says how many calls had which outcome.
func (r *Recorder) Counts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var sums [None]int
	writes := 0
	for k := range kinds {
		for o, n := range r.counts[k] {
			sums[o] += n
		}
		if k.writes() {
			writes += r.counts[k][OK]
		}
	}
	return fmt.Sprintf("%d changes acknowledged, %d calls refused, %d outcomes unknown", writes, sums[Missing]+sums[Exists]+sums[InUse], sums[Unknown])
}

// Unknown returns how many outcomes are unknown.
func (r *Recorder) Unknown() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := range kinds {
		n += r.counts[k][Unknown]
	}
	return n
}

// Acknowledged returns how many changes of a kind were acknowledged for each user.
func (r *Recorder) Acknowledged(k Kind) (all map[string]int) {
	all = make(map[string]int)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.operations {
		if c := o.Input.(Call); c.Kind == k && o.Output.(Answer).Outcome == OK {
			all[c.User]++
		}
	}
	return all
}

func describe(m porcupine.Model, part []porcupine.Operation) string {
	part = slices.Clone(part)
	slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range part {
		end := fmt.Sprintf("%10.3f", float64(o.Return)/1e6)
		if o.Return == never {
			end = "         ?"
		}
		fmt.Fprintf(&b, "%10.3f to %s ms, client %2d, %s\n", float64(o.Call)/1e6, end, o.ClientId, m.DescribeOperation(o.Input, o.Output))
	}
	return b.String()
}
