package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

const (
	maxTagKey   = 128
	maxTagValue = 256
)

// Tag adds tags to a user or role, and replaces those with the same keys without case.
func (tx *Tx) Tag(t Target, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	h, err := tx.tagged(t)
	if err != nil {
		return err
	}
	acct, err := tx.account(t.Account)
	if err != nil {
		return err
	}
	if *h.tags, err = mergeTags(acct, h.kind, *h.tags, tags); err != nil {
		return err
	}
	h.save()
	return nil
}

// Untag removes tags from a user or role; keys that it does not have are no error.
func (tx *Tx) Untag(t Target, keys []string) (err error) {
	defer tx.note(&err)
	h, err := tx.tagged(t)
	if err != nil {
		return err
	}
	*h.tags = removeTags(h.kind, *h.tags, keys)
	h.save()
	return nil
}

// TagPolicy adds tags to a customer managed policy, and replaces those with the same keys.
func (tx *Tx) TagPolicy(account, arn string, tags []entity.Tag) (err error) {
	defer tx.note(&err)
	p, err := tx.ownPolicy(account, arn)
	if err != nil {
		return err
	}
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	if p.Tags, err = mergeTags(acct, entity.KindPolicy, p.Tags, tags); err != nil {
		return err
	}
	tx.put(entity.PolicyKey(account, p.ID), p)
	return nil
}

// UntagPolicy removes tags from a customer managed policy.
func (tx *Tx) UntagPolicy(account, arn string, keys []string) (err error) {
	defer tx.note(&err)
	p, err := tx.ownPolicy(account, arn)
	if err != nil {
		return err
	}
	p.Tags = removeTags(entity.KindPolicy, p.Tags, keys)
	tx.put(entity.PolicyKey(account, p.ID), p)
	return nil
}

// tagItem adds tags to an item, which keeps them in have, and replaces those with the same keys.
func (tx *Tx) tagItem(it entity.Item, have *[]entity.Tag, tags []entity.Tag) error {
	acct, err := tx.account(it.Place().Account)
	if err != nil {
		return err
	}
	if *have, err = mergeTags(acct, it.Kind(), *have, tags); err != nil {
		return err
	}
	tx.putItem(it)
	return nil
}

// untagItem removes tags from an item; keys that it does not have are no error.
func (tx *Tx) untagItem(it entity.Item, have *[]entity.Tag, keys []string) {
	*have = removeTags(it.Kind(), *have, keys)
	tx.putItem(it)
}

// tagged loads a target that may have tags: service-linked roles may too.
func (tx *Tx) tagged(t Target) (*holder, error) {
	h, err := tx.holder(t)
	if err == nil && h.tags == nil {
		return nil, &fault.Error{Kind: fault.InvalidInput, Subject: t.Name, Message: "A group cannot have tags."}
	}
	return h, err
}

// foldsKeys says whether tag keys that differ in case alone are one key: those of users and roles are, those of every other
// kind are not ("Tags for IAM resources", Case sensitivity).
func foldsKeys(kind entity.Kind) bool { return kind == entity.KindUser || kind == entity.KindRole }

func sameKey(kind entity.Kind, a, b string) bool {
	return a == b || foldsKeys(kind) && strings.EqualFold(a, b)
}

// mergeTags returns have with add put in. A replaced tag keeps its place and takes the new key's case.
func mergeTags(acct *entity.Account, kind entity.Kind, have, add []entity.Tag) ([]entity.Tag, error) {
	for i, tag := range add {
		if err := CheckTag(tag); err != nil {
			return nil, err
		}
		for _, other := range add[:i] {
			if sameKey(kind, tag.Key, other.Key) {
				message := "Duplicate tag keys found."
				if foldsKeys(kind) {
					message += " Please note that Tag keys are case insensitive."
				}
				return nil, &fault.Error{Kind: fault.InvalidInput, Subject: tag.Key, Message: message}
			}
		}
	}
	merged := slices.Clone(have)
	for _, tag := range add {
		i := slices.IndexFunc(merged, func(old entity.Tag) bool { return sameKey(kind, old.Key, tag.Key) })
		if i >= 0 {
			merged[i] = tag
		} else {
			merged = append(merged, tag)
		}
	}
	return merged, checkQuota(acct, TagsPerResourceQuota, len(merged))
}

func removeTags(kind entity.Kind, have []entity.Tag, keys []string) []entity.Tag {
	return slices.DeleteFunc(have, func(tag entity.Tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return sameKey(kind, tag.Key, key) })
	})
}

// CheckTag holds a tag to its lengths and to letters, separators, digits and _.:/=+-@ (S4-M56), and keeps the prefix aws:
// for AWS.
func CheckTag(tag entity.Tag) error {
	switch {
	case tag.Key == "" || utf8.RuneCountInString(tag.Key) > maxTagKey || !isTagText(tag.Key):
		return &fault.Error{Kind: fault.Invalid, Subject: "key", Message: "The specified value for key is invalid. " +
			"It must be 1 to 128 letters, numbers, spaces and/or the following: _.:/=+-@"}
	case utf8.RuneCountInString(tag.Value) > maxTagValue || !isTagText(tag.Value):
		return &fault.Error{Kind: fault.Invalid, Subject: "value", Message: "The specified value for value is invalid. " +
			"It must be up to 256 letters, numbers, spaces and/or the following: _.:/=+-@"}
	case len(tag.Key) >= 4 && strings.EqualFold(tag.Key[:4], "aws:"):
		return &fault.Error{Kind: fault.InvalidInput, Subject: tag.Key,
			Message: "Tag keys that begin with aws: are reserved and cannot be set: " + tag.Key}
	}
	return nil
}

func isTagText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.In(r, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}
