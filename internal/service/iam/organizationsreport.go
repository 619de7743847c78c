package iam

import (
	"context"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// organizationsReportRows are the permission rows of the operations on the organization's access report.
var organizationsReportRows = map[string]gate.Row{
	"GenerateOrganizationsAccessReport": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.GenerateOrganizationsAccessReportRequest) []authorizer.Check {
			check := authorizer.Check{Action: "iam:GenerateOrganizationsAccessReport", Resource: entity.AccessReportARN(c.Account(), in.EntityPath)}
			if in.OrganizationsPolicyId != nil {
				check.Keys = []authorizer.Key{{Name: "iam:OrganizationsPolicyId", Values: []string{*in.OrganizationsPolicyId}}}
			}
			return []authorizer.Check{check}
		})},
	"GetOrganizationsAccessReport": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetOrganizationsAccessReport")},
}

// GenerateOrganizationsAccessReport has a report made about a part of the caller's organization. Whether there is such a part, and
// such a policy, the job finds out.
func (s *service) GenerateOrganizationsAccessReport(ctx context.Context, c *gate.Call, in *shape.GenerateOrganizationsAccessReportRequest) (*shape.GenerateOrganizationsAccessReportResponse, error) {
	if err := s.reports.Manages(c.Account()); err != nil {
		return nil, err
	}
	n := directory.NewAccessReport{Path: in.EntityPath, Organization: deref(in.OrganizationsPolicyId, "")}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.GenerateOrganizationsAccessReportResponse, error) {
		r, err := tx.StartAccessReport(c.Account(), n)
		if err != nil {
			return nil, err
		}
		return &shape.GenerateOrganizationsAccessReportResponse{JobId: &r.Job}, nil
	})
}

// GetOrganizationsAccessReport shows where a job stands and, when it is done, the services, by namespace unless the caller says
// otherwise. A marker is good for the order that it was given out in.
func (s *service) GetOrganizationsAccessReport(ctx context.Context, c *gate.Call, in *shape.GetOrganizationsAccessReportRequest) (*shape.GetOrganizationsAccessReportResponse, error) {
	r, found, err := s.reports.Organization(ctx, c.Account(), in.JobId)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, noJob(in.JobId)
	}
	order := deref(in.SortKey, report.ByNamespace)
	after, err := orderedPlace(order, in.Marker)
	if err != nil {
		return nil, err
	}
	details, next, err := offsetPage(found.Sorted(order), after, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &shape.GetOrganizationsAccessReportResponse{JobCreationDate: r.CreatedAt, IsTruncated: truncated(next), AccessDetails: []shape.AccessDetail{}}
	if next != nil {
		out.Marker = new(page.Marker(order + "/" + *next))
	}
	if out.JobStatus, out.ErrorDetails = jobState(r); !r.EndedAt.IsZero() {
		out.JobCompletionDate = &r.EndedAt
	}
	if out.JobStatus == jobDone {
		out.NumberOfServicesAccessible, out.NumberOfServicesNotAccessed = new(len(found.Details)), new(found.NotAccessed())
	}
	for i := range details {
		d := &details[i]
		detail := shape.AccessDetail{ServiceName: d.Name, ServiceNamespace: d.Prefix, TotalAuthenticatedEntities: &d.Total}
		if !d.At.IsZero() {
			detail.EntityPath, detail.Region, detail.LastAuthenticatedTime = &d.Path, &d.Region, &d.At
		}
		out.AccessDetails = append(out.AccessDetails, detail)
	}
	return out, nil
}

// orderedPlace takes the order off a marker.
func orderedPlace(order string, after *string) (*string, error) {
	key, err := page.Place(after)
	if err != nil || key == "" {
		return nil, err
	}
	was, rest, ok := strings.Cut(key, "/")
	if !ok || was != order {
		return nil, invalidMarker()
	}
	return &rest, nil
}
