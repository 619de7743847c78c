// Package enginetest holds engine drivers to the contract of package engine, with real processes: every driver's test calls [Run]. What
// an engine declares that it cannot do ([engine.Capabilities]) must be refused as the contract says, so that a gap is declared and
// tested, not left out.
//
// It also starts single nodes for tests of other packages ([Start]), without a supervisor.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Client is a customer's client of the engine, foreign where there is one.
type Client interface {
	Set(ctx context.Context, key, value string) error
	// Get returns a key's value and whether there is one.
	Get(ctx context.Context, key string) (string, bool, error)
	Close() error
}

// Harness is a driver with what the suite needs to know about it.
type Harness struct {
	Driver  engine.Driver
	Version string // an AWS version that a program here serves
	Refused string // a version that none serves
	// Dial connects as a customer; an empty user means without logging in.
	Dial func(spec engine.Spec, user, password string) Client
	// Closed returns nil where a command that AWS restricts is refused to the client. Nil where the engine has no users.
	Closed func(ctx context.Context, c Client, command string) error
	// Parameter and its values: one that changes while a node runs, and Wrong, a value that is not allowed. Empty where there is none.
	Parameter, Value, Wrong string
}

// Patience bounds every wait of the suite. Nothing is measured: a machine under load takes its time.
const Patience = 60 * time.Second

// Await polls until f returns nil, and fails the test with its last error when patience ends.
func Await(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: still %v", what, err)
		case <-tick.C:
		}
	}
}

// Running is a node that [Start] started.
type Running struct {
	Spec engine.Spec
	Node engine.Node
	Log  string // path of what it prints
	cmd  *exec.Cmd
	done chan struct{}
}

// PID is the process.
func (r *Running) PID() int { return r.cmd.Process.Pid }

// Done is closed when the process has ended.
func (r *Running) Done() <-chan struct{} { return r.done }

// Kill ends the process at once and waits for its end.
func (r *Running) Kill() {
	_ = r.cmd.Process.Kill() // it may have ended already
	<-r.done
}

// Terminate asks the process to end and waits for it.
func (r *Running) Terminate(t testing.TB) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(Patience):
		t.Fatalf("node %s does not end on SIGTERM", r.Spec.ID)
	}
}

var ports struct {
	sync.Mutex
	given map[int]bool
}

// Port returns a port of loopback that nobody listens on now and that no other call returns in this process.
func Port(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if !ports.given[p] && p < 55000 { // the usual place of a bus port is 10,000 above
			ports.given[p] = true
			return p
		}
	}
	t.Fatal("no free port")
	return 0
}

// Base is a Spec for a small node; tests change what they are about.
func Base(d engine.Driver, version, id string) engine.Spec {
	s := engine.Spec{ID: id, Engine: d.Engine(), Version: version, Memory: 64 << 20, MaxClients: 500, Threads: 1}
	if d.Capabilities().Users {
		s.Admin = secret.New("the administrator's password")
	}
	return s
}

// Start starts a node and waits until it serves; the test's end kills it. A Dir and ports that the Spec lacks are given.
func Start(t testing.TB, d engine.Driver, spec engine.Spec) *Running {
	t.Helper()
	given := spec.Port != 0
	for try := 0; ; try++ {
		r := Launch(t, d, spec)
		ready := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		go func() {
			defer close(ready)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for r.Node.Ping(ctx) != nil && ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-r.done:
					return
				case <-tick.C:
				}
			}
		}()
		<-ready
		cancel()
		select {
		case <-r.done:
			if !given && try < 3 { // somebody else took the port in between
				continue
			}
			t.Fatalf("node %s ended at its start:\n%s", r.Spec.ID, tail(r.Log))
		default:
			return r
		}
	}
}

// Launch starts a node's process and does not wait for anything.
func Launch(t testing.TB, d engine.Driver, spec engine.Spec) *Running {
	t.Helper()
	if spec.Dir == "" {
		spec.Dir = t.TempDir()
		if err := os.Chmod(spec.Dir, 0o777); err != nil { // memcached becomes another user
			t.Fatal(err)
		}
	}
	if spec.Port == 0 {
		spec.Port = Port(t)
	}
	if spec.ClusterMode && spec.BusPort == 0 {
		spec.BusPort = Port(t)
	}
	b, err := d.Find(t.Context(), spec.Version)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Prepare(spec, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range l.Files {
		if err := os.WriteFile(filepath.Join(spec.Dir, f.Name), f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if spec.Seed != "" {
		seed, err := os.ReadFile(spec.Seed)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(spec.Dir, l.Data), seed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.OpenFile(filepath.Join(spec.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r := &Running{Spec: spec, Log: log.Name(), cmd: exec.Command(b.Path, l.Args...), done: make(chan struct{})}
	r.cmd.Dir, r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = spec.Dir, []string{"LC_ALL=C"}, log, log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // its status is not what tests look at
		close(r.done)
	}()
	t.Cleanup(r.Kill)
	if r.Node, err = d.Connect(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Node.Close() })
	return r
}

func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
