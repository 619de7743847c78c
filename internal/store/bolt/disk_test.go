package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/testenv/diskfault"
)

// diskFile makes the test binary the child whose disk fails.
const diskFile = "OSTIARY_TEST_DISK_FILE"

// diskChild answers lines on standard input: "put KEY SIZE" with "ok REVISION KEY", "head" with "ok REVISION", and either with "unavailable" or
// "unknown" as the store's error says.
func diskChild(path string) int {
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	fmt.Println("open")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var verb, key string
		var size int
		_, _ = fmt.Sscan(in.Text(), &verb, &key, &size) // head has less
		var r store.Revision
		if verb == "put" {
			r, err = s.Update(context.Background(), func(tx store.Txn) error {
				tx.Put([]byte(key), make([]byte, size))
				return nil
			})
		} else {
			r, err = s.Head(context.Background())
		}
		switch {
		case err == nil:
			fmt.Println("ok", r, key)
		case errors.Is(err, store.ErrUnknownOutcome):
			fmt.Println("unknown")
		case errors.Is(err, store.ErrUnavailable):
			fmt.Println("unavailable")
		default:
			fmt.Println(err)
		}
	}
	return 0
}

// disked is a child over a disk of the test's.
type disked struct {
	*diskfault.Disk
	t    *testing.T
	path string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// startDisked starts a child over a new file. The first line that it writes is read already.
func startDisked(t *testing.T, path string) *disked {
	t.Helper()
	d := &disked{t: t, path: path, cmd: exec.Command(os.Args[0])}
	d.cmd.Env = append(os.Environ(), diskFile+"="+path)
	d.cmd.Stderr = os.Stderr
	in, err := d.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.in, d.out = in, bufio.NewReader(out)
	d.Disk = diskfault.Start(t, d.cmd, filepath.Dir(path), nil)
	if line := d.line(); line != "open" {
		t.Fatalf("the child says %q", line)
	}
	return d
}

func (d *disked) line() string {
	d.t.Helper()
	line, err := d.out.ReadString('\n')
	if err != nil {
		d.t.Fatalf("the child: %v", err)
	}
	return strings.TrimSpace(line)
}

func (d *disked) ask(format string, args ...any) string {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.in, format+"\n", args...); err != nil {
		d.t.Fatal(err)
	}
	return d.line()
}

func (d *disked) end() {
	_ = d.in.Close()
	_ = d.cmd.Wait() // kills are no failures
}

// fastDir is a directory on a disk that needs no time, where there is one. What fails here fails by the test's own doing.
func fastDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ostiary-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// isStore reports whether a record is of the store's file, which has another name until it is whole.
func isStore(r diskfault.Record, path string) bool { return r.Path == path || r.Path == path+".new" }

// acknowledgement reads a moment of a journal at which a child said that an Update is done.
func acknowledgement(r diskfault.Record) (key string, revision store.Revision, ok bool) {
	if r.Kind != diskfault.Output {
		return "", 0, false
	}
	n, err := fmt.Sscanf(string(r.Data), "ok %d %s\n", &revision, &key)
	return key, revision, n == 2 && err == nil
}

// checkImage opens what a power failure left and looks for what had been acknowledged.
func checkImage(t *testing.T, dir, what string, image diskfault.Image, acknowledged map[string]store.Revision) {
	t.Helper()
	path := filepath.Join(dir, "image")
	if err := image.Write(path); err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	err = s.View(t.Context(), func(r store.Reader) error {
		for key, revision := range acknowledged {
			if e, ok, err := r.Get([]byte(key)); !ok || err != nil || e.Revision != revision || revision > r.Revision() {
				t.Errorf("%s: %s was acknowledged at revision %d; there: %v, at %d, %v; the store is at %d", what, key, revision, ok, e.Revision, err, r.Revision())
			}
		}
		for _, err := range r.Range(nil) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		_, err = s.Update(t.Context(), func(tx store.Txn) error { tx.Put([]byte("after"), nil); return nil })
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// scenarios are commits that fail at each of their steps: one into the file as it is, and one that makes it grow.
var scenarios = []struct {
	name  string
	size  int
	grows bool // the first Update that makes the file grow fails, not the sixth; then the power fails at the end only: files are large
}{
	{"within the file", 9000, false},
	{"the file grows", 1400 << 10, true},
}

// TestDiskFails fails a commit at each of its writes and syncs, in each way. It must not be acknowledged, those before it and those after it
// hold, without a restart, and hold also if the power fails then, at any moment, with any part of what was not synced on the disk.
func TestDiskFails(t *testing.T) {
	for _, sc := range scenarios {
		if sc.grows && !testenv.Long() {
			continue // the files are large
		}
		t.Run(sc.name, func(t *testing.T) {
			before, steps := stepsOfCommit(t, sc.size, sc.grows)
			unknown, images := 0, 0
			for n, step := range steps {
				faults := map[string]diskfault.Verdict{"EIO": {Err: syscall.EIO}, "ENOSPC": {Err: syscall.ENOSPC}}
				if !testenv.Long() {
					delete(faults, "ENOSPC") // as EIO, but for the name
				}
				if step.Kind == diskfault.Write && len(step.Data) > 512 {
					faults["a short write"] = diskfault.Verdict{Short: 512}
				}
				for name, fault := range faults {
					what := fmt.Sprintf("%s at step %d of %d, the %s", name, n+1, len(steps), step.Op)
					answer, tried := failOnce(t, before, sc.size, n+1, fault, !sc.grows, what)
					// The meta page decides, and is the last but one: what counts of it is in its first sector.
					want := "unavailable"
					if n == len(steps)-1 || n == len(steps)-2 && fault.Short > 0 {
						want = "unknown"
					}
					if answer != want {
						t.Errorf("%s: the answer is %q, want %q", what, answer, want)
					}
					if answer == "unknown" {
						unknown++
					}
					images += tried
				}
			}
			t.Logf("%d steps failed in each way, %d outcomes unknown, %d power failures", len(steps), unknown, images)
		})
	}
}

// stepsOfCommit returns what one Update does to a file, and how many come before it: five, or as many as it takes until one makes the
// file grow.
func stepsOfCommit(t *testing.T, size int, grows bool) (before int, steps []diskfault.Record) {
	t.Helper()
	d := startDisked(t, filepath.Join(fastDir(t), "store"))
	defer d.end()
	for ; before < 50; before++ {
		start, truncated, syncs := len(d.Records()), false, 0
		d.ask("put before-%d %d", before, size)
		steps = nil
		for _, r := range d.Records()[start:] {
			if r.Kind == diskfault.Output {
				continue
			}
			steps = append(steps, r)
			truncated = truncated || r.Kind == diskfault.Truncate
			if r.Kind == diskfault.Sync {
				syncs++
			}
		}
		if syncs < 2 {
			t.Fatalf("a commit with %d syncs: %v", syncs, steps)
		}
		if grows && truncated || !grows && before == 5 {
			return before, steps
		}
	}
	t.Fatal("no commit made the file grow")
	return 0, nil
}

// failOnce fails the nth step of one Update, and then lets the disk work again. It returns the child's answer to that Update and the
// number of power failures that were tried.
func failOnce(t *testing.T, before, size, n int, fault diskfault.Verdict, everyMoment bool, what string) (answer string, images int) {
	t.Helper()
	d := startDisked(t, filepath.Join(fastDir(t), "store"))
	for i := range before {
		d.ask("put before-%d %d", i, size)
	}
	from := len(d.Records())
	nth := diskfault.FailNth(n, func(diskfault.Op) bool { return true }, fault)
	full := false
	d.SetRule(func(o diskfault.Op) diskfault.Verdict {
		if full {
			return diskfault.Verdict{Err: syscall.ENOSPC} // what is behind a short write
		}
		v := nth(o)
		full = v.Short > 0
		return v
	})
	answer = d.ask("put victim %d", size)
	d.SetRule(nil)
	for i := range 3 {
		testenv.Eventually(t, what+": the store goes on", func() error {
			if said := d.ask("put after-%d %d", i, size/(i+1)); !strings.HasPrefix(said, "ok") {
				return errors.New(said)
			}
			return nil
		})
	}
	d.end()
	dir := fastDir(t)
	random := rand.New(rand.NewPCG(uint64(n), uint64(before)))
	p, acknowledged := diskfault.NewReplay(nil), map[string]store.Revision{}
	records := d.Records()
	for i, r := range records {
		if key, revision, ok := acknowledgement(r); ok {
			acknowledged[key] = revision
		} else if isStore(r, d.path) {
			p.Step(r)
		}
		if i < from || !everyMoment && i < len(records)-1 {
			continue
		}
		chances := []diskfault.Chance{diskfault.Any(random)}
		if r.Kind != diskfault.Write {
			chances = []diskfault.Chance{diskfault.Nothing}
		}
		if testenv.Long() || i == len(records)-1 {
			chances = []diskfault.Chance{diskfault.Nothing, diskfault.Everything, diskfault.Any(random)}
		}
		for _, chance := range chances {
			checkImage(t, dir, fmt.Sprintf("%s: the power failed after record %d", what, i), p.Cut(chance), acknowledged)
			images++
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if len(acknowledged) != before+3 {
		t.Errorf("%s: %d Updates are acknowledged, want %d", what, len(acknowledged), before+3)
	}
	return answer, images
}

// TestPowerFails lets many write at once, and then has the power fail at every moment of that: after each write and each sync, with
// nothing of what was not synced on the disk, and with any part of it. Every Update that had been acknowledged by then is there.
func TestPowerFails(t *testing.T) {
	path := filepath.Join(fastDir(t), "store")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d := diskfault.Start(t, cmd, filepath.Dir(path), nil)
	lines := bufio.NewScanner(out)
	updates := 120
	if testenv.Long() {
		updates = 500
	}
	for range updates {
		if !lines.Scan() {
			t.Fatal("the child ended")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // the rest
	}
	_ = cmd.Wait() // killed
	dir, random := fastDir(t), rand.New(rand.NewPCG(1, 2))
	p, acknowledged := diskfault.NewReplay(nil), map[string]store.Revision{}
	images, named := 0, false
	for i, r := range d.Records() {
		var w, n int
		var revision store.Revision
		if r.Kind == diskfault.Output {
			if _, err := fmt.Sscanf(string(r.Data), "%d %d %d\n", &w, &n, &revision); err != nil {
				t.Fatal(err)
			}
			for k := range crashKeys {
				acknowledged[string(crashKey(w, n, k))] = revision
			}
		} else if isStore(r, path) {
			p.Step(r)
		}
		if named = named || r.Path == path; !named {
			continue // before that the power failure leaves no file
		}
		if r.Kind == diskfault.Sync || r.Kind == diskfault.Output {
			checkImage(t, dir, fmt.Sprintf("nothing of what was not synced, record %d", i), p.Cut(diskfault.Nothing), acknowledged)
			images++
		}
		if r.Kind == diskfault.Write {
			checkImage(t, dir, fmt.Sprintf("parts of what was not synced, record %d", i), p.Cut(diskfault.Any(random)), acknowledged)
			images++
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if len(acknowledged) < updates*crashKeys || images < updates {
		t.Errorf("%d records acknowledged and %d power failures: this test does not try what it says", len(acknowledged), images)
	}
	t.Logf("%d records acknowledged, %d power failures", len(acknowledged), images)
}

// TestSlowDisk: a disk that takes its time makes Updates slow and loses none; views of what is durable do not wait for it.
func TestSlowDisk(t *testing.T) {
	d := startDisked(t, filepath.Join(fastDir(t), "store"))
	syncing := make(chan struct{}, 100)
	d.SetRule(func(o diskfault.Op) diskfault.Verdict {
		if o.Kind != diskfault.Sync {
			return diskfault.Verdict{}
		}
		syncing <- struct{}{}
		return diskfault.Verdict{Delay: 200 * time.Millisecond}
	})
	for n := range 3 {
		if said := d.ask("put k-%d 100", n); !strings.HasPrefix(said, "ok") {
			t.Errorf("the answer is %q", said)
		}
	}
	if len(syncing) < 6 {
		t.Errorf("%d slow syncs for three Updates", len(syncing))
	}
	d.end()
}
