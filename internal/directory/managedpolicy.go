package directory

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// NewPolicy is a customer managed policy to be made.
type NewPolicy struct {
	Name        string
	Path        string // empty means /
	Description string
	Document    string
	Tags        []entity.Tag
}

// CreatePolicy makes a policy whose one version v1 is the default (S3-105).
func (tx *Tx) CreatePolicy(account string, n NewPolicy) (p *entity.Policy, err error) {
	defer tx.note(&err)
	if err := checkName("policyName", n.Name, maxPolicyName); err != nil {
		return nil, err
	}
	path, err := checkPath(n.Path, true)
	if err != nil {
		return nil, err
	}
	if err := checkDescription(n.Description); err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	tags, err := mergeTags(acct, entity.KindPolicy, nil, n.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkManagedDocument(acct, n.Document); err != nil {
		return nil, err
	}
	id, err := tx.newID(entity.PrefixPolicy)
	if err != nil {
		return nil, err
	}
	p = &entity.Policy{ID: id, Account: account, Name: n.Name, Path: path, Description: n.Description, Tags: tags,
		CreatedAt: tx.now, UpdatedAt: tx.now, Default: 1, Next: 2,
		Versions: []entity.PolicyVersion{{Number: 1, Document: n.Document, CreatedAt: tx.now}}}
	if err := tx.enlist(acct, policyRef(p), PoliciesQuota); err != nil {
		return nil, err
	}
	if err := tx.countVersions(acct, 1); err != nil {
		return nil, err
	}
	tx.put(entity.PolicyKey(account, id), p)
	return p, nil
}

func checkManagedDocument(acct *entity.Account, text string) error {
	doc, err := checkDocument(policy.Identity, text)
	if err != nil {
		return err
	}
	if err := doc.CheckManaged(); err != nil {
		return badDocument(err)
	}
	return checkQuota(acct, PolicySizeQuota, policy.Size(text))
}

func (tx *Tx) countVersions(acct *entity.Account, n int) error {
	total, err := tx.count(acct.ID, entity.KindPolicyVersion, n)
	if err != nil || n < 0 {
		return err
	}
	return checkQuota(acct, PolicyVersionsInUseQuota, total)
}

// CreatePolicyVersion adds a version and, if asked, makes it the default. A version's number is never used again (S3-108).
func (tx *Tx) CreatePolicyVersion(account, arn, document string, setDefault bool) (v *entity.PolicyVersion, err error) {
	defer tx.note(&err)
	p, err := tx.ownPolicy(account, arn)
	if err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if err := checkManagedDocument(acct, document); err != nil {
		return nil, err
	}
	if limit := Quota(acct, VersionsPerPolicyQuota); len(p.Versions) >= limit {
		return nil, &fault.Error{Kind: fault.LimitExceeded, Subject: VersionsPerPolicyQuota,
			Message: "A managed policy can have up to " +
				strconv.Itoa(limit) + " versions. Before you create a new version, you must delete an existing version."}
	}
	if err := tx.countVersions(acct, 1); err != nil {
		return nil, err
	}
	p.Versions = append(p.Versions, entity.PolicyVersion{Number: p.Next, Document: document, CreatedAt: tx.now})
	p.Next++
	p.UpdatedAt = tx.now
	v = &p.Versions[len(p.Versions)-1]
	if setDefault {
		p.Default = v.Number
		tx.bumpEpoch(account)
	}
	tx.put(entity.PolicyKey(account, p.ID), p)
	return v, nil
}

// SetDefaultVersion puts a version in force for everything the policy is attached to (S3-106).
func (tx *Tx) SetDefaultVersion(account, arn string, number int) (err error) {
	defer tx.note(&err)
	p, i, err := tx.version(account, arn, number)
	if err != nil {
		return err
	}
	if p.Default == p.Versions[i].Number {
		return nil
	}
	p.Default = number
	tx.put(entity.PolicyKey(account, p.ID), p)
	tx.bumpEpoch(account)
	return nil
}

// DeletePolicyVersion deletes any version but the default (S3-109).
func (tx *Tx) DeletePolicyVersion(account, arn string, number int) (err error) {
	defer tx.note(&err)
	p, i, err := tx.version(account, arn, number)
	if err != nil {
		return err
	}
	if p.Default == number {
		return deleteConflict("Cannot delete the default version of a policy.")
	}
	p.Versions = slices.Delete(p.Versions, i, i+1)
	tx.put(entity.PolicyKey(account, p.ID), p)
	_, err = tx.count(account, entity.KindPolicyVersion, -1)
	return err
}

// DeletePolicy deletes a policy that nothing uses and that has no version but the default.
func (tx *Tx) DeletePolicy(account, arn string) (err error) {
	defer tx.note(&err)
	p, err := tx.ownPolicy(account, arn)
	if err != nil {
		return err
	}
	if p.Attachments > 0 || p.BoundaryUses > 0 {
		return deleteConflict("Cannot delete a policy attached to entities.")
	}
	if len(p.Versions) > 1 {
		return deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's " +
			"versions. The default version is deleted with the policy.")
	}
	tx.txn.Delete(entity.PolicyKey(account, p.ID))
	if _, err := tx.count(account, entity.KindPolicyVersion, -1); err != nil {
		return err
	}
	return tx.delist(policyRef(p))
}

// version returns a policy and the index of one of its versions.
func (tx *Tx) version(account, arn string, number int) (*entity.Policy, int, error) {
	p, err := tx.ownPolicy(account, arn)
	if fault.KindOf(err) == fault.NotFound {
		return nil, 0, versionNotFound(arn, number)
	}
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(p.Versions, func(v entity.PolicyVersion) bool { return v.Number == number })
	if i < 0 {
		return nil, 0, versionNotFound(arn, number)
	}
	return p, i, nil
}

func versionNotFound(arn string, number int) error {
	return &fault.Error{Kind: fault.NotFound, Subject: arn,
		Message: "Policy " + arn + " version v" + strconv.Itoa(number) + " does not exist or is not attachable."}
}

// ownPolicy returns a customer managed policy of the account, to be changed. Those of AWS may not be changed (S3-107).
func (tx *Tx) ownPolicy(account, arn string) (*entity.Policy, error) {
	if !isPolicyARN(arn) {
		return nil, &fault.Error{Kind: fault.Invalid, Subject: arn, Message: "ARN " + arn + " is not valid."}
	}
	m, err := tx.policyByARN(account, arn)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, policyNotFound(arn)
	}
	if m.record == nil {
		return nil, &fault.Error{Kind: fault.Denied, Subject: arn,
			Message: "The policy " + arn + " is managed by AWS. AWS managed policies cannot be changed."}
	}
	return m.record, nil
}

// managed is a managed policy that may be attached: a customer's with its record, or one of AWS's, whose record is nil.
type managed struct {
	id     string
	record *entity.Policy
}

// policyByARN returns what an ARN stands for in an account, nil where that is nothing. Path and name must be written as
// they are, case included.
func (tx *Tx) policyByARN(account, arn string) (*managed, error) {
	owner, path, name, ok := splitPolicyARN(arn)
	if !ok {
		return nil, nil
	}
	if owner == "aws" {
		if id, ok := tx.d.managed.ByARN(arn); ok {
			return &managed{id: id}, nil
		}
		return nil, nil
	}
	if owner != account || len(name) > maxPolicyName { // a name that nothing can have need not fit into a key
		return nil, nil
	}
	ref, err := tx.named(account, entity.KindPolicy, name)
	if err != nil || ref == nil || ref.Path != path || ref.Name != name {
		return nil, err
	}
	p, err := must[entity.Policy](tx, entity.PolicyKey(account, ref.ID))
	if err != nil {
		return nil, err
	}
	return &managed{id: p.ID, record: p}, nil
}

// splitPolicyARN takes arn:aws:iam::OWNER:policy/path/name apart.
func splitPolicyARN(arn string) (owner, path, name string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:"+entity.Partition+":iam::")
	if !ok {
		return "", "", "", false
	}
	owner, rest, ok = strings.Cut(rest, ":policy/")
	if !ok || owner != "aws" && !isAccountID(owner) {
		return "", "", "", false
	}
	rest = "/" + rest
	slash := strings.LastIndexByte(rest, '/')
	path, name = rest[:slash+1], rest[slash+1:]
	return owner, path, name, name != ""
}

func isPolicyARN(arn string) bool {
	_, _, _, ok := splitPolicyARN(arn)
	return ok
}

func policyNotFound(arn string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: arn, Message: "Policy " + arn + " was not found."}
}

func policyRef(p *entity.Policy) entity.NameRef {
	return entity.NameRef{Ref: entity.Ref{Account: p.Account, Kind: entity.KindPolicy, ID: p.ID}, Path: p.Path, Name: p.Name}
}
