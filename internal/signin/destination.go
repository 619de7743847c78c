package signin

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Destinations says where a login may lead. The zero value knows the console's own addresses only:
//
//   - paths of the console on this server, /console and below it;
//   - AWS's console, https://console.aws.amazon.com/… and its services' and regions' names such as
//     https://eu-west-1.console.aws.amazon.com/sns/home. They mean the console of this server, never AWS's: the path is looked for below
//     /console, and a region in the name becomes the parameter region where the address has none.
//
// Beside these the operator may name addresses of their own: a destination has to be of the same scheme, host and port, and its path the
// same or below it. Everything else is refused, so that nobody can be sent away with an address that looks like a sign-in.
type Destinations struct{ own []*url.URL }

// NewDestinations returns destinations with addresses of the operator's: absolute URLs of http or https with nothing behind the path.
func NewDestinations(addresses []string) (*Destinations, error) {
	d := new(Destinations)
	for _, a := range addresses {
		u, err := parseAddress(a)
		if err != nil || u.Scheme == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is not an address such as https://console.example.com/aws", a)
		}
		d.own = append(d.own, u)
	}
	return d, nil
}

// awsConsole is AWS's console: itself, a region's, a service's.
var awsConsole = regexp.MustCompile(`^(?:([a-z0-9-]{1,63})\.){0,2}console\.aws\.amazon\.com$`)

// regionName is the form of regions in names of hosts.
var regionName = regexp.MustCompile(`^[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}$`)

const sayDestination = "The Destination has to be an address of the console, such as https://console.aws.amazon.com/."

// Resolve returns the Location for a destination: a path on this server, or an address of the operator's. Everything in it is escaped;
// errors are faults of kind Invalid.
func (d *Destinations) Resolve(text string) (string, error) {
	u, err := parseAddress(text)
	if err != nil {
		return "", err
	}
	switch {
	case u.Scheme == "":
		if u.Path != ConsolePath && !strings.HasPrefix(u.Path, ConsolePath+"/") {
			return "", invalid(sayDestination)
		}
		return u.String(), nil
	case u.Scheme == "https" && awsConsole.MatchString(u.Host):
		return inConsole(u), nil
	}
	for _, o := range d.own {
		if u.Scheme == o.Scheme && u.Host == o.Host && below(u.Path, o.Path) {
			return u.String(), nil
		}
	}
	return "", invalid(sayDestination)
}

// parseAddress parses a path or a URL of the web that browsers read as it is read here: no characters that they drop or replace, no
// second way to write a host or a path.
func parseAddress(text string) (*url.URL, error) {
	refused := invalid(sayDestination)
	if text == "" || len(text) > maxValue || !printable(text) || strings.ContainsAny(text, `\ "<>`) {
		return nil, refused
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil {
		return nil, refused
	}
	lower := strings.ToLower(u.EscapedPath())
	for _, hidden := range []string{"%2e", "%2f", "%5c", "%00", "//", "%25"} {
		if strings.Contains(lower, hidden) {
			return nil, refused
		}
	}
	if u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/" || !printable(u.Path) {
		return nil, refused
	}
	switch u.Scheme {
	case "":
		if u.Host != "" || !strings.HasPrefix(text, "/") {
			return nil, refused
		}
	case "https", "http":
		// The host is written as it is, in lower case: no dot at its end, no zone, no escapes.
		if u.Host == "" || !strings.HasPrefix(text, u.Scheme+"://"+u.Host) || strings.HasSuffix(u.Hostname(), ".") || strings.ToLower(u.Host) != u.Host ||
			strings.ContainsAny(u.Host, "%@") || strings.HasSuffix(u.Host, ":") {
			return nil, refused
		}
	default:
		return nil, refused
	}
	return u, nil
}

// inConsole is where an address of AWS's console is here.
func inConsole(u *url.URL) string {
	to := &url.URL{Path: ConsolePath + u.Path, RawQuery: u.RawQuery, Fragment: u.Fragment, RawFragment: u.RawFragment}
	if u.Path == "" {
		to.Path += "/"
	}
	label, _, _ := strings.Cut(u.Host, ".")
	if regionName.MatchString(label) && !u.Query().Has("region") {
		if to.RawQuery != "" {
			to.RawQuery += "&"
		}
		to.RawQuery += "region=" + label
	}
	return to.String()
}

// below reports whether a path is another or below it.
func below(p, of string) bool {
	of = strings.TrimSuffix(of, "/")
	rest, ok := strings.CutPrefix(p, of)
	return ok && (rest == "" || rest[0] == '/')
}

// printable reports whether a text is printable ASCII and no blank.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
