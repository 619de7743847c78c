package trail

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Defaults of [MoverConfig] and bounds of one step.
const (
	DefaultLinger = 200 * time.Millisecond

	retryAfter   = time.Second
	maxStepBytes = 4 << 20 // records held in memory in one step; at least one record is moved
)

// MoverConfig connects an outbox with a log. Store and Log must be set.
type MoverConfig struct {
	Store store.Store
	Log   *Log
	// Node is the ID of the node in a cluster, whose part of the outbox is moved; empty means all of it.
	Node string
	// Linger is how long Run waits after the first new record for more to come, so that one deletion serves many. Zero
	// means [DefaultLinger].
	Linger time.Duration
	// Logger is told of failures, which are tried again; nil means no messages.
	Logger *slog.Logger
}

// Mover takes events from the store's outbox plane to the log, in the order of their keys: it appends them, durably, and
// then deletes them, at most [store.MaxOps] in one Update. A value in the outbox is the record as [Event.Append] writes
// it; the last part of its key is the event ID. A failure in any step loses nothing: the step is done again, and what was
// appended already is not appended again.
type Mover struct {
	cfg    MoverConfig
	outbox []byte // the prefix of what is moved

	mu       sync.Mutex
	appended map[string]bool // :: event ID → in the log, and perhaps still in the outbox
	searched bool            // appended knows what a crash or a failed append left in both places
}

// NewMover returns a mover. There must be one for a store, or one for each node of a cluster.
func NewMover(cfg MoverConfig) *Mover {
	if cfg.Linger <= 0 {
		cfg.Linger = DefaultLinger
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	outbox := entity.OutboxPlane
	if cfg.Node != "" {
		outbox = entity.NodeOutbox(cfg.Node)
	}
	return &Mover{cfg: cfg, outbox: outbox, appended: make(map[string]bool)}
}

// Run moves events as they come until ctx ends, and then returns nil; it returns an error only when the store is closed.
// What is committed after its last look stays in the outbox: see [Mover.Drain].
func (m *Mover) Run(ctx context.Context) error {
	for {
		seen, err := m.drain(ctx)
		if err == nil {
			err = m.await(ctx, seen)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrClosed):
			return fault.Wrap(err, "moving events to the trail")
		case err == nil:
			continue
		case !errors.Is(err, store.ErrCompacted) && !errors.Is(err, store.ErrLost): // those two are part of watching
			m.cfg.Logger.Error("trail: events stay in the outbox", "error", err)
		}
		pause(ctx, retryAfter)
	}
}

// Drain moves every event that was committed before the call.
func (m *Mover) Drain(ctx context.Context) error {
	_, err := m.drain(ctx)
	return fault.Wrap(err, "moving events to the trail")
}

// maxBacklog is how far Backlog counts.
const maxBacklog = 10_000

// Backlog counts the events that are committed and not in the trail yet, up to 10,000, and says when the first of them was committed, as
// whoever committed it had the time.
func (m *Mover) Backlog(ctx context.Context) (events int, oldest time.Time, err error) {
	err = m.cfg.Store.View(ctx, func(r store.Reader) error {
		events = 0
		for e, err := range r.Range(m.outbox) {
			if err != nil {
				return err
			}
			if events++; events == 1 {
				oldest = timeOfKey(e.Key)
			}
			if events == maxBacklog {
				return nil
			}
		}
		return nil
	})
	return events, oldest, fault.Wrap(err, "counting events in the outbox")
}

// timeOfKey returns the time in a key of the outbox; the zero time for a key of another form.
func timeOfKey(key []byte) time.Time {
	if parts, err := keyenc.Decode(key); err == nil && len(parts) >= 3 {
		if nanos, ok := parts[len(parts)-2].(uint64); ok {
			return time.Unix(0, int64(nanos))
		}
	}
	return time.Time{}
}

// await returns nil some time after a record came into the outbox behind revision seen.
func (m *Mover) await(ctx context.Context, seen store.Revision) error {
	for batch, err := range m.cfg.Store.Watch(ctx, m.outbox, seen) {
		if err != nil {
			return err
		}
		for _, c := range batch.Changes {
			if !c.Deleted {
				pause(ctx, m.cfg.Linger)
				return nil
			}
		}
	}
	return store.ErrLost
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// drain returns the revision up to which the outbox has been emptied.
func (m *Mover) drain(ctx context.Context) (store.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		seen, more, err := m.stepLocked(ctx)
		if err != nil || !more {
			return seen, err
		}
	}
}

// record is one event in the outbox.
type record struct {
	key   []byte
	id    string
	value []byte
}

// stepLocked moves the first records of the outbox. more reports whether there were others behind them.
func (m *Mover) stepLocked(ctx context.Context) (seen store.Revision, more bool, err error) {
	records, seen, more, err := m.look(ctx)
	if err != nil || len(records) == 0 {
		return seen, false, err
	}
	if !m.searched {
		if err := m.searchLocked(ctx); err != nil {
			return seen, false, err
		}
	}
	fresh := make([][]byte, 0, len(records))
	for _, r := range records {
		if !m.appended[r.id] {
			fresh = append(fresh, r.value)
		}
	}
	if err := m.cfg.Log.Append(fresh); err != nil {
		m.searched = false // some of them may be in the log
		return seen, false, err
	}
	for _, r := range records {
		m.appended[r.id] = true
	}
	_, err = m.cfg.Store.Update(ctx, func(tx store.Txn) error {
		for _, r := range records {
			tx.Delete(r.key)
		}
		return nil
	})
	if err != nil {
		return seen, false, err
	}
	for _, r := range records {
		delete(m.appended, r.id)
	}
	return seen, more, nil
}

// look reads the first records, as many as one Update can delete.
func (m *Mover) look(ctx context.Context) (records []record, seen store.Revision, more bool, err error) {
	err = m.cfg.Store.View(ctx, func(r store.Reader) error {
		records, seen, more = nil, r.Revision(), false
		size := 0
		for e, err := range r.Range(m.outbox) {
			if err != nil {
				return err
			}
			if len(records) == store.MaxOps || len(records) > 0 && size+len(e.Value) > maxStepBytes {
				more = true
				return nil
			}
			size += len(e.Value)
			records = append(records, record{e.Key, idOfKey(e.Key), e.Value})
		}
		return nil
	})
	return records, seen, more, err
}

// searchLocked finds out which events stand in the outbox and in the log.
func (m *Mover) searchLocked(ctx context.Context) error {
	ids := make(map[string]bool)
	err := m.cfg.Store.View(ctx, func(r store.Reader) error {
		clear(ids)
		for e, err := range r.Range(m.outbox) {
			if err != nil {
				return err
			}
			ids[idOfKey(e.Key)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if m.appended, err = m.cfg.Log.holding(ids); err != nil {
		return err
	}
	m.searched = true
	return nil
}

// idOfKey returns the event ID in a key of the outbox. A key of another form serves as its own ID.
func idOfKey(key []byte) string {
	if parts, err := keyenc.Decode(key); err == nil && (len(parts) == 3 || len(parts) == 4) {
		if id, ok := parts[len(parts)-1].(string); ok {
			return id
		}
	}
	return string(key)
}
