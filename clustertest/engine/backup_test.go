package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/integrity"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/bolt"
)

// content is all that is in a store but for what a restore left.
func content(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	all := make(map[string]string)
	if err := s.View(t.Context(), func(r store.Reader) error {
		for e, err := range r.Range(nil) {
			if err != nil {
				return err
			}
			all[keyenc.Print(e.Key)] = string(e.Value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	delete(all, keyenc.Print(entity.SystemKey(entity.SysIncarnation)))
	return all
}

func update(t *testing.T, s store.Store, fn func(store.Txn)) store.Revision {
	t.Helper()
	rev, err := s.Update(context.Background(), func(tx store.Txn) error { fn(tx); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func restore(t *testing.T, a *backup.Archive, s store.Store, id string, overwrite bool) {
	t.Helper()
	if err := errors.Join(a.Mark(t.Context(), s, id, overwrite, time.Now()), a.Restore(t.Context(), backup.Restoration{Store: s, ID: id})); err != nil {
		t.Fatal(err)
	}
}

// TestBoltToClusterAndBack restores a backup of a bolt store into etcd, takes backups there under load, and restores one into bolt.
func TestBoltToClusterAndBack(t *testing.T) {
	const fixture = "../../internal/node/testdata/format-1"
	text, err := os.ReadFile(fixture + ".master")
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(string(text))
	if err != nil {
		t.Fatal(err)
	}
	a, file, err := backup.OpenFile(fixture+".backup", &master)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	onBolt := func() store.Store {
		s, err := bolt.Open(filepath.Join(t.TempDir(), "store"), bolt.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	first := onBolt()
	restore(t, a, first, "1", false)
	cluster := fresh(t)
	restore(t, a, cluster, "2", false)
	if !maps.Equal(content(t, first), content(t, cluster)) {
		t.Error("the cluster has other records than bolt")
	}
	if err := cluster.View(t.Context(), func(r store.Reader) error {
		_, err := integrity.Check(r, func(p integrity.Problem) { t.Errorf("%s: %s", p.Key, p.Text) })
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.Mark(t.Context(), cluster, "3", false, time.Now()); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("over a store that is there: %v", err)
	}

	// One writer: the state at each revision is known. Large enough for several pages of a read.
	large := strings.Repeat("x", 3000)
	for i := range 30 {
		update(t, cluster, func(tx store.Txn) {
			for j := range 100 {
				tx.Put(entity.KeyUsageKey(fmt.Sprintf("%04d", 100*i+j)), []byte(large))
			}
		})
	}
	base, from := content(t, cluster), must(cluster.Head(t.Context()))
	type write struct {
		at         store.Revision
		key, value string
	}
	var mu sync.Mutex
	var writes []write
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			key, value := entity.KeyUsageKey(fmt.Sprintf("%04d", n*37%3000)), fmt.Sprint(n)
			rev, err := cluster.Update(context.Background(), func(tx store.Txn) error { tx.Put(key, []byte(value)); return nil })
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			writes = append(writes, write{rev, keyenc.Print(key), value})
			mu.Unlock()
		}
	}()
	var taken [][]byte
	for range 5 {
		var b bytes.Buffer
		if _, err := backup.Take(t.Context(), &b, backup.Source{Store: cluster, Master: master, Engine: "etcd", Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		taken = append(taken, b.Bytes())
	}
	close(stop)
	<-ended
	moved := false
	for _, b := range taken {
		a, err := backup.Open(bytes.NewReader(b), &master)
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(base)
		for _, w := range writes {
			if w.at <= store.Revision(a.Revision) {
				want[w.key] = w.value
			}
		}
		moved = moved || store.Revision(a.Revision) > from
		target := onBolt()
		restore(t, a, target, "4", false)
		if !maps.Equal(want, content(t, target)) {
			t.Errorf("revision %d: %d records, want %d", a.Revision, len(content(t, target)), len(want))
		}
	}
	if !moved {
		t.Error("nothing was written meanwhile")
	}

	// Back to the beginning, over what is there; a watch from before goes on and sees it.
	restore(t, a, cluster, "5", true)
	if !maps.Equal(content(t, first), content(t, cluster)) {
		t.Error("the cluster has other records than at first")
	}
	if head := must(cluster.Head(t.Context())); head <= from {
		t.Errorf("the revision went back from %d to %d", from, head)
	}
	seen := false
	for batch, err := range cluster.Watch(t.Context(), entity.SystemPlane, from) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			seen = seen || bytes.Equal(c.Key, entity.SystemKey(entity.SysRestore))
		}
		if seen {
			break
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
