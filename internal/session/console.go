package session

import (
	"errors"
	"time"

	"github.com/ostiary-iam/ostiary/internal/seal"
)

// SigninToken is the right to begin a console session: what the federation endpoint gives for temporary credentials (S2-232).
type SigninToken struct {
	Claims Claims    // those of the console session's own credentials; they end when the session does
	Until  time.Time // the first moment at which the token begins no session any more
}

// Console is a console session, as the browser carries it.
type Console struct {
	Claims Claims // of the session's own credentials; they end when the session does
	// Nonce is a secret of the session that its pages know and other sites do not: whoever shows it did not come by a forged request.
	Nonce string
	// Issuer is where the session's user came from, and is sent when it is over (S2-234); empty where nothing was said. It need not
	// be a URL.
	Issuer string
}

// The forms of the two. They are those of session tokens but for their first four characters and what they are sealed for, so that none
// passes for another. The text is a list of fields; the claims are one of them.
const (
	signinForm  = "OSS1"
	consoleForm = "OSC1"

	fieldClaims = 1
	fieldUntil  = 2 // of a sign-in token
	fieldNonce  = 3 // of a console session
	fieldIssuer = 4 // of a console session

	// MaxSignin and MaxConsole are how long a sign-in token and a console session may be in characters.
	MaxSignin  = MaxToken + 64
	MaxConsole = MaxToken + 2048
)

// Causes of a refusal beside those of session tokens.
var (
	errParts = errors.New("session: a token without the parts that it should have")
	errLong  = errors.New("session: longer than any such token")
)

// IssueSignin returns the token that says t. The claims must be complete and those of a console session.
func IssueSignin(ring *seal.Ring, t *SigninToken) (string, error) {
	text, err := consoleText(&t.Claims)
	if err != nil {
		return "", err
	}
	return bounded(MaxSignin)(write(ring, signinForm, seal.SigninToken, appendTime(text, fieldUntil, t.Until)))
}

// OpenSignin returns what a sign-in token says, if it was issued by this installation and not changed. It does not look at the clock.
// A refusal is a fault of kind UnknownKey with one sentence for every cause.
func OpenSignin(ring *seal.Ring, token string) (*SigninToken, error) {
	t := new(SigninToken)
	err := openParts(ring, signinForm, seal.SigninToken, token, MaxSignin, &t.Claims, func(tag byte, value []byte) error {
		if tag != fieldUntil {
			return errFields
		}
		n, err := number(value)
		if err != nil || n == 0 || n > 1<<40 {
			return errFields
		}
		t.Until = time.Unix(int64(n), 0).UTC()
		return nil
	})
	if err == nil && t.Until.IsZero() {
		err = errParts
	}
	if err != nil {
		return nil, invalid(err)
	}
	return t, nil
}

// IssueConsole returns the text that a browser carries for the session. The claims must be complete and those of a console session, and
// there must be a nonce.
func IssueConsole(ring *seal.Ring, c *Console) (string, error) {
	text, err := consoleText(&c.Claims)
	if err == nil && c.Nonce == "" {
		err = errParts
	}
	if err != nil {
		return "", err
	}
	text = appendText(appendText(text, fieldNonce, c.Nonce), fieldIssuer, c.Issuer)
	return bounded(MaxConsole)(write(ring, consoleForm, seal.ConsoleSession, text))
}

// OpenConsole returns the session that a browser carries, if it was begun at this installation and not changed. It does not look at
// the clock: a session that is over still says where its user came from. A refusal is a fault of kind UnknownKey.
func OpenConsole(ring *seal.Ring, token string) (*Console, error) {
	c := new(Console)
	err := openParts(ring, consoleForm, seal.ConsoleSession, token, MaxConsole, &c.Claims, func(tag byte, value []byte) error {
		switch tag {
		case fieldNonce:
			c.Nonce = string(value)
		case fieldIssuer:
			c.Issuer = string(value)
		default:
			return errFields
		}
		return nil
	})
	if err == nil && c.Nonce == "" {
		err = errParts
	}
	if err != nil {
		return nil, invalid(err)
	}
	return c, nil
}

// bounded refuses a token that nobody would open.
func bounded(limit int) func(string, error) (string, error) {
	return func(token string, err error) (string, error) {
		if err == nil && len(token) > limit {
			return "", errLong
		}
		return token, err
	}
}

// consoleText begins a text with the claims.
func consoleText(c *Claims) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if !c.Console {
		return nil, errParts
	}
	claims, err := c.encode()
	if err != nil {
		return nil, err
	}
	return appendField(make([]byte, 0, len(claims)+64), fieldClaims, claims), nil
}

// openParts opens a token and reads its fields: the claims, which have to be those of a console session, and what set takes. A field
// that stands twice, or is empty, is one that is never written.
func openParts(ring *seal.Ring, form string, purpose seal.Purpose, token string, limit int, claims *Claims, set func(tag byte, value []byte) error) error {
	if len(token) > limit {
		return ErrMalformed
	}
	text, err := read(ring, form, purpose, token)
	if err != nil {
		return err
	}
	r := reader{rest: text}
	for seen := byte(0); ; {
		tag, value, ok, err := r.next()
		switch {
		case err != nil:
			return err
		case !ok && (claims.check() != nil || !claims.Console):
			return errParts
		case !ok:
			return nil
		case tag == seen || len(value) == 0:
			return errFields
		case tag == fieldClaims:
			c, err := decode(value)
			if err != nil {
				return err
			}
			*claims = *c
		default:
			if err := set(tag, value); err != nil {
				return err
			}
		}
		seen = tag
	}
}
