package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Quotas shows and sets the quotas of accounts. Errors are fault errors; their public message is shown.
type Quotas interface {
	// Quotas returns all quotas of an account, in the order of their names.
	Quotas(ctx context.Context, account string) ([]Quota, error)
	// SetQuota sets a quota; nil goes back to the default. What exists already stays, also where it is more than the quota.
	SetQuota(ctx context.Context, account, name string, value *int) (Quota, error)
}

// Quota is one quota of an account.
type Quota struct {
	Name    string
	Value   int  // in force
	Default int  // in force where nothing is set
	Maximum *int `json:",omitempty"` // what it can be raised to; absent: to anything
	Set     bool // by the operator
}

func (s *Server) listQuotas(w http.ResponseWriter, r *http.Request) {
	all, err := s.cfg.Operator.Quotas.Quotas(r.Context(), r.PathValue("account"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct{ Quotas []Quota }{all})
}

func (s *Server) setQuota(w http.ResponseWriter, r *http.Request) {
	value, err := decodeValue(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.changeQuota(w, r, &value)
}

func (s *Server) resetQuota(w http.ResponseWriter, r *http.Request) { s.changeQuota(w, r, nil) }

func (s *Server) changeQuota(w http.ResponseWriter, r *http.Request, value *int) {
	q, err := s.cfg.Operator.Quotas.SetQuota(r.Context(), r.PathValue("account"), r.PathValue("name"), value)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, q)
}

// decodeValue reads {"Value": n} strictly: that member once, a whole number, and nothing behind the object.
func decodeValue(w http.ResponseWriter, r *http.Request) (int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOperatorBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return 0, fault.New(fault.TooLarge, "The request body is longer than %d bytes.", maxOperatorBody)
		}
		return 0, fault.New(fault.MalformedInput, "The request body could not be read.")
	}
	malformed := fault.New(fault.MalformedInput, `The request body is not {"Value": a whole number}.`)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tokens []json.Token
	for len(tokens) < 5 {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, malformed
		}
		tokens = append(tokens, token)
	}
	if len(tokens) != 4 || tokens[0] != json.Delim('{') || tokens[1] != "Value" || tokens[3] != json.Delim('}') {
		return 0, malformed
	}
	number, _ := tokens[2].(json.Number)
	n, err := strconv.Atoi(number.String())
	if err != nil {
		return 0, malformed
	}
	return n, nil
}
