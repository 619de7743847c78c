package topology_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/redis"
	"github.com/ostiary-iam/ostiary/internal/elasticache/topology"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// A client whose node was killed dials it in the background and notices only within a second that it was closed.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // these tests wait for nodes' gossip more than they compute
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// node is a member that runs.
type node struct {
	topology.Member
	r *enginetest.Running
}

func start(t *testing.T, id string, change func(*engine.Spec)) node {
	t.Helper()
	testenv.Tool(t, "redis-server")
	d := redis.New(redis.Config{})
	s := enginetest.Base(d, "7.1", id)
	if change != nil {
		change(&s)
	}
	r := enginetest.Start(t, d, s)
	return node{topology.Member{ID: id, Node: r.Node, Endpoint: r.Spec.Listen(), BusPort: r.Spec.BusPort}, r}
}

// group is a primary with n replicas in step.
func group(t *testing.T, n int) (node, []node) {
	t.Helper()
	primary := start(t, "primary", nil)
	var replicas []node
	for i := range n {
		replicas = append(replicas, start(t, fmt.Sprintf("replica-%d", i), func(s *engine.Spec) { s.Source = primary.Endpoint }))
	}
	must(t, topology.InStep(patience(t), primary.Member, members(replicas)))
	return primary, replicas
}

func members(nodes []node) []topology.Member {
	var all []topology.Member
	for _, n := range nodes {
		all = append(all, n.Member)
	}
	return all
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, at engine.Endpoint) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: at.String(), DisableIdentity: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestReplicasAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	primary, replicas := group(t, 1)
	c := client(t, primary.Endpoint)
	for i := range 100 {
		must(t, c.Set(t.Context(), strconv.Itoa(i), "v", 0).Err())
	}
	late := start(t, "late", func(s *engine.Spec) { s.Source = primary.Endpoint })
	must(t, topology.InStep(patience(t), primary.Member, []topology.Member{late.Member, replicas[0].Member}))
	if n, err := client(t, late.Endpoint).DBSize(t.Context()).Result(); n != 100 || err != nil {
		t.Errorf("a late replica has %d keys, %v", n, err)
	}
	replicas[0].r.Terminate(t)
	must(t, c.Set(t.Context(), "more", "v", 0).Err())
	must(t, topology.InStep(patience(t), primary.Member, []topology.Member{late.Member}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := topology.InStep(ctx, primary.Member, members(replicas)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a replica that is gone: %v", err)
	}
}

// TestFailover kills the primary under load. What must survive: every write after which WAIT said that a replica had it.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary, replicas := group(t, 2)
	c := client(t, primary.Endpoint)
	var confirmed, acknowledged []string
	var mu sync.Mutex
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			conn := c.Conn()
			defer conn.Close()
			for i := 0; ; i++ {
				k := fmt.Sprintf("w%d-%d", w, i)
				if conn.Set(t.Context(), k, "v", 0).Err() != nil {
					return
				}
				n, err := conn.Wait(t.Context(), 1, 5*time.Second).Result()
				mu.Lock()
				acknowledged = append(acknowledged, k)
				if err == nil && n >= 1 {
					confirmed = append(confirmed, k)
				}
				mu.Unlock()
			}
		})
	}
	enginetest.Await(t, "a thousand writes", func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if len(confirmed) < 1000 {
			return fmt.Errorf("%d", len(confirmed))
		}
		return nil
	})
	primary.r.Kill()
	writers.Wait()
	now, err := topology.Failover(patience(t), members(replicas))
	must(t, err)
	after := client(t, now.Endpoint)
	for _, k := range confirmed {
		if n, err := after.Exists(t.Context(), k).Result(); n != 1 || err != nil {
			t.Fatalf("the write of %s, which a replica had confirmed, is lost: %v", k, err)
		}
	}
	t.Logf("%d writes acknowledged, %d confirmed by a replica, none of these lost", len(acknowledged), len(confirmed))
	var other topology.Member
	for _, r := range replicas {
		if r.ID != now.ID {
			other = r.Member
		}
	}
	must(t, topology.InStep(patience(t), now, []topology.Member{other}))
	must(t, after.Set(t.Context(), "after", "failover", 0).Err())

	back := primary.r.Spec // the old primary comes back as a replica, empty
	back.Source = now.Endpoint
	returned := enginetest.Start(t, redis.New(redis.Config{}), back)
	must(t, topology.InStep(patience(t), now, []topology.Member{{ID: "primary", Node: returned.Node, Endpoint: primary.Endpoint}}))
	if v, err := client(t, primary.Endpoint).Get(t.Context(), "after").Result(); v != "failover" || err != nil {
		t.Errorf("the old primary has %q, %v", v, err)
	}
	again, err := topology.Failover(patience(t), []topology.Member{now, other}) // a call that is made again changes nothing
	if err != nil || again.ID != now.ID {
		t.Errorf("again: %s, %v; was %s", again.ID, err, now.ID)
	}
}

// TestFailoverChoosesTheFurthest cuts one replica off before the last writes.
func TestFailoverChoosesTheFurthest(t *testing.T) {
	t.Parallel()
	primary, replicas := group(t, 2)
	behind, ahead := replicas[0], replicas[1]
	must(t, behind.Node.ReplicateFrom(t.Context(), engine.Endpoint{Address: primary.Endpoint.Address, Port: 1})) // nobody is there
	c := client(t, primary.Endpoint)
	for i := range 50 {
		must(t, c.Set(t.Context(), strconv.Itoa(i), "v", 0).Err())
	}
	must(t, topology.InStep(patience(t), primary.Member, []topology.Member{ahead.Member}))
	primary.r.Kill()
	all, err := topology.Choose(patience(t), members(replicas))
	must(t, err)
	if all[0].Member.ID != ahead.ID {
		t.Errorf("chosen %s at %d before %s at %d", all[0].Member.ID, all[0].Info.Offset, all[1].Member.ID, all[1].Info.Offset)
	}
	now, err := topology.Failover(patience(t), members(replicas))
	must(t, err)
	if now.ID != ahead.ID {
		t.Errorf("promoted %s", now.ID)
	}
	must(t, topology.InStep(patience(t), now, []topology.Member{behind.Member}))
	if n, err := client(t, behind.Endpoint).DBSize(t.Context()).Result(); n != 50 || err != nil {
		t.Errorf("the one behind has %d keys, %v", n, err)
	}
}

func TestFailoverWithoutAnybody(t *testing.T) {
	t.Parallel()
	primary, replicas := group(t, 1)
	primary.r.Kill()
	replicas[0].r.Kill()
	if _, err := topology.Failover(patience(t), members(replicas)); !errors.Is(err, topology.ErrNoReplica) {
		t.Errorf("with nobody alive: %v", err)
	}
	if _, err := topology.Failover(patience(t), nil); !errors.Is(err, topology.ErrNoReplica) {
		t.Errorf("with no replicas: %v", err)
	}
	idle, follower := group(t, 1) // nothing was ever written: still there is a primary to have
	idle.r.Kill()
	if now, err := topology.Failover(patience(t), members(follower)); err != nil || now.ID != follower[0].ID {
		t.Errorf("of an idle group: %v", err)
	}
	never := start(t, "never", func(s *engine.Spec) { s.Source = primary.Endpoint }) // it has never seen its primary
	if _, err := topology.Failover(patience(t), []topology.Member{never.Member}); !errors.Is(err, topology.ErrNoReplica) {
		t.Errorf("with an empty replica: %v", err)
	}
}

// TestHandOver exchanges roles under load: nothing that was acknowledged is lost.
func TestHandOver(t *testing.T) {
	t.Parallel()
	primary, replicas := group(t, 2)
	c := client(t, primary.Endpoint)
	stop := make(chan struct{})
	var wrote []string
	var writer sync.WaitGroup
	begun := make(chan struct{})
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if k := fmt.Sprint("k", i); c.Set(t.Context(), k, "v", 0).Err() == nil { // a replica refuses it
				wrote = append(wrote, k)
			}
			if i == 200 {
				close(begun)
			}
		}
	})
	<-begun
	must(t, topology.HandOver(patience(t), primary.Member, replicas[0].Member, []topology.Member{replicas[1].Member}))
	close(stop)
	writer.Wait()
	must(t, topology.InStep(patience(t), replicas[0].Member, []topology.Member{primary.Member, replicas[1].Member}))
	n, err := client(t, replicas[0].Endpoint).DBSize(t.Context()).Result()
	if err != nil || int(n) != len(wrote) {
		t.Errorf("%d keys of %d acknowledged, %v", n, len(wrote), err)
	}
}
