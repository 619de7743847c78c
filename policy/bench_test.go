package policy_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
)

var benchServices = []string{"s3", "sqs", "sns", "ec2", "sdb", "kms", "lambda", "dynamodb", "logs", "elasticache"}

// benchStatement is statement j of policy i: wildcards in action and resource, conditions and variables as people write them.
func benchStatement(i, j int) string {
	service := benchServices[(3*i+j)%len(benchServices)]
	arn := "arn:aws:" + service + ":eu-west-1:111122223333:"
	switch j % 6 {
	case 0:
		return fmt.Sprintf(`{"Effect":"Allow","Action":["%s:Get*","%s:List*"],"Resource":["%sshared-%d/*","%spublic-%d/*"]}`, service, service, arn, i*100+j, arn, i*100+j)
	case 1:
		return fmt.Sprintf(`{"Effect":"Allow","Action":["%s:GetItem","%s:PutItem","%s:DeleteItem"],"Resource":"%shome-%d/${aws:username}/*"}`, service, service, service, arn, i*100+j)
	case 2:
		return fmt.Sprintf(`{"Effect":"Allow","Action":"%s:Put*","Resource":"%steam-%d/*","Condition":{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","198.51.100.0/24"]},`+
			`"StringEquals":{"aws:PrincipalTag/team":["red","blue"]}}}`, service, arn, i*100+j)
	case 3:
		return fmt.Sprintf(`{"Effect":"Allow","Action":"%s:*","Resource":"%sproject/${aws:PrincipalTag/project}/%d-*","Condition":{"StringLike":{"aws:UserAgent":"*console*"}}}`, service, arn, i*100+j)
	case 4:
		return fmt.Sprintf(`{"Effect":"Allow","Action":["%s:Describe*"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, service)
	}
	return fmt.Sprintf(`{"Effect":"Deny","Action":["%s:Delete*","%s:Put*"],"Resource":"arn:aws:%s:*:111122223333:prod-%d/*","Condition":{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"3600"}}}`,
		service, service, service, i*100+j)
}

func benchPolicies(tb testing.TB, kind policy.Kind, policies, statements int) []*policy.Policy {
	tb.Helper()
	var out []*policy.Policy
	for i := range policies {
		var list []string
		for j := range statements {
			list = append(list, benchStatement(i, j))
		}
		out = append(out, benchCompile(tb, kind, fmt.Sprint("p", i), list...))
	}
	return out
}

func benchCompile(tb testing.TB, kind policy.Kind, name string, statements ...string) *policy.Policy {
	tb.Helper()
	p, err := policy.Compile(kind, name, benchParse(tb, statements...))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func benchParse(tb testing.TB, statements ...string) *policy.Document {
	tb.Helper()
	d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// fillContext sets the keys that a request carries.
func fillContext(c *policy.Context, now time.Time, addr netip.Addr) {
	c.Set("aws:PrincipalType", "User")
	c.Set("aws:username", "alice")
	c.SetTag("aws:PrincipalTag/", "team", "blue")
	c.SetTag("aws:PrincipalTag/", "project", "apollo")
	c.Set("aws:userid", "AIDACKCEVSQ6C2EXAMPLE")
	c.Set("aws:PrincipalAccount", "111122223333")
	c.Set("aws:PrincipalArn", "arn:aws:iam::111122223333:user/alice")
	c.Set("aws:ResourceAccount", "111122223333")
	c.SetTag("aws:ResourceTag/", "stage", "test")
	c.SetTag("s3:ResourceTag/", "stage", "test")
	c.SetTime("aws:CurrentTime", now)
	c.SetInt("aws:EpochTime", now.Unix())
	c.SetBool("aws:SecureTransport", true)
	c.SetBool("aws:ViaAWSService", false)
	c.SetBool("aws:PrincipalIsAWSService", false)
	c.Set("aws:RequestedRegion", "eu-west-1")
	c.SetAddr("aws:SourceIp", addr)
	c.Set("aws:UserAgent", "Mozilla/5.0 console.amazonaws.com")
	c.SetBool("aws:MultiFactorAuthPresent", true)
	c.SetInt("aws:MultiFactorAuthAge", 4000)
}

func benchRequest(action, resource string) *policy.Request {
	c := &policy.Context{}
	fillContext(c, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), netip.MustParseAddr("203.0.113.7"))
	return &policy.Request{
		Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333", UniqueID: "AIDACKCEVSQ6C2EXAMPLE"},
		Action:    action, Resource: resource, Context: c,
	}
}

// benchCases asks about statements in the middle of the policies: allow by a variable, by conditions, both; deny; nothing that fits.
func benchCases(i int) []struct {
	name, action, resource string
	want                   policy.Effect
} {
	at := func(j int) (service, arn string) {
		service = benchServices[(3*i+j)%len(benchServices)]
		return service, "arn:aws:" + service + ":eu-west-1:111122223333:"
	}
	s1, a1 := at(1)
	s2, a2 := at(2)
	s3, a3 := at(3)
	s5, a5 := at(5)
	return []struct {
		name, action, resource string
		want                   policy.Effect
	}{
		{"allow/variable", s1 + ":GetItem", fmt.Sprintf("%shome-%d/alice/notes.txt", a1, i*100+1), policy.Allow},
		{"allow/conditions", s2 + ":PutItem", fmt.Sprintf("%steam-%d/notes.txt", a2, i*100+2), policy.Allow},
		{"allow/both", s3 + ":UpdateItem", fmt.Sprintf("%sproject/apollo/%d-notes.txt", a3, i*100+3), policy.Allow},
		{"deny", s5 + ":DeleteItem", fmt.Sprintf("%sprod-%d/notes.txt", a5, i*100+5), policy.Deny},
		{"miss", s1 + ":GetItem", fmt.Sprintf("%shome-%d/bob/notes.txt", a1, i*100+1), policy.Deny},
	}
}

// BenchmarkEvaluate decides for principals with so many statements, from shared documents and merged.
func BenchmarkEvaluate(b *testing.B) {
	for _, size := range []struct{ policies, statements int }{{1, 6}, {10, 6}, {20, 30}, {50, 100}} {
		ps := benchPolicies(b, policy.Identity, size.policies, size.statements)
		shared := &policy.Set{Identity: ps}
		merged := &policy.Set{Identity: ps, IdentityProgram: policy.Merge(ps)}
		for _, c := range benchCases(size.policies / 2) {
			r := benchRequest(c.action, c.resource)
			for _, form := range []struct {
				name string
				set  *policy.Set
			}{{"merged", merged}, {"shared", shared}} {
				b.Run(fmt.Sprintf("%d/%s/%s", size.policies*size.statements, c.name, form.name), func(b *testing.B) {
					if d := policy.Evaluate(r, form.set); d.Effect != c.want || d.Explicit != (c.name == "deny") {
						b.Fatalf("%+v", d)
					}
					b.ReportAllocs()
					for b.Loop() {
						policy.Evaluate(r, form.set)
					}
				})
			}
		}
	}
}

// BenchmarkTiny decides by one statement.
func BenchmarkTiny(b *testing.B) {
	set := &policy.Set{Identity: []*policy.Policy{benchCompile(b, policy.Identity, "tiny", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}`)}}
	for _, resource := range []string{"arn:aws:s3:::bucket/key", "arn:aws:s3:::other/key"} {
		r := benchRequest("s3:GetObject", resource)
		b.Run(policy.Evaluate(r, set).Effect.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				policy.Evaluate(r, set)
			}
		})
	}
}

// layered is a principal with sixty statements under a boundary, a session policy and two levels of SCPs.
func layered(tb testing.TB) *policy.Set {
	ps := benchPolicies(tb, policy.Identity, 10, 6)
	full := `{"Effect":"Allow","Action":"*","Resource":"*"}`
	guard := func(name, region string) *policy.Policy {
		return benchCompile(tb, policy.ServiceControl, name,
			`{"Effect":"Deny","NotAction":["iam:*","sts:*","organizations:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","`+region+`"]}}}`,
			`{"Effect":"Deny","Action":["cloudtrail:StopLogging","cloudtrail:DeleteTrail"],"Resource":"*"}`)
	}
	level := func(region string) []*policy.Policy {
		return []*policy.Policy{benchCompile(tb, policy.ServiceControl, "FullAWSAccess", full), guard("regions", region)}
	}
	return &policy.Set{
		Identity: ps, IdentityProgram: policy.Merge(ps),
		Boundary:       benchCompile(tb, policy.Boundary, "boundary", full, `{"Effect":"Deny","Action":["iam:*","organizations:*"],"Resource":"*"}`),
		Session:        []*policy.Policy{benchCompile(tb, policy.Session, "session", `{"Effect":"Allow","Action":["s3:*","sqs:*","ec2:*","lambda:*","logs:*","dynamodb:*","kms:*"],"Resource":"*"}`)},
		ServiceControl: [][]*policy.Policy{level("us-east-1"), level("eu-central-1")},
	}
}

// BenchmarkLayers decides under five layers.
func BenchmarkLayers(b *testing.B) {
	set := layered(b)
	shared := *set
	shared.IdentityProgram = nil
	for _, c := range benchCases(5) {
		r := benchRequest(c.action, c.resource)
		for name, s := range map[string]*policy.Set{"merged": set, "shared": &shared} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				if d := policy.Evaluate(r, s); d.Effect != c.want {
					b.Fatalf("%+v", d)
				}
				b.ReportAllocs()
				for b.Loop() {
					policy.Evaluate(r, s)
				}
			})
		}
	}
}

// BenchmarkParallel decides on all processors with the same policies.
func BenchmarkParallel(b *testing.B) {
	ps := benchPolicies(b, policy.Identity, 10, 6)
	set := &policy.Set{Identity: ps, IdentityProgram: policy.Merge(ps)}
	c := benchCases(5)[2]
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := benchRequest(c.action, c.resource)
		for pb.Next() {
			policy.Evaluate(r, set)
		}
	})
}

// BenchmarkContext fills a context that was used before.
func BenchmarkContext(b *testing.B) {
	c := &policy.Context{}
	now, addr := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), netip.MustParseAddr("203.0.113.7")
	b.ReportAllocs()
	for b.Loop() {
		c.Reset()
		fillContext(c, now, addr)
	}
}

// adversary is a pattern and a subject of n bytes made to be slow for it.
func adversary(n int) map[string][2]string {
	as := strings.Repeat("a", n)
	return map[string][2]string{
		"stars":         {"arn:aws:s3:::" + strings.Repeat("a*", n/2) + "b", "arn:aws:s3:::" + as},
		"abc":           {"arn:aws:s3:::*a*b*c*d*e*f*g*z", "arn:aws:s3:::" + strings.Repeat("abcdefg", n/7)},
		"long pieces":   {"arn:aws:s3:::*" + strings.Repeat("a", n/2) + "b*", "arn:aws:s3:::" + as},
		"characters":    {"arn:aws:s3:::*" + strings.Repeat("a?", 15) + "b*", "arn:aws:s3:::" + as},
		"segments":      {"arn:aws:logs:*:*:*:*a*:*b", "arn:aws:logs:" + strings.Repeat("a:", n/2)},
		"variable":      {"arn:aws:s3:::*${aws:username}b*", "arn:aws:s3:::" + as},
		"many patterns": {"arn:aws:s3:*:*:a*a*b", "arn:aws:s3:::" + as},
	}
}

// BenchmarkAdversarial matches patterns against subjects of 100 and 1,000 bytes. Linear matching shows as a ratio of ten or less.
func BenchmarkAdversarial(b *testing.B) {
	for name := range adversary(100) {
		times := map[int]float64{}
		for _, n := range []int{100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				a := adversary(n)[name]
				set := &policy.Set{Identity: []*policy.Policy{benchCompile(b, policy.Identity, "p", `{"Effect":"Allow","Action":"*","Resource":"`+a[0]+`"}`)}}
				r := benchRequest("s3:GetObject", a[1])
				r.Context.Set("aws:username", strings.Repeat("a", n/2))
				b.ReportAllocs()
				for b.Loop() {
					policy.Evaluate(r, set)
				}
				times[n] = float64(b.Elapsed()) / float64(b.N)
				if n == 1000 {
					b.ReportMetric(times[1000]/times[100], "ratio")
				}
			})
		}
	}
}

// BenchmarkCompile compiles what was parsed, and merges what was compiled.
func BenchmarkCompile(b *testing.B) {
	for _, size := range []struct{ policies, statements int }{{10, 6}, {20, 30}} {
		var docs []*policy.Document
		for i := range size.policies {
			var list []string
			for j := range size.statements {
				list = append(list, benchStatement(i, j))
			}
			docs = append(docs, benchParse(b, list...))
		}
		n := size.policies * size.statements
		b.Run(fmt.Sprintf("%d/documents", n), func(b *testing.B) {
			for b.Loop() {
				for _, d := range docs {
					if _, err := policy.Compile(policy.Identity, "p", d); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		ps := benchPolicies(b, policy.Identity, size.policies, size.statements)
		b.Run(fmt.Sprintf("%d/merge", n), func(b *testing.B) {
			for b.Loop() {
				policy.Merge(ps)
			}
		})
	}
}

// BenchmarkMemory reports the bytes that a statement takes compiled, and what merging adds.
func BenchmarkMemory(b *testing.B) {
	const policies, statements = 20, 30
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		var docs []*policy.Document
		start := heap()
		for i := range policies {
			var list []string
			for j := range statements {
				list = append(list, benchStatement(i, j))
			}
			docs = append(docs, benchParse(b, list...))
		}
		parsed := heap()
		var ps []*policy.Policy
		for _, d := range docs {
			p, err := policy.Compile(policy.Identity, "p", d)
			if err != nil {
				b.Fatal(err)
			}
			ps = append(ps, p)
		}
		compiled := heap()
		m := policy.Merge(ps)
		merged := heap()
		b.ReportMetric(float64(parsed-start)/(policies*statements), "B/document-statement")
		b.ReportMetric(float64(compiled-parsed)/(policies*statements), "B/compiled-statement")
		b.ReportMetric(float64(merged-compiled)/(policies*statements), "B/merged-statement")
		b.ReportMetric(float64(m.Size())/(policies*statements), "B/Size")
		runtime.KeepAlive(docs)
		runtime.KeepAlive(ps)
	}
}
