package iam

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/sshkey"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// sshPublicKeyRows are the permission rows of the operations on SSH public keys: all of them are about the user who owns the key.
var sshPublicKeyRows = map[string]gate.Row{
	"UploadSSHPublicKey": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:UploadSSHPublicKey", func(in *shape.UploadSSHPublicKeyRequest) string { return in.UserName })},
	"GetSSHPublicKey": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(userCheck, "iam:GetSSHPublicKey", func(in *shape.GetSSHPublicKeyRequest) string { return in.UserName })},
	"ListSSHPublicKeys": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		t, err := userOwner(c, gate.Input[*shape.ListSSHPublicKeysRequest](c).UserName)
		if err != nil {
			return nil, err
		}
		return []authorizer.Check{userCheck(c, "iam:ListSSHPublicKeys", t.Name)}, nil
	}},
	"UpdateSSHPublicKey": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:UpdateSSHPublicKey", func(in *shape.UpdateSSHPublicKeyRequest) string { return in.UserName })},
	"DeleteSSHPublicKey": {Decides: gate.ByPolicy,
		Checks: on(userCheck, "iam:DeleteSSHPublicKey", func(in *shape.DeleteSSHPublicKeyRequest) string { return in.UserName })},
}

// UploadSSHPublicKey takes a key in either encoding and answers it in SSH's.
func (s *service) UploadSSHPublicKey(ctx context.Context, c *gate.Call, in *shape.UploadSSHPublicKeyRequest) (*shape.UploadSSHPublicKeyResponse, error) {
	key, err := sshkey.Parse(in.SSHPublicKeyBody)
	if err != nil {
		return nil, err
	}
	name := spelled(c, directory.OfUser(c.Account(), in.UserName))
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.UploadSSHPublicKeyResponse, error) {
		k, err := tx.UploadSSHKey(c.Account(), name, key)
		if err != nil {
			return nil, err
		}
		return &shape.UploadSSHPublicKeyResponse{SSHPublicKey: shapeSSHKey(k, name)}, nil
	})
}

func shapeSSHKey(k *entity.SSHKey, name string) *shape.SSHPublicKey {
	return &shape.SSHPublicKey{
		Fingerprint: k.Fingerprint, SSHPublicKeyBody: k.Body, SSHPublicKeyId: k.ID, Status: activity(k.Inactive), UploadDate: &k.UploadedAt, UserName: name,
	}
}

// GetSSHPublicKey answers a key in the encoding that is asked for.
func (s *service) GetSSHPublicKey(_ context.Context, c *gate.Call, in *shape.GetSSHPublicKeyRequest) (*shape.GetSSHPublicKeyResponse, error) {
	account, owned, name, err := ownedBy(c, directory.OfUser(c.Account(), in.UserName))
	if err != nil {
		return nil, err
	}
	k, ok := snapshot.ItemByID[*entity.SSHKey](account, in.SSHPublicKeyId)
	if !ok || !slices.Contains(owned[entity.KindSSHKey], in.SSHPublicKeyId) {
		return nil, fault.New(fault.NotFound, "The Public Key with id %s cannot be found.", in.SSHPublicKeyId)
	}
	out := shapeSSHKey(k.Record, name)
	if in.Encoding == "PEM" {
		key, err := sshkey.Parse(k.Record.Body)
		if err != nil {
			return nil, fmt.Errorf("iam: the stored key %s: %v", k.Record.ID, err) // nothing that the caller did
		}
		out.SSHPublicKeyBody = key.PEM()
	}
	return &shape.GetSSHPublicKeyResponse{SSHPublicKey: out}, nil
}

// ListSSHPublicKeys lists a user's keys, the oldest first, without their bodies.
func (s *service) ListSSHPublicKeys(_ context.Context, c *gate.Call, in *shape.ListSSHPublicKeysRequest) (*shape.ListSSHPublicKeysResponse, error) {
	t, err := userOwner(c, in.UserName)
	if err != nil {
		return nil, err
	}
	account, owned, name, err := ownedBy(c, t)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	all, key := byAge(snapshot.Owned[*entity.SSHKey](account, owned), func(k *entity.SSHKey) time.Time { return k.UploadedAt }, after)
	keys, next := page.Take(all, in.MaxItems, nil, key)
	out := &shape.ListSSHPublicKeysResponse{IsTruncated: truncated(next), Marker: next, SSHPublicKeys: make([]shape.SSHPublicKeyMetadata, 0, len(keys))}
	for _, k := range keys {
		out.SSHPublicKeys = append(out.SSHPublicKeys, shape.SSHPublicKeyMetadata{
			SSHPublicKeyId: k.ID, Status: activity(k.Inactive), UploadDate: k.UploadedAt, UserName: name,
		})
	}
	return out, nil
}

// UpdateSSHPublicKey makes a key usable or unusable.
func (s *service) UpdateSSHPublicKey(ctx context.Context, c *gate.Call, in *shape.UpdateSSHPublicKeyRequest) error {
	active, err := activate(in.Status, "an SSH public key", fault.InvalidInput)
	if err != nil {
		return err
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetSSHKeyActive(c.Account(), in.UserName, in.SSHPublicKeyId, active)
	})
}

// DeleteSSHPublicKey deletes a key.
func (s *service) DeleteSSHPublicKey(ctx context.Context, c *gate.Call, in *shape.DeleteSSHPublicKeyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeleteSSHKey(c.Account(), in.UserName, in.SSHPublicKeyId)
	})
}
