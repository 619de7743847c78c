package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// lastAccessedRows are the permission rows of the operations on last accessed details.
var lastAccessedRows = map[string]gate.Row{
	"GenerateServiceLastAccessedDetails": {Decides: gate.ByPolicy,
		Checks: on(arnCheck, "iam:GenerateServiceLastAccessedDetails",
			func(in *shape.GenerateServiceLastAccessedDetailsRequest) string { return in.Arn })},
	"GetServiceLastAccessedDetails": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetServiceLastAccessedDetails")},
	"GetServiceLastAccessedDetailsWithEntities": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onEverything("iam:GetServiceLastAccessedDetailsWithEntities")},
	"ListPoliciesGrantingServiceAccess": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(arnCheck, "iam:ListPoliciesGrantingServiceAccess",
			func(in *shape.ListPoliciesGrantingServiceAccessRequest) string { return in.Arn })},
}

// arnCheck asks for an action on what the caller named by ARN. What is another account's is that account's, as with policyCheck.
func arnCheck(c *gate.Call, action, text string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: text}
	if a, err := arn.Parse(text); err == nil && a.Account() != "" && a.Account() != "aws" && a.Account() != c.Account() {
		check.ResourceAccount = a.Account()
	}
	return check
}

// What a job is asked about by an ARN.
const (
	sayNoTarget  = "ARN %s does not exist."
	sayBadTarget = "ARN %s is not the ARN of a user, group, role or managed policy."
)

// target finds what an ARN names: a user, group, role or managed policy of the account, or one of AWS's policies.
func (s *service) target(account snapshot.Account, text string) (kind entity.Kind, id string, err error) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" {
		return "", "", fault.New(fault.InvalidInput, sayBadTarget, text)
	}
	named, name := splitResource(a.Resource())
	kind = entity.Kind(named)
	switch kind {
	case entity.KindUser:
		if u, ok := account.User(name); ok && u.ARN() == text {
			return kind, u.ID, nil
		}
	case entity.KindGroup:
		if g, ok := account.Group(name); ok && g.ARN() == text {
			return kind, g.ID, nil
		}
	case entity.KindRole:
		if r, ok := account.Role(name); ok && r.ARN() == text {
			return kind, r.ID, nil
		}
	case entity.KindPolicy:
		if p, err := s.managedByARN(account, text); err == nil {
			return kind, p.id(), nil
		}
	default:
		return "", "", fault.New(fault.InvalidInput, sayBadTarget, text)
	}
	return "", "", fault.New(fault.NotFound, sayNoTarget, text)
}

// GenerateServiceLastAccessedDetails has a report made of when services were last used by an entity, or through a policy.
func (s *service) GenerateServiceLastAccessedDetails(ctx context.Context, c *gate.Call, in *shape.GenerateServiceLastAccessedDetailsRequest) (*shape.GenerateServiceLastAccessedDetailsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	n := directory.NewAccessReport{ARN: in.Arn, Actions: deref(in.Granularity, serviceLevel) == actionLevel}
	if n.Kind, n.Target, err = s.target(account, in.Arn); err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.GenerateServiceLastAccessedDetailsResponse, error) {
		r, err := tx.StartAccessReport(account.ID, n)
		if err != nil {
			return nil, err
		}
		return &shape.GenerateServiceLastAccessedDetailsResponse{JobId: &r.Job}, nil
	})
}

const (
	serviceLevel = "SERVICE_LEVEL"
	actionLevel  = "ACTION_LEVEL"

	jobRunning = "IN_PROGRESS"
	jobDone    = "COMPLETED"
	jobFailed  = "FAILED"
)

// jobState is where a job stands, and why it failed.
func jobState(r *entity.AccessReport) (state string, why *shape.ErrorDetails) {
	switch {
	case r.EndedAt.IsZero():
		return jobRunning, nil
	case r.Failure != nil:
		return jobFailed, &shape.ErrorDetails{Code: r.Failure.Code, Message: r.Failure.Message}
	}
	return jobDone, nil
}

// noJob is the answer about a job that there is not, not any more, or that is another account's.
func noJob(id string) error { return fault.New(fault.NotFound, "Job %s does not exist.", id) }

// offsetPage is one page of a list that does not change. The marker says how many went before.
func offsetPage[T any](all []T, after *string, max *int) (some []T, next *string, err error) {
	key, err := page.Place(after)
	if err != nil {
		return nil, nil, err
	}
	from := 0
	if key != "" {
		if from, err = strconv.Atoi(key); err != nil || from < 0 || from > len(all) {
			return nil, nil, invalidMarker()
		}
	}
	all = all[from:]
	if n := page.Limit(max); len(all) > n {
		return all[:n], new(page.Marker(strconv.Itoa(from + n))), nil
	}
	return all, nil, nil
}

// GetServiceLastAccessedDetails shows where a job stands and, when it is done, the services in the order of their namespaces.
func (s *service) GetServiceLastAccessedDetails(ctx context.Context, c *gate.Call, in *shape.GetServiceLastAccessedDetailsRequest) (*shape.GetServiceLastAccessedDetailsResponse, error) {
	r, found, err := s.reports.Access(ctx, c.Account(), in.JobId)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, noJob(in.JobId)
	}
	services, next, err := offsetPage(found.Services, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &shape.GetServiceLastAccessedDetailsResponse{
		IsTruncated: truncated(next), Marker: next, JobCreationDate: r.CreatedAt, JobCompletionDate: r.EndedAt, JobType: new(serviceLevel),
		ServicesLastAccessed: make([]shape.ServiceLastAccessed, 0, len(services)),
	}
	if r.Actions {
		out.JobType = new(actionLevel)
	}
	out.JobStatus, out.Error = jobState(r)
	for i := range services {
		out.ServicesLastAccessed = append(out.ServicesLastAccessed, shapeService(&services[i], r.Actions))
	}
	return out, nil
}

func shapeService(svc *report.Service, actions bool) shape.ServiceLastAccessed {
	out := shape.ServiceLastAccessed{ServiceName: svc.Name, ServiceNamespace: svc.Prefix, TotalAuthenticatedEntities: &svc.Total}
	if last := svc.Last; last != nil {
		out.LastAuthenticated, out.LastAuthenticatedEntity, out.LastAuthenticatedRegion = &last.At, &last.ARN, &last.Region
	}
	if !actions {
		return out
	}
	out.TrackedActionsLastAccessed = make([]shape.TrackedActionLastAccessed, 0, len(svc.Actions))
	for i := range svc.Actions {
		a := &svc.Actions[i]
		tracked := shape.TrackedActionLastAccessed{ActionName: &a.Name}
		if last := a.Last; last != nil {
			tracked.LastAccessedTime, tracked.LastAccessedEntity, tracked.LastAccessedRegion = &last.At, &last.ARN, &last.Region
		}
		out.TrackedActionsLastAccessed = append(out.TrackedActionsLastAccessed, tracked)
	}
	return out
}

// namespace is a service's prefix as the catalog writes it.
func (s *service) namespace(prefix string) (string, error) {
	svc, ok := s.reference.Service(prefix)
	if !ok {
		return "", fault.New(fault.InvalidInput, "There is no service with the namespace %s.", prefix)
	}
	return svc.Prefix, nil
}

// GetServiceLastAccessedDetailsWithEntities shows who could have used a service through what the job was about, the latest use first. A
// service that is not granted has nobody.
func (s *service) GetServiceLastAccessedDetailsWithEntities(ctx context.Context, c *gate.Call, in *shape.GetServiceLastAccessedDetailsWithEntitiesRequest) (*shape.GetServiceLastAccessedDetailsWithEntitiesResponse, error) {
	prefix, err := s.namespace(in.ServiceNamespace)
	if err != nil {
		return nil, err
	}
	r, found, err := s.reports.Access(ctx, c.Account(), in.JobId)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, noJob(in.JobId)
	}
	var all []report.Entity
	if found.Lists(prefix) {
		all = found.Recent(prefix)
	}
	entities, next, err := offsetPage(all, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &shape.GetServiceLastAccessedDetailsWithEntitiesResponse{
		IsTruncated: truncated(next), Marker: next, JobCreationDate: r.CreatedAt, JobCompletionDate: r.EndedAt,
		EntityDetailsList: make([]shape.EntityDetails, 0, len(entities)),
	}
	out.JobStatus, out.Error = jobState(r)
	for i := range entities {
		e := &entities[i]
		d := shape.EntityDetails{EntityInfo: shape.EntityInfo{Arn: e.ARN, Id: e.ID, Name: e.Name, Path: &e.Path, Type: strings.ToUpper(string(e.Kind))}}
		if at, ok := e.Services[prefix]; ok {
			d.LastAuthenticated = &at
		}
		out.EntityDetailsList = append(out.EntityDetailsList, d)
	}
	return out, nil
}

// ListPoliciesGrantingServiceAccess lists, for each service that is asked about, the policies of a user, group or role that grant an
// action of it; a user's come with those of its groups. Boundaries, resource policies and trust policies play no part. The services
// stand in the order of the request, policies in the order of names.
func (s *service) ListPoliciesGrantingServiceAccess(_ context.Context, c *gate.Call, in *shape.ListPoliciesGrantingServiceAccessRequest) (*shape.ListPoliciesGrantingServiceAccessResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	kind, id, err := s.target(account, in.Arn)
	if err != nil {
		return nil, err
	}
	if kind == entity.KindPolicy {
		return nil, fault.New(fault.InvalidInput, "ARN %s is not the ARN of a user, group or role.", in.Arn)
	}
	var prefixes []string
	for _, text := range in.ServiceNamespaces {
		prefix, err := s.namespace(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	some, next, err := offsetPage(prefixes, in.Marker, nil)
	if err != nil {
		return nil, err
	}
	out := &shape.ListPoliciesGrantingServiceAccessResponse{
		IsTruncated: truncated(next), Marker: next, PoliciesGrantingServiceAccess: make([]shape.ListPoliciesGrantingServiceAccessEntry, 0, len(some)),
	}
	identity := c.Snapshot.IdentityPolicies(entity.Ref{Account: account.ID, Kind: kind, ID: id})
	for i := range some {
		svc, _ := s.reference.Service(some[i])
		entry := shape.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: &some[i], Policies: []shape.PolicyGrantingServiceAccess{}}
		for _, p := range identity {
			if snapshot.Own(p) && p.Grants(svc.Prefix, svc.ActionNames()) {
				entry.Policies = append(entry.Policies, shapeGranting(p.Name()))
			}
		}
		slices.SortStableFunc(entry.Policies, func(a, b shape.PolicyGrantingServiceAccess) int {
			return strings.Compare(entity.FoldName(a.PolicyName), entity.FoldName(b.PolicyName))
		})
		out.PoliciesGrantingServiceAccess = append(out.PoliciesGrantingServiceAccess, entry)
	}
	return out, nil
}

// shapeGranting is a policy by the name that the snapshot gives it: an ARN, or kind, entity and policy.
func shapeGranting(name string) shape.PolicyGrantingServiceAccess {
	last := strings.LastIndexByte(name, '/')
	if strings.HasPrefix(name, "arn:") {
		return shape.PolicyGrantingServiceAccess{PolicyArn: &name, PolicyName: name[last+1:], PolicyType: "MANAGED"}
	}
	kind, holder, _ := strings.Cut(name[:last], "/")
	return shape.PolicyGrantingServiceAccess{
		PolicyName: name[last+1:], PolicyType: "INLINE", EntityName: &holder, EntityType: new(strings.ToUpper(kind)),
	}
}
