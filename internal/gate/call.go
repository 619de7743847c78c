package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// Call is one request on its way through the gate. An operation's method finds in it who calls, the state the decision was
// made on, and the change that its write must carry: a *Call is a directory.Change.
type Call struct {
	Request  *wire.Call
	Caller   *authorizer.Caller // nil until it is known
	Asserted *Assertion         // of operations decided by an assertion
	Snapshot *snapshot.Snapshot
	Env      authorizer.Environment
	// Decisions are the answers to the row's checks, all of them allows by the time a method runs.
	Decisions []authorizer.Decision

	service  *Service
	owner    string // of calls by a service for itself: the account whose event it is; empty of all others
	region   string // the region the request was signed for; of an unsigned one that of its endpoint, or else the default
	endpoint endpoint
	event    eventFrame
	decoded  bool // the parameters were read, so far as they could be
	// signature is what the caller presented, and proved; key and credentials are the records behind it.
	signature   *sigv4.Presented
	key         snapshot.AccessKey // of long-term credentials; no record otherwise
	credentials []store.Guard      // of all others

	committed store.Revision // of the write this call made; zero where it made none
	recorded  bool           // the closed event went into the outbox with the write
}

// ID names the request: it is the same however often the request is decided.
func (c *Call) ID() string { return c.event.id }

// Account is the caller's account.
func (c *Call) Account() string { return c.Caller.Principal.Account }

// Now is the time of the request, the one that the decision used.
func (c *Call) Now() time.Time { return c.Env.Now }

// Region is the region the request was signed for. That of an unsigned request is its endpoint's, and the installation's own where
// the name of the endpoint names none.
func (c *Call) Region() string { return c.region }

// Global reports whether the request went to the service's global endpoint. Where one endpoint serves all regions, calls of the
// region of the global one are its calls.
func (c *Call) Global() bool {
	return c.service.GlobalEndpoint != "" && c.region == directory.GlobalRegion && (c.endpoint.global || c.endpoint.region == "")
}

// AtGlobalEndpoint reports whether the request named the service's global endpoint, and did not just reach the one endpoint that serves
// all regions.
func (c *Call) AtGlobalEndpoint() bool { return c.endpoint.global }

// Guards are the records that the decisions relied on, and those behind the credentials. It makes a Call a directory.Change.
func (c *Call) Guards() []store.Guard {
	guards := slices.Clone(c.credentials)
	if c.key.AccessKey != nil { // a key deactivated in the meantime writes nothing any more
		guards = append(guards, store.Guard{Key: entity.AccessKeyKey(c.key.ID), Revision: c.key.Revision})
	}
	for i := range c.Decisions {
		guards = appendGuards(guards, c.Decisions[i].Guards())
	}
	return guards
}

// appendGuards adds guards that are not there yet. A record seen at two revisions keeps both: the write will find it stale.
func appendGuards(guards, more []store.Guard) []store.Guard {
	for _, m := range more {
		known := slices.ContainsFunc(guards, func(g store.Guard) bool {
			return g.Revision == m.Revision && string(g.Key) == string(m.Key)
		})
		if !known {
			guards = append(guards, m)
		}
	}
	return guards
}

// Event closes the call's event with the given output, for the outbox. It makes a Call a directory.Change. A call has one
// event and so writes once.
func (c *Call) Event(out any) (id string, record []byte, err error) {
	if c.recorded {
		return "", nil, fmt.Errorf("gate: %s writes a second time", c.Request.Operation.Name)
	}
	output, _ := out.(wire.Output)
	return c.event.id, c.closeEvent(output, nil).Append(nil), nil
}

// Committed tells the call that its write is durable at rev: the answer waits until the snapshot has reached it, and the
// event need not be recorded again.
func (c *Call) Committed(rev store.Revision) { c.committed, c.recorded = rev, true }

type callKey struct{}

// FromContext returns the call that ctx belongs to; it is for logs.
func FromContext(ctx context.Context) (*Call, bool) {
	c, ok := ctx.Value(callKey{}).(*Call)
	return c, ok
}
