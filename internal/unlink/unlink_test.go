package unlink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/mem"
	"github.com/ostiary-iam/ostiary/internal/unlink"
)

const (
	account = "111111111111"
	linked  = "arn:aws:iam::aws:policy/aws-service-role/XPolicy"
	service = "x.amazonaws.com"
	trust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"x.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

type managed struct{}

func (managed) ByARN(arn string) (string, bool) { return "ANPAIX", arn == linked }

// world is a store with an account that has the role X, and a follower.
type world struct {
	t        *testing.T
	store    *mem.Store
	dir      *directory.Directory
	follower *snapshot.Follower
	changes  atomic.Int64
}

type change struct{ id string }

func (change) Guards() []store.Guard               { return nil }
func (c change) Event(any) (string, []byte, error) { return c.id, []byte("{}"), nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	ring, err := seal.NewRing("test", time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: mem.Open(mem.Config{})}
	t.Cleanup(func() { _ = w.store.Close() })
	w.dir = directory.New(directory.Config{Store: w.store, Ring: ring, Managed: managed{}})
	w.follower = snapshot.New(snapshot.Config{Store: w.store})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.follower.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-ended })
	w.make(func(tx *directory.Tx) error {
		_, _, err := tx.CreateAccount(directory.NewAccount{ID: account})
		return err
	})
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateServiceLinkedRole(account, directory.NewServiceLinkedRole{Service: service, Name: "X", Trust: trust, PolicyARN: linked})
		return err
	})
	return w
}

func (w *world) make(fn func(*directory.Tx) error) {
	w.t.Helper()
	_, rev, err := directory.Commit(w.t.Context(), w.dir, change{fmt.Sprint("test-", w.changes.Add(1))},
		func(tx *directory.Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	if err == nil {
		_, err = w.follower.Wait(w.t.Context(), rev)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// submit makes a task and returns its ID.
func (w *world) submit() (id string) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		task, err := tx.SubmitRoleDeletion(account, "X")
		if err == nil {
			id = task.ID
		}
		return err
	})
	return id
}

// task waits for the snapshot and returns the task, and whether the role is there.
func (w *world) task(id string) (*entity.RoleDeletion, bool) {
	w.t.Helper()
	head, err := w.store.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.follower.Wait(w.t.Context(), head)
	if err != nil {
		w.t.Fatal(err)
	}
	a, _ := s.Account(account)
	it, ok := snapshot.ItemByID[*entity.RoleDeletion](a, id)
	if !ok {
		w.t.Fatalf("there is no task %s", id)
	}
	_, there := a.Role("X")
	return it.Record, there
}

// uses answers as a service, after it was asked and told to go on.
type uses struct {
	asked, goOn chan struct{}
	answer      []entity.RoleUsage
}

func (u *uses) RoleUses(ctx context.Context, acct, role string) ([]entity.RoleUsage, error) {
	if acct != account || role != "X" {
		return nil, fmt.Errorf("asked about %s in %s", role, acct)
	}
	select {
	case u.asked <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-u.goOn:
		return u.answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// last is a role's last use.
type last struct{ at time.Time }

func (l last) LastRole(context.Context, string, string) (entity.Usage, bool, error) {
	return entity.Usage{At: l.at, Region: "eu-west-1"}, !l.at.IsZero(), nil
}

// A task that was under way when a node stopped is seen in progress, and the next node takes it to its end.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	id := w.submit()
	u := &uses{asked: make(chan struct{}), goOn: make(chan struct{})}
	config := unlink.Config{Directory: w.dir, Snapshots: w.follower, Usage: last{}, Services: map[string]unlink.Service{service: u}}
	start := func() (stop func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- unlink.New(config).Run(ctx) }()
		return func() error { cancel(); return <-ended }
	}
	stop := start()
	<-u.asked
	if task, there := w.task(id); task.Status != entity.DeletionInProgress || !there {
		t.Errorf("while the service is asked: %+v, the role is there: %v", task, there)
	}
	if err := stop(); err != context.Canceled {
		t.Errorf("Run returned %v", err)
	}
	if task, there := w.task(id); task.Status != entity.DeletionInProgress || !there {
		t.Errorf("after the node stopped: %+v, the role is there: %v", task, there)
	}
	stop = start()
	<-u.asked
	u.goOn <- struct{}{}
	w.await(id)
	if task, there := w.task(id); task.Status != entity.DeletionSucceeded || there {
		t.Errorf("in the end: %+v, the role is there: %v", task, there)
	}
	_ = stop()
}

// await waits until a task is at its end: each write after it wakes the follower.
func (w *world) await(id string) {
	w.t.Helper()
	for rev := store.Revision(0); ; {
		s, err := w.follower.Wait(w.t.Context(), rev)
		if err != nil {
			w.t.Fatal(err)
		}
		a, _ := s.Account(account)
		if it, ok := snapshot.ItemByID[*entity.RoleDeletion](a, id); ok && it.Record.Done() {
			return
		}
		rev = s.Revision() + 1
	}
}

// Submitted has a task worked on without a sweep, and its end leaves an event of its own kind.
func TestSubmitted(t *testing.T) {
	w := newWorld(t)
	u := &uses{asked: make(chan struct{}), goOn: make(chan struct{}), answer: []entity.RoleUsage{{Region: "us-east-1", Resources: []string{"arn:aws:x:us-east-1:1:y"}}}}
	d := unlink.New(unlink.Config{Directory: w.dir, Snapshots: w.follower, Usage: last{}, Services: map[string]unlink.Service{service: u}, Interval: time.Hour})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = d.Run(ctx) }()
	id := w.submit()
	d.Submitted(account, id)
	<-u.asked
	u.goOn <- struct{}{}
	w.await(id)
	stop()
	<-ended
	task, there := w.task(id)
	if task.Status != entity.DeletionFailed || !there || len(task.Uses) != 1 || task.Reason == "" || task.DoneAt.IsZero() {
		t.Errorf("%+v, the role is there: %v", task, there)
	}
	var found int
	err := w.store.View(t.Context(), func(r store.Reader) error {
		for e, err := range r.Range(entity.OutboxPlane) {
			if err != nil {
				return err
			}
			var event struct {
				Type       string `json:"eventType"`
				Name       string `json:"eventName"`
				Recipient  string `json:"recipientAccountId"`
				Parameters struct{ DeletionTaskID string }
				Response   struct{ Status, Reason string } `json:"responseElements"`
			}
			if err := json.Unmarshal(e.Value, &event); err != nil {
				return err
			}
			if event.Type == "AwsServiceEvent" {
				found++
				if event.Name != "DeleteServiceLinkedRole" || event.Recipient != account || event.Response.Status != "FAILED" || event.Response.Reason != task.Reason {
					t.Errorf("the event is %s", e.Value)
				}
			}
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%d events of the task's end, %v", found, err)
	}
}

// A role that was used within the hour may have a session; one whose service runs nothing here has no other use.
func TestSessionsAreInTheWay(t *testing.T) {
	for _, tt := range []struct {
		ago  time.Duration
		want entity.DeletionStatus
	}{{59 * time.Minute, entity.DeletionFailed}, {time.Hour, entity.DeletionSucceeded}} {
		w := newWorld(t)
		id := w.submit()
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		d := unlink.New(unlink.Config{Directory: w.dir, Snapshots: w.follower, Usage: last{now.Add(-tt.ago)}, Now: func() time.Time { return now }})
		if err := d.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if task, there := w.task(id); task.Status != tt.want || there != (tt.want == entity.DeletionFailed) {
			t.Errorf("used %s ago: %+v, the role is there: %v", tt.ago, task, there)
		}
	}
}

// Tasks that do not fit into the queue wait for the sweep, and two that work on the same task do it once.
func TestManySubmittedAndTwoNodes(t *testing.T) {
	w := newWorld(t)
	id := w.submit()
	a := unlink.New(unlink.Config{Directory: w.dir, Snapshots: w.follower, Usage: last{}})
	b := unlink.New(unlink.Config{Directory: w.dir, Snapshots: w.follower, Usage: last{}})
	for range 1000 {
		a.Submitted(account, id)
	}
	errs := make(chan error, 2)
	for _, d := range []*unlink.Deleter{a, b} {
		go func() { errs <- d.Sweep(t.Context()) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if task, there := w.task(id); task.Status != entity.DeletionSucceeded || there {
		t.Errorf("%+v, the role is there: %v", task, there)
	}
}
