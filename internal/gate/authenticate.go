package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/directory"
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

// authenticate finds out who calls and puts the caller and the region into the call. Everything comes from the snapshot and
// the request; the texts tell nobody which keys exist.
func (g *Gate) authenticate(ctx context.Context, c *Call, r *http.Request, body []byte) error {
	p, err := sigv4.Parse(r)
	if err != nil {
		return signatureFault(err)
	}
	if err := p.CheckService(c.Request.API.SigningName); err != nil {
		return signatureFault(err)
	}
	if c.region, err = g.signedRegion(p, c.endpoint, c.region); err != nil {
		return err
	}
	c.Env.Region = c.region
	if c.service.Region != "" {
		c.Env.Region = c.service.Region // global services report their own region (S4-M32)
	}
	id, err := g.identify(c.Snapshot, p)
	if fault.KindOf(err) == fault.UnknownKey {
		if s, ok := g.newer(ctx, c.Snapshot, p); ok {
			c.Snapshot = s
			id, err = g.identify(s, p)
		}
	}
	if err != nil {
		return err
	}
	v := sigv4.Verifier{Now: g.now, Skew: g.skew, Cache: g.keys}
	if err := v.Verify(p, id.secret, sha256.Sum256(body)); err != nil {
		return signatureFault(err)
	}
	// Only someone who holds the secret learns that the credentials have expired, or that their account is closed.
	if id.caller.Temporary && !c.Env.Now.Before(id.caller.Expires) {
		return fault.New(fault.ExpiredCredentials, sayExpired)
	}
	// A session from the future was given out while a clock was wrong. It would live longer than its role allows, and the age of
	// its MFA would be negative, so that it is over; those who hold it get another.
	if id.caller.Temporary && id.caller.Issued.After(c.Env.Now.Add(g.skew)) {
		return fault.New(fault.ExpiredCredentials, sayExpired)
	}
	if suspended(c.Snapshot, id.caller) {
		return fault.New(fault.OptInRequired, saySuspended)
	}
	if id.defaultRegions && c.region != g.regions[0] && directory.OptIn(c.region) {
		return unknownKey(errTokenRegion)
	}
	c.signature, c.Caller, c.key, c.credentials = p, id.caller, id.key, id.guards
	g.used(c)
	return nil
}

// identifyAgain looks the authenticated caller up on a newer snapshot: the key may have been deactivated, the entity renamed
// or deleted since. What the signature proved stays proved.
func (g *Gate) identifyAgain(c *Call) error {
	if c.signature == nil {
		return nil // decided by an assertion, which is verified again
	}
	id, err := g.identify(c.Snapshot, c.signature)
	if err != nil {
		return err
	}
	if suspended(c.Snapshot, id.caller) {
		return fault.New(fault.OptInRequired, saySuspended)
	}
	c.Caller, c.key, c.credentials = id.caller, id.key, id.guards
	return nil
}

func suspended(s *snapshot.Snapshot, caller *authorizer.Caller) bool {
	account, ok := s.Account(caller.Principal.Account)
	return !ok || account.Suspended
}

// signedRegion is the region that the signature speaks for. At an endpoint of one region it is that region, or the signature is
// not for it.
func (g *Gate) signedRegion(p *sigv4.Presented, at endpoint, preferred string) (string, error) {
	if p.Algorithm == sigv4.AlgorithmECDSA {
		candidates := append([]string{preferred}, g.regions...)
		if at.region != "" {
			candidates = []string{at.region}
		}
		for _, region := range candidates {
			if p.CheckRegion(region) == nil {
				return region, nil
			}
		}
	} else if at.region != "" && p.Region == at.region || at.region == "" && (p.Region == preferred || slices.Contains(g.regions, p.Region)) {
		return p.Region, nil
	}
	return "", fault.New(fault.BadSignature, "Credential should be scoped to a valid region. ")
}

// identity is what credentials mean on one snapshot.
type identity struct {
	caller *authorizer.Caller
	secret string
	key    snapshot.AccessKey // of long-term credentials
	guards []store.Guard      // the records behind other credentials
	// defaultRegions: the credentials are good only in regions that all accounts have.
	defaultRegions bool
}

// identify finds the caller whose credentials p presents. Nothing has been proved by it.
func (g *Gate) identify(s *snapshot.Snapshot, p *sigv4.Presented) (identity, error) {
	if strings.HasPrefix(p.AccessKeyID, entity.PrefixTemporaryKey) {
		return g.temporary(s, p)
	}
	return g.longTerm(s, p)
}

var errTokenRegion = errors.New("gate: a token of version 1 in a region that not all accounts have")

func unknownKey(cause error) error {
	return &fault.Error{Kind: fault.UnknownKey, Message: sayUnknownKey, Cause: cause}
}

// longTerm finds the caller of a long-term key.
func (g *Gate) longTerm(s *snapshot.Snapshot, p *sigv4.Presented) (identity, error) {
	if p.SecurityToken != "" {
		return identity{}, unknownKey(nil)
	}
	key, ok := s.AccessKey(p.AccessKeyID)
	if !ok || key.Inactive {
		return identity{}, unknownKey(nil)
	}
	caller, ok := longTermCaller(s, key.AccessKey)
	if !ok {
		return identity{}, unknownKey(nil)
	}
	sealed := sealedSecret{key.ID, key.Revision}
	secret, ok := g.secrets.get(sealed)
	if !ok {
		opened, err := g.ring.Open(seal.AccessKeySecret, key.Sealed, []byte(key.ID))
		if err != nil {
			return identity{}, fault.Wrap(err, "opening an access key's secret")
		}
		secret = string(opened)
		g.secrets.put(sealed, secret)
	}
	return identity{caller: caller, secret: secret, key: key}, nil
}

// newer returns a snapshot that may know credentials which the current one does not: they, or the entity behind them, may
// have been made on another node a moment ago. It asks the store once, and only so often that guessing is no load on it.
func (g *Gate) newer(ctx context.Context, s *snapshot.Snapshot, p *sigv4.Presented) (*snapshot.Snapshot, bool) {
	if _, known := s.AccessKey(p.AccessKeyID); known {
		return nil, false
	}
	var at store.Revision
	var err error
	switch {
	case strings.HasPrefix(p.AccessKeyID, entity.PrefixTemporaryKey):
		// A token that does not open will not open later either.
		if t, err := g.tokens.open(g.ring, p.SecurityToken); err != nil || t.claims.AccessKeyID != p.AccessKeyID || !g.lookups.Allow() {
			return nil, false
		}
		at, err = g.store.Head(ctx)
	case p.SecurityToken != "" || !strings.HasPrefix(p.AccessKeyID, entity.PrefixLongTermKey) || !plausible(p.AccessKeyID) || !g.lookups.Allow():
		return nil, false
	default:
		err = g.store.View(ctx, func(r store.Reader) error {
			e, ok, err := r.Get(entity.AccessKeyKey(p.AccessKeyID))
			if ok {
				at = e.Revision
			}
			return err
		})
	}
	if err != nil || at == 0 {
		return nil, false
	}
	s, err = g.snapshots.Wait(ctx, at)
	return s, err == nil
}

// plausible reports whether an access key ID has the form of those that are handed out here.
func plausible(id string) bool {
	_, ok := credential.AccountOf(id)
	return ok
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

// temporary opens a session token and finds its caller. The secret came sealed in the token.
func (g *Gate) temporary(s *snapshot.Snapshot, p *sigv4.Presented) (identity, error) {
	if p.SecurityToken == "" {
		return identity{}, unknownKey(nil)
	}
	t, err := g.tokens.open(g.ring, p.SecurityToken)
	if err != nil || t.claims.AccessKeyID != p.AccessKeyID {
		return identity{}, unknownKey(err)
	}
	caller, ok := sessionCaller(s, t.claims)
	if !ok {
		return identity{}, unknownKey(nil)
	}
	id := identity{caller: caller, secret: t.claims.Secret.Reveal(), defaultRegions: t.claims.DefaultRegions}
	caller.SessionPolicies, id.guards, err = t.policies(func(arn string) managedDocument { return g.managedDocument(s, caller.Principal.Account, arn) })
	if err == nil && caller.Delegate != "" && len(caller.SessionPolicies) == 0 {
		return identity{}, unknownKey(nil) // without its limits there is no delegation
	}
	if err == nil && caller.AssumedRoot {
		if len(caller.SessionPolicies) == 0 {
			return identity{}, unknownKey(nil) // without its task there is nothing that would bind it
		}
		caller.SessionPolicies = append(caller.SessionPolicies, everything())
	}
	return id, err
}

// managedDocument is a managed policy as it stands today. The zero value is one that is gone.
type managedDocument struct {
	text   string
	guards []store.Guard // none for AWS's policies, which do not change
}

// managedDocument finds a managed policy of AWS or of the account.
func (g *Gate) managedDocument(s *snapshot.Snapshot, account, arn string) managedDocument {
	if p, ok := g.managed.ByARN(arn); ok {
		return managedDocument{text: p.Document()}
	}
	owner, ok := s.Account(account)
	if !ok {
		return managedDocument{}
	}
	p, ok := owner.PolicyByARN(arn)
	if !ok {
		return managedDocument{}
	}
	return managedDocument{p.DefaultDocument(), p.Guards()}
}

// sessionCaller makes the caller of a session. It is made for every request: the entity behind it may have changed.
func sessionCaller(s *snapshot.Snapshot, cl *session.Claims) (*authorizer.Caller, bool) {
	caller := &authorizer.Caller{
		EntityID: cl.PrincipalID, AccessKeyID: cl.AccessKeyID, Temporary: true, SessionName: cl.SessionName,
		Issued: cl.Issued, Expires: cl.Expires, MFAAt: cl.MFAAt, MFAKnown: true,
		SessionTags: cl.Tags, TransitiveTags: cl.TransitiveTagKeys,
		SourceIdentity: cl.SourceIdentity, Provider: cl.Provider, Chained: cl.Chained, Console: cl.Console,
		Delegate: cl.Delegate,
	}
	for _, k := range cl.Context {
		caller.Keys = append(caller.Keys, authorizer.Key{Name: k.Key, Values: k.Values})
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
			UniqueID: r.ID + ":" + cl.SessionName, RoleARN: r.ARN(), ServiceLinked: r.ServiceLinked != "", Provider: cl.Provider,
		}
		return caller, true
	case session.AssumedRoot:
		if _, ok := s.Account(cl.Account); !ok {
			return nil, false
		}
		caller.Principal, caller.AssumedRoot = rootPrincipal(cl.Account), true
		return caller, true
	case session.FederatedUser:
		issuer := entity.RootARN(cl.Account)
		if cl.PrincipalID != cl.Account {
			u, ok := s.UserByID(cl.PrincipalID)
			if !ok {
				return nil, false // the session lives on the user who made it
			}
			issuer = u.ARN()
		}
		caller.Principal = policy.Principal{
			Type: policy.FederatedUser, ARN: entity.FederatedUserARN(cl.Account, cl.SessionName), Account: cl.Account,
			UniqueID: cl.ID(), IssuerUserARN: issuer,
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
