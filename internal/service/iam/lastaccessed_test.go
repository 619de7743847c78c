package iam_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	stssdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/service/sts"
	"github.com/ostiary-iam/ostiary/internal/usage"
)

// tracked lists the operations that note their use, as a node does.
func tracked(service string) []string {
	switch service {
	case "iam":
		return slices.Sorted(maps.Keys(iam.New(iam.Config{}).Handlers))
	case "sts":
		return slices.Sorted(maps.Keys(sts.New(sts.Config{}).Handlers))
	}
	return nil
}

const noSuchJob = "00000000-0000-4000-8000-000000000000"

// generate asks for a report and returns its job.
func (w *world) generate(arn string, level types.AccessAdvisorUsageGranularityType) string {
	w.t.Helper()
	out := must(w.root.GenerateServiceLastAccessedDetails(w.t.Context(), &sdk.GenerateServiceLastAccessedDetailsInput{Arn: &arn, Granularity: level}))(w.t)
	return *out.JobId
}

// accessed makes a report and returns it.
func (w *world) accessed(arn string, level types.AccessAdvisorUsageGranularityType) *sdk.GetServiceLastAccessedDetailsOutput {
	w.t.Helper()
	job := w.generate(arn, level)
	w.work()
	out := must(w.root.GetServiceLastAccessedDetails(w.t.Context(), &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(w.t)
	if out.JobStatus != types.JobStatusTypeCompleted {
		w.t.Fatalf("the job about %s is %s: %+v", arn, out.JobStatus, out.Error)
	}
	return out
}

// line is one service as a test reads it: its namespace, how many used it and who last.
func line(s types.ServiceLastAccessed) string {
	text := *s.ServiceNamespace
	if s.LastAuthenticated != nil {
		text += " by " + (*s.LastAuthenticatedEntity)[strings.LastIndexByte(*s.LastAuthenticatedEntity, ':')+1:] + " in " + *s.LastAuthenticatedRegion
	}
	if n := aws.ToInt32(s.TotalAuthenticatedEntities); n != 0 {
		text += " of " + strings.Repeat("+", int(n))
	}
	return text
}

func lines(all []types.ServiceLastAccessed) []string {
	out := []string{}
	for _, s := range all {
		out = append(out, line(s))
	}
	return out
}

func agree(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// accessScene is users and a role that grant and use services: ann (in the group crew, which has a policy on ec2), bob (crew too, never
// active), the role worker; all three have the managed policy shared on iam and s3, ann and bob through crew. It returns ann's client.
func (w *world) accessScene() (ann *sdk.Client) {
	w.t.Helper()
	ann = w.user("ann", allow("sqs:SendMessage", "*"))
	shared := w.arn("policy/shared")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bob", Path: "/team/"})
		if err == nil {
			_, err = tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"})
		}
		if err == nil {
			err = tx.AddToGroup(w.account, "ann", "crew")
		}
		if err == nil {
			err = tx.AddToGroup(w.account, "bob", "crew")
		}
		if err == nil {
			_, err = tx.CreateRole(w.account, directory.NewRole{Name: "worker", Trust: trust(w.account)})
		}
		if err == nil {
			_, err = tx.CreatePolicy(w.account, directory.NewPolicy{Name: "shared", Document: document(allow("iam:Get*", "*"), allow("s3:*", "*"), allow("sts:*", "*"), deny("iam:*", w.arn("user/secret")))})
		}
		return err
	})
	w.make(func(tx *directory.Tx) error {
		err := tx.PutInlinePolicy(directory.OfGroup(w.account, "crew"), "machines", document(allow("ec2:RunInstances", "*")))
		if err == nil {
			err = tx.AttachPolicy(directory.OfGroup(w.account, "crew"), shared)
		}
		if err == nil {
			err = tx.AttachPolicy(directory.OfRole(w.account, "worker"), shared)
		}
		return err
	})
	return ann
}

// TestLastAccessedOfUser: a job from its beginning to its end, and what it says of a user.
func TestLastAccessedOfUser(t *testing.T) {
	w := newWorld(t)
	ann, ctx := w.accessScene(), t.Context()
	arn := w.arn("user/ann")
	_, err := ann.ListUsers(ctx, &sdk.ListUsersInput{})
	w.denied(err, "ann", "iam:ListUsers", w.arn("user/")) // and yet an attempt

	job := w.generate(arn, "")
	running := must(w.root.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(t)
	if running.JobStatus != types.JobStatusTypeInProgress || running.JobCompletionDate != nil || len(running.ServicesLastAccessed) != 0 ||
		running.JobType != types.AccessAdvisorUsageGranularityTypeServiceLevel {
		t.Errorf("a running job: %+v", running)
	}
	w.work()
	done := must(w.root.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(t)
	recent(t, "JobCreationDate", done.JobCreationDate)
	recent(t, "JobCompletionDate", done.JobCompletionDate)

	t.Run("services", func(t *testing.T) {
		checklist.Shows(t, "S3-52", "S3-178", "S3-179", "S3-181", "S3-183", "S3-185", "S1-281")
		agree(t, "services", lines(done.ServicesLastAccessed), []string{"ec2", "iam by user/ann in us-east-1 of +", "s3", "sqs", "sts"})
		recent(t, "LastAuthenticated", done.ServicesLastAccessed[1].LastAuthenticated)
		if s := done.ServicesLastAccessed[2]; *s.ServiceName != "Amazon S3" || s.LastAuthenticatedEntity != nil || s.LastAuthenticatedRegion != nil || s.TrackedActionsLastAccessed != nil {
			t.Errorf("%+v", s)
		}
	})
	t.Run("actions", func(t *testing.T) {
		// ListUsers was tried too, but no policy of hers grants it.
		must(ann.GetUser(ctx, &sdk.GetUserInput{}))(t)
		out := w.accessed(arn, types.AccessAdvisorUsageGranularityTypeActionLevel)
		if out.JobType != types.AccessAdvisorUsageGranularityTypeActionLevel {
			t.Errorf("JobType %s", out.JobType)
		}
		var got, want []string
		for _, a := range out.ServicesLastAccessed[1].TrackedActionsLastAccessed {
			text := *a.ActionName
			if a.LastAccessedTime != nil {
				recent(t, text, a.LastAccessedTime)
				text += " " + *a.LastAccessedEntity + " " + *a.LastAccessedRegion
			}
			got = append(got, text)
		}
		for _, name := range tracked("iam") {
			if strings.HasPrefix(name, "Get") {
				want = append(want, name)
			}
		}
		want[slices.Index(want, "GetUser")] += " " + arn + " us-east-1"
		agree(t, "actions", got, want)
		if s := out.ServicesLastAccessed[2]; len(s.TrackedActionsLastAccessed) != 0 {
			t.Errorf("S3's calls are not seen here: %+v", s)
		}
	})
	t.Run("the present policies", func(t *testing.T) {
		checklist.Shows(t, "S3-184")
		w.make(func(tx *directory.Tx) error { return tx.RemoveFromGroup(w.account, "ann", "crew") })
		agree(t, "services", lines(w.accessed(arn, "").ServicesLastAccessed), []string{"sqs"})
		again := must(w.root.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(t)
		agree(t, "the report made before", lines(again.ServicesLastAccessed), lines(done.ServicesLastAccessed))
	})
}

// TestLastAccessedByOthers: groups sum up their members, policies the users and roles that have them.
func TestLastAccessedByOthers(t *testing.T) {
	w := newWorld(t)
	ann, ctx := w.accessScene(), t.Context()
	asSTS := w.sts()
	must(ann.GetUser(ctx, &sdk.GetUserInput{}))(t)
	worker, err := w.assume(asSTS(ann), w.arn("role/worker"))
	if err != nil {
		t.Fatal(err)
	}
	w.later(time.Minute)
	must(worker.GetUser(ctx, &sdk.GetUserInput{UserName: aws.String("bob")}))(t)
	must(asSTS(w.user("outsider")).GetCallerIdentity(ctx, &stssdk.GetCallerIdentityInput{}))(t) // counts for nobody here

	entities := func(t *testing.T, job, service string) (all []string) {
		t.Helper()
		out := must(w.root.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: &service}))(t)
		for _, e := range out.EntityDetailsList {
			i := e.EntityInfo
			text := string(i.Type) + " " + *i.Path + " " + *i.Name + " " + *i.Arn
			if e.LastAuthenticated != nil {
				text += " used"
			}
			if len(*i.Id) != 21 {
				t.Errorf("Id %s", *i.Id)
			}
			all = append(all, text)
		}
		return all
	}
	report := func(arn string) (string, []string) {
		job := w.generate(arn, "")
		w.work()
		out := must(w.root.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(t)
		return job, lines(out.ServicesLastAccessed)
	}
	annLine, bobLine := "USER / ann "+w.arn("user/ann"), "USER /team/ bob "+w.arn("user/team/bob")
	workerLine := "ROLE / worker " + w.arn("role/worker")
	t.Run("group", func(t *testing.T) {
		checklist.Shows(t, "S1-281", "S3-183")
		job, services := report(w.arn("group/crew"))
		agree(t, "services", services, []string{"ec2", "iam by user/ann in us-east-1 of +", "s3", "sts by user/ann in us-east-1 of +"})
		agree(t, "with entities", entities(t, job, "iam"), []string{annLine + " used", bobLine})
	})
	t.Run("role", func(t *testing.T) {
		checklist.Shows(t, "S1-281")
		job, services := report(w.arn("role/worker"))
		agree(t, "services", services, []string{"iam by role/worker in us-east-1 of +", "s3", "sts"})
		agree(t, "with entities", entities(t, job, "iam"), []string{workerLine + " used"})
	})
	t.Run("policy", func(t *testing.T) {
		checklist.Shows(t, "S1-281", "S3-183")
		job, services := report(w.arn("policy/shared"))
		agree(t, "services", services, []string{"iam by role/worker in us-east-1 of ++", "s3", "sts by user/ann in us-east-1 of +"})
		agree(t, "with entities", entities(t, job, "iam"), []string{workerLine + " used", annLine + " used", bobLine}) // the latest first
		agree(t, "with entities", entities(t, job, "STS"), []string{annLine + " used", bobLine, workerLine})
		agree(t, "of a service that is not granted", entities(t, job, "ec2"), []string(nil))
	})
	t.Run("one of AWS's", func(t *testing.T) {
		const change = "arn:aws:iam::aws:policy/IAMUserChangePassword"
		w.make(func(tx *directory.Tx) error { return tx.AttachPolicy(directory.OfUser(w.account, "ann"), change) })
		_, services := report(change)
		agree(t, "services", services, []string{"iam by user/ann in us-east-1 of +"})
	})
	t.Run("nothing to show", func(t *testing.T) {
		checklist.Shows(t, "S3-192")
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bare"})
			if err == nil {
				_, err = tx.CreateGroup(w.account, directory.NewGroup{Name: "void"})
			}
			if err == nil {
				_, err = tx.CreatePolicy(w.account, directory.NewPolicy{Name: "unused", Document: document(allow("s3:*", "*"))})
			}
			return err
		})
		w.make(func(tx *directory.Tx) error {
			return tx.AttachPolicy(directory.OfGroup(w.account, "void"), w.arn("policy/unused"))
		})
		w.make(func(tx *directory.Tx) error { // what the account lets every user do is no policy of theirs
			return tx.SetPasswordPolicy(w.account, entity.PasswordPolicy{MinimumLength: 8, UsersMayChange: true})
		})
		agree(t, "policies", must(w.root.ListPoliciesGrantingServiceAccess(ctx, &sdk.ListPoliciesGrantingServiceAccessInput{
			Arn: aws.String(w.arn("user/bare")), ServiceNamespaces: []string{"iam"}}))(t).PoliciesGrantingServiceAccess[0].Policies, []types.PolicyGrantingServiceAccess{})
		for _, arn := range []string{w.arn("user/bare"), w.arn("policy/unused")} {
			if _, services := report(arn); len(services) != 0 {
				t.Errorf("%s: %v", arn, services)
			}
		}
	})
}

// TestLastAccessedTimes: the tracking period, and how long a report can be read.
func TestLastAccessedTimes(t *testing.T) {
	w := newWorld(t)
	ann := w.accessScene()
	must(ann.GetUser(t.Context(), &sdk.GetUserInput{}))(t)
	const used, unused = "iam by user/ann in us-east-1 of +", "iam"
	if err := w.usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.later(usage.TrackingPeriod - time.Hour)
	agree(t, "in the period", line(w.accessed(w.arn("user/ann"), "").ServicesLastAccessed[1]), used)
	w.later(2 * time.Hour)
	agree(t, "after it", line(w.accessed(w.arn("user/ann"), "").ServicesLastAccessed[1]), unused)

	job := w.generate(w.arn("user/ann"), "")
	get := func() error {
		_, err := w.root.GetServiceLastAccessedDetails(t.Context(), &sdk.GetServiceLastAccessedDetailsInput{JobId: &job})
		return err
	}
	w.work()
	w.later(directory.AccessReportLife - time.Minute)
	if err := get(); err != nil {
		t.Error(err)
	}
	w.later(time.Minute)
	refused(t, get(), 404, "NoSuchEntity", "Job "+job+" does not exist.")
}

// TestLastAccessedOfTheGone: what was deleted before the report was made makes it fail.
func TestLastAccessedOfTheGone(t *testing.T) {
	w := newWorld(t)
	w.user("brief", allow("s3:*", "*"))
	arn := w.arn("user/brief")
	job := w.generate(arn, "")
	w.make(func(tx *directory.Tx) error {
		owner := directory.OfUser(w.account, "brief")
		u, _ := w.home().User("brief")
		err := tx.DeleteAccessKey(owner, u.Keys[0])
		if err == nil {
			err = tx.DeleteInlinePolicy(owner, "test")
		}
		return err
	})
	w.make(func(tx *directory.Tx) error { return tx.DeleteUser(w.account, "brief") })
	w.make(func(tx *directory.Tx) error { // another of the name
		_, err := tx.CreateUser(w.account, directory.NewUser{Name: "brief"})
		return err
	})
	w.work()
	out := must(w.root.GetServiceLastAccessedDetails(t.Context(), &sdk.GetServiceLastAccessedDetailsInput{JobId: &job}))(t)
	if out.JobStatus != types.JobStatusTypeFailed || out.Error == nil || *out.Error.Code != "NoSuchEntity" || *out.Error.Message != arn+" does not exist any more." {
		t.Errorf("%s, %+v", out.JobStatus, out.Error)
	}
	entities := must(w.root.GetServiceLastAccessedDetailsWithEntities(t.Context(), &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: aws.String("s3")}))(t)
	if entities.JobStatus != types.JobStatusTypeFailed || entities.Error == nil || len(entities.EntityDetailsList) != 0 {
		t.Errorf("%+v", entities)
	}
}

// TestLastAccessedPages: both lists in pages, and markers that nobody gave out.
func TestLastAccessedPages(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateGroup(w.account, directory.NewGroup{Name: "crew"})
		if err == nil {
			err = tx.PutInlinePolicy(directory.OfGroup(w.account, "crew"), "all", document(allow("*", "*")))
		}
		return err
	})
	users := numbered("u", 25)
	for _, name := range users {
		w.make(func(tx *directory.Tx) error {
			if _, err := tx.CreateUser(w.account, directory.NewUser{Name: name}); err != nil {
				return err
			}
			return tx.AddToGroup(w.account, name, "crew")
		})
	}
	job := w.generate(w.arn("group/crew"), "")
	w.work()
	var got []string
	for in := (&sdk.GetServiceLastAccessedDetailsInput{JobId: &job, MaxItems: aws.Int32(150)}); ; {
		out := must(w.root.GetServiceLastAccessedDetails(ctx, in))(t)
		for _, s := range out.ServicesLastAccessed {
			got = append(got, *s.ServiceNamespace)
		}
		if !out.IsTruncated {
			break
		}
		in.Marker = out.Marker
	}
	if len(got) < 400 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("%d services: %v", len(got), got)
	}
	got = nil
	for in := (&sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: aws.String("s3"), MaxItems: aws.Int32(10)}); ; {
		out := must(w.root.GetServiceLastAccessedDetailsWithEntities(ctx, in))(t)
		for _, e := range out.EntityDetailsList {
			got = append(got, *e.EntityInfo.Name)
		}
		if !out.IsTruncated {
			break
		}
		in.Marker = out.Marker
	}
	equalNames(t, "entities", got, users)
	for _, marker := range []string{"x", "MTp4", "MTotMQ", "MTo5OTk5"} { // the last three are 1:x, 1:-1 and 1:9999
		_, err := w.root.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job, Marker: &marker})
		refused(t, err, 400, "ValidationError", "Invalid Marker.")
		_, err = w.root.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: aws.String("s3"), Marker: &marker})
		refused(t, err, 400, "ValidationError", "Invalid Marker.")
	}
}

// TestPoliciesGrantingServiceAccess: which policies of a principal grant a service, and where they are.
func TestPoliciesGrantingServiceAccess(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.accessScene()
	list := func(arn string, services ...string) map[string][]string {
		t.Helper()
		out := must(w.root.ListPoliciesGrantingServiceAccess(ctx, &sdk.ListPoliciesGrantingServiceAccessInput{Arn: &arn, ServiceNamespaces: services}))(t)
		all := make(map[string][]string)
		for _, e := range out.PoliciesGrantingServiceAccess {
			all[*e.ServiceNamespace] = []string{}
			for _, p := range e.Policies {
				all[*e.ServiceNamespace] = append(all[*e.ServiceNamespace], strings.TrimSpace(strings.Join([]string{
					string(p.PolicyType), *p.PolicyName, aws.ToString(p.PolicyArn), string(p.EntityType), aws.ToString(p.EntityName)}, " ")))
			}
		}
		return all
	}
	shared := "MANAGED shared " + w.arn("policy/shared")
	t.Run("user", func(t *testing.T) {
		checklist.Shows(t, "S3-52", "S3-186")
		w.make(func(tx *directory.Tx) error {
			err := tx.AttachPolicy(directory.OfUser(w.account, "ann"), w.arn("policy/shared")) // she has it twice now
			if err == nil {
				err = tx.AttachPolicy(directory.OfUser(w.account, "ann"), administrator)
			}
			return err
		})
		admin := "MANAGED AdministratorAccess " + administrator
		agree(t, "ann", list(w.arn("user/ann"), "ec2", "sqs", "S3", "iam", "iam"), map[string][]string{
			"ec2": {admin, "INLINE machines  GROUP crew"}, "sqs": {admin, "INLINE test  USER ann"}, "s3": {admin, shared}, "iam": {admin, shared},
		})
	})
	t.Run("group", func(t *testing.T) {
		agree(t, "crew", list(w.arn("group/crew"), "ec2", "sqs", "s3"), map[string][]string{"ec2": {"INLINE machines  GROUP crew"}, "sqs": {}, "s3": {shared}})
	})
	t.Run("role", func(t *testing.T) {
		w.make(func(tx *directory.Tx) error {
			return tx.PutInlinePolicy(directory.OfRole(w.account, "worker"), "but", document(statement{Effect: "Deny", Action: "ec2:*", Resource: "*"}, allow("sns:Publish", "*")))
		})
		agree(t, "worker", list(w.arn("role/worker"), "ec2", "sns", "s3"), map[string][]string{"ec2": {}, "sns": {"INLINE but  ROLE worker"}, "s3": {shared}})
	})
	t.Run("a boundary grants nothing", func(t *testing.T) {
		w.make(func(tx *directory.Tx) error {
			_, err := tx.CreateUser(w.account, directory.NewUser{Name: "bounded", Boundary: administrator})
			return err
		})
		agree(t, "bounded", list(w.arn("user/bounded"), "s3"), map[string][]string{"s3": {}})
	})
	t.Run("pages and order", func(t *testing.T) {
		var services, got []string
		for svc := range catalog.ServiceReference().Services() {
			if services = append(services, svc.Prefix); len(services) == 150 {
				break
			}
		}
		slices.Reverse(services)
		in := &sdk.ListPoliciesGrantingServiceAccessInput{Arn: aws.String(w.arn("user/ann")), ServiceNamespaces: services}
		for n := 0; ; n++ {
			out := must(w.root.ListPoliciesGrantingServiceAccess(ctx, in))(t)
			for _, e := range out.PoliciesGrantingServiceAccess {
				got = append(got, *e.ServiceNamespace)
			}
			if !out.IsTruncated {
				break
			}
			in.Marker = out.Marker
		}
		equalNames(t, "services", got, services)
	})
}

// lastAccessedPermissions and the errors of the family work on a finished job about the user target.
func furnishLastAccessed(w *world) {
	w.scene()
	w.reported.manager = w.account
	w.job = w.generate(w.arn("user/team/target"), "")
	w.organizationJob = w.generateOrganization("")
	w.work()
}

func lastAccessedPermissions(w *world) []permission {
	target := "user/team/target"
	return []permission{
		{"GenerateServiceLastAccessedDetails", target, "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GenerateServiceLastAccessedDetails(ctx, &sdk.GenerateServiceLastAccessedDetailsInput{Arn: aws.String(w.arn(target))})
			return err
		}},
		{"GetServiceLastAccessedDetails", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &w.job})
			return err
		}},
		{"GetServiceLastAccessedDetailsWithEntities", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &w.job, ServiceNamespace: aws.String("s3")})
			return err
		}},
		{"ListPoliciesGrantingServiceAccess", target, "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListPoliciesGrantingServiceAccess(ctx, &sdk.ListPoliciesGrantingServiceAccessInput{Arn: aws.String(w.arn(target)), ServiceNamespaces: []string{"s3"}})
			return err
		}},
		{"GenerateOrganizationsAccessReport", "access-report/" + aPart, "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GenerateOrganizationsAccessReport(ctx, &sdk.GenerateOrganizationsAccessReportInput{EntityPath: aws.String(aPart)})
			return err
		}},
		{"GetOrganizationsAccessReport", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetOrganizationsAccessReport(ctx, &sdk.GetOrganizationsAccessReportInput{JobId: &w.organizationJob})
			return err
		}},
	}
}

func lastAccessedErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	add := func(operation, code, message string, do func() error) {
		all = append(all, apiError{operation: operation, code: code, message: message, do: do})
	}
	for _, arn := range []string{w.arn("user/nobody"), w.arn("user/target"), w.arn("group/nothing"), w.arn("role/nobody"), w.arn("policy/nothing"),
		"arn:aws:iam::aws:policy/NoSuchPolicyOfAWS"} {
		add("GenerateServiceLastAccessedDetails", "NoSuchEntity", "ARN "+arn+" does not exist.", generateFor(ctx, c, arn))
		if !strings.Contains(arn, ":policy/") {
			add("ListPoliciesGrantingServiceAccess", "NoSuchEntity", "ARN "+arn+" does not exist.", grantingFor(ctx, c, arn, "s3"))
		}
	}
	for _, arn := range []string{w.arn("instance-profile/web"), w.arn("root"), "arn:aws:s3:::a-bucket-name", "not an ARN, but of its length"} {
		message := "ARN " + arn + " is not the ARN of a user, group, role or managed policy."
		add("GenerateServiceLastAccessedDetails", "InvalidInput", message, generateFor(ctx, c, arn))
		add("ListPoliciesGrantingServiceAccess", "InvalidInput", message, grantingFor(ctx, c, arn, "s3"))
	}
	plan := w.arn("policy/team/plan")
	add("ListPoliciesGrantingServiceAccess", "InvalidInput", "ARN "+plan+" is not the ARN of a user, group or role.", grantingFor(ctx, c, plan, "s3"))
	add("ListPoliciesGrantingServiceAccess", "InvalidInput", "There is no service with the namespace s33.", grantingFor(ctx, c, w.arn("user/team/target"), "s33"))

	get := func(client *sdk.Client, job string) func() error {
		return func() error {
			_, err := client.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &job})
			return err
		}
	}
	with := func(client *sdk.Client, job, service string) func() error {
		return func() error {
			_, err := client.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &job, ServiceNamespace: &service})
			return err
		}
	}
	organization := func(client *sdk.Client, job string) func() error {
		return func() error {
			_, err := client.GetOrganizationsAccessReport(ctx, &sdk.GetOrganizationsAccessReportInput{JobId: &job})
			return err
		}
	}
	add("GetServiceLastAccessedDetails", "NoSuchEntity", "Job "+noSuchJob+" does not exist.", get(c, noSuchJob))
	add("GetServiceLastAccessedDetailsWithEntities", "NoSuchEntity", "Job "+noSuchJob+" does not exist.", with(c, noSuchJob, "s3"))
	add("GetServiceLastAccessedDetailsWithEntities", "InvalidInput", "There is no service with the namespace s33.", with(c, w.job, "s33"))
	add("GetOrganizationsAccessReport", "NoSuchEntity", "Job "+noSuchJob+" does not exist.", organization(c, noSuchJob))
	// A job of the other sort is none.
	add("GetServiceLastAccessedDetails", "NoSuchEntity", "Job "+w.organizationJob+" does not exist.", get(c, w.organizationJob))
	add("GetOrganizationsAccessReport", "NoSuchEntity", "Job "+w.job+" does not exist.", organization(c, w.job))
	all = append(all, apiError{operation: "GenerateOrganizationsAccessReport", code: "ReportGenerationLimitExceeded",
		message: "The request failed because the maximum number of concurrent requests for this account are already running.",
		first: func() error {
			for range 10 {
				w.generateOrganization("")
			}
			return nil
		},
		do: func() error {
			_, err := c.GenerateOrganizationsAccessReport(ctx, &sdk.GenerateOrganizationsAccessReportInput{EntityPath: aws.String(aPart)})
			return err
		}})
	return all
}

func generateFor(ctx context.Context, c *sdk.Client, arn string) func() error {
	return func() error {
		_, err := c.GenerateServiceLastAccessedDetails(ctx, &sdk.GenerateServiceLastAccessedDetailsInput{Arn: &arn})
		return err
	}
}

func grantingFor(ctx context.Context, c *sdk.Client, arn, service string) func() error {
	return func() error {
		_, err := c.ListPoliciesGrantingServiceAccess(ctx, &sdk.ListPoliciesGrantingServiceAccessInput{Arn: &arn, ServiceNamespaces: []string{service}})
		return err
	}
}

var lastAccessedCannot = map[string]map[string]string{
	"InvalidInput": {"GetServiceLastAccessedDetails": byConstraint},
}

// TestLastAccessedOfStrangers: jobs and entities of one account are nobody's in another, and ten jobs may be open at once.
func TestLastAccessedOfStrangers(t *testing.T) {
	w := newWorld(t)
	furnishLastAccessed(w)
	ctx := t.Context()
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		_, key, err = tx.CreateAccount(directory.NewAccount{Name: "other"})
		return err
	})
	stranger := w.client(key.ID, key.Secret.Reveal(), "")
	_, err := stranger.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: &w.job})
	refused(t, err, 404, "NoSuchEntity", "Job "+w.job+" does not exist.")
	_, err = stranger.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: &w.job, ServiceNamespace: aws.String("s3")})
	refused(t, err, 404, "NoSuchEntity", "Job "+w.job+" does not exist.")
	_, err = stranger.GetOrganizationsAccessReport(ctx, &sdk.GetOrganizationsAccessReportInput{JobId: &w.organizationJob})
	refused(t, err, 404, "NoSuchEntity", "Job "+w.organizationJob+" does not exist.")
	for _, arn := range []string{w.arn("user/team/target"), w.arn("user/nobody"), w.arn("policy/team/plan")} {
		// Whether it is there or not, it is not theirs.
		for _, do := range []func() error{generateFor(ctx, stranger, arn), grantingFor(ctx, stranger, arn, "s3")} {
			if err := do(); err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), arn) {
				t.Errorf("%s: %v", arn, err)
			}
		}
	}
	for range 10 {
		w.generate(w.arn("user/team/target"), "")
	}
	refused(t, generateFor(ctx, w.root, w.arn("user/team/target"))(), 400, "Throttling", "Rate exceeded")
	w.work()
	w.generate(w.arn("user/team/target"), "")
}

// TestLastAccessedPermissionOnEverything: who has the four permissions on * sees who uses what (S3-193).
func TestLastAccessedPermissionOnEverything(t *testing.T) {
	checklist.Shows(t, "S3-52", "S3-193")
	w := newWorld(t)
	w.scene()
	ctx, arn := t.Context(), w.arn("user/team/target")
	c := w.user("auditor", allow("iam:GenerateServiceLastAccessedDetails", "*"), allow("iam:GetServiceLastAccessedDetails", "*"),
		allow("iam:GetServiceLastAccessedDetailsWithEntities", "*"), allow("iam:ListPoliciesGrantingServiceAccess", "*"))
	job := must(c.GenerateServiceLastAccessedDetails(ctx, &sdk.GenerateServiceLastAccessedDetailsInput{Arn: &arn}))(t).JobId
	w.work()
	services := must(c.GetServiceLastAccessedDetails(ctx, &sdk.GetServiceLastAccessedDetailsInput{JobId: job}))(t)
	agree(t, "services", lines(services.ServicesLastAccessed), []string{"s3"})
	entities := must(c.GetServiceLastAccessedDetailsWithEntities(ctx, &sdk.GetServiceLastAccessedDetailsWithEntitiesInput{JobId: job, ServiceNamespace: aws.String("s3")}))(t)
	if len(entities.EntityDetailsList) != 1 || *entities.EntityDetailsList[0].EntityInfo.Arn != arn {
		t.Errorf("%+v", entities.EntityDetailsList)
	}
	policies := must(c.ListPoliciesGrantingServiceAccess(ctx, &sdk.ListPoliciesGrantingServiceAccessInput{Arn: &arn, ServiceNamespaces: []string{"s3"}}))(t)
	if len(policies.PoliciesGrantingServiceAccess[0].Policies) != 2 {
		t.Errorf("%+v", policies.PoliciesGrantingServiceAccess[0])
	}
}
