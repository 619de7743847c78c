package gate

import (
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/throttle"
)

// sayThrottled is AWS's sentence for requests that come too often (AWS re:Post, "IAM and AWS STS API throttling").
const sayThrottled = "Rate exceeded"

// stranger takes a request whose caller is not known from the budget of its address. err is why it is refused anyway, or nil; where the
// budget is empty, the answer is that instead. Requests whose signature is right never come here, so that a neighbour behind the same
// address can take nothing from them.
func (g *Gate) stranger(r *http.Request, err error) error {
	if g.throttle.Address(source(r)) {
		return err
	}
	g.meter.Throttled("address", "unauthenticated")
	return fault.New(fault.Throttled, sayThrottled) // not with err in it: that may have a code of its own
}

// within takes a request from the budget of an account, and reports whether there was something left.
func (g *Gate) within(s *snapshot.Snapshot, id string, kind throttle.Kind, quota string) bool {
	var own throttle.Own
	if account, ok := s.Account(id); ok {
		own.PerSecond, own.Set = account.Quotas[quota]
	}
	if g.throttle.Account(id, kind, own) {
		return true
	}
	g.meter.Throttled("account", kind.String())
	return false
}

// budget takes a call from the budget of its caller's account, one of reads or one of writes. It is asked when the caller is known, so
// that nobody can use up another's. CloudTrail has records of throttled calls, and so has the trail, of the first few in a second: they
// must not become what fills it.
func (g *Gate) budget(c *Call, row Row) error {
	kind, quota := throttle.Write, directory.WritesPerSecondQuota
	if row.ReadOnly || row.Decides == 0 && looksReadOnly(c.Request.Operation.Name) {
		kind, quota = throttle.Read, directory.ReadsPerSecondQuota
	}
	if g.within(c.Snapshot, c.Account(), kind, quota) {
		return nil
	}
	err := fault.New(fault.Throttled, sayThrottled)
	if !g.throttle.Event(c.Account()) {
		return err
	}
	return g.closed(c, err)
}
