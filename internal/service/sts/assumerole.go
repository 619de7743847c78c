package sts

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// Lives of role sessions (D1). The shortest, 15 minutes, is a constraint of the model.
const (
	defaultRoleLife = time.Hour
	maxChainedLife  = time.Hour
)

// maxSessionTags is how many tags a session may carry, passed and inherited together (S4-M39).
const maxSessionTags = 50

// assumeRoleChecks asks the role's trust policy, and the caller's own policies, for sts:AssumeRole; for sts:TagSession where
// tags are passed or go on from the caller's session; for sts:SetSourceIdentity where there is a source identity.
func assumeRoleChecks(c *gate.Call) ([]authorizer.Check, error) {
	in := gate.Input[*shape.AssumeRoleRequest](c)
	account, ok := roleAccount(in.RoleArn)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is invalid", in.RoleArn)
	}
	check := authorizer.Check{
		Action: "sts:AssumeRole", Resource: in.RoleArn, ResourceAccount: account, Trust: true,
		RequestTags: entityTags(in.Tags),
		Keys:        []authorizer.Key{{Name: "sts:RoleSessionName", Values: []string{in.RoleSessionName}}},
	}
	if r, ok := findRole(c.Snapshot, in.RoleArn); ok {
		check.Policy = r.Trust()
	}
	add := func(name string, values ...string) {
		check.Keys = append(check.Keys, authorizer.Key{Name: name, Values: values})
	}
	if in.ExternalId != nil {
		add("sts:ExternalId", *in.ExternalId)
	}
	if in.DurationSeconds != nil {
		add("sts:DurationSeconds", strconv.Itoa(*in.DurationSeconds))
	}
	if len(in.TransitiveTagKeys) > 0 {
		add("sts:TransitiveTagKeys", in.TransitiveTagKeys...)
	}
	source := sourceIdentity(c, in)
	if source != "" {
		add("sts:SourceIdentity", source)
	}
	return sessionChecks(check, len(in.Tags) > 0 || len(c.Caller.TransitiveTags) > 0, source != ""), nil
}

// sessionChecks is the question for a role with those that go with it: sts:TagSession where the session is tagged, and
// sts:SetSourceIdentity where it has a source identity.
func sessionChecks(check authorizer.Check, tagged, sourced bool) []authorizer.Check {
	checks := []authorizer.Check{check}
	if tagged {
		tagging := check
		tagging.Action = "sts:TagSession"
		checks = append(checks, tagging)
	}
	if sourced {
		setting := check
		setting.Action = "sts:SetSourceIdentity"
		checks = append(checks, setting)
	}
	return checks
}

// AssumeRole gives credentials of a role session. Who may have them was decided by the trust policy, which sees whether a
// one-time code came with the request. The session does not say so: it never counts as authenticated with MFA (S1-257, S2-104).
func (s *service) AssumeRole(_ context.Context, c *gate.Call, in *shape.AssumeRoleRequest) (*shape.AssumeRoleResponse, error) {
	r, ok := findRole(c.Snapshot, in.RoleArn)
	if !ok {
		return nil, &fault.Error{Kind: fault.Internal, Subject: in.RoleArn} // a role that is not there cannot have been allowed
	}
	life, err := roleLife(c, r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	claims := roleSession(c, r, in.RoleSessionName, life)
	claims.Chained = c.Caller.Principal.Type == policy.AssumedRole
	claims.Direct = c.Caller.Principal.Type == policy.User && !c.Caller.Temporary
	claims.Context = instanceKeys(c.Caller)
	if claims.SourceIdentity, err = keptSourceIdentity(c, in); err != nil {
		return nil, err
	}
	if err := setTags(claims, c.Caller, entityTags(in.Tags), in.TransitiveTagKeys); err != nil {
		return nil, err
	}
	if err := s.setPolicies(claims, c, in.Policy, in.PolicyArns); err != nil {
		return nil, err
	}
	issued, err := s.issue(c, claims, in.MinimumSessionTokenSize)
	if err != nil {
		return nil, err
	}
	return &shape.AssumeRoleResponse{
		Credentials: issued.credentials, SessionTokenSize: &issued.size, SessionTokenUtilization: &issued.utilization, PackedPolicySize: issued.packed,
		AssumedRoleUser: assumed(claims), SourceIdentity: stated(claims.SourceIdentity),
	}, nil
}

// instanceKeys are the keys of every call that is made with an instance's credentials (S4-192): which instance that is.
func instanceKeys(caller *authorizer.Caller) []session.ContextKey {
	if caller.Principal.Service != "ec2.amazonaws.com" {
		return nil
	}
	for _, k := range caller.Keys {
		if a, err := arn.Parse(k.Values[0]); k.Name == "aws:SourceArn" && err == nil && a.Service() == "ec2" && strings.HasPrefix(a.Resource(), "instance/") {
			return []session.ContextKey{{Key: "ec2:SourceInstanceARN", Values: k.Values}}
		}
	}
	return nil
}

// roleLife holds D1: the role's maximum, and an hour under role chaining; more is refused and never cut.
func roleLife(c *gate.Call, r snapshot.Role, seconds *int) (time.Duration, error) {
	if seconds == nil {
		return defaultRoleLife, nil
	}
	life := time.Duration(*seconds) * time.Second
	if c.Caller.Principal.Type == policy.AssumedRole && life > maxChainedLife {
		return 0, fault.New(fault.Invalid, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if life > r.MaxSession {
		return 0, fault.New(fault.Invalid, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return life, nil
}

// sourceIdentity is the one that the new session will have: the caller's, once set, stays through chaining.
func sourceIdentity(c *gate.Call, in *shape.AssumeRoleRequest) string {
	if in.SourceIdentity != nil {
		return *in.SourceIdentity
	}
	return c.Caller.SourceIdentity
}

func keptSourceIdentity(c *gate.Call, in *shape.AssumeRoleRequest) (string, error) {
	source := sourceIdentity(c, in)
	if c.Caller.SourceIdentity != "" && source != c.Caller.SourceIdentity {
		return "", fault.New(fault.Denied, "The source identity of the calling session is already set and cannot be changed.")
	}
	return source, nil
}

// setTags joins the tags passed with those that go on from the caller's session. Transitive tags cannot be replaced.
func setTags(claims *session.Claims, caller *authorizer.Caller, tags []entity.Tag, transitive []string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	for _, t := range tags {
		if isTransitive(caller, t.Key) {
			return fault.New(fault.InvalidInput, "One or more of the tags specified in the request are already set as transitive tags in the calling session.")
		}
	}
	for _, key := range transitive {
		if !slices.ContainsFunc(tags, func(t entity.Tag) bool { return strings.EqualFold(t.Key, key) }) {
			return fault.New(fault.InvalidInput, "The specified transitive tag key must be included in the requested tags.")
		}
	}
	claims.TransitiveTagKeys = slices.Concat(caller.TransitiveTags, transitive)
	for _, t := range caller.SessionTags {
		if isTransitive(caller, t.Key) {
			tags = append(tags, t)
		}
	}
	if len(tags) > maxSessionTags {
		return fault.New(fault.InvalidInput, "The number of session tags, with those inherited from the calling session, exceeds the limit of %d.", maxSessionTags)
	}
	claims.Tags = tags
	return nil
}

// checkTags holds tags that a caller passes to the rules for all tags.
func checkTags(tags []entity.Tag) error {
	for i, t := range tags {
		if len(t.Key) >= 4 && strings.EqualFold(t.Key[:4], "aws:") {
			return fault.New(fault.InvalidInput, "Tag keys that begin with aws: are reserved and cannot be set: %s", t.Key)
		}
		for _, u := range tags[:i] {
			if strings.EqualFold(t.Key, u.Key) {
				return fault.New(fault.InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
	}
	return nil
}

func isTransitive(caller *authorizer.Caller, key string) bool {
	return slices.ContainsFunc(caller.TransitiveTags, func(k string) bool { return strings.EqualFold(k, key) })
}

// roleAccount returns the account of a role's ARN; ok is false for any other text.
func roleAccount(text string) (account string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" || len(a.Account()) != 12 ||
		!strings.HasPrefix(a.Resource(), "role/") || strings.HasSuffix(a.Resource(), "/") {
		return "", false
	}
	return a.Account(), true
}

// findRole finds a role by its whole ARN, path included.
func findRole(s *snapshot.Snapshot, text string) (snapshot.Role, bool) {
	id, ok := roleAccount(text)
	if !ok {
		return snapshot.Role{}, false
	}
	account, ok := s.Account(id)
	if !ok {
		return snapshot.Role{}, false
	}
	r, ok := account.Role(text[strings.LastIndexByte(text, '/')+1:])
	if !ok || r.ARN() != text {
		return snapshot.Role{}, false
	}
	return r, true
}

func entityTags(tags []shape.Tag) []entity.Tag {
	out := make([]entity.Tag, len(tags))
	for i, t := range tags {
		out[i] = entity.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}
