package bolt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// These tests reach inside: no test can make the system fail to sync one page.

func openForTest(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func putOne(ctx context.Context, s *Store) (store.Revision, error) {
	return s.Update(ctx, func(tx store.Txn) error { tx.Put([]byte("a"), []byte("1")); return nil })
}

// TestUnknownOutcome has a commit fail after it became visible in the file, which cannot be opened anew for a while.
func TestUnknownOutcome(t *testing.T) {
	s := openForTest(t)
	away := s.path + ".away"
	if err := os.Rename(s.path, away); err != nil {
		t.Fatal(err)
	}
	r, err := putOne(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	s.durable.Store(int64(r) - 1) // as before publish
	err = s.commitFailed(io.ErrUnexpectedEOF)
	if !errors.Is(err, store.ErrUnknownOutcome) || errors.Is(err, store.ErrUnavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its members get %v", err)
	}
	if _, err := putOne(t.Context(), s); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknownOutcome) {
		t.Errorf("a later Update: %v", err)
	}
	if err := s.View(t.Context(), func(store.Reader) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("View: %v", err)
	}
	if _, err := s.Head(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Head: %v", err)
	}
	for _, err := range s.Watch(t.Context(), nil, r) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Watch: %v", err)
		}
	}
	// An empty file in its place is not taken for the store, nor filled.
	if err := os.WriteFile(s.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.reopen() {
		t.Error("an empty file was opened")
	}
	if info, err := os.Stat(s.path); err != nil || info.Size() != 0 {
		t.Errorf("the empty file: %v, %v", info, err)
	}
	if err := os.Rename(away, s.path); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the file is opened anew", func() error {
		return s.View(t.Context(), func(store.Reader) error { return nil })
	})
	if again, err := putOne(t.Context(), s); err != nil || again != r+1 {
		t.Errorf("an Update afterwards: %d, %v", again, err)
	}
	for _, err := range s.Watch(t.Context(), nil, r-1) {
		if !errors.Is(err, store.ErrCompacted) {
			t.Errorf("a watch from before: %v", err)
		}
	}
}

// TestKnownFailure has a commit fail before it became visible.
func TestKnownFailure(t *testing.T) {
	s := openForTest(t)
	r, err := putOne(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.commitFailed(io.ErrShortWrite); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknownOutcome) {
		t.Errorf("its members get %v", err)
	}
	if again, err := putOne(t.Context(), s); err != nil || again != r+1 {
		t.Errorf("a later Update: %d, %v", again, err)
	}
}

// TestViewWaitsForDisk opens a view in the moment between a commit's becoming visible and its being on disk.
func TestViewWaitsForDisk(t *testing.T) {
	s := openForTest(t)
	r, err := putOne(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s.durable.Store(int64(r) - 1)
		done := make(chan error, 1)
		go func() { done <- s.awaitDurable(r) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("a view was let in early (%v)", err)
		default:
		}
		s.publish(&group{revision: r})
		if err := <-done; err != nil {
			t.Errorf("awaiting: %v", err)
		}
	})
}
