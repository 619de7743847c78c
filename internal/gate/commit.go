package gate

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/directory"
)

// Commit runs fn in one transaction with the call as its change: the guards of the decision are compared, and the event,
// closed with fn's result as the response, goes into the outbox. It is how every operation writes. fn may run several times.
func Commit[T any](ctx context.Context, d *directory.Directory, c *Call, fn func(*directory.Tx) (T, error)) (T, error) {
	out, _, err := directory.Commit(ctx, d, c, fn)
	return out, err
}

// Do is Commit for operations that answer nothing.
func Do(ctx context.Context, d *directory.Directory, c *Call, fn func(*directory.Tx) error) error {
	_, _, err := directory.Commit(ctx, d, c, func(tx *directory.Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	return err
}
