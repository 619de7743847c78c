package main

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
	"github.com/casbin/casbin/v3/util"
)

// casbinEngine has a policy line for each combination of a rule's actions and resources. Actions are matched with casbin's
// keyMatch. Its model has no variables and no conditions: both are functions in Go, as its documentation advises.
type casbinEngine struct{ enforcer *casbin.Enforcer }

const casbinModel = `
[request_definition]
r = caller, obj, act

[policy_definition]
p = obj, act, eft, rule

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = keyMatch(r.act, p.act) && resource(r.obj, p.obj, r.caller, p.rule) && conditions(r.caller, p.rule)
`

// casbinCaller is what the functions know of the caller.
type casbinCaller struct {
	username, project, team, agent string
	ip                             netip.Addr
	secure                         bool
	mfaAge                         int
}

func newCasbin(rules [][]rule) (engine, error) {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, err
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, err
	}
	var all []rule
	var ranges [][]netip.Prefix
	var lines [][]string
	for _, list := range rules {
		for _, r := range list {
			eft := "allow"
			if r.deny {
				eft = "deny"
			}
			for _, action := range r.actions {
				for _, resource := range r.resources {
					lines = append(lines, []string{resource, action, eft, strconv.Itoa(len(all))})
				}
			}
			all = append(all, r)
			var list []netip.Prefix
			for _, ip := range r.ips {
				list = append(list, netip.MustParsePrefix(ip))
			}
			ranges = append(ranges, list)
		}
	}
	e.AddFunction("resource", func(args ...any) (any, error) {
		n, err := strconv.Atoi(args[3].(string))
		if err != nil {
			return false, err
		}
		return all[n].covers(args[0].(string), args[1].(string), args[2].(*casbinCaller)), nil
	})
	e.AddFunction("conditions", func(args ...any) (any, error) {
		n, err := strconv.Atoi(args[1].(string))
		if err != nil {
			return false, err
		}
		return all[n].holds(args[0].(*casbinCaller), ranges[n]), nil
	})
	_, err = e.AddPolicies(lines)
	return &casbinEngine{e}, err
}

func (r *rule) covers(resource, pattern string, c *casbinCaller) bool {
	switch {
	case r.region:
		before, behind, _ := strings.Cut(pattern, "*")
		rest, ok := strings.CutPrefix(resource, before)
		return ok && util.KeyMatch(rest[max(0, strings.IndexByte(rest, ':')):], behind)
	case r.owner == "":
		return util.KeyMatch(resource, pattern)
	}
	before, behind, _ := strings.Cut(pattern, "{}")
	value := c.username
	if r.owner == "project" {
		value = c.project
	}
	rest, ok := strings.CutPrefix(resource, before)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, value)
	return ok && util.KeyMatch(rest, behind)
}

func (r *rule) holds(c *casbinCaller, ranges []netip.Prefix) bool {
	return (ranges == nil || slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(c.ip) })) &&
		(r.teams == nil || slices.Contains(r.teams, c.team)) &&
		strings.Contains(c.agent, r.agent) && (!r.secure || c.secure) && (r.mfaAge == 0 || c.mfaAge > r.mfaAge)
}

func (c *casbinEngine) ask(q question) func() bool {
	caller := &casbinCaller{username: "alice", project: "apollo", team: "blue", agent: "Mozilla/5.0 console.amazonaws.com",
		ip: netip.MustParseAddr("203.0.113.7"), secure: true, mfaAge: 4000}
	return func() bool {
		ok, err := c.enforcer.Enforce(caller, q.resource, q.action)
		if err != nil {
			panic(err)
		}
		return ok
	}
}
