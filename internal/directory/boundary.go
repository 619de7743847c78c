package directory

import (
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// PutBoundary sets the permissions boundary of a user or role, in place of one it may have.
func (tx *Tx) PutBoundary(t Target, arn string) (err error) {
	defer tx.note(&err)
	h, err := tx.bounded(t)
	if err != nil {
		return err
	}
	if err := tx.setBoundary(t.Account, h.grants, arn); err != nil {
		return err
	}
	h.save()
	return nil
}

// DeleteBoundary takes the permissions boundary away; having none is no error.
func (tx *Tx) DeleteBoundary(t Target) (err error) {
	defer tx.note(&err)
	h, err := tx.bounded(t)
	if err != nil {
		return err
	}
	if h.grants.Boundary == "" {
		return nil
	}
	if err := tx.clearBoundary(t.Account, h.grants); err != nil {
		return err
	}
	h.save()
	return nil
}

// bounded loads a target that may have a boundary.
func (tx *Tx) bounded(t Target) (*holder, error) {
	if t.Kind == entity.KindGroup {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: t.Name, Message: "A group cannot have a permissions boundary."}
	}
	h, err := tx.holder(t)
	if err != nil {
		return nil, err
	}
	return h, h.unprotected()
}

// setBoundary puts a boundary into grants, which the caller saves, and keeps the policies' counts.
func (tx *Tx) setBoundary(account string, grants *entity.Grants, arn string) error {
	if !isPolicyARN(arn) {
		return &fault.Error{Kind: fault.InvalidInput, Subject: arn, Message: "ARN " + arn + " is not valid."}
	}
	m, err := tx.policyByARN(account, arn)
	if err != nil {
		return err
	}
	if m == nil {
		return &fault.Error{Kind: fault.NotFound, Subject: arn,
			Message: "Scope ARN: " + arn + " does not exist or is not attachable."}
	}
	if isServiceRolePolicy(arn) {
		return &fault.Error{Kind: fault.NotAttachable, Subject: arn,
			Message: "The policy " + arn + " cannot be used as a permissions boundary."}
	}
	if m.id == grants.Boundary {
		return nil
	}
	if err := tx.clearBoundary(account, grants); err != nil {
		return err
	}
	grants.Boundary = m.id
	if m.record != nil {
		m.record.BoundaryUses++
		tx.put(entity.PolicyKey(account, m.id), m.record)
	}
	return nil
}

// clearBoundary takes the boundary out of grants, which the caller saves or deletes.
func (tx *Tx) clearBoundary(account string, grants *entity.Grants) error {
	id := grants.Boundary
	grants.Boundary = ""
	if id == "" || isAWSManaged(id) {
		return nil
	}
	p, err := must[entity.Policy](tx, entity.PolicyKey(account, id))
	if err != nil {
		return err
	}
	p.BoundaryUses--
	tx.put(entity.PolicyKey(account, id), p)
	return nil
}
