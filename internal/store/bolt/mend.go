package bolt

import (
	"errors"
	"fmt"
	"time"

	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/store/history"
)

// Pauses between attempts to open the file anew.
const (
	mendMin = 50 * time.Millisecond
	mendMax = 5 * time.Second
)

// mend opens the file anew after a commit whose outcome is unknown, as often as it takes.
func (s *Store) mend() {
	for pause := mendMin; !s.reopen(); pause = min(2*pause, mendMax) {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-s.closing:
			t.Stop()
			return
		}
	}
}

// reopen waits for running transactions, whose views may be of what is on no disk, and opens the file anew. It reports whether there is
// nothing more to do.
func (s *Store) reopen() (done bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed.Load() {
		return true
	}
	var err error
	if s.db != nil {
		err = s.db.Close()
		s.db = nil
	}
	db, head, openErr := openFile(s.path, s.config.MaxFileSize, false)
	if openErr == nil && head < store.Revision(s.durable.Load()) {
		openErr = errors.Join(fmt.Errorf("the file is at revision %d and was at %d", head, s.durable.Load()), db.Close())
	}
	if err = errors.Join(err, openErr); openErr != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = fmt.Errorf("%w: a commit failed and the file cannot be opened anew: %w", store.ErrUnavailable, err)
		return false
	}
	s.db = db
	s.log.Store(history.New(s.config.History, head))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable.Store(int64(head))
	s.broken = nil
	return true
}
