package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// caller is a user with policies as users have them: managed ones, an inline one, a group's.
type caller struct {
	account string
	root    key
	user    key
}

const (
	selfPolicy = `{"Version":"2012-10-17","Statement":[
		{"Sid":"Self","Effect":"Allow","Action":["iam:GetUser","iam:*AccessKey*","iam:ChangePassword"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
		{"Effect":"Allow","Action":["iam:SimulatePrincipalPolicy","iam:List*"],"Resource":"*"},
		{"Effect":"Deny","Action":"iam:Delete*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","127.0.0.0/8"]}}}]}`
	workPolicy = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}},
		{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::work/${aws:PrincipalTag/team}/*"},
		{"Effect":"Allow","Action":"dynamodb:*Item","Resource":"arn:aws:dynamodb:*:*:table/work-*"},
		{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::secret/*"}]}`
	rolePolicy  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`
	trustPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"sts:AssumeRole"}]}`
)

// newCaller makes an account with a user, alice, and a role, deploy.
func newCaller(p *proc) (c caller, err error) {
	a, err := p.account()
	if err != nil {
		return c, err
	}
	c.account, c.root = a.ID, key{id: a.KeyID, secret: a.Secret}
	for _, form := range [][]string{
		{"CreateUser", "UserName", "alice", "Tags.member.1.Key", "team", "Tags.member.1.Value", "blue"},
		{"PutUserPolicy", "UserName", "alice", "PolicyName", "self", "PolicyDocument", selfPolicy},
		{"CreateGroup", "GroupName", "workers"},
		{"PutGroupPolicy", "GroupName", "workers", "PolicyName", "work", "PolicyDocument", workPolicy},
		{"AddUserToGroup", "GroupName", "workers", "UserName", "alice"},
		{"CreateRole", "RoleName", "deploy", "AssumeRolePolicyDocument", fmt.Sprintf(trustPolicy, a.ID)},
		{"PutRolePolicy", "RoleName", "deploy", "PolicyName", "all", "PolicyDocument", rolePolicy},
	} {
		if _, err := ask(p.URL, c.root, "", form...); err != nil {
			return c, err
		}
	}
	// One answer has both halves of a key; asking twice would make two keys.
	c.user, err = issue(p.URL, c.root, "alice")
	return c, err
}

// operations are what is measured; the first is the budget's.
func (c caller) operations() [][]string {
	return [][]string{
		{"GetCallerIdentity"},
		{"GetUser", "UserName", "alice"},
		{"SimulatePrincipalPolicy", "PolicySourceArn", "arn:aws:iam::" + c.account + ":user/alice", "ActionNames.member.1", "s3:GetObject",
			"ResourceArns.member.1", "arn:aws:s3:::work/blue/x"},
		{"AssumeRole", "RoleArn", "arn:aws:iam::" + c.account + ":role/deploy", "RoleSessionName", "bench"},
	}
}

func requests(r *report) (err error) {
	during, connections := time.Second, []int{1, 16, 256}
	if r.quick {
		during, connections = 30*time.Millisecond, []int{1, 4}
	}
	nothing, err := r.start("floor", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nothing.stop()) }()
	server, err := r.start("node", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	who, err := newCaller(server)
	if err != nil {
		return err
	}
	for _, n := range connections {
		if err := r.compareRequests(nothing, server, who, n, during); err != nil {
			return err
		}
	}
	r.note("Processor time, allocations and bytes are the server's, for each call. Client and server share the cores.")
	return nil
}

// contender is a line of the table.
type contender struct {
	name   string
	server *proc
	calls  []call
	rounds []*outcome
}

func (r *report) compareRequests(nothing, server *proc, who caller, connections int, during time.Duration) error {
	client := newClient(connections)
	defer client.CloseIdleConnections()
	identity, err := sign(nothing.URL, who.user, "GetCallerIdentity")
	if err != nil {
		return err
	}
	all := []*contender{{name: "a handler that does nothing", server: nothing, calls: []call{identity}}}
	for _, form := range who.operations() {
		c, err := sign(server.URL, who.user, form...)
		if err != nil {
			return err
		}
		all = append(all, &contender{name: form[0], server: server, calls: []call{c}})
	}
	for range r.rounds {
		for _, c := range all {
			if err := c.round(client, connections, during); err != nil {
				return err
			}
		}
	}
	r.table(fmt.Sprintf("%d connections", connections), "call", "calls/s", "of the handler's", "p50", "p99", "processor", "allocations", "bytes")
	for _, c := range all {
		r.row(c.name, spread(c.rounds, (*outcome).perSecond, count), against(c.rounds, all[0].rounds),
			short(mid(c.rounds, func(o *outcome) float64 { return o.quantile(.5) })), short(mid(c.rounds, func(o *outcome) float64 { return o.quantile(.99) })),
			short(mid(c.rounds, func(o *outcome) float64 { return float64(o.cpu) })), fmt.Sprintf("%.1f", mid(c.rounds, func(o *outcome) float64 { return o.allocs })),
			count(mid(c.rounds, func(o *outcome) float64 { return o.bytes })))
	}
	return nil
}

// round measures once, after a moment that opens the connections and fills the caches.
func (c *contender) round(client *http.Client, connections int, during time.Duration) error {
	if _, err := load(c.server, client, connections, c.calls, false, during/5); err != nil {
		return err
	}
	o, err := load(c.server, client, connections, c.calls, false, during)
	c.rounds = append(c.rounds, o)
	return err
}

// mid is the median of a figure.
func mid(rounds []*outcome, figure func(*outcome) float64) float64 {
	var all []float64
	for _, o := range rounds {
		all = append(all, figure(o))
	}
	return median(all)
}

// spread is the median of a figure, with the least and the greatest.
func spread(rounds []*outcome, figure func(*outcome) float64, print func(float64) string) string {
	least, greatest := figure(rounds[0]), figure(rounds[0])
	for _, o := range rounds {
		least, greatest = min(least, figure(o)), max(greatest, figure(o))
	}
	return fmt.Sprintf("%s (%s to %s)", print(mid(rounds, figure)), print(least), print(greatest))
}

// against is the median of the ratios, round by round, of calls a second.
func against(rounds, base []*outcome) string {
	var all []float64
	for i := range rounds {
		all = append(all, rounds[i].perSecond()/base[i].perSecond())
	}
	return fmt.Sprintf("%.0f %%", 100*median(all))
}

// count prints a number with separators.
func count(n float64) string {
	if n < 1000 {
		return fmt.Sprintf("%.0f", n)
	}
	return count(float64(int(n)/1000)) + fmt.Sprintf(",%03d", int(n)%1000)
}
