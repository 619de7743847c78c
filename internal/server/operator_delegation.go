package server

import (
	"context"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// DelegationRequests shows an account what has become of the delegation requests that it made, in the place of the topic that AWS
// publishes to. Errors are fault errors; their public message is shown.
type DelegationRequests interface {
	DelegationRequests(ctx context.Context, account string) ([]DelegationRequest, error)
}

// DelegationRequest is what AWS tells a requestor of a request ("Configuring Notifications", IAM User Guide). The exchange token is
// there once it was sent, and until it ends.
type DelegationRequest struct {
	RequestID      string `json:"RequestId"`
	WorkflowID     string `json:"RequestorWorkflowId"`
	State          string
	OwnerAccountID string      `json:"OwnerAccountId,omitempty"`
	UpdatedAt      time.Time   `json:"UpdatedAt"`
	ExchangeToken  secret.Text `json:"-"`
	ExpiresAt      time.Time   `json:"-"`
}

func (s *Server) listDelegationRequests(w http.ResponseWriter, r *http.Request) {
	all, err := s.cfg.Operator.Requests.DelegationRequests(r.Context(), r.PathValue("account"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	type shown struct {
		DelegationRequest
		ExchangeToken string     `json:",omitempty"`
		ExpiresAt     *time.Time `json:",omitempty"`
	}
	out := make([]shown, 0, len(all))
	for _, d := range all {
		one := shown{DelegationRequest: d, ExchangeToken: d.ExchangeToken.Reveal()}
		if !d.ExpiresAt.IsZero() {
			one.ExpiresAt = &d.ExpiresAt
		}
		out = append(out, one)
	}
	answer(w, struct{ Requests []shown }{out})
}
