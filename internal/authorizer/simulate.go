package authorizer

import (
	"slices"

	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/policy"
)

// Simulation is a request that nobody makes: whose policies would be asked, who would call, and what the request would carry. Nothing
// is known of its environment and of its resource but what Keys say. It is read only and may be shared.
type Simulation struct {
	// Source is the user, or the session of a role, whose policies are asked; nil means that Identity and Boundary are all there are.
	Source *Caller
	// Principal is who calls. When it is Source's, the request has all keys that Source's requests have of the caller; of anybody
	// else it has Known.
	Principal policy.Principal
	Known     []Key

	// Keep says which of Source's identity policies take part; nil means all.
	Keep func(*policy.Policy) bool
	// Identity are policies beside Source's.
	Identity []*policy.Policy
	// Boundary takes the place of Source's boundary; Unbounded leaves that away.
	Boundary  *policy.Policy
	Unbounded bool
	// ServiceControl and ResourceControl are the levels that bind caller and resource; nil: no organization.
	ServiceControl, ResourceControl [][]*policy.Policy

	// Keys are the condition keys of the request. They win over what is known of the caller.
	Keys []Key
}

// Subject is what a simulation knows before it is asked anything.
type Subject struct {
	Identity []*policy.Policy // that take part; read only
	Boundary *policy.Policy   // nil: none
	Keys     []string         // the condition keys that the request has, whatever is asked
}

// Subject returns what takes part in every request of the simulation. ok is false when Source no longer exists.
func (sim *Simulation) Subject(s *snapshot.Snapshot) (sub Subject, ok bool) {
	q := queries.Get().(*query)
	defer q.release()
	if ok = q.simulated(s, sim); !ok {
		return Subject{}, false
	}
	sub = Subject{Identity: q.set.Identity, Boundary: q.set.Boundary}
	for name, values := range q.context.All() {
		if len(values) > 0 {
			sub.Keys = append(sub.Keys, name)
		}
	}
	for i := range sim.Keys {
		sub.Keys = append(sub.Keys, sim.Keys[i].Name)
	}
	return sub, true
}

// Simulate explains how the check would be decided. It goes the way of [Authorizer.Decide] as far as policies and the caller's keys
// go, so that the same policies and the same context have the same outcome (S3-133). Of the check it reads Action, Resource,
// ResourceAccount and Policy. ok is false when the simulation's source no longer exists. Callers count a Disagreement in the metrics.
func Simulate(s *snapshot.Snapshot, sim *Simulation, ch *Check) (x *policy.Explanation, ok bool) {
	q := queries.Get().(*query)
	defer q.release()
	if !q.simulated(s, sim) {
		return nil, false
	}
	q.request.Principal, q.request.Action, q.request.Resource, q.request.Context = sim.Principal, ch.Action, ch.Resource, &q.context
	q.request.ResourceAccount = ch.ResourceAccount
	q.set.Resource = ch.Policy
	q.set.ServiceControl, q.set.ResourceControl = sim.ServiceControl, sim.ResourceControl
	if ch.ResourceAccount != "" {
		q.context.Set("aws:ResourceAccount", ch.ResourceAccount)
	} else {
		q.request.ResourceAccount = sim.Principal.Account // nobody's in particular
	}
	for i := range sim.Keys {
		q.context.Set(sim.Keys[i].Name, sim.Keys[i].Values...)
	}
	return policy.Explain(&q.request, &q.set), true
}

// simulated is subject of a request that nobody makes.
func (q *query) simulated(s *snapshot.Snapshot, sim *Simulation) bool {
	if sim.Source != nil && !q.subject(s, sim.Source) {
		return false
	}
	if sim.Source == nil || sim.Source.Principal.ARN != sim.Principal.ARN {
		q.context.Reset()
		for i := range sim.Known {
			q.context.Set(sim.Known[i].Name, sim.Known[i].Values...)
		}
	} else if sim.Principal.UniqueID == "" {
		q.context.Set("aws:userid") // the session of a role has one, of which only the role's half is known
	}
	if sim.Keep != nil || len(sim.Identity) > 0 {
		q.set.Identity, q.set.IdentityProgram = slices.Clone(q.set.Identity), nil // what the snapshot lends is read only
		if sim.Keep != nil {
			q.set.Identity = slices.DeleteFunc(q.set.Identity, func(p *policy.Policy) bool { return !sim.Keep(p) })
		}
		q.set.Identity = append(q.set.Identity, sim.Identity...)
	}
	switch {
	case sim.Boundary != nil:
		q.set.Boundary = sim.Boundary
	case sim.Unbounded:
		q.set.Boundary = nil
	}
	return true
}
