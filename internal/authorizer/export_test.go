package authorizer

import (
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/policy"
)

// Bound returns the condition keys that a check is decided with; it is for the tests of this package. ok is false where the
// caller is not there.
func (a *Authorizer) Bound(s *snapshot.Snapshot, c *Caller, env *Environment, ch *Check) (ctx *policy.Context, ok bool) {
	q := new(query)
	ok = q.bind(a, s, env, &Decision{Caller: c, Check: ch})
	return &q.context, ok
}

// Bind does what Decide does before it evaluates; it is for the benchmark.
func (a *Authorizer) Bind(s *snapshot.Snapshot, c *Caller, env *Environment, ch *Check) {
	q := queries.Get().(*query)
	d := Decision{Caller: c, Check: ch}
	q.bind(a, s, env, &d)
	q.release()
}
