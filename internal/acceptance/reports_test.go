package acceptance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// TestReports is an auditor's day on a whole server, which makes its reports beside requests: the credential report, and what a user
// tried lately. Asking again and again is what AWS's tools do.
func TestReports(t *testing.T) {
	c, srv := newCloud(t)
	admin, ctx := c.admin(t, srv.Account(t)), t.Context()
	alice := c.user(t, admin, "alice", iamReadOnlyAccess)
	_, err := alice.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("bob")})
	if code(err) != "AccessDenied" {
		t.Errorf("CreateUser: %v", err)
	}

	if out := must(admin.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t); out.State != types.ReportStateTypeStarted {
		t.Errorf("the first report is %s", out.State)
	}
	for {
		out, err := admin.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
		if code(err) == "ReportInProgress" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows := strings.Split(string(out.Content), "\n")
		if len(rows) != 4 || !strings.HasPrefix(rows[2], "Administrator,") || !strings.HasPrefix(rows[3], "alice,") || !strings.Contains(rows[3], ",us-east-1,iam,") {
			t.Errorf("the report is\n%s", out.Content)
		}
		break
	}

	arn := alice.arn(t)
	job := must(admin.iam.GenerateServiceLastAccessedDetails(ctx, &iam.GenerateServiceLastAccessedDetailsInput{
		Arn: &arn, Granularity: types.AccessAdvisorUsageGranularityTypeActionLevel}))(t).JobId
	for {
		out := must(admin.iam.GetServiceLastAccessedDetails(ctx, &iam.GetServiceLastAccessedDetailsInput{JobId: job}))(t)
		if out.JobStatus == types.JobStatusTypeInProgress {
			continue
		}
		for _, s := range out.ServicesLastAccessed {
			if *s.ServiceNamespace != "iam" {
				continue
			}
			// The denied CreateUser is the attempt; of the actions she has, she used none.
			if aws.ToString(s.LastAuthenticatedEntity) != arn || len(s.TrackedActionsLastAccessed) < 50 {
				t.Errorf("%+v", s)
			}
			for _, a := range s.TrackedActionsLastAccessed {
				if a.LastAccessedTime != nil || *a.ActionName == "CreateUser" {
					t.Errorf("she used %s", *a.ActionName)
				}
			}
			return
		}
		t.Fatalf("iam is not listed: %s, %+v, %d services", out.JobStatus, out.Error, len(out.ServicesLastAccessed))
	}
}
