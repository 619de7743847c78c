package directory

import (
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// AttachPolicy attaches a managed policy; one that is attached already stays so.
func (tx *Tx) AttachPolicy(t Target, arn string) (err error) {
	defer tx.note(&err)
	h, err := tx.holder(t)
	if err != nil {
		return err
	}
	if !isPolicyARN(arn) {
		return &fault.Error{Kind: fault.Invalid, Subject: arn, Message: "ARN " + arn + " is not valid."}
	}
	if err := h.unprotected(); err != nil {
		return err
	}
	m, err := tx.policyByARN(t.Account, arn)
	if err != nil {
		return err
	}
	if m == nil {
		return &fault.Error{Kind: fault.NotFound, Subject: arn, Message: "Policy " + arn + " does not exist or is not attachable."}
	}
	if isServiceRolePolicy(arn) {
		return notAttachable(arn, h.kind)
	}
	if slices.Contains(h.grants.Attached, m.id) {
		return nil
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return err
	}
	quota := map[entity.Kind]string{entity.KindUser: AttachedPoliciesPerUserQuota, entity.KindGroup: AttachedPoliciesPerGroupQuota,
		entity.KindRole: AttachedPoliciesPerRoleQuota}[h.kind]
	if err := checkQuota(acct, quota, len(h.grants.Attached)+1); err != nil {
		return err
	}
	h.grants.Attached = append(h.grants.Attached, m.id)
	if m.record != nil {
		m.record.Attachments++
		tx.put(entity.PolicyKey(t.Account, m.id), m.record)
	}
	h.save()
	return nil
}

// DetachPolicy takes an attached policy off.
func (tx *Tx) DetachPolicy(t Target, arn string) (err error) {
	defer tx.note(&err)
	h, err := tx.holder(t)
	if err != nil {
		return err
	}
	if !isPolicyARN(arn) {
		return &fault.Error{Kind: fault.Invalid, Subject: arn, Message: "ARN " + arn + " is not valid."}
	}
	if err := h.unprotected(); err != nil {
		return err
	}
	m, err := tx.policyByARN(t.Account, arn)
	if err != nil {
		return err
	}
	if m == nil {
		return policyNotFound(arn)
	}
	i := slices.Index(h.grants.Attached, m.id)
	if i < 0 {
		return policyNotFound(arn)
	}
	h.grants.Attached = slices.Delete(h.grants.Attached, i, i+1)
	if m.record != nil {
		m.record.Attachments--
		tx.put(entity.PolicyKey(t.Account, m.id), m.record)
	}
	h.save()
	return nil
}

// isServiceRolePolicy reports whether a policy is one of those that AWS keeps for service-linked roles (S3-102).
func isServiceRolePolicy(arn string) bool {
	return strings.HasPrefix(arn, "arn:"+entity.Partition+":iam::aws:policy"+serviceLinkedPath)
}

func notAttachable(arn string, kind entity.Kind) error {
	noun := map[entity.Kind]string{entity.KindUser: "User", entity.KindGroup: "Group", entity.KindRole: "Role"}[kind]
	return &fault.Error{Kind: fault.NotAttachable, Subject: arn,
		Message: "Cannot attach a Service Role Policy to a Customer " + noun + "."}
}
