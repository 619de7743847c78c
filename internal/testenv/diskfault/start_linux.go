//go:build linux && (amd64 || arm64)

package diskfault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// environment names the file descriptor over which the launcher hands the listener to the test.
const environment = "OSTIARY_TEST_DISKFAULT"

// asked are the system calls that the test is asked about.
var asked = []uint32{unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE}

// Launcher turns a test binary that [Start] runs into the program that it is to run, and does nothing in any other.
func Launcher() {
	fd, err := strconv.Atoi(os.Getenv(environment))
	if err != nil {
		return
	}
	_ = os.Unsetenv(environment) // of its own process: cannot fail
	listener, err := listen()
	if err == nil {
		err = unix.Sendmsg(fd, []byte("ok"), unix.UnixRights(listener), nil, 0)
		_ = unix.Close(fd)
		_ = unix.Close(listener)
	} else {
		_, _ = unix.Write(fd, []byte(err.Error()))
	}
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "diskfault:", err)
	os.Exit(125)
}

// listen puts the calling thread, which execve makes the whole process, under supervision.
func listen() (listener int, err error) {
	runtime.LockOSThread()
	arch := uint32(unix.AUDIT_ARCH_X86_64)
	if runtime.GOARCH == "arm64" {
		arch = unix.AUDIT_ARCH_AARCH64
	}
	n := uint8(len(asked))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4}, // the architecture
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: arch, Jf: n + 1},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call
	}
	for i, nr := range asked {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: n - uint8(i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("prctl: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return 0, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// Disk is the disk of a program that runs.
type Disk struct {
	Journal

	t        testing.TB
	dir      string
	listener int

	mu   sync.Mutex
	rule Rule
}

// Start starts cmd, whose Path and Args must be set and which has not been started, with the files below dir on a disk that follows
// rule. The caller waits for cmd as usual. At the end of the test a program that still runs is killed.
func Start(t testing.TB, cmd *exec.Cmd, dir string, rule Rule) *Disk {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "diskfault")
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, environment+"="+strconv.Itoa(2+len(cmd.ExtraFiles)))
	cmd.Args = append([]string{os.Args[0], cmd.Path}, cmd.Args[1:]...)
	cmd.Path = os.Args[0]
	err = cmd.Start()
	_ = theirs.Close() // the child has its own
	if err != nil {
		_ = unix.Close(pair[0])
		t.Fatal(err)
	}
	listener, err := receive(pair[0])
	_ = unix.Close(pair[0])
	if err != nil {
		_ = cmd.Wait() // it has ended, and said why
		testenv.Missing(t, "seccomp", err)
	}
	d := &Disk{t: t, dir: dir, listener: listener, rule: rule}
	var serving sync.WaitGroup
	serving.Go(d.serve)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		serving.Wait()
		_ = unix.Close(listener)
	})
	return d
}

// receive takes the listener from the launcher, or its reason for not having one.
func receive(fd int) (listener int, err error) {
	text, control := make([]byte, 200), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(fd, text, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	if m == 0 {
		return 0, errors.New("the launcher says: " + string(text[:n]) + " (is diskfault.Launcher called in TestMain?)")
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil {
		return 0, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// SetRule replaces the rule. Operations that are in progress keep the verdict of the old one.
func (d *Disk) SetRule(rule Rule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rule = rule
}

// notification and answer are struct seccomp_notif and struct seccomp_notif_resp of Linux.
type notification struct {
	id       uint64
	pid      uint32
	_        uint32
	nr       int32
	_        uint32
	_        uint64
	argument [6]uint64
}

type answer struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// serve answers until the program has ended.
func (d *Disk) serve() {
	for {
		poll := []unix.PollFd{{Fd: int32(d.listener), Events: unix.POLLIN}}
		_, err := unix.Poll(poll, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			d.t.Errorf("diskfault: waiting for a system call: %v", err)
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return // nobody is left
		}
		var n notification
		if !d.control(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) {
			continue // whoever called was killed meanwhile
		}
		d.handle(&n)
	}
}

func (d *Disk) control(request uint, argument unsafe.Pointer) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), uintptr(request), uintptr(argument))
	return errno == 0
}

// handle finds out what a system call is about, asks the rule and answers.
func (d *Disk) handle(n *notification) {
	goOn := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	op, ok := d.op(n)
	if !ok {
		d.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&goOn))
		return
	}
	var v Verdict
	d.mu.Lock()
	rule := d.rule
	d.mu.Unlock()
	if rule != nil && op.Kind != Output {
		v = rule(op)
	}
	r := Record{Op: op, Err: v.Err, Done: len(op.Data)}
	a := goOn
	switch {
	case v.Err != 0:
		r.Done = 0
		a = answer{id: n.id, err: -int32(v.Err)}
	case v.Short > 0 && op.Kind == Write && v.Short < len(op.Data):
		r.Done = v.Short
		if err := d.writePart(n, op, v.Short); err != nil {
			d.t.Errorf("diskfault: writing a part: %v", err)
		}
		a = answer{id: n.id, value: int64(v.Short)}
	}
	if v.Delay <= 0 {
		d.add(r) // before the program goes on
		d.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
		return
	}
	time.AfterFunc(v.Delay, func() {
		d.add(r)
		d.control(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // fails where the program has been killed
	})
}

// op reads a system call out of the program that makes it. It says no to one that is none of ours.
func (d *Disk) op(n *notification) (Op, bool) {
	fd := int(int32(n.argument[0]))
	var op Op
	switch {
	case n.nr == unix.SYS_WRITE && fd == 1:
		op.Kind = Output
	default:
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.pid, fd))
		if err != nil || !strings.HasPrefix(path, d.dir+"/") {
			return Op{}, false
		}
		op.Path = path
	}
	switch n.nr {
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		if info, err := os.Stat(op.Path); err == nil && info.IsDir() {
			return Op{}, false // names are not followed
		}
		op.Kind = Sync
	case unix.SYS_FTRUNCATE:
		op.Kind, op.Size = Truncate, int64(n.argument[1])
	case unix.SYS_PWRITE64:
		op.Kind, op.Offset = Write, int64(n.argument[3])
	case unix.SYS_WRITE:
		if op.Kind != Output {
			op.Kind = Write
			info, err := os.Stat(op.Path)
			if err != nil {
				return Op{}, false
			}
			op.Offset = info.Size() // who writes without an offset here appends
		}
	}
	if op.Kind == Write || op.Kind == Output {
		op.Data = make([]byte, n.argument[2])
		if len(op.Data) > 0 && !d.read(n, op.Data) {
			return Op{}, false
		}
	}
	return op, true
}

// read fills data with the buffer of a write.
func (d *Disk) read(n *notification, data []byte) bool {
	local := []unix.Iovec{{Base: &data[0]}}
	local[0].SetLen(len(data))
	remote := []unix.RemoteIovec{{Base: uintptr(n.argument[1]), Len: len(data)}}
	got, err := unix.ProcessVMReadv(int(n.pid), local, remote, 0)
	return err == nil && got == len(data)
}

// writePart writes the beginning of what the program wanted to.
func (d *Disk) writePart(n *notification, op Op, size int) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%d", n.pid, int(int32(n.argument[0]))), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(slices.Clone(op.Data[:size]), op.Offset)
	return errors.Join(err, f.Close())
}
