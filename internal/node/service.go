package node

import (
	"context"
	"regexp"
	"time"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/server"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// serviceRoles gives roles to services for the operator API.
type serviceRoles struct{ n *Node }

// servicePrincipal is the form of service principals: ec2.amazonaws.com, ops.emr-serverless.amazonaws.com.
var servicePrincipal = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com$`)

// AssumeRole implements server.ServiceRoles: it is the gate's AssumeRole, called by the service.
func (s serviceRoles) AssumeRole(ctx context.Context, in server.ServiceRequest) (server.ServiceCredentials, error) {
	if len(in.Service) > 256 || !servicePrincipal.MatchString(in.Service) {
		return server.ServiceCredentials{}, fault.New(fault.Invalid, "%q is not a service principal such as ec2.amazonaws.com.", in.Service)
	}
	role, err := arn.Parse(in.RoleARN)
	if err != nil || role.Account() == "" {
		return server.ServiceCredentials{}, fault.New(fault.Invalid, "RoleArn %q is not a role's ARN.", in.RoleARN)
	}
	call := gate.ServiceCall{
		Service: in.Service, API: shape.API, Operation: "AssumeRole", Account: role.Account(), SourceARN: in.SourceARN,
	}
	if in.SourceARN != "" {
		source, err := arn.Parse(in.SourceARN)
		if err != nil {
			return server.ServiceCredentials{}, fault.New(fault.Invalid, "SourceArn %q is not an ARN.", in.SourceARN)
		}
		if call.SourceAccount = source.Account(); call.SourceAccount != "" && call.SourceAccount != role.Account() {
			// A service role is usable inside its own account only (S2-8).
			return server.ServiceCredentials{}, fault.New(fault.Invalid, "SourceArn %q is not of the role's account.", in.SourceARN)
		}
	}
	request := &shape.AssumeRoleRequest{RoleArn: in.RoleARN, RoleSessionName: in.SessionName}
	if in.Duration != 0 {
		seconds := int(in.Duration / time.Second)
		request.DurationSeconds = &seconds
	}
	call.Input = request
	out, err := s.n.gate.CallAsService(ctx, call)
	if err != nil {
		return server.ServiceCredentials{}, err
	}
	answer, ok := out.(*shape.AssumeRoleResponse)
	if !ok {
		return server.ServiceCredentials{}, &fault.Error{Kind: fault.Internal, Subject: "AssumeRole"} // its type is fixed
	}
	c, u := answer.Credentials, answer.AssumedRoleUser
	return server.ServiceCredentials{
		AccessKeyID: c.AccessKeyId, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expiration,
		ARN: u.Arn, UserID: u.AssumedRoleId,
	}, nil
}

// InstanceProfile implements server.ServiceRoles. It reads what this node's snapshot shows.
func (s serviceRoles) InstanceProfile(ctx context.Context, id, name, role string) (server.InstanceProfile, error) {
	if id == "" {
		err := s.n.store.View(ctx, func(r store.Reader) error {
			first, err := get[directory.Installation](r, entity.SystemKey(sysInstallation))
			if err == nil && first != nil {
				id = first.Account
			}
			return err
		})
		if err != nil {
			return server.InstanceProfile{}, fault.Wrap(err, "looking for the first account")
		}
	}
	account, ok := s.n.snapshots.Current().Account(id)
	if !ok {
		return server.InstanceProfile{}, fault.New(fault.NotFound, "The account %s cannot be found.", id)
	}
	if role == "" {
		it, ok := snapshot.ItemNamed[*entity.InstanceProfile](account, name)
		if !ok {
			return server.InstanceProfile{}, fault.New(fault.NotFound, "Instance Profile %s cannot be found.", name)
		}
		return profileShown(account, it.Record), nil
	}
	r, ok := account.Role(role)
	if !ok {
		return server.InstanceProfile{}, fault.New(fault.NotFound, "The role with name %s cannot be found.", role)
	}
	for it := range snapshot.Items[*entity.InstanceProfile](account, "") {
		if it.Record.Role == r.ID {
			return profileShown(account, it.Record), nil
		}
	}
	return server.InstanceProfile{RoleARN: r.ARN(), RoleName: r.Name}, nil
}

func profileShown(account snapshot.Account, p *entity.InstanceProfile) server.InstanceProfile {
	out := server.InstanceProfile{ARN: p.ARN(), ID: p.ID}
	if r, ok := account.RoleByID(p.Role); ok {
		out.RoleARN, out.RoleName = r.ARN(), r.Name
	}
	return out
}
