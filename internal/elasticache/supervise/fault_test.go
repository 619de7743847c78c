package supervise_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/memcached"
	"github.com/ostiary-iam/ostiary/internal/elasticache/supervise"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// fleet are the nodes of the servers that are killed.
func fleet(n int) []supervise.Desired {
	var all []supervise.Desired
	for i := range n {
		all = append(all, spec(both[i%2], fmt.Sprintf("node-%d", i)))
	}
	return all
}

// killedConfig is for servers in processes of their own, which cannot count ranges of ports together with this one.
func killedConfig(dir string, seen *events) supervise.Config {
	c := config(dir, seen)
	c.FirstPort, c.LastPort = 29000, 29499
	return c
}

// serverProcess is a server that runs a fleet and never rests: it restarts, stops, removes and changes nodes until it is killed. It prints
// a line for everything it does.
func serverProcess(dir string) {
	ctx := context.Background()
	desired := fleet(6)
	s, err := supervise.Open(ctx, killedConfig(dir, nil), desired)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("open")
	for {
		d := desired[rand.IntN(len(desired))]
		var err error
		switch rand.IntN(5) {
		case 0:
			err = s.Restart(ctx, d.Spec.ID)
		case 1:
			err = s.Stop(ctx, d.Spec.ID)
		case 2:
			err = s.Remove(ctx, d.Spec.ID)
		default:
			d.Spec.Memory += int64(rand.IntN(10)) << 20
			err = s.Apply(ctx, d)
		}
		fmt.Println("did", err)
	}
}

// TestServerIsKilled kills servers with signal 9 at random moments, and nodes with them. What must hold afterwards: a server that opens the
// directory again has every node serving, each once, and a clean stop leaves nothing.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	tools(t)
	rounds := 3
	if testenv.Long() {
		rounds = 15
	}
	dir := t.TempDir()
	t.Cleanup(func() { // where the test fails, its nodes must not stay
		for _, pid := range below(t, dir) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	adopted, seed := 0, uint64(rand.Int64())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "OSTIARY_TEST_SUPERVISE="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := random.IntN(40); left >= 0 && lines.Scan(); left-- {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Error(lines.Text())
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		if left := below(t, dir); len(left) > 0 && random.IntN(2) == 0 {
			kill(t, left[random.IntN(len(left))])
		}
		var seen events
		desired := fleet(6)
		s, err := supervise.Open(t.Context(), killedConfig(dir, &seen), desired)
		if err != nil {
			t.Fatal(err)
		}
		// One that was about to end when it was adopted ends and is started again.
		enginetest.Await(t, "every node serving, each once", func(context.Context) error { return eachOnce(t, s, dir, desired) })
		adopted += len(seen.of(supervise.Adopted))
		if random.IntN(3) == 0 {
			if err := s.Close(t.Context()); err != nil || len(below(t, dir)) > 0 {
				t.Errorf("after a clean stop: %v, processes %v", err, below(t, dir))
			}
		} else if err := s.Detach(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d servers killed, %d nodes adopted afterwards", rounds, adopted)
	if adopted == 0 {
		t.Error("no node was ever adopted: the test shows nothing")
	}
	s := open(t, config(dir, nil)) // nobody wants them any more
	if err := s.Close(t.Context()); err != nil || len(below(t, dir)) > 0 {
		t.Errorf("orphans are left: %v, %v", err, below(t, dir))
	}
}

// eachOnce is nil when every node serves and there is no process but theirs.
func eachOnce(t *testing.T, s *supervise.Supervisor, dir string, desired []supervise.Desired) error {
	var pids []int
	for _, d := range desired {
		st := status(t, s, d.Spec.ID)
		if st.State != supervise.Ready {
			return fmt.Errorf("%+v", st)
		}
		pids = append(pids, st.PID)
	}
	left := below(t, dir)
	slices.Sort(pids)
	slices.Sort(left)
	if !slices.Equal(pids, left) {
		return fmt.Errorf("nodes are %v, processes %v", pids, left)
	}
	return nil
}

// TestNodesAreKilled kills nodes with signal 9 at random moments, also while they start.
func TestNodesAreKilled(t *testing.T) {
	t.Parallel()
	tools(t)
	kills := 40
	if testenv.Long() {
		kills = 400
	}
	dir := t.TempDir()
	c := config(dir, nil)
	c.LoopAfter = 1 << 30
	desired := fleet(4)
	s := open(t, c, desired...)
	done := 0
	for i := 0; done < kills; i++ {
		st := status(t, s, desired[i%len(desired)].Spec.ID)
		if st.PID == 0 || !alive(st.PID) {
			continue
		}
		if syscall.Kill(st.PID, syscall.SIGKILL) == nil {
			done++
		}
	}
	enginetest.Await(t, "every node serving, each once", func(context.Context) error { return eachOnce(t, s, dir, desired) })
}

// TestSnapshotWritersEndWithTheirNode kills a node while its child writes a snapshot: a writer that outlived it could put an old file in the
// place of the next process's.
func TestSnapshotWritersEndWithTheirNode(t *testing.T) {
	t.Parallel()
	tools(t)
	dir := t.TempDir()
	s := open(t, config(dir, nil))
	d := spec(engine.Redis, "one")
	d.Spec.Memory = 512 << 20
	st := apply(t, s, d)
	c := client(t, st.Endpoint, engine.Admin, "the administrator's")
	if err := c.Set(t.Context(), "k", strings.Repeat("x", 1000), 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigSet(t.Context(), "rdb-key-save-delay", "60000000").Err(); err != nil { // a minute for the key
		t.Fatal(err)
	}
	if err := c.BgSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if n := len(below(t, dir)); n != 2 {
		t.Fatalf("%d processes; want the node and its writer", n)
	}
	kill(t, st.PID)
	until(t, s, "one", "again", func(now supervise.Status) bool { return now.State == supervise.Ready && now.PID != st.PID })
	if left := below(t, dir); len(left) != 1 {
		t.Errorf("processes %v", left)
	}
}

// TestHundredNodes starts, lists and stops a hundred nodes.
func TestHundredNodes(t *testing.T) {
	t.Parallel()
	tools(t)
	if !testenv.Long() {
		t.Skip("a hundred nodes: with OSTIARY_LONG")
	}
	dir := t.TempDir()
	desired := fleet(100)
	for i := range desired {
		desired[i].Spec.Memory = 16 << 20
	}
	s := open(t, config(dir, nil), desired...)
	for _, d := range desired {
		await(t, s, d.Spec.ID)
	}
	list := s.List()
	ports := map[int]bool{}
	for _, st := range list {
		ports[st.Endpoint.Port] = true
		if st.State != supervise.Ready {
			t.Errorf("%+v", st)
		}
	}
	if len(list) != 100 || len(ports) != 100 || len(below(t, dir)) != 100 {
		t.Errorf("%d listed, %d ports, %d processes", len(list), len(ports), len(below(t, dir)))
	}
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	s = open(t, config(dir, nil), desired...)
	for _, d := range desired {
		if st := await(t, s, d.Spec.ID); !st.Adopted {
			t.Errorf("%+v", st)
		}
	}
	enginetest.Await(t, "a clean stop", func(ctx context.Context) error { return s.Close(ctx) })
	if left := below(t, dir); len(left) > 0 {
		t.Errorf("processes %v", left)
	}
}

// elsewhere is a driver whose nodes listen at another port than they should.
type elsewhere struct {
	engine.Driver
	port int
}

func (d elsewhere) Prepare(spec engine.Spec, b engine.Binary) (engine.Launch, error) {
	spec.Port = d.port
	return d.Driver.Prepare(spec, b)
}

// TestStrangerAnswers has a stranger of the same engine answer where a node does not: the node does not pass for one that serves.
func TestStrangerAnswers(t *testing.T) {
	t.Parallel()
	tools(t)
	d := memcached.New(memcached.Config{})
	c := config(t.TempDir(), nil)
	c.Drivers = []engine.Driver{elsewhere{d, enginetest.Port(t)}}
	s := open(t, c)
	want := spec(engine.Memcached, "one")
	want.Spec.Port = enginetest.Port(t)
	if err := s.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	stranger := enginetest.Base(d, "1.6.6", "stranger")
	stranger.Port = want.Spec.Port
	r := enginetest.Start(t, d, stranger)
	from, asked := connections(t, r), 0
	enginetest.Await(t, "a supervisor that asked the stranger", func(context.Context) error {
		asked++ // one of the connections is this test's own
		if others := connections(t, r) - from - asked; others < 20 {
			return fmt.Errorf("%d connections", others)
		}
		return nil
	})
	if st := status(t, s, "one"); st.State != supervise.Starting {
		t.Errorf("%+v while process %d answers", st, r.PID())
	}
}

// connections is how many connections a memcached has had.
func connections(t *testing.T, r *enginetest.Running) int {
	t.Helper()
	conn, err := net.Dial("tcp", r.Spec.Listen().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "stats\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() && lines.Text() != "END" {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "STAT total_connections %d", &n); err == nil {
			return n
		}
	}
	t.Fatal("no total_connections")
	return 0
}
