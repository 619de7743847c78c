package report_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

// TestLargeReport: a report larger than a transaction may be is whole, and goes when another takes its place.
func TestLargeReport(t *testing.T) {
	w := newWorld(t)
	const n = 4500
	w.commit(func(tx *directory.Tx) error {
		many := n
		_, err := tx.SetQuota(w.account, directory.UsersQuota, &many)
		return err
	})
	w.users(n)
	if got := w.ask(); got != directory.ReportStarted {
		t.Errorf("state %s", got)
	}
	w.work(w.maker)
	r, csv := w.credentials(w.maker)
	lines := strings.Split(csv, "\n")
	if r.Text.Parts < 3 || len(lines) != n+2 || w.keys(entity.ReportParts) != r.Text.Parts {
		t.Fatalf("%d lines in %d parts; %d parts in the store", len(lines), r.Text.Parts, w.keys(entity.ReportParts))
	}
	for i, line := range lines {
		if strings.Count(line, ",") != 22 || i > 2 && line < lines[i-1] {
			t.Fatalf("line %d: %s", i, line)
		}
	}
	if w.keys(entity.OpenJobsPlane) != 0 {
		t.Error("the job is still open")
	}
	w.later(directory.CredentialReportLife)
	if got := w.ask(); got != directory.ReportStarted {
		t.Errorf("state %s", got)
	}
	w.work(w.maker)
	again, _ := w.credentials(w.maker)
	if again.Text.ID == r.Text.ID || w.keys(entity.ReportParts) != again.Text.Parts {
		t.Errorf("%+v after %+v; %d parts in the store", again.Text, r.Text, w.keys(entity.ReportParts))
	}
	if got := w.made.credentials.Load(); got != 2 {
		t.Errorf("%d reports were counted", got)
	}
}

// TestTwoMakers: where two nodes make a report, the first to end it wins, and nothing remains of the other.
func TestTwoMakers(t *testing.T) {
	w := newWorld(t)
	other := w.newMaker()
	w.ask()
	var first string
	w.store.hook(func(n int) error {
		if n == 2 { // the parts of w.maker are written; it is about to end the job
			w.store.hook(nil)
			w.later(time.Minute)
			w.work(other)
			r, _ := w.credentials(other)
			first = r.Text.ID
		}
		return nil
	})
	w.work(w.maker)
	r, csv := w.credentials(w.maker)
	if first == "" || r.Text.ID != first || !strings.HasPrefix(csv, "user,arn,") {
		t.Errorf("the report is %s, %s came first:\n%s", r.Text.ID, first, csv)
	}
	if got := w.keys(entity.ReportParts); got != r.Text.Parts {
		t.Errorf("%d parts in the store, %d are the report's", got, r.Text.Parts)
	}
	if got := w.made.credentials.Load(); got != 1 {
		t.Errorf("%d reports were counted", got)
	}
}

// TestCrash: a report that a node did not come to the end of is made by the next, and what the first left behind is swept away
// when nobody can be writing it any more.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	w.ask()
	w.store.hook(func(n int) error {
		if n > 1 {
			return errDown
		}
		return nil
	})
	if _, err := w.maker.Work(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("Work = %v", err)
	}
	w.store.hook(nil)
	if r, _ := w.credentials(w.maker); !r.MadeAt.IsZero() || w.keys(entity.ReportParts) != 1 {
		t.Fatalf("%+v; %d parts", r, w.keys(entity.ReportParts))
	}
	next := w.newMaker()
	w.work(next)
	r, _ := w.credentials(next)
	if r.MadeAt.IsZero() || w.keys(entity.ReportParts) != 2 {
		t.Fatalf("%+v; %d parts", r, w.keys(entity.ReportParts))
	}
	for _, passed := range []time.Duration{time.Hour, time.Second} {
		want := 2 // the orphan may still be somebody's
		if w.later(passed); passed == time.Second {
			want = 1
		}
		if err := next.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.keys(entity.ReportParts); got != want {
			t.Errorf("at %s: %d parts, want %d", w.now(), got, want)
		}
	}
	if _, csv := w.credentials(next); !strings.HasPrefix(csv, "user,arn,") {
		t.Errorf("the report was swept away: %q", csv)
	}
}

// TestSweepAccessReports: a report of last uses goes after a week with its text, and an open job that never came to its end too.
func TestSweepAccessReports(t *testing.T) {
	w := newWorld(t)
	ask := func() (r *entity.AccessReport) {
		w.commit(func(tx *directory.Tx) (err error) {
			r, err = tx.StartAccessReport(w.account, directory.NewAccessReport{Kind: entity.KindUser, Target: "AIDANONE", ARN: "arn"})
			return err
		})
		return r
	}
	ask()
	w.work(w.maker)
	w.later(time.Hour)
	ask() // nobody makes it
	reports := func(want, open int) {
		t.Helper()
		if err := w.maker.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.keys(entity.AccessReports); got != want {
			t.Errorf("at %s: %d reports, want %d", w.now(), got, want)
		}
		if got := w.keys(entity.OpenJobsPlane); got != open {
			t.Errorf("at %s: %d accounts have open jobs, want %d", w.now(), got, open)
		}
	}
	reports(2, 1)
	w.later(directory.AccessReportLife - time.Second - time.Hour)
	reports(2, 1)
	w.later(time.Second)
	reports(1, 1)
	w.later(time.Hour)
	reports(0, 0)
	if got := w.keys(entity.ReportParts); got != 0 {
		t.Errorf("%d parts are left", got)
	}
}

// TestRun: a maker that runs finds what was asked for before it began and what is asked for while it runs, also after the store
// was down, and ends with its context.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ask()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.maker.Run(ctx) }()
		made := func(n int64) {
			t.Helper()
			synctest.Wait()
			if got := w.made.credentials.Load(); got != n {
				t.Errorf("%d reports are made, want %d", got, n)
			}
		}
		made(1)
		w.later(directory.CredentialReportLife)
		w.ask()
		made(2)
		w.later(directory.CredentialReportLife)
		w.store.hook(func(int) error { return errDown })
		w.ask()
		made(2)
		w.store.hook(nil)
		time.Sleep(10 * time.Second)
		made(3)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
