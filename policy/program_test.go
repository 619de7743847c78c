package policy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
	"github.com/ostiary-iam/ostiary/policy/internal/policygen"
)

// TestMergedEqualsShared holds that merging identity policies changes nothing of a decision, not even the statement it names.
func TestMergedEqualsShared(t *testing.T) {
	g := policygen.New(rand.NewPCG(7, 8))
	for range 3_000 {
		c := g.Case()
		set, err := c.Set()
		if err != nil {
			t.Fatal(err)
		}
		set.IdentityProgram = nil
		merged := *set
		merged.IdentityProgram = policy.Merge(set.Identity)
		r := c.Question(&policy.Context{})
		if d, m := policy.Evaluate(r, set), policy.Evaluate(r, &merged); d != m {
			t.Fatalf("%+v, merged %+v\n%s", d, m, c.Archive("merged", ""))
		}
	}
}

// indexWords are parts of actions and resources that share beginnings and ends, so that an index has branches of every kind.
var indexWords = []string{"a", "ab", "abc", "b", "*", "?", "a*", "*b", "${aws:username}", "${aws:PrincipalTag/t, 'ab'}", "${aws:EpochTime}", "é", ":", "/", "arn:aws:s3:::", "arn:aws:s3:*:*:", "ar"}

// TestIndexFindsAll holds an index of many statements against each of the statements alone, where there is next to no index: the
// first denial, and else the first allow, must be the one that decides.
func TestIndexFindsAll(t *testing.T) {
	g := rand.New(rand.NewPCG(9, 10))
	word := func(n int, words []string) string {
		var b strings.Builder
		for range 1 + g.IntN(n) {
			b.WriteString(words[g.IntN(len(words))])
		}
		return b.String()
	}
	resource := func() string {
		s := word(4, indexWords)
		if !strings.HasPrefix(s, "arn:aws:s3:") && s != "*" {
			s = "arn:aws:s3:::" + s
		}
		return s
	}
	action := func(words ...string) string { return "s" + word(1, []string{"", "3", "q"}) + ":" + word(3, words) }
	found := map[string]int{}
	for round := range 400 {
		var alone []*policy.Policy
		var list []string
		for range 1 + g.IntN(30) {
			a := fmt.Sprintf("%q:%q", "Action", action("g", "get", "G", "a", "*", "?"))
			if g.IntN(12) == 0 {
				a = fmt.Sprintf("%q:[%q,%q]", []string{"Action", "NotAction"}[g.IntN(2)], action("g", "get*"), []string{"*", "s3:*"}[g.IntN(2)])
			}
			key := "Resource"
			if g.IntN(12) == 0 {
				key = "NotResource"
			}
			st := fmt.Sprintf(`{"Effect":%q,%s,%q:[%q,%q]}`, []string{"Allow", "Allow", "Deny"}[g.IntN(3)], a, key, resource(), resource())
			d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":` + st + `}`))
			if err != nil {
				t.Fatalf("%s: %s", st, all(err))
			}
			p, err := policy.Compile(policy.Identity, "alone", d)
			if err != nil {
				continue
			}
			alone, list = append(alone, p), append(list, st)
		}
		if len(list) == 0 {
			continue
		}
		whole := compile(t, policy.Identity, `{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`)
		merged := &policy.Set{IdentityProgram: policy.Merge([]*policy.Policy{whole})}
		for range 50 {
			c := &policy.Context{}
			if g.IntN(3) > 0 {
				c.Set("aws:username", word(2, []string{"a", "b", "*", ":", "é"}))
			}
			c.SetInt("aws:EpochTime", int64(g.IntN(3)))
			name := strings.NewReplacer("*", "", "?", "x").Replace(resource())
			r := &policy.Request{Principal: policy.Principal{Type: policy.User, Account: "111122223333"}, ResourceAccount: "111122223333",
				Action: action("g", "get", "GET", "a", ""), Resource: strings.NewReplacer("${aws:username}", "ab", "${aws:EpochTime}", "1", "${aws:PrincipalTag/t, 'ab'}", "ab").Replace(name), Context: c}
			if g.IntN(20) == 0 {
				r.Action += strings.Repeat("x", 100)
			}
			want, at := policy.Decision{Layer: policy.LayerIdentity}, 0
			for i, p := range alone {
				d := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{p}})
				if d.Explicit || d.Effect == policy.Allow && want.Effect == policy.Deny {
					if want, at = d, i; d.Explicit {
						break
					}
				}
			}
			for form, set := range map[string]*policy.Set{"compiled": {Identity: []*policy.Policy{whole}}, "merged": merged} {
				got := policy.Evaluate(r, set)
				if got.Effect != want.Effect || got.Explicit != want.Explicit || got.Statement != at {
					t.Fatalf("round %d, %s: %+v, statement by statement %+v of statement %d\nrequest %+v\n%s", round, form, got, want, at, r, strings.Join(list, "\n"))
				}
			}
			switch {
			case want.Explicit:
				found["denied"]++
			case want.Effect == policy.Allow:
				found["allowed"]++
			default:
				found["missed"]++
			}
		}
	}
	if found["denied"] < 500 || found["allowed"] < 500 || found["missed"] < 500 {
		t.Errorf("%v; the test proves little", found)
	}
}

// TestContextAllocatesOnce holds that a context in a pool needs no memory of its own after its first use, and that deciding by typed
// values as text needs none either.
func TestContextAllocatesOnce(t *testing.T) {
	c := &policy.Context{}
	now, addr := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")
	if n := testing.AllocsPerRun(100, func() { c.Reset(); fillContext(c, now, addr) }); n != 0 {
		t.Errorf("filling a context: %v allocations", n)
	}
	set := &policy.Set{Identity: []*policy.Policy{compile(t, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:SourceIp}/${aws:EpochTime}/${aws:CurrentTime}",
		"Condition":{"StringLike":{"aws:SourceIp":"2001:*:6666"},"DateGreaterThan":{"aws:EpochTime":"2020"},"NumericLessThan":{"aws:EpochTime":"1e300"},"StringEqualsIgnoreCase":{"aws:SecureTransport":"TRUE"}}}}`)}}
	r := benchRequest("s3:GetObject", "arn:aws:s3:::b/2001:db8:1111:2222:3333:4444:5555:6666/1782907200/2026-07-01T12:00:00Z")
	r.Context = c
	if d := policy.Evaluate(r, set); d.Effect != policy.Allow {
		t.Fatalf("%+v", d)
	}
	if n := testing.AllocsPerRun(100, func() { policy.Evaluate(r, set) }); n != 0 {
		t.Errorf("deciding: %v allocations", n)
	}
	layers := layered(t)
	for _, c := range benchCases(5) {
		r := benchRequest(c.action, c.resource)
		if n := testing.AllocsPerRun(100, func() { policy.Evaluate(r, layers) }); n != 0 {
			t.Errorf("%s under all layers: %v allocations", c.name, n)
		}
	}
}

// TestContextKeys holds how keys are found: without regard to letter case, tags by their parts, keys with other letters than ASCII.
func TestContextKeys(t *testing.T) {
	c := &policy.Context{}
	c.SetTag("aws:PrincipalTag/", "Team", "a")
	c.SetTag("no slash", "x", "b")
	c.SetTag("aws:RequestTag/", "a/b", "c")
	c.Set("aws:PrincipalTag/ÉQUIPE", "d")
	c.Set("aws:PrincipalTag/K", "e")
	c.SetInt("n", 7)
	for key, want := range map[string]string{"AWS:principaltag/TEAM": "a", "aws:PrincipalTag/Team": "a", "no slashX": "b", "aws:requesttag/A/B": "c",
		"aws:PrincipalTag/équipe": "d", "aws:PrincipalTag/\u212a": "e", "N": "7"} {
		if v, ok := c.Lookup(key); !ok || len(v) != 1 || v[0] != want {
			t.Errorf("%s: %q, %v", key, v, ok)
		}
	}
	for _, key := range []string{"aws:PrincipalTag/", "aws:PrincipalTag/Tea", "Team", "aws:PrincipalTag/Team/", "aws:PrincipalTagTeam"} {
		if v, ok := c.Lookup(key); ok {
			t.Errorf("%s: %q", key, v)
		}
	}
	c.Set("AWS:PRINCIPALTAG/team", "x", "y")
	if v, _ := c.Lookup("aws:PrincipalTag/Team"); len(v) != 2 {
		t.Errorf("set again: %q", v)
	}
	c.SetBool("aws:principaltag/\u212a", true)
	if v, _ := c.Lookup("aws:PrincipalTag/k"); len(v) != 1 || v[0] != "true" {
		t.Errorf("set again: %q", v)
	}
	for i := range 300 {
		c.Set(fmt.Sprint("key", i), fmt.Sprint(i))
	}
	for i := range 300 {
		if v, _ := c.Lookup(fmt.Sprint("KEY", i)); len(v) != 1 || v[0] != fmt.Sprint(i) {
			t.Errorf("key %d of many: %q", i, v)
		}
	}
}

// TestManyAddressRanges holds sorted ranges against the ranges themselves.
func TestManyAddressRanges(t *testing.T) {
	g := rand.New(rand.NewPCG(11, 12))
	addr := func() netip.Addr {
		if g.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(g.IntN(2)), byte(g.IntN(4)), byte(g.IntN(8))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 15: byte(g.IntN(8))})
	}
	for range 200 {
		var ranges []netip.Prefix
		var quoted []string
		for range 12 {
			a := addr()
			p, err := a.Prefix(a.BitLen() - g.IntN(5))
			if err != nil {
				t.Fatal(err)
			}
			if g.IntN(30) == 0 {
				p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			ranges, quoted = append(ranges, p), append(quoted, fmt.Sprintf("%q", p))
		}
		set := &policy.Set{Identity: []*policy.Policy{compile(t, policy.Identity,
			`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":[`+strings.Join(quoted, ",")+`]}}}}`)}}
		for range 50 {
			a, want := addr(), false
			for _, p := range ranges {
				want = want || p.Contains(a)
			}
			r := benchRequest("s3:GetObject", "arn:aws:s3:::b")
			r.Context.SetAddr("aws:SourceIp", a)
			if got := policy.Evaluate(r, set).Effect == policy.Allow; got != want {
				t.Fatalf("%v in %v: %v", a, ranges, got)
			}
		}
	}
}

// TestNestedActions holds that many actions that contain one another neither confuse the index nor make it grow beyond measure.
func TestNestedActions(t *testing.T) {
	var list []string
	for i := range 300 {
		list = append(list, fmt.Sprintf(`{"Effect":"Allow","Action":["s3:%s*","s3:%s"],"Resource":["arn:aws:s3:::b/%d","arn:aws:s3:::c/%d/*"]}`,
			strings.Repeat("a", i), strings.Repeat("a", i+1), i, i))
	}
	p := compile(t, policy.Identity, `{"Version":"2012-10-17","Statement":[`+strings.Join(list, ",")+`]}`)
	m := policy.Merge([]*policy.Policy{p})
	if m.Size() > 1000*len(list) {
		t.Errorf("%d bytes for %d statements", m.Size(), len(list))
	}
	for _, set := range []*policy.Set{{Identity: []*policy.Policy{p}}, {IdentityProgram: m}} {
		for _, n := range []int{0, 1, 2, 7, 90, 94} {
			for _, at := range []int{0, 1, n - 1, n, n + 1, 299} {
				r := benchRequest("S3:"+strings.Repeat("A", n), fmt.Sprintf("arn:aws:s3:::b/%d", at))
				if d := policy.Evaluate(r, set); (d.Effect == policy.Allow) != (0 <= at && at <= n) || d.Effect == policy.Allow && (d.Statement != at || d.Policy != p) {
					t.Errorf("an action of %d letters, resource %d: %+v", n, at, d)
				}
			}
		}
	}
}
