package iam

import (
	"context"
	"iter"
	"slices"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// policyRows are the permission rows of the operations on managed policies.
var policyRows = map[string]gate.Row{
	"CreatePolicy": {Decides: gate.ByPolicy, Checks: gate.Checks(createPolicyChecks)},
	"GetPolicy": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(policyCheck, "iam:GetPolicy", func(in *shape.GetPolicyRequest) string { return in.PolicyArn })},
	"ListPolicies": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(_ *gate.Call, in *shape.ListPoliciesRequest) []authorizer.Check {
			return []authorizer.Check{{Action: "iam:ListPolicies", Resource: "*", Shown: "policy path " + orRoot(in.PathPrefix)}}
		})},
	"GetAccountAuthorizationDetails": {Decides: gate.ByPolicy, ReadOnly: true, Checks: onEverything("iam:GetAccountAuthorizationDetails")},
	"DeletePolicy": {Decides: gate.ByPolicy,
		Checks: on(policyCheck, "iam:DeletePolicy", func(in *shape.DeletePolicyRequest) string { return in.PolicyArn })},
	"CreatePolicyVersion": {Decides: gate.ByPolicy,
		Checks: on(policyCheck, "iam:CreatePolicyVersion", func(in *shape.CreatePolicyVersionRequest) string { return in.PolicyArn })},
	"GetPolicyVersion": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(policyCheck, "iam:GetPolicyVersion", func(in *shape.GetPolicyVersionRequest) string { return in.PolicyArn })},
	"ListPolicyVersions": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(policyCheck, "iam:ListPolicyVersions", func(in *shape.ListPolicyVersionsRequest) string { return in.PolicyArn })},
	"DeletePolicyVersion": {Decides: gate.ByPolicy,
		Checks: on(policyCheck, "iam:DeletePolicyVersion", func(in *shape.DeletePolicyVersionRequest) string { return in.PolicyArn })},
	"SetDefaultPolicyVersion": {Decides: gate.ByPolicy,
		Checks: on(policyCheck, "iam:SetDefaultPolicyVersion", func(in *shape.SetDefaultPolicyVersionRequest) string { return in.PolicyArn })},
	"TagPolicy": {Decides: gate.ByPolicy,
		Checks: tagging(policyCheck, "iam:TagPolicy", func(in *shape.TagPolicyRequest) (string, []shape.Tag) { return in.PolicyArn, in.Tags })},
	"UntagPolicy": {Decides: gate.ByPolicy,
		Checks: untagging(policyCheck, "iam:UntagPolicy",
			func(in *shape.UntagPolicyRequest) (string, []string) { return in.PolicyArn, in.TagKeys })},
	"ListPolicyTags": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(policyCheck, "iam:ListPolicyTags", func(in *shape.ListPolicyTagsRequest) string { return in.PolicyArn })},
}

// createPolicyChecks: making a policy with tags needs iam:TagPolicy on it too ("Tag IAM resources").
func createPolicyChecks(c *gate.Call, in *shape.CreatePolicyRequest) []authorizer.Check {
	create := authorizer.Check{
		Action: "iam:CreatePolicy", Resource: entity.PolicyARN(c.Account(), orRoot(in.Path), in.PolicyName),
		Shown: "policy " + in.PolicyName, RequestTags: entityTags(in.Tags),
	}
	if len(in.Tags) == 0 {
		return []authorizer.Check{create}
	}
	tag := policyCheck(c, "iam:TagPolicy", create.Resource)
	tag.RequestTags = create.RequestTags
	return []authorizer.Check{create, tag}
}

// CreatePolicy makes a customer managed policy with its first version. The answer has no description: GetPolicy's has it
// ("Policy" in the IAM API Reference).
func (s *service) CreatePolicy(ctx context.Context, c *gate.Call, in *shape.CreatePolicyRequest) (*shape.CreatePolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	n := directory.NewPolicy{
		Name: in.PolicyName, Path: orRoot(in.Path), Description: deref(in.Description, ""), Document: in.PolicyDocument, Tags: entityTags(in.Tags),
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreatePolicyResponse, error) {
		p, err := tx.CreatePolicy(account.ID, n)
		if err != nil {
			return nil, err
		}
		out := managedPolicy{own: p}.shape(account)
		out.Tags = shapeTags(p.Tags)
		return &shape.CreatePolicyResponse{Policy: &out}, nil
	})
}

// GetPolicy shows a managed policy, a customer's or AWS's, without documents. It shows no tags as an empty list, unlike
// GetUser and GetRole.
func (s *service) GetPolicy(_ context.Context, c *gate.Call, in *shape.GetPolicyRequest) (*shape.GetPolicyResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	p, err := s.managedByARN(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := p.shape(account)
	out.Tags = []shape.Tag{}
	if p.own != nil {
		out.Tags = append(out.Tags, shapeTags(p.own.Tags)...)
		if p.own.Description != "" {
			out.Description = &p.own.Description
		}
	}
	return &shape.GetPolicyResponse{Policy: &out}, nil
}

// ListPolicies lists managed policies in the order of their names, AWS's and the account's together unless the scope says
// otherwise, without descriptions and tags.
func (s *service) ListPolicies(_ context.Context, c *gate.Call, in *shape.ListPoliciesRequest) (*shape.ListPoliciesResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := policyPlaceOf(in.Marker)
	if err != nil {
		return nil, err
	}
	attached, bounded := usageFilter(in.PolicyUsageFilter)
	onlyUsed := in.PolicyUsageFilter != nil || in.OnlyAttached != nil && *in.OnlyAttached
	policies, next := page.Take(s.policiesAfter(account, deref(in.Scope, "All"), after), in.MaxItems,
		func(p managedPolicy) bool {
			used := !onlyUsed || attached && p.attachments(account) > 0 || bounded && p.boundaryUses(account) > 0
			return used && inPath(p.path(), in.PathPrefix)
		},
		func(p managedPolicy) string { return p.place().key() })
	out := &shape.ListPoliciesResponse{IsTruncated: truncated(next), Marker: next, Policies: make([]shape.Policy, 0, len(policies))}
	for _, p := range policies {
		out.Policies = append(out.Policies, p.shape(account))
	}
	return out, nil
}

// policiesAfter yields the policies of a scope (All, AWS or Local) that come after a place.
func (s *service) policiesAfter(account snapshot.Account, scope string, after policyPlace) iter.Seq[managedPolicy] {
	awss := func(yield func(managedPolicy) bool) {
		for p := range s.managed.After(after.name) {
			if !yield(managedPolicy{aws: p}) {
				return
			}
		}
	}
	own := func(yield func(managedPolicy) bool) {
		if !after.own {
			// The place is after AWS's policy of that name; the account's own of the same name is still to come.
			if p, ok := account.Policy(after.name); ok && !yield(managedPolicy{own: p.Policy}) {
				return
			}
		}
		for p := range account.Policies(after.name) {
			if !yield(managedPolicy{own: p.Policy}) {
				return
			}
		}
	}
	switch scope {
	case "AWS":
		return awss
	case "Local":
		return own
	}
	return merge(awss, own, comparePolicies)
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
			VersionId: new(versionID(v.Number)), IsDefaultVersion: new(asDefault), CreateDate: &v.CreatedAt,
		}}, nil
	})
}

// GetPolicyVersion shows one version with its document.
func (s *service) GetPolicyVersion(_ context.Context, c *gate.Call, in *shape.GetPolicyVersionRequest) (*shape.GetPolicyVersionResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	p, err := s.managedByARN(account, in.PolicyArn)
	if fault.KindOf(err) == fault.NotFound {
		return nil, noVersion(in.PolicyArn, in.VersionId)
	}
	if err != nil {
		return nil, err
	}
	all := p.versions()
	i := slices.IndexFunc(all, func(v shape.PolicyVersion) bool { return *v.VersionId == in.VersionId })
	if i < 0 {
		return nil, noVersion(in.PolicyArn, in.VersionId)
	}
	return &shape.GetPolicyVersionResponse{PolicyVersion: &all[i]}, nil
}

// ListPolicyVersions lists the versions of a policy, newest first, without their documents.
func (s *service) ListPolicyVersions(_ context.Context, c *gate.Call, in *shape.ListPolicyVersionsRequest) (*shape.ListPolicyVersionsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	p, err := s.managedByARN(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	key, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	before, ok := versionNumber(key)
	if key != "" && !ok {
		return nil, invalidMarker()
	}
	versions, next := page.Take(slices.Values(p.versions()), in.MaxItems,
		func(v shape.PolicyVersion) bool {
			n, _ := versionNumber(*v.VersionId)
			return key == "" || n < before
		},
		func(v shape.PolicyVersion) string { return *v.VersionId })
	for i := range versions {
		versions[i].Document = nil
	}
	return &shape.ListPolicyVersionsResponse{IsTruncated: truncated(next), Marker: next, Versions: versions}, nil
}

// DeletePolicyVersion deletes a version that is not the default.
func (s *service) DeletePolicyVersion(ctx context.Context, c *gate.Call, in *shape.DeletePolicyVersionRequest) error {
	n, ok := versionNumber(in.VersionId)
	if !ok {
		return noVersion(in.PolicyArn, in.VersionId)
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.DeletePolicyVersion(c.Account(), in.PolicyArn, n) })
}

// SetDefaultPolicyVersion makes a version the one that counts, for everyone to whom the policy is attached (S3-106).
func (s *service) SetDefaultPolicyVersion(ctx context.Context, c *gate.Call, in *shape.SetDefaultPolicyVersionRequest) error {
	n, ok := versionNumber(in.VersionId)
	if !ok {
		return noVersion(in.PolicyArn, in.VersionId)
	}
	return gate.Do(ctx, s.dir, c, func(tx *directory.Tx) error { return tx.SetDefaultVersion(c.Account(), in.PolicyArn, n) })
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
	p, err := s.managedByARN(account, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var tags []entity.Tag
	if p.own != nil {
		tags = p.own.Tags
	}
	sorted, next, err := tagPage(tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &shape.ListPolicyTagsResponse{IsTruncated: truncated(next), Marker: next, Tags: sorted}, nil
}
