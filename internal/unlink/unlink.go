// Package unlink deletes service-linked roles: it works on the tasks that DeleteServiceLinkedRole submits, beside requests.
//
// A task is a record (entity.RoleDeletion) that anybody may look at: NOT_STARTED until somebody works on it, IN_PROGRESS while
// the role's service is asked what uses the role, then SUCCEEDED, with the role gone in the same transaction, or FAILED with what
// is in the way. Nothing about a task is kept in memory only: a node that starts, and every node from time to time, sweeps for
// tasks that are not at their end and works on them again. Two nodes may work on the same task; one of them ends it.
//
// Services say through the port [Service] what uses their roles. A service of which nothing runs here uses none. Sessions are
// in the way too (S2-258): a role that was used within the longest life of its sessions may have one.
//
// The end of a task leaves an event of the kind AwsServiceEvent: who asked for it was recorded when the task was submitted.
package unlink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// Service is a service that has a service-linked role.
type Service interface {
	// RoleUses says what of the service uses its role in an account, by region; nothing where the role may go. The service
	// may leave out some of it (S2-259). A service that makes a resource checks in its own transaction that the role is still
	// there. An error fails the task: whoever asked may ask again.
	RoleUses(ctx context.Context, account, roleName string) ([]entity.RoleUsage, error)
}

// Usage answers when a role was last used.
type Usage interface {
	LastRole(ctx context.Context, account, roleID string) (u entity.Usage, ok bool, err error)
}

// DefaultInterval is the time between two sweeps.
const DefaultInterval = 30 * time.Second

// Config is what a Deleter needs. Directory, Snapshots and Usage are required.
type Config struct {
	Directory *directory.Directory
	Snapshots *snapshot.Follower
	Usage     Usage
	Services  map[string]Service // by service principal; nil means that no service uses roles
	Region    string             // of events; empty means us-east-1
	Interval  time.Duration      // between sweeps; zero means DefaultInterval
	Now       func() time.Time   // nil means time.Now
	Rand      io.Reader          // for IDs of events; nil means crypto/rand
	Log       *slog.Logger       // nil logs nothing
}

// Deleter works on tasks. Its methods are safe for concurrent use; Run is called once.
type Deleter struct {
	Config
	submitted chan task
}

type task struct{ account, id string }

// New returns a Deleter. It does nothing before Run.
func New(c Config) *Deleter {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Deleter{Config: c, submitted: make(chan task, 64)}
}

// Submitted says that a task was committed. It does not block: a task that does not fit is found by the next sweep.
func (d *Deleter) Submitted(account, id string) {
	select {
	case d.submitted <- task{account, id}:
	default:
	}
}

// Run works on tasks until ctx ends, whose error it returns.
func (d *Deleter) Run(ctx context.Context) error {
	tick := time.NewTicker(d.Interval)
	defer tick.Stop()
	if err := d.Sweep(ctx); err != nil {
		d.Log.Error("sweeping for deletions of service-linked roles", "error", err)
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t := <-d.submitted:
			err = d.work(ctx, t)
		case <-tick.C:
			err = d.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			d.Log.Error("deleting a service-linked role", "error", err)
		}
	}
}

// Sweep works on every task that is not at its end, and returns the first error after it has tried them all.
func (d *Deleter) Sweep(ctx context.Context) error {
	var first error
	for account := range d.Snapshots.Current().Accounts("") {
		for t := range snapshot.Items[*entity.RoleDeletion](account, "") {
			if t.Record.Done() {
				continue
			}
			if err := d.work(ctx, task{account.ID, t.Record.ID}); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// work takes one task to its end. An error leaves it for the next sweep.
func (d *Deleter) work(ctx context.Context, t task) error {
	record, err := d.Directory.StartRoleDeletion(ctx, t.account, t.id)
	if err != nil || record == nil {
		return err
	}
	reason, uses, err := d.inTheWay(ctx, record)
	if err != nil {
		return err
	}
	ch := &change{d: d, id: trail.NewID(d.Rand), requestID: trail.NewID(d.Rand)}
	_, _, err = directory.Commit(ctx, d.Directory, ch, func(tx *directory.Tx) (*entity.RoleDeletion, error) {
		return tx.FinishRoleDeletion(t.account, t.id, reason, uses)
	})
	if fault.KindOf(err) == fault.NotFound {
		return nil // another node was faster
	}
	return err
}

// inTheWay returns why a role cannot go, and what uses it; an empty reason where it can.
func (d *Deleter) inTheWay(ctx context.Context, t *entity.RoleDeletion) (reason string, uses []entity.RoleUsage, err error) {
	if s := d.Services[t.Service]; s != nil {
		uses, err := s.RoleUses(ctx, t.Account, t.RoleName)
		switch {
		case ctx.Err() != nil:
			return "", nil, ctx.Err()
		case err != nil:
			d.Log.Error("asking what uses a service-linked role", "service", t.Service, "account", t.Account, "error", err)
			return "The service " + t.Service + " could not say whether the role is in use. Submit the deletion again.", nil, nil
		case len(uses) > 0:
			return "The role is used by resources of the service " + t.Service + ". Delete these resources before you delete the role.", uses, nil
		}
	}
	u, ok, err := d.Usage.LastRole(ctx, t.Account, t.RoleID)
	if err != nil {
		return "", nil, fault.Wrap(err, "reading a role's last use")
	}
	// The sessions of a service-linked role last an hour at most: nobody can change that.
	if ok && d.Now().Sub(u.At) < time.Hour {
		return "The role may have active sessions: it was used within the last hour.", []entity.RoleUsage{{Region: u.Region}}, nil
	}
	return "", nil, nil
}

// change is the write that ends a task: it relies on no decision.
type change struct {
	d             *Deleter
	id, requestID string
}

func (*change) Guards() []store.Guard { return nil }

func (c *change) Event(out any) (id string, record []byte, err error) {
	t, ok := out.(*entity.RoleDeletion)
	if !ok {
		return "", nil, fmt.Errorf("unlink: a task that ended as %T", out)
	}
	parameters, err := json.Marshal(struct {
		DeletionTaskID string `json:"deletionTaskId"`
		RoleName       string `json:"roleName"`
	}{t.TaskID(), t.RoleName})
	if err != nil {
		return "", nil, err
	}
	outcome, err := json.Marshal(struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{string(t.Status), t.Reason})
	if err != nil {
		return "", nil, err
	}
	const source = "iam.amazonaws.com"
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: source}, Type: trail.TypeServiceEvent,
		Time: c.d.Now(), Source: source, Name: "DeleteServiceLinkedRole", Region: c.d.Region,
		RequestParameters: parameters, ResponseElements: outcome, RequestID: c.requestID, ID: c.id, Recipient: t.Account,
	}
	return c.id, e.Append(nil), nil
}
