package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Sizes. A sign-in token and a session token stay below 10 KiB, three times that when every character is escaped.
const (
	maxFederation = 64 << 10  // query string and body of the federation endpoint together
	maxSAML       = 512 << 10 // body of the SAML endpoint: a response in base64 may have 100,000 characters
	maxValue      = 2048      // of a Destination, Issuer or RelayState
)

// form are the parameters of a request, each given once. Names are compared without case, because AWS's own guide writes them in two
// ways (S2-223).
type form map[string]string

// readForm reads the parameters of the query string and of a body that is a form. Every parameter has to be among the known ones: a
// mistyped one is an error, not ignored.
func readForm(w http.ResponseWriter, r *http.Request, limit int, known ...string) (form, error) {
	if len(r.URL.RawQuery) > limit {
		return nil, fault.New(fault.TooLarge, "The request is larger than %d bytes.", limit)
	}
	texts := []string{r.URL.RawQuery}
	if r.Method == http.MethodPost {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
			return nil, invalid("The body has to be a form: application/x-www-form-urlencoded.")
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, fault.New(fault.TooLarge, "The request is larger than %d bytes.", limit)
		}
		if err != nil {
			return nil, invalid("The body could not be read.")
		}
		texts = append(texts, string(body))
	}
	return parseForm(texts, known)
}

func parseForm(texts, known []string) (form, error) {
	f := make(form)
	for _, text := range texts {
		for pair := range strings.SplitSeq(text, "&") {
			if pair == "" {
				continue
			}
			rawName, rawValue, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(rawName)
			value, err2 := url.QueryUnescape(rawValue)
			if err != nil || err2 != nil {
				return nil, invalid("A parameter is not form-encoded.")
			}
			at := -1
			for i, k := range known {
				if strings.EqualFold(k, name) {
					at = i
				}
			}
			switch _, twice := f[lookup(known, at)]; {
			case at < 0:
				return nil, invalid("There is no parameter of this name: %s.", short(name))
			case twice:
				return nil, invalid("The parameter %s is given twice.", known[at])
			}
			f[known[at]] = value
		}
	}
	return f, nil
}

func lookup(known []string, at int) string {
	if at < 0 {
		return ""
	}
	return known[at]
}

// short makes a name from outside fit to be repeated.
func short(name string) string {
	name = strings.ToValidUTF8(name, "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name[:min(len(name), 64)])
}

// parseSession reads the Session parameter (S2-221): an object with three texts and nothing else, each given once. Whatever is wrong with
// it is one error, as on AWS.
func parseSession(text string) (gate.Credentials, error) {
	var c gate.Credentials
	var key string
	fields := map[string]*string{"sessionId": &c.AccessKeyID, "sessionKey": &key, "sessionToken": &c.Token}
	refused := fault.New(fault.UnknownKey, sayInvalidCredentials)
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return c, refused
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return c, refused
		}
		known, _ := name.(string)
		field := fields[known]
		value, err := dec.Token()
		s, isText := value.(string)
		if err != nil || field == nil || !isText || s == "" {
			return c, refused
		}
		delete(fields, known)
		*field = s
	}
	if _, err := dec.Token(); err != nil || len(fields) > 0 {
		return c, refused
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return c, refused
	}
	c.Secret = secret.New(key)
	return c, nil
}
