package policy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/internal/policygen"
)

// relation says what may become of a decision when a law's change is made.
type relation int

const (
	same         relation = iota // effect, explicitness and layer stay
	sameEffect                   // the effect stays
	neverAllows                  // what was not allowed stays so
	neverDenies                  // what was allowed stays so
	alwaysAllows                 // the changed case is allowed
)

// law is something that is true of every decision. change makes the change on a copy of the case; it reports whether there was something
// to change.
type law struct {
	name   string
	expect relation
	change func(g *policygen.Generator, c *policygen.Case) bool
}

var laws = []law{
	{"adding a Deny never allows more", neverAllows, addStatement(policy.Deny)},
	{"adding an Allow never denies", neverDenies, addStatement(policy.Allow)},
	{"adding a test to an Allow never allows more", neverAllows, addTest(policy.Allow)},
	{"adding a test to a Deny never denies more", neverDenies, addTest(policy.Deny)},
	{"the order of policies does not matter", same, shufflePolicies},
	{"the order of statements does not matter", same, eachDocument(func(g *policygen.Generator, d *policy.Document) bool { return shuffle(g, d.Statements) })},
	{"the order of values does not matter", same, eachStatement(shuffleValues)},
	{"the order of context keys does not matter", same, shuffleKeys},
	{"splitting an Action list changes nothing", same, splitStatements(func(st *policy.Statement) *policy.Strings { return &st.Actions })},
	{"splitting a Resource list changes nothing", same, splitStatements(func(st *policy.Statement) *policy.Strings { return &st.Resources })},
	{"splitting a Principal list changes nothing", same, eachDocument(splitPrincipals)},
	{"splitting a policy changes nothing", same, splitPolicy},
	{"a statement twice is one", same, eachDocument(repeatStatement)},
	{"renaming a Sid changes nothing", same, eachStatement(renameSid)},
	{"a boundary of * is no boundary where no NotPrincipal is at work", same, addBoundary},
	{"a session policy of * is none", sameEffect, addSession},
	{"the canonical form means the same", same, eachText(func(d *policy.Document) ([]byte, error) { return d.MarshalJSON() })},
	{"the formatted text means the same", same, eachText(func(d *policy.Document) ([]byte, error) { return d.Format(), nil })},
	{"the normal form means the same", same, inPartitionAWS(eachDocument(func(_ *policygen.Generator, d *policy.Document) bool { *d = *d.Normal(); return true }))},
	{"one of Action and NotAction matches", alwaysAllows, complement(func(st *policy.Statement) *policy.Strings { return &st.Actions })},
	{"one of Resource and NotResource matches", alwaysAllows, complement(func(st *policy.Statement) *policy.Strings { return &st.Resources })},
}

func decide(c *policygen.Case) (policy.Decision, error) {
	set, err := c.Set()
	if err != nil {
		return policy.Decision{}, err
	}
	return policy.Evaluate(c.Question(nil), set), nil
}

// TestLaws holds the laws over generated cases.
func TestLaws(t *testing.T) {
	rounds := 2_000
	if testing.Short() || raceDetector {
		rounds = 200
	}
	for i, l := range laws {
		t.Run(l.name, func(t *testing.T) {
			g := policygen.New(rand.NewPCG(11, uint64(i)))
			changed := map[string]int{}
			for range rounds {
				l.hold(t, g, changed)
			}
			for _, class := range []string{"allow", "deny-explicit", "deny-implicit"} {
				if changed[class] < rounds/50 && !(l.expect == alwaysAllows && changed["allow"] > rounds/50) {
					t.Errorf("the law was tried on %d of %s: %v", changed[class], class, changed)
				}
			}
		})
	}
}

// hold tries the law on one case.
func (l *law) hold(t *testing.T, g *policygen.Generator, changed map[string]int) {
	c := g.Case()
	before, err := decide(c)
	if err != nil {
		t.Fatal(err)
	}
	other := c.Clone()
	if !l.change(g, other) {
		return
	}
	after, err := decide(other)
	if err != nil {
		t.Fatalf("%v\n%s", err, other.Archive("changed", "?"))
	}
	changed[class(before)]++
	broken := false
	switch l.expect {
	case same:
		broken = before.Effect != after.Effect || before.Explicit != after.Explicit || before.Layer != after.Layer
	case sameEffect:
		broken = before.Effect != after.Effect || before.Explicit != after.Explicit
	case neverAllows:
		broken = before.Effect != policy.Allow && after.Effect == policy.Allow
	case neverDenies:
		broken = before.Effect == policy.Allow && after.Effect != policy.Allow
	case alwaysAllows:
		broken = after.Effect != policy.Allow
	}
	if broken {
		t.Fatalf("%s before, %s after\n%s\n%s", text(before), text(after), c.Archive("before", text(before)), other.Archive("after", text(after)))
	}
}

func class(d policy.Decision) string { return strings.Fields(text(d))[0] }

func text(d policy.Decision) string {
	switch {
	case d.Effect == policy.Allow:
		return "allow " + d.Layer.String()
	case d.Explicit:
		return "deny-explicit " + d.Layer.String()
	}
	return "deny-implicit " + d.Layer.String()
}

// placed is a document with its kind.
type placed struct {
	kind policy.Kind
	doc  *policy.Document
}

func documents(c *policygen.Case) []placed {
	var out []placed
	c.Documents(func(_ string, k policy.Kind, d *policy.Document) { out = append(out, placed{k, d}) })
	return out
}

func shuffle[T any](g *policygen.Generator, list []T) bool {
	g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return len(list) > 1
}

// eachDocument makes a change in every document.
func eachDocument(change func(*policygen.Generator, *policy.Document) bool) func(*policygen.Generator, *policygen.Case) bool {
	return func(g *policygen.Generator, c *policygen.Case) bool {
		any := false
		for _, p := range documents(c) {
			any = change(g, p.doc) || any
		}
		return any
	}
}

// inPartitionAWS leaves out callers of other partitions: the normal form writes the ARN of an account's root in partition aws as the
// account's number, which says nothing of a partition.
func inPartitionAWS(change func(*policygen.Generator, *policygen.Case) bool) func(*policygen.Generator, *policygen.Case) bool {
	return func(g *policygen.Generator, c *policygen.Case) bool {
		name := c.Request.Principal.ARN
		return (name == "" || strings.HasPrefix(name, "arn:aws:")) && change(g, c)
	}
}

// eachStatement makes a change in every statement.
func eachStatement(change func(*policygen.Generator, *policy.Statement) bool) func(*policygen.Generator, *policygen.Case) bool {
	return eachDocument(func(g *policygen.Generator, d *policy.Document) bool {
		any := false
		for i := range d.Statements {
			any = change(g, &d.Statements[i]) || any
		}
		return any
	})
}

func addStatement(effect policy.Effect) func(*policygen.Generator, *policygen.Case) bool {
	return func(g *policygen.Generator, c *policygen.Case) bool {
		list := documents(c)
		if len(list) == 0 {
			return false
		}
		p := list[g.IntN(len(list))]
		st := policy.Statement{}
		if p.kind == policy.ResourceControl && effect == policy.Allow {
			star := policy.Strings{Values: []policy.Value{{Text: "*"}}}
			st = policy.Statement{Effect: policy.Allow, Actions: star, Resources: star, Principals: &policy.Principals{Refs: []policy.PrincipalRef{{Type: "*", Value: "*"}}}}
		} else {
			st = g.Statement(c, p.kind, p.doc.Version, effect)
		}
		p.doc.Statements = append(p.doc.Statements, st)
		return true
	}
}

// addTest gives a statement the tests of another.
func addTest(effect policy.Effect) func(*policygen.Generator, *policygen.Case) bool {
	return func(g *policygen.Generator, c *policygen.Case) bool {
		var to []*policy.Statement
		for _, p := range documents(c) {
			for i := range p.doc.Statements {
				if st := &p.doc.Statements[i]; st.Effect == effect && (p.kind != policy.ResourceControl || effect == policy.Deny) && p.doc.EffectiveVersion() == policy.Version2012 {
					to = append(to, st)
				}
			}
		}
		if len(to) == 0 {
			return false
		}
		st := to[g.IntN(len(to))]
		more := g.Statement(c, policy.Identity, policy.Version2012, effect).Conditions
		for _, m := range more {
			at := slices.IndexFunc(st.Conditions, func(x policy.Condition) bool { return x.Operator.Text == m.Operator.Text })
			if at < 0 {
				st.Conditions = append(st.Conditions, m)
			}
		}
		return len(more) > 0
	}
}

func shufflePolicies(g *policygen.Generator, c *policygen.Case) bool {
	a, b := shuffle(g, c.Identity), shuffle(g, c.Session)
	any := a || b
	for _, levels := range [][][]*policy.Document{c.ServiceControl, c.ResourceControl} {
		any = shuffle(g, levels) || any
		for _, l := range levels {
			any = shuffle(g, l) || any
		}
	}
	return any
}

func shuffleValues(g *policygen.Generator, st *policy.Statement) bool {
	a, b, d := shuffle(g, st.Actions.Values), shuffle(g, st.Resources.Values), shuffle(g, st.Conditions)
	any := a || b || d
	if st.Principals != nil {
		any = shuffle(g, st.Principals.Refs) || any
	}
	for _, cond := range st.Conditions {
		any = shuffle(g, cond.Tests) || any
		for _, test := range cond.Tests {
			any = shuffle(g, test.Values) || any
		}
	}
	return any
}

func shuffleKeys(g *policygen.Generator, c *policygen.Case) bool {
	for i, k := range c.Keys {
		if slices.ContainsFunc(c.Keys[:i], func(o policygen.Key) bool { return strings.EqualFold(o.Name, k.Name) }) {
			return false // the later one counts
		}
	}
	return shuffle(g, c.Keys)
}

// splitStatements puts every value of a list into a statement of its own. A list of what is not meant cannot be split.
func splitStatements(list func(*policy.Statement) *policy.Strings) func(*policygen.Generator, *policygen.Case) bool {
	return eachDocument(func(_ *policygen.Generator, d *policy.Document) bool {
		var out []policy.Statement
		for _, st := range d.Statements {
			values := list(&st).Values
			if list(&st).Not || len(values) == 0 {
				out = append(out, st)
				continue
			}
			for _, v := range values {
				one := st
				one.Sid = nil
				list(&one).Values = []policy.Value{v}
				out = append(out, one)
			}
		}
		any := len(out) > len(d.Statements)
		d.Statements = out
		return any
	})
}

func splitPrincipals(_ *policygen.Generator, d *policy.Document) bool {
	var out []policy.Statement
	for _, st := range d.Statements {
		if st.Principals == nil || st.Principals.Not {
			out = append(out, st)
			continue
		}
		for _, ref := range st.Principals.Refs {
			one := st
			one.Sid = nil
			one.Principals = &policy.Principals{Refs: []policy.PrincipalRef{ref}}
			out = append(out, one)
		}
	}
	d.Statements = out
	return true
}

// splitPolicy moves the statements behind the first into a policy of their own, where the layer admits it.
func splitPolicy(_ *policygen.Generator, c *policygen.Case) bool {
	any := false
	split := func(list []*policy.Document) []*policy.Document {
		var out []*policy.Document
		for _, d := range list {
			out = append(out, d)
			if len(d.Statements) > 1 {
				out = append(out, &policy.Document{Version: d.Version, Statements: d.Statements[1:]})
				d.Statements = d.Statements[:1]
				any = true
			}
		}
		return out
	}
	c.Identity, c.Session = split(c.Identity), split(c.Session)
	for _, levels := range [][][]*policy.Document{c.ServiceControl, c.ResourceControl} {
		for i := range levels {
			levels[i] = split(levels[i])
		}
	}
	return any
}

func repeatStatement(g *policygen.Generator, d *policy.Document) bool {
	st := d.Statements[g.IntN(len(d.Statements))]
	st.Sid = nil
	d.Statements = slices.Insert(d.Statements, g.IntN(len(d.Statements)+1), st)
	return true
}

func renameSid(g *policygen.Generator, st *policy.Statement) bool {
	if st.Sid == nil {
		return false
	}
	st.Sid = &policy.Value{Text: "Renamed" + st.Sid.Text}
	return true
}

func star() *policy.Document {
	list := policy.Strings{Values: []policy.Value{{Text: "*"}}}
	return &policy.Document{Statements: []policy.Statement{{Effect: policy.Allow, Actions: list, Resources: list}}}
}

func addBoundary(_ *policygen.Generator, c *policygen.Case) bool {
	if c.Boundary != nil {
		return false
	}
	if c.Resource != nil {
		for _, st := range c.Resource.Statements {
			if st.Principals.Not {
				return false
			}
		}
	}
	c.Boundary = star()
	return true
}

func addSession(_ *policygen.Generator, c *policygen.Case) bool {
	if c.SessionPassed || c.Request.Principal.Type == policy.FederatedUser {
		return false
	}
	c.SessionPassed, c.Session = true, []*policy.Document{star()}
	return true
}

// eachText prints every document and reads it again.
func eachText(print func(*policy.Document) ([]byte, error)) func(*policygen.Generator, *policygen.Case) bool {
	return eachDocument(func(_ *policygen.Generator, d *policy.Document) bool {
		text, err := print(d)
		if err != nil {
			panic(err)
		}
		again, err := policy.Parse(text)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", text, err))
		}
		if twice, err := print(again); err != nil || !bytes.Equal(text, twice) || !again.Equal(d) {
			panic(fmt.Sprintf("%s is printed as %s: %v", text, twice, err))
		}
		*d = *again
		return true
	})
}

// complement leaves one Allow, which is about everything but for one list, and puts it beside the same Allow with the list negated:
// what one of them does not allow, the other does. Variables without value are left out, since an element with one matches no resource,
// and what is written as an ARN and is none, since nobody knows what it matches.
func complement(list func(*policy.Statement) *policy.Strings) func(*policygen.Generator, *policygen.Case) bool {
	return func(_ *policygen.Generator, c *policygen.Case) bool {
		if len(c.Identity) == 0 {
			return false
		}
		d := c.Identity[0]
		st := star().Statements[0]
		*list(&st) = *list(&d.Statements[0])
		for _, v := range list(&st).Values {
			if strings.Contains(v.Text, "${") || strings.HasPrefix(v.Text, "arn:") && strings.Count(v.Text, ":") < 5 && !strings.HasSuffix(v.Text, "*") {
				return false
			}
		}
		other := st
		list(&other).Not = !list(&st).Not
		q := c.Request
		q.Principal = policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"}
		q.ResourceAccount = "111122223333"
		if strings.HasPrefix(strings.ToLower(q.Action), "sts:") || strings.HasPrefix(strings.ToLower(q.Action), "kms:") {
			return false // more than an identity policy is needed
		}
		both := []policy.Statement{st, other}
		allowed := 0
		for i := range both {
			one := &policygen.Case{Identity: []*policy.Document{{Version: d.Version, Statements: both[i : i+1]}}, Request: q, Keys: c.Keys}
			if got, err := decide(one); err == nil && got.Effect == policy.Allow {
				allowed++
			}
		}
		*c = policygen.Case{Identity: []*policy.Document{{Version: d.Version, Statements: both}}, Request: q, Keys: c.Keys}
		if allowed != 1 { // so that the law is broken: both, or none
			c.Identity = nil
		}
		return true
	}
}
