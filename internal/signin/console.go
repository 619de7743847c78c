package signin

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/session"
)

// credentialsLife is how long credentials are good that a console's page gets; it asks for new ones before.
const credentialsLife = 15 * time.Minute

// NonceHeader is the header in which a page shows that it is the console's: with the CsrfToken of GET /signin/session.
const NonceHeader = "X-Ostiary-Csrf"

const (
	sayNobody = "Nobody is signed in."
	sayOver   = "The console session is over."
	sayForged = "The request does not come from a page of the console."
)

// Session is a console session that stands, for the console: see [Handler.Session].
type Session struct {
	*gate.Holder
	Nonce  string // what requests that change something have to show
	Issuer string // where the user came from; may be empty, and need not be a URL
}

// End is when the session is over.
func (s *Session) End() time.Time { return s.Claims.Expires }

// Session returns the console session that a request carries, if it stands: not over, its role or user there, its account not suspended.
// Errors are of the kinds of [gate.Gate.Standing]; where the session is over or may not go on, what it was is returned with the error, with
// Holder nil where nobody is behind it any more.
func (h *Handler) Session(r *http.Request) (*Session, error) {
	text := readCookie(r)
	if text == "" {
		return nil, fault.New(fault.UnknownKey, sayNobody)
	}
	c, err := session.OpenConsole(h.ring, text)
	if err != nil {
		return nil, &fault.Error{Kind: fault.UnknownKey, Message: sayNobody, Cause: err}
	}
	holder, err := h.standing(r.Context(), &c.Claims)
	return &Session{Holder: holder, Nonce: c.Nonce, Issuer: c.Issuer}, err
}

// Credentials returns temporary credentials of a session, with which its calls of the AWS APIs are signed. They last a quarter of an hour,
// and not longer than the session.
func (h *Handler) Credentials(s *Session) (gate.Credentials, time.Time, error) {
	claims := *s.Claims
	if end := h.now().Add(credentialsLife).Truncate(time.Second); end.Before(claims.Expires) {
		claims.Expires = end
	}
	token, err := session.Issue(h.ring, &claims, 0)
	return gate.Credentials{AccessKeyID: claims.AccessKeyID, Secret: claims.Secret, Token: token}, claims.Expires, err
}

// FromConsole reports whether a request that changes something, or reads secrets, comes from the console's own pages: no other site made
// the browser send it, and it shows the session's nonce.
func (h *Handler) FromConsole(r *http.Request, s *Session) bool {
	return h.crossOrigin.Check(r) == nil && ownSite(r) && secret.New(s.Nonce).Equal(secret.New(r.Header.Get(NonceHeader)))
}

// ownSite reports whether the browser, if it is one that says so, names this server's own pages or the user as where a request comes from.
func ownSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return false
}

type sessionKey struct{}

// FromContext returns the session of a request that [Handler.Require] let through.
func FromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}

// Require lets requests of a console session that stands through to next. Others are sent to where their user signed in, if that is a URL,
// and answered 401 if not (S2-234).
func (h *Handler) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := h.Session(r)
		if err == nil {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
			return
		}
		if s != nil && credentialsRefused(fault.KindOf(err)) {
			if to, ok := issuerURL(s.Issuer); ok {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
				return
			}
		}
		h.unauthorized(w, r, s, err)
	})
}

// unauthorized answers a request without a session that stands.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, s *Session, err error) {
	if !credentialsRefused(fault.KindOf(err)) {
		h.refuse(w, r, "session", h.now(), err)
		return
	}
	answer := struct {
		Error  string
		Issuer string `json:",omitempty"`
	}{Error: sayNobody}
	if s != nil {
		answer.Error, answer.Issuer = sayOver, s.Issuer
	}
	writeJSON(w, http.StatusUnauthorized, answer)
}

// describe says who is signed in.
func (h *Handler) describe(w http.ResponseWriter, r *http.Request) {
	s, err := h.Session(r)
	if err != nil {
		h.unauthorized(w, r, s, err)
		return
	}
	if !ownSite(r) && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		writeJSON(w, http.StatusForbidden, struct{ Error string }{sayForged})
		return
	}
	p := &s.Caller.Principal
	writeJSON(w, http.StatusOK, struct {
		ARN         string `json:"Arn"`
		UserID      string `json:"UserId"`
		Account     string
		Name        string
		AccessKeyID string `json:"AccessKeyId"`
		Expiration  string
		Issuer      string `json:",omitempty"`
		Nonce       string `json:"CsrfToken"`
	}{p.ARN, p.UniqueID, p.Account, s.Claims.SessionName, s.Claims.AccessKeyID, s.End().UTC().Format(time.RFC3339), s.Issuer, s.Nonce})
}

// credentials gives the console's pages credentials.
func (h *Handler) credentials(w http.ResponseWriter, r *http.Request) {
	s, ok := h.changing(w, r)
	if !ok {
		return
	}
	began := h.now()
	c, end, err := h.Credentials(s)
	if err != nil {
		h.refuse(w, r, "credentials", began, err)
		return
	}
	h.meter.Request(apiName, "credentials", "", h.now().Sub(began))
	writeJSON(w, http.StatusOK, shown(c.AccessKeyID, c.Secret, c.Token, end))
}

// logout makes the browser forget the session. What was copied of it stays good until the session is over: nothing is stored that could be
// taken away. Revoking the role's sessions ends it everywhere.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.changing(w, r); !ok {
		return
	}
	setCookie(w, r, "")
	w.WriteHeader(http.StatusNoContent)
}

// changing is the session of a request that has to come from the console's own pages. Where there is none, it has been answered.
func (h *Handler) changing(w http.ResponseWriter, r *http.Request) (*Session, bool) {
	s, err := h.Session(r)
	switch {
	case err != nil:
		h.unauthorized(w, r, s, err)
	case !h.FromConsole(r, s):
		writeJSON(w, http.StatusForbidden, struct{ Error string }{sayForged})
	default:
		return s, true
	}
	return nil, false
}

// nonce makes a secret of 128 bits.
func (h *Handler) nonce() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(h.rand, raw[:]); err != nil {
		return "", fault.Wrap(err, "making a nonce")
	}
	return hex.EncodeToString(raw[:]), nil
}
