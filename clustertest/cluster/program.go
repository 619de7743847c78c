package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// program builds a package's command, once.
type program struct {
	pkg    string
	module string // that it belongs to; empty means the module of the test
	once   sync.Once
	path   string
	err    error
}

var (
	memberProgram = &program{pkg: "github.com/ostiary-iam/ostiary/clustertest/member"}
	nodeProgram   = &program{pkg: "github.com/ostiary-iam/ostiary/cmd/ostiary", module: "github.com/ostiary-iam/ostiary"}
)

// build returns the command's path. What it built stays until the machine tidies its directory for such files.
func (p *program) build(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		dir, err := os.MkdirTemp("", "ostiary-cluster-*")
		if err != nil {
			p.err = err
			return
		}
		p.path = filepath.Join(dir, filepath.Base(p.pkg))
		cmd := exec.Command("go", "build", "-o", p.path, p.pkg)
		if p.module != "" { // each with the dependencies of its own module
			dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", p.module).Output()
			if err != nil {
				p.err = fmt.Errorf("looking for the module %s: %w", p.module, err)
				return
			}
			cmd.Dir = strings.TrimSpace(string(dir))
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("building %s: %w\n%s", p.pkg, err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// process is a program that may be running. Its methods are for one goroutine at a time, except running.
type process struct {
	name string
	log  string // file of its messages

	mu    sync.Mutex
	cmd   *exec.Cmd // nil while it does not run
	stdin io.Closer
	ended chan struct{} // closed when it has ended
	err   error         // of its end
}

// start runs the program. out receives its standard output, if it is not nil.
func (p *process) start(t testing.TB, out io.Writer, path string, args ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		t.Fatalf("%s runs already", p.name)
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Stderr = log
	if cmd.Stdout = out; out == nil {
		cmd.Stdout = log
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	p.cmd, p.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		p.err = cmd.Wait()
		close(ended)
	}(p.ended)
}

// signal sends a signal, if it runs.
func (p *process) signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// end sends a signal and waits for the end, which it returns.
func (p *process) end(s os.Signal) error {
	if err := p.signal(s); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	<-p.ended
	_ = p.stdin.Close()
	p.cmd = nil
	return p.err
}

// Kill ends it as kill -9 does, and waits until it is gone. It does nothing to one that does not run.
func (p *process) Kill() { _ = p.end(syscall.SIGKILL) }

// Pause stops it in its tracks: it keeps its connections and answers nothing.
func (p *process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets it go on after Pause.
func (p *process) Resume() error { return p.signal(syscall.SIGCONT) }

// Running reports whether it has been started and has not ended.
func (p *process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// PID returns the number of the process, 0 while it does not run.
func (p *process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// LogFile returns the file of its messages, of all its starts.
func (p *process) LogFile() string { return p.log }

// atEnd kills it at the end of the test, and shows the end of its messages where the test failed.
func (p *process) atEnd(t testing.TB) {
	t.Cleanup(func() {
		p.Kill()
		if !t.Failed() {
			return
		}
		text, err := os.ReadFile(p.log)
		if err != nil {
			return
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		t.Logf("the last messages of %s:\n%s", p.name, strings.Join(lines[max(0, len(lines)-30):], "\n"))
	})
}
