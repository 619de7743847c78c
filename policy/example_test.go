package policy_test

import (
	"errors"
	"fmt"

	"github.com/ostiary-iam/ostiary/policy"
)

func Example() {
	doc, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": [
		{"Sid": "OwnFolder", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:username}/*"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	compiled, err := policy.Compile(policy.Identity, "readers", doc) // once; it may be used by any number of goroutines
	if err != nil {
		fmt.Println(err)
		return
	}
	set := &policy.Set{Identity: []*policy.Policy{compiled}}
	var facts policy.Context
	facts.Set("aws:username", "alice")
	for _, object := range []string{"alice/may.pdf", "bob/may.pdf"} {
		d := policy.Evaluate(&policy.Request{
			Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
			Action:    "s3:GetObject",
			Resource:  "arn:aws:s3:::home/" + object,
			Context:   &facts,
		}, set)
		fmt.Println(object, d.Effect, d.Layer)
	}
	// Output:
	// alice/may.pdf Allow identity
	// bob/may.pdf Deny identity
}

// Everything that is wrong with a document, with its place; the error itself is AWS's sentence.
func ExampleOptions_ParseAs() {
	_, err := policy.Options{}.ParseAs(policy.Identity, []byte(`{"Version": "2012-10-17", "Statement": [
  {"Effect": "Permit", "Action": "GetObject", "Resource": "*"},
  {"Effect": "Allow", "Action": "s3:*"}]}`))
	fmt.Println(err)
	var problems policy.Errors
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Println(p.String())
		}
	}
	// Output:
	// Syntax errors in policy.
	// 2:14: Statement[0].Effect: must be Allow or Deny
	// 2:34: Statement[0].Action[0]: an action has the form service:name
	// 3:3: Statement[1].Resource: is missing
}

// Documents that say the same in another order and spelling.
func ExampleDocument_Equivalent() {
	a, _ := policy.Parse([]byte(`{"Statement": {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "*"}}`))
	b, _ := policy.Parse([]byte(`{"Statement": [{"Resource": ["*"], "Action": ["S3:getobject", "s3:PutObject"], "Effect": "Allow"}]}`))
	fmt.Println(a.Equal(b), a.Equivalent(b))
	// Output: false true
}
