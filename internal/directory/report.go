package directory

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Reports are made by jobs. The verbs here write down what is to be made, together with the caller's event; package report
// makes it and writes the outcome.

const (
	// CredentialReportLife is how long a credential report is good: within it no other is made, after it none is shown
	// (S1-285).
	CredentialReportLife = 4 * time.Hour
	// AccessReportLife is how long a report of last uses can be read. AWS's documentation names no time.
	AccessReportLife = 7 * 24 * time.Hour
	// maxOpenReports is how many reports of last uses, and how many of those about the organization, an account may have in the
	// making. AWS publishes no number.
	maxOpenReports = 10
)

// ReportState is where the making of a credential report stands, by AWS's names.
type ReportState string

// The states.
const (
	ReportStarted    ReportState = "STARTED"
	ReportInProgress ReportState = "INPROGRESS"
	ReportComplete   ReportState = "COMPLETE"
)

// clockSlack is how far clocks of nodes may be apart.
const clockSlack = 5 * time.Minute

// CredentialReportGood reports whether a credential report that was made at a time is still good. One from the future is not: it was
// made while a clock was wrong, and would be good for longer than it may.
func CredentialReportGood(made, now time.Time) bool {
	age := now.Sub(made)
	return age >= -clockSlack && age < CredentialReportLife
}

// StartCredentialReport has a credential report made, unless there is one that is good or one in the making.
func (tx *Tx) StartCredentialReport(account string) (state ReportState, err error) {
	defer tx.note(&err)
	report, err := read[entity.CredentialReport](tx, entity.CredentialsKey(account))
	if err != nil {
		return "", err
	}
	switch {
	case report == nil:
		report = &entity.CredentialReport{Account: account}
	case report.MadeAt.IsZero():
		return ReportInProgress, nil
	case CredentialReportGood(report.MadeAt, tx.now):
		return ReportComplete, nil
	}
	if report.Job, err = tx.newJob(); err != nil {
		return "", err
	}
	report.StartedAt, report.MadeAt = tx.now, time.Time{} // the text stays until another takes its place
	open, err := tx.openJobs(account)
	if err != nil {
		return "", err
	}
	open.Credentials = true
	tx.put(entity.OpenJobsKey(account), open)
	tx.put(entity.CredentialsKey(account), report)
	return ReportStarted, nil
}

// NewAccessReport says what a report of last uses is about: one entity or policy of the account (AWS's policies are anybody's),
// or a part of the organization.
type NewAccessReport struct {
	Kind    entity.Kind // KindUser, KindGroup, KindRole, KindPolicy
	Target  string      // its unique ID
	ARN     string      // as the caller wrote it
	Actions bool        // ask for actions too

	Path         string // for the organization, and then Kind, Target and ARN are empty
	Organization string // ID of a service control policy, or empty
}

// StartAccessReport has a report of last uses made. What it is about need not exist any more when it is made: then it fails.
func (tx *Tx) StartAccessReport(account string, n NewAccessReport) (report *entity.AccessReport, err error) {
	defer tx.note(&err)
	open, err := tx.openJobs(account)
	if err != nil {
		return nil, err
	}
	list := &open.Access
	if n.Path != "" {
		list = &open.Organization
	}
	if len(*list) >= maxOpenReports {
		if n.Path != "" {
			return nil, &fault.Error{Kind: fault.TooManyReports,
				Message: "The request failed because the maximum number of concurrent requests for this account are already running."}
		}
		return nil, &fault.Error{Kind: fault.Throttled, Message: "Rate exceeded"}
	}
	report = &entity.AccessReport{
		Account: account, CreatedAt: tx.now, Kind: n.Kind, Target: n.Target, ARN: n.ARN, Actions: n.Actions, Path: n.Path, Organization: n.Organization,
	}
	if report.Job, err = tx.newJob(); err != nil {
		return nil, err
	}
	*list = append(*list, report.Job)
	tx.put(entity.OpenJobsKey(account), open)
	tx.put(entity.AccessReportKey(account, report.Job), report)
	return report, nil
}

func (tx *Tx) openJobs(account string) (*entity.OpenJobs, error) {
	open, err := read[entity.OpenJobs](tx, entity.OpenJobsKey(account))
	if err == nil && open == nil {
		open = &entity.OpenJobs{}
	}
	return open, err
}

// newJob returns a random (version 4) UUID, the form of AWS's job IDs.
func (tx *Tx) newJob() (string, error) {
	from := tx.d.rand
	if from == nil {
		from = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return "", fault.Wrap(err, "making a job ID")
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", text[:8], text[8:12], text[12:16], text[16:20], text[20:]), nil
}
