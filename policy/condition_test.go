package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
)

// outcomes evaluates a condition block in an Allow and in a Deny beside an Allow of everything, and says in which of the two
// it matched.
func outcomes(t *testing.T, block string, c *policy.Context) (allow, deny bool) {
	t.Helper()
	run := func(doc string) policy.Effect {
		r := &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/a", Account: "111122223333"},
			Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Context: c}
		return policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{compile(t, policy.Identity, doc)}}).Effect
	}
	statement := `{"Effect":%q,"Action":"*","Resource":"*","Condition":` + block + `}`
	allow = run(`{"Version":"2012-10-17","Statement":`+fmt.Sprintf(statement, "Allow")+`}`) == policy.Allow
	deny = run(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},`+fmt.Sprintf(statement, "Deny")+`]}`) == policy.Deny
	return allow, deny
}

func compile(t *testing.T, k policy.Kind, doc string) *policy.Policy {
	t.Helper()
	d, err := policy.Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%s: %s", doc, all(err))
	}
	p, err := policy.Compile(k, "test", d)
	if err != nil {
		t.Fatalf("%s: %s", doc, all(err))
	}
	return p
}

// What a test says of a condition: it matches or not, whatever the effect, or AWS defines nothing, so that it matches in a Deny only.
const (
	no = iota
	yes
	undefined
)

// TestOperators holds every operator against request values. In values | separates several, and "-" is the absent key.
func TestOperators(t *testing.T) {
	tests := []struct {
		operator, policy, values string
		want                     int
	}{
		{"StringEquals", `"a"`, "a", yes},
		{"StringEquals", `"a"`, "A", no},
		{"StringEquals", `["b","a"]`, "a", yes},
		{"StringEquals", `"a*"`, "a*", yes},
		{"StringEquals", `"a*"`, "ab", no},
		{"StringEquals", `["1","2","3","4","5","6","7","8","9","10"]`, "9", yes},
		{"StringEquals", `["1","2","3","4","5","6","7","8","9","10"]`, "11", no},
		{"StringEquals", `5`, "5", yes},
		{"StringEquals", `true`, "true", yes},
		{"StringNotEquals", `"a"`, "b", yes},
		{"StringNotEquals", `["a","b"]`, "b", no},
		{"StringNotEquals", `["a","b"]`, "c", yes},
		{"StringEqualsIgnoreCase", `"aÉ"`, "Aé", yes},
		{"StringEqualsIgnoreCase", `"a"`, "ab", no},
		{"StringNotEqualsIgnoreCase", `"a"`, "A", no},
		{"StringNotEqualsIgnoreCase", `"a"`, "b", yes},
		{"StringLike", `"a*c?"`, "abbcd", yes},
		{"StringLike", `"a*"`, "a", yes},
		{"StringLike", `"a*"`, "ba", no},
		{"StringLike", `"*:b"`, "a:x:b", yes},
		{"StringLike", `"A*"`, "ab", no},
		{"StringNotLike", `["a*","b*"]`, "bc", no},
		{"StringNotLike", `["a*","b*"]`, "c", yes},
		{"NumericEquals", `"10"`, "10.0", yes},
		{"NumericEquals", `10`, "1e1", yes},
		{"NumericEquals", `9007199254740993`, "9007199254740992", no},
		{"NumericNotEquals", `"10"`, "11", yes},
		{"NumericNotEquals", `"10"`, "10", no},
		{"NumericLessThan", `"10"`, "9.99", yes},
		{"NumericLessThan", `"10"`, "10", no},
		{"NumericLessThan", `"-1"`, "-2", yes},
		{"NumericLessThanEquals", `"10"`, "10", yes},
		{"NumericLessThanEquals", `"0.05"`, "0.051", no},
		{"NumericGreaterThan", `"10"`, "10.001", yes},
		{"NumericGreaterThan", `"0"`, "-0", no},
		{"NumericGreaterThanEquals", `"10"`, "10", yes},
		{"NumericGreaterThanEquals", `"10"`, "9", no},
		{"NumericEquals", `"10"`, "ten", undefined},
		{"NumericNotEquals", `"10"`, "ten", undefined},
		{"DateEquals", `"2013-06-30T00:00:00Z"`, "2013-06-30", yes},
		{"DateEquals", `"2013-06-30T00:00:00Z"`, "1372550400", yes},
		{"DateEquals", `"2013-06-30T02:00+02:00"`, "2013-06-30T00:00:00.000Z", yes},
		{"DateNotEquals", `"2013"`, "2013-01-01T00:00:00Z", no},
		{"DateNotEquals", `"2013"`, "2013-01-01T00:00:01Z", yes},
		{"DateLessThan", `"2013-06"`, "2013-05-31T23:59:59.999Z", yes},
		{"DateLessThan", `"2013-06"`, "2013-06-01T00:00:00Z", no},
		{"DateLessThanEquals", `"2013-06"`, "2013-06-01T00:00:00Z", yes},
		{"DateGreaterThan", `"2013-06-30T12:00Z"`, "2013-06-30T12:00:00.001Z", yes},
		{"DateGreaterThan", `1372550400`, "1372550400", no},
		{"DateGreaterThanEquals", `1372550400`, "1372550400", yes},
		{"DateLessThan", `"2013-06"`, "yesterday", undefined},
		{"Bool", `"true"`, "true", yes},
		{"Bool", `true`, "TRUE", yes},
		{"Bool", `"false"`, "true", no},
		{"Bool", `["true","false"]`, "false", yes},
		{"Bool", `"true"`, "maybe", undefined},
		{"BinaryEquals", `"aGVsbG8="`, "hello", yes},
		{"BinaryEquals", `"aGVsbG8="`, "aGVsbG8=", no},
		{"IpAddress", `"203.0.113.0/24"`, "203.0.113.255", yes},
		{"IpAddress", `"203.0.113.0/24"`, "203.0.114.0", no},
		{"IpAddress", `"203.0.113.7"`, "203.0.113.7", yes},
		{"IpAddress", `"203.0.113.7"`, "203.0.113.8", no},
		{"IpAddress", `["203.0.113.0/24","2001:DB8:1234:5678::/64"]`, "2001:db8:1234:5678:1::", yes},
		{"IpAddress", `"2001:DB8::1"`, "2001:db8::2", no},
		{"IpAddress", `"0.0.0.0/0"`, "2001:db8::2", no},
		{"IpAddress", `"203.0.113.0/24"`, "::ffff:203.0.113.9", yes},
		{"NotIpAddress", `["203.0.113.0/24","198.51.100.0/24"]`, "198.51.100.1", no},
		{"NotIpAddress", `["203.0.113.0/24","198.51.100.0/24"]`, "192.0.2.1", yes},
		{"NotIpAddress", `"203.0.113.0/24"`, "localhost", undefined},
		{"ArnEquals", `"arn:aws:sns:*:111122223333:t?"`, "arn:aws:sns:us-east-1:111122223333:t1", yes},
		{"ArnLike", `"arn:aws:sns:*:111122223333:t?"`, "arn:aws:sns:us-east-1:x:111122223333:t1", no},
		{"ArnLike", `"arn:aws:someservice:*:111122223333:finance/*"`, "arn:aws:someservice:r:111122223333:finance/a:b", yes},
		{"ArnLike", `"arn:aws:s3:::a*z"`, "arn:aws:s3:::a:b:z", yes},
		{"ArnLike", `"arn:aws:s3*"`, "arn:aws:s3:::b", no},
		{"ArnLike", `"*"`, "arn:aws:s3:::b", yes},
		{"ArnLike", `"arn:aws:iam::111122223333:user/Bob"`, "arn:aws:iam::111122223333:user/bob", no},
		{"ArnNotEquals", `["arn:aws:s3:::a","arn:aws:s3:::b"]`, "arn:aws:s3:::b", no},
		{"ArnNotLike", `"arn:aws:s3:::a*"`, "arn:aws:s3:::b", yes},
		{"ArnNotLike", `"arn:aws:s3*"`, "arn:aws:s3:::b", undefined},
		{"ArnLike", `"arn:aws:s3:::b"`, "b", undefined},
		{"Null", `"true"`, "-", yes},
		{"Null", `"true"`, "a", no},
		{"Null", `false`, "a|b", yes},
		{"Null", `false`, "-", no},
		// absent keys
		{"StringEquals", `"a"`, "-", no},
		{"StringNotEquals", `"a"`, "-", yes},
		{"StringNotEqualsIgnoreCase", `"a"`, "-", yes},
		{"StringNotLike", `"a"`, "-", yes},
		{"NumericNotEquals", `1`, "-", yes},
		{"NumericLessThan", `1`, "-", no},
		{"DateNotEquals", `"2013"`, "-", yes},
		{"NotIpAddress", `"203.0.113.0/24"`, "-", yes},
		{"ArnNotEquals", `"arn:aws:s3:::a"`, "-", yes},
		{"Bool", `"false"`, "-", no},
		{"StringEqualsIfExists", `"a"`, "-", yes},
		{"StringEqualsIfExists", `"a"`, "b", no},
		{"StringNotEqualsIfExists", `"a"`, "-", yes},
		{"BoolIfExists", `"false"`, "-", yes},
		{"NumericLessThanIfExists", `1`, "-", yes},
		// several values with a plain operator
		{"StringEquals", `"a"`, "a|b", undefined},
		{"StringNotEquals", `"c"`, "a|b", undefined},
		{"StringEqualsIfExists", `"a"`, "a|a", undefined},
		{"Bool", `"true"`, "true|true", undefined},
		// set operators
		{"ForAllValues:StringEquals", `["a","b","c"]`, "a|b", yes},
		{"ForAllValues:StringEquals", `["a","b","c"]`, "a|d", no},
		{"ForAllValues:StringEquals", `"a"`, "-", yes},
		{"ForAllValues:StringEquals", `"a"`, "", yes},
		{"ForAllValues:StringNotEquals", `["a","b"]`, "c|d", yes},
		{"ForAllValues:StringNotEquals", `["a","b"]`, "c|b", no},
		{"ForAllValues:StringNotEquals", `"a"`, "-", yes},
		{"ForAnyValue:StringEquals", `["a","b"]`, "x|b", yes},
		{"ForAnyValue:StringEquals", `["a","b"]`, "x|y", no},
		{"ForAnyValue:StringEquals", `["a",""]`, "", no},
		{"ForAnyValue:StringEquals", `"a"`, "-", no},
		{"ForAnyValue:StringNotEquals", `["a","b"]`, "a|b", no},
		{"ForAnyValue:StringNotEquals", `["a","b"]`, "a|c", yes},
		{"ForAnyValue:StringNotEquals", `"a"`, "-", no},
		{"ForAnyValue:StringLikeIfExists", `"a*"`, "-", yes},
		{"ForAnyValue:StringLikeIfExists", `"a*"`, "b", no},
		{"ForAllValues:ArnLike", `"arn:aws:s3:::*"`, "arn:aws:s3:::a|arn:aws:s3:::b", yes},
		{"ForAllValues:NumericLessThan", `5`, "1|x", undefined},
		{"ForAnyValue:IpAddress", `"203.0.113.0/24"`, "192.0.2.1|203.0.113.1", yes},
		{"StringEquals", `""`, "", yes},
	}
	covered := map[string]bool{}
	for _, tt := range tests {
		base := tt.operator[strings.IndexByte(tt.operator, ':')+1:]
		covered[strings.TrimSuffix(base, "IfExists")] = true
		c := &policy.Context{}
		if tt.values != "-" {
			c.Set("Test:Key", strings.Split(tt.values, "|")...)
		}
		allow, deny := outcomes(t, fmt.Sprintf(`{%q:{"test:key":%s}}`, tt.operator, tt.policy), c)
		if wantAllow, wantDeny := tt.want == yes, tt.want != no; allow != wantAllow || deny != wantDeny {
			t.Errorf("%s %s on %q: matches in an Allow %v, in a Deny %v; want %v, %v", tt.operator, tt.policy, tt.values, allow, deny, wantAllow, wantDeny)
		}
	}
	for _, name := range policy.Operators() {
		if !covered[name] {
			t.Errorf("%s is not tested", name)
		}
	}
}

// TestBlocks holds the combination of tests (S4-89, S4-96, S4-127, S4-128).
func TestBlocks(t *testing.T) {
	queue := `{"DateGreaterThan":{"aws:CurrentTime":"2013-08-16T12:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2013-08-16T15:00:00Z"},
		"IpAddress":{"aws:SourceIp":["192.0.2.0/24","203.0.113.0/24"]}}`
	network := `{"IpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"},"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}`
	set := func(kv ...string) *policy.Context {
		c := &policy.Context{}
		for i := 0; i < len(kv); i += 2 {
			c.Set(kv[i], kv[i+1])
		}
		return c
	}
	tests := []struct {
		name, block string
		context     *policy.Context
		want        bool
	}{
		{"S4-96 inside", queue, set("aws:currenttime", "2013-08-16T13:00:00Z", "AWS:SOURCEIP", "203.0.113.7"), true},
		{"S4-96 too late", queue, set("aws:CurrentTime", "2013-08-16T16:00:00Z", "aws:SourceIp", "203.0.113.7"), false},
		{"S4-96 elsewhere", queue, set("aws:CurrentTime", "2013-08-16T13:00:00Z", "aws:SourceIp", "198.51.100.1"), false},
		{"S4-127 neither", network, nil, true},
		{"S4-127 one fits", network, set("aws:SourceVpc", "vpc-1"), true},
		{"S4-127 one does not", network, set("aws:SourceVpc", "vpc-1", "aws:SourceIp", "192.0.2.1"), false},
		{"S4-128 long-term", `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`, nil, true},
		{"S4-128 plain", `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`, nil, false},
		{"S4-90 an empty block", `{}`, nil, true},
	}
	for _, tt := range tests {
		if allow, deny := outcomes(t, tt.block, tt.context); allow != tt.want || deny != tt.want {
			t.Errorf("%s: allow %v, deny %v, want %v", tt.name, allow, deny, tt.want)
		}
	}
}

// TestEmptyKey holds that a key without values counts as absent.
func TestEmptyKey(t *testing.T) {
	for block, want := range map[string]bool{
		`{"Null":{"k:k":"true"}}`: true, `{"StringEquals":{"k:k":"a"}}`: false, `{"StringNotEquals":{"k:k":"a"}}`: true,
		`{"ForAllValues:StringEquals":{"k:k":"a"}}`: true, `{"ForAnyValue:StringEquals":{"k:k":"a"}}`: false,
		`{"StringEqualsIfExists":{"k:k":"a"}}`: true,
	} {
		c := &policy.Context{}
		c.Set("k:k")
		if allow, deny := outcomes(t, block, c); allow != want || deny != want {
			t.Errorf("%s: %v, %v", block, allow, deny)
		}
	}
}

func TestContext(t *testing.T) {
	var c policy.Context
	c.Set("aws:PrincipalTag/Équipe", "rouge")
	c.SetBool("aws:SecureTransport", true)
	c.SetInt("aws:MultiFactorAuthAge", -5)
	c.SetTime("aws:CurrentTime", time.Date(2026, 1, 2, 3, 4, 5, 999, time.FixedZone("", 3600)))
	c.SetAddr("aws:SourceIp", netip.MustParseAddr("::ffff:203.0.113.9"))
	c.Set("aws:TagKeys")
	for key, want := range map[string]string{"AWS:principaltag/éQUIPE": "rouge", "aws:securetransport": "true",
		"AWS:MultiFactorAuthAge": "-5", "aws:CurrentTime": "2026-01-02T02:04:05Z", "aws:sourceip": "203.0.113.9"} {
		if got, ok := c.Lookup(key); !ok || len(got) != 1 || got[0] != want {
			t.Errorf("Lookup(%q) = %q, %v", key, got, ok)
		}
	}
	if got, ok := c.Lookup("aws:tagkeys"); !ok || len(got) != 0 {
		t.Errorf("a key without values: %q, %v", got, ok)
	}
	typed := `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"DateLessThan":{"aws:CurrentTime":"2026-01-02T02:04:06Z"},
		"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:MultiFactorAuthAge":0},"StringLike":{"aws:SourceIp":"203.*"}}`
	if allow, deny := outcomes(t, typed, &c); !allow || !deny {
		t.Error("typed values do not match")
	}
	c.Set("AWS:SOURCEIP", "192.0.2.1")
	if allow, _ := outcomes(t, typed, &c); allow {
		t.Error("the later value does not replace the typed one")
	}
	c.Reset()
	if _, ok := c.Lookup("aws:SecureTransport"); ok {
		t.Error("Reset left a key")
	}
	if _, ok := (*policy.Context)(nil).Lookup("a"); ok {
		t.Error("the nil Context has a key")
	}
}
