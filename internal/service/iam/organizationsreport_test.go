package iam_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/report"
	"github.com/ostiary-iam/ostiary/policy"
)

// aPart is the root of the organization of these tests, which has one account.
const aPart = "o-abcdefghij/r-abcd"

// reportedOrganization is an organization with one account, its manager. It has the service control policy p-examplepolicy.
type reportedOrganization struct{ manager string }

func (o *reportedOrganization) Manages(account string) bool {
	return o.manager == account && account != ""
}

func (o *reportedOrganization) Part(manager, path string) (report.Part, bool) {
	if !o.Manages(manager) || path != aPart {
		return report.Part{}, false
	}
	return report.Part{Accounts: []report.Member{{Account: manager, Path: aPart + "/" + manager}}}, true
}

func (o *reportedOrganization) Policy(manager, id string) (*policy.Policy, bool) {
	if !o.Manages(manager) || id != "p-examplepolicy" {
		return nil, false
	}
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","iam:*","sts:*"],"Resource":"*"},
		{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`))
	if err != nil {
		return nil, false
	}
	p, err := policy.Compile(policy.ServiceControl, id, d)
	return p, err == nil
}

// generateOrganization asks for a report about the organization, under a policy if there is an ID, and returns its job.
func (w *world) generateOrganization(policyID string) string {
	w.t.Helper()
	in := &sdk.GenerateOrganizationsAccessReportInput{EntityPath: aws.String(aPart)}
	if policyID != "" {
		in.OrganizationsPolicyId = &policyID
	}
	return *must(w.root.GenerateOrganizationsAccessReport(w.t.Context(), in))(w.t).JobId
}

// TestNoOrganization: without an organization there is no report about it, and no job of one.
func TestNoOrganization(t *testing.T) {
	w := newWorld(t)
	_, err := w.root.GenerateOrganizationsAccessReport(t.Context(), &sdk.GenerateOrganizationsAccessReportInput{EntityPath: aws.String(aPart)})
	refused(t, err, 403, "AccessDenied", "Access to the organization's report is denied: account "+w.account+" is not the management account of an organization.")
	job := noSuchJob
	_, err = w.root.GetOrganizationsAccessReport(t.Context(), &sdk.GetOrganizationsAccessReportInput{JobId: &job})
	refused(t, err, 404, "NoSuchEntity", "Job "+job+" does not exist.")
}

// TestOrganizationsReport: a job about an organization from its beginning to its end, in all orders and in pages.
func TestOrganizationsReport(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.reported.manager = w.account
	job := w.generateOrganization("p-examplepolicy")
	in := &sdk.GetOrganizationsAccessReportInput{JobId: &job}
	running := must(w.root.GetOrganizationsAccessReport(ctx, in))(t)
	if running.JobStatus != types.JobStatusTypeInProgress || running.JobCompletionDate != nil || running.NumberOfServicesAccessible != nil || len(running.AccessDetails) != 0 {
		t.Errorf("a running job: %+v", running)
	}
	w.work()
	done := must(w.root.GetOrganizationsAccessReport(ctx, in))(t)
	recent(t, "JobCreationDate", done.JobCreationDate)
	recent(t, "JobCompletionDate", done.JobCompletionDate)
	if done.JobStatus != types.JobStatusTypeCompleted || *done.NumberOfServicesAccessible != 2 || *done.NumberOfServicesNotAccessed != 1 {
		t.Errorf("%+v", done)
	}
	namespaces := func(out *sdk.GetOrganizationsAccessReportOutput) (all []string) {
		for _, d := range out.AccessDetails {
			all = append(all, *d.ServiceNamespace)
		}
		return all
	}
	agree(t, "services", namespaces(done), []string{"iam", "s3"})
	if d := done.AccessDetails[0]; *d.EntityPath != aPart+"/"+w.account || *d.Region != "us-east-1" || *d.TotalAuthenticatedEntities != 1 || *d.ServiceName == "" {
		t.Errorf("%+v", d)
	} else {
		recent(t, "LastAuthenticatedTime", d.LastAuthenticatedTime)
	}
	if d := done.AccessDetails[1]; d.EntityPath != nil || d.Region != nil || d.LastAuthenticatedTime != nil || *d.TotalAuthenticatedEntities != 0 {
		t.Errorf("%+v", d)
	}
	for order, want := range map[types.SortKeyType][]string{
		types.SortKeyTypeServiceNamespaceAscending: {"iam", "s3"}, types.SortKeyTypeServiceNamespaceDescending: {"s3", "iam"},
		types.SortKeyTypeLastAuthenticatedTimeAscending: {"s3", "iam"}, types.SortKeyTypeLastAuthenticatedTimeDescending: {"iam", "s3"},
	} {
		var got []string
		page := &sdk.GetOrganizationsAccessReportInput{JobId: &job, SortKey: order, MaxItems: aws.Int32(1)}
		for {
			out := must(w.root.GetOrganizationsAccessReport(ctx, page))(t)
			got = append(got, namespaces(out)...)
			if !out.IsTruncated {
				break
			}
			page.Marker = out.Marker
		}
		agree(t, string(order), got, want)
		if other := types.SortKeyTypeServiceNamespaceAscending; order != other {
			page.SortKey = other
			_, err := w.root.GetOrganizationsAccessReport(ctx, page)
			refused(t, err, 400, "ValidationError", "Invalid Marker.")
		}
	}

	// Without a policy every service is open to the management account.
	job = w.generateOrganization("")
	w.work()
	all := must(w.root.GetOrganizationsAccessReport(ctx, &sdk.GetOrganizationsAccessReportInput{JobId: &job, MaxItems: aws.Int32(1000)}))(t)
	if n := int(*all.NumberOfServicesAccessible); n < 400 || n != len(all.AccessDetails) || !slices.Contains(namespaces(all), "ec2") {
		t.Errorf("%d services are open, %d listed", n, len(all.AccessDetails))
	}

	// What is not there makes the job fail.
	job = w.generateOrganization("p-nosuchpolicy")
	w.work()
	failed := must(w.root.GetOrganizationsAccessReport(ctx, &sdk.GetOrganizationsAccessReportInput{JobId: &job}))(t)
	if failed.JobStatus != types.JobStatusTypeFailed || failed.ErrorDetails == nil || *failed.ErrorDetails.Code != "NoSuchEntity" || failed.NumberOfServicesAccessible != nil {
		t.Errorf("%+v", failed)
	}
}

// TestOrganizationsPolicyKey: permissions may be for one service control policy.
func TestOrganizationsPolicyKey(t *testing.T) {
	w := newWorld(t)
	w.reported.manager = w.account
	c := w.user("caller", allow("iam:GenerateOrganizationsAccessReport", "*").when("StringEquals", "iam:OrganizationsPolicyId", "p-examplepolicy"))
	ask := func(id *string) error {
		_, err := c.GenerateOrganizationsAccessReport(t.Context(), &sdk.GenerateOrganizationsAccessReportInput{EntityPath: aws.String(aPart), OrganizationsPolicyId: id})
		return err
	}
	for _, id := range []*string{nil, aws.String("p-otherpolicy")} {
		w.denied(ask(id), "caller", "iam:GenerateOrganizationsAccessReport", w.arn("access-report/"+aPart))
	}
	if err := ask(aws.String("p-examplepolicy")); err != nil {
		t.Error(err)
	}
}
