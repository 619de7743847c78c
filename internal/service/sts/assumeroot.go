package sts

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
	"github.com/ostiary-iam/ostiary/policy"
)

// maxAssumedRootLife is how long a session of root lasts at most, and where nothing is said ("AssumeRoot", API Reference).
const maxAssumedRootLife = 15 * time.Minute

// rootTasks begins the ARNs of the policies that say what a session of root is for.
const rootTasks = "arn:aws:iam::aws:policy/root-task/"

// assumeRootChecks asks for sts:AssumeRoot on the root user of the account. That the account lets the caller's in, as a member of its
// organization, is put to the decision like a policy of the root user's: where it does not, the denial does not say why.
func (s *service) assumeRootChecks(c *gate.Call) ([]authorizer.Check, error) {
	in := gate.Input[*shape.AssumeRootRequest](c)
	target, ok := rootAccount(in.TargetPrincipal)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is invalid", in.TargetPrincipal)
	}
	if in.TaskPolicyArn.Arn == nil {
		return nil, fault.New(fault.Invalid, "1 validation error detected: Value null at 'taskPolicyArn.arn' failed to satisfy constraint: Member must not be null")
	}
	check := authorizer.Check{
		Action: "sts:AssumeRoot", Resource: entity.RootARN(target), ResourceAccount: target, Trust: true,
		Keys: []authorizer.Key{{Name: "sts:TaskPolicyArn", Values: []string{*in.TaskPolicyArn.Arn}}},
	}
	if s.administers(c, target) {
		check.Policy = membership()
	}
	return []authorizer.Check{check}, nil
}

// membership is what a member account's organization says for it: its administrators may assume the root user.
var membership = sync.OnceValue(func() *policy.Policy {
	doc, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRoot","Resource":"*"}]}`))
	if err != nil {
		panic(err) // a constant
	}
	p, err := policy.Compile(policy.Resource, "centralized root access", doc)
	if err != nil {
		panic(err)
	}
	return p
})

// administers reports whether the caller's account may assume the root user of the target: a member account, but not the management
// account, of the organization that the caller's account manages or is the delegated administrator of, and that has sessions of
// root enabled.
func (s *service) administers(c *gate.Call, target string) bool {
	if s.organizations == nil || target == c.Account() {
		return false
	}
	own, ok := s.organizations.Of(c.Snapshot, c.Account())
	if !ok || own.Management != c.Account() && !slices.Contains(own.Delegated, c.Account()) || !own.AllFeatures || !own.Trusted {
		return false
	}
	theirs, ok := s.organizations.Of(c.Snapshot, target)
	if !ok || theirs.ID != own.ID || target == own.Management {
		return false
	}
	management, ok := c.Snapshot.Account(own.Management)
	if !ok || !slices.Contains(management.RootFeatures, directory.RootSessions) {
		return false
	}
	member, ok := c.Snapshot.Account(target)
	return ok && !member.Suspended
}

// AssumeRoot gives the administrators of an organization credentials of a member account's root user for one task, of at most fifteen
// minutes. Nothing but what the task's policy leaves is open to them (D14 in docs/design.md).
func (s *service) AssumeRoot(_ context.Context, c *gate.Call, in *shape.AssumeRootRequest) (*shape.AssumeRootResponse, error) {
	target, ok := rootAccount(in.TargetPrincipal)
	if !ok || !s.administers(c, target) {
		return nil, &fault.Error{Kind: fault.Internal, Subject: in.TargetPrincipal} // which cannot have been allowed
	}
	task := *in.TaskPolicyArn.Arn
	if _, ok := s.managed.ByARN(task); !ok || !strings.HasPrefix(task, rootTasks) {
		return nil, fault.New(fault.InvalidInput, "%s is not a task policy of AssumeRoot.", task)
	}
	life := maxAssumedRootLife
	if in.DurationSeconds != nil {
		if life = time.Duration(*in.DurationSeconds) * time.Second; life == 0 {
			return nil, fault.New(fault.Invalid, "The requested DurationSeconds leaves the session no time.")
		}
	}
	claims := &session.Claims{
		Kind: session.AssumedRoot, Account: target, PrincipalID: target, Issued: c.Now(), Expires: c.Now().Add(life), Region: c.Region(),
		PolicyARNs: []string{task}, SourceIdentity: c.Caller.SourceIdentity,
	}
	issued, err := s.issue(c, claims, nil)
	if err != nil {
		return nil, err
	}
	return &shape.AssumeRootResponse{Credentials: issued.credentials, SourceIdentity: stated(claims.SourceIdentity)}, nil
}

// rootAccount is the account whose root user is meant: by its ID or the root user's ARN.
func rootAccount(text string) (account string, ok bool) {
	if rest, found := strings.CutPrefix(text, "arn:"+entity.Partition+":iam::"); found {
		if text, found = strings.CutSuffix(rest, ":root"); !found {
			return "", false
		}
	}
	return text, len(text) == 12 && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}
