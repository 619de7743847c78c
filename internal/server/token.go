package server

import (
	"context"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// How many tokens one answer of the list call holds.
const (
	DefaultTokens = 100
	MaxTokens     = 1000
)

// Tokens is the inventory of hardware MFA tokens: whoever is in it can be enabled for a user by its serial number (S1-229). Errors are
// fault errors; their public message is shown.
type Tokens interface {
	LoadToken(ctx context.Context, serial string, seed secret.Text) error
	// Tokens lists at most limit tokens whose serial numbers, without regard to case, are greater than after.
	Tokens(ctx context.Context, after string, limit int) ([]Token, error)
	RemoveToken(ctx context.Context, serial string) error
}

// Token is a hardware token as the list shows it: its seed is never shown.
type Token struct {
	SerialNumber string
	LoadedAt     time.Time
	AccountID    string `json:"AccountId,omitempty"` // where it is in use
}

// tokenAnswer is the answer of calls about one token.
type tokenAnswer struct{ SerialNumber string }

func (s *Server) loadToken(w http.ResponseWriter, r *http.Request) {
	var serial, seed string
	if err := decodeBody(w, r, map[string]*string{"SerialNumber": &serial, "Seed": &seed}); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.cfg.Operator.Tokens.LoadToken(r.Context(), serial, secret.New(seed)); err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, tokenAnswer{serial})
}

func (s *Server) listTokens(w http.ResponseWriter, r *http.Request) {
	after, limit := "", DefaultTokens
	if err := decodeQuery(r, map[string]*string{"after": &after}, &limit, MaxTokens); err != nil {
		s.fail(w, r, err)
		return
	}
	tokens, err := s.cfg.Operator.Tokens.Tokens(r.Context(), after, limit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := struct {
		Tokens []Token
		Next   string
	}{tokens, after}
	if n := len(tokens); n > 0 {
		page.Next = tokens[n-1].SerialNumber
	} else {
		page.Tokens = []Token{}
	}
	answer(w, page)
}

func (s *Server) removeToken(w http.ResponseWriter, r *http.Request) {
	serial := ""
	if err := decodeQuery(r, map[string]*string{"serialNumber": &serial}, nil, 0); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.cfg.Operator.Tokens.RemoveToken(r.Context(), serial); err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, tokenAnswer{serial})
}
