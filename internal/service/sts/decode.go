package sts

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/denial"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

func decodeChecks(*gate.Call) ([]authorizer.Check, error) {
	return []authorizer.Check{{Action: "sts:DecodeAuthorizationMessage", Resource: "*"}}, nil
}

// DecodeAuthorizationMessage opens the message that came with a denial: why a request of the caller's account was denied, as JSON.
// The messages of other accounts and those that have expired are answered like those that were never made.
func (s *service) DecodeAuthorizationMessage(_ context.Context, c *gate.Call, in *shape.DecodeAuthorizationMessageRequest) (*shape.DecodeAuthorizationMessageResponse, error) {
	text, err := denial.Open(s.ring, c.Account(), in.EncodedMessage, c.Now())
	if err != nil {
		return nil, err
	}
	return &shape.DecodeAuthorizationMessageResponse{DecodedMessage: &text}, nil
}
