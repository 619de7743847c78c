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
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
)

const (
	crashFile    = "OSTIARY_TEST_CRASH_FILE" // makes the test binary the child that is killed
	crashRounds  = 8
	crashWriters = 16
	crashKeys    = 5 // per Update
)

// crashChild writes until it is killed: writer w commits (w, 1), (w, 2) …, each as crashKeys records, and prints "w n
// revision" once Update has returned. It returns only when something goes wrong.
func crashChild(path string) int {
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	failed := make(chan error)
	for w := range crashWriters {
		go func() {
			start, err := written(s, w)
			for n := start + 1; err == nil; n++ {
				var r store.Revision
				r, err = s.Update(context.Background(), func(tx store.Txn) error {
					for k := range crashKeys {
						tx.Put(crashKey(w, n, k), fmt.Appendf(nil, "%d", n))
					}
					tx.Put(fmt.Appendf(nil, "last/%d", w), fmt.Appendf(nil, "%d", n))
					return nil
				})
				if err == nil {
					// One write call of less than a pipe's buffer: whole or not at all, also when the kill comes now.
					_, err = fmt.Fprintf(os.Stdout, "%d %d %d\n", w, n, r)
				}
			}
			failed <- err
		}()
	}
	fmt.Fprintln(os.Stderr, <-failed)
	return 1
}

func crashKey(w, n, k int) []byte { return fmt.Appendf(nil, "w/%d/%08d/%d", w, n, k) }

// written returns the number of writer w's last committed Update.
func written(s store.Store, w int) (n int, err error) {
	err = s.View(context.Background(), func(r store.Reader) error {
		e, ok, err := r.Get(fmt.Appendf(nil, "last/%d", w))
		if err == nil && ok {
			n, err = strconv.Atoi(string(e.Value))
		}
		return err
	})
	return n, err
}

// TestCrash kills a writing process again and again. What it acknowledged must be there, at the revision it said; what it
// did not must be there whole or not at all; and revisions go on.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	path := filepath.Join(t.TempDir(), "store")
	acknowledged := map[[2]int]store.Revision{}
	var head store.Revision
	for round := range crashRounds {
		// Enough acknowledgements for the writers to be in full swing, then a random moment.
		before := len(acknowledged)
		runAndKill(t, path, 50+rand.IntN(400), acknowledged)
		t.Logf("round %d: killed after %d acknowledged Updates", round, len(acknowledged)-before)
		s, err := bolt.Open(path, bolt.Config{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		head = verify(t, s, head, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill runs the child, kills it after a number of acknowledgements and notes all that it made.
func runAndKill(t *testing.T, path string, kill int, acknowledged map[[2]int]store.Revision) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashFile+"="+path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end := func() { once.Do(func() { _ = cmd.Process.Kill() }) } // SIGKILL; it has ended already otherwise
	defer end()
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		if err != nil {
			t.Fatalf("half a line %q: %v", line, err)
		}
		var w, i int
		var r store.Revision
		if _, err := fmt.Sscanf(line, "%d %d %d\n", &w, &i, &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		acknowledged[[2]int{w, i}] = r
		if n == kill {
			end()
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child was not killed: %v\n%s", err, &stderr)
	}
}

// verify checks a store against what was acknowledged, writes to it and returns its new head.
func verify(t *testing.T, s store.Store, before store.Revision, acknowledged map[[2]int]store.Revision) store.Revision {
	t.Helper()
	type update struct {
		keys     int
		revision store.Revision
	}
	var head store.Revision
	last := map[int]int{}
	seen := map[[2]int]update{}
	err := s.View(t.Context(), func(r store.Reader) error {
		head = r.Revision()
		for e, err := range r.Range([]byte("w/")) {
			if err != nil {
				return err
			}
			var w, n, k int
			if _, err := fmt.Sscanf(string(e.Key), "w/%d/%d/%d", &w, &n, &k); err != nil {
				return fmt.Errorf("key %q: %w", e.Key, err)
			}
			u := seen[[2]int{w, n}]
			if u.keys > 0 && u.revision != e.Revision {
				t.Errorf("Update %d of writer %d has revisions %d and %d", n, w, u.revision, e.Revision)
			}
			seen[[2]int{w, n}] = update{u.keys + 1, e.Revision}
			last[w] = max(last[w], n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if head < before {
		t.Errorf("the revision went back from %d to %d", before, head)
	}
	for id, u := range seen {
		if u.keys != crashKeys {
			t.Errorf("of Update %d of writer %d there are %d records of %d", id[1], id[0], u.keys, crashKeys)
		}
		if u.revision > head {
			t.Errorf("a record has revision %d, the store %d", u.revision, head)
		}
	}
	for id, r := range acknowledged {
		if u, ok := seen[id]; !ok || u.revision != r {
			t.Errorf("Update %d of writer %d was acknowledged at revision %d; it is there: %v, at %d", id[1], id[0], r, ok, u.revision)
		}
	}
	for w := range crashWriters {
		if n, err := written(s, w); n != last[w] || err != nil {
			t.Errorf("writer %d: last is %d (%v), records end at %d", w, n, err, last[w])
		}
	}
	next := put(t, s, "after", "crash")
	if next != head+1 {
		t.Errorf("the first revision after the crash is %d, want %d", next, head+1)
	}
	for b, err := range s.Watch(t.Context(), nil, head) {
		if err != nil || b.Revision != next || len(b.Changes) != 1 {
			t.Errorf("a watch from the crash on says %+v, %v", b, err)
		}
		break
	}
	return next
}
