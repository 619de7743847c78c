package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/policy"
)

// engine is an engine with policies; ask returns what decides one question over and over.
type engine interface {
	ask(q question) func() bool
}

// document writes rules as an AWS policy document.
func document(rules []rule) []byte {
	type object = map[string]any
	var list []object
	for _, r := range rules {
		var resources []string
		for _, s := range r.resources {
			variable := map[string]string{"username": "${aws:username}", "project": "${aws:PrincipalTag/project}"}[r.owner]
			resources = append(resources, strings.ReplaceAll(s, "{}", variable))
		}
		st := object{"Effect": "Allow", "Action": r.actions, "Resource": resources}
		if r.deny {
			st["Effect"] = "Deny"
		}
		cond := object{}
		if r.ips != nil {
			cond["IpAddress"] = object{"aws:SourceIp": r.ips}
		}
		if r.teams != nil {
			cond["StringEquals"] = object{"aws:PrincipalTag/team": r.teams}
		}
		if r.agent != "" {
			cond["StringLike"] = object{"aws:UserAgent": "*" + r.agent + "*"}
		}
		if r.secure {
			cond["Bool"] = object{"aws:SecureTransport": "true"}
		}
		if r.mfaAge != 0 {
			cond["NumericGreaterThan"] = object{"aws:MultiFactorAuthAge": fmt.Sprint(r.mfaAge)}
		}
		if len(cond) > 0 {
			st["Condition"] = cond
		}
		list = append(list, st)
	}
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		panic(err)
	}
	return text
}

type ostiary struct{ set *policy.Set }

func newOstiary(rules [][]rule, merged bool) (engine, error) {
	set := &policy.Set{}
	for i, list := range rules {
		d, err := policy.Parse(document(list))
		if err != nil {
			return nil, err
		}
		p, err := policy.Compile(policy.Identity, fmt.Sprint("p", i), d)
		if err != nil {
			return nil, err
		}
		set.Identity = append(set.Identity, p)
	}
	if merged {
		set.IdentityProgram = policy.Merge(set.Identity)
	}
	return &ostiary{set}, nil
}

func (o *ostiary) ask(q question) func() bool {
	c := &policy.Context{}
	c.Set("aws:username", "alice")
	c.Set("aws:PrincipalTag/team", "blue")
	c.Set("aws:PrincipalTag/project", "apollo")
	c.SetAddr("aws:SourceIp", netip.MustParseAddr("203.0.113.7"))
	c.Set("aws:UserAgent", "Mozilla/5.0 console.amazonaws.com")
	c.SetBool("aws:SecureTransport", true)
	c.SetInt("aws:MultiFactorAuthAge", 4000)
	c.SetTime("aws:CurrentTime", time.Unix(1_800_000_000, 0))
	r := &policy.Request{
		Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::" + account + ":user/alice", Account: account},
		Action:    q.action, Resource: q.resource, ResourceAccount: account, Context: c,
	}
	return func() bool { return policy.Evaluate(r, o.set).Effect == policy.Allow }
}
