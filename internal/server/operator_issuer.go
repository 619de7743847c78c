package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// IssuerKeys shows and replaces the keys with which an account signs tokens for services elsewhere. Errors are fault errors; their
// public message is shown.
type IssuerKeys interface {
	// Issuer returns an account as an issuer of tokens.
	Issuer(ctx context.Context, account string) (Issuer, error)
	// RotateIssuer gives it new keys: published first and signing later, or, immediately, in place of the old ones.
	RotateIssuer(ctx context.Context, account string, immediately bool) (Issuer, error)
}

// Issuer is an account as an issuer of tokens.
type Issuer struct {
	Issuer  string // its URL; empty where the account never enabled the feature
	Enabled bool
	Keys    []IssuerKey // that are published, in the order in which they sign
}

// IssuerKey is one key. There is nothing secret in it.
type IssuerKey struct {
	KeyID      string `json:"KeyId"`
	Algorithm  string
	CreateDate time.Time
	SignsFrom  time.Time
	Signs      bool // now
}

func (s *Server) showIssuer(w http.ResponseWriter, r *http.Request) {
	i, err := s.cfg.Operator.Issuers.Issuer(r.Context(), r.PathValue("account"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, i)
}

func (s *Server) rotateIssuer(w http.ResponseWriter, r *http.Request) {
	immediately, given := false, false
	err := decodeMembers(w, r, func(name string, value json.Token) (known bool, err error) {
		if given || name != "Immediately" {
			return false, nil
		}
		if immediately, given = value.(bool); !given {
			return true, fault.New(fault.Invalid, "The member %q must be true or false.", name)
		}
		return true, nil
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	i, err := s.cfg.Operator.Issuers.RotateIssuer(r.Context(), r.PathValue("account"), immediately)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, i)
}
