package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	operatorRoot   = "/_ostiary/"
	operatorPrefix = operatorRoot + "v1/"

	maxOperatorBody = 64 << 10

	// DefaultEvents and MaxEvents are how many records one answer of the events call holds.
	DefaultEvents = 100
	MaxEvents     = 1000
)

// Operator is what the operator API needs. A port that is nil makes its call answer 404.
//
// Every call needs "Authorization: Bearer TOKEN", except in dev mode. Requests that come from a browser's page are refused
// whatever they carry: there is no page that should speak to this API. Answers are JSON; an error is {"Error": "…"}.
//
//	POST /_ostiary/v1/accounts   body: nothing, or {"Name", "Email", "Alias"}, each optional
//	                             answer: {"AccountId", "AccessKeyId", "SecretAccessKey"} of the new account's root user
//	GET  /_ostiary/v1/accounts/ID/quotas
//	                             answer: {"Quotas": [Quota…]}, by name
//	PUT  /_ostiary/v1/accounts/ID/quotas/NAME
//	                             body: {"Value": n}; answer: the [Quota]
//	DELETE /_ostiary/v1/accounts/ID/quotas/NAME
//	                             goes back to the default; answer: the [Quota]
//	PUT  /_ostiary/v1/accounts/ID/delegation-templates/NAME
//	                             body: {"Policy": text}; answer: the [Template]
//	GET  /_ostiary/v1/accounts/ID/delegation-templates
//	                             answer: {"Templates": [Template…]}, by name
//	DELETE /_ostiary/v1/accounts/ID/delegation-templates/NAME
//	                             answer: {"Name"}
//	GET  /_ostiary/v1/accounts/ID/delegation-requests
//	                             answer: {"Requests": [DelegationRequest…]}, those that the account made, by ID
//	GET  /_ostiary/v1/accounts/ID/issuer
//	                             answer: the account's [Issuer] of tokens for services elsewhere
//	POST /_ostiary/v1/accounts/ID/issuer/rotate
//	                             body: nothing, or {"Immediately": true or false}; answer: the [Issuer]
//	GET  /_ostiary/v1/accounts/ID/sts-regions
//	                             answer: {"Regions": [STSRegion…]}, by name
//	PUT  /_ostiary/v1/accounts/ID/sts-regions/REGION
//	                             body: {"Active": true or false}; answer: the [STSRegion]
//	GET  /_ostiary/v1/status     answer: [Status]
//	GET  /_ostiary/v1/events     ?account=ID&after=POSITION&limit=N, all optional
//	                             answer: {"Events": [records in CloudTrail's form, oldest first…], "Next": POSITION}
//	POST /_ostiary/v1/mfa-tokens body: {"SerialNumber", "Seed"} of a hardware MFA token, the seed in base32; answer: {"SerialNumber"}
//	GET  /_ostiary/v1/mfa-tokens ?after=SERIAL&limit=N, both optional
//	                             answer: {"Tokens": [Token…], "Next": SERIAL}, in the order of serial numbers; see [Token]
//	GET  /_ostiary/v1/saml-providers?arn=ARN
//	POST /_ostiary/v1/saml-providers body: {"SAMLProviderArn", "SingleUse", "AllowCBC"}, the settings true, false or absent: as they
//	                             are; answer of both: {"SAMLProviderArn", "SingleUse", "AllowCBC"}; see [ProviderOptions]
//	POST /_ostiary/v1/service-credentials
//	                             body: {"Service", "RoleArn", "SessionName", "DurationSeconds", "SourceArn"}, the last two optional
//	                             answer: {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Arn", "UserId"}; see [ServiceRoles]
//	GET  /_ostiary/v1/instance-profiles?name=NAME, or ?role=NAME; &account=ID where it is not the first account
//	                             answer: {"InstanceProfileArn", "InstanceProfileId", "RoleArn", "RoleName"}; see [InstanceProfile]
//	DELETE /_ostiary/v1/mfa-tokens?serialNumber=SERIAL   answer: {"SerialNumber"}
//	POST /_ostiary/v1/backup     answer: a backup, as package backup draws it, with its revision, number of records and sum in headers
//	GET  /_ostiary/v1/keys       answer: {"Keys": [RingKey…]}, oldest first; see [RingKey]
//	GET  /_ostiary/v1/doctor     answer: {"Findings": [{"Check", "Level", "Text", "Do"}…]}
//	POST /_ostiary/v1/keys       adds a key to the ring; answer: as of GET
type Operator struct {
	// TokenHash returns the SHA-256 of the token; ok is false where there is none, and then nothing is allowed.
	TokenHash func() (hash [sha256.Size]byte, ok bool)
	Accounts  Accounts
	Quotas    Quotas
	Regions   STSRegions
	Templates Templates
	Requests  DelegationRequests
	Issuers   IssuerKeys
	Status    func(ctx context.Context) (Status, error)
	Events    func(ctx context.Context, q EventQuery) (EventPage, error)
	Tokens    Tokens
	Providers Providers

	ServiceRoles ServiceRoles
	Maintenance  Maintenance
}

// Accounts makes accounts. Errors are fault errors; their public message is shown.
type Accounts interface {
	CreateAccount(ctx context.Context, a NewAccount) (RootKey, error)
}

// NewAccount says what to call an account. All fields may be empty.
type NewAccount struct{ Name, Email, Alias string }

// RootKey is the access key of a new account's root user.
type RootKey struct {
	AccountID, AccessKeyID string
	SecretAccessKey        secret.Text
}

// EventQuery asks for records behind a position, which is text that an EventPage gave out; the empty text is the beginning.
type EventQuery struct {
	Account string
	After   string
	Limit   int // between 1 and MaxEvents
}

// EventPage holds records, and the position behind the last one; Next is the query's After where there were none.
type EventPage struct {
	Events []json.RawMessage
	Next   string
}

// Status says what runs and what it enforces.
type Status struct {
	Version       string
	Mode          string // "normal" or "dev"
	Store         string
	Region        string
	UptimeSeconds float64
	Snapshot      SnapshotStatus
	Enforced      []string
	NotEnforced   []string
	Unbuilt       map[string]int // :: service → operations that are known and not built yet
}

// SnapshotStatus says what decisions are made from.
type SnapshotStatus struct {
	Revision   int64
	AgeSeconds float64
}

// HashToken returns what is kept of a token.
func HashToken(token secret.Text) [sha256.Size]byte { return sha256.Sum256([]byte(token.Reveal())) }

// operator returns the operator API behind its defences.
func (s *Server) operator() http.Handler {
	mux := http.NewServeMux()
	op := &s.cfg.Operator
	if op.Accounts != nil {
		mux.HandleFunc("POST "+operatorPrefix+"accounts", s.createAccount)
	}
	if op.Quotas != nil {
		mux.HandleFunc("GET "+operatorPrefix+"accounts/{account}/quotas", s.listQuotas)
		mux.HandleFunc("PUT "+operatorPrefix+"accounts/{account}/quotas/{name}", s.setQuota)
		mux.HandleFunc("DELETE "+operatorPrefix+"accounts/{account}/quotas/{name}", s.resetQuota)
	}
	if op.Templates != nil {
		mux.HandleFunc("GET "+operatorPrefix+"accounts/{account}/delegation-templates", s.listTemplates)
		mux.HandleFunc("PUT "+operatorPrefix+"accounts/{account}/delegation-templates/{name}", s.putTemplate)
		mux.HandleFunc("DELETE "+operatorPrefix+"accounts/{account}/delegation-templates/{name}", s.deleteTemplate)
	}
	if op.Requests != nil {
		mux.HandleFunc("GET "+operatorPrefix+"accounts/{account}/delegation-requests", s.listDelegationRequests)
	}
	if op.Issuers != nil {
		mux.HandleFunc("GET "+operatorPrefix+"accounts/{account}/issuer", s.showIssuer)
		mux.HandleFunc("POST "+operatorPrefix+"accounts/{account}/issuer/rotate", s.rotateIssuer)
	}
	if op.Regions != nil {
		mux.HandleFunc("GET "+operatorPrefix+"accounts/{account}/sts-regions", s.listSTSRegions)
		mux.HandleFunc("PUT "+operatorPrefix+"accounts/{account}/sts-regions/{region}", s.setSTSRegion)
	}
	if op.Status != nil {
		mux.HandleFunc("GET "+operatorPrefix+"status", s.status)
	}
	if op.Events != nil {
		mux.HandleFunc("GET "+operatorPrefix+"events", s.events)
	}
	if op.Providers != nil {
		mux.HandleFunc("GET "+operatorPrefix+"saml-providers", s.providerOptions)
		mux.HandleFunc("POST "+operatorPrefix+"saml-providers", s.setProviderOptions)
	}
	if op.ServiceRoles != nil {
		mux.HandleFunc("POST "+operatorPrefix+"service-credentials", s.serviceCredentials)
		mux.HandleFunc("GET "+operatorPrefix+"instance-profiles", s.instanceProfile)
	}
	if op.Maintenance != nil {
		mux.HandleFunc("POST "+operatorPrefix+"backup", s.backup)
		mux.HandleFunc("GET "+operatorPrefix+"doctor", s.examine)
		mux.HandleFunc("GET "+operatorPrefix+"keys", s.listKeys)
		mux.HandleFunc("POST "+operatorPrefix+"keys", s.rotateKeys)
	}
	if op.Tokens != nil {
		mux.HandleFunc("POST "+operatorPrefix+"mfa-tokens", s.loadToken)
		mux.HandleFunc("GET "+operatorPrefix+"mfa-tokens", s.listTokens)
		mux.HandleFunc("DELETE "+operatorPrefix+"mfa-tokens", s.removeToken)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case fromPage(r):
			refuse(w, http.StatusForbidden, "Requests from web pages are refused.")
		case s.cfg.Dev && !loopbackHost(r.Host):
			refuse(w, http.StatusForbidden, "In dev mode the Host header must name a loopback address.")
		case !s.cfg.Dev && !s.authorized(r) && !s.cfg.Throttle.Address(source(r)):
			s.cfg.Meter.Throttled("address", "operator")
			refuse(w, http.StatusTooManyRequests, "Rate exceeded")
		case !s.cfg.Dev && !s.authorized(r):
			h.Set("WWW-Authenticate", `Bearer realm="ostiary"`)
			refuse(w, http.StatusUnauthorized, "The operator's token is missing or wrong.")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// source is the address that a request came from; the zero value where it has none.
func source(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value is an address like any other here
	return ap.Addr()
}

// fromPage reports whether a browser says that a page made the request. Sec-Fetch-Site is "none" for what a user typed.
func fromPage(r *http.Request) bool {
	if _, ok := r.Header["Origin"]; ok {
		return true
	}
	site, ok := r.Header["Sec-Fetch-Site"]
	return ok && (len(site) != 1 || site[0] != "none")
}

// loopbackHost defends dev mode from DNS rebinding: a page that points its own name at 127.0.0.1 shows that name here.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// authorized compares hashes, so that neither the time nor the length of a wrong token tells anything.
func (s *Server) authorized(r *http.Request) bool {
	if s.cfg.Operator.TokenHash == nil {
		return false
	}
	want, ok := s.cfg.Operator.TokenHash()
	values := r.Header.Values("Authorization")
	if !ok || len(values) != 1 {
		return false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return false
	}
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func (s *Server) createAccount(w http.ResponseWriter, r *http.Request) {
	var in NewAccount
	if err := decodeBody(w, r, map[string]*string{"Name": &in.Name, "Email": &in.Email, "Alias": &in.Alias}); err != nil {
		s.fail(w, r, err)
		return
	}
	key, err := s.cfg.Operator.Accounts.CreateAccount(r.Context(), in)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct {
		AccountID       string `json:"AccountId"`
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
	}{key.AccountID, key.AccessKeyID, key.SecretAccessKey.Reveal()})
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.cfg.Operator.Status(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, st)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q := EventQuery{Limit: DefaultEvents}
	if err := decodeQuery(r, map[string]*string{"account": &q.Account, "after": &q.After}, &q.Limit, MaxEvents); err != nil {
		s.fail(w, r, err)
		return
	}
	page, err := s.cfg.Operator.Events(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if page.Events == nil {
		page.Events = []json.RawMessage{}
	}
	answer(w, page)
}

// decodeQuery reads parameters of a request's URL strictly, each at most once, and the parameter limit, from 1 to most; a nil
// limit is no parameter.
func decodeQuery(r *http.Request, fields map[string]*string, limit *int, most int) error {
	for name, values := range r.URL.Query() {
		if len(values) != 1 {
			return fault.New(fault.Invalid, "%s is given more than once.", name)
		}
		field, ok := fields[name]
		switch {
		case ok:
			*field = values[0]
		case name == "limit" && limit != nil:
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 1 || n > most {
				return fault.New(fault.Invalid, "limit must be a number from 1 to %d.", most)
			}
			*limit = n
		default:
			return fault.New(fault.Invalid, "There is no parameter %q.", name)
		}
	}
	return nil
}

// decodeBody reads a JSON object of strings strictly: names as they are spelled, each at most once, nothing behind it. No body
// leaves the fields as they are. It takes the fields that it has read out of the map.
func decodeBody(w http.ResponseWriter, r *http.Request, fields map[string]*string) error {
	return decodeMembers(w, r, func(name string, value json.Token) (known bool, err error) {
		field, ok := fields[name]
		if !ok {
			return false, nil
		}
		delete(fields, name)
		if *field, ok = value.(string); !ok {
			return true, fault.New(fault.Invalid, "The member %q must be a string.", name)
		}
		return true, nil
	})
}

// decodeMembers reads a JSON object strictly and calls set for each member, which says whether it may be there.
func decodeMembers(w http.ResponseWriter, r *http.Request, set func(name string, value json.Token) (known bool, err error)) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOperatorBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fault.New(fault.TooLarge, "The request body is longer than %d bytes.", maxOperatorBody)
		}
		return fault.New(fault.MalformedInput, "The request body could not be read.")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	malformed := fault.New(fault.MalformedInput, "The request body is not a JSON object.")
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return malformed
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return malformed
		}
		name, _ := token.(string) // a name in an object is a string
		value, err := dec.Token()
		if err != nil {
			return malformed
		}
		known, err := set(name, value)
		if err != nil {
			return err
		}
		if !known {
			return fault.New(fault.Invalid, "The member %q is not known or given twice.", name)
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed
	}
	return nil
}

// statuses are the HTTP statuses of fault kinds in the operator API; others are 500 and show nothing.
var statuses = map[fault.Kind]int{
	fault.Invalid: http.StatusBadRequest, fault.InvalidInput: http.StatusBadRequest, fault.MalformedInput: http.StatusBadRequest,
	fault.MarkerInvalid: http.StatusBadRequest, fault.TooLarge: http.StatusRequestEntityTooLarge,
	fault.Denied: http.StatusForbidden, fault.NotFound: http.StatusNotFound, fault.Exists: http.StatusConflict, fault.Conflict: http.StatusConflict,
	fault.LimitExceeded: http.StatusConflict, fault.Throttled: http.StatusTooManyRequests,
	fault.Unavailable: http.StatusServiceUnavailable, fault.Stale: http.StatusServiceUnavailable,
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.KindOf(err)
	status, ok := statuses[kind]
	message := fault.MessageOf(err)
	if !ok {
		status, message = http.StatusInternalServerError, ""
	}
	if status >= http.StatusInternalServerError {
		s.cfg.Logger.Error("operator API", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if message == "" {
		message = http.StatusText(status) + "."
	}
	refuse(w, status, message)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	writeJSON(w, struct{ Error string }{message})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, v)
}

// writeJSON ignores errors: the values encode, and a client that went away cannot be told.
func writeJSON(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
}
