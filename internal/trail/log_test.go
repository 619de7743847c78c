package trail_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/trail"
)

// event returns an event whose ID is id; its record is about 450 bytes long.
func event(id string) *trail.Event {
	return &trail.Event{ID: id, Time: at, Recipient: "111111111111", UserAgent: strings.Repeat("x", 100)}
}

func encoded(ids ...string) [][]byte {
	var records [][]byte
	for _, id := range ids {
		records = append(records, event(id).Append(nil))
	}
	return records
}

func open(t *testing.T, cfg trail.Config) *trail.Log {
	t.Helper()
	l, err := trail.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func ids(t *testing.T, l *trail.Log, q trail.Query) []string {
	t.Helper()
	var got []string
	for e, err := range l.Events(q) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Event.ID)
	}
	return got
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "events-*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// kinds runs a test on a log of files and on one in memory.
func kinds(t *testing.T, test func(t *testing.T, dir string)) {
	t.Run("files", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "trail")) })
	t.Run("memory", func(t *testing.T) { test(t, "") })
}

func TestAppendAndRead(t *testing.T) {
	kinds(t, func(t *testing.T, dir string) {
		l := open(t, trail.Config{Dir: dir})
		want(t, "an empty log", ids(t, l, trail.Query{}))
		l.Record(event("a").Append(nil))
		if err := l.Append(encoded("b", "c")); err != nil {
			t.Fatal(err)
		}
		l.Record(event("d").Append(nil))
		want(t, "all", ids(t, l, trail.Query{}), "b", "c", "a", "d") // a was still held back when b was appended
		if err := l.Append([][]byte{[]byte("{\"eventID\":\n\"e\"}")}); err != nil {
			t.Fatal(err)
		}
		want(t, "a record with a line end", ids(t, l, trail.Query{}), "b", "c", "a", "d", "e")
	})
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	l := open(t, trail.Config{Dir: dir})
	l.Record(event("a").Append(nil))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Record(event("late").Append(nil))
	l = open(t, trail.Config{Dir: dir})
	l.Record(event("b").Append(nil))
	want(t, "after reopening", ids(t, l, trail.Query{}), "a", "b")
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d files, want the old one to be continued", n)
	}
	info, err := os.Stat(files(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
}

// TestTornTail cuts the file at every byte of its last record, as a crash may, and leaves rubbish of other kinds.
func TestTornTail(t *testing.T) {
	record := event("b").Append(nil)
	tails := map[string][]byte{"zeros": make([]byte, 100_000), "rubbish": []byte("\xff\xfe{{{")}
	for n := range record {
		tails[fmt.Sprint("cut at ", n)] = record[:n]
	}
	tails["no line end"] = record
	for name, tail := range tails {
		dir := t.TempDir()
		l := open(t, trail.Config{Dir: dir})
		if err := l.Append(encoded("a")); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(files(t, dir)[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(tail); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()

		l = open(t, trail.Config{Dir: dir})
		if err := l.Append(encoded("c")); err != nil {
			t.Fatal(err)
		}
		want(t, name, ids(t, l, trail.Query{}), "a", "c")
		data, err := os.ReadFile(files(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")); n != 2 {
			t.Errorf("%s: the file has %d lines", name, n)
		}
		_ = l.Close()
	}
}

// TestDamagedLinesAreSkipped: a bad line in the middle hides nothing else.
func TestDamagedLinesAreSkipped(t *testing.T) {
	l := open(t, trail.Config{Dir: t.TempDir()})
	records := slices.Concat(encoded("a"), [][]byte{[]byte("not json"), {}, make([]byte, 300_000)}, encoded("b"))
	if err := l.Append(records); err != nil {
		t.Fatal(err)
	}
	want(t, "around the damage", ids(t, l, trail.Query{}), "a", "b")
}

func TestRotationBounds(t *testing.T) {
	kinds(t, func(t *testing.T, dir string) {
		const fileBytes, totalBytes = 2000, 9000
		l := open(t, trail.Config{Dir: dir, FileBytes: fileBytes, TotalBytes: totalBytes})
		var all []string
		for i := range 60 {
			id := fmt.Sprintf("e%02d", i)
			all = append(all, id)
			if i%3 == 0 {
				l.Record(event(id).Append(nil))
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
			} else if err := l.Append(encoded(id)); err != nil {
				t.Fatal(err)
			}
			if dir == "" {
				continue
			}
			total := int64(0)
			for _, name := range files(t, dir) {
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				if info.Size() > fileBytes {
					t.Fatalf("%s has %d bytes", name, info.Size())
				}
				total += info.Size()
			}
			if total > totalBytes {
				t.Fatalf("the log has %d bytes", total)
			}
		}
		got := ids(t, l, trail.Query{})
		if len(got) < 10 || !slices.Equal(got, all[len(all)-len(got):]) {
			t.Errorf("what is left is not the newest events without a gap: %v", got)
		}
	})
}

// TestBatchAcrossFiles: one Append larger than a file is split between records; a record larger than a file is kept whole.
func TestBatchAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	l := open(t, trail.Config{Dir: dir, FileBytes: 2000, TotalBytes: 1 << 20})
	var all []string
	for i := range 20 {
		all = append(all, fmt.Sprint("e", i))
	}
	if err := l.Append(encoded(all...)); err != nil {
		t.Fatal(err)
	}
	large := event("large")
	large.RequestParameters = []byte(`"` + strings.Repeat("y", 5000) + `"`)
	if err := l.Append([][]byte{large.Append(nil)}); err != nil {
		t.Fatal(err)
	}
	want(t, "all", ids(t, l, trail.Query{}), append(all, "large")...)
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 2000 && !bytes.Contains(data, []byte(`"large"`)) {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		if bytes.Contains(data, []byte(`"large"`)) && bytes.Count(data, []byte("\n")) != 1 {
			t.Errorf("the large record shares its file")
		}
	}
}

func TestQuery(t *testing.T) {
	kinds(t, func(t *testing.T, dir string) {
		l := open(t, trail.Config{Dir: dir, FileBytes: 1500, TotalBytes: 1 << 20})
		for i := range 12 {
			e := event(fmt.Sprintf("e%02d", i))
			e.Time = at.Add(time.Duration(i) * time.Minute)
			if i%2 == 1 {
				e.Recipient = "222222222222"
				e.UserAgent = "names 111111111111 only in passing"
			}
			l.Record(e.Append(nil))
		}
		want(t, "an account", ids(t, l, trail.Query{Account: "111111111111"}), "e00", "e02", "e04", "e06", "e08", "e10")
		want(t, "a time", ids(t, l, trail.Query{From: at.Add(3 * time.Minute), To: at.Add(5 * time.Minute)}), "e03", "e04")
		want(t, "nobody", ids(t, l, trail.Query{Account: "333333333333"}))

		var paged []string
		for after := (trail.Position{}); ; {
			n := 0
			for e, err := range l.Events(trail.Query{After: after}) {
				if err != nil {
					t.Fatal(err)
				}
				paged = append(paged, e.Event.ID)
				back, err := trail.ParsePosition(e.End.String())
				if err != nil || back != e.End {
					t.Fatalf("position %v came back as %v: %v", e.End, back, err)
				}
				after = back
				if n++; n == 5 {
					break
				}
			}
			if n < 5 {
				break
			}
		}
		want(t, "in pages", paged, ids(t, l, trail.Query{})...)
		want(t, "behind the end", ids(t, l, trail.Query{After: trail.Position{File: 99, Offset: 1}}))
		want(t, "inside a record", ids(t, l, trail.Query{After: trail.Position{File: 1, Offset: 3}})[:1], "e01")
	})
}

func TestParsePositionRefuses(t *testing.T) {
	for _, text := range []string{"", "1", "-", "1-", "-1", "1-2-3", "01-2", "1--2", "+1-2", "x-1", "1-9223372036854775808", " 1-2"} {
		if p, err := trail.ParsePosition(text); err == nil {
			t.Errorf("ParsePosition(%q) = %v", text, p)
		}
	}
}

// TestFlushInASecond: what Record holds back is on disk a second later, without anybody asking.
func TestFlushInASecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, trail.Config{Dir: dir})
		l.Record(event("a").Append(nil))
		time.Sleep(trail.DefaultFlushEvery + time.Millisecond)
		synctest.Wait()
		if names := files(t, dir); len(names) != 1 {
			t.Fatalf("%d files after a second", len(names))
		} else if data, err := os.ReadFile(names[0]); err != nil || !bytes.Contains(data, []byte(`"a"`)) {
			t.Errorf("after a second the file holds %q, %v", data, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestFullBufferIsWritten: a full buffer costs the caller a write and no event.
func TestFullBufferIsWritten(t *testing.T) {
	dropped := 0
	l := open(t, trail.Config{Dir: t.TempDir(), BufferBytes: 1000, FlushEvery: time.Hour, Dropped: func(n int) { dropped += n }})
	var all []string
	for i := range 50 {
		all = append(all, fmt.Sprint("e", i))
		l.Record(event(all[i]).Append(nil))
	}
	want(t, "all", ids(t, l, trail.Query{}), all...)
	if dropped != 0 {
		t.Errorf("%d events dropped", dropped)
	}
}

// TestConcurrentPuts: nothing is lost or mixed when many put, append, read and rotate at once.
func TestConcurrentPuts(t *testing.T) {
	kinds(t, func(t *testing.T, dir string) {
		l := open(t, trail.Config{Dir: dir, FileBytes: 20_000, TotalBytes: 1 << 30, BufferBytes: 5000})
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 50 {
					id := fmt.Sprintf("%d-%d", w, i)
					if i%10 == 9 {
						if err := l.Append(encoded(id)); err != nil {
							t.Error(err)
						}
						for _, err := range l.Events(trail.Query{}) {
							if err != nil {
								t.Error(err)
							}
						}
						continue
					}
					l.Record(event(id).Append(nil))
				}
			})
		}
		wg.Wait()
		got := ids(t, l, trail.Query{})
		slices.Sort(got)
		if n := len(slices.Compact(got)); len(got) != 400 || n != 400 {
			t.Errorf("%d events, %d different ones, want 400", len(got), n)
		}
	})
}

var errDisk = errors.New("no space left on device")

// TestDiskRefuses: while the disk refuses writes events are held up to the bound, what does not fit is counted, and all that
// was held is written when the disk works again. Append fails and leaves nothing half-written.
func TestDiskRefuses(t *testing.T) {
	for _, op := range []string{"write", "sync", "create"} {
		t.Run(op, func(t *testing.T) {
			var dropped atomic.Int64
			disk := new(trail.FaultyDisk)
			dir := t.TempDir()
			l, err := trail.OpenFaulty(trail.Config{
				Dir: dir, BufferBytes: 2000, FlushEvery: time.Hour, FileBytes: 1000,
				Dropped: func(n int) { dropped.Add(int64(n)) },
			}, disk)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Append(encoded("before")); err != nil {
				t.Fatal(err)
			}
			disk.SetFails(func(o string, n int) (int, error) {
				if o == op {
					return n / 2, errDisk
				}
				return n, nil
			})
			if op != "create" { // the first file has room for one more
				if err := l.Append(encoded("refused")); !errors.Is(err, errDisk) {
					t.Fatalf("Append = %v", err)
				}
			}
			for i := range 20 {
				l.Record(event(fmt.Sprint("held", i)).Append(nil))
			}
			if err := l.Flush(); !errors.Is(err, errDisk) {
				t.Fatalf("Flush = %v", err)
			}
			lost := dropped.Load()
			if lost == 0 || lost == 20 {
				t.Errorf("%d of 20 dropped, want some", lost)
			}
			disk.SetFails(nil)
			l.Record(event("after").Append(nil))
			if err := l.Append(encoded("last")); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			got := ids(t, open(t, trail.Config{Dir: dir}), trail.Query{})
			if slices.Contains(got, "refused") {
				t.Errorf("a refused record is in the log: %v", got)
			}
			held := 0
			for _, id := range got {
				if strings.HasPrefix(id, "held") {
					if id != fmt.Sprint("held", held) {
						t.Errorf("out of order: %v", got)
					}
					held++
				}
			}
			if int64(held) != 20-lost {
				t.Errorf("%d held events written, %d dropped", held, lost)
			}
			if !slices.Contains(got, "before") || !slices.Contains(got, "last") {
				t.Errorf("missing: %v", got)
			}
		})
	}
}

// TestDiskRefusesToCut: when even cutting back fails, readers of this process do not see the half-written part, and after a
// restart the rest of the log is as it was.
func TestDiskRefusesToCut(t *testing.T) {
	disk := new(trail.FaultyDisk)
	dir := t.TempDir()
	l, err := trail.OpenFaulty(trail.Config{Dir: dir}, disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(encoded("a")); err != nil {
		t.Fatal(err)
	}
	disk.SetFails(func(op string, n int) (int, error) {
		if op == "write" || op == "truncate" {
			return n / 2, errDisk
		}
		return n, nil
	})
	if err := l.Append(encoded("half")); !errors.Is(err, errDisk) {
		t.Fatalf("Append = %v", err)
	}
	disk.SetFails(nil)
	if err := l.Append(encoded("b")); err != nil {
		t.Fatal(err)
	}
	want(t, "before the restart", ids(t, l, trail.Query{}), "a", "b")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, "after the restart", ids(t, open(t, trail.Config{Dir: dir}), trail.Query{}), "a", "b")
}

// TestOtherFilesAreLeftAlone: the directory may hold what is not the log's.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "events-1.jsonl", "events-00000000000000000007.jsonl.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, trail.Config{Dir: dir, FileBytes: 1000, TotalBytes: 2000})
	for i := range 20 {
		if err := l.Append(encoded(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"notes.txt", "events-1.jsonl", "events-00000000000000000007.jsonl.gz"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "mine\n" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	l, err := trail.Open(trail.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	e := samples()["assume-role"]
	b.ReportAllocs()
	for b.Loop() {
		l.Record(e.Append(nil))
	}
}
