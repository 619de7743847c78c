package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// childVariable says that this process is a server: "floor" or "node", then the directory of its store (none: in memory).
const childVariable = "OSTIARY_BENCH_CHILD"

// hello is the first line that a server prints.
type hello struct {
	URL  string
	Took time.Duration // from the call of node.Open until the node could decide
}

// stats is the answer to "stats": what the server's process has used since it began.
type stats struct {
	CPU              time.Duration
	Allocations      uint64 // objects
	AllocatedBytes   uint64
	Heap             uint64 // bytes; live ones after a collection, where one was asked for
	Resident, Mapped uint64 // bytes in memory: of the process's own, and of its files' pages, which the system takes back at need
	CollectorPercent float64
}

// rootUser is the answer to "account": the root user of a new one.
type rootUser struct{ ID, KeyID, Secret string }

// proc is a server in a process of its own.
type proc struct {
	hello
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start runs a server. dir is its store's directory; empty: in memory.
func (r *report) start(kind, dir string) (*proc, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+kind+":"+dir)
	if r.profiles != "" {
		cmd.Env = append(cmd.Env, "OSTIARY_BENCH_PROFILES="+r.profiles)
	}
	cmd.Stderr = os.Stderr
	p := &proc{cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.answer(&p.hello); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *proc) answer(into any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the server ended: %w", err)
	}
	return json.Unmarshal(line, into)
}

// ask sends a line and reads the answer.
func (p *proc) ask(line string, into any) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return err
	}
	return p.answer(into)
}

func (p *proc) stats() (s stats, err error) { return s, p.ask("stats", &s) }

// collected is stats after a collection.
func (p *proc) collected() (s stats, err error) { return s, p.ask("collect", &s) }

func (p *proc) account() (a rootUser, err error) { return a, p.ask("account", &a) }

// stop lets the server end, and waits for it.
func (p *proc) stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// child is the server's side.
func child(mode string) (err error) {
	kind, dir, _ := strings.Cut(mode, ":")
	if profiles := os.Getenv("OSTIARY_BENCH_PROFILES"); profiles != "" {
		f, err := os.Create(filepath.Join(profiles, fmt.Sprintf("%s-%d.prof", kind, os.Getpid())))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	switch kind {
	case "floor":
		return floor()
	case "node":
		return serveNode(dir)
	}
	return fmt.Errorf("there is no server %q", kind)
}

// floor is a handler that does nothing: it reads what it is sent and answers as many bytes as GetCallerIdentity does.
func floor() error {
	body := []byte(strings.Repeat("x", 400))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	return talk(hello{URL: "http://" + ln.Addr().String() + "/"}, nil)
}

func serveNode(dir string) error {
	cfg := node.Config{Dir: dir}
	if dir != "" {
		cfg.Store = "bolt"
	}
	ctx := context.Background()
	began := time.Now()
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return err
	}
	took := time.Since(began)
	ln, err := n.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, n.Close())
	}
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- n.Serve(serving, ln) }()
	err = talk(hello{URL: "http://" + ln.Addr().String() + "/", Took: took}, func() (rootUser, error) {
		key, err := n.CreateAccount(ctx, server.NewAccount{})
		return rootUser{key.AccountID, key.AccessKeyID, key.SecretAccessKey.Reveal()}, err
	})
	end()
	return errors.Join(err, <-served, n.Close())
}

// talk answers the parent until it hangs up.
func talk(h hello, newAccount func() (rootUser, error)) error {
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(h); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var answer any
		switch lines.Text() {
		case "collect":
			runtime.GC()
			runtime.GC()
			answer = measured()
		case "stats":
			answer = measured()
		case "account":
			a, err := newAccount()
			if err != nil {
				return err
			}
			answer = a
		default:
			return fmt.Errorf("the parent said %q", lines.Text())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func measured() stats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return stats{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()), Allocations: m.Mallocs, AllocatedBytes: m.TotalAlloc,
		Heap: m.HeapAlloc, Resident: status("RssAnon"), Mapped: status("RssFile"), CollectorPercent: 100 * m.GCCPUFraction}
}

// status is a line of /proc/self/status, in bytes; zero where there is none.
func status(name string) uint64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
