package policy_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

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
