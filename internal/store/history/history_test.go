package history_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func batch(r store.Revision, size int, keys ...string) store.Batch {
	b := store.Batch{Revision: r}
	for _, k := range keys {
		b.Changes = append(b.Changes, store.Change{Key: []byte(k), Value: make([]byte, size)})
	}
	return b
}

// floor finds the oldest revision that a watch can begin after.
func floor(t *testing.T, l *history.Log, head store.Revision) store.Revision {
	t.Helper()
	for r := store.Revision(0); r <= head; r++ {
		for b, err := range l.Watch(t.Context(), nil, r) {
			if err == nil {
				if r < head && b.Revision != r+1 {
					t.Errorf("a watch after %d begins with %d", r, b.Revision)
				}
				return r
			}
			if !errors.Is(err, store.ErrCompacted) {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("no watch can begin")
	return 0
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name  string
		limit history.Limit
		size  int
		want  func(floor store.Revision) bool
	}{
		{"batches", history.Limit{Batches: 10}, 1, func(f store.Revision) bool { return f == 990 }},
		{"one batch", history.Limit{Batches: 1}, 1, func(f store.Revision) bool { return f == 999 }},
		{"bytes", history.Limit{Bytes: 100_000}, 1000, func(f store.Revision) bool { return f > 900 && f < 930 }},
		{"larger than the limit", history.Limit{Bytes: 10}, 1000, func(f store.Revision) bool { return f == 999 }},
		{"none reached", history.Limit{}, 10, func(f store.Revision) bool { return f == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := history.New(tt.limit, 0)
			for r := range store.Revision(1000) {
				l.Append(batch(r+1, tt.size, "a"))
			}
			if f := floor(t, l, 1000); !tt.want(f) {
				t.Errorf("after 1000 batches the history begins after %d", f)
			}
		})
	}
}

func TestCompact(t *testing.T) {
	l := history.New(history.Limit{}, 5)
	if f := floor(t, l, 5); f != 5 {
		t.Errorf("a new log begins after %d", f)
	}
	for _, r := range []store.Revision{6, 7, 9, 10} { // revisions may have gaps
		l.Append(batch(r, 1, "a"))
	}
	for _, step := range []struct{ upTo, first store.Revision }{{3, 6}, {6, 7}, {6, 7}, {8, 9}} {
		l.Compact(step.upTo)
		from := max(step.upTo, 5)
		for b, err := range l.Watch(t.Context(), nil, from) {
			if err != nil || b.Revision != step.first {
				t.Errorf("compacted up to %d, a watch from %d begins with %d, %v", step.upTo, from, b.Revision, err)
			}
			break
		}
		for _, err := range l.Watch(t.Context(), nil, from-1) {
			if !errors.Is(err, store.ErrCompacted) {
				t.Errorf("compacted up to %d, a watch from %d: %v", step.upTo, from-1, err)
			}
			break
		}
	}
	l.Compact(100) // the future cannot be forgotten
	l.Append(batch(11, 1, "a"))
	for b, err := range l.Watch(t.Context(), nil, 10) {
		if err != nil || b.Revision != 11 {
			t.Errorf("a watch after the last compacted revision: %d, %v", b.Revision, err)
		}
		break
	}
}

// TestSlowWatcher falls behind and learns it; it must not hold up anybody.
func TestSlowWatcher(t *testing.T) {
	l := history.New(history.Limit{Batches: 100}, 0)
	l.Append(batch(1, 1, "a"))
	next, stop := iter.Pull2(l.Watch(t.Context(), nil, 0))
	defer stop()
	if b, err, _ := next(); err != nil || b.Revision != 1 {
		t.Fatal(b, err)
	}
	for r := store.Revision(2); r <= 1000; r++ {
		l.Append(batch(r, 1, "a"))
	}
	if _, err, _ := next(); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("a watcher that fell behind: %v", err)
	}
}

// TestProgress runs on a clock of its own: notices come when the watch has caught up, when the revision moves beside the
// prefix, and once in an interval of silence.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := history.New(history.Limit{}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		start := time.Now()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b, err := range l.Watch(ctx, []byte("m"), 0) {
				got = append(got, fmt.Sprint(time.Since(start), " ", b.Revision, " ", len(b.Changes), " ", err))
			}
		}()
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		l.Append(batch(1, 0, "l", "m", "m1", "n"), batch(2, 0, "other"))
		time.Sleep(300 * time.Millisecond)
		l.Append(batch(3, 0, "other"))
		time.Sleep(2500 * time.Millisecond)
		l.Append(batch(4, 0, "m"))
		time.Sleep(1100 * time.Millisecond)
		cancel()
		<-ended
		want := []string{
			"0s 0 0 <nil>",
			"300ms 1 2 <nil>", "300ms 2 0 <nil>",
			"600ms 3 0 <nil>",
			"1.6s 3 0 <nil>", "2.6s 3 0 <nil>",
			"3.1s 4 1 <nil>",
			"4.1s 4 0 <nil>",
			"4.2s 0 0 context canceled",
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func TestEnd(t *testing.T) {
	l := history.New(history.Limit{}, 0)
	l.End(store.ErrUnavailable)
	l.End(store.ErrClosed)
	for _, err := range l.Watch(t.Context(), nil, 0) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a watch on an ended log: %v", err)
		}
	}
}

// TestFuture watches from a revision that is yet to come.
func TestFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := history.New(history.Limit{}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for b := range l.Watch(ctx, nil, 2) {
				got = append(got, fmt.Sprint(b.Revision, " ", len(b.Changes)))
			}
		}()
		time.Sleep(5 * store.ProgressInterval)
		for r := range store.Revision(3) {
			l.Append(batch(r+1, 1, "a"))
			synctest.Wait()
		}
		cancel()
		<-ended
		if want := []string{"2 0", "3 1", "0 0"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
