package iam_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// roleUsers is a service that says what the test tells it about the uses of its role.
type roleUsers struct {
	mu   sync.Mutex
	uses []entity.RoleUsage
	err  error
}

func (u *roleUsers) set(err error, uses ...entity.RoleUsage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.uses, u.err = uses, err
}

func (u *roleUsers) RoleUses(context.Context, string, string) ([]entity.RoleUsage, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.uses, u.err
}

const (
	cacheService = "elasticache.amazonaws.com"
	cacheRole    = "AWSServiceRoleForElastiCache"
	cachePath    = "aws-service-role/elasticache.amazonaws.com/AWSServiceRoleForElastiCache"
)

// newLinked makes the service-linked role of a service.
func (w *world) newLinked(service string) {
	w.t.Helper()
	r, _ := catalog.ServiceLinkedRoleOf(service)
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateServiceLinkedRole(w.account, directory.NewServiceLinkedRole{
			Service: service, Name: r.Role, Trust: r.TrustPolicy(), PolicyARN: r.PolicyARN,
		})
		return err
	})
}

// furnishLinked adds to a scene the role of ElastiCache, and that of ECS with its deletion submitted.
func furnishLinked(w *world) {
	w.t.Helper()
	w.scene()
	w.newLinked(cacheService)
	w.newLinked("ecs.amazonaws.com")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SubmitRoleDeletion(w.account, "AWSServiceRoleForECS")
		return err
	})
}

// deletionTask is the ID of the furnished task.
func (w *world) deletionTask() string {
	if w.follower == nil {
		return ""
	}
	account, _ := w.follower.Current().Account(w.account)
	for t := range snapshot.Items[*entity.RoleDeletion](account, "") {
		return t.Record.TaskID()
	}
	return "none"
}

func linkedPermissions(w *world) []permission {
	return []permission{
		{"CreateServiceLinkedRole", "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_x", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("autoscaling.amazonaws.com"), CustomSuffix: aws.String("x")})
			return err
		}},
		{"DeleteServiceLinkedRole", "role/" + cachePath, "role " + cacheRole, func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: aws.String(cacheRole)})
			return err
		}},
		{"GetServiceLinkedRoleDeletionStatus", "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: aws.String(w.deletionTask())})
			return err
		}},
	}
}

func linkedErrors(w *world) []apiError {
	ctx, c := w.t.Context(), w.root
	create := func(service, suffix string) func() error {
		in := &sdk.CreateServiceLinkedRoleInput{AWSServiceName: &service}
		if suffix != "" {
			in.CustomSuffix = &suffix
		}
		return func() error { _, err := c.CreateServiceLinkedRole(ctx, in); return err }
	}
	remove := func(name string) func() error {
		return func() error {
			_, err := c.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: &name})
			return err
		}
	}
	status := func(id string) func() error {
		return func() error {
			_, err := c.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &id})
			return err
		}
	}
	const unknown = "task/aws-service-role/" + cacheService + "/" + cacheRole + "/4ec9ca2f-9f38-4b0f-9e8e-fd0ea6ddaa8c"
	return []apiError{
		{operation: "CreateServiceLinkedRole", code: "InvalidInput", do: create(cacheService, ""),
			message: "Service role name " + cacheRole + " has been taken in this account, please try a different suffix."},
		{operation: "CreateServiceLinkedRole", code: "InvalidInput", do: create(cacheService, "two"), message: "Custom suffix is not allowed for " + cacheService},
		{operation: "CreateServiceLinkedRole", code: "NoSuchEntity", do: create("nothing.amazonaws.com", ""), message: "The service nothing.amazonaws.com has no service-linked role."},
		{operation: "DeleteServiceLinkedRole", code: "NoSuchEntity", do: remove("nobody"), message: "The role with name nobody cannot be found."},
		{operation: "DeleteServiceLinkedRole", code: "NoSuchEntity", do: remove("idle"), message: "The role with name idle cannot be found."},
		{operation: "GetServiceLinkedRoleDeletionStatus", code: "NoSuchEntity", do: status(unknown), message: "The deletion task " + unknown + " cannot be found."},
		{operation: "GetServiceLinkedRoleDeletionStatus", code: "InvalidInput", do: status("task/aws-service-role/x/" + cacheRole), message: "The deletion task ID is not valid."},
		{operation: "GetServiceLinkedRoleDeletionStatus", code: "InvalidInput", do: status(strings.Replace(unknown, cacheRole, "*", 1)), message: "The deletion task ID is not valid."},
	}
}

var linkedCannot = map[string]map[string]string{
	"LimitExceeded": {"CreateServiceLinkedRole": "service-linked roles may pass the quota of roles (S2-253)", "DeleteServiceLinkedRole": nothingGrows},
}

// TestServiceLinkedRoleOfEveryService makes, reads and deletes the role of each service of the catalog.
func TestServiceLinkedRoleOfEveryService(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.RolesQuota, new(0))
		return err
	})
	for linked := range catalog.ServiceLinkedRoles() {
		t.Run(linked.Service, func(t *testing.T) {
			checklist.Shows(t, "S2-10", "S2-243", "S2-244", "S2-253", "S3-30")
			made := must(w.root.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: &linked.Service}))(t).Role
			shows(t, "CreateServiceLinkedRole", made.AssumeRolePolicyDocument, linked.TrustPolicy())
			if *made.Arn != w.arn("role/aws-service-role/"+linked.Service+"/"+linked.Role) || *made.RoleName != linked.Role || *made.Path != linked.Path() {
				t.Errorf("made %+v", made)
			}
			attached := must(w.root.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: made.RoleName}))(t).AttachedPolicies
			if len(attached) != 1 || *attached[0].PolicyArn != linked.PolicyARN {
				t.Errorf("carries %+v", attached)
			}
			task := must(w.root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: made.RoleName}))(t).DeletionTaskId
			if !strings.HasPrefix(*task, "task/aws-service-role/"+linked.Service+"/"+linked.Role+"/") {
				t.Errorf("the task is %s", *task)
			}
		})
	}
	if err := w.unlink.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if roles := must(w.root.ListRoles(ctx, &sdk.ListRolesInput{}))(t).Roles; len(roles) > 0 {
		t.Errorf("%d roles are left", len(roles))
	}
}

// TestServiceLinkedRoleNames: a suffix makes further roles where the service allows one; names are one without case (S2-252).
func TestServiceLinkedRoleNames(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	create := func(suffix, description *string) (*types.Role, error) {
		out, err := w.root.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{
			AWSServiceName: aws.String("autoscaling.amazonaws.com"), CustomSuffix: suffix, Description: description})
		if err != nil {
			return nil, err
		}
		return out.Role, nil
	}
	must(create(nil, nil))(t)
	checklist.Shows(t, "S2-252", "S2-254")
	if r := must(create(aws.String("Blue"), aws.String("for blue")))(t); *r.RoleName != "AWSServiceRoleForAutoScaling_Blue" || *r.Description != "for blue" {
		t.Errorf("made %+v", r)
	}
	_, err := create(aws.String("BLUE"), nil)
	refused(t, err, 400, "InvalidInput", "Service role name AWSServiceRoleForAutoScaling_BLUE has been taken in this account, please try a different suffix.")
	must(w.root.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: aws.String("AWSServiceRoleForAutoScaling_Blue"), Description: aws.String("new")}))(t)
	if r := must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("awsserviceroleforautoscaling_blue")}))(t).Role; *r.Description != "new" {
		t.Errorf("the role is %+v", r)
	}
}

// TestServiceLinkedRoleCannotBeEdited through the API, whatever the caller's policies are.
func TestServiceLinkedRoleCannotBeEdited(t *testing.T) {
	w := newWorld(t)
	w.scene()
	w.newLinked(cacheService)
	roles, _, _, _ := callsOn(w)
	const sentence = "Cannot perform the operation on the protected role '" + cacheRole + "' - this role is only modifiable by AWS"
	for _, operation := range []string{"UpdateRole", "DeleteRole", "UpdateAssumeRolePolicy", "AttachRolePolicy", "DetachRolePolicy",
		"PutRolePolicy", "DeleteRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"} {
		t.Run(operation, func(t *testing.T) {
			checklist.Shows(t, "S2-249", "S2-250", "S2-251", "S2-262", "S2-SLR-12", "S3-101", "S3-396")
			if operation == "AttachRolePolicy" || operation == "DetachRolePolicy" {
				checklist.Shows(t, "S3-102")
			}
			refused(t, roles[operation](cacheRole), 400, "UnmodifiableEntity", sentence)
		})
	}
	t.Run("its policy elsewhere", func(t *testing.T) {
		checklist.Shows(t, "S2-250", "S3-30", "S3-102")
		_, err := w.root.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: aws.String("idle"), PolicyArn: aws.String(linkedPolicy)})
		refused(t, err, 400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
	})
	t.Run("nobody but its service assumes it", func(t *testing.T) {
		checklist.Shows(t, "S2-249", "S5-141")
		admin := w.user("admin", allow("*", "*"))
		_, err := w.assume(w.sts()(admin), w.arn("role/"+cachePath))
		refused(t, err, 403, "AccessDenied", "User: "+w.arn("user/admin")+" is not authorized to perform: sts:AssumeRole on resource: "+
			w.arn("role/"+cachePath)+" because no role trust policy allows the sts:AssumeRole action")
	})
}

var equalReasons = cmpopts.IgnoreUnexported(types.DeletionTaskFailureReasonType{}, types.RoleUsageType{})

// TestDeletionOfServiceLinkedRole: the task fails while something uses the role and says what, round after round; then the role
// goes (S2-256 to S2-259).
func TestDeletionOfServiceLinkedRole(t *testing.T) {
	w := newWorld(t)
	w.newLinked(cacheService)
	ctx := t.Context()
	submit := func() *string {
		t.Helper()
		return must(w.root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: aws.String(strings.ToUpper(cacheRole))}))(t).DeletionTaskId
	}
	status := func(task *string) *sdk.GetServiceLinkedRoleDeletionStatusOutput {
		t.Helper()
		return must(w.root.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task}))(t)
	}
	run := func(task *string) *sdk.GetServiceLinkedRoleDeletionStatusOutput {
		t.Helper()
		if got := status(task).Status; got != types.DeletionTaskStatusTypeNotStarted {
			t.Errorf("submitted, the task is %s", got)
		}
		if err := w.unlink.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		w.settle()
		return status(task)
	}
	var failed *string
	t.Run("resources in the way", func(t *testing.T) {
		checklist.Shows(t, "S2-256", "S2-257", "S2-258", "S2-259", "S2-SLR-16", "S2-SLR-21")
		for _, uses := range [][]entity.RoleUsage{
			{{Region: "us-east-1", Resources: []string{"arn:aws:elasticache:us-east-1:1:cluster:a", "arn:aws:elasticache:us-east-1:1:cluster:b"}}, {Region: "eu-west-1"}},
			{{Region: "us-east-1", Resources: []string{"arn:aws:elasticache:us-east-1:1:cluster:c"}}},
		} {
			w.users.set(nil, uses...)
			failed = submit()
			out := run(failed)
			want := &types.DeletionTaskFailureReasonType{
				Reason: aws.String("The role is used by resources of the service elasticache.amazonaws.com. Delete these resources before you delete the role."),
			}
			for _, u := range uses {
				want.RoleUsageList = append(want.RoleUsageList, types.RoleUsageType{Region: aws.String(u.Region), Resources: u.Resources})
			}
			if diff := cmp.Diff(want, out.Reason, equalReasons, cmpopts.EquateEmpty()); out.Status != types.DeletionTaskStatusTypeFailed || diff != "" {
				t.Errorf("%s (-want +got):\n%s", out.Status, diff)
			}
		}
	})
	t.Run("a service that cannot say", func(t *testing.T) {
		w.users.set(errors.New("secret trouble"))
		if out := run(submit()); out.Status != types.DeletionTaskStatusTypeFailed ||
			*out.Reason.Reason != "The service elasticache.amazonaws.com could not say whether the role is in use. Submit the deletion again." {
			t.Errorf("%+v %+v", out, out.Reason)
		}
		_, err := w.root.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: failed})
		refused(t, err, 404, "NoSuchEntity", "The deletion task "+*failed+" cannot be found.") // a newer one has taken its place
	})
	t.Run("an active session", func(t *testing.T) {
		checklist.Shows(t, "S2-258")
		w.users.set(nil)
		account, _ := w.follower.Current().Account(w.account)
		r, _ := account.Role(cacheRole)
		w.usage.Role(w.account, r.ID, "ec2", "eu-west-1", time.Now())
		out := run(submit())
		if out.Status != types.DeletionTaskStatusTypeFailed || *out.Reason.Reason != "The role may have active sessions: it was used within the last hour." ||
			*out.Reason.RoleUsageList[0].Region != "eu-west-1" {
			t.Errorf("%+v %+v", out, out.Reason)
		}
	})
	t.Run("nothing in the way", func(t *testing.T) {
		checklist.Shows(t, "S2-256", "S2-257", "S2-264", "S2-SLR-21")
		// The same role, made anew: it was never used.
		w.newLinked("ecs.amazonaws.com")
		role := aws.String("AWSServiceRoleForECS")
		must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: role}))(t)
		task := must(w.root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: role}))(t).DeletionTaskId
		again := must(w.root.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: role}))(t).DeletionTaskId
		if *again != *task {
			t.Errorf("a second request made the task %s beside %s", *again, *task)
		}
		must(w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: role}))(t) // it is there until the task succeeds
		if out := run(task); out.Status != types.DeletionTaskStatusTypeSucceeded || out.Reason != nil {
			t.Errorf("%+v", out)
		}
		_, err := w.root.GetRole(ctx, &sdk.GetRoleInput{RoleName: role})
		refused(t, err, 404, "NoSuchEntity", "The role with name AWSServiceRoleForECS cannot be found.")
		if out := status(task); out.Status != types.DeletionTaskStatusTypeSucceeded {
			t.Errorf("asked again: %+v", out)
		}
		must(w.root.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("ecs.amazonaws.com")}))(t)
	})
	t.Run("another account", func(t *testing.T) {
		var key *directory.IssuedKey
		w.make(func(tx *directory.Tx) (err error) {
			_, key, err = tx.CreateAccount(directory.NewAccount{Name: "second"})
			return err
		})
		stranger := w.client(key.ID, key.Secret.Reveal(), "")
		task := w.deletionTask()
		_, err := stranger.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: &task})
		refused(t, err, 404, "NoSuchEntity", "The deletion task "+task+" cannot be found.")
	})
}

// TestGuidesServiceLinkedStatements: the statements that the guide prints for ElastiCache's role grant what they say.
func TestGuidesServiceLinkedStatements(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	on := "arn:aws:iam::*:role/" + cachePath + "*"
	caller := w.user("caller")
	create := func(service string) error {
		_, err := caller.CreateServiceLinkedRole(ctx, &sdk.CreateServiceLinkedRoleInput{AWSServiceName: &service})
		return err
	}
	t.Run("create", func(t *testing.T) {
		checklist.Shows(t, "S2-245", "S2-SLR-6", "S5-144")
		w.t = t
		w.grant("caller", allow("iam:CreateServiceLinkedRole", on).when("StringLike", "iam:AWSServiceName", cacheService),
			allow("iam:PutRolePolicy", on).when("StringLike", "iam:AWSServiceName", cacheService))
		w.denied(create("rds.amazonaws.com"), "caller", "iam:CreateServiceLinkedRole", w.arn("role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"))
		if err := create(cacheService); err != nil {
			t.Error(err)
		}
	})
	t.Run("all services", func(t *testing.T) {
		checklist.Shows(t, "S2-246", "S2-247")
		w.t = t
		all := "arn:aws:iam::*:role/aws-service-role/*"
		w.grant("caller", allow("iam:CreateServiceLinkedRole", all), allow("iam:UpdateRoleDescription", all))
		if err := create("rds.amazonaws.com"); err != nil {
			t.Error(err)
		}
		_, err := caller.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: aws.String("AWSServiceRoleForRDS"), Description: aws.String("d")})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("delete", func(t *testing.T) {
		checklist.Shows(t, "S2-248", "S2-SLR-7", "S5-146", "S5-147")
		w.t = t
		w.grant("caller", allow("iam:DeleteServiceLinkedRole", on).when("StringLike", "iam:AWSServiceName", cacheService),
			statement{"Allow", "iam:GetServiceLinkedRoleDeletionStatus", on, nil}.when("StringLike", "iam:AWSServiceName", cacheService))
		_, err := caller.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: aws.String("AWSServiceRoleForRDS")})
		w.denied(err, "caller", "iam:DeleteServiceLinkedRole", "role AWSServiceRoleForRDS")
		out := must(caller.DeleteServiceLinkedRole(ctx, &sdk.DeleteServiceLinkedRoleInput{RoleName: aws.String(cacheRole)}))(t)
		must(caller.GetServiceLinkedRoleDeletionStatus(ctx, &sdk.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: out.DeletionTaskId}))(t)
	})
}
