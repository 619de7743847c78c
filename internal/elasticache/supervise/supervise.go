// Package supervise runs cache nodes: processes of this machine, started from a description, watched, restarted, stopped, and found again
// by the next server. The caller says what should be ([Desired], by value); the supervisor moves what is to it, one goroutine for each
// node, and says what happens ([Event]) and what is ([Status]).
//
// # On disk
//
//	DIR/lock                 held while a supervisor works in DIR
//	DIR/<id>/identity.json   which process is the node's, and what it was started as; secrets as digests
//	DIR/<id>/node.log        what the process prints; node.log.1 … are older
//	DIR/<id>/data/           the process's working directory: its configuration, which is written before every start, and its data
//
// Directories are 0700, files 0600.
//
// # Whose process it is
//
// A node outlives the server that started it: [Supervisor.Detach] and kill -9 leave it running, and [Open] adopts it. A process is taken for
// a node's only if the machine has not been rebooted since, and the process's start time, command line and working directory are those of
// identity.json; then the node itself is asked for its process ID. Everything else is a stranger's and is neither adopted nor ended.
// identity.json is written before the process starts too, without an ID, so that a server that was killed in between finds its child by
// command line and working directory. A node's process that nobody wants any more is stopped at [Open].
//
// # Ends and restarts
//
// A node whose process ends is started again after a pause that doubles up to a bound; after several ends without a stable time between
// them its state is [CrashLoop], and it is tried on at the longest pause. A node with [Desired.Hold] is not started again: it is
// [Down] until the next [Supervisor.Apply], so that a primary that lost its data cannot come back and empty its replicas before another
// one was chosen.
package supervise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Config says where and how nodes run.
type Config struct {
	// Dir is the directory of all nodes; it is made, mode 0700. Required.
	Dir string
	// Drivers are the engines that there are, one of each name. Required.
	Drivers []engine.Driver
	// FirstPort and LastPort bound the ports that are given to nodes whose Spec has none. Zero means 20000 and 29999.
	FirstPort, LastPort int
	// Events is told what happens, from the goroutine of the node that it happens to: it must not block and not call the supervisor.
	// Nil means nobody.
	Events func(Event)
	// Logger is for what is nobody else's business. Nil means none.
	Logger *slog.Logger
	// Now is the clock, with a monotonic reading. Required.
	Now func() time.Time

	// FirstPause and LongestPause bound the time between an end and the next start: 200 ms and 30 s where zero.
	FirstPause, LongestPause time.Duration
	// LoopAfter is the number of ends after which a node is in a crash loop, and StableAfter how long it must serve for them to be
	// forgotten: 5 and 30 s where zero.
	LoopAfter   int
	StableAfter time.Duration
	// StopAfter is how long a process has to end by itself: 15 s where zero. Then it is killed.
	StopAfter time.Duration
	// ProbeEvery is the time between questions to a node that serves, 2 s where zero; AskFor bounds one question, 3 s where zero.
	ProbeEvery, AskFor time.Duration
	// LogBytes bounds a node's log before it is turned over, and LogFiles the number of older ones: 8 MiB and 2 where zero.
	LogBytes int64
	LogFiles int
}

// Desired is what a node should be.
type Desired struct {
	Spec engine.Spec
	// Hold leaves the node down when its process ends unasked, until the next Apply.
	Hold bool
	// AddressSpace, when not zero, limits the process's address space in bytes (RLIMIT_AS). The engine's own limit is the Spec's memory; this
	// one ends a process that outgrows it, and must leave room for what is not data.
	AddressSpace int64
}

// State is what a node is doing.
type State string

// The states.
const (
	Stopped      State = "stopped"      // nobody wants it to run
	Starting     State = "starting"     // the process runs and does not serve yet
	Ready        State = "ready"        // it serves
	Unresponsive State = "unresponsive" // it served, and does not answer
	Waiting      State = "waiting"      // it ended; a pause until the next start
	CrashLoop    State = "crash loop"   // the same, after many ends
	Down         State = "down"         // it ended and is held
)

// Status is what is known of a node.
type Status struct {
	ID       string
	State    State
	PID      int             // 0 without a process
	Endpoint engine.Endpoint // where it listens, once its port is known
	BusPort  int             // in cluster mode
	Binary   engine.Binary   // what runs
	Ends     int             // ends unasked since the node was last stable
	Adopted  bool            // the process was started by an earlier server
	Problem  string          // why it does not run or is not as it should be; may be shown to operators
	Reboot   []string        // what of the desired Spec takes effect at the next start
}

// EventKind is what happened to a node.
type EventKind string

// The kinds of events.
const (
	Started    EventKind = "started"     // a process was started
	Adopted    EventKind = "adopted"     // a process of an earlier server was taken over
	Serving    EventKind = "serving"     // it answers
	Silent     EventKind = "silent"      // it does not answer any more
	Ended      EventKind = "ended"       // the process ended unasked
	Looping    EventKind = "looping"     // it ended too often
	Halted     EventKind = "halted"      // it was stopped as asked
	NotStarted EventKind = "not started" // it could not be started: no program, no port, a Spec that is wrong
	PortMoved  EventKind = "port moved"  // another port was given, since a stranger had taken the node's
	Orphan     EventKind = "orphan"      // a process of a node that nobody wants was stopped
)

// Event is something that happened.
type Event struct {
	Kind   EventKind
	Node   string
	PID    int
	Detail string // for people: the end's reason and the last lines of the log, the error
	Err    error  // of NotStarted: a *engine.MissingBinary, engine.ErrPortTaken …
}

// Supervisor runs nodes. Its methods are safe for concurrent use.
type Supervisor struct {
	cfg     Config
	drivers map[engine.Name]engine.Driver
	lock    *os.File
	ports   ports
	quit    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	workers map[string]*worker
}

// Open takes over a directory: nodes that are desired and run are adopted, those that do not run are started, processes of others are stopped
// (their data stays). It returns when every node has been looked at, not when every node serves. The context bounds that.
func Open(ctx context.Context, cfg Config, desired []Desired) (*Supervisor, error) {
	cfg = withDefaults(cfg)
	if cfg.Dir == "" || cfg.Now == nil || len(cfg.Drivers) == 0 {
		return nil, errors.New("supervising nodes needs a directory, a clock and drivers")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if cfg.Dir, err = filepath.EvalSymlinks(dir); err != nil { // as the kernel shows working directories
		return nil, err
	}
	s := &Supervisor{cfg: cfg, drivers: map[engine.Name]engine.Driver{}, quit: make(chan struct{}), workers: map[string]*worker{}}
	s.ports = ports{first: cfg.FirstPort, last: cfg.LastPort, taken: map[int]string{}}
	for _, d := range cfg.Drivers {
		s.drivers[d.Engine()] = d
	}
	if s.lock, err = lockDirectory(cfg.Dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	wanted := map[string]bool{}
	for _, d := range desired {
		wanted[d.Spec.ID] = true
	}
	for _, e := range entries { // ports of nodes that run are taken before any is given
		if id, ok := readIdentity(filepath.Join(cfg.Dir, e.Name())); ok && wanted[e.Name()] {
			s.ports.reserve(e.Name(), id.Started.Port, id.Started.BusPort)
		}
	}
	for _, e := range entries {
		if e.IsDir() && !wanted[e.Name()] {
			s.stopOrphan(ctx, e.Name())
		}
	}
	var all sync.WaitGroup
	errs := make([]error, len(desired))
	for i, d := range desired {
		all.Go(func() { errs[i] = s.Apply(ctx, d) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		s.log("some nodes are not as they should be", "error", err)
	}
	return s, nil
}

func withDefaults(c Config) Config {
	c.FirstPort, c.LastPort = cmp.Or(c.FirstPort, 20000), cmp.Or(c.LastPort, 29999)
	c.FirstPause, c.LongestPause = cmp.Or(c.FirstPause, 200*time.Millisecond), cmp.Or(c.LongestPause, 30*time.Second)
	c.LoopAfter, c.StableAfter = cmp.Or(c.LoopAfter, 5), cmp.Or(c.StableAfter, 30*time.Second)
	c.StopAfter = cmp.Or(c.StopAfter, 15*time.Second)
	c.ProbeEvery, c.AskFor = cmp.Or(c.ProbeEvery, 2*time.Second), cmp.Or(c.AskFor, 3*time.Second)
	c.LogBytes, c.LogFiles = cmp.Or(c.LogBytes, 8<<20), cmp.Or(c.LogFiles, 2)
	return c
}

func (s *Supervisor) log(text string, args ...any) {
	if s.cfg.Logger != nil {
		s.cfg.Logger.Warn(text, args...)
	}
}

// Apply makes a node what is desired. A new node is started; of one that runs, what can change at once is changed, and what cannot waits for
// [Supervisor.Restart] ([Status].Reboot); one that is stopped, down or waiting is started. It returns when the process has been started or the
// changes are made, not when the node serves: see [Supervisor.Await]. An error leaves the node trying; only a Spec that is wrong in itself
// is refused.
func (s *Supervisor) Apply(ctx context.Context, d Desired) error {
	d.Spec = d.Spec.Clone()
	d.Spec.Dir = ""
	if err := d.Spec.Check(); err != nil {
		return &fault.Error{Kind: fault.InvalidInput, Subject: d.Spec.ID, Cause: err}
	}
	driver, ok := s.drivers[d.Spec.Engine]
	if !ok {
		return fault.New(fault.InvalidInput, "There is no engine %s here.", d.Spec.Engine)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fault.New(fault.Unavailable, "The supervisor is closed.")
	}
	w, ok := s.workers[d.Spec.ID]
	if ok && w.driver != driver {
		s.mu.Unlock()
		return fault.New(fault.InvalidInput, "Node %s is one of another engine.", d.Spec.ID)
	}
	if !ok {
		w = newWorker(s, d.Spec.ID, driver)
		s.workers[d.Spec.ID] = w
		s.running.Go(w.run)
	}
	s.mu.Unlock()
	return w.call(ctx, func(ctx context.Context) error { return w.apply(ctx, d) })
}

// worker returns a node's worker.
func (s *Supervisor) worker(id string) (*worker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.workers[id]; ok {
		return w, nil
	}
	return nil, fault.New(fault.NotFound, "There is no node %s.", id)
}

// Restart stops a node and starts it as it is desired now; data that is not kept is gone, as after a reboot on AWS.
func (s *Supervisor) Restart(ctx context.Context, id string) error {
	w, err := s.worker(id)
	if err != nil {
		return err
	}
	return w.call(ctx, w.restart)
}

// Stop stops a node. It stays stopped until the next Apply or Restart.
func (s *Supervisor) Stop(ctx context.Context, id string) error {
	w, err := s.worker(id)
	if err != nil {
		return err
	}
	return w.call(ctx, w.halt)
}

// Remove stops a node and deletes its directory: data, logs and all. What is left of a node that nobody runs can be removed too.
func (s *Supervisor) Remove(ctx context.Context, id string) error {
	w, err := s.worker(id)
	if errors.Is(err, fault.NotFound) {
		if err := (engine.Spec{ID: id, Memory: 1}).Check(); err != nil {
			return &fault.Error{Kind: fault.InvalidInput, Subject: id, Cause: err}
		}
		s.stopOrphan(ctx, id)
		return os.RemoveAll(filepath.Join(s.cfg.Dir, id))
	}
	if err != nil {
		return err
	}
	if err := w.call(ctx, w.halt); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.workers, id)
	s.mu.Unlock()
	close(w.gone)
	<-w.ended
	s.ports.free(id)
	return os.RemoveAll(w.home)
}

// Status returns what is known of a node.
func (s *Supervisor) Status(id string) (Status, error) {
	w, err := s.worker(id)
	if err != nil {
		return Status{}, err
	}
	return w.current(), nil
}

// List returns the status of every node, by ID. It asks no node.
func (s *Supervisor) List() []Status {
	s.mu.Lock()
	all := make([]Status, 0, len(s.workers))
	for _, w := range s.workers {
		all = append(all, w.current())
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Node returns a handle on a node whose process runs. The caller does not close it; it serves as long as that process: ask again after an end.
func (s *Supervisor) Node(id string) (engine.Node, error) {
	w, err := s.worker(id)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node == nil {
		return nil, fault.New(fault.Unavailable, "Node %s does not run.", id)
	}
	return w.node, nil
}

// Await waits until a node serves and nothing but a restart would make it more what it should be. It ends early with an error when the node
// is in a crash loop, is held down or stopped.
func (s *Supervisor) Await(ctx context.Context, id string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.Status(id)
		if err != nil {
			return err
		}
		switch st.State {
		case Ready:
			if st.Problem == "" {
				return nil
			}
		case CrashLoop, Down, Stopped:
			return fmt.Errorf("node %s: %s: %s", id, st.State, st.Problem)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s is %s: %s: %w", id, st.State, st.Problem, ctx.Err())
		case <-tick.C:
		}
	}
}

// Detach ends the supervision and leaves every node running, for the next Open to adopt.
func (s *Supervisor) Detach() error { return s.end(nil) }

// Close stops every node and ends the supervision. When it returns nil, no process is left. The context bounds what is added to StopAfter.
func (s *Supervisor) Close(ctx context.Context) error {
	return s.end(func(w *worker) error { return w.call(ctx, w.halt) })
}

func (s *Supervisor) end(each func(*worker) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	all := make([]*worker, 0, len(s.workers))
	for _, w := range s.workers {
		all = append(all, w)
	}
	s.mu.Unlock()
	errs := make([]error, len(all))
	if each != nil {
		var halting sync.WaitGroup
		for i, w := range all {
			halting.Go(func() { errs[i] = each(w) })
		}
		halting.Wait()
	}
	close(s.quit)
	s.running.Wait()
	return errors.Join(append(errs, s.lock.Close())...)
}

// stopOrphan ends the process of a node that nobody wants, if it is one of ours.
func (s *Supervisor) stopOrphan(ctx context.Context, id string) {
	home := filepath.Join(s.cfg.Dir, id)
	ident, ok := readIdentity(home)
	if !ok {
		return
	}
	p, ok := findOurs(ident, filepath.Join(home, "data"))
	if !ok {
		return
	}
	if err := p.stop(ctx, s.cfg.StopAfter); err != nil {
		s.log("an orphan does not end", "node", id, "pid", p.pid, "error", err)
		return
	}
	s.tell(Event{Kind: Orphan, Node: id, PID: p.pid})
}

func (s *Supervisor) tell(e Event) {
	if s.cfg.Events != nil {
		s.cfg.Events(e)
	}
}
