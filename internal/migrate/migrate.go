// Package migrate brings the records of a store from an older format to the present one, before anybody serves from it.
//
// The format is a number under ("sys", "format"). A [Step] leads from one number to the next and is a function on single records
// that does nothing to a record which it has done already; so a migration that was cut off goes on wherever it is, and several
// attempts at once do no harm. Its course:
//
//	"1"        the store as an older version left it. Nodes of that version run
//	"1>2"      a step is at work: neither version serves. Nodes of the older version see it and end
//	"2"        the step is done, in all records
//
// One of several nodes works, the others wait: it holds a lease in the store, compares it in each transaction, and renews it by its
// work. A lease that was not renewed for [LeaseTime] is taken over. A newer number than the present one is refused.
package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

const (
	// LeaseTime is how long the others wait for a node that does not get on.
	LeaseTime = 30 * time.Second

	batch    = 40      // records in a transaction
	pageKeys = 100_000 // keys held in memory at a time
	wait     = time.Second
)

// Errors that callers tell apart.
var (
	ErrNewer = errors.New("a newer version of Ostiary wrote the store")
	errLease = errors.New("another node has taken the migration over")
)

// Step leads from the format before To to To.
type Step struct {
	To   int
	What string // what changes, for people
	// Prefix begins the keys of the records that are looked at; empty means all of them. System records are not looked at.
	Prefix []byte
	// Convert returns what stands under key in format To, and whether that is something else than value; a nil fresh with changed
	// true deletes the record. It must leave alone what it made itself.
	Convert func(key, value []byte) (fresh []byte, changed bool, err error)
}

// Config says what to migrate, and to where.
type Config struct {
	Store   store.Store
	Present int    // the format of this version
	Steps   []Step // in order, the last one leading to Present
	// Alone says that no other process can have the store open: a lease in it is nobody's.
	Alone bool
	ID    string           // of this attempt
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil logs nothing
	// Pause waits between looks at another node's work; nil means a second.
	Pause func(context.Context) error
}

// lease says who is at work: ("sys", "migration").
type lease struct {
	ID    string
	Until time.Time
}

var leaseKey = entity.SystemKey(entity.SysMigration)

// Readable reports whether [Run] takes a store of a format, without touching one: [ErrNewer], or an error for what is no format
// or one that no step leads from.
func Readable(format string, present int, steps []Step) error {
	from, to, err := parse(format)
	switch {
	case err != nil:
		return err
	case max(from, to) > present:
		return fmt.Errorf("%w: it has format %s and this version reads formats up to %d: use that version", ErrNewer, format, present)
	case from < present && (len(steps) == 0 || steps[0].To > from+1):
		return fmt.Errorf("the store has format %s, and this version reads %d and nothing so old", format, present)
	}
	return nil
}

// parse reads a format; to is zero where no step is at work.
func parse(format string) (from, to int, err error) {
	a, b, moving := strings.Cut(format, ">")
	if from, err = strconv.Atoi(a); err == nil && moving {
		to, err = strconv.Atoi(b)
	}
	if err != nil || from < 1 || moving && to != from+1 {
		return 0, 0, fmt.Errorf("the store has the format %.20q, which is none of Ostiary's", format)
	}
	return from, to, nil
}

// Run brings the store to the present format, or waits until another node has. A store without a format is empty and left alone.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Pause == nil {
		c.Pause = func(ctx context.Context) error {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-t.C:
				return nil
			}
		}
	}
	for told := false; ; {
		format, err := c.format(ctx)
		if err != nil || format == "" || format == strconv.Itoa(c.Present) {
			return err
		}
		if err := Readable(format, c.Present, c.Steps); err != nil {
			return err
		}
		mine, err := c.acquire(ctx)
		if err != nil {
			return fault.Wrap(err, "beginning to migrate the store")
		}
		if !mine {
			if !told {
				c.Log.Info("waiting for another node, which migrates the store", "format", format, "to", c.Present)
				told = true
			}
			if err := c.Pause(ctx); err != nil {
				return err
			}
			continue
		}
		if err := c.work(ctx); err != nil && !errors.Is(err, errLease) {
			return err
		}
	}
}

func (c *Config) format(ctx context.Context) (format string, err error) {
	err = c.Store.View(ctx, func(r store.Reader) error {
		e, _, err := r.Get(entity.SystemKey(entity.SysFormat))
		format = string(e.Value)
		return err
	})
	return format, fault.Wrap(err, "reading the store's format")
}

// acquire takes the lease unless another has it, or there is nothing to do any more.
func (c *Config) acquire(ctx context.Context) (mine bool, err error) {
	_, err = c.Store.Update(ctx, func(tx store.Txn) error {
		format, _, err := tx.Get(entity.SystemKey(entity.SysFormat))
		if err != nil {
			return err
		}
		if mine = string(format.Value) != strconv.Itoa(c.Present); !mine {
			return nil
		}
		e, ok, err := tx.Get(leaseKey)
		if err != nil {
			return err
		}
		if ok {
			held, err := entity.Decode[lease](e.Value)
			if err != nil {
				return err
			}
			mine = c.Alone || held.ID == c.ID || !c.Now().Before(held.Until)
		}
		if mine {
			c.hold(tx)
		}
		return nil
	})
	return mine, err
}

func (c *Config) hold(tx store.Txn) {
	tx.Put(leaseKey, entity.Encode(&lease{ID: c.ID, Until: c.Now().Add(LeaseTime).UTC()}))
}

// update runs fn in a transaction that fails unless the lease is held, and renews it.
func (c *Config) update(ctx context.Context, fn func(store.Txn) error) error {
	_, err := c.Store.Update(ctx, func(tx store.Txn) error {
		e, ok, err := tx.Get(leaseKey)
		if err != nil {
			return err
		}
		if !ok {
			return errLease
		}
		held, err := entity.Decode[lease](e.Value)
		if err != nil {
			return err
		}
		if held.ID != c.ID {
			return errLease
		}
		c.hold(tx)
		return fn(tx)
	})
	return err
}

// work runs all steps that are left.
func (c *Config) work(ctx context.Context) error {
	for {
		format, err := c.format(ctx)
		if err != nil {
			return err
		}
		from, to, err := parse(format)
		if err != nil {
			return err
		}
		if to == 0 && from == c.Present {
			return nil
		}
		if to == 0 {
			to = from + 1
		}
		i := slices.IndexFunc(c.Steps, func(s Step) bool { return s.To == to })
		if i < 0 {
			return fmt.Errorf("migrate: no step leads to format %d", to)
		}
		c.Log.Info("migrating the store", "to", to, "what", c.Steps[i].What)
		if err := c.step(ctx, &c.Steps[i]); err != nil {
			return fault.Wrap(err, fmt.Sprintf("migrating the store to format %d (%s)", to, c.Steps[i].What))
		}
	}
}

// step runs one step to its end. The last one gives the lease up.
func (c *Config) step(ctx context.Context, s *Step) error {
	set := func(format string) error {
		return c.update(ctx, func(tx store.Txn) error {
			tx.Put(entity.SystemKey(entity.SysFormat), []byte(format))
			if format == strconv.Itoa(c.Present) {
				tx.Delete(leaseKey)
			}
			return nil
		})
	}
	if err := set(fmt.Sprintf("%d>%d", s.To-1, s.To)); err != nil {
		return err
	}
	for {
		page, err := c.page(ctx, s)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return set(strconv.Itoa(s.To))
		}
		for keys := range slices.Chunk(page, batch) {
			if err := c.convert(ctx, s, keys); err != nil {
				return err
			}
		}
		c.Log.Info("migrated records", "to", s.To, "records", len(page))
	}
}

// page returns keys of records that the step has to change.
func (c *Config) page(ctx context.Context, s *Step) (keys [][]byte, err error) {
	err = c.Store.View(ctx, func(r store.Reader) error {
		keys = nil
		for e, err := range r.Range(s.Prefix) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			if bytes.HasPrefix(e.Key, entity.SystemPlane) {
				continue
			}
			_, changed, err := s.Convert(e.Key, e.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", keyenc.Print(e.Key), err)
			}
			if changed {
				keys = append(keys, bytes.Clone(e.Key))
			}
			if len(keys) == pageKeys {
				break
			}
		}
		return nil
	})
	return keys, err
}

// convert changes records in one transaction; one that is too large is halved.
func (c *Config) convert(ctx context.Context, s *Step, keys [][]byte) error {
	err := c.update(ctx, func(tx store.Txn) error {
		for _, key := range keys {
			e, ok, err := tx.Get(key)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			fresh, changed, err := s.Convert(e.Key, e.Value)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", keyenc.Print(key), err)
			case changed && fresh == nil:
				tx.Delete(key)
			case changed:
				tx.Put(key, fresh)
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrTooLarge) && len(keys) > 1 {
		if err := c.convert(ctx, s, keys[:len(keys)/2]); err != nil {
			return err
		}
		return c.convert(ctx, s, keys[len(keys)/2:])
	}
	return err
}
