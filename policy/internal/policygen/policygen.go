// Package policygen makes policies and requests that belong together, for tests that hold two evaluators, or an evaluator and a
// law, against each other.
//
// A request is made first and the policies are written toward it: about half of the statements match, and most of the others miss by
// one element only, so that a wrong answer anywhere shows in the decision. [Generator.Ask] then changes the request a little, for more
// questions to the same policies. Everything follows from the source of random numbers: the same source gives the same cases.
//
// The documents are always legal for their kind; their text is whatever policies may hold, and what requests hold is hostile: stars,
// question marks, ${, colons and text that is not ASCII in names, values of wrong types, keys with several values and none.
package policygen

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
)

// Case is a situation: the policies by layer and a question.
type Case struct {
	Identity                        []*policy.Document
	Resource                        *policy.Document // nil: none
	ResourceKind                    policy.Kind      // Resource or Trust
	Boundary                        *policy.Document // nil: none
	Session                         []*policy.Document
	SessionPassed                   bool // Session is there, even when it is empty
	ServiceControl, ResourceControl [][]*policy.Document

	Request policy.Request // its Context is made of Keys by Question
	Keys    []Key
}

// KeyType says with which method a key is set.
type KeyType uint8

// The types of key.
const (
	Text KeyType = iota
	Time
	Int
	Bool
	Addr
	Tag
)

// Key is a condition key of the request. A type other than Text needs one value that can be read as such, Tag a name with a slash.
type Key struct {
	Name   string
	Values []string
	Type   KeyType
}

// Question returns the request with its keys in context, which is reset; nil stands for a new one.
func (c *Case) Question(context *policy.Context) *policy.Request {
	if context == nil {
		context = &policy.Context{}
	}
	context.Reset()
	for _, k := range c.Keys {
		k.set(context)
	}
	r := c.Request
	r.Context = context
	return &r
}

func (k *Key) set(c *policy.Context) {
	if len(k.Values) == 1 {
		v := k.Values[0]
		switch k.Type {
		case Time:
			if t, err := time.Parse(time.RFC3339, v); err == nil {
				c.SetTime(k.Name, t)
				return
			}
		case Int:
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				c.SetInt(k.Name, n)
				return
			}
		case Bool:
			if v == "true" || v == "false" {
				c.SetBool(k.Name, v == "true")
				return
			}
		case Addr:
			if a, err := netip.ParseAddr(v); err == nil {
				c.SetAddr(k.Name, a)
				return
			}
		case Tag:
			if prefix, name, ok := strings.Cut(k.Name, "/"); ok {
				c.SetTag(prefix+"/", name, v)
				return
			}
		}
	}
	c.Set(k.Name, k.Values...)
}

// Documents calls f for every document with its name, as package policytest names them, and its kind.
func (c *Case) Documents(f func(name string, k policy.Kind, d *policy.Document)) {
	for i, level := range c.ResourceControl {
		for j, d := range level {
			f(fmt.Sprintf("rcp[%d][%d]", i, j), policy.ResourceControl, d)
		}
	}
	for i, level := range c.ServiceControl {
		for j, d := range level {
			f(fmt.Sprintf("scp[%d][%d]", i, j), policy.ServiceControl, d)
		}
	}
	if c.Resource != nil {
		name := "resource"
		if c.ResourceKind == policy.Trust {
			name = "trust"
		}
		f(name, c.ResourceKind, c.Resource)
	}
	for i, d := range c.Identity {
		f(fmt.Sprintf("identity[%d]", i), policy.Identity, d)
	}
	if c.Boundary != nil {
		f("boundary", policy.Boundary, c.Boundary)
	}
	for i, d := range c.Session {
		f(fmt.Sprintf("session[%d]", i), policy.Session, d)
	}
}

// Set compiles the documents.
func (c *Case) Set() (*policy.Set, error) {
	s := &policy.Set{ServiceControl: empty(c.ServiceControl), ResourceControl: empty(c.ResourceControl)}
	if c.SessionPassed {
		s.Session = []*policy.Policy{}
	}
	var failed error
	c.Documents(func(name string, k policy.Kind, d *policy.Document) {
		p, err := policy.Compile(k, name, d)
		if err != nil {
			failed = fmt.Errorf("%s: %w", name, err)
			return
		}
		switch k {
		case policy.Identity:
			s.Identity = append(s.Identity, p)
		case policy.Boundary:
			s.Boundary = p
		case policy.Session:
			s.Session = append(s.Session, p)
		case policy.ServiceControl:
			add(s.ServiceControl, c.ServiceControl, d, p)
		case policy.ResourceControl:
			add(s.ResourceControl, c.ResourceControl, d, p)
		default:
			s.Resource = p
		}
	})
	return s, failed
}

func empty(levels [][]*policy.Document) [][]*policy.Policy {
	if levels == nil {
		return nil
	}
	return make([][]*policy.Policy, len(levels))
}

// add appends p to the level in which d is.
func add(to [][]*policy.Policy, levels [][]*policy.Document, d *policy.Document, p *policy.Policy) {
	for i, level := range levels {
		if len(to[i]) < len(level) && level[len(to[i])] == d {
			to[i] = append(to[i], p)
			return
		}
	}
}

// Generator makes cases. It is for one goroutine.
type Generator struct {
	*rand.Rand

	// Made counts the statements made, Refused those that Check refused, after which others were tried, and GivenUp those in whose
	// place something simple that is always legal came in the end.
	Made, Refused, GivenUp int

	// The case in the making.
	c     *Case
	vars  bool // the document in the making knows variables
	names []string
}

// New returns a generator that draws from src.
func New(src rand.Source) *Generator { return &Generator{Rand: rand.New(src)} }

// Bytes is a source of random numbers that are bytes somebody chose, for fuzzing. When they end, it goes on with numbers that
// depend on nothing but how many there were.
type Bytes struct {
	data []byte
	rest uint64
}

// NewBytes returns a source that draws from data.
func NewBytes(data []byte) *Bytes { return &Bytes{data: data, rest: uint64(len(data))} }

// Uint64 implements rand.Source. Each byte is spread over the whole number, since the generator asks mostly for small ones, which are
// taken from its upper bits.
func (b *Bytes) Uint64() uint64 {
	if len(b.data) > 0 {
		v := uint64(b.data[0])
		b.data = b.data[1:]
		return v * 0x0101010101010101
	}
	b.rest = b.rest*6364136223846793005 + 1442695040888963407
	return b.rest
}

func pick[T any](g *Generator, list ...T) T { return list[g.IntN(len(list))] }

// chance is true n times out of a hundred.
func (g *Generator) chance(n int) bool { return g.IntN(100) < n }

// Case makes a situation and a question that its policies were written for.
func (g *Generator) Case() *Case {
	g.c = &Case{}
	g.world()
	c := g.c
	policies := pick(g, 0, 1, 1, 1, 2, 2, 3)
	if g.chance(1) {
		policies = 12
	}
	for range policies {
		c.Identity = append(c.Identity, g.document(policy.Identity))
	}
	if asks := c.asksForRole(); asks && g.chance(85) {
		c.ResourceKind, c.Resource = policy.Trust, g.document(policy.Trust)
	} else if g.chance(45) {
		c.ResourceKind, c.Resource = policy.Resource, g.document(policy.Resource)
	}
	if g.chance(25) {
		c.Boundary = g.document(policy.Boundary)
	}
	if g.chance(25) || c.Request.Principal.Type == policy.FederatedUser && g.chance(70) {
		c.SessionPassed = true
		for range pick(g, 0, 1, 1, 1, 1, 1, 2) {
			c.Session = append(c.Session, g.document(policy.Session))
		}
	}
	c.ServiceControl = g.levels(policy.ServiceControl)
	c.ResourceControl = g.levels(policy.ResourceControl)
	return c
}

// levels makes the levels of an organization, most of which have the policy that allows everything.
func (g *Generator) levels(k policy.Kind) [][]*policy.Document {
	if !g.chance(25) {
		return nil
	}
	out := make([][]*policy.Document, pick(g, 1, 1, 2, 3))
	for i := range out {
		if g.chance(80) {
			out[i] = append(out[i], everything(k))
		}
		if g.chance(50) {
			out[i] = append(out[i], g.document(k))
		}
		if g.chance(30) {
			slices.Reverse(out[i])
		}
	}
	return out
}

// everything is FullAWSAccess, or for resource control policies RCPFullAWSAccess.
func everything(k policy.Kind) *policy.Document {
	star := policy.Strings{Values: []policy.Value{{Text: "*"}}}
	st := policy.Statement{Effect: policy.Allow, Actions: star, Resources: star}
	if k == policy.ResourceControl {
		st.Principals = &policy.Principals{Refs: []policy.PrincipalRef{{Type: "*", Value: "*"}}}
	}
	return &policy.Document{Version: policy.Version2012, Statements: []policy.Statement{st}}
}

// document makes a document that is legal for its kind.
func (g *Generator) document(k policy.Kind) *policy.Document {
	d := &policy.Document{Version: pick(g, policy.Version2012, policy.Version2012, policy.Version2012, policy.Version2012, policy.Version2008, "")}
	if k == policy.ResourceControl {
		d.Version = policy.Version2012
	}
	g.vars = d.Version == policy.Version2012
	statements := pick(g, 1, 1, 2, 2, 3, 4)
	if g.IntN(1000) < 3 {
		statements = 40 + g.IntN(120) // as many as make an index worth while
	}
	for i := range statements {
		st := g.legal(k, g.effect(k))
		if g.chance(20) {
			st.Sid = &policy.Value{Text: "S" + strconv.Itoa(i)}
		}
		d.Statements = append(d.Statements, st)
	}
	return d
}

func (g *Generator) effect(k policy.Kind) policy.Effect {
	if k == policy.ResourceControl || g.chance(22) {
		return policy.Deny
	}
	return policy.Allow
}

// element is a part of a statement.
type element int

const (
	principalElement element = iota
	actionElement
	resourceElement
	conditionElement
	noElement
)

// Statement makes a statement toward the question of c, for a document of kind k and version v.
func (g *Generator) Statement(c *Case, k policy.Kind, v policy.Version, effect policy.Effect) policy.Statement {
	g.c, g.vars = c, v == policy.Version2012
	return g.legal(k, effect)
}

// legal makes a statement that a document of its kind may hold.
func (g *Generator) legal(k policy.Kind, effect policy.Effect) policy.Statement {
	for range 8 {
		st := g.statement(k, effect)
		d := &policy.Document{Version: policy.Version2012, Statements: []policy.Statement{st}}
		if !g.vars {
			d.Version = policy.Version2008
		}
		if k == policy.ResourceControl {
			d.Version = policy.Version2012
		}
		if d.Check(k) == nil {
			g.Made++
			return st
		}
		g.Refused++
	}
	g.GivenUp++
	st := everything(k).Statements[0]
	st.Effect = effect
	if k == policy.Trust {
		st.Actions.Values, st.Resources = []policy.Value{{Text: "sts:*"}}, policy.Strings{}
	}
	if k == policy.Resource || k == policy.Trust {
		st.Principals = &policy.Principals{Refs: []policy.PrincipalRef{{Type: "*", Value: "*"}}}
	}
	return st
}

func (g *Generator) statement(k policy.Kind, effect policy.Effect) policy.Statement {
	st := policy.Statement{Effect: effect}
	misses := noElement
	if g.chance(30) || effect == policy.Deny && g.chance(60) {
		misses = pick(g, principalElement, actionElement, resourceElement, resourceElement, conditionElement, conditionElement)
	}
	switch k {
	case policy.Resource, policy.Trust:
		st.Principals = g.principals(k, effect, misses != principalElement)
	case policy.ResourceControl:
		st.Principals = &policy.Principals{Refs: []policy.PrincipalRef{{Type: pick(g, "*", "AWS"), Value: "*"}}}
	}
	st.Actions = g.actions(k, misses != actionElement)
	if k != policy.Trust && !(k == policy.Resource && g.chance(10)) {
		st.Resources = g.resources(misses != resourceElement)
	}
	st.Conditions = g.conditions(effect, misses != conditionElement)
	return st
}
