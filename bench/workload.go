package main

import (
	"fmt"
	"slices"
	"strings"
)

// rule is one statement, in a form from which each engine's own text is made.
type rule struct {
	deny      bool
	actions   []string // a final * stands for any rest
	resources []string // a final * stands for any rest
	// owner is compared with the part of the resource behind its first slash: the resource's pattern has {} there.
	owner  string // "", "username" or "project"
	region bool   // the region in the resource's ARN is a *
	ips    []string
	teams  []string
	agent  string // must be in the user agent
	secure bool
	mfaAge int // the age must be greater
}

var services = []string{"s3", "sqs", "sns", "ec2", "sdb", "kms", "lambda", "dynamodb", "logs", "elasticache"}

const account = "111122223333"

// makeRule is statement j of policy i: wildcards in action and resource, conditions and variables as people write them.
func makeRule(i, j int) rule {
	service := services[(3*i+j)%len(services)]
	arn := "arn:aws:" + service + ":eu-west-1:" + account + ":"
	n := i*100 + j
	switch j % 6 {
	case 0:
		return rule{actions: []string{service + ":Get*", service + ":List*"}, resources: []string{fmt.Sprintf("%sshared-%d/*", arn, n), fmt.Sprintf("%spublic-%d/*", arn, n)}}
	case 1:
		return rule{actions: []string{service + ":GetItem", service + ":PutItem", service + ":DeleteItem"},
			resources: []string{fmt.Sprintf("%shome-%d/{}/*", arn, n)}, owner: "username"}
	case 2:
		return rule{actions: []string{service + ":Put*"}, resources: []string{fmt.Sprintf("%steam-%d/*", arn, n)},
			ips: []string{"203.0.113.0/24", "198.51.100.0/24"}, teams: []string{"red", "blue"}}
	case 3:
		return rule{actions: []string{service + ":*"}, resources: []string{fmt.Sprintf("%sproject/{}/%d-*", arn, n)}, owner: "project", agent: "console"}
	case 4:
		return rule{actions: []string{service + ":Describe*"}, resources: []string{"*"}, secure: true}
	}
	return rule{deny: true, actions: []string{service + ":Delete*", service + ":Put*"},
		resources: []string{fmt.Sprintf("arn:aws:%s:*:%s:prod-%d/*", service, account, n)}, region: true, mfaAge: 3600}
}

// makeRules makes the statements of so many policies.
func makeRules(policies, statements int) [][]rule {
	out := make([][]rule, policies)
	for i := range out {
		for j := range statements {
			out[i] = append(out[i], makeRule(i, j))
		}
	}
	return out
}

// question is a request. The caller is always alice of team blue, project apollo, from 203.0.113.7 in the console over TLS, with an
// MFA code given 4,000 seconds ago.
type question struct {
	name             string
	action, resource string
	allow            bool
}

// owner returns the part of the resource behind its first slash, up to the second.
func (q question) owner() string {
	_, rest, _ := strings.Cut(q.resource, "/")
	owner, _, _ := strings.Cut(rest, "/")
	return owner
}

// questions are those that are measured. They ask about the middle of the policies.
func questions(i int) []question {
	at := func(j int) (service, arn string) {
		service = services[(3*i+j)%len(services)]
		return service, "arn:aws:" + service + ":eu-west-1:" + account + ":"
	}
	s1, a1 := at(1)
	s3, a3 := at(3)
	s5, a5 := at(5)
	return []question{
		{"allow by a variable", s1 + ":GetItem", fmt.Sprintf("%shome-%d/alice/notes.txt", a1, i*100+1), true},
		{"allow by variable and condition", s3 + ":UpdateItem", fmt.Sprintf("%sproject/apollo/%d-notes.txt", a3, i*100+3), true},
		{"deny", s5 + ":DeleteItem", fmt.Sprintf("%sprod-%d/notes.txt", a5, i*100+5), false},
		{"nothing matches", s1 + ":GetItem", fmt.Sprintf("%shome-%d/bob/notes.txt", a1, i*100+1), false},
	}
}

// probes are questions about every statement and just beside it, to which all engines must give the same answer.
func probes(rules [][]rule) []question {
	var out []question
	for i := range rules {
		for j, r := range rules[i] {
			for _, action := range r.actions {
				action = strings.ReplaceAll(action, "*", "Item")
				for _, owner := range []string{"alice", "apollo", "bob"} {
					resource := strings.ReplaceAll(r.resources[0], "{}", owner)
					if r.region {
						resource = strings.Replace(resource, ":*:", ":eu-west-1:", 1)
					}
					resource = strings.ReplaceAll(resource, "*", "x/y")
					out = append(out, question{name: fmt.Sprintf("%d/%d/%s", i, j, owner), action: action, resource: resource})
					out = append(out, question{name: fmt.Sprintf("%d/%d/%s, another", i, j, owner), action: action, resource: resource + "/z"})
				}
			}
			other := services[(slices.Index(services, strings.SplitN(r.actions[0], ":", 2)[0])+1)%len(services)] + ":GetItem"
			out = append(out, question{name: fmt.Sprintf("%d/%d/other", i, j), action: other, resource: "arn:aws:x:::y"})
		}
	}
	return out
}
