package policy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

// generator makes policies and requests that often fit.
type generator struct{ *rand.Rand }

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

func (g generator) statement(k policy.Kind, effect string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"Effect":%q`, effect)
	switch k {
	case policy.Trust:
		fmt.Fprintf(&b, `,"Action":%q`, pick(g, "sts:AssumeRole", "sts:*"))
	case policy.ResourceControl:
		fmt.Fprintf(&b, `,"Action":%q,"Resource":%q`, pick(g, "s3:Get*", "s3:*"), pick(g, "*", "arn:aws:s3:::b/*"))
	default:
		fmt.Fprintf(&b, `,%q:[%q,%q]`, pick(g, "Action", "Action", "Action", "NotAction"), pick(g, "s3:Get*", "sqs:*", "sts:AssumeRole"), pick(g, "*", "s3:*", "iam:*"))
		fmt.Fprintf(&b, `,%q:[%q,%q]`, pick(g, "Resource", "Resource", "Resource", "NotResource"),
			pick(g, "*", "arn:aws:s3:::b/*", "arn:aws:s3:::${aws:username}/*"), pick(g, "arn:aws:sqs:*:111122223333:q", "arn:aws:s3:::b", "*"))
	}
	switch {
	case k == policy.ResourceControl:
		b.WriteString(`,"Principal":"*"`)
	case k == policy.Resource && effect == "Deny" && g.IntN(4) == 0:
		b.WriteString(`,"NotPrincipal":{"AWS":["111122223333","arn:aws:iam::111122223333:user/alice"]}`)
	case k == policy.Resource || k == policy.Trust:
		fmt.Fprintf(&b, `,"Principal":{"AWS":%q}`, pick(g, "*", "111122223333", "444455556666", "arn:aws:iam::111122223333:user/alice",
			"arn:aws:iam::111122223333:role/r", "arn:aws:sts::111122223333:assumed-role/r/s"))
	}
	if g.IntN(3) == 0 {
		fmt.Fprintf(&b, `,"Condition":{%q:{"aws:username":%q}}`, pick(g, "StringEquals", "StringNotLike", "StringLikeIfExists", "ForAllValues:StringLike",
			"ForAnyValue:StringEquals"), pick(g, "alice", "b*", "${aws:username}"))
	}
	b.WriteByte('}')
	return b.String()
}

// document makes a policy of n statements; only is an effect that all have, or empty.
func (g generator) document(k policy.Kind, n int, only string) []string {
	var out []string
	for range n {
		effect := only
		if effect == "" {
			effect = pick(g, "Allow", "Allow", "Allow", "Deny")
		}
		if k == policy.ResourceControl && effect == "Allow" {
			out = append(out, `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`)
			continue
		}
		out = append(out, g.statement(k, effect))
	}
	return out
}

func (g generator) request() *policy.Request {
	c := &policy.Context{}
	if g.IntN(4) > 0 {
		c.Set("aws:username", pick(g, []string{"alice"}, []string{"b"}, []string{"a", "b"})...)
	}
	account := pick(g, "111122223333", "111122223333", "444455556666")
	p := pick(g,
		policy.Principal{Type: policy.User, ARN: "arn:aws:iam::" + account + ":user/alice", Account: account, UniqueID: "AIDA1"},
		policy.Principal{Type: policy.Root, ARN: "arn:aws:iam::" + account + ":root", Account: account, UniqueID: account},
		policy.Principal{Type: policy.AssumedRole, ARN: "arn:aws:sts::" + account + ":assumed-role/r/s", Account: account, RoleARN: "arn:aws:iam::" + account + ":role/r"},
		policy.Principal{Type: policy.FederatedUser, ARN: "arn:aws:sts::" + account + ":federated-user/f", Account: account,
			IssuerUserARN: "arn:aws:iam::" + account + ":user/alice"},
		policy.Principal{Type: policy.Anonymous},
		policy.Principal{Type: policy.ServicePrincipal, Service: "s3.amazonaws.com"})
	return &policy.Request{Principal: p, Action: pick(g, "s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sts:AssumeRole"),
		Resource: pick(g, "arn:aws:s3:::b/k", "arn:aws:s3:::b", "arn:aws:sqs:us-east-1:111122223333:q", "*"), ResourceAccount: "111122223333", Context: c}
}

// situation is a Set in the making: the statements of each policy.
type situation struct {
	kinds []policy.Kind
	docs  [][]string
}

func (g generator) situation() situation {
	var s situation
	add := func(k policy.Kind) {
		s.kinds, s.docs = append(s.kinds, k), append(s.docs, g.document(k, 1+g.IntN(3), ""))
	}
	for range 1 + g.IntN(3) {
		add(policy.Identity)
	}
	for _, k := range []policy.Kind{policy.Boundary, policy.Session, policy.ServiceControl, policy.ResourceControl} {
		if g.IntN(4) == 0 {
			add(k)
		}
	}
	if g.IntN(2) == 0 {
		add(pick(g, policy.Resource, policy.Resource, policy.Trust))
	}
	return s
}

func (s situation) set(t *testing.T) *policy.Set {
	out := &policy.Set{}
	for i, k := range s.kinds {
		p := compile(t, k, `{"Version":"2012-10-17","Statement":[`+strings.Join(s.docs[i], ",")+`]}`)
		switch k {
		case policy.Identity:
			out.Identity = append(out.Identity, p)
		case policy.Boundary:
			out.Boundary = p
		case policy.Session:
			out.Session = append(out.Session, p)
		case policy.ServiceControl:
			out.ServiceControl = append(out.ServiceControl, []*policy.Policy{p})
		case policy.ResourceControl:
			out.ResourceControl = append(out.ResourceControl, []*policy.Policy{p})
		default:
			out.Resource = p
		}
	}
	return out
}

func (s situation) clone() situation {
	c := situation{kinds: slices.Clone(s.kinds)}
	for _, d := range s.docs {
		c.docs = append(c.docs, slices.Clone(d))
	}
	return c
}

// TestLaws holds what is true of every decision, whatever the policies say.
func TestLaws(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	allowed, denied, explicit := 0, 0, 0
	for range 4_000 {
		s, r := g.situation(), g.request()
		set := s.set(t)
		d := policy.Evaluate(r, set)
		switch {
		case d.Effect == policy.Allow:
			allowed++
		case d.Explicit:
			explicit++
		default:
			denied++
		}
		fail := func(law string, other policy.Decision) {
			t.Fatalf("%s: %+v then %+v\nrequest %+v\npolicies %v %v", law, d, other, r, s.kinds, s.docs)
		}
		i := g.IntN(len(s.docs))

		more := s.clone()
		more.docs[i] = append(more.docs[i], g.document(s.kinds[i], 1, "Deny")...)
		if got := policy.Evaluate(r, more.set(t)); got.Effect == policy.Allow && d.Effect != policy.Allow {
			fail("adding a Deny allows more", got)
		}
		more = s.clone()
		more.docs[i] = append(more.docs[i], g.document(s.kinds[i], 1, "Allow")...)
		if got := policy.Evaluate(r, more.set(t)); got.Effect != policy.Allow && d.Effect == policy.Allow {
			fail("adding an Allow denies", got)
		}
		shuffled := s.clone()
		for _, doc := range shuffled.docs {
			g.Shuffle(len(doc), func(i, j int) { doc[i], doc[j] = doc[j], doc[i] })
		}
		other := shuffled.set(t)
		slices.Reverse(other.Identity)
		if got := policy.Evaluate(r, other); got.Effect != d.Effect || got.Explicit != d.Explicit || got.Layer != d.Layer {
			fail("order matters", got)
		}
		if set.Boundary == nil && (set.Resource == nil || !strings.Contains(fmt.Sprint(s.docs), "NotPrincipal")) {
			bounded := *set
			bounded.Boundary = compile(t, policy.Boundary, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
			if got := policy.Evaluate(r, &bounded); got.Effect != d.Effect || got.Layer != d.Layer {
				fail("a boundary of * matters", got)
			}
		}
		explained(t, r, set, d)
	}
	if allowed < 200 || denied < 200 || explicit < 200 {
		t.Errorf("%d allowed, %d denied, %d explicitly; the test proves little", allowed, denied, explicit)
	}
}

// explained holds Explain against Evaluate.
func explained(t *testing.T, r *policy.Request, set *policy.Set, d policy.Decision) {
	t.Helper()
	x := policy.Explain(r, set)
	if x.Decision != d {
		t.Fatalf("Explain decides %+v, Evaluate %+v", x.Decision, d)
	}
	named := slices.ContainsFunc(x.Statements, func(m policy.Match) bool { return m.Policy == d.Policy && m.Statement == d.Statement })
	if d.Policy != nil && !named {
		t.Fatalf("the deciding statement %+v is not among %v", d, x.Statements)
	}
	if d.Effect == policy.Deny && !d.Explicit && len(x.Statements) > 0 {
		t.Fatalf("an implicit denial by statements %v", x.Statements)
	}
	if !slices.IsSorted(x.Missing) {
		t.Fatalf("missing keys %v", x.Missing)
	}
}

// TestNoAllocation holds that Evaluate allocates nothing, on any path.
func TestNoAllocation(t *testing.T) {
	doc := `{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*/secret/*","Condition":{"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24"]},
			"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"},"NumericLessThan":{"s3:max-keys":"10"}}},
		{"Effect":"Allow","Action":["s3:Get*","s3:Li?t*"],"Resource":["arn:aws:s3:::b/${aws:username}/*","arn:aws:s3:::*/a/*/${aws:PrincipalTag/t, 'x'}/?/*"],
		 "Condition":{"StringEqualsIgnoreCase":{"aws:username":"${aws:username}"},"ForAllValues:StringLike":{"aws:TagKeys":["a*","*b"]},
			"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/${aws:username}"},"Bool":{"aws:SecureTransport":"true"},
			"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}}]}`
	c := &policy.Context{}
	c.Set("aws:username", "alice")
	c.Set("aws:PrincipalArn", "arn:aws:iam::111122223333:user/alice")
	c.Set("aws:TagKeys", "ab", "bb")
	c.Set("aws:SourceIp", "2001:db8::1")
	c.Set("aws:CurrentTime", "2026-01-01T00:00:00Z")
	c.SetInt("s3:max-keys", 5)
	c.SetBool("aws:SecureTransport", true)
	set := &policy.Set{Identity: []*policy.Policy{compile(t, policy.Identity, doc)}, Boundary: compile(t, policy.Boundary, doc),
		ServiceControl: [][]*policy.Policy{{compile(t, policy.ServiceControl, doc)}}}
	r := &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
		Action: "S3:getobject", Resource: "arn:aws:s3:::b/alice/k", Context: c}
	if d := policy.Evaluate(r, set); d.Effect != policy.Allow {
		t.Fatalf("%+v", d)
	}
	for _, resource := range []string{"arn:aws:s3:::b/alice/k", "arn:aws:s3:::z/a/b/x/é/q", "arn:aws:s3:::b/secret/k", "*"} {
		r.Resource = resource
		if n := testing.AllocsPerRun(100, func() { policy.Evaluate(r, set) }); n != 0 {
			t.Errorf("%s: %v allocations", resource, n)
		}
	}
}

// TestDecisionNamesStatement holds the deciding statement and the kinds that go into a decision.
func TestDecisionNamesStatement(t *testing.T) {
	p := compile(t, policy.Identity, `{"Statement":[{"Sid":"One","Effect":"Allow","Action":"a:b","Resource":"*"},{"Sid":"Two","Effect":"Allow","Action":"c:d","Resource":"*"}]}`)
	r := &policy.Request{Principal: policy.Principal{Type: policy.User, Account: "111122223333"}, Action: "c:d", Resource: "*"}
	d := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{p}})
	if d.Policy != p || d.Statement != 1 || p.Sid(d.Statement) != "Two" || d.Layer != policy.LayerIdentity || p.Kind() != policy.Identity || p.Len() != 2 {
		t.Errorf("%+v", d)
	}
	if d := policy.Evaluate(&policy.Request{Action: "c:d", Resource: "*"}, &policy.Set{Identity: []*policy.Policy{p}}); d.Effect == policy.Allow {
		t.Errorf("a principal of no type is allowed: %+v", d)
	}
	long := strings.Repeat("x", 200)
	q := compile(t, policy.Identity, `{"Statement":{"Effect":"Allow","Action":"`+long+`:y*","Resource":"*"}}`)
	r.Action = strings.ToUpper(long) + ":Yes"
	if d := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{q}}); d.Effect != policy.Allow {
		t.Errorf("a long service name: %+v", d)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"S","Effect":"Allow","Principal":{"AWS":["*"]},"Action":["s3:*"],"Resource":"*",` +
			`"Condition":{"ForAnyValue:StringLikeIfExists":{"aws:a":["${aws:b, 'c'}*",1,true]},"DateLessThan":{"aws:c":"2013-01-01T00:00Z"}}}]}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":"arn:aws:s3:::${*}"}}`,
		`{"Statement":[{}],"Statement":{}}`, "\"\\ud800\"", `{"Statement":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := policy.Parse(src)
		if err != nil {
			if d != nil || err.Error() == "" {
				t.Errorf("%q: %v, %v", src, d, err)
			}
			return
		}
		out, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := policy.Parse(out)
		if err != nil || !again.Equal(d) {
			t.Fatalf("%q is printed as %q: %s", src, out, all(err))
		}
		if twice, _ := again.MarshalJSON(); !bytes.Equal(out, twice) {
			t.Errorf("%q is printed as %q and %q", src, out, twice)
		}
		for k := policy.Identity; k <= policy.ResourceControl; k++ {
			p, err := policy.Compile(k, "fuzz", d)
			if (err == nil) != (d.Check(k) == nil) {
				t.Errorf("%q as %v: Check and Compile differ: %v", src, k, err)
			}
			if err != nil {
				continue
			}
			r := &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/a", Account: "111122223333"},
				Action: "s3:GetObject", Resource: "arn:aws:s3:::b", Context: &policy.Context{}}
			r.Context.Set("aws:a", "x", "y")
			policy.Explain(r, &policy.Set{Identity: []*policy.Policy{p}, Resource: p})
		}
	})
}
