package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary-iam/ostiary/internal/store"
)

// codeOf returns gRPC's code of an error of the client's library, which has two types for them.
func codeOf(err error) codes.Code {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return e.Code()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	}
	return status.Code(err)
}

// unavailable wraps what a call answered that has written nothing.
func unavailable(step string, err error) error {
	return fmt.Errorf("%w: etcd: %s: %w", store.ErrUnavailable, step, err)
}

// hopeless says that waiting will not help: the cluster answers, and refuses us.
func hopeless(err error) bool {
	switch codeOf(err) {
	case codes.PermissionDenied, codes.InvalidArgument, codes.FailedPrecondition, codes.Unimplemented:
		return true
	}
	return false
}

// commitError says what is known of a commit that failed. etcd refuses a request before it proposes it with codes of the
// request's or the caller's fault; that it is out of space it may say of a transaction that it has written, and of all
// else nobody knows.
func commitError(err error) error {
	if e, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		switch {
		case errors.Is(e, rpctypes.ErrRequestTooLarge), errors.Is(e, rpctypes.ErrTooManyOps):
			return fmt.Errorf("%w: etcd is set to smaller limits than its defaults: %w", store.ErrTooLarge, err)
		case errors.Is(e, rpctypes.ErrTooManyRequests), errors.Is(e, rpctypes.ErrNoLeader):
			return unavailable("committing", err)
		case errors.Is(e, rpctypes.ErrNoSpace):
			return fmt.Errorf("%w: committing: etcd is out of space: %w", store.ErrUnknownOutcome, err)
		}
	}
	switch codeOf(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented, codes.NotFound:
		return unavailable("committing", err)
	}
	return fmt.Errorf("%w: etcd: committing: %w", store.ErrUnknownOutcome, err)
}
