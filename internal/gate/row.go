package gate

import (
	"context"
	"encoding/json"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/trail"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// Decides says what opens an operation.
type Decides uint8

const (
	// ByPolicy operations are allowed by the caller's policies: every check of the row must be allowed.
	ByPolicy Decides = iota + 1
	// Always operations need a valid signature and no permission; a deny does not bind them either (GetCallerIdentity).
	Always
	// ByTrust operations are opened by a role's trust policy, with or without the caller's own policies.
	ByTrust
	// ByAssertion operations carry no signature: what they carry is verified by their row, and opened by a role's trust policy
	// (AssumeRoleWithSAML).
	ByAssertion
)

func (d Decides) String() string {
	switch d {
	case ByPolicy:
		return "by policy"
	case Always:
		return "always"
	case ByTrust:
		return "by trust policy"
	case ByAssertion:
		return "by assertion"
	}
	return "nothing"
}

// Row is an operation's permission row: what must be allowed before its method runs, made from the typed input and the
// snapshot alone. A target that does not exist yields the ARN it would have, so that a denial tells nothing about it.
type Row struct {
	Decides  Decides
	ReadOnly bool // the event's readOnly
	// Responds says that the event carries the response although the operation is read-only: those that give credentials.
	Responds bool
	// Body is the size in bytes of the largest request body, where documents make it more than 1 MiB; zero: they do not.
	Body int64
	// Verify is there for ByAssertion and for nothing else. It finds out who calls from what the call carries; everything that it
	// returns without an error has been proved. A call that it refuses leaves no event: nobody is known to have made it.
	Verify func(context.Context, *Call) (*Assertion, error)
	// Checks returns the questions to ask, in the order in which denials are reported. It is nil only for Always and
	// ByAssertion. An error refuses the request before any decision and is reserved for input from which no question can be made.
	Checks func(*Call) ([]authorizer.Check, error)
}

// Assertion is who calls an operation that is decided by an assertion, as an identity provider says.
type Assertion struct {
	// Caller asks for a session and belongs to no account yet: only the policy of what it asks for speaks for it.
	Caller *authorizer.Caller
	// Identity is the caller in the event.
	Identity trail.Identity
	// Account is the account whose event it is: that of the role.
	Account string
	// Checks are the questions to ask, as Row.Checks returns them; at least one. The first one's resource is the role.
	Checks []authorizer.Check
	// Provider is the ARN of the identity provider, for the event; empty for providers that are no resources.
	Provider, ProviderType string
	// RequestParameters are those of the event where the input's do not do; nil: the input's.
	RequestParameters json.RawMessage
	// Verified is for the method.
	Verified any
}

// Input returns the call's input as the type that its operation takes. The dispatch table guarantees the type.
func Input[T any](c *Call) T { return c.Request.Input.(T) }

// Checks adapts a function of the typed input to a row's Checks.
func Checks[T wire.Input](f func(*Call, T) []authorizer.Check) func(*Call) ([]authorizer.Check, error) {
	return func(c *Call) ([]authorizer.Check, error) { return f(c, Input[T](c)), nil }
}
