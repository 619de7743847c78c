package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Providers keeps the operator's settings of SAML providers. Errors are fault errors; their public message is shown.
type Providers interface {
	// SetProviderOptions changes what is not nil and returns what holds then; with two nils it changes nothing.
	SetProviderOptions(ctx context.Context, arn string, singleUse, allowCBC *bool) (ProviderOptions, error)
}

// ProviderOptions are the operator's settings of a SAML provider: whether an assertion of it is accepted once only, and whether
// assertions encrypted with AES-CBC are.
type ProviderOptions struct {
	ARN       string `json:"SAMLProviderArn"`
	SingleUse bool
	AllowCBC  bool
}

func (s *Server) providerOptions(w http.ResponseWriter, r *http.Request) {
	arn := ""
	if err := decodeQuery(r, map[string]*string{"arn": &arn}, nil, 0); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerProvider(w, r, arn, nil, nil)
}

func (s *Server) setProviderOptions(w http.ResponseWriter, r *http.Request) {
	arn, flags := "", map[string]*bool{"SingleUse": nil, "AllowCBC": nil}
	seen := make(map[string]bool)
	err := decodeMembers(w, r, func(name string, value json.Token) (known bool, err error) {
		_, flag := flags[name]
		if seen[name] || !flag && name != "SAMLProviderArn" {
			return false, nil
		}
		seen[name] = true
		ok := false
		if !flag {
			if arn, ok = value.(string); !ok {
				err = fault.New(fault.Invalid, "The member %q must be a string.", name)
			}
			return true, err
		}
		on, ok := value.(bool)
		if !ok {
			return true, fault.New(fault.Invalid, "The member %q must be true or false.", name)
		}
		flags[name] = &on
		return true, nil
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerProvider(w, r, arn, flags["SingleUse"], flags["AllowCBC"])
}

func (s *Server) answerProvider(w http.ResponseWriter, r *http.Request, arn string, singleUse, allowCBC *bool) {
	options, err := s.cfg.Operator.Providers.SetProviderOptions(r.Context(), arn, singleUse, allowCBC)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, options)
}
