package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/internal/policygen"
)

func compileStatements(t *testing.T, statements string) *policy.Policy {
	t.Helper()
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Compile(policy.Identity, "p", d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGrants(t *testing.T) {
	actions := []string{"GetObject", "GetBucketPolicy", "ListBucket", "PutObject"}
	for _, tt := range []struct {
		name, statements string
		s3, ec2          bool
	}{
		{"everything", `{"Effect":"Allow","Action":"*","Resource":"*"}`, true, true},
		{"everything, written long", `{"Effect":"Allow","Action":"*:*","Resource":"*"}`, true, true},
		{"the service", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, true, false},
		{"in another case", `{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`, true, false},
		{"a pattern", `{"Effect":"Allow","Action":"s3:Get*Policy","Resource":"*"}`, true, false},
		{"a pattern that nothing fits", `{"Effect":"Allow","Action":"s3:Delete*","Resource":"*"}`, false, false},
		{"an action that does not exist", `{"Effect":"Allow","Action":"s3:Get","Resource":"*"}`, false, false},
		{"a service whose name begins the same", `{"Effect":"Allow","Action":"s3express:*","Resource":"*"}`, false, false},
		{"one of several statements", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Allow","Action":["sqs:*","s3:ListBucket"],"Resource":"*"}`, true, true},
		{"another service's only", `{"Effect":"Allow","Action":"ec2:Run*","Resource":"*"}`, false, true},
		{"all but the service", `{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`, false, true},
		{"all but some of it", `{"Effect":"Allow","NotAction":["s3:Get*","s3:List*"],"Resource":"*"}`, true, true},
		{"all but all of it, in pieces", `{"Effect":"Allow","NotAction":["s3:Get*","s3:List*","s3:Put*"],"Resource":"*"}`, false, true},
		{"all but everything", `{"Effect":"Allow","NotAction":"*","Resource":"*"}`, false, false},
		{"a Deny", `{"Effect":"Deny","Action":"*","Resource":"*"}`, false, false},
		{"a Deny of all but it", `{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`, false, false},
		{"beside a Deny", `{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}`, true, false},
		{"under a condition, on one resource", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compileStatements(t, tt.statements)
			if got := p.Grants("s3", slices.Values(actions)); got != tt.s3 {
				t.Errorf("s3: %v", got)
			}
			if got := p.Grants("ec2", slices.Values([]string{"RunInstances"})); got != tt.ec2 {
				t.Errorf("ec2: %v", got)
			}
			if p.Grants("s3", slices.Values([]string(nil))) {
				t.Error("none of no actions is granted")
			}
		})
	}
}

func TestWithholds(t *testing.T) {
	for _, tt := range []struct {
		name, statements string
		want             bool
	}{
		{"the action", `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`, true},
		{"the service", `{"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::b","*"]}`, true},
		{"all but others", `{"Effect":"Deny","NotAction":"ec2:*","Resource":"*"}`, true},
		{"all but it", `{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`, false},
		{"another action", `{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}`, false},
		{"on one resource", `{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`, false},
		{"on all but one", `{"Effect":"Deny","Action":"s3:*","NotResource":"arn:aws:s3:::b/*"}`, false},
		{"under a condition", `{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, false},
		{"an Allow", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := compileStatements(t, tt.statements).Withholds("s3", "GetObject"); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestGrantsAndDecisions: over generated cases, what an identity policy allows one of them grants, and what one of them withholds
// none allows.
func TestGrantsAndDecisions(t *testing.T) {
	rounds := 5_000
	if testing.Short() || raceDetector {
		rounds = 1_000
	}
	g := policygen.New(rand.NewPCG(13, 0))
	seen := map[string]int{}
	for range rounds {
		c := g.Case()
		set, err := c.Set()
		if err != nil {
			t.Fatal(err)
		}
		r := c.Question(nil)
		service, name, _ := strings.Cut(r.Action, ":")
		one := slices.Values([]string{name})
		d := policy.Evaluate(r, set)
		granted := slices.ContainsFunc(set.Identity, func(p *policy.Policy) bool { return p.Grants(service, one) })
		withheld := slices.ContainsFunc(set.Identity, func(p *policy.Policy) bool { return p.Withholds(service, name) })
		seen[fmt.Sprint(d.Effect, granted, withheld)]++
		if d.Effect == policy.Allow && d.Layer == policy.LayerIdentity && !granted {
			t.Fatalf("%s is allowed by a policy that does not grant it:\n%s", r.Action, c.Archive("grants", "allow"))
		}
		bound := r.Principal.Type == policy.User || r.Principal.Type == policy.AssumedRole // by identity policies
		if d.Effect == policy.Allow && withheld && bound {
			t.Fatalf("%s is allowed although it is withheld:\n%s", r.Action, c.Archive("withholds", "allow"))
		}
	}
	for _, class := range []string{"Allow true false", "Deny true false", "Deny false false", "Deny true true"} {
		if seen[class] < rounds/200 {
			t.Errorf("only %d cases are %s: %v", seen[class], class, seen)
		}
	}
}
