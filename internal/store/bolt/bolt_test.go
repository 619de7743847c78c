package bolt_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
	"github.com/ostiary-iam/ostiary/internal/store/storetest"
	"github.com/ostiary-iam/ostiary/internal/testenv/diskfault"
)

func TestMain(m *testing.M) {
	diskfault.Launcher()
	if path := os.Getenv(diskFile); path != "" {
		os.Exit(diskChild(path))
	}
	if path := os.Getenv(crashFile); path != "" {
		os.Exit(crashChild(path))
	}
	goleak.VerifyTestMain(m)
}

// file is a store that knows its file.
type file struct {
	*bolt.Store
	path string
}

func openFile(t testing.TB, path string, c bolt.Config) *file {
	t.Helper()
	s, err := bolt.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &file{s, path}
}

func open(t testing.TB) store.Store {
	return openFile(t, filepath.Join(t.TempDir(), "store"), bolt.Config{})
}

func reopen(t *testing.T, s store.Store) store.Store {
	t.Helper()
	f := s.(*file)
	if err := f.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return openFile(t, f.path, bolt.Config{})
}

func TestStore(t *testing.T) {
	storetest.Run(t, open, storetest.Options{
		Reopen:  reopen,
		Compact: func(_ *testing.T, s store.Store, upTo store.Revision) { s.(*file).Compact(upTo) },
	})
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, open) }

func put(t *testing.T, s store.Store, key, value string) store.Revision {
	t.Helper()
	r, err := s.Update(t.Context(), func(tx store.Txn) error { tx.Put([]byte(key), []byte(value)); return nil })
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return r
}

func value(t *testing.T, s store.Store, key string) (v string) {
	t.Helper()
	err := s.View(t.Context(), func(r store.Reader) error {
		e, _, err := r.Get([]byte(key))
		v = string(e.Value)
		return err
	})
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	return v
}

func TestLocked(t *testing.T) {
	s := open(t).(*file)
	if _, err := bolt.Open(s.path, bolt.Config{}); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("opening a store twice: %v", err)
	}
	put(t, s, "a", "1") // the attempt did no harm
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openFile(t, s.path, bolt.Config{})
}

func TestFileIsPrivate(t *testing.T) {
	info, err := os.Stat(open(t).(*file).path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode.Perm() != 0o600 {
		t.Errorf("the file's mode is %v", mode)
	}
}

func TestHistoryBeginsAtOpen(t *testing.T) {
	s := open(t)
	first := put(t, s, "a", "1")
	put(t, s, "a", "2")
	s = reopen(t, s)
	for _, err := range s.Watch(t.Context(), nil, first) {
		if !errors.Is(err, store.ErrCompacted) {
			t.Errorf("a watch from before the store was opened: %v", err)
		}
	}
}

// TestFullFile lets a commit fail: the store must go on, with what it had.
func TestFullFile(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "store"), bolt.Config{MaxFileSize: 1 << 20})
	put(t, s, "a", "1")
	before := put(t, s, "b", "1")
	large := make([]byte, 400_000)
	var err error
	last := before
	for i := 0; err == nil && i < 10; i++ {
		before = last
		last, err = s.Update(t.Context(), func(tx store.Txn) error {
			tx.Put([]byte("a"), []byte("changed"))
			tx.Put([]byte{byte(i)}, large)
			return nil
		})
	}
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "largest size") {
		t.Fatalf("an Update that does not fit: %v", err)
	}
	head, err := s.Head(t.Context())
	if err != nil || head < before {
		t.Fatalf("Head is %d (%v)", head, err)
	}
	if after := put(t, s, "b", "2"); after != head+1 {
		t.Errorf("the next revision is %d, want %d", after, head+1)
	}
	again := reopen(t, s)
	if got := value(t, again, "b"); got != "2" {
		t.Errorf("b is %q", got)
	}
}

// TestForeignFiles opens what is not a store of ours. Nothing of it may change.
func TestForeignFiles(t *testing.T) {
	bboltFile := func(fill func(tx *bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(fill), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	marked := func(marker []byte) func(*testing.T, string) {
		return bboltFile(func(tx *bbolt.Tx) error {
			about, err := tx.CreateBucket([]byte("store"))
			if err != nil {
				return err
			}
			if _, err := tx.CreateBucket([]byte("records")); err != nil {
				return err
			}
			return about.Put([]byte("format"), marker)
		})
	}
	text := func(s string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const foreign = "is damaged or is not an Ostiary store"
	tests := []struct {
		name string
		make func(*testing.T, string)
		want string
	}{
		{"newer format", marked([]byte{0, 0, 0, 2}), "has format 2 and this version of Ostiary knows format 1 only"},
		{"format zero", marked([]byte{0, 0, 0, 0}), "has format 0"},
		{"odd marker", marked([]byte("1")), foreign},
		{"no marker", marked(nil), foreign},
		{"other buckets", bboltFile(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }), foreign},
		{"text", text("hello"), foreign},
		{"zeros", text(strings.Repeat("\x00", 1<<16)), foreign},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store")
			tt.make(t, path)
			before, _ := os.ReadFile(path)
			s, err := bolt.Open(path, bolt.Config{})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names the file and says %q", err, tt.want)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := bolt.Open(filepath.Join(t.TempDir(), "no", "store"), bolt.Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its directory: %v", err)
	}
}

// TestEmptyFile is what a crash between making and filling the file leaves.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, openFile(t, path, bolt.Config{}), "a", "1")
}

// TestTruncated cuts the end off a file with data. Every cut that takes a page in use must be refused, without a panic and
// without the signal that the mapped file would give.
func TestTruncated(t *testing.T) {
	for small := range 2 { // the newest meta page is the first one, or the second
		whole := storeFile(t, small)
		used := pagesInUse(t, whole) * os.Getpagesize()
		t.Run(strconv.Itoa(small), func(t *testing.T) { testTruncated(t, whole, used) })
	}
}

func testTruncated(t *testing.T, whole []byte, used int) {
	page := os.Getpagesize()
	for _, size := range []int{1, 79, page - 1, page, page + 1, 2 * page, 3*page + 100, used / 2, used - page, used - 1} {
		path := filepath.Join(t.TempDir(), "store")
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := bolt.Open(path, bolt.Config{})
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "damaged") || errors.Is(err, store.ErrLocked) {
			t.Errorf("cut to %d of %d bytes: %v", size, used, err)
		}
		// The refusal gave the file free.
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := value(t, openFile(t, path, bolt.Config{}), "00007"); len(got) != 100 {
			t.Errorf("the whole file again: %d bytes", len(got))
		}
	}
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, whole[:used], 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, openFile(t, path, bolt.Config{}), "a", "1") // only free space was lost
}

// TestTornMeta damages each meta page in turn, as a write that a power failure cut would: the other one serves.
func TestTornMeta(t *testing.T) {
	whole := storeFile(t, 0)
	page := os.Getpagesize()
	damaged := func(offsets ...int) string {
		path := filepath.Join(t.TempDir(), "store")
		b := append([]byte(nil), whole...)
		for _, o := range offsets {
			clear(b[o : o+page])
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for n := range 2 {
		s := openFile(t, damaged(n*page), bolt.Config{})
		if got := value(t, s, "00007"); len(got) != 100 {
			t.Errorf("without meta page %d: %d bytes", n, len(got))
		}
		put(t, s, "a", "1")
	}
	if _, err := bolt.Open(damaged(0, page), bolt.Config{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("without both meta pages: %v", err)
	}
}

// storeFile returns the bytes of a store with a number of small Updates and then five larger ones, of a hundred records
// "00000"… of 100 bytes each.
func storeFile(t *testing.T, small int) []byte {
	t.Helper()
	s := open(t).(*file)
	for range small {
		put(t, s, "a", "1")
	}
	for batch := range 5 {
		_, err := s.Update(t.Context(), func(tx store.Txn) error {
			for i := range 100 {
				tx.Put([]byte{'0', '0', byte('0' + batch), byte('0' + i/10), byte('0' + i%10)}, make([]byte, 100))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pagesInUse reads bbolt's high-water mark, the larger one of both meta pages.
func pagesInUse(t *testing.T, b []byte) int {
	t.Helper()
	page := os.Getpagesize()
	n := max(binary.NativeEndian.Uint64(b[16+40:]), binary.NativeEndian.Uint64(b[page+16+40:]))
	if n < 10 || int(n)*page > len(b) {
		t.Fatalf("%d pages in use in %d bytes", n, len(b))
	}
	return int(n)
}
