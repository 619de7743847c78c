package faults_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/history"
)

// calls is how many answered calls each phase of a test waits for.
func calls() int {
	if testenv.Long() {
		return 200
	}
	return 150
}

// under runs a load on all nodes, has a fault do its worst in the middle, and checks everything when all is whole again. The fault heals
// what it breaks.
func (w *world) under(t *testing.T, name string, fault func(t *testing.T, r *history.Recorder)) {
	t.Helper()
	r := history.New(len(w.nodes))
	load := &history.Workload{Recorder: r, Clients: 6, Users: 15, Prefix: name + "-", Timeout: 5 * time.Second, Seed: 11, MaxUnknown: 4}
	for _, n := range w.nodes {
		load.Nodes = append(load.Nodes, n.client)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := &probe{w: w, user: name + "-probe", acked: make(map[int]time.Time)}
	p.begin(t)
	var working sync.WaitGroup
	working.Go(func() { load.Run(ctx) })
	working.Go(func() { p.write(ctx) })
	for i := range w.nodes {
		working.Go(func() { p.read(ctx, i) })
	}
	r.Answered(calls(), ctx.Done())
	fault(t, r)
	r.Answered(calls(), ctx.Done())
	cancel()
	working.Wait()
	w.settle(t, name)
	for i := range w.nodes {
		if err := load.Finally(i); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%s", r.Check(t))
	p.check(t)
	w.checkEvents(t, r)
}

// settle waits until every node shows what is written now, and with it all that was written before.
func (w *world) settle(t *testing.T, name string) {
	t.Helper()
	mark := history.Call{Kind: history.Create, User: name + "-settled"}
	testenv.Eventually(t, "a change is taken", func() error {
		_, err := history.Make(t.Context(), w.nodes[0].client(), mark)
		if err != nil {
			_, err = history.Make(t.Context(), w.nodes[0].client(), history.Call{Kind: history.Get, User: mark.User}) // it may be there
		}
		return err
	})
	for _, n := range w.nodes {
		testenv.Eventually(t, fmt.Sprintf("node %d follows", n.number), func() error {
			_, err := history.Make(t.Context(), n.client(), history.Call{Kind: history.Get, User: mark.User})
			return err
		})
	}
}

// checkEvents expects the event of each acknowledged creation in the trail of some node. A node that was cut off while it moved an event may
// have it in its trail and another, which took it over, in its own: under one ID.
func (w *world) checkEvents(t *testing.T, r *history.Recorder) {
	t.Helper()
	made, twice := w.created()
	total, unknown := 0, r.Unknown()
	for name, n := range r.Acknowledged(history.Create) {
		total += n
		if got := len(made[name]); got < n || got > n+unknown {
			t.Errorf("%s was made %d times, the trails say %d", name, n, got)
		}
	}
	if total == 0 {
		t.Error("no user was made")
	}
	t.Logf("the trails have the events of all %d creations; %d events are in two of them", total, twice)
}

// probe measures how old the states are that nodes answer from. One writer counts up in a tag, on any node that takes it; a reader on each
// node reads the tag. Who reads n, in a call that was sent at a time, was answered from a state that was over when n+1 was acknowledged:
// the difference of the two times is an age that the state certainly had.
type probe struct {
	w    *world
	user string

	mu     sync.Mutex
	acked  map[int]time.Time // :: number → when the answer had come
	last   int
	reads  []reading
	closed int // calls that were refused, or not answered
}

type reading struct {
	node, number int
	sent         time.Time
}

func (p *probe) begin(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, "the probe's user is made", func() error {
		_, err := history.Make(t.Context(), p.w.nodes[0].client(), history.Call{Kind: history.Create, User: p.user})
		return err
	})
}

func (p *probe) write(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		client := p.w.nodes[n%len(p.w.nodes)].client()
		if client == nil {
			continue
		}
		one, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		_, err := history.Make(one, client, history.Call{Kind: history.Tag, User: p.user, Value: strconv.Itoa(n)})
		cancel()
		if err == nil {
			p.mu.Lock()
			p.acked[n], p.last = time.Now(), n
			p.mu.Unlock()
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (p *probe) read(ctx context.Context, node int) {
	for ; ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		client := p.w.nodes[node].client()
		if client == nil {
			continue
		}
		sent := time.Now()
		one, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		a, err := history.Make(one, client, history.Call{Kind: history.Get, User: p.user})
		cancel()
		number, _ := strconv.Atoi(a.Value) // no tag yet is 0
		p.mu.Lock()
		if err == nil {
			p.reads = append(p.reads, reading{node, number, sent})
		} else {
			p.closed++
		}
		p.mu.Unlock()
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// check holds the readings against the bound.
func (p *probe) check(t *testing.T) {
	t.Helper()
	// next is, for each number, when the first larger one had been acknowledged.
	next := make([]time.Time, p.last+2)
	for n := p.last; n >= 0; n-- {
		next[n] = next[n+1]
		if at, ok := p.acked[n+1]; ok && (next[n].IsZero() || at.Before(next[n])) {
			next[n] = at
		}
	}
	var oldest time.Duration
	seen := make(map[int]int)
	for _, r := range p.reads {
		seen[r.node]++
		if r.number > p.last || next[r.number].IsZero() {
			continue
		}
		age := r.sent.Sub(next[r.number])
		oldest = max(oldest, age)
		if age > bound {
			t.Errorf("node %d answered from a state that was over %s before the question: the bound is %s", r.node, age, bound)
		}
	}
	for i := range p.w.nodes {
		if seen[i] == 0 {
			t.Errorf("node %d was never read", i)
		}
	}
	t.Logf("%d changes and %d readings (%d refused): no node answered from a state older than %s", len(p.acked), len(p.reads), p.closed, oldest.Round(time.Millisecond))
}

// makeUser makes a user with a key.
func makeUser(t *testing.T, by *iam.Client, name string) *iam.CreateAccessKeyOutput {
	t.Helper()
	must(by.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}))(t)
	return must(by.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name}))(t)
}
