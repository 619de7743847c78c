package directory

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// NewServiceLinkedRole is a service-linked role to be made; what is in it is its service's choice.
type NewServiceLinkedRole struct {
	Service     string // the service principal
	Name        string
	Description string
	Trust       string
	PolicyARN   string // of the AWS managed policy that it carries
}

// CreateServiceLinkedRole makes the role that a service needs, with the permissions that the service wants (S2-243, S2-244). It
// may pass the quota of roles (S2-253).
func (tx *Tx) CreateServiceLinkedRole(account string, n NewServiceLinkedRole) (r *entity.Role, err error) {
	defer tx.note(&err)
	taken, err := tx.named(account, entity.KindRole, n.Name)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, fault.New(fault.InvalidInput, "Service role name %s has been taken in this account, please try a different suffix.", n.Name)
	}
	id, ok := tx.d.managed.ByARN(n.PolicyARN)
	if !ok {
		return nil, fmt.Errorf("directory: there is no policy %s for the service-linked role %s", n.PolicyARN, n.Name)
	}
	r, err = tx.CreateRole(account, NewRole{
		Name: n.Name, Path: serviceLinkedPath + n.Service + "/", Description: n.Description, Trust: n.Trust, ServiceLinked: n.Service,
	})
	if err != nil {
		return nil, err
	}
	r.Attached = append(r.Attached, id)
	tx.put(entity.RoleKey(account, r.ID), r)
	return r, nil
}

// SubmitRoleDeletion makes the task to delete a service-linked role and returns it; the role stays until the task succeeds. While
// a task for the role is under way, that one is returned (S2-256). Other roles are not found here.
func (tx *Tx) SubmitRoleDeletion(account, name string) (d *entity.RoleDeletion, err error) {
	defer tx.note(&err)
	r, err := tx.role(account, name)
	if err != nil {
		return nil, err
	}
	if r.ServiceLinked == "" {
		return nil, notFound(entity.KindRole, name)
	}
	d = &entity.RoleDeletion{Account: account, Service: r.ServiceLinked, RoleName: r.Name, RoleID: r.ID, CreatedAt: tx.now, Status: entity.DeletionNotStarted}
	last, err := item[entity.RoleDeletion](tx, account, d.Place().Name)
	if err != nil {
		return nil, err
	}
	if last != nil {
		if !last.Done() {
			return last, nil
		}
		if err := tx.dropItem(last); err != nil {
			return nil, err
		}
	}
	if d.ID, err = tx.newUUID(); err != nil {
		return nil, err
	}
	return d, tx.addItem(nil, d, "")
}

// newUUID returns a random UUID (RFC 9562, version 4).
func (tx *Tx) newUUID() (string, error) {
	source := tx.d.rand
	if source == nil {
		source = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(source, b[:]); err != nil {
		return "", fault.Wrap(err, "making a UUID")
	}
	b[6], b[8] = b[6]&0x0F|0x40, b[8]&0x3F|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// StartRoleDeletion notes that somebody works on a task. It is no change of the identity plane that anybody asked for, and so
// has no event; the task's end has. A task that is gone or at its end is nil.
func (d *Directory) StartRoleDeletion(ctx context.Context, account, id string) (task *entity.RoleDeletion, err error) {
	_, err = d.store.Update(ctx, func(txn store.Txn) error {
		tx := d.begin(txn)
		var err error
		task, err = read[entity.RoleDeletion](tx, entity.ItemKey(account, entity.KindRoleDeletion, id))
		if err != nil || task == nil {
			return err
		}
		if task.Done() {
			task = nil
			return nil
		}
		if task.Status != entity.DeletionInProgress {
			task.Status = entity.DeletionInProgress
			tx.putItem(task)
		}
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	return task, nil
}

// FinishRoleDeletion ends a task: without a reason the role goes and the task has succeeded, with one it has failed and the role
// stays. A task that is at its end already stays as it is: another node was faster.
func (tx *Tx) FinishRoleDeletion(account, id, reason string, uses []entity.RoleUsage) (task *entity.RoleDeletion, err error) {
	defer tx.note(&err)
	task, err = read[entity.RoleDeletion](tx, entity.ItemKey(account, entity.KindRoleDeletion, id))
	if err != nil {
		return nil, err
	}
	if task == nil || task.Done() {
		return nil, fault.New(fault.NotFound, "The deletion task %s is not under way.", id)
	}
	task.DoneAt, task.Status, task.Reason, task.Uses = tx.now, entity.DeletionFailed, reason, slices.Clone(uses)
	if reason == "" {
		task.Status = entity.DeletionSucceeded
		r, err := must[entity.Role](tx, entity.RoleKey(account, task.RoleID))
		if err != nil {
			return nil, err
		}
		if err := tx.dropRole(r); err != nil {
			return nil, err
		}
	}
	tx.putItem(task)
	return task, nil
}
