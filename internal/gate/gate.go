// Package gate is the one way from a request to an operation: it finds out who calls, asks the authorizer whether they may,
// opens an event with the decision, runs the operation's method and closes the event with the outcome.
//
// Nothing reaches a method around it. A service is registered with a permission row for every operation it has; one without
// a row is refused when the gate is made. A method writes through directory.Commit with its *Call as the change, so that a
// write carries the guards of the decision and its event into one transaction; when a guard no longer holds, the request is
// authorized again on a newer snapshot, never just retried: that includes the caller, whose key may be gone by then. An answer
// to a write waits until this node's snapshot shows it.
//
// Errors come in one order: what the request is not even as HTTP, the signature, the parameters, the kind of credentials, the
// permission, the state. Every call of a known caller leaves exactly one event (and one for the owner of a foreign role); a call
// that cannot be authenticated leaves none, because there is no account that it would belong to, and strangers could fill the
// trail with it. It is counted.
package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/throttle"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// Service is one API behind the gate.
type Service struct {
	API      *wire.API
	Handlers map[string]wire.Handler[*Call] // by operation, from the generated Bind
	Rows     map[string]Row                 // by operation; one for each handler
	Codes    Codes                          // where the service's error codes differ from its protocol's
	// Code is asked before Codes, by services whose codes name what the error speaks of (CacheClusterNotFound); nil where none do.
	Code     func(*fault.Error) (Code, bool)
	Resource authorizer.Resources // may be nil: the service owns no resources
	// Admit refuses callers by the kind of their credentials, before any policy is asked; nil admits everyone.
	Admit func(*Call) error
	// Prove checks what a request offers beside its signature, a one-time code, and puts what it proves into the call's Env. It runs
	// once, after Admit and before any policy is asked, however often the request is decided. Nil where there is nothing.
	Prove func(context.Context, *Call) error
	// Encodes says that a denial carries an encoded authorization message, as those of EC2 do: an account of it that
	// sts:DecodeAuthorizationMessage opens (package denial). IAM and STS have none.
	Encodes bool
	// Source is the event source, "iam.amazonaws.com". Region is the region its events carry; empty means the region of the
	// request's signature: global services have one region of their own.
	Source, Region string
	// View is the service's own view of its records; nil of services whose reads come from the snapshot.
	View View
	// GlobalEndpoint is the name of the endpoint that is no region's, such as "sts.amazonaws.com"; empty where there is none. Its
	// calls are signed for, and belong to, us-east-1.
	GlobalEndpoint string
}

// View is what a service keeps in memory of its records beside the snapshot: a [follow.Follower].
type View interface {
	// Freshness is how long ago the view was last known to be current.
	Freshness() time.Duration
	// Reach waits until the view has reached a revision.
	Reach(context.Context, store.Revision) error
}

// Recorder takes closed events of reads, denials and failures. It must not block for longer than a buffer takes,
// and not keep the slice.
type Recorder interface {
	Record(event []byte)
}

// Usage notes that credentials were used, and what for.
type Usage interface {
	Key(accessKeyID, service, region string, at time.Time)
	Role(account, roleID, service, region string, at time.Time)
	// Access notes that a principal tried an action, whether it was allowed or not: principal is the unique ID of a user or role
	// or, for the root user, of the account.
	Access(account, principal, service, action, region string, at time.Time)
}

// Meter counts what happened; every method must be cheap.
type Meter interface {
	Request(api, operation, code string, took time.Duration)
	Decision(effect, layer string)
	AuthenticationFailure(kind string)
	Throttled(scope, kind string) // whose rate, "account" or "address", and of which requests
	Reauthorized()                // a request is decided anew
	Panicked()
}

// Config is what a gate needs. All fields but Log, Now, Rand and Meter are required.
type Config struct {
	Services  []*Service
	Snapshots *snapshot.Follower
	Store     store.Store // asked once for access keys the snapshot does not know, and for the head
	Ring      *seal.Ring
	Managed   *catalog.Managed
	Trail     Recorder
	Usage     Usage
	Regions   []string // regions that signatures may name; the first is the default
	Meter     Meter    // nil counts nothing
	Log       *slog.Logger
	Failures  *slog.Logger       // for lines about requests that fail, which strangers may cause; nil means Log
	AccessLog *atomic.Bool       // while true every request has a line at level info; nil: only at level debug
	Throttle  *throttle.Throttle // nil: nothing is too often
	Now       func() time.Time   // nil means time.Now
	Rand      io.Reader          // nil means crypto/rand
	MaxStale  time.Duration      // how old the snapshot may be that decisions are made on; zero means five minutes
	Skew      time.Duration      // how far a signature's time may be off; zero means sigv4.DefaultSkew
}

// Gate is an http.Handler for the AWS APIs.
type Gate struct {
	services   map[*wire.API]*Service
	apis       *wire.APIs
	authorizer *authorizer.Authorizer
	snapshots  *snapshot.Follower
	store      store.Store
	ring       *seal.Ring
	managed    *catalog.Managed
	trail      Recorder
	usage      Usage
	regions    []string
	meter      Meter
	log        *slog.Logger
	failures   *slog.Logger // lines that requests cause which fail
	access     *atomic.Bool
	throttle   *throttle.Throttle
	now        func() time.Time
	rand       io.Reader
	maxStale   time.Duration
	skew       time.Duration
	keys       *sigv4.Cache
	secrets    generations[sealedSecret, string]
	tokens     *tokenCache
	lookups    *rate.Limiter
	bulky      map[string]int64 // :: operation → largest body, where that is more than maxBody
	bulkySlots chan struct{}    // as many as larger bodies are being worked on
}

// New checks that every operation of every service has a row, and returns the gate.
func New(c Config) (*Gate, error) {
	g := &Gate{
		services: make(map[*wire.API]*Service), snapshots: c.Snapshots, store: c.Store, ring: c.Ring, managed: c.Managed,
		trail: c.Trail, usage: c.Usage, regions: c.Regions, meter: c.Meter, log: c.Log, failures: c.Failures, access: c.AccessLog, throttle: c.Throttle, now: c.Now, rand: c.Rand, skew: c.Skew, maxStale: c.MaxStale,
		keys: sigv4.NewCache(keyCacheSize), tokens: new(tokenCache),
		lookups: rate.NewLimiter(rate.Limit(unknownKeyLookups), unknownKeyLookups),
		bulky:   make(map[string]int64), bulkySlots: make(chan struct{}, bulkySlots),
	}
	if g.meter == nil {
		g.meter = noMeter{}
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.failures == nil {
		g.failures = g.log
	}
	if g.access == nil {
		g.access = new(atomic.Bool)
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.rand == nil {
		g.rand = rand.Reader
	}
	if g.maxStale == 0 {
		g.maxStale = 5 * time.Minute
	}
	if g.skew == 0 {
		g.skew = sigv4.DefaultSkew
	}
	ports := make(map[string]authorizer.Resources)
	var apis []*wire.API
	for _, s := range c.Services {
		if err := s.check(); err != nil {
			return nil, err
		}
		g.services[s.API] = s
		for name, row := range s.Rows {
			if row.Body > 0 {
				g.bulky[name] = row.Body
			}
		}
		apis = append(apis, s.API)
		if s.Resource != nil {
			ports[s.API.SigningName] = s.Resource
		}
	}
	g.apis = wire.NewAPIs(apis...)
	g.authorizer = authorizer.New(ports)
	return g, nil
}

// check holds rows and handlers against each other.
func (s *Service) check() error {
	for name := range s.Handlers {
		row, ok := s.Rows[name]
		if !ok {
			return fmt.Errorf("gate: %s %s has no permission row", s.API.Name, name)
		}
		asks := row.Decides == ByPolicy || row.Decides == ByTrust
		if row.Decides == 0 || asks != (row.Checks != nil) {
			return fmt.Errorf("gate: the permission row of %s %s is decided %s and does not say how", s.API.Name, name, row.Decides)
		}
		if (row.Decides == ByAssertion) != (row.Verify != nil) {
			return fmt.Errorf("gate: %s %s is decided %s, and that its row verifies is %v", s.API.Name, name, row.Decides, row.Verify != nil)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Rows)) {
		if s.Handlers[name] == nil {
			return fmt.Errorf("gate: a permission row names %s %s, which has no handler", s.API.Name, name)
		}
	}
	return nil
}

// Authorizer returns the authorizer, for what decides outside a request: the simulator.
func (g *Gate) Authorizer() *authorizer.Authorizer { return g.authorizer }

// keyCacheSize is how many derived signing keys are kept.
const keyCacheSize = 8192

// attempts is how often a request whose decision has become stale is authorized again before it is given up as busy.
const attempts = 32

// ServeHTTP answers one AWS request.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := g.now()
	id := trail.NewID(g.rand)
	w.Header()["X-Amzn-Requestid"] = []string{id} // in the form that Set would give it
	c, body, release, err := g.receive(w, r, began, id)
	defer release()
	if err != nil {
		api := g.apis.Guess(r)
		f := failure(g.stranger(r, err), api.Protocol, nil)
		g.noteUnknown(r, api, id, began, f.Code, err)
		g.apis.WriteFailure(w, api, id, f)
		return
	}
	ctx := context.WithValue(r.Context(), callKey{}, c)
	out, err := g.run(ctx, c, r, body)
	if err != nil {
		f := failure(err, c.Request.API.Protocol, c.service)
		g.note(c, began, f.Code, err)
		g.apis.WriteFailure(w, c.Request.API, id, f)
		return
	}
	g.note(c, began, "", nil)
	wire.WriteOutput(w, c.Request, id, out)
}

// receive reads a request as far as to know which operation it calls. release is never nil, and to be called when body and call are not
// used any more.
func (g *Gate) receive(w http.ResponseWriter, r *http.Request, began time.Time, id string) (c *Call, body []byte, release func(), err error) {
	release = func() {}
	defer g.contain(id, &err)
	if err := wire.CheckHead(r); err != nil {
		w.Header().Set("Connection", "close") // the body is not read
		return nil, nil, release, err
	}
	if body, release, err = g.readBody(w, r); err != nil {
		return nil, nil, release, err
	}
	req, err := g.apis.Recognize(r, body)
	if err != nil {
		return nil, nil, release, err
	}
	c = &Call{Request: req, service: g.services[req.API], Env: g.environment(r, began)}
	c.endpoint = g.endpointOf(c.service, r.Host)
	if c.region = c.endpoint.region; c.region == "" {
		c.region = g.regions[0]
	}
	c.event = eventFrame{id: trail.NewID(g.rand), requestID: id, tls: r.TLS, host: r.Host}
	return c, body, release, nil
}

// run takes a recognized request through authentication, decision and method.
func (g *Gate) run(ctx context.Context, c *Call, r *http.Request, body []byte) (out wire.Output, err error) {
	defer g.contain(c.event.requestID, &err)
	handler, row := c.service.Handlers[c.Request.Operation.Name], c.service.Rows[c.Request.Operation.Name]
	if err := g.look(c); err != nil {
		return nil, err
	}
	if handler == nil && c.Request.Operation.Unsigned {
		return nil, g.stranger(r, unbuilt(c.Request.Operation)) // nobody is known to whom an event would belong
	}
	if row.Decides == ByAssertion {
		c.Env.Region = c.region
		if err := g.stranger(r, nil); err != nil {
			return nil, err
		}
	} else if err := g.authenticate(ctx, c, r, body); err != nil {
		g.meter.AuthenticationFailure(fault.KindOf(err).String())
		return nil, g.stranger(r, err)
	} else if err := g.budget(c, row); err != nil {
		return nil, err
	}
	return g.operate(ctx, c, row, handler)
}

// look gives the call the newest snapshot, where that is not too old to decide on.
func (g *Gate) look(c *Call) (err error) {
	c.Snapshot, err = g.current(c.service.View)
	return err
}

// current is the newest snapshot, where neither it nor the service's view is too old to decide on. The view may be nil.
func (g *Gate) current(view View) (*snapshot.Snapshot, error) {
	age := g.snapshots.Freshness()
	if view != nil {
		age = max(age, view.Freshness())
	}
	if age > g.maxStale {
		return nil, &fault.Error{Kind: fault.Unavailable, Message: "The service cannot reach its store and does not decide on what it last knew. Try again.",
			Cause: fmt.Errorf("the snapshot was current %s ago", age)}
	}
	return g.snapshots.Current(), nil
}

// operate takes a call whose caller is known, or is to be found out by its assertion, through decision and method.
func (g *Gate) operate(ctx context.Context, c *Call, row Row, handler wire.Handler[*Call]) (wire.Output, error) {
	if handler == nil {
		return nil, g.closed(c, unbuilt(c.Request.Operation))
	}
	c.decoded = true
	if err := c.Request.Validate(); err != nil {
		return nil, g.closed(c, err)
	}
	if c.service.Admit != nil && row.Decides != ByAssertion {
		if err := c.service.Admit(c); err != nil {
			return nil, g.closed(c, err)
		}
	}
	if c.service.Prove != nil && row.Decides != ByAssertion {
		if err := c.service.Prove(ctx, c); err != nil {
			return nil, g.closed(c, err)
		}
	}
	if c.Caller != nil && c.Account() != "" { // every call that comes to a decision is an attempt to use the service (S3-178)
		g.usage.Access(c.Account(), c.Caller.EntityID, c.Request.API.SigningName, c.Request.Operation.Name, c.Env.Region, c.Env.Now)
	}
	for attempt := 0; ; attempt++ {
		out, err := g.attempt(ctx, c, row, handler)
		if fault.KindOf(err) != fault.Stale {
			return out, g.finish(ctx, c, out, err)
		}
		if attempt == attempts {
			return nil, g.closed(c, fault.New(fault.Conflict, "The request was overtaken by other changes too often. Try again."))
		}
		g.meter.Reauthorized()
		newest, err := g.newest(ctx, c.service)
		if err != nil {
			return nil, g.closed(c, err)
		}
		c.Snapshot = newest
		if err := g.identifyAgain(c); err != nil {
			return nil, g.closed(c, err)
		}
	}
}

func unbuilt(o *wire.Operation) error {
	return fault.New(fault.Unbuilt, "%s of %s is not built yet: %s", o.Name, o.API.Name, o.Unbuilt)
}

// attempt decides on the call's snapshot and runs the method. A panic of theirs is a failure that leaves its event.
func (g *Gate) attempt(ctx context.Context, c *Call, row Row, handler wire.Handler[*Call]) (out wire.Output, err error) {
	defer g.contain(c.event.requestID, &err)
	if err := g.decide(ctx, c, row); err != nil {
		return nil, err
	}
	return handler(ctx, c, c.Request.Input)
}

// decide asks every check of the row.
func (g *Gate) decide(ctx context.Context, c *Call, row Row) error {
	c.Decisions = c.Decisions[:0]
	checks, err := g.questions(ctx, c, row)
	if checks == nil && err == nil && row.Decides == Always {
		return nil
	}
	if err != nil {
		return err
	}
	if len(checks) == 0 {
		return &fault.Error{Kind: fault.Internal, Cause: fmt.Errorf("the row of %s asked nothing", c.Request.Operation.Name)}
	}
	for i := range checks {
		d := g.authorizer.Decide(c.Snapshot, c.Caller, &c.Env, &checks[i])
		c.Decisions = append(c.Decisions, d)
		g.meter.Decision(effectName(&d), d.Layer.String())
		if !d.Allowed() {
			return &fault.Error{Kind: fault.Denied, Subject: checks[i].Action, Message: g.denial(c, &d)}
		}
	}
	return nil
}

// questions are the checks of the row. Of a call with an assertion, they come with who calls.
func (g *Gate) questions(ctx context.Context, c *Call, row Row) ([]authorizer.Check, error) {
	if row.Decides != ByAssertion {
		if row.Checks == nil {
			return nil, nil
		}
		return row.Checks(c)
	}
	a, err := row.Verify(ctx, c)
	if err != nil {
		g.meter.AuthenticationFailure(fault.KindOf(err).String())
		return nil, err
	}
	c.Asserted, c.Caller = a, a.Caller
	if account, ok := c.Snapshot.Account(a.Account); !ok || account.Suspended {
		return nil, &fault.Error{Kind: fault.Denied, Message: notAuthorized(a.Checks[0].Action)}
	}
	return a.Checks, nil
}

// finish closes the event of a call that has run, and waits for the snapshot to show its write.
func (g *Gate) finish(ctx context.Context, c *Call, out wire.Output, err error) error {
	if err != nil {
		return g.closed(c, err)
	}
	if !c.recorded {
		g.record(c, out, nil)
	}
	if c.committed == 0 {
		return nil
	}
	if _, err := g.snapshots.Wait(ctx, c.committed); err != nil {
		return fault.Wrap(err, "waiting for the snapshot to reach the write")
	}
	if c.service.View == nil {
		return nil
	}
	return fault.Wrap(c.service.View.Reach(ctx, c.committed), "waiting for the service's view to reach the write")
}

// closed records the failed call and returns err. A call that failed after its write has its event already, and one of
// nobody known has none. Where nobody knows whether the write was committed, and with it an event that says so, the failure gets an
// event of its own: one ID must not say two things.
func (g *Gate) closed(c *Call, err error) error {
	if c.recorded || c.Caller == nil {
		return err
	}
	if errors.Is(err, store.ErrUnknownOutcome) {
		c.event.id = trail.NewID(g.rand)
	}
	f := failure(err, c.Request.API.Protocol, c.service)
	g.record(c, nil, &f)
	return err
}

// newest returns a snapshot that has everything committed by now, and waits until the service's view has it too. The service may be nil.
func (g *Gate) newest(ctx context.Context, s *Service) (*snapshot.Snapshot, error) {
	head, err := g.store.Head(ctx)
	if err != nil {
		return nil, fault.Wrap(err, "asking for the head")
	}
	if s != nil && s.View != nil {
		if err := s.View.Reach(ctx, head); err != nil {
			return nil, err
		}
	}
	return g.snapshots.Wait(ctx, head)
}

// environment is what decisions need to know of the HTTP request.
func (g *Gate) environment(r *http.Request, now time.Time) authorizer.Environment {
	env := authorizer.Environment{Now: now, UserAgent: r.UserAgent(), Referer: r.Referer(), Secure: r.TLS != nil}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		env.SourceIP = ap.Addr().Unmap()
	}
	return env
}

func effectName(d *authorizer.Decision) string {
	switch {
	case d.Allowed():
		return "allow"
	case d.Explicit:
		return "deny-explicit"
	default:
		return "deny-implicit"
	}
}
