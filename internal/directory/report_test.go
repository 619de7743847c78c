package directory_test

import (
	"context"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/store"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// record reads a record of the jobs.
func record[T any](w *world, key []byte) (found *T) {
	w.t.Helper()
	err := w.store.View(context.Background(), func(r store.Reader) error {
		e, ok, err := r.Get(key)
		if err == nil && ok {
			found, err = entity.Decode[T](e.Value)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// TestStartCredentialReport: one report at a time, and none while there is one of less than four hours (S1-285).
func TestStartCredentialReport(t *testing.T) {
	checklist.Shows(t, "S1-285")
	w := newWorld(t)
	ask := func(want directory.ReportState) {
		t.Helper()
		got := get(w, func(tx *directory.Tx) (directory.ReportState, error) { return tx.StartCredentialReport(home) })
		if got != want {
			t.Errorf("state %s, want %s", got, want)
		}
	}
	key := entity.CredentialsKey(home)
	// end does what a maker of reports does.
	end := func() {
		r := record[entity.CredentialReport](w, key)
		r.MadeAt, r.Text = w.now.UTC().Truncate(time.Second), entity.Text{ID: "text", Parts: 1}
		_, err := w.store.Update(context.Background(), func(tx store.Txn) error {
			tx.Put(key, entity.Encode(r))
			tx.Delete(entity.OpenJobsKey(home))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ask(directory.ReportStarted)
	first := record[entity.CredentialReport](w, key)
	if !uuid.MatchString(first.Job) || !first.MadeAt.IsZero() || !first.StartedAt.Equal(start.Truncate(time.Second)) {
		t.Errorf("%+v", first)
	}
	if diff := cmp.Diff(&entity.OpenJobs{Credentials: true}, record[entity.OpenJobs](w, entity.OpenJobsKey(home))); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	w.now = w.now.Add(10 * time.Hour)
	ask(directory.ReportInProgress)
	end()
	ask(directory.ReportComplete)
	w.now = w.now.Add(directory.CredentialReportLife - time.Second)
	ask(directory.ReportComplete)
	w.now = w.now.Add(time.Second)
	ask(directory.ReportStarted)
	second := record[entity.CredentialReport](w, key)
	if second.Job == first.Job || !second.MadeAt.IsZero() || second.Text.ID != "text" {
		t.Errorf("%+v after %+v", second, first)
	}
	if record[entity.CredentialReport](w, entity.CredentialsKey(abroad)) != nil {
		t.Error("another account has a report")
	}
	w.intact()
}

// TestStartAccessReport: each is a job of its own, and an account has so many in the making at once.
func TestStartAccessReport(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name    string
		n       directory.NewAccessReport
		kind    fault.Kind
		message string
		list    func(*entity.OpenJobs) []string
	}{
		{"one entity", directory.NewAccessReport{Kind: entity.KindUser, Target: "AIDA1", ARN: "arn:aws:iam::111111111111:user/a", Actions: true},
			fault.Throttled, "Rate exceeded", func(o *entity.OpenJobs) []string { return o.Access }},
		{"the organization", directory.NewAccessReport{Path: "o-1/r-1", Organization: "p-1"}, fault.TooManyReports,
			"The request failed because the maximum number of concurrent requests for this account are already running.",
			func(o *entity.OpenJobs) []string { return o.Organization }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			var jobs []string
			start := func(tx *directory.Tx) (*entity.AccessReport, error) { return tx.StartAccessReport(home, tt.n) }
			for range 10 {
				r := get(w, start)
				want := &entity.AccessReport{Job: r.Job, Account: home, CreatedAt: w.now.UTC().Truncate(time.Second), Kind: tt.n.Kind, Target: tt.n.Target,
					ARN: tt.n.ARN, Actions: tt.n.Actions, Path: tt.n.Path, Organization: tt.n.Organization}
				if diff := cmp.Diff(want, r); diff != "" || !uuid.MatchString(r.Job) {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(r, record[entity.AccessReport](w, entity.AccessReportKey(home, r.Job))); diff != "" {
					t.Errorf("stored (-returned +stored):\n%s", diff)
				}
				jobs = append(jobs, r.Job)
			}
			if diff := cmp.Diff(jobs, tt.list(record[entity.OpenJobs](w, entity.OpenJobsKey(home)))); diff != "" {
				t.Errorf("open (-want +got):\n%s", diff)
			}
			w.refuse(tt.kind, tt.message, func(tx *directory.Tx) error { _, err := start(tx); return err })
			get(w, func(tx *directory.Tx) (*entity.AccessReport, error) { return tx.StartAccessReport(abroad, tt.n) })
		})
	}
	w.t = t
	w.intact()
}

// TestKeyChanged: a key's record says when it was made active or inactive.
func TestKeyChanged(t *testing.T) {
	w := newWorld(t)
	w.do(createUser("alice"))
	owner := directory.OfUser(home, "alice")
	k := get(w, func(tx *directory.Tx) (*directory.IssuedKey, error) { return tx.CreateAccessKey(owner) })
	set := func(active bool) {
		w.do(func(tx *directory.Tx) error { return tx.SetAccessKeyActive(owner, k.ID, active) })
	}
	rotated := func(want time.Time) {
		t.Helper()
		if got := record[entity.AccessKey](w, entity.AccessKeyKey(k.ID)).Rotated(); !got.Equal(want.Truncate(time.Second)) {
			t.Errorf("changed at %s, want %s", got, want)
		}
	}
	rotated(w.now)
	made := w.now
	w.now = w.now.Add(time.Hour)
	set(true) // as it is
	rotated(made)
	set(false)
	rotated(w.now)
}
