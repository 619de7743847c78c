// Package authorizer turns a caller, an action on a resource and a snapshot into a decision. It is the hot path: it reads
// only memory, writes nothing and knows no service by name.
//
// The caller comes from authentication, the checks from an operation's permission row. What else a decision needs to know
// of a resource (its tags, its owner) comes through [Resources], a small port that every service registers for the ARNs it
// owns. Which policies apply comes from the snapshot; policy.Evaluate decides.
package authorizer

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// Caller is an authenticated principal. It is immutable once made.
type Caller struct {
	Principal   policy.Principal
	EntityID    string // the stored entity: user ID, role ID, or the account ID for the root user
	AccessKeyID string

	// Sessions only.
	Temporary       bool
	SessionName     string
	Issued          time.Time
	Expires         time.Time
	MFAAt           time.Time        // zero: no MFA
	MFAKnown        bool             // whether aws:MultiFactorAuthPresent is in the context at all (D4)
	SessionPolicies []*policy.Policy // nil: none were passed
	SessionTags     []entity.Tag
	TransitiveTags  []string // keys of the session tags that go on to chained sessions
	SourceIdentity  string
	Provider        string // aws:FederatedProvider
	Keys            []Key  // that the identity provider stated and that stay with the session; of services, what they act for
	Chained         bool
	// Console says that these are the credentials of a console session.
	Console bool
	// Delegate is the account that acts by the principal's delegation; empty: the principal acts. Whatever a resource's policy allows the
	// principal, the session policies have to allow too.
	Delegate string
	// AssumedRoot says that this is a session of AssumeRoot: the principal is a root user, and the session policies bind it.
	AssumedRoot bool
}

// Environment is what a decision needs to know of the request around the operation.
type Environment struct {
	Now       time.Time
	SourceIP  netip.Addr
	UserAgent string
	Referer   string
	Secure    bool   // the request came over TLS
	Region    string // aws:RequestedRegion
	// MFAAt is when a one-time code that came with this very request was verified; zero where none came. It counts before what
	// the caller's session says.
	MFAAt time.Time
}

// Key is a condition key that a permission row adds to the context.
type Key struct {
	Name   string
	Values []string
}

// Check is one question: may the caller do Action to Resource?
type Check struct {
	Action          string // "iam:CreateUser"
	Resource        string // an ARN, or "*" for actions that have no resource
	Shown           string // how a denial calls the resource where its ARN would tell too much; empty means Resource
	ResourceAccount string // the account that owns Resource; empty means the caller's
	Keys            []Key

	// RequestTags are the tags that the request sets: aws:RequestTag/… and aws:TagKeys. RequestTagKeys are keys named
	// without a value, as by an untag call; they add to aws:TagKeys alone.
	RequestTags    []entity.Tag
	RequestTagKeys []string

	// Trust says that the resource's own policy must allow, whatever identity policies say: role trust policies. Policy is
	// that policy; nil when there is none to ask (the role does not exist), which denies.
	Trust  bool
	Policy *policy.Policy
}

// Facts is what a service knows of one of its resources.
type Facts struct {
	Account string       // owner
	Tags    []entity.Tag // present as aws:ResourceTag/…
	// OwnTagKey says that Tags are present as SERVICE:ResourceTag/… too: some types of resources have that key, others do not.
	OwnTagKey bool
	// Guards are the records that Tags were read from; none where there are no tags.
	Guards []store.Guard
}

// Resources is the port through which a service answers facts about its resources.
type Resources interface {
	// Facts returns what is known of the resource; ok is false where nothing is. That there is no such resource is a fact too:
	// one with guards that hold as long as there is none.
	Facts(s *snapshot.Snapshot, arn string) (f Facts, ok bool)
}

// Authorizer decides. It is immutable and safe for concurrent use.
type Authorizer struct {
	owners map[string]owner // by the service part of ARNs
}

// owner is a service with the prefix of its own tag keys.
type owner struct {
	port      Resources
	tagPrefix string // "iam:ResourceTag/"
}

// New returns an Authorizer for resources of the given services, by the service part of their ARNs.
func New(resources map[string]Resources) *Authorizer {
	a := &Authorizer{owners: make(map[string]owner, len(resources))}
	for service, port := range resources {
		a.owners[service] = owner{port, service + ":ResourceTag/"}
	}
	return a
}

// Decision is the answer to one Check, with what it relied on.
type Decision struct {
	policy.Decision
	Caller *Caller
	Check  *Check

	snapshot *snapshot.Snapshot
	facts    []store.Guard // that the resource's service gave
}

// Allowed reports whether the answer is yes.
func (d *Decision) Allowed() bool { return d.Effect == policy.Allow }

// Guards returns the records the decision was made from. A write that rests on the decision compares them; a read has no use
// for them, which is why they are put together only here.
func (d *Decision) Guards() []store.Guard {
	account, ok := d.snapshot.Account(d.Caller.Principal.Account)
	if !ok {
		return d.facts
	}
	switch id := d.Caller.EntityID; d.Caller.Principal.Type {
	case policy.Root:
		return append(account.Guards(), d.facts...)
	case policy.User, policy.FederatedUser:
		if u, ok := account.UserByID(id); ok {
			return append(u.Guards(), d.facts...)
		}
		return append(account.Guards(), d.facts...) // a federated user of root
	default:
		if r, ok := account.RoleByID(id); ok {
			return append(r.Guards(), d.facts...)
		}
	}
	return d.facts
}

// Decide answers one check. A caller whose entity no longer exists is denied.
func (a *Authorizer) Decide(s *snapshot.Snapshot, c *Caller, env *Environment, ch *Check) Decision {
	d := Decision{Caller: c, Check: ch, snapshot: s}
	q := queries.Get().(*query)
	defer q.release()
	if !q.bind(a, s, env, &d) {
		return d
	}
	d.Decision = policy.Evaluate(&q.request, &q.set)
	if c.overreaches(d.Decision) {
		q.set.Resource = nil
		d.Decision = policy.Evaluate(&q.request, &q.set)
	}
	if ch.untrusted(d.Decision) {
		d.Decision = policy.Decision{Effect: policy.Deny, Layer: policy.LayerResource}
	}
	return d
}

// untrusted reports whether what was allowed must be denied all the same: there is no role, so nothing trusts the caller; identity
// policies alone never open one (S4-M14).
func (ch *Check) untrusted(d policy.Decision) bool {
	return ch.Trust && ch.Policy == nil && d.Effect == policy.Allow
}

// overreaches reports whether a caller who acts by a delegation was let in by a resource's policy, past the limits of the delegation:
// it counts for nothing then, as if it did not name the principal.
func (c *Caller) overreaches(d policy.Decision) bool {
	return c.Delegate != "" && d.Effect == policy.Allow && d.Layer == policy.LayerResource
}

// Explain gives the full account of the decision on the same check. Callers count a Disagreement in the metrics.
func (a *Authorizer) Explain(s *snapshot.Snapshot, c *Caller, env *Environment, ch *Check) *policy.Explanation {
	d := Decision{Caller: c, Check: ch, snapshot: s}
	q := queries.Get().(*query)
	defer q.release()
	if !q.bind(a, s, env, &d) {
		return &policy.Explanation{}
	}
	x := policy.Explain(&q.request, &q.set)
	if c.overreaches(x.Decision) {
		q.set.Resource = nil
		x = policy.Explain(&q.request, &q.set)
	}
	if ch.untrusted(x.Decision) {
		x.Decision, x.Statements = policy.Decision{Effect: policy.Deny, Layer: policy.LayerResource}, nil
	}
	return x
}

// Context returns the condition keys with which the check is decided, in the order in which they were set; the values are the
// caller's own. There are none where the caller does not exist.
func (a *Authorizer) Context(s *snapshot.Snapshot, c *Caller, env *Environment, ch *Check) []Key {
	d := Decision{Caller: c, Check: ch, snapshot: s}
	q := queries.Get().(*query)
	defer q.release()
	if !q.bind(a, s, env, &d) {
		return nil
	}
	var keys []Key
	for name, values := range q.context.All() {
		keys = append(keys, Key{Name: name, Values: slices.Clone(values)})
	}
	return keys
}

// bind fills in the request and the policies that apply. It reports whether the caller exists.
func (q *query) bind(a *Authorizer, s *snapshot.Snapshot, env *Environment, d *Decision) bool {
	c, ch := d.Caller, d.Check
	if !q.subject(s, c) {
		return false
	}
	q.object(a, s, ch, d)
	q.environment(c, env)
	q.request.Principal, q.request.Action, q.request.Resource, q.request.Context = c.Principal, ch.Action, ch.Resource, &q.context
	q.set.Session = c.SessionPolicies
	q.set.ServiceControl = s.ServiceControl(c.Principal.Account)
	q.set.ResourceControl = s.ResourceControl(q.request.ResourceAccount)
	return true
}

// query is the working memory of one decision, pooled.
type query struct {
	request policy.Request
	set     policy.Set
	context policy.Context
	values  []string
}

var queries = sync.Pool{New: func() any { return new(query) }}

func (q *query) release() {
	q.request = policy.Request{}
	q.set = policy.Set{}
	q.context.Reset()
	clear(q.values)
	q.values = q.values[:0]
	queries.Put(q)
}

// subject fills in what belongs to the caller: its policies and its keys. It reports whether the caller exists.
func (q *query) subject(s *snapshot.Snapshot, c *Caller) bool {
	ctx := &q.context
	if t := c.Principal.Type; (t == policy.WebIdentity || t == policy.SAML) && c.EntityID == "" {
		// Somebody known to an identity provider, who asks for a role: of no account, so that only the role's trust policy and
		// what binds the role's account speak (S4-M13). User name and ID are absent (S4-196).
		ctx.Set("aws:PrincipalType", "AssumedRole")
		return true
	}
	if c.Principal.Type == policy.ServicePrincipal {
		// A service that acts for itself belongs to no account either (S4-M13). It has no user name, ID, ARN or type.
		ctx.Set("aws:PrincipalServiceName", c.Principal.Service)
		ctx.Set("aws:PrincipalServiceNamesList", c.Principal.Service)
		return true
	}
	account, ok := s.Account(c.Principal.Account)
	if !ok {
		return false
	}
	switch c.Principal.Type {
	case policy.Root:
		ctx.Set("aws:PrincipalType", "Account")
	case policy.User:
		u, ok := account.UserByID(c.EntityID)
		if !ok {
			return false
		}
		q.set.Identity, q.set.IdentityProgram, q.set.Boundary = u.Identity(), u.IdentityProgram(), u.Boundary()
		ctx.Set("aws:PrincipalType", "User")
		ctx.Set("aws:username", u.Name)
		q.tags("aws:PrincipalTag/", u.Tags)
	case policy.FederatedUser:
		// The issuer is a user or the root user; what the issuer may do bounds what the session may.
		if c.EntityID != account.ID {
			u, ok := account.UserByID(c.EntityID)
			if !ok {
				return false
			}
			q.set.Identity, q.set.IdentityProgram, q.set.Boundary = u.Identity(), u.IdentityProgram(), u.Boundary()
			q.tags("aws:PrincipalTag/", u.Tags)
		}
		ctx.Set("aws:PrincipalType", "FederatedUser")
		q.tags("aws:PrincipalTag/", c.SessionTags) // session tags override the user's ("GetFederationToken", API Reference)
	case policy.AssumedRole:
		r, ok := account.RoleByID(c.EntityID)
		if !ok {
			return false
		}
		q.set.Identity, q.set.IdentityProgram, q.set.Boundary = r.Identity(), r.IdentityProgram(), r.Boundary()
		ctx.Set("aws:PrincipalType", "AssumedRole")
		q.tags("aws:PrincipalTag/", r.Tags)
		q.tags("aws:PrincipalTag/", c.SessionTags) // session tags override the role's (S4-M39)
	default:
		return false
	}
	ctx.Set("aws:userid", c.Principal.UniqueID)
	ctx.Set("aws:PrincipalAccount", c.Principal.Account)
	if c.Principal.RoleARN != "" {
		ctx.Set("aws:PrincipalArn", c.Principal.RoleARN) // never the session's ARN (S4-M28)
	} else {
		ctx.Set("aws:PrincipalArn", c.Principal.ARN)
	}
	return true
}

// object fills in what belongs to the resource.
func (q *query) object(a *Authorizer, s *snapshot.Snapshot, ch *Check, d *Decision) {
	q.request.ResourceAccount = ch.ResourceAccount
	if q.request.ResourceAccount == "" {
		q.request.ResourceAccount = d.Caller.Principal.Account
	}
	q.set.Resource = ch.Policy
	ctx := &q.context
	if service := serviceOf(ch.Resource); service != "" {
		if owner, ok := a.owners[service]; ok {
			if f, ok := owner.port.Facts(s, ch.Resource); ok {
				if f.Account != "" {
					q.request.ResourceAccount = f.Account
				}
				q.tags("aws:ResourceTag/", f.Tags)
				if f.OwnTagKey {
					q.tags(owner.tagPrefix, f.Tags)
				}
				d.facts = f.Guards
			}
		}
	}
	ctx.Set("aws:ResourceAccount", q.request.ResourceAccount)
	q.tags("aws:RequestTag/", ch.RequestTags)
	if len(ch.RequestTags)+len(ch.RequestTagKeys) > 0 {
		q.values = append(q.values[:0], ch.RequestTagKeys...)
		for i := range ch.RequestTags {
			q.values = append(q.values, ch.RequestTags[i].Key)
		}
		ctx.Set("aws:TagKeys", q.values...)
	}
	for i := range ch.Keys {
		ctx.Set(ch.Keys[i].Name, ch.Keys[i].Values...)
	}
}

// environment fills in the keys that every request carries (S4 sections 30 and 47).
func (q *query) environment(c *Caller, env *Environment) {
	ctx := &q.context
	ctx.SetTime("aws:CurrentTime", env.Now)
	ctx.SetInt("aws:EpochTime", env.Now.Unix())
	ctx.SetBool("aws:SecureTransport", env.Secure)
	ctx.SetBool("aws:ViaAWSService", false)
	ctx.SetBool("aws:PrincipalIsAWSService", c.Principal.Type == policy.ServicePrincipal)
	ctx.Set("aws:RequestedRegion", env.Region)
	if env.SourceIP.IsValid() {
		ctx.SetAddr("aws:SourceIp", env.SourceIP)
	}
	if env.UserAgent != "" {
		ctx.Set("aws:UserAgent", env.UserAgent)
	}
	if env.Referer != "" {
		ctx.Set("aws:Referer", env.Referer)
	}
	q.mfa(c, env)
	for i := range c.Keys {
		ctx.Set(c.Keys[i].Name, c.Keys[i].Values...)
	}
	if c.Provider != "" {
		ctx.Set("aws:FederatedProvider", c.Provider)
	}
	if !c.Temporary {
		return
	}
	ctx.SetTime("aws:TokenIssueTime", c.Issued)
	if c.SourceIdentity != "" {
		ctx.Set("aws:SourceIdentity", c.SourceIdentity)
	}
}

// mfa fills in the keys of multi-factor authentication: by the request's own code, or by the session's (D4). Long-term keys
// have none (S4-176), and the age is there only where a device was used (S4-177).
func (q *query) mfa(c *Caller, env *Environment) {
	at := env.MFAAt
	if at.IsZero() {
		if !c.Temporary || !c.MFAKnown {
			return
		}
		at = c.MFAAt
	}
	q.context.SetBool("aws:MultiFactorAuthPresent", !at.IsZero())
	if !at.IsZero() {
		q.context.SetInt("aws:MultiFactorAuthAge", int64(env.Now.Sub(at)/time.Second))
	}
}

func (q *query) tags(prefix string, tags []entity.Tag) {
	for i := range tags {
		q.context.SetTag(prefix, tags[i].Key, tags[i].Value)
	}
}

// serviceOf returns the service part of an ARN, and nothing for anything else.
func serviceOf(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return ""
	}
	_, rest, ok = strings.Cut(rest, ":")
	if !ok {
		return ""
	}
	service, _, _ := strings.Cut(rest, ":")
	return service
}
