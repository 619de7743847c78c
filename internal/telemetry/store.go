package telemetry

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// Store returns s with its reads and updates counted and timed. now is the clock; nil means time.Now.
func (m *Metrics) Store(s store.Store, now func() time.Time) store.Store {
	if m == nil {
		return s
	}
	if now == nil {
		now = time.Now
	}
	return &measured{s, m, now}
}

type measured struct {
	store.Store
	m   *Metrics
	now func() time.Time
}

// storeOutcome is the label of how a call of the store ended.
func storeOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, store.ErrUnknownOutcome):
		return "unknown"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "given up"
	}
	return "error"
}

// View counts what fn itself refused as a read that went well: the store did its part.
func (s *measured) View(ctx context.Context, fn func(store.Reader) error) error {
	refused := false
	begin := s.now()
	err := s.Store.View(ctx, func(r store.Reader) error {
		err := fn(r)
		refused = err != nil
		return err
	})
	result := storeOutcome(err)
	if refused {
		result = "ok"
	}
	s.m.views.WithLabelValues(result).Inc()
	s.m.viewSeconds.Observe(s.now().Sub(begin).Seconds())
	return err
}

// Update does not count what fn itself refused: nothing was to be written.
func (s *measured) Update(ctx context.Context, fn func(store.Txn) error) (store.Revision, error) {
	refused, runs := false, 0
	begin := s.now()
	rev, err := s.Store.Update(ctx, func(tx store.Txn) error {
		runs++
		err := fn(tx)
		refused = err != nil
		return err
	})
	if runs > 1 {
		s.m.retries.Add(float64(runs - 1))
	}
	if refused {
		return rev, err
	}
	s.m.commits.WithLabelValues(storeOutcome(err)).Inc()
	s.m.commitSeconds.Observe(s.now().Sub(begin).Seconds())
	return rev, err
}
