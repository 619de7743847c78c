package iam

import (
	"iter"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// managedPolicy is a managed policy as an account sees it: one of AWS's or one of the account's own. Exactly one member is
// set.
type managedPolicy struct {
	aws *catalog.ManagedPolicy
	own *entity.Policy
}

// managedByARN finds a managed policy by its ARN, in which case and path count.
func (s *service) managedByARN(account snapshot.Account, text string) (managedPolicy, error) {
	if p, ok := s.managed.ByARN(text); ok {
		return managedPolicy{aws: p}, nil
	}
	if _, ok := policyOwner(text); !ok {
		return managedPolicy{}, fault.New(fault.Invalid, "ARN %s is not valid.", text)
	}
	if p, ok := account.PolicyByARN(text); ok {
		return managedPolicy{own: p.Policy}, nil
	}
	return managedPolicy{}, fault.New(fault.NotFound, "Policy %s was not found.", text)
}

// managedByID finds a managed policy by its unique ID.
func (s *service) managedByID(account snapshot.Account, id string) (managedPolicy, bool) {
	if p, ok := s.managed.ByID(id); ok {
		return managedPolicy{aws: p}, true
	}
	p, ok := account.PolicyByID(id)
	return managedPolicy{own: p.Policy}, ok
}

// policyOwner is the account in the ARN of a managed policy, or "aws"; ok is false for what is no such ARN.
func policyOwner(text string) (owner string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" {
		return "", false
	}
	kind, name := splitResource(a.Resource())
	return a.Account(), kind == "policy" && name != "" && a.Account() != ""
}

// policyCheck asks for an action on the managed policy with that ARN. One of another account is that account's: nobody
// reaches it from here, not even the root user, and the answer is the same whether it exists or not.
func policyCheck(c *gate.Call, action, policyARN string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: policyARN, Shown: "policy " + policyARN}
	if owner, ok := policyOwner(policyARN); ok && owner != "aws" && owner != c.Account() {
		check.ResourceAccount = owner
	}
	return check
}

func (p managedPolicy) id() string {
	if p.aws != nil {
		return p.aws.ID
	}
	return p.own.ID
}

func (p managedPolicy) arn() string {
	if p.aws != nil {
		return p.aws.ARN
	}
	return p.own.ARN()
}

func (p managedPolicy) name() string {
	if p.aws != nil {
		return p.aws.Name
	}
	return p.own.Name
}

func (p managedPolicy) path() string {
	if p.aws != nil {
		return p.aws.Path
	}
	return p.own.Path
}

// attachments is how many users, groups and roles of the account have the policy attached.
func (p managedPolicy) attachments(account snapshot.Account) int {
	if p.own != nil {
		return p.own.Attachments
	}
	return length(account.Attached(p.aws.ID, snapshot.UseMark{}))
}

// boundaryUses is how many users and roles of the account have the policy as their permissions boundary.
func (p managedPolicy) boundaryUses(account snapshot.Account) int {
	if p.own != nil {
		return p.own.BoundaryUses
	}
	return length(account.Bounded(p.aws.ID, snapshot.UseMark{}))
}

func length[T any](items iter.Seq[T]) int {
	n := 0
	for range items {
		n++
	}
	return n
}

// shape is the policy as list calls show it: without description and tags. The counts of AWS's policies are the account's own.
func (p managedPolicy) shape(account snapshot.Account) shape.Policy {
	out := shape.Policy{
		Arn: new(p.arn()), AttachmentCount: new(p.attachments(account)), Path: new(p.path()),
		PermissionsBoundaryUsageCount: new(p.boundaryUses(account)), PolicyId: new(p.id()), PolicyName: new(p.name()),
	}
	if p.aws != nil {
		out.CreateDate, out.UpdateDate, out.DefaultVersionId = &p.aws.CreateDate, &p.aws.UpdateDate, &p.aws.DefaultVersion
		// Policies of service-linked roles are the service's to attach (S3-102).
		out.IsAttachable = new(!strings.HasPrefix(p.aws.Path, "/aws-service-role/"))
		return out
	}
	out.CreateDate, out.UpdateDate = &p.own.CreatedAt, &p.own.UpdatedAt
	out.DefaultVersionId, out.IsAttachable = new(versionID(p.own.Default)), new(true)
	return out
}

// versions is the policy's versions, newest first, with their documents. Of AWS's policies the default version is known.
func (p managedPolicy) versions() []shape.PolicyVersion {
	if p.aws != nil {
		return []shape.PolicyVersion{{
			VersionId: &p.aws.DefaultVersion, IsDefaultVersion: new(true), CreateDate: &p.aws.UpdateDate,
			Document: new(escapeDocument(p.aws.Document())),
		}}
	}
	all := make([]shape.PolicyVersion, 0, len(p.own.Versions))
	for i := len(p.own.Versions) - 1; i >= 0; i-- {
		v := &p.own.Versions[i]
		all = append(all, shape.PolicyVersion{
			VersionId: new(versionID(v.Number)), IsDefaultVersion: new(v.Number == p.own.Default), CreateDate: &v.CreatedAt,
			Document: new(escapeDocument(v.Document)),
		})
	}
	return all
}

// versionID is a policy version's number as the API writes it.
func versionID(number int) string { return "v" + strconv.Itoa(number) }

// versionNumber reads v3; ok is false for what no version is called. The API's pattern allows more than is ever used.
func versionNumber(id string) (n int, ok bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "v"))
	return n, err == nil && n > 0 && versionID(n) == id
}

// noVersion is AWS's sentence for a version, or for a policy with that version, that is not there.
func noVersion(policyARN, version string) error {
	return fault.New(fault.NotFound, "Policy %s version %s does not exist or is not attachable.", policyARN, version)
}

// policyPlace is a place in a listing of managed policies: by folded name, AWS's before the account's own of the same name.
// The zero place is the beginning.
type policyPlace struct {
	name string // folded
	own  bool
}

func (p managedPolicy) place() policyPlace {
	return policyPlace{name: entity.FoldName(p.name()), own: p.own != nil}
}

func (a policyPlace) compare(b policyPlace) int {
	if a.own == b.own || a.name != b.name {
		return strings.Compare(a.name, b.name)
	}
	if b.own {
		return -1
	}
	return 1
}

func comparePolicies(a, b managedPolicy) int { return a.place().compare(b.place()) }

// key is the place as a marker holds it: an ARN, unlike a name, may be longer than a marker.
func (a policyPlace) key() string {
	owner := "aws"
	if a.own {
		owner = "own"
	}
	return owner + "/" + a.name
}

// policyPlaceOf reads a marker of a listing of managed policies.
func policyPlaceOf(marker *string) (policyPlace, error) {
	key, err := page.Place(marker)
	if err != nil || key == "" {
		return policyPlace{}, err
	}
	owner, name, _ := strings.Cut(key, "/")
	if owner != "aws" && owner != "own" || name == "" {
		return policyPlace{}, invalidMarker()
	}
	return policyPlace{name: name, own: owner == "own"}, nil
}

// invalidMarker refuses a marker that this operation did not give out.
func invalidMarker() error { return fault.New(fault.MarkerInvalid, "Invalid Marker.") }

// merge yields the items of two sequences that are sorted by compare as one such sequence. Of two that compare equal, a's
// comes first.
func merge[T any](a, b iter.Seq[T], compare func(T, T) int) iter.Seq[T] {
	return func(yield func(T) bool) {
		next, stop := iter.Pull(b)
		defer stop()
		y, more := next()
		for x := range a {
			for more && compare(y, x) < 0 {
				if !yield(y) {
					return
				}
				y, more = next()
			}
			if !yield(x) {
				return
			}
		}
		for ; more; y, more = next() {
			if !yield(y) {
				return
			}
		}
	}
}

// usageFilter reads PolicyUsageFilter: which ways of using a policy a list call asks for. No filter is both.
func usageFilter(usage *string) (attached, bounded bool) {
	return usage == nil || *usage == "PermissionsPolicy", usage == nil || *usage == "PermissionsBoundary"
}
