package directory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// maxInlineBytes bounds what an entity's inline policies take in storage. AWS does not count white space, and a record that
// holds nothing else must still fit into a transaction.
const maxInlineBytes = 512 << 10

// PutInlinePolicy embeds a policy in a user, group or role, in place of one of the same name.
func (tx *Tx) PutInlinePolicy(t Target, name, document string) (err error) {
	defer tx.note(&err)
	if err := checkName("policyName", name, maxPolicyName); err != nil {
		return err
	}
	h, err := tx.holder(t)
	if err != nil {
		return err
	}
	if err := h.unprotected(); err != nil {
		return err
	}
	if _, err := checkDocument(policy.Identity, document); err != nil {
		return err
	}
	i, found := findInline(h.grants.Inline, name)
	if found {
		h.grants.Inline[i].Document = document
	} else {
		h.grants.Inline = slices.Insert(h.grants.Inline, i, entity.InlinePolicy{Name: name, Document: document})
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return err
	}
	if err := checkInlineSize(acct, h); err != nil {
		return err
	}
	h.save()
	return nil
}

// DeleteInlinePolicy removes an embedded policy.
func (tx *Tx) DeleteInlinePolicy(t Target, name string) (err error) {
	defer tx.note(&err)
	h, err := tx.holder(t)
	if err != nil {
		return err
	}
	if err := h.unprotected(); err != nil {
		return err
	}
	i, found := findInline(h.grants.Inline, name)
	if !found {
		return &fault.Error{Kind: fault.NotFound, Subject: name,
			Message: "The " + string(h.kind) + " policy with name " + name + " cannot be found."}
	}
	h.grants.Inline = slices.Delete(h.grants.Inline, i, i+1)
	h.save()
	return nil
}

// findInline finds a policy in a list sorted by name, or where it belongs.
func findInline(list []entity.InlinePolicy, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(p entity.InlinePolicy, name string) int {
		return strings.Compare(p.Name, name)
	})
}

// checkInlineSize holds the sum of an entity's inline policies to its quota (S4-249).
func checkInlineSize(acct *entity.Account, h *holder) error {
	characters, bytes := 0, 0
	for _, p := range h.grants.Inline {
		characters += policy.Size(p.Document)
		bytes += len(p.Document)
	}
	quota := map[entity.Kind]string{entity.KindUser: UserPolicySizeQuota, entity.KindGroup: GroupPolicySizeQuota,
		entity.KindRole: RolePolicySizeQuota}[h.kind]
	if limit := Quota(acct, quota); characters > limit || bytes > maxInlineBytes {
		return &fault.Error{Kind: fault.LimitExceeded, Subject: quota,
			Message: fmt.Sprintf("Maximum policy size of %d bytes exceeded for %s %s", limit, h.kind, h.name)}
	}
	return nil
}
