package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a node's process: a child, or one that an earlier server started. The handle names the process itself and not its number,
// so that a signal cannot reach somebody who was given the number later.
type process struct {
	pid    int
	start  uint64
	handle *os.Process
	ended  bool
	reason string
}

// launch starts a process in a session of its own, with its output in a file and nothing of the server's environment.
func launch(command []string, dir string, log *os.File, addressSpace int64) (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	handle, err := os.StartProcess(command[0], command, &os.ProcAttr{
		Dir: dir, Env: []string{"LC_ALL=C"}, Files: []*os.File{null, log, log}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	p := &process{pid: handle.Pid, handle: handle}
	if addressSpace > 0 {
		limit := unix.Rlimit{Cur: uint64(addressSpace), Max: uint64(addressSpace)}
		if err := unix.Prlimit(p.pid, unix.RLIMIT_AS, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return nil, errors.Join(fmt.Errorf("limiting the address space: %w", err), p.kill())
		}
	}
	st, err := readStat(p.pid)
	if err != nil {
		return nil, errors.Join(err, p.kill())
	}
	p.start = st.start
	return p, nil
}

// poll reports whether the process has ended. A child's end is taken from the kernel here, and nowhere else. It does not wait.
func (p *process) poll() bool {
	if p.ended {
		return true
	}
	var status syscall.WaitStatus
	switch pid, err := syscall.Wait4(p.pid, &status, syscall.WNOHANG, nil); {
	case pid == p.pid && status.Signaled():
		p.ended, p.reason = true, "signal: "+status.Signal().String()
	case pid == p.pid:
		p.ended, p.reason = true, fmt.Sprintf("exit status %d", status.ExitStatus())
	case errors.Is(err, syscall.ECHILD): // an earlier server's: how it ended is told to another
		st, err := readStat(p.pid)
		if errors.Is(err, os.ErrNotExist) || err == nil && (st.start != p.start || st.state == 'Z' || st.state == 'X') {
			p.ended, p.reason = true, "ended"
		}
	}
	return p.ended
}

// stop asks the process to end, kills it when it does not within a time, and returns when it has ended.
func (p *process) stop(ctx context.Context, within time.Duration) error {
	if p.poll() {
		return nil
	}
	if err := p.handle.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !p.poll() {
		select {
		case <-ctx.Done():
			return p.kill()
		case <-tick.C:
		}
	}
	return nil
}

// kill ends the process at once. The kernel does it; there is nothing that it could wait for but an end of input and output.
func (p *process) kill() error {
	if err := p.handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if p.poll() {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("process %d does not end", p.pid)
}

// release gives the handle back.
func (p *process) release() {
	_ = p.handle.Release() // there is nothing to do about it
}

// findOurs returns the process of an identity if it runs and is that process: by boot, start time, command line and working directory. An
// identity without a number is one of a server that ended between starting the process and writing it down: the command line and the
// directory, which are the node's alone, find it.
func findOurs(i identity, dir string) (*process, bool) {
	if boot, err := bootID(); err != nil || i.Boot != boot {
		return nil, false
	}
	if i.PID != 0 {
		return take(i.PID, func(s stat) bool { return s.start == i.Start }, i.Command, dir)
	}
	for _, pid := range allProcesses() {
		if p, ok := take(pid, func(stat) bool { return true }, i.Command, dir); ok {
			return p, true
		}
	}
	return nil, false
}

// take opens a handle on a process and then looks at it, so that what was looked at is what the handle names.
func take(pid int, is func(stat) bool, command []string, dir string) (*process, bool) {
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil, false
	}
	st, err := readStat(pid)
	if err != nil || st.state == 'Z' || st.state == 'X' || !is(st) || !runs(pid, command, dir) {
		_ = handle.Release() // a stranger's
		return nil, false
	}
	again, err := readStat(pid)
	if err != nil || again.start != st.start {
		_ = handle.Release()
		return nil, false
	}
	return &process{pid: pid, start: st.start, handle: handle}, true
}

// runs reports whether a process has a command line and a working directory.
func runs(pid int, command []string, dir string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !slices.Equal(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"), command) {
		return false
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && cwd == dir
}

// endHelpers kills what a node's process left in its session: a child of it that was writing a snapshot. Only processes of that session and
// working directory are meant.
func endHelpers(session int, dir string) {
	for _, pid := range allProcesses() {
		if st, err := readStat(pid); err != nil || st.session != session || pid == session {
			continue
		}
		handle, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		st, err := readStat(pid)
		cwd, cwdErr := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		if err == nil && cwdErr == nil && st.session == session && cwd == dir {
			_ = handle.Kill() // it may have ended by now
		}
		_ = handle.Release()
	}
}

type stat struct {
	state   byte
	session int
	start   uint64
}

// readStat reads /proc/PID/stat; the command in parentheses may hold anything, so that fields are counted from the last one.
func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		if errors.Is(err, syscall.ESRCH) {
			err = os.ErrNotExist
		}
		return stat{}, err
	}
	return parseStat(string(text))
}

func parseStat(text string) (stat, error) {
	i := strings.LastIndexByte(text, ')')
	f := strings.Fields(text[i+1:])
	if i < 0 || len(f) < 20 || len(f[0]) != 1 {
		return stat{}, errors.New("a process's stat that cannot be read")
	}
	session, err := strconv.Atoi(f[3])
	if err != nil {
		return stat{}, err
	}
	start, err := strconv.ParseUint(f[19], 10, 64)
	return stat{f[0][0], session, start}, err
}

func allProcesses() []int {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var all []int
	for _, n := range names {
		if pid, err := strconv.Atoi(filepath.Base(n)); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}

// lockDirectory makes the caller the only supervisor of a directory, until the file is closed or the process ends. A server that was killed in
// the middle of starting a node leaves the lock to that process until it has become the node's program: a moment, for which this waits. So
// what holds the lock sees every process that there is, under its own command line.
func lockDirectory(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 200 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return f, nil
		}
		<-tick.C
	}
	return nil, errors.Join(fmt.Errorf("another server runs the nodes of %s: %w", dir, err), f.Close())
}
