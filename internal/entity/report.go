package entity

import (
	"slices"
	"time"
)

// OpenJobs names the reports of an account that are being made. It exists while there are any: a node that starts finds its
// work in these records, and whatever adds or ends a job rewrites its account's, so that their number holds.
type OpenJobs struct {
	Credentials  bool     `json:",omitempty"`
	Access       []string `json:",omitempty"` // job IDs of reports about one entity or policy
	Organization []string `json:",omitempty"` // job IDs of reports about a part of the organization
}

// Empty reports whether nothing is being made.
func (o *OpenJobs) Empty() bool { return !o.Credentials && len(o.Access)+len(o.Organization) == 0 }

// Close takes a finished access report out.
func (o *OpenJobs) Close(job string) {
	is := func(id string) bool { return id == job }
	o.Access, o.Organization = slices.DeleteFunc(o.Access, is), slices.DeleteFunc(o.Organization, is)
}

// Text is where the text of a finished report lies: in how many parts under which ID. Each attempt at making a report has an ID
// of its own, so that two nodes at work on one job do not mix their texts.
type Text struct {
	ID    string
	Parts int
}

// CredentialReport is the one credential report of an account.
type CredentialReport struct {
	Account   string
	Job       string // another for each making
	StartedAt time.Time
	MadeAt    time.Time `json:",omitzero"` // zero while it is being made
	Text      Text      `json:",omitzero"` // CSV; while a report is being made, the text of the one before
}

// AccessReport is a report of when services were last used: by one user, group or role, through one policy, or in a part of an
// organization.
type AccessReport struct {
	Job       string // a UUID
	Account   string
	CreatedAt time.Time

	Kind    Kind   `json:",omitempty"` // KindUser, KindGroup, KindRole or KindPolicy; empty for the organization
	Target  string `json:",omitempty"` // the unique ID
	ARN     string `json:",omitempty"` // as asked for
	Actions bool   `json:",omitempty"` // with the actions of each service

	Path         string `json:",omitempty"` // of the organization's entity
	Organization string `json:",omitempty"` // ID of the service control policy that is asked about

	EndedAt time.Time `json:",omitzero"` // zero while it is being made
	Failure *Failure  `json:",omitempty"`
	Text    Text      `json:",omitzero"` // JSON, as package report writes it
}

// Failure says why there is no report.
type Failure struct {
	Code    string
	Message string
}

// ReportPart is a piece of a report's text. Reports may be larger than a transaction.
type ReportPart struct {
	CreatedAt time.Time
	Text      []byte
}
