package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/session"
	"github.com/ostiary-iam/ostiary/internal/trail"
)

// How long things last (S2-225, S2-235; "Enable custom identity broker access to the AWS console").
const (
	tokenLife      = 15 * time.Minute
	minLife        = 15 * time.Minute // of a console session that is asked for
	maxRoleLife    = 12 * time.Hour   // SessionDuration, of a role's console session
	maxFederated   = 36 * time.Hour   // DurationSeconds, of a federated user's
	getSigninToken = "GetSigninToken"
	consoleLogin   = "ConsoleLogin"
)

// federation answers the federation endpoint.
func (h *Handler) federation(w http.ResponseWriter, r *http.Request) {
	began := h.now()
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		writeJSON(w, http.StatusMethodNotAllowed, struct{ Error string }{"Use GET or POST."})
		return
	}
	f, err := readForm(w, r, maxFederation, "Action", "Session", "SessionDuration", "SessionType", "DurationSeconds", "SigninToken", "Issuer", "Destination")
	if err != nil {
		h.refuse(w, r, "federation", began, err)
		return
	}
	operation := "federation"
	switch action := f["Action"]; {
	case strings.EqualFold(action, getSigninToken):
		operation, err = getSigninToken, h.getSigninToken(w, r, f)
	case strings.EqualFold(action, "login"):
		operation, err = consoleLogin, h.login(w, r, f)
	default:
		err = invalid("The Action has to be getSigninToken or login.")
	}
	if err != nil {
		h.refuse(w, r, operation, began, err)
		return
	}
	h.meter.Request(apiName, operation, "", h.now().Sub(began))
}

// only refuses parameters that the action does not have.
func (f form) only(names ...string) error {
	left := len(f)
	for _, name := range names {
		if _, ok := f[name]; ok {
			left--
		}
	}
	if left > 0 {
		return invalid("The parameters of this action are %s.", strings.Join(names, ", "))
	}
	return nil
}

// getSigninToken gives a sign-in token for temporary credentials of a role or a federated user (S2-220 to S2-232).
func (h *Handler) getSigninToken(w http.ResponseWriter, r *http.Request, f form) error {
	if err := f.only("Action", "Session", "SessionDuration", "SessionType", "DurationSeconds"); err != nil {
		return err
	}
	if kind, ok := f["SessionType"]; ok && !strings.EqualFold(kind, "json") {
		return invalid("The SessionType has to be json.")
	}
	c, err := parseSession(f["Session"])
	if err != nil {
		return err
	}
	holder, err := h.gate.Holder(r.Context(), c)
	var claims *session.Claims
	if err == nil {
		claims, err = h.consoleClaims(holder.Claims, f)
	}
	if err != nil {
		h.failed(holder, r, gate.SignIn{Name: getSigninToken}, err)
		if credentialsRefused(fault.KindOf(err)) { // which of all that can be wrong with credentials is nobody's business
			err = &fault.Error{Kind: fault.KindOf(err), Message: sayInvalidCredentials, Cause: err}
		}
		return err
	}
	token, err := session.IssueSignin(h.ring, &session.SigninToken{Claims: *claims, Until: h.now().Add(tokenLife)})
	if err != nil {
		return err
	}
	h.gate.RecordSignIn(holder, r, gate.SignIn{Name: getSigninToken, Response: []trail.Member{
		{Name: "credentials", Value: []byte(`{"accessKeyId":` + strconv.Quote(claims.AccessKeyID) + `}`)},
	}})
	writeJSON(w, http.StatusOK, struct{ SigninToken string }{token})
	return nil
}

// failed records a sign-in that failed, where it is known whose it was.
func (h *Handler) failed(holder *gate.Holder, r *http.Request, s gate.SignIn, err error) {
	if holder == nil {
		return
	}
	if s.Failure = fault.MessageOf(err); s.Failure == "" {
		s.Failure = "Failed authentication"
	}
	h.gate.RecordSignIn(holder, r, s)
}

// consoleClaims are the claims of the console session that the credentials may begin: theirs, with a key of its own and an end of its
// own. When they were issued stays, so that revoking sessions by that time revokes this one.
func (h *Handler) consoleClaims(from *session.Claims, f form) (*session.Claims, error) {
	if from.Console {
		return nil, invalid("The credentials of a console session begin no other.") // it would have no end
	}
	end, err := h.end(from, f)
	if err != nil {
		return nil, err
	}
	return h.asConsole(from, end)
}

// asConsole makes claims those of a console session with a key of its own.
func (h *Handler) asConsole(from *session.Claims, end time.Time) (*session.Claims, error) {
	c := *from
	c.Console, c.Direct, c.Expires = true, false, end.Truncate(time.Second)
	var err error
	c.AccessKeyID, c.Secret, err = credential.NewAccessKey(entity.PrefixTemporaryKey, c.Account, h.rand)
	if err != nil {
		return nil, fault.Wrap(err, "making the key of a console session")
	}
	return &c, nil
}

// end is when the console session ends: with the credentials, where nothing else is asked for. SessionDuration is for roles that somebody
// with long-term credentials, or an identity provider's user, asked for; it fails under role chaining, and with credentials of
// GetFederationToken ("Enable custom identity broker access to the AWS console"). DurationSeconds is for those, and cannot make the
// session longer than they are (S2-227). Credentials of GetSessionToken are refused (D2, S2-231), as are those of AssumeRoot.
func (h *Handler) end(c *session.Claims, f form) (time.Time, error) {
	long, short := f["SessionDuration"], f["DurationSeconds"]
	_, asksLong := f["SessionDuration"]
	_, asksShort := f["DurationSeconds"]
	if c.Delegate != "" {
		// A console session would last beyond the delegation, and carry none of its limits.
		return time.Time{}, &fault.Error{Kind: fault.UnknownKey, Message: sayInvalidCredentials, Cause: errKind}
	}
	switch c.Kind {
	case session.AssumedRole:
		switch {
		case asksShort:
			return time.Time{}, invalid("DurationSeconds is for credentials of GetFederationToken.")
		case !asksLong:
			return c.Expires, nil
		case !c.Direct:
			return time.Time{}, invalid("SessionDuration cannot be used with credentials of role chaining or of a service.")
		}
		life, err := seconds("SessionDuration", long, maxRoleLife)
		return h.now().Add(life), err
	case session.FederatedUser:
		switch {
		case asksLong:
			return time.Time{}, invalid("SessionDuration cannot be used with credentials of GetFederationToken.")
		case !asksShort:
			return c.Expires, nil
		}
		life, err := seconds("DurationSeconds", short, maxFederated)
		if end := h.now().Add(life); end.Before(c.Expires) {
			return end, err
		}
		return c.Expires, err
	}
	return time.Time{}, &fault.Error{Kind: fault.UnknownKey, Message: sayInvalidCredentials, Cause: errKind}
}

var errKind = errors.New("signin: credentials that are neither a role's nor a federated user's")

// seconds reads a duration.
func seconds(name, text string, most time.Duration) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	life := time.Duration(n) * time.Second
	if err != nil || strconv.Itoa(n) != text || n < int(minLife/time.Second) || n > int(most/time.Second) {
		return 0, invalid("%s has to be a whole number of seconds from %d to %d.", name, int(minLife/time.Second), int(most/time.Second))
	}
	return life, nil
}

// login begins the console session of a sign-in token, and sends the browser on (S2-233). A token begins as many sessions as it is shown
// for while it is good: all of them are one session's, with one key and one end.
func (h *Handler) login(w http.ResponseWriter, r *http.Request, f form) error {
	if err := f.only("Action", "SigninToken", "Issuer", "Destination"); err != nil {
		return err
	}
	to, err := h.destinations.Resolve(f["Destination"])
	if err != nil {
		return err
	}
	if err := checkIssuer(f["Issuer"]); err != nil {
		return err
	}
	t, err := session.OpenSignin(h.ring, f["SigninToken"])
	if err != nil {
		return err
	}
	holder, err := h.gate.Standing(r.Context(), &t.Claims)
	if err == nil && !h.now().Before(t.Until) {
		err = fault.New(fault.ExpiredCredentials, "The sign-in token has expired. Ask for a new one.")
	}
	if err != nil {
		h.failed(holder, r, gate.SignIn{Name: consoleLogin, LoginTo: f["Destination"]}, err)
		return err
	}
	return h.begin(w, r, holder, f["Issuer"], to, f["Destination"])
}

// begin gives the browser the session of the holder's claims, and sends it to a destination that was resolved.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, holder *gate.Holder, issuer, to, asked string) error {
	nonce, err := h.nonce()
	if err != nil {
		return err
	}
	text, err := session.IssueConsole(h.ring, &session.Console{Claims: *holder.Claims, Nonce: nonce, Issuer: issuer})
	if err != nil {
		return err
	}
	setCookie(w, r, text)
	h.gate.RecordSignIn(holder, r, gate.SignIn{Name: consoleLogin, LoginTo: asked})
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
	return nil
}

// standing is [Gate.Standing] for claims of a console session.
func (h *Handler) standing(ctx context.Context, c *session.Claims) (*gate.Holder, error) {
	if !c.Console {
		return nil, fault.New(fault.UnknownKey, sayNobody)
	}
	return h.gate.Standing(ctx, c)
}

// checkIssuer holds an Issuer to what can be kept and shown: it need not be a URL (S2-234).
func checkIssuer(text string) error {
	if len(text) > maxValue/2 || !printable(text) {
		return invalid("The Issuer has more than %d characters, or some that are not printable ASCII.", maxValue/2)
	}
	return nil
}

// issuerURL is where the user of a session that is over is sent: an issuer that is a URL of the web.
func issuerURL(issuer string) (string, bool) {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Contains(issuer, `\`) {
		return "", false
	}
	return u.String(), true
}
