package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/policy"
)

const explainDocument = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Home", "Effect": "Allow", "Action": "s3:GetObject",
   "Resource": "arn:aws:s3:::b/${aws:username}/*"},
  {"Sid": "Team", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*",
   "Condition": {"StringEquals": {"aws:PrincipalTag/team": ["red", "blue"]},
                 "Bool": {"aws:MultiFactorAuthPresent": "true"}}},
  {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
  {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}]}`

func explain(t *testing.T, doc string, r *policy.Request, set *policy.Set) *policy.Explanation {
	t.Helper()
	d, err := policy.Parse([]byte(doc))
	if err != nil {
		t.Fatal(all(err))
	}
	p, err := policy.Compile(policy.Identity, "user/alice/first", d)
	if err != nil {
		t.Fatal(all(err))
	}
	set.Identity = append(set.Identity, p)
	x := policy.Explain(r, set)
	if x.Disagreement != nil {
		t.Fatal(x.Disagreement)
	}
	return x
}

func alice(kv ...string) *policy.Request {
	c := &policy.Context{}
	for i := 0; i < len(kv); i += 2 {
		c.Set(kv[i], kv[i+1])
	}
	return &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
		Action: "s3:GetObject", Resource: "arn:aws:s3:::b/bob/k", Context: c}
}

// TestExplainText shows what people read.
func TestExplainText(t *testing.T) {
	x := explain(t, explainDocument, alice("aws:username", "alice", "aws:PrincipalTag/team", "green"),
		&policy.Set{ServiceControl: [][]*policy.Policy{{compile(t, policy.ServiceControl, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}}})
	want := `DENIED, since nothing allows it
  who   arn:aws:iam::111122223333:user/alice
  what  s3:GetObject on arn:aws:s3:::b/bob/k
  why   no identity-based policy allows it
  the request lacks aws:MultiFactorAuthPresent

service control policy, level 1: allows
  test
    the Allow in line 1 matches

identity-based policy: does not allow
  user/alice/first
    the Allow in line 2 (Home) does not match
      Resource: none of the values matches
        request has "arn:aws:s3:::b/bob/k"
        policy has  "arn:aws:s3:::b/${aws:username}/*"
        ${aws:username} is "alice"
    the Allow in line 4 (Team) does not match
      Condition StringEquals aws:PrincipalTag/team: no value of the policy matches
        request has "green"
        policy has  "red", "blue"
    2 statements are about other actions
`
	var b strings.Builder
	if err := x.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}

	role := alice()
	role.Principal = policy.Principal{Type: policy.AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/r/s", Account: "111122223333",
		RoleARN: "arn:aws:iam::111122223333:role/r", ServiceLinked: true}
	role.Action = "iam:GetUser"
	x = explain(t, explainDocument, role, &policy.Set{ServiceControl: [][]*policy.Policy{{}}, Session: []*policy.Policy{}})
	want = `DENIED, explicitly
  who   arn:aws:sts::111122223333:assumed-role/r/s, a session of arn:aws:iam::111122223333:role/r
  what  iam:GetUser on arn:aws:s3:::b/bob/k
  why   the Deny in line 8 of user/alice/first, an identity-based policy, denies it

service control policy, level 1: not asked; service-linked roles are exempt from service control policies

identity-based policy: denies
  user/alice/first
    the Deny in line 8 matches
    3 statements are about other actions

session policy: does not allow
  there is no policy
`
	b.Reset()
	if err := x.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// TestExplainAccount holds the parts of an account: positions, the first element that failed and what it saw.
func TestExplainAccount(t *testing.T) {
	r := alice("aws:PrincipalTag/team", "red")
	x := explain(t, explainDocument, r, &policy.Set{})
	r.Context.Reset() // the explanation keeps nothing of it
	if len(x.Layers) != 1 || x.Layers[0].Layer != policy.LayerIdentity || len(x.Layers[0].Policies) != 1 {
		t.Fatalf("%+v", x.Layers)
	}
	var got []policy.StatementAccount
	got = append(got, x.Layers[0].Policies[0].Statements[:2]...)
	want := []policy.StatementAccount{
		{Index: 0, Sid: "Home", Effect: policy.Allow, Pos: policy.Position{Offset: 43, Line: 2, Column: 3}, Missing: []string{"aws:username"},
			Variables: []policy.Variable{{Key: "aws:username", Problem: "the request has no such key"}},
			Failed: &policy.Failure{Element: "Resource", Pos: policy.Position{Offset: 107, Line: 3, Column: 4}, Saw: []string{"arn:aws:s3:::b/bob/k"},
				Wanted: []string{"arn:aws:s3:::b/${aws:username}/*"}, Reason: "none of the values matches"}},
		{Index: 1, Sid: "Team", Effect: policy.Allow, Pos: policy.Position{Offset: 158, Line: 4, Column: 3}, Missing: []string{"aws:MultiFactorAuthPresent"},
			Failed: &policy.Failure{Element: "Condition", Operator: "Bool", Key: "aws:MultiFactorAuthPresent", Pos: policy.Position{Offset: 334, Line: 6, Column: 27},
				Wanted: []string{"true"}, Reason: "the key is absent"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"aws:MultiFactorAuthPresent", "aws:username"}, x.Missing); diff != "" {
		t.Error(diff)
	}
}

// TestExplainIsBounded holds that no pattern keeps the account busy: patterns of the size that policies admit, with which a matcher that
// tries one thing after the other would outlive the test.
func TestExplainIsBounded(t *testing.T) {
	stars := "arn:aws:s3:::" + strings.Repeat("*a", 2000)
	questions := "arn:aws:s3:::" + strings.Repeat("a*?", 500) + "b"
	slots := "arn:aws:s3:::" + strings.Repeat("*${k:k}", 60)
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + "s3:" + strings.Repeat("*a", 200) + `","Resource":"*"},
		{"Effect":"Allow","Action":"s3:*","Resource":["` + stars + `","` + questions + `","` + slots + `"]},
		{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringLike":{"k:k":["` + strings.Repeat("*a", 2000) + `","` + strings.Repeat("?*a", 900) + `b"]},
			"NumericLessThan":{"k:n":["1e-9999","1e9999"]}}}]}`
	r := alice("k:k", strings.Repeat("a", 1000), "k:n", "1e9999")
	r.Action = "s3:" + strings.Repeat("a", 150) + "b"
	r.Resource = "arn:aws:s3:::" + strings.Repeat("a", 2000) + "c"
	explain(t, doc, r, &policy.Set{})
}
