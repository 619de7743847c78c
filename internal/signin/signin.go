// Package signin is where people sign in to the console, at the level of the protocol: the federation endpoint that identity brokers
// call, the endpoint that browsers post SAML responses to, and console sessions. It has no pages.
//
//	GET, POST /federation?Action=getSigninToken   temporary credentials become a sign-in token, good for 15 minutes
//	GET, POST /federation?Action=login            a sign-in token becomes a console session, and the browser goes on to its destination
//	GET  /static/saml-metadata.xml                what identity providers want to know of the endpoint for SAML
//	POST /saml                                    a SAML response becomes a console session (SAML 2.0, HTTP POST binding)
//	GET  /console/…                               where destinations lead: says who is signed in, or sends the user back to the issuer
//	GET  /signin/session                          who is signed in, until when, and the token that the next two want
//	POST /signin/credentials                      temporary credentials of the session, for calls of the AWS APIs
//	POST /signin/logout                           forgets the session
//
// A console session is a session like those of STS (package session): it has an access key of its own, it carries no permissions but only
// limits, and what was decided about the credentials that it was made from goes on to hold. Its aws:TokenIssueTime is theirs, so that a
// policy which revokes older sessions stops it too. Nothing of it is stored: the browser carries it, sealed, in a cookie that scripts do
// not see. At every use the role or user behind it has to be there still, and be the same; what it may do is decided call by call, by the
// gate.
//
// Who is sent where is checked before anything else: see [Destinations]. Nothing here decides about permissions, reads a store or parses
// SAML; the gate, the service of STS and package session do.
package signin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// The paths. ConsolePath is the console's, with everything below it.
const (
	FederationPath  = "/federation"
	SAMLPath        = "/saml"
	MetadataPath    = "/static/saml-metadata.xml"
	ConsolePath     = "/console"
	SessionPath     = "/signin/session"
	CredentialsPath = "/signin/credentials"
	LogoutPath      = "/signin/logout"
)

// Gate is what signing in needs of the gate: a [*gate.Gate].
type Gate interface {
	Holder(ctx context.Context, c gate.Credentials) (*gate.Holder, error)
	Standing(ctx context.Context, claims *session.Claims) (*gate.Holder, error)
	Stranger(r *http.Request, err error) error
	RecordSignIn(h *gate.Holder, r *http.Request, s gate.SignIn)
	Present(ctx context.Context, r *http.Request, api *wire.API, operation string, in wire.Input) (wire.Output, error)
	Current() (*snapshot.Snapshot, error)
}

// Meter counts requests, as the gate's does.
type Meter interface {
	Request(api, operation, code string, took time.Duration)
	AuthenticationFailure(kind string)
}

// Config is what signing in needs. Gate and Ring are required.
type Config struct {
	Gate Gate
	Ring *seal.Ring
	// SAML reads SAML responses; nil means that none is accepted.
	SAML ResponseReader
	// SAMLEndpoints are URLs that SAML assertions may be made for beside AWS's sign-in: the service provider's metadata names them.
	SAMLEndpoints []string
	// Destinations are URLs, beside the console's own, to which a login may lead: see [NewDestinations].
	Destinations *Destinations
	Meter        Meter            // nil counts nothing
	Log          *slog.Logger     // nil: no messages
	Now          func() time.Time // nil means time.Now
	Rand         io.Reader        // for keys, secrets and nonces; nil means crypto/rand
}

// Handler answers the paths of signing in. It is safe for concurrent use.
type Handler struct {
	gate         Gate
	ring         *seal.Ring
	saml         ResponseReader
	metadata     []byte
	destinations *Destinations
	meter        Meter
	log          *slog.Logger
	now          func() time.Time
	rand         io.Reader
	crossOrigin  *http.CrossOriginProtection
	mux          *http.ServeMux
}

// New returns the handler.
func New(c Config) *Handler {
	h := &Handler{gate: c.Gate, ring: c.Ring, saml: c.SAML, metadata: metadata(c.SAMLEndpoints), destinations: c.Destinations, meter: c.Meter, log: c.Log, now: c.Now, rand: c.Rand,
		crossOrigin: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	if h.destinations == nil {
		h.destinations = new(Destinations)
	}
	if h.meter == nil {
		h.meter = noMeter{}
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.rand == nil {
		h.rand = rand.Reader
	}
	h.mux.HandleFunc(FederationPath, h.federation)
	h.mux.HandleFunc("POST "+SAMLPath, h.samlResponse)
	h.mux.HandleFunc("GET "+MetadataPath, h.serveMetadata)
	h.mux.HandleFunc("GET "+SessionPath, h.describe)
	h.mux.HandleFunc("POST "+CredentialsPath, h.credentials)
	h.mux.HandleFunc("POST "+LogoutPath, h.logout)
	landing := h.Require(http.HandlerFunc(h.describe))
	h.mux.Handle("GET "+ConsolePath, landing)
	h.mux.Handle("GET "+ConsolePath+"/", landing)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Answers hold secrets, or lead away with one in the address.
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		w.Header().Set(name, value)
	}
	h.mux.ServeHTTP(w, r)
}

// refusal is what is answered where signing in fails.
type refusal struct {
	status  int
	message string
}

// refuse answers an error. What is wrong with credentials is said in one sentence for all of it.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, operation string, began time.Time, err error) {
	if credentialsRefused(fault.KindOf(err)) {
		err = h.gate.Stranger(r, err) // so that guessing is no load
	}
	re := refusalOf(err)
	kind := fault.KindOf(err)
	h.meter.Request(apiName, operation, kind.String(), h.now().Sub(began))
	if re.status >= http.StatusInternalServerError {
		h.log.Error("signing in", "operation", operation, "path", r.URL.Path, "error", err)
	}
	if credentialsRefused(kind) {
		h.meter.AuthenticationFailure(kind.String())
	}
	writeJSON(w, re.status, struct{ Error string }{re.message})
}

// apiName is what metrics call this package's requests.
const apiName = "signin"

// sayInvalidCredentials is AWS's sentence for whatever is wrong with the Session parameter.
const sayInvalidCredentials = "Invalid credentials parameter"

func credentialsRefused(k fault.Kind) bool {
	return k == fault.UnknownKey || k == fault.ExpiredCredentials || k == fault.OptInRequired
}

func refusalOf(err error) refusal {
	message := fault.MessageOf(err)
	switch kind := fault.KindOf(err); {
	case credentialsRefused(kind):
		return refusal{http.StatusBadRequest, message}
	case kind == fault.Denied:
		return refusal{http.StatusForbidden, message}
	case kind == fault.TooLarge:
		return refusal{http.StatusRequestEntityTooLarge, message}
	case kind == fault.Throttled:
		return refusal{http.StatusTooManyRequests, message}
	case kind == fault.Unavailable:
		return refusal{http.StatusServiceUnavailable, message}
	case kind == fault.Internal || message == "":
		return refusal{http.StatusInternalServerError, "Signing in has failed because of an unknown error."}
	}
	return refusal{http.StatusBadRequest, message}
}

// writeJSON ignores errors: the values encode, and a client that went away cannot be told.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}

// invalid is an error about a parameter.
func invalid(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }

// shownCredentials is the form in which temporary credentials are handed to the console's pages.
type shownCredentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func shown(id string, key secret.Text, token string, end time.Time) shownCredentials {
	return shownCredentials{id, key.Reveal(), token, end.UTC().Format(time.RFC3339)}
}

type noMeter struct{}

func (noMeter) Request(string, string, string, time.Duration) {}
func (noMeter) AuthenticationFailure(string)                  {}
