// Package diskfault puts a disk that fails under a program.
//
// [Start] runs a command, any command, without its knowing: the kernel asks the test about every write, sync and truncation of
// files below one directory (seccomp's user notification), and the test's [Rule] answers: go on, fail with an error number, write a
// part only, take your time. All that happened is kept in a [Journal], together with what the program wrote to its standard output, in
// one order. From a journal [Replay] makes the files that a power failure at any moment could have left: what a successful sync covered
// is there; of what came later each sector is there or not; what a failed sync covered is there or not, and no later sync brings it back,
// because the kernel takes such pages for clean.
//
// The seam is the system call, so that nothing in the product knows of tests, and what is tested is the binary that runs. It needs Linux
// 5.19 on amd64 or arm64 and no privileges; elsewhere tests skip and say so ([testenv.Missing], "seccomp"). The package of a test that uses it calls
// [Launcher] first thing in its TestMain.
//
// Reads are not seen: bbolt maps its file. A disk that fails to read kills a program that maps by a signal, which no layer of its own
// can change.
package diskfault

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Kind says what a program asked of its disk.
type Kind int

// Kinds of operations.
const (
	Write Kind = iota + 1
	Sync
	Truncate
	Output // a write to standard output: no disk, but a moment
)

func (k Kind) String() string {
	return [...]string{Write: "write", Sync: "sync", Truncate: "truncate", Output: "output"}[k]
}

// Op is one system call, before it is made.
type Op struct {
	Kind   Kind
	Path   string // absolute; empty for Output
	Offset int64  // of a Write; where it appends, the file's size
	Data   []byte // of a Write or Output
	Size   int64  // of a Truncate
}

func (o Op) String() string {
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write of %d bytes at %d", len(o.Data), o.Offset)
	case Truncate:
		return fmt.Sprintf("truncation to %d bytes", o.Size)
	case Sync, Output:
	}
	return o.Kind.String()
}

// Verdict is what becomes of an operation. The zero value lets it go on.
type Verdict struct {
	Err   syscall.Errno // it fails so and does nothing
	Short int           // a Write: so many bytes are written and that is the answer. Go's os writes the rest with another call
	Delay time.Duration // it takes so much longer
}

// Rule decides about operations, one after the other; it is not asked about Output. Nil lets everything go on.
type Rule func(Op) Verdict

// Record is one line of a journal.
type Record struct {
	Op
	Err  syscall.Errno // what the rule made of it
	Done int           // bytes of a Write that were written
}

// Journal is what happened, in order. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	records []Record
}

func (j *Journal) add(r Record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
}

// Records returns what happened so far.
func (j *Journal) Records() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Record(nil), j.records...)
}

// FailNth returns a rule that gives v to the nth operation (from 1) that match accepts, and to no other.
func FailNth(n int, match func(Op) bool, v Verdict) Rule {
	var mu sync.Mutex
	return func(o Op) Verdict {
		mu.Lock()
		defer mu.Unlock()
		if n <= 0 || !match(o) {
			return Verdict{}
		}
		if n--; n == 0 {
			return v
		}
		return Verdict{}
	}
}
