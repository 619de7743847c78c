package acceptance_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/testenv/history"
)

// TestHistory lets eight clients change and read a few users through the API, kills the server several times in the middle and starts it
// again. One order of all changes must explain every answer: what was acknowledged, what was refused, what was read, and what nobody
// answered, which happened whole or not at all.
func TestHistory(t *testing.T) {
	rounds, calls := 3, long(700, 4)
	if long(1, 2) == 2 {
		rounds = 12
	}
	dir := t.TempDir()
	p := serve(t, dir, "--log-level", "error")
	root := p.first(t)
	var now atomic.Pointer[iam.Client]
	now.Store(root.iam)
	r := history.New(1)
	w := &history.Workload{Recorder: r, Nodes: []func() *iam.Client{now.Load}, Clients: 8, Users: 12, Prefix: "history-", Seed: 6}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { w.Run(ctx) })
	for range rounds {
		r.Answered(calls, ctx.Done())
		p.kill(t)
		now.Store(nil)
		p = serve(t, dir, "--log-level", "error")
		now.Store(p.as(root.id, root.secret, "").iam)
	}
	r.Answered(calls, ctx.Done())
	cancel()
	working.Wait()
	if err := w.Finally(0); err != nil {
		t.Fatal(err)
	}
	t.Logf("killed %d times: %s", rounds, r.Check(t))

	// Each change that was acknowledged has its event, once; one whose outcome is unknown has one if it happened.
	ids, made := make(map[string]bool), make(map[string]int)
	for _, e := range p.events(t, p.token(t)) {
		if ids[e.EventID] {
			t.Errorf("event %s is in the trail twice", e.EventID)
		}
		ids[e.EventID] = true
		if e.EventName == "CreateUser" && e.ErrorCode == "" {
			name, _ := e.RequestParameters["userName"].(string)
			made[name]++
		}
	}
	creations := 0
	for name, n := range r.Acknowledged(history.Create) {
		creations += n
		if made[name] < n || made[name] > n+r.Unknown() {
			t.Errorf("%s was made %d times, the trail says %d", name, n, made[name])
		}
	}
	if creations == 0 {
		t.Error("no user was made")
	}
	p.stop(t)
}
