package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// unknownKeyLookups is how many times a second, over all requests, the store is asked for an access key that the snapshot
// does not know: a key made on another node a moment ago. Guessing keys must not become a load on the store.
const unknownKeyLookups = 20

// The sentences of AWS for callers that cannot be authenticated.
const (
	sayMissing    = "Request is missing Authentication Token"
	sayUnknownKey = "The security token included in the request is invalid."
	sayExpired    = "The security token included in the request is expired"
	saySuspended  = "The AWS Access Key Id needs a subscription for the service"
)

// authenticate finds out who calls and puts the caller, the region and the identity block into the call. Everything comes
// from the snapshot and the request; the texts tell nobody which keys exist.
func (g *Gate) authenticate(ctx context.Context, c *Call, r *http.Request, body []byte) error {
	p, err := sigv4.Parse(r)
	if err != nil {
		return signatureFault(err)
	}
	if err := p.CheckService(c.Request.API.SigningName); err != nil {
		return signatureFault(err)
	}
	if c.region, err = g.signedRegion(p, c.region); err != nil {
		return err
	}
	c.Env.Region = c.region
	if c.service.Region != "" {
		c.Env.Region = c.service.Region // global services report their own region (S4-M32)
	}
	var secret string
	if strings.HasPrefix(p.AccessKeyID, entity.PrefixTemporaryKey) {
		secret, err = g.temporary(ctx, c, p)
	} else {
		secret, err = g.longTerm(ctx, c, p)
	}
	if err != nil {
		return err
	}
	v := sigv4.Verifier{Now: g.now, Skew: g.skew, Cache: g.keys}
	if err := v.Verify(p, secret, sha256.Sum256(body)); err != nil {
		return signatureFault(err)
	}
	// Only someone who holds the secret learns that the credentials have expired.
	if c.Caller.Temporary && !c.Env.Now.Before(c.Caller.Expires) {
		return fault.New(fault.ExpiredCredentials, sayExpired)
	}
	if account, ok := c.Snapshot.Account(c.Caller.Principal.Account); !ok || account.Suspended {
		return fault.New(fault.OptInRequired, saySuspended)
	}
	g.used(c)
	return nil
}

// signedRegion is the region that the signature speaks for.
func (g *Gate) signedRegion(p *sigv4.Presented, preferred string) (string, error) {
	if p.Algorithm == sigv4.AlgorithmECDSA {
		for _, region := range append([]string{preferred}, g.regions...) {
			if p.CheckRegion(region) == nil {
				return region, nil
			}
		}
	} else if slices.Contains(g.regions, p.Region) {
		return p.Region, nil
	}
	return "", fault.New(fault.BadSignature, "Credential should be scoped to a valid region. ")
}

// longTerm finds the caller of a long-term key and returns the key's secret.
func (g *Gate) longTerm(ctx context.Context, c *Call, p *sigv4.Presented) (string, error) {
	if p.SecurityToken != "" {
		return "", fault.New(fault.UnknownKey, sayUnknownKey)
	}
	key, ok := c.Snapshot.AccessKey(p.AccessKeyID)
	if !ok {
		if !g.lookUp(ctx, c, p.AccessKeyID) {
			return "", fault.New(fault.UnknownKey, sayUnknownKey)
		}
		if key, ok = c.Snapshot.AccessKey(p.AccessKeyID); !ok {
			return "", fault.New(fault.UnknownKey, sayUnknownKey)
		}
	}
	if key.Inactive {
		return "", fault.New(fault.UnknownKey, sayUnknownKey)
	}
	c.keyGuard = &store.Guard{Key: entity.AccessKeyKey(key.ID), Revision: key.Revision}
	secret, err := g.ring.Open(seal.AccessKeySecret, key.Sealed, []byte(key.ID))
	if err != nil {
		return "", fault.Wrap(err, "opening an access key's secret")
	}
	if c.Caller, ok = longTermCaller(c.Snapshot, key.AccessKey); !ok {
		return "", fault.New(fault.UnknownKey, sayUnknownKey)
	}
	return string(secret), nil
}

// lookUp asks the store for a key that the snapshot does not have, and moves the call to a snapshot that has it.
func (g *Gate) lookUp(ctx context.Context, c *Call, id string) bool {
	if !g.lookups.Allow() {
		return false
	}
	var at store.Revision
	err := g.store.View(ctx, func(r store.Reader) error {
		e, ok, err := r.Get(entity.AccessKeyKey(id))
		if ok {
			at = e.Revision
		}
		return err
	})
	if err != nil || at == 0 {
		return false
	}
	s, err := g.snapshots.Wait(ctx, at)
	if err != nil {
		return false
	}
	c.Snapshot = s
	return true
}

func longTermCaller(s *snapshot.Snapshot, key *entity.AccessKey) (*authorizer.Caller, bool) {
	caller := &authorizer.Caller{EntityID: key.User, AccessKeyID: key.ID}
	if key.User == key.Account {
		caller.Principal = rootPrincipal(key.Account)
		return caller, true
	}
	u, ok := s.UserByID(key.User)
	if !ok {
		return nil, false
	}
	caller.Principal = userPrincipal(u.User)
	return caller, true
}

func rootPrincipal(account string) policy.Principal {
	return policy.Principal{Type: policy.Root, ARN: entity.RootARN(account), Account: account, UniqueID: account}
}

func userPrincipal(u *entity.User) policy.Principal {
	return policy.Principal{Type: policy.User, ARN: u.ARN(), Account: u.Account, UniqueID: u.ID}
}

// temporary opens a session token, finds its caller and returns the secret that came sealed in it.
func (g *Gate) temporary(ctx context.Context, c *Call, p *sigv4.Presented) (string, error) {
	if p.SecurityToken == "" {
		return "", fault.New(fault.UnknownKey, sayUnknownKey)
	}
	t, err := g.tokens.open(g.ring, p.SecurityToken)
	if err != nil || t.claims.AccessKeyID != p.AccessKeyID {
		return "", &fault.Error{Kind: fault.UnknownKey, Message: sayUnknownKey, Cause: err}
	}
	caller, ok := sessionCaller(c.Snapshot, t.claims)
	if !ok && g.lookups.Allow() {
		// The entity may have been made on another node a moment ago, or it is gone.
		if s, err := g.newest(ctx); err == nil {
			c.Snapshot = s
			caller, ok = sessionCaller(s, t.claims)
		}
	}
	if !ok {
		return "", fault.New(fault.UnknownKey, sayUnknownKey)
	}
	caller.SessionPolicies, err = t.policies(func(arn string) (string, bool) { return g.managedDocument(c.Snapshot, caller.Principal.Account, arn) })
	if err != nil {
		return "", err
	}
	c.Caller = caller
	return t.claims.Secret.Reveal(), nil
}

// managedDocument is the text of a managed policy as it stands today.
func (g *Gate) managedDocument(s *snapshot.Snapshot, account, text string) (string, bool) {
	if p, ok := g.managed.ByARN(text); ok {
		return p.Document(), true
	}
	owner, ok := s.Account(account)
	if !ok {
		return "", false
	}
	p, ok := owner.Policy(text[strings.LastIndexByte(text, '/')+1:])
	if !ok || p.ARN() != text {
		return "", false
	}
	return p.DefaultDocument(), true
}

// sessionCaller makes the caller of a session. It is made for every request: the entity behind it may have changed.
func sessionCaller(s *snapshot.Snapshot, cl *session.Claims) (*authorizer.Caller, bool) {
	caller := &authorizer.Caller{
		EntityID: cl.PrincipalID, AccessKeyID: cl.AccessKeyID, Temporary: true, SessionName: cl.SessionName,
		Issued: cl.Issued, Expires: cl.Expires, MFAAt: cl.MFAAt, MFAKnown: true,
		SessionTags: cl.Tags, TransitiveTags: cl.TransitiveTagKeys,
		SourceIdentity: cl.SourceIdentity, Provider: cl.Provider, Chained: cl.Chained,
	}
	switch cl.Kind {
	case session.SessionToken:
		if cl.PrincipalID == cl.Account {
			caller.Principal = rootPrincipal(cl.Account)
			return caller, true
		}
		u, ok := s.UserByID(cl.PrincipalID)
		if !ok {
			return nil, false
		}
		caller.Principal = userPrincipal(u.User)
		return caller, true
	case session.AssumedRole:
		r, ok := s.RoleByID(cl.PrincipalID)
		if !ok {
			return nil, false
		}
		caller.Principal = policy.Principal{
			Type: policy.AssumedRole, ARN: entity.AssumedRoleARN(r.Account, r.Name, cl.SessionName), Account: r.Account,
			UniqueID: r.ID + ":" + cl.SessionName, RoleARN: r.ARN(), ServiceLinked: r.ServiceLinked != "",
		}
		return caller, true
	}
	return nil, false // kinds that are not issued yet
}

// used notes that the credentials were used; denied requests count.
func (g *Gate) used(c *Call) {
	p := &c.Caller.Principal
	switch {
	case p.Type == policy.AssumedRole:
		g.usage.Role(p.Account, c.Caller.EntityID, c.Request.API.SigningName, c.Env.Region, c.Env.Now)
	case !c.Caller.Temporary:
		g.usage.Key(c.Caller.AccessKeyID, c.Request.API.SigningName, c.Env.Region, c.Env.Now)
	}
}

// signatureFault gives the edge's kinds to what sigv4 found. What the server computed is told to the sender, as AWS does: it
// repeats the sender's own request and no secret.
func signatureFault(err error) error {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return fault.Wrap(err, "verifying a signature")
	}
	kind := fault.BadSignature
	message := e.Reply()
	switch e.Kind {
	case sigv4.Missing:
		kind, message = fault.MissingAuthentication, sayMissing
	case sigv4.Incomplete, sigv4.MalformedQuery, sigv4.Unsupported:
		kind = fault.IncompleteSignature
	case sigv4.Expired, sigv4.NotYet:
		kind = fault.SignatureExpired
	case sigv4.Scope, sigv4.Unsigned, sigv4.Mismatch, sigv4.PayloadHash:
	}
	return &fault.Error{Kind: kind, Message: message}
}
