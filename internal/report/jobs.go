package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

const (
	// retryAfter is the pause after a failure.
	retryAfter = 5 * time.Second
	// sweepEvery is the time between two looks for what is too old, or belongs to nothing.
	sweepEvery = time.Hour
	// partBytes is the size of a part, well within a transaction also in its stored form.
	partBytes = 512 << 10
	// orphanAge is how old a part without a report is before it is taken for what a crash left behind.
	orphanAge = time.Hour
)

// Run makes reports until ctx ends. It returns nil then, and an error when the store was closed under it.
func (m *Maker) Run(ctx context.Context) error {
	var swept time.Time
	for {
		if now := m.cfg.Now(); now.Sub(swept) >= sweepEvery {
			if err := m.Sweep(ctx); err != nil && ctx.Err() == nil {
				m.cfg.Log.Warn("old reports were not taken out", "err", err)
			}
			swept = now
		}
		seen, err := m.Work(ctx)
		if err == nil {
			err = m.await(ctx, seen)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrClosed):
			return fault.Wrap(err, "making reports")
		case err == nil:
			continue
		case !errors.Is(err, store.ErrCompacted) && !errors.Is(err, store.ErrLost): // those two are part of watching
			m.cfg.Log.Error("reports are not made and will be tried again", "err", err)
		}
		pause(ctx, retryAfter)
	}
}

// await returns nil when there is new work behind revision seen, or time to sweep.
func (m *Maker) await(ctx context.Context, seen store.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	for batch, err := range m.cfg.Store.Watch(ctx, entity.OpenJobsPlane, seen) {
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		}
		for _, c := range batch.Changes {
			if !c.Deleted {
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

// work is what is open in an account.
type work struct {
	account string
	entity.OpenJobs
}

// Work makes every report that was asked for before the call, and returns the revision up to which it has looked. What fails is
// still open afterwards.
func (m *Maker) Work(ctx context.Context) (seen store.Revision, err error) {
	var all []work
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		all, seen = nil, rd.Revision()
		for e, err := range rd.Range(entity.OpenJobsPlane) {
			if err != nil {
				return err
			}
			open, err := entity.Decode[entity.OpenJobs](e.Value)
			if err != nil {
				return err
			}
			parts, err := keyenc.Decode(e.Key)
			if err != nil {
				return err
			}
			account, _ := parts[len(parts)-1].(string)
			all = append(all, work{account, *open})
		}
		return nil
	})
	if err != nil {
		return 0, fault.Wrap(err, "looking for reports to make")
	}
	for _, w := range all {
		if w.Credentials {
			err = errors.Join(err, fault.Wrap(m.makeCredentials(ctx, w.account, seen), "making the credential report of "+w.account))
		}
		for _, job := range slices.Concat(w.Access, w.Organization) {
			err = errors.Join(err, fault.Wrap(m.makeAccess(ctx, w.account, job, seen), "making the access report "+job))
		}
	}
	return seen, err
}

// Pending is how many accounts have reports that are asked for and not made yet.
func (m *Maker) Pending(ctx context.Context) (n int, err error) {
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		n = 0
		for _, err := range rd.Range(entity.OpenJobsPlane) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, fault.Wrap(err, "counting reports to make")
}

// makeCredentials makes an account's credential report.
func (m *Maker) makeCredentials(ctx context.Context, account string, at store.Revision) error {
	s, err := m.cfg.Snapshots.Wait(ctx, at)
	if err != nil {
		return err
	}
	var asked *entity.CredentialReport
	err = m.cfg.Store.View(ctx, func(rd store.Reader) (err error) {
		asked, err = read[entity.CredentialReport](rd, entity.CredentialsKey(account))
		return err
	})
	if err != nil || asked == nil || !asked.MadeAt.IsZero() {
		return err
	}
	a, ok := s.Account(account)
	if !ok {
		return fmt.Errorf("there is no account %s", account)
	}
	csv, err := m.credentialReport(ctx, a)
	if err != nil {
		return err
	}
	ended, err := m.end(ctx, account, csv, func(tx store.Txn, open *entity.OpenJobs, t entity.Text) (*entity.Text, error) {
		r, err := read[entity.CredentialReport](tx, entity.CredentialsKey(account))
		if err != nil || r == nil || r.Job != asked.Job || !r.MadeAt.IsZero() {
			return nil, err
		}
		old := r.Text
		r.Text, r.MadeAt, open.Credentials = t, m.cfg.Now().UTC().Truncate(time.Second), false
		tx.Put(entity.CredentialsKey(account), entity.Encode(r))
		return &old, nil
	})
	if ended {
		m.cfg.Meter.ReportMade("credentials", true)
	}
	return err
}

// end writes a report's text and then, in one transaction, what done does with it: done returns the text that the new one takes
// the place of, or nil where the job is not open any more. Whichever text is not referred to then is taken out. ended says that this
// call ended the job.
func (m *Maker) end(ctx context.Context, account string, report []byte, done func(store.Txn, *entity.OpenJobs, entity.Text) (*entity.Text, error)) (ended bool, err error) {
	t, err := m.write(ctx, account, report)
	if err != nil {
		return false, err
	}
	var gone entity.Text
	_, err = m.cfg.Store.Update(ctx, func(tx store.Txn) error {
		gone, ended = t, false
		open, err := read[entity.OpenJobs](tx, entity.OpenJobsKey(account))
		if err != nil {
			return err
		}
		if open == nil {
			open = &entity.OpenJobs{}
		}
		old, err := done(tx, open, t)
		if err != nil || old == nil {
			return err
		}
		gone = *old
		putOpen(tx, account, open)
		ended = true
		return nil
	})
	if err != nil {
		return false, err
	}
	return ended, m.erase(ctx, account, gone)
}

// write puts a text into the store under a new ID, a part in each transaction.
func (m *Maker) write(ctx context.Context, account string, report []byte) (entity.Text, error) {
	t := entity.Text{ID: trail.NewID(nil)}
	for part := range slices.Chunk(report, partBytes) {
		record := entity.Encode(&entity.ReportPart{CreatedAt: m.cfg.Now().UTC().Truncate(time.Second), Text: part})
		_, err := m.cfg.Store.Update(ctx, func(tx store.Txn) error {
			tx.Put(entity.ReportPartKey(account, t.ID, t.Parts), record)
			return nil
		})
		if err != nil {
			return entity.Text{}, err
		}
		t.Parts++
	}
	return t, nil
}

// erase takes a text out.
func (m *Maker) erase(ctx context.Context, account string, t entity.Text) error {
	for from := 0; from < t.Parts; from += store.MaxOps {
		_, err := m.cfg.Store.Update(ctx, func(tx store.Txn) error {
			for n := from; n < min(from+store.MaxOps, t.Parts); n++ {
				tx.Delete(entity.ReportPartKey(account, t.ID, n))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// text reads a text.
func text(rd store.Reader, account string, t entity.Text) ([]byte, error) {
	var all []byte
	for n := range t.Parts {
		part, err := read[entity.ReportPart](rd, entity.ReportPartKey(account, t.ID, n))
		if err != nil {
			return nil, err
		}
		if part == nil {
			return nil, fmt.Errorf("report: part %d of %d of %s is missing", n, t.Parts, t.ID)
		}
		all = append(all, part.Text...)
	}
	return all, nil
}

// outlived reports whether an access report is too old to be shown.
func (m *Maker) outlived(r *entity.AccessReport) bool {
	return m.cfg.Now().Sub(r.CreatedAt) >= directory.AccessReportLife
}
