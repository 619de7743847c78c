// Package batch evaluates requests given as JSON lines: the format of `ostiary policy eval --batch`.
//
// Each line in is one case: the policies by layer and the request, with the complete context. Each line out is its decision, or
// an error; order is kept, and a bad line does not stop the run.
//
//	in:  {"id", "policies": {"identity": [doc…], "resource": doc|null, "resourceKind": "resource|trust", "boundary": doc|null,
//	      "session": [doc…], "scp": [[doc…]…], "rcp": [[doc…]…]},
//	      "request": {"principal": {"type": "user|root|assumed-role|federated-user|web-identity|saml|service|anonymous", "arn",
//	      "accountId", "uniqueId", "roleArn", "issuerUserArn", "provider", "service", "serviceLinkedRole": bool},
//	      "action", "resource", "resourceAccount", "context": {key: [values]}}}
//	out: {"id", "decision": "allow|deny-explicit|deny-implicit", "layer": "identity|resource|boundary|session|scp|rcp|none",
//	      "statements": [{"policy": "identity[0]", "index", "sid"}…], "missing": [key…]}
//	     or {"id", "error"}
//
// Levels of scp and rcp run from the organization's root down. Empty or absent session, scp, rcp mean that none was passed or
// applies. resourceKind is trust for sts:AssumeRole*, resource otherwise. A missing accountId is taken from arn; a missing
// roleArn of an assumed role is the role in arn, without path. Members that the format does not know are errors.
package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

// maxLine bounds a line; a longer one ends the run with an error.
const maxLine = 16 << 20

// Run evaluates the lines of r and writes the results to w. It returns an error only when reading or writing fails.
func Run(r io.Reader, w io.Writer) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	var ev Evaluator
	for in.Scan() {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := enc.Encode(ev.line(line)); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}

// Case is one line of input.
type Case struct {
	ID       json.RawMessage `json:"id"`
	Policies Policies        `json:"policies"`
	Request  Request         `json:"request"`
	// Names are what policies are called in explanations instead of their places, such as identity[0], which are the keys.
	Names map[string]string `json:"-"`
}

// Read reads a case, or a request alone, which is a case without policies. Members that the format does not know are errors.
func Read(text []byte) (*Case, error) {
	var shape struct {
		Request json.RawMessage `json:"request"`
	}
	c := &Case{}
	var into any = c
	if err := json.Unmarshal(text, &shape); err == nil && shape.Request == nil {
		into = &c.Request
	}
	if err := decode(text, into); err != nil {
		return nil, err
	}
	return c, nil
}

// decode is strict json.Unmarshal.
func decode(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, more := dec.Token(); more != io.EOF {
		return errors.New("text behind the case")
	}
	return nil
}

// Policies are the documents by layer.
type Policies struct {
	Identity     []json.RawMessage   `json:"identity"`
	Resource     json.RawMessage     `json:"resource"`
	ResourceKind string              `json:"resourceKind"`
	Boundary     json.RawMessage     `json:"boundary"`
	Session      []json.RawMessage   `json:"session"`
	SCP          [][]json.RawMessage `json:"scp"`
	RCP          [][]json.RawMessage `json:"rcp"`
}

// Request is the question.
type Request struct {
	Principal       Principal          `json:"principal"`
	Action          string             `json:"action"`
	Resource        string             `json:"resource"`
	ResourceAccount string             `json:"resourceAccount"`
	Context         map[string][]value `json:"context"`
}

// Principal is who asks.
type Principal struct {
	Type              string `json:"type"`
	ARN               string `json:"arn"`
	AccountID         string `json:"accountId"`
	UniqueID          string `json:"uniqueId"`
	RoleARN           string `json:"roleArn"`
	IssuerUserARN     string `json:"issuerUserArn"`
	Provider          string `json:"provider"`
	Service           string `json:"service"`
	ServiceLinkedRole bool   `json:"serviceLinkedRole"`
}

// value is a string, or a number or Boolean taken as it is written.
type value string

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) error {
	switch text[0] {
	case '"':
		return json.Unmarshal(text, (*string)(v))
	case '{', '[', 'n':
		return fmt.Errorf("context value %s is no string", text)
	}
	*v = value(text)
	return nil
}

// Result is one line of output.
type Result struct {
	Decision   string      `json:"decision"` // allow, deny-explicit, deny-implicit
	Layer      string      `json:"layer"`
	Statements []Statement `json:"statements"`
	Missing    []string    `json:"missing"`
}

// Statement is a statement that took part.
type Statement struct {
	Policy string `json:"policy"` // identity[0], resource, boundary, session[0], scp[0][0], rcp[0][0]
	Index  int    `json:"index"`
	Sid    string `json:"sid"`
}

type answer struct {
	ID json.RawMessage `json:"id"`
	*Result
	Error string `json:"error,omitempty"`
}

// Evaluator evaluates cases and remembers compiled documents. The zero value is ready; it is not for concurrent use.
type Evaluator struct {
	compiled map[string]*policy.Policy
}

func (ev *Evaluator) line(line []byte) answer {
	var c Case
	err := decode(line, &c)
	if c.ID == nil {
		c.ID = json.RawMessage("null")
	}
	if err != nil {
		return answer{ID: c.ID, Error: "malformed case: " + err.Error()}
	}
	result, err := ev.Evaluate(&c)
	if err != nil {
		return answer{ID: c.ID, Error: err.Error()}
	}
	return answer{ID: c.ID, Result: result}
}

// Evaluate decides one case. It fails for documents that cannot be compiled and requests that make no sense.
func (ev *Evaluator) Evaluate(c *Case) (*Result, error) {
	x, err := ev.Explain(c)
	if err != nil {
		return nil, err
	}
	return NewResult(x), nil
}

// Explain is Evaluate with the whole explanation. The policies bear the names that Statement.Policy gives. It is an error when
// the specification evaluator, which explains, decides otherwise than the engine: then neither is to be believed.
func (ev *Evaluator) Explain(c *Case) (*policy.Explanation, error) {
	req, err := c.Request.Policy()
	if err != nil {
		return nil, err
	}
	set, err := ev.set(c)
	if err != nil {
		return nil, err
	}
	x := policy.Explain(req, set)
	if x.Disagreement != nil {
		return nil, fmt.Errorf("a defect of the engine, please report it: %w", x.Disagreement)
	}
	return x, nil
}

// NewResult makes a line of output from an explanation.
func NewResult(x *policy.Explanation) *Result {
	out := &Result{Decision: "deny-implicit", Layer: x.Decision.Layer.String(), Statements: []Statement{}, Missing: []string{}}
	switch {
	case x.Decision.Effect == policy.Allow:
		out.Decision = "allow"
	case x.Decision.Explicit:
		out.Decision = "deny-explicit"
	}
	for _, m := range x.Statements {
		out.Statements = append(out.Statements, Statement{Policy: m.Policy.Name(), Index: m.Statement, Sid: m.Sid})
	}
	out.Missing = append(out.Missing, x.Missing...)
	return out
}

func (ev *Evaluator) set(c *Case) (*policy.Set, error) {
	b := builder{ev: ev, names: c.Names}
	p := &c.Policies
	s := &policy.Set{}
	s.Identity = b.list(policy.Identity, "identity", p.Identity)
	kind, err := c.ResourceKind()
	if err != nil {
		return nil, err
	}
	s.Resource = b.policy(kind, "resource", p.Resource)
	s.Boundary = b.policy(policy.Boundary, "boundary", p.Boundary)
	s.Session = b.list(policy.Session, "session", p.Session)
	for i, level := range p.SCP {
		s.ServiceControl = append(s.ServiceControl, b.list(policy.ServiceControl, fmt.Sprintf("scp[%d]", i), level))
	}
	for i, level := range p.RCP {
		s.ResourceControl = append(s.ResourceControl, b.list(policy.ResourceControl, fmt.Sprintf("rcp[%d]", i), level))
	}
	return s, b.err
}

// ResourceKind returns what the policy of the resource is: as stated, or by the action.
func (c *Case) ResourceKind() (policy.Kind, error) {
	switch c.Policies.ResourceKind {
	case "trust":
		return policy.Trust, nil
	case "resource":
		return policy.Resource, nil
	case "":
		if strings.HasPrefix(strings.ToLower(c.Request.Action), "sts:assumerole") {
			return policy.Trust, nil
		}
		return policy.Resource, nil
	}
	return 0, fmt.Errorf("resourceKind %q is neither resource nor trust", c.Policies.ResourceKind)
}

// builder compiles documents and keeps the first error.
type builder struct {
	ev    *Evaluator
	names map[string]string
	err   error
}

func (b *builder) list(k policy.Kind, name string, docs []json.RawMessage) []*policy.Policy {
	var out []*policy.Policy
	for i, doc := range docs {
		name := fmt.Sprintf("%s[%d]", name, i)
		p := b.policy(k, name, doc)
		if p == nil && b.err == nil {
			b.err = fmt.Errorf("%s: null", name)
		}
		out = append(out, p)
	}
	return out
}

// policy compiles one document; absent and null give nil.
func (b *builder) policy(k policy.Kind, name string, doc json.RawMessage) *policy.Policy {
	if len(doc) == 0 || string(doc) == "null" || b.err != nil {
		return nil
	}
	if other := b.names[name]; other != "" {
		name = other
	}
	key := fmt.Sprintf("%d %s %s", k, name, doc)
	if p := b.ev.compiled[key]; p != nil {
		return p
	}
	d, err := policy.Options{}.ParseAs(k, doc)
	var p *policy.Policy
	if err == nil {
		p, err = policy.Compile(k, name, d)
	}
	if err != nil {
		b.err = fmt.Errorf("%s: %s", name, problems(err))
		return nil
	}
	if b.ev.compiled == nil || len(b.ev.compiled) >= 4096 {
		b.ev.compiled = map[string]*policy.Policy{}
	}
	b.ev.compiled[key] = p
	return p
}

// problems prints every problem of a document with its place.
func problems(err error) string {
	var list policy.Errors
	if !errors.As(err, &list) {
		return err.Error()
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.String()
	}
	return strings.Join(out, "; ")
}

var principalTypes = map[string]policy.PrincipalType{
	"user": policy.User, "root": policy.Root, "assumed-role": policy.AssumedRole, "federated-user": policy.FederatedUser,
	"web-identity": policy.WebIdentity, "saml": policy.SAML, "service": policy.ServicePrincipal, "anonymous": policy.Anonymous,
}

// Policy returns the question as the engine takes it. It fails for requests that make no sense.
func (r *Request) Policy() (*policy.Request, error) {
	p := &r.Principal
	typ, ok := principalTypes[p.Type]
	switch {
	case !ok:
		return nil, fmt.Errorf("unknown type of principal %q", p.Type)
	case !strings.Contains(r.Action, ":"):
		return nil, fmt.Errorf("action %q has no service", r.Action)
	case r.Resource == "":
		return nil, errors.New("resource is missing")
	}
	out := &policy.Request{Action: r.Action, Resource: r.Resource, ResourceAccount: r.ResourceAccount, Context: &policy.Context{},
		Principal: policy.Principal{Type: typ, ARN: p.ARN, Account: p.AccountID, UniqueID: p.UniqueID, RoleARN: p.RoleARN,
			IssuerUserARN: p.IssuerUserARN, Provider: p.Provider, Service: p.Service, ServiceLinked: p.ServiceLinkedRole}}
	q := &out.Principal
	part := strings.SplitN(p.ARN, ":", 6)
	if len(part) == 6 {
		if q.Account == "" {
			q.Account = part[4]
		}
		if name := strings.Split(part[5], "/"); typ == policy.AssumedRole && q.RoleARN == "" && len(name) == 3 {
			q.RoleARN = "arn:" + part[1] + ":iam::" + part[4] + ":role/" + name[1]
		}
	}
	for key, values := range r.Context {
		if _, twice := out.Context.Lookup(key); twice {
			return nil, fmt.Errorf("context key %q comes twice", key)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = string(v)
		}
		out.Context.Set(key, texts...)
	}
	return out, nil
}
