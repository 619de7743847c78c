package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

// BenchmarkEvaluate decides for one principal with ten policies of six statements each.
func BenchmarkEvaluate(b *testing.B) {
	services := []string{"s3", "sqs", "sns", "ec2", "sdb", "kms", "lambda", "dynamodb", "logs", "elasticache"}
	set := &policy.Set{}
	for i, service := range services {
		var st []string
		for j := range 6 {
			effect := []string{"Allow", "Allow", "Allow", "Allow", "Allow", "Deny"}[j]
			st = append(st, fmt.Sprintf(`{"Effect":%q,"Action":["%s:Get*","%s:List%d*"],"Resource":["arn:aws:%s:*:111122223333:t%d/${aws:username}/*"],
				"Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringEquals":{"aws:PrincipalTag/team":["red","blue"]}}}`,
				effect, service, service, j, service, j))
		}
		d, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(st, ",") + `]}`))
		if err != nil {
			b.Fatal(err)
		}
		p, err := policy.Compile(policy.Identity, fmt.Sprint(i), d)
		if err != nil {
			b.Fatal(err)
		}
		set.Identity = append(set.Identity, p)
	}
	c := &policy.Context{}
	for i := range 20 {
		c.Set(fmt.Sprintf("aws:Key%d", i), "x")
	}
	c.Set("aws:username", "alice")
	c.Set("aws:SourceIp", "203.0.113.7")
	c.Set("aws:PrincipalTag/team", "blue")
	for name, resource := range map[string]string{"allow": "t2/alice/x", "deny": "t5/alice/x", "miss": "t9/alice/x"} {
		b.Run(name, func(b *testing.B) {
			r := &policy.Request{Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333"},
				Action: "s3:GetObject", Resource: "arn:aws:s3:eu-west-1:111122223333:" + resource, Context: c}
			b.ReportAllocs()
			for b.Loop() {
				policy.Evaluate(r, set)
			}
		})
	}
}
