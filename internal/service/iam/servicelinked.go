package iam

import (
	"context"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// serviceLinkedRows are the permission rows of the operations on service-linked roles. All three have iam:AWSServiceName: the
// reference gives that key to the first alone, AWS's own example of a statement that allows a deletion needs it in the others
// (S2-SLR-7, S5-146).
var serviceLinkedRows = map[string]gate.Row{
	"CreateServiceLinkedRole": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.CreateServiceLinkedRoleRequest) []authorizer.Check {
			path, name := catalog.ServiceLinkedPath+in.AWSServiceName+"/", ""
			if linked, ok := catalog.ServiceLinkedRoleOf(in.AWSServiceName); ok {
				name = linked.RoleName(deref(in.CustomSuffix, ""))
			}
			return []authorizer.Check{{
				Action: "iam:CreateServiceLinkedRole", Resource: entity.RoleARN(c.Account(), path, name), Keys: serviceNameKey(in.AWSServiceName),
			}}
		})},
	"DeleteServiceLinkedRole": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.DeleteServiceLinkedRoleRequest) []authorizer.Check {
			check := roleCheck(c, "iam:DeleteServiceLinkedRole", in.RoleName)
			if r, err := role(c, in.RoleName); err == nil && r.ServiceLinked != "" {
				check.Keys = serviceNameKey(r.ServiceLinked)
			}
			return []authorizer.Check{check}
		})},
	// The question is about the role that the task is named after (S2-248, S5-147), which may be gone.
	"GetServiceLinkedRoleDeletionStatus": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		t, err := parseDeletionTask(gate.Input[*shape.GetServiceLinkedRoleDeletionStatusRequest](c).DeletionTaskId)
		if err != nil {
			return nil, err
		}
		return []authorizer.Check{{
			Action:   "iam:GetServiceLinkedRoleDeletionStatus",
			Resource: entity.RoleARN(c.Account(), catalog.ServiceLinkedPath+t.service+"/", t.role), Keys: serviceNameKey(t.service),
		}}, nil
	}},
}

func serviceNameKey(service string) []authorizer.Key {
	return []authorizer.Key{{Name: "iam:AWSServiceName", Values: []string{service}}}
}

// deletionTask is what a DeletionTaskId says.
type deletionTask struct{ service, role, id string }

// parseDeletionTask reads task/aws-service-role/SERVICE/ROLE/UUID.
func parseDeletionTask(text string) (deletionTask, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 5 || parts[0] != "task" || "/"+parts[1]+"/" != catalog.ServiceLinkedPath || parts[2] == "" || parts[3] == "" || parts[4] == "" ||
		strings.ContainsAny(text, "*?$\\") {
		return deletionTask{}, fault.New(fault.InvalidInput, "The deletion task ID is not valid.")
	}
	return deletionTask{parts[2], parts[3], parts[4]}, nil
}

// CreateServiceLinkedRole makes the role of a service, with the trust policy and the permissions that the service has
// (S2-244).
func (s *service) CreateServiceLinkedRole(ctx context.Context, c *gate.Call, in *shape.CreateServiceLinkedRoleRequest) (*shape.CreateServiceLinkedRoleResponse, error) {
	linked, ok := catalog.ServiceLinkedRoleOf(in.AWSServiceName)
	if !ok {
		return nil, fault.New(fault.NotFound, "The service %s has no service-linked role.", in.AWSServiceName)
	}
	if in.CustomSuffix != nil && !linked.Suffix {
		return nil, fault.New(fault.InvalidInput, "Custom suffix is not allowed for %s", in.AWSServiceName)
	}
	n := directory.NewServiceLinkedRole{
		Service: linked.Service, Name: linked.RoleName(deref(in.CustomSuffix, "")), Description: deref(in.Description, ""),
		Trust: linked.TrustPolicy(), PolicyARN: linked.PolicyARN,
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateServiceLinkedRoleResponse, error) {
		r, err := tx.CreateServiceLinkedRole(c.Account(), n)
		if err != nil {
			return nil, err
		}
		out := shape.Role{
			Arn: r.ARN(), CreateDate: r.CreatedAt, Path: r.Path, RoleId: r.ID, RoleName: r.Name, Description: in.Description,
			AssumeRolePolicyDocument: new(escapeDocument(n.Trust)),
		}
		return &shape.CreateServiceLinkedRoleResponse{Role: &out}, nil
	})
}

// DeleteServiceLinkedRole submits the deletion of a role (S2-256); package unlink works on it.
func (s *service) DeleteServiceLinkedRole(ctx context.Context, c *gate.Call, in *shape.DeleteServiceLinkedRoleRequest) (*shape.DeleteServiceLinkedRoleResponse, error) {
	var task *entity.RoleDeletion
	out, err := gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.DeleteServiceLinkedRoleResponse, error) {
		var err error
		if task, err = tx.SubmitRoleDeletion(c.Account(), in.RoleName); err != nil {
			return nil, err
		}
		return &shape.DeleteServiceLinkedRoleResponse{DeletionTaskId: task.TaskID()}, nil
	})
	if err == nil && s.submitted != nil {
		s.submitted(task.Account, task.ID)
	}
	return out, err
}

// GetServiceLinkedRoleDeletionStatus says how far a deletion has come (S2-257).
func (s *service) GetServiceLinkedRoleDeletionStatus(_ context.Context, c *gate.Call, in *shape.GetServiceLinkedRoleDeletionStatusRequest) (*shape.GetServiceLinkedRoleDeletionStatusResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	id, err := parseDeletionTask(in.DeletionTaskId)
	if err != nil {
		return nil, err
	}
	t, ok := snapshot.ItemByID[*entity.RoleDeletion](account, id.id)
	if !ok || t.Record.TaskID() != in.DeletionTaskId {
		return nil, fault.New(fault.NotFound, "The deletion task %s cannot be found.", in.DeletionTaskId)
	}
	out := &shape.GetServiceLinkedRoleDeletionStatusResponse{Status: string(t.Record.Status)}
	if t.Record.Status == entity.DeletionFailed {
		out.Reason = &shape.DeletionTaskFailureReasonType{Reason: &t.Record.Reason}
		for _, u := range t.Record.Uses {
			usage := shape.RoleUsageType{Resources: u.Resources}
			if u.Region != "" {
				usage.Region = &u.Region
			}
			out.Reason.RoleUsageList = append(out.Reason.RoleUsageList, usage)
		}
	}
	return out, nil
}
