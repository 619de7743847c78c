package report

import (
	"context"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/keyenc"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Sweep takes out access reports that are too old to be shown, with what is in them, and parts that a crash left without a report.
func (m *Maker) Sweep(ctx context.Context) error {
	gone, err := m.outlivedReports(ctx)
	if err != nil {
		return fault.Wrap(err, "looking for old reports")
	}
	for _, r := range gone {
		_, err := m.cfg.Store.Update(ctx, func(tx store.Txn) error {
			open, err := read[entity.OpenJobs](tx, entity.OpenJobsKey(r.Account))
			if err != nil {
				return err
			}
			if open != nil { // it never came to an end
				open.Close(r.Job)
				putOpen(tx, r.Account, open)
			}
			tx.Delete(entity.AccessReportKey(r.Account, r.Job))
			return nil
		})
		if err == nil {
			err = m.erase(ctx, r.Account, r.Text)
		}
		if err != nil {
			return fault.Wrap(err, "taking out an old report")
		}
	}
	orphans, err := m.orphans(ctx)
	if err != nil {
		return fault.Wrap(err, "looking for parts of no report")
	}
	for batch := range slices.Chunk(orphans, store.MaxOps) {
		_, err := m.cfg.Store.Update(ctx, func(tx store.Txn) error {
			for _, key := range batch {
				tx.Delete(key)
			}
			return nil
		})
		if err != nil {
			return fault.Wrap(err, "taking out parts of no report")
		}
	}
	return nil
}

func (m *Maker) outlivedReports(ctx context.Context) (gone []*entity.AccessReport, err error) {
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		gone = nil
		for e, err := range rd.Range(entity.AccessReports) {
			if err != nil {
				return err
			}
			r, err := entity.Decode[entity.AccessReport](e.Value)
			if err != nil {
				return err
			}
			if m.outlived(r) {
				gone = append(gone, r)
			}
		}
		return nil
	})
	return gone, err
}

// orphans lists the keys of parts that no report refers to and that are too old to be of one that is just being written.
func (m *Maker) orphans(ctx context.Context) (keys [][]byte, err error) {
	oldest := m.cfg.Now().Add(-orphanAge)
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		keys = nil
		used := make(map[string]bool)
		for e, err := range rd.Range(entity.AccessReports) {
			if err != nil {
				return err
			}
			r, err := entity.Decode[entity.AccessReport](e.Value)
			if err != nil {
				return err
			}
			used[r.Text.ID] = true
		}
		for e, err := range rd.Range(entity.CredentialReports) {
			if err != nil {
				return err
			}
			r, err := entity.Decode[entity.CredentialReport](e.Value)
			if err != nil {
				return err
			}
			used[r.Text.ID] = true
		}
		for e, err := range rd.Range(entity.ReportParts) {
			if err != nil {
				return err
			}
			parts, err := keyenc.Decode(e.Key)
			if err != nil {
				return err
			}
			if id, _ := parts[len(parts)-2].(string); used[id] {
				continue
			}
			p, err := entity.Decode[entity.ReportPart](e.Value)
			if err != nil {
				return err
			}
			if p.CreatedAt.Before(oldest) {
				keys = append(keys, slices.Clone(e.Key))
			}
		}
		return nil
	})
	return keys, err
}

func putOpen(tx store.Txn, account string, open *entity.OpenJobs) {
	if open.Empty() {
		tx.Delete(entity.OpenJobsKey(account))
		return
	}
	tx.Put(entity.OpenJobsKey(account), entity.Encode(open))
}
