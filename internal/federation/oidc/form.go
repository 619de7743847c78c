package oidc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// DefaultIssuers is the form of issuers here unless the operator says otherwise: AWS's, under a domain that nobody else can own.
const DefaultIssuers = "https://" + placeholder + ".tokens.sts.ostiary.internal"

const (
	placeholder   = "{id}"
	discoveryPath = "/.well-known/openid-configuration"
	keySetPath    = "/.well-known/jwks.json"
)

// issuerID is the form of the IDs of issuers: UUIDs.
var issuerID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// IssuerForm is how the URLs of issuers here are made of their IDs. The zero value is no form; use [ParseIssuerForm].
type IssuerForm struct {
	before, after string // around the ID
	host          string // behind the ID, without port; empty: the ID is in the path
	path          string // before the ID, with the last slash; empty: the ID is in the host's name
}

// ParseIssuerForm reads a form: a URL in which {id} stands for the issuer's ID, as the first label of the host's name, or as the
// last part of the path:
//
//	https://{id}.tokens.example.com
//	https://iam.example.com/issuers/{id}
//
// Verifiers want https (OpenID Connect Discovery 1.0, section 2); http is read for loopback hosts.
func ParseIssuerForm(text string) (IssuerForm, error) {
	var f IssuerForm
	var ok bool
	if f.before, f.after, ok = strings.Cut(text, placeholder); !ok || strings.Contains(f.after, placeholder) {
		return IssuerForm{}, errors.New("it must have {id} once, where the issuer's ID is to stand")
	}
	u, err := url.Parse(f.before + "0" + f.after)
	switch {
	case err != nil:
		return IssuerForm{}, errors.New("it is no URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
		return IssuerForm{}, errors.New("it is no URL of a web server")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(text, "#?"):
		return IssuerForm{}, errors.New("it has more than a scheme, a host and a path")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return IssuerForm{}, errors.New("http is for loopback addresses: verifiers want https")
	case slices.Contains(strings.Split(u.Hostname(), "."), ""):
		return IssuerForm{}, errors.New("a label of the host's name is empty")
	case u.Host != strings.ToLower(u.Host):
		return IssuerForm{}, errors.New("the host is to be written in small letters: verifiers compare issuers character by character")
	}
	switch {
	case f.before == u.Scheme+"://" && strings.HasPrefix(f.after, ".") && u.Path == "":
		_, f.host, _ = strings.Cut(u.Hostname(), ".")
		if f.host == "" {
			return IssuerForm{}, errors.New("there is no domain behind {id}")
		}
		f.host = "." + f.host
	case f.after == "" && strings.HasSuffix(f.before, "/") && u.Path != "" && u.EscapedPath() == path.Clean(u.Path):
		f.path = strings.TrimSuffix(u.Path, "0")
	default:
		return IssuerForm{}, fmt.Errorf("{id} must be the first label of the host's name, as in %s, or the last part of the path, as in https://iam.example.com/issuers/{id}", DefaultIssuers)
	}
	return f, nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// URL is the issuer with that ID.
func (f IssuerForm) URL(id string) string { return f.before + id + f.after }

// Has reports whether a URL is that of an issuer of this form, of whichever ID.
func (f IssuerForm) Has(issuer string) bool {
	id, ok := strings.CutPrefix(issuer, f.before)
	if !ok {
		return false
	}
	id, ok = strings.CutSuffix(id, f.after)
	return ok && issuerID.MatchString(id)
}

// Document is one of the documents that an issuer publishes.
type Document uint8

// The documents.
const (
	Discovery Document = iota + 1
	KeySetJSON
)

// Find says which document of which issuer a request asks for by the host and the path of its URL. Where the ID is in the path the
// host does not count: a server has several names.
func (f IssuerForm) Find(host, urlPath string) (id string, d Document, ok bool) {
	if id, ok = strings.CutSuffix(urlPath, discoveryPath); ok {
		d = Discovery
	} else if id, ok = strings.CutSuffix(urlPath, keySetPath); ok {
		d = KeySetJSON
	} else {
		return "", 0, false
	}
	if f.host != "" {
		if id != "" {
			return "", 0, false
		}
		if u, err := url.Parse("//" + host); err == nil {
			host = u.Hostname()
		}
		id, ok = strings.CutSuffix(strings.TrimSuffix(strings.ToLower(host), "."), f.host)
	} else {
		id, ok = strings.CutPrefix(id, f.path)
	}
	return id, d, ok && issuerID.MatchString(id)
}
