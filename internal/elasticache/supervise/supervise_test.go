package supervise_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/enginetest"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/memcached"
	"github.com/ostiary-iam/ostiary/internal/elasticache/engine/redis"
	"github.com/ostiary-iam/ostiary/internal/elasticache/supervise"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// TestMain is also the server that tests kill: see serverProcess.
func TestMain(m *testing.M) {
	if dir := os.Getenv("OSTIARY_TEST_SUPERVISE"); dir != "" {
		serverProcess(dir)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // these tests wait for processes more than they compute
		panic(err)
	}
	// A client whose node was killed dials it in the background and notices only within a second that it was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// events collects what happened.
type events struct {
	mu  sync.Mutex
	all []supervise.Event
}

func (e *events) add(v supervise.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, v)
}

func (e *events) of(kind supervise.EventKind) []supervise.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var some []supervise.Event
	for _, v := range e.all {
		if v.Kind == kind {
			some = append(some, v)
		}
	}
	return some
}

// portRanges counts the ranges of ports that tests have for themselves: two supervisors that look for a free port at once could find the same.
var portRanges atomic.Int32

func config(dir string, seen *events) supervise.Config {
	first := 20000 + 110*int(portRanges.Add(1)%80)
	c := supervise.Config{Dir: dir, Drivers: []engine.Driver{redis.New(redis.Config{}), memcached.New(memcached.Config{})}, Now: time.Now,
		FirstPause: 20 * time.Millisecond, LongestPause: 200 * time.Millisecond, LoopAfter: 4, StableAfter: time.Hour, ProbeEvery: 50 * time.Millisecond, FirstPort: first, LastPort: first + 109}
	if seen != nil {
		c.Events = seen.add
	}
	return c
}

func open(t *testing.T, c supervise.Config, desired ...supervise.Desired) *supervise.Supervisor {
	t.Helper()
	s, err := supervise.Open(t.Context(), c, desired)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func spec(e engine.Name, id string) supervise.Desired {
	s := engine.Spec{ID: id, Engine: e, Version: "7.0", Memory: 64 << 20, MaxClients: 200, Threads: 1, Admin: secret.New("the administrator's")}
	if e == engine.Memcached {
		s.Version, s.Admin = "1.6.6", secret.Text{}
	}
	return supervise.Desired{Spec: s}
}

func apply(t *testing.T, s *supervise.Supervisor, d supervise.Desired) supervise.Status {
	t.Helper()
	if err := s.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return await(t, s, d.Spec.ID)
}

func await(t *testing.T, s *supervise.Supervisor, id string) supervise.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enginetest.Patience)
	defer cancel()
	if err := s.Await(ctx, id); err != nil {
		t.Fatal(err)
	}
	return status(t, s, id)
}

func status(t *testing.T, s *supervise.Supervisor, id string) supervise.Status {
	t.Helper()
	st, err := s.Status(id)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// until waits for a state of a node.
func until(t *testing.T, s *supervise.Supervisor, id, what string, f func(supervise.Status) bool) supervise.Status {
	t.Helper()
	enginetest.Await(t, id+" "+what, func(context.Context) error {
		if st := status(t, s, id); !f(st) {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	return status(t, s, id)
}

// alive reports whether a process runs, zombies not counted.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	return !strings.HasPrefix(string(text[strings.LastIndexByte(string(text), ')')+1:]), " Z")
}

// below returns the processes whose working directory is under one.
func below(t *testing.T, dir string) []int {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, l := range links {
		var pid int
		if cwd, err := os.Readlink(l); err == nil && strings.HasPrefix(cwd, dir+"/") {
			if _, err := fmt.Sscanf(l, "/proc/%d/cwd", &pid); err != nil {
				t.Fatal(err)
			}
			if alive(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func tools(t *testing.T) {
	t.Helper()
	testenv.Tool(t, "redis-server")
	testenv.Tool(t, "memcached")
}

var both = []engine.Name{engine.Redis, engine.Memcached}

func TestLife(t *testing.T) {
	tools(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	for _, e := range both {
		t.Run(string(e), func(t *testing.T) {
			var seen events
			dir := t.TempDir()
			s := open(t, config(dir, &seen))
			st := apply(t, s, spec(e, "one"))
			if st.State != supervise.Ready || !alive(st.PID) || st.Endpoint.Port == 0 || st.Binary.Path == "" {
				t.Fatalf("%+v", st)
			}
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", st.PID))
			if err != nil || string(environ) != "LC_ALL=C\x00" {
				t.Errorf("its environment: %q %v", environ, err)
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.PID))
			if err != nil || strings.Contains(string(line), "administrator's") {
				t.Errorf("its command line: %q %v", line, err)
			}
			if sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, uintptr(st.PID), 0, 0); int(sid) != st.PID {
				t.Errorf("it is in session %d", sid)
			}
			modes(t, dir)
			if err := s.Apply(t.Context(), spec(e, "one")); err != nil || status(t, s, "one").PID != st.PID {
				t.Errorf("the same again: %v, %+v", err, status(t, s, "one"))
			}
			if err := s.Stop(t.Context(), "one"); err != nil || alive(st.PID) || status(t, s, "one").State != supervise.Stopped {
				t.Errorf("stopped: %v, %+v", err, status(t, s, "one"))
			}
			if err := s.Restart(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			again := await(t, s, "one")
			if again.Endpoint != st.Endpoint || again.PID == st.PID {
				t.Errorf("restarted: %+v, before %+v", again, st)
			}
			if err := s.Remove(t.Context(), "one"); err != nil || alive(again.PID) {
				t.Errorf("removed: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "one")); !os.IsNotExist(err) {
				t.Errorf("its directory: %v", err)
			}
			if _, err := s.Status("one"); !errors.Is(err, fault.NotFound) {
				t.Errorf("after its removal: %v", err)
			}
			if len(seen.of(supervise.Started)) != 2 || len(seen.of(supervise.Halted)) != 2 || len(seen.of(supervise.Ended)) != 0 {
				t.Errorf("events %+v", seen.all)
			}
			if err := s.Close(t.Context()); err != nil || len(below(t, dir)) > 0 {
				t.Errorf("after a clean stop: %v, processes %v", err, below(t, dir))
			}
		})
	}
}

// modes checks that nobody else can read what is there.
func modes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tools(t)
	var seen events
	dir := t.TempDir()
	s := open(t, config(dir, &seen))
	wrong := spec(engine.Redis, "Up")
	if err := s.Apply(t.Context(), wrong); !errors.Is(err, fault.InvalidInput) {
		t.Errorf("an ID that is none: %v", err)
	}
	if err := s.Apply(t.Context(), spec("mysql", "x")); !errors.Is(err, fault.InvalidInput) {
		t.Errorf("an engine that is none: %v", err)
	}
	if err := s.Remove(t.Context(), "../x"); !errors.Is(err, fault.InvalidInput) {
		t.Errorf("removing what is no node: %v", err)
	}
	old := spec(engine.Redis, "old")
	old.Spec.Version = "6.2"
	err := s.Apply(t.Context(), old)
	var missing *engine.MissingBinary
	if !errors.As(err, &missing) || !errors.Is(err, fault.Unavailable) {
		t.Errorf("a version that is not here: %v", err)
	}
	until(t, s, "old", "in a loop", func(st supervise.Status) bool { return st.State == supervise.CrashLoop })
	told := seen.of(supervise.NotStarted)
	if len(told) != 1 || !errors.As(told[0].Err, &missing) || !strings.Contains(told[0].Detail, "install the package redis-server") {
		t.Errorf("told %+v", told)
	}
	if st := status(t, s, "old"); st.PID != 0 || !strings.Contains(st.Problem, "6.2") {
		t.Errorf("%+v", st)
	}
	old.Spec.Version = "7.1" // what is desired now can be had
	apply(t, s, old)
	if second, err := supervise.Open(t.Context(), config(dir, nil), nil); err == nil {
		_ = second.Detach()
		t.Error("two supervisors have one directory")
	}
}

func TestEndsAndRestarts(t *testing.T) {
	t.Parallel()
	tools(t)
	for _, e := range both {
		t.Run(string(e), func(t *testing.T) {
			var seen events
			s := open(t, config(t.TempDir(), &seen))
			st := apply(t, s, spec(e, "one"))
			for range 2 {
				kill(t, st.PID)
				old := st.PID
				st = until(t, s, "one", "another process that serves", func(st supervise.Status) bool { return st.PID != old && st.State == supervise.Ready })
			}
			if ended := seen.of(supervise.Ended); len(ended) != 2 || !strings.HasPrefix(ended[0].Detail, "signal: killed") {
				t.Errorf("told %+v", ended)
			}
			held := spec(e, "one")
			held.Hold = true
			if err := s.Apply(t.Context(), held); err != nil {
				t.Fatal(err)
			}
			kill(t, st.PID)
			until(t, s, "one", "down", func(st supervise.Status) bool { return st.State == supervise.Down && st.PID == 0 })
			if err := s.Await(t.Context(), "one"); err == nil {
				t.Error("waiting for a node that is held ends well")
			}
			apply(t, s, held)
		})
	}
}

func TestPortTakenByAStranger(t *testing.T) {
	t.Parallel()
	tools(t)
	for _, e := range both {
		t.Run(string(e), func(t *testing.T) {
			var seen events
			s := open(t, config(t.TempDir(), &seen))
			given := apply(t, s, spec(e, "given"))
			own := spec(e, "own")
			own.Spec.Port = enginetest.Port(t)
			apply(t, s, own)
			var strangers []net.Listener
			for _, id := range []string{"given", "own"} {
				if err := s.Stop(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				l, err := net.Listen("tcp", status(t, s, id).Endpoint.String())
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				strangers = append(strangers, l)
			}
			moved := apply(t, s, spec(e, "given"))
			if moved.Endpoint == given.Endpoint || len(seen.of(supervise.PortMoved)) != 1 {
				t.Errorf("a given port: %+v, before %+v", moved, given)
			}
			if err := s.Apply(t.Context(), own); !errors.Is(err, engine.ErrPortTaken) {
				t.Errorf("a port of the Spec: %v", err)
			}
			until(t, s, "own", "waiting", func(st supervise.Status) bool { return st.PID == 0 && strings.Contains(st.Problem, "taken") })
			if err := strangers[1].Close(); err != nil {
				t.Fatal(err)
			}
			until(t, s, "own", "served again", func(st supervise.Status) bool {
				return st.State == supervise.Ready && st.Endpoint.Port == own.Spec.Port
			})
		})
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	tools(t)
	var seen events
	s := open(t, config(t.TempDir(), &seen))
	d := spec(engine.Redis, "damaged")
	d.Spec.Seed = filepath.Join(t.TempDir(), "seed.rdb")
	if err := os.WriteFile(d.Spec.Seed, []byte("REDIS0010 and then nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	st := until(t, s, "damaged", "in a loop", func(st supervise.Status) bool { return st.State == supervise.CrashLoop })
	if !strings.Contains(st.Problem, "exit status") || len(seen.of(supervise.Looping)) != 1 {
		t.Errorf("%+v, told %+v", st, seen.of(supervise.Looping))
	}
	if err := s.Await(t.Context(), "damaged"); err == nil || !strings.Contains(err.Error(), "crash loop") {
		t.Errorf("waiting for it: %v", err)
	}
	d.Spec.Seed = ""
	apply(t, s, d)
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	tools(t)
	for _, e := range both {
		t.Run(string(e), func(t *testing.T) {
			var seen events
			dir := t.TempDir()
			s := open(t, config(dir, nil))
			d, stray := spec(e, "one"), spec(e, "stray")
			first, lost := apply(t, s, d), apply(t, s, stray)
			if err := s.Detach(); err != nil {
				t.Fatal(err)
			}
			if !alive(first.PID) || !alive(lost.PID) {
				t.Fatal("detaching ended a node")
			}
			d.Spec.Memory *= 2
			s = open(t, config(dir, &seen), d)
			now := await(t, s, "one")
			if now.PID != first.PID || !now.Adopted || now.Endpoint != first.Endpoint {
				t.Errorf("adopted %+v, was %+v", now, first)
			}
			n, err := s.Node("one")
			if err != nil {
				t.Fatal(err)
			}
			if info, err := n.Info(t.Context()); err != nil || info.MemoryLimit < 64<<20 {
				t.Errorf("what is desired now was not applied: %+v %v", info, err)
			}
			if alive(lost.PID) || len(seen.of(supervise.Orphan)) != 1 {
				t.Errorf("a node that nobody wants: alive %v, events %+v", alive(lost.PID), seen.all)
			}
			if err := s.Remove(t.Context(), "stray"); err != nil {
				t.Error(err)
			}
			kill(t, now.PID) // no child of this supervisor: its end is seen all the same
			until(t, s, "one", "another process", func(st supervise.Status) bool { return st.State == supervise.Ready && st.PID != now.PID && !st.Adopted })
			if err := s.Close(t.Context()); err != nil || len(below(t, dir)) > 0 {
				t.Errorf("after a clean stop: %v, processes %v", err, below(t, dir))
			}
		})
	}
}

// TestStrangersAreLeftAlone puts processes of others in the place of a node's: with its number, with its command line, at its port.
func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	tools(t)
	dir := t.TempDir()
	s := open(t, config(dir, nil))
	st := apply(t, s, spec(engine.Memcached, "one"))
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.PID))
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	if err := s.Detach(); err != nil {
		t.Fatal(err)
	}
	kill(t, st.PID)
	enginetest.Await(t, "its end", func(context.Context) error {
		if alive(st.PID) {
			return errors.New("alive")
		}
		return nil
	})
	twin := exec.Command(args[0], args[1:]...) // the same command line on the same port, in another directory
	twin.Dir = t.TempDir()
	if err := twin.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = twin.Process.Kill(); _ = twin.Wait() }()
	enginetest.Await(t, "the stranger", func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", st.Endpoint.String())
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	file := filepath.Join(dir, "one", "identity.json") // the number is the stranger's now
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), fmt.Sprintf(`"pid": %d`, st.PID), fmt.Sprintf(`"pid": %d`, twin.Process.Pid), 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var seen events
	s = open(t, config(dir, &seen), spec(engine.Memcached, "one"))
	now := await(t, s, "one")
	if now.PID == twin.Process.Pid || now.Adopted || now.Endpoint == st.Endpoint || !alive(twin.Process.Pid) {
		t.Errorf("%+v with a stranger %d at %s", now, twin.Process.Pid, st.Endpoint)
	}
	if err := s.Close(t.Context()); err != nil || !alive(twin.Process.Pid) {
		t.Errorf("closing: %v; the stranger lives: %v", err, alive(twin.Process.Pid))
	}
	open(t, config(dir, &seen)) // nobody wants the node: the stranger is no orphan
	if !alive(twin.Process.Pid) || len(seen.of(supervise.Orphan)) > 0 {
		t.Error("a stranger was stopped as an orphan")
	}
}

// TestIdentityThatWasNotWritten is a server that ended between starting a process and writing its number down.
func TestIdentityThatWasNotWritten(t *testing.T) {
	t.Parallel()
	tools(t)
	for _, e := range both {
		dir := t.TempDir()
		s := open(t, config(dir, nil))
		st := apply(t, s, spec(e, "one"))
		if err := s.Detach(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "one", "identity.json")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), fmt.Sprintf(`"pid": %d`, st.PID), `"pid": 0`, 1))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s = open(t, config(dir, nil), spec(e, "one"))
		if now := await(t, s, "one"); now.PID != st.PID || !now.Adopted {
			t.Errorf("%s: %+v, was %+v", e, now, st)
		}
		if got := below(t, dir); !slices.Equal(got, []int{st.PID}) {
			t.Errorf("%s: processes %v", e, got)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
