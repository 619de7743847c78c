package wire

import (
	"context"
	"fmt"
)

// Input is an operation's decoded parameters: a pointer to the generated request type. The decoders check what they decode;
// Validate is for inputs made by hand.
type Input interface {
	// Validate returns nil or one fault.Invalid that names every violation of the model's constraints.
	Validate() error
	// AppendEvent appends the value as the requestParameters of a CloudTrail record: a JSON object with secrets hidden, or null
	// where there are no parameters.
	AppendEvent(dst []byte) []byte
}

// Output is what an operation answers: a pointer to the generated response type.
type Output interface {
	// AppendEvent appends the value as the responseElements of a CloudTrail record, as for inputs.
	AppendEvent(dst []byte) []byte
}

// What the generated types have besides, by protocol.
type (
	checked    interface{ Check(*Checker) }
	formInput  interface{ DecodeForm(*FormReader) }
	jsonInput  interface{ DecodeJSON(*JSONReader) }
	xmlOutput  interface{ AppendXML([]byte) []byte }
	jsonOutput interface{ AppendJSON([]byte) []byte }
)

// Handler runs one operation. C is what the caller's side hands to every operation. The output is nil where the operation
// answers nothing and where it fails.
type Handler[C any] func(ctx context.Context, c C, in Input) (Output, error)

// WithOutput makes a handler of a method that answers an output.
func WithOutput[C, I, O any, PI interface {
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

// WithoutOutput makes a handler of a method that answers nothing.
func WithoutOutput[C, I any, PI interface {
	*I
	Input
}](method func(context.Context, C, PI) error) Handler[C] {
	return func(ctx context.Context, c C, in Input) (Output, error) { return nil, method(ctx, c, in.(PI)) }
}

// Protocol is a way to write requests and answers.
type Protocol uint8

// The protocols.
const (
	Query Protocol = iota // AWS Query: form parameters in, XML out
	JSON                  // AWS JSON 1.1
)

// API is one service's interface. It is immutable once made.
type API struct {
	Name         string // the service prefix of actions: "iam"
	SigningName  string // the service in a signature's credential scope
	Version      string // "2010-05-08"
	Namespace    string // XML namespace of answers; Query only
	TargetPrefix string // of the X-Amz-Target header; JSON only
	Protocol     Protocol
	Operations   map[string]*Operation // by name
	Errors       map[string]ErrorShape // the modelled errors by code
}

// Operation is one operation of an API.
type Operation struct {
	Name     string
	API      *API
	NewInput func() Input // a new, empty input
	// NewOutput makes a new, empty output. It is nil where the operation answers nothing; its XML then has no result element.
	NewOutput func() Output
	// Unsigned reports whether AWS takes the call without a signature (the assertion is the authentication).
	Unsigned bool
	Errors   []string // codes of the modelled errors
	Pages    *Pages   // nil: not paginated
	Unbuilt  string   // why the operation is not built; empty: it is

	root string // of the XML answer
}

// Pages names the members that page through an operation's results; a dot leads into a structure.
type Pages struct {
	InputToken, OutputToken string
	LimitKey                string   // may be empty
	MoreResults             string   // may be empty: then a missing output token ends the list
	ResultKeys              []string // the lists that are paged
}

// ErrorShape is a modelled error.
type ErrorShape struct {
	Code   string
	Status int  // HTTP
	Sender bool // the caller's fault, not the server's
}

// NewAPI makes an API of its operations; it sets their API. Two operations of one name cannot be.
func NewAPI(api API, operations []Operation, errors []ErrorShape) *API {
	a := &api
	a.Operations = make(map[string]*Operation, len(operations))
	for i := range operations {
		o := &operations[i]
		o.API, o.root = a, o.Name+"Response"
		if a.Operations[o.Name] != nil {
			panic(fmt.Sprintf("unreachable: the generator wrote operation %s twice", o.Name))
		}
		a.Operations[o.Name] = o
	}
	a.Errors = make(map[string]ErrorShape, len(errors))
	for _, e := range errors {
		a.Errors[e.Code] = e
	}
	return a
}

// DefaultRegion is the region of a call that names none: where the global endpoints of AWS's identity services stand.
func (a *API) DefaultRegion() string { return "us-east-1" }

// Unbuilt counts the operations that are not built.
func (a *API) Unbuilt() int {
	n := 0
	for _, o := range a.Operations {
		if o.Unbuilt != "" {
			n++
		}
	}
	return n
}

// EventEnd closes the object of an input's or output's event that began at start; an empty one becomes null, as in CloudTrail.
func EventEnd(b []byte, start int) []byte {
	if len(b) == start+1 {
		return append(b[:start], "null"...)
	}
	return append(b, '}')
}
