package wire

import (
	"bytes"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// APIs are the APIs that one port serves.
type APIs struct {
	list     []*API
	fallback *API
}

// NewAPIs makes a set of APIs, which must differ in signing name, and the Query APIs in version.
func NewAPIs(apis ...*API) *APIs {
	set := &APIs{list: slices.Clone(apis), fallback: &API{Name: "aws", SigningName: "aws"}}
	if len(apis) > 0 {
		set.fallback = apis[0]
	}
	for _, api := range apis {
		for _, o := range api.Operations {
			if o.Unsigned { // what comes without a signature is most likely meant for an API that takes such calls
				set.fallback = api
			}
		}
	}
	return set
}

// Call is a recognized request.
type Call struct {
	API       *API
	Operation *Operation
	// Input is never nil. It is empty until [Call.Validate] has decoded the parameters.
	Input Input

	typed bool       // Input is complete: nothing is to be decoded
	form  FormReader // Query: the operation's own parameters
	body  []byte     // JSON
	check Checker
}

// NewCall returns a call that comes from no request: its input is complete, and [Call.Validate] only checks it. The operation must be
// one of the API's, and the input of its type.
func NewCall(api *API, operation string, in Input) (*Call, error) {
	o := api.Operations[operation]
	if o == nil || reflect.TypeOf(in) != reflect.TypeOf(o.NewInput()) {
		return nil, fault.New(fault.UnknownOperation, "There is no operation %s of %s with such an input.", operation, api.Name)
	}
	return &Call{API: api, Operation: o, Input: in, typed: true}, nil
}

// Recognize says which operation of which API a request calls. The service is that of the credential scope (header or
// query), without one that of the X-Amz-Target header, without that the one whose version the parameters name. It decodes
// no more than that: parameters are decoded by [Call.Validate], after the caller is known. Errors are of the kinds
// UnknownOperation, MalformedInput and TooLarge; a [*Refusal] among them has a code of its own.
//
// The body stays the caller's until Validate has returned.
func (s *APIs) Recognize(r *http.Request, body []byte) (*Call, error) {
	if err := checkHTTP(r); err != nil {
		return nil, err
	}
	api, err := s.named(r)
	if err != nil {
		return nil, err
	}
	if api != nil && api.Protocol == JSON {
		return recognizeJSON(api, r, body)
	}
	form, err := formOf(r, body)
	if err != nil {
		return nil, err
	}
	var action, version string
	own := form[:0]
	for _, p := range form {
		switch {
		case p.key == "Action" && action == "":
			action = p.value
		case p.key == "Version" && version == "":
			version = p.value
		case p.key == "Action" || p.key == "Version":
			return nil, fault.New(fault.MalformedInput, "The parameter '%s' cannot be read: it is given more than once.", p.key)
		case !authentication(p.key):
			own = append(own, p)
		}
	}
	return s.recognizeQuery(api, action, version, own)
}

func (s *APIs) recognizeQuery(api *API, action, version string, form []pair) (*Call, error) {
	if action == "" {
		return nil, &Refusal{Code: "MissingAction", Status: http.StatusBadRequest, cause: fault.New(fault.UnknownOperation,
			"The request is missing an action or a required parameter.")}
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	if api == nil {
		for _, a := range s.list {
			if a.Protocol == Query && a.Version == version {
				api = a
			}
		}
	}
	if api == nil || api.Version != version || api.Operations[action] == nil {
		return nil, fault.New(fault.UnknownOperation, "Could not find operation %s for version %s", cut(action), cut(version))
	}
	o := api.Operations[action]
	return &Call{API: api, Operation: o, Input: o.NewInput(), form: FormReader{pairs: form}}, nil
}

func recognizeJSON(api *API, r *http.Request, body []byte) (*Call, error) {
	if r.Method != http.MethodPost {
		return nil, notAllowed(r.Method)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-amz-json-1.1" {
		return nil, unsupported("application/x-amz-json-1.1")
	}
	prefix, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	o := api.Operations[name]
	if prefix != api.TargetPrefix || o == nil {
		return nil, fault.New(fault.UnknownOperation, "The operation that the X-Amz-Target header names is not known.")
	}
	return &Call{API: api, Operation: o, Input: o.NewInput(), body: body}, nil
}

// Validate decodes the parameters into Input and checks them. On an error, Input holds what was read until then. It is called
// once.
func (c *Call) Validate() error {
	if c.typed {
		c.Input.(checked).Check(&c.check)
		return c.check.Err()
	}
	switch in := c.Input.(type) {
	case formInput:
		c.form.begin()
		in.DecodeForm(&c.form)
		if c.form.err != nil {
			return c.form.err
		}
		c.check.missing = c.form.missing.paths
	case jsonInput:
		d := newJSON(c.body)
		if err := d.decode(in.DecodeJSON); err != nil {
			return err
		}
		c.check.missing = d.missing.paths
	}
	c.Input.(checked).Check(&c.check)
	return c.check.Err()
}

// Guess is the API whose form an error should have that is met before the request is recognized. It never returns nil.
func (s *APIs) Guess(r *http.Request) *API {
	if api, err := s.named(r); err == nil && api != nil {
		return api
	}
	version := r.URL.Query().Get("Version")
	for _, api := range s.list {
		if api.Protocol == Query && api.Version == version {
			return api
		}
	}
	return s.fallback
}

// named is the API that the signature's scope or the target header names; nil where neither is there.
func (s *APIs) named(r *http.Request) (*API, error) {
	service := scopeService(r)
	if service != "" {
		for _, api := range s.list {
			if api.SigningName == service {
				return api, nil
			}
		}
		return nil, fault.New(fault.UnknownOperation, "The service %s, for which the request is signed, is not served here.", quote(service))
	}
	target := r.Header.Get("X-Amz-Target")
	if target == "" {
		return nil, nil
	}
	prefix, _, _ := strings.Cut(target, ".")
	for _, api := range s.list {
		if api.TargetPrefix != "" && api.TargetPrefix == prefix {
			return api, nil
		}
	}
	return nil, fault.New(fault.UnknownOperation, "The operation that the X-Amz-Target header names is not known.")
}

// scopeService is the service in the credential scope KEY/date/region/service/aws4_request of a signature in the header or
// the query (SigV4A has no region there). It judges nothing else of the signature.
func scopeService(r *http.Request) string {
	credential := ""
	if h := r.Header.Get("Authorization"); strings.HasPrefix(h, "AWS4-") {
		_, after, _ := strings.Cut(h, "Credential=")
		credential, _, _ = strings.Cut(after, ",")
		credential = strings.TrimSpace(credential)
	} else if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	head, ok := strings.CutSuffix(credential, "/aws4_request")
	if !ok {
		return ""
	}
	return head[strings.LastIndexByte(head, '/')+1:]
}

// formOf reads the parameters of a Query request: those of the URL and, of a POST, those of the body (S5-7, S5-9).
func formOf(r *http.Request, body []byte) ([]pair, error) {
	switch r.Method {
	case http.MethodGet:
		if len(body) > 0 {
			return nil, fault.New(fault.MalformedInput, "A GET request must not have a body.")
		}
	case http.MethodPost:
		if t := r.Header.Get("Content-Type"); t != "" && t != "application/x-www-form-urlencoded" && !isForm(t) {
			return nil, unsupported("application/x-www-form-urlencoded")
		}
	default:
		return nil, notAllowed(r.Method)
	}
	room := 2 + strings.Count(r.URL.RawQuery, "&") + bytes.Count(body, []byte{'&'})
	form := make([]pair, 0, min(room, maxParameters))
	form, err := parseForm(form, r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	return parseForm(form, string(body))
}

// checkHTTP refuses what no client of these APIs sends: a path, or a body that would have to be unpacked to be read.
func checkHTTP(r *http.Request) error {
	if path := r.URL.Path; strings.Trim(path, "/") != "" {
		return &Refusal{Code: "NotFound", Status: http.StatusNotFound,
			cause: fault.New(fault.MalformedInput, "There is nothing at the path %s: requests go to /.", quote(path))}
	}
	if r.Header.Get("Content-Encoding") != "" {
		return &Refusal{Code: "UnsupportedMediaType", Status: http.StatusUnsupportedMediaType,
			cause: fault.New(fault.MalformedInput, "The body must not have a content encoding.")}
	}
	return nil
}

// Bounds of a request's head. Requests that are signed in their URL have everything there, a session token of some kilobytes too.
const (
	maxURL     = 32 << 10
	maxHeaders = 100
)

// CheckHead refuses a request with more in its URL, or more headers, than any client of these APIs sends. It is asked before the body is
// read. Errors are a [*Refusal] with the code that S3 has for it.
func CheckHead(r *http.Request) error {
	refusal := func(status int, message string) error {
		return &Refusal{Code: "RequestHeaderSectionTooLarge", Status: status, cause: fault.New(fault.TooLarge, "%s", message)}
	}
	if len(r.URL.RawQuery)+len(r.URL.Path) > maxURL {
		return refusal(http.StatusRequestURITooLong, "The URL of the request is longer than "+strconv.Itoa(maxURL)+" bytes.")
	}
	n := 0
	for _, values := range r.Header {
		n += len(values)
	}
	if n > maxHeaders {
		return refusal(http.StatusRequestHeaderFieldsTooLarge, "The request has more than "+strconv.Itoa(maxHeaders)+" headers.")
	}
	return nil
}

func isForm(contentType string) bool {
	switch contentType { // as SDKs spell it: the parser makes garbage
	case "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8":
		return true
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// authentication reports whether a parameter belongs to the signature: that of version 4 in the query, or those of the older
// versions, which are known here only so that authentication can refuse them.
func authentication(key string) bool {
	switch key {
	case "AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SecurityToken", "Timestamp", "Expires":
		return true
	}
	return strings.HasPrefix(key, "X-Amz-")
}

// cut is a stranger's text as an error repeats it.
func cut(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// Refusal is an error of the HTTP level, or of the protocol, that has its own code in every service.
type Refusal struct {
	Code   string
	Status int
	cause  *fault.Error
}

// Error is for logs.
func (r *Refusal) Error() string { return r.Code + ": " + r.cause.Error() }

// Unwrap returns the fault, which has kind and message.
func (r *Refusal) Unwrap() error { return r.cause }

func notAllowed(method string) error {
	return &Refusal{Code: "MethodNotAllowed", Status: http.StatusMethodNotAllowed,
		cause: fault.New(fault.MalformedInput, "The method %s is not allowed.", quote(method))}
}

func unsupported(want string) error {
	return &Refusal{Code: "UnsupportedMediaType", Status: http.StatusUnsupportedMediaType,
		cause: fault.New(fault.MalformedInput, "The content type must be %s.", want)}
}
