package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/policy"
)

// TestParseErrors holds that all problems are reported at once, each with its place.
func TestParseErrors(t *testing.T) {
	src := "{\n" +
		"  \"Version\": \"2013\",\n" +
		"  \"version\": \"2012-10-17\",\n" +
		"  \"Statement\": [\n" +
		"    {\"Effect\": \"Permit\", \"Action\": [\"s3:a\", 5], \"Resource\": \"*\", \"Effect\": \"Deny\"},\n" +
		"    {\"Effect\": \"allow\", \"Action\": \"s3:é\", \"NotAction\": [], \"Principal\": \"me\"},\n" +
		"    {\"Effect\": \"Allow\", \"Condition\": {\"StringLike\": {\"aws:a\": [], \"aws:b\": {}, \"aws:c\": \"x\", \"AWS:C\": null}}}\n" +
		"  ]\n" +
		"}\nx"
	_, err := policy.Parse([]byte(src))
	var list policy.Errors
	if !errors.As(err, &list) {
		t.Fatalf("no Errors: %v", err)
	}
	var got []string
	for _, e := range list {
		if e.Pos.Offset < 0 || e.Pos.Offset > len(src) {
			t.Errorf("offset %d", e.Pos.Offset)
		}
		got = append(got, e.String())
	}
	want := []string{
		`2:14: Version: must be 2012-10-17 or 2008-10-17`,
		`3:3: version: unknown element "version"`,
		`5:16: Statement[0].Effect: must be Allow or Deny`,
		`5:45: Statement[0].Action[1]: must be a string`,
		`5:66: Statement[0].Effect: written twice`,
		`6:5: Statement[1]: Action and NotAction exclude each other`,
		`6:73: Statement[1].Principal: must be "*" or an object`,
		`7:76: Statement[2].Condition.StringLike.aws:b: must be a string, a number or a Boolean`,
		`7:94: Statement[2].Condition.StringLike.AWS:C: the same key as "aws:c", whose letter case does not matter`,
		`7:103: Statement[2].Condition.StringLike.AWS:C: must be a string, a number or a Boolean`,
		`9:2: text behind the document`,
		`6:16: Statement[1].Effect: must be Allow or Deny, with a capital letter`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err.Error() != "Syntax errors in policy." {
		t.Errorf("the error says %q", err)
	}
	if !errors.Is(err, error(list[3])) {
		t.Error("the error does not unwrap to its parts")
	}
}

// TestParseAs holds that the problems of grammar and kind come together, and that no problem is told twice.
func TestParseAs(t *testing.T) {
	src := `{"Version":"2012","Statement":[
		{"Effect":"Permit","Action":["GetItem",5],"Resource":"b"},
		{"Sid":"a b","Effect":"Allow","NotAction":[],"Principal":"me"},
		{"Effect":"Allow","Action":{},"Resource":[7],"Condition":{"NumericEquals":{"a":"x","b":null}}}]}`
	_, err := policy.Options{}.ParseAs(policy.Identity, []byte(src))
	var got []string
	var list policy.Errors
	if errors.As(err, &list) {
		for _, e := range list {
			got = append(got, e.String())
		}
	}
	want := []string{
		`1:12: Version: must be 2012-10-17 or 2008-10-17`,
		`2:13: Statement[0].Effect: must be Allow or Deny`,
		`2:42: Statement[0].Action[1]: must be a string`,
		`3:60: Statement[1].Principal: must be "*" or an object`,
		`4:30: Statement[2].Action: must be a string`,
		`4:45: Statement[2].Resource[0]: must be a string`,
		`4:90: Statement[2].Condition.NumericEquals.b: must be a string, a number or a Boolean`,
		`4:82: Statement[2].Condition.NumericEquals.a: not a number: x`,
		`3:10: Statement[1].Sid: only letters and digits`,
		`3:33: Statement[1].NotAction: an empty list`,
		`2:56: Statement[0].Resource[0]: must begin with arn: or be "*"`,
		`2:32: Statement[0].Action[0]: an action has the form service:name`,
		`3:3: Statement[1].Resource: is missing`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, src := range []string{`{"Statement":`, `[]`, `{"Statement":[]}`, `{"Version":"x"}`} {
		if _, err := (policy.Options{}).ParseAs(policy.Identity, []byte(src)); err == nil || err.Error() != "Syntax errors in policy." {
			t.Errorf("%s: %v", src, err)
		}
	}
	if d, err := (policy.Options{}).ParseAs(policy.Resource, []byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}`)); err != nil || len(d.Statements) != 1 {
		t.Errorf("%v, %v", d, err)
	}
	for _, k := range []policy.Kind{policy.Resource, policy.Trust} {
		if _, err := (policy.Options{}).ParseAs(k, []byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole","Resource":[]}}`)); err == nil {
			t.Errorf("%v: an empty list of resources is accepted", k)
		}
	}
}

func TestNotJSON(t *testing.T) {
	for src, want := range map[string]string{
		"":                    "1:1: not JSON: the text ends too early",
		"null":                "1:1: must be an object",
		"[]":                  "1:1: must be an object",
		"{}":                  "1:1: Statement is missing",
		`{"Statement":[]}`:    "1:14: Statement: holds no statement",
		`{"Statement":5}`:     "1:14: Statement[0]: must be an object",
		`{"Statement":[5`:     "1:15: Statement[0]: must be an object",
		"{\n\"Statement\" 1}": "2:13: not JSON: invalid character '1' after object name (expecting ':')",
		"{\"Id\":\"\xff\"}":   "1:8: invalid UTF-8",
		"{\"Id\":\"Ā\"}":      "1:8: character U+0100 is not allowed",
		"\ufeff{}":            "1:1: character U+FEFF is not allowed",
	} {
		_, err := policy.Parse([]byte(src))
		var list policy.Errors
		if !errors.As(err, &list) || list[0].String() != want {
			t.Errorf("%q: %s, want %s", src, all(err), want)
		}
	}
}

func TestParseKeepsPlaces(t *testing.T) {
	src := "{ \"Statement\" : {\n \"Effect\":\"Deny\", \"Action\":[ \"a:b\" ,\"c:d\"],\"Principal\":{\"AWS\":[\"111122223333\",\"*\"], \"Service\":\"x.y\"}," +
		"\"Condition\":{\"NumericLessThan\":{\"k:k\":[1, 2.50 ,true]}}}}"
	d, err := policy.Parse([]byte(src))
	if err != nil {
		t.Fatal(all(err))
	}
	st := d.Statements[0]
	if st.Pos != (policy.Position{Offset: 16, Line: 1, Column: 17}) {
		t.Errorf("statement at %+v", st.Pos)
	}
	for _, v := range st.Actions.Values {
		if got := src[v.Pos.Offset:v.End]; got != `"`+v.Text+`"` {
			t.Errorf("%q is at %q", v.Text, got)
		}
	}
	for i, want := range []string{"1", "2.50", "true"} {
		if v := st.Conditions[0].Tests[0].Values[i]; v.Text != want || src[v.Pos.Offset:v.End] != want || v.Kind == policy.StringValue {
			t.Errorf("value %d: %+v", i, v)
		}
	}
	refs := d.Principals()
	for i, want := range []string{"AWS 111122223333", "AWS *", "Service x.y"} {
		if got := refs[i].Type + " " + refs[i].Value; got != want || src[refs[i].Start:refs[i].End] != `"`+refs[i].Value+`"` {
			t.Errorf("principal %d: %q at %q", i, got, src[refs[i].Start:refs[i].End])
		}
	}
}

func TestRewrite(t *testing.T) {
	src := `{ "Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:user\/a", "*"]}, "Action":"sts:AssumeRole"}]  }`
	d, err := policy.Parse([]byte(src))
	if err != nil {
		t.Fatal(all(err))
	}
	ref := d.Principals()[0]
	if ref.Value != "arn:aws:iam::111122223333:user/a" {
		t.Fatalf("principal %q", ref.Value)
	}
	out, err := policy.Rewrite([]byte(src), map[int]string{ref.Start: `AIDA"X`})
	if err != nil {
		t.Fatal(err)
	}
	want := `{ "Statement":[{"Effect":"Allow","Principal":{"AWS":["AIDA\"X", "*"]}, "Action":"sts:AssumeRole"}]  }`
	if string(out) != want {
		t.Errorf("got %s", out)
	}
	if out, err := policy.Rewrite([]byte(src), nil); err != nil || string(out) != src {
		t.Errorf("nothing to replace: %s, %v", out, err)
	}
	for _, offset := range []int{-1, 0, ref.Start + 1, len(src)} {
		if _, err := policy.Rewrite([]byte(src), map[int]string{offset: "x"}); err == nil {
			t.Errorf("no error for offset %d", offset)
		}
	}
}

func TestSize(t *testing.T) {
	if got := policy.Size(" {\n\t\"a b\": \"é\"\r\n}"); got != len(`{"ab":"e"}`) {
		t.Errorf("Size = %d", got)
	}
}

// TestMessages holds AWS's sentences for documents that fail as identity policies.
func TestMessages(t *testing.T) {
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":{` + s + `}}` }
	resource := func(r string) string { return statement(`"Effect":"Allow","Action":"s3:ListBucket","Resource":` + r) }
	action := func(a string) string { return statement(`"Effect":"Allow","Action":` + a + `,"Resource":"*"`) }
	condition := func(c string) string {
		return statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":` + c)
	}
	const (
		syntax = "Syntax errors in policy."
		legacy = "The policy failed legacy parsing"
		vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	)
	tests := []struct{ doc, want string }{
		{`this is not JSON`, syntax},
		{`{"Version":"2012-10-17","Statement":[]}`, syntax},
		{`{"Version":"2012-10-17","Id":["x"],"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, syntax},
		{`{"Version":"2012-10-18","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, syntax},
		{`{"Version":"2012-10-17"}`, syntax},
		{statement(`"Effect":"Allow","Action":"invalid"`), vendor},
		{statement(`"Effect":"Allow","Resource":"arn:aws:s3::b"`), legacy},
		{statement(`"Effect":"Allow","Condition":{"DateGreaterThan":{"a":"b"}}`), legacy},
		{statement(`"Effect":"Allow","Condition":{"DateGreaterThan":{"a":{}}},"Resource":"arn:aws:s3:::b"`), syntax},
		{statement(`"Effect":"Allow","Action":"s:3:ListBucket","Resource":"sdf"`), `Resource sdf must be in ARN format or "*".`},
		{statement(`"Effect":"Allow","NotAction":"s3:a","Action":[],"Resource":"*"`), syntax},
		{`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"s3:a","Resource":"*"},{"Sid":"a","Effect":"Allow"}]}`,
			"Statement IDs (SID) in a single policy must be unique."},
		{statement(`"Effect":"invalid","Action":"*","Resource":"*"`), syntax},
		{statement(`"Effect":"aLLow","Action":"*","Resource":"*"`), legacy},
		{statement(`"Action":"*","Resource":"*"`), syntax},
		{statement(`"Effect":"Allow","Resource":"*"`), "Policy statement must contain actions."},
		{statement(`"Effect":"Allow","Action":[],"Resource":"*"`), "Policy statement must contain actions."},
		{statement(`"Effect":"Allow","Action":"*"`), "Policy statement must contain resources."},
		{resource(`[]`), "Policy statement must contain resources."},
		{resource(`{"a":"*"}`), syntax},
		{resource(`"*","NotResource":"*"`), syntax},
		{resource(`"invalid resource"`), `Resource invalid resource must be in ARN format or "*".`},
		{resource(`""`), `Resource  must be in ARN format or "*".`},
		{resource(`"arn:aws"`), "Resource vendor must be fully qualified and cannot contain regexes."},
		{resource(`"arn:aws:s3::example_bucket"`), legacy},
		{resource(`"arn:aws::::b"`), legacy},
		{resource(`"arn:aws::b"`), legacy},
		{resource(`"a:b"`), `Partition "b" is not valid for resource "arn:b:*:*:*:*".`},
		{resource(`"a:b:c"`), `Partition "b" is not valid for resource "arn:b:c:*:*:*".`},
		{resource(`"a:b:c:d:e:f:g:h"`), `Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".`},
		{resource(`"aws:s3:::b"`), `Partition "s3" is not valid for resource "arn:s3:::b:*".`},
		{resource(`"ARN:aws:s3:::b"`), `Resource ARN:aws:s3:::b must be in ARN format or "*".`},
		{resource(`"arn:aws:s3:us-east-1::b"`), "Resource arn:aws:s3:us-east-1::b can not contain region information."},
		{resource(`"arn:aws:s*:::b"`), "Resource vendor must be fully qualified and cannot contain regexes."},
		{resource(`"arn:error:s3:::example_bucket"`), `Partition "error" is not valid for resource "arn:error:s3:::example_bucket".`},
		{resource(`"arn:aws:iam:us-east-1::user/x"`), "IAM resource arn:aws:iam:us-east-1::user/x cannot contain region information."},
		{resource(`"arn:aws:iam::123456789012:u*"`), `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, ` +
			`instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		{resource(`"arn:aws:s3:::b/${aws:username"`), legacy},
		{resource(`"arn:aws:s3:::b/${}"`), legacy},
		{resource(`"arn:aws:s3:${aws:x}::b"`), legacy},
		{action(`"invalid"`), vendor},
		{action(`""`), vendor},
		{action(`"s3:"`), vendor},
		{action(`"s3:List:Bucket"`), "Actions/Condition can contain only one colon."},
		{action(`"a a:ListBucket"`), "Vendor a a is not valid"},
		{action(`"s*:ListBucket"`), "Vendor s* is not valid"},
		{action(`"s3:Lïst"`), syntax},
		{action(`"s3:a","Principal":"*"`), "Policy document should not specify a principal."},
		{action(`"s3:a","Sid":"a b"`), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		{`{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}`,
			"Statement IDs (SID) in a single policy must be unique."},
		{condition(`[]`), syntax},
		{condition(`{"StringEquals":"a"}`), syntax},
		{condition(`{"StringEqual":{"aws:a":"b"}}`), syntax},
		{condition(`{"ForAnyValue::StringEquals":{"aws:a":"b"}}`), syntax},
		{condition(`{"NullIfExists":{"aws:a":"true"}}`), syntax},
		{condition(`{"DateGreaterThanOrEqual":{"aws:a":"2013"}}`), syntax},
		{condition(`{"DateGreaterThan":{"aws:a":"sdfdsf"}}`), legacy},
		{condition(`{"DateLessThan":{"aws:a":"9223372036854775808"}}`), legacy},
		{condition(`{"DateLessThan":{"aws:a":"234-13"}}`), legacy},
		{condition(`{"DateLessThan":{"aws:a":"2016-12-13t2:00:00.593194+1"}}`), legacy},
		{condition(`{"DateLessThan":{"aws:a":"2016-12-13t2:00:00.1999999999+10:59"}}`), legacy},
		{condition(`{"NumericEquals":{"aws:a":"ten"}}`), legacy},
		{condition(`{"Bool":{"aws:a":"yes"}}`), legacy},
		{condition(`{"Null":{"aws:a":"1"}}`), legacy},
		{condition(`{"IpAddress":{"aws:a":"203.0.113.0/33"}}`), legacy},
		{condition(`{"BinaryEquals":{"aws:a":"%"}}`), legacy},
		{condition(`{"NumericEquals":{"aws:a":"${aws:b}"}}`), legacy},
		{condition(`{"StringEquals":{"":"b"}}`), vendor},
	}
	for _, tt := range tests {
		d, err := policy.Parse([]byte(tt.doc))
		if err == nil {
			err = d.Check(policy.Identity)
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %v", tt.doc, err, tt.want)
		}
		if _, ok := errors.AsType[*policy.SyntaxError](err); !ok {
			t.Errorf("%s: %T does not unwrap to *SyntaxError", tt.doc, err)
		}
	}
}

// TestAccepted holds identity policies that AWS's API is known to accept, though the guide or good sense would refuse them.
func TestAccepted(t *testing.T) {
	const everything = `"Effect":"Allow","Action":"*","Resource":"*"`
	for _, doc := range []string{
		`{"Version":"2012-10-17","Id":"x","Statement":{` + everything + `}}`,
		`{"Statement":[{` + everything + `,"Sid":""},{` + everything + `,"Sid":""}]}`,
		`{"Statement":{"Effect":"Allow","Action":"iam: a name of words ","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":["a.b:C","a-b:C","aaaaaaaaaaaaaaaaaaaaaaaa:C"],"Resource":["arn:aws:s33:::b","arn:aws:nothing"]}}`,
		`{"Statement":{"Effect":"Allow","NotAction":"s3:a","NotResource":"*"}}`,
		`{"Statement":{` + everything + `,"Condition":{}}}`,
		`{"Statement":{` + everything + `,"Condition":{"x":{},"DateGreaterThan":{}}}}`,
		`{"Statement":{` + everything + `,"Condition":{"DateGreaterThan":{"a":[]}}}}`,
		`{"Statement":{` + everything + `,"Condition":{"DateGreaterThan":{"a":"01T"}}}}`,
		`{"Statement":{` + everything + `,"Condition":{"DateLessThan":{"a":["-292275054","2016-12-13t2:00:00.593194+23","2016-12-13T21:20:37.593194+00:00"]}}}}`,
		`{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:us-west-2:123456789012:accesspoint/p/object/*","arn:aws:s3:*:*:job/*"]}}`,
	} {
		d, err := policy.Parse([]byte(doc))
		if err == nil {
			_, err = policy.Compile(policy.Identity, "", d)
		}
		if err != nil {
			t.Errorf("%s: %s", doc, all(err))
		}
	}
}

// TestHostile holds that no text makes problems without number or of any length.
func TestHostile(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	for _, src := range []string{
		`{"Statement":{"Effect":"Allow","Condition":{"` + long + `":{"a":[` + strings.Repeat("{},", 20_000) + `{}]}}}}`,
		`{"Statement":{"Effect":"Allow","Condition":{"StringEquals":{"` + long + `":[` + strings.Repeat("{},", 20_000) + `{}]}}}}`,
		`{"Statement":[` + strings.Repeat(`{"Effect":"x","Action":1},`, 5_000) + `1]}`,
		`{"Statement":{"Effect":"Allow","Action":[` + strings.Repeat(`"a",`, 30_000) + `"b"],"Resource":"*"}}`,
		`{` + strings.Repeat(`"`+long[:100]+`":1,`, 1_000) + `"Statement":[]}`,
	} {
		_, err := policy.Options{}.ParseAs(policy.Identity, []byte(src))
		var list policy.Errors
		if !errors.As(err, &list) {
			t.Fatalf("%.80s… is accepted", src)
		}
		size := 0
		for _, e := range list {
			size += len(e.String())
		}
		if len(list) > 400 || size > 400_000 {
			t.Errorf("%.80s…: %d problems of %d bytes", src, len(list), size)
		}
	}
}

// BenchmarkParseLongLine is a document on one line, where counting columns must not become quadratic.
func BenchmarkParseLongLine(b *testing.B) {
	src := []byte(`{"Statement":{"Effect":"Allow","Action":[` + strings.Repeat(`"s3:é",`, 15_000) + `"s3:b"],"Resource":"*"}}`)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := policy.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func TestLikelyKind(t *testing.T) {
	for src, want := range map[string]policy.Kind{
		`{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`:                                        policy.Identity,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":["sts:AssumeRole","STS:TagSession"]}}`:                    policy.Trust,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}`:                        policy.Resource,
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*"},{"Effect":"Allow","Action":"sts:AssumeRole"}]}`: policy.Resource,
	} {
		if got := parse(t, src).LikelyKind(); got != want {
			t.Errorf("%s: %v, want %v", src, got, want)
		}
	}
	_, err := policy.Options{}.ParseAs(0, []byte(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","NotAction":[]}}`))
	if err == nil || err.Error() != "Syntax errors in policy." {
		t.Error(err)
	}
}

// TestCheckManaged holds that managed policies state the version.
func TestCheckManaged(t *testing.T) {
	for version, want := range map[string]string{"": "Policy document must be version 2012-10-17 or greater.",
		`"Version":"2008-10-17",`: "Policy document must be version 2012-10-17 or greater.", `"Version":"2012-10-17",`: ""} {
		d, err := policy.Parse([]byte(`{` + version + `"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.CheckManaged(); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestKinds holds the rules that differ by kind.
func TestKinds(t *testing.T) {
	const (
		all      = `"Effect":"Allow","Action":"*","Resource":"*"`
		trust    = `"Effect":"Allow","Action":"sts:AssumeRole"`
		everyone = `"Principal":"*"`
	)
	principal := func(p string) string { return `"Principal":{` + p + `}` }
	identityLike := []policy.Kind{policy.Identity, policy.Boundary, policy.Session, policy.ServiceControl}
	tests := []struct {
		statement string
		accepted  []policy.Kind
	}{
		{all, identityLike},
		{all + "," + everyone, []policy.Kind{policy.Resource, policy.ResourceControl}},
		{`"Effect":"Allow","Action":"s3:*","Resource":"*",` + everyone, []policy.Kind{policy.Resource}},
		{`"Effect":"Deny","Action":"s3:*","Resource":"*",` + everyone, []policy.Kind{policy.Resource, policy.ResourceControl}},
		{`"Effect":"Deny","NotAction":"s3:*","Resource":"*",` + everyone, []policy.Kind{policy.Resource}},
		{`"Effect":"Deny","Action":"*","Resource":"*","NotPrincipal":{"AWS":"111122223333"}`, []policy.Kind{policy.Resource}},
		{`"Effect":"Allow","Action":"*","Resource":"*","NotPrincipal":{"AWS":"111122223333"}`, nil},
		{`"Sid":"with space","Effect":"Allow","Action":"*","Resource":"*",` + everyone, []policy.Kind{policy.Resource}},
		{trust + "," + everyone, []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"AWS":"arn:aws:iam::111122223333:user/a/b"`), []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"AWS":"arn:aws:iam::111122223333:role/a"`), []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"AWS":"arn:aws:sts::111122223333:assumed-role/a/b"`), []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"AWS":"arn:aws:sts::111122223333:federated-user/a"`), []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"AWS":["AIDAJQABLZS4A3QDU576Q","AROAEXAMPLEEXAMPLE"],"Service":"ec2.amazonaws.com"`), []policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"Federated":["arn:aws:iam::111122223333:saml-provider/p","arn:aws:iam::111122223333:oidc-provider/h.example/p","accounts.google.com"]`),
			[]policy.Kind{policy.Trust, policy.Resource}},
		{trust + "," + principal(`"CanonicalUser":"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"`), []policy.Kind{policy.Resource}},
		{trust + "," + principal(`"AWS":"arn:aws:iam::111122223333:group/g"`), nil},
		{trust + "," + principal(`"AWS":"arn:aws:iam::111122223333:user/a*"`), nil},
		{trust + "," + principal(`"AWS":"arn:aws:iam::111122223333:user/"`), nil},
		{trust + "," + principal(`"AWS":"arn:aws:s3:::b"`), nil},
		{trust + "," + principal(`"AWS":"alice"`), nil},
		{trust + "," + principal(`"Service":"ec2"`), nil},
		{trust + "," + principal(`"Service":"*.amazonaws.com"`), nil},
		{trust + "," + principal(`"Federated":"*"`), nil},
		{`"Effect":"Allow","Action":"*",` + everyone, []policy.Kind{policy.Resource}},
		{`"Effect":"Allow","NotAction":"sts:AssumeRole",` + everyone, []policy.Kind{policy.Resource}},
		{`"Effect":"Allow","Action":"s3:GetObject",` + everyone, []policy.Kind{policy.Resource}},
		{trust + `,"Resource":"*",` + everyone, []policy.Kind{policy.Resource}},
		{trust, nil},
	}
	for _, tt := range tests {
		d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{` + tt.statement + `}]}`))
		if err != nil {
			t.Fatalf("%s: %s", tt.statement, err)
		}
		for k := policy.Identity; k <= policy.ResourceControl; k++ {
			err := d.Check(k)
			if want := slices.Contains(tt.accepted, k); (err == nil) != want {
				t.Errorf("%s as %v: %v", tt.statement, k, err)
			}
			if _, compileErr := policy.Compile(k, "", d); (compileErr == nil) != (err == nil) {
				t.Errorf("%s as %v: Check says %v, Compile %v", tt.statement, k, err, compileErr)
			}
		}
	}
}
