package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/throttle"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// What signing in needs of the gate: who has these credentials, does a session still stand, and records of both. Calls of the AWS
// APIs are made with the console session's own credentials and come the way of all others.

// signInRegion is the region of sign-in's events: that of its global endpoint (CloudTrail user guide, "AWS Management Console sign-in
// events").
const signInRegion = directory.GlobalRegion

// Credentials are temporary credentials as somebody hands them over who does not sign with them: all three parts.
type Credentials struct {
	AccessKeyID string
	Secret      secret.Text
	Token       string
}

// Holder is who has a session, as the snapshot shows them now.
type Holder struct {
	Claims *session.Claims // shared; not to be changed
	Caller *authorizer.Caller

	snapshot *snapshot.Snapshot
}

var errSecret = errors.New("gate: the secret is not that of the session")

// Holder finds out whose temporary credentials these are. The secret is the proof, in the place of a signature: it is compared in
// constant time, and there is nothing to be guessed without a token that this installation sealed. Errors are those of a signed
// request with such credentials: of kind UnknownKey where they are forged, foreign, do not belong together, or the role or user behind
// them is gone; ExpiredCredentials; OptInRequired where the account is suspended; Throttled where its budget of reads is used up. With ExpiredCredentials and OptInRequired the holder is returned, so that the attempt can
// be recorded.
func (g *Gate) Holder(ctx context.Context, c Credentials) (*Holder, error) {
	t, err := g.tokens.open(g.ring, c.Token)
	if err != nil {
		return nil, err
	}
	if t.claims.AccessKeyID != c.AccessKeyID || !t.claims.Secret.Equal(c.Secret) {
		return nil, unknownKey(errSecret)
	}
	return g.Standing(ctx, t.claims)
}

// Standing finds the holder of a session that was opened before, if it is not over: the role or user behind it is there, and is the one
// for which it was made. Errors are those of [Gate.Holder].
func (g *Gate) Standing(ctx context.Context, claims *session.Claims) (*Holder, error) {
	now := g.now()
	s, err := g.current(nil)
	if err != nil {
		return nil, err
	}
	caller, ok := sessionCaller(s, claims)
	if !ok && g.lookups.Allow() { // it may have been made on another node a moment ago
		if s, err = g.newest(ctx, nil); err != nil {
			return nil, err
		}
		caller, ok = sessionCaller(s, claims)
	}
	if !ok {
		return nil, unknownKey(nil)
	}
	h := &Holder{Claims: claims, Caller: caller, snapshot: s}
	switch {
	case claims.Expired(now):
		return h, fault.New(fault.ExpiredCredentials, sayExpired)
	case suspended(s, caller):
		return h, fault.New(fault.OptInRequired, saySuspended)
	case !g.within(s, caller.Principal.Account, throttle.Read, directory.ReadsPerSecondQuota):
		return nil, fault.New(fault.Throttled, sayThrottled)
	}
	return h, nil
}

// Stranger takes a request of nobody known from the budget of its address. err is why it is refused anyway, or nil; where the budget is
// empty, a fault of kind Throttled is returned instead.
func (g *Gate) Stranger(r *http.Request, err error) error { return g.stranger(r, err) }

// SignIn is what is to be recorded of a sign-in.
type SignIn struct {
	Name string // GetSigninToken or ConsoleLogin
	// Failure is why it failed; empty where it did not.
	Failure string
	// Response are the response elements beside the one that says success or failure, valid JSON by name.
	Response []trail.Member
	// LoginTo is where the user wanted to go; empty where nothing is known of it.
	LoginTo string
}

// RecordSignIn records a sign-in of somebody known, in CloudTrail's form (S2-387, S2-419). One of nobody known has no account whose
// record it would be.
func (g *Gate) RecordSignIn(h *Holder, r *http.Request, s SignIn) {
	env := g.environment(r, g.now())
	outcome := "Success"
	if s.Failure != "" {
		outcome = "Failure"
	}
	e := &trail.Event{
		Identity: identityOf(h.snapshot, h.Caller), Time: env.Now, Source: "signin.amazonaws.com", Name: s.Name, Region: signInRegion,
		UserAgent: env.UserAgent, ErrorMessage: s.Failure, ResponseElements: object(append(s.Response, text(s.Name, outcome))),
		RequestID: trail.NewID(g.rand), ID: trail.NewID(g.rand), Type: trail.TypeConsoleSignIn, Recipient: h.Caller.Principal.Account,
	}
	if env.SourceIP.IsValid() {
		e.SourceIP = env.SourceIP.String()
	}
	if s.LoginTo != "" {
		e.Additional.Members = append(e.Additional.Members, text("LoginTo", s.LoginTo))
	}
	mfa := "No"
	if !h.Caller.MFAAt.IsZero() {
		mfa = "Yes"
	}
	e.Additional.Members = append(e.Additional.Members, text("MobileVersion", "No"), text("MFAUsed", mfa))
	e.TLS = connection(r.TLS, r.Host)
	g.trail.Record(e.Append(nil))
}

// text is a member with a text.
func text(name, value string) trail.Member {
	quoted, err := json.Marshal(value)
	if err != nil {
		quoted = []byte(`""`) // unreachable: a string is always text of JSON
	}
	return trail.Member{Name: name, Value: quoted}
}

// object is an object of these members.
func object(members []trail.Member) json.RawMessage {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(append(out, '"'), m.Name...), `":`...), m.Value...)
	}
	return append(out, '}')
}

// Present runs an operation that an assertion decides (AssumeRoleWithSAML) for somebody whose browser brought the assertion to the
// sign-in endpoint: verified, decided, recorded and counted like any other. Errors are those of the operation.
func (g *Gate) Present(ctx context.Context, r *http.Request, api *wire.API, operation string, in wire.Input) (wire.Output, error) {
	began := g.now()
	s := g.services[api]
	if s == nil || s.Rows[operation].Decides != ByAssertion {
		return nil, &fault.Error{Kind: fault.Internal, Subject: operation}
	}
	req, err := wire.NewCall(api, operation, in)
	if err != nil {
		return nil, err
	}
	c := &Call{Request: req, service: s, region: g.regions[0], Env: g.environment(r, began)}
	c.Env.Region = c.region
	c.event = eventFrame{id: trail.NewID(g.rand), requestID: trail.NewID(g.rand), tls: r.TLS, host: r.Host}
	var out wire.Output
	if err = g.look(c); err == nil {
		out, err = g.operate(context.WithValue(ctx, callKey{}, c), c, s.Rows[operation], s.Handlers[operation])
	}
	code := ""
	if err != nil {
		code = failure(err, api.Protocol, s).Code
	}
	g.note(c, began, code, err)
	return out, err
}

// Current returns the newest snapshot, where that is not too old to decide on.
func (g *Gate) Current() (*snapshot.Snapshot, error) { return g.current(nil) }
