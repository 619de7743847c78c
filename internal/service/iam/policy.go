package iam

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/wire"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

var policyRows = map[string]gate.Row{
	"CreatePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(c *gate.Call, in *shape.CreatePolicyRequest) []authorizer.Check {
		target := entity.PolicyARN(c.Account(), orRoot(in.Path), in.PolicyName)
		checks := []authorizer.Check{{Action: "iam:CreatePolicy", Resource: target, RequestTags: entityTags(in.Tags)}}
		if len(in.Tags) > 0 {
			checks = append(checks, authorizer.Check{Action: "iam:TagPolicy", Resource: target, RequestTags: entityTags(in.Tags)})
		}
		return checks
	})},
	"GetPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onPolicy("iam:GetPolicy", func(in *shape.GetPolicyRequest) string { return in.PolicyArn })},
	"GetAccountAuthorizationDetails": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetAccountAuthorizationDetails")},
	"ListPolicies":                   {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:ListPolicies")},
	"DeletePolicy": {Decides: gate.ByPolicy,
		Checks: onPolicy("iam:DeletePolicy", func(in *shape.DeletePolicyRequest) string { return in.PolicyArn })},
	"CreatePolicyVersion": {Decides: gate.ByPolicy,
		Checks: onPolicy("iam:CreatePolicyVersion", func(in *shape.CreatePolicyVersionRequest) string { return in.PolicyArn })},
	"GetPolicyVersion": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onPolicy("iam:GetPolicyVersion", func(in *shape.GetPolicyVersionRequest) string { return in.PolicyArn })},
	"ListPolicyVersions": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onPolicy("iam:ListPolicyVersions", func(in *shape.ListPolicyVersionsRequest) string { return in.PolicyArn })},
	"DeletePolicyVersion": {Decides: gate.ByPolicy,
		Checks: onPolicy("iam:DeletePolicyVersion", func(in *shape.DeletePolicyVersionRequest) string { return in.PolicyArn })},
	"SetDefaultPolicyVersion": {Decides: gate.ByPolicy,
		Checks: onPolicy("iam:SetDefaultPolicyVersion", func(in *shape.SetDefaultPolicyVersionRequest) string { return in.PolicyArn })},
	"TagPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(_ *gate.Call, in *shape.TagPolicyRequest) []authorizer.Check {
		return []authorizer.Check{{Action: "iam:TagPolicy", Resource: in.PolicyArn, RequestTags: entityTags(in.Tags)}}
	})},
	"UntagPolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(func(_ *gate.Call, in *shape.UntagPolicyRequest) []authorizer.Check {
		return []authorizer.Check{{Action: "iam:UntagPolicy", Resource: in.PolicyArn, RequestTagKeys: in.TagKeys}}
	})},
	"ListPolicyTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: onPolicy("iam:ListPolicyTags", func(in *shape.ListPolicyTagsRequest) string { return in.PolicyArn })},
}

// onPolicy asks for one action on the managed policy that the input names.
func onPolicy[T wire.Input](action string, arn func(T) string) func(*gate.Call) ([]authorizer.Check, error) {
	return gate.Checks(func(_ *gate.Call, in T) []authorizer.Check {
		return []authorizer.Check{{Action: action, Resource: arn(in)}}
	})
}

// CreatePolicy makes a customer managed policy with its first version.
func (s *service) CreatePolicy(ctx context.Context, c *gate.Call, in *shape.CreatePolicyRequest) (*shape.CreatePolicyResponse, error) {
	n := directory.NewPolicy{Name: in.PolicyName, Path: orRoot(in.Path), Document: in.PolicyDocument, Tags: entityTags(in.Tags)}
	if in.Description != nil {
		n.Description = *in.Description
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreatePolicyResponse, error) {
		p, err := tx.CreatePolicy(c.Account(), n)
		if err != nil {
			return nil, err
		}
		out := customerShape(p)
		out.Description, out.Tags = in.Description, shapeTags(p.Tags)
		return &shape.CreatePolicyResponse{Policy: out}, nil
	})
}

// GetPolicy shows a managed policy, a customer's or AWS's, without documents.
func (s *service) GetPolicy(_ context.Context, c *gate.Call, in *shape.GetPolicyRequest) (*shape.GetPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	if p, ok := s.managed.ByARN(in.PolicyArn); ok {
		return &shape.GetPolicyResponse{Policy: managedShape(account, p)}, nil
	}
	p, err := customerPolicy(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := customerShape(p.Policy)
	out.Tags = shapeTags(p.Tags)
	if p.Description != "" {
		out.Description = &p.Description
	}
	return &shape.GetPolicyResponse{Policy: out}, nil
}

// ListPolicies lists managed policies in the order of their names, AWS's and the account's together unless the scope says
// otherwise, without descriptions and tags.
func (s *service) ListPolicies(_ context.Context, c *gate.Call, in *shape.ListPoliciesRequest) (*shape.ListPoliciesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := place(in.Marker)
	if err != nil {
		return nil, err
	}
	some, next := page(s.listed(account, in.Scope, after), in.MaxItems,
		func(p listedPolicy) bool {
			return inPath(p.path(), in.PathPrefix) && p.used(account, in.OnlyAttached, in.PolicyUsageFilter)
		},
		listedPolicy.place)
	out := &shape.ListPoliciesResponse{IsTruncated: new(next != nil), Marker: next, Policies: make([]shape.Policy, 0, len(some))}
	for _, p := range some {
		if p.aws != nil {
			out.Policies = append(out.Policies, *managedShape(account, p.aws))
		} else {
			out.Policies = append(out.Policies, *customerShape(p.own.Policy))
		}
	}
	return out, nil
}

// listedPolicy is an AWS managed policy or one of the account.
type listedPolicy struct {
	aws *catalog.ManagedPolicy
	own snapshot.Policy
}

func (p listedPolicy) path() string {
	if p.aws != nil {
		return p.aws.Path
	}
	return p.own.Path
}

// place orders policies by folded name; of two with one name AWS's comes first.
func (p listedPolicy) place() string {
	if p.aws != nil {
		return entity.FoldName(p.aws.Name) + "/a"
	}
	return entity.FoldName(p.own.Name) + "/b"
}

// used applies OnlyAttached and PolicyUsageFilter.
func (p listedPolicy) used(account snapshot.Account, only *bool, usage *string) bool {
	if (only == nil || !*only) && usage == nil {
		return true
	}
	id := p.own.Policy
	var attached, bounded bool
	if p.aws != nil {
		attached, bounded = some(account.Attached(p.aws.ID, snapshot.UseMark{})), some(account.Bounded(p.aws.ID, snapshot.UseMark{}))
	} else {
		attached, bounded = id.Attachments > 0, id.BoundaryUses > 0
	}
	switch {
	case usage == nil:
		return attached || bounded
	case *usage == "PermissionsBoundary":
		return bounded
	default:
		return attached
	}
}

func some[T any](items iter.Seq[T]) bool {
	for range items {
		return true
	}
	return false
}

// listed merges AWS's policies and the account's, both sorted, after a place.
func (s *service) listed(account snapshot.Account, scope *string, after string) iter.Seq[listedPolicy] {
	name, _, _ := strings.Cut(after, "/")
	withAWS, withOwn := scope == nil || *scope != "Local", scope == nil || *scope != "AWS"
	return func(yield func(listedPolicy) bool) {
		own, stop := iter.Pull(account.Policies(before(name)))
		defer stop()
		mine, more := own()
		more = more && withOwn
		emit := func(p listedPolicy) bool { return p.place() <= after || yield(p) }
		if withAWS {
			for p := range s.managed.After(before(name)) {
				for more && entity.FoldName(mine.Name) < entity.FoldName(p.Name) {
					if !emit(listedPolicy{own: mine}) {
						return
					}
					mine, more = own()
				}
				if !emit(listedPolicy{aws: p}) {
					return
				}
			}
		}
		for more {
			if !emit(listedPolicy{own: mine}) {
				return
			}
			mine, more = own()
		}
	}
}

// before is a place just before every name that begins with name; sequences begin strictly after a place.
func before(name string) string {
	if name == "" {
		return ""
	}
	last := len(name) - 1
	return name[:last] + string(name[last]-1) + "\x7f"
}

// DeletePolicy deletes a customer managed policy that nobody uses and that has only its default version.
func (s *service) DeletePolicy(ctx context.Context, c *gate.Call, in *shape.DeletePolicyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeletePolicy(c.Account(), in.PolicyArn) })
}

// CreatePolicyVersion adds a version, up to five.
func (s *service) CreatePolicyVersion(ctx context.Context, c *gate.Call, in *shape.CreatePolicyVersionRequest) (*shape.CreatePolicyVersionResponse, error) {
	asDefault := in.SetAsDefault != nil && *in.SetAsDefault
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreatePolicyVersionResponse, error) {
		v, err := tx.CreatePolicyVersion(c.Account(), in.PolicyArn, in.PolicyDocument, asDefault)
		if err != nil {
			return nil, err
		}
		return &shape.CreatePolicyVersionResponse{PolicyVersion: &shape.PolicyVersion{
			VersionId: new(versionID(v.Number)), IsDefaultVersion: &asDefault, CreateDate: &v.CreatedAt,
		}}, nil
	})
}

// GetPolicyVersion shows one version with its document.
func (s *service) GetPolicyVersion(_ context.Context, c *gate.Call, in *shape.GetPolicyVersionRequest) (*shape.GetPolicyVersionResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	if p, ok := s.managed.ByARN(in.PolicyArn); ok {
		if in.VersionId != p.DefaultVersion {
			return nil, noVersion(in.PolicyArn, in.VersionId)
		}
		v := managedVersion(p)
		v.Document = new(escapeDocument(p.Document()))
		return &shape.GetPolicyVersionResponse{PolicyVersion: &v}, nil
	}
	p, err := customerPolicy(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	for i := range p.Versions {
		if versionID(p.Versions[i].Number) == in.VersionId {
			v := versionShape(p.Policy, i)
			v.Document = new(escapeDocument(p.Versions[i].Document))
			return &shape.GetPolicyVersionResponse{PolicyVersion: &v}, nil
		}
	}
	return nil, noVersion(in.PolicyArn, in.VersionId)
}

// ListPolicyVersions lists the versions of a policy, newest first. Of AWS's policies the default version is known.
func (s *service) ListPolicyVersions(_ context.Context, c *gate.Call, in *shape.ListPolicyVersionsRequest) (*shape.ListPolicyVersionsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	var all []shape.PolicyVersion
	if p, ok := s.managed.ByARN(in.PolicyArn); ok {
		all = append(all, managedVersion(p))
	} else {
		p, err := customerPolicy(account, in.PolicyArn)
		if err != nil {
			return nil, err
		}
		for i := len(p.Versions) - 1; i >= 0; i-- {
			all = append(all, versionShape(p.Policy, i))
		}
	}
	from, err := place(in.Marker)
	if err != nil {
		return nil, err
	}
	some, next := page(func(yield func(shape.PolicyVersion) bool) {
		for _, v := range all {
			if (from == "" || versionNumber(*v.VersionId) < versionNumber(from)) && !yield(v) {
				return
			}
		}
	}, in.MaxItems, nil, func(v shape.PolicyVersion) string { return *v.VersionId })
	return &shape.ListPolicyVersionsResponse{IsTruncated: new(next != nil), Marker: next, Versions: some}, nil
}

// DeletePolicyVersion deletes a version that is not the default.
func (s *service) DeletePolicyVersion(ctx context.Context, c *gate.Call, in *shape.DeletePolicyVersionRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.DeletePolicyVersion(c.Account(), in.PolicyArn, versionNumber(in.VersionId))
	})
}

// SetDefaultPolicyVersion makes a version the one that counts, for everyone to whom the policy is attached.
func (s *service) SetDefaultPolicyVersion(ctx context.Context, c *gate.Call, in *shape.SetDefaultPolicyVersionRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error {
		return tx.SetDefaultVersion(c.Account(), in.PolicyArn, versionNumber(in.VersionId))
	})
}

// TagPolicy adds tags to a customer managed policy or replaces their values.
func (s *service) TagPolicy(ctx context.Context, c *gate.Call, in *shape.TagPolicyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.TagPolicy(c.Account(), in.PolicyArn, entityTags(in.Tags)) })
}

// UntagPolicy removes tags; keys that are not there are no error.
func (s *service) UntagPolicy(ctx context.Context, c *gate.Call, in *shape.UntagPolicyRequest) error {
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.UntagPolicy(c.Account(), in.PolicyArn, in.TagKeys) })
}

// ListPolicyTags lists a customer managed policy's tags; AWS's policies have none.
func (s *service) ListPolicyTags(_ context.Context, c *gate.Call, in *shape.ListPolicyTagsRequest) (*shape.ListPolicyTagsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	if _, ok := s.managed.ByARN(in.PolicyArn); ok {
		return &shape.ListPolicyTagsResponse{IsTruncated: new(false), Tags: []shape.Tag{}}, nil
	}
	p, err := customerPolicy(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, next, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListPolicyTagsResponse{IsTruncated: new(next != nil), Marker: next, Tags: tags}, nil
}

// customerShape is a customer managed policy as list calls show it.
func customerShape(p *entity.Policy) *shape.Policy {
	return &shape.Policy{
		Arn: new(p.ARN()), AttachmentCount: &p.Attachments, CreateDate: &p.CreatedAt, DefaultVersionId: new(versionID(p.Default)),
		IsAttachable: new(true), Path: &p.Path, PermissionsBoundaryUsageCount: &p.BoundaryUses, PolicyId: &p.ID, PolicyName: &p.Name,
		UpdateDate: &p.UpdatedAt,
	}
}

// managedShape is an AWS managed policy as the account sees it: the counts are the account's own.
func managedShape(account snapshot.Account, p *catalog.ManagedPolicy) *shape.Policy {
	return &shape.Policy{
		Arn: &p.ARN, AttachmentCount: new(count(account.Attached(p.ID, snapshot.UseMark{}))), CreateDate: &p.CreateDate,
		DefaultVersionId: &p.DefaultVersion, IsAttachable: new(!strings.HasPrefix(p.Path, "/aws-service-role/")), Path: &p.Path,
		PermissionsBoundaryUsageCount: new(count(account.Bounded(p.ID, snapshot.UseMark{}))), PolicyId: &p.ID, PolicyName: &p.Name,
		UpdateDate: &p.UpdateDate,
	}
}

func count[T any](items iter.Seq[T]) int {
	n := 0
	for range items {
		n++
	}
	return n
}

// versionShape is a version without its document.
func versionShape(p *entity.Policy, i int) shape.PolicyVersion {
	v := &p.Versions[i]
	return shape.PolicyVersion{VersionId: new(versionID(v.Number)), IsDefaultVersion: new(v.Number == p.Default), CreateDate: &v.CreatedAt}
}

func managedVersion(p *catalog.ManagedPolicy) shape.PolicyVersion {
	return shape.PolicyVersion{VersionId: &p.DefaultVersion, IsDefaultVersion: new(true), CreateDate: &p.UpdateDate}
}

// versionNumber reads v3; 0, which no version has, for what is none.
func versionNumber(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "v"))
	if err != nil || versionID(n) != id {
		return 0
	}
	return n
}

func noVersion(policyARN, version string) error {
	return fault.New(fault.NotFound, "Policy %s version %s does not exist or is not attachable.", policyARN, version)
}
