package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ostiary-iam/ostiary/internal/backup"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyring"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// operatorEvent makes the record of something that the operator, or the installation by itself, did to the installation as a whole,
// and its key in the outbox.
func (c *Config) operatorEvent(name string, parameters any) (key, record []byte, err error) {
	in, err := json.Marshal(parameters)
	if err != nil {
		return nil, nil, err
	}
	now, id := c.Now(), trail.NewID(c.Rand)
	e := trail.Event{
		Identity: trail.Identity{Type: trail.TypeAWSService, InvokedBy: operatorSource},
		Time:     now, Source: operatorSource, Name: name, Region: c.Region, RequestParameters: in, RequestID: trail.NewID(c.Rand), ID: id,
	}
	return entity.OutboxKey(uint64(now.UnixNano()), id), e.Append(nil), nil
}

// keyEvent is keyring.Config.Event.
func (n *Node) keyEvent(name string, key uint32) (outboxKey, record []byte, err error) {
	return n.cfg.operatorEvent(name, struct {
		Key string `json:"keyId"`
	}{keyName(key)})
}

// keyName is how people see the ID of a key.
func keyName(id uint32) string { return fmt.Sprintf("%08x", id) }

// maintenance is what the operator does to the installation as a whole.
type maintenance struct{ n *Node }

// Backup implements server.Maintenance. The store is read into a file beside it at the disk's speed, and the caller reads the file:
// an engine should not have to keep a state for as long as somebody's network takes.
func (m maintenance) Backup(ctx context.Context) (_ *server.BackupFile, err error) {
	n := m.n
	if !n.system.backup.TryLock() {
		return nil, fault.New(fault.Conflict, "Another backup is being taken.")
	}
	defer n.system.backup.Unlock()
	f, err := os.CreateTemp(n.cfg.Dir, ".backup-*") // mode 0600; in the system's own place where there is no directory
	if err != nil {
		return nil, fault.Wrap(err, "making room for a backup")
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	// Nobody else needs its name. Where an open file cannot be removed it goes at the end.
	early := os.Remove(f.Name())
	sum, err := backup.Take(ctx, f, backup.Source{Store: n.store, Master: n.keys.Master(), Engine: n.cfg.Store, Version: n.cfg.Version, Now: n.cfg.Now()})
	if err != nil {
		return nil, backupError(err)
	}
	if err := n.note(ctx, "CreateBackup", struct {
		Revision int64  `json:"revision"`
		Records  int64  `json:"records"`
		Sum      string `json:"sha256"`
	}{sum.Revision, sum.Records, sum.Sum}); err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fault.Wrap(err, "reading a backup")
	}
	closeFile := f.Close
	if early != nil {
		closeFile = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	}
	return &server.BackupFile{
		Content: f, Close: closeFile, Size: size, Name: "ostiary-" + sum.TakenAt.Format("20060102T150405Z") + ".backup",
		Revision: sum.Revision, Records: sum.Records, Sum: sum.Sum,
	}, nil
}

// backupError gives the kinds by which the operator API tells errors apart.
func backupError(err error) error {
	switch {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrCompacted), errors.Is(err, store.ErrClosed):
		return &fault.Error{Kind: fault.Unavailable, Message: "The store could not be read to its end. Try again.", Cause: err}
	case errors.Is(err, backup.ErrRestoring):
		return &fault.Error{Kind: fault.Conflict, Message: "The store is being restored.", Cause: err}
	}
	return err
}

// note puts an event of the operator's into the outbox.
func (n *Node) note(ctx context.Context, name string, parameters any) error {
	key, record, err := n.cfg.operatorEvent(name, parameters)
	if err != nil {
		return err
	}
	_, err = n.store.Update(ctx, func(tx store.Txn) error {
		tx.Put(key, record)
		return nil
	})
	return fault.Wrap(err, "recording "+name)
}

// Keys implements server.Maintenance.
func (m maintenance) Keys(ctx context.Context) ([]server.RingKey, error) {
	uses, err := m.n.keys.Uses(ctx)
	if err != nil {
		return nil, fault.Wrap(err, "looking at what keys are used for")
	}
	return ringKeys(uses), nil
}

func ringKeys(uses []keyring.Use) []server.RingKey {
	var keys []server.RingKey
	for _, u := range uses {
		k := server.RingKey{ID: keyName(u.ID), CreatedAt: u.Created, Records: u.Records}
		switch {
		case u.Current:
			k.State = "current"
		case u.Waiting:
			k.State = "waiting"
		default:
			k.State, k.KeptUntil = "old", &u.Until
		}
		keys = append(keys, k)
	}
	return keys
}

// RotateKeys implements server.Maintenance.
func (m maintenance) RotateKeys(ctx context.Context) ([]server.RingKey, error) {
	if _, err := m.n.keys.Rotate(ctx); err != nil {
		return nil, err
	}
	return m.Keys(ctx)
}
