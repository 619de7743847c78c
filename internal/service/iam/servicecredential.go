package iam

import (
	"context"
	"strconv"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// serviceCredentialRows are the permission rows of the operations on service-specific credentials: all of them are about the user
// who owns the credential.
var serviceCredentialRows = map[string]gate.Row{
	"CreateServiceSpecificCredential": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.CreateServiceSpecificCredentialRequest) []authorizer.Check {
			check := userCheck(c, "iam:CreateServiceSpecificCredential", in.UserName)
			check.Keys = []authorizer.Key{credentialServiceKey(in.ServiceName)}
			if in.CredentialAgeDays != nil {
				check.Keys = append(check.Keys,
					authorizer.Key{Name: "iam:ServiceSpecificCredentialAgeDays", Values: []string{strconv.Itoa(*in.CredentialAgeDays)}})
			}
			return []authorizer.Check{check}
		})},
	"ListServiceSpecificCredentials": {Decides: gate.ByPolicy, ReadOnly: true, Checks: listServiceCredentialsChecks},
	"UpdateServiceSpecificCredential": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		in := gate.Input[*shape.UpdateServiceSpecificCredentialRequest](c)
		return serviceCredentialChecks(c, "iam:UpdateServiceSpecificCredential", in.UserName, in.ServiceSpecificCredentialId)
	}},
	"ResetServiceSpecificCredential": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		in := gate.Input[*shape.ResetServiceSpecificCredentialRequest](c)
		return serviceCredentialChecks(c, "iam:ResetServiceSpecificCredential", in.UserName, in.ServiceSpecificCredentialId)
	}},
	"DeleteServiceSpecificCredential": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		in := gate.Input[*shape.DeleteServiceSpecificCredentialRequest](c)
		return serviceCredentialChecks(c, "iam:DeleteServiceSpecificCredential", in.UserName, in.ServiceSpecificCredentialId)
	}},
}

func credentialServiceKey(service string) authorizer.Key {
	return authorizer.Key{Name: "iam:ServiceSpecificCredentialServiceName", Values: []string{service}}
}

// serviceCredentialChecks asks for one action on a credential that is there already. The service is the credential's own; that of
// a credential that is not there is absent, so that an allow for one service does not match. An ID never stands for another
// service later, so that the decision needs no guard for it.
func serviceCredentialChecks(c *gate.Call, action string, name *string, id string) ([]authorizer.Check, error) {
	t, err := userOwner(c, name)
	if err != nil {
		return nil, err
	}
	check := userCheck(c, action, t.Name)
	if account, ok := c.Snapshot.Account(c.Account()); ok {
		if r, ok := snapshot.ItemByID[*entity.ServiceCredential](account, id); ok {
			check.Keys = []authorizer.Key{credentialServiceKey(r.Record.Service)}
		}
	}
	return []authorizer.Check{check}, nil
}

// listServiceCredentialsChecks: who asks for the credentials of all users must be allowed to ask about all users.
func listServiceCredentialsChecks(c *gate.Call) ([]authorizer.Check, error) {
	in := gate.Input[*shape.ListServiceSpecificCredentialsRequest](c)
	if in.AllUsers != nil && *in.AllUsers {
		if in.UserName != nil {
			return nil, fault.New(fault.Invalid, "AllUsers and UserName cannot be specified together.")
		}
		return []authorizer.Check{{Action: "iam:ListServiceSpecificCredentials", Resource: entity.UserARN(c.Account(), "/", "")}}, nil
	}
	t, err := userOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return []authorizer.Check{userCheck(c, "iam:ListServiceSpecificCredentials", t.Name)}, nil
}

// CreateServiceSpecificCredential answers the credential with its secret, which nothing answers again.
func (s *service) CreateServiceSpecificCredential(ctx context.Context, c *gate.Call, in *shape.CreateServiceSpecificCredentialRequest) (*shape.CreateServiceSpecificCredentialResponse, error) {
	n := directory.NewServiceCredential{Service: in.ServiceName}
	if in.CredentialAgeDays != nil {
		n.Days = *in.CredentialAgeDays
	}
	name := spelled(c, directory.OfUser(c.Account(), in.UserName))
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateServiceSpecificCredentialResponse, error) {
		r, err := tx.CreateServiceCredential(c.Account(), name, n)
		if err != nil {
			return nil, err
		}
		return &shape.CreateServiceSpecificCredentialResponse{ServiceSpecificCredential: issuedServiceCredential(r, name, c.Now())}, nil
	})
}

// issuedServiceCredential is a credential with its secret: what the secret is called depends on the service.
func issuedServiceCredential(r *directory.IssuedServiceCredential, name string, now time.Time) *shape.ServiceSpecificCredential {
	m := serviceCredentialMetadata(r.ServiceCredential, name, now)
	out := &shape.ServiceSpecificCredential{
		CreateDate: m.CreateDate, ExpirationDate: m.ExpirationDate, ServiceName: m.ServiceName, ServiceSpecificCredentialId: m.ServiceSpecificCredentialId,
		ServiceCredentialAlias: m.ServiceCredentialAlias, ServiceUserName: m.ServiceUserName, Status: m.Status, UserName: m.UserName,
	}
	if credential.HasAPIKeys(r.Service) {
		out.ServiceCredentialSecret = &r.Secret
	} else {
		out.ServicePassword = &r.Secret
	}
	return out
}

func serviceCredentialMetadata(r *entity.ServiceCredential, name string, now time.Time) shape.ServiceSpecificCredentialMetadata {
	out := shape.ServiceSpecificCredentialMetadata{
		CreateDate: r.CreatedAt, ServiceName: r.Service, ServiceSpecificCredentialId: r.ID, Status: activity(r.Inactive), UserName: name,
	}
	if credential.HasAPIKeys(r.Service) {
		out.ServiceCredentialAlias = &r.Alias
	} else {
		out.ServiceUserName = &r.Alias
	}
	if !r.ExpiresAt.IsZero() {
		out.ExpirationDate = &r.ExpiresAt
	}
	if directory.ServiceCredentialExpired(r, now) {
		out.Status = "Expired"
	}
	return out
}

// ListServiceSpecificCredentials lists the credentials of a user, or of all users, of one service or of all: a user's the oldest
// first, all users' by service and alias.
func (s *service) ListServiceSpecificCredentials(_ context.Context, c *gate.Call, in *shape.ListServiceSpecificCredentialsRequest) (*shape.ListServiceSpecificCredentialsResponse, error) {
	if in.ServiceName != nil {
		if err := directory.CheckCredentialService(*in.ServiceName); err != nil {
			return nil, err
		}
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	wanted := func(r *entity.ServiceCredential) bool { return in.ServiceName == nil || r.Service == *in.ServiceName }
	var some []*entity.ServiceCredential
	var next *string
	if in.AllUsers != nil && *in.AllUsers {
		type item = snapshot.Item[*entity.ServiceCredential]
		items, marker := page.Take(snapshot.Items[*entity.ServiceCredential](account, after), in.MaxItems,
			func(it item) bool { return wanted(it.Record) }, func(it item) string { return entity.FoldName(it.Record.Place().Name) })
		for _, it := range items {
			some = append(some, it.Record)
		}
		next = marker
	} else {
		t, err := userOwner(c, in.UserName)
		if err != nil {
			return nil, err
		}
		_, owned, _, err := ownedBy(c, t)
		if err != nil {
			return nil, err
		}
		all, key := byAge(snapshot.Owned[*entity.ServiceCredential](account, owned), func(r *entity.ServiceCredential) time.Time { return r.CreatedAt }, after)
		some, next = page.Take(all, in.MaxItems, wanted, key)
	}
	out := &shape.ListServiceSpecificCredentialsResponse{IsTruncated: truncated(next), Marker: next,
		ServiceSpecificCredentials: make([]shape.ServiceSpecificCredentialMetadata, 0, len(some))}
	for _, r := range some {
		name := ""
		if u, ok := c.Snapshot.UserByID(r.User); ok {
			name = u.Name
		}
		out.ServiceSpecificCredentials = append(out.ServiceSpecificCredentials, serviceCredentialMetadata(r, name, c.Now()))
	}
	return out, nil
}

// UpdateServiceSpecificCredential makes a credential usable or unusable.
func (s *service) UpdateServiceSpecificCredential(ctx context.Context, c *gate.Call, in *shape.UpdateServiceSpecificCredentialRequest) error {
	t, err := userOwner(c, in.UserName)
	if err != nil {
		return err
	}
	active, err := activate(in.Status, "a service-specific credential", fault.Invalid)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetServiceCredentialActive(t, in.ServiceSpecificCredentialId, active)
	})
}

// ResetServiceSpecificCredential answers a new secret; the old one is not valid any more.
func (s *service) ResetServiceSpecificCredential(ctx context.Context, c *gate.Call, in *shape.ResetServiceSpecificCredentialRequest) (*shape.ResetServiceSpecificCredentialResponse, error) {
	t, err := userOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.ResetServiceSpecificCredentialResponse, error) {
		r, err := tx.ResetServiceCredential(t, in.ServiceSpecificCredentialId)
		if err != nil {
			return nil, err
		}
		return &shape.ResetServiceSpecificCredentialResponse{ServiceSpecificCredential: issuedServiceCredential(r, spelled(c, t), c.Now())}, nil
	})
}

// DeleteServiceSpecificCredential deletes a credential.
func (s *service) DeleteServiceSpecificCredential(ctx context.Context, c *gate.Call, in *shape.DeleteServiceSpecificCredentialRequest) error {
	t, err := userOwner(c, in.UserName)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeleteServiceCredential(t, in.ServiceSpecificCredentialId)
	})
}
