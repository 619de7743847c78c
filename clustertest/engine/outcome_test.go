package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/clustertest/embedded"
	"github.com/ostiary-iam/ostiary/clustertest/severed"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/etcd"
)

func put(ctx context.Context, s store.Store, key string) (store.Revision, error) {
	return s.Update(ctx, func(tx store.Txn) error { tx.Put([]byte(key), []byte("1")); return nil })
}

func has(t *testing.T, s store.Store, key string) (ok bool) {
	t.Helper()
	if err := s.View(t.Context(), func(r store.Reader) (err error) { _, ok, err = r.Get([]byte(key)); return err }); err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestUnknownOutcome: a commit whose answer is lost says that nobody knows, whether it happened or not, and reads say that they
// were not answered; the store comes back by itself.
func TestUnknownOutcome(t *testing.T) {
	address := embedded.Start(t, embedded.Options{})
	wire := severed.New(t, address)
	s := open(t, etcd.Config{Endpoints: []string{wire.Addr()}, Timeout: 500 * time.Millisecond, CompactEvery: -1})
	direct := open(t, etcd.Config{Endpoints: []string{address}, CompactEvery: -1})
	if _, err := put(t.Context(), s, "before"); err != nil {
		t.Fatal(err)
	}

	wire.Mute(true)
	if _, err := put(t.Context(), s, "unheard"); !errors.Is(err, store.ErrUnknownOutcome) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a commit without an answer: %v", err)
	}
	if !has(t, direct, "unheard") {
		t.Error("the commit did not arrive: the test shows nothing")
	}
	wire.Mute(false)
	wire.Cut(true)
	if _, err := put(t.Context(), s, "cut"); !errors.Is(err, store.ErrUnknownOutcome) && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a commit without a connection: %v", err)
	}
	if _, err := s.Update(t.Context(), func(tx store.Txn) error { _, _, err := tx.Get([]byte("a")); return err }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an Update that cannot read: %v", err)
	}
	if err := s.View(t.Context(), func(r store.Reader) error { r.Revision(); return nil }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a View that cannot read: %v", err)
	}
	if _, err := s.Head(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Head: %v", err)
	}
	wire.Cut(false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := put(ctx, s, "after")
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the store does not come back: %v", err)
		}
	}
}

// TestSilenceIsNoProof: a watch that is cut off gives no notice that is not proven, and goes on where it was afterwards.
func TestSilenceIsNoProof(t *testing.T) {
	address := embedded.Start(t, embedded.Options{})
	wire := severed.New(t, address)
	s := open(t, etcd.Config{Endpoints: []string{wire.Addr()}, Timeout: 500 * time.Millisecond, CompactEvery: -1})
	direct := open(t, etcd.Config{Endpoints: []string{address}, CompactEvery: -1})
	head, err := put(t.Context(), s, "mine/0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	batches := make(chan store.Batch)
	ended := make(chan error, 1)
	go func() {
		for at := head; ; {
			var last error
			for b, err := range s.Watch(ctx, []byte("mine/"), at) {
				if last = err; err != nil {
					break
				}
				at = b.Revision
				select {
				case batches <- b:
				case <-ctx.Done():
				}
			}
			if !errors.Is(last, store.ErrLost) {
				ended <- last
				return
			}
		}
	}()
	<-batches // it has caught up
	wire.Cut(true)
	missed, err := put(ctx, direct, "mine/1")
	if err != nil {
		t.Fatal(err)
	}
	// A proof from before the cut is good for an interval.
	grace := time.After(2 * store.ProgressInterval)
	for graceful := true; graceful; {
		select {
		case b := <-batches:
			if b.Revision >= missed {
				t.Fatalf("a watch that is cut off reached %d", b.Revision)
			}
		case <-grace:
			graceful = false
		}
	}
	select {
	case b := <-batches:
		t.Errorf("a watch that is cut off says %+v", b)
	case <-time.After(2 * store.ProgressInterval):
	}
	wire.Cut(false)
	for b := range batches {
		if b.Revision > missed {
			t.Fatalf("the watch has lost revision %d and is at %d", missed, b.Revision)
		}
		if b.Revision == missed {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// TestCompactions: of two stores on one prefix one gives up history that is older than the interval.
func TestCompactions(t *testing.T) {
	address := embedded.Start(t, embedded.Options{})
	c := etcd.Config{Endpoints: []string{address}, CompactEvery: 50 * time.Millisecond}
	a, b := open(t, c), open(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	first, err := put(ctx, a, "x")
	if err != nil {
		t.Fatal(err)
	}
	for gone := false; !gone; {
		if _, err := put(ctx, b, "x"); err != nil {
			t.Fatal(err)
		}
		for _, err := range a.Watch(ctx, []byte("x"), first) {
			gone = errors.Is(err, store.ErrCompacted)
			break
		}
		if ctx.Err() != nil {
			t.Fatal("history stays")
		}
	}
}

// TestPrefixes: installations that share an etcd do not see each other.
func TestPrefixes(t *testing.T) {
	address := embedded.Start(t, embedded.Options{})
	a := open(t, etcd.Config{Endpoints: []string{address}, Prefix: "one", CompactEvery: -1})
	b := open(t, etcd.Config{Endpoints: []string{address}, Prefix: "one/two", CompactEvery: -1})
	if _, err := put(t.Context(), a, "k"); err != nil {
		t.Fatal(err)
	}
	if !has(t, a, "k") || has(t, b, "k") {
		t.Error("a record is not where it was put, or elsewhere too")
	}
	if _, err := etcd.Open(t.Context(), etcd.Config{Endpoints: []string{address}, Prefix: "a-prefix-that-is-longer-than-it-may-be"}); err == nil {
		t.Error("a long prefix is taken")
	}
}
