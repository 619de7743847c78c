package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// worker owns one node: everything below mu's fields is touched by its own goroutine only.
type worker struct {
	s      *Supervisor
	id     string
	driver engine.Driver
	home   string // DIR/<id>
	dir    string // its data directory
	calls  chan call
	gone   chan struct{} // closed when the node is removed
	ended  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	status Status
	node   engine.Node

	wanted   bool // it should run
	given    bool // the Spec's own ports are open: the supervisor gives them
	busGiven bool
	looked   bool // what an earlier server left was looked for
	desired  Desired
	proc     *process
	ident    identity
	live     engine.Spec // what the process was made to be, with digests for secrets
	retry    time.Time   // the next start
	since    time.Time   // when it began to serve
	probe    time.Time   // the next question
}

type call struct {
	ctx  context.Context
	f    func(context.Context) error
	done chan error
}

// beat is how often a worker looks at its process.
const beat = 25 * time.Millisecond

func newWorker(s *Supervisor, id string, d engine.Driver) *worker {
	home := filepath.Join(s.cfg.Dir, id)
	return &worker{s: s, id: id, driver: d, home: home, dir: filepath.Join(home, "data"), calls: make(chan call),
		gone: make(chan struct{}), ended: make(chan struct{}), status: Status{ID: id, State: Stopped}}
}

// call runs f on the worker's goroutine. When the context ends first, f still runs to its end.
func (w *worker) call(ctx context.Context, f func(context.Context) error) error {
	c := call{ctx, f, make(chan error, 1)}
	select {
	case w.calls <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ended:
		return fault.New(fault.Unavailable, "Node %s is not supervised any more.", w.id)
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *worker) run() {
	defer close(w.ended)
	defer w.disconnect()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case c := <-w.calls:
			c.done <- c.f(c.ctx)
		case <-tick.C:
			w.step()
		case <-w.gone:
			return
		case <-w.s.quit:
			if w.proc != nil {
				w.proc.release()
			}
			return
		}
	}
}

func (w *worker) current() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.status
	st.Reboot = slices.Clone(st.Reboot)
	return st
}

func (w *worker) set(change func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
}

func (w *worker) tell(kind EventKind, detail string, err error) {
	e := Event{Kind: kind, Node: w.id, Detail: detail, Err: err}
	if w.proc != nil {
		e.PID = w.proc.pid
	}
	w.s.tell(e)
}

func (w *worker) disconnect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node != nil {
		_ = w.node.Close() // its connections only
		w.node = nil
	}
}

// apply is [Supervisor.Apply].
func (w *worker) apply(ctx context.Context, d Desired) error {
	if !w.looked {
		w.looked = true
		w.ident, _ = readIdentity(w.home)
		if w.ident.PID != 0 || len(w.ident.Command) > 0 {
			w.adopt(ctx, d)
		}
	}
	w.desired, w.wanted = d, true
	w.given, w.busGiven = d.Spec.Port == 0, d.Spec.BusPort == 0
	if w.proc != nil && !w.proc.poll() {
		w.place()
		if w.current().State == Starting {
			return nil // step makes the changes when it serves
		}
		return w.change(ctx)
	}
	if w.proc != nil {
		w.exited()
	}
	w.set(func(st *Status) { st.Ends = 0 })
	return w.start(ctx)
}

// place gives the desired Spec its directory and the addresses that the node has already.
func (w *worker) place() {
	sp := &w.desired.Spec
	sp.Dir = w.dir
	if sp.Port == 0 {
		sp.Port = w.ident.Started.Port
	}
	if sp.BusPort == 0 && sp.ClusterMode {
		sp.BusPort = w.ident.Started.BusPort
	}
}

// adopt takes over the process that identity.json names, if it is there, is ours and says so itself.
func (w *worker) adopt(ctx context.Context, d Desired) {
	p, ok := findOurs(w.ident, w.dir)
	if !ok {
		return
	}
	w.proc, w.desired = p, d
	w.place()
	w.s.ports.reserve(w.id, w.ident.Started.Port, w.ident.Started.BusPort)
	at := w.desired.Spec.Clone() // it listens where it was started, with the password of then or of now
	at.Port, at.BusPort, at.Address, at.TLS = w.ident.Started.Port, w.ident.Started.BusPort, w.ident.Started.Address, w.ident.Started.TLS
	info, err := w.ask(ctx, at)
	switch {
	case err == nil && info.PID != p.pid:
		w.s.log("another process listens where a node should", "node", w.id, "pid", info.PID)
		fallthrough
	case err != nil: // by all that the kernel says it is ours, and it is of no use
		if err := p.stop(ctx, w.s.cfg.StopAfter); err != nil {
			w.s.log("a node that does not answer does not end", "node", w.id, "error", err)
		}
		endHelpers(p.pid, w.dir)
		p.release()
		w.proc = nil
		return
	}
	w.ident.PID, w.ident.Start = p.pid, p.start
	w.live = w.ident.Live.spec()
	w.set(func(st *Status) {
		*st = Status{ID: st.ID, State: Starting, PID: p.pid, Endpoint: at.Listen(), BusPort: at.BusPort, Binary: w.ident.Binary, Adopted: true}
	})
	w.tell(Adopted, w.ident.Binary.String(), nil)
	w.serve(at)
}

// ask connects to a node anew and asks for its state.
func (w *worker) ask(ctx context.Context, at engine.Spec) (engine.Info, error) {
	at.Dir = w.dir
	n, err := w.driver.Connect(at)
	if err != nil {
		return engine.Info{}, err
	}
	defer n.Close()
	ctx, cancel := context.WithTimeout(ctx, w.s.cfg.AskFor)
	defer cancel()
	return n.Info(ctx)
}

// serve opens the handle that callers use.
func (w *worker) serve(at engine.Spec) {
	w.disconnect()
	at.Dir = w.dir
	n, err := w.driver.Connect(at)
	if err != nil {
		w.set(func(st *Status) { st.Problem = err.Error() })
		return
	}
	w.mu.Lock()
	w.node = n
	w.mu.Unlock()
}

// start starts the process. A failure is shown, told and tried again after a pause.
func (w *worker) start(ctx context.Context) error {
	err := w.launch(ctx)
	if err == nil {
		w.set(func(st *Status) {
			*st = Status{ID: st.ID, State: Starting, PID: w.proc.pid, Endpoint: w.desired.Spec.Listen(), BusPort: w.desired.Spec.BusPort,
				Binary: w.ident.Binary, Ends: st.Ends}
		})
		w.tell(Started, w.ident.Binary.String(), nil)
		w.serve(w.desired.Spec)
		return nil
	}
	first := w.current().Problem != err.Error()
	w.pause()
	w.set(func(st *Status) { st.PID, st.Problem = 0, err.Error() })
	if first {
		w.tell(NotStarted, err.Error(), err)
	}
	return fault.Wrap(err, "starting node "+w.id)
}

// pause plans the next start.
func (w *worker) pause() {
	ends := w.current().Ends
	after := w.s.cfg.FirstPause << min(ends, 20)
	if after <= 0 || after > w.s.cfg.LongestPause {
		after = w.s.cfg.LongestPause
	}
	w.retry = w.s.cfg.Now().Add(after)
	w.set(func(st *Status) {
		st.Ends++
		st.State = Waiting
		if st.Ends >= w.s.cfg.LoopAfter {
			st.State = CrashLoop
		}
	})
	if ends+1 == w.s.cfg.LoopAfter {
		w.tell(Looping, w.current().Problem, nil)
	}
}

// launch writes what the process reads and starts it.
func (w *worker) launch(ctx context.Context) error {
	sp := &w.desired.Spec
	binary, err := w.driver.Find(ctx, sp.Version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	if err := w.address(); err != nil {
		return err
	}
	l, err := w.driver.Prepare(*sp, binary)
	if err != nil {
		return err
	}
	seeded := w.ident.Seeded && w.ident.Started.Seed == sp.Seed
	if err := w.write(l, sp.Seed != "" && !seeded); err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	started := store(*sp)
	w.ident = identity{Boot: boot, Command: append([]string{binary.Path}, l.Args...), Binary: binary, Started: started, Live: started, Seeded: seeded}
	if err := writeIdentity(w.home, w.ident); err != nil { // before there is a process: see findOurs
		return err
	}
	log, err := openLog(w.home)
	if err != nil {
		return err
	}
	defer log.Close()
	p, err := launch(w.ident.Command, w.dir, log, w.desired.AddressSpace)
	if err != nil {
		return err
	}
	w.proc, w.live = p, started.spec()
	w.ident.PID, w.ident.Start = p.pid, p.start
	if err := writeIdentity(w.home, w.ident); err != nil {
		w.s.log("a node's process could not be written down", "node", w.id, "error", err)
	}
	return nil
}

// address chooses the ports that the Spec leaves open: those the node had, unless a stranger took them in between.
func (w *worker) address() error {
	sp := &w.desired.Spec
	sp.Dir = w.dir
	give := func(field *int, ours bool, had int) error {
		switch {
		case !ours && !free(sp.Bind(), *field):
			return fmt.Errorf("port %d of %s: %w", *field, sp.Bind(), engine.ErrPortTaken)
		case !ours:
			return nil
		case had != 0 && free(sp.Bind(), had):
			*field = had
			w.s.ports.reserve(sp.ID, had)
			return nil
		}
		port, err := w.s.ports.give(sp.ID, sp.Bind())
		if err != nil {
			return err
		}
		*field = port
		if had != 0 {
			w.tell(PortMoved, fmt.Sprintf("port %d instead of %d", port, had), nil)
		}
		return nil
	}
	if err := give(&sp.Port, w.given, w.ident.Started.Port); err != nil {
		return err
	}
	if !sp.ClusterMode {
		return nil
	}
	return give(&sp.BusPort, w.busGiven, w.ident.Started.BusPort)
}

// write puts the files into place: configuration anew, old data away unless it is kept, the seed for the first start.
func (w *worker) write(l engine.Launch, seed bool) error {
	for _, name := range l.Fresh {
		if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	if seed {
		text, err := os.ReadFile(w.desired.Spec.Seed)
		if err != nil {
			return fmt.Errorf("the snapshot that the node begins with: %w", err)
		}
		if err := writeFile(filepath.Join(w.dir, l.Data), text); err != nil {
			return err
		}
	}
	for _, f := range l.Files {
		if err := writeFile(filepath.Join(w.dir, f.Name), f.Content); err != nil {
			return err
		}
	}
	return nil
}

// step looks at the process.
func (w *worker) step() {
	now := w.s.cfg.Now()
	if w.proc == nil {
		if st := w.current().State; w.wanted && (st == Waiting || st == CrashLoop) && !now.Before(w.retry) {
			_ = w.start(context.Background()) // shown in the status and told as an event
		}
		return
	}
	if w.proc.poll() {
		w.exited()
		return
	}
	st := w.current()
	if st.State == Starting || !now.Before(w.probe) {
		w.look(st, now)
	}
}

// look asks the node whether it serves.
func (w *worker) look(st Status, now time.Time) {
	w.mu.Lock()
	n := w.node
	w.mu.Unlock()
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), w.s.cfg.AskFor)
	defer cancel()
	err := n.Ping(ctx)
	if st.State == Starting {
		if err != nil {
			return
		}
		if info, err := n.Info(ctx); err != nil || info.PID != w.proc.pid { // a stranger may answer where the node cannot listen
			return
		}
		w.since = now
		if w.desired.Spec.Seed != "" && !w.ident.Seeded {
			w.ident.Seeded = true
			if err := writeIdentity(w.home, w.ident); err != nil {
				w.s.log("a node's process could not be written down", "node", w.id, "error", err)
			}
		}
		w.probe = now.Add(w.s.cfg.ProbeEvery)
		_ = w.change(ctx) // shown in the status
		w.set(func(st *Status) { st.State = Ready })
		w.tell(Serving, "", nil)
		return
	}
	w.probe = now.Add(w.s.cfg.ProbeEvery)
	switch {
	case err != nil && !errors.Is(err, engine.ErrLoading):
		w.set(func(st *Status) { st.State, st.Problem = Unresponsive, err.Error() })
		if st.State == Ready {
			w.tell(Silent, err.Error(), err)
		}
	case err == nil && st.State == Unresponsive:
		w.set(func(st *Status) { st.State, st.Problem = Ready, "" })
		w.tell(Serving, "", nil)
	case err == nil && st.Problem != "":
		_ = w.change(ctx) // what failed before; shown in the status
	}
	if st.Ends > 0 && now.Sub(w.since) >= w.s.cfg.StableAfter {
		w.set(func(st *Status) { st.Ends = 0 })
	}
	if err := turnOver(w.home, w.s.cfg.LogBytes, w.s.cfg.LogFiles); err != nil {
		w.s.log("a node's log could not be turned over", "node", w.id, "error", err)
	}
}

// change makes a node that serves what is desired, as far as it can be without a restart.
func (w *worker) change(ctx context.Context) error {
	w.mu.Lock()
	n := w.node
	w.mu.Unlock()
	if n == nil {
		return nil
	}
	to := w.desired.Spec
	digests := store(to)
	diff := w.driver.Difference(w.live, digests.spec())
	var errs []error
	if diff.Users {
		errs = append(errs, n.SetUsers(ctx, to.Users))
	}
	if diff.Parameters {
		errs = append(errs, n.SetParameters(ctx, to))
	}
	if diff.Source && to.Source.IsZero() {
		errs = append(errs, n.Promote(ctx))
	} else if diff.Source {
		errs = append(errs, n.ReplicateFrom(ctx, to.Source))
	}
	err := errors.Join(errs...)
	reboot := w.driver.Difference(w.ident.Started.spec(), digests.spec()).Reboot
	w.set(func(st *Status) {
		st.Reboot, st.Problem = reboot, ""
		if err != nil {
			st.Problem = err.Error()
		}
	})
	if err != nil {
		return err
	}
	if diff.Users || diff.Parameters || diff.Source {
		w.live, w.ident.Live = digests.spec(), digests
		return writeIdentity(w.home, w.ident)
	}
	return nil
}

// exited is for a process that ended unasked.
func (w *worker) exited() {
	p := w.proc
	endHelpers(p.pid, w.dir)
	p.release()
	w.disconnect()
	reason := p.reason
	if lines := lastLines(w.home, 5); lines != "" {
		reason += "\n" + lines
	}
	w.tell(Ended, reason, nil)
	w.proc = nil
	w.forget()
	w.set(func(st *Status) { st.PID, st.Problem, st.State = 0, reason, Down })
	if !w.desired.Hold {
		w.pause()
	}
}

// forget writes down that there is no process.
func (w *worker) forget() {
	w.ident.PID, w.ident.Start, w.ident.Boot = 0, 0, ""
	if err := writeIdentity(w.home, w.ident); err != nil {
		w.s.log("a node's end could not be written down", "node", w.id, "error", err)
	}
}

// halt stops the process and leaves it stopped.
func (w *worker) halt(ctx context.Context) error {
	w.wanted = false
	if w.proc == nil {
		w.set(func(st *Status) { st.State = Stopped })
		return nil
	}
	if err := w.proc.stop(ctx, w.s.cfg.StopAfter); err != nil {
		return err
	}
	endHelpers(w.proc.pid, w.dir)
	w.disconnect()
	w.tell(Halted, strings.TrimSpace(w.proc.reason), nil)
	w.proc.release()
	w.proc = nil
	w.forget()
	w.set(func(st *Status) {
		*st = Status{ID: st.ID, State: Stopped, Endpoint: st.Endpoint, BusPort: st.BusPort, Binary: st.Binary}
	})
	return nil
}

// restart is [Supervisor.Restart].
func (w *worker) restart(ctx context.Context) error {
	if w.desired.Spec.ID == "" {
		return fault.New(fault.Unavailable, "Node %s was never described.", w.id)
	}
	if err := w.halt(ctx); err != nil {
		return err
	}
	w.wanted = true
	w.set(func(st *Status) { st.Ends = 0 })
	return w.start(ctx)
}
