// Package report makes the reports of IAM that take longer than a request: the credential report, last accessed details and the
// organization's access report.
//
// That a report is to be made is written by directory, in one transaction with the caller's event. A [Maker] on every node
// watches these records (entity.OpenJobsPlane), makes what is open from the snapshot and the usage records, writes the text in
// parts, since it may be larger than a transaction, and then ends the job in one transaction, unless another node has. So a job
// survives a crash, every node answers the same bytes, and what a caller reads later is the state at one moment. Two nodes may
// make the same report; the first to end it wins, and parts that nothing refers to are swept away.
package report

import (
	"context"
	"log/slog"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
)

// Snapshots gives what reports are made from: a *[snapshot.Follower].
type Snapshots interface {
	Wait(ctx context.Context, rev store.Revision) (*snapshot.Snapshot, error)
}

// Usage answers when credentials and services were last used: a *[usage.Recorder].
type Usage interface {
	LastKeys(ctx context.Context, accessKeyIDs []string) (map[string]entity.Usage, error)
	Accesses(ctx context.Context, account string, principals ...string) (map[string]map[string]entity.Access, error)
}

// Meter counts reports.
type Meter interface {
	// ReportMade says that a report of that kind (credentials, access or organization) is ready, or failed.
	ReportMade(kind string, ok bool)
}

// Config is what a Maker needs. All fields but Organizations, Meter, Log and Now are required.
type Config struct {
	Store     store.Store
	Snapshots Snapshots
	Usage     Usage
	Managed   *catalog.Managed
	Reference *catalog.Reference
	// Tracked returns, sorted, the names of the actions of a service whose last use is noted, by the service's prefix.
	Tracked       func(service string) []string
	Organizations Organizations    // nil: there are none
	Meter         Meter            // nil counts nothing
	Log           *slog.Logger     // nil means slog.Default
	Now           func() time.Time // nil means time.Now
}

// Maker makes reports, and reads those that are made. It is safe for concurrent use.
type Maker struct{ cfg Config }

// New returns a Maker; call Run to have it work.
func New(c Config) *Maker {
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Maker{cfg: c}
}

type noMeter struct{}

func (noMeter) ReportMade(string, bool) {}

// Credentials returns an account's credential report, nil where none was asked for, and the CSV of one that is made.
func (m *Maker) Credentials(ctx context.Context, account string) (r *entity.CredentialReport, csv []byte, err error) {
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		if r, err = read[entity.CredentialReport](rd, entity.CredentialsKey(account)); err != nil || r == nil || r.MadeAt.IsZero() {
			return err
		}
		csv, err = text(rd, account, r.Text)
		return err
	})
	return r, csv, fault.Wrap(err, "reading a credential report")
}

func read[T any](rd store.Reader, key []byte) (*T, error) {
	e, ok, err := rd.Get(key)
	if err != nil || !ok {
		return nil, err
	}
	return entity.Decode[T](e.Value)
}
