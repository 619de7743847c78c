package iam

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// credentialReportRows are the permission rows of the operations on the credential report.
var credentialReportRows = map[string]gate.Row{
	"GenerateCredentialReport": {Decides: gate.ByPolicy, Checks: onEverything("iam:GenerateCredentialReport")},
	"GetCredentialReport":      {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetCredentialReport")},
}

// startedReport is how AWS describes a report that it begins to make; the other states it does not describe.
const startedReport = "No report exists. Starting a new report generation task"

// GenerateCredentialReport has a report made, unless one is being made or is less than four hours old (S1-285).
func (s *service) GenerateCredentialReport(ctx context.Context, c *gate.Call, _ *shape.GenerateCredentialReportRequest) (*shape.GenerateCredentialReportResponse, error) {
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.GenerateCredentialReportResponse, error) {
		state, err := tx.StartCredentialReport(c.Account())
		if err != nil {
			return nil, err
		}
		out := &shape.GenerateCredentialReportResponse{State: new(string(state))}
		if state == directory.ReportStarted {
			out.Description = new(startedReport)
		}
		return out, nil
	})
}

// GetCredentialReport shows the report that was made last, as long as it is good.
func (s *service) GetCredentialReport(ctx context.Context, c *gate.Call, _ *shape.GetCredentialReportRequest) (*shape.GetCredentialReportResponse, error) {
	r, csv, err := s.reports.Credentials(ctx, c.Account())
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, reportFault(fault.ReportMissing, "The request was rejected because the credential report does not exist. To generate a credential report, use GenerateCredentialReport.")
	case r.MadeAt.IsZero():
		return nil, reportFault(fault.ReportInProgress, "The request was rejected because the credential report is still being generated.")
	case !directory.CredentialReportGood(r.MadeAt, c.Now()):
		return nil, reportFault(fault.ReportExpired, "The request was rejected because the most recent credential report has expired. To generate a new credential report, use GenerateCredentialReport.")
	}
	return &shape.GetCredentialReportResponse{Content: csv, GeneratedTime: &r.MadeAt, ReportFormat: new("text/csv")}, nil
}

func reportFault(kind fault.Kind, message string) error {
	return &fault.Error{Kind: kind, Subject: string(entity.KindAccount), Message: message}
}
