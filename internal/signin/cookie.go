package signin

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/session"
)

// A browser takes cookies of 4,096 bytes. A console session with long session policies is longer, so that it goes in parts.
const (
	cookiePart = 3800
	maxParts   = (session.MaxConsole + cookiePart - 1) / cookiePart
)

// cookieName is the name of a part of the session. Over TLS a browser takes it from this host alone and sends it nowhere else, which
// the prefix __Host- makes it promise.
func cookieName(r *http.Request, part int) string {
	name := "ostiary-console"
	if r.TLS != nil {
		name = "__Host-" + name
	}
	if part > 0 {
		name += "-" + strconv.Itoa(part)
	}
	return name
}

// setCookie makes the browser carry text, and forget what it carried before. Scripts do not see it; it goes along when somebody follows
// a link to this server, and with nothing else that another site makes the browser send. It ends with the browser's own session, not
// with the console's: one that is over still says where to sign in again.
func setCookie(w http.ResponseWriter, r *http.Request, text string) {
	for part := range maxParts {
		c := &http.Cookie{Name: cookieName(r, part), Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode}
		c.Value = text[min(len(text), part*cookiePart):min(len(text), (part+1)*cookiePart)]
		if c.Value == "" {
			if _, err := r.Cookie(c.Name); err != nil {
				continue // nothing to forget
			}
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
}

// readCookie is what the browser carries; empty where it carries nothing. A name that comes twice was not set here alone.
func readCookie(r *http.Request) string {
	var text strings.Builder
	for part := range maxParts {
		parts := r.CookiesNamed(cookieName(r, part))
		if len(parts) == 0 {
			break
		}
		if len(parts) > 1 {
			return ""
		}
		text.WriteString(parts[0].Value)
	}
	return text.String()
}
