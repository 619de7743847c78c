package iam

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// accessKeyRows are the permission rows of the operations on access keys: all of them are about the user who owns the key.
var accessKeyRows = map[string]gate.Row{
	"CreateAccessKey": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:CreateAccessKey", gate.Input[*shape.CreateAccessKeyRequest](c).UserName)
	}},
	"ListAccessKeys": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:ListAccessKeys", gate.Input[*shape.ListAccessKeysRequest](c).UserName)
	}},
	"UpdateAccessKey": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:UpdateAccessKey", gate.Input[*shape.UpdateAccessKeyRequest](c).UserName)
	}},
	"DeleteAccessKey": {Decides: gate.ByPolicy, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		return ownerChecks(c, "iam:DeleteAccessKey", gate.Input[*shape.DeleteAccessKeyRequest](c).UserName)
	}},
	"GetAccessKeyLastUsed": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(lastUsedChecks)},
}

// lastUsedChecks asks about the key's owner. For a key that the account does not have the question is about no user at all, so
// that who may not ask about users is refused in the same words either way.
func lastUsedChecks(c *gate.Call, in *shape.GetAccessKeyLastUsedRequest) []authorizer.Check {
	check := authorizer.Check{Action: "iam:GetAccessKeyLastUsed", Shown: "access key " + in.AccessKeyId}
	switch key, ok := c.Snapshot.AccessKey(in.AccessKeyId); {
	case !ok || key.Account != c.Account():
		check.Resource = entity.UserARN(c.Account(), "/", "")
	case key.User == key.Account:
		check.Resource = entity.RootARN(c.Account())
	default:
		check.Resource = entity.UserARN(c.Account(), "/", "")
		if u, ok := c.Snapshot.UserByID(key.User); ok {
			check.Resource = u.ARN()
		}
	}
	return []authorizer.Check{check}
}

const (
	statusActive   = "Active"
	statusInactive = "Inactive"
)

func status(k *entity.AccessKey) string {
	if k.Inactive {
		return statusInactive
	}
	return statusActive
}

func (s *service) CreateAccessKey(ctx context.Context, c *gate.Call, in *shape.CreateAccessKeyRequest) (*shape.CreateAccessKeyResponse, error) {
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateAccessKeyResponse, error) {
		k, err := tx.CreateAccessKey(t)
		if err != nil {
			return nil, err
		}
		return &shape.CreateAccessKeyResponse{AccessKey: shape.AccessKey{
			AccessKeyId: k.ID, CreateDate: new(k.CreatedAt), SecretAccessKey: k.Secret, Status: status(k.AccessKey), UserName: t.Name,
		}}, nil
	})
}

// ListAccessKeys lists the oldest key first.
func (s *service) ListAccessKeys(_ context.Context, c *gate.Call, in *shape.ListAccessKeysRequest) (*shape.ListAccessKeysResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	t, err := owner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	ids, name := account.RootKeys, (*string)(nil)
	if t.Kind == entity.KindUser {
		u, err := user(c, t.Name)
		if err != nil {
			return nil, err
		}
		ids, name = u.Keys, new(u.Name)
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	var all []snapshot.AccessKey
	for _, id := range ids {
		if k, ok := c.Snapshot.AccessKey(id); ok && keyPlace(k) > after {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b snapshot.AccessKey) int { return strings.Compare(keyPlace(a), keyPlace(b)) })
	keys, next := page.Take(slices.Values(all), in.MaxItems, nil, keyPlace)
	out := &shape.ListAccessKeysResponse{
		IsTruncated: truncated(next), Marker: next, AccessKeyMetadata: make([]shape.AccessKeyMetadata, 0, len(keys)),
	}
	for _, k := range keys {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, shape.AccessKeyMetadata{
			AccessKeyId: new(k.ID), CreateDate: new(k.CreatedAt), Status: new(status(k.AccessKey)), UserName: name,
		})
	}
	return out, nil
}

// keyPlace orders keys by age.
func keyPlace(k snapshot.AccessKey) string {
	return k.CreatedAt.UTC().Format(time.RFC3339) + " " + k.ID
}

func (s *service) UpdateAccessKey(ctx context.Context, c *gate.Call, in *shape.UpdateAccessKeyRequest) error {
	t, err := owner(c, in.UserName)
	if err != nil {
		return err
	}
	if in.Status != statusActive && in.Status != statusInactive {
		// The model's status type is shared with credentials that expire; access keys do not.
		return &fault.Error{Kind: fault.InvalidInput, Subject: in.Status, Message: "The status of an access key must be Active or Inactive."}
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetAccessKeyActive(t, in.AccessKeyId, in.Status == statusActive)
	})
}

func (s *service) DeleteAccessKey(ctx context.Context, c *gate.Call, in *shape.DeleteAccessKeyRequest) error {
	t, err := owner(c, in.UserName)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeleteAccessKey(t, in.AccessKeyId) })
}

// GetAccessKeyLastUsed answers a key never used with N/A and without a date (S1-276). A key that the account does not have is
// refused, not missing: the operation has no NoSuchEntity.
func (s *service) GetAccessKeyLastUsed(ctx context.Context, c *gate.Call, in *shape.GetAccessKeyLastUsedRequest) (*shape.GetAccessKeyLastUsedResponse, error) {
	key, ok := c.Snapshot.AccessKey(in.AccessKeyId)
	if !ok || key.Account != c.Account() {
		return nil, &fault.Error{Kind: fault.Denied, Subject: in.AccessKeyId, Message: "User: " + c.Caller.Principal.ARN +
			" is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key " + in.AccessKeyId}
	}
	last := &shape.AccessKeyLastUsed{Region: "N/A", ServiceName: "N/A"}
	use, used, err := s.usage.LastKey(ctx, key.ID)
	if err != nil {
		return nil, fault.Wrap(err, "reading a key's last use")
	}
	if used {
		last = &shape.AccessKeyLastUsed{LastUsedDate: new(use.At), Region: use.Region, ServiceName: use.Service}
	}
	out := &shape.GetAccessKeyLastUsedResponse{AccessKeyLastUsed: last}
	if u, ok := c.Snapshot.UserByID(key.User); ok {
		out.UserName = new(u.Name)
	}
	return out, nil
}
