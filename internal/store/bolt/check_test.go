package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
)

// grown makes a file with several levels of pages, large records and free pages.
func grown(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store")
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		if _, err := s.Update(t.Context(), func(tx store.Txn) error {
			for range 100 {
				size := r.IntN(200)
				if r.IntN(300) == 0 {
					size = 20_000
				}
				tx.Put(fmt.Appendf(nil, "key %06d", r.IntN(9000)), make([]byte, size))
			}
			return nil
		}); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	path := grown(t)
	found, err := bolt.Check(path)
	if err != nil || len(found.Problems) > 0 || found.Lost != 0 || found.Pages < 200 {
		t.Fatalf("a good file: %+v, %v", found, err)
	}
	empty := filepath.Join(t.TempDir(), "store")
	s, err := bolt.Open(empty, bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := bolt.Check(empty); err != nil || len(found.Problems) > 0 || found.Lost != 0 {
		t.Errorf("an empty store: %+v, %v", found, err)
	}
	if err := os.WriteFile(empty, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Check(empty); err == nil || !strings.Contains(err.Error(), "is not an Ostiary store") {
		t.Errorf("a foreign file: %v", err)
	}
	if _, err := bolt.Check(empty + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestDamage clears, or fills with noise, one page at a time. Check finds each page that was in use; opening and reading all records
// gives an error or the records, and never a panic.
func TestDamage(t *testing.T) {
	whole, err := os.ReadFile(grown(t))
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	r := rand.New(rand.NewPCG(3, 4))
	missed, refused := 0, 0
	for _, noise := range []bool{false, true} {
		for page := 2; page*size < len(whole) && page < 400; page += 3 {
			b := append([]byte(nil), whole...)
			hit := b[page*size : page*size+64]
			if b[page*size+8] == 0 {
				continue // never used, or the middle of a large record
			}
			for i := range hit {
				hit[i] = 0
				if noise {
					hit[i] = byte(r.Uint32())
				}
			}
			path := filepath.Join(t.TempDir(), "store")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := bolt.Check(path)
			if err != nil {
				t.Fatalf("page %d: %v", page, err)
			}
			readErr := readAll(path)
			if len(found.Problems) == 0 {
				missed++ // a free page
				if readErr != nil {
					t.Errorf("page %d: nothing was found, and reading gives %v", page, readErr)
				}
			}
			if readErr != nil {
				refused++
			}
		}
	}
	if missed > 100 || refused < 20 {
		t.Errorf("%d pages were no loss, %d were noticed", missed, refused)
	}
}

// readAll opens a store and reads every record, by range and by key.
func readAll(path string) error {
	s, err := bolt.Open(path, bolt.Config{})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.View(context.Background(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			if _, _, err := r.Get(e.Key); err != nil {
				return err
			}
		}
		return nil
	})
}
