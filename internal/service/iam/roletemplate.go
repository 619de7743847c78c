package iam

import (
	"context"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// Role templates belong to AWS's services, and no service here has one: every template is one that does not exist.

// roleTemplateRows are the permission rows of the operations on role templates.
var roleTemplateRows = map[string]gate.Row{
	// AcquireRole has no permission of its own: it needs those for what it does for the caller, of which making a role is always one
	// as long as no role was made from a template ("Manage access to role manager", IAM User Guide). The role's name comes from the
	// template, so that any name has to be allowed.
	"AcquireRole": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.AcquireRoleRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:CreateRole", Resource: entity.RoleARN(c.Account(), "/", "*"),
				Keys: []authorizer.Key{{Name: "iam:RoleTemplateARN", Values: []string{in.TemplateArn}}}}}
		})},
	"GetRoleTemplateVersion": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(_ *gate.Call, in *shape.GetRoleTemplateVersionRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:GetRoleTemplateVersion", Resource: in.TemplateArn}}
		})},
}

func (s *service) AcquireRole(_ context.Context, _ *gate.Call, in *shape.AcquireRoleRequest) (*shape.AcquireRoleResponse, error) {
	return nil, noTemplate(in.TemplateArn, in.TemplateMinorVersion)
}

func (s *service) GetRoleTemplateVersion(_ context.Context, _ *gate.Call, in *shape.GetRoleTemplateVersionRequest) (*shape.GetRoleTemplateVersionResponse, error) {
	return nil, noTemplate(in.TemplateArn, in.MinorVersion)
}

// noTemplate says what is wrong with naming a template: that it cannot be one, or that there is none.
func noTemplate(text string, minor *int) error {
	if !isTemplateARN(text) {
		return &fault.Error{Kind: fault.InvalidInput, Subject: text, Message: "ARN " + text + " is not valid."}
	}
	if minor != nil && *minor < 0 {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "minorVersion", Message: "The minor version of a role template cannot be negative."}
	}
	return &fault.Error{Kind: fault.NotFound, Subject: text, Message: "Role template " + text + " was not found."}
}

// isTemplateARN: arn:aws:iam::aws:role-template/ec2.amazonaws.com/Name:1 (Service Authorization Reference).
func isTemplateARN(text string) bool {
	a, err := arn.Parse(text)
	if err != nil || a.Service() != "iam" || a.Region() != "" || a.Account() != "aws" {
		return false
	}
	rest, ok := strings.CutPrefix(a.Resource(), "role-template/")
	service, name, named := strings.Cut(rest, "/")
	name, major, versioned := strings.Cut(name, ":")
	if n, err := strconv.Atoi(major); err != nil || n < 1 {
		return false
	}
	return ok && named && versioned && service != "" && name != "" && !strings.Contains(name, "/")
}
