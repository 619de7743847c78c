package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Names of headers and, spelled alike, of query parameters.
const (
	headerAuthorization = "Authorization"
	headerDate          = "Date"
	headerHost          = "Host"
	nameAlgorithm       = "X-Amz-Algorithm"
	nameCredential      = "X-Amz-Credential"
	nameSignature       = "X-Amz-Signature"
	nameSignedHeaders   = "X-Amz-SignedHeaders"
	nameDate            = "X-Amz-Date"
	nameExpires         = "X-Amz-Expires"
	nameToken           = "X-Amz-Security-Token"
	nameRegionSet       = "X-Amz-Region-Set"
	namePayload         = "X-Amz-Content-Sha256"
	nameTarget          = "X-Amz-Target"
)

// Limits on what is presented. They are far above what clients send and keep the work per request small.
const (
	maxAuthorization = 16 << 10
	maxSignedHeaders = 4 << 10
	maxRegionSet     = 1 << 10
)

// Sentences of AWS that more than one place uses.
const (
	sentenceMissing  = "Request is missing Authentication Token"
	sentenceMismatch = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

func refuse(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Parse reads the signature of r from the Authorization header or the query string. It says nothing about its truth: see
// [Verifier.Verify]. Errors are of type [*Error]; a request without any signature gives the kind [Missing].
//
// The body is not read. What r's Host field, Header, Method and URL say must be what came over the wire.
func Parse(r *http.Request) (*Presented, error) {
	p := &Presented{request: r}
	inQuery, params, err := queryParams(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	auth := r.Header[headerAuthorization]
	switch {
	case len(auth) > 1:
		return nil, refuse(Incomplete, "Authorization header must be given once.")
	case len(auth) == 1 && inQuery:
		return nil, refuse(Incomplete, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter "+
			"or the Authorization header should be specified")
	case inQuery:
		p.Form = FormQuery
		err = p.parseQuery(&params)
	case len(auth) == 1 && auth[0] != "":
		err = p.parseHeader(auth[0])
	default:
		err = refuse(Missing, sentenceMissing)
	}
	if err != nil {
		return nil, err
	}
	if err := p.parseExtras(&params); err != nil {
		return nil, err
	}
	return p, p.checkSigned()
}

// parseHeader reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func (p *Presented) parseHeader(auth string) error {
	if len(auth) > maxAuthorization {
		return refuse(Incomplete, "Authorization header is too long.")
	}
	scheme, rest, _ := strings.Cut(strings.Trim(auth, " "), " ")
	if !strings.HasPrefix(scheme, "AWS4-") && !strings.Contains(auth, "=") {
		return notPair(auth)
	}
	var credential, signedHeaders, signature string
	var has [3]bool
	for rest != "" {
		var pair string
		pair, rest = cutByte(rest, ',')
		pair = strings.Trim(pair, " \t")
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return notPair(pair)
		}
		i, slot := 0, &credential
		switch name {
		case "Credential":
		case "SignedHeaders":
			i, slot = 1, &signedHeaders
		case "Signature":
			i, slot = 2, &signature
		default:
			if !isAlgorithm(scheme) {
				continue // another scheme's parameters; the scheme is refused below
			}
			return refuse(Incomplete, "Authorization header has a parameter that is not Credential, SignedHeaders or Signature.")
		}
		if has[i] {
			return refuse(Incomplete, "Authorization header must have '%s' parameter only once.", name)
		}
		has[i] = true
		*slot = value
	}
	date, err := p.dateHeader()
	if err != nil {
		return err
	}
	if !has[0] || !has[1] || !has[2] || date == "" {
		return missingParts(auth, has[0], has[2], has[1], date != "")
	}
	if !isAlgorithm(scheme) {
		return unsupportedAlgorithm(scheme)
	}
	p.Algorithm = scheme
	if err := p.parseTime(date); err != nil {
		return err
	}
	return p.parseParts(credential, signedHeaders, signature)
}

// parseQuery reads the X-Amz-… parameters of a presigned request.
func (p *Presented) parseQuery(q *params) error {
	var missing strings.Builder
	for _, part := range []struct{ name, value string }{
		{nameAlgorithm, q.algorithm.value}, {nameCredential, q.credential.value}, {nameSignature, q.signature.value},
		{nameSignedHeaders, q.signedHeaders.value}, {nameDate, q.date.value},
	} {
		if part.value == "" {
			missing.WriteString("AWS query-string parameters must include '" + part.name + "'. ")
		}
	}
	if missing.Len() > 0 {
		return refuse(Incomplete, "%sRe-examine the query-string parameters.", missing.String())
	}
	if !isAlgorithm(q.algorithm.value) {
		return unsupportedAlgorithm(q.algorithm.value)
	}
	p.Algorithm = q.algorithm.value
	p.Expires = DefaultExpires
	if q.expires.set {
		seconds, err := strconv.ParseUint(q.expires.value, 10, 32)
		if err != nil {
			return refuse(Incomplete, "X-Amz-Expires should be a number")
		}
		if seconds > uint64(MaxExpires/time.Second) {
			return refuse(Incomplete, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires "+
				"must be less than 604800 seconds")
		}
		p.Expires = time.Duration(seconds) * time.Second
	}
	if err := p.parseTime(q.date.value); err != nil {
		return err
	}
	return p.parseParts(q.credential.value, q.signedHeaders.value, q.signature.value)
}

// parseParts reads what both forms have. The time is known already.
func (p *Presented) parseParts(credential, signedHeaders, signature string) error {
	const elements = 5
	var part [elements]string
	want, example := elements, "keyid/date/region/service/term"
	if p.Algorithm == AlgorithmECDSA {
		want, example = elements-1, "keyid/date/service/term"
	}
	if strings.Count(credential, "/") != want-1 || credential[0] == '/' {
		return refuse(Incomplete, "Credential must have exactly %d slash-delimited elements, e.g. %s, got '%s'", want, example, credential)
	}
	p.scope = credential[strings.IndexByte(credential, '/')+1:]
	rest := credential
	for i := range want {
		part[i], rest = cutByte(rest, '/')
	}
	p.AccessKeyID, p.Date = part[0], part[1]
	p.Service = part[want-2]
	if p.Algorithm == AlgorithmHMAC {
		p.Region = part[2]
	}
	if term := part[want-1]; term != Terminator {
		return refuse(Scope, "Credential should be scoped with a valid terminator: '%s', not '%s'. ", Terminator, term)
	}
	if day := p.timestamp[:8]; p.Date != day {
		return refuse(Scope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "+
			"'%s' != '%s', from '%s'.", p.Date, day, p.timestamp)
	}
	var ok bool
	if p.signs, ok = scanSignedHeaders(signedHeaders); !ok {
		return refuse(Incomplete, "SignedHeaders must be lower-case header names in order, each once, separated by semicolons.")
	}
	p.SignedHeaders = signedHeaders
	p.signature = signature
	return nil
}

// parseExtras reads what stands beside the signature: token, payload hash, region set. Each has one place.
func (p *Presented) parseExtras(q *params) error {
	var err error
	var tokenInQuery bool
	if p.SecurityToken, tokenInQuery, err = one(p.request, nameToken, q.token); err != nil {
		return err
	}
	// The whole query string is signed, but AWS lets some presigned requests leave the token out: Verify looks.
	p.tokenSigned = p.SecurityToken == "" || tokenInQuery || p.signs&signsToken != 0
	if p.payload, _, err = one(p.request, namePayload, q.payload); err != nil {
		return err
	}
	if p.Algorithm != AlgorithmECDSA {
		return nil
	}
	if p.RegionSet, _, err = one(p.request, nameRegionSet, q.regionSet); err != nil {
		return err
	}
	if p.RegionSet == "" || len(p.RegionSet) > maxRegionSet {
		return refuse(Incomplete, "AWS4-ECDSA-P256-SHA256 requires existence of a 'X-Amz-Region-Set' header or query-string parameter.")
	}
	return nil
}

// checkSigned refuses requests whose signature leaves out what the server acts on.
func (p *Presented) checkSigned() error {
	if p.signs&signsHost == 0 {
		return refuse(Unsigned, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	h := p.request.Header
	if p.Form == FormHeader {
		if _, ok := h[nameDate]; ok && p.signs&signsXDate == 0 {
			return mustSign(nameDate)
		} else if !ok && p.signs&signsDate == 0 {
			return mustSign(headerDate)
		}
	}
	if _, ok := h[nameTarget]; ok && p.signs&signsTarget == 0 {
		return mustSign(nameTarget)
	}
	if _, ok := h[nameRegionSet]; ok && p.signs&signsRegionSet == 0 {
		return mustSign(nameRegionSet)
	}
	return nil
}

func mustSign(header string) error {
	return refuse(Unsigned, "'%s' must be a 'SignedHeader' in the AWS Authorization.", header)
}

// signsName reports whether the lower-case name is among the signed headers.
func (p *Presented) signsName(name string) bool {
	for rest := p.SignedHeaders; rest != ""; {
		var n string
		if n, rest = cutByte(rest, ';'); n == name {
			return true
		}
	}
	return false
}

// dateHeader returns X-Amz-Date or, where there is none, Date; and "" where there is neither.
func (p *Presented) dateHeader() (string, error) {
	name := nameDate
	values := p.request.Header[name]
	if len(values) == 0 {
		name = headerDate
		values = p.request.Header[name]
	}
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", refuse(Incomplete, "'%s' header must be given once.", name)
}

// parseTime reads the form of X-Amz-Date and, in the header form, the forms of Date.
func (p *Presented) parseTime(date string) error {
	date = strings.Trim(date, " ")
	if t, ok := parseBasic(date); ok {
		p.Time, p.timestamp = t, date
		return nil
	}
	if p.Form == FormHeader && len(p.request.Header[nameDate]) == 0 {
		if t, err := http.ParseTime(date); err == nil {
			p.Time = t.UTC()
			p.timestamp = p.Time.Format(TimeFormat)
			return nil
		}
	}
	return refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
}

// parseBasic reads TimeFormat. The standard library's parser is slower and takes fractions of a second.
func parseBasic(s string) (time.Time, bool) {
	if len(s) != len(TimeFormat) || s[8] != 'T' || s[15] != 'Z' {
		return time.Time{}, false
	}
	number := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if s[i] < '0' || s[i] > '9' {
				return -1
			}
			n = 10*n + int(s[i]-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(4, 6), number(6, 8)
	hour, minute, second := number(9, 11), number(11, 13), number(13, 15)
	if year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day // a day that the month does not have moves into the next
}

// one returns the value of a header or of the query parameter of the same name, and whether it came from the query.
// Both, or either twice, is an error (S2-299).
func one(r *http.Request, name string, q param) (value string, fromQuery bool, err error) {
	values := r.Header[name]
	switch {
	case len(values) > 1, len(values) == 1 && q.set:
		return "", false, refuse(Incomplete, "'%s' must be given once, as a header or as a query-string parameter.", name)
	case len(values) == 1:
		return strings.Trim(values[0], " \t"), false, nil
	}
	return q.value, q.set, nil
}

func isAlgorithm(s string) bool { return s == AlgorithmHMAC || s == AlgorithmECDSA }

func unsupportedAlgorithm(name string) error {
	return refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", name)
}

// notPair and missingParts show the header as AWS does today: hashed, since it may hold a password of another scheme.
func notPair(text string) error {
	return refuse(Incomplete, "Invalid key=value pair (missing equal-sign) in Authorization header "+
		"(hashed with SHA-256 and encoded with Base64): '%s'.", digest(text))
}

func missingParts(auth string, credential, signature, signedHeaders, date bool) error {
	var b strings.Builder
	for _, part := range []struct {
		ok   bool
		name string
	}{{credential, "Credential"}, {signature, "Signature"}, {signedHeaders, "SignedHeaders"}} {
		if !part.ok {
			b.WriteString("Authorization header requires '" + part.name + "' parameter. ")
		}
	}
	if !date {
		b.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	return refuse(Incomplete, "%s(Hashed with SHA-256 and encoded with Base64) Authorization=%s", b.String(), digest(auth))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Bits for the signed headers that the server acts on.
const (
	signsHost = 1 << iota
	signsDate
	signsXDate
	signsToken
	signsTarget
	signsRegionSet
)

// scanSignedHeaders accepts a list in the one spelling that the canonical request has, and says which headers that matter
// are in it. An empty list is accepted here, so that the caller can say that Host is missing from it.
func scanSignedHeaders(list string) (signs uint8, ok bool) {
	if len(list) > maxSignedHeaders || strings.HasSuffix(list, ";") {
		return 0, false
	}
	for last, rest := "", list; rest != ""; {
		var name string
		name, rest = cutByte(rest, ';')
		if name <= last { // also refuses the empty name
			return 0, false
		}
		for i := range len(name) {
			if !inHeaderName[name[i]] {
				return 0, false
			}
		}
		switch name {
		case "host":
			signs |= signsHost
		case "date":
			signs |= signsDate
		case "x-amz-date":
			signs |= signsXDate
		case "x-amz-security-token":
			signs |= signsToken
		case "x-amz-target":
			signs |= signsTarget
		case "x-amz-region-set":
			signs |= signsRegionSet
		}
		last = name
	}
	return signs, true
}

// inHeaderName are the characters of a header's name in lower case (RFC 9110, 5.6.2).
var inHeaderName = func() (set [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~") {
		set[c] = true
	}
	return set
}()

// cutByte is strings.Cut for one byte, without the detour through a general search.
func cutByte(s string, c byte) (before, after string) {
	if i := strings.IndexByte(s, c); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// param is a query parameter that was given once or not at all.
type param struct {
	value string
	set   bool
}

// params are the parameters of a query string that matter to authentication.
type params struct {
	algorithm, credential, signature, signedHeaders, date, expires, token, payload, regionSet param
}

func (q *params) slot(name string) *param {
	switch name {
	case nameAlgorithm:
		return &q.algorithm
	case nameCredential:
		return &q.credential
	case nameSignature:
		return &q.signature
	case nameSignedHeaders:
		return &q.signedHeaders
	case nameDate:
		return &q.date
	case nameExpires:
		return &q.expires
	case nameToken:
		return &q.token
	case namePayload:
		return &q.payload
	case nameRegionSet:
		return &q.regionSet
	}
	return nil
}

// queryParams collects the X-Amz-… parameters and reports whether they present a signature.
func queryParams(raw string) (signed bool, q params, err error) {
	for rest := raw; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			return false, q, refuse(MalformedQuery, "The query string contains a syntax error.")
		}
		slot := q.slot(name)
		if slot == nil {
			continue
		}
		if slot.set {
			return false, q, refuse(Incomplete, "AWS query-string parameters must include '%s' only once.", name)
		}
		*slot = param{value, true}
	}
	return q.algorithm.set || q.credential.set || q.signature.set, q, nil
}
