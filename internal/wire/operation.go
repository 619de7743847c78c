// Package wire is being built.
package wire

import "context"

// Input is an operation's decoded parameters. Implementations are pointers to the generated request types.
type Input interface{}

// Output is what an operation answers. Implementations are pointers to the generated response types.
type Output interface{}

// Handler runs one operation. C is what the caller's side hands to every operation. The output is nil where the operation
// answers nothing and where it fails.
type Handler[C any] func(ctx context.Context, c C, in Input) (Output, error)

// Query makes a handler of a method that answers an output.
func Query[C, I, O any, PI interface {
	*I
	Input
}, PO interface {
	*O
	Output
}](method func(context.Context, C, PI) (PO, error)) Handler[C] {
	return func(ctx context.Context, c C, in Input) (Output, error) {
		out, err := method(ctx, c, in.(PI))
		if err != nil {
			return nil, err // not out: a nil pointer in an Output is not a nil Output
		}
		return out, nil
	}
}

// Command makes a handler of a method that answers nothing.
func Command[C, I any, PI interface {
	*I
	Input
}](method func(context.Context, C, PI) error) Handler[C] {
	return func(ctx context.Context, c C, in Input) (Output, error) { return nil, method(ctx, c, in.(PI)) }
}
